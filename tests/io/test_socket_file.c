/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of io/socket_file: a path changes hands without a gap, and is removed by its last owner. */
#include "io/socket_file.h"

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

static const int types[] = {SOCK_DGRAM, SOCK_STREAM};
static const struct socket_options options = {.permissions = 0622};
static char directory[sizeof("/tmp/weir-test-XXXXXX")];
static char path[64];
static char beside[80];

static int make_directory(void **state)
{
    (void)state;
    memcpy(directory, "/tmp/weir-test-XXXXXX", sizeof(directory));
    if (mkdtemp(directory) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/s", directory);
    (void)snprintf(beside, sizeof(beside), "%s%s", path, SOCKET_FILE_SUFFIX);
    return 0;
}

/* Nothing may be left in it. */
static int remove_directory(void **state)
{
    (void)state;
    return rmdir(directory);
}

static bool is_there(const char *place)
{
    struct stat status;
    return lstat(place, &status) == 0;
}

/* Whether somebody who goes to the path now reaches that listener. */
static bool reaches(int type, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char got[4];
    bool has_reached = false;
    memcpy(address.sun_path, path, strlen(path));
    int client_fd = socket(AF_UNIX, type, 0);
    assert_true(client_fd >= 0);
    assert_int_equal(connect(client_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    if (type == SOCK_DGRAM) {
        assert_int_equal(send(client_fd, "hi", 2, 0), 2);
        has_reached = recv(fd, got, sizeof(got), MSG_DONTWAIT) == 2;
    } else {
        int accepted_fd = accept(fd, NULL, NULL);
        has_reached = accepted_fd >= 0;
        (void)close(accepted_fd);
    }
    (void)close(client_fd);
    return has_reached;
}

static int open_file(struct socket_file *file, int type)
{
    int fd = socket_file_open(file, path, type, &options, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void close_file(struct socket_file *file, int fd)
{
    (void)close(fd);
    socket_file_close(file);
    socket_file_close(file);
}

static void test_a_successor_takes_the_path_and_keeps_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct socket_file old = {0};
        struct socket_file heir = {0};
        struct stat status;
        int old_fd = open_file(&old, types[i]);
        assert_int_equal(socket_file_take(&old), 0);
        int heir_fd = open_file(&heir, types[i]);
        assert_true(is_there(beside));
        assert_true(reaches(types[i], old_fd)); /* until it is taken */
        assert_int_equal(socket_file_take(&heir), 0);
        assert_int_equal(socket_file_take(&heir), 0);
        assert_false(is_there(beside));
        assert_true(reaches(types[i], heir_fd));
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0622);
        close_file(&old, old_fd);
        assert_true(reaches(types[i], heir_fd));
        close_file(&heir, heir_fd);
        assert_false(is_there(path));
    }
}

/* The number of the first one's inode is free again, and the third may be given it. */
static void test_an_old_owner_removes_no_grandchild(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct socket_file files[3] = {0};
        int fds[3];
        for (size_t k = 0; k < 3; k++) {
            if (k == 2) {
                (void)close(fds[0]);
            }
            fds[k] = open_file(&files[k], types[i]);
            assert_int_equal(socket_file_take(&files[k]), 0);
        }
        socket_file_close(&files[0]);
        assert_true(reaches(types[i], fds[2]));
        close_file(&files[1], fds[1]);
        assert_true(reaches(types[i], fds[2]));
        close_file(&files[2], fds[2]);
        assert_false(is_there(path));
    }
}

static void test_a_successor_that_fails_leaves_the_path_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct socket_file old = {0};
        struct socket_file heir = {0};
        int old_fd = open_file(&old, types[i]);
        assert_int_equal(socket_file_take(&old), 0);
        for (int attempt = 0; attempt < 3; attempt++) {
            close_file(&heir, open_file(&heir, types[i]));
            assert_false(is_there(beside));
            assert_true(reaches(types[i], old_fd));
        }
        close_file(&old, old_fd);
        assert_false(is_there(path));
    }
}

static void test_twins_and_strangers_are_in_the_way(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        struct socket_file first = {0};
        struct socket_file twin = {0};
        struct socket_file heir = {0};
        int fd = open_file(&first, types[i]);
        assert_int_equal(socket_file_open(&twin, path, types[i], &options, NULL), -EADDRINUSE);
        assert_int_equal(socket_file_take(&twin), 0); /* closed */
        assert_int_equal(socket_file_take(&first), 0);
        int heir_fd = open_file(&heir, types[i]);
        assert_int_equal(socket_file_open(&twin, path, types[i], &options, NULL), -EADDRINUSE);
        close_file(&heir, heir_fd);
        close_file(&first, fd);
        int stranger_fd = socket_open_unix(path, types[i], &options, NULL);
        assert_true(stranger_fd >= 0);
        assert_int_equal(socket_file_open(&twin, path, types[i], &options, NULL), -EADDRINUSE);
        (void)close(stranger_fd);
        close_file(&twin, open_file(&twin, types[i])); /* the stranger's file was stale */
        assert_false(is_there(path));
    }
}

static void test_what_others_put_there_stays(void **state)
{
    (void)state;
    struct socket_file file = {0};
    int fd = open_file(&file, SOCK_DGRAM);
    assert_int_equal(socket_file_take(&file), 0);
    assert_int_equal(unlink(path), 0);
    int other_fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(other_fd >= 0);
    (void)close(other_fd);
    close_file(&file, fd);
    assert_int_equal(unlink(path), 0);
}

static void test_a_successor_needs_room_for_its_suffix(void **state)
{
    (void)state;
    char longest[SOCKET_PATH_MAX_BYTES + 2];
    struct socket_file old = {0};
    struct socket_file heir = {0};
    (void)snprintf(longest, sizeof(longest), "%s/%0*d", directory,
                   (int)(SOCKET_PATH_MAX_BYTES - strlen(directory)), 0);
    assert_int_equal(socket_file_open(&old, longest, SOCK_DGRAM, &options, NULL), -ENAMETOOLONG);
    longest[SOCKET_PATH_MAX_BYTES] = '\0';
    int fd = socket_file_open(&old, longest, SOCK_DGRAM, &options, NULL);
    assert_true(fd >= 0);
    assert_int_equal(socket_file_take(&old), 0);
    assert_int_equal(socket_file_open(&heir, longest, SOCK_DGRAM, &options, NULL), -ENAMETOOLONG);
    close_file(&old, fd);
    longest[SOCKET_PATH_MAX_BYTES - strlen(SOCKET_FILE_SUFFIX)] = '\0';
    fd = socket_file_open(&old, longest, SOCK_DGRAM, &options, NULL);
    assert_int_equal(socket_file_take(&old), 0);
    int heir_fd = socket_file_open(&heir, longest, SOCK_DGRAM, &options, NULL);
    assert_true(heir_fd >= 0);
    assert_int_equal(socket_file_take(&heir), 0);
    close_file(&old, fd);
    close_file(&heir, heir_fd);
}

#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_directory, remove_directory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_a_successor_takes_the_path_and_keeps_it),
        FILE_TEST(test_an_old_owner_removes_no_grandchild),
        FILE_TEST(test_a_successor_that_fails_leaves_the_path_alone),
        FILE_TEST(test_twins_and_strangers_are_in_the_way),
        FILE_TEST(test_what_others_put_there_stays),
        FILE_TEST(test_a_successor_needs_room_for_its_suffix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
