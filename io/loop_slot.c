/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_slot — slots in chunks that never move, linked through a free list.
 *
 * Chunks, because the kernel and the owners hold pointers to slots and to what they contain.
 */
#include "io/loop_slot.h"

#include <errno.h>
#include <string.h>

#include "core/base/mem.h"
#include "io/io_bounds.h"

#define TAG_INDEX_BITS 24
#define TAG_OP_BITS 8

_Static_assert(LOOP_SOURCES_MAX < 1 << TAG_INDEX_BITS, "an index has to fit a tag");
_Static_assert(LOOP_SOURCES_MAX % LOOP_SLOT_CHUNK_COUNT == 0, "chunks are whole");

void loop_slots_fini(struct loop_slots *slots)
{
    ASSERT(slots->used_count == 0);
    for (uint32_t i = 0; i < slots->chunk_count; i++) {
        mem_free(slots->chunks[i]);
    }
    mem_free(slots->chunks);
    *slots = (struct loop_slots){0};
}

static int add_chunk(struct loop_slots *slots)
{
    uint32_t count = slots->chunk_count;
    if (count >= LOOP_SOURCES_MAX / LOOP_SLOT_CHUNK_COUNT) {
        return -EBUSY;
    }
    struct loop_slot **chunks = mem_resize(slots->chunks, (count + 1) * sizeof(chunks[0]));
    if (chunks == NULL) {
        return -ENOMEM;
    }
    slots->chunks = chunks;
    struct loop_slot *chunk = mem_alloc_array(LOOP_SLOT_CHUNK_COUNT, sizeof(*chunk));
    if (chunk == NULL) {
        return -ENOMEM;
    }
    chunks[count] = chunk;
    slots->chunk_count = count + 1;
    for (uint32_t i = LOOP_SLOT_CHUNK_COUNT; i > 0; i--) {
        chunk[i - 1].index = count * LOOP_SLOT_CHUNK_COUNT + i - 1;
        chunk[i - 1].next = slots->free;
        slots->free = &chunk[i - 1];
    }
    return 0;
}

struct loop_slot *loop_slot_acquire(struct loop_slots *slots, enum loop_slot_kind kind)
{
    ASSERT(kind != LOOP_SLOT_FREE);
    if (slots->free == NULL && add_chunk(slots) != 0) {
        return NULL;
    }
    struct loop_slot *slot = slots->free;
    ASSERT(slot->kind == LOOP_SLOT_FREE);
    slots->free = slot->next;
    slots->used_count++;
    *slot = (struct loop_slot){
        .index = slot->index,
        .generation = slot->generation + 1,
        .kind = kind,
        .fd = -1,
    };
    return slot;
}

void loop_slot_release(struct loop_slots *slots, struct loop_slot *slot)
{
    ASSERT(slot->kind != LOOP_SLOT_FREE);
    ASSERT(!slot->is_due && !timer_is_armed(&slot->retry));
    mem_free(slot->send);
    mem_free(slot->held.bytes);
    *slot = (struct loop_slot){
        .index = slot->index,
        .generation = slot->generation,
        .next = slots->free,
    };
    slots->free = slot;
    slots->used_count--;
}

struct loop_send *loop_slot_send(struct loop_slot *slot)
{
    if (slot->send == NULL) {
        slot->send = mem_alloc(sizeof(*slot->send));
    }
    return slot->send;
}

int loop_slot_hold(struct loop_slot *slot, struct slice bytes)
{
    struct loop_held *held = &slot->held;
    if (bytes.len > held->cap_bytes - held->used_bytes) {
        size_t cap_bytes = held->used_bytes + bytes.len;
        uint8_t *grown = mem_resize(held->bytes, cap_bytes);
        if (grown == NULL) {
            return -ENOMEM;
        }
        held->bytes = grown;
        held->cap_bytes = cap_bytes;
    }
    memcpy(held->bytes + held->used_bytes, bytes.ptr, bytes.len);
    held->used_bytes += bytes.len;
    return 0;
}

size_t loop_send_fill(struct loop_send *send, const struct iovec *iov, size_t iov_count)
{
    ASSERT(iov_count > 0 && iov_count <= LOOP_STREAM_IOV_MAX);
    size_t total_bytes = 0;
    for (size_t i = 0; i < iov_count; i++) {
        send->iov[i] = iov[i];
        total_bytes += iov[i].iov_len;
    }
    send->message = (struct msghdr){.msg_iov = send->iov, .msg_iovlen = iov_count};
    return total_bytes;
}

bool loop_send_advance(struct loop_send *send, size_t sent_bytes)
{
    struct msghdr *message = &send->message;
    while (message->msg_iovlen > 0 && sent_bytes >= message->msg_iov->iov_len) {
        sent_bytes -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen == 0) {
        ASSERT(sent_bytes == 0);
        return true;
    }
    message->msg_iov->iov_base = (uint8_t *)message->msg_iov->iov_base + sent_bytes;
    message->msg_iov->iov_len -= sent_bytes;
    return false;
}

uint64_t loop_tag_pack(const struct loop_slot *slot, enum loop_op op)
{
    return (uint64_t)slot->generation << (TAG_INDEX_BITS + TAG_OP_BITS) |
           (uint64_t)op << TAG_INDEX_BITS | slot->index;
}

struct loop_slot *loop_tag_unpack(const struct loop_slots *slots, uint64_t tag, enum loop_op *op)
{
    uint32_t index = (uint32_t)tag & ((UINT32_C(1) << TAG_INDEX_BITS) - 1);
    uint32_t generation = (uint32_t)(tag >> (TAG_INDEX_BITS + TAG_OP_BITS));
    *op = (enum loop_op)((tag >> TAG_INDEX_BITS) & ((1U << TAG_OP_BITS) - 1));
    if (index / LOOP_SLOT_CHUNK_COUNT >= slots->chunk_count) {
        return NULL;
    }
    struct loop_slot *slot =
        &slots->chunks[index / LOOP_SLOT_CHUNK_COUNT][index % LOOP_SLOT_CHUNK_COUNT];
    bool is_current = slot->kind != LOOP_SLOT_FREE && slot->generation == generation;
    return is_current ? slot : NULL;
}
