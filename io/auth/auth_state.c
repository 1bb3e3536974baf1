/* SPDX-License-Identifier: Apache-2.0 */
/*
 * auth_state — the face of authenticators, and the life of what they know.
 *
 * Owns the current state, the replaced ones until nobody reads them, and the paths that are
 * watched. Files are read whole, bounded, and wiped after use.
 */
#include "io/auth/auth_state.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"

/* --- files ------------------------------------------------------------------------------------ */

void auth_text_free(char *text, size_t len)
{
    if (text != NULL) {
        OPENSSL_cleanse(text, len);
        mem_free(text);
    }
}

static int read_whole(int fd, char **out, size_t *len)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return -errno;
    }
    if (st.st_size < 0 || st.st_size > AUTH_FILE_MAX_BYTES) {
        return FAULT_LIMIT;
    }
    size_t cap = (size_t)st.st_size;
    char *text = mem_alloc(cap + 1);
    if (text == NULL) {
        return -ENOMEM;
    }
    size_t used = 0;
    while (used < cap) {
        ssize_t got = read(fd, text + used, cap - used);
        int err = got < 0 ? -errno : 0;
        if (err != 0 && err != -EINTR) {
            auth_text_free(text, used);
            return err;
        }
        if (got == 0) {
            break;
        }
        used += got > 0 ? (size_t)got : 0;
    }
    *out = text;
    *len = used;
    return 0;
}

int auth_file_read(const char *path, char **out, size_t *len, char *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = fd < 0 ? -errno : read_whole(fd, out, len);
    if (fd >= 0) {
        (void)close(fd); /* only read */
    }
    if (err != 0) {
        (void)snprintf(why, AUTH_WHY_BYTES, "failed to read %.150s: %s", path, fault_text(err));
    }
    return err;
}

struct slice auth_trim(struct slice text)
{
    static const char blanks[] = " \t\r\n";
    while (text.len > 0 && memchr(blanks, text.ptr[0], sizeof(blanks) - 1) != NULL) {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && memchr(blanks, text.ptr[text.len - 1], sizeof(blanks) - 1) != NULL) {
        text = slice_first(text, text.len - 1);
    }
    return text;
}

bool auth_next_line(struct slice *rest, struct slice *line)
{
    if (rest->len == 0) {
        return false;
    }
    size_t len = slice_find(*rest, '\n');
    *line = slice_first(*rest, len);
    *rest = slice_from(*rest, len < rest->len ? len + 1 : len);
    return true;
}

static struct auth_stamp stamp_of(const char *path)
{
    struct stat st;
    if (path == NULL || stat(path, &st) != 0) {
        return (struct auth_stamp){0};
    }
    return (struct auth_stamp){
        .device = st.st_dev,
        .inode = st.st_ino,
        .size_bytes = (uint64_t)st.st_size,
        .changed_s = st.st_mtim.tv_sec,
        .changed_ns = st.st_mtim.tv_nsec,
    };
}

static bool is_same(struct auth_stamp a, struct auth_stamp b)
{
    return a.device == b.device && a.inode == b.inode && a.size_bytes == b.size_bytes &&
           a.changed_s == b.changed_s && a.changed_ns == b.changed_ns;
}

/* --- states ----------------------------------------------------------------------------------- */

/* Announces a reader; the state stays until auth_leave. */
static struct auth_state *auth_enter(struct authenticator *a)
{
    (void)atomic_fetch_add(&a->reader_count, 1);
    return atomic_load(&a->current);
}

static void auth_leave(struct authenticator *a)
{
    (void)atomic_fetch_sub(&a->reader_count, 1);
}

static void free_retired(struct authenticator *a)
{
    while (a->retired != NULL) {
        struct auth_retired *first = a->retired;
        a->retired = first->next;
        a->ops->free_state(first->state);
        mem_free(first);
    }
}

/* Stamps are taken before reading: a change in between shows again. */
static int load(struct authenticator *a, struct auth_state **out, char *why)
{
    struct auth_stamp stamps[AUTH_FILES_MAX];
    for (size_t i = 0; i < AUTH_FILES_MAX; i++) {
        stamps[i] = stamp_of(a->files[i]);
    }
    int err = a->ops->load(a, out, why);
    if (err == 0) {
        memcpy(a->stamps, stamps, sizeof(stamps));
    }
    return err;
}

int auth_state_begin(struct authenticator *a, char *why)
{
    struct auth_state *state = NULL;
    why[0] = '\0';
    int err = load(a, &state, why);
    atomic_store(&a->current, state);
    return err;
}

void auth_state_fini(struct authenticator *a)
{
    free_retired(a);
    struct auth_state *state = atomic_load(&a->current);
    if (state != NULL) {
        a->ops->free_state(state);
    }
    for (size_t i = 0; i < AUTH_FILES_MAX; i++) {
        mem_free(a->files[i]);
    }
    mem_free(a->header);
}

/* --- the face --------------------------------------------------------------------------------- */

void authenticator_free(struct authenticator *authenticator)
{
    if (authenticator != NULL) {
        authenticator->ops->free(authenticator);
    }
}

const char *authenticator_type(const struct authenticator *authenticator)
{
    return authenticator->ops->type;
}

bool authenticator_is_server(const struct authenticator *authenticator)
{
    return authenticator->is_server;
}

bool authenticator_is_client(const struct authenticator *authenticator)
{
    return authenticator->is_client;
}

const char *authenticator_header(const struct authenticator *authenticator)
{
    return authenticator->header;
}

const char *authenticator_challenge(const struct authenticator *authenticator)
{
    return authenticator->ops->challenge;
}

const char *authenticator_verdict_text(const struct authenticator *authenticator,
                                       enum auth_verdict verdict)
{
    return authenticator->ops->verdict_text(verdict);
}

enum auth_verdict authenticator_check(struct authenticator *authenticator, struct slice value,
                                      uint64_t now_mono_ns)
{
    if (!authenticator->is_server || value.len == 0) {
        return AUTH_MISSING;
    }
    if (value.len > AUTH_VALUE_MAX_BYTES) {
        return AUTH_REFUSED;
    }
    struct auth_state *state = auth_enter(authenticator);
    enum auth_verdict verdict = authenticator->ops->check(authenticator, state, value, now_mono_ns);
    auth_leave(authenticator);
    return verdict;
}

int authenticator_value(struct authenticator *authenticator, char *buf, size_t cap)
{
    if (!authenticator->is_client) {
        return FAULT_UNSUPPORTED;
    }
    struct auth_state *state = auth_enter(authenticator);
    int len = authenticator->ops->value(state, buf, cap);
    auth_leave(authenticator);
    return len;
}

int authenticator_reload(struct authenticator *authenticator, char *why)
{
    struct authenticator *a = authenticator;
    why[0] = '\0';
    if (a->retired != NULL && atomic_load(&a->reader_count) == 0) {
        free_retired(a);
    }
    bool is_changed = false;
    for (size_t i = 0; i < AUTH_FILES_MAX; i++) {
        is_changed = is_changed || !is_same(stamp_of(a->files[i]), a->stamps[i]);
    }
    if (!is_changed) {
        return 0;
    }
    struct auth_retired *retired = mem_alloc(sizeof(*retired));
    if (retired == NULL) {
        (void)snprintf(why, AUTH_WHY_BYTES, "out of memory");
        return -ENOMEM;
    }
    struct auth_state *state = NULL;
    int err = load(a, &state, why);
    if (err != 0) {
        mem_free(retired);
        return err;
    }
    retired->state = atomic_exchange(&a->current, state);
    retired->next = a->retired;
    a->retired = retired;
    return 1;
}
