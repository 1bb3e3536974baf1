/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load_corpus — see load_corpus.h.
 *
 * Untagged series differ by name. Tagged series share at most a hundred names per kind and differ
 * in their first tag, as services do. A series keeps its kind. Each walk visits every series once,
 * in an order of its own, so that the receiver's table is met at random places.
 */
#include "bench/load_corpus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define CORPUS_TAGGED_NAMES_MAX 100u
/* Gauges, timings, histograms and set members take three digits, so that a padded line has one
 * length and a series one name whatever its value. */
#define CORPUS_SAMPLE_FIRST 100u
#define CORPUS_SAMPLE_LIMIT 1000u

static const char *const corpus_kind_name[CORPUS_KIND_COUNT] = {"c", "g", "t", "h", "d", "s"};
static const char *const corpus_kind_suffix[CORPUS_KIND_COUNT] = {"c", "g", "ms", "h", "d", "s"};

struct corpus_options corpus_default_options(void)
{
    return (struct corpus_options){
        .seed = 1,
        .series_count = 10000,
        .datagram_bytes = 1432,
        .value_max = 9,
        .weights = {[CORPUS_KIND_COUNTER] = 1},
    };
}

/* SplitMix64: the state is the seed, and every step is a pure function of it. */
static uint64_t corpus_random(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Uniform enough for a load: the bias is below limit / 2^32. */
static uint32_t corpus_random_below(uint64_t *state, uint32_t limit)
{
    ASSERT(limit > 0);
    return (uint32_t)(((corpus_random(state) >> 32) * limit) >> 32);
}

void corpus_fini(struct corpus *c)
{
    mem_free(c->bytes);
    mem_free(c->lines);
    mem_free(c->datagrams);
    totals_fini(&c->names);
    *c = (struct corpus){0};
}

static int corpus_reserve(struct corpus *c, size_t bytes)
{
    if (bytes > c->bytes_capacity - c->bytes_used) {
        const uint64_t capacity = c->bytes_capacity * 2 + bytes + 65536;
        if (capacity > (uint64_t)CORPUS_MAX_BYTES * 2 || c->bytes_used > CORPUS_MAX_BYTES) {
            return FAULT_LIMIT;
        }
        uint8_t *grown = mem_resize(c->bytes, capacity);
        if (grown == NULL) {
            return -ENOMEM;
        }
        c->bytes = grown;
        c->bytes_capacity = capacity;
    }
    if (c->line_count == c->line_capacity) {
        const uint32_t capacity = c->line_capacity * 2 + 4096;
        struct corpus_line *grown = mem_resize(c->lines, capacity * sizeof(*grown));
        if (grown == NULL) {
            return -ENOMEM;
        }
        c->lines = grown;
        c->line_capacity = capacity;
    }
    return 0;
}

static bool corpus_is_observation(uint8_t kind)
{
    return kind == CORPUS_KIND_TIMING || kind == CORPUS_KIND_HISTOGRAM ||
           kind == CORPUS_KIND_DISTRIBUTION;
}

static void corpus_count_line(struct totals_entry *entry, struct corpus_line line, uint64_t times)
{
    if (line.kind == CORPUS_KIND_COUNTER) {
        entry->counter_sum += (double)(line.value * times);
    }
    if (corpus_is_observation(line.kind)) {
        entry->histogram_count += times;
    }
    entry->point_count += times;
}

int corpus_add_line(struct corpus *c, struct slice text, struct slice name, struct corpus_line line)
{
    int err = corpus_reserve(c, text.len + 1);
    if (err != 0) {
        return err;
    }
    err = totals_reach(&c->names, name, &line.name_index);
    if (err != 0) {
        return err;
    }
    if (text.len > 0) {
        memcpy(c->bytes + c->bytes_used, text.ptr, text.len);
    }
    c->bytes_used += text.len;
    c->bytes[c->bytes_used] = '\n';
    c->bytes_used++;
    c->lines[c->line_count] = line;
    c->line_count++;
    corpus_count_line(&c->names.entries[line.name_index], line, 1);
    return 0;
}

/* Bytes and lines that no closed datagram holds yet. */
static struct corpus_datagram corpus_open_datagram(const struct corpus *c)
{
    struct corpus_datagram open = {0};
    if (c->datagram_count > 0) {
        const struct corpus_datagram *last = &c->datagrams[c->datagram_count - 1];
        open.offset = last->offset + last->len;
        open.line_first = last->line_first + last->line_count;
    }
    open.len = (uint32_t)(c->bytes_used - open.offset);
    open.line_count = c->line_count - open.line_first;
    return open;
}

int corpus_end_datagram(struct corpus *c)
{
    const struct corpus_datagram open = corpus_open_datagram(c);
    if (open.line_count == 0) {
        return 0;
    }
    if (c->datagram_count == c->datagram_capacity) {
        const uint32_t capacity = c->datagram_capacity * 2 + 1024;
        struct corpus_datagram *grown = mem_resize(c->datagrams, capacity * sizeof(*grown));
        if (grown == NULL) {
            return -ENOMEM;
        }
        c->datagrams = grown;
        c->datagram_capacity = capacity;
    }
    c->datagrams[c->datagram_count] = open;
    c->datagram_count++;
    return 0;
}

static bool corpus_options_are_valid(const struct corpus_options *o)
{
    uint64_t weight_sum = 0;
    for (size_t i = 0; i < CORPUS_KIND_COUNT; i++) {
        weight_sum += o->weights[i];
    }
    return o->series_count > 0 && o->series_count <= CORPUS_SERIES_MAX_COUNT &&
           o->tag_count <= CORPUS_TAGS_MAX_COUNT && o->line_bytes <= CORPUS_LINE_MAX_BYTES &&
           o->datagram_bytes > 0 && o->datagram_bytes <= CORPUS_DATAGRAM_MAX_BYTES &&
           o->value_max > 0 && o->value_max <= CORPUS_VALUE_MAX && weight_sum > 0 &&
           weight_sum <= 1000000;
}

/* The kind of series `series_index`: by weight, and the same in every walk. */
static enum corpus_kind corpus_kind_of(const struct corpus_options *o, uint32_t series_index)
{
    uint32_t weight_sum = 0;
    for (size_t i = 0; i < CORPUS_KIND_COUNT; i++) {
        weight_sum += o->weights[i];
    }
    uint64_t state = o->seed ^ ((uint64_t)series_index << 20);
    uint32_t draw = corpus_random_below(&state, weight_sum);
    uint32_t kind = 0;
    while (draw >= o->weights[kind]) {
        draw -= o->weights[kind];
        kind++;
    }
    ASSERT(kind < CORPUS_KIND_COUNT);
    return (enum corpus_kind)kind;
}

struct corpus_text {
    char bytes[CORPUS_LINE_MAX_BYTES + 1];
    uint32_t name_bytes;
    uint32_t len;
};

/* Everything after the name: `:5|c|#shard:0000123,tag01:v1`. Returns its length. */
static size_t corpus_format_tail(const struct corpus_options *o, uint32_t series_index,
                                 struct corpus_line line, char *tail, size_t tail_bytes)
{
    const char *prefix = line.kind == CORPUS_KIND_SET ? "u" : "";
    size_t used = (size_t)snprintf(tail, tail_bytes, ":%s%" PRIu32 "|%s", prefix, line.value,
                                   corpus_kind_suffix[line.kind]);
    if (o->tag_count > 0) {
        used +=
            (size_t)snprintf(tail + used, tail_bytes - used, "|#shard:%07" PRIu32, series_index);
    }
    for (uint32_t i = 1; i < o->tag_count; i++) {
        used += (size_t)snprintf(tail + used, tail_bytes - used, ",tag%02" PRIu32 ":v%" PRIu32, i,
                                 (series_index + i) % 10);
    }
    ASSERT(used < tail_bytes); /* 16 tags of 10 bytes and a number stay below the room given */
    return used;
}

static void corpus_format(const struct corpus_options *o, uint32_t series_index,
                          struct corpus_line line, struct corpus_text *out)
{
    char tail[512];
    const size_t tail_len = corpus_format_tail(o, series_index, line, tail, sizeof(tail));
    const uint32_t number =
        o->tag_count > 0 ? series_index % CORPUS_TAGGED_NAMES_MAX : series_index;
    int name_len = snprintf(out->bytes, sizeof(out->bytes), "bench.%s.%07" PRIu32,
                            corpus_kind_name[line.kind], number);
    ASSERT(name_len > 0);
    out->name_bytes = (uint32_t)name_len;
    if (tail_len + out->name_bytes < o->line_bytes) {
        const uint32_t wanted = o->line_bytes - (uint32_t)tail_len;
        memset(out->bytes + out->name_bytes, 'x', wanted - out->name_bytes);
        out->name_bytes = wanted;
    }
    memcpy(out->bytes + out->name_bytes, tail, tail_len);
    out->len = out->name_bytes + (uint32_t)tail_len;
}

static struct corpus_line corpus_draw_line(const struct corpus_options *o, uint32_t series_index,
                                           uint64_t *state)
{
    struct corpus_line line = {.kind = (uint8_t)corpus_kind_of(o, series_index)};
    if (line.kind == CORPUS_KIND_COUNTER) {
        line.value = 1 + corpus_random_below(state, o->value_max);
    } else {
        line.value = CORPUS_SAMPLE_FIRST +
                     corpus_random_below(state, CORPUS_SAMPLE_LIMIT - CORPUS_SAMPLE_FIRST);
    }
    return line;
}

static bool corpus_datagram_is_full(const struct corpus *c, const struct corpus_options *o,
                                    size_t next_len)
{
    const struct corpus_datagram open = corpus_open_datagram(c);
    if (open.line_count == 0) {
        return false;
    }
    if (o->lines_per_datagram > 0 && open.line_count >= o->lines_per_datagram) {
        return true;
    }
    /* `len` counts the last newline, which a datagram does not carry. */
    return open.len + next_len > o->datagram_bytes;
}

static int corpus_walk(struct corpus *c, const struct corpus_options *o, const uint32_t *order,
                       uint64_t *state)
{
    struct corpus_text text;
    for (uint32_t i = 0; i < o->series_count; i++) {
        const struct corpus_line line = corpus_draw_line(o, order[i], state);
        corpus_format(o, order[i], line, &text);
        int err = 0;
        if (corpus_datagram_is_full(c, o, text.len)) {
            err = corpus_end_datagram(c);
        }
        if (err == 0) {
            err = corpus_add_line(c, slice_of(text.bytes, text.len),
                                  slice_of(text.bytes, text.name_bytes), line);
        }
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static void corpus_shuffle(uint32_t *order, uint32_t count, uint64_t *state)
{
    for (uint32_t i = count; i > 1; i--) {
        const uint32_t other = corpus_random_below(state, i);
        const uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static bool wants_walk(const struct corpus *c, uint32_t walk_count)
{
    if (c->line_count < CORPUS_LINES_MIN_COUNT) {
        return true;
    }
    uint64_t bytes_after = c->bytes_used / walk_count * (walk_count + 1);
    return walk_count < CORPUS_WALKS_COUNT && bytes_after <= CORPUS_WALKS_MAX_BYTES;
}

int corpus_build(struct corpus *c, const struct corpus_options *options)
{
    if (!corpus_options_are_valid(options)) {
        return -EINVAL;
    }
    uint32_t *order = mem_alloc_array(options->series_count, sizeof(*order));
    if (order == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < options->series_count; i++) {
        order[i] = i;
    }
    uint64_t state = options->seed;
    uint32_t walk_count = 0;
    int err = 0;
    do {
        corpus_shuffle(order, options->series_count, &state);
        err = corpus_walk(c, options, order, &state);
        walk_count++;
    } while (err == 0 && wants_walk(c, walk_count));
    if (err == 0) {
        err = corpus_end_datagram(c);
    }
    mem_free(order);
    return err;
}

int corpus_expect(const struct corpus *c, struct corpus_position position, struct totals *out)
{
    for (uint32_t i = 0; i < c->names.count; i++) {
        const struct totals_entry *pass = &c->names.entries[i];
        uint32_t index = 0;
        int err = totals_reach(out, totals_name(&c->names, pass), &index);
        if (err != 0) {
            return err;
        }
        ASSERT(index == i);
        out->entries[i].counter_sum = pass->counter_sum * (double)position.pass_count;
        out->entries[i].histogram_count = pass->histogram_count * position.pass_count;
        out->entries[i].point_count = pass->point_count * position.pass_count;
    }
    for (uint32_t d = 0; d < position.datagram_index; d++) {
        const struct corpus_datagram *datagram = &c->datagrams[d];
        for (uint32_t i = 0; i < datagram->line_count; i++) {
            const struct corpus_line line = c->lines[datagram->line_first + i];
            corpus_count_line(&out->entries[line.name_index], line, 1);
        }
    }
    return 0;
}

uint64_t corpus_lines_until(const struct corpus *c, struct corpus_position position)
{
    uint64_t lines = position.pass_count * c->line_count;
    if (position.datagram_index > 0) {
        const struct corpus_datagram *last = &c->datagrams[position.datagram_index - 1];
        lines += last->line_first + (uint64_t)last->line_count;
    }
    return lines;
}
