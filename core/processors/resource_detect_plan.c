/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_detect_plan — tables of what there is, and one reader for each kind of section.
 *
 * What the Collector has and this does not is listed too, so that whoever configures it is told.
 */
#include "core/processors/resource_detect_plan.h"

#include <string.h>

#include "core/base/clock.h"
#include "core/base/regex.h"
#include "core/engine/config.h"

#define TIMEOUT_DEFAULT_NS (5 * CLOCK_NS_PER_S)

static const char *const detector_words[] = {
    [DETECTOR_ENV] = "env",
    [DETECTOR_SYSTEM] = "system",
    [DETECTOR_ECS] = "ecs",
    [DETECTOR_EC2] = "ec2",
};

/* Detectors of the Collector's; most have a section of the same name. */
static const char *const foreign_detectors[] = {
    "akamai",
    "aks",
    "alibaba_ecs",
    "azure",
    "azurecontainerapps",
    "consul",
    "docker",
    "digitalocean",
    "dynatrace",
    "eks",
    "elastic_beanstalk",
    "gcp",
    "gce",
    "gke",
    "heroku",
    "hetzner",
    "ibmcloud_classic",
    "ibmcloud_vpc",
    "k8s_api",
    "k8snode",
    "kubeadm",
    "lambda",
    "nova",
    "openshift",
    "oraclecloud",
    "scaleway",
    "tencent_cvm",
    "upcloud",
    "vultr",
};

/* Its other sections, and the keys of an HTTP client that the detectors might be given. */
static const char *const foreign_keys[] = {
    "elasticbeanstalk",
    "env",
    "retry",
    "endpoint",
    "proxy_url",
    "tls",
    "headers",
    "auth",
    "compression",
    "compression_params",
    "read_buffer_size",
    "write_buffer_size",
    "max_idle_conns",
    "max_idle_conns_per_host",
    "max_conns_per_host",
    "idle_conn_timeout",
    "disable_keep_alives",
    "http2_read_idle_timeout",
    "http2_ping_timeout",
    "cookies",
    "force_attempt_http2",
    "middlewares",
};

static const char *const hostname_words[] = {
    [HOSTNAME_DNS] = "dns",
    [HOSTNAME_OS] = "os",
    [HOSTNAME_CNAME] = "cname",
    [HOSTNAME_LOOKUP] = "lookup",
};

enum support {
    ON,     /* by default */
    OFF,    /* by default */
    ABSENT, /* not supported yet */
};

/* An attribute with a switch. */
struct attr_switch {
    const char *key;
    enum support support;
};

static const struct attr_switch system_attrs[] = {
    {"host.name", ON},
    {"os.type", ON},
    {"host.arch", OFF},
    {"host.id", OFF},
    {"host.ip", OFF},
    {"host.mac", ABSENT},
    {"host.interface", ABSENT},
    {"host.cpu.cache.l2.size", ABSENT},
    {"host.cpu.family", ABSENT},
    {"host.cpu.model.id", ABSENT},
    {"host.cpu.model.name", ABSENT},
    {"host.cpu.stepping", ABSENT},
    {"host.cpu.vendor.id", ABSENT},
    {"os.build.id", ABSENT},
    {"os.description", ABSENT},
    {"os.name", ABSENT},
    {"os.version", ABSENT},
};

static const struct attr_switch ecs_attrs[] = {
    {"cloud.provider", ON},     {"cloud.platform", ON},          {"cloud.account.id", ON},
    {"cloud.region", ON},       {"cloud.availability_zone", ON}, {"aws.ecs.cluster.arn", ON},
    {"aws.ecs.launchtype", ON}, {"aws.ecs.task.arn", ON},        {"aws.ecs.task.family", ON},
    {"aws.ecs.task.id", ON},    {"aws.ecs.task.revision", ON},   {"aws.log.group.names", ON},
    {"aws.log.group.arns", ON}, {"aws.log.stream.names", ON},    {"aws.log.stream.arns", ON},
};

static const struct attr_switch ec2_attrs[] = {
    {"cloud.provider", ON},
    {"cloud.platform", ON},
    {"cloud.account.id", ON},
    {"cloud.region", ON},
    {"cloud.availability_zone", ON},
    {"host.id", ON},
    {"host.image.id", ON},
    {"host.name", ON},
    {"host.type", ON},
};

static const struct {
    const struct attr_switch *attrs;
    uint32_t count;
} switches[] = {
    [DETECTOR_ENV] = {NULL, 0},
    [DETECTOR_SYSTEM] = {system_attrs, COUNT_OF(system_attrs)},
    [DETECTOR_ECS] = {ecs_attrs, COUNT_OF(ecs_attrs)},
    [DETECTOR_EC2] = {ec2_attrs, COUNT_OF(ec2_attrs)},
};

/* --- words ------------------------------------------------------------------------------------ */

/* The index of `text` among `words`, or their count. */
static uint32_t index_of(struct slice text, const char *const *words, uint32_t count)
{
    uint32_t i = 0;
    while (i < count && !slice_is_text(text, words[i])) {
        i++;
    }
    return i;
}

static void refuse_word(struct config_reader *r, const char *key, struct slice text,
                        const char *const *words, uint32_t count)
{
    struct slice candidates[DETECTOR_COUNT + HOSTNAME_SOURCE_COUNT];
    ASSERT(count <= COUNT_OF(candidates));
    for (uint32_t i = 0; i < count; i++) {
        candidates[i] = slice_of_text(words[i]);
    }
    struct slice nearest = config_nearest(text, candidates, count);
    config_refuse(r, key, "there is no '%.*s' for %s; %s%.*s", (int)text.len,
                  (const char *)text.ptr, key, nearest.len > 0 ? "did you mean " : "see the manual",
                  (int)nearest.len, (const char *)nearest.ptr);
}

/* Takes the words of a list by their index; each counts once. */
struct word_list {
    const char *key;
    const char *const *words;
    uint32_t word_count;
    uint32_t seen_bits;
};

/* True where `*out` is a word that was not there before. */
static bool next_word(struct config_reader *r, struct config_items *items, struct word_list *list,
                      uint32_t *out)
{
    struct slice text;
    while (config_next_text(items, &text)) {
        *out = index_of(text, list->words, list->word_count);
        bool is_known = *out < list->word_count;
        bool is_first = is_known && (list->seen_bits & (UINT32_C(1) << *out)) == 0;
        if (is_first) {
            list->seen_bits |= UINT32_C(1) << *out;
            return true;
        }
        uint32_t foreign = index_of(text, foreign_detectors, COUNT_OF(foreign_detectors));
        bool is_foreign = list->words == detector_words && foreign < COUNT_OF(foreign_detectors);
        if (is_foreign) {
            config_refuse(r, list->key, "detector '%.*s' is known but not supported yet",
                          (int)text.len, (const char *)text.ptr);
        } else if (!is_known) {
            refuse_word(r, list->key, text, list->words, list->word_count);
        }
    }
    return false;
}

/* --- sections --------------------------------------------------------------------------------- */

static void read_detectors(struct resource_detect_plan *plan, struct config_reader *r)
{
    struct word_list list = {"detectors", detector_words, DETECTOR_COUNT, 0};
    struct config_items items = config_open_list(r, list.key);
    uint32_t index;
    while (next_word(r, &items, &list, &index)) {
        plan->detectors[plan->detector_count] = (enum detector)index;
        plan->detector_count++;
    }
    if (!items.is_present) {
        plan->detectors[0] = DETECTOR_ENV;
        plan->detector_count = 1;
    }
}

static void read_hostname_sources(struct resource_detect_plan *plan, struct config_reader *r)
{
    struct word_list list = {"hostname_sources", hostname_words, HOSTNAME_SOURCE_COUNT, 0};
    struct config_items items = config_open_list(r, list.key);
    uint32_t index;
    while (next_word(r, &items, &list, &index)) {
        plan->hostname_sources[plan->hostname_source_count] = (enum hostname_source)index;
        plan->hostname_source_count++;
    }
    if (plan->hostname_source_count == 0) {
        plan->hostname_sources[0] = HOSTNAME_DNS;
        plan->hostname_sources[1] = HOSTNAME_OS;
        plan->hostname_source_count = 2;
    }
}

/* `resource_attributes` of one detector: which of them are wanted. */
static void read_switches(struct resource_detect_plan *plan, struct config_reader *r,
                          enum detector detector)
{
    struct config_reader attrs;
    (void)config_open_section(r, "resource_attributes", &attrs);
    for (uint32_t i = 0; i < switches[detector].count; i++) {
        const struct attr_switch *attr = &switches[detector].attrs[i];
        struct config_reader one;
        bool is_on;
        (void)config_open_section(&attrs, attr->key, &one);
        (void)config_read_bool(&one, "enabled", attr->support == ON, &is_on);
        if (is_on && attr->support == ABSENT) {
            config_refuse(&one, "enabled", "attribute '%s' is known but not supported yet",
                          attr->key);
        }
        if (is_on) {
            plan->wanted_bits[detector] |= UINT32_C(1) << i;
        }
        (void)config_reader_finish(&one);
    }
    (void)config_reader_finish(&attrs);
}

/* Texts of a list, as many as there is room for. */
static void read_texts(struct resource_detect_texts *out, struct config_reader *r, const char *key)
{
    struct config_items items = config_open_list(r, key);
    struct slice text;
    while (config_next_text(&items, &text)) {
        if (out->count == RESOURCE_DETECT_TEXTS_MAX) {
            config_refuse(r, key, "more than %d", RESOURCE_DETECT_TEXTS_MAX);
            return;
        }
        out->texts[out->count] = text;
        out->count++;
    }
}

static void read_tags(struct resource_detect_plan *plan, struct config_reader *r)
{
    bool is_from_machine;
    read_texts(&plan->tags, r, "tags");
    for (uint32_t i = 0; i < plan->tags.count; i++) {
        char why[CONFIG_MESSAGE_MAX_BYTES];
        struct regex *regex = NULL;
        /* Out of memory shows when it is compiled to be used. */
        if (regex_new(plan->tags.texts[i], &regex, why, sizeof(why)) != 0) {
            config_refuse(r, "tags", "not a regular expression: %s", why);
        }
        regex_free(regex);
    }
    (void)config_read_bool(r, "tags_from_imds", true, &is_from_machine);
    if (plan->tags.count > 0 && !is_from_machine) {
        config_refuse(r, "tags_from_imds",
                      "tags from the EC2 API are not supported yet; they are read from the "
                      "instance metadata");
    }
}

static void read_ec2(struct resource_detect_plan *plan, struct config_reader *config)
{
    struct config_reader r;
    (void)config_open_section(config, "ec2", &r);
    read_tags(plan, &r);
    read_switches(plan, &r, DETECTOR_EC2);
    config_known_unsupported(&r, "max_attempts");
    config_known_unsupported(&r, "max_backoff");
    config_known_unsupported(&r, "fail_on_missing_metadata");
    (void)config_reader_finish(&r);
}

static void read_system(struct resource_detect_plan *plan, struct config_reader *config)
{
    struct config_reader r;
    (void)config_open_section(config, "system", &r);
    read_hostname_sources(plan, &r);
    read_switches(plan, &r, DETECTOR_SYSTEM);
    (void)config_reader_finish(&r);
}

static void read_ecs(struct resource_detect_plan *plan, struct config_reader *config)
{
    struct config_reader r;
    (void)config_open_section(config, "ecs", &r);
    read_switches(plan, &r, DETECTOR_ECS);
    (void)config_reader_finish(&r);
}

/* Detection happens once. */
static void read_timing(struct resource_detect_plan *plan, struct config_reader *r)
{
    uint64_t refresh_ns;
    (void)config_read_duration_ns(r, "timeout", TIMEOUT_DEFAULT_NS, &plan->timeout_ns);
    if (plan->timeout_ns == 0) {
        config_refuse(r, "timeout", "'timeout' must be above 0: start waits no longer than that");
    }
    (void)config_read_duration_ns(r, "refresh_interval", 0, &refresh_ns);
    if (refresh_ns > 0) {
        config_refuse(r, "refresh_interval",
                      "a 'refresh_interval' above 0 is known but not supported yet");
    }
}

static void read_foreign(struct config_reader *r)
{
    for (size_t i = 0; i < COUNT_OF(foreign_detectors); i++) {
        config_known_unsupported(r, foreign_detectors[i]);
    }
    for (size_t i = 0; i < COUNT_OF(foreign_keys); i++) {
        config_known_unsupported(r, foreign_keys[i]);
    }
    bool must_succeed;
    (void)config_read_bool(r, "fail_on_missing_metadata", false, &must_succeed);
    if (must_succeed) {
        config_refuse(r, "fail_on_missing_metadata",
                      "'fail_on_missing_metadata: true' is known but not supported yet");
    }
}

void resource_detect_plan_read(struct resource_detect_plan *plan, struct config_reader *config)
{
    *plan = (struct resource_detect_plan){0};
    read_detectors(plan, config);
    (void)config_read_bool(config, "override", true, &plan->overrides);
    read_timing(plan, config);
    read_texts(&plan->allowed, config, "attributes");
    read_system(plan, config);
    read_ecs(plan, config);
    read_ec2(plan, config);
    read_foreign(config);
}

/* --- what it says ----------------------------------------------------------------------------- */

static bool texts_equal(const struct resource_detect_texts *a,
                        const struct resource_detect_texts *b)
{
    bool is_equal = a->count == b->count;
    for (uint32_t i = 0; i < a->count && is_equal; i++) {
        is_equal = slice_equal(a->texts[i], b->texts[i]);
    }
    return is_equal;
}

bool resource_detect_plan_equal(const struct resource_detect_plan *a,
                                const struct resource_detect_plan *b)
{
    bool is_equal = a->detector_count == b->detector_count &&
                    a->hostname_source_count == b->hostname_source_count &&
                    memcmp(a->wanted_bits, b->wanted_bits, sizeof(a->wanted_bits)) == 0;
    for (uint32_t i = 0; i < a->detector_count && is_equal; i++) {
        is_equal = a->detectors[i] == b->detectors[i];
    }
    for (uint32_t i = 0; i < a->hostname_source_count && is_equal; i++) {
        is_equal = a->hostname_sources[i] == b->hostname_sources[i];
    }
    return is_equal && texts_equal(&a->tags, &b->tags) && texts_equal(&a->allowed, &b->allowed);
}

static bool is_allowed(const struct resource_detect_plan *plan, struct slice key)
{
    for (uint32_t i = 0; i < plan->allowed.count; i++) {
        if (slice_equal(plan->allowed.texts[i], key)) {
            return true;
        }
    }
    return plan->allowed.count == 0;
}

bool resource_detect_plan_wants(const struct resource_detect_plan *plan, enum detector detector,
                                struct slice key)
{
    ASSERT(detector < DETECTOR_COUNT);
    for (uint32_t i = 0; i < switches[detector].count; i++) {
        if (slice_is_text(key, switches[detector].attrs[i].key)) {
            return (plan->wanted_bits[detector] & (UINT32_C(1) << i)) != 0 && is_allowed(plan, key);
        }
    }
    return is_allowed(plan, key);
}

const char *detector_name(enum detector detector)
{
    ASSERT(detector < DETECTOR_COUNT);
    return detector_words[detector];
}
