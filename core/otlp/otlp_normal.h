/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_normal — a request in the one form that everything else reads.
 *
 * Protobuf allows a message's fields in any order and a message in pieces, and OTLP once had
 * another field for scopes. Regular is: the children of a request, resource, scope, metric or data
 * stand in one run, what else the message has stands before or behind it; there is one Resource and
 * one scope at most; a metric has one kind of data; scopes are in field 2.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "core/model/part.h"
#include "core/otlp/otlp_edit.h"

/* How the fields of one message stand. */
struct otlp_layout {
    const uint8_t *first_child; /* where the message ends if it has none */
    const uint8_t *last_end;    /* behind the last child; first_child if it has none */
    size_t between_bytes;       /* of other fields, between children */
    size_t single_count;
    size_t single_bytes; /* contents together */
};

/* The layout of `message` by the number of its children and that of its Resource or scope. */
struct otlp_layout otlp_layout_of(struct slice message, uint32_t child_number,
                                  uint32_t single_number);

/* Is the walked request regular? Steps over every item. */
bool otlp_is_regular(enum signal signal, struct slice request);

/*
 * Brings the edit's source, a walked request, into regular form: what stands between children moves
 * in front of them, pieces of one message are joined, data that later data overrides goes, old
 * scopes become scopes where a resource has no others. 0 or FAULT_LIMIT; otlp_edit_apply follows.
 */
WEIR_MUST_USE int otlp_regularise(struct otlp_edit *edit, enum signal signal);
