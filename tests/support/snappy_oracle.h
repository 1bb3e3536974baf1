/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snappy_oracle — libsnappy, to hold our blocks against; a stand-in that knows nothing where it is
 * not installed (snappy_oracle_none.c).
 */
#pragma once

#include <stdbool.h>

#include "codecs/bytes.h"
#include "core/base/slice.h"

bool snappy_oracle_is_here(void);

/* Is `block` valid, and does it hold `content`? Without the oracle: true. */
bool snappy_oracle_agrees(struct slice block, struct slice content);

/* Appends `content` as a block; fails the test at hand where there is no room. */
void snappy_oracle_pack(struct slice content, struct bytes *out);
