/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: emf_add_part, emf_flush.
 *
 * The first byte chooses one of a few encoders that live as long as the fuzzer, so that running
 * values are in play; the rest is a request. What otlp_walk accepts becomes documents that are JSON
 * objects within the size of an event, and each point is booked exactly once.
 */
#include <stddef.h>
#include <stdint.h>

#include "codecs/emf.h"
#include "core/base/json.h"
#include "core/base/regex.h"
#include "core/otlp/otlp_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define ENCODERS 4

static struct emf *encoders[ENCODERS];
static uint64_t now_ns;

static struct regex *regex_of(const char *pattern)
{
    struct regex *regex = NULL;
    char why[128];
    int err = regex_new(slice_of_text(pattern), &regex, why, sizeof(why));
    ASSERT(err == 0);
    return regex;
}

/* Everything on, each in another way. */
static void make_encoders(void)
{
    static struct slice names[] = {{(const uint8_t *)"a", 1}, {(const uint8_t *)"b", 1}};
    static struct emf_dimension_set sets[] = {{names, 1}, {names, 2}, {names, 0}};
    static const struct regex *selectors[1];
    static struct emf_label_matcher matchers[1];
    static struct emf_declaration declarations[2];
    static struct emf_descriptor descriptors[1];
    selectors[0] = regex_of("[a-m]");
    matchers[0] = (struct emf_label_matcher){names, 2, SLICE_LITERAL(";"), regex_of("[a-z];")};
    declarations[0] = (struct emf_declaration){sets, 3, selectors, 1, NULL, 0};
    declarations[1] = (struct emf_declaration){sets, 1, selectors, 1, matchers, 1};
    descriptors[0] =
        (struct emf_descriptor){SLICE_LITERAL("a"), SLICE_LITERAL("Count"), .overwrites = true};
    for (size_t i = 0; i < ENCODERS; i++) {
        const struct emf_options options = {
            .log_group_name = i % 2 == 0 ? (struct slice){0} : SLICE_LITERAL("g/{TaskId}/{x}"),
            .log_stream_name = SLICE_LITERAL("{ServiceName}"),
            .default_stream = SLICE_LITERAL("s"),
            .rollup = (enum emf_rollup)(i % 3),
            .declarations = declarations,
            .declaration_count = i < 2 ? 0 : 2,
            .descriptors = descriptors,
            .descriptor_count = 1,
            .json_labels = names,
            .json_label_count = i % 2 == 0 ? 2 : 0,
            .copies_resource = i % 2 == 0,
            .leaves_service_out = i == 0,
            .has_detailed_metrics = i % 2 == 1,
            .retains_initial = i < 3,
            .is_legacy = i == 3,
            .delta_idle_ns = EMF_DELTA_IDLE_MIN_NS,
            .delta_series_max = 1000,
        };
        int err = emf_new(&options, i, &encoders[i]);
        ASSERT(err == 0);
    }
}

static void on_document(void *context, const struct emf_document *document)
{
    uint64_t *points = context;
    struct json_reader in = json_of(document->message, JSON_UTF8_REFUSE);
    enum json_token token = json_next(&in);
    ASSERT(token == JSON_TOKEN_OBJECT_OPEN);
    bool is_whole = json_skip(&in, token);
    ASSERT(is_whole);
    token = json_next(&in);
    ASSERT(token == JSON_TOKEN_END);
    ASSERT(document->message.len <= EMF_MESSAGE_MAX_BYTES);
    ASSERT(document->log_group.len > 0);
    ASSERT(document->log_group.len <= EMF_LOG_NAME_MAX_BYTES);
    ASSERT(document->log_stream.len > 0);
    ASSERT(document->log_stream.len <= EMF_LOG_NAME_MAX_BYTES);
    *points += document->point_count;
}

static uint64_t dropped_of(const struct emf_tally *tally)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < EMF_DROP_COUNT; i++) {
        sum += tally->drops[i];
    }
    return sum;
}

static void check(struct emf *emf, struct slice request)
{
    struct otlp_counts counts;
    if (otlp_walk(SIGNAL_METRICS, request, &counts, NULL) != 0 || counts.is_irregular) {
        return; /* receivers bring such requests into regular form first */
    }
    const struct emf_tally *tally = emf_tally_of(emf);
    uint64_t dropped_before = dropped_of(tally);
    uint64_t read_before = tally->point_count;
    uint64_t points = 0;
    now_ns += UINT64_C(60000000000);
    emf_add_part(emf, request, (struct emf_now){.unix_ns = now_ns, .mono_ns = now_ns});
    emf_flush(emf, &points, on_document);
    ASSERT(tally->point_count - read_before == counts.item_count);
    ASSERT(points + dropped_of(tally) - dropped_before == counts.item_count);
    ASSERT(tally->delta_series_count <= 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    if (encoders[0] == NULL) {
        make_encoders();
    }
    check(encoders[data[0] % ENCODERS], slice_of(data + 1, size - 1));
    return 0;
}
