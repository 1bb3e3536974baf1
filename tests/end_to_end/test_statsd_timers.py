# SPDX-License-Identifier: Apache-2.0
"""timer_histogram_mapping: every observer type and each of its options."""

import pytest
from senders import send_udp
from settings import config, otlphttp, statsd
from weir_process import free_udp_port

ONE_BACKEND = True
LINES = [f"{name}:{i}|{kind}" for i in range(1, 101)
         for name, kind in (("t", "ms"), ("h", "h"), ("d", "d"))]


@pytest.fixture
def observe(run_once, sink):
    """observe(*mappings, lines=…) sends values 1 to 100 of each timer type."""

    def run(*mappings, lines=None):
        port = free_udp_port()
        receiver = statsd(port, timer_histogram_mapping=list(mappings))
        return run_once(config(receiver, otlphttp(sink)),
                        lambda: send_udp(port, lines or LINES))

    return run


def kinds(sink):
    return {name: sorted({kind for _, kind, _, _ in sink.named(name)}) for name in ("t", "h", "d")}


def test_gauge(observe, sink):
    observe({"statsd_type": "timing", "observer_type": "gauge"})
    assert kinds(sink)["t"] == ["gauge"]
    assert sorted(p.as_double for _, _, _, p in sink.named("t")) == list(range(1, 101))
    assert kinds(sink)["h"] == kinds(sink)["d"] == ["exponential_histogram"]


def test_gauge_keeps_a_thousand_samples(observe, sink):
    weir = observe({"statsd_type": "timer", "observer_type": "gauge"},
                   lines=[f"t:{i}|ms" for i in range(1200)])
    assert len(sink.named("t")) == 1000
    assert weir.books()["items_invalid"] == 200


def test_summary_with_default_percentiles(observe, sink):
    observe({"statsd_type": "timing", "observer_type": "summary"})
    _, kind, _, point = sink.one("t")
    assert kind == "summary"
    assert (point.count, point.sum) == (100, 5050)
    assert [(q.quantile, q.value) for q in point.quantile_values] == [
        (0, 1), (0.1, 10), (0.5, 50), (0.9, 90), (0.95, 95), (1, 100)]


def test_summary_with_own_percentiles_and_weights(observe, sink):
    observe({"statsd_type": "timing", "observer_type": "summary",
             "summary": {"percentiles": [50, 99.9]}},
            lines=["t:1|ms|@0.1", "t:100|ms"])
    point = sink.one("t")[3]
    assert (point.count, point.sum) == (11, 110)
    assert [q.quantile for q in point.quantile_values] == pytest.approx([0.5, 0.999])
    assert [q.value for q in point.quantile_values] == [1, 100]


def test_histogram_with_max_size(observe, sink):
    observe({"statsd_type": "timing", "observer_type": "histogram", "histogram": {"max_size": 4}},
            lines=["t:1|ms", "t:2|ms", "t:4|ms", "t:8|ms"])
    point = sink.one("t")[3]
    assert (point.scale, point.positive.offset) == (0, -1)
    assert list(point.positive.bucket_counts) == [1, 1, 1, 1]


def test_histogram_with_explicit_buckets(observe, sink):
    bounds = {"explicit_buckets": [
        {"matcher_pattern": "^t$", "buckets": [10, 50, 90]},
        {"matcher_pattern": "^other", "buckets": [1]}]}
    observe({"statsd_type": "timing", "observer_type": "histogram", "histogram": bounds},
            lines=LINES + ["u:3|ms"])
    metric, kind, _, point = sink.one("t")
    assert kind == "histogram"
    assert metric.histogram.aggregation_temporality == 1
    assert list(point.explicit_bounds) == [10, 50, 90]
    assert list(point.bucket_counts) == [10, 40, 40, 10]  # a bound belongs to the bucket below
    assert (point.count, point.sum, point.min, point.max) == (100, 5050, 1, 100)
    assert sink.one("u")[1] == "exponential_histogram"


def test_disabled(observe, sink):
    weir = observe({"statsd_type": "timing", "observer_type": "disabled"})
    assert sink.named("t") == []
    assert kinds(sink)["h"] == ["exponential_histogram"]
    books = weir.books()
    assert (books["items_filtered"], books["items_folded"]) == (100, 200)


@pytest.mark.parametrize("statsd_type", ["histogram", "distribution"])
def test_histogram_and_distribution_are_one_category(observe, sink, statsd_type):
    observe({"statsd_type": statsd_type, "observer_type": "summary"})
    assert kinds(sink) == {"t": ["exponential_histogram"], "h": ["summary"], "d": ["summary"]}


def test_each_type_its_own(observe, sink):
    observe({"statsd_type": "timer", "observer_type": "gauge"},
            {"statsd_type": "histogram", "observer_type": "summary"},
            {"statsd_type": "distribution", "observer_type": "histogram"})
    assert kinds(sink) == {"t": ["gauge"], "h": ["summary"], "d": ["exponential_histogram"]}
