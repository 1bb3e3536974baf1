/* SPDX-License-Identifier: Apache-2.0 */
/*
 * xray_trace_aws — the `aws` block and the origin: where the service runs, and which call to AWS
 * the span is.
 *
 * The resource tells where; the span's attributes are consumed also where another cloud's resource
 * leaves no block.
 */
#include "codecs/xray_trace_parts.h"
#include "core/base/number.h"
#include "core/otlp/otlp_field.h"

/* A colon separates the fields of an ARN; the name of a log group is the seventh. */
#define ARN_NAME_FIELD 6

static struct slice resource_text(const struct xray_trace *t, enum xray_key key)
{
    return xray_attrs_text(&t->resource, key);
}

static bool is_platform(const struct xray_trace *t, const char *name)
{
    return slice_is_text(resource_text(t, XRAY_KEY_CLOUD_PLATFORM), name);
}

static void put_resource_text(struct xray_trace *t, struct slice name, enum xray_key key)
{
    xray_put_text(&t->out, name, resource_text(t, key));
}

/* --- origin ----------------------------------------------------------------------------------- */

static struct slice ecs_origin(const struct xray_trace *t)
{
    struct slice type = resource_text(t, XRAY_KEY_AWS_ECS_LAUNCHTYPE);
    if (slice_is_text(type, "ec2")) {
        return SLICE_LITERAL("AWS::ECS::EC2");
    }
    return slice_is_text(type, "fargate") ? SLICE_LITERAL("AWS::ECS::Fargate")
                                          : SLICE_LITERAL("AWS::ECS::Container");
}

static bool is_on_aws(const struct xray_trace *t)
{
    struct slice provider = resource_text(t, XRAY_KEY_CLOUD_PROVIDER);
    return provider.len == 0 || slice_is_text(provider, "aws");
}

void xray_trace_put_origin(struct xray_trace *t)
{
    struct slice origin = {0};
    if (!is_on_aws(t)) {
        return;
    }
    if (is_platform(t, "aws_app_runner")) {
        origin = SLICE_LITERAL("AWS::AppRunner::Service");
    } else if (is_platform(t, "aws_eks")) {
        origin = SLICE_LITERAL("AWS::EKS::Container");
    } else if (is_platform(t, "aws_elastic_beanstalk")) {
        origin = SLICE_LITERAL("AWS::ElasticBeanstalk::Environment");
    } else if (is_platform(t, "aws_ecs")) {
        origin = ecs_origin(t);
    } else if (is_platform(t, "aws_ec2")) {
        origin = SLICE_LITERAL("AWS::EC2::Instance");
    }
    xray_put_text(&t->out, SLICE_LITERAL("origin"), origin);
}

/* --- log groups ------------------------------------------------------------------------------- */

/* The seventh field of an ARN; the whole text where it has fewer. */
static struct slice log_group_of(struct slice arn)
{
    struct slice rest = arn;
    for (int i = 0; i < ARN_NAME_FIELD; i++) {
        size_t colon = slice_find(rest, ':');
        if (colon == rest.len) {
            return arn;
        }
        rest = slice_from(rest, colon + 1);
    }
    return slice_first(rest, slice_find(rest, ':'));
}

static void put_log_group(struct json_out *out, struct slice text, bool is_arn)
{
    if (text.len == 0) {
        return;
    }
    json_out_open(out, '{');
    if (is_arn) {
        xray_put_text(out, SLICE_LITERAL("arn"), text);
        xray_put_text(out, SLICE_LITERAL("log_group"), log_group_of(text));
    } else {
        xray_put_text(out, SLICE_LITERAL("log_group"), text);
    }
    json_out_close(out, '}');
}

/* A list of texts, or one text with ampersands between them. */
static void put_log_groups(struct xray_trace *t, const struct otlp_value *value, bool is_arn)
{
    struct otlp_field field;
    if (value->kind == OTLP_VALUE_ARRAY) {
        struct pb_reader in = pb_reader_of(value->bytes);
        while (otlp_child_next(&in, OTLP_ARRAY_VALUES, &field)) {
            struct otlp_value item = otlp_value_read(field.content);
            put_log_group(&t->out, xray_value_text(&item), is_arn);
        }
        return;
    }
    struct slice rest = xray_value_text(value);
    while (rest.len > 0) {
        size_t end = slice_find(rest, '&');
        put_log_group(&t->out, slice_first(rest, end), is_arn);
        rest = slice_from(rest, end < rest.len ? end + 1 : end);
    }
}

static void put_cloudwatch_logs(struct xray_trace *t)
{
    const struct xray_attr *arns = xray_attrs_find(&t->resource, XRAY_KEY_AWS_LOG_GROUP_ARNS);
    const struct xray_attr *names = xray_attrs_find(&t->resource, XRAY_KEY_AWS_LOG_GROUP_NAMES);
    if (arns == NULL && names == NULL && t->options.log_group_count == 0) {
        return;
    }
    json_out_key(&t->out, SLICE_LITERAL("cloudwatch_logs"));
    json_out_open(&t->out, '[');
    if (arns != NULL) {
        put_log_groups(t, &arns->value, true);
    } else if (names != NULL) {
        put_log_groups(t, &names->value, false);
    } else {
        for (size_t i = 0; i < t->options.log_group_count; i++) {
            put_log_group(&t->out, t->options.log_groups[i], false);
        }
    }
    json_out_close(&t->out, ']');
}

/* --- where it runs ---------------------------------------------------------------------------- */

static void put_or_null(struct xray_trace *t, struct slice name, enum xray_key key)
{
    xray_put_text_or_null(&t->out, name, resource_text(t, key));
}

static void put_ec2(struct xray_trace *t)
{
    if (!is_platform(t, "aws_ec2") && resource_text(t, XRAY_KEY_HOST_ID).len == 0) {
        return;
    }
    json_out_key(&t->out, SLICE_LITERAL("ec2"));
    json_out_open(&t->out, '{');
    put_or_null(t, SLICE_LITERAL("instance_id"), XRAY_KEY_HOST_ID);
    put_or_null(t, SLICE_LITERAL("availability_zone"), XRAY_KEY_CLOUD_ZONE);
    put_or_null(t, SLICE_LITERAL("instance_size"), XRAY_KEY_HOST_TYPE);
    put_or_null(t, SLICE_LITERAL("ami_id"), XRAY_KEY_HOST_IMAGE_ID);
    json_out_close(&t->out, '}');
}

static void put_ecs(struct xray_trace *t)
{
    if (!is_platform(t, "aws_ecs")) {
        return;
    }
    json_out_key(&t->out, SLICE_LITERAL("ecs"));
    json_out_open(&t->out, '{');
    put_resource_text(t, SLICE_LITERAL("container"), XRAY_KEY_CONTAINER_NAME);
    put_resource_text(t, SLICE_LITERAL("container_id"), XRAY_KEY_CONTAINER_ID);
    put_resource_text(t, SLICE_LITERAL("container_arn"), XRAY_KEY_AWS_ECS_CONTAINER_ARN);
    put_resource_text(t, SLICE_LITERAL("task_arn"), XRAY_KEY_AWS_ECS_TASK_ARN);
    put_resource_text(t, SLICE_LITERAL("task_family"), XRAY_KEY_AWS_ECS_TASK_FAMILY);
    put_resource_text(t, SLICE_LITERAL("cluster_arn"), XRAY_KEY_AWS_ECS_CLUSTER_ARN);
    put_resource_text(t, SLICE_LITERAL("launch_type"), XRAY_KEY_AWS_ECS_LAUNCHTYPE);
    put_resource_text(t, SLICE_LITERAL("availability_zone"), XRAY_KEY_CLOUD_ZONE);
    json_out_close(&t->out, '}');
}

static void put_beanstalk(struct xray_trace *t)
{
    struct slice deployment = resource_text(t, XRAY_KEY_SERVICE_INSTANCE_ID);
    if (!is_platform(t, "aws_elastic_beanstalk") || deployment.len == 0) {
        return;
    }
    int64_t deployment_id = 0;
    if (number_parse_i64(deployment, &deployment_id) != 0) {
        deployment_id = 0;
    }
    json_out_key(&t->out, SLICE_LITERAL("elastic_beanstalk"));
    json_out_open(&t->out, '{');
    put_or_null(t, SLICE_LITERAL("environment_name"), XRAY_KEY_SERVICE_NAMESPACE);
    put_or_null(t, SLICE_LITERAL("version_label"), XRAY_KEY_SERVICE_VERSION);
    json_out_key(&t->out, SLICE_LITERAL("deployment_id"));
    json_out_i64(&t->out, deployment_id);
    json_out_close(&t->out, '}');
}

static void put_eks(struct xray_trace *t)
{
    if (!is_platform(t, "aws_eks") && resource_text(t, XRAY_KEY_K8S_CLUSTER_NAME).len == 0) {
        return;
    }
    json_out_key(&t->out, SLICE_LITERAL("eks"));
    json_out_open(&t->out, '{');
    put_or_null(t, SLICE_LITERAL("cluster_name"), XRAY_KEY_K8S_CLUSTER_NAME);
    put_or_null(t, SLICE_LITERAL("pod"), XRAY_KEY_K8S_POD_NAME);
    put_or_null(t, SLICE_LITERAL("container_id"), XRAY_KEY_CONTAINER_ID);
    json_out_close(&t->out, '}');
}

/* "opentelemetry for go" */
static struct slice sdk_name(struct xray_trace *t)
{
    struct slice name = resource_text(t, XRAY_KEY_TELEMETRY_SDK_NAME);
    struct slice language = resource_text(t, XRAY_KEY_TELEMETRY_SDK_LANGUAGE);
    if (name.len == 0 || language.len == 0) {
        return name;
    }
    bytes_clear(&t->scratch);
    bytes_append(&t->scratch, name.ptr, name.len);
    bytes_append(&t->scratch, " for ", 5);
    bytes_append(&t->scratch, language.ptr, language.len);
    return t->scratch.err == 0 ? bytes_slice(&t->scratch) : name;
}

static void put_sdk(struct xray_trace *t)
{
    bool is_auto = resource_text(t, XRAY_KEY_TELEMETRY_AUTO_VERSION).len > 0 ||
                   resource_text(t, XRAY_KEY_TELEMETRY_DISTRO_VERSION).len > 0;
    json_out_key(&t->out, SLICE_LITERAL("xray"));
    json_out_open(&t->out, '{');
    xray_put_text(&t->out, SLICE_LITERAL("sdk"), sdk_name(t));
    put_resource_text(t, SLICE_LITERAL("sdk_version"), XRAY_KEY_TELEMETRY_SDK_VERSION);
    json_out_key(&t->out, SLICE_LITERAL("auto_instrumentation"));
    json_out_bool(&t->out, is_auto);
    json_out_close(&t->out, '}');
}

/* --- which call ------------------------------------------------------------------------------- */

/* What the span says of its call to AWS. */
struct call {
    struct slice account_id;
    struct slice operation;
    struct slice region;
    struct slice request_id;
    struct slice queue_url;
    struct slice table_name;
    const struct otlp_value *tables; /* NULL, or a list of several */
};

/* Both spellings are consumed; the first that has a text wins. */
static struct slice take_either(struct xray_trace *t, enum xray_key first, enum xray_key second)
{
    struct slice one = xray_attrs_take(&t->attrs, first);
    struct slice other = xray_attrs_take(&t->attrs, second);
    return one.len > 0 ? one : other;
}

static void read_tables(const struct xray_trace *t, struct call *call)
{
    const struct xray_attr *attr = xray_attrs_find(&t->attrs, XRAY_KEY_AWS_DYNAMODB_TABLES);
    struct otlp_field first;
    struct otlp_field second;
    if (attr == NULL) {
        return;
    }
    if (attr->value.kind == OTLP_VALUE_STRING) {
        call->table_name = attr->value.bytes;
        return;
    }
    if (attr->value.kind != OTLP_VALUE_ARRAY) {
        return;
    }
    struct pb_reader in = pb_reader_of(attr->value.bytes);
    if (!otlp_child_next(&in, OTLP_ARRAY_VALUES, &first)) {
        return;
    }
    if (otlp_child_next(&in, OTLP_ARRAY_VALUES, &second)) {
        call->tables = &attr->value;
        call->table_name = (struct slice){0};
        return;
    }
    struct otlp_value only = otlp_value_read(first.content);
    call->table_name = xray_value_text(&only);
}

static void take_call(struct xray_trace *t, struct call *call)
{
    *call = (struct call){
        .account_id = xray_attrs_take(&t->attrs, XRAY_KEY_AWS_ACCOUNT_ID),
        .operation = take_either(t, XRAY_KEY_AWS_OPERATION, XRAY_KEY_RPC_METHOD),
        .region = xray_attrs_take(&t->attrs, XRAY_KEY_AWS_REGION),
        .request_id = take_either(t, XRAY_KEY_AWS_REQUEST_ID, XRAY_KEY_AWS_REQUEST_ID_CAMEL),
        .queue_url = take_either(t, XRAY_KEY_AWS_QUEUE_URL, XRAY_KEY_AWS_QUEUE_URL_DOTTED),
        .table_name = take_either(t, XRAY_KEY_AWS_TABLE_NAME, XRAY_KEY_AWS_TABLE_NAME_DOTTED),
    };
    struct slice url = xray_attrs_text(&t->attrs, XRAY_KEY_MESSAGING_URL);
    call->queue_url = url.len > 0 ? url : call->queue_url;
    read_tables(t, call);
    if (call->account_id.len == 0) {
        call->account_id = resource_text(t, XRAY_KEY_CLOUD_ACCOUNT_ID);
    }
}

static void put_call(struct xray_trace *t, const struct call *call)
{
    struct json_out *out = &t->out;
    xray_put_text(out, SLICE_LITERAL("account_id"), call->account_id);
    xray_put_text(out, SLICE_LITERAL("operation"), call->operation);
    xray_put_text(out, SLICE_LITERAL("region"), call->region);
    xray_put_text(out, SLICE_LITERAL("request_id"), call->request_id);
    xray_put_text(out, SLICE_LITERAL("queue_url"), call->queue_url);
    xray_put_text(out, SLICE_LITERAL("table_name"), call->table_name);
    if (call->tables != NULL) {
        json_out_key(out, SLICE_LITERAL("table_names"));
        json_value_write(out, call->tables);
    }
}

void xray_trace_put_aws(struct xray_trace *t)
{
    struct call call;
    take_call(t, &call);
    if (!is_on_aws(t)) {
        return;
    }
    json_out_key(&t->out, SLICE_LITERAL("aws"));
    json_out_open(&t->out, '{');
    if (t->role != XRAY_ROLE_SERVICE) {
        put_call(t, &call);
    }
    put_cloudwatch_logs(t);
    put_ec2(t);
    put_ecs(t);
    put_beanstalk(t);
    put_eks(t);
    put_sdk(t);
    json_out_close(&t->out, '}');
}
