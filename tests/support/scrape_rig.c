/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scrape_rig — see scrape_rig.h.
 */
#include "tests/support/scrape_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/number.h"
#include "tests/support/vectors.h"

#define NS_PER_MS UINT64_C(1000000)
#define SAID_MAX_BYTES 4096

static void on_push(struct prom_sink *sink, struct slice bytes, uint32_t point_count)
{
    struct scrape_rig *rig = CONTAINER_OF(sink, struct scrape_rig, sink);
    rig->part_count++;
    assert_true(bytes.len <= PROM_PART_MAX_BYTES);
    assert_true(point_count > 0);
    if (!rig->is_dumb) {
        uint64_t before = rig->dump.point_count;
        prom_dump_add(&rig->dump, bytes);
        assert_int_equal(rig->dump.point_count - before, point_count);
    }
}

void scrape_rig_init(struct scrape_rig *rig)
{
    *rig = (struct scrape_rig){.sink.push = on_push};
    assert_int_equal(prom_scrape_new(UINT64_C(0x5EED), &rig->scrape), 0);
    prom_dump_init(&rig->dump);
    bytes_init(&rig->said, SAID_MAX_BYTES);
    scrape_rig_clear(rig);
}

void scrape_rig_fini(struct scrape_rig *rig)
{
    scrape_rig_clear(rig);
    prom_scrape_free(rig->scrape);
    prom_dump_fini(&rig->dump);
    bytes_fini(&rig->said);
}

void scrape_rig_clear(struct scrape_rig *rig)
{
    prom_target_free(rig->target);
    prom_relabel_free(rig->relabel);
    rig->target = NULL;
    rig->relabel = NULL;
    rig->relabel_count = 0;
    rig->dump.has_reports = false;
    rig->rules =
        (struct prom_rules){.scope_version = SLICE_LITERAL("1.2.3"), .timeout_seconds = 10};
    rig->labels[0] = (struct label){SLICE_LITERAL("instance"), SLICE_LITERAL("10.0.0.1:80")};
    rig->labels[1] = (struct label){SLICE_LITERAL("job"), SLICE_LITERAL("j")};
    rig->label_count = 2;
}

/* --- rules ------------------------------------------------------------------------------------ */

static uint32_t take_labels(struct slice text, struct label *out)
{
    uint32_t count = 0;
    while (text.len > 0) {
        size_t end = slice_find(text, ' ');
        struct slice field = slice_first(text, end);
        size_t at = slice_find(field, '=');
        assert_true(count < SCRAPE_RIG_LABELS_MAX && at < field.len);
        out[count] = (struct label){slice_first(field, at), slice_from(field, at + 1)};
        count++;
        text = slice_from(text, end < text.len ? end + 1 : end);
    }
    return count;
}

static void take_u64(struct slice text, const char *key, uint64_t *out)
{
    struct slice value;
    if (vector_field(text, key, &value)) {
        assert_int_equal(number_parse_u64(value, out), 0);
    }
}

static bool has_word(struct slice text, const char *word)
{
    return memmem(text.ptr, text.len, word, strlen(word)) != NULL;
}

static void take_rules(struct scrape_rig *rig, struct slice text)
{
    uint64_t label_limit = 0;
    uint64_t name_max = 0;
    uint64_t value_max = 0;
    take_u64(text, "sample_limit", &rig->rules.sample_limit);
    take_u64(text, "label_limit", &label_limit);
    take_u64(text, "name_max", &name_max);
    take_u64(text, "value_max", &value_max);
    rig->rules.label_limit = (uint32_t)label_limit;
    rig->rules.label_name_max_bytes = (uint32_t)name_max;
    rig->rules.label_value_max_bytes = (uint32_t)value_max;
    rig->rules.honors_labels = has_word(text, "honor");
    rig->rules.ignores_timestamps = has_word(text, "ignore_times");
    rig->rules.tracks_timestamps = has_word(text, "track");
    rig->rules.trims_suffixes = has_word(text, "trim");
    rig->rules.reports_extra = has_word(text, "extra");
    rig->dump.has_reports = has_word(text, "reports");
}

static void take_relabel(struct scrape_rig *rig, struct slice text)
{
    struct slice value;
    struct prom_relabel_rule *rule = &rig->relabel_rules[rig->relabel_count];
    struct slice *source = &rig->relabel_sources[rig->relabel_count];
    assert_true(rig->relabel_count < SCRAPE_RIG_RULES_MAX);
    *rule = prom_relabel_rule_default();
    rig->relabel_count++;
    if (vector_field(text, "action", &value)) {
        assert_true(prom_relabel_action_parse(value, &rule->action));
    }
    if (vector_field(text, "source", source)) {
        rule->source_labels = source;
        rule->source_label_count = 1;
    }
    /* Left as they are by default where they are not written. */
    (void)vector_field(text, "regex", &rule->regex);
    (void)vector_field(text, "target", &rule->target_label);
    (void)vector_field(text, "repl", &rule->replacement);
}

bool scrape_rig_rule(struct scrape_rig *rig, struct slice key, struct slice text)
{
    if (slice_is_text(key, "rules")) {
        take_rules(rig, text);
    } else if (slice_is_text(key, "target")) {
        rig->label_count = take_labels(text, rig->labels);
    } else if (slice_is_text(key, "external")) {
        rig->rules.external_label_count = take_labels(text, rig->external);
        rig->rules.external_labels = rig->external;
    } else if (slice_is_text(key, "relabel")) {
        take_relabel(rig, text);
    } else {
        return false;
    }
    return true;
}

static void make_target(struct scrape_rig *rig)
{
    char why[128];
    uint32_t index = 0;
    if (rig->relabel_count > 0) {
        assert_int_equal(prom_relabel_new(rig->relabel_rules, rig->relabel_count, &rig->relabel,
                                          &index, why, sizeof(why)),
                         0);
    }
    rig->rules.metric_relabel = rig->relabel;
    assert_int_equal(prom_target_new(&rig->rules, rig->labels, rig->label_count,
                                     SLICE_LITERAL("http"), &rig->target),
                     0);
}

/* --- pages ------------------------------------------------------------------------------------ */

static void say(struct scrape_rig *rig, const char *key, uint64_t value, bool is_always)
{
    char text[NUMBER_TEXT_MAX_BYTES];
    if (value > 0 || is_always) {
        bytes_append(&rig->said, " ", 1);
        bytes_append(&rig->said, key, strlen(key));
        bytes_append(&rig->said, "=", 1);
        bytes_append(&rig->said, text, number_format_u64(value, text, sizeof(text)));
    }
}

static void say_text(struct scrape_rig *rig, const char *text)
{
    bytes_append(&rig->said, text, strlen(text));
}

static void say_result(struct scrape_rig *rig)
{
    const struct prom_scrape_result *result = prom_scrape_result(rig->scrape);
    bytes_clear(&rig->said);
    say_text(rig, "why=");
    say_text(rig, prom_scrape_why_label(result->why));
    say(rig, "line", result->line, false);
    say(rig, "samples", result->sample_count, true);
    say(rig, "kept", result->kept_sample_count, true);
    say(rig, "added", result->added_series_count, true);
    say(rig, "points", result->point_count, true);
    say(rig, "ended", result->ended_count, false);
    say(rig, "untracked", result->untracked_count, false);
    for (uint32_t i = 0; i < PROM_DROP_COUNT; i++) {
        say(rig, prom_drop_label((enum prom_drop)i), result->drops[i], false);
    }
    if (result->why == PROM_SCRAPE_BAD_LINE) {
        say_text(rig, " detail=");
        say_text(rig, result->detail);
    }
}

void scrape_rig_run(struct scrape_rig *rig, const struct prom_page *page)
{
    if (rig->target == NULL) {
        make_target(rig);
    }
    prom_dump_clear(&rig->dump);
    rig->part_count = 0;
    rig->turn_count = 1;
    prom_scrape_begin(rig->scrape, rig->target, page);
    while (prom_scrape_turn(rig->scrape, &rig->sink)) {
        rig->turn_count++;
    }
    say_result(rig);
    if (!rig->is_dumb) {
        assert_int_equal(rig->dump.point_count, prom_scrape_result(rig->scrape)->point_count);
    }
}

void scrape_rig_text(struct scrape_rig *rig, struct slice body, uint64_t time_unix_ms)
{
    const struct prom_page page = {.body = body, .time_unix_ns = time_unix_ms * NS_PER_MS};
    scrape_rig_run(rig, &page);
}
