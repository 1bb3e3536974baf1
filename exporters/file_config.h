/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_config — the keys of the file exporter and what they mean.
 */
#pragma once

#include <stdint.h>

#include "codecs/compress.h"
#include "core/base/defs.h"
#include "exporters/file_target.h"

struct config_reader;

enum file_format {
    FILE_FORMAT_JSON,
    FILE_FORMAT_PROTO,
};

struct file_config {
    struct file_target_options target; /* its path is owned */
    enum file_format format;
    enum compress_kind compression;
    uint64_t flush_interval_ns;
};

/*
 * Reads the section; finishing it, which says whether all of it was right, is the caller's. 0 or
 * -ENOMEM; in any case the path in `out` is to be freed.
 */
WEIR_MUST_USE int file_config_read(struct config_reader *config, struct file_config *out);
