/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_parts — what the files of xray_trace share: the span in hand, and a function for each
 * block of its document. Private to them.
 *
 * Blocks are written straight into the document, in the order http, cause, aws, sql, because each
 * consumes attributes that the later ones must not see.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "codecs/json_out.h"
#include "codecs/json_value.h"
#include "codecs/xray_trace.h"
#include "codecs/xray_trace_attrs.h"
#include "core/base/slice.h"

struct regex;

#define XRAY_ID_BYTES 8
#define XRAY_TRACE_ID_BYTES 16

/* Field numbers of a Span, an Event and a Link. */
enum xray_span_field {
    XRAY_SPAN_EVENTS = 11,
    XRAY_SPAN_LINKS = 13,
};

enum xray_span_kind {
    XRAY_KIND_UNSPECIFIED = 0,
    XRAY_KIND_INTERNAL = 1,
    XRAY_KIND_SERVER = 2,
    XRAY_KIND_CLIENT = 3,
    XRAY_KIND_PRODUCER = 4,
    XRAY_KIND_CONSUMER = 5,
};

/* Which of a span's documents is written. */
enum xray_role {
    XRAY_ROLE_PLAIN,      /* its only one */
    XRAY_ROLE_LOCAL_ROOT, /* its only one, without type and namespace */
    XRAY_ROLE_DEPENDENCY, /* of a local root: the call */
    XRAY_ROLE_SERVICE,    /* of a local root: the service that called */
};

/* Borrows from the part. */
struct xray_span {
    struct slice content; /* the Span message: events and links */
    struct slice trace_id;
    struct slice span_id;
    struct slice parent_id; /* empty for none */
    struct slice name;
    struct slice status_message;
    uint64_t start_unix_ns;
    uint64_t end_unix_ns;
    enum xray_span_kind kind;
    bool has_failed; /* its status is Error */
};

struct xray_trace {
    struct xray_trace_options options;
    struct xray_keys keys;
    struct xray_attrs resource;
    struct xray_attrs attrs;       /* of the span */
    struct xray_attrs event_attrs; /* of the event in hand */
    struct xray_span span;
    struct bytes document;
    struct json_out out;  /* into document */
    struct bytes scratch; /* texts put together */
    struct regex *letter; /* owned; one character that is a letter */
    uint64_t random_state;
    enum xray_role role;
    bool has_type; /* the document in hand is a subsegment, before its role changed that */
};

/* Sixteen hexadecimal digits that no other document of ours has. */
struct xray_id_text {
    char digits[2 * XRAY_ID_BYTES];
};
struct xray_id_text xray_trace_make_id(struct xray_trace *t);

static inline struct slice xray_id_slice(const struct xray_id_text *id)
{
    return slice_of(id->digits, sizeof(id->digits));
}

bool xray_id_is_zero(struct slice id);

/* Are both of their length, and not zero? */
bool xray_trace_has_ids(struct slice trace_id, struct slice span_id);

/* The first four bytes of an id made by X-Ray are the time of its trace; true where the time is not
 * to be checked. */
bool xray_trace_has_good_time(const struct xray_trace *t, struct slice trace_id,
                              uint64_t now_unix_ns);
bool xray_trace_links_have_good_time(const struct xray_trace *t, uint64_t now_unix_ns);

/* The member `trace_id`: "1-6553f100-0102030405060708090a0b0c". */
void xray_trace_put_id(struct json_out *out, struct slice trace_id);

/* A member of the object that is open; empty text is left out. */
static inline void xray_put_text(struct json_out *out, struct slice key, struct slice text)
{
    if (text.len > 0) {
        json_out_key(out, key);
        json_out_string(out, text);
    }
}

/* The same, but null in place of empty text. */
void xray_put_text_or_null(struct json_out *out, struct slice key, struct slice text);

/* Appends a literal value: digits, `null`, or the text of an object; needs no comma before it. */
void xray_put_raw(struct json_out *out, struct slice raw);

/* Is the span kind one that calls somebody? */
static inline bool xray_is_outgoing(enum xray_span_kind kind)
{
    return kind == XRAY_KIND_CLIENT || kind == XRAY_KIND_PRODUCER;
}

/* Name and namespace of the document. `name` borrows from the part or from t->scratch. */
struct xray_identity {
    struct slice name;
    struct slice namespace_name; /* empty for none */
};
void xray_trace_identify(struct xray_trace *t, struct xray_identity *out);

/* The blocks; each writes nothing where it has nothing to say. */
void xray_trace_put_http(struct xray_trace *t);
void xray_trace_put_flags(struct xray_trace *t);
void xray_trace_put_cause(struct xray_trace *t);
void xray_trace_put_aws(struct xray_trace *t);
void xray_trace_put_origin(struct xray_trace *t);
void xray_trace_put_sql(struct xray_trace *t);
void xray_trace_put_links(struct xray_trace *t);
void xray_trace_put_annotations(struct xray_trace *t);
void xray_trace_put_metadata(struct xray_trace *t);

/*
 * xray_stack_put — the frames of a stack trace, and the exceptions it says were the cause.
 *
 * The exception object of `t->out` is open, its id, type and message are written; on return the
 * last exception of the chain is open.
 */
void xray_stack_put(struct xray_trace *t, struct slice language, struct slice trace);
