/* SPDX-License-Identifier: Apache-2.0 */
/*
 * option_table — see option_table.h.
 */
#include "bench/option_table.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool option_read_number(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    char *end = NULL;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return errno == 0 && *end == '\0' && *value >= least && *value <= most;
}

static bool option_read_word(const char *const *words, const char *text, char *at)
{
    for (uint32_t i = 0; words[i] != NULL; i++) {
        if (strcmp(text, words[i]) == 0) {
            memcpy(at, &i, sizeof(i));
            return true;
        }
    }
    return false;
}

static bool option_store(const struct option_table *table, const struct option_row *row,
                         const char *text, void *options)
{
    char *at = (char *)options + row->offset;
    uint64_t value = 0;
    switch (row->kind) {
    case OPTION_TEXT:
        memcpy(at, &text, sizeof(text));
        return true;
    case OPTION_FLAG:
        value = 1;
        memcpy(at, &value, sizeof(value));
        return true;
    case OPTION_U32: {
        const bool is_good = option_read_number(text, row->least, row->most, &value);
        const uint32_t narrow = (uint32_t)value;
        memcpy(at, &narrow, sizeof(narrow));
        return is_good;
    }
    case OPTION_U64: {
        const bool is_good = option_read_number(text, row->least, row->most, &value);
        memcpy(at, &value, sizeof(value));
        return is_good;
    }
    case OPTION_WORD:
        return option_read_word(table->words[row->least], text, at);
    case OPTION_OWN:
        return table->read(row, text, options);
    }
    return false;
}

static const struct option_row *option_find(const struct option_table *table, const char *word)
{
    for (size_t i = 0; i < table->row_count; i++) {
        if (strncmp(word, "--", 2) == 0 && strcmp(word + 2, table->rows[i].name) == 0) {
            return &table->rows[i];
        }
    }
    return NULL;
}

int option_table_parse(const struct option_table *table, void *options, int argc, char **argv,
                       int first, char *const **command)
{
    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) {
            *command = i + 1 < argc ? &argv[i + 1] : NULL;
            return 0;
        }
        const struct option_row *row = option_find(table, argv[i]);
        if (row == NULL) {
            (void)fprintf(stderr, "weir-bench: unknown option %s\n", argv[i]);
            return -EINVAL;
        }
        const char *text = "";
        if (row->kind != OPTION_FLAG) {
            i++;
            text = i < argc ? argv[i] : NULL;
        }
        if (text == NULL || !option_store(table, row, text, options)) {
            (void)fprintf(stderr, "weir-bench: --%s: %s is not a usable value (%s)\n", row->name,
                          text == NULL ? "nothing" : text, row->help);
            return -EINVAL;
        }
    }
    return 0;
}

void option_table_print(const struct option_table *table, FILE *to)
{
    for (size_t i = 0; i < table->row_count; i++) {
        const struct option_row *row = &table->rows[i];
        (void)fprintf(to, "  --%-20s %s", row->name, row->help);
        if (row->kind == OPTION_U32 || row->kind == OPTION_U64) {
            (void)fprintf(to, " [%" PRIu64 " to %" PRIu64 "]", row->least, row->most);
        }
        (void)fputc('\n', to);
    }
}
