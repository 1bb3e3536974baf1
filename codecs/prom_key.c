/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_key — each text with its length in front; what does not fit is replaced by its own hash.
 */
#include "codecs/prom_key.h"

#include <xxhash.h>

#include <string.h>

#include "core/base/defs.h"

/* A text above this is hashed by itself. */
#define TEXT_MAX_BYTES (PROM_KEY_BUFFER_BYTES / 4)

static struct prom_key hash_of(const void *ptr, size_t len, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(ptr, len, seed);
    return (struct prom_key){.low = hash.low64, .high = hash.high64};
}

static void put(struct prom_key_maker *maker, const void *ptr, size_t len)
{
    ASSERT(len <= PROM_KEY_BUFFER_BYTES - maker->used_bytes);
    if (len > 0) {
        memcpy(maker->buffer + maker->used_bytes, ptr, len);
        maker->used_bytes += len;
    }
}

void prom_key_begin(struct prom_key_maker *maker, uint64_t seed, struct prom_key parent)
{
    maker->seed = seed;
    maker->used_bytes = 0;
    put(maker, &parent, sizeof(parent));
}

void prom_key_add(struct prom_key_maker *maker, struct slice text)
{
    size_t room_bytes = PROM_KEY_BUFFER_BYTES - maker->used_bytes;
    if (room_bytes < TEXT_MAX_BYTES + sizeof(uint64_t)) {
        struct prom_key so_far = hash_of(maker->buffer, maker->used_bytes, maker->seed);
        maker->used_bytes = 0;
        put(maker, &so_far, sizeof(so_far));
    }
    uint64_t len = text.len;
    put(maker, &len, sizeof(len));
    if (text.len > TEXT_MAX_BYTES) {
        struct prom_key hash = hash_of(text.ptr, text.len, maker->seed);
        put(maker, &hash, sizeof(hash));
        return;
    }
    put(maker, text.ptr, text.len);
}

struct prom_key prom_key_end(const struct prom_key_maker *maker)
{
    return hash_of(maker->buffer, maker->used_bytes, maker->seed);
}
