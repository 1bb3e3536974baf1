/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Target functions: statsd_decode, statsd_tags_are_valid, statsd_scan_* (codecs/statsd_line.h).
 *
 * The first byte picks dialect and options, the rest is a datagram. Every variant has to hand out
 * the same, twice; slices have to lie inside the input (or the sink's joined names); the book of
 * lines has to balance.
 */
#include <math.h>
#include <string.h>

#include "codecs/statsd_line.h"
#include "codecs/statsd_scan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FNV_OFFSET UINT64_C(14695981039346656037)
#define FNV_PRIME UINT64_C(1099511628211)

struct run {
    struct statsd_sink sink;
    struct point points[7]; /* few, so that lines are cut by it */
    struct slice input;
    uint64_t digest; /* of all that came out */
    uint64_t point_count;
    uint64_t bad_count;
};

static void digest_bytes(struct run *r, const void *ptr, size_t len)
{
    const uint8_t *bytes = ptr;
    for (size_t i = 0; i < len; i++) {
        r->digest = (r->digest ^ bytes[i]) * FNV_PRIME;
    }
    r->digest = (r->digest ^ len) * FNV_PRIME;
}

static bool is_within(struct slice s, const uint8_t *ptr, size_t len)
{
    return s.ptr >= ptr && s.len <= len && (size_t)(s.ptr - ptr) <= len - s.len;
}

static void check_slice(struct run *r, struct slice s, bool may_be_joined)
{
    bool is_joined = may_be_joined && is_within(s, r->sink.joined, sizeof(r->sink.joined));
    ASSERT(s.len == 0 || is_joined || is_within(s, r->input.ptr, r->input.len));
    digest_bytes(r, s.len == 0 ? (const uint8_t *)"" : s.ptr, s.len);
}

static void run_on_points(struct statsd_sink *sink)
{
    struct run *r = CONTAINER_OF(sink, struct run, sink);
    ASSERT(sink->point_count > 0 && sink->point_count <= sink->point_cap);
    for (uint32_t i = 0; i < sink->point_count; i++) {
        const struct point *p = &sink->points[i];
        ASSERT(p->kind > 0 && p->kind < KIND_LIMIT);
        ASSERT(p->name.len > 0 && p->name.len <= STATSD_NAME_MAX_BYTES);
        ASSERT(p->tags.len <= STATSD_TAGS_MAX_BYTES && p->origin.len <= STATSD_ORIGIN_MAX_BYTES);
        ASSERT(p->weight >= 1 && p->weight <= STATSD_WEIGHT_MAX);
        ASSERT(slice_is_utf8(p->name) && slice_is_utf8(p->tags) && slice_is_utf8(p->origin));
        ASSERT(p->is_delta == 0 || p->kind == KIND_GAUGE);
        ASSERT(p->time_unix_ns == 0 || p->kind == KIND_COUNTER || p->kind == KIND_GAUGE);
        check_slice(r, p->name, true);
        check_slice(r, p->tags, false);
        check_slice(r, p->origin, false);
        if (p->kind == KIND_SET) {
            ASSERT(p->member.len > 0 && slice_is_utf8(p->member));
            check_slice(r, p->member, false);
        } else {
            ASSERT(isfinite(p->value));
            digest_bytes(r, &p->value, sizeof(p->value));
        }
        digest_bytes(r, &p->weight, sizeof(p->weight));
        digest_bytes(r, &p->time_unix_ns, sizeof(p->time_unix_ns));
        const uint8_t small[] = {p->kind, p->tag_style, p->is_delta};
        digest_bytes(r, small, sizeof(small));
        r->point_count++;
    }
}

static void run_on_event(struct statsd_sink *sink, const struct statsd_event *event)
{
    struct run *r = CONTAINER_OF(sink, struct run, sink);
    ASSERT(event->title.len > 0);
    const struct slice texts[] = {event->title,           event->text,        event->host,
                                  event->aggregation_key, event->source_type, event->tags,
                                  event->origin};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        check_slice(r, texts[i], false);
    }
    digest_bytes(r, &event->time_unix_ns, sizeof(event->time_unix_ns));
    const uint8_t small[] = {event->priority, event->alert};
    digest_bytes(r, small, sizeof(small));
}

static void run_on_check(struct statsd_sink *sink, const struct statsd_check *check)
{
    struct run *r = CONTAINER_OF(sink, struct run, sink);
    ASSERT(check->name.len > 0 && check->status <= STATSD_UNKNOWN);
    const struct slice texts[] = {check->name, check->host, check->tags, check->message,
                                  check->origin};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        check_slice(r, texts[i], false);
    }
    digest_bytes(r, &check->time_unix_ns, sizeof(check->time_unix_ns));
    digest_bytes(r, &check->status, sizeof(check->status));
}

static void run_on_bad(struct statsd_sink *sink, enum statsd_why why, struct slice line)
{
    struct run *r = CONTAINER_OF(sink, struct run, sink);
    const char *label = statsd_why_label(why);
    digest_bytes(r, label, strlen(label));
    check_slice(r, line, false);
    r->bad_count++;
}

/* Decodes once and returns the digest of all that came out. */
static uint64_t run_once(const struct statsd_options *options, struct slice input,
                         struct statsd_counts *counts)
{
    static struct run r;
    r = (struct run){
        .input = input,
        .digest = FNV_OFFSET,
        .sink = {.point_cap = COUNT_OF(r.points),
                 .on_points = run_on_points,
                 .on_event = run_on_event,
                 .on_check = run_on_check,
                 .on_bad = run_on_bad},
    };
    r.sink.points = r.points;
    statsd_decode(options, input, &r.sink);
    statsd_flush(&r.sink);
    *counts = r.sink.counts;
    uint64_t invalid = 0;
    for (size_t i = 0; i < STATSD_WHY_LIMIT; i++) {
        invalid += counts->invalid_count[i];
    }
    ASSERT(invalid == r.bad_count);
    ASSERT(r.point_count == counts->point_count);
    ASSERT(counts->line_count ==
           counts->metric_count + counts->event_count + counts->check_count + invalid);
    return r.digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct statsd_options options = {
        .dialect = (uint8_t)((data[0] & 3) % 3),
        .simple_tags = (data[0] & 4) != 0,
        .influx_tags = (data[0] & 8) != 0,
        .librato_tags = (data[0] & 16) != 0,
        .signalfx_tags = (data[0] & 32) != 0,
    };
    const struct slice input = slice_of(data + 1, size - 1);
    struct statsd_counts first;
    const uint64_t digest = run_once(&options, input, &first);
    for (size_t i = 0; statsd_scan_at(i) != NULL; i++) {
        struct statsd_counts counts;
        options.scan = statsd_scan_at(i);
        ASSERT(run_once(&options, input, &counts) == digest);
        ASSERT(memcmp(&counts, &first, sizeof(counts)) == 0);
    }
    enum statsd_why why;
    (void)statsd_tags_are_valid(&options, input, TAG_STYLE_DOGSTATSD, &why);
    (void)statsd_tags_are_valid(&options, input, TAG_STYLE_EQUALS, &why);
    return 0;
}
