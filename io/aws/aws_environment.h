/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_environment — the variables that say where credentials and the region are, read once.
 *
 * Owns copies, so that the helper's thread may look at its own. Secrets are wiped when it goes.
 * Source: AWS SDKs and Tools Reference, "Environment variables list".
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"

enum aws_variable {
    AWS_VARIABLE_ACCESS_KEY_ID,
    AWS_VARIABLE_ACCESS_KEY, /* the older name of the same */
    AWS_VARIABLE_SECRET_ACCESS_KEY,
    AWS_VARIABLE_SECRET_KEY,
    AWS_VARIABLE_SESSION_TOKEN,
    AWS_VARIABLE_REGION,
    AWS_VARIABLE_DEFAULT_REGION,
    AWS_VARIABLE_PROFILE,
    AWS_VARIABLE_CONFIG_FILE,
    AWS_VARIABLE_SHARED_CREDENTIALS_FILE,
    AWS_VARIABLE_WEB_IDENTITY_TOKEN_FILE,
    AWS_VARIABLE_ROLE_ARN,
    AWS_VARIABLE_ROLE_SESSION_NAME,
    AWS_VARIABLE_CONTAINER_RELATIVE_URI,
    AWS_VARIABLE_CONTAINER_FULL_URI,
    AWS_VARIABLE_CONTAINER_TOKEN,
    AWS_VARIABLE_CONTAINER_TOKEN_FILE,
    AWS_VARIABLE_IMDS_DISABLED,
    AWS_VARIABLE_IMDS_V1_DISABLED,
    AWS_VARIABLE_IMDS_ENDPOINT,
    AWS_VARIABLE_IMDS_ENDPOINT_MODE,
    AWS_VARIABLE_CA_BUNDLE,
    AWS_VARIABLE_TASK_METADATA_URI,
    AWS_VARIABLE_HOME,
    AWS_VARIABLE_COUNT,
};

/* Zeroed: nothing is set. */
struct aws_environment {
    char *values[AWS_VARIABLE_COUNT]; /* owned; NULL where unset or empty */
};

/* Copies the process environment. 0 or -ENOMEM; fini is fine either way. */
WEIR_MUST_USE int aws_environment_read(struct aws_environment *env);

/* As aws_environment_read, from another one. */
WEIR_MUST_USE int aws_environment_copy(struct aws_environment *env,
                                       const struct aws_environment *from);

/* Another value, which is copied; none where it is empty. 0 or -ENOMEM. */
WEIR_MUST_USE int aws_environment_set(struct aws_environment *env, enum aws_variable variable,
                                      const char *value);

/* Wipes and frees; leaves zeros. */
void aws_environment_fini(struct aws_environment *env);

/* The value, or "". Borrows until fini. */
const char *aws_environment_text(const struct aws_environment *env, enum aws_variable variable);

/* Neither unset nor empty. */
bool aws_environment_has(const struct aws_environment *env, enum aws_variable variable);

/* Set to "true", in any case. */
bool aws_environment_is_true(const struct aws_environment *env, enum aws_variable variable);

/* How the variable is called; static. */
const char *aws_variable_name(enum aws_variable variable);
