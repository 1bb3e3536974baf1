/* SPDX-License-Identifier: Apache-2.0 */
/*
 * admin_status — the state of weir as JSON, the health answer, and the page that shows the former.
 */
#include <stdio.h>
#include <string.h>

#include "codecs/json_out.h"
#include "core/base/clock.h"
#include "tools/weir/admin_page.h"
#include "tools/weir/books.h"
#include "tools/weir/process_info.h"

#define OFFENDERS_MAX 20

static void put_text(struct json_out *json, const char *key, const char *value)
{
    json_out_key(json, slice_of_text(key));
    json_out_string(json, slice_of_text(value));
}

static void put_u64(struct json_out *json, const char *key, uint64_t value)
{
    json_out_key(json, slice_of_text(key));
    json_out_u64(json, value);
}

static void put_bool(struct json_out *json, const char *key, bool value)
{
    json_out_key(json, slice_of_text(key));
    json_out_bool(json, value);
}

/* Every counter of an instance by the name of its field. */
static void put_rows(struct json_out *json, enum stats_scope scope, const void *instance)
{
    size_t count;
    const struct stats_row *rows = stats_rows(&count);
    for (size_t i = 0; i < count; i++) {
        if (rows[i].scope == scope) {
            put_u64(json, rows[i].field, stats_read(&rows[i], instance));
        }
    }
}

static void put_books(struct json_out *json, const struct life *life)
{
    struct books books;
    books_read(life->graph, &life->past, &books);
    json_out_key(json, slice_of_text("books"));
    json_out_open(json, '{');
    put_bool(json, "wire_balanced", books.wire_is_balanced);
    put_bool(json, "items_balanced", books.items_are_balanced);
    put_bool(json, "out_balanced", books.out_is_balanced);
    put_u64(json, "wire_received", counter_read(&books.in.wire_received));
    put_u64(json, "wire_parsed", counter_read(&books.in.wire_parsed));
    put_u64(json, "items_decoded", counter_read(&books.in.items_decoded));
    put_u64(json, "items_accepted", books.items_accepted);
    put_u64(json, "items_invalid", books.items_invalid);
    put_u64(json, "points_emitted", counter_read(&books.in.points_emitted));
    put_u64(json, "items_offered", counter_read(&books.out.items_offered));
    put_u64(json, "items_delivered", counter_read(&books.out.items_delivered));
    put_u64(json, "items_rejected", books.items_rejected);
    put_u64(json, "items_dropped", books.items_dropped);
    put_u64(json, "items_held", counter_read(&books.out.items_held));
    json_out_close(json, '}');
}

static void put_reasons(struct json_out *json, const struct receiver *receiver,
                        const struct receiver_stats *sum)
{
    json_out_key(json, slice_of_text("invalid_lines"));
    json_out_open(json, '{');
    for (uint32_t i = 0; i < STATS_LINE_REASON_MAX; i++) {
        const char *reason = receiver->ops->line_reason(i);
        if (reason == NULL) {
            break;
        }
        if (counter_read(&sum->line_reasons[i]) != 0) {
            put_u64(json, reason, counter_read(&sum->line_reasons[i]));
        }
    }
    json_out_close(json, '}');
}

static void put_offenders(struct json_out *json, struct receiver *receiver)
{
    struct receiver_offender offenders[OFFENDERS_MAX];
    uint32_t count = receiver->ops->offenders(receiver, offenders, OFFENDERS_MAX);
    json_out_key(json, slice_of_text("most_series"));
    json_out_open(json, '[');
    for (uint32_t i = 0; i < count; i++) {
        json_out_open(json, '{');
        put_text(json, "name", offenders[i].name);
        put_u64(json, "series", offenders[i].series_count);
        json_out_close(json, '}');
    }
    json_out_close(json, ']');
}

static void put_receivers(struct json_out *json, const struct graph *graph)
{
    json_out_key(json, slice_of_text("receivers"));
    json_out_open(json, '[');
    for (uint32_t i = 0; i < graph->receiver_count; i++) {
        const struct graph_receiver *entry = graph->receivers[i];
        if (entry == NULL) {
            continue;
        }
        struct receiver_stats sum = {0};
        books_sum_receiver(entry->receiver, &sum);
        json_out_open(json, '{');
        put_text(json, "id", entry->id);
        put_text(json, "transport", entry->receiver->transport);
        put_rows(json, STATS_RECEIVER, &sum);
        put_reasons(json, entry->receiver, &sum);
        put_offenders(json, entry->receiver);
        json_out_close(json, '}');
    }
    json_out_close(json, ']');
}

static void put_signals(struct json_out *json, uint32_t signals)
{
    json_out_key(json, slice_of_text("signals"));
    json_out_open(json, '[');
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        if ((signals & SIGNAL_BIT(i)) != 0) {
            json_out_string(json, slice_of_text(graph_signal_name((enum graph_signal)i)));
        }
    }
    json_out_close(json, ']');
}

static void put_exporters(struct json_out *json, const struct graph *graph)
{
    json_out_key(json, slice_of_text("exporters"));
    json_out_open(json, '[');
    for (uint32_t i = 0; i < graph->exporter_count; i++) {
        const struct graph_exporter *entry = graph->exporters[i];
        if (entry == NULL) {
            continue;
        }
        json_out_open(json, '{');
        put_text(json, "id", entry->id);
        put_signals(json, entry->signals);
        put_rows(json, STATS_EXPORTER, &entry->exporter->stats);
        json_out_close(json, '}');
    }
    json_out_close(json, ']');
}

static void put_threads(struct json_out *json, const struct life *life)
{
    json_out_key(json, slice_of_text("threads"));
    json_out_open(json, '[');
    for (uint32_t i = 0; i <= life->shard_count; i++) {
        const struct worker *worker = i < life->shard_count ? &life->shards[i] : &life->egress;
        json_out_open(json, '{');
        put_text(json, "name", worker->name);
        put_text(json, "io", worker->backend_text);
        put_rows(json, STATS_WORKER, &worker->stats);
        json_out_close(json, '}');
    }
    json_out_close(json, ']');
}

void admin_page_status(const struct life *life, struct bytes *out)
{
    struct json_out json = json_out_of(out);
    json_out_open(&json, '{');
    put_text(&json, "version", WEIR_VERSION);
    put_text(&json, "state", life_state_text(life->state));
    put_bool(&json, "ready", life_is_ready(life));
    put_u64(&json, "uptime_ms", (clock_mono_ns() - life->started_mono_ns) / CLOCK_NS_PER_MS);
    put_u64(&json, "memory_resident_bytes", process_resident_bytes());
    json_out_key(&json, slice_of_text("config"));
    json_out_string(&json, life->graph->origin);
    put_u64(&json, "reloads", life->reload_count);
    put_u64(&json, "reloads_failed", life->reload_failed_count);
    put_u64(&json, "graphs_draining", life->old_graph_count);
    put_text(&json, "instance_id", life->instance_id);
    put_books(&json, life);
    put_receivers(&json, life->graph);
    put_exporters(&json, life->graph);
    put_threads(&json, life);
    json_out_close(&json, '}');
    bytes_append_byte(out, '\n');
}

void admin_page_health(const struct life *life, struct bytes *out)
{
    struct json_out json = json_out_of(out);
    char since[CLOCK_RFC3339_BYTES];
    char uptime[32] = "";
    bool is_ready = life_is_ready(life);
    json_out_open(&json, '{');
    put_text(&json, "status", is_ready ? "Server available" : "Server not available");
    if (clock_format_rfc3339(life->started_unix_ns, since, sizeof(since)) == 0 || !is_ready) {
        (void)snprintf(since, sizeof(since), "0001-01-01T00:00:00Z");
    } else {
        (void)snprintf(uptime, sizeof(uptime), "%.3fs",
                       (double)(clock_mono_ns() - life->started_mono_ns) / 1e9);
    }
    put_text(&json, "upSince", since);
    put_text(&json, "uptime", uptime);
    json_out_close(&json, '}');
}

struct slice admin_page_html(void)
{
    static const char page[] =
        "<!doctype html><html lang=en><meta charset=utf-8><title>weir</title>"
        "<meta name=viewport content='width=device-width'>"
        "<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;"
        "padding:0 1rem;color:#222}table{border-collapse:collapse;margin:.5rem 0 1.5rem}"
        "td,th{padding:.2rem .8rem .2rem 0;text-align:left;vertical-align:top}"
        "td+td{font-variant-numeric:tabular-nums;text-align:right}h1{font-size:1.4rem}"
        "h2{font-size:1.05rem;margin:1.5rem 0 0}.no{color:#b00020;font-weight:600}"
        "</style><h1>weir</h1><p id=head>reading …</p><div id=body></div>"
        "<p><a href=/metrics>/metrics</a> · <a href=/api/v1/status>/api/v1/status</a></p>"
        "<script>\n"
        "const esc=s=>String(s).replace(/[&<>\"]/g,c=>'&#'+c.charCodeAt(0)+';');\n"
        "const row=(k,v)=>'<tr><td>'+esc(k)+'<td'+(v===false?' class=no':'')+'>'+"
        "esc(typeof v==='number'?v.toLocaleString('en'):v);\n"
        "const table=(t,o)=>'<h2>'+esc(t)+'</h2><table>'+Object.entries(o)"
        ".filter(([,v])=>typeof v!=='object'&&v!==0).map(([k,v])=>row(k,v)).join('')+'</table>';\n"
        "async function show(){try{const s=await (await fetch('/api/v1/status')).json();\n"
        "head.textContent='weir '+s.version+', '+s.state+', up '+Math.round(s.uptime_ms/1000)+"
        "' s, '+Math.round(s.memory_resident_bytes/1e5)/10+' MB, config: '+s.config;\n"
        "let h=table('Books',s.books);\n"
        "for(const r of s.receivers){h+=table('receiver '+r.id,r)+table('refused lines',"
        "r.invalid_lines);if(r.most_series.length)h+='<h2>most series</h2><table>'+"
        "r.most_series.map(o=>row(o.name,o.series)).join('')+'</table>';}\n"
        "for(const e of s.exporters)h+=table('exporter '+e.id,e);\n"
        "for(const t of s.threads)h+=table('thread '+t.name,t);\n"
        "body.innerHTML=h;}catch(e){head.textContent='no answer: '+e;}}\n"
        "const head=document.getElementById('head'),body=document.getElementById('body');\n"
        "show();setInterval(show,2000);\n</script></html>\n";
    return slice_of(page, sizeof(page) - 1);
}
