/* SPDX-License-Identifier: Apache-2.0 */
/*
 * condition_parse — one pass over the tokens: tests are emitted as they come, `and`, `or`, `not`
 * and parentheses wait on a stack, and jumps are filled in when their right side is complete.
 *
 *     a and (b or c)   →   test a · jump-if-false → 4 · test b · jump-if-true → 4 · test c
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/number.h"
#include "core/base/regex.h"
#include "core/processors/condition.h"
#include "core/processors/condition_token.h"

/* What waits for its right side. Later members bind tighter. */
enum pending_kind {
    PENDING_PARENTHESIS,
    PENDING_OR,
    PENDING_AND,
    PENDING_NOT,
};

struct pending {
    enum pending_kind kind;
    uint32_t jump_index; /* of the step to be filled in */
};

struct parser {
    struct slice text;
    size_t at;
    struct condition_token token; /* the one in hand */
    enum condition_context context;
    bool needs_prefix;
    struct arena *memory;
    struct condition *condition;
    uint32_t step_cap;
    struct pending pending[CONDITION_DEPTH_MAX];
    uint32_t pending_count;
    char *why;
};

/* Says what is wrong at the token in hand; returns `fault`. */
static int refuse(struct parser *p, int fault, const char *words)
{
    size_t len = p->token.text.len < 40 ? p->token.text.len : 40;
    (void)snprintf(p->why, CONDITION_WHY_BYTES, "%s at byte %zu, '%.*s'", words, p->token.at,
                   (int)len, len == 0 ? "" : (const char *)p->token.text.ptr);
    return fault;
}

static void advance(struct parser *p)
{
    p->token = condition_token_next(p->text, &p->at);
}

static bool is_name(const struct parser *p, const char *name)
{
    return p->token.kind == CONDITION_TOKEN_NAME && slice_is_text(p->token.text, name);
}

/* Steps over a token of `kind`, or refuses. */
static int expect(struct parser *p, enum condition_token_kind kind, const char *words)
{
    if (p->token.kind != kind) {
        return refuse(p, FAULT_MALFORMED, words);
    }
    advance(p);
    return 0;
}

/* --- steps ------------------------------------------------------------------------------------ */

static uint32_t emit(struct parser *p, enum condition_step_kind kind, struct condition_test *test)
{
    /* Each step comes from at least one byte of text, and so many were made room for. */
    ASSERT(p->condition->step_count < p->step_cap);
    uint32_t index = p->condition->step_count;
    p->condition->steps[index] = (struct condition_step){.kind = kind, .test = test};
    p->condition->step_count++;
    return index;
}

static int push_pending(struct parser *p, enum pending_kind kind, uint32_t jump_index)
{
    if (p->pending_count == CONDITION_DEPTH_MAX) {
        return refuse(p, FAULT_LIMIT, "too many parentheses inside each other");
    }
    p->pending[p->pending_count] = (struct pending){.kind = kind, .jump_index = jump_index};
    p->pending_count++;
    return 0;
}

/* Completes what binds at least as tight as `kind`. */
static void complete(struct parser *p, enum pending_kind kind)
{
    while (p->pending_count > 0 && p->pending[p->pending_count - 1].kind >= kind) {
        struct pending *top = &p->pending[p->pending_count - 1];
        if (top->kind == PENDING_NOT) {
            (void)emit(p, CONDITION_NOT, NULL);
        } else if (top->kind != PENDING_PARENTHESIS) {
            p->condition->steps[top->jump_index].target_index = p->condition->step_count;
        }
        p->pending_count--;
    }
}

/* --- operands --------------------------------------------------------------------------------- */

/* The text of a literal without its escapes. */
static int unescape(struct parser *p, struct slice *out)
{
    struct slice text = p->token.text;
    uint8_t *copy = arena_alloc(p->memory, text.len);
    size_t len = 0;
    if (copy == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (byte == '\\') {
            static const char names[] = "ntr\\\"";
            static const char values[] = "\n\t\r\\\"";
            i++; /* a text does not end in a backslash: that would escape its quote */
            const char *name = text.ptr[i] == 0 ? NULL : strchr(names, text.ptr[i]);
            if (name == NULL) {
                return refuse(p, FAULT_MALFORMED, "an escape is none of \\\\ \\\" \\n \\t \\r");
            }
            byte = (uint8_t)values[name - names];
        }
        copy[len] = byte;
        len++;
    }
    *out = slice_of(copy, len);
    return 0;
}

static int parse_number(struct parser *p, struct otlp_value *out)
{
    *out = (struct otlp_value){.kind = OTLP_VALUE_INT};
    if (number_parse_i64(p->token.text, &out->integer) == 0) {
        return 0;
    }
    *out = (struct otlp_value){.kind = OTLP_VALUE_DOUBLE};
    return number_parse_f64(p->token.text, &out->number) == 0
               ? 0
               : refuse(p, FAULT_MALFORMED, "not a number");
}

/* ["key"] or [0], as many as there are. */
static int parse_indexes(struct parser *p, struct condition_operand *operand)
{
    struct condition_index **end = &operand->indexes;
    int err = 0;
    while (err == 0 && p->token.kind == CONDITION_TOKEN_OPEN_INDEX) {
        advance(p);
        struct condition_index *index = arena_alloc(p->memory, sizeof(*index));
        if (index == NULL) {
            return -ENOMEM;
        }
        *index = (struct condition_index){.is_position = p->token.kind == CONDITION_TOKEN_NUMBER};
        if (p->token.kind == CONDITION_TOKEN_TEXT) {
            err = unescape(p, &index->key);
        } else if (!index->is_position || number_parse_u64(p->token.text, &index->position) != 0) {
            err = refuse(p, FAULT_MALFORMED, "expected a key in quotes or a position");
        }
        if (err == 0) {
            advance(p);
            err = expect(p, CONDITION_TOKEN_CLOSE_INDEX, "expected ]");
        }
        *end = index;
        end = &index->next;
    }
    return err;
}

/* Indexes that do not go with their path. */
static int check_indexes(struct parser *p, const struct condition_operand *operand)
{
    enum condition_source source = operand->source;
    bool is_attrs = source == CONDITION_RESOURCE_ATTRS || source == CONDITION_SCOPE_ATTRS ||
                    source == CONDITION_ITEM_ATTRS || source == CONDITION_EVENT_ATTRS;
    if (is_attrs && (operand->indexes == NULL || operand->indexes->is_position)) {
        return refuse(p, FAULT_UNSUPPORTED, "attributes need a key, as in attributes[\"key\"],");
    }
    if (!is_attrs && operand->indexes != NULL && source != CONDITION_RECORD_BODY) {
        return refuse(p, FAULT_MALFORMED, "this path has no members; before this");
    }
    return 0;
}

/* The path in hand, with or without its prefix. */
static int parse_path(struct parser *p, struct condition_operand *out)
{
    char full[CONDITION_PATH_MAX_BYTES];
    struct slice name = p->token.text;
    const char *prefix = condition_prefix(p->context);
    bool is_found = condition_find_path(name, p->context, &out->source);
    if (!is_found && !p->needs_prefix && name.len < sizeof(full) / 2) {
        int len =
            snprintf(full, sizeof(full), "%s.%.*s", prefix, (int)name.len, (const char *)name.ptr);
        is_found = condition_find_path(slice_of(full, (size_t)len), p->context, &out->source);
    }
    if (!is_found) {
        return refuse(p, FAULT_UNSUPPORTED, "this path is not known or not supported yet");
    }
    advance(p);
    int err = parse_indexes(p, out);
    return err == 0 ? check_indexes(p, out) : err;
}

/* A name that is no path: true, false, nil, SPAN_KIND_SERVER. */
static bool parse_word(const struct parser *p, struct otlp_value *out)
{
    *out = (struct otlp_value){.kind = OTLP_VALUE_BOOL, .boolean = is_name(p, "true")};
    if (is_name(p, "true") || is_name(p, "false")) {
        return true;
    }
    *out = (struct otlp_value){.kind = OTLP_VALUE_EMPTY};
    if (is_name(p, "nil")) {
        return true;
    }
    *out = (struct otlp_value){.kind = OTLP_VALUE_INT};
    return condition_find_number(p->token.text, &out->integer);
}

static bool is_call(const struct parser *p)
{
    size_t at = p->at;
    return p->token.kind == CONDITION_TOKEN_NAME &&
           condition_token_next(p->text, &at).kind == CONDITION_TOKEN_OPEN;
}

static int parse_operand(struct parser *p, struct condition_operand *out)
{
    int err = 0;
    *out = (struct condition_operand){.source = CONDITION_LITERAL};
    if (is_call(p)) {
        return refuse(p, FAULT_UNSUPPORTED, "this function is not supported here yet");
    }
    if (p->token.kind == CONDITION_TOKEN_NAME && !parse_word(p, &out->literal)) {
        return parse_path(p, out);
    }
    if (p->token.kind == CONDITION_TOKEN_TEXT) {
        out->literal = (struct otlp_value){.kind = OTLP_VALUE_STRING};
        err = unescape(p, &out->literal.bytes);
    } else if (p->token.kind == CONDITION_TOKEN_NUMBER) {
        err = parse_number(p, &out->literal);
    } else if (p->token.kind != CONDITION_TOKEN_NAME) {
        err = refuse(p, FAULT_MALFORMED, "expected a path or a value");
    }
    if (err == 0) {
        advance(p);
    }
    return err;
}

/* --- tests ------------------------------------------------------------------------------------ */

static enum condition_op parse_op(struct slice sign)
{
    static const struct {
        const char *sign;
        enum condition_op op;
    } ops[] = {
        {"==", CONDITION_EQUAL},  {"!=", CONDITION_UNEQUAL},    {"<", CONDITION_LESS},
        {">", CONDITION_GREATER}, {"<=", CONDITION_LESS_EQUAL},
    };
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (slice_is_text(sign, ops[i].sign)) {
            return ops[i].op;
        }
    }
    return CONDITION_GREATER_EQUAL;
}

/* `, "literal"`: text, or any literal where `any` says so. */
static int parse_argument(struct parser *p, bool any, struct otlp_value *out)
{
    struct condition_operand operand;
    int err = parse_operand(p, &operand);
    if (err != 0) {
        return err;
    }
    bool is_text = operand.literal.kind == OTLP_VALUE_STRING;
    if (operand.source != CONDITION_LITERAL || (!any && !is_text)) {
        return refuse(p, FAULT_UNSUPPORTED, "expected a text in quotes before this");
    }
    *out = operand.literal;
    return 0;
}

static int parse_pattern(struct parser *p, struct condition_test *test)
{
    struct otlp_value pattern;
    char why[CONDITION_WHY_BYTES / 2];
    int err = parse_argument(p, false, &pattern);
    if (err != 0) {
        return err;
    }
    err = regex_new(pattern.bytes, &test->regex, why, sizeof(why));
    if (err != 0 && err != -ENOMEM) {
        (void)snprintf(p->why, CONDITION_WHY_BYTES, "not a regular expression: %s", why);
    }
    return err;
}

/* The arguments of a function whose name and parenthesis were stepped over. */
static int parse_arguments(struct parser *p, struct condition_test *test)
{
    int err = 0;
    if (test->op == CONDITION_IS_ROOT) {
        return 0;
    }
    if (test->op == CONDITION_MATCHES) {
        err = parse_operand(p, &test->left);
        err = err == 0 ? expect(p, CONDITION_TOKEN_COMMA, "expected a comma") : err;
        return err == 0 ? parse_pattern(p, test) : err;
    }
    err = parse_argument(p, false, &test->left.literal);
    if (err == 0 && test->op == CONDITION_POINT_SAYS) {
        err = expect(p, CONDITION_TOKEN_COMMA, "expected a comma");
        err = err == 0 ? parse_argument(p, true, &test->right.literal) : err;
    }
    return err;
}

/* Which function, if it is one that can be called here. */
static bool find_function(const struct parser *p, enum condition_op *out)
{
    bool is_span = p->context == CONDITION_SPAN;
    bool is_metric = p->context == CONDITION_METRIC;
    if (is_name(p, "IsMatch")) {
        *out = CONDITION_MATCHES;
        return true;
    }
    if (is_span && is_name(p, "IsRootSpan")) {
        *out = CONDITION_IS_ROOT;
        return true;
    }
    if (is_metric && is_name(p, "HasAttrKeyOnDatapoint")) {
        *out = CONDITION_POINT_HAS;
        return true;
    }
    *out = CONDITION_POINT_SAYS;
    return is_metric && is_name(p, "HasAttrOnDatapoint");
}

/* "== false" behind a function turns it around. */
static int parse_call_result(struct parser *p)
{
    struct condition_operand right;
    if (p->token.kind != CONDITION_TOKEN_COMPARE) {
        return 0;
    }
    enum condition_op op = parse_op(p->token.text);
    advance(p);
    int err = parse_operand(p, &right);
    if (err != 0) {
        return err;
    }
    bool is_bool = right.source == CONDITION_LITERAL && right.literal.kind == OTLP_VALUE_BOOL;
    if (!is_bool || (op != CONDITION_EQUAL && op != CONDITION_UNEQUAL)) {
        return refuse(p, FAULT_UNSUPPORTED, "a function is compared with true or false; before");
    }
    if (right.literal.boolean == (op == CONDITION_UNEQUAL)) {
        (void)emit(p, CONDITION_NOT, NULL);
    }
    return 0;
}

static int parse_call(struct parser *p, struct condition_test *test)
{
    if (!find_function(p, &test->op)) {
        return refuse(p, FAULT_UNSUPPORTED, "this function is not supported here yet");
    }
    advance(p);
    advance(p); /* its parenthesis: is_call saw it */
    int err = parse_arguments(p, test);
    if (err == 0) {
        err = expect(p, CONDITION_TOKEN_CLOSE, "expected )");
    }
    return err == 0 ? parse_call_result(p) : err;
}

/* A comparison, or true and false alone. */
static int parse_comparison(struct parser *p, struct condition_test *test)
{
    int err = parse_operand(p, &test->left);
    if (err != 0) {
        return err;
    }
    if (p->token.kind == CONDITION_TOKEN_COMPARE) {
        test->op = parse_op(p->token.text);
        advance(p);
        return parse_operand(p, &test->right);
    }
    if (test->left.source != CONDITION_LITERAL || test->left.literal.kind != OTLP_VALUE_BOOL) {
        return refuse(p, FAULT_UNSUPPORTED, "expected a comparison");
    }
    test->op = CONDITION_EQUAL;
    test->right.literal = (struct otlp_value){.kind = OTLP_VALUE_BOOL, .boolean = true};
    return 0;
}

/* One test; everything that `not`s it is completed behind it. */
static int parse_test(struct parser *p)
{
    struct condition_test *test = arena_alloc(p->memory, sizeof(*test));
    if (test == NULL) {
        return -ENOMEM;
    }
    *test = (struct condition_test){.op = CONDITION_EQUAL};
    (void)emit(p, CONDITION_TEST, test); /* first, so that its pattern is freed with the others */
    int err = is_call(p) ? parse_call(p, test) : parse_comparison(p, test);
    if (err == 0) {
        complete(p, PENDING_NOT);
    }
    return err;
}

/* Before an operand: its signs, then the test itself. */
static int parse_unary(struct parser *p)
{
    int err = 0;
    bool is_sign = true;
    while (err == 0 && is_sign) {
        is_sign = is_name(p, "not") || p->token.kind == CONDITION_TOKEN_OPEN;
        if (is_sign) {
            err = push_pending(p, is_name(p, "not") ? PENDING_NOT : PENDING_PARENTHESIS, 0);
            advance(p);
        }
    }
    return err == 0 ? parse_test(p) : err;
}

/* Closing parentheses behind an operand. */
static int parse_closing(struct parser *p)
{
    while (p->token.kind == CONDITION_TOKEN_CLOSE) {
        complete(p, PENDING_OR);
        if (p->pending_count == 0) {
            return refuse(p, FAULT_MALFORMED, "nothing is open here");
        }
        p->pending_count--; /* the parenthesis */
        complete(p, PENDING_NOT);
        advance(p);
    }
    return 0;
}

static int parse_tokens(struct parser *p)
{
    bool is_more = true;
    int err = 0;
    while (err == 0 && is_more) {
        err = parse_unary(p);
        err = err == 0 ? parse_closing(p) : err;
        bool is_and = is_name(p, "and");
        is_more = is_and || is_name(p, "or");
        if (err == 0 && is_more) {
            complete(p, is_and ? PENDING_AND : PENDING_OR);
            uint32_t jump =
                emit(p, is_and ? CONDITION_JUMP_IF_FALSE : CONDITION_JUMP_IF_TRUE, NULL);
            err = push_pending(p, is_and ? PENDING_AND : PENDING_OR, jump);
            advance(p);
        }
    }
    if (err == 0 && p->token.kind != CONDITION_TOKEN_END) {
        err = refuse(p, FAULT_MALFORMED, "expected and, or or the end");
    }
    if (err == 0) {
        complete(p, PENDING_OR);
        err = p->pending_count == 0 ? 0 : refuse(p, FAULT_MALFORMED, "a parenthesis is not closed");
    }
    return err;
}

int condition_parse(struct slice text, enum condition_context context, bool needs_prefix,
                    struct arena *memory, struct condition **out, char why[CONDITION_WHY_BYTES])
{
    struct parser p = {.text = text,
                       .context = context,
                       .needs_prefix = needs_prefix,
                       .memory = memory,
                       .step_cap = (uint32_t)text.len + 1,
                       .why = why};
    *out = NULL;
    if (text.len > CONDITION_TEXT_MAX_BYTES) {
        (void)snprintf(why, CONDITION_WHY_BYTES, "a condition has at most %d bytes",
                       CONDITION_TEXT_MAX_BYTES);
        return FAULT_LIMIT;
    }
    p.condition = arena_alloc(memory, sizeof(*p.condition));
    struct condition_step *steps = arena_alloc_array(memory, p.step_cap, sizeof(steps[0]));
    if (p.condition == NULL || steps == NULL) {
        return -ENOMEM;
    }
    *p.condition = (struct condition){.context = context, .steps = steps};
    advance(&p);
    int err = parse_tokens(&p);
    if (err != 0) {
        condition_fini_all(p.condition);
        return err;
    }
    *out = p.condition;
    return 0;
}
