/* SPDX-License-Identifier: Apache-2.0 */
/*
 * detect_rig — see detect_rig.h.
 */
#include "tests/io/aws/detect_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/clock.h"

struct resource_detect_plan detect_rig_plan(const enum detector *detectors, uint32_t count)
{
    struct resource_detect_plan plan = {
        .detector_count = count,
        .hostname_sources = {HOSTNAME_OS},
        .hostname_source_count = 1,
        .timeout_ns = 20 * CLOCK_NS_PER_S,
        .overrides = true,
    };
    for (uint32_t i = 0; i < DETECTOR_COUNT; i++) {
        plan.wanted_bits[i] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < count; i++) {
        plan.detectors[i] = detectors[i];
    }
    return plan;
}

static size_t append(char *text, size_t at, struct slice piece)
{
    assert_true(piece.len < DETECT_RIG_TEXT_BYTES - at);
    memcpy(text + at, piece.ptr, piece.len);
    text[at + piece.len] = '\0';
    return at + piece.len;
}

const char *detect_rig_text(const struct resource_detected *detected, const char *key)
{
    static char text[DETECT_RIG_TEXT_BYTES];
    const struct resource_detected_attr *attr =
        resource_detected_find(detected, slice_of_text(key));
    text[0] = '\0';
    if (attr == NULL) {
        return "(none)";
    }
    if (attr->value.kind == OTLP_VALUE_STRING) {
        (void)append(text, 0, attr->value.bytes);
        return text;
    }
    assert_int_equal(attr->value.kind, OTLP_VALUE_ARRAY);
    struct slice rest = attr->value.bytes;
    size_t at = 0;
    while (rest.len > 0) {
        /* A tag and one byte of length, twice: the tests' texts are short. */
        assert_int_equal(rest.ptr[0], 0x0A);
        assert_true(rest.ptr[1] < 0x80);
        struct slice element = slice_first(slice_from(rest, 2), rest.ptr[1]);
        struct otlp_value value = otlp_value_read(element);
        assert_int_equal(value.kind, OTLP_VALUE_STRING);
        at = at > 0 ? append(text, at, SLICE_LITERAL("|")) : at;
        at = append(text, at, value.bytes);
        rest = slice_from(rest, 2 + element.len);
    }
    return text;
}
