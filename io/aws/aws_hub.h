/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_hub — what all AWS clients of one loop share: the environment, the region, the credentials.
 *
 * Made by the first client of a loop, gone with the last. Two clients that want the same identity
 * by the same road (role, external id, session name, token file, region of STS, proxy,
 * verification) share one set of credentials and its renewal. Counts its users; loop-local.
 */
#pragma once

#include <stdbool.h>

#include "core/base/defs.h"
#include "io/aws/credentials.h"
#include "io/aws/region_discovery.h"

struct aws_hub;
struct aws_identity; /* one set of credentials in use */
struct loop;

/* Texts may be NULL or empty for "not set". */
struct aws_identity_options {
    const char *role_arn; /* none: what the chain of providers finds */
    const char *external_id;
    const char *session_name;
    const char *web_identity_token_file; /* what the role is assumed with; none: the chain's set */
    const char *region;                  /* where STS is asked; none: the region that is found */
    const char *proxy_address;
    bool insecure_skip_verify;
};

/*
 * aws_hub_acquire — the hub of `loop`, which is borrowed until the release; made and the
 * environment read where there is none. 0, -ENOMEM, -EBUSY, FAULT_LIBRARY, FAULT_LIMIT or -errno.
 */
WEIR_MUST_USE int aws_hub_acquire(struct loop *loop, struct aws_hub **out);

/* NULL is fine. All identities were released before. Not from inside a callback of io/http_client.
 */
void aws_hub_release(struct aws_hub *hub);

/* Borrows until the release. With `is_local_mode` no metadata is asked. */
struct region_discovery *aws_hub_region(struct aws_hub *hub, bool is_local_mode);

/* AWS_CA_BUNDLE, or "". Borrows until the release. */
const char *aws_hub_ca_file(const struct aws_hub *hub);

/* `options` is copied. 0, -ENOMEM, FAULT_LIBRARY, or FAULT_CONFIG for a region that is none. */
WEIR_MUST_USE int aws_hub_identity_acquire(struct aws_hub *hub,
                                           const struct aws_identity_options *options,
                                           struct aws_identity **out);

/* NULL is fine. */
void aws_hub_identity_release(struct aws_hub *hub, struct aws_identity *identity);

/* Borrows until the release. */
struct credentials *aws_identity_credentials(struct aws_identity *identity);
