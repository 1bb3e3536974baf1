/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_time — fixed fields become a day count and seconds of the day.
 *
 * Years from 1970 to 9999 in the Gregorian calendar; a leap second counts as the next one.
 */
#include "io/aws/aws_time.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/fault.h"

#define DAY_S 86400

struct civil {
    uint64_t year;
    uint64_t month; /* 1 to 12 */
    uint64_t day;   /* 1 to 31 */
    uint64_t hour;
    uint64_t minute;
    uint64_t second;
};

/* `count` digits at `offset`; sets *is_bad where they are none. */
static uint64_t digits(struct slice text, size_t offset, size_t count, bool *is_bad)
{
    uint64_t value = 0;
    if (offset + count > text.len) {
        *is_bad = true;
        return 0;
    }
    for (size_t i = offset; i < offset + count; i++) {
        uint8_t byte = text.ptr[i];
        *is_bad = *is_bad || byte < '0' || byte > '9';
        value = value * 10 + (uint64_t)(byte - '0');
    }
    return *is_bad ? 0 : value;
}

static uint64_t days_in_month(uint64_t year, uint64_t month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* Days from 1970-01-01; counts whole years and their leap days, then months. */
static uint64_t days_since_1970(const struct civil *c)
{
    uint64_t before = c->year - 1;
    uint64_t days = before * 365 + before / 4 - before / 100 + before / 400;
    for (uint64_t month = 1; month < c->month; month++) {
        days += days_in_month(c->year, month);
    }
    const uint64_t days_until_1970 = UINT64_C(719162);
    return days + c->day - 1 - days_until_1970;
}

static int seconds_since_1970(const struct civil *c, uint64_t *unix_s)
{
    if (c->year < 1970 || c->month < 1 || c->month > 12 || c->day < 1 ||
        c->day > days_in_month(c->year, c->month) || c->hour > 23 || c->minute > 59 ||
        c->second > 60) {
        return FAULT_MALFORMED;
    }
    *unix_s = days_since_1970(c) * DAY_S + c->hour * 3600 + c->minute * 60 + c->second;
    return 0;
}

/* What follows the seconds: a fraction, then Z or a distance from UTC. */
static int parse_zone(struct slice text, int64_t *east_s)
{
    bool is_bad = false;
    if (text.len > 0 && text.ptr[0] == '.') {
        size_t i = 1;
        while (i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9') {
            i++;
        }
        is_bad = i == 1;
        text = slice_from(text, i);
    }
    *east_s = 0;
    if (slice_is_text(text, "Z") || slice_is_text(text, "z")) {
        return is_bad ? FAULT_MALFORMED : 0;
    }
    if (text.len != 6 || text.ptr[3] != ':' || (text.ptr[0] != '+' && text.ptr[0] != '-')) {
        return FAULT_MALFORMED;
    }
    uint64_t hours = digits(text, 1, 2, &is_bad);
    uint64_t minutes = digits(text, 4, 2, &is_bad);
    int64_t distance_s = (int64_t)(hours * 3600 + minutes * 60);
    *east_s = text.ptr[0] == '+' ? distance_s : -distance_s;
    return is_bad || hours > 23 || minutes > 59 ? FAULT_MALFORMED : 0;
}

int aws_time_parse_rfc3339(struct slice text, uint64_t *unix_s)
{
    bool is_bad = text.len < 20 || text.ptr[4] != '-' || text.ptr[7] != '-' ||
                  (text.ptr[10] != 'T' && text.ptr[10] != 't') || text.ptr[13] != ':' ||
                  text.ptr[16] != ':';
    if (is_bad) {
        return FAULT_MALFORMED;
    }
    const struct civil c = {
        .year = digits(text, 0, 4, &is_bad),
        .month = digits(text, 5, 2, &is_bad),
        .day = digits(text, 8, 2, &is_bad),
        .hour = digits(text, 11, 2, &is_bad),
        .minute = digits(text, 14, 2, &is_bad),
        .second = digits(text, 17, 2, &is_bad),
    };
    int64_t east_s = 0;
    uint64_t local_s = 0;
    int err = parse_zone(slice_from(text, 19), &east_s);
    if (is_bad || err != 0 || seconds_since_1970(&c, &local_s) != 0 || (int64_t)local_s < east_s) {
        return FAULT_MALFORMED;
    }
    *unix_s = (uint64_t)((int64_t)local_s - east_s);
    return 0;
}

/* 1 to 12, or 0. */
static uint64_t month_of(const uint8_t *name)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (uint64_t i = 0; i < 12; i++) {
        if (memcmp(names + i * 3, name, 3) == 0) {
            return i + 1;
        }
    }
    return 0;
}

/*
 * Sun, 06 Nov 1994 08:49:37 GMT
 *      ^5 ^8  ^12  ^17
 */
int aws_time_parse_http(struct slice text, uint64_t *unix_s)
{
    bool is_bad = text.len != 29 || memcmp(text.ptr + 3, ", ", 2) != 0 || text.ptr[7] != ' ' ||
                  text.ptr[11] != ' ' || text.ptr[16] != ' ' || text.ptr[19] != ':' ||
                  text.ptr[22] != ':' || memcmp(text.ptr + 25, " GMT", 4) != 0;
    if (is_bad) {
        return FAULT_MALFORMED;
    }
    const struct civil c = {
        .year = digits(text, 12, 4, &is_bad),
        .month = month_of(text.ptr + 8),
        .day = digits(text, 5, 2, &is_bad),
        .hour = digits(text, 17, 2, &is_bad),
        .minute = digits(text, 20, 2, &is_bad),
        .second = digits(text, 23, 2, &is_bad),
    };
    return is_bad ? FAULT_MALFORMED : seconds_since_1970(&c, unix_s);
}
