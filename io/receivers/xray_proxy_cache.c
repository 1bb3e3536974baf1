/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_proxy_cache — a handful of entries, looked through from first to last.
 */
#include "io/receivers/xray_proxy_cache.h"

#include <string.h>

#include "core/base/mem.h"

static void clear(struct xray_proxy_rules *rules)
{
    ASSERT(rules->call == NULL); /* it would store its answer here */
    mem_free(rules->body);
    *rules = (struct xray_proxy_rules){0};
}

void xray_proxy_cache_fini(struct xray_proxy_cache *cache)
{
    for (size_t i = 0; i < XRAY_PROXY_CACHE_ENTRIES; i++) {
        clear(&cache->entries[i]);
    }
}

static bool is_busy(const struct xray_proxy_rules *rules)
{
    return rules->call != NULL || rules->is_pinned;
}

/* The better entry to give away; either may be NULL. */
static struct xray_proxy_rules *older(struct xray_proxy_rules *a, struct xray_proxy_rules *b)
{
    if (a == NULL) {
        return b;
    }
    if (b == NULL || !a->is_used) {
        return a;
    }
    return b->is_used && a->used_mono_ns <= b->used_mono_ns ? a : b;
}

struct xray_proxy_rules *xray_proxy_cache_find(struct xray_proxy_cache *cache, struct slice key,
                                               uint64_t now_mono_ns)
{
    if (key.len > XRAY_PROXY_CACHE_KEY_MAX_BYTES) {
        return NULL;
    }
    struct xray_proxy_rules *victim = NULL;
    for (size_t i = 0; i < XRAY_PROXY_CACHE_ENTRIES; i++) {
        struct xray_proxy_rules *rules = &cache->entries[i];
        if (rules->is_used && slice_equal(slice_of(rules->key, rules->key_len), key)) {
            rules->used_mono_ns = now_mono_ns;
            return rules;
        }
        victim = older(victim, is_busy(rules) ? NULL : rules);
    }
    if (victim == NULL) {
        return NULL;
    }
    clear(victim);
    if (key.len > 0) {
        memcpy(victim->key, key.ptr, key.len);
    }
    victim->key_len = key.len;
    victim->is_used = true;
    victim->used_mono_ns = now_mono_ns;
    return victim;
}

bool xray_proxy_rules_is_fresh(const struct xray_proxy_rules *rules, uint64_t now_mono_ns)
{
    return rules->has_answer && now_mono_ns < rules->fresh_until_mono_ns;
}

struct slice xray_proxy_rules_body(const struct xray_proxy_rules *rules)
{
    return slice_of(rules->body, rules->body_len);
}

struct slice xray_proxy_rules_type(const struct xray_proxy_rules *rules)
{
    return slice_of_text(rules->content_type);
}

void xray_proxy_rules_store(struct xray_proxy_rules *rules, struct slice content_type,
                            struct slice body, uint64_t fresh_until_mono_ns)
{
    if (body.len > XRAY_PROXY_CACHE_ANSWER_MAX_BYTES ||
        content_type.len > XRAY_PROXY_CACHE_TYPE_MAX_BYTES) {
        return;
    }
    uint8_t *copy = body.len > 0 ? mem_alloc(body.len) : NULL;
    if (body.len > 0 && copy == NULL) {
        return;
    }
    if (body.len > 0) {
        memcpy(copy, body.ptr, body.len);
    }
    mem_free(rules->body);
    rules->body = copy;
    rules->body_len = body.len;
    if (content_type.len > 0) {
        memcpy(rules->content_type, content_type.ptr, content_type.len);
    }
    rules->content_type[content_type.len] = 0;
    rules->fresh_until_mono_ns = fresh_until_mono_ns;
    rules->has_answer = true;
    rules->is_stale = false;
}

void xray_proxy_rules_hold(struct xray_proxy_rules *rules, uint64_t until_mono_ns)
{
    ASSERT(rules->has_answer);
    rules->fresh_until_mono_ns = until_mono_ns;
    rules->is_stale = true;
}
