/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snappy_oracle_none — the stand-in where libsnappy is not installed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/snappy_oracle.h"

bool snappy_oracle_is_here(void)
{
    return false;
}

bool snappy_oracle_agrees(struct slice block, struct slice content)
{
    (void)block;
    (void)content;
    return true;
}

void snappy_oracle_pack(struct slice content, struct bytes *out)
{
    (void)content;
    (void)out;
    fail(); /* nobody asks a stand-in */
}
