/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/socket.h: endpoints, opening, stale paths, drops, reuseport groups. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/fault.h"
#include "io/io_bounds.h"
#include "io/socket.h"

static void expect_endpoint(const char *text, const char *host, uint16_t port)
{
    struct socket_endpoint endpoint;
    assert_int_equal(socket_parse_endpoint(slice_of_text(text), &endpoint), 0);
    assert_string_equal(endpoint.host, host);
    assert_int_equal(endpoint.port, port);
}

static void test_endpoint_takes_hosts_and_brackets(void **state)
{
    (void)state;
    expect_endpoint("localhost:8125", "localhost", 8125);
    expect_endpoint(":8125", "", 8125);
    expect_endpoint("0.0.0.0:0", "0.0.0.0", 0);
    expect_endpoint("[::1]:65535", "::1", 65535);
    expect_endpoint("[fe80::1%eth0]:1", "fe80::1%eth0", 1);
}

static void test_endpoint_refuses_what_it_cannot_mean(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int fault;
    } CASES[] = {
        {"", FAULT_MALFORMED},           {"localhost", FAULT_MALFORMED},
        {"localhost:", FAULT_MALFORMED}, {"::1:8125", FAULT_MALFORMED},
        {"[::1]8125", FAULT_MALFORMED},  {"[::1]", FAULT_MALFORMED},
        {"[::1", FAULT_MALFORMED},       {"[]:1", FAULT_MALFORMED},
        {"a:80b", FAULT_MALFORMED},      {"a:-1", FAULT_MALFORMED},
        {"a:65536", FAULT_LIMIT},        {"a:000080", FAULT_LIMIT},
    };
    for (size_t i = 0; i < COUNT_OF(CASES); i++) {
        struct socket_endpoint endpoint;
        assert_int_equal(socket_parse_endpoint(slice_of_text(CASES[i].text), &endpoint),
                         CASES[i].fault);
    }
    struct socket_endpoint endpoint;
    assert_int_equal(socket_parse_endpoint(slice_of("a\0b:1", 5), &endpoint), FAULT_MALFORMED);
}

static void test_endpoint_host_at_its_limit_and_one_past(void **state)
{
    (void)state;
    char text[SOCKET_HOST_MAX_BYTES + 8];
    struct socket_endpoint endpoint;
    memset(text, 'a', sizeof(text));
    memcpy(text + SOCKET_HOST_MAX_BYTES, ":1", 2);
    struct slice at_limit = slice_of(text, SOCKET_HOST_MAX_BYTES + 2);
    assert_int_equal(socket_parse_endpoint(at_limit, &endpoint), 0);
    assert_int_equal(strlen(endpoint.host), SOCKET_HOST_MAX_BYTES);
    memcpy(text + SOCKET_HOST_MAX_BYTES, "a:1", 3);
    struct slice past_limit = slice_of(text, SOCKET_HOST_MAX_BYTES + 3);
    assert_int_equal(socket_parse_endpoint(past_limit, &endpoint), FAULT_LIMIT);
}

static struct loop_address resolve(const char *text, enum socket_family family)
{
    struct socket_endpoint endpoint;
    struct loop_address address;
    const char *why_text = NULL;
    assert_int_equal(socket_parse_endpoint(slice_of_text(text), &endpoint), 0);
    assert_int_equal(socket_resolve(&endpoint, family, &address, &why_text), 0);
    return address;
}

static void test_resolve_prefers_ipv4_and_says_why_not(void **state)
{
    (void)state;
    struct loop_address address = resolve("localhost:8125", SOCKET_FAMILY_ANY);
    assert_int_equal(address.any.sa_family, AF_INET);
    assert_int_equal(socket_port_of(&address), 8125);
    address = resolve("[::1]:9", SOCKET_FAMILY_ANY);
    assert_int_equal(address.any.sa_family, AF_INET6);
    assert_int_equal(socket_port_of(&address), 9);
    address = resolve(":9", SOCKET_FAMILY_IPV4);
    assert_int_equal(address.any.sa_family, AF_INET);
    struct socket_endpoint bad = {.host = "256.1.1.1.invalid", .port = 1};
    const char *why_text = NULL;
    assert_int_equal(socket_resolve(&bad, SOCKET_FAMILY_ANY, &address, &why_text), FAULT_MALFORMED);
    assert_non_null(why_text);
}

static void test_udp_reports_its_port_and_buffer(void **state)
{
    (void)state;
    struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
    struct socket_options options = {.has_gro = true, .receive_buffer_bytes = 100000};
    struct socket_report report;
    int fd = socket_open_udp(&address, &options, &report);
    assert_true(fd >= 0);
    assert_true(socket_port_of(&report.local) != 0);
    assert_true(report.receive_buffer_bytes >= 100000);
    assert_false(report.is_buffer_short);
    assert_true(report.has_gro);
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    int second_fd = socket_open_udp(&report.local, &options, NULL);
    assert_int_equal(second_fd, -EADDRINUSE);
    close(fd);
}

static void test_udp_sockets_of_a_group_share_their_port(void **state)
{
    (void)state;
    struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
    struct socket_options options = {.has_reuseport = true};
    struct socket_report report;
    int first_fd = socket_open_udp(&address, &options, &report);
    int second_fd = socket_open_udp(&report.local, &options, NULL);
    assert_true(first_fd >= 0 && second_fd >= 0);
    close(first_fd);
    close(second_fd);
}

static void test_tcp_listens_on_both_families_unless_told_otherwise(void **state)
{
    (void)state;
    struct loop_address address = resolve(":0", SOCKET_FAMILY_ANY);
    struct socket_options options = {0};
    struct socket_report report;
    int fd = socket_open_tcp(&address, &options, &report);
    assert_true(fd >= 0);
    struct sockaddr_in target = {
        .sin_family = AF_INET,
        .sin_port = htons(socket_port_of(&report.local)),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int client_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(client_fd, (struct sockaddr *)&target, sizeof(target)), 0);
    close(client_fd);
    close(fd);
}

/* --- unix ------------------------------------------------------------------------------------ */

static void path_in(char *path, size_t cap, const char *directory, const char *name)
{
    assert_true(snprintf(path, cap, "%s/%s", directory, name) < (int)cap);
}

static void test_unix_replaces_a_stale_path_only(void **state)
{
    (void)state;
    static const int TYPES[] = {SOCK_DGRAM, SOCK_STREAM};
    for (size_t i = 0; i < COUNT_OF(TYPES); i++) {
        char directory[] = "/tmp/weir-test-XXXXXX";
        char path[64];
        struct stat status;
        assert_non_null(mkdtemp(directory));
        path_in(path, sizeof(path), directory, "s");
        struct socket_options options = {.permissions = 0622};
        int fd = socket_open_unix(path, TYPES[i], &options, NULL);
        assert_true(fd >= 0);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0622);
        assert_int_equal(socket_open_unix(path, TYPES[i], &options, NULL), -EADDRINUSE);
        close(fd); /* the path stays behind */
        fd = socket_open_unix(path, TYPES[i], &options, NULL);
        assert_true(fd >= 0);
        close(fd);
        assert_int_equal(unlink(path), 0);
        int file_fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
        assert_true(file_fd >= 0);
        close(file_fd);
        assert_int_equal(socket_open_unix(path, TYPES[i], &options, NULL), -EEXIST);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(directory), 0);
    }
}

static void test_unix_path_at_its_limit_and_one_past(void **state)
{
    (void)state;
    char directory[] = "/tmp/weir-test-XXXXXX";
    char path[SOCKET_PATH_MAX_BYTES + 2];
    struct socket_options options = {0};
    assert_non_null(mkdtemp(directory));
    memset(path, 'p', sizeof(path));
    memcpy(path, directory, strlen(directory));
    path[strlen(directory)] = '/';
    path[SOCKET_PATH_MAX_BYTES + 1] = '\0';
    assert_int_equal(socket_open_unix(path, SOCK_DGRAM, &options, NULL), -ENAMETOOLONG);
    path[SOCKET_PATH_MAX_BYTES] = '\0';
    int fd = socket_open_unix(path, SOCK_DGRAM, &options, NULL);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
    assert_int_equal(socket_open_unix("", SOCK_DGRAM, &options, NULL), -EINVAL);
    assert_int_equal(socket_open_unix("/nowhere/at/all", SOCK_DGRAM, &options, NULL), -ENOENT);
}

/* --- drops and groups ------------------------------------------------------------------------- */

static int client_to(const struct loop_address *target, uint16_t *own_port)
{
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(own);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, len), 0);
    assert_int_equal(connect(fd, &target->any, target->len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &len), 0);
    *own_port = ntohs(own.sin_port);
    return fd;
}

static void test_drops_count_overflow_exactly(void **state)
{
    (void)state;
    struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
    struct socket_options options = {.receive_buffer_bytes = 4096};
    struct socket_report report;
    int fd = socket_open_udp(&address, &options, &report);
    uint16_t own_port;
    int client_fd = client_to(&report.local, &own_port);
    assert_true(socket_is_dry(fd));
    for (int i = 0; i < 200; i++) {
        assert_int_equal(send(client_fd, "0123456789", 10, 0), 10);
    }
    assert_false(socket_is_dry(fd));
    char buffer[16];
    uint32_t read_count = 0;
    while (recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
        read_count++;
    }
    uint32_t drop_count = 0;
    assert_int_equal(socket_read_drops(fd, &drop_count), 0);
    assert_true(drop_count > 0);
    assert_int_equal(read_count + drop_count, 200);
    close(client_fd);
    close(fd);
    assert_int_equal(socket_read_drops(-1, &drop_count), -EBADF);
    assert_true(socket_is_dry(-1));
}

static bool has_ipv6(void)
{
    struct loop_address address = resolve("[::1]:0", SOCKET_FAMILY_ANY);
    int fd = socket(AF_INET6, SOCK_DGRAM, 0);
    bool is_bound = bind(fd, &address.any, address.len) == 0;
    close(fd);
    return is_bound;
}

/* A socket on `text` that refuses: what it had is there, and who sends later is told. */
static void check_refusal(const char *text, const char *target_text)
{
    struct loop_address address = resolve(text, SOCKET_FAMILY_ANY);
    struct socket_options options = {0};
    struct socket_report report;
    char buffer[16];
    uint32_t drop_count = 0;
    int fd = socket_open_udp(&address, &options, &report);
    struct loop_address target = resolve(target_text, SOCKET_FAMILY_ANY);
    target.in4.sin_port = htons(socket_port_of(&report.local)); /* where IPv6 has it, too */
    int client_fd = socket(target.any.sa_family, SOCK_DGRAM, 0);
    assert_int_equal(connect(client_fd, &target.any, target.len), 0);
    assert_int_equal(send(client_fd, "early", 5, 0), 5);
    assert_int_equal(socket_refuse_all(fd), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(send(client_fd, "late", 4, 0), 4);
        assert_int_equal(send(client_fd, "late", 4, 0), -1); /* it has the answer to the first */
        assert_int_equal(errno, ECONNREFUSED);
    }
    assert_int_equal(recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT), 5);
    assert_true(socket_is_dry(fd));
    assert_int_equal(socket_read_drops(fd, &drop_count), 0);
    assert_int_equal(drop_count, 0);
    close(client_fd);
    close(fd);
}

static void test_refusal_over_ip_is_answered(void **state)
{
    (void)state;
    check_refusal("127.0.0.1:0", "127.0.0.1:1");
    check_refusal("0.0.0.0:0", "127.0.0.2:1");
    if (has_ipv6()) {
        check_refusal("[::1]:0", "[::1]:1");
        check_refusal("[::]:0", "[::1]:1");
        check_refusal("[::]:0", "127.0.0.2:1");
    }
}

static void test_refusal_on_unix_sockets_is_told(void **state)
{
    (void)state;
    char directory[] = "/tmp/weir-test-XXXXXX";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct socket_options options = {0};
    assert_non_null(mkdtemp(directory));
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s/s", directory);
    int fd = socket_open_unix(address.sun_path, SOCK_DGRAM, &options, NULL);
    int client_fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    char got[8];
    assert_int_equal(connect(client_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(send(client_fd, "early", 5, 0), 5);
    assert_int_equal(socket_refuse_all(fd), 0);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(send(client_fd, "late", 4, 0), -1);
        assert_int_equal(errno, EPERM);
    }
    assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 5); /* what came before stays */
    assert_true(socket_is_dry(fd));
    close(client_fd);
    close(fd);
    assert_int_equal(unlink(address.sun_path), 0);
    assert_int_equal(rmdir(directory), 0);
}

#define MEMBERS 4

static void count_arrivals(const int *fds, uint32_t *counts)
{
    char buffer[16];
    for (size_t i = 0; i < MEMBERS; i++) {
        counts[i] = 0;
        while (recv(fds[i], buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
            counts[i]++;
        }
    }
}

static void send_from_many(const struct loop_address *target)
{
    for (int i = 0; i < 200; i++) {
        uint16_t own_port;
        int client_fd = client_to(target, &own_port);
        assert_int_equal(send(client_fd, "x", 1, 0), 1);
        close(client_fd);
    }
}

static void test_group_takes_over_from_members_that_refuse(void **state)
{
    (void)state;
    struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
    struct socket_options options = {.has_reuseport = true};
    struct socket_report report = {.local = address};
    int fds[MEMBERS];
    uint32_t counts[MEMBERS];
    for (size_t i = 0; i < MEMBERS; i++) {
        fds[i] = socket_open_udp(&report.local, &options, i == 0 ? &report : NULL);
        assert_true(fds[i] >= 0);
    }
    for (size_t gone_count = 1; gone_count < MEMBERS; gone_count++) {
        assert_int_equal(socket_refuse_all(fds[gone_count - 1]), 0);
        send_from_many(&report.local);
        count_arrivals(fds, counts);
        uint32_t total = 0;
        for (size_t i = 0; i < MEMBERS; i++) {
            assert_true((counts[i] > 0) == (i >= gone_count));
            total += counts[i];
        }
        assert_int_equal(total, 200);
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        close(fds[i]);
    }
}

static void test_group_is_handed_on_to_one_member(void **state)
{
    (void)state;
    struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
    struct socket_options options = {.has_reuseport = true};
    struct socket_report report = {.local = address};
    int fds[MEMBERS];
    uint32_t counts[MEMBERS];
    for (size_t i = 0; i < MEMBERS; i++) {
        fds[i] = socket_open_udp(&report.local, &options, i == 0 ? &report : NULL);
        assert_true(fds[i] >= 0);
    }
    send_from_many(&report.local);
    count_arrivals(fds, counts);
    assert_true(counts[0] > 0 && counts[1] > 0 && counts[2] > 0 && counts[3] > 0);

    assert_int_equal(socket_group_hand_on(fds[1], 2), 0);
    send_from_many(&report.local);
    count_arrivals(fds, counts);
    assert_int_equal(counts[2], 200);

    close(fds[1]);
    fds[1] = -1;
    send_from_many(&report.local); /* the last has another number now, this one has not */
    count_arrivals(fds, counts);
    assert_int_equal(counts[2], 200);

    assert_int_equal(socket_group_restore(fds[0]), 0);
    send_from_many(&report.local);
    count_arrivals(fds, counts);
    assert_true(counts[0] > 0 && counts[2] > 0 && counts[3] > 0);

    close(fds[0]);
    close(fds[2]);
    close(fds[3]);
}

/* New connections as well, in the order in which members began to listen. */
static void test_connections_are_handed_on(void **state)
{
    (void)state;
    struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
    struct socket_options options = {.has_reuseport = true};
    struct socket_report report = {.local = address};
    int fds[2];
    uint32_t counts[2] = {0};
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = socket_open_tcp(&report.local, &options, i == 0 ? &report : NULL);
        assert_true(fds[i] >= 0);
    }
    assert_int_equal(socket_group_hand_on(fds[0], 1), 0);
    for (int i = 0; i < 100; i++) {
        int client_fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(client_fd, &report.local.any, report.local.len), 0);
        for (size_t k = 0; k < COUNT_OF(fds); k++) {
            int fd = accept(fds[k], NULL, NULL);
            counts[k] += fd >= 0 ? 1 : 0;
            if (fd >= 0) {
                close(fd);
            }
        }
        close(client_fd);
    }
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[1], 100);
    close(fds[0]);
    close(fds[1]);
}

/* As often as a process is reloaded: what was said before must not stay in the way. */
static void test_group_is_steered_anew(void **state)
{
    (void)state;
    struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
    struct socket_options options = {.has_reuseport = true};
    struct socket_report report = {.local = address};
    int fds[MEMBERS];
    uint32_t counts[MEMBERS];
    for (size_t i = 0; i < MEMBERS; i++) {
        fds[i] = socket_open_udp(&report.local, &options, i == 0 ? &report : NULL);
        assert_true(fds[i] >= 0);
    }
    for (uint32_t round = 0; round < 200; round++) {
        assert_int_equal(socket_group_hand_on(fds[0], round % MEMBERS), 0);
        if (round % 40 < MEMBERS) {
            send_from_many(&report.local);
            count_arrivals(fds, counts);
            assert_int_equal(counts[round % MEMBERS], 200);
        }
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        close(fds[i]);
    }
}

/* The first two leave in either order; what is steered to the first behind them keeps arriving. */
static void test_first_behind_the_leaving_keeps_its_number(void **state)
{
    (void)state;
    for (size_t first = 0; first < 2; first++) {
        struct loop_address address = resolve("127.0.0.1:0", SOCKET_FAMILY_ANY);
        struct socket_options options = {.has_reuseport = true};
        struct socket_report report = {.local = address};
        int fds[MEMBERS];
        uint32_t counts[MEMBERS];
        for (size_t i = 0; i < MEMBERS; i++) {
            fds[i] = socket_open_udp(&report.local, &options, i == 0 ? &report : NULL);
            assert_true(fds[i] >= 0);
        }
        assert_int_equal(socket_group_hand_on(fds[0], 2), 0);
        close(fds[first]);
        fds[first] = -1;
        send_from_many(&report.local);
        count_arrivals(fds, counts);
        assert_int_equal(counts[2], 200);
        close(fds[1 - first]);
        fds[1 - first] = -1;
        send_from_many(&report.local); /* nobody has the number any more: spread again */
        count_arrivals(fds, counts);
        assert_int_equal(counts[2] + counts[3], 200);
        assert_true(counts[2] > 20 && counts[3] > 20);
        close(fds[2]);
        close(fds[3]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoint_takes_hosts_and_brackets),
        cmocka_unit_test(test_endpoint_refuses_what_it_cannot_mean),
        cmocka_unit_test(test_endpoint_host_at_its_limit_and_one_past),
        cmocka_unit_test(test_resolve_prefers_ipv4_and_says_why_not),
        cmocka_unit_test(test_udp_reports_its_port_and_buffer),
        cmocka_unit_test(test_udp_sockets_of_a_group_share_their_port),
        cmocka_unit_test(test_tcp_listens_on_both_families_unless_told_otherwise),
        cmocka_unit_test(test_unix_replaces_a_stale_path_only),
        cmocka_unit_test(test_unix_path_at_its_limit_and_one_past),
        cmocka_unit_test(test_drops_count_overflow_exactly),
        cmocka_unit_test(test_refusal_over_ip_is_answered),
        cmocka_unit_test(test_refusal_on_unix_sockets_is_told),
        cmocka_unit_test(test_group_takes_over_from_members_that_refuse),
        cmocka_unit_test(test_group_is_handed_on_to_one_member),
        cmocka_unit_test(test_connections_are_handed_on),
        cmocka_unit_test(test_group_is_steered_anew),
        cmocka_unit_test(test_first_behind_the_leaving_keeps_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
