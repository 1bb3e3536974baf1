# SPDX-License-Identifier: Apache-2.0
"""One TCP port for everything: OTLP over gRPC and HTTP, StatsD lines, and sampling calls of X-Ray.

In the clear, under TLS, and behind a PROXY header; while the receivers behind the port change.
"""

import collections
import json
import socket
import ssl
import struct
import threading
import time

import otlp_clients
import pytest
import statsd as pystatsd
from fake_aws import FAILED, HANG, REGION, SLOW
from h1_client import JSON, H1Client, head
from h2_client import H2Client
from otlp_make import make
from prom_page import total
from settings import awsxray, otlphttp, pipelines, statsd, to_text
from test_otlp_tls import make_certificate
from test_xray_receiver import RULES, TARGETS, Client, wait_for_report
from weir_process import free_port, free_udp_port, run_command, wait_until

COUNT = 1000
LINES = [f"c:{i}|c|#k:{i % 7}" for i in range(COUNT)]
STREAM_BYTES = "".join(line + "\n" for line in LINES).encode()
PROXY = b"\r\n\r\n\0\r\nQUIT\n"
PROXY_IPV4 = PROXY + b"\x21\x11" + struct.pack(">H4s4sHH", 12, socket.inet_aton("10.9.8.7"),
                                               socket.inet_aton("10.0.0.1"), 40000, 4317)
PROXY_LOCAL = PROXY + b"\x20\x00\x00\x00"
RULES_PATH, TARGETS_PATH = "/GetSamplingRules", "/SamplingTargets"
TARGETS_BODY = b'{"SamplingStatisticsDocuments":[]}'
HANG_S = 4  # less than weir waits for AWS


class Shared:
    """What a test says differs from one port for all, with every receiver behind it."""

    def __init__(self, sink, upstream):
        self.port = free_port()
        self.proxy_port = free_port()
        self.udp_port, self.xray_port = free_udp_port(), free_udp_port()
        self.sink, self.upstream = sink, upstream
        self.grpc, self.http = {}, {}  # further keys of both
        self.statsd, self.xray = {}, {}
        self.guests = {"statsd": {"receiver": "statsd"}, "xray": {"receiver": "awsxray"}}
        self.extensions = None

    def config(self, both=None, **grpc):
        endpoint = {"endpoint": f"127.0.0.1:{self.port}", **(both or {})}
        receivers = {
            "otlp": {"protocols": {"grpc": {**endpoint, **grpc}, "http": endpoint, **self.guests}},
            "statsd": statsd(self.udp_port, **self.statsd),
            "awsxray": awsxray(self.xray_port, self.proxy_port, **self.xray),
        }
        exporters = {"otlphttp": otlphttp(self.upstream), "otlphttp/lines": otlphttp(self.sink)}
        made = pipelines(receivers, {}, exporters,
                         traces=(["otlp", "awsxray"], [], ["otlphttp"]),
                         metrics=(["otlp"], [], ["otlphttp"]), logs=(["otlp"], [], ["otlphttp"]))
        made["service"]["pipelines"]["metrics/lines"] = {
            "receivers": ["statsd"], "processors": [], "exporters": ["otlphttp/lines"]}
        if self.extensions:
            made["extensions"] = self.extensions
            made["service"]["extensions"] = list(self.extensions)
        return made


@pytest.fixture
def shared(sink, http_upstream):
    return Shared(sink, http_upstream)


@pytest.fixture
def run(start, aws, shared):
    """run(both, …) gives a weir with everything on one port; `both` are keys of grpc and http."""

    def make_weir(both=None, **grpc):
        return start(shared.config(both, **grpc), env=aws.environment())

    return make_weir


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder, "server")
    return folder


def tls_keys(certificate):
    return {"tls": {"cert_file": str(certificate / "server.pem"),
                    "key_file": str(certificate / "server.key")}}


def tls(certificate, *protocols):
    context = ssl.create_default_context(cafile=str(certificate / "server.pem"))
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return lambda raw: context.wrap_socket(raw, server_hostname="127.0.0.1")


def behind(header, wrap=None):
    """A connection that a balancer forwards: its header, then what `wrap` makes of the rest."""

    def make_wrap(raw):
        raw.sendall(header)
        return raw if wrap is None else wrap(raw)

    return make_wrap


def connect(port, wrap=None):
    raw = socket.create_connection(("127.0.0.1", port), timeout=10)
    return raw if wrap is None else wrap(raw)


def send_lines(port, *pieces, wrap=None, pause=0.05):
    with connect(port, wrap) as stream:
        for index, piece in enumerate(pieces):
            if index > 0:
                time.sleep(pause)
            stream.sendall(piece)


def call(port, path=RULES_PATH, body=b"{}", wrap=None, method="POST", **headers):
    """A sampling call over HTTP/1.1: (status, text)."""
    with H1Client(port, wrap) as client:
        answer = client.request(path, body, content_type=JSON, method=method, **headers)
    return answer.status, answer.body.decode()


def call_h2(port, path=RULES_PATH, body=b"{}", wrap=None):
    headers = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"),
               ("content-type", JSON)]
    with H2Client(port, wrap) as client:
        reply = client.request(headers, body)
        return reply.http_status, reply.headers.get("content-type"), bytes(reply.data).decode()


def check_lines(sink, times=1):
    assert sink.total("c") == times * sum(range(COUNT))
    assert len(sink.named("c")) == 7
    assert sink.total("c", k="3") == times * sum(range(3, COUNT, 7))


def is_closed(stream):
    """Does the other side close without a word?"""
    stream.settimeout(10)
    try:
        return stream.recv(1) == b""
    except ConnectionResetError:
        return True


def ended(weir, reason):
    return total(weir.metrics(), "weir_connections_ended", receiver="otlp", reason=reason)


def sampling(weir, result, receiver="awsxray"):
    return total(weir.metrics(), "weir_sampling_calls", receiver=receiver, result=result)


def everything(shared, wrap=None, wrap_h1=None, wrap_h2=None):
    """One of each protocol; gives the OTLP requests."""
    sent = {signal: make(signal, 10) for signal in ("traces", "metrics", "logs")}
    for signal, request in sent.items():
        with H2Client(shared.port, wrap_h2 or wrap) as client:
            assert client.call(signal, request.SerializeToString()).code == 0
        with H1Client(shared.port, wrap_h1 or wrap) as client:
            assert client.request(f"/v1/{signal}", request.SerializeToString()).status == 200
    send_lines(shared.port, STREAM_BYTES, wrap=wrap)
    status, text = call(shared.port, wrap=wrap_h1 or wrap)
    assert status == 200 and "SamplingRuleRecords" in text
    assert call(shared.port, TARGETS_PATH, TARGETS_BODY, wrap=wrap_h1 or wrap)[0] == 200
    return sent


def check_everything(shared, aws, sent):
    for signal, request in sent.items():
        shared.upstream.check_accepted(signal, request, request)
    check_lines(shared.sink)
    assert (aws.count("GetSamplingRules"), aws.count("GetSamplingTargets")) == (1, 1)
    assert aws.scopes == {("xray", REGION)}


# --- one port ------------------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.threads
def test_everything_comes_on_one_port(run, shared, aws):
    with run() as weir:
        sent = everything(shared)
        lines = weir.wait_for("items_folded", COUNT)
        assert lines["wire_received"] == lines["wire_parsed"] == COUNT
        assert (sampling(weir, "answered"), sampling(weir, "cached")) == (2, 0)
        listening = [entry["port"] for entry in weir.events("listening")
                     if entry["receiver"] == "otlp"]
        assert listening == [shared.port]
        for name in ("statsd", "otlp"):
            wait_until(lambda: weir.receiver(name)["connections_open"] == 0, what="their ends")
        assert weir.receiver()["connections_accepted"] == 1
        assert weir.receiver()["wire_bytes"] == len(STREAM_BYTES)
    check_everything(shared, aws, sent)


def test_everything_under_tls(run, shared, aws, certificate):
    with run(tls_keys(certificate)) as weir:
        sent = everything(shared, tls(certificate), tls(certificate, "http/1.1"),
                          tls(certificate, "h2"))
        weir.wait_for("items_folded", COUNT)
        with connect(shared.port) as stream:  # lines in the clear
            stream.sendall(b"clear:1|c\n")
            assert is_closed(stream)
    check_everything(shared, aws, sent)


@pytest.mark.parametrize("is_tls", [False, True])
def test_everything_behind_a_proxy_header(run, shared, aws, certificate, is_tls):
    keys = tls_keys(certificate) if is_tls else {}
    inner = (lambda *protocols: tls(certificate, *protocols)) if is_tls else lambda *_: None
    with run({"proxy_protocol": True, **keys}) as weir:
        sent = everything(shared, *(behind(PROXY_IPV4, inner(*protocols))
                                    for protocols in ([], ["http/1.1"], ["h2"])))
        weir.wait_for("items_folded", COUNT)
        assert ended(weir, "unknown_protocol") == 0
        with connect(shared.port) as stream:  # nobody may leave it out
            stream.sendall(b"c:1|c\n" * 10)
            assert is_closed(stream)
        wait_until(lambda: ended(weir, "unknown_protocol") == 1, what="the count")
    check_everything(shared, aws, sent)


@pytest.mark.parametrize("client, protocol", [("python", "grpc"), ("python", "http/protobuf"),
                                              ("node", "grpc"), ("node", "http/json")])
def test_official_sdks_beside_lines(run, shared, sdk_clients, client, protocol):
    with run() as weir:
        with connect(shared.port) as stream:
            stream.sendall(STREAM_BYTES[:-5])
            sdk_clients(client).send(f"http://127.0.0.1:{shared.port}", protocol)
            stream.sendall(STREAM_BYTES[-5:])
        weir.wait_for("items_folded", COUNT)
    otlp_clients.check_everything(client, protocol, shared.upstream)
    check_lines(shared.sink)


def test_health_checks_of_a_balancer_are_no_errors(run, shared):
    with run({"proxy_protocol": True}) as weir:
        for header in (b"", PROXY_LOCAL, PROXY_IPV4):
            with connect(shared.port) as stream:
                stream.sendall(header)
        wait_until(lambda: ended(weir, "silent") == 3, what="three silent ones")
        assert ended(weir, "unknown_protocol") == ended(weir, "turned_away") == 0
        assert not [entry for entry in weir.log() if entry["level"] in ("warn", "error")]


# --- lines ---------------------------------------------------------------------------------------

def test_a_real_statsd_client(run, shared, sink):
    with run() as weir:
        client = pystatsd.TCPStatsClient("127.0.0.1", shared.port, prefix="app")
        for i in range(COUNT):
            client.incr("counter", 2)
            client.gauge("gauge", i)
            client.timing("timing", i % 10)
            client.set("set", f"user-{i % 77}")
        client.close()
        weir.wait_for("items_folded", 4 * COUNT)
    assert sink.total("app.counter") == 2 * COUNT
    assert sink.value("app.gauge") == COUNT - 1
    assert sink.count("app.timing") == COUNT
    assert sink.value("app.set") == 77


@pytest.mark.parametrize("is_tls", [False, True])
def test_lines_split_over_writes(run, shared, sink, certificate, is_tls):
    keys, wrap = (tls_keys(certificate), tls(certificate)) if is_tls else (None, None)
    # A client that closes with session tickets unread resets: then only whole lines count.
    last = b"OST:4|c\nd:7|c\n" if is_tls else b"OST:4|c\nd:7|c"
    with run(keys) as weir:
        send_lines(shared.port, b"a", b":1|c\nb:", b"2", b"5|", b"c\nGET:3|c\nP", last, wrap=wrap)
        weir.wait_for("items_folded", 5)
    assert [sink.value(name) for name in ("a", "b", "GET", "POST", "d")] == [1, 25, 3, 4, 7]


def test_a_line_that_is_too_long_is_counted_and_the_connection_lives(run, shared, sink):
    with run() as weir:
        send_lines(shared.port, b"x" * 70000 + b"\n", b"fine:1|c\nbroken\n")
        weir.wait_for("items_folded", 1)
        assert sum(weir.receiver()["invalid_lines"].values()) == 1
        refused = weir.events("line_refused")
        assert refused and refused[0]["endpoint"] == "shared port"
    assert sink.value("fine") == 1
    assert weir.books()["wire_dropped"] == 1


def test_limits_are_those_of_the_statsd_receiver(run, shared):
    shared.statsd = {"max_connections": 2, "max_connection_age": "2s"}
    with run() as weir:
        streams = [connect(shared.port) for _ in range(40)]
        for stream in streams:
            stream.sendall(b"c:1|c\n")
        # Two on each thread; how the kernel spreads them is not ours to say.

        def judged():
            counters = weir.receiver()
            return counters["connections_accepted"] + counters["connections_refused"]

        wait_until(lambda: judged() == 40, what="forty judgements")
        taken = weir.receiver()["connections_accepted"]
        assert 0 < taken <= 2 * weir.events("starting")[0]["shards"]
        assert ended(weir, "turned_away") == 40 - taken
        assert weir.receiver()["connections_open"] == taken
        wait_until(lambda: weir.receiver()["connections_aged"] == taken, what="their age")
        assert all(is_closed(stream) for stream in streams)  # told to go, and silent
        for stream in streams:
            stream.close()


def test_without_statsd_lines_are_turned_away_and_counted(run, shared, aws):
    shared.guests = {}
    with run() as weir:
        with connect(shared.port) as stream:
            stream.sendall(b"c:1|c\n")
            assert is_closed(stream)
        wait_until(lambda: ended(weir, "unknown_protocol") == 1, what="the count")
        assert call(shared.port)[0] == 404
        assert call_h2(shared.port)[0] == 404
    assert aws.calls == []


def test_silence_is_closed_and_no_error(run, shared):
    with run() as weir:
        begin = time.monotonic()
        with connect(shared.port) as stream:
            stream.settimeout(30)
            assert stream.recv(1) == b""
            assert 9 < time.monotonic() - begin < 25
        wait_until(lambda: ended(weir, "silent") == 1, what="the count")
        assert not [entry for entry in weir.log() if entry["level"] in ("warn", "error")]


# --- sampling calls ------------------------------------------------------------------------------

def test_the_xray_sdk_samples_by_way_of_the_shared_port(run, shared, aws, tmp_path):
    aws.xray.rules, aws.xray.targets = RULES, TARGETS
    with run() as weir:
        weir.xray_port, weir.proxy_port = shared.xray_port, shared.port
        with Client("python", weir, tmp_path, 400) as client:
            weir.wait_for("wire_received", 200, "awsxray")
            wait_for_report(aws, 200)
    assert len(client.documents()) == 200
    assert aws.scopes == {("xray", REGION)}


def test_rules_are_shared_with_the_proxys_own_port(run, shared, aws):
    """Also over HTTP/2; many at a time make one call."""
    aws.script = {"GetSamplingRules": [SLOW]}
    aws.hang_s = 0.5
    answers = []
    with run() as weir:
        ports = [shared.port, shared.proxy_port]
        threads = [threading.Thread(target=lambda i=i: answers.append(call(ports[i % 2])))
                   for i in range(30)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        status, content_type, text = call_h2(shared.port)
        assert (status, content_type) == (200, JSON) and (200, text) == answers[0]
        assert call_h2(shared.port, TARGETS_PATH, TARGETS_BODY)[0] == 200
        assert (sampling(weir, "answered"), sampling(weir, "cached")) == (2, 30)
    assert len(set(answers)) == 1 and answers[0][0] == 200
    assert aws.count("GetSamplingRules") == 1


def test_nothing_else_is_ever_signed(run, shared, aws):
    """Although the proxy's own port, on loopback, would sign every path."""
    paths = ["/TraceSegments", "/", "/GetSamplingRules/", "/getsamplingrules", "//GetSamplingRules",
             "/v1/GetSamplingRules", "/GetSamplingRules?a=b", "/GetSamplingRules/../TraceSegments"]
    with run():
        for path in paths:
            assert call(shared.port, path)[0] == 404, path
            assert call_h2(shared.port, path)[0] == 404, path
        assert call(shared.port, method="GET", body=b"")[0] == 404
        assert call(shared.port, method="PUT")[0] == 404
        assert call(shared.port, content_encoding="gzip")[0] == 415
        longest = b"{" + b" " * (1024 * 1024 - 2) + b"}"
        too_long = longest + b" "
        assert call(shared.port, body=too_long)[0] == 413
        assert call_h2(shared.port, body=too_long)[0] in (400, 413)
        assert call(shared.port, body=longest)[0] == 200
    assert aws.count("GetSamplingRules") == len(aws.calls) == 1


def test_who_may_call_is_what_the_port_says(run, shared, aws):
    shared.extensions = {"bearertokenauth": {"token": "sesame"}}
    with run({"auth": {"authenticator": "bearertokenauth"}}):
        assert call(shared.port)[0] == 401
        assert call(shared.port, authorization="Bearer sesam")[0] == 401
        assert aws.calls == []
        assert call(shared.port, authorization="Bearer sesame")[0] == 200
    assert aws.count("GetSamplingRules") == 1


def test_stale_rules_and_regrets_while_aws_is_out_of_reach(run, shared, aws):
    shared.xray = {"rules_cache": "1ms"}
    with run() as weir:
        first = call(shared.port)
        time.sleep(0.01)
        aws.always = {"GetSamplingRules": FAILED}
        assert call(shared.port) == first
        aws.go_down()
        assert call(shared.port) == first
        assert sampling(weir, "stale") == 2
        status, text = call(shared.port, TARGETS_PATH)
        assert status == 502 and "message" in json.loads(text)
        aws.go_up()
        aws.always = {}
        assert call(shared.port, TARGETS_PATH, TARGETS_BODY)[0] == 200


def test_a_client_that_leaves_before_its_answer_harms_nobody(run, shared, aws):
    aws.script = {"GetSamplingTargets": [SLOW, SLOW, SLOW]}
    aws.hang_s = HANG_S
    with run():
        for i in range(2):
            with H1Client(shared.port) as client:
                client.send(head(TARGETS_PATH, len(TARGETS_BODY)) + TARGETS_BODY)
                aws.wait_for_calls("GetSamplingTargets", i + 1)
        headers = [(":method", "POST"), (":scheme", "http"), (":path", TARGETS_PATH),
                   (":authority", "x"), ("content-type", JSON)]
        with H2Client(shared.port) as client:
            client.send(client.start(headers), TARGETS_BODY)
            aws.wait_for_calls("GetSamplingTargets", 3)
        assert call(shared.port)[0] == 200
        aws.released.set()
        assert call(shared.port)[0] == 200


# --- reload and the end --------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.threads
def test_a_replaced_statsd_receiver_lets_its_connections_go(run, shared, sink):
    """The port lives on: those connected are told to go, new lines come to the new receiver."""
    with run() as weir:
        with connect(shared.port) as stream:
            stream.sendall(b"c:1|c\n")
            weir.wait_for("items_folded", 1)
            shared.statsd = {"enable_metric_type": True}
            stream.sendall(b"c:2|c\nc:4")
            assert weir.reload(shared.config())["event"] == "reloaded"
            stream.sendall(b"|c\n")
            assert is_closed(stream)
        send_lines(shared.port, b"c:8|c\n")
        weir.wait_for("items_folded", 1)
        accepted = [entry for entry in weir.events("listening") if entry["receiver"] == "otlp"]
        assert len(accepted) == 1  # the port was not opened anew
    assert sink.total("c") == 15


@pytest.mark.threads
def test_lines_keep_coming_while_receivers_change(run, shared, sink):
    """Each connection sends one line and leaves; none is lost over many reloads."""
    sent = collections.Counter()
    is_over = threading.Event()

    def load():
        while not is_over.is_set():
            with connect(shared.port) as stream:
                stream.sendall(b"load:1|c\n")
                stream.shutdown(socket.SHUT_WR)
                assert is_closed(stream)
            sent["lines"] += 1

    with run() as weir:
        thread = threading.Thread(target=load)
        thread.start()
        for i in range(6):
            shared.statsd = {"max_connections": 1000 + i}
            assert weir.reload(shared.config())["event"] == "reloaded"
            wait_until(lambda: weir.status()["graphs_draining"] < 3)
        wait_until(lambda: sent["lines"] > 100, what="a hundred lines")
        is_over.set()
        thread.join()
        wait_until(lambda: weir.status()["graphs_draining"] == 0, what="drained graphs")
    assert sink.total("load") == sent["lines"]


def test_connections_stay_when_nothing_changed(run, shared, sink):
    with run() as weir:
        with connect(shared.port) as stream:
            stream.sendall(b"c:1|c\nc:")
            weir.wait_for("items_folded", 1)
            assert weir.reload(shared.config())["event"] == "reloaded"
            stream.sendall(b"2|c\n")
            assert weir.wait_for("items_folded", 2)["connections_accepted"] == 1
            assert weir.receiver()["connections_open"] == 1
    assert sink.value("c") == 3


def test_lines_survive_a_change_of_the_port_they_came_by(run, shared, sink):
    """A new otlp receiver beside an unchanged statsd: its connections are its own business."""
    with run() as weir:
        with connect(shared.port) as stream:
            stream.sendall(b"c:1|c\n")
            weir.wait_for("items_folded", 1)
            assert weir.reload(shared.config(max_recv_msg_size_mib=8))["event"] == "reloaded"
            wait_until(lambda: weir.status()["graphs_draining"] == 0, what="a drained graph")
            stream.sendall(b"c:2|c\n")
            weir.wait_for("items_folded", 2)
    assert sink.value("c") == 3


@pytest.mark.sanitized
@pytest.mark.threads
def test_a_call_under_way_is_answered_when_its_receiver_is_replaced(run, shared, aws):
    aws.script = {"GetSamplingRules": [SLOW]}
    aws.hang_s = HANG_S
    answers = []
    with run() as weir:
        thread = threading.Thread(target=lambda: answers.append(call(shared.port)))
        thread.start()
        aws.wait_for_calls("GetSamplingRules", 1)
        shared.xray = {"rules_cache": "20s"}
        assert weir.reload(shared.config())["event"] == "reloaded"
        assert call(shared.port)[0] == 200  # by the new one
        aws.released.set()
        thread.join()
        assert [status for status, _ in answers] == [200]  # the old one was told to finish
    assert aws.count("GetSamplingRules") == 2


@pytest.mark.threads
def test_a_call_that_hangs_does_not_hold_up_the_end(run, shared, aws):
    """Who waits gets an answer or its connection's end, and the books close in time."""
    aws.always = {"GetSamplingTargets": HANG}
    with run() as weir:
        clients = [H1Client(shared.port) for _ in range(4)]
        for client in clients:
            client.send(head(TARGETS_PATH, len(TARGETS_BODY)) + TARGETS_BODY)
        aws.wait_for_calls("GetSamplingTargets", len(clients))
        begin = time.monotonic()
        assert weir.stop() == 0
        assert time.monotonic() - begin < 20  # of the 25 there are
        aws.released.set()
        for client in clients:
            while client.more():
                pass
            assert client.rest == b"" or client.rest.startswith(b"HTTP/1.1 50")
            client.socket.close()


def test_the_guests_may_come_and_go(run, shared, sink):
    with run() as weir:
        guests = shared.guests
        shared.guests = {}
        assert weir.reload(shared.config())["event"] == "reloaded"
        wait_until(lambda: weir.status()["graphs_draining"] == 0, what="a drained graph")
        assert call(shared.port)[0] == 404
        shared.guests = guests
        assert weir.reload(shared.config())["event"] == "reloaded"
        wait_until(lambda: weir.status()["graphs_draining"] == 0, what="a drained graph")
        assert call(shared.port)[0] == 200
        send_lines(shared.port, b"c:1|c\n")
        weir.wait_for("items_folded", 1)
    assert sink.value("c") == 1


# --- bad configurations --------------------------------------------------------------------------

@pytest.mark.parametrize("guests, words", [
    ({"statsd": {"receiver": "statsdd"}}, "did you mean 'statsd'?"),
    ({"statsd": {"receiver": "statsdd"}},
     "receivers.otlp.protocols.statsd.receiver references receiver 'statsdd' which is not "
     "configured"),
    ({"statsd": {"receiver": "awsxray"}}, "'awsxray', which has to be of type 'statsd'"),
    ({"xray": {"receiver": "otlp"}}, "'otlp', which has to be of type 'awsxray'"),
    ({"xray": {"receiver": "awsxray/idle"}}, "'awsxray/idle', which is in no pipeline"),
    ({"xray": {}}, "receiver"),
    ({"statsd": {"receiver": "statsd", "more": 1}}, "unknown key 'more'"),
])
def test_references_are_checked(shared, tmp_path, guests, words):
    shared.guests = guests
    config = shared.config()
    config["receivers"]["awsxray/idle"] = {}
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(config))
    result = run_command("validate", "--config", path)
    assert result.returncode == 78
    assert words in result.stderr
    assert "weir.yaml:" in result.stderr and "^" in result.stderr
