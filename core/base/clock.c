/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clock — the kernel's two clocks, and instants as text.
 */
#include "core/base/clock.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#include "core/base/defs.h"

#define S_PER_DAY 86400

static uint64_t read_ns(clockid_t id)
{
    struct timespec now = {0};
    int err = clock_gettime(id, &now);
    ASSERT(err == 0); /* both ids are ours and exist on every Linux */
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * CLOCK_NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_unix_ns(void)
{
    return read_ns(CLOCK_REALTIME);
}

uint64_t clock_align_up(uint64_t unix_ns, uint64_t interval_ns)
{
    ASSERT(interval_ns > 0);
    uint64_t past_ns = unix_ns % interval_ns;
    if (past_ns == 0) {
        return unix_ns;
    }
    uint64_t missing_ns = interval_ns - past_ns;
    return missing_ns > UINT64_MAX - unix_ns ? UINT64_MAX : unix_ns + missing_ns;
}

struct civil_date {
    uint32_t year;
    uint32_t month; /* 1 to 12 */
    uint32_t day;   /* 1 to 31 */
};

static bool is_leap(uint32_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static uint32_t month_days(uint32_t year, uint32_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return month == 2 && is_leap(year) ? 29 : days[month - 1];
}

/*
 * Counts years and months off, at most 585 + 12 steps: not gmtime_r, which takes the lock of the
 * time zone data. Stamps are written once per window or log line.
 */
static struct civil_date civil_of_days(uint64_t day_count)
{
    struct civil_date date = {.year = 1970, .month = 1};
    uint32_t year_days = 365;
    while (day_count >= year_days) {
        day_count -= year_days;
        date.year++;
        year_days = is_leap(date.year) ? 366 : 365;
    }
    while (day_count >= month_days(date.year, date.month)) {
        day_count -= month_days(date.year, date.month);
        date.month++;
    }
    date.day = (uint32_t)day_count + 1;
    return date;
}

/* Writes `value` into exactly `width` digits. */
static void put_digits(char *at, size_t width, uint64_t value)
{
    for (size_t i = width; i > 0; i--) {
        at[i - 1] = (char)('0' + value % 10);
        value /= 10;
    }
    ASSERT(value == 0);
}

size_t clock_format_rfc3339(uint64_t unix_ns, char *buf, size_t cap)
{
    static const char shape[CLOCK_RFC3339_BYTES] = "0000-00-00T00:00:00.000Z";
    if (cap < sizeof(shape)) {
        return 0;
    }
    uint64_t unix_s = unix_ns / CLOCK_NS_PER_S;
    uint64_t day_s = unix_s % S_PER_DAY;
    struct civil_date date = civil_of_days(unix_s / S_PER_DAY);
    memcpy(buf, shape, sizeof(shape));
    put_digits(buf, 4, date.year);
    put_digits(buf + 5, 2, date.month);
    put_digits(buf + 8, 2, date.day);
    put_digits(buf + 11, 2, day_s / 3600);
    put_digits(buf + 14, 2, day_s / 60 % 60);
    put_digits(buf + 17, 2, day_s % 60);
    put_digits(buf + 20, 3, unix_ns / CLOCK_NS_PER_MS % 1000);
    return sizeof(shape) - 1;
}
