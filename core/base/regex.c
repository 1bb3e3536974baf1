/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex — a screen that lets only RE2's syntax through, then PCRE2 with limits.
 *
 * The screen walks the pattern once and accepts by list: what it does not know as RE2's is refused,
 * so that a new PCRE2 cannot widen the language. Options are set so that both engines agree: UTF-8,
 * ASCII classes, `$` at the very end only. Syntax: RE2, doc/syntax.txt.
 */
#include "core/base/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/base/number.h"

struct regex {
    pcre2_general_context *general; /* owned; allocates through mem */
    pcre2_match_context *match;     /* owned; carries the limits */
    pcre2_code *code;               /* owned */
};

static _Atomic uint64_t limit_count; /* any thread adds, relaxed */

/* --- the screen ------------------------------------------------------------------------------ */

struct screen {
    struct slice pattern;
    size_t at;         /* next byte */
    bool after_repeat; /* what stands before `at` is a quantifier, maybe with its lazy '?' */
    const char *why;   /* set by the first refusal */
};

static bool refuse(struct screen *s, const char *why)
{
    s->why = why;
    return false;
}

/* The byte `ahead` of the next one; 0 behind the end. */
static uint8_t peek(const struct screen *s, size_t ahead)
{
    return ahead < s->pattern.len - s->at ? s->pattern.ptr[s->at + ahead] : 0;
}

static bool is_one_of(uint8_t byte, const char *set)
{
    return byte != 0 && strchr(set, byte) != NULL;
}

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_letter(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
}

/* Moves behind the next `text`, or to the end. */
static void skip_behind(struct screen *s, const char *text)
{
    struct slice rest = slice_from(s->pattern, s->at);
    const uint8_t *found = rest.len == 0 ? NULL : memmem(rest.ptr, rest.len, text, strlen(text));
    s->at = found == NULL ? s->pattern.len : (size_t)(found - s->pattern.ptr) + strlen(text);
}

/* At a backslash. */
static bool screen_escape(struct screen *s, bool in_class)
{
    uint8_t kind = peek(s, 1);
    if ((kind >= '1' && kind <= '9') || is_one_of(kind, "gk")) {
        return refuse(s, "backreferences are not supported");
    }
    if (kind == 'v') {
        return refuse(s, "\\v differs between engines; write \\x0B");
    }
    if (in_class && kind == 'b') {
        return refuse(s, "\\b is not supported inside a class");
    }
    if (is_letter(kind) && !is_one_of(kind, "dDsSwWbBAzpPafntrxQE")) {
        return refuse(s, "this escape is not supported");
    }
    s->at += s->pattern.len - s->at < 2 ? 1 : 2;
    if (kind == 'Q') {
        skip_behind(s, "\\E");
    }
    return true;
}

/* At '['. */
static bool screen_class(struct screen *s)
{
    s->at += peek(s, 1) == '^' ? 2 : 1;
    bool is_first = true; /* a ']' here is a member */
    while (s->at < s->pattern.len) {
        uint8_t byte = peek(s, 0);
        if (byte == ']' && !is_first) {
            s->at++;
            return true;
        }
        is_first = false;
        if (byte == '\\') {
            if (!screen_escape(s, true)) {
                return false;
            }
        } else if (byte == '[' && peek(s, 1) == ':') {
            if (is_one_of(peek(s, 2), "<>")) {
                return refuse(s, "this class is not supported");
            }
            s->at += 2;
            skip_behind(s, ":]");
        } else {
            s->at++;
        }
    }
    return true; /* unclosed: the compiler says so better */
}

/* Behind "(?": flags as in i, s-m, up to ':' or ')'. */
static bool screen_flags(struct screen *s)
{
    while (is_one_of(peek(s, 0), "imsU-")) {
        s->at++;
    }
    if (!is_one_of(peek(s, 0), ":)")) {
        return refuse(s, "this kind of group is not supported");
    }
    s->at++;
    return true;
}

/* At '('. */
static bool screen_group(struct screen *s)
{
    uint8_t sign = peek(s, 2);
    uint8_t next = peek(s, 3);
    if (peek(s, 1) == '*') {
        return refuse(s, "verbs are not supported");
    }
    if (peek(s, 1) != '?') {
        s->at++;
        return true;
    }
    if (is_one_of(sign, "=!") || (sign == '<' && is_one_of(next, "=!"))) {
        return refuse(s, "lookaround is not supported");
    }
    if (sign == '>') {
        return refuse(s, "atomic groups are not supported");
    }
    if (sign == 'P' && next == '=') {
        return refuse(s, "backreferences are not supported");
    }
    if (sign == '<' || (sign == 'P' && next == '<')) {
        s->at += sign == '<' ? 3 : 4;
        return true;
    }
    s->at += 2;
    return screen_flags(s);
}

/* Length of a "{n}", "{n,}" or "{n,m}" at `at`; 0 where it is none. */
static size_t repeat_bytes(const struct screen *s, bool *is_too_big)
{
    size_t ahead = 1;
    size_t number_count = 0;
    while (number_count < 2) {
        size_t first = ahead;
        while (is_digit(peek(s, ahead))) {
            ahead++;
        }
        if (number_count == 0 && ahead == first) {
            return 0;
        }
        uint64_t bound = 0;
        int err = number_parse_u64(slice_of(s->pattern.ptr + s->at + first, ahead - first), &bound);
        /* Malformed is the empty upper bound; overflow certainly is too big. */
        *is_too_big = *is_too_big || err == FAULT_OVERFLOW || bound > REGEX_REPEAT_MAX;
        number_count++;
        if (peek(s, ahead) != ',') {
            break;
        }
        ahead++;
    }
    return peek(s, ahead) == '}' ? ahead + 1 : 0;
}

/* At '*', '+', '?' or '{'. */
static bool screen_repeat(struct screen *s)
{
    uint8_t sign = peek(s, 0);
    bool is_too_big = false;
    size_t len = sign == '{' ? repeat_bytes(s, &is_too_big) : 1;
    if (len == 0) {
        s->at++; /* a brace that means itself */
        s->after_repeat = false;
        return true;
    }
    if (s->after_repeat) {
        return refuse(s, sign == '+' ? "possessive quantifiers are not supported"
                                     : "a quantifier cannot follow a quantifier");
    }
    if (is_too_big) {
        return refuse(s, "a repeat count is above 1000");
    }
    s->at += len;
    if (peek(s, 0) == '?') {
        s->at++;
    }
    s->after_repeat = true;
    return true;
}

static bool screen_pattern(struct screen *s)
{
    while (s->at < s->pattern.len) {
        uint8_t byte = peek(s, 0);
        bool is_fine = true;
        if (is_one_of(byte, "*+?{")) {
            is_fine = screen_repeat(s);
        } else {
            s->after_repeat = false;
            switch (byte) {
            case '\\':
                is_fine = screen_escape(s, false);
                break;
            case '[':
                is_fine = screen_class(s);
                break;
            case '(':
                is_fine = screen_group(s);
                break;
            default:
                s->at++;
                break;
            }
        }
        if (!is_fine) {
            return false;
        }
    }
    return true;
}

/* --- the engine ------------------------------------------------------------------------------ */

static void *engine_alloc(size_t bytes, void *unused)
{
    (void)unused;
    return mem_alloc(bytes > 0 ? bytes : 1);
}

static void engine_free(void *ptr, void *unused)
{
    (void)unused;
    mem_free(ptr);
}

static void explain(char *why, size_t why_cap, const char *text, size_t offset)
{
    if (why_cap > 0) {
        /* Cut where the caller's room ends. */
        (void)snprintf(why, why_cap, "%s, at byte %zu", text, offset);
    }
}

/* Fills regex->code; on failure says why. */
static int regex_compile(struct regex *regex, struct slice pattern, char *why, size_t why_cap)
{
    pcre2_compile_context *context = pcre2_compile_context_create(regex->general);
    if (context == NULL) {
        return -ENOMEM;
    }
    /* Bounds the compiler's recursion. */
    (void)pcre2_set_parens_nest_limit(context, REGEX_NESTING_MAX);
    uint32_t options =
        PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
    const uint8_t *bytes = pattern.len == 0 ? (const uint8_t *)"" : pattern.ptr;
    int code = 0;
    size_t offset = 0;
    regex->code = pcre2_compile(bytes, pattern.len, options, &code, &offset, context);
    pcre2_compile_context_free(context);
    if (regex->code == NULL) {
        uint8_t text[128];
        (void)pcre2_get_error_message(code, text, sizeof(text)); /* always terminated */
        explain(why, why_cap, (const char *)text, offset);
        return code == PCRE2_ERROR_HEAP_FAILED ? -ENOMEM : FAULT_MALFORMED;
    }
    /* Without executable memory, as hardened hosts have it, the interpreter does the same slower.
     */
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
    return 0;
}

static int regex_init(struct regex *regex, struct slice pattern, char *why, size_t why_cap)
{
    regex->general = pcre2_general_context_create(engine_alloc, engine_free, NULL);
    if (regex->general == NULL) {
        return -ENOMEM;
    }
    regex->match = pcre2_match_context_create(regex->general);
    if (regex->match == NULL) {
        return -ENOMEM;
    }
    (void)pcre2_set_match_limit(regex->match, REGEX_MATCH_STEPS_MAX);
    (void)pcre2_set_depth_limit(regex->match, REGEX_MATCH_STEPS_MAX);
    (void)pcre2_set_heap_limit(regex->match, REGEX_MATCH_HEAP_MAX_KIB);
    return regex_compile(regex, pattern, why, why_cap);
}

int regex_new(struct slice pattern, struct regex **out, char *why, size_t why_cap)
{
    *out = NULL;
    if (pattern.len > REGEX_PATTERN_MAX_BYTES) {
        explain(why, why_cap, "the pattern is too long", REGEX_PATTERN_MAX_BYTES);
        return FAULT_LIMIT;
    }
    struct screen screen = {.pattern = pattern};
    if (!screen_pattern(&screen)) {
        explain(why, why_cap, screen.why, screen.at);
        return FAULT_UNSUPPORTED;
    }
    explain(why, why_cap, "out of memory", 0); /* overwritten by whoever knows better */
    struct regex *regex = mem_alloc(sizeof(*regex));
    if (regex == NULL) {
        return -ENOMEM;
    }
    int err = regex_init(regex, pattern, why, why_cap);
    if (err != 0) {
        regex_free(regex);
        return err;
    }
    *out = regex;
    return 0;
}

/* The answer of the engine; what was given up is counted. */
static bool run_match(const struct regex *regex, struct slice text, pcre2_match_data *data)
{
    int result = PCRE2_ERROR_NOMEMORY;
    if (data != NULL) {
        const uint8_t *bytes = text.len == 0 ? (const uint8_t *)"" : text.ptr;
        result = pcre2_match(regex->code, bytes, text.len, 0, 0, data, regex->match);
    }
    if (result < 0 && result != PCRE2_ERROR_NOMATCH) {
        atomic_fetch_add_explicit(&limit_count, 1, memory_order_relaxed);
    }
    return result >= 0;
}

bool regex_matches(const struct regex *regex, struct slice text)
{
    /* Per call, because several threads may share the regex. One pair: nobody asks for captures. */
    pcre2_match_data *data = pcre2_match_data_create(1, regex->general);
    bool is_match = run_match(regex, text, data);
    pcre2_match_data_free(data); /* NULL is fine */
    return is_match;
}

uint32_t regex_group_count(const struct regex *regex)
{
    uint32_t count = 0;
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &count); /* cannot fail */
    return count;
}

struct slice regex_group_name(const struct regex *regex, uint32_t group)
{
    /* Rows of a fixed size: the group in two bytes, big-endian, then its name with a terminator. */
    const uint8_t *row = NULL;
    uint32_t row_count = 0;
    uint32_t row_bytes = 0;
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMECOUNT, &row_count);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMEENTRYSIZE, &row_bytes);
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_NAMETABLE, &row);
    for (uint32_t i = 0; i < row_count; i++) {
        if ((uint32_t)(row[0] << 8 | row[1]) == group) {
            return slice_of_text((const char *)row + 2);
        }
        row += row_bytes;
    }
    return (struct slice){0};
}

bool regex_captures(const struct regex *regex, struct slice text, struct slice *groups,
                    uint32_t count)
{
    ASSERT(count <= regex_group_count(regex));
    pcre2_match_data *data = pcre2_match_data_create(count + 1, regex->general);
    bool is_match = run_match(regex, text, data);
    if (is_match) {
        const size_t *pairs = pcre2_get_ovector_pointer(data);
        for (uint32_t i = 0; i < count; i++) {
            size_t first = pairs[2 * (i + 1)];
            size_t limit = pairs[2 * (i + 1) + 1];
            bool is_set = first != PCRE2_UNSET && first < limit;
            groups[i] = is_set ? slice_of(text.ptr + first, limit - first) : (struct slice){0};
        }
    }
    pcre2_match_data_free(data);
    return is_match;
}

uint64_t regex_limit_count(void)
{
    return atomic_load_explicit(&limit_count, memory_order_relaxed);
}

void regex_free(struct regex *regex)
{
    if (regex == NULL) {
        return;
    }
    pcre2_code_free(regex->code);
    pcre2_match_context_free(regex->match);
    pcre2_general_context_free(regex->general);
    mem_free(regex);
}
