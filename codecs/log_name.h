/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log_name — names of log groups and streams with placeholders, filled from attributes.
 *
 *     /ecs/{ClusterName}/{TaskId}  →  /ecs/prod/4d9c…
 *
 * A placeholder is looked up under its own name, then under the attribute that usually has it,
 * first in the resource, then in the record; what is nowhere, or empty, is "undefined". Characters
 * that CloudWatch Logs does not take become '_'. Pure. Source: the Collector's awscloudwatchlogs.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "codecs/bytes.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

#define LOG_NAME_MAX_BYTES 512

enum log_name_kind {
    LOG_NAME_GROUP,  /* letters, digits, _ - / . # */
    LOG_NAME_STREAM, /* anything but colon, asterisk and control characters */
};

/* Where placeholders find their values; contents of messages that were walked. */
struct log_name_source {
    struct slice resource; /* of a Resource */
    struct slice record;   /* of a LogRecord; empty for none */
};

/*
 * log_name_is_valid — whether every {…} of `pattern` is a placeholder known here.
 *   unknown   filled where one is not: its name, without braces
 */
bool log_name_is_valid(struct slice pattern, struct slice *unknown);

/*
 * log_name_fill — appends the name that `pattern`, a valid one, stands for.
 *
 *   out            at most LOG_NAME_MAX_BYTES are appended, the rest is cut; errors stick to it
 *   is_undefined   set when a placeholder found nothing; never cleared
 */
void log_name_fill(struct slice pattern, enum log_name_kind kind,
                   const struct log_name_source *source, struct bytes *out, bool *is_undefined);
