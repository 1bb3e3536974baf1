/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_write_text — a WriteRequest as lines of text, by a reader that shares nothing with the
 * codec.
 *
 *   {__name__="hits_total",host="a"} 1@1000 2@2000 #{trace_id="ff"}0.5@900
 *   {__name__="size"} h[schema=0 count=3 sum=9 zt=1e-128 zero=1 pos=(1,2)1,0 neg=(0,1)1 @1000]
 *   meta counter hits_total "help" "unit"
 *
 * Whatever breaks the protocol fails the test at hand: bytes that are no such message, labels out
 * of order or twice, empty values, a series without a name or without a sample.
 */
#pragma once

#include <stddef.h>

#include "codecs/bytes.h"
#include "core/base/slice.h"

/* What was in the request. */
struct prom_write_counts {
    size_t series_count;
    size_t sample_count; /* histograms too */
    size_t metadata_count;
};

/* Appends the lines, each with a line break; the text is not terminated. */
struct prom_write_counts prom_write_text(struct slice request, struct bytes *out);
