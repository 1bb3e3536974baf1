# SPDX-License-Identifier: Apache-2.0
"""What OTLP/gRPC answers to requests made by hand, good and bad; one weir for all of them."""

import gzip
import subprocess
import time

import pytest
from h2_client import GRPC_PATHS, H2Client, framed, grpc_headers
from otlp_items import RESPONSES, SIGNALS
from otlp_make import make
from otlp_pack import PACK, snappy_framed
from settings import otlp_grpc
from upstream_grpc import GrpcUpstream
from weir_process import wait_until

IO_SCOPE = "module"

TRACES = GRPC_PATHS["traces"]
SERVICE = TRACES.split("/")[1]
LIMIT_BYTES = 1 << 20
SPAN = make("traces").SerializeToString()
PROTOCOL_ERROR = 1
# Code 13 is what clients are used to, code 3 what the specification wants; both are final.
UNDECODABLE = (3, 13)


@pytest.fixture(scope="module")
def upstream(io):  # one for each backend
    with GrpcUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def shared(start_shared_otlp, upstream):
    with start_shared_otlp({"otlp": otlp_grpc(upstream)},
                           grpc={"max_recv_msg_size_mib": 1}) as running:
        yield running


@pytest.fixture(params=["grpc_port", "http_port"])
def port(shared, request):
    """Both ports speak both protocols."""
    return getattr(shared, request.param)


@pytest.fixture
def client(shared):
    with H2Client(shared.grpc_port) as connection:
        yield connection


def check_refused(reply, http_status, codes, text):
    codes = (codes,) if isinstance(codes, int) else codes
    assert reply.http_status == http_status, reply
    assert reply.code in codes, reply
    assert reply.is_trailers_only, "a client may look for the status in the first headers only"
    assert text in reply.message, reply.message
    if reply.details is not None:
        assert (reply.details.code, reply.details.message) == (reply.code, reply.message)


def settled_count(shared, upstream):
    """How many requests there were upstream, now that none is on its way."""
    def is_settled():
        books = shared.status()["books"]
        return books["items_offered"] == books["items_accepted"] and books["items_held"] == 0

    wait_until(is_settled)
    return len(upstream.requests())


def check_still_works(client):
    """What was wrong was wrong with one stream only."""
    assert client.call("traces", SPAN).code == 0


# --- accepted -------------------------------------------------------------------------------------

@pytest.mark.parametrize("signal", SIGNALS)
def test_request_is_accepted(port, signal):
    with H2Client(port) as connection:
        reply = connection.call(signal, make(signal, 3).SerializeToString())
    assert (reply.http_status, reply.code) == (200, 0)
    assert reply.headers["content-type"].startswith("application/grpc")
    response = RESPONSES[signal].FromString(reply.payload())
    assert not response.partial_success.ListFields()


@pytest.mark.parametrize("encoding", ["gzip", "zstd", "snappy", "identity"])
def test_compressed_request_is_accepted(client, upstream, encoding):
    pack = snappy_framed if encoding == "snappy" else PACK[encoding]
    request = make("logs", 100, service=f"packed {encoding} {time.monotonic_ns()}")
    reply = client.call("logs", pack(request.SerializeToString()), int(encoding != "identity"),
                        grpc_encoding=encoding)
    assert reply.code == 0, reply
    resource = request.resource_logs[0].resource
    wait_until(lambda: sum(item.resource == resource for item in upstream.accepted("logs")) == 100)


@pytest.mark.parametrize("headers", [
    {"content_type": "application/grpc+proto"}, {"content_type": "application/grpc;charset=x"},
    {"te": None}, {":scheme": "https"}, {"grpc_encoding": "gzip"}, {"grpc_timeout": "99999999H"},
    {"x_anything": "1", "x_some-bin": "AAE="}, {"x_some-bin": "AAE"},
], ids=str)
def test_harmless_headers_are_accepted(client, headers):
    assert client.call("traces", SPAN, **headers).code == 0


def test_message_in_many_frames_is_accepted(client):
    stream = client.start(grpc_headers(TRACES))
    message = framed(SPAN)
    for i in range(len(message)):
        client.send(stream, message[i:i + 1], is_end=False)
    client.send(stream, b"")  # the end stands in a frame of its own
    assert client.wait(stream).code == 0


@pytest.mark.parametrize("signal", SIGNALS)
@pytest.mark.parametrize("body", [b"", b"\x0a\x00", b"\x0a\x06\x12\x04\x0a\x02\x0a\x00"],
                         ids=bytes.hex)
def test_request_without_items_is_accepted_and_not_forwarded(shared, client, upstream, signal,
                                                             body):
    request_count = settled_count(shared, upstream)
    assert client.call(signal, body).code == 0
    time.sleep(0.05)
    assert len(upstream.requests()) == request_count


def test_further_messages_are_ignored(client):
    assert client.request(grpc_headers(TRACES), framed(SPAN) + framed(SPAN)).code == 0


# --- refused --------------------------------------------------------------------------------------

CASES = {
    "path is no method": (
        {":path": "/nope"}, framed(SPAN), 200, 12, 'malformed method name: "/nope"'),
    "unknown service": (
        {":path": "/no.Such/Export"}, framed(SPAN), 200, 12, "unknown service no.Such"),
    "health check of a load balancer": (
        {":path": "/AWS.ALB/healthcheck"}, framed(b""), 200, 12, "unknown service AWS.ALB"),
    "health check that is not switched on": (
        {":path": "/grpc.health.v1.Health/Check"}, framed(b""), 200, 12,
        "unknown service grpc.health.v1.Health"),
    "unknown method": (
        {":path": f"/{SERVICE}/Import"}, framed(SPAN), 200, 12,
        f"unknown method Import for service {SERVICE}"),
    "no gRPC": (
        {"content_type": "text/plain"}, framed(SPAN), 415, 3,
        'invalid gRPC request content-type "text/plain"'),
    "nearly gRPC": (
        {"content_type": "application/grpcx"}, framed(SPAN), 415, 3,
        'invalid gRPC request content-type "application/grpcx"'),
    "no POST": ({":method": "PUT"}, framed(SPAN), 405, 13, "POST"),
    "timeout without unit": ({"grpc_timeout": "100"}, framed(SPAN), 400, 13, ""),
    "timeout of nine digits": ({"grpc_timeout": "123456789S"}, framed(SPAN), 400, 13, ""),
    "timeout without digits": ({"grpc_timeout": "S"}, framed(SPAN), 400, 13, ""),
    "undecodable binary header": ({"x_some-bin": "***"}, framed(SPAN), 400, 13, ""),
    "unknown compression": (
        {"grpc_encoding": "br"}, framed(SPAN, 1), 200, 12,
        'Decompressor is not installed for grpc-encoding "br"'),
    "compressed without compression": ({}, framed(SPAN, 1), 200, 13, ""),
    "compressed by identity": ({"grpc_encoding": "identity"}, framed(SPAN, 1), 200, 13, ""),
    "flag out of range": ({}, framed(SPAN, 2), 200, 13, "received unexpected payload format 2"),
    "too large": (
        {}, framed(bytes(LIMIT_BYTES + 1)), 200, 8,
        f"received message larger than max ({LIMIT_BYTES + 1} vs. {LIMIT_BYTES})"),
    "much too large, and most of it never sent": (
        {}, framed(SPAN, length=0xFFFFFFFF), 200, 8, "received message larger than max"),
    "too large when inflated": (
        {"grpc_encoding": "gzip"}, framed(gzip.compress(bytes(LIMIT_BYTES + 1)), 1), 200, 8,
        f"received message after decompression larger than max {LIMIT_BYTES}"),
    "corrupt gzip": (
        {"grpc_encoding": "gzip"}, framed(b"\x1f\x8b\x08" + bytes(40), 1), 200, 13,
        "failed to decompress the received message"),
    "cut gzip": (
        {"grpc_encoding": "gzip"}, framed(gzip.compress(SPAN)[:-9], 1), 200, 13,
        "failed to decompress the received message"),
    "corrupt zstd": (
        {"grpc_encoding": "zstd"}, framed(b"\x28\xb5\x2f\xfd" + bytes(9), 1), 200, 13,
        "failed to decompress the received message"),
    "undecodable": ({}, framed(b"\x0a\x7f"), 200, UNDECODABLE, ""),
    "wrong wire type": ({}, framed(b"\x08\x01"), 200, UNDECODABLE, ""),
    "trace id of five bytes": (
        {}, framed(b"\x0a\x0b\x12\x09\x12\x07\x0a\x05abcde"), 200, UNDECODABLE, ""),
    "no message": ({}, b"", 200, 2, ""),
    "cut prefix": ({}, b"\0\0\0", 200, 2, ""),
    "cut message": ({}, framed(SPAN, length=len(SPAN) + 1), 200, 2, ""),
    "deadline in the past": ({"grpc_timeout": "0n"}, framed(SPAN), 200, 4, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_request_is_refused(shared, client, upstream, case):
    headers, body, http_status, codes, text = CASES[case]
    request_count = settled_count(shared, upstream)
    path = headers.get(":path", TRACES)
    reply = client.request(grpc_headers(path, **headers), body)
    check_refused(reply, http_status, codes, text)
    check_still_works(client)
    # Exactly the good request, nothing of the bad one.
    upstream.wait_for_requests(request_count + 1)
    assert len(upstream.requests()) == request_count + 1


def test_limit_itself_is_accepted(client):
    request = make("traces")
    span = request.resource_spans[0].scope_spans[0].spans[0]
    padding = span.attributes.add(key="padding")
    padding.value.string_value = "p" * (LIMIT_BYTES - len(SPAN) - 100)
    padding.value.string_value += "p" * (LIMIT_BYTES - request.ByteSize())
    assert request.ByteSize() == LIMIT_BYTES
    assert client.call("traces", request.SerializeToString()).code == 0
    padding.value.string_value += "p"
    assert client.call("traces", request.SerializeToString()).code == 8


def test_unknown_compression_names_the_known_ones(client):
    reply = client.call("traces", SPAN, 1, grpc_encoding="br")
    known = reply.headers["grpc-accept-encoding"].replace(" ", "").split(",")
    assert {"gzip", "zstd", "snappy"} <= set(known)


def test_request_of_headers_only_is_refused(client):
    check_refused(client.request(grpc_headers(TRACES), is_headers_only=True), 200, 2, "")


def test_deadline_that_passes_while_the_message_is_on_its_way(client):
    stream = client.start(grpc_headers(TRACES, grpc_timeout="200m"))
    client.send(stream, framed(SPAN)[:-1], is_end=False)
    check_refused(client.wait(stream), 200, 4, "")
    check_still_works(client)


@pytest.mark.parametrize("headers", [
    [("connection", "close")], [("Upper", "case")], [("transfer-encoding", "chunked")]], ids=str)
def test_malformed_headers_reset_the_stream(client, headers):
    reply = client.request(grpc_headers(TRACES) + headers, framed(SPAN))
    assert reply.reset_code == PROTOCOL_ERROR
    check_still_works(client)


@pytest.mark.parametrize("headers", [[(":authority", "a"), (":authority", "b")],
                                     [("host", "a"), ("host", "b")]], ids=str)
def test_two_hosts_are_refused(client, headers):
    """By a status as grpc-go does, or by a reset as RFC 9113 wants for malformed requests."""
    pseudo = [pair for pair in headers if pair[0].startswith(":")]
    plain = [pair for pair in headers if not pair[0].startswith(":")]
    reply = client.request(pseudo + grpc_headers(TRACES, **{":authority": None}) + plain,
                           framed(SPAN))
    assert reply.reset_code == PROTOCOL_ERROR or (reply.http_status, reply.code) == (400, 13)
    check_still_works(client)


def test_header_block_above_the_limit_is_refused(shared):
    """A status, a reset or the end of the connection, but never an acceptance."""
    with H2Client(shared.grpc_port) as connection:
        huge = [(f"x-{i}", "v" * 8000) for i in range(160)]
        reply = connection.request(grpc_headers(TRACES) + huge, framed(SPAN))
        assert reply.code != 0
    with H2Client(shared.grpc_port) as connection:
        check_still_works(connection)


def test_http1_request_for_a_grpc_method_is_no_hang(shared):
    """A frequent mistake; any clear answer will do."""
    command = ["curl", "-sS", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "--http1.1",
               "-H", "content-type: application/grpc", "--data-binary", "x",
               f"http://127.0.0.1:{shared.grpc_port}{TRACES}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.stdout in ("404", "415", "505"), (done.stdout, done.stderr)


# --- other configurations -------------------------------------------------------------------------

def test_signal_in_no_pipeline_is_an_unknown_service(start_otlp, grpc_upstream):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}, signals=("logs",)) as weir:
        with H2Client(weir.grpc_port) as connection:
            check_refused(connection.call("traces", SPAN), 200, 12, f"unknown service {SERVICE}")
            assert connection.call("logs", make("logs").SerializeToString()).code == 0


def test_authenticator_refuses(start_otlp, grpc_upstream):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)},
                    grpc={"auth": {"authenticator": "bearertokenauth"}},
                    extensions={"bearertokenauth": {"token": "secret"}}) as weir:
        with H2Client(weir.grpc_port) as connection:
            for authorization in (None, "Bearer wrong", "secret", "Basic c2VjcmV0"):
                reply = connection.call("traces", SPAN, authorization=authorization)
                check_refused(reply, 200, 16, "")
            assert connection.call("traces", SPAN, authorization="Bearer secret").code == 0
    assert len(grpc_upstream.requests()) == 1


def test_age_of_connections_ends_in_two_steps(start_otlp, grpc_upstream):
    """GOAWAY, and what is under way is still answered."""
    keepalive = {"server_parameters": {"max_connection_age": "1s",
                                       "max_connection_age_grace": "10s"}}
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}, grpc={"keepalive": keepalive}) as weir:
        with H2Client(weir.grpc_port) as connection:
            stream = connection.start(grpc_headers(TRACES))
            while not connection.goaways:
                connection.read()
            connection.send(stream, framed(SPAN))
            assert connection.wait(stream).code == 0
            connection.wait_for_close()
            last_streams = [last for last, _, _ in connection.goaways]
            assert last_streams == [0x7FFFFFFF, stream]
            assert {code for _, code, _ in connection.goaways} == {0}
    assert len(grpc_upstream.requests()) == 1
