/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_job — one scrape_config: what to fetch, from whom, how often, within which limits.
 *
 * Everything borrows from the arena of the receiver's settings. Read once by the main thread,
 * frozen after start. Source: Prometheus, "Configuration", <scrape_config>.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "codecs/label_list.h"
#include "io/receivers/prom_scrape_groups.h"
#include "io/receivers/prom_scrape_http.h"

struct prom_relabel;

/* 0 where there is no limit. */
struct prom_limits {
    uint64_t body_bytes; /* uncompressed */
    uint32_t samples;    /* after metric relabelling */
    uint32_t targets;    /* after relabelling */
    uint32_t labels;
    uint32_t label_name_bytes;
    uint32_t label_value_bytes;
};

/* Formats in the order asked for. */
enum prom_protocol {
    PROM_PROTOCOL_OPENMETRICS_1,
    PROM_PROTOCOL_OPENMETRICS_0,
    PROM_PROTOCOL_TEXT_1,
    PROM_PROTOCOL_TEXT_0,
};
#define PROM_PROTOCOL_COUNT 4

struct prom_protocols {
    enum prom_protocol list[PROM_PROTOCOL_COUNT];
    uint32_t count; /* 0: not written */
};

/* `global`: what jobs fall back to. */
struct prom_global {
    uint64_t interval_ns;
    uint64_t timeout_ns;
    struct prom_limits limits;
    struct prom_protocols protocols;
    const char *escaping; /* of names, as asked for */
    struct label *external_labels;
    uint32_t external_label_count;
    bool reports_extra;
};

/* A parameter of the query string; its first value may be relabelled. */
struct prom_param {
    const char *name;
    const char **values;
    uint32_t value_count; /* at least one */
};

/* An entry of file_sd_configs. */
struct prom_file_sd {
    const char **patterns; /* the last part may have one '*' */
    uint32_t pattern_count;
    uint64_t refresh_ns;
};

/* Texts are never NULL. */
struct prom_job {
    const char *name;
    uint64_t interval_ns;
    uint64_t timeout_ns; /* at most the interval */
    const char *metrics_path;
    const char *scheme;
    const char *accept; /* the header line */
    struct prom_param *params;
    uint32_t param_count;
    struct prom_limits limits;
    struct prom_scrape_http http;
    struct prom_groups groups; /* static_configs */
    struct prom_file_sd *file_sds;
    uint32_t file_sd_count;
    struct prom_relabel *relabel;        /* owned; NULL for no rules */
    struct prom_relabel *metric_relabel; /* owned; NULL for no rules */
    bool honors_labels;
    bool honors_timestamps;
    bool tracks_timestamps;
    bool is_compressed;
    bool reports_extra;
    bool is_fallback_openmetrics; /* what an answer without a known Content-Type is */
};

/* Sets every default of Prometheus. */
void prom_global_init(struct prom_global *global);

/* Reads and finishes `global`; complaints go to the reader's report. */
void prom_global_read(struct config_reader *r, struct prom_texts *texts, struct prom_global *out);

/*
 * prom_job_read — reads and finishes one scrape_config; complaints go to the reader's report.
 * prom_job_fini after it in any case.
 */
void prom_job_read(struct config_reader *r, const struct prom_global *global,
                   struct prom_texts *texts, struct prom_job *out);

/* Frees the rules. Idempotent. */
void prom_job_fini(struct prom_job *job);
