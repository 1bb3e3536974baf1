/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_pool — the header with the secret, looks at files, and the list of members.
 */
#include "io/receivers/prom_scrape_pool.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/loop.h"
#include "io/receivers/pull_receiver.h"

/* --- secrets ---------------------------------------------------------------------------------- */

static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

/* "Authorization: TYPE CREDENTIALS"; NULL without memory. */
static char *typed_line(const char *type, struct slice credentials)
{
    static const char name[] = "Authorization: ";
    size_t type_len = strlen(type);
    char *line = mem_alloc(sizeof(name) + type_len + 1 + credentials.len);
    if (line == NULL) {
        return NULL;
    }
    char *at = line;
    memcpy(at, name, sizeof(name) - 1);
    at += sizeof(name) - 1;
    memcpy(at, type, type_len);
    at += type_len;
    *at = ' ';
    if (credentials.len > 0) {
        memcpy(at + 1, credentials.ptr, credentials.len);
    }
    at[1 + credentials.len] = '\0';
    return line;
}

static char *basic_line(struct slice username, struct slice password)
{
    size_t len = username.len + 1 + password.len;
    uint8_t *both = mem_alloc(len);
    size_t text_len = (len + 2) / 3 * 4;
    uint8_t *text = both != NULL ? mem_alloc(text_len + 1) : NULL;
    char *line = NULL;
    if (text != NULL) {
        if (username.len > 0) {
            memcpy(both, username.ptr, username.len);
        }
        both[username.len] = ':';
        if (password.len > 0) {
            memcpy(both + username.len + 1, password.ptr, password.len);
        }
        (void)EVP_EncodeBlock(text, both, (int)len); /* never fails */
        line = typed_line("Basic", slice_of(text, text_len));
        explicit_bzero(both, len);
        explicit_bzero(text, text_len);
    }
    mem_free(text);
    mem_free(both);
    return line;
}

static void wipe_authorization(struct prom_pool *pool)
{
    if (pool->authorization != NULL) {
        explicit_bzero(pool->authorization, strlen(pool->authorization));
    }
    mem_free(pool->authorization);
    pool->authorization = NULL;
}

/* What is short or unreadable makes scrapes fail; they must not go out without it. */
static void set_authorization(struct prom_pool *pool, struct slice username, struct slice secret)
{
    const struct prom_scrape_http *http = &pool->job->http;
    wipe_authorization(pool);
    if (http->auth == PROM_AUTH_BASIC) {
        pool->authorization = basic_line(username, secret);
    } else if (is_printable(secret)) {
        pool->authorization = typed_line(http->auth_type, secret);
    }
    pool->lacks_secret = pool->authorization == NULL;
}

static void take_secrets(struct prom_pool *pool)
{
    struct slice username;
    struct slice secret;
    if (pool->job->http.auth == PROM_AUTH_NONE) {
        return;
    }
    bool has_username = prom_watch_username(pool->watch, &username);
    bool has_secret = prom_watch_secret(pool->watch, &secret);
    if (has_username && has_secret) {
        set_authorization(pool, username, secret);
        return;
    }
    wipe_authorization(pool);
    pool->lacks_secret = true;
}

/* --- members --------------------------------------------------------------------------------- */

void prom_pool_link(struct prom_pool *pool, struct prom_member *member)
{
    member->next = pool->all;
    if (member->next != NULL) {
        member->next->prev = member;
    }
    pool->all = member;
}

void prom_pool_forget(struct prom_pool *pool, struct prom_member *member)
{
    if (member->prev != NULL) {
        member->prev->next = member->next;
    } else {
        pool->all = member->next;
    }
    if (member->next != NULL) {
        member->next->prev = member->prev;
    }
    prom_member_free(member);
}

/* --- files ------------------------------------------------------------------------------------ */

static void begin_members(struct prom_pool *pool)
{
    pool->is_started = true;
    for (uint32_t i = 0; i < pool->member_count; i++) {
        prom_member_start(pool->members[i]);
    }
}

static void arm(struct prom_pool *pool, struct timer *timer, uint64_t wait_ns)
{
    struct loop *loop = pool->hub->loop;
    int err = loop_timer_arm(loop, timer, loop_now_mono_ns(loop) + wait_ns);
    if (err != 0) {
        log_error("watch_stopped", LOG_TEXT("receiver", pool->hub->pull->receiver.id),
                  LOG_TEXT("job", pool->job->name), LOG_FAULT("reason", err));
    }
}

/* A look is over, and what it found is in place. */
static void finish_look(struct prom_pool *pool)
{
    if (!pool->is_started) {
        begin_members(pool);
    }
    arm(pool, &pool->watch_timer, prom_watch_interval_ns(pool->job));
}

static void update_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct prom_pool *pool = CONTAINER_OF(timer, struct prom_pool, update_timer);
    if (prom_update_turn(pool->update)) {
        arm(pool, &pool->update_timer, 0);
        return;
    }
    pool->is_behind = prom_update_is_short(pool->update);
    prom_update_free(pool->update);
    pool->update = NULL;
    finish_look(pool);
}

/* What finds no memory now is tried again after the next look. */
static void begin_update(struct prom_pool *pool)
{
    struct prom_groups groups = prom_watch_groups(pool->watch);
    int err = prom_update_new(pool, &groups, &pool->update);
    if (err == 0) {
        arm(pool, &pool->update_timer, 0);
    } else if (!pool->is_behind) {
        log_error("targets_lost", LOG_TEXT("receiver", pool->hub->pull->receiver.id),
                  LOG_TEXT("job", pool->job->name), LOG_FAULT("reason", err));
    }
    pool->is_behind = err != 0;
}

static void watch_on_done(struct prom_watch *watch, void *owner)
{
    struct prom_pool *pool = owner;
    counter_add(&pool->hub->pull->stats.scrape_file_faults, prom_watch_fault_count(watch));
    take_secrets(pool);
    if (prom_watch_has_changed(watch) || pool->is_behind) {
        begin_update(pool);
    }
    if (pool->update == NULL) {
        finish_look(pool);
    }
}

static void watch_on_timer(struct timer *timer, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    struct prom_pool *pool = CONTAINER_OF(timer, struct prom_pool, watch_timer);
    prom_watch_start(pool->watch, pool->port);
}

/* --- life ------------------------------------------------------------------------------------- */

static void fill_rules(struct prom_pool *pool, const struct prom_scrape_config *config)
{
    const struct prom_job *job = pool->job;
    pool->rules = (struct prom_rules){
        .metric_relabel = job->metric_relabel,
        .external_labels = config->global.external_labels,
        .external_label_count = config->global.external_label_count,
        .scope_version = SLICE_LITERAL(WEIR_VERSION),
        .honors_labels = job->honors_labels,
        .ignores_timestamps = !job->honors_timestamps,
        .tracks_timestamps = job->tracks_timestamps,
        .trims_suffixes = config->trims_suffixes,
        .reports_extra = job->reports_extra,
        .sample_limit = job->limits.samples,
        .label_limit = job->limits.labels,
        .label_name_max_bytes = job->limits.label_name_bytes,
        .label_value_max_bytes = job->limits.label_value_bytes,
        .body_max_bytes = job->limits.body_bytes,
        .timeout_seconds = (double)job->timeout_ns / (double)CLOCK_NS_PER_S,
    };
}

/* What the configuration lists is made at once: nothing else is new then. */
static int update_at_once(struct prom_pool *pool)
{
    const struct prom_groups none = {0};
    int err = prom_update_new(pool, &none, &pool->update);
    while (err == 0 && prom_update_turn(pool->update)) {
        continue;
    }
    if (err == 0 && prom_update_is_short(pool->update)) {
        err = -ENOMEM; /* nobody would look again */
    }
    prom_update_free(pool->update);
    pool->update = NULL;
    return err;
}

static int open_files(struct prom_pool *pool)
{
    int err = helper_port_open(pool->hub->loop, &pool->port);
    return err != 0 ? err : prom_watch_new(pool->job, pool, watch_on_done, &pool->watch);
}

int prom_pool_open(struct prom_pool *pool, const struct prom_scrape_config *config,
                   const struct prom_job *job, struct prom_hub *hub)
{
    const struct prom_scrape_http *http = &job->http;
    *pool = (struct prom_pool){.job = job,
                               .hub = hub,
                               .watch_timer.on_fire = watch_on_timer,
                               .update_timer.on_fire = update_on_timer};
    fill_rules(pool, config);
    int err = http_client_open(hub->loop, &http->client, &pool->client);
    if (err != 0 || prom_watch_is_needed(job)) {
        return err != 0 ? err : open_files(pool);
    }
    if (http->auth != PROM_AUTH_NONE) {
        set_authorization(pool, slice_of_text(http->username.text),
                          slice_of_text(http->secret.text));
    }
    return update_at_once(pool);
}

void prom_pool_start(struct prom_pool *pool)
{
    if (pool->watch != NULL) {
        prom_watch_start(pool->watch, pool->port);
        return;
    }
    begin_members(pool);
}

void prom_pool_close(struct prom_pool *pool)
{
    if (pool->hub == NULL) {
        return;
    }
    while (pool->all != NULL) {
        prom_pool_forget(pool, pool->all);
    }
    prom_update_free(pool->update);
    loop_timer_cancel(pool->hub->loop, &pool->update_timer);
    loop_timer_cancel(pool->hub->loop, &pool->watch_timer);
    prom_watch_free(pool->watch); /* before the port, which would free one that is with it */
    helper_port_close(pool->port);
    http_client_close(pool->client);
    wipe_authorization(pool);
    mem_free(pool->members);
    *pool = (struct prom_pool){0};
}
