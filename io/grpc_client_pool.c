/* SPDX-License-Identifier: Apache-2.0 */
/*
 * grpc_client_pool — addresses of the target, connections to them, and whose turn it is.
 *
 * Nothing here tells a call its end: what changed leads to a dispatch, in this turn or the next.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/grpc_client_state.h"
#include "io/helper.h"
#include "io/io_bounds.h"
#include "io/resolve.h"

#define BACKOFF_MAX_NS (GRPC_CLIENT_BACKOFF_MAX_MS * CLOCK_NS_PER_MS)
/* Backoff grows by 8/5 and is drawn from ± 1/5. */
#define BACKOFF_GROWTH(wait_ns) ((wait_ns) / 5 * 8)
#define JITTER_PARTS 5

/* --- backoff ---------------------------------------------------------------------------------- */

/* splitmix64: good enough to keep replicas apart. */
static uint64_t next_random(uint64_t *state)
{
    *state += UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = *state;
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* Draws the wait and lets the next one grow. */
static uint64_t draw_wait(struct grpc_client *client, uint64_t *backoff_ns)
{
    uint64_t wait_ns = *backoff_ns != 0 ? *backoff_ns : client->options.backoff_ns;
    uint64_t grown_ns = BACKOFF_GROWTH(wait_ns);
    *backoff_ns = grown_ns < BACKOFF_MAX_NS ? grown_ns : BACKOFF_MAX_NS;
    uint64_t jitter_ns = wait_ns / JITTER_PARTS;
    return wait_ns - jitter_ns + next_random(&client->random_state) % (2 * jitter_ns + 1);
}

static void note_failure(struct grpc_client *client, struct grpc_peer *peer)
{
    peer->retry_mono_ns = loop_now_mono_ns(client->loop) + draw_wait(client, &peer->backoff_ns);
}

/*
 * A connection that was ready is over. One that lived may be replaced at once; one that did not, at
 * once the first time, and then as if it had failed: a peer that hangs up on everybody must not
 * keep us dialing.
 */
static void note_life(struct grpc_client *client, struct grpc_peer *peer, uint64_t ready_mono_ns)
{
    bool is_short = loop_now_mono_ns(client->loop) - ready_mono_ns < client->options.backoff_ns;
    if (is_short && peer->backoff_ns != 0) {
        note_failure(client, peer);
        return;
    }
    peer->backoff_ns = is_short ? client->options.backoff_ns : 0;
    peer->retry_mono_ns = 0;
}

static void note_why(struct grpc_client *client, const char *what, const char *why_text)
{
    (void)snprintf(client->last_text, sizeof(client->last_text), "%s: %s", what, why_text);
}

/* --- names ------------------------------------------------------------------------------------ */

static void pool_on_resolved(void *owner, const struct resolve_result *result);

static void start_lookup(struct grpc_client *client, uint64_t now_mono_ns)
{
    client->resolved_mono_ns = now_mono_ns;
    client->resolve_due_mono_ns = UINT64_MAX;
    int err = resolve_start(client->port, client->options.host, client->options.port,
                            &client->resolve, client, pool_on_resolved);
    if (err != 0) {
        note_why(client, client->options.host, fault_text(err));
        client->resolve_due_mono_ns = now_mono_ns + draw_wait(client, &client->resolve_backoff_ns);
    }
}

/* Looks the name up, now or as soon as the last lookup is old enough. */
static void want_lookup(struct grpc_client *client)
{
    if (client->port == NULL || client->resolve != NULL ||
        client->resolve_due_mono_ns != UINT64_MAX) {
        return;
    }
    uint64_t now_mono_ns = loop_now_mono_ns(client->loop);
    uint64_t old_mono_ns = client->resolved_mono_ns + client->options.resolve_every_ns;
    if (client->resolved_mono_ns == 0 || now_mono_ns >= old_mono_ns) {
        start_lookup(client, now_mono_ns);
        return;
    }
    client->resolve_due_mono_ns = old_mono_ns;
    grpc_client_arm(client);
}

/* --- links ------------------------------------------------------------------------------------ */

static bool is_usable(const struct grpc_link *link)
{
    return !link->is_leaving && link->peer != NULL;
}

static bool is_ready(const struct grpc_link *link)
{
    return is_usable(link) && link->ready_mono_ns != 0;
}

static void forget_link(struct grpc_link *link)
{
    struct grpc_client *client = link->client;
    struct grpc_link **at = &client->links;
    while (*at != link) {
        at = &(*at)->next;
    }
    *at = link->next;
    ASSERT(client->link_count > 0);
    client->link_count--;
    mem_free(link);
}

static struct grpc_link *link_of(struct h2_client_user *user)
{
    return CONTAINER_OF(user, struct grpc_link, user);
}

static void link_on_ready(struct h2_client_user *user)
{
    struct grpc_link *link = link_of(user);
    link->ready_mono_ns = loop_now_mono_ns(link->client->loop);
    grpc_client_dispatch(link->client);
}

static void link_on_room(struct h2_client_user *user)
{
    grpc_client_dispatch(link_of(user)->client);
}

static void link_on_leave(struct h2_client_user *user, uint32_t code, struct slice debug)
{
    struct grpc_link *link = link_of(user);
    struct grpc_client *client = link->client;
    link->is_leaving = true;
    if (code == H2_CODE_ENHANCE_YOUR_CALM && slice_is_text(debug, "too_many_pings") &&
        client->keepalive_time_ns < UINT64_MAX / 2) {
        client->keepalive_time_ns *= 2;
    }
    if (link->peer != NULL && link->ready_mono_ns != 0) {
        note_life(client, link->peer, link->ready_mono_ns);
    }
    note_why(client, "the peer closes the connection", h2_code_text(code));
    want_lookup(client);
    grpc_client_kick(client);
}

static void link_on_down(struct h2_client_user *user, int fault, const char *why_text)
{
    struct grpc_link *link = link_of(user);
    struct grpc_client *client = link->client;
    if (fault != 0) {
        note_why(client, client->options.authority, why_text);
    }
    if (is_usable(link) && link->ready_mono_ns == 0) {
        note_failure(client, link->peer);
    } else if (is_usable(link)) {
        note_life(client, link->peer, link->ready_mono_ns);
    }
    forget_link(link);
    want_lookup(client);
    grpc_client_kick(client);
}

static const struct h2_client_user_ops link_ops = {
    .on_ready = link_on_ready,
    .on_room = link_on_room,
    .on_leave = link_on_leave,
    .on_down = link_on_down,
};

static void open_link(struct grpc_client *client, struct grpc_peer *peer)
{
    const struct grpc_client_options *o = &client->options;
    const struct h2_client_options options = {
        .address = peer->address,
        .tls = o->tls,
        .server_name = o->server_name,
        .connect_timeout_ns = o->connect_timeout_ns,
        .keepalive_time_ns = client->keepalive_time_ns,
        .keepalive_timeout_ns = o->keepalive_timeout_ns,
        .keepalive_without_requests = o->keepalive_without_calls,
        .receive_buffer_bytes = o->receive_buffer_bytes,
        .send_buffer_bytes = o->send_buffer_bytes,
    };
    struct grpc_link *link = mem_alloc(sizeof(*link));
    int err = link == NULL ? -ENOMEM : 0;
    if (err == 0) {
        *link = (struct grpc_link){
            .user.ops = &link_ops,
            .client = client,
            .peer = peer,
            .next = client->links,
            .number = client->link_number + 1,
        };
        err = h2_client_open(client->loop, &options, &link->user, &link->h2);
    }
    if (err != 0) {
        mem_free(link);
        note_why(client, o->authority, fault_text(err));
        note_failure(client, peer);
        return;
    }
    client->links = link;
    client->link_count++;
    client->link_number++;
}

static uint32_t count_links(const struct grpc_client *client, const struct grpc_peer *peer,
                            bool (*is_counted)(const struct grpc_link *link))
{
    uint32_t count = 0;
    for (const struct grpc_link *link = client->links; link != NULL; link = link->next) {
        count += (peer == NULL || link->peer == peer) && is_counted(link) ? 1 : 0;
    }
    return count;
}

/* Round robin wants a link to every peer, pick first to any. */
static void connect_missing(struct grpc_client *client)
{
    uint64_t now_mono_ns = loop_now_mono_ns(client->loop);
    bool is_one_enough = client->options.balancer == GRPC_PICK_FIRST;
    for (uint32_t i = 0; i < client->peer_count; i++) {
        struct grpc_peer *peer = client->peers[i];
        if (is_one_enough && count_links(client, NULL, is_usable) > 0) {
            return;
        }
        if (now_mono_ns >= peer->retry_mono_ns && count_links(client, peer, is_usable) == 0) {
            open_link(client, peer);
        }
    }
}

/* --- picking ---------------------------------------------------------------------------------- */

static struct grpc_link *find_room(struct grpc_client *client, const struct grpc_peer *peer,
                                   uint64_t avoided_number)
{
    for (struct grpc_link *link = client->links; link != NULL; link = link->next) {
        if (link->peer == peer && is_ready(link) && link->number != avoided_number &&
            h2_client_room(link->h2) > 0) {
            return link;
        }
    }
    return NULL;
}

static struct grpc_link *pick_ready(struct grpc_client *client, uint64_t avoided_number)
{
    for (uint32_t i = 0; i < client->peer_count; i++) {
        uint32_t index = (client->turn_index + i) % client->peer_count;
        struct grpc_link *link = find_room(client, client->peers[index], avoided_number);
        if (link != NULL) {
            client->turn_index = index + 1;
            return link;
        }
    }
    return NULL;
}

/*
 * All links to peers that answer are full, or to be avoided: one more to the peer with the fewest.
 * Returns whether one is on its way, opened now or before.
 */
static bool open_another(struct grpc_client *client)
{
    struct grpc_peer *best = NULL;
    uint32_t best_count = GRPC_CLIENT_LINKS_PER_PEER_MAX;
    for (uint32_t i = 0; i < client->peer_count; i++) {
        struct grpc_peer *peer = client->peers[i];
        uint32_t ready_count = count_links(client, peer, is_ready);
        uint32_t usable_count = count_links(client, peer, is_usable);
        if (ready_count > 0 && usable_count > ready_count) {
            return true;
        }
        if (ready_count > 0 && usable_count < best_count &&
            loop_now_mono_ns(client->loop) >= peer->retry_mono_ns) {
            best = peer;
            best_count = usable_count;
        }
    }
    if (best != NULL) {
        open_link(client, best);
    }
    return best != NULL;
}

struct grpc_link *grpc_pool_pick(struct grpc_client *client, uint64_t avoided_number)
{
    struct grpc_link *link = pick_ready(client, avoided_number);
    if (client->port != NULL && client->resolve == NULL &&
        loop_now_mono_ns(client->loop) >=
            client->resolved_mono_ns + client->options.resolve_every_ns) {
        want_lookup(client);
    }
    if (link != NULL) {
        return link;
    }
    connect_missing(client);
    if (client->peer_count == 0) {
        want_lookup(client);
        return NULL;
    }
    if (open_another(client) || avoided_number == 0) {
        return NULL;
    }
    return pick_ready(client, 0);
}

bool grpc_pool_has_hope(const struct grpc_client *client)
{
    return count_links(client, NULL, is_usable) > 0 ||
           (client->peer_count == 0 && client->resolve != NULL);
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool is_same_address(const struct loop_address *a, const struct loop_address *b)
{
    return a->len == b->len && memcmp(&a->any, &b->any, a->len) == 0;
}

static struct grpc_peer *find_peer(struct grpc_client *client, const struct loop_address *address)
{
    for (uint32_t i = 0; i < client->peer_count; i++) {
        if (is_same_address(&client->peers[i]->address, address)) {
            return client->peers[i];
        }
    }
    return NULL;
}

static struct grpc_peer *new_peer(const struct loop_address *address)
{
    struct grpc_peer *peer = mem_alloc(sizeof(*peer));
    if (peer != NULL) {
        *peer = (struct grpc_peer){.address = *address};
    }
    return peer;
}

/* What is under way on its links ends in peace. */
static void dismiss_peer(struct grpc_client *client, struct grpc_peer *peer)
{
    for (struct grpc_link *link = client->links; link != NULL; link = link->next) {
        if (link->peer == peer) {
            link->peer = NULL;
            link->is_leaving = true;
            h2_client_leave(link->h2);
        }
    }
    mem_free(peer);
}

static void merge_addresses(struct grpc_client *client, const struct loop_address *addresses,
                            uint32_t count)
{
    struct grpc_peer *merged[RESOLVE_ADDRESSES_MAX];
    uint32_t merged_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct grpc_peer *peer = find_peer(client, &addresses[i]);
        peer = peer != NULL ? peer : new_peer(&addresses[i]);
        if (peer != NULL) {
            peer->is_listed = true;
            merged[merged_count] = peer;
            merged_count++;
        }
    }
    for (uint32_t i = 0; i < client->peer_count; i++) {
        if (!client->peers[i]->is_listed) {
            dismiss_peer(client, client->peers[i]);
        }
    }
    for (uint32_t i = 0; i < merged_count; i++) {
        merged[i]->is_listed = false;
        client->peers[i] = merged[i];
    }
    client->peer_count = merged_count;
}

static void pool_on_resolved(void *owner, const struct resolve_result *result)
{
    struct grpc_client *client = owner;
    client->resolve = NULL;
    if (result->fault == 0) {
        client->resolve_backoff_ns = 0;
        merge_addresses(client, result->addresses, result->address_count);
    } else {
        note_why(client, client->options.host, result->fault_text);
        uint64_t wait_ns = draw_wait(client, &client->resolve_backoff_ns);
        client->resolve_due_mono_ns = loop_now_mono_ns(client->loop) + wait_ns;
    }
    grpc_client_kick(client);
}

/* --- time and life ---------------------------------------------------------------------------- */

void grpc_pool_tend(struct grpc_client *client, uint64_t now_mono_ns)
{
    if (client->resolve_due_mono_ns <= now_mono_ns) {
        start_lookup(client, now_mono_ns);
    }
    connect_missing(client);
}

uint64_t grpc_pool_next_mono_ns(const struct grpc_client *client)
{
    uint64_t next_mono_ns = client->resolve_due_mono_ns;
    bool is_one_enough = client->options.balancer == GRPC_PICK_FIRST;
    if (is_one_enough && count_links(client, NULL, is_usable) > 0) {
        return next_mono_ns;
    }
    for (uint32_t i = 0; i < client->peer_count; i++) {
        const struct grpc_peer *peer = client->peers[i];
        /* One never tried is dialed for a call, not by the clock. */
        if (peer->retry_mono_ns != 0 && peer->retry_mono_ns < next_mono_ns &&
            count_links(client, peer, is_usable) == 0) {
            next_mono_ns = peer->retry_mono_ns;
        }
    }
    return next_mono_ns;
}

static int take_path(const char *path, struct loop_address *out)
{
    size_t len = strlen(path);
    if (len > SOCKET_PATH_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    *out = (struct loop_address){.len = sizeof(out->sun), .sun.sun_family = AF_UNIX};
    memcpy(out->sun.sun_path, path, len);
    return 0;
}

int grpc_pool_open(struct grpc_client *client)
{
    const struct grpc_client_options *options = &client->options;
    struct loop_address address;
    if (options->unix_path != NULL) {
        int err = take_path(options->unix_path, &address);
        if (err != 0) {
            return err;
        }
    } else if (!resolve_literal(options->host, options->port, &address)) {
        return helper_port_open(client->loop, &client->port);
    }
    merge_addresses(client, &address, 1);
    return client->peer_count == 1 ? 0 : -ENOMEM;
}

void grpc_pool_close(struct grpc_client *client)
{
    while (client->links != NULL) {
        struct grpc_link *link = client->links;
        client->links = link->next;
        h2_client_close(link->h2);
        mem_free(link);
    }
    for (uint32_t i = 0; i < client->peer_count; i++) {
        mem_free(client->peers[i]);
    }
    client->link_count = 0;
    client->peer_count = 0;
}
