/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_ec2 — one document after another.
 */
#include "io/aws/detect_ec2.h"

#include <stdio.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/regex.h"
#include "io/aws/json_members.h"

#define IDENTITY_PATH "/latest/dynamic/instance-identity/document"
#define HOSTNAME_PATH "/latest/meta-data/hostname"
#define TAGS_PATH "/latest/meta-data/tags/instance"
#define TAG_PREFIX "ec2.tag."
/* EC2's limit of a tag's key is 128 characters; metadata shows none that needs escapes. */
#define TAG_KEY_MAX_BYTES 128

/* The longest value is an image's or an instance's id, of some twenty characters. */
#define IDENTITY_TEXT_MAX_BYTES 256

/* Members of the identity document, and the attributes they become. */
static const struct {
    const char *member;
    const char *key;
} identity_texts[] = {
    {"region", "cloud.region"},
    {"accountId", "cloud.account.id"},
    {"availabilityZone", "cloud.availability_zone"},
    {"instanceId", "host.id"},
    {"imageId", "host.image.id"},
    {"instanceType", "host.type"},
};

/* --- asking ----------------------------------------------------------------------------------- */

/* A document that is not the first: without it the rest stays. */
static void ask_more(struct detect_ec2 *ec2, const char *path, imds_done_fn *on_done)
{
    ec2->get.on_done = on_done;
    int err = imds_get_start(ec2->imds, &ec2->get, path);
    if (err != 0) {
        detect_state_note(&ec2->state, false, "%s: %s", path, fault_text(err));
        detect_state_finish(&ec2->state);
    }
}

/* --- tags ------------------------------------------------------------------------------------- */

static bool is_wanted(const struct detect_ec2 *ec2, struct slice key)
{
    for (uint32_t i = 0; i < ec2->pattern_count; i++) {
        if (regex_matches(ec2->patterns[i], key)) {
            return true;
        }
    }
    return false;
}

/* May the key stand in a path as it is? Others are not shown by the service. */
static bool is_plain(struct slice key)
{
    static const char others[] = "+-=.,_:@";
    for (size_t i = 0; i < key.len; i++) {
        uint8_t c = key.ptr[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_letter && !(c >= '0' && c <= '9') && (c == 0 || strchr(others, c) == NULL)) {
            return false;
        }
    }
    return key.len > 0 && key.len <= TAG_KEY_MAX_BYTES;
}

/* The next wanted key; false behind the last one. */
static bool take_key(struct detect_ec2 *ec2)
{
    while (ec2->next_key < ec2->keys_len) {
        struct slice rest = slice_of(ec2->keys + ec2->next_key, ec2->keys_len - ec2->next_key);
        ec2->key = slice_first(rest, slice_find(rest, '\n'));
        ec2->next_key += ec2->key.len + 1;
        if (is_plain(ec2->key) && is_wanted(ec2, ec2->key)) {
            return true;
        }
    }
    return false;
}

static void ask_tag(struct detect_ec2 *ec2);

static void on_tag(struct imds_get *get, const struct imds_answer *answer)
{
    struct detect_ec2 *ec2 = CONTAINER_OF(get, struct detect_ec2, get);
    char name[sizeof(TAG_PREFIX) + TAG_KEY_MAX_BYTES];
    int len = snprintf(name, sizeof(name), TAG_PREFIX "%.*s", (int)ec2->key.len,
                       (const char *)ec2->key.ptr);
    ASSERT(len > 0 && (size_t)len < sizeof(name));
    if (answer->fault != 0) {
        detect_state_note(&ec2->state, false, "%s: %.100s", name, answer->why);
    } else {
        detect_state_put(&ec2->state, slice_of(name, (size_t)len), answer->body);
    }
    ask_tag(ec2);
}

static void ask_tag(struct detect_ec2 *ec2)
{
    if (!take_key(ec2)) {
        detect_state_finish(&ec2->state);
        return;
    }
    int len = snprintf(ec2->path, sizeof(ec2->path), TAGS_PATH "/%.*s", (int)ec2->key.len,
                       (const char *)ec2->key.ptr);
    ASSERT(len > 0 && (size_t)len < sizeof(ec2->path));
    ask_more(ec2, ec2->path, on_tag);
}

static void on_keys(struct imds_get *get, const struct imds_answer *answer)
{
    struct detect_ec2 *ec2 = CONTAINER_OF(get, struct detect_ec2, get);
    if (answer->fault != 0 || answer->body.len > sizeof(ec2->keys)) {
        detect_state_note(&ec2->state, false, "tags: %.100s",
                          answer->fault != 0 ? answer->why : "more than an instance can have");
        detect_state_finish(&ec2->state);
        return;
    }
    ec2->keys_len = answer->body.len;
    ec2->next_key = 0;
    if (answer->body.len > 0) {
        memcpy(ec2->keys, answer->body.ptr, answer->body.len);
    }
    ask_tag(ec2);
}

static void compile_patterns(struct detect_ec2 *ec2)
{
    const struct resource_detect_texts *tags = &ec2->state.plan->tags;
    while (ec2->pattern_count < tags->count) {
        char why[64];
        if (regex_new(tags->texts[ec2->pattern_count], &ec2->patterns[ec2->pattern_count], why,
                      sizeof(why)) != 0) {
            detect_state_note(&ec2->state, false, "tags: %s", why);
            return;
        }
        ec2->pattern_count++;
    }
}

/* --- identity --------------------------------------------------------------------------------- */

static void on_hostname(struct imds_get *get, const struct imds_answer *answer)
{
    struct detect_ec2 *ec2 = CONTAINER_OF(get, struct detect_ec2, get);
    if (answer->fault != 0) {
        detect_state_note(&ec2->state, false, "hostname: %.100s", answer->why);
    } else {
        detect_state_put(&ec2->state, SLICE_LITERAL("host.name"), answer->body);
    }
    if (ec2->state.plan->tags.count == 0) {
        detect_state_finish(&ec2->state);
        return;
    }
    compile_patterns(ec2);
    ask_more(ec2, TAGS_PATH, on_keys);
}

static bool put_identity(struct detect_state *state, struct slice json)
{
    struct json_member members[COUNT_OF(identity_texts)] = {0};
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        members[i].name = slice_of_text(identity_texts[i].member);
    }
    if (json_members_read(json, members, COUNT_OF(members)) != 0) {
        return false;
    }
    detect_state_put(state, SLICE_LITERAL("cloud.provider"), SLICE_LITERAL("aws"));
    detect_state_put(state, SLICE_LITERAL("cloud.platform"), SLICE_LITERAL("aws_ec2"));
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        char text[IDENTITY_TEXT_MAX_BYTES];
        if (json_member_copy(&members[i], text, sizeof(text)) == 0) {
            detect_state_put(state, slice_of_text(identity_texts[i].key), slice_of_text(text));
        }
    }
    return true;
}

static void on_identity(struct imds_get *get, const struct imds_answer *answer)
{
    struct detect_ec2 *ec2 = CONTAINER_OF(get, struct detect_ec2, get);
    if (answer->fault != 0) {
        detect_state_finish(&ec2->state); /* no instance of EC2's, and no mistake */
        return;
    }
    ec2->is_machine = true;
    if (!put_identity(&ec2->state, answer->body)) {
        detect_state_note(&ec2->state, false, "the identity document is none");
        detect_state_finish(&ec2->state);
        return;
    }
    ask_more(ec2, HOSTNAME_PATH, on_hostname);
}

static void ec2_start(struct detect_state *state)
{
    struct detect_ec2 *ec2 = CONTAINER_OF(state, struct detect_ec2, state);
    if (!ec2->is_asked) {
        detect_state_finish(state);
        return;
    }
    ask_more(ec2, IDENTITY_PATH, on_identity);
}

static void ec2_stop(struct detect_state *state)
{
    struct detect_ec2 *ec2 = CONTAINER_OF(state, struct detect_ec2, state);
    if (!state->is_done) {
        imds_get_cancel(&ec2->get);
        if (ec2->is_machine) {
            detect_state_note(state, false, "no answer in time");
        }
        detect_state_finish(state);
    }
    while (ec2->pattern_count > 0) {
        ec2->pattern_count--;
        regex_free(ec2->patterns[ec2->pattern_count]);
    }
}

static const struct detect_ops ec2_ops = {.start = ec2_start, .stop = ec2_stop};

void detect_ec2_init(struct detect_ec2 *ec2, const struct resource_detect_plan *plan,
                     struct imds *imds, bool is_asked)
{
    *ec2 = (struct detect_ec2){
        .state = {.ops = &ec2_ops, .plan = plan, .detector = DETECTOR_EC2},
        .imds = imds,
        .is_asked = is_asked,
    };
}
