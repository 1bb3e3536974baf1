/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4_auth — the extension `sigv4auth`: requests of ours are signed for a service of AWS.
 *
 * It has no header value to show, because a signature is made of the whole request: it carries the
 * settings, and whoever sends signs by them (exporters/http_post.h). Keys: region, service,
 * assume_role.arn, .session_name, .sts_region, .external_id, .web_identity_token_file.
 */
#pragma once

#include "core/base/defs.h"

struct authenticator;
struct config_reader;

/* Texts are NUL-terminated, "" for not set. */
struct sigv4_auth_settings {
    const char *region;  /* "": from the host's name, else as for every client of AWS */
    const char *service; /* "": from the host's name */
    const char *role_arn;
    const char *session_name;
    const char *sts_region; /* "": as `region` */
    const char *external_id;
    const char *web_identity_token_file;
};

/*
 * Reads the extension's section. Complaints go to the reader's report.
 * 0 and *out moves out (authenticator_free); FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int sigv4_auth_configure(struct config_reader *r, struct authenticator **out);

/* The settings of one that signs, borrowed as long as it lives; NULL for any other kind. */
const struct sigv4_auth_settings *sigv4_auth_settings(const struct authenticator *authenticator);
