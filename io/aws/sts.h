/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sts — a role is assumed: with credentials that allow it, or with a token of a web identity.
 *
 * One service per set of credentials that needs it, one call under way at a time. A call that the
 * service blames on the clock is repeated once with its time. Loop-local.
 * Source: AWS STS API reference, AssumeRole and AssumeRoleWithWebIdentity.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "codecs/bytes.h"
#include "codecs/sigv4_sign.h"
#include "core/base/defs.h"
#include "core/base/slice.h"
#include "io/aws/credential_plan.h"
#include "io/aws/credential_set.h"
#include "io/aws/endpoint.h"
#include "io/aws/region.h"
#include "io/aws/retry_call.h"
#include "io/aws/signed_attempt.h"

/* A web identity's token of 20 000 characters, none of which needs escaping, and the rest. */
#define STS_BODY_MAX_BYTES 65536
#define STS_TIMEOUT_MS 5000

struct sts;

/*
 * Once per started call, from a later turn. The set moves in; NULL where there is none, and then
 * `why` says why (borrowed until return). The next call may be started from inside.
 */
typedef void(sts_done_fn)(struct sts *sts, struct credential_set *set, const char *why);

/* Embedded in its owner. Zeroed is valid for sts_fini. */
struct sts {
    sts_done_fn *on_done;
    struct loop *loop;          /* borrowed; private, and so is what follows */
    struct http_client *client; /* borrowed */
    struct sigv4_signer signer; /* owned */
    struct signed_attempt attempt;
    struct aws_endpoint_env endpoint_env;
    struct aws_endpoint endpoint;
    struct aws_region region;
    struct retry_call call;
    struct aws_request request;
    struct bytes body; /* owned; may hold a token, so it is wiped */
    struct iovec piece;
    struct credential_set *with; /* owned copy; NULL for calls that are not signed */
    int64_t skew_s;              /* theirs minus ours */
    bool is_repeated;
};

/* Borrows both until fini. 0, -ENOMEM or FAULT_LIBRARY. */
WEIR_MUST_USE int sts_init(struct sts *sts, struct loop *loop, struct http_client *client,
                           sts_done_fn *on_done);

/* Cancels what is under way. Idempotent; leaves zeros. */
void sts_fini(struct sts *sts);

/*
 * Each starts a call where none is under way; all arguments are copied. 0, and on_done follows; or
 * negative, with `why` (CREDENTIAL_WHY_BYTES) filled.
 */
WEIR_MUST_USE int sts_assume_role(struct sts *sts, const struct aws_region *region,
                                  const struct credential_role *role,
                                  const struct sigv4_credentials *keys, char *why);
WEIR_MUST_USE int sts_assume_web_role(struct sts *sts, const struct aws_region *region,
                                      const struct credential_role *role, struct slice token,
                                      char *why);

/* Gives up what is under way; no on_done follows. */
void sts_cancel(struct sts *sts);
