# SPDX-License-Identifier: Apache-2.0
"""SIGTERM under load: everything that was read is delivered, in two phases, inside the time."""

import datetime
import select
import signal
import threading
import time

import pytest
from senders import Load, connect, send_udp
from settings import config, otlphttp, statsd
from weir_process import fetch_status, free_port, free_udp_port, wait_until

STATES = ["settling", "flushing", "delivering"]


def states(weir):
    return [entry["state"] for entry in weir.events("state")]


def settling_s(weir):
    """How long it went on reading after the signal, by its own clock."""
    times = {entry["state"]: datetime.datetime.fromisoformat(entry["time"])
             for entry in weir.events("state")}
    return (times["flushing"] - times["settling"]).total_seconds()


def readiness(weir):
    return fetch_status(f"{weir.admin}/readyz")[0]


@pytest.mark.sanitized
def test_drain_under_load_delivers_every_line_that_was_read(start, sink):
    """Senders go on until nobody reads any more, as behind a load balancer."""
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink)), "--drain-timeout=10s") as weir:
        with Load(port) as load:
            weir.wait_for("wire_received", 100)
            weir.signal(signal.SIGTERM)
            wait_until(lambda: readiness(weir) == 503, what="readiness to go")
            read_then = weir.receiver()["wire_received"]
            wait_until(lambda: weir.receiver()["wire_received"] > read_then + 100,
                       what="reading to go on while not ready")
            wait_until(lambda: "flushing" in states(weir), what="the end of reading")
        assert weir.wait() == 0
    books = weir.books()
    assert sink.total("load") == books["items_folded"] == books["items_decoded"]
    assert books["wire_received"] * 10 == books["items_folded"]
    assert books["wire_received"] <= load.sent_datagrams
    assert books["wire_received"] + books["kernel_dropped_at_least"] + \
        books["unread_at_close"] <= load.sent_datagrams
    assert [state for state in states(weir) if state in STATES] == STATES


def test_drain_ends_early_when_input_is_silent(start, sink):
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c"] * 100)
        assert weir.stop() == 0
    assert settling_s(weir) < 8  # the settle time is 10 s of the 25 there are
    assert sink.value("c") == 100


def test_settle_time_waits_for_sparse_senders(start, sink):
    """Behind a load balancer the next datagram may take longer than silence usually lasts."""
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink)), "--settle-time=5s") as weir:
        weir.signal(signal.SIGTERM)
        for _ in range(2):
            time.sleep(1)
            send_udp(port, ["late:1|c"] * 50)
        assert weir.wait() == 0
    assert 5 <= settling_s(weir) < 15  # the drain has 25 s
    assert sink.value("late") == 100


def test_open_window_is_flushed_with_its_true_times(start, sink):
    port = free_udp_port()
    before_ns = time.time_ns()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c", "t:1|ms"])
        weir.wait_for("items_folded", 2)
        asked_ns = time.time_ns()
    ended_ns = time.time_ns()
    for name in "ct":
        point = sink.one(name)[3]
        assert before_ns <= point.start_time_unix_nano <= asked_ns
        assert asked_ns <= point.time_unix_nano <= ended_ns


def test_connections_are_told_to_go_and_read_to_their_end(start, sink):
    port = free_port()
    with start(config(statsd(port, "tcp"), otlphttp(sink))) as weir:
        with connect(port) as stream:
            stream.sendall(b"a:1|c\n")
            weir.wait_for("items_folded", 1)
            weir.signal(signal.SIGTERM)
            stream.sendall(b"a:2|c\n")
            assert stream.recv(1) == b""
        assert weir.wait() == 0
    assert sink.value("a") == 3


def send_until_told_to_go(stream, told):
    """One line at a time until the other side half-closes; returns how many."""
    count = 0
    stream.setblocking(True)
    while not select.select([stream], [], [], 0.0005)[0]:
        stream.sendall(b"a:1|c\n")
        count += 1
    told.append(time.monotonic())
    stream.close()
    return count


def test_stream_under_load_is_told_to_go_at_once_and_loses_nothing(start, sink):
    port = free_port()
    told, counts = [], []
    with start(config(statsd(port, "tcp"), otlphttp(sink)), "--drain-timeout=15s") as weir:
        stream = connect(port)
        sender = threading.Thread(
            target=lambda: counts.append(send_until_told_to_go(stream, told)))
        sender.start()
        weir.wait_for("items_folded", 100)
        asked = time.monotonic()
        weir.signal(signal.SIGTERM)
        assert weir.wait() == 0
        sender.join()
    assert sink.value("a") == counts[0]
    assert told[0] - asked < 4  # not only after the settle time, which is 6 s


def test_a_second_signal_ends_at_once(start, sink):
    port = free_udp_port()
    sink.go_down()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c"])
        weir.wait_for("items_folded", 1)
        weir.signal(signal.SIGTERM)
        wait_until(lambda: "delivering" in states(weir))
        began = time.monotonic()
        weir.signal(signal.SIGINT)
        assert weir.wait() == 1
        assert time.monotonic() - began < 10  # of the 25 s there are
        assert weir.events("forced_end")


def test_a_second_signal_under_load_ends_at_once(start, sink):
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        with Load(port):
            weir.wait_for("wire_received", 100)
            weir.signal(signal.SIGTERM)
            wait_until(lambda: states(weir) == ["settling"])
            began = time.monotonic()
            weir.signal(signal.SIGTERM)
            assert weir.wait() == 1
            assert time.monotonic() - began < 8  # the settle time is 10 s


def test_upstream_down_at_shutdown_ends_in_time_and_counts(start, sink, is_full):
    drain_s = 25 if is_full else 3
    port = free_udp_port()
    sink.go_down()
    with start(config(statsd(port), otlphttp(sink)), f"--drain-timeout={drain_s}s") as weir:
        send_udp(port, [f"m{i}:1|c" for i in range(50)])
        weir.wait_for("items_folded", 50)
        began = time.monotonic()
        assert weir.stop() == 0
        assert drain_s - 1.5 < time.monotonic() - began < drain_s + 10  # and not before
    books = weir.books()
    assert books["items_dropped"] == books["points_emitted"] == 50
    dropped = weir.events("export_dropped")
    assert dropped and sum(entry["dropped_items"] for entry in dropped) == 50


@pytest.mark.parametrize("retry", [{}, {"initial_interval": "100ms", "max_interval": "30s"}])
def test_upstream_that_comes_back_during_the_drain_gets_everything(start, sink, retry):
    """Also where a batch has failed before and its next attempt is many seconds away."""
    port = free_udp_port()
    sink.go_down()
    exporter = otlphttp(sink, retry_on_failure=retry, sending_queue={"num_consumers": 2})
    receiver = statsd(port, aggregation_interval="200ms")
    with start(config(receiver, exporter)) as weir:
        for i in range(5):
            send_udp(port, [f"m{i}:{i}|c", "all:1|c"])
            time.sleep(0.25)
        wait_until(lambda: weir.exporter("otlphttp")["requests_sent"] >= 2)
        began = time.monotonic()
        weir.signal(signal.SIGTERM)
        time.sleep(2)
        sink.go_up()
        assert weir.wait() == 0
        assert time.monotonic() - began < 15  # of the 25 s there are
    assert [sink.total(f"m{i}") for i in range(5)] == [0, 1, 2, 3, 4]
    assert sink.total("all") == 5
    books = weir.books()
    assert books["items_dropped"] == books["items_rejected"] == 0
    # Two of them may have come into one window; their sum is one point then.
    assert books["items_delivered"] == books["points_emitted"] == 5 + len(sink.named("all"))


def test_slow_upstream_is_waited_for(start, sink):
    port = free_udp_port()
    sink.delay_s = 2
    with start(config(statsd(port), otlphttp(sink)), "--drain-timeout=8s") as weir:
        send_udp(port, ["c:1|c"] * 10)
        assert weir.stop() == 0
    assert weir.books()["items_delivered"] == 1
    assert sink.value("c") == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_drain(start, sink, number):
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c"])
        weir.signal(number)
        assert weir.wait() == 0
    assert sink.value("c") == 1
