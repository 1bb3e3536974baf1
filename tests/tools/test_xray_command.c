/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of tools/weir/xray_command: every flag and key of the daemon, and what becomes of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/weir/cli.h"
#include "tools/weir/xray_command.h"

#define ARGS_MAX 32

static struct xray_command command;
static char folder[] = "/tmp/weir-xray-XXXXXX";

/* Words of `line`, split at single blanks. */
static int read_line(const char *line)
{
    static char copy[1024];
    char *args[ARGS_MAX];
    int count = 0;
    (void)snprintf(copy, sizeof(copy), "%s", line);
    for (char *word = copy; word[0] != 0 && count < ARGS_MAX; count++) {
        args[count] = word;
        char *blank = strchr(word, ' ');
        word = blank == NULL ? word + strlen(word) : blank + 1;
        if (blank != NULL) {
            *blank = 0;
        }
    }
    return xray_command_read(&command, count, args);
}

static int read_file(const char *text)
{
    char path[128];
    char line[256];
    (void)snprintf(path, sizeof(path), "%s/cfg.yaml", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    (void)fputs(text, file);
    (void)fclose(file);
    (void)snprintf(line, sizeof(line), "--config %s", path);
    return read_line(line);
}

static void check_yaml(const char *expected)
{
    struct bytes out;
    bytes_init(&out, 65536);
    xray_command_write(&command, &out);
    assert_int_equal(out.err, 0);
    bytes_append_byte(&out, 0);
    assert_string_equal((const char *)out.ptr, expected);
    bytes_fini(&out);
}

static void test_defaults_are_the_daemons(void **state)
{
    (void)state;
    assert_int_equal(read_line(""), 0);
    check_yaml("receivers:\n  awsxray:\n    endpoint: '127.0.0.1:2000'\n    proxy_server:\n"
               "      endpoint: '127.0.0.1:2000'\n"
               "processors:\n  batch: {timeout: 1s, send_batch_size: 50}\n"
               "exporters:\n  awsxray:\n    num_workers: 8\n    telemetry: {enabled: true}\n"
               "extensions:\n  health_check: {}\n"
               "service:\n  extensions: [health_check]\n  pipelines:\n"
               "    traces: {receivers: [awsxray], processors: [batch], exporters: [awsxray]}\n");
}

static void test_every_flag(void **state)
{
    (void)state;
    enum log_level level;
    assert_int_equal(
        read_line("-a arn:x -o -m 3 -n eu-west-1 -b 0.0.0.0:2000 -t=0.0.0.0:2001 "
                  "--role-arn=arn:r -l warn -log-file /x.log --proxy-address http://p"),
        0);
    assert_string_equal(command.log_path, "/x.log");
    assert_true(xray_command_log_level(&command, &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
    check_yaml("receivers:\n  awsxray:\n    endpoint: '0.0.0.0:2000'\n    proxy_server:\n"
               "      endpoint: '0.0.0.0:2001'\n      region: 'eu-west-1'\n"
               "      role_arn: 'arn:r'\n      proxy_address: 'http://p'\n"
               "      local_mode: true\n"
               "processors:\n  batch: {timeout: 1s, send_batch_size: 50}\n"
               "exporters:\n  awsxray:\n    region: 'eu-west-1'\n    role_arn: 'arn:r'\n"
               "    resource_arn: 'arn:x'\n    proxy_address: 'http://p'\n    local_mode: true\n"
               "    num_workers: 8\n    telemetry: {enabled: true}\n"
               "    sending_queue:\n      sizer: bytes\n      queue_size: 3145728\n"
               "extensions:\n  health_check: {}\n"
               "service:\n  extensions: [health_check]\n  pipelines:\n"
               "    traces: {receivers: [awsxray], processors: [batch], exporters: [awsxray]}\n");
}

static void test_texts_are_taken_literally(void **state)
{
    (void)state;
    struct bytes out;
    assert_int_equal(read_line("-a it's${env:HOME}"), 0);
    bytes_init(&out, 65536);
    xray_command_write(&command, &out);
    bytes_append_byte(&out, 0);
    assert_non_null(strstr((const char *)out.ptr, "resource_arn: 'it''s$${env:HOME}'"));
    bytes_fini(&out);
}

static void test_bad_arguments_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "-x", "--regio x", "region", "-n", "-m", "-m many", "--local-mode=perhaps", "-", "--"};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        assert_int_equal(read_line(lines[i]), EXIT_CODE_USAGE);
    }
    assert_int_equal(read_line("-m 2"), EXIT_CODE_CONFIG);
    assert_int_equal(read_line("-m 3"), 0);
    assert_int_equal(read_line("-l loud"), EXIT_CODE_CONFIG);
    assert_int_equal(read_line("-c /no/such/file"), EXIT_CODE_CONFIG);
    assert_int_equal(read_line("-h"), 0);
    assert_true(command.wants_help);
    assert_int_equal(read_line("--version"), 0);
    assert_true(command.wants_version);
}

static void test_every_key_of_the_file(void **state)
{
    (void)state;
    assert_int_equal(
        read_file("TotalBufferSizeMB: 4\nConcurrency: 3\nRegion: us-east-1\nEndpoint: http://e\n"
                  "Socket: {UDPAddress: '1.1.1.1:1', TCPAddress: '2.2.2.2:2'}\n"
                  "Logging: {LogRotation: false, LogLevel: dev, LogPath: /l}\n"
                  "LocalMode: true\nResourceARN: arn:x\nRoleARN: arn:r\nNoVerifySSL: true\n"
                  "ProxyAddress: http://p\nVersion: 2\n"),
        0);
    assert_string_equal(command.log_level, "dev");
    assert_string_equal(command.log_path, "/l");
    check_yaml("receivers:\n  awsxray:\n    endpoint: '1.1.1.1:1'\n    proxy_server:\n"
               "      endpoint: '2.2.2.2:2'\n      region: 'us-east-1'\n"
               "      role_arn: 'arn:r'\n      aws_endpoint: 'http://e'\n"
               "      proxy_address: 'http://p'\n      local_mode: true\n"
               "      tls: {insecure: true}\n"
               "processors:\n  batch: {timeout: 1s, send_batch_size: 50}\n"
               "exporters:\n  awsxray:\n    region: 'us-east-1'\n    endpoint: 'http://e'\n"
               "    role_arn: 'arn:r'\n    resource_arn: 'arn:x'\n    proxy_address: 'http://p'\n"
               "    local_mode: true\n    no_verify_ssl: true\n    num_workers: 3\n"
               "    telemetry: {enabled: true}\n"
               "    sending_queue:\n      sizer: bytes\n      queue_size: 4194304\n"
               "extensions:\n  health_check: {}\n"
               "service:\n  extensions: [health_check]\n  pipelines:\n"
               "    traces: {receivers: [awsxray], processors: [batch], exporters: [awsxray]}\n");
}

static void test_bad_files_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Region: x\n",                             /* no version */
        "Version: 3\n",                            /* */
        "Version: 0\n",                            /* */
        "Version: 2\nRegoin: x\n",                 /* unknown where the file was named */
        "Version: 2\nSocket: {BufferSizeKB: 1}\n", /* of version 1 */
        "Version: 2\nConcurrency: 0\n",
        "Version: 2\nConcurrency: many\n",
        "Version: 2\nTotalBufferSizeMB: 2\n",
        "Version: 2\nRegion: [x\n",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(read_file(texts[i]), EXIT_CODE_CONFIG);
    }
    assert_int_equal(read_file("Version: 1\n"), 0);
}

static void test_flags_win_and_a_found_file_is_read_leniently(void **state)
{
    (void)state;
    char here[256];
    assert_int_equal(read_file("Version: 2\nRegion: us-east-1\nOddity: 1\nLocalMode: true\n"),
                     EXIT_CODE_CONFIG);
    assert_non_null(getcwd(here, sizeof(here)));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(read_line("-n eu-west-1"), 0); /* ./cfg.yaml */
    assert_int_equal(chdir(here), 0);
    assert_string_equal(command.region, "eu-west-1");
    assert_true(command.is_local_mode);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
    (void)state;
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/cfg.yaml", folder);
    (void)unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_are_the_daemons),
        cmocka_unit_test(test_every_flag),
        cmocka_unit_test(test_texts_are_taken_literally),
        cmocka_unit_test(test_bad_arguments_are_refused),
        cmocka_unit_test(test_every_key_of_the_file),
        cmocka_unit_test(test_bad_files_are_refused),
        cmocka_unit_test(test_flags_win_and_a_found_file_is_read_leniently),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
