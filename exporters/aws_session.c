/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_session — session keys are checked here, because a wrong one would only show as a failed
 * request much later.
 */
#include "exporters/aws_session.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/engine/config.h"
#include "exporters/exporter_bounds.h"
#include "exporters/http_client_config.h"
#include "io/aws/signed_request.h"
#include "io/http_client.h"

#define WORKERS_DEFAULT 8
#define REQUEST_TIMEOUT_DEFAULT_S 30
#define REQUEST_TIMEOUT_MAX_S 86400
#define REGION_MAX_BYTES 32
#define RETRIES_MAX 1000000

/* A NUL-terminated copy, "" where the key is not set. */
static int read_text(struct config_reader *r, const char *key, struct arena *texts,
                     const char **out)
{
    struct slice text;
    *out = "";
    if (!config_read_text(r, key, NULL, &text) || text.len == 0) {
        return 0;
    }
    if (slice_find(text, 0) != text.len) {
        config_refuse(r, key, "%s must not hold a NUL byte", key);
        return 0;
    }
    const char *copy = http_text_copy(texts, text);
    if (copy == NULL) {
        return -ENOMEM;
    }
    *out = copy;
    return 0;
}

/* It becomes part of a host name, and of what is signed. */
static bool is_region(const char *region)
{
    size_t len = strlen(region);
    for (size_t i = 0; i < len; i++) {
        char c = region[i];
        bool is_letter = c >= 'a' && c <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        if (!is_letter && !is_digit && c != '-') {
            return false;
        }
    }
    return len <= REGION_MAX_BYTES;
}

static void judge(struct config_reader *r, const struct aws_session_config *s)
{
    if (!is_region(s->region)) {
        config_refuse(r, "region", "region must be a name such as eu-central-1");
    }
    if (s->endpoint[0] != '\0' && !http_url_is_valid(s->endpoint)) {
        config_refuse(r, "endpoint", "endpoint must be a URL such as https://logs.example.com");
    }
    if (s->role_arn[0] != '\0' && strncmp(s->role_arn, "arn:", 4) != 0) {
        config_refuse(r, "role_arn", "role_arn must begin with arn:");
    }
    if (s->external_id[0] != '\0' && s->role_arn[0] == '\0') {
        config_caution(r, "external_id", "external_id has no effect without role_arn");
    }
}

/*
 * Where it is not written, retry_on_failure alone says how long to try: two repeats within a second
 * would lose a batch to the shortest outage.
 */
static uint32_t read_attempts(struct config_reader *r)
{
    uint32_t retries_max = 0;
    if (!config_read_u32(r, "max_retries", 0, RETRIES_MAX, &retries_max)) {
        return 0;
    }
    return retries_max + 1;
}

int aws_session_config_read(struct config_reader *r, struct arena *texts,
                            struct aws_session_config *out)
{
    *out = (struct aws_session_config){0};
    const struct {
        const char *key;
        const char **out;
    } fields[] = {
        {"region", &out->region},
        {"endpoint", &out->endpoint},
        {"role_arn", &out->role_arn},
        {"external_id", &out->external_id},
        {"resource_arn", &out->resource_arn},
        {"proxy_address", &out->proxy_address},
    };
    int err = 0;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        int field_err = read_text(r, fields[i].key, texts, fields[i].out);
        err = err == 0 ? field_err : err;
    }
    config_read_bool(r, "no_verify_ssl", false, &out->no_verify_ssl);
    config_read_bool(r, "local_mode", false, &out->is_local_mode);
    config_read_u32(r, "num_workers", WORKERS_DEFAULT, SENDER_CONSUMERS_MAX, &out->worker_count);
    config_read_u64(r, "request_timeout_seconds", REQUEST_TIMEOUT_DEFAULT_S,
                    &out->request_timeout_s);
    out->attempts_max = read_attempts(r);
    if (out->worker_count == 0) {
        config_refuse(r, "num_workers", "num_workers must be positive");
        out->worker_count = WORKERS_DEFAULT;
    }
    if (out->request_timeout_s == 0 || out->request_timeout_s > REQUEST_TIMEOUT_MAX_S) {
        config_refuse(r, "request_timeout_seconds",
                      "request_timeout_seconds must be between 1 and %d", REQUEST_TIMEOUT_MAX_S);
        out->request_timeout_s = REQUEST_TIMEOUT_DEFAULT_S;
    }
    judge(r, out);
    return err;
}

/* Was sending_queue.num_consumers written? */
static bool names_consumers(struct config_reader *r)
{
    const struct config_node *queue = config_reader_ask(r, "sending_queue");
    return config_node_find(queue, SLICE_LITERAL("num_consumers")) != NULL;
}

void aws_session_sender_read(struct config_reader *r, const struct aws_session_config *session,
                             struct sender_config *out)
{
    sender_config_read(r, session->request_timeout_s * CLOCK_NS_PER_S, out);
    out->attempts_max = session->attempts_max;
    if (!names_consumers(r)) {
        out->consumer_count = session->worker_count;
    }
}

void aws_session_client_options(const struct aws_session_config *session, const char *service,
                                struct aws_client_options *out)
{
    *out = (struct aws_client_options){
        .service = service,
        .region = session->region,
        .endpoint = session->endpoint,
        .role_arn = session->role_arn,
        .external_id = session->external_id,
        .proxy_address = session->proxy_address,
        .insecure_skip_verify = session->no_verify_ssl,
        .is_local_mode = session->is_local_mode,
        .timeout_ms = session->request_timeout_s * 1000,
    };
}
