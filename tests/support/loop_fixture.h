/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_fixture — runs a group of cmocka tests once per I/O backend.
 *
 * A test's *state is an open `struct loop *`. A backend that this machine refuses is skipped with
 * its name and the program ends with 77.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "core/base/clock.h"
#include "core/base/defs.h"
#include "io/loop.h"
#include "io/loop_ops.h"

#define LOOP_FIXTURE_SKIPPED 77
/* Nothing on loopback takes this long; a test that waits for it has failed. */
#define LOOP_FIXTURE_PATIENCE_NS (20 * CLOCK_NS_PER_S)
/* What loop_fixture_run turns at least, where the machine lets the test stand meanwhile. */
#define LOOP_FIXTURE_TURNS_MIN 3
/* What a loop may take to let go of what the test has closed. */
#define LOOP_FIXTURE_CLOSE_TURNS_MAX 1000

#define LOOP_TEST(function)                                                                        \
    cmocka_unit_test_setup_teardown(function, loop_fixture_open, loop_fixture_close)

static enum loop_backend loop_fixture_backend;

static inline int loop_fixture_open(void **state)
{
    struct loop_options options = {.backend = loop_fixture_backend};
    struct loop *loop = NULL;
    int err = loop_open(&options, &loop, NULL);
    *state = loop;
    return err;
}

static inline int loop_fixture_close(void **state)
{
    struct loop *loop = *state;
    int err = 0;
    for (int i = 0;
         loop != NULL && loop->slots.used_count > 0 && err == 0 && i < LOOP_FIXTURE_CLOSE_TURNS_MAX;
         i++) {
        err = loop_turn(loop, CLOCK_NS_PER_MS) < 0 ? -1 : 0;
    }
    loop_close(loop);
    return err;
}

/* Turns until `*flag` is not 0, or fails the test. */
static inline void loop_fixture_until(struct loop *loop, const uint64_t *flag)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + LOOP_FIXTURE_PATIENCE_NS;
    while (*flag == 0 && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(*flag != 0);
}

/* Turns for `duration_ns`, whatever happens; the last turn begins after that. */
static inline void loop_fixture_run(struct loop *loop, uint64_t duration_ns)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + duration_ns;
    bool is_over = false;
    for (int i = 0; i < LOOP_FIXTURE_TURNS_MIN || !is_over; i++) {
        is_over = clock_mono_ns() >= deadline_mono_ns;
        assert_true(loop_turn(loop, CLOCK_NS_PER_MS) >= 0);
    }
}

/* 0, LOOP_FIXTURE_SKIPPED, or how many tests failed. `run` runs the group under its name. */
static inline int loop_fixture_main(int (*run)(const char *name))
{
    static const struct {
        enum loop_backend backend;
        const char *name;
    } BACKENDS[] = {
        {LOOP_BACKEND_EPOLL, "epoll"},
        {LOOP_BACKEND_URING, "io_uring"},
    };
    int failed_count = 0;
    int skipped_count = 0;
    for (size_t i = 0; i < COUNT_OF(BACKENDS); i++) {
        struct loop_options options = {.backend = BACKENDS[i].backend};
        struct loop *loop = NULL;
        const char *why_text = NULL;
        if (loop_open(&options, &loop, &why_text) != 0) {
            (void)printf("SKIP backend %s: %s\n", BACKENDS[i].name, why_text);
            skipped_count++;
            continue;
        }
        loop_close(loop);
        loop_fixture_backend = BACKENDS[i].backend;
        failed_count += run(BACKENDS[i].name);
    }
    if (failed_count != 0) {
        return failed_count;
    }
    return skipped_count != 0 ? LOOP_FIXTURE_SKIPPED : 0;
}
