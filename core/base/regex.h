/* SPDX-License-Identifier: Apache-2.0 */
/*
 * regex — regular expressions of the configuration: RE2's syntax, PCRE2's engine, bounded work.
 *
 * Configurations are written for RE2, so what RE2 does not know (backreferences, lookaround, atomic
 * groups, possessive quantifiers) is refused with words, and a match that needs too many steps is
 * counted instead of finished. Frozen after regex_new; any thread may match.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct regex;

/*
 * regex_new — compiles `pattern`.
 *
 *   pattern   borrowed until return; at most REGEX_PATTERN_MAX_BYTES of UTF-8
 *   out       moves out on 0, else set to NULL; freed with regex_free
 *   why       on failure a NUL-terminated sentence, with the byte offset in the pattern
 *
 * Returns 0, FAULT_MALFORMED (not a pattern), FAULT_UNSUPPORTED (not RE2), FAULT_LIMIT, -ENOMEM.
 */
WEIR_MUST_USE int regex_new(struct slice pattern, struct regex **out, char *why, size_t why_cap);

/*
 * Does the pattern match anywhere in `text`? Bytes that are not UTF-8 match nothing. A match given
 * up at a limit, or for want of memory, is `false` and counted in regex_limit_count. Allocates a
 * little for the time of the call, so not for the datagram route.
 */
bool regex_matches(const struct regex *regex, struct slice text);

/* Groups in parentheses that capture. */
uint32_t regex_group_count(const struct regex *regex);

/*
 * The name of capturing group `group`, 1 … regex_group_count; borrowed from the regex. Empty where
 * the group has none.
 */
struct slice regex_group_name(const struct regex *regex, uint32_t group);

/*
 * As regex_matches. On true, `groups[i]` is what group i + 1 caught, for i below `count`, which is
 * at most regex_group_count: a part of `text`, empty where the group took no part in the match.
 */
bool regex_captures(const struct regex *regex, struct slice text, struct slice *groups,
                    uint32_t count);

/* Matches of the whole process given up so far. */
uint64_t regex_limit_count(void);

/* NULL is fine. */
void regex_free(struct regex *regex);
