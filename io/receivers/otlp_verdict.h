/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_verdict — what a client of the OTLP receiver is told, before it is put into gRPC's or HTTP's
 * words.
 *
 * A status of gRPC is the common tongue; over HTTP it becomes a status code and a google.rpc.Status
 * in the request's encoding, as in the Collector. Pure. Source: OTLP specification, the Collector's
 * receiver.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"
#include "io/grpc.h"

/* Room for words that are made for one answer. */
#define OTLP_VERDICT_TEXT_BYTES 320

struct otlp_verdict {
    enum grpc_status status;
    uint32_t http_status;    /* where the table below does not say it; 0 for the table's */
    uint64_t retry_delay_ns; /* or GRPC_NO_RETRY_DELAY */
    uint64_t rejected_count; /* with GRPC_OK: items that were refused for good */
    uint32_t text_len;
    char text[OTLP_VERDICT_TEXT_BYTES];
};

static inline struct slice otlp_verdict_text(const struct otlp_verdict *verdict)
{
    return slice_of(verdict->text, verdict->text_len);
}

/* All is well. */
void otlp_verdict_accept(struct otlp_verdict *verdict);

/* Refused for good, with words; cut to fit. */
WEIR_PRINTF(3, 4)
void otlp_verdict_refuse(struct otlp_verdict *verdict, enum grpc_status status, const char *format,
                         ...);

/* Come again after a while: UNAVAILABLE with RetryInfo. `text` is static. */
void otlp_verdict_postpone(struct otlp_verdict *verdict, const char *text);

/* The status code of HTTP that says the same. */
uint32_t otlp_verdict_http_status(const struct otlp_verdict *verdict);

/* Seconds for Retry-After, at least 1; 0 where there is none to send. */
uint32_t otlp_verdict_retry_after_s(const struct otlp_verdict *verdict);

/* The body of a response whose verdict is GRPC_OK: an Export…ServiceResponse. Appended to `out`. */
void otlp_verdict_encode_response(const struct otlp_verdict *verdict, enum signal signal,
                                  bool is_json, struct bytes *out);

/* The body of any other over HTTP: a google.rpc.Status. Appended to `out`. */
void otlp_verdict_encode_status(const struct otlp_verdict *verdict, bool is_json,
                                struct bytes *out);
