/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emf_unit — OTLP's units in CloudWatch's words.
 *
 * Seconds, milliseconds, microseconds, bytes and bits have one; `1` and `ns` have none, and what is
 * already a word of CloudWatch's stays. Source: CloudWatch API, MetricDatum, Unit.
 */
#include "codecs/emf_unit.h"

#include "codecs/emf.h"

static const char *const known_units[] = {
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Percent",
    "Count",
    "Bytes/Second",
    "Kilobytes/Second",
    "Megabytes/Second",
    "Gigabytes/Second",
    "Terabytes/Second",
    "Bits/Second",
    "Kilobits/Second",
    "Megabits/Second",
    "Gigabits/Second",
    "Terabits/Second",
    "Count/Second",
    "None",
};

static const struct {
    const char *otlp;
    const char *cloudwatch;
} translations[] = {
    {"1", ""},
    {"ns", ""},
    {"ms", "Milliseconds"},
    {"s", "Seconds"},
    {"us", "Microseconds"},
    {"By", "Bytes"},
    {"bit", "Bits"},
};

bool emf_unit_is_known(struct slice unit)
{
    for (size_t i = 0; i < COUNT_OF(known_units); i++) {
        if (slice_is_text(unit, known_units[i])) {
            return true;
        }
    }
    return false;
}

static struct slice translate(struct slice unit, bool *is_unknown)
{
    if (unit.len == 0) {
        return unit;
    }
    for (size_t i = 0; i < COUNT_OF(translations); i++) {
        if (slice_is_text(unit, translations[i].otlp)) {
            return slice_of_text(translations[i].cloudwatch);
        }
    }
    *is_unknown = !emf_unit_is_known(unit);
    return *is_unknown ? (struct slice){0} : unit;
}

struct slice emf_unit_of(const struct emf_options *options, struct slice metric_name,
                         struct slice unit, bool *is_unknown)
{
    *is_unknown = false;
    for (uint32_t i = 0; i < options->descriptor_count; i++) {
        const struct emf_descriptor *d = &options->descriptors[i];
        if (slice_equal(d->metric_name, metric_name)) {
            return unit.len == 0 || d->overwrites ? d->unit : translate(unit, is_unknown);
        }
    }
    return translate(unit, is_unknown);
}
