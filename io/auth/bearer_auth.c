/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bearer_auth — a list of tokens, each with its scheme in front, compared as whole header values.
 *
 * All tokens are compared at each check, so that the time tells neither which one nor how much of
 * it was right. Source: RFC 6750 section 2.1; the Collector's bearertokenauth.
 */
#include "io/auth/bearer_auth.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "io/auth/auth_state.h"
#include "io/io_bounds.h"
#include "io/tls.h"

struct auth_state {
    uint32_t value_count;
    struct slice values[AUTH_TOKENS_MAX]; /* "SCHEME TOKEN"; into text */
    char *text;                           /* owned */
    size_t text_len;
};

struct bearer_auth {
    struct authenticator base;
    char *scheme; /* owned; may be empty: the token stands alone */
    char *tokens; /* owned, one a line; NULL where a file has them */
};

/* --- states ----------------------------------------------------------------------------------- */

static void free_state(struct auth_state *state)
{
    auth_text_free(state->text, state->text_len);
    mem_free(state);
}

static bool is_one_line(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] == 0x7F) {
            return false;
        }
    }
    return true;
}

/* Blank lines are no tokens. Whether each can stand in a header is in *fits. */
static uint32_t count_tokens(const char *scheme, struct slice text, bool *fits)
{
    uint32_t count = 0;
    struct slice line;
    *fits = true;
    while (auth_next_line(&text, &line)) {
        struct slice token = auth_trim(line);
        count += token.len > 0 ? 1 : 0;
        *fits =
            *fits && is_one_line(token) && strlen(scheme) + 1 + token.len <= AUTH_VALUE_MAX_BYTES;
    }
    return count;
}

static void take_tokens(struct auth_state *state, const char *scheme, struct slice text)
{
    size_t used = 0;
    struct slice line;
    while (auth_next_line(&text, &line)) {
        struct slice token = auth_trim(line);
        if (token.len == 0) {
            continue;
        }
        size_t room = state->text_len - used;
        int len = snprintf(state->text + used, room, "%s%s%.*s", scheme,
                           scheme[0] != '\0' ? " " : "", (int)token.len, (const char *)token.ptr);
        ASSERT(len > 0 && (size_t)len < room);
        state->values[state->value_count++] = slice_of(state->text + used, (size_t)len);
        used += (size_t)len + 1;
    }
}

static int make_state(const struct bearer_auth *auth, struct slice text, struct auth_state **out,
                      char *why)
{
    bool fits = true;
    uint32_t count = count_tokens(auth->scheme, text, &fits);
    if (!fits) {
        (void)snprintf(why, AUTH_WHY_BYTES, "a token is too long, or holds control characters");
        return FAULT_MALFORMED;
    }
    if (count == 0 || count > AUTH_TOKENS_MAX) {
        (void)snprintf(why, AUTH_WHY_BYTES, "%s",
                       count == 0 ? "no token given" : "too many tokens");
        return count == 0 ? FAULT_MALFORMED : FAULT_LIMIT;
    }
    struct auth_state *state = mem_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    state->text_len = text.len + count * (strlen(auth->scheme) + 2) + 1;
    state->text = mem_alloc(state->text_len);
    if (state->text == NULL) {
        mem_free(state);
        return -ENOMEM;
    }
    take_tokens(state, auth->scheme, text);
    *out = state;
    return 0;
}

static int load(struct authenticator *a, struct auth_state **out, char *why)
{
    struct bearer_auth *auth = CONTAINER_OF(a, struct bearer_auth, base);
    if (a->files[0] == NULL) {
        return make_state(auth, slice_of_text(auth->tokens), out, why);
    }
    char *text = NULL;
    size_t len = 0;
    int err = auth_file_read(a->files[0], &text, &len, why);
    if (err == 0) {
        err = make_state(auth, slice_of(text, len), out, why);
    }
    auth_text_free(text, len);
    return err;
}

/* --- checking --------------------------------------------------------------------------------- */

/* The scheme's letters may be of either case, as in every Authorization header. */
static bool fold_scheme(const char *scheme, struct slice value, uint8_t *buf)
{
    size_t scheme_len = strlen(scheme);
    if (value.len <= scheme_len) {
        return false;
    }
    memcpy(buf, value.ptr, value.len);
    if (strncasecmp(scheme, (const char *)value.ptr, scheme_len) == 0) {
        memcpy(buf, scheme, scheme_len);
    }
    return true;
}

static enum auth_verdict check(struct authenticator *a, struct auth_state *state,
                               struct slice value, uint64_t now_mono_ns)
{
    (void)now_mono_ns;
    const struct bearer_auth *auth = CONTAINER_OF(a, struct bearer_auth, base);
    uint8_t folded[AUTH_VALUE_MAX_BYTES];
    if (!fold_scheme(auth->scheme, value, folded)) {
        return AUTH_REFUSED;
    }
    uint32_t match_count = 0;
    for (uint32_t i = 0; i < state->value_count; i++) {
        bool is_equal = tls_secret_equal(state->values[i], slice_of(folded, value.len));
        match_count += is_equal ? 1 : 0;
    }
    return match_count > 0 ? AUTH_GRANTED : AUTH_REFUSED;
}

static const char *verdict_text(enum auth_verdict verdict)
{
    switch (verdict) {
    case AUTH_GRANTED:
        return "";
    case AUTH_MISSING:
        return "missing or empty authorization header";
    case AUTH_REFUSED:
        return "scheme or token does not match";
    case AUTH_BUSY:
        break;
    }
    return "try again";
}

static int value(const struct auth_state *state, char *buf, size_t cap)
{
    struct slice first = state->values[0];
    if (first.len >= cap) {
        return FAULT_LIMIT;
    }
    memcpy(buf, first.ptr, first.len);
    buf[first.len] = '\0';
    return (int)first.len;
}

static void bearer_free(struct authenticator *a)
{
    struct bearer_auth *auth = CONTAINER_OF(a, struct bearer_auth, base);
    auth_state_fini(a);
    mem_free(auth->scheme);
    auth_text_free(auth->tokens, auth->tokens != NULL ? strlen(auth->tokens) : 0);
    mem_free(auth);
}

static const struct auth_ops bearer_ops = {
    .type = "bearertokenauth",
    .challenge = "Bearer",
    .check = check,
    .verdict_text = verdict_text,
    .value = value,
    .load = load,
    .free_state = free_state,
    .free = bearer_free,
};

/* --- configuration ---------------------------------------------------------------------------- */

/* `token` and `tokens`, one a line; NULL where neither is given. */
static int read_tokens(struct config_reader *r, char **out)
{
    struct slice single;
    struct slice item;
    bool has_single = config_read_text(r, "token", NULL, &single) && single.len > 0;
    struct config_items items = config_open_list(r, "tokens");
    char *text = has_single ? mem_copy_text(single.ptr, single.len) : NULL;
    int err = has_single && text == NULL ? -ENOMEM : 0;
    size_t len = has_single ? single.len : 0;
    if (has_single && !is_one_line(auth_trim(single))) {
        config_refuse(r, "token", "token must be one line of text");
    }
    while (config_next_text(&items, &item)) {
        if (!is_one_line(item) || (has_single && items.index == 0)) {
            config_refuse(r, "tokens",
                          has_single ? "either token or tokens can be set, not both"
                                     : "a token must be one line of text");
        }
        char *longer = err == 0 ? mem_resize(text, len + item.len + 2) : NULL;
        if (longer == NULL) {
            err = -ENOMEM;
            continue;
        }
        text = longer;
        text[len] = '\n';
        memcpy(text + len + 1, item.ptr, item.len);
        len += item.len + 1;
        text[len] = '\0';
    }
    *out = text;
    return err;
}

static int copy_lower(struct slice text, char **out)
{
    char *copy = mem_copy_text(text.ptr, text.len);
    for (size_t i = 0; copy != NULL && copy[i] != '\0'; i++) {
        copy[i] = (char)tolower((unsigned char)copy[i]);
    }
    *out = copy;
    return copy != NULL ? 0 : -ENOMEM;
}

static int read_settings(struct config_reader *r, struct bearer_auth *auth)
{
    struct slice scheme;
    struct slice header;
    struct slice filename;
    config_read_text(r, "scheme", "Bearer", &scheme);
    config_read_text(r, "header", "Authorization", &header);
    config_read_text(r, "filename", NULL, &filename);
    if (!is_one_line(scheme) || !is_one_line(header) || header.len == 0) {
        config_refuse(r, "header", "scheme and header must be plain words");
    }
    int err = copy_lower(header, &auth->base.header);
    auth->scheme = mem_copy_text(scheme.ptr, scheme.len);
    err = auth->scheme == NULL ? -ENOMEM : err;
    if (filename.len > 0) {
        auth->base.files[0] = mem_copy_text(filename.ptr, filename.len);
        err = auth->base.files[0] == NULL ? -ENOMEM : err;
    }
    int tokens_err = read_tokens(r, &auth->tokens);
    return err == 0 ? tokens_err : err;
}

int bearer_auth_configure(struct config_reader *r, struct authenticator **out)
{
    struct bearer_auth *auth = mem_alloc(sizeof(*auth));
    if (auth == NULL) {
        return -ENOMEM;
    }
    auth->base = (struct authenticator){
        .ops = &bearer_ops,
        .is_server = true,
        .is_client = true,
    };
    int err = read_settings(r, auth);
    bool has_source = auth->tokens != NULL || auth->base.files[0] != NULL;
    if (err == 0 && !has_source) {
        config_refuse(r, "token", "no bearer token provided: set token, tokens or filename");
    }
    if (config_reader_finish(r) != 0) {
        err = err == 0 ? FAULT_CONFIG : err;
    }
    char why[AUTH_WHY_BYTES];
    if (err == 0) {
        err = auth_state_begin(&auth->base, why);
        if (err != 0 && err != -ENOMEM) {
            config_refuse(r, auth->base.files[0] != NULL ? "filename" : "token", "%s", why);
            err = FAULT_CONFIG;
        }
    }
    if (err != 0) {
        bearer_free(&auth->base);
        return err;
    }
    *out = &auth->base;
    return 0;
}
