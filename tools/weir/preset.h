/* SPDX-License-Identifier: Apache-2.0 */
/*
 * preset — the configuration that weir starts with when it is given none.
 *
 * With a region and credentials in the environment it is the one that ADOT's image starts with on
 * ECS, so that a task definition without a configuration goes on as before; else everything can be
 * seen at home and nothing is sent anywhere.
 */
#pragma once

#include <stdbool.h>

/* Does the environment say which region and who we are? Looks at variables alone. */
bool preset_is_on_aws(void);

/* Static, NUL-terminated; chosen by preset_is_on_aws. */
const char *preset_default_name(void);
const char *preset_default_text(void);
