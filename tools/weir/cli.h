/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cli — the command line and its WEIR_… environment twins, as plain settings.
 *
 * A flag wins over its variable. Texts borrow from argv and the environment.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/log.h"
#include "io/loop.h"
#include "tools/weir/adot_names.h"

#define CLI_URIS_MAX 32
#define CLI_DEFAULT_PATH "/etc/weir/config.yaml"

/* Exit codes: DESIGN "Configuration and command line". */
enum {
    EXIT_CODE_OK = 0,
    EXIT_CODE_FAILED = 1,
    EXIT_CODE_USAGE = 2,
    EXIT_CODE_UNREACHABLE = 3, /* weir health */
    EXIT_CODE_CONFIG = 78,
};

enum cli_command {
    CLI_RUN,
    CLI_VALIDATE,
    CLI_CONFIG,
    CLI_COMPONENTS,
    CLI_HEALTH,
    CLI_VERSION,
    CLI_HELP,
};

struct cli {
    enum cli_command command;
    const char *uris[CLI_URIS_MAX];
    size_t uri_count;
    const char *sets[CLI_URIS_MAX];
    size_t set_count;
    enum loop_backend backend;
    uint32_t shard_count; /* 0: from affinity and quota */
    bool is_pinned;
    bool has_log_level;
    enum log_level log_level;
    enum log_format log_format;
    uint64_t drain_timeout_ns;
    bool has_settle_time;       /* else until input is silent, two fifths of the drain at most */
    uint64_t settle_time_ns;    /* 0: reads on not at all; shorter than the drain */
    bool is_strict;             /* validate: warnings are errors */
    bool is_json;               /* version, components, config */
    bool is_unredacted;         /* config */
    const char *health_address; /* host:port of the health endpoint */
    const char *default_path;   /* read where no configuration is given and it exists */
    bool passes_over_flags;     /* ones that are not ours: a warning instead of a complaint */
    char health_text[ADOT_ADDRESS_MAX_BYTES]; /* behind health_address, called as healthcheck */
};

/*
 * cli_parse — reads argv and the environment. The program's own name counts: see adot_names.h.
 *   cli   filled; stays where it is, texts may point into it
 *
 * Returns 0, or an exit code after the complaint was printed to stderr.
 */
WEIR_MUST_USE int cli_parse(struct cli *cli, int argc, char **argv);

/* How long an end reads on at most, and after how long a silence input is over before that. */
uint64_t cli_settle_max_ns(const struct cli *cli);
uint64_t cli_quiet_ns(const struct cli *cli);

/* The help text, on stdout. */
void cli_print_help(void);
