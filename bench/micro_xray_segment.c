/* SPDX-License-Identifier: Apache-2.0 */
/*
 * micro_xray_segment — nanoseconds to turn one X-Ray segment document into OTLP.
 *
 * Documents of about 1 KB as the SDKs of web frameworks send them: a request, a database call and
 * an AWS call inside it, some annotations and metadata. Compact as Node's and Java's SDKs write,
 * and with blanks as Python's does. Ids and times differ from document to document, and so do the
 * lengths of texts, so that branches cannot be learned by heart.
 */
#include <stdio.h>
#include <string.h>

#include "bench/micro.h"
#include "codecs/xray_datagram.h"
#include "codecs/xray_to_otlp.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_walk.h"

#define DOCUMENT_COUNT 256
#define DOCUMENT_ROOM_BYTES 2048
#define OUT_MAX_BYTES (DOCUMENT_COUNT * 4096)
/* Budget of bench/README.md. */
#define SEGMENT_BUDGET_NS 1000
#define HEADER "{\"format\": \"json\", \"version\": 1}\n"

struct segment_case {
    struct micro micro;
    struct xray_to_otlp *translator;
    struct bytes out;
    struct slice datagrams[DOCUMENT_COUNT];
};

/*
 * The document as a pattern: ' is a quote, ~ a blank or nothing, @ the document's number in eight
 * digits, # in six, $ a text of varying length.
 */
static const char layout[] =
    "{'name':~'checkout.example.com',~'id':~'70de5b6f@',~'trace_id':~'1-5f84c7a1-bd862e3fe1be46a9@'"
    ",~'start_time':~1602537377.#,~'end_time':~1602537378.#,~'in_progress':~false,~"
    "'http':~{'request':~{'method':~'POST',~'url':~'https://checkout.example.com/api/$',~"
    "'client_ip':~'10.0.3.#',~'user_agent':~'Mozilla/5.0 (X11; Linux x86_64) Chrome/119.0'},~"
    "'response':~{'status':~200,~'content_length':~#}},~"
    "'aws':~{'xray':~{'sdk':~'X-Ray for Node.js',~'sdk_version':~'3.5.0'},~"
    "'ecs':~{'container':~'ip-10-0-3-#'}},~'service':~{'version':~'2.13.1'},~"
    "'annotations':~{'tenant':~'$',~'items':~#},~"
    "'metadata':~{'default':~{'cart':~'$ of the season, delivered to the door',~'total':~12.#}},~"
    "'subsegments':~[{'name':~'DynamoDB',~'id':~'80de5b6f@',~'start_time':~1602537377.#,~"
    "'end_time':~1602537377.#,~'namespace':~'aws',~'aws':~{'operation':~'GetItem',~"
    "'table_name':~'$',~'request_id':~'3AIENM5J4ELQ3SPODHKBIRVIC3VV4KQNSO5AEMVJF66Q9ASUAAJG',~"
    "'retries':~0}}]}";

/* Appends what `c` of the pattern stands for; returns how long it is. */
static int expand(char *at, char c, uint32_t index, const char *blank)
{
    static const char letters[] = "orders-and-carts-of-customers";
    switch (c) {
    case '@':
        return snprintf(at, 9, "%08x", index);
    case '#':
        return snprintf(at, 7, "%06u", index + 100000);
    case '$':
        return snprintf(at, sizeof(letters), "%.*s", (int)(4 + index * 7 % 20), letters);
    case '~':
        return snprintf(at, 2, "%s", blank);
    case '\'':
        *at = '"';
        return 1;
    default:
        *at = c;
        return 1;
    }
}

static struct slice make_datagram(uint32_t index, const char *blank)
{
    char *memory = mem_alloc(DOCUMENT_ROOM_BYTES);
    ASSERT(memory != NULL); /* a benchmark without memory is none */
    size_t len = sizeof(HEADER) - 1;
    memcpy(memory, HEADER, len);
    for (const char *at = layout; *at != '\0'; at++) {
        ASSERT(DOCUMENT_ROOM_BYTES - len > 32); /* more than a piece */
        len += (size_t)expand(memory + len, *at, index, blank);
    }
    return slice_of(memory, len);
}

static uint64_t segment_call(struct micro *micro)
{
    struct segment_case *c = CONTAINER_OF(micro, struct segment_case, micro);
    uint64_t sum = 0;
    bytes_clear(&c->out);
    for (size_t i = 0; i < DOCUMENT_COUNT; i++) {
        struct slice document;
        enum xray_datagram_why header_why;
        const char *why = NULL;
        uint32_t span_count = 0;
        if (xray_datagram_read(c->datagrams[i], &document, &header_why) == 0 &&
            xray_to_otlp_append(c->translator, document, &c->out, &span_count, &why) == 0) {
            sum += span_count;
        }
    }
    return sum + c->out.len;
}

static int segment_measure(const char *name, const char *blank)
{
    static struct segment_case c;
    uint64_t bytes = 0;
    c = (struct segment_case){.translator = xray_to_otlp_new()};
    ASSERT(c.translator != NULL);
    bytes_init(&c.out, OUT_MAX_BYTES);
    for (uint32_t i = 0; i < DOCUMENT_COUNT; i++) {
        c.datagrams[i] = make_datagram(i, blank);
        bytes += c.datagrams[i].len;
    }
    c.micro = (struct micro){.name = name,
                             .op_count = DOCUMENT_COUNT,
                             .op_bytes = bytes / DOCUMENT_COUNT,
                             .budget_ns = SEGMENT_BUDGET_NS,
                             .needs_zero_allocs = true,
                             .call = segment_call};
    struct otlp_counts counts = {0};
    uint64_t sum = segment_call(&c.micro);
    ASSERT(otlp_walk(SIGNAL_TRACES, bytes_slice(&c.out), &counts, NULL) == 0);
    ASSERT(counts.item_count == 2 * DOCUMENT_COUNT);
    ASSERT(sum == counts.item_count + c.out.len);
    return micro_run(&c.micro);
}

int main(void)
{
    int err = segment_measure("xray_segment/compact", "");
    if (err == 0) {
        err = segment_measure("xray_segment/blanks", " ");
    }
    return err == 0 ? 0 : 1;
}
