/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_command — the daemon's flags and file, read into one struct, written as YAML.
 */
#include "tools/weir/xray_command.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/number.h"
#include "core/engine/config.h"
#include "tools/weir/cli.h"
#include "tools/weir/config_source.h"
#include "tools/weir/config_yaml.h"

#define DEFAULT_ADDRESS "127.0.0.1:2000"
#define DEFAULT_CONCURRENCY 8
#define CONCURRENCY_MAX 1024
#define BUFFER_MIN_MB 3
#define BUFFER_MAX_MB (UINT64_C(1) << 20)
#define MIB (UINT64_C(1) << 20)

/* --- flags ------------------------------------------------------------------------------------ */

enum flag_kind {
    FLAG_TEXT,
    FLAG_NUMBER,
    FLAG_SWITCH,
};

struct flag {
    const char *letter;
    const char *name;
    enum flag_kind kind;
    size_t offset; /* of the member of struct xray_command */
};

#define MEMBER(member) offsetof(struct xray_command, member)

static const struct flag flags[] = {
    {"a", "resource-arn", FLAG_TEXT, MEMBER(resource_arn)},
    {"o", "local-mode", FLAG_SWITCH, MEMBER(is_local_mode)},
    {"m", "buffer-memory", FLAG_NUMBER, MEMBER(buffer_mb)},
    {"n", "region", FLAG_TEXT, MEMBER(region)},
    {"b", "bind", FLAG_TEXT, MEMBER(udp_address)},
    {"t", "bind-tcp", FLAG_TEXT, MEMBER(tcp_address)},
    {"r", "role-arn", FLAG_TEXT, MEMBER(role_arn)},
    {"c", "config", FLAG_TEXT, MEMBER(config_path)},
    {"f", "log-file", FLAG_TEXT, MEMBER(log_path)},
    {"l", "log-level", FLAG_TEXT, MEMBER(log_level)},
    {"p", "proxy-address", FLAG_TEXT, MEMBER(proxy_address)},
    {"v", "version", FLAG_SWITCH, MEMBER(wants_version)},
    {"h", "help", FLAG_SWITCH, MEMBER(wants_help)},
};

static bool copy_text(char out[XRAY_TEXT_MAX_BYTES], struct slice text)
{
    if (text.len >= XRAY_TEXT_MAX_BYTES) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < ' ' || text.ptr[i] == 0x7f) {
            return false;
        }
    }
    memcpy(out, text.ptr, text.len);
    out[text.len] = 0;
    return true;
}

static const struct flag *find_flag(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        if (slice_is_text(name, flags[i].letter) || slice_is_text(name, flags[i].name)) {
            return &flags[i];
        }
    }
    return NULL;
}

static bool take_value(struct xray_command *command, const struct flag *flag, struct slice value)
{
    void *member = (char *)command + flag->offset;
    switch (flag->kind) {
    case FLAG_TEXT:
        return copy_text(member, value);
    case FLAG_NUMBER:
        return number_parse_u64(value, member) == 0;
    case FLAG_SWITCH:
        *(bool *)member = slice_is_text(value, "true") || slice_is_text(value, "1");
        return *(bool *)member || slice_is_text(value, "false") || slice_is_text(value, "0");
    }
    return false;
}

/* One flag at argv[*at]: "-n x", "-n=x", "--region x", "-region=x", as the daemon takes them. */
static int take_flag(struct xray_command *command, int argc, char **argv, int *at)
{
    struct slice text = slice_of_text(argv[*at]);
    struct slice rest = slice_from(text, text.len > 1 && text.ptr[1] == '-' ? 2 : 1);
    size_t name_len = slice_find(rest, '=');
    const struct flag *flag = text.ptr[0] == '-' ? find_flag(slice_first(rest, name_len)) : NULL;
    if (flag == NULL) {
        (void)fprintf(stderr, "weir: xray: unknown argument %s; see weir xray --help\n", argv[*at]);
        return EXIT_CODE_USAGE;
    }
    struct slice value = SLICE_LITERAL("true");
    if (name_len < rest.len) {
        value = slice_from(rest, name_len + 1);
    } else if (flag->kind != FLAG_SWITCH) {
        if (*at + 1 == argc) {
            (void)fprintf(stderr, "weir: xray: --%s needs a value\n", flag->name);
            return EXIT_CODE_USAGE;
        }
        (*at)++;
        value = slice_of_text(argv[*at]);
    }
    if (!take_value(command, flag, value)) {
        (void)fprintf(stderr, "weir: xray: --%s: '%.*s' will not do\n", flag->name,
                      (int)(value.len < 64 ? value.len : 64), (const char *)value.ptr);
        return EXIT_CODE_USAGE;
    }
    return 0;
}

static int take_flags(struct xray_command *command, int argc, char **argv)
{
    int code = 0;
    for (int at = 0; at < argc && code == 0; at++) {
        code = take_flag(command, argc, argv, &at);
    }
    return code;
}

/* --- the file --------------------------------------------------------------------------------- */

/* A text of the file, where no flag has said it already. */
static void read_text(struct config_reader *r, const char *key, char out[XRAY_TEXT_MAX_BYTES])
{
    struct slice value;
    if (!config_read_text(r, key, NULL, &value) || out[0] != 0) {
        return;
    }
    if (!copy_text(out, value)) {
        config_refuse(r, key, "%s is too long or holds control characters", key);
    }
}

static void read_switch(struct config_reader *r, const char *key, bool *out)
{
    bool value;
    if (config_read_bool(r, key, false, &value) && value) {
        *out = true;
    }
}

/*
 * `is_named`: by --config, where unknown keys are errors; in a file that was merely found the
 * daemon passes over them.
 */
static int read_keys(struct xray_command *command, struct config_reader *r, bool is_named)
{
    struct config_reader section;
    uint64_t number;
    bool is_rotated;
    uint32_t version;
    if (config_read_u64(r, "TotalBufferSizeMB", 0, &number) && command->buffer_mb == 0) {
        command->buffer_mb = number;
    }
    (void)config_read_u64(r, "Concurrency", DEFAULT_CONCURRENCY, &command->concurrency);
    read_text(r, "Region", command->region);
    read_text(r, "Endpoint", command->endpoint);
    read_text(r, "ResourceARN", command->resource_arn);
    read_text(r, "RoleARN", command->role_arn);
    read_text(r, "ProxyAddress", command->proxy_address);
    read_switch(r, "LocalMode", &command->is_local_mode);
    read_switch(r, "NoVerifySSL", &command->is_unverified);
    if (config_require(r, "Version") && config_read_u32(r, "Version", 0, 2, &version) &&
        version == 0) {
        config_refuse(r, "Version", "Version must be 1 or 2");
    }
    (void)config_open_section(r, "Socket", &section);
    read_text(&section, "UDPAddress", command->udp_address);
    read_text(&section, "TCPAddress", command->tcp_address);
    int err = is_named ? config_reader_finish(&section) : 0;
    (void)config_open_section(r, "Logging", &section);
    read_text(&section, "LogLevel", command->log_level);
    read_text(&section, "LogPath", command->log_path);
    if (config_read_bool(&section, "LogRotation", true, &is_rotated) && is_rotated) {
        config_caution(&section, "LogRotation", "weir does not rotate its log; use logrotate");
    }
    err = is_named && err == 0 ? config_reader_finish(&section) : err;
    return is_named && err == 0 ? config_reader_finish(r) : err;
}

static int read_tree(struct xray_command *command, const char *path, bool is_named)
{
    struct config_tree tree;
    struct config_report report;
    struct config_reader reader;
    struct config_node *root = NULL;
    struct slice text;
    struct slice why = {0};
    uint32_t source_index = 0;
    int err = config_tree_init(&tree);
    config_report_init(&report, &tree);
    if (err == 0) {
        err = config_source_fetch(&tree, slice_of_text(path), &text, &why);
    }
    if (err == 0) {
        err = config_tree_add_source(&tree, slice_of_text(path), text, &source_index);
    }
    if (err == 0) {
        err = config_yaml_parse(&tree, &report, text, NULL, source_index, &root);
    }
    if (err == 0) {
        config_reader_open(&reader, &report, root, "cfg");
        err = read_keys(command, &reader, is_named);
        err = err == 0 && report.error_count > 0 ? FAULT_CONFIG : err;
    }
    if (why.len > 0) {
        (void)fprintf(stderr, "weir: xray: %s: %.*s\n", path, (int)why.len, (const char *)why.ptr);
    }
    config_report_print(&report, stderr);
    config_tree_fini(&tree);
    return err == 0 ? 0 : EXIT_CODE_CONFIG;
}

static int read_file(struct xray_command *command)
{
    static const char *const places[] = {"/etc/amazon/xray/cfg.yaml", "./cfg.yaml"};
    if (command->config_path[0] != 0) {
        return read_tree(command, command->config_path, true);
    }
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        if (access(places[i], R_OK) == 0) {
            return read_tree(command, places[i], false);
        }
    }
    return 0;
}

/* --- both ------------------------------------------------------------------------------------- */

static int check(struct xray_command *command)
{
    enum log_level level;
    if (command->buffer_mb != 0 &&
        (command->buffer_mb < BUFFER_MIN_MB || command->buffer_mb > BUFFER_MAX_MB)) {
        (void)fprintf(stderr, "weir: xray: buffer memory must be at least %d MB\n", BUFFER_MIN_MB);
        return EXIT_CODE_CONFIG;
    }
    if (command->concurrency == 0 || command->concurrency > CONCURRENCY_MAX) {
        (void)fprintf(stderr, "weir: xray: Concurrency must be 1 to %d\n", CONCURRENCY_MAX);
        return EXIT_CODE_CONFIG;
    }
    if (!xray_command_log_level(command, &level)) {
        (void)fprintf(stderr,
                      "weir: xray: log level '%s' is none of dev, debug, info, warn, error, prod\n",
                      command->log_level);
        return EXIT_CODE_CONFIG;
    }
    return 0;
}

int xray_command_read(struct xray_command *command, int argc, char **argv)
{
    memset(command, 0, sizeof(*command));
    command->concurrency = DEFAULT_CONCURRENCY;
    int code = take_flags(command, argc, argv);
    if (code != 0 || command->wants_help || command->wants_version) {
        return code;
    }
    code = read_file(command);
    (void)(command->udp_address[0] == 0 &&
           copy_text(command->udp_address, SLICE_LITERAL(DEFAULT_ADDRESS)));
    (void)(command->tcp_address[0] == 0 &&
           copy_text(command->tcp_address, SLICE_LITERAL(DEFAULT_ADDRESS)));
    return code == 0 ? check(command) : code;
}

bool xray_command_log_level(const struct xray_command *command, enum log_level *out)
{
    static const struct {
        const char *word;
        enum log_level level;
    } words[] = {
        {"", LOG_LEVEL_INFO},     {"dev", LOG_LEVEL_DEBUG}, {"debug", LOG_LEVEL_DEBUG},
        {"info", LOG_LEVEL_INFO}, {"warn", LOG_LEVEL_WARN}, {"error", LOG_LEVEL_ERROR},
        {"prod", LOG_LEVEL_INFO},
    };
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(words[i].word, command->log_level) == 0) {
            *out = words[i].level;
            return true;
        }
    }
    return false;
}

/* --- YAML ------------------------------------------------------------------------------------- */

static void put(struct bytes *out, const char *text)
{
    bytes_append(out, text, strlen(text));
}

/* A member with a quoted text, which is taken literally; nothing where the text is empty. */
static void put_text(struct bytes *out, const char *indent_and_key, const char *text)
{
    if (text[0] == 0) {
        return;
    }
    put(out, indent_and_key);
    put(out, ": '");
    for (const char *c = text; *c != 0; c++) {
        bytes_append_byte(out, (uint8_t)*c);
        if (*c == '\'' || *c == '$') {
            bytes_append_byte(out, (uint8_t)*c);
        }
    }
    put(out, "'\n");
}

static void put_number(struct bytes *out, const char *indent_and_key, uint64_t value)
{
    char line[64];
    (void)snprintf(line, sizeof(line), "%s: %llu\n", indent_and_key, (unsigned long long)value);
    put(out, line);
}

void xray_command_write(const struct xray_command *command, struct bytes *out)
{
    put(out, "receivers:\n  awsxray:\n");
    put_text(out, "    endpoint", command->udp_address);
    put(out, "    proxy_server:\n");
    put_text(out, "      endpoint", command->tcp_address);
    put_text(out, "      region", command->region);
    put_text(out, "      role_arn", command->role_arn);
    put_text(out, "      aws_endpoint", command->endpoint);
    put_text(out, "      proxy_address", command->proxy_address);
    put(out, command->is_local_mode ? "      local_mode: true\n" : "");
    put(out, command->is_unverified ? "      tls: {insecure: true}\n" : "");
    put(out, "processors:\n  batch: {timeout: 1s, send_batch_size: 50}\nexporters:\n  awsxray:\n");
    put_text(out, "    region", command->region);
    put_text(out, "    endpoint", command->endpoint);
    put_text(out, "    role_arn", command->role_arn);
    put_text(out, "    resource_arn", command->resource_arn);
    put_text(out, "    proxy_address", command->proxy_address);
    put(out, command->is_local_mode ? "    local_mode: true\n" : "");
    put(out, command->is_unverified ? "    no_verify_ssl: true\n" : "");
    put_number(out, "    num_workers", command->concurrency);
    put(out, "    telemetry: {enabled: true}\n");
    if (command->buffer_mb != 0) {
        put(out, "    sending_queue:\n      sizer: bytes\n");
        put_number(out, "      queue_size", command->buffer_mb * MIB);
    }
    put(out, "extensions:\n  health_check: {}\n"
             "service:\n  extensions: [health_check]\n  pipelines:\n"
             "    traces: {receivers: [awsxray], processors: [batch], exporters: [awsxray]}\n");
}

void xray_command_print_help(void)
{
    static const char text[] =
        "weir xray - takes the place of the AWS X-Ray daemon, with its flags and its cfg.yaml\n"
        "\n"
        "  -a, --resource-arn ARN     resource that telemetry records name\n"
        "  -o, --local-mode           do not ask for EC2 instance metadata\n"
        "  -m, --buffer-memory MB     of the queue, at least 3\n"
        "  -n, --region REGION\n"
        "  -b, --bind ADDRESS         UDP, default 127.0.0.1:2000\n"
        "  -t, --bind-tcp ADDRESS     sampling proxy, default 127.0.0.1:2000\n"
        "  -r, --role-arn ARN         assumed for uploads\n"
        "  -c, --config FILE          default /etc/amazon/xray/cfg.yaml, then ./cfg.yaml\n"
        "  -f, --log-file FILE        default stderr\n"
        "  -l, --log-level LEVEL      dev, debug, info, warn, error, prod\n"
        "  -p, --proxy-address URL    HTTP proxy for uploads\n"
        "  -v, --version\n"
        "  -h, --help\n";
    (void)fputs(text, stdout);
}
