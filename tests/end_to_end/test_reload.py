# SPDX-License-Identifier: Apache-2.0
"""SIGHUP: what did not change lives on without losing a datagram, what did change is exchanged."""

import contextlib
import http.client
import signal
import socket
import threading
import time
import urllib.request

import pytest
from otlp_sink import Sink
from prom_page import parse, total
from senders import Load, connect, framed, send_udp, send_unixgram
from settings import config, otlphttp, pipelines, prometheus, statsd
from weir_process import fetch, free_port, free_udp_port, wait_until


@pytest.mark.threads
def test_unchanged_receiver_loses_nothing_and_the_new_sink_takes_over(start, sink):
    port = free_udp_port()
    receiver = statsd(port, aggregation_interval="200ms")
    with Sink() as second, start(config(receiver, otlphttp(sink))) as weir:
        with Load(port, pause=0.0002) as load:
            wait_until(lambda: sink.total("load") > 0)
            assert weir.reload(config(receiver, otlphttp(second)))["event"] == "reloaded"
            wait_until(lambda: second.total("load") > 0)
            wait_until(lambda: weir.status()["graphs_draining"] == 0, what="the old graph's end")
            before = sink.total("load")
            time.sleep(0.5)
            assert sink.total("load") == before
        counters = weir.wait_for("wire_received", load.sent_datagrams)
        assert counters["kernel_dropped"] == 0
        assert weir.status()["reloads"] == 1
        assert weir.metrics()["weir_reloads"] == [({"result": "ok"}, 1), ({"result": "failed"}, 0)]
        wait_until(lambda: sink.total("load") + second.total("load") == load.sent_lines)
    assert load.refused_datagrams == 0


@pytest.mark.threads
def test_many_reloads_under_load_lose_nothing(start, sink):
    port = free_udp_port()
    receiver = statsd(port)
    with start(config(receiver, otlphttp(sink))) as weir:
        with Load(port, pause=0.0002) as load:
            for i in range(10):
                settings = config(receiver, otlphttp(sink, headers={"x-round": str(i)}))
                assert weir.reload(settings)["event"] == "reloaded"
                wait_until(lambda: weir.status()["graphs_draining"] < 3)
        weir.wait_for("wire_received", load.sent_datagrams)
    assert sink.value("load") == load.sent_lines  # one window all along


@pytest.mark.threads
def test_reload_of_the_same_file_keeps_connections_and_series(start, sink):
    port = free_port()
    settings = config(statsd(port, "tcp"), otlphttp(sink))
    with start(settings) as weir:
        with connect(port) as stream:
            stream.sendall(b"g:10|g\nc:1|c\n")
            weir.wait_for("items_folded", 2)
            assert weir.reload(settings)["event"] == "reloaded"
            stream.sendall(b"g:+1|g\nc:1|c\n")
            counters = weir.wait_for("items_folded", 4)
            assert counters["connections_accepted"] == 1
    assert (sink.value("g"), sink.value("c")) == (11, 2)


def test_reload_keeps_the_totals_of_the_pull_endpoint(start, sink):
    port, page_port = free_udp_port(), free_port()
    receiver = statsd(port, aggregation_interval="200ms", is_monotonic_counter=True)

    def shown():
        return total(parse(fetch(f"http://127.0.0.1:{page_port}/metrics")), "c_total")

    with start(config(receiver, prometheus(page_port))) as weir:
        send_udp(port, ["c:5|c"])
        wait_until(lambda: shown() == 5)
        both = {"prometheus": prometheus(page_port), "otlphttp": otlphttp(sink)}
        assert weir.reload(config(receiver, both))["event"] == "reloaded"
        send_udp(port, ["c:2|c"])
        wait_until(lambda: shown() == 7)
        wait_until(lambda: sink.total("c") == 2)


def scrape(url):
    """The page, and None where the connection was refused or cut."""
    try:
        return parse(fetch(url, timeout=5))
    except OSError:
        return None


def test_changed_pull_endpoint_keeps_its_port_and_refuses_no_scrape(start):
    port, page_port = free_udp_port(), free_port()
    url = f"http://127.0.0.1:{page_port}/metrics"
    receiver = statsd(port, aggregation_interval="100ms")
    pages, errors, is_over = [], [], threading.Event()

    def keep_scraping():
        while not is_over.is_set() and not errors:
            try:
                with urllib.request.urlopen(url, timeout=60) as answer:
                    pages.append(parse(answer.read().decode()))
            except (OSError, http.client.HTTPException) as error:
                errors.append(error)

    with start(config(receiver, prometheus(page_port))) as weir, Load(port):
        wait_until(lambda: "load" in scrape(url))
        scraper = threading.Thread(target=keep_scraping)
        scraper.start()
        for name in ("first", "second", "third"):
            settings = config(receiver, prometheus(page_port, namespace=name))
            assert weir.reload(settings)["event"] == "reloaded"
            wait_until(lambda: errors or any(f"{name}_load" in page for page in pages[-1:]))
            assert not errors
            wait_until(lambda: weir.status()["graphs_draining"] == 0)
            assert all(f"{name}_load" in scrape(url) for _ in range(5))
        wait_until(lambda: errors or len(pages) > 20, what="twenty scrapes")
        is_over.set()
        scraper.join()
    assert not errors


def test_changed_pull_endpoint_on_another_address_of_its_port(start):
    port, page_port = free_udp_port(), free_port()
    url = f"http://127.0.0.1:{page_port}/metrics"
    receiver = statsd(port, aggregation_interval="100ms")
    wide = {"endpoint": f"0.0.0.0:{page_port}", "namespace": "wide"}
    with start(config(receiver, prometheus(page_port))) as weir, Load(port):
        wait_until(lambda: "load" in scrape(url))
        assert weir.reload(config(receiver, {"prometheus": wide}))["event"] == "reloaded"
        wait_until(lambda: "wide_load" in (scrape(url) or {}))
        assert weir.reload(config(receiver, prometheus(page_port)))["event"] == "reloaded"
        wait_until(lambda: "load" in (scrape(url) or {}))


def test_pull_endpoint_lives_on_where_the_new_graph_fails(start, sink):
    """Its heir had the socket already when another exporter could not open."""
    port, page_port = free_udp_port(), free_port()
    url = f"http://127.0.0.1:{page_port}/metrics"
    receiver = statsd(port, aggregation_interval="100ms")
    with socket.create_server(("127.0.0.1", 0)) as taker:
        bad = {"prometheus": prometheus(page_port, namespace="next"),
               "prometheus/taken": prometheus(taker.getsockname()[1])}
        twice = {"prometheus": prometheus(page_port, namespace="next"),
                 "prometheus/twin": prometheus(page_port)}
        with start(config(receiver, prometheus(page_port))) as weir, Load(port):
            wait_until(lambda: "load" in scrape(url))
            for exporters in (bad, twice, bad):
                assert weir.reload(config(receiver, exporters))["event"] == "reload_failed"
                assert all("load" in scrape(url) for _ in range(10))
            assert weir.events("bind_failed")
            settings = config(receiver, prometheus(page_port, namespace="next"))
            assert weir.reload(settings)["event"] == "reloaded"
            wait_until(lambda: "next_load" in scrape(url))


@pytest.mark.threads
def test_changed_interval(start, sink):
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["old:1|c"])
        weir.wait_for("items_folded", 1)
        fast = statsd(port, aggregation_interval="200ms")
        assert weir.reload(config(fast, otlphttp(sink)))["event"] == "reloaded"
        wait_until(lambda: sink.named("old"), what="the old window to be flushed")
        send_udp(port, ["new:1|c"])
        wait_until(lambda: sink.named("new"), what="a window of 200 ms")
    assert sink.value("old") == sink.value("new") == 1


@pytest.mark.threads
def test_changed_receiver_under_load_loses_nothing(start, sink):
    """Its sockets stand beside those of the old one, which leave the group one by one."""
    port = free_udp_port()

    def settings(i):
        return config(statsd(port, aggregation_interval=f"{3600 + i}s"), otlphttp(sink))

    with start(settings(0)) as weir:
        with Load(port, pause=0) as load, Load(port, pause=0) as other:
            for i in range(1, 11):
                assert weir.reload(settings(i))["event"] == "reloaded"
                wait_until(lambda: weir.status()["graphs_draining"] < 3)
        sent = load.sent_lines + other.sent_lines
        wait_until(lambda: weir.status()["graphs_draining"] == 0)
    assert load.refused_datagrams + other.refused_datagrams == 0
    books = weir.books()  # of all eleven receivers
    # What a full buffer dropped while weir had no turn is no loss of an exchange.
    full = books["kernel_dropped_at_least"]
    assert books["wire_received"] == load.sent_datagrams + other.sent_datagrams - full
    assert sink.total("load") == books["items_folded"] == sent - full * load.per_datagram


class PlaceLoad:
    """Counters to a path or a TCP port, whoever listens there; anew where told to, as clients do.

    A datagram each time, or a connection each time with the text it carries.
    """

    def __init__(self, place, kind, text):
        self.place, self.kind, self.text = place, kind, text
        self.sent_count = 0
        self.fault = None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def reach(self):
        if isinstance(self.place, int):
            return connect(self.place)
        peer = socket.socket(socket.AF_UNIX, self.kind)
        peer.settimeout(10)
        peer.connect(str(self.place))
        return peer

    def send_one(self, peer):
        """The socket for the next one; what is not said to be sent has not been."""
        try:
            peer.sendall(self.text)
        except (PermissionError, ConnectionRefusedError):
            peer.close()
            return self.reach()
        self.sent_count += 1
        if self.kind == socket.SOCK_DGRAM:
            return peer
        peer.close()
        return self.reach()

    def run(self):
        try:
            peer = self.reach()
            while not self.is_over.is_set():
                peer = self.send_one(peer)
                time.sleep(0.0005)
            peer.close()
        except OSError as fault:
            self.fault = fault


@pytest.mark.threads
@pytest.mark.parametrize("transport", ["unixgram", "unix", "unixstream"])
def test_changed_receiver_on_a_path_loses_nothing(start, sink, tmp_path, transport):
    """Its socket takes the place of the old one's, which is read until it is empty."""
    path = tmp_path / "statsd.sock"
    kind = socket.SOCK_DGRAM if transport == "unixgram" else socket.SOCK_STREAM
    packet = b"load:1|c\n" * 10

    def settings(i):
        return config(statsd(path, transport, aggregation_interval=f"{3600 + i}s"), otlphttp(sink))

    with start(settings(0)) as weir:
        with PlaceLoad(path, kind, framed(packet) if transport == "unixstream" else packet) as load:
            for i in range(1, 11):
                assert weir.reload(settings(i))["event"] == "reloaded"
                sent = load.sent_count
                wait_until(lambda least=sent + 20: load.sent_count > least or load.fault)
                wait_until(lambda: weir.status()["graphs_draining"] < 3)
        assert load.fault is None
        wait_until(lambda: weir.status()["graphs_draining"] == 0)
        assert path.is_socket() and not path.with_name("statsd.sock.new").exists()
    assert load.sent_count > 200
    assert sink.total("load") == weir.books()["items_folded"] == 10 * load.sent_count
    assert list(tmp_path.glob("*.sock*")) == []


@pytest.mark.threads
def test_changed_receiver_on_a_tcp_port_loses_nothing(start, sink):
    """Its listeners stand beside the old ones, and who connected to those is read."""
    port = free_port()

    def settings(i):
        return config(statsd(port, "tcp", aggregation_interval=f"{3600 + i}s"), otlphttp(sink))

    with start(settings(0)) as weir:
        with contextlib.ExitStack() as stack:
            loads = [stack.enter_context(PlaceLoad(port, socket.SOCK_STREAM, b"load:1|c\n" * 10))
                     for _ in range(3)]
            for i in range(1, 21):
                assert weir.reload(settings(i))["event"] == "reloaded"
                sent = [load.sent_count for load in loads]
                wait_until(lambda: all(load.fault or load.sent_count > least + 20
                                       for load, least in zip(loads, sent, strict=True)))
                wait_until(lambda: weir.status()["graphs_draining"] < 3)
        assert [load.fault for load in loads] == [None] * len(loads)
        wait_until(lambda: weir.status()["graphs_draining"] == 0)
    total_count = 10 * sum(load.sent_count for load in loads)
    assert sink.total("load") == weir.books()["items_folded"] == total_count


def test_a_path_goes_on_where_the_new_graph_fails(start, sink, tmp_path):
    """The new socket stood beside it already when another receiver found its port taken."""
    path = tmp_path / "statsd.sock"
    old = statsd(path, "unixgram")
    with socket.create_server(("127.0.0.1", 0)) as taker:
        bad = {"statsd": statsd(path, "unixgram", aggregation_interval="3600s"),
               "statsd/taken": statsd(taker.getsockname()[1], "tcp")}
        with start(config(old, otlphttp(sink))) as weir:
            for i in range(1, 4):
                assert weir.reload(config(bad, otlphttp(sink)))["event"] == "reload_failed"
                send_unixgram(path, ["load:1|c"] * 100)
                weir.wait_for("items_folded", 100 * i)
            assert list(tmp_path.glob("*.sock*")) == [path]
            port = free_udp_port()  # the path is nobody's then
            assert weir.reload(config(statsd(port), otlphttp(sink)))["event"] == "reloaded"
            wait_until(lambda: not path.exists(), what="the path to go with its receiver")
    assert sink.total("load") == 300


def test_changed_otlp_receiver_on_a_path(start, sink, tmp_path):
    """A new client reaches the new one; a request that has begun is answered by the old one."""
    path = tmp_path / "otlp.sock"

    def settings(limit):
        protocols = {"http": {"endpoint": str(path), "transport": "unix",
                              "max_request_body_size": limit}}
        return pipelines({"otlp": {"protocols": protocols}}, {}, {"otlphttp": otlphttp(sink)},
                         traces=(["otlp"], [], ["otlphttp"]))

    def ask(stream, body):
        stream.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: "
                       b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        return stream.recv(4096).split()[1]

    with start(settings(1000)) as weir:
        with connect(path) as begun:
            begun.sendall(b"POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: "
                          b"application/json\r\nContent-Length: 22\r\n"
                          b"Expect: 100-continue\r\n\r\n")
            assert begun.recv(4096).split()[1] == b"100"
            assert weir.reload(settings(10))["event"] == "reloaded"
            with connect(path) as new:
                assert ask(new, b"{}" + b" " * 20) == b"400"
            begun.sendall(b"{}" + b" " * 20)
            assert begun.recv(4096).split()[1] == b"200"
        wait_until(lambda: weir.status()["graphs_draining"] == 0)
        with connect(path) as new:
            assert ask(new, b"{}") == b"200"
    assert not path.exists()


def test_added_and_removed_receivers(start, sink):
    ports = {"statsd/a": free_udp_port(), "statsd/b": free_udp_port()}
    receivers = {name: statsd(port, aggregation_interval="200ms") for name, port in ports.items()}
    only_a = {"statsd/a": receivers["statsd/a"]}
    only_b = {"statsd/b": receivers["statsd/b"]}
    exporter = otlphttp(sink)
    with start(config(only_a, exporter)) as weir:
        assert weir.reload(config(receivers, exporter))["event"] == "reloaded"
        for name, port in ports.items():
            send_udp(port, [f"{name[-1]}:1|c"])
        wait_until(lambda: sink.total("a") == 1 and sink.total("b") == 1)
        assert weir.reload(config(only_b, exporter))["event"] == "reloaded"
        wait_until(lambda: weir.status()["graphs_draining"] == 0)
        assert [r["id"] for r in weir.status()["receivers"]] == ["statsd/b"]
        send_udp(ports["statsd/b"], ["b:1|c"])
        wait_until(lambda: sink.total("b") == 2)


def test_removed_receiver_delivers_its_open_window(start, sink):
    ports = {"statsd/a": free_udp_port(), "statsd/b": free_udp_port()}
    receivers = {name: statsd(port) for name, port in ports.items()}
    exporter = otlphttp(sink)
    with start(config(receivers, exporter)) as weir:
        send_udp(ports["statsd/a"], ["a:1|c"] * 100)
        weir.wait_for("items_folded", 100, name="statsd/a")
        only_b = {"statsd/b": receivers["statsd/b"]}
        assert weir.reload(config(only_b, exporter))["event"] == "reloaded"
        wait_until(lambda: sink.total("a") == 100)


def test_bad_file_is_refused_and_the_old_graph_runs_on(start, sink):
    port = free_udp_port()
    good = config(statsd(port, aggregation_interval="200ms"), otlphttp(sink))
    bad = config(statsd(port, agregation_interval="1s"), otlphttp(sink))
    with start(good) as weir:
        assert weir.reload(bad)["event"] == "reload_failed"
        assert "unknown key 'agregation_interval'" in weir.log_text()
        assert "did you mean 'aggregation_interval'?" in weir.log_text()
        status = weir.status()
        assert (status["reloads"], status["reloads_failed"], status["ready"]) == (0, 1, True)
        send_udp(port, ["c:1|c"])
        wait_until(lambda: sink.total("c") == 1)
        assert weir.reload(good)["event"] == "reloaded"
        send_udp(port, ["c:1|c"])
        wait_until(lambda: sink.total("c") == 2)


def test_port_that_is_taken_is_refused_and_the_old_graph_runs_on(start, sink):
    port, taken = free_udp_port(), free_port()
    receiver = statsd(port, aggregation_interval="200ms")
    taker = socket.create_server(("127.0.0.1", taken))
    with taker, start(config(receiver, otlphttp(sink))) as weir:
        both = {"statsd": receiver, "statsd/tcp": statsd(taken, "tcp")}
        assert weir.reload(config(both, otlphttp(sink)))["event"] == "reload_failed"
        assert weir.events("bind_failed")
        send_udp(port, ["c:1|c"])
        wait_until(lambda: sink.total("c") == 1)


def test_pulse_tells_once_what_a_replaced_exporter_gives_up(start, sink):
    """A forced end, while the graph before still has what its upstream did not take."""
    port = free_udp_port()
    receiver = statsd(port, aggregation_interval="100ms")
    gone = {**otlphttp(sink), "endpoint": "http://127.0.0.1:9"}
    with start(config(receiver, gone)) as weir:
        send_udp(port, ["c:1|c"] * 10)
        wait_until(lambda: weir.exporter("otlphttp")["items_held"] > 0)
        assert weir.reload(config(receiver, otlphttp(sink)))["event"] == "reloaded"
        send_udp(port, ["c:1|c"] * 10)
        wait_until(lambda: sink.total("c") == 10)
        assert weir.status()["graphs_draining"] == 1
        weir.signal(signal.SIGTERM)
        wait_until(lambda: weir.events("state"))
        weir.signal(signal.SIGTERM)
        assert weir.wait() == 1
    books = weir.books()
    assert books["items_dropped"] > 0 and books["items_delivered"] > 0
    for key in ("wire_received", "items_delivered", "items_dropped"):
        assert sum(pulse[key] for pulse in weir.events("pulse")) == books[key], key


def test_reload_over_http(start, sink):
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        fetch(f"{weir.admin}/-/reload", method="POST")
        wait_until(lambda: weir.status()["reloads"] == 1)
