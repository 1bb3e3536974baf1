# SPDX-License-Identifier: Apache-2.0
"""Run inside a network namespace: adot_default.py BINARY file|environment|nothing IO FOLDER.

Starts weir with ADOT's default for ECS as a user would, with a region and credentials and nothing
else ("nothing": without a configuration, because it is the embedded default there), sends StatsD, X-Ray and OTLP at once, and compares every value that comes out. The ports are
the real ones; only AWS stands elsewhere, by AWS_ENDPOINT_URL.
"""

import collections
import json
import pathlib
import socket
import subprocess
import sys
import threading
import time

import emf_document
from fake_aws import FakeAws
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, PeriodicExportingMetricReader
from opentelemetry.sdk.metrics import Counter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind
from weir_process import clean_environment, fetch_status, wait_until

COUNT = 1000
CONFIG = pathlib.Path(__file__).parent / "adot_default.yaml"
GROUP, NAMESPACE = "/aws/ecs/application/metrics", "ECS/AWSOTel/Application"
HEADER = b'{"format": "json", "version": 1}\n'


# --- senders -------------------------------------------------------------------------------------

def pace(i):
    if i % 20 == 0:
        time.sleep(0.002)


def send_statsd():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for i in range(COUNT):
            lines = f"s.counter:2|c|#k:{i % 5}\ns.gauge:{i}|g|#k:g\ns.timer:{i % 8}|ms"
            sender.sendto(lines.encode(), ("127.0.0.1", 8125))
            pace(i)


def segment(i):
    return json.dumps({"name": f"segment-{i}", "id": f"{i + 1:016x}", "start_time": 1.7e9 + i,
                       "end_time": 1.7e9 + i + 0.5, "trace_id": f"1-65000000-{i + 1:024x}"})


def send_xray():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for i in range(COUNT):
            sender.sendto(HEADER + segment(i).encode(), ("127.0.0.1", 2000))
            pace(i)


def send_spans():
    provider = TracerProvider(resource=Resource({"service.name": "otlp-app"}))
    exporter = OTLPSpanExporter(endpoint="http://localhost:4317", insecure=True)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=2 * COUNT))
    tracer = provider.get_tracer("adot")
    for i in range(COUNT):
        with tracer.start_as_current_span(f"span-{i}", kind=SpanKind.SERVER, attributes={"i": i}):
            pass
    provider.shutdown()


def send_metrics():
    """One counter with a thousand series, and a gauge."""
    exporter = OTLPMetricExporter(
        endpoint="http://localhost:4318/v1/metrics",
        preferred_temporality={Counter: AggregationTemporality.DELTA})
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
    provider = MeterProvider([reader], Resource({"service.name": "otlp-app"}))
    meter = provider.get_meter("adot")
    counter = meter.create_counter("o.counter", unit="By")
    for i in range(COUNT):
        counter.add(i + 1, {"series": str(i)})
    meter.create_gauge("o.gauge").set(2.5)
    provider.shutdown()


def send_all():
    threads = [threading.Thread(target=send)
               for send in (send_statsd, send_xray, send_spans, send_metrics)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- what came out -------------------------------------------------------------------------------

def check_traces(aws):
    found = collections.Counter(json.loads(text)["name"].partition("-")[0]
                                for text in aws.xray.documents)
    assert found["segment"] == COUNT, found
    assert set(aws.xray.documents) >= {segment(i) for i in range(COUNT)}
    spans = [one for one in aws.xray.segments() if not one["name"].startswith("segment-")]
    assert len(spans) == COUNT, len(spans)
    assert {one["name"] for one in spans} == {"otlp-app"}
    assert sorted(one["metadata"]["default"]["i"] for one in spans) == list(range(COUNT))
    assert max(aws.xray.batches) <= 50


def check_metrics(aws, *other_groups):
    """Of the application; groups of others may stand beside its own."""
    assert GROUP in aws.logs.groups and set(aws.logs.groups) <= {GROUP, *other_groups}
    assert len(aws.logs.groups[GROUP].streams) == 1, aws.logs.groups[GROUP].streams.keys()
    data = collections.defaultdict(list)
    for _, _, _, message in aws.logs.events(GROUP):
        for datum in emf_document.read(message):
            assert datum.namespace == NAMESPACE
            data[datum.name].append(datum)
    assert len(data["o.counter"]) == COUNT
    assert {datum.document["series"]: datum.value for datum in data["o.counter"]} == {
        str(i): i + 1 for i in range(COUNT)}
    assert {datum.unit for datum in data["o.counter"]} == {"Bytes"}
    assert [datum.value for datum in data["o.gauge"]] == [2.5]
    assert sum(datum.value for datum in data["s.counter"]) == 2 * COUNT
    assert {datum.document["k"] for datum in data["s.counter"]} == set("01234")
    assert data["s.gauge"][-1].value == COUNT - 1
    assert sum(datum.value["Count"] for datum in data["s.timer"]) == COUNT
    assert sum(datum.value["Sum"] for datum in data["s.timer"]) == COUNT * 3.5


def check_books(log_path):
    entries = [json.loads(line) for line in log_path.read_text().splitlines()
               if line.startswith("{")]
    books = [entry for entry in entries if entry.get("event") == "books_closed"][-1]
    assert books["balanced"] is True and books["items_held"] == 0, books
    assert books["items_dropped"] == 0 and books["items_rejected"] == 0, books


def check_health(binary):
    assert fetch_status("http://localhost:13133/")[0] == 200
    assert subprocess.run([binary, "health"], check=False).returncode == 0


def main(binary, way, io, folder):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    log_path = pathlib.Path(folder) / "weir.log"
    with FakeAws() as aws, open(log_path, "wb") as log:
        more = {"AOT_CONFIG_CONTENT": CONFIG.read_text()} if way == "environment" else {}
        config = {"file": [f"--config={CONFIG}"], "environment": ["--config=/nonexistent"],
                  "nothing": []}[way]
        weir = subprocess.Popen([binary, *config, f"--io={io}", "--log-format=json"],
                                stdout=log, stderr=log,
                                env=clean_environment(aws.container_environment(**more)))
        try:
            wait_until(lambda: weir.poll() is not None or
                       fetch_status("http://localhost:13133/")[0] == 200, what="health")
            assert weir.poll() is None, log_path.read_text()
            check_health(binary)
            send_all()
            weir.terminate()
            assert weir.wait(40) == 0
        finally:
            weir.kill()
        check_traces(aws)
        check_metrics(aws)
        aws.check()
    check_books(log_path)


if __name__ == "__main__":
    main(*sys.argv[1:])
