/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signing_target — what a URL is signed for: service and region, from the settings of `sigv4auth`
 * or from the host's name.
 *
 * A pure function on texts. Known hosts are those of AMP workspaces, OpenSearch domains, CloudWatch
 * Logs, X-Ray and CloudWatch; their region is the second label.
 */
#pragma once

#include "core/base/defs.h"
#include "io/auth/sigv4_auth.h"
#include "io/aws/endpoint.h"
#include "io/aws/region.h"
#include "io/aws/signed_request.h"

/* Texts are NUL-terminated. */
struct signing_target {
    char origin[AWS_ENDPOINT_URL_MAX_BYTES + 1]; /* "https://host:port" */
    char path[AWS_PATH_MAX_BYTES + 1];           /* from its slash on, with the query */
    char service[AWS_SERVICE_MAX_BYTES + 1];
    char region[AWS_REGION_MAX_BYTES + 1]; /* "": as every client of AWS finds its own */
};

/*
 * signing_target_read — takes `url`, which http_url_is_valid, apart.
 *
 *   why   a static sentence, filled on failure
 *
 * 0 or FAULT_CONFIG: nothing says which service it is, the URL holds a user, or it is too long.
 */
WEIR_MUST_USE int signing_target_read(const char *url, const struct sigv4_auth_settings *settings,
                                      struct signing_target *out, const char **why);
