/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authenticator_fixture — an authenticator from a piece of YAML, for tests of who uses it.
 */
#pragma once

struct authenticator;
struct config_reader;

typedef int(authenticator_configure_fn)(struct config_reader *r, struct authenticator **out);

/* Must succeed; authenticator_free it. */
struct authenticator *authenticator_fixture_new(authenticator_configure_fn *configure,
                                                const char *yaml);

/* Writes a file that an authenticator reads; must succeed. */
void authenticator_fixture_write(const char *path, const char *text);
