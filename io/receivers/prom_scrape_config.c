/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_config — the outer keys, then job after job.
 */
#include "io/receivers/prom_scrape_config.h"

#include <errno.h>
#include <string.h>

#include "core/base/slice.h"

#define TEXTS_CHUNK_BYTES 4096
/* Sixteen times what a configuration may have: lists and rules beside their texts. */
#define TEXTS_MAX_BYTES (UINT64_C(16) * CONFIG_TEXT_MAX_BYTES)

static bool is_taken(const struct prom_scrape_config *config, const char *name)
{
    for (uint32_t i = 0; i < config->job_count; i++) {
        if (strcmp(config->jobs[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void read_jobs(struct config_reader *r, struct prom_texts *texts,
                      struct prom_scrape_config *out)
{
    const struct config_node *node = config_reader_ask(r, "scrape_configs");
    uint32_t capacity = node != NULL ? node->child_count : 0;
    out->jobs = prom_texts_array(texts, capacity, sizeof(out->jobs[0]));
    struct config_items items = config_open_list(r, "scrape_configs");
    struct config_reader job;
    while (out->jobs != NULL && config_next_section(&items, &job)) {
        struct prom_job *next = &out->jobs[out->job_count];
        prom_job_read(&job, &out->global, texts, next);
        if (next->name[0] != '\0' && is_taken(out, next->name)) {
            config_refuse(&job, "job_name", "there is another job '%s'", next->name);
        }
        out->job_count++;
    }
    if (capacity == 0) {
        config_refuse(r, "scrape_configs", "scrape_configs must have at least one entry");
    }
}

static void read_prometheus(struct config_reader *parent, struct prom_texts *texts,
                            struct prom_scrape_config *out)
{
    static const char *const unsupported[] = {
        "alerting", "otlp",    "remote_read", "remote_write",        "rule_files",
        "runtime",  "storage", "tracing",     "scrape_config_files",
    };
    struct config_reader r;
    struct config_reader global;
    (void)config_open_section(parent, "config", &r);
    (void)config_open_section(&r, "global", &global);
    prom_global_read(&global, texts, &out->global);
    read_jobs(&r, texts, out);
    for (size_t i = 0; i < COUNT_OF(unsupported); i++) {
        config_known_unsupported(&r, unsupported[i]);
    }
    (void)config_reader_finish(&r); /* the parent's finish knows */
}

/* The Collector's older switch for what is now extra_scrape_metrics; it is for every job. */
static void read_extra(struct config_reader *r, struct prom_scrape_config *out)
{
    bool reports_extra = false;
    (void)config_read_bool(r, "report_extra_scrape_metrics", false, &reports_extra);
    for (uint32_t i = 0; i < out->job_count; i++) {
        out->jobs[i].reports_extra = out->jobs[i].reports_extra || reports_extra;
    }
}

int prom_scrape_config_read(struct config_reader *r, struct prom_scrape_config *out)
{
    *out = (struct prom_scrape_config){0};
    int err = arena_init(&out->texts, TEXTS_CHUNK_BYTES, TEXTS_MAX_BYTES);
    if (err != 0) {
        return err;
    }
    struct prom_texts texts = {.arena = &out->texts};
    bool uses_start_metric = false;
    read_prometheus(r, &texts, out);
    read_extra(r, out);
    (void)config_read_bool(r, "trim_metric_suffixes", false, &out->trims_suffixes);
    (void)config_read_bool(r, "use_start_time_metric", false, &uses_start_metric);
    if (uses_start_metric) {
        config_refuse(r, "use_start_time_metric",
                      "use_start_time_metric: true is known but not supported yet");
    }
    config_known_unsupported(r, "start_time_metric_regex");
    config_known_unsupported(r, "target_allocator");
    config_known_unsupported(r, "api_server");
    config_known_unsupported(r, "ignore_metadata");
    err = config_reader_finish(r);
    return texts.is_short ? -ENOMEM : err;
}

void prom_scrape_config_fini(struct prom_scrape_config *config)
{
    for (uint32_t i = 0; i < config->job_count; i++) {
        prom_job_fini(&config->jobs[i]);
    }
    arena_fini(&config->texts);
    *config = (struct prom_scrape_config){0};
}
