/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tests of io/aws/credentials with a scripted source and a clock that moves when told: one fetch
 * for all, renewal before expiry, backoff, sets that the service refuses.
 */
#include "io/aws/credentials.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/clock.h"
#include "core/base/defs.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "tests/support/fake_loop.h"

struct script {
    struct credential_source source;
    uint32_t start_count;
    uint32_t cancel_count;
};

struct waiting {
    struct waiter waiter;
    uint32_t told_count;
};

struct rig {
    struct loop *loop;
    struct script script;
    struct credentials credentials;
};

static void script_start(struct credential_source *source)
{
    CONTAINER_OF(source, struct script, source)->start_count++;
}

static void script_cancel(struct credential_source *source)
{
    CONTAINER_OF(source, struct script, source)->cancel_count++;
}

static const struct credential_source_ops script_ops = {
    .start = script_start,
    .cancel = script_cancel,
};

static void on_told(struct waiter *waiter)
{
    CONTAINER_OF(waiter, struct waiting, waiter)->told_count++;
}

static struct waiting waiting_of(void)
{
    return (struct waiting){.waiter.on_ready = on_told};
}

static void open_rig(struct rig *rig)
{
    *rig = (struct rig){.script.source.ops = &script_ops};
    rig->loop = fake_loop_open();
    assert_non_null(rig->loop);
    credentials_init(&rig->credentials, rig->loop, &rig->script.source, "test", 7);
}

static void close_rig(struct rig *rig)
{
    credentials_fini(&rig->credentials);
    loop_close(rig->loop);
}

static uint64_t now_s(const struct rig *rig)
{
    return loop_now_unix_ns(rig->loop) / CLOCK_NS_PER_S;
}

/* The fetch under way brings a set that lives so long; 0: for ever. */
static void deliver(struct rig *rig, const char *key_id, uint64_t lifetime_s)
{
    struct credential_set *set = NULL;
    const struct sigv4_credentials keys = {
        .access_key_id = slice_of_text(key_id),
        .secret_access_key = SLICE_LITERAL("secret"),
        .session_token = SLICE_LITERAL("token"),
    };
    uint64_t expires_s = lifetime_s == 0 ? 0 : now_s(rig) + lifetime_s;
    assert_int_equal(credential_set_new(&keys, expires_s, "test", &set), 0);
    rig->script.source.on_done(&rig->script.source, set, "");
}

static void deliver_failure(struct rig *rig, const char *why)
{
    rig->script.source.on_done(&rig->script.source, NULL, why);
}

static void assert_current(struct rig *rig, const char *key_id)
{
    uint64_t generation = 0;
    const struct credential_set *set = credentials_current(&rig->credentials, &generation);
    if (key_id == NULL) {
        assert_null(set);
        return;
    }
    assert_non_null(set);
    assert_true(slice_is_text(set->keys.access_key_id, key_id));
}

static void test_wait_starts_one_fetch_for_all(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    struct waiting b = waiting_of();
    open_rig(&rig);
    assert_current(&rig, NULL);
    credentials_wait(&rig.credentials, &a.waiter);
    credentials_wait(&rig.credentials, &b.waiter);
    fake_loop_settle(rig.loop);
    assert_int_equal(rig.script.start_count, 1);
    assert_int_equal(a.told_count + b.told_count, 0);
    deliver(&rig, "AKIDFIRST", 3600);
    assert_int_equal(a.told_count, 0); /* from a later turn */
    fake_loop_settle(rig.loop);
    assert_int_equal(a.told_count, 1);
    assert_int_equal(b.told_count, 1);
    assert_current(&rig, "AKIDFIRST");
    /* There is one now: told without a fetch. */
    credentials_wait(&rig.credentials, &a.waiter);
    fake_loop_settle(rig.loop);
    assert_int_equal(a.told_count, 2);
    assert_int_equal(rig.script.start_count, 1);
    close_rig(&rig);
}

static void test_set_is_renewed_before_expiry_and_used_until_then(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    deliver(&rig, "AKIDFIRST", 3600);
    /* Between six and five minutes before the end. */
    fake_loop_advance(rig.loop, (3600 - 361) * CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 1);
    fake_loop_advance(rig.loop, 62 * CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 2);
    assert_current(&rig, "AKIDFIRST");
    deliver(&rig, "AKIDSECOND", 3600);
    assert_current(&rig, "AKIDSECOND");
    fake_loop_advance(rig.loop, 3000 * CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 2);
    close_rig(&rig);
}

static void test_short_lived_set_is_renewed_at_half_its_life(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    deliver(&rig, "AKIDFIRST", 10);
    fake_loop_advance(rig.loop, 4 * CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 1);
    fake_loop_advance(rig.loop, 2 * CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 2);
    close_rig(&rig);
}

static void test_failed_renewal_keeps_the_old_set_until_it_expires(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    deliver(&rig, "AKIDFIRST", 1200);
    fake_loop_advance(rig.loop, 901 * CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 2);
    deliver_failure(&rig, "down");
    assert_current(&rig, "AKIDFIRST");
    fake_loop_advance(rig.loop, CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 3);
    fake_loop_advance(rig.loop, 297 * CLOCK_NS_PER_S);
    assert_current(&rig, "AKIDFIRST");
    fake_loop_advance(rig.loop, 2 * CLOCK_NS_PER_S);
    assert_current(&rig, NULL);
    deliver(&rig, "AKIDSECOND", 1200);
    assert_current(&rig, "AKIDSECOND");
    close_rig(&rig);
}

static void test_failures_back_off_from_one_second_to_a_minute(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    static const uint64_t most_s[] = {1, 2, 4, 8, 16, 32, 60, 60};
    for (uint32_t i = 0; i < COUNT_OF(most_s); i++) {
        assert_int_equal(rig.script.start_count, i + 1);
        deliver_failure(&rig, "down");
        fake_loop_advance(rig.loop, most_s[i] * CLOCK_NS_PER_S * 7 / 10);
        assert_int_equal(rig.script.start_count, i + 1);
        fake_loop_advance(rig.loop, most_s[i] * CLOCK_NS_PER_S * 3 / 10);
    }
    assert_int_equal(a.told_count, 1);
    assert_string_equal(credentials_why(&rig.credentials), "down");
    close_rig(&rig);
}

static void test_wait_during_backoff_is_told_without_a_fetch(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    deliver_failure(&rig, "down");
    fake_loop_settle(rig.loop);
    assert_int_equal(a.told_count, 1);
    credentials_wait(&rig.credentials, &a.waiter);
    assert_int_equal(a.told_count, 1);
    fake_loop_settle(rig.loop);
    assert_int_equal(a.told_count, 2);
    assert_int_equal(rig.script.start_count, 1);
    close_rig(&rig);
}

static void test_set_expired_on_arrival_counts_as_failure(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    struct credential_set *set = NULL;
    const struct sigv4_credentials keys = {
        .access_key_id = SLICE_LITERAL("AKID"),
        .secret_access_key = SLICE_LITERAL("secret"),
    };
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    assert_int_equal(credential_set_new(&keys, now_s(&rig), "test", &set), 0);
    rig.script.source.on_done(&rig.script.source, set, "");
    assert_current(&rig, NULL);
    assert_non_null(strstr(credentials_why(&rig.credentials), "expired"));
    close_rig(&rig);
}

static void test_refused_set_is_fetched_anew_once(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    uint64_t generation = 0;
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    deliver(&rig, "AKIDFIRST", 0);
    (void)credentials_current(&rig.credentials, &generation);
    assert_true(credentials_refuse(&rig.credentials, generation));
    assert_int_equal(rig.script.start_count, 2);
    assert_current(&rig, NULL);
    /* A second answer to the same set changes nothing. */
    assert_true(credentials_refuse(&rig.credentials, generation));
    assert_int_equal(rig.script.start_count, 2);
    deliver(&rig, "AKIDSECOND", 0);
    assert_current(&rig, "AKIDSECOND");
    /* A late answer to the first one: there is a newer. */
    assert_true(credentials_refuse(&rig.credentials, generation));
    assert_int_equal(rig.script.start_count, 2);
    /* The new one refused at once: it would be the same again. */
    (void)credentials_current(&rig.credentials, &generation);
    assert_false(credentials_refuse(&rig.credentials, generation));
    assert_int_equal(rig.script.start_count, 2);
    fake_loop_advance(rig.loop, CREDENTIALS_REFUSED_PAUSE_S * CLOCK_NS_PER_S);
    assert_true(credentials_refuse(&rig.credentials, generation));
    assert_int_equal(rig.script.start_count, 3);
    close_rig(&rig);
}

static void test_refused_set_stays_refused_when_the_fetch_fails(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    uint64_t generation = 0;
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    deliver(&rig, "AKIDFIRST", 0);
    (void)credentials_current(&rig.credentials, &generation);
    assert_true(credentials_refuse(&rig.credentials, generation));
    deliver_failure(&rig, "down");
    assert_current(&rig, NULL);
    assert_false(credentials_refuse(&rig.credentials, generation));
    assert_current(&rig, NULL);
    fake_loop_advance(rig.loop, CLOCK_NS_PER_S);
    assert_int_equal(rig.script.start_count, 3);
    deliver(&rig, "AKIDSECOND", 0);
    assert_current(&rig, "AKIDSECOND");
    close_rig(&rig);
}

static void test_fini_cancels_and_forgets_waiters(void **state)
{
    (void)state;
    struct rig rig;
    struct waiting a = waiting_of();
    open_rig(&rig);
    credentials_wait(&rig.credentials, &a.waiter);
    credentials_fini(&rig.credentials);
    credentials_fini(&rig.credentials);
    assert_int_equal(rig.script.cancel_count, 1);
    fake_loop_advance(rig.loop, 100 * CLOCK_NS_PER_S);
    assert_int_equal(a.told_count, 0);
    assert_int_equal(rig.script.start_count, 1);
    loop_close(rig.loop);
}

static void test_hint_shows_four_characters_at_most(void **state)
{
    (void)state;
    char hint[CREDENTIAL_HINT_BYTES];
    struct credential_set *set = NULL;
    struct sigv4_credentials keys = {
        .access_key_id = SLICE_LITERAL("AKIAIOSFODNN7EXAMPLE"),
        .secret_access_key = SLICE_LITERAL("secret"),
    };
    assert_int_equal(credential_set_new(&keys, 0, "test", &set), 0);
    assert_string_equal(credential_set_hint(set, hint), "\xe2\x80\xa6MPLE");
    credential_set_free(set);
    keys.access_key_id = SLICE_LITERAL("SHORT");
    assert_int_equal(credential_set_new(&keys, 0, "test", &set), 0);
    assert_string_equal(credential_set_hint(set, hint), "\xe2\x80\xa6");
    credential_set_free(set);
}

int main(void)
{
    const struct log_options quiet = {.level = LOG_LEVEL_ERROR, .format = LOG_FORMAT_TEXT};
    log_init(&quiet);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wait_starts_one_fetch_for_all),
        cmocka_unit_test(test_set_is_renewed_before_expiry_and_used_until_then),
        cmocka_unit_test(test_short_lived_set_is_renewed_at_half_its_life),
        cmocka_unit_test(test_failed_renewal_keeps_the_old_set_until_it_expires),
        cmocka_unit_test(test_failures_back_off_from_one_second_to_a_minute),
        cmocka_unit_test(test_wait_during_backoff_is_told_without_a_fetch),
        cmocka_unit_test(test_set_expired_on_arrival_counts_as_failure),
        cmocka_unit_test(test_refused_set_is_fetched_anew_once),
        cmocka_unit_test(test_refused_set_stays_refused_when_the_fetch_fails),
        cmocka_unit_test(test_fini_cancels_and_forgets_waiters),
        cmocka_unit_test(test_hint_shows_four_characters_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
