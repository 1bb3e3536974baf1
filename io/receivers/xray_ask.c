/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_ask — which questions are sampling calls, and what of them goes on.
 */
#include "io/receivers/xray_ask.h"

const char *xray_ask_header_name(enum xray_ask_header header)
{
    static const char *const names[XRAY_ASK_HEADER_COUNT] = {
        [XRAY_ASK_CONTENT_TYPE] = "content-type",
        [XRAY_ASK_ACCEPT] = "accept",
        [XRAY_ASK_TIMESTAMP] = "x-amzn-xray-timestamp",
    };
    return names[header];
}

static bool is_post(struct slice method, struct slice query)
{
    return slice_is_text(method, "POST") && query.len == 0;
}

bool xray_ask_is_for_rules(struct slice method, struct slice path, struct slice query)
{
    return is_post(method, query) && slice_is_text(path, "/GetSamplingRules");
}

bool xray_ask_is_sampling(struct slice method, struct slice path, struct slice query)
{
    return xray_ask_is_for_rules(method, path, query) ||
           (is_post(method, query) && slice_is_text(path, "/SamplingTargets"));
}
