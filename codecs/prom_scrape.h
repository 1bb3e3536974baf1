/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape — the page that a target answered, as the OTLP metrics the Collector makes of it.
 *
 * Three things with three lives. `prom_rules` is what a scrape_config says, frozen. `prom_target`
 * is what is remembered of one target from page to page: which series there were, since when, and
 * what they said. `prom_scrape` is a workbench for one page at a time; one serves all targets of a
 * thread. A page is worked through in turns, so that a large one does not hold the thread:
 *
 *     prom_scrape_begin(scrape, target, &page);
 *     while (prom_scrape_turn(scrape, &sink)) { … later … }
 *     result = prom_scrape_result(scrape);
 *
 * A page counts as a whole or not at all: a line that cannot be read, or a limit, drops its samples
 * and `up` says 0. Series that are gone end with a point that has no recorded value. Sources:
 * Prometheus "Exposition formats", OpenMetrics 1.0.0; OpenTelemetry "Prometheus and OpenMetrics
 * compatibility"; behaviour of the Collector's prometheus receiver.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codecs/label_list.h"
#include "codecs/prom_text.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

struct prom_relabel;
struct prom_scrape;
struct prom_target;

/* What all targets of one scrape_config have in common. Borrows; must outlive its targets. */
struct prom_rules {
    const struct prom_relabel *metric_relabel; /* may be NULL */
    const struct label *external_labels;       /* written over the sample's own */
    uint32_t external_label_count;
    struct slice scope_version; /* of the scope that samples have which name none: weir's version */
    bool honors_labels;         /* honor_labels */
    bool ignores_timestamps;    /* the opposite of honor_timestamps */
    bool tracks_timestamps;     /* track_timestamps_staleness */
    bool trims_suffixes;        /* trim_metric_suffixes */
    bool reports_extra;         /* report_extra_scrape_metrics */
    uint64_t sample_limit;      /* after relabelling; 0: none, here and below */
    uint32_t label_limit;       /* with the name and the target's labels */
    uint32_t label_name_max_bytes;
    uint32_t label_value_max_bytes;
    uint64_t body_max_bytes; /* body_size_limit; only for the extra metrics */
    double timeout_seconds;  /* only for the extra metrics */
};

/*
 * prom_target_new — remembers nothing yet.
 *
 *   rules    borrowed until prom_target_free
 *   labels   after relabelling, with "job" and "instance", without those that begin with "__";
 *            copied
 *   scheme   "http" or "https"; copied
 *
 * 0; FAULT_LIMIT for more than PROM_TARGET_LABELS_MAX_COUNT labels; -ENOMEM.
 */
WEIR_MUST_USE int prom_target_new(const struct prom_rules *rules, const struct label *labels,
                                  uint32_t label_count, struct slice scheme,
                                  struct prom_target **out);

/* NULL is fine. No page of it may be under way. */
void prom_target_free(struct prom_target *target);

/* Series that are remembered, and what they take. */
uint32_t prom_target_series_count(const struct prom_target *target);
size_t prom_target_used_bytes(const struct prom_target *target);

/* What became of asking a target. */
enum prom_fetch {
    PROM_FETCH_DONE,   /* body is the page */
    PROM_FETCH_FAILED, /* no page: `up` is 0, and what was there ends */
    PROM_FETCH_GONE,   /* the target is no longer scraped: everything ends, `up` too */
};

struct prom_page {
    enum prom_fetch fetch;
    enum prom_format format; /* of the body, see prom_scrape_format */
    struct slice body;       /* borrowed until the last turn; not compressed any more */
    uint64_t time_unix_ns;   /* when the scrape was due or began: the time of its points */
    uint64_t duration_ns;    /* how long fetching took */
};

/* The format of an answer by its Content-Type: OpenMetrics if it says so, text otherwise. */
enum prom_format prom_scrape_format(struct slice content_type);

/* Why a page does not count. */
enum prom_scrape_why {
    PROM_SCRAPE_FINE,
    PROM_SCRAPE_NOT_FETCHED, /* PROM_FETCH_FAILED */
    PROM_SCRAPE_BAD_LINE,    /* result.line and result.detail say more */
    PROM_SCRAPE_NAMELESS,    /* relabelling left a sample without a valid name */
    PROM_SCRAPE_SAMPLE_LIMIT,
    PROM_SCRAPE_LABEL_LIMIT, /* any of the three limits on labels, or weir's own bound */
    PROM_SCRAPE_MEMORY,      /* the page needs more than PROM_SCRAPE_MAX_BYTES, or is refused it */
    PROM_SCRAPE_WHY_COUNT,
};

/* The label of a reason, static: "bad_line". */
const char *prom_scrape_why_label(enum prom_scrape_why why);

/* Points left out of a page that counts; labels as above. Each count is points, or samples that
 * would have become part of one. */
enum prom_drop {
    PROM_DROP_NO_BOUNDARY, /* a bucket without a readable `le`, a quantile without `quantile` */
    PROM_DROP_TIME,        /* the samples of one histogram or summary disagree about its time */
    PROM_DROP_INCOMPLETE,  /* a histogram or summary without a _count */
    PROM_DROP_BUCKETS,     /* counts that decrease, are negative or not a number */
    PROM_DROP_TOO_LARGE,   /* a point that finds no room in PROM_PART_MAX_BYTES */
    PROM_DROP_COUNT,
};

const char *prom_drop_label(enum prom_drop drop);

struct prom_scrape_result {
    enum prom_scrape_why why;
    uint32_t line;              /* of BAD_LINE, from 1; of the limits too; else 0 */
    const char *detail;         /* static, never NULL: what is wrong with the line */
    uint64_t sample_count;      /* on the page: scrape_samples_scraped */
    uint64_t kept_sample_count; /* after relabelling */
    uint64_t added_series_count;
    uint64_t point_count;     /* pushed, those of `up` and its like included */
    uint64_t ended_count;     /* of these, points without a recorded value */
    uint64_t untracked_count; /* series beyond the bounds of a target: without start and end */
    uint64_t drops[PROM_DROP_COUNT];
};

/*
 * Where the points go. `push` is called from prom_scrape_turn; `bytes` are whole ResourceMetrics
 * fields, at most PROM_PART_MAX_BYTES, and borrow until it returns.
 */
struct prom_sink;
typedef void(prom_sink_push_fn)(struct prom_sink *sink, struct slice bytes, uint32_t point_count);
struct prom_sink {
    prom_sink_push_fn *push;
};

/*
 * A workbench: about 1.5 MiB, and up to PROM_SCRAPE_MAX_BYTES more while a page is under way. The
 * seed of its hash tables is random and the same for all benches that one target is put on. 0 or
 * -ENOMEM.
 */
WEIR_MUST_USE int prom_scrape_new(uint64_t hash_seed, struct prom_scrape **out);

/* NULL is fine. Gives up a page that is under way. */
void prom_scrape_free(struct prom_scrape *scrape);

/*
 * prom_scrape_begin — puts a page on the bench. None may be under way.
 *
 *   target   borrowed until the last turn, and not on another bench
 *   page     copied; its body is borrowed until the last turn
 */
void prom_scrape_begin(struct prom_scrape *scrape, struct prom_target *target,
                       const struct prom_page *page);

/*
 * prom_scrape_turn — goes on: reads about PROM_TURN_MAX_BYTES of the page, or pushes one part.
 * True while there is more to do. What a failed page had is never pushed.
 */
bool prom_scrape_turn(struct prom_scrape *scrape, struct prom_sink *sink);

/* Takes the page off the bench before its last turn. What was pushed stays pushed. */
void prom_scrape_abandon(struct prom_scrape *scrape);

/* What became of the last page; valid after its last turn and until the next begins. */
const struct prom_scrape_result *prom_scrape_result(const struct prom_scrape *scrape);
