/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_units — one table of units each, walked from the largest to the smallest.
 */
#include "io/receivers/prom_scrape_units.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/number.h"

struct unit {
    const char *name;
    uint64_t scale;
    bool only_whole; /* written only where nothing is left over */
};

#define MINUTE_NS (60 * CLOCK_NS_PER_S)
#define HOUR_NS (60 * MINUTE_NS)
#define DAY_NS (24 * HOUR_NS)

static const struct unit durations[] = {
    {"y", 365 * DAY_NS, true},      {"w", 7 * DAY_NS, true}, {"d", DAY_NS, false},
    {"h", HOUR_NS, false},          {"m", MINUTE_NS, false}, {"s", CLOCK_NS_PER_S, false},
    {"ms", CLOCK_NS_PER_MS, false},
};

/* Beyond it the sum of two products might not fit either. */
#define DURATION_MAX_NS (UINT64_C(290) * 365 * DAY_NS)

static bool is_digit(uint8_t byte)
{
    return byte >= '0' && byte <= '9';
}

/* Digits at the start of *rest, which moves behind them. 0, FAULT_MALFORMED or FAULT_OVERFLOW. */
static int take_number(struct slice *rest, uint64_t *out)
{
    size_t len = 0;
    while (len < rest->len && is_digit(rest->ptr[len])) {
        len++;
    }
    int err = number_parse_u64(slice_first(*rest, len), out);
    *rest = slice_from(*rest, len);
    return err;
}

/* Letters at the start of *rest. */
static struct slice take_word(struct slice *rest)
{
    size_t len = 0;
    while (len < rest->len && !is_digit(rest->ptr[len])) {
        len++;
    }
    struct slice word = slice_first(*rest, len);
    *rest = slice_from(*rest, len);
    return word;
}

static int add_product(uint64_t count, uint64_t scale, uint64_t max, uint64_t *sum)
{
    if (count > (max - *sum) / scale) {
        return FAULT_OVERFLOW;
    }
    *sum += count * scale;
    return 0;
}

int prom_duration_parse(struct slice text, uint64_t *out_ns)
{
    uint64_t sum_ns = 0;
    size_t first = 0; /* the largest unit that may still come */
    if (slice_is_text(text, "0")) {
        *out_ns = 0;
        return 0;
    }
    if (text.len == 0) {
        return FAULT_MALFORMED;
    }
    while (text.len > 0) {
        uint64_t count = 0;
        int err = take_number(&text, &count);
        struct slice word = take_word(&text);
        while (first < COUNT_OF(durations) && !slice_is_text(word, durations[first].name)) {
            first++;
        }
        if (err == 0 && first == COUNT_OF(durations)) {
            err = FAULT_MALFORMED;
        }
        if (err == 0) {
            err = add_product(count, durations[first].scale, DURATION_MAX_NS, &sum_ns);
        }
        if (err != 0) {
            return err;
        }
        first++;
    }
    *out_ns = sum_ns;
    return 0;
}

size_t prom_duration_format(uint64_t duration_ns, char *buf)
{
    uint64_t left_ns = duration_ns - duration_ns % CLOCK_NS_PER_MS;
    size_t len = 0;
    for (size_t i = 0; i < COUNT_OF(durations); i++) {
        const struct unit *unit = &durations[i];
        bool fits = left_ns >= unit->scale && (!unit->only_whole || left_ns % unit->scale == 0);
        if (fits) {
            len += number_format_u64(left_ns / unit->scale, buf + len,
                                     PROM_DURATION_TEXT_BYTES - 4 - len);
            memcpy(buf + len, unit->name, strlen(unit->name));
            len += strlen(unit->name);
            left_ns %= unit->scale;
        }
    }
    if (len == 0) {
        buf[0] = '0';
        buf[1] = 's';
        len = 2;
    }
    ASSERT(len < PROM_DURATION_TEXT_BYTES);
    buf[len] = '\0';
    return len;
}

int prom_size_parse(struct slice text, uint64_t *out_bytes)
{
    static const struct {
        const char *names[2];
        uint32_t shift;
    } sizes[] = {
        {{"B", "B"}, 0},     {{"KB", "KiB"}, 10}, {{"MB", "MiB"}, 20}, {{"GB", "GiB"}, 30},
        {{"TB", "TiB"}, 40}, {{"PB", "PiB"}, 50}, {{"EB", "EiB"}, 60},
    };
    uint64_t count = 0;
    bool is_zero = slice_is_text(text, "0");
    int err = take_number(&text, &count);
    if (err != 0 || is_zero) {
        *out_bytes = err != 0 ? *out_bytes : 0;
        return err;
    }
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        if (slice_is_text(text, sizes[i].names[0]) || slice_is_text(text, sizes[i].names[1])) {
            uint64_t sum = 0;
            err = add_product(count, UINT64_C(1) << sizes[i].shift, UINT64_MAX, &sum);
            *out_bytes = err != 0 ? *out_bytes : sum;
            return err;
        }
    }
    return FAULT_MALFORMED;
}
