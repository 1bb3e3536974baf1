# SPDX-License-Identifier: Apache-2.0
"""OTLP requests taken apart: one item is a span, a data point or a log record with its context.

Batching may cut and join requests, so requests are no unit of comparison; items are.
"""

import collections
import dataclasses

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

SIGNALS = ("traces", "metrics", "logs")
REQUESTS = {
    "traces": trace_service_pb2.ExportTraceServiceRequest,
    "metrics": metrics_service_pb2.ExportMetricsServiceRequest,
    "logs": logs_service_pb2.ExportLogsServiceRequest,
}
RESPONSES = {
    "traces": trace_service_pb2.ExportTraceServiceResponse,
    "metrics": metrics_service_pb2.ExportMetricsServiceResponse,
    "logs": logs_service_pb2.ExportLogsServiceResponse,
}
# request field, scope field, item field
FIELDS = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
}
REJECTED = {"traces": "rejected_spans", "metrics": "rejected_data_points",
            "logs": "rejected_log_records"}


@dataclasses.dataclass
class Item:
    """All members are protobuf messages or text; `metric` holds its data kind without points."""

    signal: str
    resource: object
    resource_schema: str
    scope: object
    scope_schema: str
    metric: object  # None but for data points
    kind: str  # sum, gauge, … of data points
    value: object  # the span, point or record

    def key(self, is_timed=True):
        """Equal for two items exactly when all of it is; points may leave out their times."""
        value = self.value
        if not is_timed and self.metric is not None:
            value = type(value)()
            value.CopyFrom(self.value)
            value.ClearField("start_time_unix_nano")
            value.ClearField("time_unix_nano")
        metric = b"" if self.metric is None else self.metric.SerializeToString()
        return (self.signal, self.resource.SerializeToString(), self.resource_schema,
                self.scope.SerializeToString(), self.scope_schema, metric, self.kind,
                value.SerializeToString())


def items_of(signal, request):
    """The items of one request, in their order."""
    outer, middle, inner = FIELDS[signal]
    for resource in getattr(request, outer):
        for scope in getattr(resource, middle):
            for element in getattr(scope, inner):
                context = (signal, resource.resource, resource.schema_url, scope.scope,
                           scope.schema_url)
                if signal == "metrics":
                    yield from points_of(context, element)
                else:
                    yield Item(*context, None, "", element)


def points_of(context, metric):
    kind = metric.WhichOneof("data")
    if kind is None:
        return
    bare = type(metric)()
    bare.CopyFrom(metric)
    getattr(bare, kind).ClearField("data_points")
    for point in getattr(metric, kind).data_points:
        yield Item(*context, bare, kind, point)


def count_items(signal, request):
    return sum(1 for _ in items_of(signal, request))


def assert_same_items(found, wanted, is_timed=True):
    """The same items the same number of times, in any order."""
    have = collections.Counter(item.key(is_timed) for item in found)
    want = collections.Counter(item.key(is_timed) for item in wanted)
    missing, extra = want - have, have - want
    assert not missing and not extra, (
        f"{missing.total()} items missing, {extra.total()} too many; first of each:\n"
        f"{next(iter(missing), None)}\n{next(iter(extra), None)}")


def typed(value):
    """A Python value so that 1, 1.0 and True differ; lists and dictionaries all the way down."""
    if value is None:
        return ("empty",)
    if isinstance(value, dict):
        return ("map", {key: typed(inner) for key, inner in value.items()})
    if isinstance(value, (list, tuple)):
        return ("list", [typed(inner) for inner in value])
    return (type(value).__name__, value)


def typed_any(value):
    """The same of an AnyValue."""
    kind = value.WhichOneof("value")
    if kind is None:
        return ("empty",)
    if kind == "array_value":
        return ("list", [typed_any(inner) for inner in value.array_value.values])
    if kind == "kvlist_value":
        return ("map", typed_attributes(value.kvlist_value.values))
    return typed(getattr(value, kind))


def typed_attributes(pairs):
    found = {pair.key: typed_any(pair.value) for pair in pairs}
    assert len(found) == len(pairs), f"duplicate keys: {[pair.key for pair in pairs]}"
    return found


def typed_dictionary(values):
    return {key: typed(value) for key, value in values.items()}
