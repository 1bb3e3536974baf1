/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_command — `weir xray`: the flags and the cfg.yaml of the X-Ray daemon become a
 * configuration.
 *
 * A task definition written for the daemon changes its image and nothing else. Source: `xray
 * --help` and cfg.yaml of the AWS X-Ray daemon 3.x.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/log.h"

#define XRAY_TEXT_MAX_BYTES 1024

/* What the daemon can be told; texts are NUL-terminated, empty where nothing was said. */
struct xray_command {
    char udp_address[XRAY_TEXT_MAX_BYTES];
    char tcp_address[XRAY_TEXT_MAX_BYTES];
    char region[XRAY_TEXT_MAX_BYTES];
    char endpoint[XRAY_TEXT_MAX_BYTES];
    char role_arn[XRAY_TEXT_MAX_BYTES];
    char resource_arn[XRAY_TEXT_MAX_BYTES];
    char proxy_address[XRAY_TEXT_MAX_BYTES];
    char log_path[XRAY_TEXT_MAX_BYTES];
    char log_level[XRAY_TEXT_MAX_BYTES];
    char config_path[XRAY_TEXT_MAX_BYTES];
    uint64_t buffer_mb; /* 0: not said */
    uint64_t concurrency;
    bool is_local_mode;
    bool is_unverified; /* NoVerifySSL */
    bool wants_help;
    bool wants_version;
};

/*
 * xray_command_read — the arguments behind `xray`, and the file that they or the daemon's search
 * path name; a flag wins over the file.
 *
 * 0, or an exit code after the complaint was printed to stderr. Blocks on the file.
 */
WEIR_MUST_USE int xray_command_read(struct xray_command *command, int argc, char **argv);

/* The configuration that does the same, as YAML; errors stick in `out`. */
void xray_command_write(const struct xray_command *command, struct bytes *out);

/* The daemon's word for a level in ours. False: it has no such level. */
bool xray_command_log_level(const struct xray_command *command, enum log_level *out);

void xray_command_print_help(void);
