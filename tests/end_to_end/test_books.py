# SPDX-License-Identifier: Apache-2.0
"""The books balance, whatever goes wrong: bad lines, an upstream that is down, a full kernel."""

import signal
import socket
import time

import pytest
from senders import Load, connect, send_bytes, send_datagrams, send_udp
from settings import config, otlphttp, statsd
from weir_process import free_port, free_udp_port, wait_until

# One line for each reason a line is refused for; the names are those of the counters.
BAD_LINES = {
    "missing_type": "x:1",
    "missing_value": "x|c",
    "empty_name": ":1|c",
    "empty_value": "x:|c",
    "unknown_type": "x:1|q",
    "bad_number": "x:1_0|c",
    "number_range": "x:1e309|c",
    "bad_rate": "x:1|c|@x",
    "bad_timestamp": "x:1|ms|T5",
    "bad_name": "x\x01:1|c",
    "bad_tags": "x:1|c|#a:\x01",
    "invalid_utf8": b"x\xff:1|c",
    "name_too_long": "x" * 1025 + ":1|c",
    "tags_too_long": "x:1|c|#a:" + "b" * 8192,
    "member_too_long": "x:" + "m" * 4097 + "|s",
    "origin_too_long": "x:1|c|c:" + "o" * 257,
    "bad_event": "_e{9,9}:a|b",
    "bad_check": "_sc|name|7",
}


def to_bytes(line):
    return line if isinstance(line, bytes) else line.encode()


def test_bad_lines_are_counted_by_reason(start, sink):
    """One in five is bad, in every datagram; the others are all there."""
    rounds = 25
    bad = [to_bytes(line) for line in BAD_LINES.values()]
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        for _ in range(rounds):
            for line in bad:
                good = [b"good:1|c", b"good:2|c", b"t:5|ms", b"s:a|s"]
                send_bytes(port, b"\n".join(good[:2] + [line] + good[2:]))
        counters = weir.wait_for("items_decoded", 5 * rounds * len(bad))
        assert counters["invalid_lines"] == {reason: rounds for reason in BAD_LINES}
        page = weir.metrics()
        by_reason = {labels["reason"]: count for labels, count in page["weir_items_invalid"]}
        assert {k: v for k, v in by_reason.items() if v} == {
            f"line_{reason}": rounds for reason in BAD_LINES}
    assert sink.value("good") == 3 * rounds * len(bad)
    assert sink.one("t")[3].count == rounds * len(bad)
    assert weir.books()["items_invalid"] == rounds * len(bad)


def test_bad_tags_are_counted_for_every_line_of_the_series(start, sink):
    port = free_udp_port()
    too_many = "x:1|c|#" + ",".join(f"k{i}:v" for i in range(129))
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["x:1|c|#bare", "x:1|c|#:v", too_many, "y:1|c"] * 10, per_datagram=4)
        counters = weir.wait_for("items_decoded", 40)
        assert (counters["items_folded"], counters["invalid_bare_tag"]) == (10, 30)
    assert sink.value("y") == 10


def test_upstream_down_then_up_loses_nothing(start, sink, is_full):
    outage_s = 60 if is_full else 3
    port = free_udp_port()
    sink.go_down()
    with start(config(statsd(port, aggregation_interval="200ms"), otlphttp(sink))) as weir:
        with Load(port) as load:
            time.sleep(outage_s)
            held = weir.exporter("otlphttp")
            assert held["items_held"] > 0 and held["items_delivered"] == 0
            assert held["requests_retried"] > 0
            sink.go_up()
            wait_until(lambda: sink.total("load") > 0, seconds=40)
            time.sleep(0.5)
        weir.wait_for("items_folded", load.sent_lines)
    assert sink.total("load") == load.sent_lines
    books = weir.books()
    assert books["items_dropped"] == books["items_rejected"] == 0


def test_upstream_down_with_a_tiny_queue_holds_the_windows(start, sink):
    """The only route is full: sealed values wait in the table, where they cost no queue."""
    port = free_udp_port()
    queue = {"queue_size": 2, "num_consumers": 1}
    sink.go_down()
    settings = config(statsd(port, aggregation_interval="100ms"),
                      otlphttp(sink, sending_queue=queue))
    with start(settings) as weir:
        with Load(port) as load:
            wait_until(lambda: weir.exporter("otlphttp")["queue_used"] == 2, what="a full queue")
            time.sleep(1)
            held = weir.exporter("otlphttp")
            assert held["queue_used"] == held["queue_capacity"] == 2
        weir.wait_for("items_folded", load.sent_lines)
        sink.go_up()
        wait_until(lambda: sink.total("load") == load.sent_lines)
    assert weir.books()["items_dropped"] == 0


def test_retries_end_and_are_counted(start, sink):
    port = free_udp_port()
    retry = {"initial_interval": "50ms", "max_interval": "100ms", "max_elapsed_time": "2s"}
    sink.go_down()
    settings = config(statsd(port, aggregation_interval="100ms"),
                      otlphttp(sink, retry_on_failure=retry))
    with start(settings) as weir:
        send_udp(port, ["c:1|c"])
        wait_until(lambda: weir.exporter("otlphttp")["items_dropped_retry"] == 1)
        assert weir.exporter("otlphttp")["requests_retried"] >= 2
    assert weir.books()["items_dropped"] == 1


def burst_while_stopped(weir, port, count):
    """Nobody reads meanwhile, so that what does not fit is dropped by the kernel."""
    weir.signal(signal.SIGSTOP)
    try:
        send_datagrams(("127.0.0.1", port), ["c:1|c"] * count, 1,
                       socket.AF_INET, 0)
    finally:
        weir.signal(signal.SIGCONT)


def test_kernel_drops_are_exact_and_beside_the_books(start, sink):
    """socket_buffer_size: a tiny one loses datagrams, and each is counted."""
    count = 5000
    port = free_udp_port()
    with start(config(statsd(port, socket_buffer_size=8192), otlphttp(sink))) as weir:
        send_udp(port, ["before:1|c"])
        weir.wait_for("wire_received", 1)
        burst_while_stopped(weir, port, count)
        weir.wait_for("kernel_dropped", 1)
        def counted():
            counters = weir.receiver()
            return counters["wire_received"] + counters["kernel_dropped"] == count + 1
        wait_until(counted, what="received + dropped == sent")
    books = weir.books()
    assert books["kernel_dropped_at_least"] > count / 2
    assert books["wire_received"] + books["kernel_dropped_at_least"] == count + 1
    assert sink.value("c") == books["wire_received"] - 1


def test_default_socket_buffer_takes_the_same_burst(start, sink):
    count = 2000
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        burst_while_stopped(weir, port, count)
        weir.wait_for("items_folded", count)
    assert sink.value("c") == count
    assert weir.books()["kernel_dropped_at_least"] == 0


def test_full_queue_beside_a_working_exporter_drops_and_counts(start, sink):
    port = free_udp_port()
    queue = {"queue_size": 1, "num_consumers": 1}
    gone = {**otlphttp(sink, sending_queue=queue), "endpoint": "http://127.0.0.1:9"}
    exporters = {"otlphttp/good": otlphttp(sink), "otlphttp/gone": gone}
    settings = config(statsd(port, aggregation_interval="100ms"), exporters)
    with start(settings, "--drain-timeout=3s") as weir:
        with Load(port) as load:
            wait_until(lambda: weir.exporter("otlphttp/gone")["items_dropped_queue_full"] > 5)
        weir.wait_for("items_folded", load.sent_lines)
        assert weir.exporter("otlphttp/good")["items_dropped_queue_full"] == 0
        assert weir.exporter("otlphttp/gone")["items_delivered"] == 0
    assert sink.total("load") == load.sent_lines
    books = weir.books()
    assert books["items_delivered"] == len(sink.named("load")) == books["points_emitted"]
    assert books["items_dropped"] == books["points_emitted"]
    assert books["items_offered"] == 2 * books["points_emitted"]


@pytest.mark.parametrize("sizer, size", [("items", 50), ("bytes", 4096), ("requests", 3)])
def test_queue_sizers_bound_what_is_held(start, sink, sizer, size):
    port = free_udp_port()
    queue = {"queue_size": size, "sizer": sizer}
    sink.go_down()
    settings = config(statsd(port, aggregation_interval="100ms"),
                      otlphttp(sink, sending_queue=queue))
    with start(settings) as weir:
        for _ in range(10):
            send_udp(port, [f"m{i}:1|c" for i in range(20)])  # also two windows in one are 20 items
            time.sleep(0.1)
        wait_until(lambda: weir.exporter("otlphttp")["queue_used"] > size / 3, what="what it holds")
        held = weir.exporter("otlphttp")
        assert size / 3 < held["queue_used"] <= size == held["queue_capacity"]
        assert held["items_held"] <= 4 * 20
        sink.go_up()
        wait_until(lambda: [sink.total(f"m{i}") for i in range(20)] == [10] * 20)
    assert weir.books()["items_dropped"] == 0


def samples(weir, reason):
    return [entry for entry in weir.events("line_refused") if entry["reason"] == reason]


def test_a_sample_of_refused_lines_is_logged_per_reason(start, sink, is_full):
    """Never one per line: one per reason in ten seconds, cut, escaped, with where it came in."""
    port = free_udp_port()
    long_line = "n" * 100 + "|c"
    bad = [b"x:1_0|c", b"\x01\xff\"\n", long_line.encode(), b"x:1|c|#bare", b"x:1|c|#:v"]
    with start(config({"statsd/in": statsd(port)}, {"otlphttp": otlphttp(sink)}),
               "--shards=1") as weir:
        for _ in range(200):
            for line in bad:
                send_bytes(port, b"good:1|c\n" + line, pause=0)
        weir.wait_for("items_decoded", 2000, name="statsd/in")
        number, = samples(weir, "bad_number")
        assert (number["level"], number["sample"], number["suppressed"]) == ("warn", "x:1_0|c", 0)
        assert (number["receiver"], number["transport"]) == ("statsd/in", "udp")
        assert number["endpoint"] == f"127.0.0.1:{port}" and number["thread"] == "shard-0"
        assert [entry["sample"] for entry in samples(weir, "missing_value")] == ["n" * 64 + "..."]
        assert {entry["sample"] for entry in samples(weir, "bare_tag")} == {"bare"}
        assert {entry["sample"] for entry in samples(weir, "empty_key")} == {":v"}
        escaped = [entry["sample"] for entry in weir.events("line_refused")
                   if entry["sample"].startswith("\\x01\\xff")]
        assert len(escaped) == 1
        assert len(weir.events("line_refused")) == len(bad)
        if is_full:
            time.sleep(10)
            send_bytes(port, bad[0])
            wait_until(lambda: len(samples(weir, "bad_number")) == 2)
            assert samples(weir, "bad_number")[1]["suppressed"] == 199
    assert sink.value("good") == 1000


def test_refused_lines_of_a_stream_are_sampled_too(start, sink):
    port = free_port()
    with start(config(statsd(port, "tcp"), otlphttp(sink)), "--shards=1") as weir:
        with connect(port) as stream:
            stream.sendall(b"x:1|q\n" * 100 + b"y:1|c\n")
            weir.wait_for("items_decoded", 101)
            entry, = samples(weir, "unknown_type")
            assert (entry["sample"], entry["transport"]) == ("x:1|q", "tcp")
    assert sink.value("y") == 1
