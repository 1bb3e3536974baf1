# SPDX-License-Identifier: Apache-2.0
"""What OTLP/HTTP answers to requests made by hand, good and bad; one weir for all of them."""

import gzip
import json
import subprocess
import time

import otlp_json
import pytest
from google.protobuf import json_format
from h1_client import JSON, PROTOBUF, H1Client, head
from h2_client import H2Client
from otlp_items import RESPONSES, SIGNALS, items_of
from otlp_make import make
from otlp_pack import PACK
from settings import otlphttp
from upstream_http import HttpUpstream
from weir_process import wait_until

IO_SCOPE = "module"

LIMIT_BYTES = 1 << 20
SPAN = make("traces").SerializeToString()
SPAN_JSON = json.dumps(otlp_json.from_request(make("traces"))).encode()
# Clients are used to 400, the specification wants 413; both are final.
TOO_LARGE = (400, 413)
ORIGIN = "https://app.example"


@pytest.fixture(scope="module")
def upstream(io):  # one for each backend
    with HttpUpstream() as running:
        yield running


@pytest.fixture(scope="module")
def shared(start_shared_otlp, upstream):
    with start_shared_otlp({"otlphttp": otlphttp(upstream)},
                           http={"max_request_body_size": LIMIT_BYTES}) as running:
        yield running


@pytest.fixture(params=["http_port", "grpc_port"])
def port(shared, request):
    """Both ports speak both protocols."""
    return getattr(shared, request.param)


@pytest.fixture
def client(shared):
    with H1Client(shared.http_port) as connection:
        yield connection


def check_accepted(answer, signal="traces", content_type=PROTOBUF):
    assert (answer.status, answer.content_type) == (200, content_type), answer
    response = RESPONSES[signal]()
    if content_type == JSON:
        json_format.Parse(answer.body, response)
    else:
        response.ParseFromString(answer.body)
    assert not response.partial_success.ListFields()
    assert "content-encoding" not in answer.headers


def check_refused(answer, statuses, code, text, content_type=PROTOBUF):
    statuses = (statuses,) if isinstance(statuses, int) else statuses
    assert answer.status in statuses, answer
    assert answer.content_type == content_type
    status = answer.rpc_status()
    assert (status.code, text in status.message) == (code, True), status
    assert "content-encoding" not in answer.headers


def settled_count(shared, upstream):
    """How many requests there were upstream, now that none is on its way."""
    def is_settled():
        books = shared.status()["books"]
        return books["items_offered"] == books["items_accepted"] and books["items_held"] == 0

    wait_until(is_settled)
    return len(upstream.requests())


# --- accepted -------------------------------------------------------------------------------------

@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
@pytest.mark.parametrize("signal", SIGNALS)
def test_request_is_accepted(port, upstream, signal, content_type):
    request = make(signal, 3, service=f"accepted {port} {signal} {content_type}")
    body = (json.dumps(otlp_json.from_request(request)).encode() if content_type == JSON
            else request.SerializeToString())
    with H1Client(port) as connection:
        check_accepted(connection.request(f"/v1/{signal}", body, content_type), signal,
                       content_type)
    wait_for(upstream, signal, request)


def wait_for(upstream, signal, request):
    """Until exactly these items have arrived; their resource is their own."""
    wanted = sorted(item.key() for item in items_of(signal, request))
    resource = next(items_of(signal, request)).resource

    def is_there():
        found = [item.key() for item in upstream.accepted(signal) if item.resource == resource]
        return len(found) >= len(wanted) and found
    assert sorted(wait_until(is_there)) == wanted


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
@pytest.mark.parametrize("encoding", PACK)
def test_compressed_request_is_accepted(client, upstream, encoding, content_type):
    request = make("logs", 100, service=f"packed {encoding} {content_type}")
    body = (json.dumps(otlp_json.from_request(request)).encode() if content_type == JSON
            else request.SerializeToString())
    headers = {} if encoding == "identity" else {"content_encoding": encoding}
    answer = client.request("/v1/logs", PACK[encoding](body), content_type, **headers)
    check_accepted(answer, "logs", content_type)
    wait_for(upstream, "logs", request)


@pytest.mark.parametrize("content_type", [
    "application/x-protobuf; charset=utf-8", "application/json;charset=utf-8"])
def test_content_type_may_have_parameters(client, content_type):
    kind = content_type.split(";")[0]
    answer = client.request("/v1/traces", SPAN if kind == PROTOBUF else SPAN_JSON, content_type)
    check_accepted(answer, content_type=kind)


@pytest.mark.parametrize("body, content_type", [
    (b"", PROTOBUF), (b"\x0a\x00", PROTOBUF), (b"{}", JSON), (b'{"unknown":[1]}', JSON)])
@pytest.mark.parametrize("signal", SIGNALS)
def test_request_without_items_is_accepted_and_not_forwarded(shared, client, upstream, signal,
                                                             body, content_type):
    count = settled_count(shared, upstream)
    check_accepted(client.request(f"/v1/{signal}", body, content_type), signal, content_type)
    time.sleep(0.05)
    assert len(upstream.requests()) == count


def test_chunked_request_is_accepted(client):
    client.send(head("/v1/traces", None, transfer_encoding="chunked"))
    for i in range(0, len(SPAN), 7):
        piece = SPAN[i:i + 7]
        client.send(f"{len(piece):x};ext=1\r\n".encode() + piece + b"\r\n")
    client.send(b"0\r\n\r\n")
    check_accepted(client.answer())


def test_request_byte_by_byte_is_accepted(client):
    for byte in head("/v1/traces", len(SPAN)) + SPAN:
        client.send(bytes([byte]))
    check_accepted(client.answer())


def test_client_that_waits_for_100_continue(client):
    client.send(head("/v1/traces", len(SPAN), expect="100-continue"))
    assert client.answer().status == 100
    client.send(SPAN)
    check_accepted(client.answer())


def test_pipelined_requests_are_answered_in_order(client):
    client.send(head("/v1/traces", len(SPAN)) + SPAN + head("/v1/nope", 0) +
                head("/v1/traces", len(SPAN_JSON), JSON) + SPAN_JSON)
    check_accepted(client.answer())
    assert client.answer().status == 404
    check_accepted(client.answer(), content_type=JSON)


def test_http2_without_tls_is_accepted(port):
    headers = [(":method", "POST"), (":scheme", "http"), (":path", "/v1/traces"),
               (":authority", "127.0.0.1"), ("content-type", PROTOBUF)]
    with H2Client(port) as connection:
        reply = connection.request(headers, SPAN)
        assert (reply.http_status, reply.headers["content-type"]) == (200, PROTOBUF)
        reply = connection.request([*headers[:2], (":path", "/v1/nope"), *headers[3:]], SPAN)
        assert reply.http_status == 404


@pytest.mark.parametrize("arguments", [
    ["--http1.1"], ["--http2-prior-knowledge"], ["-H", "transfer-encoding: chunked"],
    ["-H", "expect: 100-continue"]], ids=" ".join)
def test_curl(port, tmp_path, arguments):
    (tmp_path / "body").write_bytes(SPAN_JSON)
    command = ["curl", "-sS", "-m", "5", "-w", "\n%{http_code} %{content_type}", *arguments,
               "-H", f"content-type: {JSON}", "--data-binary", f"@{tmp_path / 'body'}",
               f"http://127.0.0.1:{port}/v1/traces"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 0, done.stderr
    body, last = done.stdout.rsplit("\n", 1)
    assert last == f"200 {JSON}"
    assert json.loads(body) in [{}, {"partialSuccess": {}}]


# --- refused --------------------------------------------------------------------------------------

def test_unknown_path(client):
    answer = client.request("/v1/nope", SPAN)
    assert (answer.status, answer.content_type) == (404, "text/plain")
    assert answer.body.strip() == b"404 page not found"
    check_accepted(client.request("/v1/traces", SPAN))


@pytest.mark.parametrize("path", ["//v1/traces", "/v1/../v1/traces", "/v1/traces/", "/v1/Traces"])
def test_nearly_known_path(client, path):
    """Perhaps a redirect to the clean path, but nothing is accepted there."""
    assert client.request(path, SPAN).status in (301, 307, 308, 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "OPTIONS", "HEAD"])
def test_other_method(client, method):
    answer = client.request("/v1/traces", b"", method=method)
    assert (answer.status, answer.content_type) == (405, "text/plain")
    if method != "HEAD":
        assert answer.body.strip() == b"405 method not allowed, supported: [POST]"
    check_accepted(client.request("/v1/traces", SPAN))


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-protobuffer",
                                          "application/grpc"])
def test_other_content_type(client, content_type):
    answer = client.request("/v1/traces", SPAN, content_type)
    assert (answer.status, answer.content_type) == (415, "text/plain")
    assert answer.body.strip() == (b"415 unsupported media type, supported: "
                                   b"[application/json, application/x-protobuf]")


CASES = {
    "unknown compression": (
        PROTOBUF, {"content_encoding": "br"}, SPAN, 400, "unsupported Content-Encoding: br"),
    "corrupt gzip": (PROTOBUF, {"content_encoding": "gzip"}, b"\x1f\x8b\x08" + bytes(40), 400, ""),
    "cut gzip": (PROTOBUF, {"content_encoding": "gzip"}, gzip.compress(SPAN)[:-9], 400, ""),
    "no gzip": (PROTOBUF, {"content_encoding": "gzip"}, SPAN, 400, ""),
    "corrupt zstd": (PROTOBUF, {"content_encoding": "zstd"}, b"\x28\xb5\x2f\xfd\xff\xff", 400, ""),
    "corrupt snappy": (PROTOBUF, {"content_encoding": "snappy"}, b"\xff\xff\xff\xff\xff\xff", 400,
                       ""),
    "too large": (PROTOBUF, {}, bytes(LIMIT_BYTES + 1), TOO_LARGE, "too large"),
    "too large when inflated": (
        PROTOBUF, {"content_encoding": "gzip"}, gzip.compress(bytes(LIMIT_BYTES + 1)), TOO_LARGE,
        "too large"),
    "undecodable protobuf": (PROTOBUF, {}, b"\x0a\x7f", 400, ""),
    "wrong wire type": (PROTOBUF, {}, b"\x08\x01", 400, ""),
    "span id of three bytes": (
        PROTOBUF, {}, b"\x0a\x09\x12\x07\x12\x05\x12\x03abc", 400, ""),
    "JSON that is none": (JSON, {}, b"{nope", 400, ""),
    "JSON that ends early": (JSON, {}, SPAN_JSON[:-1], 400, ""),
    "JSON of no bytes": (JSON, {}, b"", 400, ""),
    "JSON with an id in base64": (
        JSON, {}, SPAN_JSON.replace(b"%032x" % 1, b"AAAAAAAAAAAAAAAAAAAAAQ=="), 400, ""),
    "JSON with bytes that are an object": (
        JSON, {}, SPAN_JSON.replace(b'{"intValue": "0"}', b'{"bytesValue": {"0": 1}}'), 400, ""),
    "JSON with a fraction for an integer": (
        JSON, {}, SPAN_JSON.replace(b'{"intValue": "0"}', b'{"intValue": 0.5}'), 400, ""),
}


@pytest.mark.parametrize("case", CASES)
def test_bad_request_is_refused(shared, upstream, case):
    content_type, headers, body, statuses, text = CASES[case]
    count = settled_count(shared, upstream)
    with H1Client(shared.http_port) as connection:
        answer = connection.request("/v1/traces", body, content_type, **headers)
        check_refused(answer, statuses, 3, text, content_type)
    with H1Client(shared.http_port) as connection:
        check_accepted(connection.request("/v1/traces", SPAN))
    upstream.wait_for_requests(count + 1)
    assert len(upstream.requests()) == count + 1


def test_json_cases_differ_from_the_good_request():
    assert all(body != SPAN_JSON for _, _, body, _, _ in CASES.values())


def test_unknown_compression_of_an_unknown_content_type(client):
    """No encoding to put a status into; a missing type gets JSON."""
    answer = client.request("/v1/traces", SPAN, "text/plain", content_encoding="br")
    assert (answer.status, answer.content_type) == (500, JSON)
    assert json.loads(answer.body) == {"code": 13, "message": "failed to marshal error message"}
    answer = client.request("/v1/traces", SPAN, None, content_encoding="br")
    check_refused(answer, 400, 3, "unsupported Content-Encoding: br", JSON)


def test_too_large_by_content_length_is_refused_before_the_body(client):
    """The answer comes although the body never does."""
    client.send(head("/v1/traces", 1 << 40))
    check_refused(client.answer(), TOO_LARGE, 3, "too large")
    assert client.is_at_end()


def test_too_large_in_chunks_is_refused(client):
    client.send(head("/v1/traces", None, transfer_encoding="chunked"))
    for _ in range(LIMIT_BYTES // 65536 + 1):
        client.send(b"10000\r\n" + bytes(65536) + b"\r\n")
    check_refused(client.answer(), TOO_LARGE, 3, "too large")


def test_limit_itself_is_accepted(client):
    request = make("traces")
    padding = request.resource_spans[0].scope_spans[0].spans[0].attributes.add(key="padding")
    padding.value.string_value = "p" * (LIMIT_BYTES - 200)
    padding.value.string_value += "p" * (LIMIT_BYTES - request.ByteSize())
    body = request.SerializeToString()
    assert len(body) == LIMIT_BYTES
    check_accepted(client.request("/v1/traces", body))
    check_accepted(client.request("/v1/traces", gzip.compress(body), content_encoding="gzip"))


@pytest.mark.parametrize("raw", [
    b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n"
    b"content-type: application/x-protobuf\r\n\r\n0\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\ncontent-length: 1\r\n\r\nx",
    b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nhost: a\r\nbad header\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nhost: a\r\nname : x\r\n\r\n",
    b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n"
    b"content-type: application/x-protobuf\r\n\r\nxyz\r\n",
], ids=range(7))
def test_malformed_http_is_refused_and_closed(client, raw):
    client.send(raw)
    assert client.answer().status == 400
    assert client.is_at_end()


# --- browsers -------------------------------------------------------------------------------------

CORS = {"allowed_origins": [ORIGIN, "https://*.example.test"],
        "allowed_headers": ["X-Custom", "content-type"], "exposed_headers": ["X-Shown"],
        "max_age": 7200}


@pytest.fixture(scope="module")
def cors(start_shared_otlp, upstream):
    with start_shared_otlp({"otlphttp": otlphttp(upstream)}, http={"cors": CORS}) as running:
        yield running


@pytest.fixture
def browser(cors):
    with H1Client(cors.http_port) as connection:
        yield connection


@pytest.fixture(scope="module")
def guarded(start_shared_otlp, upstream):
    """As `cors`, but behind an authenticator."""
    with start_shared_otlp({"otlphttp": otlphttp(upstream)}, http={
            "cors": CORS, "auth": {"authenticator": "bearertokenauth"}},
            extensions={"bearertokenauth": {"token": "secret"}}) as running:
        yield running


@pytest.fixture
def guarded_client(guarded):
    with H1Client(guarded.http_port) as connection:
        yield connection


def cors_headers(answer):
    return {name: value for name, value in answer.headers.items()
            if name.startswith("access-control-")}


def varies(answer):
    return {name.strip().lower() for name in answer.headers.get("vary", "").split(",")} - {""}


PREFLIGHT_VARY = {"origin", "access-control-request-method", "access-control-request-headers"}


def preflight(browser, origin=ORIGIN, method="POST", headers="content-type,x-custom"):
    more = {"access_control_request_headers": headers} if headers is not None else {}
    return browser.request("/v1/traces", b"", None, "OPTIONS", origin=origin,
                           access_control_request_method=method, **more)


@pytest.mark.parametrize("origin", [ORIGIN, "https://a.example.test"])
def test_preflight_is_allowed(browser, origin):
    answer = preflight(browser, origin)
    assert (answer.status, answer.body) == (204, b"")
    assert cors_headers(answer) == {
        "access-control-allow-origin": origin, "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type,x-custom",
        "access-control-allow-credentials": "true", "access-control-max-age": "7200"}
    assert varies(answer) == PREFLIGHT_VARY


def test_preflight_without_headers(browser):
    answer = preflight(browser, headers=None)
    assert cors_headers(answer)["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("keys", [
    {"origin": "https://evil.test"}, {"origin": "https://example.test"}, {"method": "DELETE"},
    {"headers": "x-other"}], ids=str)
def test_preflight_is_not_allowed(browser, keys):
    answer = preflight(browser, **keys)
    assert (answer.status, cors_headers(answer), varies(answer)) == (204, {}, PREFLIGHT_VARY)


def test_real_request_of_an_allowed_origin(browser):
    answer = browser.request("/v1/traces", SPAN, origin=ORIGIN)
    check_accepted(answer)
    assert cors_headers(answer) == {
        "access-control-allow-origin": ORIGIN, "access-control-allow-credentials": "true",
        "access-control-expose-headers": "X-Shown"}
    assert "origin" in varies(answer)


def test_real_request_of_another_origin_is_processed(browser):
    answer = browser.request("/v1/traces", SPAN, origin="https://evil.test")
    check_accepted(answer)
    assert cors_headers(answer) == {}


def test_preflight_needs_no_authentication(guarded_client):
    answer = preflight(guarded_client)
    assert answer.status == 204
    assert cors_headers(answer)["access-control-allow-origin"] == ORIGIN


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic c2VjcmV0"])
@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_authenticator_refuses(guarded_client, content_type, authorization):
    more = {"authorization": authorization} if authorization is not None else {}
    body = SPAN if content_type == PROTOBUF else SPAN_JSON
    answer = guarded_client.request("/v1/traces", body, content_type, **more)
    check_refused(answer, 401, 16, "", content_type)


def test_authenticator_accepts(guarded_client):
    check_accepted(guarded_client.request("/v1/traces", SPAN, authorization="Bearer secret"))


def test_any_origin(start_otlp, http_upstream):
    with start_otlp({"otlphttp": otlphttp(http_upstream)},
                    http={"cors": {"allowed_origins": ["*"]}}) as weir:
        with H1Client(weir.http_port) as connection:
            answer = preflight(connection, "https://any.test", headers="content-type")
            assert cors_headers(answer)["access-control-allow-origin"] == "*"
            assert "access-control-max-age" not in answer.headers
            check_accepted(connection.request("/v1/traces", SPAN, origin="https://any.test"))


def test_signal_in_no_pipeline_is_an_unknown_path(start_otlp, http_upstream):
    with start_otlp({"otlphttp": otlphttp(http_upstream)}, signals=("logs",)) as weir:
        with H1Client(weir.http_port) as connection:
            assert connection.request("/v1/traces", SPAN).status == 404
            body = make("logs").SerializeToString()
            check_accepted(connection.request("/v1/logs", body), "logs")


def test_body_that_comes_too_slowly(start_otlp, http_upstream):
    """Over both versions; a neighbour on the same connection is not hurt."""
    pseudo = [(":method", "POST"), (":path", "/v1/traces"), (":scheme", "http"),
              (":authority", "127.0.0.1"), ("content-type", PROTOBUF)]
    with start_otlp({"otlphttp": otlphttp(http_upstream)}, http={"read_timeout": "1s"}) as weir:
        with H1Client(weir.http_port) as slow:
            slow.send(head("/v1/traces", 100) + b"\n")
            assert slow.answer().status == 408
        with H2Client(weir.http_port) as client:
            stream = client.start(pseudo)
            client.send(stream, b"\n", is_end=False)
            reply = client.wait(stream)
            assert reply.http_status == 408
            assert client.request(pseudo, SPAN).http_status == 200
