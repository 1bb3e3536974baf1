/* SPDX-License-Identifier: Apache-2.0 */
/*
 * credential_process — runs the command of a profile and keeps what it prints.
 *
 * The helper's thread only: it blocks. The command goes through /bin/sh, in a process group of its
 * own, with our environment, nothing on its input and our stderr; what runs too long is killed.
 * Source: AWS SDKs and Tools Reference, "Process credential provider".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"

/* An answer has some 1 to 2 KiB. */
#define CREDENTIAL_PROCESS_OUTPUT_MAX_BYTES 65536
/* The SDKs wait a minute; here other work waits behind it. */
#define CREDENTIAL_PROCESS_TIMEOUT_MS 20000

/*
 * credential_process_run — *out moves out: mem, CREDENTIAL_PROCESS_OUTPUT_MAX_BYTES large, of which
 * `len` are used; to be wiped. 0 when the command ended with code 0; else negative with `why`
 * (CREDENTIAL_WHY_BYTES) filled, and nothing moved.
 */
WEIR_MUST_USE int credential_process_run(const char *command, uint64_t timeout_ms, char **out,
                                         size_t *len, char *why);
