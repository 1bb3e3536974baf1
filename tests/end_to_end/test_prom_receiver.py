# SPDX-License-Identifier: Apache-2.0
"""The `prometheus` receiver against a real exporter of metrics, seen from an OTLP backend."""

import json
import math
import ssl
import subprocess

import prometheus_client
import pytest
import yaml
from otlp_sink import number
from prom_page import parse, value
from scrape_target import ScrapeTarget
from senders import send_udp
from settings import config, otlphttp, prometheus, statsd
from weir_process import fetch, free_port, free_udp_port, wait_until

NO_VALUE = 1  # flag of a point
INTERVAL = "400ms"


@pytest.fixture
def target():
    with ScrapeTarget() as running:
        yield running


@pytest.fixture
def scrape(start, sink):
    """scrape(targets, receiver's keys=…, **keys of the job) is a weir that scrapes into the sink."""

    def make(targets, receiver=None, exporter=None, env=None, **job):
        scrape_config = {"job_name": "job", "scrape_interval": INTERVAL,
                         "static_configs": [{"targets": targets}] if targets else [], **job}
        keys = {"config": {"scrape_configs": [scrape_config]}, **(receiver or {})}
        return start(config({"prometheus": keys}, {"otlphttp": exporter or otlphttp(sink)}),
                     env=env)

    return make


def latest(sink, name, **tags):
    """The last point of a metric, or None."""
    found = sink.named(name, **tags)
    return max((point for _, _, _, point in found), key=lambda p: p.time_unix_nano, default=None)


def is_end(point):
    return bool(point.flags & NO_VALUE)


def value_of(sink, name, **tags):
    """The last value; None where there is none, or none any more."""
    point = latest(sink, name, **tags)
    return None if point is None or is_end(point) else number(point)


def wait_for(sink, name, wanted, seconds=15, **tags):
    wait_until(lambda: value_of(sink, name, **tags) == wanted, seconds,
               what=f"{name} {tags} = {wanted}, is {value_of(sink, name, **tags)}")


# --- every type, several scrapes ------------------------------------------------------------------

COUNT = 400  # labels of counters and of gauges; histograms and summaries have a tenth
BOUNDS = (0.1, 1.0, 10.0)


class Shop:
    """An application with all types of metrics, and what it knows of them itself."""

    def __init__(self, registry):
        self.orders = prometheus_client.Counter("orders", "Orders so far.", ["i"], registry=registry)
        self.load = prometheus_client.Gauge("load", "Load now.", ["i"], registry=registry)
        self.size = prometheus_client.Histogram("size", "Sizes.", ["i"], buckets=BOUNDS,
                                                registry=registry)
        self.wait = prometheus_client.Summary("wait", "Waits.", ["i"], registry=registry)
        self.build = prometheus_client.Info("build", "What is running.", registry=registry)
        self.build.info({"version": "7"})

    def work(self, factor):
        for i in range(COUNT):
            self.orders.labels(str(i)).inc(factor * i + 0.5)
            self.load.labels(str(i)).set(i / factor)
        for i in range(COUNT // 10):
            for observed in (0.05, 0.5, 5, 50 * factor):
                self.size.labels(str(i)).observe(observed)
                self.wait.labels(str(i)).observe(observed + i)


def expected_of(registry):
    """{(metric, kind, label): what its point says}, from the registry's own samples."""
    wanted = {}
    for family in registry.collect():
        for sample in family.samples:
            label = sample.labels.get("i", "")
            if family.type == "counter" and sample.name.endswith("_total"):
                wanted[sample.name, "sum", label] = sample.value
            elif family.type == "gauge":
                wanted[sample.name, "gauge", label] = sample.value
            elif family.type in ("histogram", "summary"):
                whole = wanted.setdefault((family.name, family.type, label), {"buckets": []})
                if sample.name.endswith("_bucket"):
                    whole["buckets"].append(sample.value)
                elif not sample.name.endswith("_created"):
                    whole[sample.name.rsplit("_", 1)[1]] = sample.value
    return wanted


def seen_at(sink, time_unix_nano):
    """The same of one scrape's points."""
    seen = {}
    with sink.lock:
        points = [each for each in sink.points if each[3].time_unix_nano == time_unix_nano]
    for metric, kind, attributes, point in points:
        key = metric.name, kind, attributes.get("i", "")
        assert key not in seen or metric.name == "build_info", f"{key} twice"
        if is_end(point):
            seen[key] = None
        elif kind in ("sum", "gauge"):
            seen[key] = number(point)
        else:
            buckets = []
            for count in getattr(point, "bucket_counts", []):
                buckets.append(count + (buckets[-1] if buckets else 0))
            seen[key] = {"buckets": buckets, "count": point.count, "sum": point.sum}
    return seen


def times_of(sink, is_up=True):
    """Of the scrapes that went well, or of the others."""
    return sorted({point.time_unix_nano for _, _, _, point in sink.named("up")
                   if not is_end(point) and number(point) == int(is_up)})


def next_whole_scrape(sink, count):
    """What a scrape says that began after this call; it is complete when the next but one came."""
    before = len(times_of(sink))
    wait_until(lambda: len(times_of(sink)) >= before + count + 3, 30, what="more scrapes")
    return seen_at(sink, times_of(sink)[before + count])


def check_same(seen, wanted):
    """But for the ends, which check_ends judges."""
    own = {key: value for key, value in seen.items() if value is not None and
           not key[0].startswith(("scrape_", "build")) and key[0] != "up"}
    lost = [key for key in wanted if key not in own]
    assert not lost, f"{len(lost)} lost, as {lost[:3]}; have {list(own)[:5]}"
    for key, value in wanted.items():
        if isinstance(value, dict):
            assert own[key]["count"] == value["count"], key
            assert math.isclose(own[key]["sum"], value["sum"]), key
            assert own[key]["buckets"] == value["buckets"], key
        else:
            assert own[key] == value, key
    assert not set(own) - set(wanted), list(set(own) - set(wanted))[:5]


def test_every_type_over_several_scrapes(scrape, sink, target):
    shop = Shop(target.registry)
    shop.work(1)
    with scrape([target.address]) as weir:
        wait_for(sink, "up", 1)
        wanted = expected_of(target.registry)
        assert len(wanted) >= 2 * COUNT + 2 * COUNT // 10
        check_same(next_whole_scrape(sink, 1), wanted)
        with target.lock:
            shop.work(3)
        wanted = expected_of(target.registry)
        check_same(next_whole_scrape(sink, 1), wanted)
        # The application starts anew: counters fall, and a quarter of the gauges is gone.
        with target.lock:
            target.registry = prometheus_client.CollectorRegistry()
            again = Shop(target.registry)
            again.work(0.5)
            for i in range(0, COUNT, 4):
                again.load.remove(str(i))
        wanted = expected_of(target.registry)
        check_same(next_whole_scrape(sink, 1), wanted)
        assert weir.receiver("prometheus")["scrapes_ok"] >= 6
        check_failures(weir)
    check_ends(sink, {("load", "gauge", str(i)) for i in range(0, COUNT, 4)})
    check_starts(sink)


def check_failures(weir):
    """A target in Python may be too late where there is much else to do; nothing else failed."""
    fine = ("scrapes_ok", "scrapes_timeout", "scrapes_skipped")
    failures = {key: count for key, count in weir.receiver("prometheus").items()
                if key.startswith("scrapes_") and key not in fine}
    assert len(failures) > 5 and not any(failures.values()), failures


def check_ends(sink, gone):
    """What is gone ended, and once; nothing else did, but where the whole scrape failed."""
    late = set(times_of(sink, is_up=False))
    series = {}
    with sink.lock:
        points = sorted(sink.points, key=lambda each: each[3].time_unix_nano)
    for metric, kind, attributes, point in points:
        key = metric.name, kind, attributes.get("i", "")
        series.setdefault(key, []).append((is_end(point), point.time_unix_nano in late))
    assert gone <= set(series)
    for key, ends in series.items():
        if key in gone:
            assert ends[-1][0], f"{key} did not end"
            assert not any(a and b for (a, _), (b, _) in zip(ends, ends[1:])), f"{key} ended twice"
            assert [was_late for has_ended, was_late in ends if has_ended].count(False) <= 1, key
        else:
            assert all(was_late for has_ended, was_late in ends if has_ended), f"{key} ended"


def check_starts(sink):
    """Of every counter: it begins anew where it fell, and nowhere else."""
    series = {}
    for _, kind, attributes, point in sink.named("orders_total"):
        assert kind == "sum"
        if not is_end(point):
            series.setdefault(attributes["i"], []).append(point)
    assert len(series) == COUNT
    for label, points in series.items():
        points.sort(key=lambda p: p.time_unix_nano)
        for earlier, later in zip(points, points[1:], strict=False):
            fell = number(later) < number(earlier)
            moved = later.start_time_unix_nano > earlier.start_time_unix_nano
            assert moved or not fell, (label, earlier, later)
            assert later.start_time_unix_nano <= later.time_unix_nano
            assert later.start_time_unix_nano >= earlier.start_time_unix_nano


def test_points_say_where_they_come_from(scrape, sink, target):
    prometheus_client.Gauge("g", "A gauge.", registry=target.registry).set(4)
    with scrape([target.address], params={"a": ["b c"]}, metrics_path="/m"):
        wait_for(sink, "g", 4)
    metric, kind, attributes, _ = sink.named("g")[0]
    assert (metric.description, kind, attributes) == ("A gauge.", "gauge", {})
    resource = sink.resources[0]
    assert resource["service.name"] == "job"
    assert resource["service.instance.id"] == target.address
    assert "server.address" not in resource  # a loopback address tells nobody anything
    assert resource["server.port"] == str(target.port)
    assert resource["url.scheme"] == "http"
    path, headers = target.requests[0]
    assert path == "/m?a=b%20c"
    assert headers["Accept"].startswith("application/openmetrics-text;version=1.0.0")
    assert headers["Accept-Encoding"] == "gzip"
    assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "0.4"
    assert headers["User-Agent"].startswith("weir/")


# --- keys -----------------------------------------------------------------------------------------

def test_text_format_where_it_is_asked_for(scrape, sink, target):
    prometheus_client.Counter("c", "x", registry=target.registry).inc(3)
    with scrape([target.address], scrape_protocols=["PrometheusText0.0.4"],
                enable_compression=False):
        wait_for(sink, "c_total", 3)
    assert target.requests[0][1]["Accept"] == "text/plain;version=0.0.4;q=0.6,*/*;q=0.5"
    assert target.requests[0][1]["Accept-Encoding"] == "identity"


def test_relabelling_of_targets_and_samples(scrape, sink, target):
    gauge = prometheus_client.Gauge("g", "x", ["path", "pod"], registry=target.registry)
    gauge.labels("/a/b", "p1").set(1)
    gauge.labels("/c", "p2").set(2)
    prometheus_client.Gauge("secret", "x", registry=target.registry).set(3)
    with scrape([target.address, "never:1"],
                relabel_configs=[
                    {"source_labels": ["__address__"], "regex": "never:.*", "action": "drop"},
                    {"source_labels": ["__address__"], "regex": "(.*):(.*)",
                     "replacement": "port-$${2}", "target_label": "where"},
                ],
                metric_relabel_configs=[
                    {"source_labels": ["__name__"], "regex": "secret", "action": "drop"},
                    {"source_labels": ["path"], "regex": "/([^/]*).*", "replacement": "$$1",
                     "target_label": "first"},
                    {"regex": "pod", "action": "labeldrop"},
                ]) as weir:
        wait_for(sink, "g", 1, path="/a/b")
        wait_for(sink, "scrape_samples_scraped", 3)
        wait_for(sink, "scrape_samples_post_metric_relabeling", 2)
        assert weir.receiver("prometheus")["scrape_targets"] == 1
    shown = {tuple(sorted(attributes.items())) for _, _, attributes, _ in sink.named("g")}
    where = ("where", f"port-{target.port}")
    assert shown == {(("first", "a"), ("path", "/a/b"), where), (("first", "c"), ("path", "/c"),
                                                               where)}
    assert "secret" not in sink.names()


def test_honoured_labels_and_those_that_are_not(scrape, sink, target):
    target.page = b'g{job="theirs",site="x"} 1\n'
    groups = [{"targets": [target.address], "labels": {"site": "ours"}}]
    with scrape(None, static_configs=groups):
        wait_for(sink, "g", 1)
    _, _, attributes, _ = sink.named("g")[0]
    assert attributes == {"exported_job": "theirs", "exported_site": "x", "site": "ours"}
    sink.points.clear()
    with scrape(None, static_configs=groups, honor_labels=True):
        wait_for(sink, "g", 1)
    _, _, attributes, _ = sink.named("g")[0]
    assert attributes["site"] == "x" and "exported_site" not in attributes


def test_external_labels_and_timestamps(start, sink, target):
    target.page = b"g 1 1700000000000\n"
    keys = {"config": {"global": {"scrape_interval": INTERVAL, "external_labels": {"site": "a"}},
                       "scrape_configs": [{"job_name": "job", "static_configs": [
                           {"targets": [target.address]}]}]}}
    with start(config({"prometheus": keys}, {"otlphttp": otlphttp(sink)})):
        wait_for(sink, "g", 1)
    assert sink.named("g", site="a")[0][3].time_unix_nano == 1700000000000 * 10**6
    sink.points.clear()
    keys["config"]["scrape_configs"][0]["honor_timestamps"] = False
    with start(config({"prometheus": keys}, {"otlphttp": otlphttp(sink)})):
        wait_for(sink, "g", 1)
    assert sink.named("g")[0][3].time_unix_nano > 1700000000000 * 10**6


def test_suffixes_are_trimmed_where_wanted(scrape, sink, target):
    prometheus_client.Counter("used", "x", unit="seconds", registry=target.registry).inc(3)
    with scrape([target.address], receiver={"trim_metric_suffixes": True}):
        wait_for(sink, "used", 3)
    assert "used_seconds_total" not in sink.names()


def test_extra_metrics(scrape, sink, target):
    target.page = b"g 1\n"
    with scrape([target.address], receiver={"report_extra_scrape_metrics": True}):
        wait_for(sink, "scrape_body_size_bytes", 4)
        wait_for(sink, "scrape_timeout_seconds", 0.4)


@pytest.mark.parametrize("limit, result", [
    ({"sample_limit": 2}, "scrapes_limit"),
    ({"label_limit": 2}, "scrapes_limit"),
    ({"label_name_length_limit": 8}, "scrapes_limit"),
    ({"label_value_length_limit": 16}, "scrapes_limit"),
    ({"body_size_limit": "64B"}, "scrapes_too_large"),
    ({"target_limit": 1}, "scrapes_targets"),
])
def test_limits_fail_the_scrape(scrape, sink, target, limit, result):
    label = f'{"n" * 10}="{"v" * 20}"'
    target.page = f"a{{{label}}} 1\nb 2\nc 3\n{'# ' + 'x' * 80}\n".encode()
    with scrape([target.address, "127.0.0.1:1"], **limit) as weir:
        weir.wait_for(result, 1, "prometheus")
        wait_until(lambda: sink.named("up"), what="up")
        assert value_of(sink, "up") == 0
    assert "a" not in sink.names()


# --- the way to the target ------------------------------------------------------------------------

@pytest.fixture
def tls_target(tmp_path):
    """A target that wants a certificate, `client`, and its own: all self-signed, in `folder`."""
    for name in ("server", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
             f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             str(tmp_path / f"{name}.key"), "-out", str(tmp_path / f"{name}.pem")],
            check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.load_verify_locations(tmp_path / "client.pem")
    context.verify_mode = ssl.CERT_OPTIONAL
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # so that a refusal is one of the handshake
    with ScrapeTarget(context) as running:
        running.page = b"g 1\n"
        running.context = context
        running.folder = tmp_path
        yield running


@pytest.mark.parametrize("keys, is_up", [
    ({}, False),
    ({"insecure_skip_verify": True}, True),
    ({"ca_file": "server.pem"}, True),
    ({"ca_file": "client.pem"}, False),
    ({"ca_file": "server.pem", "min_version": "TLS13"}, False),
    ({"ca_file": "server.pem", "max_version": "TLS12"}, True),
    ({"ca": "server.pem"}, True),
])
def test_tls(scrape, sink, tls_target, keys, is_up):
    folder = tls_target.folder
    tls = {key: str(folder / value) if key.endswith("_file") else value
           for key, value in keys.items()}
    if "ca" in keys:
        tls["ca"] = (folder / keys["ca"]).read_text()
    with scrape([tls_target.address], scheme="https", tls_config=tls):
        wait_for(sink, "up", 1 if is_up else 0)
    assert ("g" in sink.names()) == is_up


@pytest.mark.parametrize("is_text", [False, True])
def test_client_certificate(scrape, sink, tls_target, is_text):
    tls_target.context.verify_mode = ssl.CERT_REQUIRED
    folder = tls_target.folder
    files = {"cert": folder / "client.pem", "key": folder / "client.key"}
    tls = {key: path.read_text() if is_text else str(path) for key, path in files.items()}
    tls = tls if is_text else {f"{key}_file": path for key, path in tls.items()}
    with scrape([tls_target.address], scheme="https",
                tls_config={"ca_file": str(folder / "server.pem"), **tls}):
        wait_for(sink, "g", 1)


@pytest.mark.parametrize("by_environment", [False, True])
def test_proxy(scrape, sink, target, by_environment):
    """The proxy answers itself: what it was asked for is an address nobody could reach."""
    target.page = b"g 1\n"
    keys = {"proxy_from_environment": True} if by_environment else {
        "proxy_url": f"http://{target.address}"}
    with scrape(["never.invalid:9"], env={"http_proxy": f"http://{target.address}"}, **keys):
        wait_for(sink, "g", 1)
    assert target.requests[0][0] == "http://never.invalid:9/metrics"


def test_no_proxy_where_none_is_wanted(scrape, sink, target):
    with scrape(["never.invalid:9"], env={"http_proxy": f"http://{target.address}"}):
        wait_for(sink, "up", 0)
    assert target.requests == []


# --- trouble --------------------------------------------------------------------------------------

def test_basic_authentication(scrape, sink, target, tmp_path):
    target.user = ("me", "open sesame")
    target.page = b"g 1\n"
    password = tmp_path / "password"
    password.write_text("wrong\n")
    with scrape([target.address], basic_auth={"username": "me",
                                              "password_file": str(password)}) as weir:
        wait_for(sink, "up", 0)
        weir.wait_for("scrapes_status", 1, "prometheus")
        password.write_text("open sesame\n")
        wait_for(sink, "g", 1)
    assert "sesame" not in weir.log_text()


def test_down_and_back(scrape, sink, target):
    target.page = b"# TYPE c counter\nc 1\n"
    with scrape([target.address]) as weir:
        wait_for(sink, "c", 1)
        target.go_down()
        wait_for(sink, "up", 0)
        wait_until(lambda: is_end(latest(sink, "c")), what="the end of c")
        weir.wait_for("scrapes_unreachable", 1, "prometheus")
        target.status = 200
        target.page = b"# TYPE c counter\nc 5\n"
        target.go_up()
        wait_for(sink, "c", 5)
        wait_for(sink, "up", 1)
        assert weir.events("target_down")[0]["instance"] == target.address
        assert weir.events("target_up")


def test_slow_target_disturbs_nobody(scrape, sink, target):
    target.page = b"g 1\n"
    with ScrapeTarget() as slow:
        slow.page, slow.delay_s = b"g 2\n", 1.5
        with scrape([target.address, slow.address], scrape_timeout="200ms") as weir:
            weir.wait_for("scrapes_timeout", 2, "prometheus")
            counters = weir.wait_for("scrapes_ok", 5, "prometheus")
            assert counters["scrapes_timeout"] >= 2
    assert {number(point) for _, _, _, point in sink.named("g") if not is_end(point)} == {1}


def test_bad_page_counts_as_a_whole(scrape, sink, target):
    target.page = b"good 1\nbad {\n"
    with scrape([target.address], scrape_interval="2s") as weir:  # the first is not to be late
        weir.wait_for("scrapes_bad_page", 2, "prometheus")
        wait_for(sink, "up", 0)
        [event] = weir.events("target_down")
        assert event["number"] == 2  # the line
    assert "good" not in sink.names()


# --- discovery ------------------------------------------------------------------------------------

def test_targets_from_files(scrape, sink, target, tmp_path):
    """As an observer of ECS writes them, and as its users relabel them."""
    target.page = b"g 1\n"
    found = tmp_path / "ecs_sd_targets.yaml"
    rules = [
        {"source_labels": ["__meta_ecs_cluster_name"], "action": "replace",
         "target_label": "ClusterName"},
        {"source_labels": ["__meta_ecs_service_name"], "action": "replace",
         "target_label": "ServiceName"},
        {"action": "labelmap", "regex": "^__meta_ecs_container_labels_(.+)$",
         "replacement": "container_labels_$$1"},
    ]
    with scrape(None, file_sd_configs=[{"files": [str(found)], "refresh_interval": "100ms"}],
                relabel_configs=rules) as weir:
        group = {"targets": [target.address],
                 "labels": {"__meta_ecs_cluster_name": "c", "__meta_ecs_service_name": "s",
                            "__meta_ecs_container_labels_app": "a", "__metrics_path__": "/stats",
                            "prometheus_job": "p"}}
        found.write_text(yaml.safe_dump([group]))
        wait_for(sink, "g", 1, ClusterName="c", ServiceName="s", container_labels_app="a",
                 prometheus_job="p")
        assert target.requests[-1][0] == "/stats"
        found.write_text(yaml.safe_dump([]))
        wait_until(lambda: is_end(latest(sink, "up")), what="the end of up")
        weir.wait_for("scrape_targets", 0, "prometheus")


def test_targets_from_json(scrape, sink, target, tmp_path):
    target.page = b"g 1\n"
    (tmp_path / "one.json").write_text(json.dumps([{"targets": [target.address]}]))
    with scrape(None, file_sd_configs=[{"files": [f"{tmp_path}/*.json"]}]):
        wait_for(sink, "g", 1)


def test_reload_keeps_what_did_not_change(scrape, sink, target):
    target.page = b"# TYPE c counter\nc 5\n"
    with scrape([target.address]) as weir:
        wait_for(sink, "c", 5)
        before = yaml.safe_load(weir.config_path.read_text())
        before["exporters"]["otlphttp"]["timeout"] = "7s"
        assert weir.reload(before)["event"] == "reloaded"
        scrapes = weir.receiver("prometheus")["scrapes_ok"]
        weir.wait_for("scrapes_ok", scrapes + 2, "prometheus")
        check_failures(weir)
        before["receivers"]["prometheus"]["config"]["scrape_configs"][0]["honor_labels"] = True
        assert weir.reload(before)["event"] == "reloaded"
        count = len(sink.named("c"))
        wait_until(lambda: len(sink.named("c")) >= count + 2, what="points after the reload")
        check_failures(weir)
    check_ends(sink, set())


# --- others' pages --------------------------------------------------------------------------------

def test_pages_of_weir_itself(start, scrape, sink):
    """Its self-metrics and its pull endpoint, of a thousand series."""
    port, page_port = free_udp_port(), free_port()
    receiver = statsd(port, aggregation_interval="200ms", is_monotonic_counter=True)
    with start(config(receiver, prometheus(page_port))) as other:
        for first in range(0, 1000, 50):
            send_udp(port, [f"jobs:{i}|c|#i:{i}" for i in range(first, first + 50)])
        wait_until(lambda: other.exporter("prometheus")["items_delivered"] >= 1000)
        page = parse(fetch(f"http://127.0.0.1:{page_port}/metrics"))
        with scrape([f"127.0.0.1:{page_port}", f"127.0.0.1:{other.admin_port}"]) as weir:
            wait_until(lambda: len(sink.named("jobs_total")) >= 2000, what="two scrapes")
            wait_for(sink, "weir_items_folded", 1000)
            assert weir.receiver("prometheus")["scrapes_bad_page"] == 0
    wanted = {labels["i"]: value for labels, value in page["jobs_total"]}
    seen = {attributes["i"]: number(point) for _, _, attributes, point in sink.named("jobs_total")
            if not is_end(point)}
    assert len(wanted) == 1000 and seen == wanted


def test_large_page_does_not_hold_the_thread(scrape, sink, target):
    """What holds it with one page does so with each; waiting for a CPU is long now and then."""
    size = 100_000
    target.page = b"".join(b'g{i="%d",text="%064d"} %d\n' % (i, i, i) for i in range(size))
    stalls, count = [0], 0
    with scrape([target.address], scrape_interval="5s", scrape_timeout="5s") as weir:
        while len(stalls) < 2 or stalls[-1] > stalls[-2]:
            assert len(stalls) <= 15, f"the thread was held by every page: {stalls}"
            wait_until(lambda: weir.exporter("otlphttp")["items_delivered"] >= len(stalls) * size,
                       60, what="one more page")
            stalls.append(value(weir.metrics(), "weir_loop_stalls", thread="egress-0"))
            with sink.lock:  # so many need much memory
                count += sum(metric.name == "g" for metric, *_ in sink.points)
                sink.points.clear()
    assert count + len(sink.named("g")) >= size


# --- what users of ADOT run -----------------------------------------------------------------------

ADOT_RECEIVER = """
prometheus:
  config:
    global:
      scrape_interval: 20s
      scrape_timeout: 10s
    scrape_configs:
    - job_name: "otel-collector"
      static_configs:
      - targets: ["${env:AWS_PROMETHEUS_SCRAPING_ENDPOINT}"]
"""


def test_receiver_of_adot(start, sink, target):
    prometheus_client.Counter("c", "x", registry=target.registry).inc(3)
    made = config(yaml.safe_load(ADOT_RECEIVER), {"otlphttp": otlphttp(sink)})
    with start(made, env={"AWS_PROMETHEUS_SCRAPING_ENDPOINT": target.address}):
        wait_for(sink, "c_total", 3, seconds=30)
    assert sink.resources[0]["service.name"] == "otel-collector"
    headers = target.requests[0][1]
    assert headers["X-Prometheus-Scrape-Timeout-Seconds"] == "10"
