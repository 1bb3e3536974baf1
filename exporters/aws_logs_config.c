/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aws_logs_config — what CreateLogGroup would refuse is refused when the configuration is read.
 */
#include "exporters/aws_logs_config.h"

#include <errno.h>

#include "core/engine/config.h"

/* The days that PutRetentionPolicy takes. */
static const uint32_t retention_days[] = {1,    3,    5,    7,    14,   30,  60,  90,
                                          120,  150,  180,  365,  400,  545, 731, 1096,
                                          1827, 2192, 2557, 2922, 3288, 3653};

static void read_retention(struct config_reader *r, struct aws_logs_group_config *out)
{
    uint64_t days = 0;
    config_read_u64(r, "log_retention", 0, &days);
    bool is_known = days == 0;
    for (size_t i = 0; i < COUNT_OF(retention_days); i++) {
        is_known = is_known || days == retention_days[i];
    }
    if (!is_known) {
        config_refuse(r, "log_retention",
                      "log_retention must be 0 or a number of days that CloudWatch Logs knows, "
                      "such as 7, 30 or 365");
        return;
    }
    out->retention_days = (uint32_t)days;
}

static void read_class(struct config_reader *r, struct aws_logs_group_config *out)
{
    static const char *const classes[] = {"", "STANDARD", "INFREQUENT_ACCESS", "DELIVERY"};
    uint32_t index = 0;
    config_read_enum(r, "log_group_class", CONFIG_WORDS(classes), 0, &index);
    out->group_class = index > 0 ? classes[index] : NULL;
}

static bool is_tag_mark(uint8_t c)
{
    static const char marks[] = " _.:/=+-@";
    return memchr(marks, c, sizeof(marks) - 1) != NULL;
}

/* Letters of other scripts are letters too; the service looks closer. */
static bool is_tag_text(struct slice text, size_t chars_max)
{
    size_t char_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        bool is_letter = (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
        bool is_digit = c >= '0' && c <= '9';
        if (c < 0x80 && !is_letter && !is_digit && !is_tag_mark(c)) {
            return false;
        }
        char_count += (c & 0xC0) != 0x80 ? 1 : 0;
    }
    return char_count > 0 && char_count <= chars_max && slice_is_utf8(text);
}

static int add_tag(struct arena *texts, struct aws_logs_group_config *out, struct slice key,
                   struct slice value)
{
    struct aws_logs_tag tag = {.key = arena_copy(texts, key), .value = arena_copy(texts, value)};
    if (tag.key.ptr == NULL || tag.value.ptr == NULL) {
        return -ENOMEM;
    }
    out->tags[out->tag_count] = tag;
    out->tag_count++;
    return 0;
}

static int read_tags(struct config_reader *r, struct arena *texts,
                     struct aws_logs_group_config *out)
{
    struct config_items items = config_open_map(r, "tags");
    struct slice key;
    struct slice value;
    if (!items.is_present) {
        return 0;
    }
    out->tags = arena_alloc_array(texts, AWS_LOGS_TAGS_MAX, sizeof(out->tags[0]));
    if (out->tags == NULL) {
        return -ENOMEM;
    }
    while (config_next_pair(&items, &key, &value)) {
        if (!is_tag_text(key, AWS_LOGS_TAG_KEY_MAX_CHARS) ||
            !is_tag_text(value, AWS_LOGS_TAG_VALUE_MAX_CHARS)) {
            config_refuse(r, "tags",
                          "a tag is 1 to %d characters, its value 1 to %d: letters, digits, "
                          "blanks and _ . : / = + - @",
                          AWS_LOGS_TAG_KEY_MAX_CHARS, AWS_LOGS_TAG_VALUE_MAX_CHARS);
            continue;
        }
        if (out->tag_count == AWS_LOGS_TAGS_MAX) {
            config_refuse(r, "tags", "a log group has at most %d tags", AWS_LOGS_TAGS_MAX);
            return 0;
        }
        int err = add_tag(texts, out, key, value);
        if (err != 0) {
            return err;
        }
    }
    return 0;
}

int aws_logs_group_config_read(struct config_reader *r, struct arena *texts,
                               struct aws_logs_group_config *out)
{
    *out = (struct aws_logs_group_config){0};
    read_retention(r, out);
    read_class(r, out);
    return read_tags(r, texts, out);
}
