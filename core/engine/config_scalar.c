/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_scalar — text to booleans, numbers, durations, sizes and endpoints, all bytes or nothing.
 *
 * Follows what go-yaml v3 resolves for plain scalars and what Go's time.ParseDuration takes,
 * because configurations are written for the Collector. Pure functions; nothing is owned.
 */
#include "core/engine/config_scalar.h"

#include "core/base/number.h"

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS (1000 * NS_PER_US)
#define NS_PER_S (1000 * NS_PER_MS)
#define NS_PER_MIN (60 * NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MIN)

/* --- booleans and types ----------------------------------------------------------------------- */

static bool is_any_of(struct slice text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (slice_is_text(text, words[i])) {
            return true;
        }
    }
    return false;
}

bool config_parse_bool(struct slice text, bool *out)
{
    static const char *const yes[] = {"true", "True", "TRUE"};
    static const char *const no[] = {"false", "False", "FALSE"};
    if (is_any_of(text, yes, COUNT_OF(yes))) {
        *out = true;
        return true;
    }
    if (is_any_of(text, no, COUNT_OF(no))) {
        *out = false;
        return true;
    }
    return false;
}

static bool is_null(struct slice text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    return is_any_of(text, words, COUNT_OF(words));
}

/* .inf and .nan are numbers to YAML; no setting of ours takes them. */
static bool is_special_float(struct slice text)
{
    static const char *const words[] = {".inf", ".Inf", ".INF", ".nan", ".NaN", ".NAN"};
    if (text.len > 0 && (text.ptr[0] == '-' || text.ptr[0] == '+')) {
        text = slice_from(text, 1);
    }
    return is_any_of(text, words, COUNT_OF(words));
}

enum config_type config_scalar_type(struct slice text)
{
    bool flag;
    int64_t integer;
    uint64_t natural;
    double number;
    if (is_null(text)) {
        return CONFIG_TYPE_NULL;
    }
    if (config_parse_bool(text, &flag)) {
        return CONFIG_TYPE_BOOL;
    }
    if (config_parse_i64(text, &integer) || config_parse_u64(text, &natural)) {
        return CONFIG_TYPE_INTEGER;
    }
    if (number_parse_f64(text, &number) == 0 || is_special_float(text)) {
        return CONFIG_TYPE_FLOAT;
    }
    return CONFIG_TYPE_TEXT;
}

/* --- numbers ---------------------------------------------------------------------------------- */

/* The value of a digit in bases up to 16, or 16. */
static uint32_t digit_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return (uint32_t)(c - '0');
    }
    uint8_t lower = (uint8_t)(c | 0x20);
    return lower >= 'a' && lower <= 'f' ? (uint32_t)(lower - 'a' + 10) : 16;
}

/* Takes the prefix of a number off; returns its base. */
static uint32_t take_base(struct slice *text)
{
    if (text->len < 2 || text->ptr[0] != '0') {
        return 10;
    }
    uint8_t letter = (uint8_t)(text->ptr[1] | 0x20);
    uint32_t base = letter == 'x' ? 16 : 8;
    base = letter == 'b' ? 2 : base;
    bool has_letter = letter == 'x' || letter == 'b' || letter == 'o';
    *text = slice_from(*text, has_letter ? 2 : 1);
    return base;
}

/* Digits in any of the bases, '_' allowed between two of them. */
static bool parse_magnitude(struct slice text, uint64_t *out)
{
    uint32_t base = take_base(&text);
    if (text.len == 0 || text.ptr[text.len - 1] == '_') {
        return false;
    }
    uint64_t value = 0;
    bool was_digit = false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '_' && was_digit) {
            was_digit = false;
            continue;
        }
        uint32_t digit = digit_value(text.ptr[i]);
        if (digit >= base || value > (UINT64_MAX - digit) / base) {
            return false;
        }
        value = value * base + digit;
        was_digit = true;
    }
    *out = value;
    return true;
}

/* Takes one sign off; true where it was a minus. */
static bool take_minus(struct slice *text)
{
    if (text->len == 0 || (text->ptr[0] != '-' && text->ptr[0] != '+')) {
        return false;
    }
    bool is_minus = text->ptr[0] == '-';
    *text = slice_from(*text, 1);
    return is_minus;
}

bool config_parse_u64(struct slice text, uint64_t *out)
{
    uint64_t value;
    bool is_minus = take_minus(&text);
    if (!parse_magnitude(text, &value) || (is_minus && value != 0)) {
        return false;
    }
    *out = value;
    return true;
}

bool config_parse_i64(struct slice text, int64_t *out)
{
    uint64_t value;
    bool is_minus = take_minus(&text);
    uint64_t limit = is_minus ? (uint64_t)INT64_MAX + 1 : (uint64_t)INT64_MAX;
    if (!parse_magnitude(text, &value) || value > limit) {
        return false;
    }
    /* The lowest value has no positive twin, so the sign is set in unsigned arithmetic. */
    *out = is_minus ? (int64_t)(UINT64_C(0) - value) : (int64_t)value;
    return true;
}

bool config_parse_f64(struct slice text, double *out)
{
    int64_t integer;
    if (config_parse_i64(text, &integer)) {
        *out = (double)integer;
        return true;
    }
    return number_parse_f64(text, out) == 0;
}

/* --- durations and sizes ---------------------------------------------------------------------- */

struct unit {
    const char *name;
    uint64_t factor;
};

/* The unit named at the start of `text`, longest name first; NULL for none. */
static const struct unit *find_unit(struct slice text, const struct unit *units, size_t count)
{
    const struct unit *best = NULL;
    for (size_t i = 0; i < count; i++) {
        bool is_longer = best == NULL || strlen(units[i].name) > strlen(best->name);
        if (is_longer && slice_has_prefix(text, slice_of_text(units[i].name))) {
            best = &units[i];
        }
    }
    return best;
}

/* Takes decimal digits off as a number. False on overflow; `count` says how many there were. */
static bool take_digits(struct slice *text, uint64_t *value, size_t *count)
{
    *value = 0;
    *count = 0;
    while (text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9') {
        uint32_t digit = digit_value(text->ptr[0]);
        if (*value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        *value = *value * 10 + digit;
        (*count)++;
        *text = slice_from(*text, 1);
    }
    return true;
}

/* Digits after the point as nanoseconds of `factor_ns`, cut below one. Returns how many there were.
 */
static size_t take_fraction_ns(struct slice *text, uint64_t factor_ns, uint64_t *out_ns)
{
    size_t count = 0;
    double scale = 1;
    double fraction = 0;
    while (text->len > 0 && text->ptr[0] >= '0' && text->ptr[0] <= '9') {
        scale *= 10;
        /* Past 18 digits nothing of a nanosecond is left, even of an hour. */
        if (count < 18) {
            fraction = fraction * 10 + digit_value(text->ptr[0]);
        } else {
            scale /= 10;
        }
        count++;
        *text = slice_from(*text, 1);
    }
    *out_ns = (uint64_t)(fraction * ((double)factor_ns / scale));
    return count;
}

/* One "1.5h" off the front, added to `total`. */
static bool take_duration_part(struct slice *text, uint64_t *total)
{
    static const struct unit units[] = {
        {.name = "ns", .factor = 1},         {.name = "us", .factor = NS_PER_US},
        {.name = "µs", .factor = NS_PER_US}, {.name = "μs", .factor = NS_PER_US},
        {.name = "ms", .factor = NS_PER_MS}, {.name = "s", .factor = NS_PER_S},
        {.name = "m", .factor = NS_PER_MIN}, {.name = "h", .factor = NS_PER_HOUR},
    };
    uint64_t whole = 0;
    size_t whole_digits = 0;
    if (!take_digits(text, &whole, &whole_digits)) {
        return false;
    }
    /* The unit stands behind the fraction, so the fraction is read twice. */
    struct slice fraction = {0};
    if (text->len > 0 && text->ptr[0] == '.') {
        *text = slice_from(*text, 1);
        fraction = *text;
        uint64_t unused_ns;
        (void)take_fraction_ns(text, 1, &unused_ns); /* only to pass over it */
        fraction.len -= text->len;
    }
    const struct unit *unit = find_unit(*text, units, COUNT_OF(units));
    if (unit == NULL || (whole_digits == 0 && fraction.len == 0)) {
        return false;
    }
    *text = slice_from(*text, strlen(unit->name));
    uint64_t fraction_ns = 0;
    (void)take_fraction_ns(&fraction, unit->factor, &fraction_ns); /* the count was checked */
    uint64_t room = (uint64_t)INT64_MAX - *total;
    if (fraction_ns > room || whole > (room - fraction_ns) / unit->factor) {
        return false;
    }
    *total += whole * unit->factor + fraction_ns;
    return true;
}

bool config_parse_duration_ns(struct slice text, int64_t *out_ns)
{
    if (config_parse_i64(text, out_ns)) {
        return true;
    }
    bool is_minus = take_minus(&text);
    if (text.len == 0) {
        return false;
    }
    uint64_t total = 0;
    while (text.len > 0) {
        if (!take_duration_part(&text, &total)) {
            return false;
        }
    }
    *out_ns = is_minus ? -(int64_t)total : (int64_t)total;
    return true;
}

bool config_parse_bytes(struct slice text, uint64_t *out_bytes)
{
    static const struct unit units[] = {
        {.name = "B", .factor = 1},
        {.name = "K", .factor = UINT64_C(1) << 10},
        {.name = "KB", .factor = 1000},
        {.name = "kB", .factor = 1000},
        {.name = "KiB", .factor = UINT64_C(1) << 10},
        {.name = "M", .factor = UINT64_C(1) << 20},
        {.name = "MB", .factor = 1000 * 1000},
        {.name = "MiB", .factor = UINT64_C(1) << 20},
        {.name = "G", .factor = UINT64_C(1) << 30},
        {.name = "GB", .factor = 1000 * 1000 * 1000},
        {.name = "GiB", .factor = UINT64_C(1) << 30},
    };
    if (config_parse_u64(text, out_bytes)) {
        return true;
    }
    uint64_t count = 0;
    size_t digits = 0;
    if (!take_digits(&text, &count, &digits) || digits == 0) {
        return false;
    }
    if (text.len > 0 && text.ptr[0] == ' ') {
        text = slice_from(text, 1);
    }
    const struct unit *unit = find_unit(text, units, COUNT_OF(units));
    if (unit == NULL || strlen(unit->name) != text.len || count > UINT64_MAX / unit->factor) {
        return false;
    }
    *out_bytes = count * unit->factor;
    return true;
}

/* --- endpoints -------------------------------------------------------------------------------- */

bool config_parse_endpoint(struct slice text, struct config_endpoint *out)
{
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':') {
        colon--;
    }
    if (colon == 0) {
        return false;
    }
    struct slice host = slice_first(text, colon - 1);
    struct slice port_text = slice_from(text, colon);
    uint64_t port = 0;
    if (port_text.len > 5 || number_parse_u64(port_text, &port) != 0 || port > UINT16_MAX) {
        return false;
    }
    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = slice_of(host.ptr + 1, host.len - 2);
    } else if (slice_find(host, ':') != host.len) {
        return false; /* IPv6 needs brackets, or its end could not be told from the port */
    }
    for (size_t i = 0; i < host.len; i++) {
        if (host.ptr[i] <= ' ' || host.ptr[i] == '/' || host.ptr[i] == '[' || host.ptr[i] == ']') {
            return false;
        }
    }
    *out = (struct config_endpoint){.host = host, .port = (uint16_t)port};
    return true;
}

bool config_is_port_misprint(uint16_t port, uint16_t usual_port)
{
    if (port == usual_port) {
        return false;
    }
    if (usual_port == 2000 && port == 2020) {
        return true;
    }
    char typed[NUMBER_TEXT_MAX_BYTES];
    char usual[NUMBER_TEXT_MAX_BYTES];
    size_t typed_len = number_format_u64(port, typed, sizeof(typed));
    size_t usual_len = number_format_u64(usual_port, usual, sizeof(usual));
    size_t first = 0;
    while (first < typed_len && first < usual_len && typed[first] == usual[first]) {
        first++;
    }
    struct slice typed_rest = slice_of(typed + first, typed_len - first);
    struct slice usual_rest = slice_of(usual + first, usual_len - first);
    if (typed_len == usual_len) {
        return typed_rest.len >= 2 && typed_rest.ptr[0] == usual_rest.ptr[1] &&
               typed_rest.ptr[1] == usual_rest.ptr[0] &&
               slice_equal(slice_from(typed_rest, 2), slice_from(usual_rest, 2));
    }
    if (typed_len == usual_len + 1) {
        /* One digit typed twice: what is too much equals its neighbour. */
        return first > 0 && typed[first] == typed[first - 1] &&
               slice_equal(slice_from(typed_rest, 1), usual_rest);
    }
    return typed_len + 1 == usual_len && slice_equal(typed_rest, slice_from(usual_rest, 1));
}
