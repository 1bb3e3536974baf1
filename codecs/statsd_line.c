/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statsd_line — the walk over a datagram's lines; see statsd_line.h.
 *
 *   page.views:3|c|@0.1|#env:prod
 *   ^         ^ ^ ^
 *   start  colon pipe[0] pipe[1]         one struct statsd_span, found by statsd_scan
 *
 * Lines come in two speeds. Plain ones, one value in printable ASCII, are read straight from the
 * span's offsets. Whatever is not plain is read again from its bytes, slowly and completely, by
 * line_decode, which alone decides whether a line is bad.
 */
#include "codecs/statsd_line.h"

#include <endian.h>

#include "codecs/statsd_parts.h"
#include "codecs/statsd_scan.h"

/*
 * A plain line is so short that its name, tags and member cannot exceed a limit. The container id
 * has a smaller one and is checked.
 */
#define PLAIN_MAX_BYTES STATSD_NAME_MAX_BYTES
_Static_assert(PLAIN_MAX_BYTES <= STATSD_TAGS_MAX_BYTES, "a plain line's tags fit");
_Static_assert(PLAIN_MAX_BYTES <= STATSD_MEMBER_MAX_BYTES, "a plain line's member fits");
#define WHY_ONE(member, label, text) +1
_Static_assert(STATSD_WHY_LIMIT == 0 STATSD_WHY_LIST(WHY_ONE), "one counter per reason");
#undef WHY_ONE

const char *statsd_why_label(enum statsd_why why)
{
#define WHY_LABEL(member, label, text) [STATSD_WHY_##member] = #label,
    static const char *const labels[] = {STATSD_WHY_LIST(WHY_LABEL)};
#undef WHY_LABEL
    ASSERT((size_t)why < COUNT_OF(labels));
    return labels[why];
}

void statsd_refuse(struct statsd_sink *sink, enum statsd_why why, struct slice line)
{
    ASSERT((size_t)why < STATSD_WHY_LIMIT);
    sink->counts.line_count++;
    sink->counts.invalid_count[why]++;
    if (sink->on_bad != NULL) {
        sink->on_bad(sink, why, line);
    }
}

/* Takes a line apart into *metric. */
static bool metric_parse(const struct statsd_walk *walk, struct slice line,
                         struct statsd_metric *metric, enum statsd_why *why)
{
    struct slice rest = line;
    metric->values = statsd_take_until(&rest, '|');
    bool has_pipe = metric->values.len < line.len;
    bool has_colon = slice_find(metric->values, ':') < metric->values.len;
    metric->name = statsd_take_until(&metric->values, ':');
    if (!has_pipe || !has_colon) {
        *why = has_pipe ? STATSD_WHY_MISSING_VALUE : STATSD_WHY_MISSING_TYPE;
        return false;
    }
    if (metric->name.len == 0 || metric->values.len == 0) {
        *why = metric->name.len == 0 ? STATSD_WHY_EMPTY_NAME : STATSD_WHY_EMPTY_VALUE;
        return false;
    }
    metric->kind = statsd_kind_of(statsd_take_until(&rest, '|'));
    if (metric->kind == 0) {
        *why = STATSD_WHY_UNKNOWN_TYPE;
        return false;
    }
    metric->sections.weight = 1;
    return statsd_sections_parse(rest, metric->kind, &metric->sections, why) &&
           (!walk->has_name_tags || statsd_name_tags_split(walk, metric, why)) &&
           statsd_texts_are_valid(metric, why);
}

/* Any line, without its LF. */
static void line_decode(const struct statsd_walk *walk, struct slice line)
{
    struct statsd_sink *sink = walk->sink;
    if (line.ptr[line.len - 1] == '\r') {
        line = slice_first(line, line.len - 1);
    }
    if (line.len == 0) {
        return;
    }
    if (line.len > STATSD_LINE_MAX_BYTES) {
        statsd_refuse(sink, STATSD_WHY_LINE_TOO_LONG, line);
        return;
    }
    if (slice_has_prefix(line, SLICE_LITERAL("_e{"))) {
        statsd_event_push(sink, line);
        return;
    }
    if (slice_has_prefix(line, SLICE_LITERAL("_sc|"))) {
        statsd_check_push(sink, line);
        return;
    }
    if (walk->is_etsy) {
        statsd_bits_decode(walk, line);
        return;
    }
    struct statsd_metric metric = {0};
    enum statsd_why why = STATSD_WHY_MISSING_TYPE;
    if (metric_parse(walk, line, &metric, &why) && statsd_metric_push(walk, &metric, &why)) {
        return;
    }
    /* Both readings of a multi-bit line are only told apart by one of them failing. */
    if (walk->options->dialect == STATSD_DIALECT_AUTO &&
        (why == STATSD_WHY_UNKNOWN_TYPE || why == STATSD_WHY_BAD_RATE) &&
        statsd_bits_are_likely(line)) {
        statsd_bits_decode(walk, line);
        return;
    }
    statsd_refuse(sink, why, line);
}

/* enum kind of a type of one letter, 0 for the others; spares the hot route a call. */
static const uint8_t kind_of_letter[UINT8_MAX + 1] = {
    ['c'] = KIND_COUNTER,      ['g'] = KIND_GAUGE, ['h'] = KIND_HISTOGRAM,
    ['d'] = KIND_DISTRIBUTION, ['s'] = KIND_SET,
};

/*
 * One to eight digits before `end`, all at once; the eight bytes before `end` are readable. The
 * digits are moved to the upper bytes of a word with zeros below, then added up pair by pair.
 */
static inline bool short_integer_parse(const uint8_t *end, size_t len, double *value)
{
    uint64_t word;
    memcpy(&word, end - sizeof(word), sizeof(word));
    word = le64toh(word) ^ UINT64_C(0x3030303030303030);
    word &= UINT64_MAX << ((sizeof(word) - len) * 8 & 63);
    /* A digit is 0 to 9 by now; adding 0x76 to anything larger sets or carries the high bit. */
    if ((((word + UINT64_C(0x7676767676767676)) | word) & UINT64_C(0x8080808080808080)) != 0) {
        return false;
    }
    word = word * 10 + (word >> 8);
    uint64_t upper = (word & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064);
    uint64_t lower = (word >> 16 & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001);
    *value = (double)(uint32_t)((upper + lower) >> 32);
    return true;
}

/* A plain value into `point`, whose kind is set. */
static inline bool plain_value_parse(const struct statsd_walk *walk, const uint8_t *base,
                                     const struct statsd_span *span, struct point *point)
{
    size_t first = (size_t)span->colon + 1;
    size_t limit = span->pipe[0];
    size_t len = limit - first;
    point->is_delta = 0;
    if (point->kind == KIND_SET) {
        point->member = slice_of(base + first, len);
        return !walk->is_etsy;
    }
    if (len <= sizeof(uint64_t) && limit >= sizeof(uint64_t) &&
        short_integer_parse(base + limit, len, &point->value)) {
        return true;
    }
    enum statsd_why why;
    return statsd_value_parse(walk, slice_of(base + first, len), point, &why);
}

/* Sections that are more than tags alone. */
static bool plain_sections_parse(const struct statsd_walk *walk, struct slice text,
                                 struct point *point)
{
    struct statsd_sections sections = {.weight = 1};
    enum statsd_why why;
    if (walk->is_etsy || !statsd_sections_parse(text, point->kind, &sections, &why) ||
        sections.origin.len > STATSD_ORIGIN_MAX_BYTES) {
        return false;
    }
    point->tags = sections.tags;
    point->origin = sections.origin;
    point->weight = sections.weight;
    point->time_unix_ns = sections.time_unix_ns;
    walk->sink->counts.rate_out_of_range_count += sections.is_rate_out_of_range;
    walk->sink->counts.weight_capped_count += sections.is_weight_capped;
    return true;
}

/* Fills `point` from a plain line. False: not plain, `point` holds anything. */
static inline bool plain_parse(const struct statsd_walk *walk, const uint8_t *base,
                               const struct statsd_span *span, struct point *point)
{
    size_t pipe = span->pipe[0];
    size_t type_len = (size_t)span->pipe[1] - pipe - 1; /* wraps where there is no pipe */
    if (span->is_odd != 0 || span->limit - span->start > PLAIN_MAX_BYTES || walk->has_name_tags ||
        base[span->start] == '_' || span->colon == span->start || (size_t)span->colon + 1 >= pipe ||
        pipe == span->limit) {
        return false;
    }
    point->kind = type_len == 1 ? kind_of_letter[base[pipe + 1]]
                                : statsd_kind_of(slice_of(base + pipe + 1, type_len));
    if (point->kind == 0 || !plain_value_parse(walk, base, span, point)) {
        return false;
    }
    point->name = slice_of(base + span->start, span->colon - span->start);
    point->tag_style = TAG_STYLE_DOGSTATSD;
    point->tags = (struct slice){0};
    point->origin = (struct slice){0};
    point->weight = 1;
    point->time_unix_ns = 0;
    if (span->pipe[1] == span->limit) {
        return true;
    }
    size_t section = (size_t)span->pipe[1] + 1;
    if (span->pipe[2] == span->limit && section < span->limit && base[section] == '#') {
        point->tags = slice_of(base + section + 1, span->limit - section - 1);
        return true;
    }
    return plain_sections_parse(walk, slice_of(base + section, span->limit - section), point);
}

/* Decodes the lines of `spans`. The sink's count is kept aside while lines are plain. */
static void spans_decode(const struct statsd_walk *walk, const uint8_t *base,
                         const struct statsd_span *spans, size_t span_count)
{
    struct statsd_sink *sink = walk->sink;
    struct point *const points = sink->points;
    const uint32_t point_cap = sink->point_cap;
    uint32_t point_count = sink->point_count;
    uint64_t plain_count = 0;
    for (size_t i = 0; i < span_count; i++) {
        const struct statsd_span *span = &spans[i];
        if (WEIR_UNLIKELY(point_count == point_cap)) {
            sink->point_count = point_count;
            statsd_flush(sink);
            point_count = 0;
        }
        if (WEIR_LIKELY(plain_parse(walk, base, span, &points[point_count]))) {
            point_count++;
            plain_count++;
            continue;
        }
        sink->point_count = point_count;
        line_decode(walk, slice_of(base + span->start, span->limit - span->start));
        point_count = sink->point_count;
    }
    sink->point_count = point_count;
    sink->counts.line_count += plain_count;
    sink->counts.metric_count += plain_count;
    sink->counts.point_count += plain_count;
}

void statsd_decode(const struct statsd_options *options, struct slice bytes,
                   struct statsd_sink *sink)
{
    ASSERT(bytes.len <= UINT32_MAX);
    ASSERT(sink->point_cap > 0 && sink->point_count <= sink->point_cap);
    const struct statsd_scan *scan = options->scan == NULL ? statsd_scan_at(0) : options->scan;
    const struct statsd_walk walk = {
        .options = options,
        .sink = sink,
        .is_sign_delta = options->dialect != STATSD_DIALECT_DOGSTATSD,
        .has_name_tags = options->influx_tags || options->librato_tags || options->signalfx_tags,
        .is_etsy = options->dialect == STATSD_DIALECT_ETSY,
    };
    struct statsd_span spans[STATSD_SPAN_BURST_MAX];
    size_t offset = 0;
    while (offset < bytes.len) {
        size_t span_count = 0;
        offset = scan->lines(bytes.ptr, bytes.len, offset, spans, &span_count);
        spans_decode(&walk, bytes.ptr, spans, span_count);
    }
}
