# SPDX-License-Identifier: Apache-2.0
"""Sends traces, metrics and logs with the Python SDK, as told by lines of JSON on standard input.

A line is {"endpoint", "protocol", "compression", "count"}; the answer to each is a line `sent`.
What is sent is told in ../otlp_clients.py, which is the same for every language.
"""

import json
import sys

import grpc
from opentelemetry import trace
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import (
    ExplicitBucketHistogramAggregation, ExponentialBucketHistogramAggregation, View)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator

BASE_NS = 1_700_000_000_000_000_000
KINDS = [trace.SpanKind.INTERNAL, trace.SpanKind.SERVER, trace.SpanKind.CLIENT,
         trace.SpanKind.PRODUCER, trace.SpanKind.CONSUMER]
RESOURCE = Resource.create({"service.name": "python", "test.count": 7})
SCOPE = ("weir.client", "1.2.3")


class CountingIds(IdGenerator):
    def __init__(self):
        self.trace_id = 0
        self.span_id = 0

    def generate_trace_id(self):
        self.trace_id += 1
        return self.trace_id

    def generate_span_id(self):
        self.span_id += 1
        return self.span_id


def context_of(number, *state):
    """A context whose span has this number as its ids."""
    span = trace.SpanContext(number, number, True, trace.TraceFlags(1), trace.TraceState(state))
    return trace.set_span_in_context(trace.NonRecordingSpan(span))


def exporter(command, signal, over_grpc, over_http):
    if command["protocol"] == "grpc":
        compression = (grpc.Compression.Gzip if command["compression"] == "gzip"
                       else grpc.Compression.NoCompression)
        return over_grpc(endpoint=command["endpoint"], insecure=True, compression=compression)
    return over_http(endpoint=f"{command['endpoint']}/v1/{signal}",
                     compression=Compression(command["compression"]))


def send_traces(command):
    provider = TracerProvider(resource=RESOURCE, id_generator=CountingIds())
    provider.add_span_processor(BatchSpanProcessor(
        exporter(command, "traces", GrpcSpans, HttpSpans)))
    tracer = provider.get_tracer(*SCOPE)
    for i in range(command["count"]):
        send_span(tracer, i)
    assert provider.force_flush()
    provider.shutdown()


def span_attributes(i):
    return {"i": i, "large": i * (1 << 40), "negative": -i - 1, "s": f"text-é-{i}", "empty": "",
            "b": i % 2 == 0, "d": i + 0.5, "ss": ["a", str(i)], "is": [i, -i - 1],
            "ds": [i + 0.25, -0.5], "bs": [True, False]}


def send_span(tracer, i):
    links = []
    if i % 2 == 1:
        state = trace.TraceState([("vendor", f"v{i}")])
        target = trace.SpanContext(i + 5000, i + 5000, True, trace.TraceFlags(1), state)
        links = [trace.Link(target, {"l": i})]
    parent = context_of(i + 7000, ("parent", f"p{i}")) if i % 2 == 1 else None
    start_ns = BASE_NS + i * 1_000_000
    span = tracer.start_span(f"span-{i}", context=parent, kind=KINDS[i % 5], links=links,
                             attributes=span_attributes(i), start_time=start_ns)
    span.add_event("first", {"n": i, "what": "one"}, timestamp=start_ns + 100)
    span.add_event("second", timestamp=start_ns + 200)
    if i % 3 == 1:
        span.set_status(trace.StatusCode.OK)
    if i % 3 == 2:
        span.set_status(trace.StatusCode.ERROR, f"failed {i}")
    span.end(end_time=start_ns + (i + 1) * 1000)


def send_metrics(command):
    views = [
        View(instrument_name="histogram",
             aggregation=ExplicitBucketHistogramAggregation(boundaries=[1, 10, 100])),
        View(instrument_name="exponential", aggregation=ExponentialBucketHistogramAggregation())]
    reader = PeriodicExportingMetricReader(exporter(command, "metrics", GrpcMetrics, HttpMetrics),
                                           export_interval_millis=3_600_000)
    provider = MeterProvider(metric_readers=[reader], resource=RESOURCE, views=views)
    meter = provider.get_meter(*SCOPE)
    counter = meter.create_counter("sum", unit="By", description="a sum")
    updown = meter.create_up_down_counter("updown")
    gauge = meter.create_gauge("gauge", unit="Cel")
    histogram = meter.create_histogram("histogram", unit="ms")
    exponential = meter.create_histogram("exponential")
    for i in range(command["count"]):
        attributes = {"i": i, "s": f"text-{i}"}
        counter.add(i, attributes)
        counter.add(1, attributes)
        updown.add(-(i + 0.5), attributes)
        gauge.set(i + 0.25, attributes)
        histogram.record(i + 0.5, attributes)
        histogram.record(50.0, attributes)
        for value in (2.0 ** (i % 5), 3.0, 0.0):
            exponential.record(value, attributes)
    provider.shutdown()  # collects, once


def body_of(i):
    return [f"text-{i}", i % 16 == 1, i, i + 0.5, i.to_bytes(4, "big") + b"\x00\xff",
            ["a", i, True, 0.5], {"k": i, "deep": {"list": [i, "x"]}}, None][i % 8]


def send_logs(command):
    provider = LoggerProvider(resource=RESOURCE)
    provider.add_log_record_processor(BatchLogRecordProcessor(
        exporter(command, "logs", GrpcLogs, HttpLogs)))
    logger = provider.get_logger(*SCOPE)
    for i in range(command["count"]):
        time_ns = BASE_NS + i * 1_000_000
        logger.emit(LogRecord(
            timestamp=time_ns, observed_timestamp=time_ns + 5, context=context_of(i + 1),
            severity_text=f"S{i % 24 + 1}", severity_number=SeverityNumber(i % 24 + 1),
            body=body_of(i), event_name=f"event-{i}",
            attributes={"i": i, "s": f"text-{i}", "b": i % 2 == 0, "d": i + 0.5,
                        "ss": ["a", str(i)]}))
    assert provider.force_flush()
    provider.shutdown()


def main():
    for line in sys.stdin:
        command = json.loads(line)
        send_traces(command)
        send_metrics(command)
        send_logs(command)
        print("sent", flush=True)


main()
