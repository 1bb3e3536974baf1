/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem — the only place that asks libc (jemalloc) or the kernel for memory.
 *
 * Allocations are counted per thread, may be made to fail on demand for tests, and can be forbidden
 * for a while: the worker arms a guard around the datagram route, where nothing may allocate.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

/* Zeroed memory of `bytes` (> 0), aligned to 16; moves out, NULL when refused. */
WEIR_MUST_USE void *mem_alloc(size_t bytes);

/* `count` zeroed elements; NULL when refused or when the product overflows. */
WEIR_MUST_USE void *mem_alloc_array(size_t count, size_t element_bytes);

/* Zeroed memory aligned to `alignment`, a power of two ≥ 16. Freed with mem_free. */
WEIR_MUST_USE void *mem_alloc_aligned(size_t alignment, size_t bytes);

/*
 * Moves `ptr` (may be NULL) into a block of `bytes` (> 0) and returns it; NULL when refused, and
 * then `ptr` is untouched and still the caller's. New bytes beyond the old size are not zeroed.
 */
WEIR_MUST_USE void *mem_resize(void *ptr, size_t bytes);

/* A NUL-terminated copy of `len` bytes; NULL when refused. */
WEIR_MUST_USE char *mem_copy_text(const void *ptr, size_t len);

/* NULL is fine. */
void mem_free(void *ptr);

/*
 * mem_reserve — address space for `bytes`, readable and writable, backed by pages only once
 * touched, zeroed. Rounded up to pages. NULL when refused. Given back with mem_unreserve, same
 * size.
 */
WEIR_MUST_USE void *mem_reserve(size_t bytes);
void mem_unreserve(void *ptr, size_t bytes);

/* Hands whole pages inside [ptr, ptr + bytes) back to the kernel; they read as zero afterwards. */
void mem_release_pages(void *ptr, size_t bytes);

/* Allocations made by the calling thread so far (mem_alloc*, mem_resize, mem_copy_text). */
uint64_t mem_thread_alloc_count(void);

/*
 * While armed, an allocation of the calling thread is a mistake: a panic where WEIR_SLOW_ASSERTS is
 * set, a counter elsewhere. Arming does not nest.
 */
void mem_guard_arm(void);
void mem_guard_disarm(void);
uint64_t mem_guard_breach_count(void);

/*
 * For the rare step on the guarded route that may allocate (the birth of a series): lifts the guard
 * and returns whether it was armed, for mem_guard_restore.
 */
bool mem_guard_lift(void);
void mem_guard_restore(bool was_armed);

/*
 * For tests: the `nth` allocation of the calling thread from now on returns NULL, once (1 is the
 * next one; 0 turns it off).
 */
void mem_fail_nth(uint64_t nth);

/* Gives the allocator's unused pages back to the kernel; a few milliseconds, so never on a shard.
 */
void mem_trim(void);

/* What the allocator holds beyond what is allocated. Some ten microseconds; an estimate. */
size_t mem_unused_bytes(void);
