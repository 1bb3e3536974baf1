/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_receiver — a pool for each job, and what the pools share.
 */
#include "io/receivers/prom_scrape_receiver.h"

#include <errno.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/receivers/prom_scrape_config.h"
#include "io/receivers/prom_scrape_pool.h"
#include "io/receivers/pull_receiver.h"

struct prom_scrape_receiver {
    struct pull_receiver pull;
    struct prom_scrape_config config;
    struct prom_hub hub;
    struct prom_pool *pools; /* owned; one for each job of the configuration */
};

static struct prom_scrape_receiver *of(struct pull_receiver *pull)
{
    return CONTAINER_OF(pull, struct prom_scrape_receiver, pull);
}

/* Files that TLS needs; those with targets or secrets may come later. */
static int check_tls(const struct prom_job *job, const char *id)
{
    const struct http_tls_options *tls = &job->http.client.tls;
    const char *const files[] = {tls->ca_file, tls->cert_file, tls->key_file};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (files[i][0] != '\0' && access(files[i], R_OK) != 0) {
            int fault = -errno;
            log_error("tls_file_unreadable", LOG_TEXT("receiver", id), LOG_TEXT("file", files[i]),
                      LOG_FAULT("reason", fault));
            return fault;
        }
    }
    return 0;
}

static int prom_check(struct pull_receiver *pull, const struct receiver_home *home)
{
    const struct prom_scrape_config *config = &of(pull)->config;
    int err = 0;
    (void)home;
    for (uint32_t i = 0; i < config->job_count && err == 0; i++) {
        err = check_tls(&config->jobs[i], pull->receiver.id);
    }
    return err;
}

static int prom_open(struct pull_receiver *pull, struct loop *loop)
{
    struct prom_scrape_receiver *receiver = of(pull);
    const struct prom_scrape_config *config = &receiver->config;
    struct prom_hub *hub = &receiver->hub;
    hub->pull = pull;
    hub->loop = loop;
    hub->seed = pull->home->hash_seed;
    hub->memory.budget = pull->home->memory;
    receiver->pools = mem_alloc_array(config->job_count, sizeof(receiver->pools[0]));
    int err = receiver->pools != NULL ? prom_bench_open(&hub->bench, pull, loop) : -ENOMEM;
    for (uint32_t i = 0; i < config->job_count && err == 0; i++) {
        err = prom_pool_open(&receiver->pools[i], config, &config->jobs[i], hub);
    }
    if (err != 0) {
        log_error("receiver_failed", LOG_TEXT("receiver", pull->receiver.id),
                  LOG_FAULT("reason", err));
    }
    return err;
}

static void prom_start(struct pull_receiver *pull)
{
    struct prom_scrape_receiver *receiver = of(pull);
    for (uint32_t i = 0; i < receiver->config.job_count; i++) {
        prom_pool_start(&receiver->pools[i]);
    }
}

static void prom_stop(struct pull_receiver *pull)
{
    struct prom_scrape_receiver *receiver = of(pull);
    prom_bench_close(&receiver->hub.bench);
    for (uint32_t i = 0; receiver->pools != NULL && i < receiver->config.job_count; i++) {
        prom_pool_close(&receiver->pools[i]);
    }
    lease_fini(&receiver->hub.memory);
    mem_free(receiver->pools);
    receiver->pools = NULL;
}

static void prom_free(struct pull_receiver *pull)
{
    struct prom_scrape_receiver *receiver = of(pull);
    prom_scrape_config_fini(&receiver->config);
    mem_free(receiver);
}

static const struct pull_ops prom_ops = {
    .type = "prometheus",
    .check = prom_check,
    .open = prom_open,
    .start = prom_start,
    .stop = prom_stop,
    .free = prom_free,
    .reason = prom_bench_reason,
};

int prom_scrape_receiver_new(struct config_reader *config, const char *id, struct receiver **out)
{
    struct prom_scrape_receiver *receiver = mem_alloc(sizeof(*receiver));
    if (receiver == NULL) {
        return -ENOMEM;
    }
    int err = prom_scrape_config_read(config, &receiver->config);
    if (err != 0) {
        prom_scrape_config_fini(&receiver->config);
        mem_free(receiver);
        return err;
    }
    pull_receiver_init(&receiver->pull, &prom_ops, id, "http", 0);
    *out = &receiver->pull.receiver;
    return 0;
}
