/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_map — linear probing; a removal moves up what would no longer be found.
 */
#include "codecs/prom_map.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"

#define SLOTS_MIN 64
/* More than these are given back when the map is cleared: 64 Ki × 24 bytes = 1.5 MiB. */
#define SLOTS_KEPT_MAX 65536
#define SLOTS_MAX (UINT32_C(1) << 31)

void prom_map_fini(struct prom_map *map)
{
    mem_free(map->slots);
    *map = (struct prom_map){0};
}

void prom_map_clear(struct prom_map *map)
{
    if (map->slot_count > SLOTS_KEPT_MAX) {
        prom_map_fini(map);
        return;
    }
    if (map->item_count > 0) {
        memset(map->slots, 0, prom_map_used_bytes(map));
        map->item_count = 0;
    }
}

/* The slot with this key, or the empty one where it would go. There always is an empty one. */
static uint32_t slot_of(const struct prom_map *map, struct prom_key key)
{
    uint32_t mask = map->slot_count - 1;
    uint32_t at = (uint32_t)key.low & mask;
    while (map->slots[at].item != NULL && !prom_key_equal(map->slots[at].key, key)) {
        at = (at + 1) & mask;
    }
    return at;
}

void *prom_map_find(const struct prom_map *map, struct prom_key key)
{
    return map->item_count == 0 ? NULL : map->slots[slot_of(map, key)].item;
}

static int grow(struct prom_map *map)
{
    if (map->slot_count >= SLOTS_MAX) {
        return -ENOMEM;
    }
    uint32_t slot_count = map->slot_count == 0 ? SLOTS_MIN : map->slot_count * 2;
    struct prom_map larger = {.slot_count = slot_count, .item_count = map->item_count};
    larger.slots = mem_alloc_array(slot_count, sizeof(*larger.slots));
    if (larger.slots == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < map->slot_count; i++) {
        if (map->slots[i].item != NULL) {
            larger.slots[slot_of(&larger, map->slots[i].key)] = map->slots[i];
        }
    }
    mem_free(map->slots);
    *map = larger;
    return 0;
}

int prom_map_put(struct prom_map *map, struct prom_key key, void *item)
{
    ASSERT(item != NULL);
    /* At most three quarters are taken. */
    if (map->item_count >= map->slot_count / 4 * 3) {
        int err = grow(map);
        if (err != 0) {
            return err;
        }
    }
    struct prom_map_slot *slot = &map->slots[slot_of(map, key)];
    ASSERT(slot->item == NULL);
    *slot = (struct prom_map_slot){.key = key, .item = item};
    map->item_count++;
    return 0;
}

void prom_map_remove_at(struct prom_map *map, uint32_t slot_index)
{
    ASSERT(map->slots[slot_index].item != NULL);
    uint32_t mask = map->slot_count - 1;
    uint32_t hole = slot_index;
    uint32_t at = (hole + 1) & mask;
    while (map->slots[at].item != NULL) {
        /* It may fill the hole unless its home lies behind the hole. */
        uint32_t home = (uint32_t)map->slots[at].key.low & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
        at = (at + 1) & mask;
    }
    map->slots[hole] = (struct prom_map_slot){0};
    map->item_count--;
}

void prom_map_remove(struct prom_map *map, struct prom_key key)
{
    if (map->item_count == 0) {
        return;
    }
    uint32_t at = slot_of(map, key);
    if (map->slots[at].item != NULL) {
        prom_map_remove_at(map, at);
    }
}
