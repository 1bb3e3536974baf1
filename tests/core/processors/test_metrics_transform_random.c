/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Properties of metricstransform: any run of operations over points made of chance gives what a
 * slow and obvious model gives, which knows nothing of bytes; and whatever a valid request holds,
 * what comes out is valid and counted.
 *
 * The model keeps points as arrays of labels and goes over them again for each operation. Values
 * are multiples of a quarter, so that doubles add up without rounding.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/otlp/otlp_walk.h"
#include "core/processors/metrics_transform_processor.h"
#include "tests/core/otlp/otlp_random.h"
#include "tests/core/processors/transform_rig.h"

#define ROUNDS 3000
#define POINTS_MAX 12
#define LABELS_MAX 8
#define CONFIG_BYTES 4096

static struct rig rig;
static uint64_t chance_state;

static uint32_t below(uint32_t limit)
{
    chance_state ^= chance_state << 13;
    chance_state ^= chance_state >> 7;
    chance_state ^= chance_state << 17;
    return (uint32_t)(chance_state >> 33) % limit;
}

static const char *const keys[] = {"p", "q", "r", "s"};
static const char *const values[] = {"a", "b", "c", ""};
static const char *const types[] = {"", "sum", "mean", "min", "max", "median", "count"};
static const double scales[] = {2, 0.5, -3, 10};

/* --- the model -------------------------------------------------------------------------------- */

struct model_label {
    const char *key;
    const char *value;
};

struct model_point {
    struct model_label labels[LABELS_MAX];
    uint32_t label_count;
    bool is_int;
    int64_t integer;
    double number;
    uint64_t start;
    uint64_t time;
};

struct model {
    struct model_point points[POINTS_MAX];
    uint32_t count;
    uint32_t data;
    uint32_t temporality; /* of sums */
    uint32_t merged_count;
    uint32_t filtered_count;
};

/* What a transform says. */
struct plan {
    const char *match_key; /* NULL: every point */
    const char *match_value;
    bool is_insert;
    bool is_whole;
    char *config;
};

static struct model_label *find(struct model_point *point, const char *key)
{
    for (uint32_t i = 0; i < point->label_count; i++) {
        if (strcmp(point->labels[i].key, key) == 0) {
            return &point->labels[i];
        }
    }
    return NULL;
}

static bool is_meant(const struct plan *plan, struct model_point *point)
{
    if (plan->match_key == NULL) {
        return true;
    }
    const struct model_label *label = find(point, plan->match_key);
    return strcmp(label == NULL ? "" : label->value, plan->match_value) == 0;
}

static void drop_label(struct model_point *point, uint32_t index)
{
    point->label_count--;
    for (uint32_t i = index; i < point->label_count; i++) {
        point->labels[i] = point->labels[i + 1];
    }
}

static void drop_point(struct model *m, uint32_t index)
{
    m->count--;
    for (uint32_t i = index; i < m->count; i++) {
        m->points[i] = m->points[i + 1];
    }
}

static bool are_together(const struct model *m, struct model_point *a, struct model_point *b)
{
    bool is_delta = m->data == SUM && m->temporality == 1;
    bool is_equal = a->label_count == b->label_count && a->time == b->time &&
                    (!is_delta || a->start == b->start);
    for (uint32_t i = 0; i < a->label_count && is_equal; i++) {
        const struct model_label *other = find(b, a->labels[i].key);
        is_equal = other != NULL && strcmp(other->value, a->labels[i].value) == 0;
    }
    return is_equal;
}

static double value_of(const struct model_point *point)
{
    return point->is_int ? (double)point->integer : point->number;
}

static int compare_f64(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* All values are small, so doubles hold integers and their sums exactly. */
static double reduce(double *v, uint32_t n, const char *type)
{
    double sum = 0;
    if (strcmp(type, "") == 0) {
        return v[0];
    }
    if (strcmp(type, "count") == 0) {
        return n;
    }
    for (uint32_t i = 0; i < n; i++) {
        sum += v[i];
    }
    if (strcmp(type, "sum") == 0) {
        return sum;
    }
    if (strcmp(type, "mean") == 0) {
        return sum / n;
    }
    qsort(v, n, sizeof(v[0]), compare_f64);
    if (strcmp(type, "min") == 0) {
        return v[0];
    }
    if (strcmp(type, "max") == 0) {
        return v[n - 1];
    }
    return n % 2 != 0 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
}

/* Point `lead` takes in all behind it that belong to it. */
static void gather(struct model *m, uint32_t lead, const char *type)
{
    struct model_point *point = &m->points[lead];
    double v[POINTS_MAX] = {value_of(point)};
    uint32_t n = 1;
    for (uint32_t i = lead + 1; i < m->count;) {
        struct model_point *other = &m->points[i];
        if (!are_together(m, point, other)) {
            i++;
            continue;
        }
        /* An integer takes another's double without its fraction. */
        v[n] = point->is_int ? (double)(int64_t)value_of(other) : value_of(other);
        n++;
        point->start = other->start < point->start ? other->start : point->start;
        drop_point(m, i);
        m->merged_count++;
    }
    if (n > 1 || strcmp(type, "count") == 0) {
        double result = reduce(v, n, type);
        point->integer = (int64_t)result;
        point->number = result;
    }
}

static void gather_all(struct model *m, const char *type)
{
    for (uint32_t i = 0; i < m->count; i++) {
        gather(m, i, type);
    }
}

/* --- operations, in the model and in words ---------------------------------------------------- */

WEIR_PRINTF(2, 3)
static void say(struct plan *plan, const char *format, ...)
{
    size_t len = strlen(plan->config);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(plan->config + len, CONFIG_BYTES - len, format, args);
    va_end(args);
}

static void add_label(struct model *m, struct plan *plan)
{
    const char *key = keys[below(4)];
    const char *value = values[below(3)];
    say(plan, "{action: add_label, new_label: %s, new_value: %s}", key, value);
    for (uint32_t i = 0; i < m->count && plan->is_whole; i++) {
        struct model_point *point = &m->points[i];
        if (find(point, key) == NULL) {
            point->labels[point->label_count] = (struct model_label){key, value};
            point->label_count++;
        }
    }
}

static void update_label(struct model *m, struct plan *plan)
{
    const char *key = keys[below(4)];
    const char *new_key = below(2) == 0 ? keys[below(4)] : "";
    const char *old = values[below(4)];
    const char *new = values[below(4)];
    say(plan,
        "{action: update_label, label: %s, new_label: '%s',"
        " value_actions: [{value: '%s', new_value: '%s'}]}",
        key, new_key, old, new);
    for (uint32_t i = 0; i < m->count; i++) {
        struct model_point *point = &m->points[i];
        struct model_label *label = find(point, key);
        if (label == NULL || !is_meant(plan, point)) {
            continue;
        }
        if (strcmp(label->value, old) == 0) {
            label->value = new;
        }
        struct model_label *other = find(point, new_key);
        if (strcmp(new_key, "") == 0 || strcmp(new_key, key) == 0) {
            continue;
        }
        label->key = new_key;
        if (other != NULL) {
            drop_label(point, (uint32_t)(other - point->labels));
        }
    }
}

static void delete_value(struct model *m, struct plan *plan)
{
    const char *key = keys[below(4)];
    const char *value = values[below(4)];
    say(plan, "{action: delete_label_value, label: %s, label_value: '%s'}", key, value);
    for (uint32_t i = 0; i < m->count && plan->is_whole;) {
        const struct model_label *label = find(&m->points[i], key);
        if (label != NULL && strcmp(label->value, value) == 0) {
            drop_point(m, i);
            m->filtered_count++;
        } else {
            i++;
        }
    }
}

static void change_values(struct model *m, struct plan *plan)
{
    bool is_toggle = below(2) == 0;
    double scale = scales[below(4)];
    if (is_toggle) {
        say(plan, "{action: toggle_scalar_data_type}");
    } else {
        say(plan, "{action: experimental_scale_value, experimental_scale: %g}", scale);
    }
    for (uint32_t i = 0; i < m->count; i++) {
        struct model_point *point = &m->points[i];
        if (!is_meant(plan, point)) {
            continue;
        }
        double value = is_toggle ? value_of(point) : value_of(point) * scale;
        point->is_int = is_toggle ? !point->is_int : point->is_int;
        point->integer = (int64_t)value;
        point->number = value;
    }
}

static void aggregate_labels(struct model *m, struct plan *plan)
{
    const char *type = types[below(7)];
    uint32_t kept = below(16);
    say(plan, "{action: aggregate_labels, aggregation_type: '%s', label_set: [", type);
    for (uint32_t i = 0; i < 4; i++) {
        say(plan, "%s,", (kept >> i & 1) != 0 ? keys[i] : "other");
    }
    say(plan, "]}");
    for (uint32_t i = 0; i < m->count && plan->is_whole; i++) {
        struct model_point *point = &m->points[i];
        for (uint32_t j = 0; j < point->label_count;) {
            uint32_t bit = (uint32_t)(point->labels[j].key[0] - 'p');
            if ((kept >> bit & 1) != 0) {
                j++;
            } else {
                drop_label(point, j);
            }
        }
    }
    if (plan->is_whole) {
        gather_all(m, type);
    }
}

static void aggregate_values(struct model *m, struct plan *plan)
{
    const char *type = types[below(7)];
    const char *key = keys[below(4)];
    const char *first = values[below(4)];
    const char *second = values[below(4)];
    const char *new = values[below(4)];
    say(plan,
        "{action: aggregate_label_values, aggregation_type: '%s', label: %s,"
        " aggregated_values: ['%s', '%s'], new_value: '%s'}",
        type, key, first, second, new);
    for (uint32_t i = 0; i < m->count && plan->is_whole; i++) {
        struct model_label *label = find(&m->points[i], key);
        if (label != NULL &&
            (strcmp(label->value, first) == 0 || strcmp(label->value, second) == 0)) {
            label->value = new;
        }
    }
    if (plan->is_whole) {
        gather_all(m, type);
    }
}

/* --- requests --------------------------------------------------------------------------------- */

static void make_model(struct model *m)
{
    *m = (struct model){.data = below(2) == 0 ? GAUGE : SUM, .temporality = below(3)};
    m->count = below(POINTS_MAX + 1);
    for (uint32_t i = 0; i < m->count; i++) {
        struct model_point *point = &m->points[i];
        uint32_t first = below(4);
        uint32_t label_count = below(4);
        for (uint32_t j = 0; j < label_count; j++) {
            point->labels[j].key = keys[(first + j) % 4];
            point->labels[j].value = values[below(4)];
        }
        point->label_count = label_count;
        point->is_int = below(3) != 0;
        point->integer = (int64_t)below(41) - 20;
        point->number = point->is_int ? (double)point->integer : (double)below(41) / 4 - 5;
        point->start = below(3);
        point->time = 100 + below(4) / 3;
    }
}

static struct slice encode(const struct model *m, const char *name)
{
    struct slice points[POINTS_MAX + 1];
    for (uint32_t i = 0; i < m->count; i++) {
        const struct model_point *point = &m->points[i];
        struct slice labels[LABELS_MAX];
        for (uint32_t j = 0; j < point->label_count; j++) {
            labels[j] = attr_text(7, point->labels[j].key, point->labels[j].value);
        }
        struct slice value = point->is_int ? field_fixed64(6, (uint64_t)point->integer)
                                           : field_double(4, point->number);
        points[i] =
            field_message(1, JOIN(field_fixed64(2, point->start), field_fixed64(3, point->time),
                                  value, join_slices(labels, point->label_count)));
    }
    points[m->count] = m->data == SUM ? field_varint(2, m->temporality) : NOTHING;
    return metric_of(name, m->data, join_slices(points, m->count + 1));
}

/* The points that the plan is about, for a copy. */
static void keep_meant(struct model *m, const struct plan *plan)
{
    for (uint32_t i = 0; i < m->count;) {
        if (is_meant(plan, &m->points[i])) {
            i++;
        } else {
            drop_point(m, i);
        }
    }
}

static uint32_t count_meant(struct model *m, const struct plan *plan)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        count += is_meant(plan, &m->points[i]) ? 1 : 0;
    }
    return count;
}

static void run_operations(struct model *m, struct plan *plan)
{
    static void (*const operations[])(struct model *, struct plan *) = {
        add_label, update_label, delete_value, change_values, aggregate_labels, aggregate_values,
    };
    uint32_t count = below(6);
    for (uint32_t i = 0; i < count; i++) {
        say(plan, "%s", i > 0 ? ", " : "");
        operations[below(COUNT_OF(operations))](m, plan);
    }
}

static void check_round(void)
{
    static char config[CONFIG_BYTES];
    struct model before;
    struct plan plan = {.config = config, .is_insert = below(3) == 0};
    make_model(&before);
    if (below(3) == 0) {
        plan.match_key = keys[below(4)];
        plan.match_value = values[below(4)];
    }
    uint32_t meant_count = count_meant(&before, &plan);
    bool is_selected = meant_count > 0 || before.count == 0;
    plan.is_whole = is_selected && (plan.is_insert || meant_count == before.count);
    struct model after = before;
    if (plan.is_insert) {
        keep_meant(&after, &plan);
    }
    config[0] = '\0';
    say(&plan, "{transforms: [{include: m, action: %s, new_name: n,",
        plan.is_insert ? "insert" : "update");
    if (plan.match_key != NULL) {
        say(&plan, "experimental_match_labels: {%s: '%s'},", plan.match_key, plan.match_value);
    }
    say(&plan, "operations: [");
    struct model untouched = after;
    run_operations(&after, &plan);
    say(&plan, "]}]}");
    if (!is_selected) {
        after = untouched;
    }
    bool is_gone = is_selected && after.count == 0 && meant_count > 0;
    rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS, config);
    struct slice old = encode(&before, "m");
    struct slice new = is_gone ? NOTHING : encode(&after, plan.is_whole ? "n" : "m");
    if (plan.is_insert) {
        new = is_selected ? JOIN(old, new) : old;
    }
    struct slice expected = new.len == 0 ? NOTHING : request_of(NOTHING, new);
    rig_check(&rig, request_of(NOTHING, old), expected);
    const struct processor_stats *stats = &rig.processor->stats;
    assert_int_equal(counter_read(&stats->items_aggregated), after.merged_count);
    assert_int_equal(counter_read(&stats->items_filtered), after.filtered_count);
    uint32_t added = plan.is_insert && is_selected ? meant_count : 0;
    assert_int_equal(counter_read(&stats->items_added), added);
    rig_close(&rig);
}

static void test_operations_give_what_the_model_gives(void **state)
{
    (void)state;
    chance_state = 0x9E3779B97F4A7C15;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        check_round();
    }
}

/* --- requests made of chance ------------------------------------------------------------------ */

#define REQUEST_ROUNDS 150
#define REQUEST_BYTES (4 << 20)

#define SCALED_AND_SUMMED                                                                          \
    "{transforms: [{include: '.*', match_type: regexp, action: update, new_name: 'x${0}',"         \
    " operations: [{action: experimental_scale_value, experimental_scale: 3},"                     \
    " {action: aggregate_labels, aggregation_type: sum},"                                          \
    " {action: toggle_scalar_data_type}]}]}"
#define COPIED_AND_COMBINED                                                                        \
    "{transforms: [{include: '.*', match_type: regexp, action: insert, new_name: copy, "           \
    "operations:"                                                                                  \
    " [{action: add_label, new_label: a, new_value: b},"                                           \
    " {action: aggregate_label_values, label: a, new_value: c, aggregated_values: [b],"            \
    " aggregation_type: median}]}, {include: copy, action: combine, new_name: all,"                \
    " aggregation_type: mean}]}"
#define COMBINED_AND_MOVED                                                                         \
    "{transforms: [{include: '(.?)(.*)', match_type: regexp, action: combine, new_name: all,"      \
    " submatch_case: upper, aggregation_type: count, operations:"                                  \
    " [{action: experimental_scale_value, experimental_scale: -0.5}]},"                            \
    " {include: 'l', match_type: regexp, action: group, group_resource_labels: {moved: 'yes'}}]}"
static const char *const request_configs[] = {SCALED_AND_SUMMED, COPIED_AND_COMBINED,
                                              COMBINED_AND_MOVED};

static void test_valid_requests_stay_valid(void **state)
{
    (void)state;
    static uint8_t buffer[REQUEST_BYTES];
    uint64_t changed_count = 0;
    for (uint64_t seed = 0; seed < REQUEST_ROUNDS; seed++) {
        struct otlp_random r = {
            .state = seed + 1, .is_shuffled = seed % 2 == 1, .has_unknown = seed % 3 == 0};
        struct otlp_build b;
        struct otlp_counts counts;
        otlp_build_init(&b, buffer, sizeof(buffer));
        struct slice request = otlp_random_request(&r, SIGNAL_METRICS, &b);
        assert_int_equal(b.err, 0);
        assert_int_equal(otlp_walk(SIGNAL_METRICS, request, &counts, NULL), 0);
        rig_open(&rig, metrics_transform_processor_new, SIGNAL_METRICS,
                 request_configs[seed % COUNT_OF(request_configs)]);
        struct slice out = rig_run(&rig, request); /* which walks and counts it */
        check_transform_books(&rig, (uint32_t)counts.item_count);
        changed_count += slice_equal(out, request) ? 0 : 1;
        rig_close(&rig);
    }
    assert_true(changed_count > REQUEST_ROUNDS / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations_give_what_the_model_gives),
        cmocka_unit_test(test_valid_requests_stay_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
