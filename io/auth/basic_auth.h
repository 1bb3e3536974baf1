/* SPDX-License-Identifier: Apache-2.0 */
/*
 * basic_auth — the extension `basicauth`: user and password in a header. Source: RFC 7617.
 *
 * Keys of the server side: htpasswd.file (read again when it changes), htpasswd.inline (wins where
 * both name a user). Of the client side: client_auth.username, password, username_file,
 * password_file (read again when they change). Either side, not both.
 */
#pragma once

#include "core/base/defs.h"

struct authenticator;
struct config_reader;

/*
 * Reads the extension's section, and its files. Complaints go to the reader's report.
 * 0 and *out moves out (authenticator_free); FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int basic_auth_configure(struct config_reader *r, struct authenticator **out);
