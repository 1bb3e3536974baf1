# SPDX-License-Identifier: Apache-2.0
"""Prometheus remote write: a real Prometheus that takes it, and one that fails, waits or refuses."""

import math
import time

import pytest
from fake_aws import KEY_ID
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import ExponentialBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from h1_client import H1Client
from otlp_items import REQUESTS
from otlp_make import add_attribute
from otlp_send import post
from prom_page import total
from prometheus_process import Prometheus
from remote_write_sink import RemoteWriteSink
from senders import send_udp
from settings import config, statsd
from weir_process import free_udp_port, run_command, wait_until

COUNT = 1000
WRITE_PATH = "/api/v1/write"
RETRY = {"initial_interval": "20ms", "max_interval": "100ms"}
SIGV4 = {"sigv4auth": {"region": "eu-west-1", "service": "aps"}}


@pytest.fixture
def prom(tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    flags = ["--web.enable-remote-write-receiver",
             "--enable-feature=native-histograms,exemplar-storage"]
    with Prometheus(folder, flags=flags) as running:
        yield running


@pytest.fixture
def upstream():
    with RemoteWriteSink() as running:
        yield running


def remote_write(url, **keys):
    return {"endpoint": f"{url}{WRITE_PATH}", "retry_on_failure": RETRY, **keys}


@pytest.fixture
def start_write(start_otlp, upstream):
    """start_write(**keys) gives a weir between OTLP and `upstream`."""

    def make(to=None, env=None, extensions=None, **keys):
        exporter = remote_write((to or upstream).url, **keys)
        return start_otlp({"prometheusremotewrite": exporter}, signals=["metrics"], env=env,
                          extensions=extensions)

    return make


def gauges(time_ns, values, name="g"):
    """A request with a gauge per value, each a series with its number as a label."""
    request = REQUESTS["metrics"]()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name=name)
    for number, value in enumerate(values):
        point = metric.gauge.data_points.add(time_unix_nano=time_ns, as_double=value)
        add_attribute(point.attributes, "n", str(number))
    return request


def post_all(weir, requests):
    """One after the other over one connection, as a client's come; two might be overtaken."""
    with H1Client(weir.http_port) as client:
        for request in requests:
            answer = client.request("/v1/metrics", request.SerializeToString())
            assert answer.status == 200, answer


def delivered(weir, count, name="prometheusremotewrite"):
    wait_until(lambda: weir.exporter(name)["items_delivered"] >= count, seconds=30)


# --- a real Prometheus ----------------------------------------------------------------------------

class Meters:
    """Instruments of the SDK, with values that are known."""

    def __init__(self, weir):
        exporter = OTLPMetricExporter(endpoint=f"127.0.0.1:{weir.grpc_port}", insecure=True)
        self.reader = PeriodicExportingMetricReader(exporter, export_interval_millis=math.inf)
        views = [View(instrument_name="sizes", aggregation=ExponentialBucketHistogramAggregation())]
        resource = Resource({"service.name": "shop", "service.namespace": "eu",
                             "service.instance.id": "one", "host.name": "h"})
        self.provider = MeterProvider([self.reader], resource=resource, views=views)
        meter = self.provider.get_meter("lib", "1.2")
        self.hits = meter.create_counter("http.hits", unit="1")
        self.depth = meter.create_up_down_counter("queue.depth")
        self.waits = meter.create_histogram("waits", unit="s",
                                            explicit_bucket_boundaries_advisory=[0.25, 1, 4])
        self.sizes = meter.create_histogram("sizes", unit="By")
        meter.create_observable_gauge("load", [self.observe])

    def observe(self, _):
        return [Observation(i / 7, {"n": i}) for i in range(COUNT)]

    def record(self):
        for i in range(COUNT):
            self.hits.add(i + 0.5, {"n": i})
            self.depth.add(-i, {"n": i})
        for i in range(100):
            for value in (0.1, 0.5, 2, 8, i):
                self.waits.record(value, {"n": i})
                self.sizes.record(value, {"n": i})

    def flush(self):
        self.provider.force_flush()


def by_number(prom, expression):
    """{n: value} of an instant query whose series differ by their label n."""
    found = prom.query(expression)
    assert len({labels["n"] for labels, _ in found}) == len(found), expression
    return {int(labels["n"]): value for labels, value in found}


class At:
    """What start_write needs of an upstream."""

    def __init__(self, url):
        self.url = url


def check_all(prom, times):
    """Everything that Meters recorded so many times over, value by value."""
    numbers = range(COUNT)
    hits = by_number(prom, 'http_hits_total{job="eu/shop",instance="one"}')
    assert hits == {i: times * (i + 0.5) for i in numbers}
    assert by_number(prom, "queue_depth") == {i: -i * times for i in numbers}
    assert by_number(prom, 'load{otel_scope_name="lib",otel_scope_version="1.2"}') == {
        i: i / 7 for i in numbers}
    for i, bound in enumerate(("0.25", "1.0", "4.0", "+Inf")):
        shown = by_number(prom, f'waits_seconds_bucket{{le=~"{bound.removesuffix(".0")}"}}'
                          .replace("+", "\\\\+"))
        limit = float(bound)
        assert shown == {n: times * sum(v <= limit for v in (0.1, 0.5, 2, 8, n))
                         for n in range(100)}, i
    sums = by_number(prom, "waits_seconds_sum")
    assert sums == pytest.approx({n: times * (10.6 + n) for n in range(100)})
    assert by_number(prom, "histogram_count(sizes_bytes)") == {n: times * 5 for n in range(100)}
    assert by_number(prom, "histogram_sum(sizes_bytes)") == pytest.approx(
        {n: times * (10.6 + n) for n in range(100)})
    halves = by_number(prom, "histogram_quantile(0.5, sizes_bytes)")
    assert halves == pytest.approx({n: sorted((0.1, 0.5, 2, 8, n))[2] for n in range(100)},
                                   rel=0.1, abs=0.1)
    (labels, value), = prom.query("target_info")
    assert value == 1
    assert labels == {"__name__": "target_info", "job": "eu/shop", "instance": "one",
                      "host_name": "h"}


@pytest.mark.sanitized
def test_what_the_sdk_recorded_is_in_prometheus(start_write, prom):
    url = f"http://127.0.0.1:{prom.port}"
    with start_write(At(url), send_metadata=True) as weir:
        meters = Meters(weir)
        for times in (1, 2):
            meters.record()
            meters.flush()
            delivered(weir, times * (3 * COUNT + 200))
            check_all(prom, times)
            time.sleep(0.01)  # Prometheus knows milliseconds
        meters.provider.shutdown()
    assert weir.books()["items_rejected"] == 0


def test_statsd_gauges_and_summaries_are_in_prometheus(start, prom):
    port = free_udp_port()
    mapping = [{"statsd_type": "timer", "observer_type": "summary"}]
    receiver = statsd(port, aggregation_interval="300ms", timer_histogram_mapping=mapping)
    exporter = remote_write(f"http://127.0.0.1:{prom.port}", external_labels={"zone": "eu"})
    with start(config({"statsd": receiver}, {"prometheus_remote_write": exporter})) as weir:
        send_udp(port, [f"room.temp:{i / 8}|g|#n:{i}" for i in range(COUNT)])
        timed = [f"took:{i}|ms" for i in range(1, 101)] + ["jobs:1|c", "jobs:1|c"]
        send_udp(port, timed, per_datagram=len(timed))  # so that they are of one window
        delivered(weir, COUNT + 1, "prometheus_remote_write")
        assert by_number(prom, 'room_temp{zone="eu"}') == {i: i / 8 for i in range(COUNT)}
        assert prom.value("took_count") == 100
        assert prom.value("took_sum") == 5050
        assert prom.value('took{quantile="0.5"}') == pytest.approx(50, abs=1)
        wait_until(lambda: total(weir.metrics(), "weir_items_rejected",
                                 reason="delta_temporality") == 1, what="the counter's end")
        told = weir.events("prometheus_delta_refused")
        assert [entry["metric"] for entry in told] == ["jobs"]
    assert weir.books()["items_rejected"] == 1


def test_prometheus_takes_every_sample_of_a_fast_client(start_write, prom):
    """One batch right after the other: out of order, Prometheus would refuse whole requests."""
    rounds = 30
    with start_write(At(f"http://127.0.0.1:{prom.port}"), max_batch_size_bytes=5000) as weir:
        base_ns = time.time_ns() - 1_000_000_000
        post_all(weir, (gauges(base_ns + i * 10_000_000, [i] * 200) for i in range(rounds)))
        delivered(weir, rounds * 200)
        found = by_number(prom, "count_over_time(g[1m])")
        assert found == {n: rounds for n in range(200)}
    assert weir.books()["items_rejected"] == 0


def test_metadata_tells_kind_help_and_unit(start_write, upstream):
    with start_write(send_metadata=True) as weir:
        meters = Meters(weir)
        meters.record()
        meters.flush()
        meters.provider.shutdown()
        delivered(weir, 3 * COUNT + 200)
    assert sorted(upstream.metadata) == [
        (1, "http_hits_total", "", "1"), (2, "load", "", ""), (2, "queue_depth", "", ""),
        (3, "sizes_bytes", "", "By"), (3, "waits_seconds", "", "s")]


# --- one that fails -------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_samples_keep_their_order_while_the_upstream_fails(start_write, upstream):
    upstream.limit = 4000
    upstream.script = [(503, {}, "busy"), (204, {}, ""), (429, {}, "slow"), (500, {}, "")] * 5
    with start_write(max_batch_size_bytes=4000) as weir:
        post_all(weir, (gauges((i + 1) * 1_000_000_000, [i] * 200) for i in range(20)))
        delivered(weir, 20 * 200)
    assert upstream.values("g", "n") == {str(n): list(range(20)) for n in range(200)}
    upstream.check_order()
    assert not upstream.script


def test_an_outage_is_bridged_by_the_queue(start_write, upstream):
    upstream.go_down()
    with start_write() as weir:
        post_all(weir, (gauges((i + 1) * 1_000_000_000, [i] * 100) for i in range(10)))
        wait_until(lambda: weir.events("export_retry"))
        wait_until(lambda: weir.exporter("prometheusremotewrite")["items_held"] == 1000)
        upstream.go_up()
        delivered(weir, 1000)
    assert upstream.values("g", "n") == {str(n): list(range(10)) for n in range(100)}
    upstream.check_order()


def test_a_throttled_request_waits_as_long_as_it_is_told(start_write, upstream):
    upstream.script = [(429, {"Retry-After": "1"}, "ingestion rate limit")]
    with start_write() as weir:
        post(weir, "metrics", gauges(1_000_000_000, range(COUNT)))
        delivered(weir, COUNT)
        told, = weir.events("export_retry")
        assert told["status"] == 429 and told["reason"] == "ingestion rate limit"
    assert upstream.times[1] - upstream.times[0] >= 0.9
    assert upstream.values("g", "n") == {str(n): [n] for n in range(COUNT)}


def test_a_refusal_is_final_and_told(start_write, upstream):
    upstream.script = [(400, {}, "out of order sample")]
    with start_write() as weir:
        post(weir, "metrics", gauges(1_000_000_000, [1] * 10))
        wait_until(lambda: weir.exporter("prometheusremotewrite")["items_rejected"] == 10)
        post(weir, "metrics", gauges(2_000_000_000, [2] * 10))
        delivered(weir, 10)
        told, = weir.events("export_dropped")
        assert told["status"] == 400 and told["reason"] == "out of order sample"
    assert upstream.values("g", "n") == {str(n): [2] for n in range(10)}
    assert weir.books()["items_rejected"] == 10


def test_what_is_queued_leaves_with_the_drain(start_write, upstream):
    upstream.script = [(503, {}, "")] * 3
    with start_write() as weir:
        post_all(weir, (gauges((i + 1) * 1_000_000_000, [i] * 200) for i in range(5)))
    assert weir.books()["items_delivered"] == 1000
    assert upstream.values("g", "n") == {str(n): list(range(5)) for n in range(200)}
    upstream.check_order()


def test_a_reload_changes_the_labels(start_write, upstream, start_otlp):
    with start_write(external_labels={"zone": "old"}) as weir:
        post(weir, "metrics", gauges(1_000_000_000, [1]))
        delivered(weir, 1)
        text = weir.config_path.read_text().replace("zone: old", "zone: new")
        assert weir.reload(text)["event"] == "reloaded"
        post(weir, "metrics", gauges(2_000_000_000, [2]))
        wait_until(lambda: len(upstream.series) == 2)
    assert {dict(labels)["zone"]: samples for labels, samples in upstream.series.items()} == {
        "old": [(1000, 1.0)], "new": [(2000, 2.0)]}


# --- Amazon Managed Service for Prometheus --------------------------------------------------------

@pytest.mark.sanitized
def test_requests_are_signed_for_managed_prometheus(start_write, aws):
    with RemoteWriteSink(aws, limit=20000) as workspace:
        keys = {"auth": {"authenticator": "sigv4auth"}, "max_batch_size_bytes": 20000,
                "resource_to_telemetry_conversion": {"enabled": True},
                "headers": {"X-Scope-OrgID": "7"}}
        with start_write(workspace, aws.environment(), SIGV4, **keys) as weir:
            post(weir, "metrics", gauges(1_000_000_000, range(COUNT)))
            delivered(weir, COUNT)
        assert workspace.values("g", "n") == {str(n): [n] for n in range(COUNT)}
        assert workspace.signed_for == {("aps", "eu-west-1")}
        assert len(workspace.requests) > 2
        assert {headers["X-Scope-OrgID"] for _, headers, _ in workspace.requests} == {"7"}
        assert KEY_ID in workspace.requests[0][1]["Authorization"]


def test_an_authenticator_that_is_not_there_is_an_error(tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text("receivers: {statsd: {}}\nexporters:\n  prometheusremotewrite:\n"
                    "    endpoint: http://localhost/x\n    auth: {authenticator: sigv4auth}\n"
                    "service: {pipelines: {metrics: {receivers: [statsd], "
                    "exporters: [prometheusremotewrite]}}}\n")
    answer = run_command("validate", "--config", path)
    assert answer.returncode == 78
    assert "sigv4auth" in answer.stderr + answer.stdout
