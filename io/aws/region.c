/* SPDX-License-Identifier: Apache-2.0 */
/*
 * region — picks the first text that names one and takes it out of ARN and document.
 */
#include "io/aws/region.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "io/aws/json_members.h"

/* A task's ARN is about 120 bytes; IAM allows 2 048. */
#define ARN_MAX_BYTES 2048
/* arn:partition:service:region:… */
#define ARN_REGION_INDEX 3

bool aws_region_is_valid(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '-') {
            return false;
        }
    }
    return text.len > 0 && text.len <= AWS_REGION_MAX_BYTES;
}

const char *aws_region_source_name(enum aws_region_source source)
{
    switch (source) {
    case AWS_REGION_UNKNOWN:
        return "unknown";
    case AWS_REGION_SETTING:
        return "setting";
    case AWS_REGION_ENV:
        return "AWS_REGION";
    case AWS_REGION_ENV_DEFAULT:
        return "AWS_DEFAULT_REGION";
    case AWS_REGION_PROFILE:
        return "profile";
    case AWS_REGION_TASK:
        return "task_metadata";
    case AWS_REGION_INSTANCE:
        return "instance_metadata";
    }
    return "unknown";
}

/* On a refusal the source stays, because somebody has to be told. */
static int take(struct slice text, enum aws_region_source source, struct aws_region *out)
{
    *out = (struct aws_region){.source = source};
    if (!aws_region_is_valid(text)) {
        return FAULT_MALFORMED;
    }
    memcpy(out->text, text.ptr, text.len);
    return 0;
}

int aws_region_choose(const struct aws_region_texts *texts, struct aws_region *out)
{
    const struct {
        struct slice text;
        enum aws_region_source source;
    } choices[] = {
        {texts->setting, AWS_REGION_SETTING},
        {texts->env_region, AWS_REGION_ENV},
        {texts->env_default_region, AWS_REGION_ENV_DEFAULT},
        {texts->profile, AWS_REGION_PROFILE},
    };
    for (size_t i = 0; i < COUNT_OF(choices); i++) {
        if (choices[i].text.len > 0) {
            return take(choices[i].text, choices[i].source, out);
        }
    }
    *out = (struct aws_region){0};
    return -ENOENT;
}

int aws_region_from_arn(struct slice arn, struct aws_region *out)
{
    *out = (struct aws_region){0};
    if (!slice_has_prefix(arn, SLICE_LITERAL("arn:"))) {
        return FAULT_MALFORMED;
    }
    struct slice rest = arn;
    for (size_t i = 0; i < ARN_REGION_INDEX; i++) {
        size_t colon = slice_find(rest, ':');
        if (colon == rest.len) {
            return FAULT_MALFORMED;
        }
        rest = slice_from(rest, colon + 1);
    }
    size_t end = slice_find(rest, ':');
    if (end == rest.len || !aws_region_is_valid(slice_first(rest, end))) {
        return FAULT_MALFORMED;
    }
    return take(slice_first(rest, end), AWS_REGION_TASK, out);
}

int aws_region_from_task(struct slice json, struct aws_region *out)
{
    char arn[ARN_MAX_BYTES];
    struct json_member member = {.name = SLICE_LITERAL("TaskARN")};
    *out = (struct aws_region){0};
    if (json_members_read(json, &member, 1) != 0 ||
        json_member_copy(&member, arn, sizeof(arn)) != 0) {
        return FAULT_MALFORMED;
    }
    return aws_region_from_arn(slice_of_text(arn), out);
}

int aws_region_from_instance(struct slice json, struct aws_region *out)
{
    char text[AWS_REGION_MAX_BYTES + 1];
    struct json_member member = {.name = SLICE_LITERAL("region")};
    *out = (struct aws_region){0};
    if (json_members_read(json, &member, 1) != 0 ||
        json_member_copy(&member, text, sizeof(text)) != 0 ||
        !aws_region_is_valid(slice_of_text(text))) {
        return FAULT_MALFORMED;
    }
    return take(slice_of_text(text), AWS_REGION_INSTANCE, out);
}
