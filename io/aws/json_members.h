/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_members — a few named strings out of a flat JSON answer: credentials, errors, documents.
 *
 * The small answers of AWS and of the metadata endpoints are objects of which two to six members
 * matter. What else they hold is stepped over. Allocates nothing.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/defs.h"
#include "core/base/json_text.h"
#include "core/base/slice.h"

struct json_member {
    struct slice name;     /* given; bytewise, so `message` and `Message` are two */
    struct json_text text; /* filled when is_found; borrows from the document */
    bool is_found;
};

/*
 * json_members_read — looks up string members of the outermost object. Of members with one name
 * the last counts; a member that is no string counts as absent.
 *
 * Returns 0, or FAULT_MALFORMED when `json` is no JSON object to its end; then none is found.
 */
WEIR_MUST_USE int json_members_read(struct slice json, struct json_member *members,
                                    size_t member_count);

/*
 * The value of a member as a NUL-terminated text in `buf`. 0; -ENOENT when it was not found;
 * FAULT_LIMIT when value and NUL exceed `cap` (> 0); FAULT_MALFORMED when the value holds a NUL.
 * On a failure `buf` is "".
 */
WEIR_MUST_USE int json_member_copy(const struct json_member *member, char *buf, size_t cap);
