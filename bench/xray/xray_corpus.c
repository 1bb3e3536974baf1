/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_corpus — see xray_corpus.h. A document is what the SDK of a web framework sends: a request,
 * a call to a table inside it, two annotations and metadata, which fill it up to its length.
 */
#include "bench/xray/xray_corpus.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bench/otlp/otlp_ident.h"
#include "bench/xray/xray_ident.h"
#include "core/base/mem.h"

#define SEGMENT_ID_KEY "\"id\":\""
#define TRACE_ID_KEY "\"trace_id\":\"1-"
#define TRACE_TIME_BYTES (sizeof("5f84c7a1-") - 1)
#define DOCUMENT_TAIL "\"}}}"
/* Draws of one body. */
#define BODY_DRAWS 64u

/* In the order of the arguments of corpus_print. */
static const char document_layout[] =
    "{\"format\": \"json\", \"version\": 1}\n"
    "{\"name\":\"%s.example.com\",\"id\":\"0000000000000000\","
    "\"trace_id\":\"1-%08" PRIx32 "-000000000000000000000000\","
    "\"start_time\":%" PRIu64 ".%03" PRIu32 ",\"end_time\":%" PRIu64 ".%03" PRIu32 ","
    "\"http\":{\"request\":{\"method\":\"%s\",\"url\":\"https://%s.example.com/api/%s/%" PRIu32
    "\",\"client_ip\":\"10.0.%" PRIu32 ".%" PRIu32
    "\",\"user_agent\":\"Mozilla/5.0 (X11; Linux x86_64)\"},"
    "\"response\":{\"status\":%s,\"content_length\":%" PRIu32 "}},"
    "\"aws\":{\"xray\":{\"sdk\":\"X-Ray for Node.js\",\"sdk_version\":\"3.5.0\"}},"
    "\"annotations\":{\"tenant\":\"%s-%" PRIu32 "\",\"items\":%" PRIu32 "},"
    "\"subsegments\":[{\"name\":\"DynamoDB\",\"id\":\"%016" PRIx64 "\",\"start_time\":%" PRIu64
    ".%03" PRIu32 ",\"end_time\":%" PRIu64 ".%03" PRIu32
    ",\"namespace\":\"aws\",\"aws\":{\"operation\":\"%s\",\"table_name\":\"%s\",\"retries\":0}}],"
    "\"metadata\":{\"default\":{\"note\":\"";

static const char *const services[] = {"checkout", "cart", "orders", "search",
                                       "billing",  "mail", "stock",  "accounts"};
static const char *const things[] = {"items", "customers", "invoices", "addresses", "offers"};
static const char *const methods[] = {"GET", "POST", "PUT"};
static const char *const statuses[] = {"200", "201", "204", "404", "302", "200", "200"};
static const char *const operations[] = {"GetItem", "PutItem", "Query", "UpdateItem"};

/* Numbers that look random, the same for the same seed. */
struct draw {
    uint64_t seed;
    uint64_t next;
};

static uint32_t draw_below(struct draw *draw, uint32_t limit)
{
    const uint64_t value = ident_id_of(draw->seed, draw->next % IDENT_SEQUENCE_MAX);
    draw->next++;
    return (uint32_t)((value >> 32) % limit);
}

static const char *draw_word(struct draw *draw, const char *const *words, size_t count)
{
    return words[draw_below(draw, (uint32_t)count)];
}

struct xray_corpus_options xray_corpus_default_options(void)
{
    return (struct xray_corpus_options){.seed = 1, .body_count = 512, .segment_bytes = 1024};
}

/* Prints a document up to its note; how long that is, or what snprintf said. */
static int corpus_print(char *to, size_t room, struct draw *draw, uint64_t now_unix_s)
{
    const char *service = draw_word(draw, services, COUNT_OF(services));
    const char *thing = draw_word(draw, things, COUNT_OF(things));
    const uint32_t first_ms = draw_below(draw, 500);
    const uint32_t last_ms = first_ms + 20 + draw_below(draw, 400);
    const uint64_t call_id = ident_id_of(~draw->seed, draw->next);
    const char *method = draw_word(draw, methods, COUNT_OF(methods));
    const uint32_t number = draw_below(draw, 100000);
    const uint32_t network = draw_below(draw, 256);
    const uint32_t host = draw_below(draw, 256);
    const char *status = draw_word(draw, statuses, COUNT_OF(statuses));
    const uint32_t length = draw_below(draw, 20000);
    const uint32_t tenant = draw_below(draw, 1000);
    const uint32_t item_count = draw_below(draw, 40);
    return snprintf(to, room, document_layout, service, (uint32_t)now_unix_s, now_unix_s, first_ms,
                    now_unix_s, last_ms, method, service, thing, number, network, host, status,
                    length, thing, tenant, item_count, call_id, now_unix_s, first_ms + 5,
                    now_unix_s, last_ms - 5, draw_word(draw, operations, COUNT_OF(operations)),
                    thing);
}

static uint32_t corpus_find(struct slice datagram, const char *text)
{
    const uint8_t *at = memmem(datagram.ptr, datagram.len, text, strlen(text));
    ASSERT(at != NULL);
    return (uint32_t)(at - datagram.ptr);
}

/* Words of letters, so that lengths of tokens vary as in prose. */
static void corpus_fill_note(uint8_t *to, size_t len, struct draw *draw)
{
    for (size_t i = 0; i < len; i++) {
        const uint32_t value = draw_below(draw, 31);
        to[i] = value < 26 ? (uint8_t)('a' + value) : ' ';
    }
}

static int corpus_make(struct xray_corpus *c, uint32_t index, uint64_t now_unix_s)
{
    const size_t len = c->options.segment_bytes;
    const size_t tail_len = sizeof(DOCUMENT_TAIL) - 1;
    const struct corpus_datagram *d = &c->datagrams.datagrams[index];
    uint8_t *bytes = c->datagrams.bytes + d->offset;
    struct draw draw = {
        .seed = c->options.seed,
        .next = (uint64_t)index * (BODY_DRAWS + XRAY_CORPUS_SEGMENT_MAX_BYTES),
    };
    const int printed = corpus_print((char *)bytes, len, &draw, now_unix_s);
    if (printed < 0 || (size_t)printed + tail_len > len) {
        return -EINVAL;
    }
    corpus_fill_note(bytes + printed, len - tail_len - (size_t)printed, &draw);
    memcpy(bytes + len - tail_len, DOCUMENT_TAIL, tail_len);
    bytes[len] = '\n'; /* stays behind when it is sent */
    const struct slice whole = slice_of(bytes, len);
    c->places[index] = (struct xray_corpus_place){
        .segment_id_offset = corpus_find(whole, SEGMENT_ID_KEY) + sizeof(SEGMENT_ID_KEY) - 1,
        .trace_digits_offset =
            corpus_find(whole, TRACE_ID_KEY) + sizeof(TRACE_ID_KEY) - 1 + TRACE_TIME_BYTES,
    };
    return 0;
}

static void corpus_stamp(struct load_stamp *stamp, uint64_t pass_count, uint32_t index,
                         uint32_t count)
{
    struct xray_corpus *c = CONTAINER_OF(stamp, struct xray_corpus, stamp);
    ASSERT(index + count <= c->options.body_count);
    uint64_t sequence = pass_count * c->options.body_count + index;
    for (uint32_t i = index; i < index + count; i++) {
        uint8_t *bytes = c->datagrams.bytes + c->datagrams.datagrams[i].offset;
        struct xray_ident ident;
        xray_ident_of(c->options.seed, sequence, &ident);
        memcpy(bytes + c->places[i].segment_id_offset, ident.segment_id, sizeof(ident.segment_id));
        memcpy(bytes + c->places[i].trace_digits_offset, ident.trace_digits,
               sizeof(ident.trace_digits));
        sequence++;
    }
}

int xray_corpus_build(struct xray_corpus *c, const struct xray_corpus_options *options,
                      uint64_t now_unix_s)
{
    c->options = *options;
    if (options->body_count < XRAY_CORPUS_BODIES_MIN_COUNT ||
        options->body_count > XRAY_CORPUS_BODIES_MAX_COUNT ||
        options->segment_bytes < XRAY_CORPUS_SEGMENT_MIN_BYTES ||
        options->segment_bytes > XRAY_CORPUS_SEGMENT_MAX_BYTES) {
        return -EINVAL;
    }
    const uint32_t step_bytes = options->segment_bytes + 1;
    struct corpus *d = &c->datagrams;
    d->bytes = mem_alloc_array(options->body_count, step_bytes);
    d->datagrams = mem_alloc_array(options->body_count, sizeof(*d->datagrams));
    c->places = mem_alloc_array(options->body_count, sizeof(*c->places));
    if (d->bytes == NULL || d->datagrams == NULL || c->places == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < options->body_count; i++) {
        d->datagrams[i] = (struct corpus_datagram){
            .offset = i * step_bytes,
            .len = step_bytes,
            .line_first = i,
            .line_count = 1,
        };
        const int err = corpus_make(c, i, now_unix_s);
        if (err != 0) {
            return err;
        }
    }
    d->datagram_count = options->body_count;
    d->line_count = options->body_count;
    c->stamp.apply = corpus_stamp;
    return 0;
}

void xray_corpus_fini(struct xray_corpus *c)
{
    corpus_fini(&c->datagrams);
    mem_free(c->places);
    *c = (struct xray_corpus){0};
}

struct slice xray_corpus_datagram(const struct xray_corpus *c, uint32_t index)
{
    ASSERT(index < c->datagrams.datagram_count);
    const struct corpus_datagram *d = &c->datagrams.datagrams[index];
    return slice_of(c->datagrams.bytes + d->offset, (size_t)d->len - 1);
}
