/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_match — see emf_match.h.
 */
#include "codecs/emf_match.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/regex.h"

/* Answers kept: 4 096 × 24 bytes. A new one takes the place of another with the same slot. */
#define MEMO_COUNT 4096
/* Spreads the questions about one text over the table. */
#define MEMO_STEP UINT64_C(0x9E3779B97F4A7C15)
/* Questions about names have number 0, those about label matchers their index + 1. */
#define NAME_QUESTION 0

enum memo_answer {
    MEMO_NONE,
    MEMO_NO,
    MEMO_YES,
};

struct emf_memo {
    struct emf_key key;
    uint64_t answer; /* enum memo_answer */
};

int emf_match_init(struct emf_match *match, const struct emf_options *options, uint64_t hash_seed)
{
    ASSERT(options->declaration_count <= EMF_DECLARATIONS_MAX);
    *match = (struct emf_match){.options = options, .hash_seed = hash_seed};
    if (options->declaration_count == 0) {
        return 0;
    }
    match->memo = mem_alloc_array(MEMO_COUNT, sizeof(match->memo[0]));
    return match->memo != NULL ? 0 : -ENOMEM;
}

void emf_match_fini(struct emf_match *match)
{
    mem_free(match->memo);
    *match = (struct emf_match){0};
}

static struct emf_memo *memo_at(struct emf_match *match, struct emf_key text, uint32_t declaration,
                                uint32_t question)
{
    text.low += MEMO_STEP * (((uint64_t)question << 16 | declaration) + 1);
    struct emf_memo *memo = &match->memo[(text.low >> 32) % MEMO_COUNT];
    if (!emf_key_equal(memo->key, text)) {
        *memo = (struct emf_memo){.key = text, .answer = MEMO_NONE};
    }
    return memo;
}

static void mask_set(struct emf_mask *mask, uint32_t index)
{
    mask->words[index / 64] |= UINT64_C(1) << (index % 64);
}

bool emf_mask_is_empty(const struct emf_mask *mask)
{
    uint64_t all = 0;
    for (size_t i = 0; i < COUNT_OF(mask->words); i++) {
        all |= mask->words[i];
    }
    return all == 0;
}

bool emf_mask_equal(const struct emf_mask *a, const struct emf_mask *b)
{
    return memcmp(a->words, b->words, sizeof(a->words)) == 0;
}

/* The values of the matcher's labels, joined; a missing one is empty. */
static void join_values(const struct emf_label_matcher *matcher, const struct emf_group *group,
                        struct bytes *out)
{
    bytes_clear(out);
    for (uint32_t i = 0; i < matcher->name_count; i++) {
        const struct emf_label *label =
            emf_label_find(group->labels, group->label_count, matcher->names[i]);
        if (i > 0) {
            bytes_append(out, matcher->separator.ptr, matcher->separator.len);
        }
        if (label != NULL) {
            bytes_append(out, label->value.ptr, label->value.len);
        }
    }
}

static bool any_matcher_fits(struct emf_match *match, const struct emf_group *group,
                             uint32_t declaration, struct bytes *scratch)
{
    const struct emf_declaration *d = &match->options->declarations[declaration];
    for (uint32_t i = 0; i < d->matcher_count; i++) {
        join_values(&d->matchers[i], group, scratch);
        struct emf_key key = emf_key_of(bytes_slice(scratch), match->hash_seed);
        struct emf_memo *memo = memo_at(match, key, declaration, i + 1);
        if (memo->answer == MEMO_NONE) {
            bool fits = regex_matches(d->matchers[i].regex, bytes_slice(scratch));
            memo->answer = fits ? MEMO_YES : MEMO_NO;
        }
        if (memo->answer == MEMO_YES) {
            return true;
        }
    }
    return false;
}

void emf_match_labels(struct emf_match *match, const struct emf_group *group, struct bytes *scratch,
                      struct emf_mask *out)
{
    *out = (struct emf_mask){0};
    for (uint32_t i = 0; i < match->options->declaration_count; i++) {
        const struct emf_declaration *d = &match->options->declarations[i];
        if (d->matcher_count == 0 || any_matcher_fits(match, group, i, scratch)) {
            mask_set(out, i);
        }
    }
}

static bool any_selector_fits(const struct emf_declaration *declaration, struct slice name)
{
    for (uint32_t i = 0; i < declaration->selector_count; i++) {
        if (regex_matches(declaration->selectors[i], name)) {
            return true;
        }
    }
    return false;
}

void emf_match_name(struct emf_match *match, struct slice name, const struct emf_mask *candidates,
                    struct emf_mask *out)
{
    *out = (struct emf_mask){0};
    struct emf_key key = emf_key_of(name, match->hash_seed);
    for (uint32_t i = 0; i < match->options->declaration_count; i++) {
        if (!emf_mask_has(candidates, i)) {
            continue;
        }
        struct emf_memo *memo = memo_at(match, key, i, NAME_QUESTION);
        if (memo->answer == MEMO_NONE) {
            bool fits = any_selector_fits(&match->options->declarations[i], name);
            memo->answer = fits ? MEMO_YES : MEMO_NO;
        }
        if (memo->answer == MEMO_YES) {
            mask_set(out, i);
        }
    }
}
