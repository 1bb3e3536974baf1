# SPDX-License-Identifier: Apache-2.0
"""Every transport, how streams are framed, and what becomes of connections."""

import socket
import time

import pytest
from senders import connect, framed, send_stream, send_udp, send_unixgram
from settings import config, listener, otlphttp, statsd, to_text
from weir_process import free_port, free_udp_port, run_command

LINES = [f"c:{i}|c|#k:{i % 7}" for i in range(1000)]
TOTAL = sum(range(1000))
STREAM_BYTES = "".join(line + "\n" for line in LINES).encode()
LINE_MAX = 65535


def check_lines(sink):
    assert sink.total("c") == TOTAL
    assert len(sink.named("c")) == 7  # one point per series, whatever the number of threads
    assert sink.total("c", k="3") == sum(range(3, 1000, 7))


@pytest.mark.parametrize("transport", ["udp", "udp4"])
def test_udp(run_once, sink, transport):
    port = free_udp_port()
    weir = run_once(config(statsd(port, transport), otlphttp(sink)),
                    lambda: send_udp(port, LINES))
    check_lines(sink)
    assert weir.books()["wire_received"] == 50
    assert weir.books()["items_decoded"] == 1000


def test_udp6(run_once, sink):
    port = free_port(socket.SOCK_DGRAM, socket.AF_INET6)
    run_once(config(statsd(port, "udp6"), otlphttp(sink)),
             lambda: send_udp(port, LINES, family=socket.AF_INET6))
    check_lines(sink)


def test_unixgram(run_once, sink, tmp_path):
    path = tmp_path / "s.sock"
    weir = run_once(config(statsd(path, "unixgram"), otlphttp(sink)),
                    lambda: send_unixgram(path, LINES))
    check_lines(sink)
    assert weir.books()["wire_received"] == 50
    assert not path.exists()


@pytest.mark.parametrize("transport", ["tcp", "tcp4"])
def test_tcp(run_once, sink, transport):
    port = free_port()
    weir = run_once(config(statsd(port, transport), otlphttp(sink)),
                    lambda: send_stream(port, STREAM_BYTES))
    check_lines(sink)
    assert weir.books()["wire_received"] == 1000


def test_tcp6(run_once, sink):
    port = free_port(family=socket.AF_INET6)

    def send():
        with socket.create_connection(("::1", port)) as stream:
            stream.sendall(STREAM_BYTES)

    run_once(config(statsd(port, "tcp6"), otlphttp(sink)), send)
    check_lines(sink)


def test_unix_stream(run_once, sink, tmp_path):
    path = tmp_path / "s.sock"
    run_once(config(statsd(path, "unix"), otlphttp(sink)),
             lambda: send_stream(path, STREAM_BYTES))
    check_lines(sink)


def test_unixstream_with_lengths(run_once, sink, tmp_path):
    path = tmp_path / "s.sock"
    packets = [("\n".join(LINES[i:i + 10])).encode() for i in range(0, 1000, 10)]
    whole = framed(*packets)
    cut = len(whole) // 2 + 3

    run_once(config(statsd(path, "unixstream"), otlphttp(sink)),
             lambda: send_stream(path, whole[:2], whole[2:cut], whole[cut:]))
    check_lines(sink)


def test_several_listeners_feed_one_set_of_series(run_once, sink, tmp_path):
    udp, tcp, path = free_udp_port(), free_port(), tmp_path / "s.sock"
    receiver = statsd(udp, listeners=[listener(tcp, "tcp"), listener(path, "unixgram")])

    def send():
        send_udp(udp, LINES)
        send_stream(tcp, STREAM_BYTES)
        send_unixgram(path, LINES)

    run_once(config(receiver, otlphttp(sink)), send)
    assert sink.total("c") == 3 * TOTAL
    assert len(sink.named("c")) == 7


def test_line_split_over_reads(run_once, sink):
    port = free_port()
    run_once(config(statsd(port, "tcp"), otlphttp(sink)),
             lambda: send_stream(port, b"a:1|c\nb:", b"2", b"5|", b"c\nc:3|c", b"\n"))
    assert (sink.value("a"), sink.value("b"), sink.value("c")) == (1, 25, 3)


def test_crlf_empty_lines_and_unterminated_end(run_once, sink):
    port = free_port()
    weir = run_once(config(statsd(port, "tcp"), otlphttp(sink)),
                    lambda: send_stream(port, b"a:1|c\r\n\n\r\nb:2|c\r", b"\nc:3|c"))
    assert (sink.value("a"), sink.value("b"), sink.value("c")) == (1, 2, 3)
    assert weir.books()["items_invalid"] == 0


def test_line_too_long_is_skipped_and_the_connection_lives(start, sink):
    port = free_port()
    too_long = b"x" * (LINE_MAX + 1)
    with start(config(statsd(port, "tcp"), otlphttp(sink))) as weir:
        send_stream(port, b"a:1|c\n" + too_long, too_long + b"\nb:2|c\n")
        counters = weir.wait_for("items_folded", 2)
        assert counters["wire_dropped_too_long"] == 1
        assert counters["wire_received"] == 3
        assert counters["connections_accepted"] == 1
    assert (sink.value("a"), sink.value("b")) == (1, 2)


def test_endless_line_costs_one_count(start, sink):
    port = free_port()
    with start(config(statsd(port, "tcp"), otlphttp(sink))) as weir:
        send_stream(port, b"y" * (1024 * 1024))
        counters = weir.wait_for("wire_dropped_too_long", 1)
        assert counters["items_decoded"] == 0


def test_bad_length_ends_only_its_own_connection(start, sink, tmp_path):
    path = tmp_path / "s.sock"
    with start(config(statsd(path, "unixstream"), otlphttp(sink))) as weir:
        with connect(path) as stream:
            stream.sendall(b"\xff\xff\xff\xffrubbish")
            assert stream.recv(1) == b""
        send_stream(path, framed(b"a:1|c"))
        weir.wait_for("items_folded", 1)
    assert sink.value("a") == 1


def test_max_connections_refuses_the_next_one(start, sink):
    port = free_port()
    with start(config(statsd(port, "tcp", max_connections=2), otlphttp(sink)),
               "--shards=1") as weir:
        first, second = connect(port), connect(port)
        weir.wait_for("connections_open", 2)
        third = connect(port)
        assert is_closed(third)
        first.sendall(b"a:1|c\n")
        second.sendall(b"a:2|c\n")
        counters = weir.wait_for("items_folded", 2)
        assert counters["connections_refused"] == 1
        first.close()
        second.close()
        third.close()
    assert sink.value("a") == 3


def is_closed(stream):
    try:
        return stream.recv(1) == b""
    except ConnectionResetError:
        return True


def test_max_connection_age_half_closes_and_reads_on(start, sink):
    port = free_port()
    with start(config(statsd(port, "tcp", max_connection_age="1s"), otlphttp(sink))) as weir:
        began = time.monotonic()
        with connect(port) as stream:
            stream.sendall(b"a:1|c\n")
            assert stream.recv(1) == b""  # told to go
            assert 0.8 < time.monotonic() - began < 10
            stream.sendall(b"a:2|c\n")
        counters = weir.wait_for("items_folded", 2)
        assert counters["connections_aged"] == 1
    assert sink.value("a") == 3


def test_datagrams_of_one_client_spread_over_shards_stay_one_series(run_once, sink):
    """Many sockets hash to all shards; a series leaves as one point all the same."""
    port = free_udp_port()

    def send():
        for _ in range(32):
            send_udp(port, ["c:1|c", "t:2|ms", "s:same|s"], pause=0)
            time.sleep(0.001)

    run_once(config(statsd(port), otlphttp(sink)), send, "--shards=4")
    assert sink.value("c") == 32
    assert (sink.one("t")[3].count, sink.one("t")[3].sum) == (32, 64)
    assert sink.value("s") == 1


def test_socket_of_somebody_else_is_left_alone(sink, tmp_path):
    """A path that another process listens on is refused, and stays that process's."""
    path = tmp_path / "taken.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()
        (tmp_path / "weir.yaml").write_text(to_text(config(statsd(path, "unix"), otlphttp(sink))))
        result = run_command("--config", tmp_path / "weir.yaml")
        assert result.returncode == 1 and "bind_failed" in result.stderr
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.connect(str(path))
