/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exporter_rig — see the header.
 */
#include "tests/support/exporter_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "tests/support/exporter_books.h"
#include "tools/weir/config_yaml.h"

/* Nothing here takes this long; a test that waits for it has failed. */
#define PATIENCE_NS (20 * CLOCK_NS_PER_S)

static int make_exporter(struct exporter_rig *rig, exporter_new_fn *make, const char *yaml)
{
    struct config_reader reader;
    struct config_node *node = NULL;
    uint32_t source_index = 0;
    struct slice text = slice_of_text(yaml);
    config_fixture_init(&rig->config);
    assert_int_equal(
        config_tree_add_source(&rig->config.tree, SLICE_LITERAL("test.yaml"), text, &source_index),
        0);
    assert_int_equal(
        config_yaml_parse(&rig->config.tree, &rig->config.report, text, NULL, source_index, &node),
        0);
    config_reader_open(&reader, &rig->config.report, node, "exporters.test");
    return make(&reader, "test", &rig->exporter);
}

int rig_configure(struct exporter_rig *rig, struct loop *loop, exporter_new_fn *make,
                  const char *yaml)
{
    *rig = (struct exporter_rig){.loop = loop};
    int err = make_exporter(rig, make, yaml);
    if (err != 0) {
        config_fixture_fini(&rig->config);
    }
    return err;
}

void rig_assert_refused(struct exporter_rig *rig, exporter_new_fn *make, const char *yaml,
                        const char *words)
{
    *rig = (struct exporter_rig){0};
    assert_int_equal(make_exporter(rig, make, yaml), FAULT_CONFIG);
    const char *printed = config_fixture_printed(&rig->config);
    if (strstr(printed, words) == NULL) {
        print_error("%s", printed);
        fail_msg("not said: %s", words);
    }
    config_fixture_fini(&rig->config);
}

void rig_open(struct exporter_rig *rig, struct loop *loop, exporter_new_fn *make,
              enum signal signal, const char *yaml)
{
    *rig = (struct exporter_rig){.loop = loop};
    int err = make_exporter(rig, make, yaml);
    if (err != 0) {
        print_error("%s", config_fixture_printed(&rig->config));
    }
    assert_int_equal(err, 0);
    assert_int_equal(rig->exporter->ops->open(rig->exporter, loop), 0);
    pipeline_init(&rig->pipeline, "test", signal, &rig->exporter, 1);
}

void rig_offer(struct exporter_rig *rig, const struct slice *parts, size_t part_count,
               uint32_t items_per_part)
{
    struct batch *batch = batch_new(rig->pipeline.signal, 0);
    assert_non_null(batch);
    for (size_t i = 0; i < part_count; i++) {
        struct part part;
        assert_int_equal(part_copy(&part, parts[i], rig->pipeline.signal, items_per_part), 0);
        assert_int_equal(batch_push(batch, &part), 0);
    }
    assert_int_equal(pipeline_submit(&rig->pipeline, &batch), 0);
}

void rig_settle(struct exporter_rig *rig)
{
    uint64_t deadline_mono_ns = clock_mono_ns() + PATIENCE_NS;
    while (!rig->exporter->ops->is_idle(rig->exporter) && clock_mono_ns() < deadline_mono_ns) {
        assert_true(loop_turn(rig->loop, CLOCK_NS_PER_MS) >= 0);
    }
    assert_true(rig->exporter->ops->is_idle(rig->exporter));
    assert_true(pipeline_is_idle(&rig->pipeline));
}

void rig_close(struct exporter_rig *rig)
{
    assert_books_balance(&rig->exporter->stats);
    rig->exporter->ops->close(rig->exporter);
    rig->exporter = NULL;
    pipeline_fini(&rig->pipeline);
    config_fixture_fini(&rig->config);
}
