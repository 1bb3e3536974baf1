/* SPDX-License-Identifier: Apache-2.0 */
/*
 * authenticator_fixture — see the header.
 */
#include "tests/support/authenticator_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "tests/support/config_fixture.h"
#include "tools/weir/config_yaml.h"

struct authenticator *authenticator_fixture_new(authenticator_configure_fn *configure,
                                                const char *yaml)
{
    static struct config_fixture fixture;
    struct config_reader reader;
    struct config_node *node = NULL;
    struct authenticator *authenticator = NULL;
    config_fixture_init(&fixture);
    assert_int_equal(
        config_yaml_parse(&fixture.tree, &fixture.report, slice_of_text(yaml), NULL, 0, &node), 0);
    config_reader_open(&reader, &fixture.report, node, "extensions.test");
    if (configure(&reader, &authenticator) != 0) {
        fail_msg("%s", config_fixture_printed(&fixture));
    }
    config_fixture_fini(&fixture);
    return authenticator;
}

void authenticator_fixture_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}
