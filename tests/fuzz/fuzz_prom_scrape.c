/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: prom_read_next, prom_scrape_turn.
 *
 * The first byte chooses format and rules of one of a few targets that live as long as the fuzzer,
 * so that series come, restart and end; the rest is a page. Whatever it holds, what is pushed is a
 * valid export request, each point is booked once, and `up` says what the result says.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "codecs/prom_read.h"
#include "codecs/prom_relabel.h"
#include "codecs/prom_scrape.h"
#include "core/base/bounds.h"
#include "core/otlp/otlp_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TARGETS 4
/* A target is given up after so many pages, so that what a page does depends on few before it. */
#define PAGES_MAX 64

struct bench {
    struct prom_sink sink;
    struct prom_scrape *scrape;
    struct prom_target *targets[TARGETS];
    struct prom_rules rules[TARGETS];
    struct prom_relabel *relabel;
    uint64_t point_count;
    uint64_t now_ms;
    uint32_t page_count;
};

static struct bench bench;

static void on_push(struct prom_sink *sink, struct slice bytes, uint32_t point_count)
{
    struct otlp_counts counts;
    struct bench *self = CONTAINER_OF(sink, struct bench, sink);
    int err = otlp_walk(SIGNAL_METRICS, bytes, &counts, NULL);
    ASSERT(err == 0);
    ASSERT(!counts.is_irregular);
    ASSERT(counts.item_count == point_count);
    ASSERT(bytes.len <= PROM_PART_MAX_BYTES);
    self->point_count += point_count;
}

static void make_relabel(void)
{
    static const struct slice name = {(const uint8_t *)"__name__", 8};
    struct prom_relabel_rule rules[3];
    char why[128];
    uint32_t index = 0;
    for (size_t i = 0; i < COUNT_OF(rules); i++) {
        rules[i] = prom_relabel_rule_default();
        rules[i].source_labels = &name;
        rules[i].source_label_count = 1;
    }
    rules[0].action = PROM_RELABEL_DROP;
    rules[0].regex = SLICE_LITERAL("x.*");
    rules[1].regex = SLICE_LITERAL("(.)(.*)");
    rules[1].target_label = SLICE_LITERAL("l_$1");
    rules[1].replacement = SLICE_LITERAL("$2");
    rules[2] = prom_relabel_rule_default();
    rules[2].action = PROM_RELABEL_LABELMAP;
    rules[2].regex = SLICE_LITERAL("(.+)b");
    int err = prom_relabel_new(rules, COUNT_OF(rules), &bench.relabel, &index, why, sizeof(why));
    ASSERT(err == 0);
}

static void make_targets(void)
{
    static const struct label labels[] = {
        {{(const uint8_t *)"instance", 8}, {(const uint8_t *)"h:1", 3}},
        {{(const uint8_t *)"job", 3}, {(const uint8_t *)"j", 1}}};
    for (size_t i = 0; i < TARGETS; i++) {
        bench.rules[i] = (struct prom_rules){
            .metric_relabel = i == 1 ? bench.relabel : NULL,
            .honors_labels = i == 2,
            .ignores_timestamps = i == 3,
            .tracks_timestamps = i == 2,
            .trims_suffixes = i == 1,
            .reports_extra = i == 3,
            .sample_limit = i == 3 ? 5 : 0,
            .label_limit = i == 3 ? 6 : 0,
        };
        prom_target_free(bench.targets[i]);
        int err = prom_target_new(&bench.rules[i], labels, COUNT_OF(labels), SLICE_LITERAL("http"),
                                  &bench.targets[i]);
        ASSERT(err == 0);
    }
}

static void check_reader(struct slice page, enum prom_format format)
{
    static struct prom_sample sample;
    struct prom_meta meta;
    struct arena arena;
    int err = arena_init(&arena, 4096, 1 << 26);
    ASSERT(err == 0);
    struct prom_reader reader = prom_reader_of(page, format, &arena);
    enum prom_line line = PROM_LINE_SAMPLE;
    while (line < PROM_LINE_END) {
        line = prom_read_next(&reader, &sample, &meta);
        ASSERT(line != PROM_LINE_SAMPLE || label_list_is_valid(&sample.labels));
        ASSERT(reader.at <= page.len);
    }
    ASSERT((line == PROM_LINE_BAD) == (reader.why != PROM_READ_FINE));
    arena_fini(&arena);
}

static uint64_t dropped_of(const struct prom_scrape_result *result)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < PROM_DROP_COUNT; i++) {
        sum += result->drops[i];
    }
    return sum;
}

static void check_page(uint8_t choice, struct slice body)
{
    static const enum prom_fetch fetches[] = {PROM_FETCH_DONE, PROM_FETCH_DONE, PROM_FETCH_DONE,
                                              PROM_FETCH_FAILED};
    bench.now_ms += choice >= 0xF0 ? 2 * PROM_SERIES_KEPT_MS : 1000;
    const struct prom_page page = {
        .fetch = fetches[choice >> 3 & 3],
        .format = (choice & 4) != 0 ? PROM_FORMAT_OPENMETRICS : PROM_FORMAT_TEXT,
        .body = body,
        .time_unix_ns = bench.now_ms * UINT64_C(1000000),
    };
    check_reader(body, page.format);
    bench.point_count = 0;
    prom_scrape_begin(bench.scrape, bench.targets[choice % TARGETS], &page);
    while (prom_scrape_turn(bench.scrape, &bench.sink)) {
        /* to the end */
    }
    const struct prom_scrape_result *result = prom_scrape_result(bench.scrape);
    ASSERT(result->point_count == bench.point_count);
    ASSERT(result->ended_count <= result->point_count);
    ASSERT(result->kept_sample_count <= result->sample_count);
    ASSERT(result->untracked_count == 0);
    ASSERT(result->why == PROM_SCRAPE_FINE || dropped_of(result) == 0);
    /* `up` and its like are always there. */
    ASSERT(result->point_count >= 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (bench.scrape == NULL) {
        bench.sink.push = on_push;
        bench.now_ms = 1000000;
        int err = prom_scrape_new(1, &bench.scrape);
        ASSERT(err == 0);
        make_relabel();
    }
    if (bench.page_count % PAGES_MAX == 0) {
        make_targets();
    }
    bench.page_count++;
    check_page(data[0], slice_of(data + 1, size - 1));
    return 0;
}
