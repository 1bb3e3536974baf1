/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_texts — where the files are and how they are read: bounded, once, wiped after use.
 */
#include "io/aws/profile_texts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "core/base/mem.h"

#define FIRST_BYTES 4096

/* Twice as large; the old bytes are wiped. */
static int grow(struct aws_file *file, size_t *cap)
{
    char *grown = mem_alloc(*cap * 2);
    if (grown == NULL) {
        return -ENOMEM;
    }
    memcpy(grown, file->ptr, file->len);
    OPENSSL_cleanse(file->ptr, file->len);
    mem_free(file->ptr);
    file->ptr = grown;
    *cap *= 2;
    return 0;
}

/* To the end, whatever size the file claims: it may be a pipe or a mounted secret. */
static int read_all(int fd, size_t max_bytes, struct aws_file *file)
{
    size_t cap = FIRST_BYTES;
    file->ptr = mem_alloc(cap);
    int err = file->ptr != NULL ? 0 : -ENOMEM;
    while (err == 0) {
        if (file->len + 1 == cap) {
            err = grow(file, &cap);
            continue;
        }
        ssize_t got = read(fd, file->ptr + file->len, cap - file->len - 1);
        int failed = got < 0 ? -errno : 0;
        if (failed == -EINTR) {
            continue;
        }
        if (got <= 0) {
            err = failed;
            break;
        }
        file->len += (size_t)got;
        err = file->len > max_bytes ? FAULT_LIMIT : 0;
    }
    return err;
}

int aws_file_read(const char *path, size_t max_bytes, struct aws_file *out)
{
    *out = (struct aws_file){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        return -errno;
    }
    int err = read_all(fd, max_bytes, out);
    (void)close(fd); /* only read */
    if (err != 0) {
        aws_file_fini(out);
        return err;
    }
    out->ptr[out->len] = '\0';
    return 0;
}

void aws_file_fini(struct aws_file *file)
{
    if (file->ptr != NULL) {
        OPENSSL_cleanse(file->ptr, file->len);
        mem_free(file->ptr);
    }
    *file = (struct aws_file){0};
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

struct slice aws_file_token(const struct aws_file *file)
{
    struct slice text = slice_of(file->ptr, file->len);
    while (text.len > 0 && is_blank(text.ptr[0])) {
        text = slice_from(text, 1);
    }
    while (text.len > 0 && is_blank(text.ptr[text.len - 1])) {
        text = slice_first(text, text.len - 1);
    }
    return text;
}

/* The variable's path, else the one below the home directory. */
static int load(const struct aws_environment *env, enum aws_variable variable, const char *name,
                struct aws_file *out)
{
    char path[PATH_MAX];
    const char *chosen = aws_environment_text(env, variable);
    if (chosen[0] == '\0') {
        if (!aws_environment_has(env, AWS_VARIABLE_HOME)) {
            return 0;
        }
        int len = snprintf(path, sizeof(path), "%s/.aws/%s",
                           aws_environment_text(env, AWS_VARIABLE_HOME), name);
        if (len < 0 || (size_t)len >= sizeof(path)) {
            return -ENAMETOOLONG;
        }
        chosen = path;
    }
    int err = aws_file_read(chosen, PROFILE_FILE_MAX_BYTES, out);
    return err == -ENOENT || err == -ENOTDIR || err == -EACCES ? 0 : err;
}

int profile_texts_load(struct profile_texts *texts, const struct aws_environment *env)
{
    *texts = (struct profile_texts){{0}, {0}};
    int err = load(env, AWS_VARIABLE_CONFIG_FILE, "config", &texts->config);
    if (err == 0) {
        err = load(env, AWS_VARIABLE_SHARED_CREDENTIALS_FILE, "credentials", &texts->credentials);
    }
    if (err != 0) {
        profile_texts_fini(texts);
    }
    return err;
}

void profile_texts_fini(struct profile_texts *texts)
{
    aws_file_fini(&texts->config);
    aws_file_fini(&texts->credentials);
}

void profile_texts_find(const struct profile_texts *texts, struct slice name, struct profile *out)
{
    *out = (struct profile){0};
    profile_file_read(slice_of(texts->config.ptr, texts->config.len), PROFILE_FILE_CONFIG, name,
                      out);
    profile_file_read(slice_of(texts->credentials.ptr, texts->credentials.len),
                      PROFILE_FILE_CREDENTIALS, name, out);
}

struct slice profile_selected(const struct aws_environment *env)
{
    const char *name = aws_environment_text(env, AWS_VARIABLE_PROFILE);
    return name[0] != '\0' ? slice_of_text(name) : SLICE_LITERAL("default");
}
