/* SPDX-License-Identifier: Apache-2.0 */
/*
 * basic_auth — users with their hashed passwords (server), or one user's header (client).
 *
 * Slow hashes must not stop a loop: what was right once is recognised by a keyed digest of the
 * header, and each thread spends at most a tenth of its time on the rest; beyond it the answer is
 * AUTH_BUSY. Sources: RFC 7617; the Collector's basicauth.
 */
#include "io/auth/basic_auth.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "io/auth/auth_state.h"
#include "io/auth/password_hash.h"
#include "io/io_bounds.h"

/* Headers known to be right; a slot is picked by digest and overwritten by the next one. */
#define KNOWN_COUNT 256
#define KNOWN_WORDS 3
#define KEY_BYTES 32
#define DIGEST_BYTES 32
/* Time for slow hashes: one part of hashing, nine of anything else. */
#define SLOW_REST 9

struct basic_user {
    struct slice name; /* both into text */
    struct slice stored;
};

/* Any thread reads and writes, relaxed: words of two writers mixed are nobody's digest. */
struct basic_known {
    _Atomic uint64_t words[KNOWN_WORDS];
};

struct auth_state {
    struct basic_user users[AUTH_USERS_MAX];
    uint32_t user_count;
    char *text; /* owned: the htpasswd texts, or the client's header value */
    size_t text_len;
    uint8_t key[KEY_BYTES];
    struct basic_known known[KNOWN_COUNT];
};

struct basic_auth {
    struct authenticator base; /* files: htpasswd.file, or username_file and password_file */
    char *own;                 /* owned: htpasswd.inline */
    char *username;
    char *password;
};

static struct basic_auth *basic_of(struct authenticator *a)
{
    return CONTAINER_OF(a, struct basic_auth, base);
}

static void free_state(struct auth_state *state)
{
    auth_text_free(state->text, state->text_len);
    OPENSSL_cleanse(state->key, sizeof(state->key));
    mem_free(state);
}

/* --- users ------------------------------------------------------------------------------------ */

/* A later line of the same user wins. */
static struct basic_user *place_of(struct auth_state *state, struct slice name)
{
    for (uint32_t i = 0; i < state->user_count; i++) {
        if (slice_equal(state->users[i].name, name)) {
            return &state->users[i];
        }
    }
    return state->user_count < AUTH_USERS_MAX ? &state->users[state->user_count++] : NULL;
}

static int take_users(struct auth_state *state, char *why)
{
    struct slice rest = slice_of(state->text, state->text_len);
    struct slice line;
    for (uint32_t number = 1; auth_next_line(&rest, &line); number++) {
        line = auth_trim(line);
        if (line.len == 0 || line.ptr[0] == '#') {
            continue;
        }
        size_t name_len = slice_find(line, ':');
        bool is_whole = name_len > 0 && name_len < line.len;
        struct slice stored = is_whole ? slice_from(line, name_len + 1) : (struct slice){0};
        if (password_kind_of(stored) == PASSWORD_UNKNOWN) {
            (void)snprintf(why, AUTH_WHY_BYTES, "htpasswd line %u: %s", (unsigned int)number,
                           is_whole ? "unknown kind of password hash" : "no USER:PASSWORD");
            return FAULT_MALFORMED;
        }
        struct basic_user *user = place_of(state, slice_first(line, name_len));
        if (user == NULL) {
            (void)snprintf(why, AUTH_WHY_BYTES, "too many users");
            return FAULT_LIMIT;
        }
        *user = (struct basic_user){.name = slice_first(line, name_len), .stored = stored};
    }
    if (state->user_count == 0) {
        (void)snprintf(why, AUTH_WHY_BYTES, "no users in htpasswd");
        return FAULT_MALFORMED;
    }
    return 0;
}

/* The file's text, then the inline one: what comes later wins. */
static int join_texts(struct basic_auth *auth, struct auth_state *state, char *why)
{
    char *file = NULL;
    size_t file_len = 0;
    if (auth->base.files[0] != NULL) {
        int err = auth_file_read(auth->base.files[0], &file, &file_len, why);
        if (err != 0) {
            return err;
        }
    }
    size_t own_len = auth->own != NULL ? strlen(auth->own) : 0;
    size_t gap = file_len > 0 ? 1 : 0;
    state->text_len = file_len + gap + own_len;
    state->text = mem_alloc(state->text_len + 1);
    if (state->text != NULL) {
        if (file_len > 0) {
            memcpy(state->text, file, file_len);
            state->text[file_len] = '\n';
        }
        if (own_len > 0) {
            memcpy(state->text + file_len + gap, auth->own, own_len);
        }
    }
    auth_text_free(file, file_len);
    return state->text != NULL ? 0 : -ENOMEM;
}

static int load_users(struct basic_auth *auth, struct auth_state *state, char *why)
{
    int err = join_texts(auth, state, why);
    if (err == 0 && RAND_bytes(state->key, sizeof(state->key)) != 1) {
        err = FAULT_LIBRARY;
    }
    return err != 0 ? err : take_users(state, why);
}

/* --- the client's header ---------------------------------------------------------------------- */

/* From the file where one is named, without the line end; else the configured text. Moves out. */
static int read_part(const char *path, const char *text, char **out, size_t *len, char *why)
{
    if (path == NULL) {
        *len = text != NULL ? strlen(text) : 0;
        *out = mem_copy_text(text != NULL ? text : "", *len);
        return *out != NULL ? 0 : -ENOMEM;
    }
    int err = auth_file_read(path, out, len, why);
    if (err == 0) {
        struct slice trimmed = auth_trim(slice_of(*out, *len));
        memmove(*out, trimmed.ptr, trimmed.len);
        (*out)[trimmed.len] = '\0';
    }
    return err;
}

static int make_value(struct auth_state *state, const char *username, const char *password,
                      char *why)
{
    size_t user_len = strlen(username);
    size_t pass_len = strlen(password);
    if (user_len + pass_len + 1 > AUTH_VALUE_MAX_BYTES / 2 || strchr(username, ':') != NULL) {
        (void)snprintf(why, AUTH_WHY_BYTES, "username and password cannot be used");
        return FAULT_LIMIT;
    }
    uint8_t both[AUTH_VALUE_MAX_BYTES / 2];
    memcpy(both, username, user_len);
    both[user_len] = ':';
    memcpy(both + user_len + 1, password, pass_len);
    size_t len = user_len + 1 + pass_len;
    static const char scheme[] = "Basic ";
    state->text_len = sizeof(scheme) + (len + 2) / 3 * 4;
    state->text = mem_alloc(state->text_len);
    if (state->text != NULL) {
        memcpy(state->text, scheme, sizeof(scheme) - 1);
        (void)EVP_EncodeBlock((uint8_t *)state->text + sizeof(scheme) - 1, both, (int)len);
    }
    OPENSSL_cleanse(both, sizeof(both));
    return state->text != NULL ? 0 : -ENOMEM;
}

static int load_client(struct basic_auth *auth, struct auth_state *state, char *why)
{
    char *username = NULL;
    char *password = NULL;
    size_t user_len = 0;
    size_t pass_len = 0;
    int err = read_part(auth->base.files[0], auth->username, &username, &user_len, why);
    if (err == 0) {
        err = read_part(auth->base.files[1], auth->password, &password, &pass_len, why);
    }
    if (err == 0) {
        err = make_value(state, username, password, why);
    }
    auth_text_free(username, user_len);
    auth_text_free(password, pass_len);
    return err;
}

static int load(struct authenticator *a, struct auth_state **out, char *why)
{
    struct auth_state *state = mem_alloc(sizeof(*state));
    if (state == NULL) {
        return -ENOMEM;
    }
    int err =
        a->is_server ? load_users(basic_of(a), state, why) : load_client(basic_of(a), state, why);
    if (err != 0) {
        free_state(state);
        return err;
    }
    *out = state;
    return 0;
}

static int value(const struct auth_state *state, char *buf, size_t cap)
{
    size_t len = strlen(state->text);
    if (len >= cap) {
        return FAULT_LIMIT;
    }
    memcpy(buf, state->text, len + 1);
    return (int)len;
}

/* --- checking --------------------------------------------------------------------------------- */

struct credentials {
    uint8_t bytes[AUTH_VALUE_MAX_BYTES];
    struct slice name;
    struct slice password;
};

/* "Basic" SP base64 of NAME ":" PASSWORD. */
static bool decode(struct slice value, struct credentials *out)
{
    static const char scheme[] = "Basic ";
    size_t scheme_len = sizeof(scheme) - 1;
    if (value.len <= scheme_len || strncasecmp((const char *)value.ptr, scheme, scheme_len) != 0) {
        return false;
    }
    struct slice text = auth_trim(slice_from(value, scheme_len));
    if (text.len == 0 || text.len % 4 != 0) {
        return false;
    }
    int len = EVP_DecodeBlock(out->bytes, text.ptr, (int)text.len);
    for (size_t i = text.len; i > 0 && text.ptr[i - 1] == '=' && len > 0; i--) {
        len--; /* padding decodes to zeros */
    }
    struct slice both = slice_of(out->bytes, len > 0 ? (size_t)len : 0);
    size_t name_len = slice_find(both, ':');
    if (name_len == both.len) {
        return false;
    }
    out->name = slice_first(both, name_len);
    out->password = slice_from(both, name_len + 1);
    return out->password.len <= PASSWORD_MAX_BYTES;
}

struct fingerprint {
    uint64_t words[1 + KNOWN_WORDS]; /* the first one picks the slot */
};
_Static_assert(sizeof(struct fingerprint) == DIGEST_BYTES, "a fingerprint is the whole digest");

static bool take_fingerprint(const struct auth_state *state, struct slice value,
                             struct fingerprint *out)
{
    uint8_t message[KEY_BYTES + AUTH_VALUE_MAX_BYTES];
    memcpy(message, state->key, KEY_BYTES);
    memcpy(message + KEY_BYTES, value.ptr, value.len);
    uint8_t digest[EVP_MAX_MD_SIZE];
    bool is_made =
        EVP_Digest(message, KEY_BYTES + value.len, digest, NULL, EVP_sha256(), NULL) == 1;
    OPENSSL_cleanse(message, KEY_BYTES + value.len);
    memcpy(out, digest, sizeof(*out));
    return is_made;
}

static bool is_known(struct auth_state *state, const struct fingerprint *print)
{
    struct basic_known *slot = &state->known[print->words[0] % KNOWN_COUNT];
    uint64_t difference = 0;
    for (size_t i = 0; i < KNOWN_WORDS; i++) {
        difference |=
            atomic_load_explicit(&slot->words[i], memory_order_relaxed) ^ print->words[1 + i];
    }
    return difference == 0;
}

static void remember(struct auth_state *state, const struct fingerprint *print)
{
    struct basic_known *slot = &state->known[print->words[0] % KNOWN_COUNT];
    for (size_t i = 0; i < KNOWN_WORDS; i++) {
        atomic_store_explicit(&slot->words[i], print->words[1 + i], memory_order_relaxed);
    }
}

/* Of who is unknown, somebody else's password is checked: the time shall not tell names. */
static const struct basic_user *find_user(const struct auth_state *state, struct slice name,
                                          bool *is_found)
{
    const struct basic_user *found = &state->users[0];
    *is_found = false;
    for (uint32_t i = 0; i < state->user_count; i++) {
        if (slice_equal(state->users[i].name, name)) {
            found = &state->users[i];
            *is_found = true;
        }
    }
    return found;
}

/* A hash that takes long is measured, and the thread then has a rest from hashing. */
static enum auth_verdict check_slow(const struct basic_user *user, bool is_found,
                                    struct slice password, uint64_t now_mono_ns)
{
    static _Thread_local uint64_t rest_until_mono_ns;
    if (now_mono_ns < rest_until_mono_ns) {
        return AUTH_BUSY;
    }
    uint64_t begin_ns = clock_mono_ns(); /* the turn's time stands still while it hashes */
    bool fits = password_fits(password, user->stored);
    rest_until_mono_ns = now_mono_ns + (clock_mono_ns() - begin_ns) * (1 + SLOW_REST);
    return fits && is_found ? AUTH_GRANTED : AUTH_REFUSED;
}

static enum auth_verdict check_user(struct auth_state *state, struct slice value,
                                    const struct credentials *c, uint64_t now_mono_ns)
{
    bool is_found = false;
    const struct basic_user *user = find_user(state, c->name, &is_found);
    if (!password_is_slow(password_kind_of(user->stored))) {
        return password_fits(c->password, user->stored) && is_found ? AUTH_GRANTED : AUTH_REFUSED;
    }
    struct fingerprint print;
    bool has_print = take_fingerprint(state, value, &print);
    if (has_print && is_known(state, &print)) {
        return AUTH_GRANTED;
    }
    enum auth_verdict verdict = check_slow(user, is_found, c->password, now_mono_ns);
    if (verdict == AUTH_GRANTED && has_print) {
        remember(state, &print);
    }
    return verdict;
}

static enum auth_verdict check(struct authenticator *a, struct auth_state *state,
                               struct slice value, uint64_t now_mono_ns)
{
    (void)a;
    struct credentials c = {.name = {0}};
    enum auth_verdict verdict = AUTH_MISSING;
    if (decode(value, &c)) {
        verdict = check_user(state, value, &c, now_mono_ns);
    }
    OPENSSL_cleanse(c.bytes, sizeof(c.bytes));
    return verdict;
}

static const char *verdict_text(enum auth_verdict verdict)
{
    switch (verdict) {
    case AUTH_GRANTED:
        return "";
    case AUTH_MISSING:
        return "no basic auth provided";
    case AUTH_REFUSED:
        return "invalid credentials";
    case AUTH_BUSY:
        break;
    }
    return "too many credentials to check, try again";
}

static void basic_free(struct authenticator *a)
{
    struct basic_auth *auth = basic_of(a);
    auth_state_fini(a);
    char *texts[] = {auth->own, auth->username, auth->password};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        auth_text_free(texts[i], texts[i] != NULL ? strlen(texts[i]) : 0);
    }
    mem_free(auth);
}

static const struct auth_ops basic_ops = {
    .type = "basicauth",
    .challenge = "Basic realm=\"weir\", charset=\"UTF-8\"",
    .check = check,
    .verdict_text = verdict_text,
    .value = value,
    .load = load,
    .free_state = free_state,
    .free = basic_free,
};

/* --- configuration ---------------------------------------------------------------------------- */

static int read_text(struct config_reader *r, const char *key, char **out)
{
    struct slice text;
    if (!config_read_text(r, key, NULL, &text) || text.len == 0) {
        return 0;
    }
    *out = mem_copy_text(text.ptr, text.len);
    return *out != NULL ? 0 : -ENOMEM;
}

static int read_server(struct config_reader *r, struct basic_auth *auth)
{
    struct config_reader section;
    (void)config_open_section(r, "htpasswd", &section);
    auth->base.is_server = config_has(r, "htpasswd");
    int err = read_text(&section, "file", &auth->base.files[0]);
    int own_err = read_text(&section, "inline", &auth->own);
    if (auth->base.is_server && err == 0 && own_err == 0 && auth->own == NULL &&
        auth->base.files[0] == NULL) {
        config_refuse(&section, "file", "htpasswd needs file or inline");
    }
    (void)config_reader_finish(&section); /* the parent's finish knows */
    return err == 0 ? own_err : err;
}

static int read_client(struct config_reader *r, struct basic_auth *auth)
{
    struct config_reader section;
    (void)config_open_section(r, "client_auth", &section);
    auth->base.is_client = config_has(r, "client_auth");
    char *files[AUTH_FILES_MAX] = {0};
    int errs[] = {
        read_text(&section, "username", &auth->username),
        read_text(&section, "password", &auth->password),
        read_text(&section, "username_file", &files[0]),
        read_text(&section, "password_file", &files[1]),
    };
    config_known_unsupported(&section, "aws_secrets_manager");
    bool has_name = auth->username != NULL || files[0] != NULL;
    for (size_t i = 0; i < AUTH_FILES_MAX; i++) {
        if (auth->base.files[i] == NULL) {
            auth->base.files[i] = files[i];
        } else {
            mem_free(files[i]); /* both sides were written: refused by who called */
        }
    }
    if (auth->base.is_client && !has_name) {
        config_refuse(&section, "username", "client_auth needs username or username_file");
    }
    (void)config_reader_finish(&section); /* the parent's finish knows */
    for (size_t i = 0; i < COUNT_OF(errs); i++) {
        if (errs[i] != 0) {
            return errs[i];
        }
    }
    return 0;
}

static int read_settings(struct config_reader *r, struct basic_auth *auth)
{
    auth->base.header = mem_copy_text("authorization", strlen("authorization"));
    int server_err = read_server(r, auth);
    int client_err = read_client(r, auth);
    if (auth->base.is_server == auth->base.is_client) {
        config_refuse(r, "htpasswd",
                      auth->base.is_server ? "only one of htpasswd and client_auth can be set"
                                           : "set htpasswd (server) or client_auth (client)");
    }
    if (auth->base.header == NULL) {
        return -ENOMEM;
    }
    return server_err == 0 ? client_err : server_err;
}

int basic_auth_configure(struct config_reader *r, struct authenticator **out)
{
    struct basic_auth *auth = mem_alloc(sizeof(*auth));
    if (auth == NULL) {
        return -ENOMEM;
    }
    auth->base = (struct authenticator){.ops = &basic_ops};
    int err = read_settings(r, auth);
    int finish_err = config_reader_finish(r);
    err = err == 0 ? finish_err : err;
    char why[AUTH_WHY_BYTES];
    if (err == 0) {
        err = auth_state_begin(&auth->base, why);
        if (err != 0 && err != -ENOMEM) {
            config_refuse(r, auth->base.is_server ? "htpasswd" : "client_auth", "%s", why);
            err = FAULT_CONFIG;
        }
    }
    if (err != 0) {
        basic_free(&auth->base);
        return err;
    }
    *out = &auth->base;
    return 0;
}
