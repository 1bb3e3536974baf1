/* SPDX-License-Identifier: Apache-2.0 */
/*
 * channel — one connection as a run of bytes both ways, in the clear or under TLS.
 *
 * Stands between a loop_stream and the protocol above it (HTTP/1, HTTP/2), which does not see
 * whether there is TLS. A channel can change hands: whoever accepted it looks at its first bytes
 * and gives it to the protocol they belong to. Lives on its loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/io_bounds.h"
#include "io/loop.h"

struct channel;
struct channel_user;
struct channel_watch;
struct tls_context; /* io/tls.h */

/* What happens to the channel's user; same promises as the callbacks of loop_stream. */
struct channel_user_ops {
    /* Bytes that arrived, decrypted; never empty. Borrowed until return. */
    void (*on_receive)(struct channel_user *user, struct slice bytes);
    /* The peer will send no more (fault 0), or the connection failed. At most once. */
    void (*on_end)(struct channel_user *user, int fault);
    /* The whole of what channel_send was given is with the kernel (0), or sending failed. */
    void (*on_sent)(struct channel_user *user, int fault);
    /* Nothing refers to the user any more; the channel itself is freed after this call. */
    void (*on_closed)(struct channel_user *user);
};

/* Embedded in its owner. */
struct channel_user {
    const struct channel_user_ops *ops;
};

enum channel_role {
    CHANNEL_SERVER,
    CHANNEL_CLIENT,
};

/* A channel is gone, whoever its user was; after the user's on_closed. */
typedef void(channel_gone_fn)(struct channel_watch *watch);

/* For who counts channels that change hands; one may watch many. Embedded in its owner. */
struct channel_watch {
    channel_gone_fn *on_gone; /* once for each channel opened with it */
};

struct channel_options {
    enum channel_role role;
    struct tls_context *tls;     /* borrowed until on_closed; NULL: in the clear */
    const char *server_name;     /* client under TLS: SNI and verification; borrowed during open */
    struct channel_watch *watch; /* borrowed until its on_gone; NULL: nobody counts */
};

/*
 * channel_open — takes over a connected, non-blocking socket and begins to receive.
 *
 *   fd     moved in on 0
 *   user   borrowed until its on_closed, or until channel_hand_over
 *
 * 0, -EBUSY, -ENOMEM, -errno or FAULT_LIBRARY. Under TLS the handshake is made as bytes come;
 * what is sent meanwhile waits for its end. A failed handshake is an on_end with FAULT_MALFORMED,
 * or -ETIMEDOUT after TLS_HANDSHAKE_TIMEOUT_MS, or FAULT_CLOSED where the peer just left; words
 * are at channel_why. The end of a connection without close_notify is an ordinary end: what is
 * carried here has lengths of its own.
 */
WEIR_MUST_USE int channel_open(struct loop *loop, int fd, const struct channel_options *options,
                               struct channel_user *user, struct channel **out);

/* From now on `user` is told what happens. The former one is not told anything more. */
void channel_hand_over(struct channel *channel, struct channel_user *user);

/* Its watch is told on_gone now, and nothing more: from here on the channel counts elsewhere. */
void channel_unwatch(struct channel *channel);

/*
 * Turns a channel in the clear into one under TLS; `first` are bytes received already, borrowed
 * during the call. Of `options` role, tls and server_name count. Nothing may be on its way out, nor
 * the channel be paused. 0, or as channel_open, and then the channel is as before.
 */
WEIR_MUST_USE int channel_start_tls(struct channel *channel, const struct channel_options *options,
                                    struct slice first);

/* Backpressure: no on_receive until resume (what was gathered in this turn may follow). */
void channel_pause(struct channel *channel);
void channel_resume(struct channel *channel);

/*
 * Sends all of `iov` (at most LOOP_STREAM_IOV_MAX entries), then on_sent. The array is copied, the
 * bytes are borrowed until on_sent. One send at a time: -EBUSY while another is under way, and on a
 * channel that is closing. Under TLS they are encrypted in runs of TLS_SEND_BYTES as the kernel
 * takes them: -ENOMEM, FAULT_LIBRARY, FAULT_CLOSED after a failed handshake.
 */
WEIR_MUST_USE int channel_send(struct channel *channel, const struct iovec *iov, size_t iov_count);

/* Half-close, behind what is on its way: close_notify under TLS, then the end of our side. */
void channel_shutdown(struct channel *channel);

/* Closes; then the user's on_closed, from a later turn. */
void channel_close(struct channel *channel);

/* The peer's address: as connected, or as whoever accepted it has set it; len 0 until known. */
const struct loop_address *channel_peer(const struct channel *channel);
void channel_set_peer(struct channel *channel, const struct loop_address *peer);

/* The protocol agreed by ALPN ("h2", "http/1.1"), or the empty slice: borrowed until close. */
struct slice channel_alpn(const struct channel *channel);

/* Is there TLS on it? */
bool channel_is_secure(const struct channel *channel);

/* Why TLS failed, for a log line; "" where it did not. Borrowed until close. */
const char *channel_why(const struct channel *channel);

struct loop *channel_loop(const struct channel *channel);
