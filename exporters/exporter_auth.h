/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_auth — the key `auth` of an exporter: the id of the extension that shows who we are.
 *
 * The id goes to exporter.authenticator_id; the graph finds the authenticator and hands it to the
 * exporter's link (core/engine/component.h), before open and again at a reload that keeps both.
 */
#pragma once

#include "core/base/arena.h"
#include "core/base/defs.h"

struct config_reader;

/*
 * Reads `auth: {authenticator: ID}`. Complaints go to the reader's report.
 *   out   a copy of the id in `texts`; NULL where there is no `auth`
 * Returns 0 or -ENOMEM.
 */
WEIR_MUST_USE int exporter_auth_read(struct config_reader *r, struct arena *texts,
                                     const char **out);
