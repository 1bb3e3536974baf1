# SPDX-License-Identifier: Apache-2.0
"""The official SDKs: one process per language and session, and what each of them sends.

Every client program sends the same `count` spans, points of five metrics and log records; the
expectations below are that text, value by value. `python`, `node`, `go` and `java` differ in
nothing but the name of their service.
"""

import fcntl
import itertools
import json
import math
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import threading

from otlp_items import typed, typed_any, typed_attributes, typed_dictionary

HERE = pathlib.Path(__file__).parent
CACHE = HERE.parents[1] / ".build" / "clients"
COUNT = 1000
SEND_S_MAX = 60
BUILD_S_MAX = 300
BASE_NS = 1_700_000_000_000_000_000
LARGE = 1 << 40
WITHOUT_LINK_STATE = {"python", "go"}  # their exporters leave the trace state of links out
EMPTY_TEXT = {"java": None}  # what an exporter makes of the text ""
EMPTY_BODY = {"go": "INVALID"}  # what an exporter makes of a body that is not there
WITHOUT_BYTES = {("node", "http/json")}  # its serialiser makes an object of them: nobody reads that


class Client:
    """A client program that waits for commands. Starting it is what costs, so it is kept."""

    def __init__(self, name, log_path):
        self.name = name
        self.log_path = log_path
        self.is_well = True
        self.lines = queue.Queue()
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(COMMANDS[name](), stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=log, text=True,
                                            env=environment())
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put("ended")

    def send(self, endpoint, protocol, compression="none", count=COUNT):
        """Sends everything and returns when the SDK says that it is flushed."""
        command = {"endpoint": endpoint, "protocol": protocol, "compression": compression,
                   "count": count}
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        try:
            answer = self.lines.get(timeout=SEND_S_MAX)
        except queue.Empty:
            answer = f"silent for {SEND_S_MAX} s"
        if answer != "sent":
            self.is_well = False
            self.close()
        assert answer == "sent", f"{self.name}: {answer}\n{self.log_path.read_text()}"

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def environment():
    """Nobody's OTEL_ variables or proxies."""
    return {key: value for key, value in os.environ.items()
            if not key.startswith("OTEL_") and not key.lower().endswith("_proxy")}


def build(name, sources, target, command, folder):
    """Runs `command` unless `target` is newer than all sources; gives `target`."""
    newest = max(path.stat().st_mtime for path in sources)
    CACHE.mkdir(parents=True, exist_ok=True)
    # One process builds, others wait for it: they need the same target, and whole.
    with open(CACHE / f"{name}.lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists() and target.stat().st_mtime >= newest:
            return target
        assert shutil.which(command[0]), f"{command[0]} is not installed; {name} clients need it"
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False,
                              timeout=BUILD_S_MAX)
        if done.returncode != 0:
            target.unlink(missing_ok=True)  # perhaps half of it; the next one begins anew
        assert done.returncode == 0, f"building the {name} clients:\n{done.stdout}\n{done.stderr}"
        target.touch()
    return target


def command_python():
    return [sys.executable, str(HERE / "clients_python_otlp" / "sdk_client.py")]


def command_node():
    return ["node", str(HERE / "clients_node" / "otlp.js")]


def own_go():
    """Go out of the Python environment, because Debian 12's is too old for the SDK; else any."""
    own = pathlib.Path(sys.prefix) / "bin" / "go"
    return str(own) if own.exists() else "go"


def command_go():
    folder = HERE / "clients_go"
    sources = [*folder.glob("*.go"), folder / "go.mod", folder / "go.sum"]
    target = CACHE / "go" / "clients"
    build("Go", sources, target,
          [own_go(), "build", "-mod=readonly", "-trimpath", "-o", str(target), "."], folder)
    return [str(target)]


def command_java():
    folder = HERE / "clients_java"
    sources = [*folder.glob("src/main/java/*.java"), folder / "pom.xml"]
    target = CACHE / "java" / "clients.jar"
    build("Java", sources, target,
          ["mvn", "-B", "-q", f"-Dclients.build={target.parent}", "package"], folder)
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
            f"{target}:{target.parent}/lib/*", "Clients"]


COMMANDS = {"python": command_python, "node": command_node, "go": command_go,
            "java": command_java}


# --- what was sent --------------------------------------------------------------------------------

def by_number(items, attributes_of):
    """Items by their attribute `i`; each number exactly once."""
    found = {}
    for item in items:
        number = typed_attributes(attributes_of(item))["i"][1]
        assert number not in found, f"{number} came twice"
        found[number] = item
    return found


def check_context(item, service):
    resource = typed_attributes(item.resource.attributes)
    assert resource["service.name"] == typed(service)
    assert resource["test.count"] == typed(7)
    assert resource["telemetry.sdk.name"] == typed("opentelemetry")
    assert (item.scope.name, item.scope.version) == ("weir.client", "1.2.3")


def check_everything(service, protocol, upstream, count=COUNT):
    """Every item of a client, and nothing else, was accepted by `upstream`."""
    has_bytes = (service, protocol) not in WITHOUT_BYTES
    check_spans(service, upstream.accepted("traces"), count)
    check_points(service, upstream.accepted("metrics"), count)
    check_records(service, upstream.accepted("logs"), has_bytes, count)


def check_spans(service, items, count=COUNT):
    spans = by_number(items, lambda item: item.value.attributes)
    assert sorted(spans) == list(range(count))
    root_numbers = itertools.count(1)
    for i in range(count):
        check_context(spans[i], service)
        check_span(i, spans[i].value, next(root_numbers) if i % 2 == 0 else None)
        attributes = typed_attributes(spans[i].value.attributes)
        assert attributes == typed_dictionary(span_attributes(i, service))
        check_links(i, spans[i].value, service not in WITHOUT_LINK_STATE)


def span_attributes(i, service):
    return {"i": i, "large": i * LARGE, "negative": -i - 1, "s": f"text-é-{i}",
            "empty": EMPTY_TEXT.get(service, ""), "b": i % 2 == 0, "d": i + 0.5,
            "ss": ["a", str(i)], "is": [i, -i - 1], "ds": [i + 0.25, -0.5], "bs": [True, False]}


def check_span(i, span, trace_number):
    start_ns = BASE_NS + i * 1_000_000
    is_child = i % 2 == 1
    assert span.name == f"span-{i}"
    assert span.span_id == (i + 1).to_bytes(8, "big")
    assert span.trace_id == (i + 7000 if is_child else trace_number).to_bytes(16, "big")
    assert span.parent_span_id == ((i + 7000).to_bytes(8, "big") if is_child else b"")
    assert span.kind == i % 5 + 1
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (
        start_ns, start_ns + (i + 1) * 1000)
    events = [(event.name, event.time_unix_nano, typed_attributes(event.attributes))
              for event in span.events]
    assert events == [("first", start_ns + 100, typed_dictionary({"n": i, "what": "one"})),
                      ("second", start_ns + 200, {})]
    message = f"failed {i}" if i % 3 == 2 else ""
    assert (span.status.code, span.status.message) == (i % 3, message)


def check_links(i, span, has_state):
    assert span.trace_state == (f"parent=p{i}" if i % 2 == 1 else "")
    links = [(link.trace_id, link.span_id, link.trace_state, typed_attributes(link.attributes))
             for link in span.links]
    state = f"vendor=v{i}" if has_state else ""
    assert links == ([((i + 5000).to_bytes(16, "big"), (i + 5000).to_bytes(8, "big"), state,
                       typed_dictionary({"l": i}))] if i % 2 == 1 else [])


def check_points(service, items, count=COUNT):
    checks = {"sum": check_sum, "updown": check_updown, "gauge": check_gauge,
              "histogram": check_histogram, "exponential": check_exponential}
    assert {item.metric.name for item in items} == set(checks)
    for name, check in checks.items():
        of_name = [item for item in items if item.metric.name == name]
        points = by_number(of_name, lambda item: item.value.attributes)
        assert sorted(points) == list(range(count)), name
        for i in range(count):
            check_context(points[i], service)
            check_point(i, points[i])
            check(i, points[i].metric, points[i].kind, points[i].value)


def check_point(i, item):
    assert typed_attributes(item.value.attributes) == typed_dictionary({"i": i, "s": f"text-{i}"})
    assert item.value.time_unix_nano > BASE_NS
    assert item.value.start_time_unix_nano <= item.value.time_unix_nano


def check_sum(i, metric, kind, point):
    assert (kind, metric.unit, metric.description) == ("sum", "By", "a sum")
    assert (metric.sum.is_monotonic, metric.sum.aggregation_temporality) == (True, 2)
    assert (point.WhichOneof("value"), point.as_int) == ("as_int", i + 1)


def check_updown(i, metric, kind, point):
    assert (kind, metric.sum.is_monotonic, metric.sum.aggregation_temporality) == ("sum", False, 2)
    assert (point.WhichOneof("value"), point.as_double) == ("as_double", -(i + 0.5))


def check_gauge(i, metric, kind, point):
    assert (kind, metric.unit) == ("gauge", "Cel")
    assert (point.WhichOneof("value"), point.as_double) == ("as_double", i + 0.25)


def check_histogram(i, metric, kind, point):
    bounds = [1.0, 10.0, 100.0]
    buckets = [0, 0, 1, 0]
    buckets[sum(bound < i + 0.5 for bound in bounds)] += 1
    assert (kind, metric.unit, metric.histogram.aggregation_temporality) == ("histogram", "ms", 2)
    assert (point.count, point.sum) == (2, i + 50.5)
    assert (list(point.explicit_bounds), list(point.bucket_counts)) == (bounds, buckets)
    assert (point.min, point.max) == (min(i + 0.5, 50), max(i + 0.5, 50))


def check_exponential(i, metric, kind, point):
    values = [2.0 ** (i % 5), 3.0]
    assert (kind, metric.exponential_histogram.aggregation_temporality) == (
        "exponential_histogram", 2)
    assert (point.count, point.zero_count, point.sum) == (3, 1, sum(values))
    assert (point.min, point.max) == (0, max(values))
    assert sum(point.positive.bucket_counts) == 2 and sum(point.negative.bucket_counts) == 0
    for value in values:
        index = math.ceil(math.log2(value) * 2.0 ** point.scale) - 1
        place = index - point.positive.offset
        near = point.positive.bucket_counts[max(place - 1, 0):place + 2]
        assert sum(near) >= 1, f"{value} is in no bucket of {point}"


def body_of(i, service, has_bytes):
    raw = i.to_bytes(4, "big") + b"\x00\xff" if has_bytes else f"text-{i}"
    return [f"text-{i}", i % 16 == 1, i, i + 0.5, raw, ["a", i, True, 0.5],
            {"k": i, "deep": {"list": [i, "x"]}}, EMPTY_BODY.get(service)][i % 8]


def check_records(service, items, has_bytes, count=COUNT):
    records = by_number(items, lambda item: item.value.attributes)
    assert sorted(records) == list(range(count))
    for i in range(count):
        check_context(records[i], service)
        check_record(i, records[i].value)
        body = typed_any(records[i].value.body)
        assert body == typed(body_of(i, service, has_bytes)), f"{i}: {body}"


def check_record(i, record):
    time_ns = BASE_NS + i * 1_000_000
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (time_ns, time_ns + 5)
    assert (record.severity_number, record.severity_text) == (i % 24 + 1, f"S{i % 24 + 1}")
    assert record.event_name == f"event-{i}"
    assert record.trace_id == (i + 1).to_bytes(16, "big")
    assert record.span_id == (i + 1).to_bytes(8, "big")
    assert record.flags & 0xFF == 1
    assert typed_attributes(record.attributes) == typed_dictionary({
        "i": i, "s": f"text-{i}", "b": i % 2 == 0, "d": i + 0.5, "ss": ["a", str(i)]})
