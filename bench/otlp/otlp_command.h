/* SPDX-License-Identifier: Apache-2.0 */
/*
 * otlp_command — the OTLP half of weir-bench's command line: `otlp`, `otlp-sink`, `otlp-run`.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

/* Is `word` one of those three? */
bool otlp_command_is(const char *word);

/* Does it; argv[1] is the word. Returns the status to exit with. */
int otlp_command_main(int argc, char **argv, const atomic_bool *cancel);

/* Usage and options. */
void otlp_command_print(FILE *to);
