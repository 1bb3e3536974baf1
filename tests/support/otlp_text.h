/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_text — OTLP metrics from lines of text, so that a vector file shows what a point says.
 *
 *   resource: @service.name=shop @count:i=5     attributes of what follows; replaces the last ones
 *   scope: name=lib
 *   gauge: name=load value=0.5 time=1700000000000 @host=a
 *   sum: name=hits unit=1 value=7 temp=cum
 *   hist: name=size count=2 sum=3 min=1 max=2
 *   exphist: name=size scale=0 count=3 sum=9 zero=1 pos=0:1,0,1 neg=-1:2
 *   summary: name=size count=2 sum=3 q=0.5:1,1:2
 *
 * `value` is an integer unless it has a point; `temp` is delta (default), cum or none; `flags` and
 * `time` (milliseconds) go with every kind. Attributes are texts, or with :i, :d, :b and :a
 * integers, doubles, bools and lists of one text. Fields may use the escapes of vectors.h.
 */
#pragma once

#include <stdbool.h>

#include "codecs/bytes.h"
#include "core/base/slice.h"

struct otlp_text {
    struct bytes request; /* one ResourceMetrics per point */
    struct bytes resource;
    struct bytes scope;
};

void otlp_text_init(struct otlp_text *text);
void otlp_text_fini(struct otlp_text *text);

/* Forgets the points, and the resource and scope too. */
void otlp_text_clear(struct otlp_text *text);

/* Takes one line; false where `key` is none of the above. Fails the test at hand for bad text. */
bool otlp_text_line(struct otlp_text *text, struct slice key, struct slice fields);
