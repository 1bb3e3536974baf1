/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_otlp — one part per call: open what is around the next point, write points until one does
 * not fit, close what is open.
 *
 * Before something is opened, room for its own texts is set aside by lifting the beginning of the
 * buffer, so that closing it cannot fail. What is opened and stays empty is taken back.
 */
#include "codecs/prom_otlp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "codecs/prom_otlp_point.h"
#include "codecs/prom_unit.h"
#include "core/base/bounds.h"
#include "core/base/mem.h"
#include "core/otlp/otlp_point.h"

/* Heads of one message or text: tag and length, twice around an attribute. */
#define HEAD_MAX_BYTES 24

#define RECEIVER_SCOPE                                                                             \
    SLICE_LITERAL("github.com/open-telemetry/opentelemetry-collector-contrib/receiver/"            \
                  "prometheusreceiver")

enum {
    TAG_RESOURCE_METRICS = 0x0A,
    TAG_RESOURCE = 0x0A,
    TAG_RESOURCE_ATTRIBUTE = 0x0A,
    TAG_SCOPE_METRICS = 0x12,
    TAG_SCOPE = 0x0A,
    TAG_SCOPE_NAME = 0x0A,
    TAG_SCOPE_VERSION = 0x12,
    TAG_SCOPE_ATTRIBUTE = 0x1A,
    TAG_SCHEMA_URL = 0x1A,
    TAG_METRIC = 0x12,
    TAG_METRIC_NAME = 0x0A,
    TAG_METRIC_DESCRIPTION = 0x12,
    TAG_METRIC_UNIT = 0x1A,
    TAG_METRIC_METADATA = 0x62,
    TAG_TEMPORALITY = 0x10,
    TAG_MONOTONIC = 0x18,
};

int prom_writer_init(struct prom_writer *writer)
{
    *writer = (struct prom_writer){0};
    writer->buf = mem_alloc(PROM_PART_MAX_BYTES);
    return writer->buf != NULL ? 0 : -ENOMEM;
}

void prom_writer_fini(struct prom_writer *writer)
{
    mem_free(writer->buf);
    *writer = (struct prom_writer){0};
}

/* --- the next point --------------------------------------------------------------------------- */

static struct prom_group *first_in_families(const struct prom_family_node *family)
{
    while (family != NULL && family->groups == NULL) {
        family = family->next;
    }
    return family != NULL ? family->groups : NULL;
}

static struct prom_group *first_in_scopes(const struct prom_scope *scope)
{
    struct prom_group *group = NULL;
    while (scope != NULL && group == NULL) {
        group = first_in_families(scope->families);
        scope = scope->next;
    }
    return group;
}

static struct prom_group *first_in_resources(const struct prom_resource *resource)
{
    struct prom_group *group = NULL;
    while (resource != NULL && group == NULL) {
        group = first_in_scopes(resource->scopes);
        resource = resource->next;
    }
    return group;
}

static struct prom_group *next_of(const struct prom_group *group)
{
    const struct prom_family_node *family = group->family;
    if (group->next != NULL) {
        return group->next;
    }
    struct prom_group *next = first_in_families(family->next);
    if (next == NULL) {
        next = first_in_scopes(family->scope->next);
    }
    return next != NULL ? next : first_in_resources(family->scope->resource->next);
}

static struct prom_group *skip_left_out(struct prom_group *group)
{
    while (group != NULL && group->is_left_out) {
        group = next_of(group);
    }
    return group;
}

void prom_writer_begin(struct prom_writer *writer, const struct prom_writer_job *job)
{
    uint8_t *buf = writer->buf;
    *writer = (struct prom_writer){
        .buf = buf,
        .scope_version = job->scope_version,
        .scheme = job->scheme,
        .trims_suffixes = job->trims_suffixes,
        .at = skip_left_out(first_in_resources(job->tree->resources)),
    };
}

/* --- room ------------------------------------------------------------------------------------- */

static size_t labels_max_bytes(struct prom_label_view labels)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < labels.count; i++) {
        bytes += labels.items[i].name.len + labels.items[i].value.len + 4 * HEAD_MAX_BYTES;
    }
    return bytes;
}

static bool set_aside(struct otlp_build *b, size_t bytes)
{
    if (b->err != 0 || bytes > (size_t)(b->head - b->begin)) {
        return false;
    }
    b->begin += bytes;
    return true;
}

/* --- resources -------------------------------------------------------------------------------- */

/* "host:port", "[::1]:port"; without a colon, or with several and no brackets, all is the host. */
static void split_instance(struct slice instance, struct slice *host, struct slice *port)
{
    size_t colon = instance.len;
    *host = instance;
    *port = (struct slice){0};
    while (colon > 0 && instance.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return;
    }
    struct slice front = slice_first(instance, colon - 1);
    bool has_brackets = front.len >= 2 && front.ptr[0] == '[' && front.ptr[front.len - 1] == ']';
    if (!has_brackets && slice_find(front, ':') < front.len) {
        return;
    }
    *host = has_brackets ? slice_of(front.ptr + 1, front.len - 2) : front;
    *port = slice_from(instance, colon);
}

/* Does the host tell one machine from another? Loopback and unspecified addresses do not. */
static bool is_telling(struct slice host)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    if (slice_is_text(host, "localhost")) {
        return false;
    }
    if (host.len >= sizeof(text)) {
        return true;
    }
    memcpy(text, host.len > 0 ? host.ptr : (const uint8_t *)"", host.len);
    text[host.len] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1) {
        uint32_t address = ntohl(v4.s_addr);
        return address != 0 && address >> 24 != 127;
    }
    if (inet_pton(AF_INET6, text, &v6) == 1) {
        return !IN6_IS_ADDR_LOOPBACK(&v6) && !IN6_IS_ADDR_UNSPECIFIED(&v6);
    }
    return true;
}

/* target_info has the last word on every attribute. */
static bool is_overruled(const struct prom_resource *resource, struct slice name)
{
    for (uint32_t i = 0; i < resource->info.count; i++) {
        if (slice_equal(resource->info.items[i].name, name)) {
            return true;
        }
    }
    return false;
}

static void write_labels(struct otlp_build *b, uint32_t tag, struct prom_label_view labels)
{
    for (uint32_t i = labels.count; i > 0; i--) {
        otlp_build_attribute(b, tag, labels.items[i - 1].name, labels.items[i - 1].value);
    }
}

static void write_resource(struct prom_writer *writer, const struct prom_resource *resource)
{
    struct otlp_build *b = &writer->build;
    struct slice host = {0};
    struct slice port = {0};
    split_instance(resource->instance, &host, &port);
    const struct label own[] = {
        {SLICE_LITERAL("service.name"), resource->job},
        {SLICE_LITERAL("service.instance.id"), resource->instance},
        {SLICE_LITERAL("server.port"), port},
        {SLICE_LITERAL("url.scheme"), writer->scheme},
        {SLICE_LITERAL("server.address"), host}, /* the last, because it may be missing */
    };
    size_t count = is_telling(host) ? COUNT_OF(own) : COUNT_OF(own) - 1;
    size_t mark = otlp_build_mark(b);
    write_labels(b, TAG_RESOURCE_ATTRIBUTE, resource->info);
    for (size_t i = count; i > 0; i--) {
        if (!is_overruled(resource, own[i - 1].name)) {
            otlp_build_attribute(b, TAG_RESOURCE_ATTRIBUTE, own[i - 1].name, own[i - 1].value);
        }
    }
    otlp_build_close(b, mark, TAG_RESOURCE);
}

static size_t resource_max_bytes(const struct prom_writer *writer,
                                 const struct prom_resource *resource)
{
    /* The host is part of the instance; five names of at most 20 bytes. */
    return resource->job.len + 3 * resource->instance.len + writer->scheme.len +
           5 * (20 + 4 * (size_t)HEAD_MAX_BYTES) + labels_max_bytes(resource->info) +
           2 * (size_t)HEAD_MAX_BYTES;
}

/* --- scopes ----------------------------------------------------------------------------------- */

static bool is_nameless(const struct prom_scope *scope)
{
    return scope->id.name.len == 0 && scope->id.version.len == 0 && scope->id.schema_url.len == 0 &&
           scope->id.attrs.count == 0;
}

static void write_scope(struct prom_writer *writer, const struct prom_scope *scope)
{
    struct otlp_build *b = &writer->build;
    bool is_ours = is_nameless(scope);
    struct slice name = is_ours ? RECEIVER_SCOPE : scope->id.name;
    struct slice version = is_ours ? writer->scope_version : scope->id.version;
    size_t mark = otlp_build_mark(b);
    if (!is_ours) {
        write_labels(b, TAG_SCOPE_ATTRIBUTE, scope->info.count > 0 ? scope->info : scope->id.attrs);
    }
    if (version.len > 0) {
        otlp_build_text_field(b, TAG_SCOPE_VERSION, version);
    }
    if (name.len > 0) {
        otlp_build_text_field(b, TAG_SCOPE_NAME, name);
    }
    otlp_build_close(b, mark, TAG_SCOPE);
}

static size_t scope_max_bytes(const struct prom_writer *writer, const struct prom_scope *scope)
{
    return scope->id.name.len + RECEIVER_SCOPE.len + scope->id.version.len +
           writer->scope_version.len + labels_max_bytes(scope->id.attrs) +
           labels_max_bytes(scope->info) + 5 * (size_t)HEAD_MAX_BYTES;
}

/* --- metrics ---------------------------------------------------------------------------------- */

static enum otlp_data data_of(enum prom_shape shape)
{
    switch (shape) {
    case PROM_SHAPE_SUM:
        return OTLP_DATA_SUM;
    case PROM_SHAPE_HISTOGRAM:
        return OTLP_DATA_HISTOGRAM;
    case PROM_SHAPE_SUMMARY:
        return OTLP_DATA_SUMMARY;
    case PROM_SHAPE_GAUGE:
        break;
    }
    return OTLP_DATA_GAUGE;
}

static size_t metric_max_bytes(const struct prom_family_node *family)
{
    return family->name.len + family->about->help.len + family->about->unit.len +
           PROM_UNIT_MAX_BYTES + 6 * (size_t)HEAD_MAX_BYTES;
}

/* What stands in front of the points; `mark` is behind them, and `metric_mark` behind it all. */
static void close_metric(struct prom_writer *writer, const struct prom_family_node *family,
                         size_t mark, size_t metric_mark)
{
    char buf[PROM_UNIT_MAX_BYTES];
    struct otlp_build *b = &writer->build;
    bool is_sum = family->shape == PROM_SHAPE_SUM;
    if (is_sum && family->type == PROM_TYPE_COUNTER) {
        otlp_build_varint_field(b, TAG_MONOTONIC, 1);
    }
    if (is_sum || family->shape == PROM_SHAPE_HISTOGRAM) {
        otlp_build_varint_field(b, TAG_TEMPORALITY, OTLP_TEMPORALITY_CUMULATIVE);
    }
    otlp_build_close(b, mark, (uint32_t)data_of(family->shape) << 3 | 2);
    struct slice unit = prom_unit_ucum(family->about->unit, buf);
    if (unit.len > 0) {
        otlp_build_text_field(b, TAG_METRIC_UNIT, unit);
    }
    if (family->about->help.len > 0) {
        otlp_build_text_field(b, TAG_METRIC_DESCRIPTION, family->about->help);
    }
    struct slice name = family->name;
    if (writer->trims_suffixes) {
        name = prom_unit_trim(name, is_sum, family->about->unit);
    }
    otlp_build_text_field(b, TAG_METRIC_NAME, name);
    otlp_build_close(b, metric_mark, TAG_METRIC);
}

/* Points of one family, until one does not fit. */
static void write_points(struct prom_writer *writer, const struct prom_family_node *family)
{
    struct otlp_build *b = &writer->build;
    while (writer->at != NULL && writer->at->family == family) {
        size_t mark = otlp_build_mark(b);
        prom_otlp_write_point(b, writer->at);
        if (b->err != 0) {
            otlp_build_rewind(b, mark);
            writer->is_full = true;
            return;
        }
        writer->point_count++;
        writer->ended_count += writer->at->is_ended ? 1 : 0;
        writer->at = skip_left_out(next_of(writer->at));
    }
}

/* The metric of the next point. */
static void write_metric(struct prom_writer *writer)
{
    struct otlp_build *b = &writer->build;
    const struct prom_family_node *family = writer->at->family;
    uint32_t count_before = writer->point_count;
    size_t bytes = metric_max_bytes(family);
    size_t metric_mark = otlp_build_mark(b);
    if (!set_aside(b, bytes)) {
        writer->is_full = true;
        return;
    }
    otlp_build_attribute(b, TAG_METRIC_METADATA, SLICE_LITERAL("prometheus.type"),
                         slice_of_text(prom_type_name(family->type)));
    writer->is_full = b->err != 0;
    size_t mark = otlp_build_mark(b);
    if (!writer->is_full) {
        write_points(writer, family);
    }
    b->begin -= bytes;
    if (writer->point_count == count_before) {
        otlp_build_rewind(b, metric_mark);
        return;
    }
    close_metric(writer, family, mark, metric_mark);
}

/* --- the walk --------------------------------------------------------------------------------- */

/* The scope of the next point, and what follows in it. */
static void write_scope_metrics(struct prom_writer *writer)
{
    struct otlp_build *b = &writer->build;
    const struct prom_scope *scope = writer->at->family->scope;
    uint32_t count_before = writer->point_count;
    size_t bytes = scope_max_bytes(writer, scope);
    size_t mark = otlp_build_mark(b);
    if (!set_aside(b, bytes)) {
        writer->is_full = true;
        return;
    }
    if (scope->id.schema_url.len > 0) {
        otlp_build_text_field(b, TAG_SCHEMA_URL, scope->id.schema_url);
    }
    writer->is_full = b->err != 0;
    while (writer->at != NULL && writer->at->family->scope == scope && !writer->is_full) {
        write_metric(writer);
    }
    b->begin -= bytes;
    if (writer->point_count == count_before) {
        otlp_build_rewind(b, mark);
        return;
    }
    write_scope(writer, scope);
    otlp_build_close(b, mark, TAG_SCOPE_METRICS);
}

/* The resource of the next point, and what follows in it. */
static void write_resource_metrics(struct prom_writer *writer)
{
    struct otlp_build *b = &writer->build;
    const struct prom_resource *resource = writer->at->family->scope->resource;
    uint32_t count_before = writer->point_count;
    size_t bytes = resource_max_bytes(writer, resource);
    size_t mark = otlp_build_mark(b);
    if (!set_aside(b, bytes)) {
        writer->is_full = true;
        return;
    }
    while (writer->at != NULL && writer->at->family->scope->resource == resource &&
           !writer->is_full) {
        write_scope_metrics(writer);
    }
    b->begin -= bytes;
    if (writer->point_count == count_before) {
        otlp_build_rewind(b, mark);
        return;
    }
    write_resource(writer, resource);
    otlp_build_close(b, mark, TAG_RESOURCE_METRICS);
    ASSERT(b->err == 0);
}

struct slice prom_writer_next(struct prom_writer *writer, uint32_t *point_count)
{
    otlp_build_init(&writer->build, writer->buf, PROM_PART_MAX_BYTES);
    writer->point_count = 0;
    writer->is_full = false;
    while (writer->at != NULL && !writer->is_full) {
        write_resource_metrics(writer);
        if (writer->is_full && writer->point_count == 0) {
            /* Not even an empty part has room for it. */
            writer->at->is_left_out = true;
            writer->at = skip_left_out(writer->at);
            writer->too_large_count++;
            writer->is_full = false;
        }
    }
    *point_count = writer->point_count;
    return otlp_build_since(&writer->build, 0);
}
