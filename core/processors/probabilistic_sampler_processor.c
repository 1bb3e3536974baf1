/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probabilistic_sampler_processor — reads a sample from each span or log record, asks the sampler,
 * drops or writes down what was decided: in the tracestate of a span, in two attributes of a
 * record.
 */
#include "core/processors/probabilistic_sampler_processor.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/engine/config.h"
#include "core/engine/processor.h"
#include "core/otlp/otlp_build.h"
#include "core/processors/edit_part.h"
#include "core/processors/sampler.h"
#include "core/processors/sampling.h"
#include "core/processors/tracestate.h"
#include "core/processors/value_text.h"

#define PERCENT_MAX 100

/* Fields of what is sampled. */
enum {
    SPAN_TRACE_ID = 1,
    SPAN_TRACE_STATE = 3,
    SPAN_TRACE_STATE_TAG = SPAN_TRACE_STATE << 3 | PB_WIRE_BYTES,
    LOG_TRACE_ID = 9,
};

#define PRIORITY_KEY "sampling.priority" /* of spans; of records it is configured */
#define THRESHOLD_KEY "sampling.threshold"
#define RANDOMNESS_KEY "sampling.randomness"

/* Frozen after reading. Texts borrow from the configuration. */
struct sampler_settings {
    struct sampler sampler;
    struct slice from_attribute;
    struct slice priority_attribute;
};

struct sampler_processor {
    struct processor processor;
    struct sampler_settings settings;
};

/* One visit. */
struct sampler_visit {
    struct otlp_visitor visitor;
    const struct sampler_settings *settings;
    struct arena *arena;
    struct otlp_attr_list list; /* of records */
    struct tracestate state;    /* of spans */
    int err;                    /* 0 or FAULT_LIMIT; sticks */
};

/* --- what both kinds have --------------------------------------------------------------------- */

/* The id, or nothing where it is missing or all zeros, which is no id. */
static struct slice check_trace_id(struct slice id)
{
    bool is_zero = true;
    for (size_t i = 0; i < id.len && is_zero; i++) {
        is_zero = id.ptr[i] == 0;
    }
    ASSERT(is_zero || id.len == SAMPLING_TRACE_ID_BYTES); /* the walk saw to that */
    return is_zero ? (struct slice){0} : id;
}

/* A copy in the visit's arena; FAULT_LIMIT sticks where it is full. */
static struct slice keep(struct sampler_visit *visit, const char *text, size_t len)
{
    struct slice copy = arena_copy(visit->arena, slice_of(text, len));
    if (copy.ptr == NULL) {
        visit->err = FAULT_LIMIT;
        copy.len = 0;
    }
    return copy;
}

static struct slice keep_randomness(struct sampler_visit *visit, uint64_t bits)
{
    char text[SAMPLING_DIGITS];
    sampling_format_randomness(bits, text);
    return keep(visit, text, sizeof(text));
}

static struct slice keep_threshold(struct sampler_visit *visit, uint64_t threshold)
{
    char text[SAMPLING_DIGITS];
    size_t len = sampling_format_threshold(threshold, text);
    return keep(visit, text, len);
}

/* --- spans ------------------------------------------------------------------------------------ */

/* An attribute of a client: 0 is never, more is always, less says nothing. */
static void read_span_priority(struct slice span, struct sample *sample)
{
    struct otlp_attr attr;
    double number = -1;
    /* One look at all bytes is cheaper than one at each attribute, and nearly always enough. */
    bool may_be_there =
        span.len > 0 && memmem(span.ptr, span.len, PRIORITY_KEY, sizeof(PRIORITY_KEY) - 1) != NULL;
    if (!may_be_there ||
        !otlp_attr_find(span, OTLP_SPAN_ATTRS, SLICE_LITERAL(PRIORITY_KEY), &attr)) {
        return;
    }
    if (attr.value.kind == OTLP_VALUE_INT) {
        number = (double)attr.value.integer;
    } else if (attr.value.kind == OTLP_VALUE_DOUBLE) {
        number = attr.value.number;
    } else if (attr.value.kind == OTLP_VALUE_STRING &&
               number_parse_f64(attr.value.bytes, &number) != 0) {
        number = -1;
    }
    sample->has_priority = number >= 0;
    sample->priority_threshold = number > 0 ? SAMPLING_ALWAYS : SAMPLING_NEVER;
}

/* Trace id and tracestate in one pass; a state that is missing can be made real by an edit. */
static struct slice read_span_fields(struct slice span, struct otlp_field *state)
{
    struct pb_reader in = pb_reader_of(span);
    struct otlp_field field;
    struct slice id = {0};
    struct slice nothing = slice_of(span.ptr, 0);
    *state = (struct otlp_field){.number = SPAN_TRACE_STATE,
                                 .wire_type = PB_WIRE_BYTES,
                                 .whole = nothing,
                                 .content = nothing};
    while (otlp_field_next(&in, &field)) {
        if (field.number == SPAN_TRACE_ID) {
            id = field.content;
        } else if (field.number == SPAN_TRACE_STATE) {
            *state = field;
        }
    }
    return check_trace_id(id);
}

/* Writes the tracestate of an open span, unless it says so already. */
static void write_span(struct sampler_visit *visit, const struct sample_answer *answer,
                       const struct otlp_field *old, struct otlp_edit *edit)
{
    if (answer->sets_randomness) {
        visit->state.randomness = keep_randomness(visit, answer->randomness_bits);
    }
    if (answer->sets_threshold) {
        visit->state.threshold = keep_threshold(visit, answer->threshold);
    }
    struct slice text = tracestate_format(&visit->state, visit->arena);
    size_t cap = text.len + PB_VARINT_MAX_BYTES + 1;
    uint8_t *field = text.ptr == NULL ? NULL : arena_alloc(visit->arena, cap);
    if (field == NULL || visit->err != 0) {
        visit->err = FAULT_LIMIT;
        return;
    }
    if (slice_equal(text, old->content)) {
        return;
    }
    struct otlp_build b;
    otlp_build_init(&b, field, cap);
    otlp_build_text_field(&b, SPAN_TRACE_STATE_TAG, text);
    ASSERT(b.err == 0);
    otlp_edit_replace(edit, old->whole, otlp_build_since(&b, 0));
}

static enum otlp_verdict sampler_on_span(struct otlp_visitor *visitor,
                                         const struct otlp_place *place, struct otlp_edit *edit)
{
    struct sampler_visit *visit = CONTAINER_OF(visitor, struct sampler_visit, visitor);
    struct slice span = place->item.content;
    struct otlp_field state;
    if (visit->err != 0) {
        return OTLP_KEEP;
    }
    struct slice trace_id = read_span_fields(span, &state);
    bool is_fine = tracestate_parse(state.content, &visit->state);
    struct sample sample = {
        .is_malformed = !is_fine,
        .has_explicit = is_fine && visit->state.randomness.len > 0,
        .has_threshold = is_fine && visit->state.threshold.len > 0,
        .explicit_bits = visit->state.randomness_bits,
        .threshold = visit->state.threshold_bits,
        .trace_id = trace_id,
    };
    read_span_priority(span, &sample);
    struct sample_answer answer = sampler_decide(&visit->settings->sampler, &sample);
    if (!answer.is_taken) {
        return OTLP_DROP;
    }
    if (answer.sets_randomness || answer.sets_threshold) {
        write_span(visit, &answer, &state, edit);
    }
    return OTLP_KEEP;
}

/* --- log records ------------------------------------------------------------------------------ */

/* A text attribute that is there and not empty. */
static bool find_text(const struct otlp_attr_list *list, struct slice key, struct slice *out)
{
    const struct otlp_attr *attr = otlp_attr_list_find(list, key);
    bool is_text = attr != NULL && attr->value.kind == OTLP_VALUE_STRING;
    *out = is_text ? attr->value.bytes : (struct slice){0};
    return out->len > 0;
}

static void read_record_state(const struct otlp_attr_list *list, struct sample *sample)
{
    struct slice text;
    if (find_text(list, SLICE_LITERAL(THRESHOLD_KEY), &text)) {
        sample->has_threshold = sampling_parse_threshold(text, &sample->threshold);
        sample->is_malformed = !sample->has_threshold;
    }
    if (find_text(list, SLICE_LITERAL(RANDOMNESS_KEY), &text)) {
        sample->has_explicit = sampling_parse_randomness(text, &sample->explicit_bits);
        sample->is_malformed = sample->is_malformed || !sample->has_explicit;
    }
    if (sample->is_malformed) {
        sample->has_explicit = false;
        sample->has_threshold = false;
    }
}

/* A percentage of the record's own; 0 and what is no percentage say nothing. */
static void read_record_priority(const struct sampler_visit *visit, struct sample *sample)
{
    struct slice key = visit->settings->priority_attribute;
    const struct otlp_attr *attr = otlp_attr_list_find(&visit->list, key);
    double percent = 0;
    if (key.len == 0 || attr == NULL) {
        return;
    }
    if (attr->value.kind == OTLP_VALUE_INT) {
        percent = (double)attr->value.integer;
    } else if (attr->value.kind == OTLP_VALUE_DOUBLE) {
        percent = attr->value.number;
    }
    sample->has_priority = sampling_threshold(
        percent / PERCENT_MAX, visit->settings->sampler.digit_count, &sample->priority_threshold);
}

/* The bytes of the configured attribute; text of whatever is neither text nor bytes. */
static struct slice read_source(struct sampler_visit *visit)
{
    struct slice key = visit->settings->from_attribute;
    const struct otlp_attr *attr = otlp_attr_list_find(&visit->list, key);
    struct slice text = {0};
    if (key.len == 0 || attr == NULL) {
        return text;
    }
    if (attr->value.kind == OTLP_VALUE_BYTES) {
        return attr->value.bytes;
    }
    int err = value_text(&attr->value, visit->arena, &text);
    visit->err = visit->err == 0 ? err : visit->err;
    return text;
}

static int put_text(struct otlp_attr_list *list, struct slice key, struct slice text)
{
    return otlp_attr_list_put(list, key,
                              (struct otlp_value){.kind = OTLP_VALUE_STRING, .bytes = text});
}

static int write_record(struct sampler_visit *visit, const struct sample_answer *answer)
{
    int err = 0;
    if (answer->sets_randomness) {
        err = put_text(&visit->list, SLICE_LITERAL(RANDOMNESS_KEY),
                       keep_randomness(visit, answer->randomness_bits));
    }
    if (err == 0 && answer->sets_threshold) {
        err = put_text(&visit->list, SLICE_LITERAL(THRESHOLD_KEY),
                       keep_threshold(visit, answer->threshold));
    }
    return visit->err == 0 ? err : visit->err;
}

static enum otlp_verdict sampler_on_record(struct otlp_visitor *visitor,
                                           const struct otlp_place *place, struct otlp_edit *edit)
{
    struct sampler_visit *visit = CONTAINER_OF(visitor, struct sampler_visit, visitor);
    struct sample sample = {0};
    struct otlp_field id;
    if (visit->err == 0) {
        visit->err = otlp_attr_list_load(&visit->list, place->item.content, place->item_attrs);
    }
    if (visit->err != 0) {
        return OTLP_KEEP;
    }
    read_record_state(&visit->list, &sample);
    read_record_priority(visit, &sample);
    (void)otlp_field_find(place->item.content, LOG_TRACE_ID, &id);
    sample.trace_id = check_trace_id(id.content);
    sample.source = read_source(visit);
    struct sample_answer answer = sampler_decide(&visit->settings->sampler, &sample);
    if (visit->err == 0 && answer.is_taken) {
        visit->err = write_record(visit, &answer);
    }
    if (visit->err == 0 && answer.is_taken) {
        otlp_attr_list_flush(&visit->list, edit);
    }
    return answer.is_taken ? OTLP_KEEP : OTLP_DROP;
}

/* --- one part --------------------------------------------------------------------------------- */

static int sampler_process(struct processor *processor, struct processor_turn *turn,
                           struct part *part)
{
    struct sampler_processor *self = CONTAINER_OF(processor, struct sampler_processor, processor);
    bool is_logs = processor->signal == SIGNAL_LOGS;
    struct sampler_visit visit = {
        .visitor = {.on_item = is_logs ? sampler_on_record : sampler_on_span},
        .settings = &self->settings,
        .arena = turn->arena,
    };
    uint64_t dropped = 0;
    ASSERT(processor->signal != SIGNAL_METRICS);
    otlp_attr_list_init(&visit.list, turn->arena);
    int err = edit_part(&visit.visitor, turn, part, &visit.err, &dropped);
    counter_add(&processor->stats.items_sampled, dropped);
    return err;
}

/* --- life ------------------------------------------------------------------------------------- */

static void sampler_close(struct processor *processor)
{
    mem_free(CONTAINER_OF(processor, struct sampler_processor, processor));
}

static int sampler_clone(const struct processor *prototype, struct processor **out)
{
    const struct sampler_processor *source =
        (const struct sampler_processor *)(const void *)prototype; /* embedded first */
    struct sampler_processor *self = mem_alloc(sizeof(*self));
    *out = NULL;
    if (self == NULL) {
        return -ENOMEM;
    }
    self->processor =
        (struct processor){.ops = prototype->ops, .id = prototype->id, .signal = prototype->signal};
    self->settings = source->settings;
    *out = &self->processor;
    return 0;
}

static const struct processor_ops sampler_processor_ops = {
    .type = "probabilistic_sampler",
    .process = sampler_process,
    .clone = sampler_clone,
    .close = sampler_close,
};

static const char *const mode_words[] = {
    [SAMPLER_HASH_SEED] = "hash_seed",
    [SAMPLER_PROPORTIONAL] = "proportional",
    [SAMPLER_EQUALIZING] = "equalizing",
};

enum {
    SOURCE_TRACE_ID,
    SOURCE_RECORD,
};

static const char *const source_words[] = {
    [SOURCE_TRACE_ID] = "traceID",
    [SOURCE_RECORD] = "record",
};

static void read_percent(struct config_reader *config, struct sampler_options *out)
{
    double percent = 0;
    (void)config_read_f64(config, "sampling_percentage", 0, &percent);
    double percent_min = sampling_probability(SAMPLING_NEVER - 1) * PERCENT_MAX;
    if (percent < 0) {
        config_refuse(config, "sampling_percentage", "a percentage is not negative");
        percent = 0;
    } else if (percent > 0 && percent < percent_min) {
        config_refuse(config, "sampling_percentage",
                      "the smallest percentage above 0 is 100 / 2^56");
        percent = 0;
    }
    /* Single precision, in which the other tiers hold it; more than everything is everything. */
    out->percent = percent > PERCENT_MAX ? PERCENT_MAX : (float)percent;
}

static void read_settings(struct config_reader *config, enum signal signal,
                          struct sampler_settings *out)
{
    struct sampler_options options = {0};
    uint32_t mode = SAMPLER_HASH_SEED;
    uint32_t source = SOURCE_TRACE_ID;
    read_percent(config, &options);
    (void)config_read_u32(config, "hash_seed", 0, UINT32_MAX, &options.hash_seed);
    (void)config_read_enum(config, "mode", CONFIG_WORDS(mode_words), SAMPLER_HASH_SEED, &mode);
    (void)config_read_bool(config, "fail_closed", true, &options.fails_closed);
    (void)config_read_u32(config, "sampling_precision", 4, SAMPLING_DIGITS, &options.digit_count);
    (void)config_read_enum(config, "attribute_source", CONFIG_WORDS(source_words), SOURCE_TRACE_ID,
                           &source);
    (void)config_read_text(config, "from_attribute", NULL, &out->from_attribute);
    (void)config_read_text(config, "sampling_priority", NULL, &out->priority_attribute);
    if (options.digit_count == 0) {
        config_refuse(config, "sampling_precision", "sampling_precision is 1 to 14");
        options.digit_count = 1;
    }
    options.mode = (enum sampler_mode)mode;
    options.uses_trace_id = source == SOURCE_TRACE_ID || signal == SIGNAL_TRACES;
    sampler_init(&out->sampler, &options);
}

int probabilistic_sampler_processor_new(struct config_reader *config, const char *id,
                                        enum signal signal, struct processor **out)
{
    *out = NULL;
    struct sampler_processor *self = mem_alloc(sizeof(*self));
    if (self == NULL) {
        return -ENOMEM;
    }
    self->processor = (struct processor){.ops = &sampler_processor_ops, .id = id, .signal = signal};
    read_settings(config, signal, &self->settings);
    if (signal == SIGNAL_METRICS) {
        config_refuse(config, "", "probabilistic_sampler takes traces and logs, not metrics");
    }
    int err = config_reader_finish(config);
    if (err != 0) {
        sampler_close(&self->processor);
        return err;
    }
    *out = &self->processor;
    return 0;
}
