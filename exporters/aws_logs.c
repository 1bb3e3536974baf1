/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs — what the jobs of one exporter share, put together and taken apart.
 */
#include "exporters/aws_logs.h"

int aws_logs_open(struct aws_logs *logs, struct loop *loop, const struct aws_logs_options *options)
{
    ASSERT(options->limit_max > 0);
    *logs = (struct aws_logs){
        .loop = loop,
        .stats = options->stats,
        .says_emf = options->says_emf,
    };
    aws_limiter_init(&logs->limiter, options->limit_max);
    int err = aws_logs_names_init(&logs->names, options->hash_seed);
    if (err != 0) {
        return err;
    }
    err = aws_client_open(loop, &options->client, &logs->client);
    if (err != 0) {
        return err;
    }
    logs->creator = (struct aws_logs_creator){
        .client = logs->client,
        .config = options->group,
        .on_created = aws_logs_job_on_created,
        .timeout_ms = options->client.timeout_ms,
    };
    return 0;
}

void aws_logs_close(struct aws_logs *logs)
{
    for (size_t i = 0; logs->names.groups != NULL && i < AWS_LOGS_BUCKETS; i++) {
        for (struct aws_logs_group *g = logs->names.groups[i]; g != NULL; g = g->next) {
            aws_logs_create_cancel(&logs->creator, g);
        }
    }
    ASSERT(logs->limiter.in_flight == 0);
    aws_client_close(logs->client);
    aws_logs_names_fini(&logs->names);
    *logs = (struct aws_logs){0};
}
