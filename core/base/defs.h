/* SPDX-License-Identifier: Apache-2.0 */
/*
 * defs — the few words every file may use: attributes, ASSERT, COUNT_OF, CONTAINER_OF.
 *
 * Everything that depends on the compiler or on a build switch stands here, so that no other
 * file needs an #if inside a function.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WEIR_MUST_USE __attribute__((warn_unused_result))
#define WEIR_NORETURN __attribute__((noreturn))
#define WEIR_COLD __attribute__((cold))
#define WEIR_PRINTF(format_index, first_index)                                                     \
    __attribute__((format(printf, format_index, first_index)))

/* Branch hints; each use stands beside a benchmark (STYLE: "need a number"). */
#define WEIR_LIKELY(x) __builtin_expect(!!(x), 1)
#define WEIR_UNLIKELY(x) __builtin_expect(!!(x), 0)

#define WEIR_CACHE_LINE_BYTES 64

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The struct of type `type` whose member `member` stands at `ptr`. Keeps no const. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/*
 * Prints where and what, then aborts. For our own mistakes only; outside input is counted instead.
 *   file, expression   borrowed, static strings
 */
WEIR_NORETURN WEIR_COLD void weir_panic(const char *file, int line, const char *expression);

/* Always on. The argument must be pure and cheap. */
#define ASSERT(expression)                                                                         \
    ((void)(WEIR_LIKELY(expression) ? 0 : (weir_panic(__FILE__, __LINE__, #expression), 0)))

/* Whole-structure validators; compiled in by the dev and sanitizer presets only. */
#if defined(WEIR_SLOW_ASSERTS)
#define ASSERT_SLOW(expression) ASSERT(expression)
#else
#define ASSERT_SLOW(expression) ((void)0)
#endif

/* Memory poisoning is a no-op outside the address sanitizer. */
#if defined(__SANITIZE_ADDRESS__)
#define WEIR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEIR_ASAN 1
#endif
#endif
#if defined(WEIR_ASAN)
#include <sanitizer/asan_interface.h>
#define WEIR_POISON(ptr, bytes) ASAN_POISON_MEMORY_REGION((ptr), (bytes))
#define WEIR_UNPOISON(ptr, bytes) ASAN_UNPOISON_MEMORY_REGION((ptr), (bytes))
#else
#define WEIR_POISON(ptr, bytes) ((void)(ptr), (void)(bytes))
#define WEIR_UNPOISON(ptr, bytes) ((void)(ptr), (void)(bytes))
#endif
