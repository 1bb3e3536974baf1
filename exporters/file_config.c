/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file_config — key by key, with the Collector's defaults.
 */
#include "exporters/file_config.h"

#include <errno.h>

#include "core/base/clock.h"
#include "core/base/mem.h"
#include "core/engine/config.h"
#include "exporters/exporter_bounds.h"

#define DIRECTORY_MODE_MAX 07777
#define MEGABYTE UINT64_C(1048576)
#define DEFAULT_MEGABYTES 100
#define DEFAULT_BACKUPS 100
#define DAYS_MAX 36500

static const char *const format_words[] = {
    [FILE_FORMAT_JSON] = "json",
    [FILE_FORMAT_PROTO] = "proto",
};

static const char *const compression_words[] = {"none", "zstd"};
static const enum compress_kind compression_of_word[] = {COMPRESS_NONE, COMPRESS_ZSTD};

/* Octal digits, as chmod takes them. */
static bool parse_mode(struct slice text, mode_t *out)
{
    mode_t mode = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '7' || mode > DIRECTORY_MODE_MAX) {
            return false;
        }
        mode = mode * 8 + (mode_t)(text.ptr[i] - '0');
    }
    *out = mode;
    return text.len > 0 && mode <= DIRECTORY_MODE_MAX;
}

static void read_rotation(struct config_reader *r, struct file_target_options *out)
{
    struct config_reader rotation;
    uint32_t megabytes = DEFAULT_MEGABYTES;
    out->rotates = config_open_section(r, "rotation", &rotation);
    (void)config_read_u32(&rotation, "max_megabytes", DEFAULT_MEGABYTES, UINT32_MAX, &megabytes);
    (void)config_read_u32(&rotation, "max_days", 0, DAYS_MAX, &out->backup_max_days);
    (void)config_read_u32(&rotation, "max_backups", DEFAULT_BACKUPS, UINT32_MAX, &out->backups_max);
    (void)config_read_bool(&rotation, "localtime", false, &out->is_local_time);
    (void)config_reader_finish(&rotation); /* counted by the section around it */
    out->rotate_at_bytes = (megabytes == 0 ? DEFAULT_MEGABYTES : megabytes) * MEGABYTE;
    if (out->rotates && out->is_appending) {
        config_refuse(r, "append", "append and rotation exclude each other");
    }
}

/* 0 or -ENOMEM. */
static int read_target(struct config_reader *r, struct file_target_options *out)
{
    struct slice path = {0};
    struct slice mode_text = {0};
    bool has_path = config_require(r, "path");
    (void)config_read_text(r, "path", NULL, &path);
    if (has_path && path.len >= FILE_PATH_MAX_BYTES) {
        config_refuse(r, "path", "a path has at most %d bytes", FILE_PATH_MAX_BYTES - 1);
    }
    (void)config_read_bool(r, "append", false, &out->is_appending);
    (void)config_read_bool(r, "create_directory", false, &out->creates_directory);
    (void)config_read_text(r, "directory_permissions", "0755", &mode_text);
    if (!parse_mode(mode_text, &out->directory_mode)) {
        config_refuse(r, "directory_permissions", "expected octal digits, as in \"0755\"");
    }
    read_rotation(r, out);
    out->path = mem_copy_text(path.ptr, path.len);
    return out->path == NULL ? -ENOMEM : 0;
}

int file_config_read(struct config_reader *config, struct file_config *out)
{
    *out = (struct file_config){0};
    uint32_t format = FILE_FORMAT_JSON;
    uint32_t compression = 0;
    int err = read_target(config, &out->target);
    (void)config_read_enum(config, "format", CONFIG_WORDS(format_words), FILE_FORMAT_JSON, &format);
    (void)config_read_enum(config, "compression", CONFIG_WORDS(compression_words), 0, &compression);
    (void)config_read_duration_ns(config, "flush_interval", CLOCK_NS_PER_S,
                                  &out->flush_interval_ns);
    config_known_unsupported(config, "compression_params");
    config_known_unsupported(config, "group_by");
    config_known_unsupported(config, "encoding");
    out->format = (enum file_format)format;
    out->compression = compression_of_word[compression];
    return err;
}
