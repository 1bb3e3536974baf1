/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_corpus_item — see otlp_corpus_item.h. An item's number chooses its texts, so that lengths
 * and contents differ as they do in life. The last attribute is padded until the item has the size
 * that was asked for. Identities stand in the first fields of an item, in the order of the schema.
 */
#include "bench/otlp/otlp_corpus_item.h"

#include <string.h>

/* Tags: field number << 3 | wire type. */
#define TAG_SPAN 0x12
#define TAG_SPAN_ATTR 0x4A
#define TAG_LOG_ATTR 0x32
#define TAG_NUMBER_POINT_ATTR 0x3A
#define TAG_HISTOGRAM_POINT_ATTR 0x4A
#define PAD_TRIES 4
#define PAD_KEY "db.query.text"
#define SPANS_PER_TRACE 8u
#define SPAN_LENGTH_NS UINT64_C(1500000)
#define HISTOGRAM_BOUNDS 8u

static uint64_t item_scramble(uint64_t sequence, uint32_t salt)
{
    uint64_t z =
        (sequence + 1) * UINT64_C(0x9e3779b97f4a7c15) + salt * UINT64_C(0xd1342543de82ef95);
    z = (z ^ z >> 32) * UINT64_C(0xbf58476d1ce4e5b9);
    return z ^ z >> 29;
}

static struct slice item_choose(uint64_t sequence, uint32_t salt, const char *const *words,
                                uint32_t word_count)
{
    return slice_of_text(words[item_scramble(sequence, salt) % word_count]);
}

void corpus_item_text_attr(struct otlp_build *b, uint32_t tag, const char *key, struct slice value)
{
    otlp_build_attribute(b, tag, slice_of_text(key), value);
}

void corpus_item_int_attr(struct otlp_build *b, uint32_t tag, const char *key, uint64_t value)
{
    const size_t mark = otlp_build_mark(b);
    otlp_build_varint_field(b, 0x18, value);
    otlp_build_close(b, mark, 0x12);
    otlp_build_text_field(b, 0x0A, slice_of_text(key));
    otlp_build_close(b, mark, tag);
}

/* Words of a statement, from a place that the number chooses, until `len` bytes are full. */
static void item_pad(struct otlp_build *b, uint32_t tag, uint64_t sequence, uint32_t len)
{
    static const char text[] =
        "SELECT id, state, total FROM orders WHERE customer = $1 AND placed_at > $2 ORDER BY "
        "placed_at DESC LIMIT 50; UPDATE stock SET held = held + $3 WHERE sku = ANY($4) AND site "
        "IN (17, 23, 42); INSERT INTO events (kind, payload, seen_at) VALUES ($1, $2, now()) ";
    uint8_t pad[OTLP_CORPUS_ITEM_MAX_BYTES];
    size_t at = (size_t)(item_scramble(sequence, 9) % (sizeof(text) - 1));
    for (uint32_t i = 0; i < len; i++) {
        pad[i] = (uint8_t)text[at];
        at = at + 1 < sizeof(text) - 1 ? at + 1 : 0;
    }
    otlp_build_attribute(b, tag, slice_of_text(PAD_KEY), slice_of(pad, len));
}

static void item_attr(struct otlp_build *b, uint32_t tag, uint64_t sequence, uint32_t index)
{
    static const char *const methods[] = {"GET", "GET", "GET", "POST", "PUT", "DELETE"};
    static const char *const routes[] = {"/api/orders/{id}", "/api/cart", "/login", "/health",
                                         "/api/customers/{id}/orders"};
    static const char *const servers[] = {"shop.internal", "cart-7.internal", "10.12.0.4"};
    static const char *const clients[] = {"10.0.3.17", "10.0.112.9", "192.168.4.201"};
    static const char *const agents[] = {"okhttp/4.12.0", "python-httpx/0.27", "curl/8.5.0"};
    static const uint64_t statuses[] = {200, 200, 200, 201, 204, 404, 500};
    const uint64_t dice = item_scramble(sequence, index);
    switch (index) {
    case 0:
        corpus_item_text_attr(b, tag, "http.request.method",
                              item_choose(sequence, index, methods, COUNT_OF(methods)));
        return;
    case 1:
        corpus_item_int_attr(b, tag, "http.response.status_code",
                             statuses[dice % COUNT_OF(statuses)]);
        return;
    case 2:
        corpus_item_text_attr(b, tag, "http.route",
                              item_choose(sequence, index, routes, COUNT_OF(routes)));
        return;
    case 3:
        corpus_item_text_attr(b, tag, "url.scheme", SLICE_LITERAL("https"));
        return;
    case 4:
        corpus_item_text_attr(b, tag, "server.address",
                              item_choose(sequence, index, servers, COUNT_OF(servers)));
        return;
    case 5:
        corpus_item_int_attr(b, tag, "server.port", 8000 + dice % 90);
        return;
    case 6:
        corpus_item_text_attr(b, tag, "client.address",
                              item_choose(sequence, index, clients, COUNT_OF(clients)));
        return;
    case 7:
        corpus_item_text_attr(b, tag, "user_agent.original",
                              item_choose(sequence, index, agents, COUNT_OF(agents)));
        return;
    default:
        corpus_item_int_attr(b, tag, "thread.id", dice % 100000);
        return;
    }
}

/* The padded one is the last of them; without attributes there is nothing to pad. */
static void item_attrs(const struct otlp_corpus_maker *maker, struct otlp_build *b, uint32_t tag,
                       uint64_t sequence)
{
    if (maker->options->attr_count == 0) {
        return;
    }
    item_pad(b, tag, sequence, maker->pad_bytes);
    for (uint32_t i = maker->options->attr_count - 1; i > 0; i--) {
        item_attr(b, tag, sequence, i - 1);
    }
}

/* trace_id as field `trace_tag`, span_id as field `span_tag`; the lower field comes out first. */
static void item_ids(const struct otlp_corpus_maker *maker, struct otlp_build *b, uint64_t sequence,
                     uint32_t trace_tag, uint32_t span_tag)
{
    const uint64_t seed = maker->options->seed;
    const uint64_t trace = sequence / SPANS_PER_TRACE;
    const uint64_t trace_id[2] = {ident_id_of(seed + 1, trace), ident_id_of(seed + 2, trace)};
    const uint64_t span_id = ident_id_of(seed, sequence);
    otlp_build_text_field(b, span_tag, slice_of(&span_id, sizeof(span_id)));
    otlp_build_text_field(b, trace_tag, slice_of(trace_id, sizeof(trace_id)));
}

static void item_span(const struct otlp_corpus_maker *maker, struct otlp_build *b,
                      uint64_t sequence)
{
    static const char *const names[] = {"GET /api/orders/{id}", "GET /api/cart", "POST /login",
                                        "SELECT shop.orders"};
    const uint64_t parent = ident_id_of(maker->options->seed + 3, sequence / SPANS_PER_TRACE);
    const uint64_t start_ns = ident_time_of(sequence);
    const size_t mark = otlp_build_mark(b);
    otlp_build_text_field(b, 0x7A, (struct slice){0}); /* status: unset */
    item_attrs(maker, b, TAG_SPAN_ATTR, sequence);
    otlp_build_fixed64_field(b, 0x41,
                             start_ns + SPAN_LENGTH_NS + item_scramble(sequence, 11) % 1000000);
    otlp_build_fixed64_field(b, 0x39, start_ns);
    otlp_build_varint_field(b, 0x30, 2 + sequence % 2); /* server or client */
    otlp_build_text_field(b, 0x2A, item_choose(sequence, 12, names, COUNT_OF(names)));
    otlp_build_text_field(b, 0x22, slice_of(&parent, sizeof(parent)));
    item_ids(maker, b, sequence, 0x0A, 0x12);
    otlp_build_close(b, mark, TAG_SPAN);
}

static void item_log(const struct otlp_corpus_maker *maker, struct otlp_build *b, uint64_t sequence)
{
    static const char *const bodies[] = {"order placed", "payment authorised by provider",
                                         "retrying after timeout", "cache miss for customer"};
    const uint64_t time_ns = ident_time_of(sequence);
    const size_t mark = otlp_build_mark(b);
    otlp_build_fixed64_field(b, 0x59, time_ns + 40000); /* observed */
    item_ids(maker, b, sequence, 0x4A, 0x52);
    item_attrs(maker, b, TAG_LOG_ATTR, sequence);
    const size_t body_mark = otlp_build_mark(b);
    otlp_build_text_field(b, 0x0A, item_choose(sequence, 13, bodies, COUNT_OF(bodies)));
    otlp_build_close(b, body_mark, 0x2A);
    otlp_build_text_field(b, 0x1A, SLICE_LITERAL("INFO"));
    otlp_build_varint_field(b, 0x10, 9);
    otlp_build_fixed64_field(b, 0x09, time_ns);
    otlp_build_close(b, mark, TAG_SPAN);
}

static void item_number_point(const struct otlp_corpus_maker *maker, struct otlp_build *b,
                              uint64_t sequence)
{
    const size_t mark = otlp_build_mark(b);
    item_attrs(maker, b, TAG_NUMBER_POINT_ATTR, sequence);
    otlp_build_double_field(b, 0x21, (double)(item_scramble(sequence, 14) % 100000) / 8);
    otlp_build_fixed64_field(b, 0x19, ident_time_of(sequence));
    otlp_build_fixed64_field(b, 0x11, IDENT_TIME_BASE_NS);
    otlp_build_close(b, mark, 0x0A);
}

static void item_histogram_point(const struct otlp_corpus_maker *maker, struct otlp_build *b,
                                 uint64_t sequence)
{
    static const double bounds[HISTOGRAM_BOUNDS] = {5, 10, 25, 50, 100, 250, 500, 1000};
    uint64_t counts[HISTOGRAM_BOUNDS + 1];
    uint64_t count = 0;
    for (uint32_t i = 0; i <= HISTOGRAM_BOUNDS; i++) {
        counts[i] = item_scramble(sequence, 20 + i) % 50;
        count += counts[i];
    }
    const size_t mark = otlp_build_mark(b);
    item_attrs(maker, b, TAG_HISTOGRAM_POINT_ATTR, sequence);
    otlp_build_text_field(b, 0x3A, slice_of(bounds, sizeof(bounds)));
    otlp_build_text_field(b, 0x32, slice_of(counts, sizeof(counts)));
    otlp_build_double_field(b, 0x29, (double)count * 40);
    otlp_build_fixed64_field(b, 0x21, count);
    otlp_build_fixed64_field(b, 0x19, ident_time_of(sequence));
    otlp_build_fixed64_field(b, 0x11, IDENT_TIME_BASE_NS);
    otlp_build_close(b, mark, 0x0A);
}

/* Which metric an item belongs to decides what its data is. */
static void item_point(const struct otlp_corpus_maker *maker, struct otlp_build *b,
                       uint64_t sequence)
{
    if (sequence / OTLP_CORPUS_POINTS_PER_METRIC % 3 == 2) {
        item_histogram_point(maker, b, sequence);
        return;
    }
    item_number_point(maker, b, sequence);
}

static void item_write(const struct otlp_corpus_maker *maker, struct otlp_build *b,
                       uint64_t sequence)
{
    switch (maker->options->signal) {
    case SIGNAL_TRACES:
        item_span(maker, b, sequence);
        return;
    case SIGNAL_LOGS:
        item_log(maker, b, sequence);
        return;
    case SIGNAL_METRICS:
        item_point(maker, b, sequence);
        return;
    }
}

/* Again with another padding until the size is met; a length that grows a byte may miss by one. */
static void item_write_sized(struct otlp_corpus_maker *maker, struct otlp_build *b,
                             uint64_t sequence)
{
    const uint32_t target_bytes = maker->options->item_bytes;
    for (int i = 0; i < PAD_TRIES; i++) {
        const size_t mark = otlp_build_mark(b);
        item_write(maker, b, sequence);
        const size_t got_bytes = otlp_build_mark(b) - mark;
        if (target_bytes == 0 || b->err != 0 || got_bytes == target_bytes || i == PAD_TRIES - 1) {
            return;
        }
        const uint32_t pad_bytes = maker->pad_bytes;
        const size_t bare_bytes = got_bytes - (pad_bytes < got_bytes ? pad_bytes : got_bytes);
        maker->pad_bytes = bare_bytes < target_bytes ? target_bytes - (uint32_t)bare_bytes : 0;
        otlp_build_rewind(b, mark);
    }
}

/* What the sink will hash: trace id and span id, or the two times of a point. */
static void item_digest(const struct otlp_corpus_maker *maker, uint64_t sequence,
                        struct ident_digest *digest)
{
    const uint64_t seed = maker->options->seed;
    const uint64_t trace = sequence / SPANS_PER_TRACE;
    const uint64_t ids[3] = {ident_id_of(seed + 1, trace), ident_id_of(seed + 2, trace),
                             ident_id_of(seed, sequence)};
    const uint64_t times[2] = {IDENT_TIME_BASE_NS, ident_time_of(sequence)};
    const bool is_point = maker->options->signal == SIGNAL_METRICS;
    ident_digest_add(digest,
                     is_point ? slice_of(times, sizeof(times)) : slice_of(ids, sizeof(ids)));
}

/* The points since `mark` become a Metric. */
static void item_close_metric(struct otlp_build *b, size_t mark, uint64_t sequence)
{
    static const char *const names[] = {"http.server.active_requests", "process.cpu.time",
                                        "http.server.request.duration"};
    static const uint32_t data_tags[] = {0x2A, 0x3A, 0x4A}; /* gauge, sum, histogram */
    const size_t kind = sequence / OTLP_CORPUS_POINTS_PER_METRIC % 3;
    const size_t points_bytes = otlp_build_mark(b) - mark;
    ASSERT(points_bytes > 0);
    if (kind > 0) {
        otlp_build_varint_field(b, 0x10, 2); /* cumulative */
    }
    otlp_build_close(b, mark, data_tags[kind]);
    otlp_build_text_field(b, 0x1A, SLICE_LITERAL("ms"));
    otlp_build_text_field(b, 0x0A, slice_of_text(names[kind]));
    otlp_build_close(b, mark, TAG_SPAN);
}

void corpus_item_write_all(struct otlp_corpus_maker *maker, struct otlp_build *b, uint64_t first,
                           uint64_t limit, struct ident_digest *digest)
{
    ASSERT(first < limit);
    const bool is_metric = maker->options->signal == SIGNAL_METRICS;
    size_t mark = otlp_build_mark(b);
    for (uint64_t i = limit; i > first; i--) {
        const uint64_t sequence = i - 1;
        item_write_sized(maker, b, sequence);
        item_digest(maker, sequence, digest);
        const bool is_edge = sequence == first || sequence % OTLP_CORPUS_POINTS_PER_METRIC == 0;
        if (is_metric && is_edge && b->err == 0) {
            item_close_metric(b, mark, sequence);
            mark = otlp_build_mark(b);
        }
    }
}
