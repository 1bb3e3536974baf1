/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_report — one row per metric.
 */
#include "codecs/prom_report.h"

#define NS_PER_S 1e9

static struct prom_report report_of(const char *name, const char *help, const char *unit,
                                    double value)
{
    return (struct prom_report){
        .name = slice_of_text(name),
        .about = {.help = slice_of_text(help),
                  .unit = slice_of_text(unit),
                  .type = PROM_TYPE_GAUGE},
        .value = value,
    };
}

uint32_t prom_report_make(const struct prom_report_numbers *numbers,
                          struct prom_report out[PROM_REPORTS_MAX])
{
    const struct prom_scrape_result *result = numbers->result;
    const struct prom_rules *rules = numbers->rules;
    uint32_t count = 0;
    out[count++] =
        report_of("up", "The scraping was successful", "", result->why == PROM_SCRAPE_FINE ? 1 : 0);
    out[count++] = report_of("scrape_duration_seconds", "Duration of the scrape", "seconds",
                             (double)numbers->duration_ns / NS_PER_S);
    out[count++] = report_of("scrape_samples_scraped", "The number of samples the target exposed",
                             "", (double)result->sample_count);
    out[count++] = report_of("scrape_samples_post_metric_relabeling",
                             "The number of samples remaining after metric relabeling was applied",
                             "", (double)result->kept_sample_count);
    out[count++] =
        report_of("scrape_series_added", "The approximate number of new series in this scrape", "",
                  (double)result->added_series_count);
    if (!rules->reports_extra) {
        return count;
    }
    out[count++] = report_of("scrape_timeout_seconds", "The timeout of the scrape", "seconds",
                             rules->timeout_seconds);
    out[count++] =
        report_of("scrape_sample_limit", "The number of samples a page may have, 0 for any", "",
                  (double)rules->sample_limit);
    out[count++] = report_of("scrape_body_size_bytes", "The size of the page, uncompressed",
                             "bytes", (double)numbers->body_bytes);
    ASSERT(count == PROM_REPORTS_MAX);
    return count;
}
