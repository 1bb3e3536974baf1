/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preset — the configuration that weir starts with when it is given none.
 */
#pragma once

/* Static, NUL-terminated. */
const char *preset_default_name(void);
const char *preset_default_text(void);
