/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_fixture — a tree and a report for tests, and what the report prints as one string.
 */
#pragma once

#include "core/engine/config.h"

#define FIXTURE_TEXT_MAX_BYTES 32768

struct config_fixture {
    struct config_tree tree;
    struct config_report report;
    char text[FIXTURE_TEXT_MAX_BYTES]; /* filled by config_fixture_printed */
};

void config_fixture_init(struct config_fixture *f);
void config_fixture_fini(struct config_fixture *f);

/* The report as it would stand on stderr; borrows from the fixture until the next call. */
const char *config_fixture_printed(struct config_fixture *f);
