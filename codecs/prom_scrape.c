/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape — the bench: read the page, track its series, add what is said about the scrape
 * itself, end what is gone, write it all.
 *
 *     READ ─▶ TRACK ─▶ REPORT ─▶ END ─▶ WRITE ─▶ IDLE
 *       └── the page does not count: the tree is emptied first ──▲
 *
 * Each turn goes on with the phase at hand; the tree and its texts live in the arena of the page.
 */
#include "codecs/prom_scrape.h"

#include <errno.h>
#include <string.h>

#include "codecs/prom_group.h"
#include "codecs/prom_otlp.h"
#include "codecs/prom_place.h"
#include "codecs/prom_read.h"
#include "codecs/prom_relabel.h"
#include "codecs/prom_report.h"
#include "codecs/prom_target.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

#define NS_PER_MS UINT64_C(1000000)
#define ARENA_CHUNK_FIRST_BYTES (64 * 1024)
/* Beyond the page: what ends of series take, and the samples about the scrape. */
#define ARENA_SPARE_BYTES (64 * 1024 * 1024)
/* An origin: a resource, a scope, a name and a help at their bounds. */
#define SCRATCH_MAX_BYTES (2 * 1024 * 1024)
/* Groups tracked in one turn. */
#define TRACK_BURST 4096

#define NAME SLICE_LITERAL("__name__")

enum phase {
    PHASE_IDLE,
    PHASE_READ,
    PHASE_TRACK,
    PHASE_REPORT,
    PHASE_END,
    PHASE_WRITE,
};

struct prom_scrape {
    enum phase phase;
    struct prom_target *target; /* borrowed until the last turn */
    struct prom_page page;
    struct prom_scrape_result result;
    struct arena arena;
    struct prom_reader reader;
    struct prom_tree tree;
    struct prom_tracking tracking;
    struct prom_writer writer;
    struct prom_group *tracked; /* the last that was */
    uint32_t end_cursor;
    struct prom_placer placer;
    struct prom_sample sample;
};

/* --- words ------------------------------------------------------------------------------------ */

static const char *const why_labels[] = {
    [PROM_SCRAPE_FINE] = "fine",
    [PROM_SCRAPE_NOT_FETCHED] = "not_fetched",
    [PROM_SCRAPE_BAD_LINE] = "bad_line",
    [PROM_SCRAPE_NAMELESS] = "nameless",
    [PROM_SCRAPE_SAMPLE_LIMIT] = "sample_limit",
    [PROM_SCRAPE_LABEL_LIMIT] = "label_limit",
    [PROM_SCRAPE_MEMORY] = "page_memory",
};
_Static_assert(COUNT_OF(why_labels) == PROM_SCRAPE_WHY_COUNT, "a reason without a label");

const char *prom_scrape_why_label(enum prom_scrape_why why)
{
    return why_labels[why];
}

static const char *const drop_labels[] = {
    [PROM_DROP_NO_BOUNDARY] = "no_boundary",   [PROM_DROP_TIME] = "mixed_time",
    [PROM_DROP_INCOMPLETE] = "incomplete",     [PROM_DROP_BUCKETS] = "bad_buckets",
    [PROM_DROP_TOO_LARGE] = "point_too_large",
};
_Static_assert(COUNT_OF(drop_labels) == PROM_DROP_COUNT, "a reason without a label");

const char *prom_drop_label(enum prom_drop drop)
{
    return drop_labels[drop];
}

enum prom_format prom_scrape_format(struct slice content_type)
{
    struct slice type = slice_first(content_type, slice_find(content_type, ';'));
    while (type.len > 0 && type.ptr[type.len - 1] == ' ') {
        type.len--;
    }
    return slice_is_text(type, "application/openmetrics-text") ? PROM_FORMAT_OPENMETRICS
                                                               : PROM_FORMAT_TEXT;
}

/* --- life ------------------------------------------------------------------------------------- */

int prom_scrape_new(uint64_t hash_seed, struct prom_scrape **out)
{
    *out = NULL;
    struct prom_scrape *scrape = mem_alloc(sizeof(*scrape));
    if (scrape == NULL) {
        return -ENOMEM;
    }
    bytes_init(&scrape->tracking.scratch, SCRATCH_MAX_BYTES);
    int err = arena_init(&scrape->arena, ARENA_CHUNK_FIRST_BYTES,
                         PROM_SCRAPE_MAX_BYTES + ARENA_SPARE_BYTES);
    if (err == 0) {
        err = prom_writer_init(&scrape->writer);
    }
    if (err != 0) {
        prom_scrape_free(scrape);
        return err;
    }
    prom_tree_init(&scrape->tree, hash_seed, &scrape->arena);
    *out = scrape;
    return 0;
}

void prom_scrape_free(struct prom_scrape *scrape)
{
    if (scrape == NULL) {
        return;
    }
    prom_writer_fini(&scrape->writer);
    prom_tree_fini(&scrape->tree);
    bytes_fini(&scrape->tracking.scratch);
    arena_fini(&scrape->arena);
    mem_free(scrape);
}

/* Empties the bench, but for the result. */
static void clear(struct prom_scrape *scrape)
{
    prom_tree_clear(&scrape->tree);
    arena_reset(&scrape->arena);
    prom_placer_init(&scrape->placer, &scrape->tree);
    scrape->tracked = NULL;
}

void prom_scrape_begin(struct prom_scrape *scrape, struct prom_target *target,
                       const struct prom_page *page)
{
    ASSERT(scrape->phase == PHASE_IDLE);
    clear(scrape);
    scrape->target = target;
    scrape->page = *page;
    scrape->result = (struct prom_scrape_result){.detail = ""};
    scrape->tracking.time_unix_ms = page->time_unix_ns / NS_PER_MS;
    scrape->tracking.added_count = 0;
    scrape->tracking.untracked_count = 0;
    scrape->end_cursor = 0;
    scrape->phase = PHASE_REPORT;
    target->page++;
    if (page->fetch == PROM_FETCH_DONE) {
        scrape->reader = prom_reader_of(page->body, page->format, &scrape->arena);
        scrape->phase = PHASE_READ;
    } else if (page->fetch == PROM_FETCH_FAILED) {
        scrape->result.why = PROM_SCRAPE_NOT_FETCHED;
    }
}

void prom_scrape_abandon(struct prom_scrape *scrape)
{
    clear(scrape);
    scrape->phase = PHASE_IDLE;
    scrape->target = NULL;
}

const struct prom_scrape_result *prom_scrape_result(const struct prom_scrape *scrape)
{
    ASSERT(scrape->phase == PHASE_IDLE);
    return &scrape->result;
}

/* --- the labels of a sample ------------------------------------------------------------------- */

/* A label of the page that a label of the target takes the place of: "exported_…". */
static int rename_exposed(struct prom_scrape *scrape, struct label exposed)
{
    struct slice prefix = SLICE_LITERAL("exported_");
    struct label_list *labels = &scrape->sample.labels;
    struct slice name = exposed.name;
    while (label_list_value(labels, name).len > 0) {
        uint8_t *text = arena_alloc(&scrape->arena, prefix.len + name.len);
        if (text == NULL) {
            return FAULT_LIMIT;
        }
        memcpy(text, prefix.ptr, prefix.len);
        memcpy(text + prefix.len, name.ptr, name.len);
        name = slice_of(text, prefix.len + name.len);
    }
    return label_list_set(labels, name, exposed.value);
}

/* The target's labels win and the page's are renamed; with honor_labels the page's win. */
static int merge_target_labels(struct prom_scrape *scrape)
{
    struct label conflicts[PROM_TARGET_LABELS_MAX_COUNT];
    struct label_list *labels = &scrape->sample.labels;
    const struct label_list *own = &scrape->target->labels;
    bool honors = scrape->target->rules->honors_labels;
    uint32_t conflict_count = 0;
    for (uint32_t i = 0; i < own->count; i++) {
        struct label label = own->items[i];
        uint32_t at = label_list_find(labels, label.name);
        bool is_there = at < labels->count;
        if (is_there && honors) {
            continue;
        }
        if (is_there && labels->items[at].value.len > 0) {
            conflicts[conflict_count] = labels->items[at];
            conflict_count++;
        }
        int err = label_list_set(labels, label.name, label.value);
        if (err != 0) {
            return err;
        }
    }
    for (uint32_t i = 0; i < conflict_count; i++) {
        int err = rename_exposed(scrape, conflicts[i]);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

static enum prom_scrape_why check_labels(const struct prom_rules *rules,
                                         const struct label_list *labels)
{
    if (label_list_value(labels, NAME).len == 0) {
        return PROM_SCRAPE_NAMELESS;
    }
    if (rules->label_limit > 0 && labels->count > rules->label_limit) {
        return PROM_SCRAPE_LABEL_LIMIT;
    }
    uint32_t name_max = rules->label_name_max_bytes;
    uint32_t value_max = rules->label_value_max_bytes;
    for (uint32_t i = 0; i < labels->count; i++) {
        if ((name_max > 0 && labels->items[i].name.len > name_max) ||
            (value_max > 0 && labels->items[i].value.len > value_max)) {
            return PROM_SCRAPE_LABEL_LIMIT;
        }
    }
    return PROM_SCRAPE_FINE;
}

static int add_external_labels(struct prom_scrape *scrape)
{
    const struct prom_rules *rules = scrape->target->rules;
    for (uint32_t i = 0; i < rules->external_label_count; i++) {
        struct label label = rules->external_labels[i];
        int err = label_list_set(&scrape->sample.labels, label.name, label.value);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

/* --- reading ---------------------------------------------------------------------------------- */

/* The page does not count: nothing of it is left but the count of its samples. */
static void give_up_page(struct prom_scrape *scrape, enum prom_scrape_why why, const char *detail)
{
    scrape->result.why = why;
    scrape->result.detail = detail;
    scrape->result.line = scrape->reader.line;
    for (uint32_t i = 0; i < PROM_DROP_COUNT; i++) {
        scrape->result.drops[i] = 0;
    }
    clear(scrape);
    scrape->phase = PHASE_REPORT;
}

/* Into the tree, with the time it has or that of the scrape. */
static int place(struct prom_scrape *scrape, const struct prom_about *about)
{
    const struct prom_target *target = scrape->target;
    const struct prom_sample *sample = &scrape->sample;
    bool has_time = sample->has_time && !target->rules->ignores_timestamps;
    const struct prom_placement placement = {
        .labels = &sample->labels,
        .job = target->job,
        .instance = target->instance,
        .about = about,
        .value = sample->value,
        .time_unix_ms = has_time ? sample->time_unix_ms : scrape->tracking.time_unix_ms,
        .has_time = has_time,
        .exemplar = sample->has_exemplar ? &sample->exemplar : NULL,
    };
    enum prom_drop drop = PROM_DROP_COUNT;
    int err = prom_place_sample(&scrape->placer, &placement, &drop);
    if (err == 0 && drop != PROM_DROP_COUNT) {
        scrape->result.drops[drop]++;
    }
    return err;
}

/* What a failed merge of labels means: too many of them, or no memory for their texts. */
static enum prom_scrape_why why_of_labels(const struct prom_scrape *scrape)
{
    bool is_full = scrape->sample.labels.count == LABEL_LIST_MAX_COUNT;
    return is_full ? PROM_SCRAPE_LABEL_LIMIT : PROM_SCRAPE_MEMORY;
}

static enum prom_scrape_why take_sample(struct prom_scrape *scrape)
{
    const struct prom_rules *rules = scrape->target->rules;
    struct label_list *labels = &scrape->sample.labels;
    bool is_kept = true;
    scrape->result.sample_count++;
    int err = merge_target_labels(scrape);
    if (err == 0) {
        label_list_remove_empty(labels);
        err = prom_relabel_apply(rules->metric_relabel, labels, &scrape->arena, &is_kept);
    }
    if (err != 0) {
        return why_of_labels(scrape);
    }
    if (!is_kept || labels->count == 0) {
        return PROM_SCRAPE_FINE;
    }
    enum prom_scrape_why why = check_labels(rules, labels);
    if (why != PROM_SCRAPE_FINE) {
        return why;
    }
    scrape->result.kept_sample_count++;
    if (rules->sample_limit > 0 && scrape->result.kept_sample_count > rules->sample_limit) {
        return PROM_SCRAPE_FINE; /* the page is counted to its end, and refused there */
    }
    if (add_external_labels(scrape) != 0) {
        return why_of_labels(scrape);
    }
    return place(scrape, NULL) == 0 ? PROM_SCRAPE_FINE : PROM_SCRAPE_MEMORY;
}

static void give_up_line(struct prom_scrape *scrape)
{
    enum prom_read_why why = scrape->reader.why;
    const char *detail = prom_read_why_text(why);
    if (why == PROM_READ_MEMORY) {
        give_up_page(scrape, PROM_SCRAPE_MEMORY, detail);
    } else if (why == PROM_READ_LABEL_COUNT) {
        give_up_page(scrape, PROM_SCRAPE_LABEL_LIMIT, detail);
    } else {
        give_up_page(scrape, PROM_SCRAPE_BAD_LINE, detail);
    }
}

static void end_reading(struct prom_scrape *scrape)
{
    uint64_t limit = scrape->target->rules->sample_limit;
    if (limit > 0 && scrape->result.kept_sample_count > limit) {
        give_up_page(scrape, PROM_SCRAPE_SAMPLE_LIMIT, "the page has more samples than its limit");
        return;
    }
    scrape->phase = PHASE_TRACK;
}

static const char *detail_of(enum prom_scrape_why why)
{
    switch (why) {
    case PROM_SCRAPE_NAMELESS:
        return "the sample has no name after relabelling";
    case PROM_SCRAPE_LABEL_LIMIT:
        return "a limit on labels is exceeded";
    case PROM_SCRAPE_MEMORY:
        return "the page takes too much memory";
    case PROM_SCRAPE_FINE:
    case PROM_SCRAPE_NOT_FETCHED:
    case PROM_SCRAPE_BAD_LINE:
    case PROM_SCRAPE_SAMPLE_LIMIT:
    case PROM_SCRAPE_WHY_COUNT:
        break;
    }
    return "";
}

/* One line. False where reading is over, one way or the other. */
static bool read_line(struct prom_scrape *scrape)
{
    struct prom_meta meta;
    enum prom_scrape_why why = PROM_SCRAPE_FINE;
    enum prom_line line = prom_read_next(&scrape->reader, &scrape->sample, &meta);
    switch (line) {
    case PROM_LINE_SAMPLE:
        why = take_sample(scrape);
        break;
    case PROM_LINE_HELP:
    case PROM_LINE_TYPE:
    case PROM_LINE_UNIT:
        if (prom_place_meta(&scrape->placer, line, &meta) != 0) {
            why = PROM_SCRAPE_MEMORY;
        }
        break;
    case PROM_LINE_END:
        end_reading(scrape);
        return false;
    case PROM_LINE_BAD:
        give_up_line(scrape);
        return false;
    }
    if (why == PROM_SCRAPE_FINE && arena_used_bytes(&scrape->arena) > PROM_SCRAPE_MAX_BYTES) {
        why = PROM_SCRAPE_MEMORY;
    }
    if (why != PROM_SCRAPE_FINE) {
        give_up_page(scrape, why, detail_of(why));
        return false;
    }
    return true;
}

static void turn_read(struct prom_scrape *scrape)
{
    size_t until = scrape->reader.at + PROM_TURN_MAX_BYTES;
    while (scrape->reader.at < until) {
        if (!read_line(scrape)) {
            return;
        }
    }
}

/* --- tracking --------------------------------------------------------------------------------- */

/* The groups behind the last one tracked, at most `limit`; false once there are none. */
static bool track(struct prom_scrape *scrape, uint32_t limit)
{
    struct prom_group *group =
        scrape->tracked == NULL ? scrape->tree.first_group : scrape->tracked->later;
    for (uint32_t i = 0; i < limit && group != NULL; i++) {
        enum prom_drop drop = prom_group_settle(group, &scrape->arena);
        if (drop == PROM_DROP_COUNT) {
            prom_target_track(scrape->target, group, &scrape->tracking);
        } else {
            scrape->result.drops[drop]++;
            group->is_left_out = true;
        }
        scrape->tracked = group;
        group = group->later;
    }
    return group != NULL;
}

static void turn_track(struct prom_scrape *scrape)
{
    if (!track(scrape, TRACK_BURST)) {
        scrape->phase = PHASE_REPORT;
    }
}

/* --- what is said about the scrape itself ----------------------------------------------------- */

/* Without room for one, the others may still have it; there is nobody to tell but the books. */
static void place_report(struct prom_scrape *scrape, const struct prom_report *report)
{
    struct prom_sample *sample = &scrape->sample;
    sample->labels = scrape->target->labels;
    sample->value = report->value;
    sample->has_time = false;
    sample->has_exemplar = false;
    int err = label_list_set(&sample->labels, NAME, report->name);
    struct prom_about *about = arena_alloc(&scrape->arena, sizeof(*about));
    if (err == 0) {
        err = add_external_labels(scrape);
    }
    if (err != 0 || about == NULL) {
        scrape->result.drops[PROM_DROP_TOO_LARGE]++;
        return;
    }
    *about = report->about;
    scrape->placer.family = NULL; /* the page may have a family of that name */
    if (place(scrape, about) != 0) {
        scrape->result.drops[PROM_DROP_TOO_LARGE]++;
    }
}

static void place_reports(struct prom_scrape *scrape)
{
    const struct prom_report_numbers numbers = {
        .result = &scrape->result,
        .rules = scrape->target->rules,
        .duration_ns = scrape->page.duration_ns,
        .body_bytes = scrape->page.body.len,
    };
    struct prom_report reports[PROM_REPORTS_MAX];
    uint32_t count = prom_report_make(&numbers, reports);
    for (uint32_t i = 0; i < count; i++) {
        place_report(scrape, &reports[i]);
    }
}

static void turn_report(struct prom_scrape *scrape)
{
    scrape->result.added_series_count = scrape->tracking.added_count;
    if (scrape->page.fetch != PROM_FETCH_GONE) {
        place_reports(scrape);
        (void)track(scrape, UINT32_MAX); /* only the reports are left */
    }
    scrape->phase = PHASE_END;
}

/* --- ends, and writing ------------------------------------------------------------------------ */

static void turn_end(struct prom_scrape *scrape)
{
    bool has_more =
        prom_target_end(scrape->target, &scrape->tree, &scrape->tracking, &scrape->end_cursor);
    if (has_more) {
        return;
    }
    const struct prom_writer_job job = {
        .tree = &scrape->tree,
        .scope_version = scrape->target->rules->scope_version,
        .scheme = scrape->target->scheme,
        .trims_suffixes = scrape->target->rules->trims_suffixes,
    };
    prom_writer_begin(&scrape->writer, &job);
    scrape->phase = PHASE_WRITE;
}

static void turn_write(struct prom_scrape *scrape, struct prom_sink *sink)
{
    uint32_t point_count = 0;
    struct slice part = prom_writer_next(&scrape->writer, &point_count);
    if (point_count > 0) {
        scrape->result.point_count += point_count;
        sink->push(sink, part, point_count);
        return;
    }
    scrape->result.ended_count = scrape->writer.ended_count;
    scrape->result.drops[PROM_DROP_TOO_LARGE] += scrape->writer.too_large_count;
    scrape->result.untracked_count = scrape->tracking.untracked_count;
    prom_scrape_abandon(scrape);
}

bool prom_scrape_turn(struct prom_scrape *scrape, struct prom_sink *sink)
{
    switch (scrape->phase) {
    case PHASE_IDLE:
        break;
    case PHASE_READ:
        turn_read(scrape);
        break;
    case PHASE_TRACK:
        turn_track(scrape);
        break;
    case PHASE_REPORT:
        turn_report(scrape);
        break;
    case PHASE_END:
        turn_end(scrape);
        break;
    case PHASE_WRITE:
        turn_write(scrape, sink);
        break;
    }
    return scrape->phase != PHASE_IDLE;
}
