/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_exporter_telemetry — one record a minute, sent with those that could not be sent before.
 */
#include "exporters/xray_exporter_telemetry.h"

#include <string.h>

#include "core/base/clock.h"
#include "io/loop.h"

#define BODY_MAX_BYTES 65536
#define RESPONSE_MAX_BYTES 4096

/* --- counting --------------------------------------------------------------------------------- */

void xray_telemetry_count_received(struct xray_telemetry *telemetry, uint64_t item_count)
{
    telemetry->current.received_count += item_count;
    telemetry->has_received = telemetry->has_received || item_count > 0;
}

void xray_telemetry_count_sent(struct xray_telemetry *telemetry, uint64_t document_count,
                               uint64_t rejected_count)
{
    telemetry->current.sent_count += document_count;
    telemetry->current.rejected_count += rejected_count;
}

static bool says(const char *text, const char *words)
{
    return strcasestr(text, words) != NULL;
}

void xray_telemetry_count_failure(struct xray_telemetry *telemetry, const struct aws_answer *answer)
{
    struct xray_telemetry_record *record = &telemetry->current;
    if (answer->status >= 400 && answer->status <= 499) {
        record->http_4xx_count++;
    } else if (answer->status >= 500 && answer->status <= 599) {
        record->http_5xx_count++;
    } else if (answer->was_answered || answer->fault_text == NULL) {
        record->other_count++;
    } else if (says(answer->fault_text, "time")) {
        record->timeout_count++;
    } else if (says(answer->fault_text, "connect")) {
        record->connection_refused_count++;
    } else if (says(answer->fault_text, "resolve") || says(answer->fault_text, "host")) {
        record->unknown_host_count++;
    } else {
        record->other_count++;
    }
}

/* What was given up here, by whatever reason. */
static uint64_t dropped_items(const struct exporter_stats *stats)
{
    return counter_read(&stats->items_dropped_queue_full) +
           counter_read(&stats->items_dropped_retry) +
           counter_read(&stats->items_dropped_shutdown) +
           counter_read(&stats->items_dropped_memory);
}

/* --- sending ---------------------------------------------------------------------------------- */

static void forget_oldest(struct xray_telemetry *telemetry, size_t count)
{
    ASSERT(count <= telemetry->kept_count);
    telemetry->kept_count -= count;
    memmove(telemetry->kept, telemetry->kept + count,
            telemetry->kept_count * sizeof(telemetry->kept[0]));
}

/* The minute is over: its record joins those that wait. Not while a request reads from them. */
static void keep_current(struct xray_telemetry *telemetry)
{
    uint64_t dropped = dropped_items(telemetry->stats);
    if (telemetry->kept_count == XRAY_TELEMETRY_KEPT_MAX) {
        forget_oldest(telemetry, 1);
    }
    telemetry->current.time_unix_ns = loop_now_unix_ns(telemetry->loop);
    telemetry->current.spillover_count = dropped - telemetry->dropped_seen;
    telemetry->dropped_seen = dropped;
    telemetry->kept[telemetry->kept_count++] = telemetry->current;
    telemetry->current = (struct xray_telemetry_record){0};
}

static void make_last(struct xray_telemetry *telemetry)
{
    telemetry->has_ended = true;
    keep_current(telemetry);
}

/* Of a call that begins now; 0 for the client's own. */
static uint64_t timeout_ms_of(const struct xray_telemetry *telemetry)
{
    uint64_t now_mono_ns = loop_now_mono_ns(telemetry->loop);
    if (!telemetry->is_ending) {
        return 0;
    }
    uint64_t left_ns =
        telemetry->deadline_mono_ns > now_mono_ns ? telemetry->deadline_mono_ns - now_mono_ns : 0;
    return left_ns / CLOCK_NS_PER_MS + 1;
}

static void send_kept(struct xray_telemetry *telemetry);

static void telemetry_on_done(struct aws_request *request, const struct aws_answer *answer)
{
    struct xray_telemetry *telemetry = CONTAINER_OF(request, struct xray_telemetry, request);
    size_t sent_count = telemetry->sending_count;
    telemetry->sending_count = 0;
    if (answer->outcome == AWS_OK) {
        forget_oldest(telemetry, sent_count);
    }
    if (telemetry->is_ending && !telemetry->has_ended) {
        make_last(telemetry);
        send_kept(telemetry);
    } else if (answer->outcome == AWS_OK) {
        send_kept(telemetry);
    }
}

/* The oldest that wait, as many as a call takes. */
static void send_kept(struct xray_telemetry *telemetry)
{
    size_t count = telemetry->kept_count;
    count = count < XRAY_TELEMETRY_RECORDS_MAX ? count : XRAY_TELEMETRY_RECORDS_MAX;
    ASSERT(telemetry->sending_count == 0);
    if (count == 0) {
        return;
    }
    bytes_clear(&telemetry->text);
    xray_put_telemetry(&telemetry->text, &telemetry->source, telemetry->kept, count);
    if (telemetry->text.err != 0) {
        return; /* the next minute has another chance */
    }
    telemetry->body =
        (struct iovec){.iov_base = telemetry->text.ptr, .iov_len = telemetry->text.len};
    telemetry->header = (struct aws_header){.name = SLICE_LITERAL("Content-Type"),
                                            .value = SLICE_LITERAL("application/json")};
    telemetry->request = (struct aws_request){
        .method = "POST",
        .path = XRAY_PUT_TELEMETRY_PATH,
        .headers = &telemetry->header,
        .header_count = 1,
        .body = &telemetry->body,
        .body_count = 1,
        .timeout_ms = timeout_ms_of(telemetry),
        .response_max_bytes = RESPONSE_MAX_BYTES,
        .on_done = telemetry_on_done,
    };
    if (aws_client_start(telemetry->client, &telemetry->request) == 0) {
        telemetry->sending_count = count;
    }
}

static void telemetry_on_minute(struct timer *timer, uint64_t now_mono_ns)
{
    struct xray_telemetry *telemetry = CONTAINER_OF(timer, struct xray_telemetry, timer);
    if (loop_timer_arm(telemetry->loop, timer, now_mono_ns + telemetry->interval_ns) != 0) {
        return; /* the heap had room for it a moment ago: it is not taken away */
    }
    /* While a call is under way this minute goes on. */
    if (telemetry->has_received && telemetry->sending_count == 0) {
        keep_current(telemetry);
        send_kept(telemetry);
    }
}

/* --- public ----------------------------------------------------------------------------------- */

int xray_telemetry_open(struct xray_telemetry *telemetry, struct loop *loop,
                        struct aws_client *client, const struct xray_telemetry_config *config,
                        const struct exporter_stats *stats)
{
    *telemetry = (struct xray_telemetry){
        .timer.on_fire = telemetry_on_minute,
        .client = client,
        .stats = stats,
        .source = config->source,
        .interval_ns = XRAY_TELEMETRY_INTERVAL_S * CLOCK_NS_PER_S,
    };
    bytes_init(&telemetry->text, BODY_MAX_BYTES);
    if (!config->is_enabled) {
        return 0;
    }
    telemetry->loop = loop;
    return loop_timer_arm(loop, &telemetry->timer, loop_now_mono_ns(loop) + telemetry->interval_ns);
}

void xray_telemetry_end(struct xray_telemetry *telemetry, uint64_t deadline_mono_ns)
{
    if (telemetry->loop == NULL || !telemetry->has_received || telemetry->is_ending) {
        return;
    }
    telemetry->is_ending = true;
    telemetry->deadline_mono_ns = deadline_mono_ns;
    loop_timer_cancel(telemetry->loop, &telemetry->timer);
    if (telemetry->sending_count == 0) {
        make_last(telemetry);
        send_kept(telemetry);
    }
}

bool xray_telemetry_is_idle(const struct xray_telemetry *telemetry)
{
    return telemetry->sending_count == 0;
}

void xray_telemetry_close(struct xray_telemetry *telemetry)
{
    if (telemetry->loop != NULL) {
        loop_timer_cancel(telemetry->loop, &telemetry->timer);
    }
    if (telemetry->sending_count > 0) {
        aws_client_cancel(telemetry->client, &telemetry->request);
    }
    bytes_fini(&telemetry->text);
    *telemetry = (struct xray_telemetry){0};
}
