/* SPDX-License-Identifier: Apache-2.0 */
/*
 * processor_rig — a processor under test: a configuration in one line of text, requests built field
 * by field, and what comes out as text that can be compared.
 *
 *     rig_open(&rig, attributes_processor_new, SIGNAL_TRACES, "{actions: [{key: a, …}]}");
 *     struct slice out = rig_run(&rig, spans(span(attr_text(9, "a", "x"))));
 *     assert_string_equal(rig_text(&rig, out), …);
 *
 * Everything lives until rig_close; one rig at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/arena.h"
#include "core/engine/processor.h"
#include "tests/support/config_fixture.h"

typedef int(processor_new_fn)(struct config_reader *config, const char *id, enum signal signal,
                              struct processor **out);

struct rig {
    struct config_fixture config;
    struct arena memory; /* requests, configuration text, dumps */
    struct arena scratch;
    struct processor *processor; /* owned; NULL where it was refused */
    enum signal signal;
    struct part part; /* owned; the last one that was run */
};

/* Configuration and memory, without a processor. */
void rig_init(struct rig *rig);

/*
 * A reader over `text`: YAML's flow style without anchors, tags or folding. The tree lives as long
 * as the rig.
 */
void rig_reader(struct rig *rig, const char *text, struct config_reader *out);

/* What making the processor returned. */
int rig_try(struct rig *rig, processor_new_fn *fn, enum signal signal, const char *text);
/* As rig_try, which must return 0. */
void rig_open(struct rig *rig, processor_new_fn *fn, enum signal signal, const char *text);
void rig_close(struct rig *rig);

/* Is the configuration refused, with `words` in the report? Opens and closes a rig of its own. */
void rig_check_refused(processor_new_fn *fn, enum signal signal, const char *text,
                       const char *words);

/* What `process` returns, for a copy of `request`; the part stays in the rig. */
int rig_process(struct rig *rig, struct slice request);

/* The request as processed; checks that it is valid and that the part counts its items. */
struct slice rig_run(struct rig *rig, struct slice request);

/* A request decoded, as text: every field that is there, by name. */
const char *rig_text(struct rig *rig, struct slice request);

/* Runs `request` and checks that it comes out as `expected`, and that nothing moved if equal. */
void rig_check(struct rig *rig, struct slice request, struct slice expected);

/* --- requests, field by field; all from the memory of the rig opened last ----------------------
 */

struct slice field_message(uint32_t number, struct slice content);
struct slice field_text(uint32_t number, const char *text);
struct slice field_varint(uint32_t number, uint64_t value);
struct slice field_fixed64(uint32_t number, uint64_t value);
struct slice field_double(uint32_t number, double value);

/* Attributes, as field `number`. */
struct slice attr_text(uint32_t number, const char *key, const char *text);
struct slice attr_int(uint32_t number, const char *key, int64_t value);
struct slice attr_bool(uint32_t number, const char *key, bool value);
struct slice attr_double(uint32_t number, const char *key, double value);
/* An attribute with the AnyValue `value`. */
struct slice attr_value(uint32_t number, const char *key, struct slice value);

/* One after the other. */
struct slice join_slices(const struct slice *slices, size_t count);
#define JOIN(...)                                                                                  \
    join_slices((const struct slice[]){__VA_ARGS__},                                               \
                COUNT_OF(((const struct slice[]){__VA_ARGS__})))
#define NOTHING ((struct slice){0})

/* A request of one resource (attributes given), one scope named "lib" and these items. */
struct slice request_of(struct slice resource_attrs, struct slice items);
/* A gauge or sum with these points, as an item. `data` is the field number of the kind. */
struct slice metric_of(const char *name, uint32_t data, struct slice points);
/* An item: a span, record or metric with this content. */
struct slice item_of(struct slice content);
