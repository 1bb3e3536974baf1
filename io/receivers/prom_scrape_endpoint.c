/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_endpoint — labels in, rules over them, a URL and a label set out.
 *
 * No port is written into __address__ where it has none, as Prometheus does since version 3: the
 * scheme says which one is asked.
 */
#include "io/receivers/prom_scrape_endpoint.h"

#include <string.h>

#include "codecs/bytes.h"
#include "codecs/prom_relabel.h"
#include "core/base/clock.h"
#include "core/base/fault.h"
#include "io/http_client.h"
#include "io/receivers/prom_scrape_units.h"

#define ADDRESS SLICE_LITERAL("__address__")
#define SCHEME SLICE_LITERAL("__scheme__")
#define METRICS_PATH SLICE_LITERAL("__metrics_path__")
#define INTERVAL SLICE_LITERAL("__scrape_interval__")
#define TIMEOUT SLICE_LITERAL("__scrape_timeout__")
#define PARAM_PREFIX SLICE_LITERAL("__param_")
#define META_PREFIX SLICE_LITERAL("__meta_")

#define TOO_MANY_LABELS "more labels than a target may have"

/* A target on its way. Errors stick in `err`. */
struct making {
    const struct prom_job *job;
    struct label_list labels;
    struct arena *arena;
    int err;
};

/* --- labels in -------------------------------------------------------------------------------- */

static void set(struct making *making, struct slice name, struct slice value)
{
    int err = label_list_set(&making->labels, name, value);
    making->err = making->err != 0 ? making->err : err;
}

static void set_missing(struct making *making, struct slice name, struct slice value)
{
    if (label_list_value(&making->labels, name).len == 0) {
        set(making, name, value);
    }
}

static void set_duration(struct making *making, struct slice name, uint64_t duration_ns)
{
    char text[PROM_DURATION_TEXT_BYTES];
    size_t len = prom_duration_format(duration_ns, text);
    struct slice copy = arena_copy(making->arena, slice_of(text, len));
    if (copy.ptr == NULL) {
        making->err = FAULT_LIMIT;
        return;
    }
    set_missing(making, name, copy);
}

static void set_param(struct making *making, const struct prom_param *param)
{
    struct slice name = slice_of_text(param->name);
    uint8_t *text = arena_alloc(making->arena, PARAM_PREFIX.len + name.len);
    if (text == NULL) {
        making->err = FAULT_LIMIT;
        return;
    }
    memcpy(text, PARAM_PREFIX.ptr, PARAM_PREFIX.len);
    if (name.len > 0) {
        memcpy(text + PARAM_PREFIX.len, name.ptr, name.len);
    }
    set_missing(making, slice_of(text, PARAM_PREFIX.len + name.len),
                slice_of_text(param->values[0]));
}

static void gather(struct making *making, const struct prom_group *group, uint32_t target_index)
{
    const struct prom_job *job = making->job;
    for (uint32_t i = 0; i < group->label_count; i++) {
        set(making, group->labels[i].name, group->labels[i].value);
    }
    if (group->file.len > 0) {
        set(making, SLICE_LITERAL("__meta_filepath"), group->file);
    }
    set(making, ADDRESS, group->targets[target_index]);
    set_missing(making, SLICE_LITERAL("job"), slice_of_text(job->name));
    set_duration(making, INTERVAL, job->interval_ns);
    set_duration(making, TIMEOUT, job->timeout_ns);
    set_missing(making, METRICS_PATH, slice_of_text(job->metrics_path));
    set_missing(making, SCHEME, slice_of_text(job->scheme));
    for (uint32_t i = 0; i < job->param_count; i++) {
        set_param(making, &job->params[i]);
    }
}

/* --- the URL out ------------------------------------------------------------------------------ */

static bool is_unreserved(uint8_t byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '-' || byte == '_' || byte == '.' || byte == '~';
}

/* Percent-encodes what is neither unreserved nor in `kept`. */
static void put_escaped(struct bytes *url, struct slice text, const char *kept)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.ptr[i];
        if (is_unreserved(byte) || (byte != 0 && strchr(kept, byte) != NULL)) {
            bytes_append_byte(url, byte);
            continue;
        }
        bytes_append_byte(url, '%');
        bytes_append_byte(url, (uint8_t)digits[byte >> 4]);
        bytes_append_byte(url, (uint8_t)digits[byte & 15]);
    }
}

static void put_slice(struct bytes *url, struct slice text)
{
    bytes_append(url, text.ptr, text.len);
}

static void put_pair(struct bytes *url, bool *is_first, struct slice name, struct slice value)
{
    bytes_append_byte(url, *is_first ? '?' : '&');
    *is_first = false;
    put_escaped(url, name, "");
    bytes_append_byte(url, '=');
    put_escaped(url, value, "");
}

/* The parameter called `name` among those of the job, or NULL. */
static const struct prom_param *find_param(const struct prom_job *job, struct slice name)
{
    for (uint32_t i = 0; i < job->param_count; i++) {
        if (slice_is_text(name, job->params[i].name)) {
            return &job->params[i];
        }
    }
    return NULL;
}

static void put_rest(struct bytes *url, bool *is_first, const struct prom_param *param,
                     uint32_t first_index)
{
    for (uint32_t i = first_index; i < param->value_count; i++) {
        put_pair(url, is_first, slice_of_text(param->name), slice_of_text(param->values[i]));
    }
}

static struct slice param_label(const struct label *label)
{
    return slice_has_prefix(label->name, PARAM_PREFIX) ? slice_from(label->name, PARAM_PREFIX.len)
                                                       : slice_of(NULL, 0);
}

/* Parameters of labels first, which are sorted; then those whose label a rule took away. */
static void put_query(const struct making *making, struct bytes *url)
{
    const struct prom_job *job = making->job;
    bool is_first = true;
    for (uint32_t i = 0; i < making->labels.count; i++) {
        const struct label *label = &making->labels.items[i];
        struct slice name = param_label(label);
        if (name.len == 0) {
            continue;
        }
        const struct prom_param *param = find_param(job, name);
        put_pair(url, &is_first, name, label->value);
        if (param != NULL) {
            put_rest(url, &is_first, param, 1);
        }
    }
    for (uint32_t i = 0; i < job->param_count; i++) {
        bool has_label = false;
        for (uint32_t k = 0; k < making->labels.count; k++) {
            struct slice name = param_label(&making->labels.items[k]);
            has_label = has_label || (name.len > 0 && slice_is_text(name, job->params[i].name));
        }
        if (!has_label) {
            put_rest(url, &is_first, &job->params[i], 0);
        }
    }
}

/* Host and port and nothing else; brackets are those of IPv6. */
static bool is_address(struct slice address)
{
    for (size_t i = 0; i < address.len; i++) {
        uint8_t byte = address.ptr[i];
        if (byte <= ' ' || byte == 0x7F || strchr("/?#@\\\"<>^`{|}", byte) != NULL) {
            return false;
        }
    }
    return address.len > 0;
}

/* NULL, and a reason in *why, where it is too long; NULL alone where there is no room for it. */
static const char *make_url(struct making *making, const char **why)
{
    struct bytes url;
    const char *kept = NULL;
    struct slice path = label_list_value(&making->labels, METRICS_PATH);
    bytes_init(&url, PROM_URL_MAX_BYTES);
    put_slice(&url, label_list_value(&making->labels, SCHEME));
    put_slice(&url, SLICE_LITERAL("://"));
    put_slice(&url, label_list_value(&making->labels, ADDRESS));
    if (path.len > 0 && path.ptr[0] != '/') {
        bytes_append_byte(&url, '/');
    }
    put_escaped(&url, path, "/$&+,:;=@");
    put_query(making, &url);
    bytes_append_byte(&url, '\0');
    if (url.err == 0) {
        kept = (const char *)arena_copy(making->arena, bytes_slice(&url)).ptr;
    }
    *why = url.err == FAULT_LIMIT ? "its URL is too long" : NULL;
    bytes_fini(&url);
    return kept;
}

/* --- the rest out ----------------------------------------------------------------------------- */

static bool is_hidden(struct slice name)
{
    return slice_has_prefix(name, SLICE_LITERAL("__"));
}

static void remove_meta(struct label_list *labels)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < labels->count; i++) {
        if (!slice_has_prefix(labels->items[i].name, META_PREFIX)) {
            labels->items[kept] = labels->items[i];
            kept++;
        }
    }
    labels->count = kept;
}

/* The labels that samples get. Those texts that rules made are in the arena, and so is the list. */
static bool keep_labels(struct making *making, struct prom_endpoint *out)
{
    const struct label_list *labels = &making->labels;
    out->labels = arena_alloc_array(making->arena, labels->count, sizeof(out->labels[0]));
    if (out->labels == NULL) {
        return false;
    }
    for (uint32_t i = 0; i < labels->count; i++) {
        if (!is_hidden(labels->items[i].name)) {
            out->labels[out->label_count] = labels->items[i];
            out->label_count++;
        }
    }
    return true;
}

/* Every label with its length before it, so that no two sets read the same; then the URL. */
static bool keep_key(struct making *making, struct prom_endpoint *out)
{
    const struct label_list *labels = &making->labels;
    struct slice url = slice_of_text(out->url);
    size_t len = url.len;
    for (uint32_t i = 0; i < labels->count; i++) {
        len += labels->items[i].name.len + labels->items[i].value.len + 2 * sizeof(size_t);
    }
    uint8_t *key = arena_alloc(making->arena, len);
    if (key == NULL) {
        return false;
    }
    uint8_t *at = key;
    for (uint32_t i = 0; i < labels->count; i++) {
        const struct slice texts[] = {labels->items[i].name, labels->items[i].value};
        for (size_t k = 0; k < COUNT_OF(texts); k++) {
            memcpy(at, &texts[k].len, sizeof(size_t));
            at += sizeof(size_t);
            memcpy(at, texts[k].ptr, texts[k].len);
            at += texts[k].len;
        }
    }
    memcpy(at, url.ptr, url.len);
    out->key = slice_of(key, len);
    return true;
}

static const char *judge_times(const struct making *making, struct prom_endpoint *out)
{
    struct slice interval = label_list_value(&making->labels, INTERVAL);
    struct slice timeout = label_list_value(&making->labels, TIMEOUT);
    if (prom_duration_parse(interval, &out->interval_ns) != 0 ||
        out->interval_ns < CLOCK_NS_PER_MS) {
        return "__scrape_interval__ is no duration above zero";
    }
    if (prom_duration_parse(timeout, &out->timeout_ns) != 0 || out->timeout_ns < CLOCK_NS_PER_MS) {
        return "__scrape_timeout__ is no duration above zero";
    }
    return out->timeout_ns > out->interval_ns
               ? "__scrape_timeout__ is greater than __scrape_interval__"
               : NULL;
}

static const char *judge_labels(const struct making *making, uint32_t label_count)
{
    for (uint32_t i = 0; i < making->labels.count; i++) {
        if (!slice_is_utf8(making->labels.items[i].value)) {
            return "a label's value is not UTF-8";
        }
    }
    return label_count > PROM_TARGET_LABELS_MAX_COUNT ? TOO_MANY_LABELS : NULL;
}

/* NULL where everything is in order. */
static const char *judge(const struct making *making, struct prom_endpoint *out)
{
    out->scheme = label_list_value(&making->labels, SCHEME);
    if (!is_address(label_list_value(&making->labels, ADDRESS))) {
        return "__address__ is no host:port";
    }
    if (!slice_is_text(out->scheme, "http") && !slice_is_text(out->scheme, "https")) {
        return "__scheme__ is neither http nor https";
    }
    return judge_times(making, out);
}

/* Too many labels are too many the next time too; a refusal of memory is not. */
static enum prom_endpoint_state refuse(const struct making *making, const char **why)
{
    if (making->labels.count == LABEL_LIST_MAX_COUNT) {
        *why = TOO_MANY_LABELS;
        return PROM_ENDPOINT_BAD;
    }
    return PROM_ENDPOINT_NO_ROOM;
}

static enum prom_endpoint_state finish(struct making *making, struct prom_endpoint *out,
                                       const char **why)
{
    *why = judge(making, out);
    if (*why != NULL) {
        return PROM_ENDPOINT_BAD;
    }
    remove_meta(&making->labels);
    set_missing(making, SLICE_LITERAL("instance"), label_list_value(&making->labels, ADDRESS));
    out->url = make_url(making, why);
    if (*why != NULL) {
        return PROM_ENDPOINT_BAD;
    }
    if (making->err != 0 || out->url == NULL || !keep_labels(making, out) ||
        !keep_key(making, out)) {
        return refuse(making, why);
    }
    *why = http_url_is_valid(out->url) ? judge_labels(making, out->label_count)
                                       : "__address__ is no host:port";
    return *why == NULL ? PROM_ENDPOINT_MADE : PROM_ENDPOINT_BAD;
}

enum prom_endpoint_state prom_endpoint_make(const struct prom_job *job,
                                            const struct prom_group *group, uint32_t target_index,
                                            struct arena *arena, struct prom_endpoint *out,
                                            const char **why)
{
    struct making making = {.job = job, .arena = arena};
    bool is_kept = true;
    ASSERT(target_index < group->target_count);
    *out = (struct prom_endpoint){0};
    *why = NULL;
    gather(&making, group, target_index);
    if (making.err == 0) {
        making.err = prom_relabel_apply(job->relabel, &making.labels, arena, &is_kept);
    }
    if (making.err != 0) {
        return refuse(&making, why);
    }
    return is_kept ? finish(&making, out, why) : PROM_ENDPOINT_DROPPED;
}
