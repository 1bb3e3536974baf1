/* SPDX-License-Identifier: Apache-2.0 */
/*
 * log — life events as lines on stderr: `level event=… key=value …`, or one JSON object per line.
 *
 * For things that happen seldom; what happens per datagram or request is counted instead. A line is
 * one write(2) of at most LOG_LINE_MAX_BYTES, so lines of different threads do not mix. Any thread.
 *
 *     log_info("listening", LOG_TEXT("address", "127.0.0.1"), LOG_U64("port", 8125));
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/defs.h"
#include "core/base/fault.h"
#include "core/base/slice.h"

enum log_level {
    LOG_LEVEL_ERROR, /* a person must act */
    LOG_LEVEL_WARN,  /* degraded, healing by itself */
    LOG_LEVEL_INFO,  /* life events */
    LOG_LEVEL_DEBUG,
};

enum log_format {
    LOG_FORMAT_AUTO, /* text on a terminal, JSON elsewhere */
    LOG_FORMAT_TEXT,
    LOG_FORMAT_JSON,
};

struct log_options {
    enum log_format format;
    enum log_level level; /* lines above it are not written */
};

enum log_field_kind {
    LOG_FIELD_TEXT,
    LOG_FIELD_U64,
    LOG_FIELD_I64,
    LOG_FIELD_F64,
    LOG_FIELD_BOOL,
};

/* One key and its value; lives as long as the call it is given to. */
struct log_field {
    const char *key; /* borrowed, NUL-terminated */
    enum log_field_kind kind;
    union {
        struct slice text; /* borrowed; any bytes */
        uint64_t u64;
        int64_t i64;
        double f64;
        bool boolean;
    };
};

#define LOG_SLICE(name, value)                                                                     \
    ((struct log_field){.key = (name), .kind = LOG_FIELD_TEXT, .text = (value)})
#define LOG_TEXT(name, value) LOG_SLICE(name, slice_of_text(value))
/* A result code, 0 or negative, in words. */
#define LOG_FAULT(name, code) LOG_TEXT(name, fault_text(code))
#define LOG_U64(name, value)                                                                       \
    ((struct log_field){.key = (name), .kind = LOG_FIELD_U64, .u64 = (value)})
#define LOG_I64(name, value)                                                                       \
    ((struct log_field){.key = (name), .kind = LOG_FIELD_I64, .i64 = (value)})
#define LOG_F64(name, value)                                                                       \
    ((struct log_field){.key = (name), .kind = LOG_FIELD_F64, .f64 = (value)})
#define LOG_BOOL(name, value)                                                                      \
    ((struct log_field){.key = (name), .kind = LOG_FIELD_BOOL, .boolean = (value)})

/* Sets format and level for the process; may be called again. Before: AUTO and info. */
void log_init(const struct log_options *options);

bool log_is_enabled(enum log_level level);

/*
 * Writes one line. All arguments are borrowed until return. What does not fit the line is left out,
 * and the line says `cut=true`. A stderr that refuses is not our trouble: the line is lost.
 */
void log_event(enum log_level level, const char *event, const struct log_field *fields,
               size_t field_count);

/* One line with one or more fields; without fields call log_event(level, event, NULL, 0). */
#define LOG_AT(level, event, ...)                                                                  \
    log_event((level), (event), (const struct log_field[]){__VA_ARGS__},                           \
              sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field))
#define log_error(event, ...) LOG_AT(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) LOG_AT(LOG_LEVEL_WARN, event, __VA_ARGS__)
#define log_info(event, ...) LOG_AT(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) LOG_AT(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

/* What one line says. */
struct log_entry {
    uint64_t time_unix_ns; /* stands in JSON lines only */
    enum log_level level;
    const char *event;              /* borrowed */
    const struct log_field *fields; /* borrowed */
    size_t field_count;
};

/*
 * log_format_line — the line that log_event would write, newline included.
 *
 *   buf   LOG_LINE_MAX_BYTES; no terminator
 *
 * `format` is not AUTO. Returns the length.
 */
size_t log_format_line(enum log_format format, const struct log_entry *entry, char *buf);

/* "error", "warn", "info", "debug"; "auto", "text", "json". 0 or FAULT_MALFORMED; out only on 0. */
WEIR_MUST_USE int log_level_parse(struct slice text, enum log_level *out);
WEIR_MUST_USE int log_format_parse(struct slice text, enum log_format *out);

/* At most one line per LOG_LIMIT_INTERVAL_MS; zeroed is ready. One thread each. */
struct log_limit {
    uint64_t quiet_until_mono_ns;
    uint64_t suppressed_count; /* since the last line that was let through */
};

/*
 * May a line be written at `now_mono_ns`? If so, *suppressed_count says how many were not since the
 * last; if not, this one is counted.
 */
bool log_limit_admit(struct log_limit *limit, uint64_t now_mono_ns, uint64_t *suppressed_count);

/* Room for log_escape_sample: every byte as \xNN, dots, and the terminator. */
#define LOG_SAMPLE_TEXT_BYTES (64 * 4 + 3 + 1)

/*
 * A sample of bad input for people: the first LOG_SAMPLE_MAX_BYTES of `bytes`, printable ASCII as
 * it is, the rest as \xNN, "..." where it was cut. NUL-terminated; returns `buf`, so that it can
 * stand inside LOG_TEXT. `buf` holds LOG_SAMPLE_TEXT_BYTES.
 */
const char *log_escape_sample(struct slice bytes, char *buf);
