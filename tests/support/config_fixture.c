/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_fixture — see the header.
 */
#include "tests/support/config_fixture.h"

void config_fixture_init(struct config_fixture *f)
{
    memset(f->text, 0, sizeof(f->text));
    int err = config_tree_init(&f->tree);
    ASSERT(err == 0);
    config_report_init(&f->report, &f->tree);
}

void config_fixture_fini(struct config_fixture *f)
{
    config_tree_fini(&f->tree);
}

const char *config_fixture_printed(struct config_fixture *f)
{
    memset(f->text, 0, sizeof(f->text));
    FILE *out = fmemopen(f->text, sizeof(f->text) - 1, "w");
    ASSERT(out != NULL);
    config_report_print(&f->report, out);
    int err = fclose(out);
    ASSERT(err == 0);
    return f->text;
}
