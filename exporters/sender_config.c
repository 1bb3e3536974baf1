/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sender_config — the keys that every networked exporter shares: `timeout`, `sending_queue` and
 * `retry_on_failure`, with the Collector's names and defaults.
 */
#include "core/base/clock.h"
#include "core/engine/config.h"
#include "exporters/exporter_bounds.h"
#include "exporters/sender.h"

#define CONSUMERS_DEFAULT 10
#define QUEUE_SIZE_DEFAULT 1000
#define RETRY_INITIAL_DEFAULT_NS (5 * CLOCK_NS_PER_S)

static void read_queue(struct config_reader *r, struct sender_config *out)
{
    static const char *const sizers[] = {
        [QUEUE_REQUESTS] = "requests",
        [QUEUE_ITEMS] = "items",
        [QUEUE_BYTES] = "bytes",
    };
    struct config_reader s;
    bool waits_for_result = false;
    out->is_queue_enabled = config_open_optional(r, "sending_queue", true, &s);
    config_read_u32(&s, "num_consumers", CONSUMERS_DEFAULT, SENDER_CONSUMERS_MAX,
                    &out->consumer_count);
    config_read_u64(&s, "queue_size", QUEUE_SIZE_DEFAULT, &out->queue_size_units);
    config_read_enum(&s, "sizer", CONFIG_WORDS(sizers), QUEUE_REQUESTS, &out->sizer);
    config_read_bool(&s, "block_on_overflow", false, &out->blocks_on_overflow);
    config_read_bool(&s, "wait_for_result", false, &waits_for_result);
    if (waits_for_result) {
        config_known_unsupported(&s, "wait_for_result");
    }
    config_known_unsupported(&s, "storage");
    config_known_unsupported(&s, "batch");
    if (out->consumer_count == 0) {
        config_refuse(&s, "num_consumers", "num_consumers must be positive");
        out->consumer_count = CONSUMERS_DEFAULT;
    }
    if (out->queue_size_units == 0) {
        config_refuse(&s, "queue_size", "queue_size must be positive");
        out->queue_size_units = QUEUE_SIZE_DEFAULT;
    }
    (void)config_reader_finish(&s); /* the parent's finish knows */
}

void sender_config_read(struct config_reader *r, uint64_t default_timeout_ns,
                        struct sender_config *out)
{
    *out = (struct sender_config){0};
    config_read_duration_ns(r, "timeout", default_timeout_ns, &out->timeout_ns);
    read_queue(r, out);
    retry_config_read(r, RETRY_INITIAL_DEFAULT_NS, &out->retry);
}
