/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_command — the X-Ray part of weir-bench's command line: `xray`, `xray-sink`, `xray-run`.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

/* Is `word` one of those three? */
bool xray_command_is(const char *word);

/* Does it; argv[1] is the word. Returns the status to exit with. */
int xray_command_main(int argc, char **argv, const atomic_bool *cancel);

/* Usage and options. */
void xray_command_print(FILE *to);
