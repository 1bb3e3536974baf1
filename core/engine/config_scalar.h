/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_scalar — one scalar's text becomes a value: booleans, numbers, durations, sizes,
 * endpoints.
 *
 * Pure functions over borrowed bytes, used by the typed readers of core/engine/config.h. The rules
 * are the Collector's: YAML 1.2 core booleans and numbers as go-yaml reads them, durations as Go's
 * time.ParseDuration. Each returns true and fills `out`, or false and leaves it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

enum config_type {
    CONFIG_TYPE_TEXT,
    CONFIG_TYPE_NULL,
    CONFIG_TYPE_BOOL,
    CONFIG_TYPE_INTEGER,
    CONFIG_TYPE_FLOAT,
};

/* What a scalar without quotes is in YAML. */
enum config_type config_scalar_type(struct slice text);

/* true True TRUE false False FALSE; yes, no, on and off are text. */
bool config_parse_bool(struct slice text, bool *out);

/* Decimal, 0x, 0o, 0b and Go's leading 0 for octal; one leading sign; '_' between digits. */
bool config_parse_i64(struct slice text, int64_t *out);
bool config_parse_u64(struct slice text, uint64_t *out);

/* Finite decimal numbers and the integers above; .inf and .nan are refused. */
bool config_parse_f64(struct slice text, double *out);

/*
 * Go's duration: sign, then numbers with ns us µs ms s m h ("1m30s", "0.5s"); "0" alone is zero. A
 * bare integer counts nanoseconds, as the Collector has it.
 */
bool config_parse_duration_ns(struct slice text, int64_t *out_ns);

/* A whole number with an optional unit: B, K KB KiB, M MB MiB, G GB GiB (KB is 1000, KiB 1024). */
bool config_parse_bytes(struct slice text, uint64_t *out_bytes);

/* host:port. `host` borrows; without the brackets of IPv6. */
struct config_endpoint {
    struct slice host; /* empty: every address */
    uint16_t port;     /* 0: the kernel picks */
    bool is_default;   /* the configuration did not spell it out */
};

/* "localhost:4317", "0.0.0.0:80", "[::1]:4317", ":8125". The port is needed and decimal. */
bool config_parse_endpoint(struct slice text, struct config_endpoint *out);

/*
 * True where `port` looks like a misprint of `usual_port`: two neighbouring digits swapped, one
 * doubled or left out, or one of the known slips (2020 for 2000).
 */
bool config_is_port_misprint(uint16_t port, uint16_t usual_port);
