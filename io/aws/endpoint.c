/* SPDX-License-Identifier: Apache-2.0 */
/*
 * endpoint — the tables of partitions and services, and the two ways to a URL: given, or made.
 *
 * A given URL is taken apart and put together again, so that what is signed as the host is what the
 * HTTP client will send.
 */
#include "io/aws/endpoint.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/fault.h"
#include "core/base/number.h"
#include "io/aws/region.h"

struct partition {
    const char *name;
    const char *region_prefix; /* "" matches what no other row does, so it stands last */
    const char *suffix;
    const char *dual_stack_suffix;
};

static const struct partition partitions[] = {
    {"aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
    {"aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"},
    {"aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
    {"aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
    {"aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
    {"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
    {"aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
    {"aws", "", "amazonaws.com", "api.aws"},
};

struct service {
    const char *name;     /* signing name */
    const char *label;    /* first label of the host */
    const char *variable; /* with its endpoint */
    bool is_gov_plain;    /* GovCloud's ordinary host is the FIPS one */
};

static const struct service services[] = {
    {"xray", "xray", "AWS_ENDPOINT_URL_XRAY", false},
    {"logs", "logs", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", true},
    {"monitoring", "monitoring", "AWS_ENDPOINT_URL_CLOUDWATCH", true},
    {"sts", "sts", "AWS_ENDPOINT_URL_STS", true},
    {"aps", "aps-workspaces", "AWS_ENDPOINT_URL_AMP", false},
    {"ecs", "ecs", "AWS_ENDPOINT_URL_ECS", false},
    {"ec2", "ec2", "AWS_ENDPOINT_URL_EC2", false},
    {"ssm", "ssm", "AWS_ENDPOINT_URL_SSM", false},
    {"secretsmanager", "secretsmanager", "AWS_ENDPOINT_URL_SECRETS_MANAGER", false},
};

static const struct service *service_of(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        if (slice_is_text(name, services[i].name)) {
            return &services[i];
        }
    }
    return NULL;
}

static const struct partition *partition_of(struct slice region)
{
    size_t i = 0;
    while (!slice_has_prefix(region, slice_of_text(partitions[i].region_prefix))) {
        i++; /* ends at the last row, whose prefix is empty */
    }
    return &partitions[i];
}

const char *aws_partition_of_region(struct slice region)
{
    return partition_of(region)->name;
}

const char *aws_endpoint_variable(struct slice service)
{
    const struct service *known = service_of(service);
    return known == NULL ? NULL : known->variable;
}

void aws_endpoint_env_read(struct slice service, struct aws_endpoint_env *out)
{
    const char *variable = aws_endpoint_variable(service);
    *out = (struct aws_endpoint_env){
        .url = slice_of_text(getenv("AWS_ENDPOINT_URL")),
        .service_url = slice_of_text(variable == NULL ? NULL : getenv(variable)),
        .ignore_configured = slice_of_text(getenv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")),
        .use_fips = slice_of_text(getenv("AWS_USE_FIPS_ENDPOINT")),
        .use_dual_stack = slice_of_text(getenv("AWS_USE_DUALSTACK_ENDPOINT")),
    };
}

/* As the SDKs read their switches: "true" in any case; anything else is off. */
static bool is_true(struct slice text)
{
    static const char word[] = "true";
    return text.len == sizeof(word) - 1 && strncasecmp((const char *)text.ptr, word, text.len) == 0;
}

/* --- a given URL ----------------------------------------------------------------------------- */

static uint8_t lower_of(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

/* Takes "https://" or "http://" off; without a scheme it is https. */
static bool take_scheme(struct slice *text, struct aws_endpoint *out)
{
    const uint8_t *mark = text->len == 0 ? NULL : memmem(text->ptr, text->len, "://", 3);
    out->is_tls = true;
    if (mark == NULL) {
        return true;
    }
    struct slice scheme = slice_first(*text, (size_t)(mark - text->ptr));
    bool is_https = scheme.len == 5 && strncasecmp((const char *)scheme.ptr, "https", 5) == 0;
    bool is_http = scheme.len == 4 && strncasecmp((const char *)scheme.ptr, "http", 4) == 0;
    out->is_tls = is_https;
    *text = slice_from(*text, scheme.len + 3);
    return is_https || is_http;
}

/* A name, an IPv4 address, or an IPv6 address in brackets. */
static bool is_host(struct slice host)
{
    bool is_bracketed = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    struct slice inner = is_bracketed ? slice_of(host.ptr + 1, host.len - 2) : host;
    for (size_t i = 0; i < inner.len; i++) {
        uint8_t c = lower_of(inner.ptr[i]);
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.';
        bool is_other = is_bracketed ? c == ':' : c == '-' || c == '_';
        if (!is_plain && !is_other) {
            return false;
        }
    }
    return host.len > 0;
}

/* Host and port apart; the port as written, or empty. */
static void split_port(struct slice authority, struct slice *host, struct slice *port)
{
    size_t from = authority.len > 0 && authority.ptr[0] == '[' ? slice_find(authority, ']') : 0;
    size_t colon = from + slice_find(slice_from(authority, from), ':');
    *host = slice_first(authority, colon);
    *port = slice_from(authority, colon < authority.len ? colon + 1 : colon);
}

/* Writes out->host: lower case, and no port that the scheme has anyway. */
static bool put_host(struct slice authority, struct aws_endpoint *out)
{
    struct slice host;
    struct slice port_text;
    uint64_t port = 0;
    split_port(authority, &host, &port_text);
    bool has_port = host.len < authority.len;
    if (has_port && (port_text.len > 5 || number_parse_u64(port_text, &port) != 0 || port == 0 ||
                     port > UINT16_MAX)) {
        return false;
    }
    if (!is_host(host) || host.len > AWS_ENDPOINT_HOST_MAX_BYTES - sizeof(":65535")) {
        return false;
    }
    for (size_t i = 0; i < host.len; i++) {
        out->host[i] = (char)lower_of(host.ptr[i]);
    }
    uint64_t usual_port = out->is_tls ? 443 : 80;
    if (has_port && port != usual_port) {
        (void)snprintf(out->host + host.len, sizeof(out->host) - host.len, ":%u", (uint32_t)port);
    }
    return true;
}

/* What a request's path may begin with, so that it needs no escaping. */
static bool is_path(struct slice path)
{
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.ptr[i];
        uint8_t lower = lower_of(c);
        if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '/' || c == '-' ||
              c == '.' || c == '_' || c == '~')) {
            return false;
        }
    }
    return true;
}

static int resolve_given(struct slice text, const char *origin, struct aws_endpoint *out,
                         const char **why)
{
    struct aws_endpoint endpoint = {.origin = origin};
    if (!take_scheme(&text, &endpoint)) {
        *why = "the endpoint is neither https nor http";
        return FAULT_MALFORMED;
    }
    size_t slash = slice_find(text, '/');
    struct slice path = slice_from(text, slash);
    while (path.len > 0 && path.ptr[path.len - 1] == '/') {
        path = slice_first(path, path.len - 1);
    }
    if (!put_host(slice_first(text, slash), &endpoint)) {
        *why = "the endpoint's host or port is malformed";
        return FAULT_MALFORMED;
    }
    if (!is_path(path)) {
        *why = "the endpoint has more than scheme, host, port and a plain path";
        return FAULT_MALFORMED;
    }
    const char *scheme = endpoint.is_tls ? "https://" : "http://";
    endpoint.path_offset = strlen(scheme) + strlen(endpoint.host);
    if (path.len > AWS_ENDPOINT_URL_MAX_BYTES - endpoint.path_offset) {
        *why = "the endpoint is too long";
        return FAULT_MALFORMED;
    }
    (void)snprintf(endpoint.url, sizeof(endpoint.url), "%s%s%.*s", scheme, endpoint.host,
                   (int)path.len, path.len == 0 ? "" : (const char *)path.ptr);
    *out = endpoint;
    return 0;
}

/* --- a name made of service and region ------------------------------------------------------- */

static int resolve_made(const struct aws_endpoint_env *env, struct slice region,
                        struct slice service, struct aws_endpoint *out, const char **why)
{
    struct aws_endpoint endpoint = {.origin = "region", .is_tls = true};
    if (!aws_region_is_valid(region)) {
        *why = region.len == 0 ? "no region is known" : "the region is malformed";
        return FAULT_MALFORMED;
    }
    const struct service *known = service_of(service);
    if (known == NULL && (!aws_region_is_valid(service) || service.len > AWS_SERVICE_MAX_BYTES)) {
        *why = "the service is malformed";
        return FAULT_MALFORMED;
    }
    const struct partition *partition = partition_of(region);
    struct slice label = known == NULL ? service : slice_of_text(known->label);
    bool is_dual_stack = is_true(env->use_dual_stack);
    bool is_plain_fips = known != NULL && known->is_gov_plain && !is_dual_stack &&
                         strcmp(partition->name, "aws-us-gov") == 0;
    bool is_fips = is_true(env->use_fips) && !is_plain_fips;
    /* Labels of at most 32 + 5 and 63 bytes and a known suffix fit. */
    int len = snprintf(endpoint.host, sizeof(endpoint.host), "%.*s%s.%.*s.%s", (int)label.len,
                       (const char *)label.ptr, is_fips ? "-fips" : "", (int)region.len,
                       (const char *)region.ptr,
                       is_dual_stack ? partition->dual_stack_suffix : partition->suffix);
    ASSERT(len > 0 && (size_t)len < sizeof(endpoint.host));
    len = snprintf(endpoint.url, sizeof(endpoint.url), "https://%s", endpoint.host);
    ASSERT(len > 0 && (size_t)len < sizeof(endpoint.url));
    endpoint.path_offset = (size_t)len;
    *out = endpoint;
    return 0;
}

int aws_endpoint_resolve(const struct aws_endpoint_env *env, struct slice setting,
                         struct slice region, struct slice service, struct aws_endpoint *out,
                         const char **why)
{
    bool is_ignored = is_true(env->ignore_configured);
    if (setting.len > 0) {
        return resolve_given(setting, "setting", out, why);
    }
    if (env->service_url.len > 0 && !is_ignored) {
        const char *variable = aws_endpoint_variable(service);
        return resolve_given(env->service_url, variable == NULL ? "environment" : variable, out,
                             why);
    }
    if (env->url.len > 0 && !is_ignored) {
        return resolve_given(env->url, "AWS_ENDPOINT_URL", out, why);
    }
    return resolve_made(env, region, service, out, why);
}
