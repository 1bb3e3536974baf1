# SPDX-License-Identifier: Apache-2.0
"""What lines mean: types, packing, rates, tags, dialects, and what the points look like."""

import time

import pytest
from senders import send_udp
from settings import config, otlphttp, statsd
from weir_process import free_udp_port

ONE_BACKEND = True
SCOPE = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver"
DELTA = 1  # AGGREGATION_TEMPORALITY_DELTA


@pytest.fixture
def feed(run_once, sink):
    """feed(lines, **keys) sends the lines in one datagram each and waits for the end."""

    def run(lines, **keys):
        port = free_udp_port()
        return run_once(config(statsd(port, **keys), otlphttp(sink)),
                        lambda: send_udp(port, lines, per_datagram=1))

    return run


def test_every_type(feed, sink):
    before_ns = time.time_ns()
    feed(["c:3000|c", "c:20|c|@0.25", "g:500|g", "g:+2|g", "g:-1|g", "t:1|ms", "t:2|ms", "t:4|ms",
          "t:8|ms", "h:5|h", "d:0|d", "s:a|s", "s:b|s", "s:a|s"])
    after_ns = time.time_ns()
    metric, kind, _, point = sink.one("c")
    assert (kind, point.as_int) == ("sum", 3080)
    assert (metric.sum.aggregation_temporality, metric.sum.is_monotonic) == (DELTA, False)
    assert (metric.unit, metric.description) == ("", "")
    assert before_ns - 5e9 < point.start_time_unix_nano < point.time_unix_nano < after_ns
    assert sink.one("g")[1] == "gauge" and sink.value("g") == 501
    assert sink.one("s")[1] == "gauge" and sink.value("s") == 2
    metric, kind, _, point = sink.one("t")
    assert kind == "exponential_histogram"
    assert metric.exponential_histogram.aggregation_temporality == DELTA
    assert (point.count, point.sum, point.min, point.max) == (4, 15, 1, 8)
    assert (point.scale, point.positive.offset) == (5, -1)
    filled = [i - 1 for i, count in enumerate(point.positive.bucket_counts) if count]
    assert filled == [-1, 31, 63, 95]
    assert (sink.one("h")[3].count, sink.one("h")[3].sum) == (1, 5)
    assert (sink.one("d")[3].count, sink.one("d")[3].zero_count) == (1, 1)


def test_packed_values(feed, sink):
    feed(["t:1:2:3|ms|#a:b", "c:1:2:3|c", "g:1:7|g", "s:x:y|s", "bad:1:x|ms"])
    assert (sink.one("t", a="b")[3].count, sink.one("t")[3].sum) == (3, 6)
    assert (sink.value("c"), sink.value("g"), sink.value("s")) == (6, 7, 1)
    assert sink.named("bad") == []


def test_multi_bit_lines(feed, sink):
    weir = feed(["m:1|c:2|c:70|ms", "n:1|c:x|c:4|c"])
    assert sorted(kind for _, kind, _, _ in sink.named("m")) == ["exponential_histogram", "sum"]
    assert next(p.as_int for _, k, _, p in sink.named("m") if k == "sum") == 3
    assert sink.value("n") == 5
    assert weir.books()["items_invalid"] == 1


def test_sample_rates(feed, sink):
    weir = feed(["c:1|c|@0.1", "t:7|ms|@0.5", "g:4|g|@0.1", "s:a|s|@0.1", "odd:3|c|@2",
                 "bad:1|c|@x"])
    assert sink.value("c") == 10
    assert (sink.one("t")[3].count, sink.one("t")[3].sum) == (2, 14)
    assert (sink.value("g"), sink.value("s"), sink.value("odd")) == (4, 1, 3)
    assert weir.books()["items_invalid"] == 1


def test_fractions_are_not_cut(feed, sink):
    feed(["c:0.5|c", "c:0.25|c"])
    assert sink.value("c") == 0.75


def test_tags_in_any_order_are_one_series(feed, sink):
    feed(["c:1|c|#a:1,b:2", "c:2|c|#b:2,a:1", "c:4|c|#a:1,b:3", "u:1|c|#url:http://x/?k=v"])
    assert sink.value("c", a="1", b="2") == 3
    assert sink.value("c", a="1", b="3") == 4
    assert sink.one("u")[2] == {"url": "http://x/?k=v"}


def test_dogstatsd_sections(feed, sink):
    stamp = int(time.time()) - 3600
    feed([f"past:5|c|T{stamp}", "c:1|c|#a:b|c:ci-abc|e:it-false|card:low", "x:2|c|zzz|"])
    assert sink.value("past") == 5
    assert sink.one("past")[3].time_unix_nano == stamp * 10**9
    assert sink.one("c")[2] == {"a": "b", "container.id": "abc"}
    assert sink.value("x") == 2


def test_events_and_checks_are_counted(start, sink):
    port = free_udp_port()
    lines = ["_e{5,4}:title|text|t:error", "_e{1,1}:a|b", "_sc|name|0|m:fine", "_e{9,9}:a|b"]
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, lines)
        counters = weir.wait_for("wire_parsed", 1)
        assert (counters["events"], counters["service_checks"]) == (2, 1)
        assert counters["invalid_lines"] == {"bad_event": 1}
        assert (counters["items_decoded"], counters["items_folded"]) == (1, 0)


@pytest.mark.parametrize("dialect, gauge, multi_bit", [
    ("auto", 7, 3), ("etsy", 7, 3), ("dogstatsd", -3, None)])
def test_dialect(feed, sink, dialect, gauge, multi_bit):
    feed(["g:10|g", "g:-3|g", "m:1|c:2|c"], dialect=dialect)
    assert sink.value("g") == gauge
    assert [p.as_int for _, _, _, p in sink.named("m")] == ([multi_bit] if multi_bit else [])


def test_dialect_etsy_has_no_packing(feed, sink):
    weir = feed(["t:1:2|ms", "s:a:b|s"], dialect="etsy")
    assert sink.one("t")[3].sum == 2
    assert weir.books()["items_invalid"] == 2


@pytest.mark.parametrize("key, line, name", [
    ("influx_tags", "cpu.load,host=a,region=eu:3|g", "cpu.load"),
    ("librato_tags", "cpu.load#host=a,region=eu:3|g", "cpu.load"),
    ("signalfx_tags", "cpu[host=a,region=eu].load:3|g", "cpu.load")])
def test_name_tags(feed, sink, key, line, name):
    feed([line], **{key: True})
    assert sink.one(name)[2] == {"host": "a", "region": "eu"}
    assert sink.value(name) == 3


def test_name_tags_are_off_by_default(feed, sink):
    names = ["n,host=a", "n#host=a", "n[host=a]"]
    feed([f"{name}:3|g" for name in names])
    assert sink.names() == sorted(names)


def test_bare_tags_need_simple_tags(feed, sink):
    weir = feed(["c:1|c|#bare", "c:2|c|#a:b"])
    assert sink.value("c") == 2
    assert weir.books()["items_invalid"] == 1


def test_enable_simple_tags(feed, sink):
    feed(["c:1|c|#bare,a:b"], enable_simple_tags=True)
    assert sink.one("c")[2] == {"bare": "", "a": "b"}


def test_resource_and_scope(feed, sink):
    feed(["c:1|c"])
    assert len(sink.resources) == 1
    assert list(sink.resources[0]) == ["service.instance.id"]
    assert sink.scopes[0] == SCOPE


@pytest.mark.parametrize("name", ["gateway.id", ""])
def test_replica_attribute(feed, sink, name):
    feed(["c:1|c"], replica_attribute=name)
    assert list(sink.resources[0]) == ([name] if name else [])
