/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mem — libc's allocator (jemalloc where linked) behind counters, a guard and failure on demand.
 */
#include "core/base/mem.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(WEIR_JEMALLOC)
#include <jemalloc/jemalloc.h>
#else
#include <malloc.h>
#endif

/* Thread-local on purpose: the guard and the counters belong to the thread that allocates. */
static _Thread_local uint64_t thread_alloc_count;
static _Thread_local uint64_t thread_fail_in;
static _Thread_local bool thread_is_guarded;
static _Atomic uint64_t guard_breach_count; /* any thread adds, relaxed */

/* Counts an allocation; false when it has to fail. */
static bool admit(void)
{
    thread_alloc_count++;
    if (thread_is_guarded) {
        ASSERT_SLOW(!thread_is_guarded);
        atomic_fetch_add_explicit(&guard_breach_count, 1, memory_order_relaxed);
    }
    if (thread_fail_in == 0) {
        return true;
    }
    thread_fail_in--;
    return thread_fail_in != 0;
}

void *mem_alloc(size_t bytes)
{
    return mem_alloc_array(1, bytes);
}

void *mem_alloc_array(size_t count, size_t element_bytes)
{
    ASSERT(element_bytes > 0);
    if (!admit() || count > SIZE_MAX / element_bytes) {
        return NULL;
    }
    return calloc(count > 0 ? count : 1, element_bytes);
}

void *mem_alloc_aligned(size_t alignment, size_t bytes)
{
    ASSERT((alignment & (alignment - 1)) == 0);
    if (!admit() || bytes > SIZE_MAX - alignment) {
        return NULL;
    }
    size_t rounded = (bytes + alignment - 1) & ~(alignment - 1);
    void *ptr = aligned_alloc(alignment, rounded);
    if (ptr != NULL) {
        memset(ptr, 0, rounded);
    }
    return ptr;
}

void *mem_resize(void *ptr, size_t bytes)
{
    ASSERT(bytes > 0);
    return admit() ? realloc(ptr, bytes) : NULL;
}

char *mem_copy_text(const void *ptr, size_t len)
{
    if (len == SIZE_MAX) {
        return NULL;
    }
    char *copy = mem_alloc(len + 1);
    if (copy != NULL && len > 0) {
        memcpy(copy, ptr, len);
    }
    return copy;
}

void mem_free(void *ptr)
{
    free(ptr);
}

static size_t round_to_pages(size_t bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    return (bytes + page_bytes - 1) & ~(page_bytes - 1);
}

void *mem_reserve(size_t bytes)
{
    if (!admit()) {
        return NULL;
    }
    void *ptr = mmap(NULL, round_to_pages(bytes), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return ptr == MAP_FAILED ? NULL : ptr;
}

void mem_unreserve(void *ptr, size_t bytes)
{
    if (ptr != NULL) {
        int err = munmap(ptr, round_to_pages(bytes));
        ASSERT(err == 0);
    }
}

void mem_release_pages(void *ptr, size_t bytes)
{
    size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)ptr + page_bytes - 1) & ~(uintptr_t)(page_bytes - 1);
    uintptr_t limit = ((uintptr_t)ptr + bytes) & ~(uintptr_t)(page_bytes - 1);
    if (first < limit) {
        /* Failing only means that the pages stay resident. */
        (void)madvise((char *)ptr + (first - (uintptr_t)ptr), limit - first, MADV_DONTNEED);
    }
}

uint64_t mem_thread_alloc_count(void)
{
    return thread_alloc_count;
}

void mem_guard_arm(void)
{
    ASSERT(!thread_is_guarded);
    thread_is_guarded = true;
}

void mem_guard_disarm(void)
{
    thread_is_guarded = false;
}

bool mem_guard_lift(void)
{
    bool was_armed = thread_is_guarded;
    thread_is_guarded = false;
    return was_armed;
}

void mem_guard_restore(bool was_armed)
{
    thread_is_guarded = was_armed;
}

uint64_t mem_guard_breach_count(void)
{
    return atomic_load_explicit(&guard_breach_count, memory_order_relaxed);
}

void mem_fail_nth(uint64_t nth)
{
    /* admit() fails the call that brings the countdown from 1 to 0. */
    thread_fail_in = nth;
}

/* Whole function per allocator, so that no body has an #if. */
#if defined(WEIR_JEMALLOC)
void mem_trim(void)
{
    /* "arena.<all>.purge"; MALLCTL_ARENAS_ALL is 4096. Failing leaves pages resident. */
    (void)mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
}

size_t mem_unused_bytes(void)
{
    uint64_t epoch = 1;
    size_t resident_bytes = 0;
    size_t allocated_bytes = 0;
    size_t len = sizeof(size_t);
    /* The statistics are as of the last epoch; 0 where the allocator keeps none. */
    (void)mallctl("epoch", NULL, NULL, &epoch, sizeof(epoch));
    (void)mallctl("stats.resident", &resident_bytes, &len, NULL, 0);
    (void)mallctl("stats.allocated", &allocated_bytes, &len, NULL, 0);
    return resident_bytes > allocated_bytes ? resident_bytes - allocated_bytes : 0;
}
#else
void mem_trim(void)
{
    (void)malloc_trim(0);
}

size_t mem_unused_bytes(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.fordblks;
}
#endif
