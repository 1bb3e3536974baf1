/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_pattern — everything, a list of words, or the engine.
 *
 * The expression is compiled as it stands before anything is put around it, so that a parenthesis
 * too many is an error and not a way out of the anchors.
 */
#include "codecs/prom_pattern.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bounds.h"
#include "core/base/fault.h"

#define ANCHORED_HEAD "^(?s:"
#define ANCHORED_TAIL ")$"

/* Characters and '|' alone, none of which means anything else. */
static bool is_words(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == 0 || strchr("\\.+*?()[]{}^$", text.ptr[i]) != NULL) {
            return false;
        }
    }
    return slice_is_utf8(text);
}

static int init_words(struct prom_pattern *pattern, struct slice text, struct arena *arena)
{
    uint32_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        count += text.ptr[i] == '|' ? 1 : 0;
    }
    struct slice *words = arena_alloc_array(arena, count, sizeof(*words));
    struct slice rest = arena_copy(arena, text);
    if (words == NULL || rest.ptr == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        size_t end = slice_find(rest, '|');
        words[i] = slice_first(rest, end);
        rest = slice_from(rest, end < rest.len ? end + 1 : end);
    }
    pattern->kind = PROM_PATTERN_WORDS;
    pattern->words = words;
    pattern->word_count = count;
    return 0;
}

/* The engine's code as configuration reads it. */
static int compile(struct slice text, struct regex **out, char *why, size_t why_cap)
{
    int err = regex_new(text, out, why, why_cap);
    return err == 0 || err == -ENOMEM ? err : FAULT_CONFIG;
}

static int init_regex(struct prom_pattern *pattern, struct slice text, char *why, size_t why_cap)
{
    char anchored[REGEX_PATTERN_MAX_BYTES + 1];
    struct regex *bare = NULL;
    int err = compile(text, &bare, why, why_cap);
    regex_free(bare);
    if (err != 0) {
        return err;
    }
    int len = snprintf(anchored, sizeof(anchored), ANCHORED_HEAD "%.*s" ANCHORED_TAIL,
                       (int)text.len, text.len > 0 ? (const char *)text.ptr : "");
    /* A zero byte would end the copy early; no expression needs one. */
    if (len < 0 || (size_t)len != text.len + strlen(ANCHORED_HEAD ANCHORED_TAIL) ||
        (size_t)len >= sizeof(anchored)) {
        (void)snprintf(why, why_cap, "the pattern is too long, or has a zero byte");
        return FAULT_CONFIG;
    }
    err = compile(slice_of(anchored, (size_t)len), &pattern->regex, why, why_cap);
    if (err != 0) {
        return err;
    }
    pattern->kind = PROM_PATTERN_REGEX;
    pattern->group_count = regex_group_count(pattern->regex);
    if (pattern->group_count > PROM_PATTERN_GROUPS_MAX) {
        (void)snprintf(why, why_cap, "more than %d groups", PROM_PATTERN_GROUPS_MAX);
        return FAULT_CONFIG;
    }
    return 0;
}

int prom_pattern_init(struct prom_pattern *pattern, struct slice text, struct arena *arena,
                      char *why, size_t why_cap)
{
    *pattern = (struct prom_pattern){.kind = PROM_PATTERN_ALL};
    if (slice_is_text(text, "(.*)")) {
        pattern->group_count = 1;
        return 0;
    }
    if (slice_is_text(text, ".*")) {
        return 0;
    }
    if (is_words(text)) {
        return init_words(pattern, text, arena);
    }
    int err = init_regex(pattern, text, why, why_cap);
    if (err != 0) {
        prom_pattern_fini(pattern);
    }
    return err;
}

void prom_pattern_fini(struct prom_pattern *pattern)
{
    regex_free(pattern->regex);
    *pattern = (struct prom_pattern){.kind = PROM_PATTERN_ALL};
}

static bool is_word_of(const struct prom_pattern *pattern, struct slice text)
{
    for (uint32_t i = 0; i < pattern->word_count; i++) {
        if (slice_equal(pattern->words[i], text)) {
            return true;
        }
    }
    return false;
}

bool prom_pattern_matches(const struct prom_pattern *pattern, struct slice text)
{
    switch (pattern->kind) {
    case PROM_PATTERN_ALL:
        return true;
    case PROM_PATTERN_WORDS:
        return is_word_of(pattern, text);
    case PROM_PATTERN_REGEX:
        break;
    }
    return regex_matches(pattern->regex, text);
}

bool prom_pattern_captures(const struct prom_pattern *pattern, struct slice text,
                           struct slice groups[PROM_PATTERN_GROUPS_MAX])
{
    if (pattern->kind == PROM_PATTERN_REGEX) {
        return regex_captures(pattern->regex, text, groups, pattern->group_count);
    }
    if (pattern->group_count > 0) {
        groups[0] = text;
    }
    return prom_pattern_matches(pattern, text);
}
