/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_info — what the kernel knows about this process.
 */
#pragma once

#include <stdint.h>

/* Resident memory; 0 where /proc does not say. */
uint64_t process_resident_bytes(void);
