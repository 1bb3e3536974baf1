/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint — where a service of AWS answers: from settings, region and service to a URL.
 *
 * A pure function on texts but for aws_endpoint_env_read, which looks at the environment. Knows the
 * partitions with their host suffixes, FIPS and dual-stack names. Owns nothing.
 * Source: AWS SDKs and Tools Reference, "Service-specific endpoints", "Dual-stack and FIPS".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "core/base/defs.h"
#include "core/base/slice.h"

/* Scheme, host name of at most 253, port and a path before every path. */
#define AWS_ENDPOINT_URL_MAX_BYTES 511
#define AWS_ENDPOINT_HOST_MAX_BYTES 263
#define AWS_SERVICE_MAX_BYTES 32

/* What the environment says about one service. Texts are empty where unset; borrowed. */
struct aws_endpoint_env {
    struct slice url;               /* AWS_ENDPOINT_URL */
    struct slice service_url;       /* AWS_ENDPOINT_URL_<SERVICE> */
    struct slice ignore_configured; /* AWS_IGNORE_CONFIGURED_ENDPOINT_URLS */
    struct slice use_fips;          /* AWS_USE_FIPS_ENDPOINT */
    struct slice use_dual_stack;    /* AWS_USE_DUALSTACK_ENDPOINT */
};

struct aws_endpoint {
    char url[AWS_ENDPOINT_URL_MAX_BYTES + 1];   /* no slash at its end; host in lower case */
    char host[AWS_ENDPOINT_HOST_MAX_BYTES + 1]; /* for `Host`: without the scheme's own port */
    size_t path_offset; /* url + path_offset is "" or "/…": stands before every path of a request */
    const char *origin; /* static, for the log: which setting decided */
    bool is_tls;
};

/*
 * aws_endpoint_variable — the name of the variable with the endpoint of `service`, such as
 * AWS_ENDPOINT_URL_CLOUDWATCH_LOGS for "logs"; static, NULL for a service it does not know.
 */
const char *aws_endpoint_variable(struct slice service);

/* Reads the process environment; the texts borrow from it. */
void aws_endpoint_env_read(struct slice service, struct aws_endpoint_env *out);

/* "cn-north-1" → "aws-cn": the second field of ARNs there; static. */
const char *aws_partition_of_region(struct slice region);

/*
 * aws_endpoint_resolve — `setting` (the component's own `endpoint`), else the service's variable,
 * else AWS_ENDPOINT_URL, else the name made of service and region.
 *
 *   setting   URL, scheme optional (https), may be empty
 *   region    needed, and looked at, only where the name is made of it
 *   service   signing name: "xray", "logs", "monitoring", "sts", "aps", "ecs", "ec2", …
 *   out       filled only on 0
 *   why       static sentence, filled only on a refusal
 *
 * Returns 0 or FAULT_MALFORMED.
 */
WEIR_MUST_USE int aws_endpoint_resolve(const struct aws_endpoint_env *env, struct slice setting,
                                       struct slice region, struct slice service,
                                       struct aws_endpoint *out, const char **why);
