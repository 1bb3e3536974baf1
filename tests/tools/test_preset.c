/* SPDX-License-Identifier: Apache-2.0 */
/* Tests of tools/weir/preset: when weir takes itself to be on AWS, and that both presets load. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tools/weir/graph.h"
#include "tools/weir/preset.h"

static const char *const names[] = {
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_PROFILE",
};

static int forget_all(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        (void)unsetenv(names[i]);
    }
    return 0;
}

static void test_region_and_credentials_make_it_aws(void **state)
{
    (void)state;
    assert_false(preset_is_on_aws());
    for (size_t region = 0; region < 2; region++) {
        (void)setenv(names[region], "eu-west-1", 1);
        assert_false(preset_is_on_aws());
        for (size_t i = 2; i < COUNT_OF(names); i++) {
            (void)setenv(names[i], "x", 1);
            assert_true(preset_is_on_aws());
            (void)setenv(names[i], "", 1);
            assert_false(preset_is_on_aws()); /* empty is not set */
            (void)unsetenv(names[i]);
        }
        (void)unsetenv(names[region]);
    }
    (void)setenv("AWS_ACCESS_KEY_ID", "x", 1);
    assert_false(preset_is_on_aws());
}

static void check_loads(const char *wanted)
{
    const struct config_inputs inputs = {
        .preset_name = preset_default_name(),
        .preset_text = preset_default_text(),
    };
    struct graph *graph = NULL;
    assert_non_null(strstr(inputs.preset_text, wanted));
    assert_int_equal(graph_load(&inputs, true, &graph), 0);
    graph_free(graph);
}

static void test_both_load_without_a_warning(void **state)
{
    (void)state;
    check_loads("prometheus:");
    (void)setenv("AWS_REGION", "eu-west-1", 1);
    (void)setenv("AWS_PROFILE", "x", 1);
    check_loads("awsemf:");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_region_and_credentials_make_it_aws, forget_all,
                                        forget_all),
        cmocka_unit_test_setup_teardown(test_both_load_without_a_warning, forget_all, forget_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
