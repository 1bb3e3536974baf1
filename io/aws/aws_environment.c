/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_environment — a table of names, and a copy of what stands behind each.
 *
 * An empty variable counts as none, as it does for the SDKs.
 */
#include "io/aws/aws_environment.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"

static const char *const variable_names[AWS_VARIABLE_COUNT] = {
    [AWS_VARIABLE_ACCESS_KEY_ID] = "AWS_ACCESS_KEY_ID",
    [AWS_VARIABLE_ACCESS_KEY] = "AWS_ACCESS_KEY",
    [AWS_VARIABLE_SECRET_ACCESS_KEY] = "AWS_SECRET_ACCESS_KEY",
    [AWS_VARIABLE_SECRET_KEY] = "AWS_SECRET_KEY",
    [AWS_VARIABLE_SESSION_TOKEN] = "AWS_SESSION_TOKEN",
    [AWS_VARIABLE_REGION] = "AWS_REGION",
    [AWS_VARIABLE_DEFAULT_REGION] = "AWS_DEFAULT_REGION",
    [AWS_VARIABLE_PROFILE] = "AWS_PROFILE",
    [AWS_VARIABLE_CONFIG_FILE] = "AWS_CONFIG_FILE",
    [AWS_VARIABLE_SHARED_CREDENTIALS_FILE] = "AWS_SHARED_CREDENTIALS_FILE",
    [AWS_VARIABLE_WEB_IDENTITY_TOKEN_FILE] = "AWS_WEB_IDENTITY_TOKEN_FILE",
    [AWS_VARIABLE_ROLE_ARN] = "AWS_ROLE_ARN",
    [AWS_VARIABLE_ROLE_SESSION_NAME] = "AWS_ROLE_SESSION_NAME",
    [AWS_VARIABLE_CONTAINER_RELATIVE_URI] = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    [AWS_VARIABLE_CONTAINER_FULL_URI] = "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    [AWS_VARIABLE_CONTAINER_TOKEN] = "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    [AWS_VARIABLE_CONTAINER_TOKEN_FILE] = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    [AWS_VARIABLE_IMDS_DISABLED] = "AWS_EC2_METADATA_DISABLED",
    [AWS_VARIABLE_IMDS_V1_DISABLED] = "AWS_EC2_METADATA_V1_DISABLED",
    [AWS_VARIABLE_IMDS_ENDPOINT] = "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    [AWS_VARIABLE_IMDS_ENDPOINT_MODE] = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE",
    [AWS_VARIABLE_CA_BUNDLE] = "AWS_CA_BUNDLE",
    [AWS_VARIABLE_TASK_METADATA_URI] = "ECS_CONTAINER_METADATA_URI_V4",
    [AWS_VARIABLE_HOME] = "HOME",
};

static int take(struct aws_environment *env, size_t index, const char *value)
{
    if (value == NULL || value[0] == '\0') {
        return 0;
    }
    env->values[index] = mem_copy_text(value, strlen(value));
    return env->values[index] != NULL ? 0 : -ENOMEM;
}

int aws_environment_read(struct aws_environment *env)
{
    *env = (struct aws_environment){0};
    int err = 0;
    for (size_t i = 0; err == 0 && i < AWS_VARIABLE_COUNT; i++) {
        err = take(env, i, getenv(variable_names[i]));
    }
    return err;
}

int aws_environment_copy(struct aws_environment *env, const struct aws_environment *from)
{
    *env = (struct aws_environment){0};
    int err = 0;
    for (size_t i = 0; err == 0 && i < AWS_VARIABLE_COUNT; i++) {
        err = take(env, i, from->values[i]);
    }
    return err;
}

static void forget(char *value)
{
    if (value != NULL) {
        OPENSSL_cleanse(value, strlen(value));
        mem_free(value);
    }
}

int aws_environment_set(struct aws_environment *env, enum aws_variable variable, const char *value)
{
    ASSERT(variable < AWS_VARIABLE_COUNT);
    forget(env->values[variable]);
    env->values[variable] = NULL;
    return take(env, variable, value);
}

void aws_environment_fini(struct aws_environment *env)
{
    for (size_t i = 0; i < AWS_VARIABLE_COUNT; i++) {
        forget(env->values[i]);
    }
    *env = (struct aws_environment){0};
}

const char *aws_environment_text(const struct aws_environment *env, enum aws_variable variable)
{
    ASSERT(variable < AWS_VARIABLE_COUNT);
    return env->values[variable] != NULL ? env->values[variable] : "";
}

bool aws_environment_has(const struct aws_environment *env, enum aws_variable variable)
{
    ASSERT(variable < AWS_VARIABLE_COUNT);
    return env->values[variable] != NULL;
}

bool aws_environment_is_true(const struct aws_environment *env, enum aws_variable variable)
{
    return strcasecmp(aws_environment_text(env, variable), "true") == 0;
}

const char *aws_variable_name(enum aws_variable variable)
{
    ASSERT(variable < AWS_VARIABLE_COUNT);
    return variable_names[variable];
}
