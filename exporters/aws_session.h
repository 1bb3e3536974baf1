/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_session — the keys by which every exporter towards AWS says how it gets there.
 *
 * Region, endpoint, role and proxy with the Collector's names and defaults, and what they mean to
 * the client of io/aws and to a sender. Owns nothing: all texts lie in the caller's arena, which
 * outlives the exporter's clients. Main thread, at start and reload; frozen afterwards.
 *
 * Collector keys: endpoint, external_id, local_mode, max_retries, no_verify_ssl, num_workers,
 * proxy_address, region, request_timeout_seconds, resource_arn, role_arn.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/base/defs.h"
#include "exporters/sender.h"

struct aws_client_options;
struct config_reader;

/* Texts are "" where the key is not set, never NULL. */
struct aws_session_config {
    const char *region;
    const char *endpoint; /* an http:// or https:// URL */
    const char *role_arn;
    const char *external_id;
    const char *resource_arn;
    const char *proxy_address;
    bool no_verify_ssl;
    bool is_local_mode;
    uint32_t worker_count; /* `num_workers`: requests in flight where the queue does not say */
    uint64_t request_timeout_s;
    uint32_t attempts_max; /* `max_retries` and the first one; 0 where it is not written */
};

/*
 * aws_session_config_read — the session keys of an exporter's section.
 *
 *   texts   takes copies of all texts; must outlive `out` and the clients made from it
 *
 * Does not finish the reader; complaints go to its report. Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int aws_session_config_read(struct config_reader *r, struct arena *texts,
                                          struct aws_session_config *out);

/*
 * aws_session_sender_read — `timeout`, `sending_queue` and `retry_on_failure` of the same section.
 *
 * `request_timeout_seconds` is the default of `timeout`, and `num_workers` that of
 * `sending_queue.num_consumers`; `max_retries` bounds the attempts that `retry_on_failure` makes.
 * Complaints go to the reader's report.
 */
void aws_session_sender_read(struct config_reader *r, const struct aws_session_config *session,
                             struct sender_config *out);

/*
 * What aws_client_open wants for `service` ("xray", "logs"), which is borrowed as the texts are.
 */
void aws_session_client_options(const struct aws_session_config *session, const char *service,
                                struct aws_client_options *out);
