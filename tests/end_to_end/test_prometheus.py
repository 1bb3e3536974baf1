# SPDX-License-Identifier: Apache-2.0
"""Each key of the `prometheus` exporter shows its effect on the page."""

import re
import time

import pytest
from prom_page import parse
from senders import send_udp
from settings import config, prometheus, statsd
from weir_process import fetch, free_port, free_udp_port, wait_until

ONE_BACKEND = True
SCOPE = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver"
OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0; charset=utf-8"}


@pytest.fixture
def show(start):
    """show(headers, **keys of the exporter) is the page after a counter of 42 with a tag."""

    def run(headers=None, **keys):
        port, page_port = free_udp_port(), free_port()
        receiver = statsd(port, aggregation_interval="200ms", is_monotonic_counter=True)
        with start(config(receiver, prometheus(page_port, **keys))) as weir:
            send_udp(port, ["jobs.done:42|c|#env:a"])
            wait_until(lambda: weir.exporter("prometheus")["items_delivered"] == 1)
            return fetch(f"http://127.0.0.1:{page_port}/metrics", headers=headers)

    return run


def labels_of(page, name="jobs_done_total"):
    """The labels of the one sample of that name, which must be 42."""
    (labels, shown), = parse(page)[name]
    assert shown == 42
    return labels


def test_defaults(show):
    page = show()
    labels = labels_of(page)
    assert labels.pop("otel_scope_version")
    assert labels == {"env": "a", "otel_scope_name": SCOPE}
    assert "# TYPE jobs_done_total counter\n" in page
    assert list(parse(page)) == ["jobs_done_total"]


def test_namespace(show):
    page = show(namespace="shop")
    assert labels_of(page, "shop_jobs_done_total")["env"] == "a"
    assert list(parse(page)) == ["shop_jobs_done_total"]


def test_const_labels(show):
    labels = labels_of(show(const_labels={"zone": "eu", "env": "never"}))
    assert labels["zone"] == "eu"
    assert labels["env"] == "a"  # the point's own counts


@pytest.mark.parametrize("is_on", [True, False])
def test_send_timestamps(show, is_on):
    before_ms = time.time() * 1000
    stamps = re.findall(r"^jobs_done_total{.*} 42 (\d+)$", show(send_timestamps=is_on), re.M)
    assert len(stamps) == (1 if is_on else 0)
    assert all(before_ms - 1000 <= int(stamp) <= time.time() * 1000 for stamp in stamps)


def test_metric_expiration(start):
    port = free_udp_port()
    pages = {"short": free_port(), "long": free_port()}
    exporters = {"prometheus/short": prometheus(pages["short"], metric_expiration="3s"),
                 "prometheus/long": prometheus(pages["long"], metric_expiration="300s")}

    def names(which):
        return list(parse(fetch(f"http://127.0.0.1:{pages[which]}/metrics")))

    with start(config(statsd(port, aggregation_interval="200ms"), exporters)):
        sent_at = time.monotonic()
        send_udp(port, ["c:1|c"])
        wait_until(lambda: names("short") == ["c"])
        wait_until(lambda: names("short") == [], seconds=30)
        assert time.monotonic() - sent_at >= 3
        assert names("long") == ["c"]


@pytest.mark.parametrize("is_on", [True, False])
def test_resource_to_telemetry_conversion(show, is_on):
    labels = labels_of(show(resource_to_telemetry_conversion={"enabled": is_on}))
    assert ("service_instance_id" in labels) == is_on


@pytest.mark.parametrize("is_on, headers, is_open", [
    (True, OPENMETRICS, True), (True, {}, False), (False, OPENMETRICS, False)])
def test_enable_open_metrics(show, is_on, headers, is_open):
    page = show(headers, enable_open_metrics=is_on)
    assert page.endswith("# EOF\n") == is_open
    assert ("# TYPE jobs_done counter\n" in page) == is_open  # there the family has no suffix
    assert ("# TYPE jobs_done_total counter\n" in page) != is_open


@pytest.mark.parametrize("is_on, name", [(True, "jobs_done_total"), (False, "jobs_done")])
def test_add_metric_suffixes(show, is_on, name):
    labels_of(show(add_metric_suffixes=is_on), name)


@pytest.mark.parametrize("strategy, name", [
    ("UnderscoreEscapingWithSuffixes", "jobs_done_total"),
    ("UnderscoreEscapingWithoutSuffixes", "jobs_done")])
def test_translation_strategy(show, strategy, name):
    labels_of(show(translation_strategy=strategy), name)


def test_without_scope_info(show):
    assert labels_of(show(without_scope_info=True)) == {"env": "a"}


def test_endpoint_by_name_and_by_address(start):
    """Port 0 is the kernel's choice, and told in the log."""
    port = free_udp_port()
    exporters = {"prometheus/a": {"endpoint": "localhost:0"},
                 "prometheus/b": {"endpoint": "127.0.0.1:0"}}
    with start(config(statsd(port, aggregation_interval="200ms"), exporters)) as weir:
        send_udp(port, ["c:7|g"])
        listening = {entry["exporter"]: entry["port"] for entry in weir.events("listening")
                     if "exporter" in entry}
        assert sorted(listening) == sorted(exporters)
        for page_port in listening.values():
            wait_until(lambda: "c" in parse(fetch(f"http://localhost:{page_port}/metrics")))
