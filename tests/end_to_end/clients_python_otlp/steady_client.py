# SPDX-License-Identifier: Apache-2.0
"""steady_client.py JSON: sends spans, records and counters with the Python SDK until told to stop.

JSON is {"grpc": endpoint, "http": endpoint, "senders": how many of each, "pause_s"}. A sender has
three exporters, each with a connection of its own. Says `sending`, goes on until its input ends,
flushes, and prints {"sent": how many of each kind every sender made, "senders": their names,
"exports": calls that succeeded, "errors": those the SDK gave up on, "failed": numbers of the spans
and records in them, by sender and signal}.
"""

import json
import sys
import threading

from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter as GrpcLogs
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetrics
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpans
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter as HttpLogs
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as HttpMetrics
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpSpans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import Counter, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

DELAY_MS = 200
QUEUE_SIZE = 100_000  # nothing is dropped here
OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
DELTA = {Counter: AggregationTemporality.DELTA}


class Tally:
    """What became of each call of the SDK's exporters."""

    def __init__(self):
        self.lock = threading.Lock()
        self.exports = 0
        self.errors = []
        self.failed = {}

    def fail(self, name, data, error):
        with self.lock:
            self.errors.append(f"{name}: {error}")
            if not name.endswith("metrics"):
                numbers = self.failed.setdefault(name, [])
                numbers.extend(getattr(one, "log_record", one).attributes["i"] for one in data)

    def watch(self, exporter, name):
        """Puts itself between the SDK and the exporter."""
        export = exporter.export

        def watched(data, *arguments, **keys):
            try:
                result = export(data, *arguments, **keys)
            except Exception as error:
                self.fail(name, data, repr(error))
                raise
            if result.name != "SUCCESS":
                self.fail(name, data, result.name)
                return result
            with self.lock:
                self.exports += 1
            return result

        exporter.export = watched
        return exporter


class Sender:
    """Spans, records and a counter over one protocol, under a service name of its own."""

    def __init__(self, name, make, tally):
        resource = Resource({"service.name": name})
        spans, records, points = (tally.watch(make(signal), f"{name} {signal}")
                                  for signal in ("traces", "logs", "metrics"))
        self.tracers = TracerProvider(resource=resource)
        self.tracers.add_span_processor(BatchSpanProcessor(
            spans, max_queue_size=QUEUE_SIZE, schedule_delay_millis=DELAY_MS))
        self.loggers = LoggerProvider(resource=resource)
        self.loggers.add_log_record_processor(BatchLogRecordProcessor(
            records, max_queue_size=QUEUE_SIZE, schedule_delay_millis=DELAY_MS))
        reader = PeriodicExportingMetricReader(points, export_interval_millis=DELAY_MS)
        self.meters = MeterProvider([reader], resource)
        self.tracer = self.tracers.get_tracer("steady")
        self.logger = self.loggers.get_logger("steady")
        self.counter = self.meters.get_meter("steady").create_counter("steady.counter")

    def send(self, i):
        self.tracer.start_span(f"span-{i}", attributes={"i": i}).end()
        self.logger.emit(LogRecord(timestamp=i + 1, body=f"record-{i}", attributes={"i": i}))
        self.counter.add(1)

    def close(self):
        for provider in (self.tracers, self.loggers, self.meters):
            provider.force_flush()
            provider.shutdown()


def over_grpc(endpoint):
    def make(signal):
        if signal == "metrics":
            return GrpcMetrics(endpoint=endpoint, insecure=True, preferred_temporality=DELTA,
                               channel_options=OWN_CONNECTION)
        kind = GrpcSpans if signal == "traces" else GrpcLogs
        return kind(endpoint=endpoint, insecure=True, channel_options=OWN_CONNECTION)
    return make


def over_http(endpoint):
    def make(signal):
        if signal == "metrics":
            return HttpMetrics(endpoint=f"{endpoint}/v1/metrics", preferred_temporality=DELTA)
        kind = HttpSpans if signal == "traces" else HttpLogs
        return kind(endpoint=f"{endpoint}/v1/{signal}")
    return make


def main(text):
    command = json.loads(text)
    tally, is_over = Tally(), threading.Event()
    makers = {"grpc": over_grpc(command["grpc"]), "http": over_http(command["http"])}
    senders = {f"steady-{name}-{i}": Sender(f"steady-{name}-{i}", make, tally)
               for name, make in makers.items() for i in range(command["senders"])}
    threading.Thread(target=lambda: (sys.stdin.read(), is_over.set()), daemon=True).start()
    print("sending", flush=True)
    sent = 0
    while not is_over.wait(command["pause_s"]):
        for sender in senders.values():
            sender.send(sent)
        sent += 1
    for sender in senders.values():
        sender.close()
    print(json.dumps({"sent": sent, "senders": list(senders), "exports": tally.exports,
                      "errors": tally.errors, "failed": tally.failed}))


main(*sys.argv[1:])
