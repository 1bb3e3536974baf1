/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_json_wire — wire bytes written front to back, whose lengths are known late.
 *
 * A length takes one byte at first. Those that turn out to need more are noted in the order in
 * which their messages close, and one walk from the back makes room for them all: linear, however
 * deep messages nest. Used by otlp_json_decode only.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/otlp/pb_wire.h"

/* A tag and a varint or a fixed-width value. */
#define OTLP_JSON_SCALAR_MAX_BYTES 20

enum pb_wire_type otlp_json_wire_type(ProtobufCType type);

/* Each writes to `out`, which has room for it, and returns the length. */
size_t otlp_json_put_varint(uint8_t *out, uint64_t value);
size_t otlp_json_put_tag(uint8_t *out, const ProtobufCFieldDescriptor *field,
                         enum pb_wire_type wire_type);
size_t otlp_json_put_scalar(uint8_t *out, enum pb_wire_type wire_type, uint64_t wire);

/* Output under way. Zeros are not valid; the notes are freed with bytes_fini. */
struct otlp_json_wire {
    struct bytes *out;  /* borrowed; grown by whoever writes */
    size_t base;        /* where the output begins in it */
    struct bytes notes; /* owned; lengths that did not fit their byte */
};

/* How many lengths are noted. */
size_t otlp_json_note_count(const struct otlp_json_wire *wire);

/*
 * otlp_json_close_length — the message that begins at `body_first`, behind its one length byte, is
 * `len` long once all lengths inside have their room: writes that, or notes it.
 *
 *   extra_bytes   added to: what the length takes beyond its byte
 *
 * 0, FAULT_LIMIT past 4 GiB, or -ENOMEM.
 */
WEIR_MUST_USE int otlp_json_close_length(struct otlp_json_wire *wire, size_t body_first, size_t len,
                                         size_t *extra_bytes);

/*
 * otlp_json_cut — takes out the bytes [first, limit) with the notes [note_first, note_limit), which
 * are those inside; what stands behind moves up.
 */
void otlp_json_cut(struct otlp_json_wire *wire, size_t first, size_t limit, size_t note_first,
                   size_t note_limit);

/* Gives every noted length its room, `extra_bytes` altogether. 0, FAULT_LIMIT or -ENOMEM. */
WEIR_MUST_USE int otlp_json_widen(struct otlp_json_wire *wire, size_t extra_bytes);
