/* SPDX-License-Identifier: Apache-2.0 */
/*
 * h2 — metered memory, options and words for codes of HTTP/2 sessions in both roles.
 *
 * Every block carries its size in front, because nghttp2 gives none when it frees.
 */
#include "io/h2.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"

/* In front of every block; keeps what follows aligned to 16. */
struct block {
    size_t bytes;
    size_t unused;
};
_Static_assert(sizeof(struct block) == 16, "blocks are aligned to 16");

const char *h2_code_text(uint32_t code)
{
    static const char *const TEXTS[] = {
        [H2_CODE_NO_ERROR] = "NO_ERROR",
        [H2_CODE_PROTOCOL_ERROR] = "PROTOCOL_ERROR",
        [H2_CODE_INTERNAL_ERROR] = "INTERNAL_ERROR",
        [H2_CODE_FLOW_CONTROL_ERROR] = "FLOW_CONTROL_ERROR",
        [H2_CODE_SETTINGS_TIMEOUT] = "SETTINGS_TIMEOUT",
        [H2_CODE_STREAM_CLOSED] = "STREAM_CLOSED",
        [H2_CODE_FRAME_SIZE_ERROR] = "FRAME_SIZE_ERROR",
        [H2_CODE_REFUSED_STREAM] = "REFUSED_STREAM",
        [H2_CODE_CANCEL] = "CANCEL",
        [H2_CODE_COMPRESSION_ERROR] = "COMPRESSION_ERROR",
        [H2_CODE_CONNECT_ERROR] = "CONNECT_ERROR",
        [H2_CODE_ENHANCE_YOUR_CALM] = "ENHANCE_YOUR_CALM",
        [H2_CODE_INADEQUATE_SECURITY] = "INADEQUATE_SECURITY",
        [H2_CODE_HTTP_1_1_REQUIRED] = "HTTP_1_1_REQUIRED",
    };
    return code < COUNT_OF(TEXTS) ? TEXTS[code] : "unknown code";
}

/* nghttp2 takes pointers that it could write through, and never does. */
static uint8_t *unconst(const uint8_t *ptr)
{
    union {
        const uint8_t *in;
        uint8_t *out;
    } pointer = {.in = ptr};
    return pointer.out;
}

nghttp2_nv h2_nv(struct slice name, struct slice value)
{
    return (nghttp2_nv){
        .name = unconst(name.ptr),
        .namelen = name.len,
        .value = unconst(value.ptr),
        .valuelen = value.len,
        .flags = NGHTTP2_NV_FLAG_NONE,
    };
}

/* --- memory ----------------------------------------------------------------------------------- */

static struct block *block_of(void *ptr)
{
    return (struct block *)ptr - 1;
}

static void *resize(struct h2_memory *memory, void *ptr, size_t bytes)
{
    struct block *before = ptr == NULL ? NULL : block_of(ptr);
    size_t before_bytes = before == NULL ? 0 : before->bytes;
    ASSERT(before_bytes <= memory->used_bytes);
    if (bytes > SIZE_MAX - sizeof(struct block)) {
        return NULL;
    }
    struct block *after = mem_resize(before, bytes + sizeof(struct block));
    if (after == NULL) {
        return NULL;
    }
    after->bytes = bytes + sizeof(struct block);
    memory->used_bytes = memory->used_bytes - before_bytes + after->bytes;
    return after + 1;
}

bool h2_memory_is_full(const struct h2_memory *memory)
{
    return memory->used_bytes >= memory->max_bytes;
}

void *h2_memory_resize(struct h2_memory *memory, void *ptr, size_t bytes)
{
    size_t before_bytes = ptr == NULL ? 0 : block_of(ptr)->bytes;
    size_t left_bytes = h2_memory_is_full(memory) ? 0 : memory->max_bytes - memory->used_bytes;
    bool is_larger =
        bytes > SIZE_MAX - sizeof(struct block) || bytes + sizeof(struct block) > before_bytes;
    if (is_larger && bytes + sizeof(struct block) - before_bytes > left_bytes) {
        return NULL;
    }
    return resize(memory, ptr, bytes);
}

void *h2_memory_alloc(struct h2_memory *memory, size_t bytes)
{
    return h2_memory_resize(memory, NULL, bytes);
}

void h2_memory_free(struct h2_memory *memory, void *ptr)
{
    if (ptr == NULL) {
        return;
    }
    struct block *block = block_of(ptr);
    ASSERT(block->bytes <= memory->used_bytes);
    memory->used_bytes -= block->bytes;
    mem_free(block);
}

static void *hook_alloc(size_t bytes, void *user)
{
    return resize(user, NULL, bytes);
}

static void hook_release(void *ptr, void *user)
{
    h2_memory_free(user, ptr);
}

static void *hook_alloc_zeroed(size_t count, size_t element_bytes, void *user)
{
    if (element_bytes != 0 && count > SIZE_MAX / element_bytes) {
        return NULL;
    }
    void *ptr = resize(user, NULL, count * element_bytes);
    if (ptr != NULL) {
        memset(ptr, 0, count * element_bytes);
    }
    return ptr;
}

static void *hook_resize(void *ptr, size_t bytes, void *user)
{
    return resize(user, ptr, bytes);
}

nghttp2_mem h2_memory_hooks(struct h2_memory *memory)
{
    return (nghttp2_mem){
        .mem_user_data = memory,
        .malloc = hook_alloc,
        .free = hook_release,
        .calloc = hook_alloc_zeroed,
        .realloc = hook_resize,
    };
}

/* --- options ---------------------------------------------------------------------------------- */

int h2_option_new(nghttp2_option **out)
{
    nghttp2_option *option = NULL;
    if (nghttp2_option_new(&option) != 0) {
        return -ENOMEM;
    }
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, H2_ACKS_WAITING_MAX);
    nghttp2_option_set_max_settings(option, H2_SETTINGS_ENTRIES_MAX);
    nghttp2_option_set_max_continuations(option, H2_CONTINUATIONS_MAX);
    *out = option;
    return 0;
}

int h2_fault(int library_code)
{
    if (library_code >= 0) {
        return 0;
    }
    switch (library_code) {
    case NGHTTP2_ERR_NOMEM:
        return -ENOMEM;
    case NGHTTP2_ERR_FLOODED:
    case NGHTTP2_ERR_TOO_MANY_SETTINGS:
        return FAULT_LIMIT;
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
    case NGHTTP2_ERR_PROTO:
    case NGHTTP2_ERR_SETTINGS_EXPECTED:
        return FAULT_MALFORMED;
    default:
        return FAULT_LIBRARY;
    }
}
