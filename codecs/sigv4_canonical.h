/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sigv4_canonical — the canonical request of SigV4; private to sigv4_sign.
 */
#pragma once

#include "codecs/sigv4_sign.h"
#include "core/base/defs.h"
#include "core/base/slice.h"

/*
 * sigv4_canonical_write — the request as both sides spell it, into signer->canonical.
 *
 *   amz_date, session_token   become headers beside the request's own; no token where empty
 *   signed_names              filled on 0: the names joined by ';', inside signer->canonical
 *
 * Returns as sigv4_sign does; uses signer->work.
 */
WEIR_MUST_USE int sigv4_canonical_write(struct sigv4_signer *signer,
                                        const struct sigv4_request *request, struct slice amz_date,
                                        struct slice session_token, struct slice *signed_names);
