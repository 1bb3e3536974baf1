# SPDX-License-Identifier: Apache-2.0
"""Each remaining key of the statsd receiver shows its effect."""

import math
import stat
import statistics
import time

import pytest
from prom_page import parse
from senders import send_udp, send_unixgram
from settings import config, otlphttp, prometheus, statsd
from weir_process import fetch, free_port, free_udp_port, wait_until


@pytest.fixture
def feed(run_once, sink):
    def run(lines, **keys):
        port = free_udp_port()
        return run_once(config(statsd(port, **keys), otlphttp(sink)),
                        lambda: send_udp(port, lines))

    return run


def test_enable_metric_type(feed, sink):
    feed(["c:1|c", "g:1|g", "t:1|ms", "h:1|h", "d:1|d", "s:a|s"], enable_metric_type=True)
    types = {name: sink.one(name)[2]["metric_type"] for name in "cgthds"}
    assert types == {"c": "counter", "g": "gauge", "t": "timing", "h": "histogram",
                     "d": "distribution", "s": "set"}


def test_is_monotonic_counter(feed, sink):
    feed(["up:1|c", "down:-1|c"], is_monotonic_counter=True)
    assert sink.one("up")[0].sum.is_monotonic
    assert sink.one("down")[0].sum.is_monotonic  # as it is written, for all of them
    assert (sink.value("up"), sink.value("down")) == (1, -1)


def test_monotonic_counter_with_negative_windows_has_one_total(start, sink):
    """The sum of each window goes through; the pull endpoint shows one name with all of them."""
    port, page_port = free_udp_port(), free_port()
    receiver = statsd(port, aggregation_interval="200ms", is_monotonic_counter=True)
    exporters = {"otlphttp": otlphttp(sink), "prometheus": prometheus(page_port)}

    def page():
        return parse(fetch(f"http://127.0.0.1:{page_port}/metrics"))

    with start(config(receiver, exporters)):
        for step, shown in ((10, 10), (-4, 6), (5, 11), (-20, -9)):
            send_udp(port, [f"c:{step}|c"])
            wait_until(lambda: [v for _, v in page().get("c_total", [])] == [shown])
        assert "c" not in page()
    assert sink.total("c") == -9
    assert {metric.sum.is_monotonic for metric, _, _, _ in sink.named("c")} == {True}


@pytest.mark.parametrize("counter_type, field", [("int", "as_int"), ("float", "as_double")])
def test_counter_type(feed, sink, counter_type, field):
    feed(["c:3|c"], counter_type=counter_type)
    assert sink.one("c")[3].WhichOneof("value") == field
    assert sink.value("c") == 3


def test_aggregation_interval(start, sink):
    """Windows are aligned to the wall clock, and each has its own true times."""
    port = free_udp_port()
    with start(config(statsd(port, aggregation_interval="300ms"), otlphttp(sink))):
        for i in range(30):
            send_udp(port, ["c:1|c"])
            time.sleep(0.1)
        wait_until(lambda: sink.total("c") == 30)
    points = sorted((p for _, _, _, p in sink.named("c")), key=lambda p: p.time_unix_nano)
    assert len(points) >= 5
    # A shard whose turn came late ends its window late, and says so; others are on their edge.
    offs = [point.time_unix_nano % 300_000_000 for point in points[1:-1]]
    assert min(offs) == 0
    assert 200_000_000 < statistics.median(
        point.time_unix_nano - point.start_time_unix_nano for point in points[1:-1]) < 400_000_000
    for before, after in zip(points, points[1:]):
        is_late = before.time_unix_nano % 300_000_000 > 0  # the other shard has gone on meanwhile
        assert after.start_time_unix_nano >= (
            before.start_time_unix_nano + 1 if is_late else before.time_unix_nano)


@pytest.mark.parametrize("written, mode", [(0o600, 0o600), (0o666, 0o666), (None, 0o622)])
def test_socket_permissions(start, sink, tmp_path, written, mode):
    path = tmp_path / "s.sock"
    keys = {} if written is None else {"socket_permissions": written}
    with start(config(statsd(path, "unixgram", **keys), otlphttp(sink))) as weir:
        assert stat.S_IMODE(path.stat().st_mode) == mode
        send_unixgram(path, ["c:1|c"])
        weir.wait_for("items_folded", 1)


def wait_for_rounds(weir, count):
    """So many windows are over, and what came of them is delivered."""
    wanted = weir.receiver()["rounds"] + count
    wait_until(lambda: weir.receiver()["rounds"] >= wanted and
               weir.exporter("otlphttp")["items_held"] == 0, what=f"{count} windows")


def test_counter_expiry_repeats_zeros(start, sink):
    port = free_udp_port()
    keys = {"aggregation_interval": "200ms", "counter_expiry": "800ms"}
    with start(config(statsd(port, **keys), otlphttp(sink))) as weir:
        send_udp(port, ["c:5|c", "g:5|g"])
        wait_until(lambda: sink.named("c"))
        wait_for_rounds(weir, 7)
        count = len(sink.named("c"))
        wait_for_rounds(weir, 3)
        assert count >= 4
        assert len(sink.named("c")) == count <= 6  # then it is silent
    values = [p.as_int for _, _, _, p in sink.named("c")]
    assert values == [5] + [0] * (len(values) - 1)
    assert len(sink.named("g")) == 1


def test_gauge_expiry_repeats_the_value(start, sink):
    port = free_udp_port()
    keys = {"aggregation_interval": "200ms", "gauge_expiry": "800ms"}
    with start(config(statsd(port, **keys), otlphttp(sink))) as weir:
        send_udp(port, ["g:5.5|g", "c:1|c"])
        wait_until(lambda: sink.named("g"))
        wait_for_rounds(weir, 7)
        count = len(sink.named("g"))
        wait_for_rounds(weir, 3)
        assert count >= 4
        assert len(sink.named("g")) == count <= 6
    assert {p.as_double for _, _, _, p in sink.named("g")} == {5.5}
    assert len(sink.named("c")) == 1


def test_idle_series_are_silent_by_default(start, sink):
    port = free_udp_port()
    with start(config(statsd(port, aggregation_interval="200ms"), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c", "g:1|g"])
        wait_until(lambda: sink.named("g"))
        rounds = weir.receiver()["rounds"]
        wait_until(lambda: weir.receiver()["rounds"] > rounds + 3)
        assert (len(sink.named("c")), len(sink.named("g"))) == (1, 1)


@pytest.mark.parametrize("dialect, value", [("auto", 1), ("etsy", 11)])
def test_gauge_deltas_over_windows(start, sink, dialect, value):
    """The Collector's gauges begin anew with each window; etsy's go on."""
    port = free_udp_port()
    keys = {"aggregation_interval": "200ms", "dialect": dialect, "gauge_expiry": "60s"}
    if dialect == "auto":
        del keys["gauge_expiry"]
    with start(config(statsd(port, **keys), otlphttp(sink))):
        send_udp(port, ["g:10|g"])
        wait_until(lambda: sink.named("g"))
        time.sleep(0.4)
        send_udp(port, ["g:+1|g"])
        wait_until(lambda: sink.named("g")[-1][3].as_double == value)


def test_cardinality_limit_folds_into_an_overflow_series(start, sink):
    port = free_udp_port()
    lines = [f"many:1|c|#id:{i}" for i in range(30)]
    with start(config(statsd(port, cardinality_limit=10), otlphttp(sink)), "--shards=1") as weir:
        send_udp(port, lines + ["many:5|c|#id:0"])
        counters = weir.wait_for("items_folded", 31)
        assert counters["items_overflowed"] == 20
        worst = counters["most_series"][0]
        assert worst["name"] == "many" and worst["series"] >= 10
    assert sink.value("many", **{"otel.metric.overflow": "true"}) == 20
    assert sink.value("many", id="0") == 6
    assert len(sink.named("many")) == 11
    assert sink.total("many") == 35


@pytest.mark.parametrize("limit", [20, 50])
def test_cardinality_limit_is_one_for_all_shards(start, sink, limit):
    """Each shard sees every series, and each series counts once."""
    port = free_udp_port()
    lines = [f"many:1|c|#id:{i}" for i in range(50)]
    with start(config(statsd(port, cardinality_limit=limit), otlphttp(sink)),
               "--shards=4") as weir:
        for _ in range(24):
            send_udp(port, lines)  # from a port of its own, so that all shards get some
        counters = weir.wait_for("items_folded", 24 * 50)
        wait_until(lambda: weir.receiver()["series_live"] > limit + 2)  # the sum of the shards'
        assert (counters["items_overflowed"] == 0) == (limit == 50)
    named = [attributes for _, _, attributes, _ in sink.named("many") if "id" in attributes]
    assert len(named) == limit
    assert len(sink.named("many")) == (limit if limit == 50 else limit + 1)
    assert sink.total("many") == 24 * 50


def test_cardinality_is_free_again_after_the_window(start, sink):
    port = free_udp_port()
    keys = {"cardinality_limit": 10, "aggregation_interval": "200ms"}
    with start(config(statsd(port, **keys), otlphttp(sink)), "--shards=1") as weir:
        for first in (0, 100):
            send_udp(port, [f"many:1|c|#id:{first + i}" for i in range(10)])
            rounds = weir.wait_for("items_folded", 10)["rounds"]
            wait_until(lambda: weir.receiver()["rounds"] > rounds + 4)
        assert weir.receiver()["items_overflowed"] == 0
    assert sink.total("many") == 20


def test_offenders_are_sorted(start, sink):
    port = free_udp_port()
    lines = [f"a:1|c|#id:{i}" for i in range(5)] + [f"b:1|c|#id:{i}" for i in range(50)]
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, lines)
        counters = weir.wait_for("items_folded", 55)
        assert counters["most_series"][:2] == [{"name": "b", "series": 50},
                                               {"name": "a", "series": 5}]


def test_set_of_many_members_is_estimated(feed, sink):
    feed([f"exact:m{i}|s" for i in range(2000)] + [f"big:m{i}|s" for i in range(20000)])
    assert sink.value("exact") == 2000
    # Members are hashed with a seed of the process; 6 % are seven standard errors.
    assert math.isclose(sink.value("big"), 20000, rel_tol=0.06)
