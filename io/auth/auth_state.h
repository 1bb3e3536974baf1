/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_state — what all authenticators are built on; private to io/auth.
 *
 * The secrets of one reading are a *state*: made whole, then never written. The current one is
 * swapped by the reloading thread; checking threads announce themselves around its use, and what
 * was replaced is freed once nobody was announced after the swap.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/auth/authenticator.h"
#include "io/io_bounds.h"

struct auth_state; /* each kind's own */

struct auth_ops {
    const char *type;
    const char *challenge;
    /* From several threads at once. */
    enum auth_verdict (*check)(struct authenticator *a, struct auth_state *state,
                               struct slice value, uint64_t now_mono_ns);
    const char *(*verdict_text)(enum auth_verdict verdict);
    /* As authenticator_value. */
    int (*value)(const struct auth_state *state, char *buf, size_t cap);
    /* Builds a state from the settings and files. 0 or negative with `why` filled. */
    int (*load)(struct authenticator *a, struct auth_state **out, char *why);
    void (*free_state)(struct auth_state *state);
    void (*free)(struct authenticator *a); /* the settings, and itself */
};

/* What tells that a file is another one than before. */
struct auth_stamp {
    uint64_t device;
    uint64_t inode;
    uint64_t size_bytes;
    int64_t changed_s;
    int64_t changed_ns;
};

#define AUTH_FILES_MAX 2

struct auth_retired {
    struct auth_state *state; /* owned */
    struct auth_retired *next;
};

/* Embedded first in each kind. Crosses threads. */
struct authenticator {
    const struct auth_ops *ops;
    bool is_server;
    bool is_client;
    char *header;                         /* owned; lower case; frozen */
    _Atomic(struct auth_state *) current; /* owned; the reloader swaps, any reads; seq_cst */
    _Atomic uint32_t reader_count;        /* whoever uses `current`; seq_cst */

    /* The reloading thread's. */
    char *files[AUTH_FILES_MAX]; /* owned paths; NULL where there is none */
    struct auth_stamp stamps[AUTH_FILES_MAX];
    struct auth_retired *retired; /* owned, a list */
};

/* The first load, on the main thread. 0 or negative with `why` filled. */
WEIR_MUST_USE int auth_state_begin(struct authenticator *a, char *why);

/* Frees what the base owns. */
void auth_state_fini(struct authenticator *a);

/*
 * Reads the whole of a file of at most AUTH_FILE_MAX_BYTES. *out moves out: mem, NUL-terminated,
 * to be given back with auth_text_free. 0 or negative with `why` filled.
 */
WEIR_MUST_USE int auth_file_read(const char *path, char **out, size_t *len, char *why);

/* Wipes and frees. NULL is fine. */
void auth_text_free(char *text, size_t len);

/* Without blanks, tabs and line ends around it. */
struct slice auth_trim(struct slice text);

/* The next line of `rest`, without its end; false when there is none. `rest` shrinks. */
bool auth_next_line(struct slice *rest, struct slice *line);
