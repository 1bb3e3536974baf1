/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile_file — one profile out of the two INI files that the SDKs share.
 *
 * The configuration file has sections [default] and [profile NAME], the credentials file [NAME].
 * Only the keys that weir acts on are kept; nested blocks (indented deeper than the key above) and
 * foreign sections are stepped over. Pure; owns nothing, everything borrows from the texts.
 * Source: AWS SDKs and Tools Reference, "Format of the shared config and credentials files".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

enum profile_file_kind {
    PROFILE_FILE_CONFIG,
    PROFILE_FILE_CREDENTIALS,
};

enum profile_key {
    PROFILE_REGION,
    PROFILE_ACCESS_KEY_ID,
    PROFILE_SECRET_ACCESS_KEY,
    PROFILE_SESSION_TOKEN,
    PROFILE_ROLE_ARN,
    PROFILE_SOURCE_PROFILE,
    PROFILE_CREDENTIAL_SOURCE,
    PROFILE_EXTERNAL_ID,
    PROFILE_ROLE_SESSION_NAME,
    PROFILE_DURATION_SECONDS,
    PROFILE_MFA_SERIAL,
    PROFILE_WEB_IDENTITY_TOKEN_FILE,
    PROFILE_CREDENTIAL_PROCESS,
    PROFILE_SSO_SESSION,
    PROFILE_SSO_START_URL,
    PROFILE_LOGIN_SESSION,
    PROFILE_KEY_COUNT,
};

/* Zeroed: a profile that stands nowhere. */
struct profile {
    struct slice values[PROFILE_KEY_COUNT]; /* borrow from the texts read; "" for absent */
    bool is_found;                          /* there was a section of that name */
};

/*
 * profile_file_read — adds what `text` says of the profile `name` to *profile.
 *
 *   text   borrowed as long as the profile is in use; any bytes, lines that are none are skipped
 *
 * What was there before is replaced key by key, so the credentials file, which wins, is read last;
 * a file that names an access key replaces secret and token too, because the three belong together.
 */
void profile_file_read(struct slice text, enum profile_file_kind kind, struct slice name,
                       struct profile *profile);

/* Is the key there, and not empty? */
bool profile_has(const struct profile *profile, enum profile_key key);
