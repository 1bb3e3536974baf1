/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_cache — the last answers of GetSamplingRules, by the body that asked for them.
 *
 * Tasks of one fleet ask for the same rules with the same body: one call to AWS answers them all.
 * An answer is fresh for a while, then kept as the last good one for the day AWS is out of reach.
 * Whoever asks while a call is under way finds it here, and waits with the others. Loop-local.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

struct xray_proxy_call;

/* Pages of the rules and spellings of the request; in practice one or two are in use. */
#define XRAY_PROXY_CACHE_ENTRIES 8
/* A request holds at most a token for the next page. */
#define XRAY_PROXY_CACHE_KEY_MAX_BYTES 1024
/* 8 entries of it are 8 MiB; a page of rules has some tens of kilobytes. */
#define XRAY_PROXY_CACHE_ANSWER_MAX_BYTES (1024 * 1024)
#define XRAY_PROXY_CACHE_TYPE_MAX_BYTES 63

struct xray_proxy_rules {
    uint8_t key[XRAY_PROXY_CACHE_KEY_MAX_BYTES];
    size_t key_len;
    uint8_t *body; /* owned; the last good answer */
    size_t body_len;
    char content_type[XRAY_PROXY_CACHE_TYPE_MAX_BYTES + 1];
    uint64_t fresh_until_mono_ns;
    uint64_t used_mono_ns;
    struct xray_proxy_call *call; /* borrowed; under way for it; NULL: none */
    bool is_used;
    bool has_answer;
    bool is_stale;  /* AWS could not be asked when it was last shown */
    bool is_pinned; /* it is being read: not to be given to another key */
};

/* Zeroed is empty. */
struct xray_proxy_cache {
    struct xray_proxy_rules entries[XRAY_PROXY_CACHE_ENTRIES];
};

/* No call may be under way. Idempotent. */
void xray_proxy_cache_fini(struct xray_proxy_cache *cache);

/*
 * xray_proxy_cache_find — the entry of `key`, made in place of the one unused longest where there
 * is none. NULL for a key that is too long, or when every entry has a call under way.
 */
struct xray_proxy_rules *xray_proxy_cache_find(struct xray_proxy_cache *cache, struct slice key,
                                               uint64_t now_mono_ns);

/* May the answer be shown without asking AWS again? */
bool xray_proxy_rules_is_fresh(const struct xray_proxy_rules *rules, uint64_t now_mono_ns);

/* The last good answer; empty before the first. Borrowed until the entry is stored or given away.
 */
struct slice xray_proxy_rules_body(const struct xray_proxy_rules *rules);
struct slice xray_proxy_rules_type(const struct xray_proxy_rules *rules);

/*
 * xray_proxy_rules_store — keeps a copy of a good answer, fresh until that time. One that is too
 * large, or finds no memory, is not kept; the former one then stays the last good one.
 */
void xray_proxy_rules_store(struct xray_proxy_rules *rules, struct slice content_type,
                            struct slice body, uint64_t fresh_until_mono_ns);

/* AWS could not be asked: the last good answer is shown, as a stale one, until that time. */
void xray_proxy_rules_hold(struct xray_proxy_rules *rules, uint64_t until_mono_ns);
