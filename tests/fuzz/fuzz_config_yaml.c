/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes config_yaml_parse, config_print, config_expand and config_report_print.
 *
 * Whatever parses prints to text that parses again and prints the same; the tree stays within its
 * limits; parsing twice gives the same settings; the report prints whatever was refused.
 */
#include <errno.h>

#include "core/base/fault.h"
#include "core/engine/config.h"
#include "tools/weir/config_expand.h"
#include "tools/weir/config_print.h"
#include "tools/weir/config_yaml.h"

#define INPUT_MAX_BYTES 65536
/* Escapes make six bytes of one, and indentation grows with depth. */
#define PRINTED_MAX_BYTES (4 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Prints the tree into `buf`; returns the length, or 0 where it did not fit. */
static size_t print_tree(const struct config_node *root, char *buf)
{
    FILE *out = fmemopen(buf, PRINTED_MAX_BYTES, "w");
    ASSERT(out != NULL);
    config_print(root, CONFIG_FORMAT_YAML, false, out);
    int err = fflush(out);
    long len = ftell(out); /* fmemopen's own type */
    (void)fclose(out);     /* memory only */
    return err != 0 || len >= PRINTED_MAX_BYTES ? 0 : (size_t)len;
}

/* A file or endless device could be named; what is read must come from the input alone. */
static bool names_files(struct slice text)
{
    for (size_t i = 0; i + 5 <= text.len; i++) {
        if (memcmp(text.ptr + i, "file:", 5) == 0) {
            return true;
        }
    }
    return false;
}

static void check_round_trip(struct config_tree *tree, const struct config_node *root, char *buf)
{
    struct config_node *again = NULL;
    size_t len = print_tree(root, buf);
    uint32_t before = tree->node_count;
    if (len == 0 || before > CONFIG_NODES_MAX / 2) {
        return;
    }
    int err = config_yaml_parse(tree, NULL, slice_of(buf, len), NULL, 0, &again);
    /* Aliases nest beyond what one text may; all else reads back. */
    ASSERT(err == 0 || err == FAULT_CONFIG);
    if (err == 0) {
        char *second = buf + PRINTED_MAX_BYTES;
        size_t second_len = print_tree(again, second);
        ASSERT(slice_equal(slice_of(buf, len), slice_of(second, second_len)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char buf[2 * PRINTED_MAX_BYTES];
    struct slice text = slice_of(data, size < INPUT_MAX_BYTES ? size : INPUT_MAX_BYTES);
    struct config_tree tree;
    struct config_report report;
    struct config_node *root = NULL;
    struct config_node *twin = NULL;
    uint32_t index = 0;
    int err = config_tree_init(&tree);
    ASSERT(err == 0);
    config_report_init(&report, &tree);
    err = config_tree_add_source(&tree, SLICE_LITERAL("fuzz.yaml"), text, &index);
    ASSERT(err == 0);
    err = config_yaml_parse(&tree, &report, text, NULL, index, &root);
    ASSERT(err == 0 || report.error_count > 0);
    ASSERT(tree.node_count <= CONFIG_NODES_MAX);
    if (err == 0) {
        if (tree.node_count < CONFIG_NODES_MAX / 4) {
            int twin_err = config_yaml_parse(&tree, NULL, text, NULL, index, &twin);
            ASSERT(twin_err == 0);
            ASSERT(config_node_is_same(root, twin));
        }
        check_round_trip(&tree, root, buf);
        if (!names_files(text)) {
            err = config_expand(&tree, &report, root);
            ASSERT(err == 0 || err == -ENOMEM);
        }
    }
    FILE *out = fmemopen(buf, PRINTED_MAX_BYTES, "w");
    ASSERT(out != NULL);
    config_report_print(&report, out);
    (void)fclose(out); /* memory only */
    config_tree_fini(&tree);
    return 0;
}
