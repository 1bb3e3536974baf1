/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of exporters/line_piece: whole lines where one fits, a full piece where none does. */
#include "exporters/line_piece.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exporters/exporter_bounds.h"

static char text[2 * LINE_PIECE_MAX_BYTES];

/* The piece of `len` bytes with line ends at those two places. */
static size_t piece(size_t len, size_t first_end, size_t second_end)
{
    memset(text, 'x', sizeof(text));
    text[first_end] = '\n';
    text[second_end] = '\n';
    return line_piece_bytes(slice_of(text, len));
}

static void test_a_short_text_goes_whole(void **state)
{
    (void)state;
    assert_int_equal(piece(0, 0, 0), 0);
    assert_int_equal(piece(10, 3, 3), 10);
    assert_int_equal(piece(LINE_PIECE_MAX_BYTES, 3, 3), LINE_PIECE_MAX_BYTES);
}

static void test_a_long_text_is_cut_after_the_last_line_that_fits(void **state)
{
    (void)state;
    size_t max = LINE_PIECE_MAX_BYTES;
    assert_int_equal(piece(max + 1, 3, 3), 4);
    assert_int_equal(piece(max + 1, 3, 100), 101);
    assert_int_equal(piece(2 * max, 3, max - 1), max);
    assert_int_equal(piece(2 * max, 3, max), 4);
    assert_int_equal(piece(2 * max, 0, max + 1), 1);
}

static void test_a_line_that_is_too_long_goes_in_pieces(void **state)
{
    (void)state;
    size_t max = LINE_PIECE_MAX_BYTES;
    assert_int_equal(piece(max + 1, max, max), max);
    assert_int_equal(piece(2 * max, max + 7, 2 * max - 1), max);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_short_text_goes_whole),
        cmocka_unit_test(test_a_long_text_is_cut_after_the_last_line_that_fits),
        cmocka_unit_test(test_a_line_that_is_too_long_goes_in_pieces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
