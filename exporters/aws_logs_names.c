/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_names — two chained tables, and a sweep when one is full.
 */
#include "exporters/aws_logs_names.h"

#include <errno.h>

#include <xxhash.h>

#include "codecs/json_out.h"
#include "core/base/fault.h"
#include "core/base/mem.h"

/* Room for two names, every byte of them escaped, and what stands around them. */
#define HEAD_MAX_BYTES (2 * AWS_LOGS_NAME_MAX_BYTES * 6 + 128)
#define BODY_MAX_BYTES (256 * 1024)

/* --- looking up ------------------------------------------------------------------------------- */

static size_t bucket_of(const struct aws_logs_names *names, struct slice group, struct slice stream)
{
    uint64_t hash = XXH3_64bits_withSeed(group.ptr, group.len, names->hash_seed);
    if (stream.len > 0) {
        hash = XXH3_64bits_withSeed(stream.ptr, stream.len, hash);
    }
    return (size_t)(hash & (AWS_LOGS_BUCKETS - 1));
}

static bool is_stream(const struct aws_logs_stream *record, struct slice group, struct slice stream)
{
    return slice_equal(record->name, stream) && slice_equal(record->group->name, group);
}

static struct slice copy_name(char *bytes, struct slice name)
{
    memcpy(bytes, name.ptr, name.len);
    return slice_of(bytes, name.len);
}

static int find_group(struct aws_logs_names *names, struct slice name, struct aws_logs_group **out)
{
    size_t bucket = bucket_of(names, name, (struct slice){0});
    for (struct aws_logs_group *g = names->groups[bucket]; g != NULL; g = g->next) {
        if (slice_equal(g->name, name)) {
            *out = g;
            return 0;
        }
    }
    struct aws_logs_group *group = mem_alloc(sizeof(*group) + name.len);
    if (group == NULL) {
        return -ENOMEM;
    }
    group->name = copy_name(group->bytes, name);
    bytes_init(&group->body, BODY_MAX_BYTES);
    group->next = names->groups[bucket];
    names->groups[bucket] = group;
    *out = group;
    return 0;
}

/* {"logGroupName":"…","logStreamName":"…","logEvents":[ */
static int write_head(struct aws_logs_stream *stream)
{
    struct bytes text;
    bytes_init(&text, HEAD_MAX_BYTES);
    struct json_out out = json_out_of(&text);
    json_out_open(&out, '{');
    json_out_key(&out, SLICE_LITERAL("logGroupName"));
    json_out_string(&out, stream->group->name);
    json_out_key(&out, SLICE_LITERAL("logStreamName"));
    json_out_string(&out, stream->name);
    json_out_key(&out, SLICE_LITERAL("logEvents"));
    json_out_open(&out, '[');
    if (text.err != 0) {
        bytes_fini(&text);
        return -ENOMEM;
    }
    stream->head_memory = bytes_take(&text, &stream->head);
    return 0;
}

static int add_stream(struct aws_logs_names *names, struct aws_logs_group *group, struct slice name,
                      struct aws_logs_stream **out)
{
    size_t bucket = bucket_of(names, group->name, name);
    struct aws_logs_stream *stream = mem_alloc(sizeof(*stream) + name.len);
    if (stream == NULL) {
        return -ENOMEM;
    }
    stream->name = copy_name(stream->bytes, name);
    stream->group = group;
    int err = write_head(stream);
    if (err != 0) {
        mem_free(stream);
        return err;
    }
    stream->order = names->next_order;
    names->next_order++;
    stream->next = names->streams[bucket];
    names->streams[bucket] = stream;
    names->stream_count++;
    group->stream_count++;
    *out = stream;
    return 0;
}

/* --- sweeping --------------------------------------------------------------------------------- */

static void free_stream(struct aws_logs_names *names, struct aws_logs_stream *stream)
{
    ASSERT(stream->use_count == 0);
    ASSERT(stream->waiting == NULL);
    stream->group->stream_count--;
    names->stream_count--;
    mem_free(stream->head_memory);
    mem_free(stream);
}

/* Is it waiting to be created? It may be the last of the list, whose link is empty. */
static bool is_wanted(const struct aws_logs_stream *stream)
{
    for (const struct aws_logs_stream *s = stream->group->wanted; s != NULL; s = s->wanted) {
        if (s == stream) {
            return true;
        }
    }
    return false;
}

static void free_group(struct aws_logs_group *group)
{
    ASSERT(group->step == AWS_LOGS_STEP_IDLE);
    bytes_fini(&group->body);
    mem_free(group);
}

static void sweep_streams(struct aws_logs_names *names)
{
    for (size_t i = 0; i < AWS_LOGS_BUCKETS; i++) {
        struct aws_logs_stream **link = &names->streams[i];
        while (*link != NULL) {
            struct aws_logs_stream *stream = *link;
            if (stream->use_count > 0 || is_wanted(stream)) {
                link = &stream->next;
            } else {
                *link = stream->next;
                free_stream(names, stream);
            }
        }
    }
}

static void sweep_groups(struct aws_logs_names *names)
{
    for (size_t i = 0; i < AWS_LOGS_BUCKETS; i++) {
        struct aws_logs_group **link = &names->groups[i];
        while (*link != NULL) {
            struct aws_logs_group *group = *link;
            if (group->stream_count > 0 || group->step != AWS_LOGS_STEP_IDLE) {
                link = &group->next;
            } else {
                *link = group->next;
                free_group(group);
            }
        }
    }
}

/* Forgetting costs one refused request per stream that turns out to be needed again. */
static int make_room(struct aws_logs_names *names)
{
    if (names->stream_count < names->stream_max) {
        return 0;
    }
    names->latest = NULL;
    sweep_streams(names);
    sweep_groups(names);
    return names->stream_count < names->stream_max ? 0 : FAULT_LIMIT;
}

/* --- public ----------------------------------------------------------------------------------- */

int aws_logs_names_init(struct aws_logs_names *names, uint64_t hash_seed)
{
    *names = (struct aws_logs_names){.hash_seed = hash_seed, .stream_max = AWS_LOGS_STREAMS_MAX};
    names->groups = mem_alloc_array(AWS_LOGS_BUCKETS, sizeof(names->groups[0]));
    names->streams = mem_alloc_array(AWS_LOGS_BUCKETS, sizeof(names->streams[0]));
    return names->groups != NULL && names->streams != NULL ? 0 : -ENOMEM;
}

void aws_logs_names_fini(struct aws_logs_names *names)
{
    if (names->groups != NULL && names->streams != NULL) {
        sweep_streams(names);
        sweep_groups(names);
        ASSERT(names->stream_count == 0);
    }
    mem_free(names->groups);
    mem_free(names->streams);
    *names = (struct aws_logs_names){0};
}

static bool is_name(struct slice name)
{
    return name.len > 0 && name.len <= AWS_LOGS_NAME_MAX_BYTES;
}

int aws_logs_names_find(struct aws_logs_names *names, struct slice group, struct slice stream,
                        struct aws_logs_stream **out)
{
    if (names->latest != NULL && is_stream(names->latest, group, stream)) {
        *out = names->latest;
        return 0;
    }
    if (!is_name(group) || !is_name(stream)) {
        return FAULT_MALFORMED;
    }
    struct aws_logs_stream *found = names->streams[bucket_of(names, group, stream)];
    while (found != NULL && !is_stream(found, group, stream)) {
        found = found->next;
    }
    if (found == NULL) {
        struct aws_logs_group *record = NULL;
        int err = make_room(names);
        err = err != 0 ? err : find_group(names, group, &record);
        err = err != 0 ? err : add_stream(names, record, stream, &found);
        if (err != 0) {
            return err;
        }
    }
    names->latest = found;
    *out = found;
    return 0;
}
