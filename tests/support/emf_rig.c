/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_rig — see emf_rig.h. Texts of the options live in the rig's arena.
 */
#include "tests/support/emf_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/base/number.h"
#include "core/base/regex.h"
#include "core/otlp/otlp_walk.h"
#include "tests/support/vectors.h"

#define REGEXES_MAX 64
#define LIST_MAX 16

/* The rig's lists; one rig at a time. */
static struct arena arena;
static struct regex *regexes[REGEXES_MAX];
static struct emf_declaration declarations[LIST_MAX];
static struct emf_descriptor descriptors[LIST_MAX];

struct emf_rig *emf_rig_new(void)
{
    struct emf_rig *rig = mem_alloc(sizeof(*rig));
    assert_non_null(rig);
    otlp_text_init(&rig->text);
    assert_int_equal(arena_init(&arena, 4096, 1 << 20), 0);
    rig->options = (struct emf_options){
        .namespace = SLICE_LITERAL("N"),
        .default_stream = SLICE_LITERAL("otel-stream-x"),
        .rollup = EMF_ROLLUP_NONE,
        .declarations = declarations,
        .descriptors = descriptors,
        .delta_idle_ns = EMF_DELTA_IDLE_MIN_NS,
        .delta_series_max = 1000,
    };
    rig->now = (struct emf_now){.unix_ns = EMF_RIG_NOW_MS * 1000000, .mono_ns = 1};
    return rig;
}

static void forget_documents(struct emf_rig *rig)
{
    for (size_t i = 0; i < rig->document_count; i++) {
        mem_free(rig->documents[i].memory);
    }
    rig->document_count = 0;
}

void emf_rig_free(struct emf_rig *rig)
{
    forget_documents(rig);
    emf_free(rig->emf);
    otlp_text_fini(&rig->text);
    for (size_t i = 0; i < rig->regex_count; i++) {
        regex_free(regexes[i]);
    }
    arena_fini(&arena);
    mem_free(rig);
}

/* --- options ---------------------------------------------------------------------------------- */

static struct slice kept(struct slice text)
{
    uint8_t unescaped[4096];
    size_t len = vector_unescape(text, unescaped, sizeof(unescaped));
    struct slice copy = arena_copy(&arena, slice_of(unescaped, len));
    assert_non_null(copy.ptr);
    return copy;
}

static struct slice take_until(struct slice *text, uint8_t mark)
{
    size_t at = slice_find(*text, mark);
    struct slice part = slice_first(*text, at);
    *text = slice_from(*text, at < text->len ? at + 1 : at);
    return part;
}

static struct slice *list_of(struct slice text, uint32_t *count)
{
    struct slice *items = arena_alloc_array(&arena, LIST_MAX, sizeof(items[0]));
    assert_non_null(items);
    *count = 0;
    while (text.len > 0) {
        assert_true(*count < LIST_MAX);
        items[*count] = kept(take_until(&text, ','));
        (*count)++;
    }
    return items;
}

static struct slice field(struct slice fields, const char *key)
{
    struct slice value = {0};
    (void)vector_field(fields, key, &value);
    return value;
}

static void take_options(struct emf_options *o, struct slice fields)
{
    struct slice rollup = field(fields, "rollup");
    o->namespace = kept(field(fields, "namespace"));
    o->log_group_name = kept(field(fields, "group"));
    o->log_stream_name = kept(field(fields, "stream"));
    o->rollup = EMF_ROLLUP_NONE;
    if (slice_is_text(rollup, "zero")) {
        o->rollup = EMF_ROLLUP_ZERO_AND_SINGLE;
    } else if (slice_is_text(rollup, "single")) {
        o->rollup = EMF_ROLLUP_SINGLE;
    }
    o->is_legacy = slice_is_text(field(fields, "version"), "0");
    o->has_detailed_metrics = field(fields, "detailed").len > 0;
    o->retains_initial = field(fields, "retain").len > 0;
    o->copies_resource = field(fields, "copy").len > 0;
    o->leaves_service_out = field(fields, "noservice").len > 0;
    o->json_labels = list_of(field(fields, "json"), &o->json_label_count);
    uint64_t series_max = 0;
    if (number_parse_u64(field(fields, "series"), &series_max) == 0) {
        o->delta_series_max = (uint32_t)series_max;
    }
}

static struct regex *regex_of(struct emf_rig *rig, struct slice pattern)
{
    char why[128];
    assert_true(rig->regex_count < REGEXES_MAX);
    assert_int_equal(regex_new(pattern, &regexes[rig->regex_count], why, sizeof(why)), 0);
    return regexes[rig->regex_count++];
}

static void take_declaration(struct emf_rig *rig, struct slice fields)
{
    uint32_t index = rig->options.declaration_count++;
    assert_true(index < LIST_MAX);
    struct emf_dimension_set *sets = arena_alloc_array(&arena, LIST_MAX, sizeof(sets[0]));
    const struct regex **selectors = arena_alloc_array(&arena, LIST_MAX, sizeof(selectors[0]));
    struct emf_label_matcher *matchers = arena_alloc_array(&arena, LIST_MAX, sizeof(matchers[0]));
    struct emf_declaration d = {.sets = sets, .selectors = selectors, .matchers = matchers};
    struct slice dims = field(fields, "dims");
    while (dims.len > 0) {
        struct slice set = take_until(&dims, ';');
        sets[d.set_count].names = list_of(set, &sets[d.set_count].name_count);
        d.set_count++;
    }
    struct slice select = field(fields, "select");
    while (select.len > 0) {
        selectors[d.selector_count++] = regex_of(rig, kept(take_until(&select, ',')));
    }
    struct slice match = field(fields, "match");
    while (match.len > 0) {
        struct slice one = take_until(&match, '|');
        struct emf_label_matcher *m = &matchers[d.matcher_count++];
        m->names = list_of(take_until(&one, '~'), &m->name_count);
        m->separator = kept(take_until(&one, '~'));
        m->regex = regex_of(rig, kept(one));
    }
    declarations[index] = d;
}

bool emf_rig_line(struct emf_rig *rig, struct slice key, struct slice fields)
{
    if (slice_is_text(key, "options")) {
        take_options(&rig->options, fields);
        return true;
    }
    if (slice_is_text(key, "declare")) {
        take_declaration(rig, fields);
        return true;
    }
    if (slice_is_text(key, "describe")) {
        assert_true(rig->options.descriptor_count < LIST_MAX);
        descriptors[rig->options.descriptor_count++] = (struct emf_descriptor){
            .metric_name = kept(field(fields, "name")),
            .unit = kept(field(fields, "unit")),
            .overwrites = field(fields, "overwrite").len > 0,
        };
        return true;
    }
    return otlp_text_line(&rig->text, key, fields);
}

/* --- documents -------------------------------------------------------------------------------- */

static struct slice moved(uint8_t **to, struct slice text)
{
    struct slice copy = slice_of(*to, text.len);
    memcpy(*to, text.ptr, text.len);
    *to += text.len;
    return copy;
}

static void on_document(void *context, const struct emf_document *document)
{
    struct emf_rig *rig = context;
    assert_true(rig->document_count < EMF_RIG_DOCUMENTS_MAX);
    struct emf_rig_document *kept_document = &rig->documents[rig->document_count++];
    size_t len = document->message.len + document->log_group.len + document->log_stream.len;
    uint8_t *to = mem_alloc(len + 1);
    assert_non_null(to);
    *kept_document = (struct emf_rig_document){.document = *document, .memory = to};
    kept_document->document.message = moved(&to, document->message);
    kept_document->document.log_group = moved(&to, document->log_group);
    kept_document->document.log_stream = moved(&to, document->log_stream);
    assert_true(document->message.len <= EMF_MESSAGE_MAX_BYTES);
    emf_rig_check_json(document->message);
}

void emf_rig_check_json(struct slice text)
{
    struct json_reader in = json_of(text, JSON_UTF8_REFUSE);
    enum json_token token = json_next(&in);
    assert_int_equal(token, JSON_TOKEN_OBJECT_OPEN);
    assert_true(json_skip(&in, token));
    assert_int_equal(json_next(&in), JSON_TOKEN_END);
}

static void check_books(const struct emf_tally *tally)
{
    uint64_t booked = tally->encoded_count;
    for (size_t i = 0; i < EMF_DROP_COUNT; i++) {
        booked += tally->drops[i];
    }
    assert_int_equal(tally->point_count, booked);
}

void emf_rig_flush(struct emf_rig *rig)
{
    struct otlp_counts counts;
    forget_documents(rig);
    if (rig->emf == NULL) {
        assert_int_equal(emf_new(&rig->options, 7, &rig->emf), 0);
    }
    assert_int_equal(otlp_walk(SIGNAL_METRICS, bytes_slice(&rig->text.request), &counts, NULL), 0);
    assert_false(counts.is_irregular);
    emf_add_part(rig->emf, bytes_slice(&rig->text.request), rig->now);
    emf_flush(rig->emf, rig, on_document);
    bytes_clear(&rig->text.request);
    check_books(emf_tally_of(rig->emf));
}
