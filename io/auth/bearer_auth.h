/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bearer_auth — the extension `bearertokenauth`: a header that says `SCHEME TOKEN`.
 *
 * Keys: scheme (Bearer), token, tokens, filename (wins over the others, one token a line, read
 * again when it changes), header (Authorization). The first token is the one we show.
 */
#pragma once

#include "core/base/defs.h"

struct authenticator;
struct config_reader;

/*
 * Reads the extension's section, and its file. Complaints go to the reader's report.
 * 0 and *out moves out (authenticator_free); FAULT_CONFIG or -ENOMEM.
 */
WEIR_MUST_USE int bearer_auth_configure(struct config_reader *r, struct authenticator **out);
