/* SPDX-License-Identifier: Apache-2.0 */
/* Any stream of points, split over shards in any way, merges into what one shard makes of it. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/base/regex.h"
#include "core/engine/merge.h"
#include "core/engine/shard.h"
#include "core/model/exphist.h"
#include "core/model/histogram.h"
#include "core/model/samples.h"
#include "core/model/set.h"
#include "core/model/summary.h"
#include "tests/core/model/sketch_random.h"

#define SHARDS_MAX 8
#define SECOND_NS UINT64_C(1000000000)
#define INTERVAL_NS (10 * SECOND_NS)
#define NAME_COUNT 12

static double bounds[] = {-10, 0, 1, 10, 100};

static struct aggregate_config config = {
    .aggregate_of =
        {
            [KIND_COUNTER] = AGGREGATE_SUM,
            [KIND_GAUGE] = AGGREGATE_GAUGE,
            [KIND_TIMING] = AGGREGATE_EXPHIST,
            [KIND_HISTOGRAM] = AGGREGATE_SUMMARY,
            [KIND_DISTRIBUTION] = AGGREGATE_EXPHIST,
            [KIND_SET] = AGGREGATE_SET,
        },
    .exphist_max_size = {[KIND_TIMING] = 160, [KIND_DISTRIBUTION] = 20},
};

struct house {
    uint32_t shard_count;
    struct shard shards[SHARDS_MAX];
    struct seal_table seals[SHARDS_MAX];
    struct budget budgets[SHARDS_MAX];
    struct receiver_stats stats;
    struct merge merge;
};

/* Made of parts: everything about a house that a test may want different. */
struct setting {
    uint32_t shard_count;
    uint32_t series_max; /* of each shard, and of the merge where it has none of its own */
    uint32_t merged_max;
    uint64_t gauge_expiry_ns;
    uint64_t counter_expiry_ns;
    enum gauge_base gauge_base;
    uint32_t idle_window_max;
};

static void open_house(struct house *h, const struct setting *setting, uint64_t now_ns)
{
    memset(h, 0, sizeof(*h));
    h->shard_count = setting->shard_count;
    struct seal_table *sources[SHARDS_MAX];
    for (uint32_t i = 0; i < h->shard_count; i++) {
        assert_int_equal(shard_init(&h->shards[i], i, 64 * 1024 * 1024), 0);
        budget_init(&h->budgets[i], setting->series_max);
        const struct seal_options options = {
            .series =
                {
                    .series_max = setting->series_max,
                    .key_max_bytes = 16 * 1024 * 1024,
                    .hash_seed = 99,
                    .config = &config,
                    .pool = &h->shards[i].pool,
                },
            .series_budget = &h->budgets[i],
            .lease_block_count = 16,
            .interval_ns = INTERVAL_NS,
            .idle_window_max = setting->idle_window_max,
        };
        assert_int_equal(seal_table_init(&h->seals[i], &options, now_ns, now_ns), 0);
        sources[i] = &h->seals[i];
    }
    const struct merge_options options = {
        .sources = sources,
        .source_count = h->shard_count,
        .series_max = setting->merged_max != 0 ? setting->merged_max : setting->series_max,
        .key_max_bytes = 16 * 1024 * 1024,
        .pool_max_bytes = 64 * 1024 * 1024,
        .hash_seed = 99,
        .interval_ns = INTERVAL_NS,
        .gauge_expiry_ns = setting->gauge_expiry_ns,
        .counter_expiry_ns = setting->counter_expiry_ns,
        .gauge_base = setting->gauge_base,
        .config = &config,
    };
    assert_int_equal(merge_init(&h->merge, &options), 0);
}

static void close_house(struct house *h)
{
    assert_true(merge_is_valid(&h->merge));
    merge_fini(&h->merge);
    for (uint32_t i = 0; i < h->shard_count; i++) {
        assert_true(series_table_is_valid(&h->seals[i].table));
        seal_table_fini(&h->seals[i]);
        assert_int_equal(sketch_pool_used_bytes(&h->shards[i].pool), 0);
        shard_fini(&h->shards[i]);
        assert_int_equal(budget_leased(&h->budgets[i]), 0);
    }
}

/* Turns shards and merge until a round can be read. */
static void seal_all(struct house *h, uint64_t now_ns)
{
    for (uint32_t turn = 0; turn < 10000 && !merge_is_reading(&h->merge); turn++) {
        for (uint32_t i = 0; i < h->shard_count; i++) {
            (void)seal_turn(&h->seals[i], now_ns, now_ns);
        }
        (void)merge_turn(&h->merge, 8);
    }
    assert_true(merge_is_reading(&h->merge));
}

/* A flat copy of a merged point, comparable after the round has gone. */
struct result {
    char name[64];
    uint8_t kind;
    double number;
    uint64_t count;
    double sum;
    double min;
    double max;
    int32_t scale;
    int32_t offset;
    uint64_t buckets[512];
    uint32_t bucket_count;
    double quantiles[5];
};

#define RESULTS_MAX 512
struct results {
    uint32_t count;
    struct result items[RESULTS_MAX];
};

static void flatten_exphist(struct result *r, const struct exphist *hist)
{
    r->count = hist->count;
    r->sum = exphist_sum(hist);
    r->min = hist->min;
    r->max = hist->max;
    r->scale = exphist_scale(hist);
    for (uint32_t sign = 0; sign < 2; sign++) {
        struct exphist_view view =
            exphist_trimmed(hist, sign == 0 ? EXPHIST_POSITIVE : EXPHIST_NEGATIVE);
        r->offset ^= view.offset * (sign == 0 ? 1 : 2);
        for (uint32_t i = 0; i < view.slot_count; i++) {
            r->buckets[r->bucket_count] = exphist_view_count(view, i);
            r->bucket_count++;
        }
    }
    r->buckets[r->bucket_count] = hist->zero_count;
    r->bucket_count++;
}

static void flatten_summary(struct result *r, struct summary *summary)
{
    static const double wanted[] = {0, 0.1, 0.5, 0.99, 1};
    r->number = summary_count(summary);
    r->sum = summary_sum(summary);
    summary_sort(summary);
    for (uint32_t i = 0; i < 5; i++) {
        r->quantiles[i] = summary_quantile(summary, wanted[i]);
    }
}

static void flatten(struct result *r, const struct merge_point *point)
{
    struct slice name = series_key_name(point->key);
    memset(r, 0, sizeof(*r));
    (void)snprintf(r->name, sizeof(r->name), "%.*s", (int)name.len, (const char *)name.ptr);
    r->kind = point->key->kind;
    switch (point->aggregate) {
    case AGGREGATE_SUM:
    case AGGREGATE_GAUGE:
        r->number = point->number;
        break;
    case AGGREGATE_SET:
        r->count = set_estimate(point->set);
        break;
    case AGGREGATE_EXPHIST:
        flatten_exphist(r, point->exphist);
        break;
    case AGGREGATE_HISTOGRAM:
        r->count = point->histogram->count;
        r->sum = histogram_sum(point->histogram);
        memcpy(r->buckets, point->histogram->counts, 6 * sizeof(uint64_t));
        r->bucket_count = 6;
        break;
    case AGGREGATE_SUMMARY:
        flatten_summary(r, point->summary);
        break;
    case AGGREGATE_SAMPLES:
        r->count = point->samples->count;
        break;
    case AGGREGATE_NONE:
        break;
    }
}

static int by_name(const void *a, const void *b)
{
    const struct result *left = a;
    const struct result *right = b;
    int order = strcmp(left->name, right->name);
    return order != 0 ? order : left->kind - right->kind;
}

static void read_round(struct house *h, struct results *out)
{
    struct merge_point point;
    out->count = 0;
    while (merge_next(&h->merge, &point)) {
        assert_true(out->count < RESULTS_MAX);
        flatten(&out->items[out->count], &point);
        out->count++;
        merge_consume(&h->merge);
    }
    qsort(out->items, out->count, sizeof(out->items[0]), by_name);
}

static bool is_near(double a, double b, double magnitude)
{
    return fabs(a - b) <= 1e-12 * fmax(1, magnitude);
}

static void assert_same(const struct result *a, const struct result *b, double magnitude)
{
    assert_string_equal(a->name, b->name);
    assert_int_equal(a->kind, b->kind);
    assert_true(is_near(a->number, b->number, magnitude));
    assert_true(is_near(a->sum, b->sum, magnitude));
    assert_int_equal(a->count, b->count);
    assert_true(a->min == b->min && a->max == b->max);
    assert_int_equal(a->scale, b->scale);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->bucket_count, b->bucket_count);
    assert_memory_equal(a->buckets, b->buckets, sizeof(a->buckets));
    assert_memory_equal(a->quantiles, b->quantiles, sizeof(a->quantiles));
}

static const char *const tag_orders[] = {"a:1,b:2,c", "b:2,c,a:1", "c,a:1,b:2"};
static const double ratios[] = {1, 1, 1, 0.5, 0.1, 0.3, 0.001};

/* One random point of any kind; `text` and `name` hold what it borrows. */
static struct point random_point(struct sketch_random *r, char *name, char *text)
{
    static const uint8_t kinds[] = {KIND_COUNTER, KIND_TIMING,       KIND_HISTOGRAM,
                                    KIND_SET,     KIND_DISTRIBUTION, KIND_GAUGE};
    struct point point = {.kind = kinds[random_below(r, 6)], .weight = 1};
    uint32_t which = random_below(r, NAME_COUNT);
    (void)snprintf(name, 32, "%s.%u", which % 3 == 0 ? "bucketed" : "metric", which);
    point.name = slice_of_text(name);
    if (which % 2 == 0) {
        point.tags = slice_of_text(tag_orders[random_below(r, 3)]);
    }
    if (point.kind == KIND_SET) {
        (void)snprintf(text, 32, "member-%u", random_below(r, 3000));
        point.member = slice_of_text(text);
        return point;
    }
    point.value = random_value(r, random_below(r, 3));
    if (point.kind == KIND_GAUGE) {
        point.is_delta = random_below(r, 2) == 0;
        return point;
    }
    point.weight = 1 / ratios[random_below(r, 7)];
    return point;
}

/* What gauges are defined to be: the latest absolute value, and the deltas of every shard whose
 * last one is not older. Kept per shard, as a naive list. */
struct naive_gauge {
    double absolute[SHARDS_MAX];
    double delta[SHARDS_MAX];
    uint64_t absolute_ns[SHARDS_MAX];
    uint64_t delta_ns[SHARDS_MAX];
};

static void naive_add(struct naive_gauge *gauge, uint32_t shard, const struct point *point,
                      uint64_t now_ns)
{
    if (point->is_delta != 0) {
        gauge->delta[shard] += point->value;
        gauge->delta_ns[shard] = now_ns;
        return;
    }
    gauge->absolute[shard] = point->value;
    gauge->absolute_ns[shard] = now_ns;
    gauge->delta[shard] = 0;
    gauge->delta_ns[shard] = 0;
}

static double naive_value(const struct naive_gauge *gauge, double base)
{
    uint64_t latest_ns = 0;
    double value = base;
    for (uint32_t i = 0; i < SHARDS_MAX; i++) {
        if (gauge->absolute_ns[i] > latest_ns) {
            latest_ns = gauge->absolute_ns[i];
            value = gauge->absolute[i];
        }
    }
    for (uint32_t i = 0; i < SHARDS_MAX; i++) {
        if (gauge->delta_ns[i] != 0 && gauge->delta_ns[i] >= latest_ns) {
            value += gauge->delta[i];
        }
    }
    return value;
}

static struct results whole_results;
static struct results split_results;

/* Both houses get the same stream; the split one has it spread at random. */
static void run_stream(uint64_t seed, uint32_t shard_count, enum gauge_base gauge_base)
{
    static struct house whole;
    static struct house split;
    const struct setting one = {
        .shard_count = 1, .series_max = 5000, .gauge_base = gauge_base, .idle_window_max = 2};
    struct setting many = one;
    many.shard_count = shard_count;
    struct sketch_random r = {.state = seed};
    uint64_t now_ns = 1000 * INTERVAL_NS + 1;
    open_house(&whole, &one, now_ns);
    open_house(&split, &many, now_ns);
    double gauge_bases[NAME_COUNT] = {0};
    for (uint32_t window = 0; window < 3; window++) {
        struct naive_gauge gauges[NAME_COUNT] = {0};
        for (uint32_t i = 0; i < 1500; i++) {
            char name[32];
            char text[32];
            struct point point = random_point(&r, name, text);
            uint32_t shard = random_below(&r, shard_count);
            now_ns++;
            shard_ingest(&whole.seals[0], &point, 1, now_ns, &whole.stats);
            shard_ingest(&split.seals[shard], &point, 1, now_ns, &split.stats);
            if (point.kind == KIND_GAUGE) {
                const char *digits = strchr(name, '.') + 1;
                uint32_t which = (uint32_t)(digits[0] - '0');
                which = digits[1] != 0 ? which * 10 + (uint32_t)(digits[1] - '0') : which;
                naive_add(&gauges[which], shard, &point, now_ns);
            }
        }
        now_ns = (1001 + window) * INTERVAL_NS;
        seal_all(&whole, now_ns);
        seal_all(&split, now_ns);
        assert_int_equal(split.merge.round_end_unix_ns, now_ns);
        read_round(&whole, &whole_results);
        read_round(&split, &split_results);
        assert_int_equal(whole_results.count, split_results.count);
        for (uint32_t i = 0; i < whole_results.count; i++) {
            const struct result *result = &split_results.items[i];
            if (result->kind != KIND_GAUGE) {
                assert_same(&whole_results.items[i], result, 1e9);
                continue;
            }
            uint32_t which = 0;
            uint64_t parsed = 0;
            struct slice digits = slice_of_text(strchr(result->name, '.') + 1);
            assert_int_equal(number_parse_u64(digits, &parsed), 0);
            which = (uint32_t)parsed;
            double base = gauge_base == GAUGE_BASE_PREVIOUS ? gauge_bases[which] : 0;
            double wanted = naive_value(&gauges[which], base);
            /* Series with tags have several spellings and so several cells per shard. */
            if (which % 2 != 0) {
                assert_true(is_near(result->number, wanted, 1e6));
            }
            gauge_bases[which] = result->number;
        }
        assert_true(merge_is_valid(&split.merge));
        now_ns++;
    }
    assert_int_equal(split.stats.items_folded.value, whole.stats.items_folded.value);
    close_house(&whole);
    close_house(&split);
}

static void test_split_streams_merge_exactly(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        run_stream(seed, 1 + (uint32_t)(seed % SHARDS_MAX),
                   seed % 2 == 0 ? GAUGE_BASE_ZERO : GAUGE_BASE_PREVIOUS);
    }
}

static struct point simple(uint8_t kind, const char *name, double value)
{
    return (struct point){.name = slice_of_text(name), .value = value, .weight = 1, .kind = kind};
}

static const struct setting two_shards = {
    .shard_count = 2, .series_max = 5000, .idle_window_max = 1};

static void test_tag_orders_leave_as_one_point(void **state)
{
    (void)state;
    static struct house h;
    open_house(&h, &two_shards, 1);
    for (uint32_t i = 0; i < 6; i++) {
        struct point point = simple(KIND_COUNTER, "c", 1);
        point.tags = slice_of_text(tag_orders[i % 3]);
        shard_ingest(&h.seals[i % 2], &point, 1, 5, &h.stats);
    }
    seal_all(&h, INTERVAL_NS);
    read_round(&h, &whole_results);
    assert_int_equal(whole_results.count, 1);
    assert_true(whole_results.items[0].number == 6);
    close_house(&h);
}

/* One shard lets a series go while the other still has it: the name must survive. */
static void test_series_outlives_the_shard_that_named_it(void **state)
{
    (void)state;
    static struct house h;
    open_house(&h, &two_shards, 1);
    struct point point = simple(KIND_COUNTER, "long.name.of.a.series", 1);
    shard_ingest(&h.seals[0], &point, 1, 5, &h.stats);
    for (uint64_t window = 1; window <= 12; window++) {
        shard_ingest(&h.seals[1], &point, 1, window * INTERVAL_NS - 5, &h.stats);
        seal_all(&h, window * INTERVAL_NS);
        read_round(&h, &whole_results);
        assert_int_equal(whole_results.count, 1);
        assert_string_equal(whole_results.items[0].name, "long.name.of.a.series");
        assert_true(whole_results.items[0].number == (window == 1 ? 2 : 1));
    }
    assert_int_equal(h.seals[0].table.live_count, 0);
    assert_int_equal(h.merge.stats.series_count, 1);
    for (uint64_t window = 13; window <= 18; window++) {
        seal_all(&h, window * INTERVAL_NS);
        read_round(&h, &whole_results);
        assert_int_equal(whole_results.count, 0);
    }
    assert_int_equal(h.merge.stats.series_count, 0);
    close_house(&h);
}

static void test_idle_counter_and_gauge_repeat_until_they_expire(void **state)
{
    (void)state;
    static struct house h;
    struct setting setting = two_shards;
    setting.counter_expiry_ns = 2 * INTERVAL_NS;
    setting.gauge_expiry_ns = 3 * INTERVAL_NS;
    setting.idle_window_max = 5;
    open_house(&h, &setting, 1);
    struct point count = simple(KIND_COUNTER, "c", 4);
    struct point gauge = simple(KIND_GAUGE, "g", 7);
    shard_ingest(&h.seals[0], &count, 1, 5, &h.stats);
    shard_ingest(&h.seals[0], &gauge, 1, 5, &h.stats);
    static const uint32_t wanted[] = {2, 2, 2, 1, 0, 0};
    for (uint64_t window = 0; window < 6; window++) {
        seal_all(&h, (window + 1) * INTERVAL_NS);
        read_round(&h, &whole_results);
        assert_int_equal(whole_results.count, wanted[window]);
        if (window == 1) {
            assert_true(whole_results.items[0].number == 0);
        }
        if (window == 3) {
            assert_true(whole_results.items[0].number == 7);
        }
    }
    close_house(&h);
}

/* A reader that stops holds the merge, then the seals; nothing is lost, the window is longer. */
static void test_slow_reader_lengthens_the_window(void **state)
{
    (void)state;
    static struct house h;
    open_house(&h, &two_shards, 1);
    struct point point = simple(KIND_COUNTER, "c", 1);
    shard_ingest(&h.seals[0], &point, 1, 5, &h.stats);
    seal_all(&h, INTERVAL_NS);
    double seen = 0;
    uint64_t now_ns = INTERVAL_NS;
    for (uint32_t i = 0; i < 50; i++) {
        now_ns += INTERVAL_NS;
        shard_ingest(&h.seals[0], &point, 1, now_ns - 5, &h.stats);
        (void)seal_turn(&h.seals[0], now_ns, now_ns);
        (void)seal_turn(&h.seals[1], now_ns, now_ns);
        (void)merge_turn(&h.merge, 8);
    }
    for (uint32_t round = 0; round < 20; round++) {
        if (!merge_is_reading(&h.merge)) {
            now_ns += INTERVAL_NS;
            seal_all(&h, now_ns);
        }
        read_round(&h, &whole_results);
        for (uint32_t i = 0; i < whole_results.count; i++) {
            seen += whole_results.items[i].number;
        }
    }
    assert_true(seen == 51);
    close_house(&h);
}

static void test_finish_flushes_the_open_window_with_its_true_times(void **state)
{
    (void)state;
    static struct house h;
    open_house(&h, &two_shards, 3 * INTERVAL_NS + 17);
    struct point point = simple(KIND_COUNTER, "c", 1);
    uint64_t now_ns = 3 * INTERVAL_NS + 2 * SECOND_NS;
    shard_ingest(&h.seals[1], &point, 1, now_ns, &h.stats);
    for (uint32_t i = 0; i < 2; i++) {
        seal_finish(&h.seals[i]);
    }
    seal_all(&h, now_ns);
    assert_int_equal(h.merge.round_start_unix_ns, 3 * INTERVAL_NS + 17);
    assert_int_equal(h.merge.round_end_unix_ns, now_ns);
    read_round(&h, &whole_results);
    assert_int_equal(whole_results.count, 1);
    assert_true(merge_is_done(&h.merge));
    for (uint32_t i = 0; i < 2; i++) {
        (void)seal_turn(&h.seals[i], now_ns, now_ns);
        assert_true(seal_is_done(&h.seals[i]));
    }
    close_house(&h);
}

static void test_windows_do_not_overlap_after_one_that_closed_late(void **state)
{
    (void)state;
    static struct house h;
    const uint64_t edge_ns = 4 * INTERVAL_NS;
    const uint64_t late_ns = edge_ns + INTERVAL_NS / 4;
    open_house(&h, &two_shards, 3 * INTERVAL_NS);
    (void)seal_turn(&h.seals[0], edge_ns, edge_ns);
    (void)seal_turn(&h.seals[1], late_ns, late_ns);
    (void)merge_turn(&h.merge, 8);
    assert_int_equal(h.merge.round_start_unix_ns, 3 * INTERVAL_NS);
    assert_int_equal(h.merge.round_end_unix_ns, late_ns);
    read_round(&h, &whole_results);

    seal_all(&h, 5 * INTERVAL_NS);
    assert_int_equal(h.merge.round_start_unix_ns, late_ns); /* the punctual shard's began before */
    assert_int_equal(h.merge.round_end_unix_ns, 5 * INTERVAL_NS);
    read_round(&h, &whole_results);
    seal_all(&h, 6 * INTERVAL_NS);
    assert_int_equal(h.merge.round_start_unix_ns, 5 * INTERVAL_NS);
    read_round(&h, &whole_results);
    close_house(&h);
}

static void test_many_series_come_and_go(void **state)
{
    (void)state;
    static struct house h;
    struct setting setting = two_shards;
    setting.series_max = 20000;
    open_house(&h, &setting, 1);
    uint64_t now_ns = 1;
    for (uint32_t window = 1; window <= 6; window++) {
        double sum = 0;
        for (uint32_t i = 0; i < 6000 && window <= 3; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "w%u.%u", window / 2, i);
            struct point point = simple(KIND_COUNTER, name, i);
            shard_ingest(&h.seals[i % 2], &point, 1, now_ns, &h.stats);
        }
        now_ns = window * INTERVAL_NS;
        seal_all(&h, now_ns);
        struct merge_point point;
        uint32_t count = 0;
        while (merge_next(&h.merge, &point)) {
            sum += point.number;
            count++;
            merge_consume(&h.merge);
        }
        assert_int_equal(count, window <= 3 ? 6000 : 0);
        assert_true(sum == (window <= 3 ? 5999.0 * 6000 / 2 : 0));
        assert_true(merge_is_valid(&h.merge));
    }
    assert_int_equal(h.merge.stats.series_count, 0);
    close_house(&h);
}

/* --- the limit on series --------------------------------------------------------------------- */

/* Counters of one name that differ by a tag; `first` to `limit` come from this shard. */
static void ingest_tagged(struct house *h, uint32_t shard, uint32_t first, uint32_t limit,
                          uint64_t now_ns)
{
    for (uint32_t i = first; i < limit; i++) {
        char tags[32];
        (void)snprintf(tags, sizeof(tags), "id:%u", i);
        struct point point = simple(KIND_COUNTER, "m", 1);
        point.tags = slice_of_text(tags);
        shard_ingest(&h->seals[shard], &point, 1, now_ns, &h->stats);
    }
}

/* A round by kind of series: what overflowed and what did not. */
struct tally {
    uint32_t named_count;
    uint32_t overflow_count;
    double named_sum;
    double overflow_sum;
};

static struct tally tally_round(struct house *h, uint64_t now_ns)
{
    struct tally tally = {0};
    struct merge_point point;
    seal_all(h, now_ns);
    while (merge_next(&h->merge, &point)) {
        bool is_overflow = (point.key->flags & SERIES_KEY_OVERFLOW) != 0;
        double sum = point.aggregate == AGGREGATE_SUM ? point.number : 0;
        tally.named_count += is_overflow ? 0 : 1;
        tally.overflow_count += is_overflow ? 1 : 0;
        tally.named_sum += is_overflow ? 0 : sum;
        tally.overflow_sum += is_overflow ? sum : 0;
        assert_true(merge_is_valid(&h->merge));
        merge_consume(&h->merge);
    }
    assert_true(merge_is_valid(&h->merge));
    return tally;
}

#define ASSERT_TALLY(tally, named, named_total, overflow, overflow_total)                          \
    do {                                                                                           \
        assert_int_equal((tally).named_count, named);                                              \
        assert_true((tally).named_sum == (named_total));                                           \
        assert_int_equal((tally).overflow_count, overflow);                                        \
        assert_true((tally).overflow_sum == (overflow_total));                                     \
    } while (0)

static void test_the_limit_counts_a_series_once_whoever_sees_it(void **state)
{
    (void)state;
    static struct house h;
    const struct setting setting = {.shard_count = 4, .series_max = 6, .idle_window_max = 2};
    open_house(&h, &setting, 1);
    for (uint64_t window = 1; window <= 3; window++) {
        for (uint32_t shard = 0; shard < 4; shard++) {
            ingest_tagged(&h, shard, 0, 6, window * INTERVAL_NS - 5);
        }
        struct tally tally = tally_round(&h, window * INTERVAL_NS);
        ASSERT_TALLY(tally, 6, 24, 0, 0);
    }
    assert_int_equal(h.merge.stats.overflow_count, 0);
    assert_int_equal(h.stats.items_overflowed.value, 0);
    close_house(&h);
}

static void test_what_is_beyond_the_limit_of_all_shards_overflows_at_the_merge(void **state)
{
    (void)state;
    static struct house h;
    const struct setting setting = {.shard_count = 2, .series_max = 6, .idle_window_max = 2};
    open_house(&h, &setting, 1);
    for (uint64_t window = 1; window <= 3; window++) {
        ingest_tagged(&h, 0, 0, 6, window * INTERVAL_NS - 5);
        ingest_tagged(&h, 1, 3, 7, window * INTERVAL_NS - 5); /* one more than six */
        struct tally tally = tally_round(&h, window * INTERVAL_NS);
        ASSERT_TALLY(tally, 6, 9, 1, 1);
        assert_int_equal(h.merge.stats.overflow_count, window);
        assert_int_equal(h.merge.stats.series_count, 6);
    }
    assert_int_equal(h.stats.items_overflowed.value, 0); /* no shard saw too many */
    assert_int_equal(h.merge.stats.memory_limit_count, 0);
    close_house(&h);
}

static void test_overflow_of_a_shard_and_of_the_merge_is_one_series(void **state)
{
    (void)state;
    static struct house h;
    const struct setting setting = {.shard_count = 2, .series_max = 2, .idle_window_max = 1};
    open_house(&h, &setting, 1);
    for (uint64_t window = 1; window <= 3; window++) {
        ingest_tagged(&h, 0, 0, 5, window * INTERVAL_NS - 5); /* three overflow there */
        ingest_tagged(&h, 1, 5, 7, window * INTERVAL_NS - 5); /* two overflow here */
        struct tally tally = tally_round(&h, window * INTERVAL_NS);
        ASSERT_TALLY(tally, 2, 2, 1, 5);
    }
    for (uint64_t window = 4; window <= 8; window++) {
        (void)tally_round(&h, window * INTERVAL_NS);
    }
    assert_int_equal(h.merge.stats.series_count, 0);
    close_house(&h);
}

static void test_a_refused_series_gets_its_place_once_one_is_free(void **state)
{
    (void)state;
    static struct house h;
    const struct setting setting = {.shard_count = 2, .series_max = 1, .idle_window_max = 1};
    open_house(&h, &setting, 1);
    ingest_tagged(&h, 0, 0, 1, 5);
    ingest_tagged(&h, 1, 1, 2, 5);
    struct tally tally = tally_round(&h, INTERVAL_NS);
    ASSERT_TALLY(tally, 1, 1, 1, 1);
    assert_int_equal(h.merge.sources[0].refused_count + h.merge.sources[1].refused_count, 1);
    double named_sum = 0;
    double overflow_sum = 0;
    for (uint64_t window = 2; window <= 6; window++) {
        ingest_tagged(&h, 1, 1, 2, window * INTERVAL_NS - 5); /* the first one is silent */
        tally = tally_round(&h, window * INTERVAL_NS);
        named_sum += tally.named_sum;
        overflow_sum += tally.overflow_sum;
    }
    ASSERT_TALLY(tally, 1, 1, 0, 0);
    assert_true(named_sum + overflow_sum == 5 && named_sum >= 2);
    assert_int_equal(h.merge.sources[1].refused_count, 0);
    close_house(&h);
}

static void test_a_refused_series_may_end_without_a_place(void **state)
{
    (void)state;
    static struct house h;
    const struct setting setting = {.shard_count = 2, .series_max = 1, .idle_window_max = 1};
    open_house(&h, &setting, 1);
    for (uint64_t window = 1; window <= 8; window++) {
        ingest_tagged(&h, 0, 0, 1, window * INTERVAL_NS - 5);
        /* On the same slot of that shard, one after another. */
        uint32_t id = 1 + (uint32_t)(window / 4);
        ingest_tagged(&h, 1, id, window % 4 == 1 ? id + 1 : id, window * INTERVAL_NS - 5);
        struct tally tally = tally_round(&h, window * INTERVAL_NS);
        uint32_t overflow_count = window % 4 == 1 ? 1 : 0;
        ASSERT_TALLY(tally, 1, 1, overflow_count, overflow_count);
    }
    assert_int_equal(h.merge.sources[1].refused_count, 0);
    close_house(&h);
}

static void test_names_that_overflow_too_share_one_series_for_all(void **state)
{
    (void)state;
    static struct house h;
    const struct setting setting = {
        .shard_count = 2, .series_max = 5000, .merged_max = 1, .idle_window_max = 1};
    open_house(&h, &setting, 1);
    uint32_t name_count = 2 * (SERIES_OVERFLOW_MAX_COUNT + 1) * 2;
    for (uint64_t window = 1; window <= 2; window++) {
        for (uint32_t i = 0; i < name_count; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "name.%u", i);
            struct point point = simple(KIND_COUNTER, name, 1);
            shard_ingest(&h.seals[i % 2], &point, 1, window * INTERVAL_NS - 5, &h.stats);
        }
        struct tally tally = tally_round(&h, window * INTERVAL_NS);
        assert_int_equal(tally.named_count, 1);
        assert_true(tally.named_sum + tally.overflow_sum == name_count);
        assert_in_range(tally.overflow_count, SERIES_OVERFLOW_MAX_COUNT, h.merge.overflow_max);
    }
    assert_int_equal(h.merge.stats.memory_limit_count, 0);
    assert_int_equal(h.merge.stats.overflow_count, 2 * (name_count - 1));
    close_house(&h);
}

/* Every kind finds its overflow series, and nothing is lost. */
static void test_a_random_stream_beyond_the_limit_loses_nothing(void **state)
{
    (void)state;
    static struct house h;
    const struct setting setting = {
        .shard_count = 3, .series_max = 5000, .merged_max = 9, .idle_window_max = 1};
    struct sketch_random r = {.state = 4711};
    open_house(&h, &setting, 1);
    double wanted = 0;
    double seen = 0;
    for (uint64_t window = 1; window <= 4; window++) {
        for (uint32_t i = 0; i < 2000; i++) {
            char name[32];
            char text[32];
            struct point point = random_point(&r, name, text);
            if (point.kind == KIND_COUNTER) {
                point.value = random_below(&r, 100);
                point.weight = 1;
                wanted += point.value;
            }
            shard_ingest(&h.seals[i % 3], &point, 1, window * INTERVAL_NS - 5, &h.stats);
        }
        struct tally tally = tally_round(&h, window * INTERVAL_NS);
        seen += tally.named_sum + tally.overflow_sum;
        assert_int_equal(tally.named_count, 9);
        assert_true(tally.overflow_count > 0);
    }
    assert_true(seen == wanted);
    assert_int_equal(h.merge.stats.memory_limit_count, 0);
    close_house(&h);
}

static void test_refused_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    static struct house h;
    open_house(&h, &two_shards, 1);
    struct seal_table *sources[] = {&h.seals[0], &h.seals[1]};
    const struct merge_options options = {
        .sources = sources,
        .source_count = 2,
        .series_max = 10,
        .key_max_bytes = 16 * 1024 * 1024,
        .pool_max_bytes = 1024 * 1024,
        .interval_ns = INTERVAL_NS,
        .config = &config,
    };
    int err = -ENOMEM;
    uint64_t failed_count = 0;
    for (uint64_t nth = 1; nth < 50 && err != 0; nth++) {
        struct merge merge;
        mem_fail_nth(nth);
        err = merge_init(&merge, &options);
        mem_fail_nth(0);
        failed_count += err != 0 ? 1 : 0;
        assert_true(err == 0 || err == -ENOMEM);
        merge_fini(&merge);
        merge_fini(&merge);
    }
    assert_int_equal(err, 0);
    assert_true(failed_count >= 7); /* array, two maps per source, records, index … */
    close_house(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_streams_merge_exactly),
        cmocka_unit_test(test_tag_orders_leave_as_one_point),
        cmocka_unit_test(test_series_outlives_the_shard_that_named_it),
        cmocka_unit_test(test_idle_counter_and_gauge_repeat_until_they_expire),
        cmocka_unit_test(test_slow_reader_lengthens_the_window),
        cmocka_unit_test(test_finish_flushes_the_open_window_with_its_true_times),
        cmocka_unit_test(test_windows_do_not_overlap_after_one_that_closed_late),
        cmocka_unit_test(test_many_series_come_and_go),
        cmocka_unit_test(test_the_limit_counts_a_series_once_whoever_sees_it),
        cmocka_unit_test(test_what_is_beyond_the_limit_of_all_shards_overflows_at_the_merge),
        cmocka_unit_test(test_overflow_of_a_shard_and_of_the_merge_is_one_series),
        cmocka_unit_test(test_a_refused_series_gets_its_place_once_one_is_free),
        cmocka_unit_test(test_a_refused_series_may_end_without_a_place),
        cmocka_unit_test(test_names_that_overflow_too_share_one_series_for_all),
        cmocka_unit_test(test_a_random_stream_beyond_the_limit_loses_nothing),
        cmocka_unit_test(test_refused_memory_leaves_nothing_behind),
    };
    char why[128];
    struct regex *pattern = NULL;
    if (regex_new(slice_of_text("^bucketed"), &pattern, why, sizeof(why)) != 0) {
        return 1;
    }
    config.bounds[0] = (struct aggregate_bounds){
        .pattern = pattern, .bounds = bounds, .bounds_count = 5, .kind_mask = 1 << KIND_TIMING};
    config.bounds_count = 1;
    int failed_count = cmocka_run_group_tests(tests, NULL, NULL);
    regex_free(pattern);
    return failed_count;
}
