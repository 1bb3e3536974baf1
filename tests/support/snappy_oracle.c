/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snappy_oracle — the oracle itself, where libsnappy is installed.
 */
#include "tests/support/snappy_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <snappy-c.h>

#include "core/base/mem.h"

bool snappy_oracle_is_here(void)
{
    return true;
}

bool snappy_oracle_agrees(struct slice block, struct slice content)
{
    size_t len = 0;
    const char *in = (const char *)block.ptr;
    if (snappy_uncompressed_length(in, block.len, &len) != SNAPPY_OK || len != content.len) {
        return false;
    }
    char *out = mem_alloc(len + 1);
    assert_non_null(out);
    bool is_good = snappy_uncompress(in, block.len, out, &len) == SNAPPY_OK &&
                   slice_equal(slice_of(out, len), content);
    mem_free(out);
    return is_good;
}

void snappy_oracle_pack(struct slice content, struct bytes *out)
{
    size_t len = snappy_max_compressed_length(content.len);
    assert_int_equal(bytes_reserve(out, len), 0);
    assert_int_equal(
        snappy_compress((const char *)content.ptr, content.len, (char *)out->ptr + out->len, &len),
        SNAPPY_OK);
    out->len += len;
}
