/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_random — export requests made of chance and the schema's descriptors, for property tests.
 *
 * Every field of every message turns up, in both spellings where it has two, with values of all
 * sizes. The same seed gives the same requests.
 */
#pragma once

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"
#include "core/model/part.h"
#include "core/otlp/otlp_build.h"

struct otlp_random {
    uint64_t state;      /* the seed */
    bool is_shuffled;    /* fields in any order, else as official SDKs write them: ascending */
    bool has_unknown;    /* fields that no message has, groups among them */
    bool has_duplicates; /* single messages and data of a metric more than once */
    bool has_old_scopes; /* scopes in field 1000 */
    uint32_t child_max;  /* resources in a request, scopes in a resource … at most; 0 means 4 */
};

/* 0 … limit − 1; limit > 0. */
uint32_t otlp_random_below(struct otlp_random *r, uint32_t limit);

/* The descriptor of a signal's export request. */
const ProtobufCMessageDescriptor *otlp_random_descriptor(enum signal signal);

/* A valid request, written into `b`, which must be large enough and empty; borrows its buffer. */
struct slice otlp_random_request(struct otlp_random *r, enum signal signal, struct otlp_build *b);
