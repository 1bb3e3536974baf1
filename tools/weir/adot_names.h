/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adot_names — weir answers to the names of the two programs in ADOT's image.
 *
 * A task definition written for that image says /awscollector with the Collector's flags, and
 * /healthcheck with one of its own. Called by either name, weir does what that program did.
 */
#pragma once

#include <stddef.h>

#include "core/base/defs.h"

/* What ADOT's image starts with where a task definition has no command. */
#define ADOT_DEFAULT_PATH "/etc/otel-config.yaml"

/* "127.0.0.1:65535" and its end. */
#define ADOT_ADDRESS_MAX_BYTES 16

enum adot_name {
    ADOT_NAME_NONE, /* weir, or anything else */
    ADOT_NAME_AWSCOLLECTOR,
    ADOT_NAME_HEALTHCHECK,
};

/* By the last part of the path; NULL, as an empty command line has it, is no name. */
enum adot_name adot_name_of(const char *program);

/*
 * adot_healthcheck_read — the arguments of /healthcheck: `-port N`, with one dash or two, with the
 * number behind '=' or next.
 *   address   filled with host:port where a port is given, else left alone
 *
 * Returns 0, or EXIT_CODE_USAGE after the complaint was printed to stderr.
 */
WEIR_MUST_USE int adot_healthcheck_read(int argc, char **argv,
                                        char address[ADOT_ADDRESS_MAX_BYTES]);
