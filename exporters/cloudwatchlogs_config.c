/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cloudwatchlogs_config — names are checked as patterns, because a misspelt placeholder would
 * become part of a log group's name.
 */
#include "exporters/cloudwatchlogs_config.h"

#include <errno.h>

#include "codecs/log_name.h"
#include "core/engine/config.h"

#define TEXTS_CHUNK_BYTES 4096
#define TEXTS_MAX_BYTES CONFIG_VALUE_MAX_BYTES
/* One at a time, so that what waits does not overtake what failed. */
#define CONSUMERS_DEFAULT 1

static int read_pattern(struct config_reader *r, const char *key, struct arena *texts,
                        struct slice *out)
{
    struct slice text;
    struct slice unknown = {0};
    *out = (struct slice){0};
    if (!config_require(r, key) || !config_read_text(r, key, NULL, &text)) {
        (void)config_reader_ask(r, key); /* a valid key all the same */
        return 0;
    }
    if (!log_name_is_valid(text, &unknown)) {
        config_refuse(r, key, "%s has an unknown placeholder {%.*s}", key, (int)unknown.len,
                      unknown.len > 0 ? (const char *)unknown.ptr : "");
        return 0;
    }
    *out = arena_copy(texts, text);
    return out->ptr == NULL ? -ENOMEM : 0;
}

/* As aws_session_sender_read, with another number of consumers where none is written. */
static void read_sender(struct config_reader *r, struct cloudwatchlogs_config *out)
{
    struct aws_session_config session = out->session;
    if (!config_has(r, "num_workers")) {
        session.worker_count = CONSUMERS_DEFAULT;
    }
    aws_session_sender_read(r, &session, &out->sender);
}

int cloudwatchlogs_config_read(struct config_reader *r, struct cloudwatchlogs_config *out)
{
    *out = (struct cloudwatchlogs_config){0};
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    err = read_pattern(r, "log_group_name", &out->texts, &out->log_group_name);
    int next_err = read_pattern(r, "log_stream_name", &out->texts, &out->log_stream_name);
    err = err != 0 ? err : next_err;
    config_read_bool(r, "raw_log", false, &out->is_raw);
    next_err = aws_logs_group_config_read(r, &out->texts, &out->group);
    err = err != 0 ? err : next_err;
    next_err = aws_session_config_read(r, &out->texts, &out->session);
    read_sender(r, out);
    return err != 0 ? err : next_err;
}

void cloudwatchlogs_config_fini(struct cloudwatchlogs_config *config)
{
    arena_fini(&config->texts);
    *config = (struct cloudwatchlogs_config){0};
}
