/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: attributes_processor, resource_processor, filter_processor, metrics_transform_processor,
 * probabilistic_sampler_processor, condition_parse.
 *
 * The first byte chooses a configured processor and a signal, the rest is a request, or the text of
 * a condition. What otlp_walk accepts is accepted again after the processor, with as many items as
 * the part says; doing it twice gives the same; a condition that compiles can be evaluated.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "core/otlp/otlp_walk.h"
#include "core/processors/attributes_processor.h"
#include "core/processors/condition.h"
#include "core/processors/filter_processor.h"
#include "core/processors/metrics_transform_processor.h"
#include "core/processors/probabilistic_sampler_processor.h"
#include "core/processors/resource_processor.h"
#include "tools/weir/config_yaml.h"

#define ARENA_MAX_BYTES (1 << 24)
#define PROCESSORS_MAX 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int(processor_new_fn)(struct config_reader *config, const char *id, enum signal signal,
                              struct processor **out);

struct setup {
    processor_new_fn *fn;
    enum signal signal;
    const char *yaml;
};

#define ACTIONS                                                                                    \
    "[{key: a, value: [1, {b: x}], action: upsert}, {key: b, from_attribute: a, action: insert},"  \
    " {pattern: '^[d-f]', action: delete}, {pattern: '[g-z]', action: hash},"                      \
    " {key: c, pattern: '(?P<k>.)(?P<l>.*)', action: extract},"                                    \
    " {key: k, converted_type: int, action: convert},"                                             \
    " {key: c, converted_type: string, action: convert}]"

static const struct setup setups[] = {
    {attributes_processor_new, SIGNAL_TRACES, "actions: " ACTIONS},
    {attributes_processor_new, SIGNAL_METRICS, "actions: " ACTIONS},
    {attributes_processor_new, SIGNAL_LOGS,
     "{actions: " ACTIONS ", include: {match_type: regexp, log_bodies: ['.'], resources: "
     "[{key: a}]}, exclude: {match_type: strict, log_severity_number: {min: INFO}}}"},
    {resource_processor_new, SIGNAL_METRICS, "attributes: " ACTIONS},
    {filter_processor_new, SIGNAL_TRACES,
     "traces: {span: ['kind == 2 or attributes[\"a\"] == 1', 'IsMatch(name, \"a\")'],"
     " spanevent: ['name != \"\"'], resource: ['attributes[\"a\"] != nil']}"},
    {filter_processor_new, SIGNAL_METRICS,
     "metrics: {metric: ['HasAttrKeyOnDatapoint(\"a\")', 'type == 4'],"
     " datapoint: ['value_int > 3 or value_double < 2']}"},
    {filter_processor_new, SIGNAL_LOGS,
     "logs: {log_record: ['IsMatch(body, \"a\")', 'body[\"a\"][0] == 1',"
     " 'severity_number > 8']}"},
    {filter_processor_new, SIGNAL_METRICS,
     "metrics: {include: {match_type: regexp, metric_names: ['a|b'],"
     " resource_attributes: [{key: a, value: b}]}}"},
    {probabilistic_sampler_processor_new, SIGNAL_TRACES,
     "{mode: proportional, sampling_percentage: 50, fail_closed: false}"},
    {probabilistic_sampler_processor_new, SIGNAL_TRACES,
     "{mode: hash_seed, sampling_percentage: 70, fail_closed: false}"},
    {probabilistic_sampler_processor_new, SIGNAL_LOGS,
     "{mode: equalizing, sampling_percentage: 50, sampling_priority: a, fail_closed: false}"},
    {probabilistic_sampler_processor_new, SIGNAL_LOGS,
     "{attribute_source: record, from_attribute: a, sampling_percentage: 50}"},
    {metrics_transform_processor_new, SIGNAL_METRICS,
     "transforms: [{include: '(.)', match_type: regexp, action: insert, new_name: 'x$1',"
     " operations: [{action: update_label, label: a, new_label: b, value_actions:"
     " [{value: b, new_value: c}]}, {action: experimental_scale_value, experimental_scale: 1e9},"
     " {action: aggregate_labels, label_set: [b], aggregation_type: mean}]},"
     " {include: '^x', match_type: regexp, experimental_match_labels: {b: '^.?$'}, action: group,"
     " group_resource_labels: {a: b}}]"},
    {metrics_transform_processor_new, SIGNAL_METRICS,
     "transforms: [{include: '.*', match_type: regexp, action: update, operations:"
     " [{action: delete_label_value, label: a, label_value: b},"
     " {action: toggle_scalar_data_type}, {action: add_label, new_label: a, new_value: x},"
     " {action: aggregate_label_values, label: a, aggregated_values: [x, y], new_value: z,"
     " aggregation_type: median}]}, {include: '^(.?)', match_type: regexp, action: combine,"
     " new_name: c, submatch_case: upper, aggregation_type: max}]"},
};

/* Made once; a fuzzer runs a million inputs through them. */
static struct processor *processors[PROCESSORS_MAX];
static struct config_tree tree;
static struct arena arena;

static void make_processors(void)
{
    static struct config_report report;
    _Static_assert(COUNT_OF(setups) <= PROCESSORS_MAX, "one slot for each");
    int err = config_tree_init(&tree);
    ASSERT(err == 0);
    config_report_init(&report, &tree);
    err = arena_init(&arena, 4096, ARENA_MAX_BYTES);
    ASSERT(err == 0);
    for (size_t i = 0; i < COUNT_OF(setups); i++) {
        struct config_node *root = NULL;
        struct config_reader reader;
        uint32_t index = 0;
        struct slice text = slice_of_text(setups[i].yaml);
        err = config_tree_add_source(&tree, SLICE_LITERAL("fuzz"), text, &index);
        ASSERT(err == 0);
        err = config_yaml_parse(&tree, &report, text, NULL, index, &root);
        ASSERT(err == 0);
        config_reader_open(&reader, &report, root, "processors.fuzz");
        err = setups[i].fn(&reader, "fuzz", setups[i].signal, &processors[i]);
        ASSERT(err == 0);
    }
}

/* The request through the processor; the part, or no memory where there was too much of it. */
static struct part run(struct processor *processor, struct slice request, uint32_t item_count)
{
    struct part part;
    struct processor_turn turn = {.arena = &arena, .now_unix_ns = 1};
    int err = part_copy(&part, request, processor->signal, item_count);
    ASSERT(err == 0);
    arena_reset(&arena);
    err = processor->ops->process(processor, &turn, &part);
    ASSERT(err == 0 || err == FAULT_LIMIT);
    if (err != 0) {
        ASSERT(slice_equal(part.bytes, request));
        ASSERT(part.item_count == item_count);
    }
    return part;
}

static void check_request(struct processor *processor, struct slice request)
{
    struct otlp_counts counts;
    if (otlp_walk(processor->signal, request, &counts, NULL) != 0 || counts.is_irregular) {
        return; /* receivers bring such requests into regular form first */
    }
    struct part first = run(processor, request, (uint32_t)counts.item_count);
    struct part second = run(processor, request, (uint32_t)counts.item_count);
    ASSERT(slice_equal(first.bytes, second.bytes));
    ASSERT(first.item_count == second.item_count);
    int err = otlp_walk(processor->signal, first.bytes, &counts, NULL);
    /* An attribute that is set may nest deeper than what was there. */
    ASSERT(err == 0 || err == FAULT_LIMIT);
    ASSERT(err != 0 || counts.item_count == first.item_count);
    part_fini(&first);
    part_fini(&second);
}

static void check_condition(enum condition_context context, struct slice text)
{
    struct condition *condition = NULL;
    char why[CONDITION_WHY_BYTES] = "";
    arena_reset(&arena);
    int err = condition_parse(text, context, false, &arena, &condition, why);
    ASSERT((err == 0) == (condition != NULL));
    if (err != 0) {
        ASSERT(why[0] != '\0');
        return;
    }
    struct otlp_place place = {.signal = SIGNAL_TRACES, .item_attrs = OTLP_SPAN_ATTRS};
    struct condition_place at = {.place = &place, .arena = &arena};
    bool holds = condition_holds(condition, &at);
    ASSERT(holds == condition_holds(condition, &at));
    condition_fini_all(condition);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (processors[0] == NULL) {
        make_processors();
    }
    struct slice rest = slice_of(data + 1, size - 1);
    if (data[0] >= 0x80) {
        check_condition((enum condition_context)(data[0] % CONDITION_CONTEXT_COUNT), rest);
    } else {
        check_request(processors[data[0] % COUNT_OF(setups)], rest);
    }
    return 0;
}
