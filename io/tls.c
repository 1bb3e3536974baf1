/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls — contexts: which SSL_CTX is current, when its files are looked at again, who still reads it.
 *
 * A session takes its own reference on an SSL_CTX, but between reading the pointer and taking the
 * reference the SSL_CTX must not go. So readers are counted while they are in that gap, and what
 * was replaced is freed once the count was seen at zero after the swap. Building is in tls_build.c.
 */
#include "io/tls.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "io/io_bounds.h"
#include "io/tls_build.h"

struct tls_retired {
    SSL_CTX *ctx; /* owned */
    struct tls_retired *next;
};

/* Crosses threads: the reloading thread writes, any thread makes sessions. */
struct tls_context {
    _Atomic(SSL_CTX *) current; /* owned; reloader swaps (seq_cst), session makers read (seq_cst) */
    _Atomic uint32_t reader_count; /* session makers in the gap, seq_cst; the reloader reads */

    struct tls_settings settings; /* from here on the reloading thread's; texts owned */
    struct tls_stamps stamps;
    struct tls_retired *retired; /* owned, a list */
    uint64_t looked_mono_ns;
};

/* --- settings --------------------------------------------------------------------------------- */

/* Where the texts of settings are, so that copying and freeing cannot forget one. */
static const char **text_at(struct tls_settings *s, size_t index)
{
    const char **const texts[] = {
        &s->ca_file,        &s->ca_pem,
        &s->cert_file,      &s->cert_pem,
        &s->client_ca_file, &s->server_name_override,
        &s->cipher_suites,  &s->curve_preferences,
        &s->key_file,       &s->key_pem,
    };
    return index < COUNT_OF(texts) ? texts[index] : NULL;
}

static void free_text(const char **text)
{
    union {
        const char *from;
        char *to;
    } owned = {.from = *text}; /* ours: made by copy_texts */
    if (owned.to != NULL) {
        OPENSSL_cleanse(owned.to, strlen(owned.to)); /* one of them is a key */
        mem_free(owned.to);
    }
    *text = NULL;
}

static int copy_texts(struct tls_settings *target, const struct tls_settings *source)
{
    *target = *source;
    struct tls_settings from = *source;
    int err = 0;
    for (size_t i = 0; text_at(target, i) != NULL; i++) {
        const char *text = *text_at(&from, i);
        *text_at(target, i) = text != NULL ? mem_copy_text(text, strlen(text)) : NULL;
        if (text != NULL && *text_at(target, i) == NULL) {
            err = -ENOMEM;
        }
    }
    return err;
}

/* --- life ------------------------------------------------------------------------------------- */

int tls_context_new(const struct tls_settings *settings, struct tls_context **out, char *why)
{
    why[0] = '\0';
    struct tls_context *context = mem_alloc(sizeof(*context));
    if (context == NULL) {
        return -ENOMEM;
    }
    int err = copy_texts(&context->settings, settings);
    SSL_CTX *ctx = NULL;
    if (err == 0) {
        tls_stamps_take(&context->settings, &context->stamps);
        err = tls_build(&context->settings, &ctx, why);
    }
    atomic_init(&context->current, ctx);
    if (err != 0) {
        tls_context_free(context);
        return err;
    }
    *out = context;
    return 0;
}

static void free_retired(struct tls_context *context)
{
    while (context->retired != NULL) {
        struct tls_retired *first = context->retired;
        context->retired = first->next;
        SSL_CTX_free(first->ctx);
        mem_free(first);
    }
}

void tls_context_free(struct tls_context *context)
{
    if (context == NULL) {
        return;
    }
    free_retired(context);
    SSL_CTX_free(atomic_load(&context->current));
    for (size_t i = 0; text_at(&context->settings, i) != NULL; i++) {
        free_text(text_at(&context->settings, i));
    }
    mem_free(context);
}

static int swap(struct tls_context *context, char *why)
{
    struct tls_stamps stamps;
    tls_stamps_take(&context->settings, &stamps); /* before reading: a later change shows again */
    struct tls_retired *retired = mem_alloc(sizeof(*retired));
    if (retired == NULL) {
        (void)snprintf(why, TLS_WHY_BYTES, "out of memory");
        return -ENOMEM;
    }
    SSL_CTX *ctx = NULL;
    int err = tls_build(&context->settings, &ctx, why);
    if (err != 0) {
        mem_free(retired);
        return err;
    }
    context->stamps = stamps;
    retired->ctx = atomic_exchange(&context->current, ctx);
    retired->next = context->retired;
    context->retired = retired;
    return 1;
}

int tls_context_reload(struct tls_context *context, uint64_t now_mono_ns, char *why)
{
    const struct tls_settings *settings = &context->settings;
    why[0] = '\0';
    if (context->retired != NULL && atomic_load(&context->reader_count) == 0) {
        free_retired(context);
    }
    bool is_interval_over = settings->reload_interval_ns > 0 &&
                            now_mono_ns - context->looked_mono_ns >= settings->reload_interval_ns;
    uint32_t what = (is_interval_over ? TLS_STAMP_OWN : 0) |
                    (settings->reloads_client_ca ? TLS_STAMP_CLIENT_CA : 0);
    if (is_interval_over) {
        context->looked_mono_ns = now_mono_ns;
    }
    if (what == 0 || !tls_stamps_differ(settings, &context->stamps, what)) {
        return 0;
    }
    return swap(context, why);
}

SSL *tls_context_session(struct tls_context *context)
{
    (void)atomic_fetch_add(&context->reader_count, 1);
    SSL *ssl = SSL_new(atomic_load(&context->current));
    (void)atomic_fetch_sub(&context->reader_count, 1);
    return ssl;
}

const char *tls_context_server_name(const struct tls_context *context)
{
    return context->settings.server_name_override;
}

bool tls_context_is_server(const struct tls_context *context)
{
    return context->settings.is_server;
}

bool tls_context_verifies(const struct tls_context *context)
{
    return !context->settings.is_server && !context->settings.skips_verification;
}

/* --- the library ------------------------------------------------------------------------------ */

bool tls_secret_equal(struct slice a, struct slice b)
{
    /* A wrong length is told by the time of the answer; the bytes are not. */
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}

static void *hook_alloc(size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    return bytes > 0 ? mem_resize(NULL, bytes) : NULL;
}

static void *hook_resize(void *ptr, size_t bytes, const char *file, int line)
{
    (void)file;
    (void)line;
    if (bytes == 0) {
        mem_free(ptr);
        return NULL;
    }
    return mem_resize(ptr, bytes);
}

static void hook_free(void *ptr, const char *file, int line)
{
    (void)file;
    (void)line;
    mem_free(ptr);
}

bool tls_use_mem(void)
{
    return CRYPTO_set_mem_functions(hook_alloc, hook_resize, hook_free) == 1;
}
