/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_series — nanoseconds to fold one decoded point into a table, by number of series.
 *
 * Points are made from compact notes right before they are ingested, as a decoder would leave them:
 * in a burst that stays in the first-level cache, their texts a little further away. The order is
 * random, each series as often as any other.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/micro.h"
#include "bench/micro_rig.h"
#include "core/base/mem.h"
#include "core/model/series.h"

/* What is left for the table when the tokeniser has had its share of the budget of the route. */
#define TABLE_10K_BUDGET_NS 20
#define TABLE_100K_BUDGET_NS 60
#define TABLE_1M_BUDGET_NS 95

/* A decoded line in 12 bytes. */
struct note {
    uint32_t offset; /* of the line in the corpus */
    uint16_t name_len;
    uint16_t tags_offset; /* from the line's start; 0 where there are none */
    uint16_t tags_len;
    uint16_t value;
};

struct series_case {
    struct micro micro;
    struct corpus corpus;
    struct note *notes; /* owned; corpus.line_count */
    struct rig rig;
    uint64_t folded_count;
};

static struct note note_of(const struct corpus *corpus, struct slice line)
{
    struct point point = rig_point(line);
    return (struct note){
        .offset = (uint32_t)(line.ptr - corpus->bytes),
        .name_len = (uint16_t)point.name.len,
        .tags_offset = (uint16_t)(point.tags.len > 0 ? point.tags.ptr - line.ptr : 0),
        .tags_len = (uint16_t)point.tags.len,
        .value = (uint16_t)point.value,
    };
}

static int notes_fill(struct series_case *c)
{
    c->notes = mem_alloc_array(c->corpus.line_count, sizeof(c->notes[0]));
    if (c->notes == NULL) {
        return -ENOMEM;
    }
    struct slice rest = slice_of(c->corpus.bytes, c->corpus.bytes_used);
    for (uint32_t i = 0; i < c->corpus.line_count; i++) {
        size_t end = slice_find(rest, '\n');
        c->notes[i] = note_of(&c->corpus, slice_first(rest, end));
        rest = slice_from(rest, end + 1);
    }
    return 0;
}

static uint64_t series_call(struct micro *micro)
{
    struct series_case *c = CONTAINER_OF(micro, struct series_case, micro);
    struct series_table *table = &c->rig.seals[0].table;
    struct series_report report = {0};
    struct point points[POINT_BURST_MAX] = {0};
    for (uint32_t at = 0; at < c->corpus.line_count; at += POINT_BURST_MAX) {
        uint32_t left_count = c->corpus.line_count - at;
        uint32_t count = left_count < POINT_BURST_MAX ? left_count : POINT_BURST_MAX;
        for (uint32_t i = 0; i < count; i++) {
            const struct note *note = &c->notes[at + i];
            const uint8_t *line = c->corpus.bytes + note->offset;
            points[i].name = slice_of(line, note->name_len);
            points[i].tags = slice_of(line + note->tags_offset, note->tags_len);
            points[i].value = note->value;
            points[i].weight = 1;
            points[i].kind = KIND_COUNTER;
        }
        seal_prepare(&c->rig.seals[0]);
        series_ingest(table, points, count, c->rig.now_ns, &report);
    }
    c->folded_count += report.folded_count;
    return c->folded_count;
}

static int series_measure(const struct rig_input *input, const char *size, double budget_ns)
{
    static struct series_case c;
    char name[64];
    (void)snprintf(name, sizeof(name), "series/%s/%s", input->is_tagged ? "tagged" : "untagged",
                   size); /* fits */
    c = (struct series_case){0};
    int err = rig_fill(&c.corpus, input, RIG_MEET_SEED);
    if (err == 0) {
        err = notes_fill(&c);
    }
    if (err == 0) {
        err = rig_open(&c.rig, 1, input->series_count);
    }
    if (err == 0) {
        err = rig_bear(&c.rig, input);
    }
    if (err == 0) {
        c.micro = (struct micro){
            .name = name,
            .op_count = c.corpus.line_count,
            .op_bytes = input->is_tagged ? RIG_TAGGED_LINE_BYTES : RIG_UNTAGGED_LINE_BYTES,
            .budget_ns = budget_ns,
            .needs_zero_allocs = true,
            .call = series_call,
        };
        err = micro_run(&c.micro);
    }
    rig_close(&c.rig);
    mem_free(c.notes);
    corpus_fini(&c.corpus);
    return err;
}

/* All sizes, or the one that is named: 10k, 100k or 1m. */
int main(int argc, char **argv)
{
    static const struct {
        uint32_t series_count;
        const char *size;
        double budget_ns;
    } cases[] = {
        {10000, "10k", TABLE_10K_BUDGET_NS},
        {100000, "100k", TABLE_100K_BUDGET_NS},
        {1000000, "1m", TABLE_1M_BUDGET_NS},
    };
    int err = 0;
    for (size_t i = 0; i < COUNT_OF(cases) && err == 0; i++) {
        struct rig_input input = {.series_count = cases[i].series_count, .is_tagged = true};
        if (argc > 1 && strcmp(argv[1], cases[i].size) != 0) {
            continue;
        }
        err = series_measure(&input, cases[i].size, cases[i].budget_ns);
        input.is_tagged = false;
        if (err == 0) {
            err = series_measure(&input, cases[i].size, 0);
        }
    }
    return err == 0 ? 0 : 1;
}
