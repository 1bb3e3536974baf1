# SPDX-License-Identifier: Apache-2.0
"""Small OTLP requests made by hand."""

from otlp_items import REQUESTS

BASE_NS = 1_700_000_000_000_000_000


def make(signal, count=1, first=0, service="made", size=0):
    """`count` items that differ by their number; `size` bytes of padding in each."""
    request = REQUESTS[signal]()
    {"traces": add_spans, "metrics": add_points, "logs": add_records}[signal](
        request, count, first, service, "p" * size)
    return request


def add_attribute(pairs, key, value):
    pair = pairs.add(key=key)
    if isinstance(value, int):
        pair.value.int_value = value
    else:
        pair.value.string_value = value


def add_spans(request, count, first, service, padding):
    resource = request.resource_spans.add()
    add_attribute(resource.resource.attributes, "service.name", service)
    scope = resource.scope_spans.add()
    scope.scope.name = "made"
    for i in range(first, first + count):
        span = scope.spans.add(name=f"span-{i}", kind=2, trace_id=(i + 1).to_bytes(16, "big"),
                               span_id=(i + 1).to_bytes(8, "big"),
                               start_time_unix_nano=BASE_NS + i, end_time_unix_nano=BASE_NS + i + 9)
        add_attribute(span.attributes, "i", i)
        if padding:
            add_attribute(span.attributes, "padding", padding)


def add_points(request, count, first, service, padding):
    resource = request.resource_metrics.add()
    add_attribute(resource.resource.attributes, "service.name", service)
    scope = resource.scope_metrics.add()
    scope.scope.name = "made"
    metric = scope.metrics.add(name="made.sum", unit="By")
    metric.sum.aggregation_temporality = 1
    metric.sum.is_monotonic = True
    for i in range(first, first + count):
        point = metric.sum.data_points.add(as_int=i, start_time_unix_nano=BASE_NS,
                                           time_unix_nano=BASE_NS + i)
        add_attribute(point.attributes, "i", i)
        if padding:
            add_attribute(point.attributes, "padding", padding)


def add_records(request, count, first, service, padding):
    resource = request.resource_logs.add()
    add_attribute(resource.resource.attributes, "service.name", service)
    scope = resource.scope_logs.add()
    scope.scope.name = "made"
    for i in range(first, first + count):
        record = scope.log_records.add(time_unix_nano=BASE_NS + i, severity_number=9)
        record.body.string_value = f"record {i} {padding}"
        add_attribute(record.attributes, "i", i)
