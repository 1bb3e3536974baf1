/* SPDX-License-Identifier: Apache-2.0 */
/*
 * process_info — what the kernel knows about this process, and the name it gives itself.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* A random UUID, version 4, with its NUL; `cap` is 37 at least. */
void process_make_instance_id(char *text, size_t cap);

/* Resident memory; 0 where /proc does not say. */
uint64_t process_resident_bytes(void);
