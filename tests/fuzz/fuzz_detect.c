/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Targets: detect_ecs_read_task (io/aws/detect_ecs.h), detect_env_init and its start
 * (io/aws/detect_env.h).
 *
 * The first byte chooses. Detecting twice finds the same; what is refused as a whole leaves
 * nothing; keys and texts are well-formed; a task that was read has a platform.
 */
#include <stddef.h>
#include <stdint.h>

#include "io/aws/detect_ecs.h"
#include "io/aws/detect_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everything is wanted. */
static struct resource_detect_plan plan;

static void check_found(const struct resource_detected *found)
{
    uint32_t count = 0;
    for (const struct resource_detected_attr *attr = found->first; attr != NULL;
         attr = attr->next) {
        ASSERT(attr->key.len > 0);
        ASSERT(slice_is_utf8(attr->key));
        ASSERT(attr->value.kind == OTLP_VALUE_ARRAY || slice_is_utf8(attr->value.bytes));
        ASSERT(resource_detected_find(found, attr->key) == attr);
        count++;
    }
    ASSERT(count == found->count);
}

static void check_equal(const struct resource_detected *a, const struct resource_detected *b)
{
    ASSERT(a->count == b->count);
    for (const struct resource_detected_attr *attr = a->first; attr != NULL; attr = attr->next) {
        const struct resource_detected_attr *other = resource_detected_find(b, attr->key);
        ASSERT(other != NULL);
        ASSERT(otlp_value_equal(&attr->value, &other->value));
    }
}

static struct resource_detected read_env(struct slice text)
{
    struct detect_env env;
    detect_env_init(&env, &plan, text);
    env.state.ops->start(&env.state);
    ASSERT(env.state.is_done);
    /* A single text that is too large apart, it is all or nothing. */
    ASSERT(env.state.why[0] == '\0' || env.state.err != 0 || env.state.found.count == 0);
    return env.state.found;
}

static struct resource_detected read_task(struct slice json)
{
    struct detect_state state = {.plan = &plan, .detector = DETECTOR_ECS};
    int err = detect_ecs_read_task(&state, json, SLICE_LITERAL("own"));
    bool has_platform =
        resource_detected_find(&state.found, SLICE_LITERAL("cloud.platform")) != NULL;
    ASSERT(err != 0 || has_platform);
    return state.found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < DETECTOR_COUNT; i++) {
        plan.wanted_bits[i] = UINT32_MAX;
    }
    struct slice text = slice_of(data + 1, size - 1);
    bool is_env = data[0] == 'e';
    struct resource_detected first = is_env ? read_env(text) : read_task(text);
    struct resource_detected second = is_env ? read_env(text) : read_task(text);
    check_found(&first);
    check_equal(&first, &second);
    resource_detected_fini(&first);
    resource_detected_fini(&second);
    return 0;
}
