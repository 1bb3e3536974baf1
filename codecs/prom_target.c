/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_target — two maps: series by the key of their group, origins by the key of their family.
 *
 * Starts are found as the Collector finds them: the time of the first point, kept until the value
 * decreases. A start that the page itself gives counts more.
 */
#include "codecs/prom_target.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S 1e9
/* Slots looked at in one turn. */
#define END_BURST_SLOTS 4096

/* --- labels ----------------------------------------------------------------------------------- */

/* A copy of `text` at *at, which moves behind it. */
static struct slice keep_text(uint8_t **at, struct slice text)
{
    struct slice copy = slice_of(*at, text.len);
    if (text.len > 0) {
        memcpy(*at, text.ptr, text.len);
    }
    *at += text.len;
    return copy;
}

static int target_init(struct prom_target *target, const struct label *labels, uint32_t label_count,
                       struct slice scheme)
{
    size_t total = scheme.len + 1;
    for (uint32_t i = 0; i < label_count; i++) {
        total += labels[i].name.len + labels[i].value.len;
    }
    target->texts = mem_alloc(total);
    if (target->texts == NULL) {
        return -ENOMEM;
    }
    uint8_t *at = target->texts;
    target->scheme = keep_text(&at, scheme);
    for (uint32_t i = 0; i < label_count; i++) {
        struct slice name = keep_text(&at, labels[i].name);
        struct slice value = keep_text(&at, labels[i].value);
        int err = label_list_set(&target->labels, name, value);
        if (err != 0) {
            return err;
        }
    }
    target->job = label_list_value(&target->labels, SLICE_LITERAL("job"));
    target->instance = label_list_value(&target->labels, SLICE_LITERAL("instance"));
    return 0;
}

static size_t series_bytes(const struct prom_series *series)
{
    return sizeof(*series) + series->label_bytes + series->bound_count * sizeof(double);
}

static void series_free(struct prom_series *series)
{
    mem_free(series->boundaries);
    mem_free(series);
}

uint32_t prom_target_series_count(const struct prom_target *target)
{
    return target->series.item_count;
}

size_t prom_target_used_bytes(const struct prom_target *target)
{
    return target->used_bytes + prom_map_used_bytes(&target->series) +
           prom_map_used_bytes(&target->origins);
}

/* --- origins ---------------------------------------------------------------------------------- */

static bool has_room(const struct prom_target *target, size_t bytes)
{
    size_t used_bytes = prom_target_used_bytes(target);
    return used_bytes <= PROM_TARGET_MAX_BYTES && bytes <= PROM_TARGET_MAX_BYTES - used_bytes;
}

static void release_origin(struct prom_target *target, struct prom_origin *origin)
{
    ASSERT(origin->use_count > 0);
    origin->use_count--;
    if (origin->use_count > 0) {
        return;
    }
    if (prom_map_find(&target->origins, origin->key) == origin) {
        prom_map_remove(&target->origins, origin->key);
    }
    target->used_bytes -= prom_origin_used_bytes(origin);
    mem_free(origin);
}

/*
 * Puts a new origin in the place of `old`, which may be NULL and dies with its last series. It must
 * come to be used, or be dropped.
 */
static struct prom_origin *renew_origin(struct prom_target *target, struct prom_key key,
                                        struct slice text, struct prom_origin *old)
{
    if (!has_room(target, sizeof(struct prom_origin) + text.len)) {
        return NULL;
    }
    struct prom_origin *origin = prom_origin_new(key, text);
    if (origin == NULL) {
        return NULL;
    }
    if (old != NULL) {
        prom_map_remove(&target->origins, key);
    }
    if (prom_map_put(&target->origins, key, origin) != 0) {
        mem_free(origin);
        origin = NULL;
    } else {
        target->used_bytes += prom_origin_used_bytes(origin);
    }
    return origin;
}

/* The origin of a family as it is on this page; NULL where there is no room. */
static struct prom_origin *origin_of(struct prom_target *target, struct prom_family_node *family,
                                     struct bytes *scratch)
{
    if (family->origin != NULL) {
        return family->origin;
    }
    bytes_clear(scratch);
    prom_origin_write(scratch, family);
    if (scratch->err != 0) {
        return NULL;
    }
    struct slice text = bytes_slice(scratch);
    struct prom_origin *origin = prom_map_find(&target->origins, family->key);
    bool is_same = origin != NULL && slice_equal(slice_of(origin->text, origin->len), text);
    family->origin = is_same ? origin : renew_origin(target, family->key, text, origin);
    return family->origin;
}

/* The family's origin found no series to live by. */
static void drop_unused_origin(struct prom_target *target, struct prom_family_node *family)
{
    struct prom_origin *origin = family->origin;
    if (origin->use_count > 0) {
        return;
    }
    prom_map_remove(&target->origins, origin->key);
    target->used_bytes -= prom_origin_used_bytes(origin);
    mem_free(origin);
    family->origin = NULL;
}

/* --- birth and death ---------------------------------------------------------------------------
 */

void prom_target_free(struct prom_target *target)
{
    if (target == NULL) {
        return;
    }
    for (uint32_t i = 0; i < target->series.slot_count; i++) {
        struct prom_series *series = target->series.slots[i].item;
        if (series != NULL) {
            release_origin(target, series->origin);
            series_free(series);
        }
    }
    ASSERT(target->origins.item_count == 0); /* they go with their last series */
    prom_map_fini(&target->series);
    prom_map_fini(&target->origins);
    mem_free(target->texts);
    mem_free(target);
}

int prom_target_new(const struct prom_rules *rules, const struct label *labels,
                    uint32_t label_count, struct slice scheme, struct prom_target **out)
{
    *out = NULL;
    if (label_count > PROM_TARGET_LABELS_MAX_COUNT) {
        return FAULT_LIMIT;
    }
    struct prom_target *target = mem_alloc(sizeof(*target));
    if (target == NULL) {
        return -ENOMEM;
    }
    target->rules = rules;
    int err = target_init(target, labels, label_count, scheme);
    if (err != 0) {
        prom_target_free(target);
        return err;
    }
    *out = target;
    return 0;
}

/* --- series ----------------------------------------------------------------------------------- */

static bool is_cumulative(const struct prom_family_node *family)
{
    return family->shape != PROM_SHAPE_GAUGE;
}

/* The start that the page gives; 0 for none, and for one that is not before the point. */
static uint64_t created_unix_ns(const struct prom_group *group)
{
    uint64_t time_unix_ns = group->time_unix_ms * NS_PER_MS;
    double created_ns = group->created_s * NS_PER_S;
    bool is_before = created_ns > 0 && created_ns < (double)time_unix_ns;
    return is_before && is_cumulative(group->family) ? (uint64_t)created_ns : 0;
}

static void use_origin(struct prom_target *target, struct prom_series *series,
                       struct prom_origin *origin)
{
    if (series->origin == origin) {
        return;
    }
    origin->use_count++;
    if (series->origin != NULL) {
        release_origin(target, series->origin);
    }
    series->origin = origin;
}

/* Remembers the boundaries. Without memory the old ones stay: an end that is only less precise. */
static void keep_boundaries(struct prom_target *target, struct prom_series *series,
                            const struct prom_group *group)
{
    size_t bytes = group->bound_count * sizeof(double);
    bool is_same = series->bound_count == group->bound_count &&
                   (bytes == 0 || memcmp(series->boundaries, group->boundaries, bytes) == 0);
    if (is_same || !has_room(target, bytes)) {
        return;
    }
    double *boundaries = NULL;
    if (bytes > 0) {
        boundaries = mem_resize(series->boundaries, bytes);
        if (boundaries == NULL) {
            return;
        }
        memcpy(boundaries, group->boundaries, bytes);
    } else {
        mem_free(series->boundaries);
    }
    target->used_bytes -= series_bytes(series);
    series->boundaries = boundaries;
    series->bound_count = group->bound_count;
    target->used_bytes += series_bytes(series);
}

static struct prom_series *add_series(struct prom_target *target, const struct prom_group *group,
                                      struct bytes *scratch)
{
    bytes_clear(scratch);
    prom_origin_pack_labels(scratch, group->attrs);
    struct slice labels = bytes_slice(scratch);
    bool is_full = target->series.item_count >= PROM_TARGET_SERIES_MAX ||
                   !has_room(target, sizeof(struct prom_series) + labels.len);
    if (scratch->err != 0 || is_full) {
        return NULL;
    }
    struct prom_series *series = mem_alloc(sizeof(*series) + labels.len);
    if (series == NULL) {
        return NULL;
    }
    if (prom_map_put(&target->series, group->key, series) != 0) {
        mem_free(series);
        return NULL;
    }
    series->label_bytes = (uint32_t)labels.len;
    memcpy(series->labels, labels.ptr, labels.len);
    target->used_bytes += series_bytes(series);
    return series;
}

/* A value that went down shows that its source began again. */
static bool has_restarted(const struct prom_series *series, const struct prom_group *group)
{
    return group->value < series->value || group->count < series->count;
}

static void note_start(struct prom_series *series, const struct prom_group *group, bool is_new)
{
    uint64_t created = created_unix_ns(group);
    if (created != 0) {
        series->start_unix_ns = created;
    } else if (is_new || has_restarted(series, group)) {
        series->start_unix_ns = group->time_unix_ms * NS_PER_MS;
    }
    series->value = group->value;
    series->count = group->count;
}

/* How many samples of the group were not on the last page. */
static uint32_t added_samples(const struct prom_series *series, const struct prom_group *group,
                              bool is_new)
{
    if (is_new || series->is_ended) {
        return group->sample_count;
    }
    bool has_more = group->sample_count > series->sample_count;
    return has_more ? group->sample_count - series->sample_count : 0;
}

void prom_target_track(struct prom_target *target, struct prom_group *group,
                       struct prom_tracking *tracking)
{
    struct prom_origin *origin = origin_of(target, group->family, &tracking->scratch);
    struct prom_series *series = prom_map_find(&target->series, group->key);
    bool is_new = series == NULL;
    if (is_new && origin != NULL) {
        series = add_series(target, group, &tracking->scratch);
    }
    if (series == NULL && origin != NULL) {
        drop_unused_origin(target, group->family);
    }
    if (series == NULL) {
        tracking->untracked_count++;
        tracking->added_count += group->sample_count;
        group->start_unix_ns = created_unix_ns(group);
        return;
    }
    if (origin != NULL) {
        use_origin(target, series, origin);
    }
    tracking->added_count += added_samples(series, group, is_new);
    note_start(series, group, is_new);
    keep_boundaries(target, series, group);
    series->page = target->page;
    series->sample_count = group->sample_count;
    series->seen_unix_ms = tracking->time_unix_ms;
    series->is_ended = false;
    series->is_endless = group->has_time && !target->rules->tracks_timestamps;
    group->start_unix_ns = is_cumulative(group->family) ? series->start_unix_ns : 0;
}

/* --- ends ------------------------------------------------------------------------------------- */

/* A group that says the series is over; false where there is no room for it. */
static bool end_series(struct prom_series *series, struct prom_tree *tree, uint64_t time_unix_ms)
{
    struct prom_family_node *family = prom_origin_place(series->origin, tree);
    struct cursor in = cursor_of(slice_of(series->labels, series->label_bytes));
    struct prom_label_view attrs = prom_origin_unpack_labels(&in, tree);
    if (family == NULL || attrs.items == NULL) {
        return false;
    }
    bool is_new = false;
    struct prom_group *group = prom_tree_group(tree, family, attrs, &is_new);
    if (group == NULL || !is_new) {
        return group != NULL;
    }
    group->is_ended = true;
    group->time_unix_ms = time_unix_ms;
    group->start_unix_ns = is_cumulative(family) ? series->start_unix_ns : 0;
    group->boundaries = series->boundaries;
    group->bound_count = series->bound_count;
    return true;
}

static void forget_at(struct prom_target *target, uint32_t slot_index)
{
    struct prom_series *series = target->series.slots[slot_index].item;
    prom_map_remove_at(&target->series, slot_index);
    target->used_bytes -= series_bytes(series);
    release_origin(target, series->origin);
    series_free(series);
}

static bool is_old(const struct prom_series *series, uint64_t time_unix_ms)
{
    return time_unix_ms > series->seen_unix_ms &&
           time_unix_ms - series->seen_unix_ms > PROM_SERIES_KEPT_MS;
}

bool prom_target_end(struct prom_target *target, struct prom_tree *tree,
                     struct prom_tracking *tracking, uint32_t *cursor)
{
    uint32_t looked_count = 0;
    while (*cursor < target->series.slot_count && looked_count < END_BURST_SLOTS) {
        struct prom_series *series = target->series.slots[*cursor].item;
        looked_count++;
        bool is_gone = series != NULL && series->page != target->page;
        if (is_gone && series->is_ended && is_old(series, tracking->time_unix_ms)) {
            forget_at(target, *cursor); /* and look at what moved up */
            continue;
        }
        if (is_gone && !series->is_ended) {
            /* Its group borrows from it, so it must not be forgotten before the next page. */
            series->page = target->page;
            series->is_ended = true;
            bool is_said = series->is_endless || end_series(series, tree, tracking->time_unix_ms);
            tracking->untracked_count += is_said ? 0 : 1;
        }
        (*cursor)++;
    }
    return *cursor < target->series.slot_count;
}
