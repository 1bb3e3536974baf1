/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_members — one pass over a small document, keeping the strings that were asked for.
 */
#include "io/aws/json_members.h"

#include <errno.h>
#include <string.h>

#include "core/base/fault.h"
#include "core/base/json.h"

static struct json_member *member_of(struct json_text key, struct json_member *members,
                                     size_t member_count)
{
    for (size_t i = 0; i < member_count; i++) {
        if (json_text_equals(key, members[i].name)) {
            return &members[i];
        }
    }
    return NULL;
}

/* Reads the members up to the closing bracket of the object that was just opened. */
static bool read_object(struct json_reader *reader, struct json_member *members,
                        size_t member_count)
{
    enum json_token token = json_next(reader);
    for (; token == JSON_TOKEN_KEY; token = json_next(reader)) {
        struct json_member *member = member_of(reader->text, members, member_count);
        token = json_next(reader);
        if (member != NULL) {
            member->is_found = token == JSON_TOKEN_STRING;
            member->text = member->is_found ? reader->text : (struct json_text){0};
        }
        if (!json_skip(reader, token)) {
            return false;
        }
    }
    return token == JSON_TOKEN_OBJECT_CLOSE;
}

static void forget(struct json_member *members, size_t member_count)
{
    for (size_t i = 0; i < member_count; i++) {
        members[i].text = (struct json_text){0};
        members[i].is_found = false;
    }
}

int json_members_read(struct slice json, struct json_member *members, size_t member_count)
{
    struct json_reader reader = json_of(json, JSON_UTF8_REPLACE);
    forget(members, member_count);
    if (json_next(&reader) == JSON_TOKEN_OBJECT_OPEN &&
        read_object(&reader, members, member_count) && json_next(&reader) == JSON_TOKEN_END) {
        return 0;
    }
    forget(members, member_count);
    return FAULT_MALFORMED;
}

int json_member_copy(const struct json_member *member, char *buf, size_t cap)
{
    ASSERT(cap > 0);
    buf[0] = '\0';
    if (!member->is_found) {
        return -ENOENT;
    }
    size_t len = json_text_len(member->text);
    if (len >= cap) {
        return FAULT_LIMIT;
    }
    size_t written = json_text_write(member->text, (uint8_t *)buf);
    ASSERT(written == len);
    buf[len] = '\0';
    if (memchr(buf, '\0', len) != NULL) {
        buf[0] = '\0';
        return FAULT_MALFORMED;
    }
    return 0;
}
