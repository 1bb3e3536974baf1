/* SPDX-License-Identifier: Apache-2.0 */
/*
 * short_text — hashing and comparing texts of a few dozen bytes without a call.
 *
 * Names and tags are met once per point and are too short to pay for the set-up of a general
 * function. The hash multiplies sixteen bytes at a time into 128 bits and folds the halves; both
 * factors are masked by words that come from a secret seed, so that whoever does not know the seed
 * cannot choose texts that collide. Not a cryptographic hash; its value must not leave the process.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/slice.h"

/* Longer texts are compared by libc, whose set-up is paid for then. */
#define SHORT_TEXT_INLINE_MAX_BYTES 128

/* What a seed becomes; filled once per burst. */
struct short_text_secret {
    uint64_t start;
    uint64_t mask;
};

static inline uint64_t short_text_load64(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint64_t short_text_load32(const uint8_t *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof(word));
    return word;
}

static inline uint64_t short_text_fold(uint64_t a, uint64_t b)
{
    __uint128_t product = (__uint128_t)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* The constants are odd and have about as many ones as zeros; nothing else is asked of them. */
static inline struct short_text_secret short_text_secret_of(uint64_t seed)
{
    uint64_t start =
        short_text_fold(seed ^ UINT64_C(0x8F3A5C96E17B2D4B), UINT64_C(0xD1B54A32D192ED03));
    uint64_t mask = short_text_fold(seed + UINT64_C(0xA24BAED4963EE407), start ^ seed);
    return (struct short_text_secret){.start = start, .mask = mask};
}

/* Mixes one word into `state`, for what is not text: lengths, kinds, times. */
static inline uint64_t short_text_hash_word(uint64_t state, struct short_text_secret secret,
                                            uint64_t word)
{
    return short_text_fold(state ^ word, secret.mask);
}

/*
 * Mixes `text` into `state`. Its length is not mixed in: the caller does that before, for all texts
 * of a key at once. At least one byte.
 */
static inline uint64_t short_text_hash(uint64_t state, struct short_text_secret secret,
                                       struct slice text)
{
    const uint8_t *at = text.ptr;
    const uint8_t *end = text.ptr + text.len;
    if (text.len >= 16) {
        const uint8_t *last =
            end - 16; /* overlaps the block before, unless sixteen divides the length */
        for (; at < last; at += 16) {
            state = short_text_fold(short_text_load64(at) ^ state,
                                    short_text_load64(at + 8) ^ secret.mask);
        }
        return short_text_fold(short_text_load64(last) ^ state,
                               short_text_load64(last + 8) ^ secret.mask);
    }
    if (text.len >= 8) {
        return short_text_fold(short_text_load64(at) ^ state,
                               short_text_load64(end - 8) ^ secret.mask);
    }
    if (text.len >= 4) {
        return short_text_fold(short_text_load32(at) ^ state,
                               short_text_load32(end - 4) ^ secret.mask);
    }
    uint64_t low = (uint64_t)at[0] << 16 | (uint64_t)at[text.len / 2] << 8 | end[-1];
    return short_text_fold(low ^ state, secret.mask);
}

/* memcmp() == 0 for at least one byte. */
static inline bool short_text_equal(const uint8_t *a, const uint8_t *b, size_t len)
{
    if (len > SHORT_TEXT_INLINE_MAX_BYTES) {
        return memcmp(a, b, len) == 0;
    }
    if (len >= 16) {
        const uint8_t *last = a + len - 16;
        uint64_t differing = (short_text_load64(last) ^ short_text_load64(b + len - 16)) |
                             (short_text_load64(last + 8) ^ short_text_load64(b + len - 8));
        for (; a < last; a += 16, b += 16) {
            differing |= short_text_load64(a) ^ short_text_load64(b);
            differing |= short_text_load64(a + 8) ^ short_text_load64(b + 8);
        }
        return differing == 0;
    }
    if (len >= 8) {
        return ((short_text_load64(a) ^ short_text_load64(b)) |
                (short_text_load64(a + len - 8) ^ short_text_load64(b + len - 8))) == 0;
    }
    if (len >= 4) {
        return ((short_text_load32(a) ^ short_text_load32(b)) |
                (short_text_load32(a + len - 4) ^ short_text_load32(b + len - 4))) == 0;
    }
    return ((a[0] ^ b[0]) | (a[len / 2] ^ b[len / 2]) | (a[len - 1] ^ b[len - 1])) == 0;
}
