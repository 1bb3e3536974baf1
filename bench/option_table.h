/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_table — the command line of a bench program, read by one table.
 *
 * A row names an option, where its value goes, its bounds and its sentence; the reader and the help
 * text are made from it. Everything after `--` is a command to run.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/defs.h"

enum option_kind {
    OPTION_TEXT, /* const char *, borrowed from the command line */
    OPTION_U32,
    OPTION_U64,
    OPTION_FLAG, /* uint64_t, set to 1; takes no value */
    OPTION_WORD, /* an enum: index into the list words[least] of the table */
    OPTION_OWN,  /* read by the table's own function */
};

struct option_row {
    const char *name;
    enum option_kind kind;
    size_t offset;
    uint64_t least;
    uint64_t most;
    const char *help;
};

/* False when `text` is not a usable value. `options` is the struct the table is for. */
typedef bool(option_read_fn)(const struct option_row *row, const char *text, void *options);

struct option_table {
    const struct option_row *rows;
    size_t row_count;
    const char *const *const *words; /* lists of words, each ending with NULL */
    option_read_fn *read;            /* for OPTION_OWN */
};

/*
 * option_table_parse — reads `argv` from `first` on into `options`. *command is what follows `--`,
 * untouched where there is none. Says on stderr what is wrong. Returns 0 or -EINVAL.
 */
WEIR_MUST_USE int option_table_parse(const struct option_table *table, void *options, int argc,
                                     char **argv, int first, char *const **command);

/* One line per option. */
void option_table_print(const struct option_table *table, FILE *to);

/* A decimal number and nothing else, within bounds. */
WEIR_MUST_USE bool option_read_number(const char *text, uint64_t least, uint64_t most,
                                      uint64_t *value);
