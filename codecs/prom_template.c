/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_template — one walk that measures and one that writes, over the same pieces.
 *
 * The text is a row of pieces, each literal or a reference; `next_piece` cuts the first one off and
 * says what it stands for.
 */
#include "codecs/prom_template.h"

#include <string.h>

#include "core/base/fault.h"
#include "core/base/number.h"

static bool is_word(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool prom_template_is_plain(struct slice text)
{
    return slice_find(text, '$') == text.len;
}

static struct slice group_of(const struct prom_match *match, uint64_t group)
{
    if (group == 0) {
        return match->whole;
    }
    return group <= match->group_count ? match->groups[group - 1] : (struct slice){0};
}

/* A number is a place, everything else a name; of groups with one name the first. */
static struct slice named(const struct prom_match *match, struct slice name)
{
    uint64_t group = 0;
    if (number_parse_u64(name, &group) == 0) {
        return group_of(match, group);
    }
    for (uint32_t i = 1; match->regex != NULL && i <= match->group_count; i++) {
        if (slice_equal(regex_group_name(match->regex, i), name)) {
            return match->groups[i - 1];
        }
    }
    return (struct slice){0};
}

/* Bytes of the reference at the front of `text`, a '$', and its name; 0 where it is none. */
static size_t reference_bytes(struct slice text, struct slice *name)
{
    bool has_brace = text.len > 1 && text.ptr[1] == '{';
    size_t first = has_brace ? 2 : 1;
    size_t end = first;
    while (end < text.len && is_word(text.ptr[end])) {
        end++;
    }
    bool is_closed = !has_brace || (end < text.len && text.ptr[end] == '}');
    if (end == first || !is_closed) {
        return 0;
    }
    *name = slice_of(text.ptr + first, end - first);
    return has_brace ? end + 1 : end;
}

static struct slice next_piece(struct slice *rest, const struct prom_match *match)
{
    size_t literal = slice_find(*rest, '$');
    size_t taken = literal;
    struct slice piece = slice_first(*rest, literal);
    if (literal == 0) {
        struct slice name = {0};
        bool is_pair = rest->len > 1 && rest->ptr[1] == '$';
        size_t len = is_pair ? 0 : reference_bytes(*rest, &name);
        taken = len;
        piece = len > 0 ? named(match, name) : slice_first(*rest, 1);
        if (len == 0) {
            taken = is_pair ? 2 : 1;
        }
    }
    *rest = slice_from(*rest, taken);
    return piece;
}

int prom_template_expand(struct slice text, const struct prom_match *match, struct arena *arena,
                         struct slice *out)
{
    struct slice rest = text;
    struct slice only = {0};
    size_t total = 0;
    size_t count = 0;
    while (rest.len > 0) {
        struct slice piece = next_piece(&rest, match);
        if (piece.len > 0) {
            only = piece;
            total += piece.len;
            count++;
        }
    }
    if (count <= 1) {
        *out = only;
        return 0;
    }
    uint8_t *target = arena_alloc(arena, total);
    if (target == NULL) {
        return FAULT_LIMIT;
    }
    *out = slice_of(target, total);
    rest = text;
    while (rest.len > 0) {
        struct slice piece = next_piece(&rest, match);
        if (piece.len > 0) {
            memcpy(target, piece.ptr, piece.len);
            target += piece.len;
        }
    }
    return 0;
}
