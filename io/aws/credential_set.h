/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_set — what one answer of a provider holds: key id, secret, token, and until when.
 *
 * Made whole and never changed; wiped when it goes. Reads the answers of the container and instance
 * endpoints and of credential_process (JSON), and those of STS (XML). Nothing here is logged but
 * the last four characters of the key id.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "codecs/sigv4_sign.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/* Session tokens have some 400 to 1 500 bytes and no stated limit; a header of 8 KiB is refused. */
#define CREDENTIAL_TOKEN_MAX_BYTES 8192
/* Why there are no credentials, in words for one log line. */
#define CREDENTIAL_WHY_BYTES 512
/* "…WXYZ": an ellipsis of three bytes, four characters, NUL. */
#define CREDENTIAL_HINT_BYTES 8

struct credential_set {
    struct sigv4_credentials keys; /* borrow from `block` */
    uint64_t expires_unix_s;       /* 0: never */
    const char *source;            /* static: which provider gave them */
    size_t block_bytes;
    uint8_t block[];
};

/*
 * credential_set_new — a copy of `keys`; moves out. 0, -ENOMEM, or FAULT_MALFORMED where key id or
 * secret are missing, too long, or one of the three holds what cannot stand in a header.
 */
WEIR_MUST_USE int credential_set_new(const struct sigv4_credentials *keys, uint64_t expires_unix_s,
                                     const char *source, struct credential_set **out);

/* Wipes and frees. NULL is fine. */
void credential_set_free(struct credential_set *set);

/* Key id as logs may show it: its last four characters. Returns `buf`. */
const char *credential_set_hint(const struct credential_set *set, char buf[CREDENTIAL_HINT_BYTES]);

/*
 * {"AccessKeyId","SecretAccessKey","Token" or "SessionToken","Expiration"}; where `Code` is there
 * it must be "Success". Moves out a set. 0, or negative with `why` (CREDENTIAL_WHY_BYTES) filled,
 * the answer's own code and message in it.
 */
WEIR_MUST_USE int credential_set_read_json(struct slice json, const char *source,
                                           struct credential_set **out, char *why);

/* The same from the Credentials element of an STS answer. */
WEIR_MUST_USE int credential_set_read_xml(struct slice xml, const char *source,
                                          struct credential_set **out, char *why);
