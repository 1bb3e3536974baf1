/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_map — things by their key: one hash table with open addressing and linear probing.
 *
 * It owns its slots and nothing that stands in them; what an item is, the owner of the map knows.
 * Keys are hashes already, so they are their own places. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/prom_key.h"
#include "core/base/defs.h"

struct prom_map_slot {
    struct prom_key key;
    void *item; /* NULL: empty */
};

/* All zeros is an empty map. */
struct prom_map {
    struct prom_map_slot *slots; /* owned; NULL until the first item */
    uint32_t slot_count;         /* a power of two, or 0 */
    uint32_t item_count;
};

/* Frees the slots and leaves zeros. */
void prom_map_fini(struct prom_map *map);

/* Empties it; slots are kept unless they are many. */
void prom_map_clear(struct prom_map *map);

/* The item with this key; NULL where there is none. */
void *prom_map_find(const struct prom_map *map, struct prom_key key);

/* Puts an item, not NULL, under a key that is not there yet. 0 or -ENOMEM; then nothing changed. */
WEIR_MUST_USE int prom_map_put(struct prom_map *map, struct prom_key key, void *item);

/* Takes out what stands in the slot. Items behind may move up to it, so look at it again. */
void prom_map_remove_at(struct prom_map *map, uint32_t slot_index);

/* Takes out the item with this key, if it is there. */
void prom_map_remove(struct prom_map *map, struct prom_key key);

static inline size_t prom_map_used_bytes(const struct prom_map *map)
{
    return map->slot_count * sizeof(struct prom_map_slot);
}
