/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_texts — the two files of the SDKs, read whole.
 *
 * Blocks: the helper's thread. Owns the bytes and wipes them. A file that is not there is an empty
 * one.
 */
#pragma once

#include <stddef.h>

#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/aws/aws_environment.h"
#include "io/aws/profile_file.h"

#define PROFILE_FILE_MAX_BYTES (1024 * 1024)

/* Bytes of one file; zeroed: none. */
struct aws_file {
    char *ptr; /* owned; a NUL follows */
    size_t len;
};

struct profile_texts {
    struct aws_file config;
    struct aws_file credentials;
};

/*
 * aws_file_read — the whole of `path`, at most `max_bytes`. 0, -errno, -ENOMEM or FAULT_LIMIT.
 * Given back with aws_file_fini, which wipes and leaves zeros.
 */
WEIR_MUST_USE int aws_file_read(const char *path, size_t max_bytes, struct aws_file *out);
void aws_file_fini(struct aws_file *file);

/* Without blanks and line ends around it: what a file with a token holds. */
struct slice aws_file_token(const struct aws_file *file);

/* Both files, where `env` says they are. 0 or as aws_file_read, but -ENOENT is no failure. */
WEIR_MUST_USE int profile_texts_load(struct profile_texts *texts,
                                     const struct aws_environment *env);

/* Idempotent. */
void profile_texts_fini(struct profile_texts *texts);

/* The profile `name` of both files; borrows from them. */
void profile_texts_find(const struct profile_texts *texts, struct slice name, struct profile *out);

/* AWS_PROFILE, else "default". */
struct slice profile_selected(const struct aws_environment *env);
