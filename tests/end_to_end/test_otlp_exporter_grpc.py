# SPDX-License-Identifier: Apache-2.0
"""The OTLP/gRPC exporter against an upstream that answers well, badly, slowly or not at all."""

import subprocess
import time

import grpc
import pytest
from otlp_items import SIGNALS, count_items
from otlp_make import make
from otlp_send import post
from settings import otlp_grpc
from upstream import Answer
from upstream_grpc import GrpcUpstream
from upstream_h2 import Frames, H2Upstream
from weir_process import seeing, wait_until

ONE_BACKEND = True

RETRYABLE = [1, 4, 10, 11, 14, 15]
PERMANENT = [2, 3, 5, 6, 7, 8, 9, 12, 13, 16]  # 8 without RetryInfo
ITEMS = 5


@pytest.fixture
def h2_upstream():
    with H2Upstream() as running:
        yield running


def check_retried(weir, upstream, answers, signal="traces"):
    """Each of these answers to its own request leads to one more attempt, which is accepted."""
    for number, answer in enumerate(answers):
        request = make(signal, ITEMS, number * ITEMS)
        seen = len(upstream.seen)
        upstream.script = [answer]
        post(weir, signal, request)
        upstream.wait_for_items(signal, (number + 1) * ITEMS)
        tries = upstream.requests()[seen:]
        assert len(tries) == 2 and tries[0].request == tries[1].request == request, answer
    wait_until(lambda: weir.exporter("otlp")["items_delivered"] == len(answers) * ITEMS)
    return weir.exporter("otlp")["requests_retried"]


def check_rejected(weir, upstream, answers, signal="traces"):
    """Each of these answers is the end of its request."""
    for number, answer in enumerate(answers):
        upstream.script = [answer]
        post(weir, signal, make(signal, ITEMS, number * ITEMS))
        wait_until(lambda: weir.exporter("otlp")["items_rejected"] == (number + 1) * ITEMS,
                   what=f"rejection after {answer}")
    time.sleep(0.3)  # longer than the first pause of a retry
    assert len(upstream.seen) == len(answers)
    assert weir.exporter("otlp")["requests_retried"] == 0


# --- statuses -------------------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("signal", SIGNALS)
def test_retryable_statuses_are_retried(start_otlp, grpc_upstream, signal):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        answers = [Answer(code=code) for code in RETRYABLE]
        assert check_retried(weir, grpc_upstream, answers, signal) == len(RETRYABLE)
        assert weir.events("export_retry")
    assert weir.books()["items_delivered"] == len(RETRYABLE) * ITEMS


@pytest.mark.parametrize("signal", SIGNALS)
def test_permanent_statuses_are_not_retried(start_otlp, grpc_upstream, signal):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        check_rejected(weir, grpc_upstream,
                       [Answer(code=code, message="because of x") for code in PERMANENT], signal)
        assert "because of x" in weir.log_text()
    assert weir.books()["items_rejected"] == len(PERMANENT) * ITEMS


def test_permanent_statuses_stay_so_with_retry_info(start_otlp, grpc_upstream):
    """RetryInfo makes RESOURCE_EXHAUSTED retryable, nothing else."""
    codes = [code for code in PERMANENT if code != 8]
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        check_rejected(weir, grpc_upstream, [Answer(code=code, retry_s=0.1) for code in codes])


@pytest.mark.parametrize("code", [8, 14])
def test_retry_info_is_honoured(start_otlp, grpc_upstream, code):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        check_retried(weir, grpc_upstream, [Answer(code=code, retry_s=1.2)])
    assert 1.1 < grpc_upstream.pauses()[0] < 10


def test_retry_info_of_nothing_means_the_own_pause(start_otlp, grpc_upstream):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        check_retried(weir, grpc_upstream, [Answer(code=8, retry_s=0)])
    assert grpc_upstream.pauses()[0] < 5


def test_status_in_trailers_counts_like_one_in_headers(start_otlp, h2_upstream):
    with start_otlp({"otlp": otlp_grpc(h2_upstream)}) as weir:
        check_retried(weir, h2_upstream, [Frames(code=14, is_split=True)])


RESETS_RETRIED = [7, 8]  # REFUSED_STREAM, CANCEL
RESETS_PERMANENT = [0, 1, 2, 3, 4, 6, 9, 10, 11, 12]
HTTP_RETRIED = [429, 502, 503, 504]
HTTP_PERMANENT = [400, 401, 403, 404, 418, 500]


def test_resets_and_http_statuses_that_are_retried(start_otlp, h2_upstream):
    with start_otlp({"otlp": otlp_grpc(h2_upstream)}) as weir:
        check_retried(weir, h2_upstream,
                      [Frames(reset_code=code) for code in RESETS_RETRIED] +
                      [Frames(http_status=status) for status in HTTP_RETRIED])


def test_resets_and_http_statuses_that_are_permanent(start_otlp, h2_upstream):
    with start_otlp({"otlp": otlp_grpc(h2_upstream)}) as weir:
        check_rejected(weir, h2_upstream,
                       [Frames(reset_code=code) for code in RESETS_PERMANENT] +
                       [Frames(http_status=status) for status in HTTP_PERMANENT])


@pytest.mark.parametrize("answer", [Frames(reset_code=7), Frames(goaway_code=0)], ids=str)
def test_refused_streams_are_sent_again_at_once(start_otlp, h2_upstream, answer):
    """The upstream has not looked at them, so there is nothing to wait for."""
    retry = {"initial_interval": "20s"}
    with start_otlp({"otlp": otlp_grpc(h2_upstream, retry_on_failure=retry)}) as weir:
        h2_upstream.script = [answer]
        post(weir, "traces", make("traces", ITEMS))
        h2_upstream.wait_for_items("traces", ITEMS)
    assert h2_upstream.pauses()[0] < 8  # a pause of a retry is half of the interval at least


@pytest.mark.parametrize("answer", [Frames(is_reset=True)], ids=["connection lost"])
def test_lost_connection_is_retried(start_otlp, h2_upstream, answer):
    with start_otlp({"otlp": otlp_grpc(h2_upstream)}) as weir:
        check_retried(weir, h2_upstream, [answer, answer])
    assert h2_upstream.connection_count >= 3


# --- partial success ------------------------------------------------------------------------------

@pytest.mark.parametrize("signal", SIGNALS)
def test_partial_success_is_counted_by_item(start_otlp, grpc_upstream, signal):
    grpc_upstream.script = [Answer(rejected=2, message="too old"), Answer(message="all is well")]
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        post(weir, signal, make(signal, ITEMS))
        post(weir, signal, make(signal, ITEMS, ITEMS))
        wait_until(lambda: weir.exporter("otlp")["items_delivered"] == 2 * ITEMS - 2)
        assert weir.exporter("otlp")["items_rejected_partial"] == 2
        assert weir.exporter("otlp")["requests_retried"] == 0
    assert len(grpc_upstream.seen) == 2
    assert "too old" in weir.log_text()
    books = weir.books()
    assert (books["items_delivered"], books["items_rejected"]) == (2 * ITEMS - 2, 2)


# --- time -----------------------------------------------------------------------------------------

def test_timeout_is_retried(start_otlp, grpc_upstream):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, timeout="1500ms")}) as weir:
        check_retried(weir, grpc_upstream, [Answer(is_hang=True)])
    assert 0.5 < grpc_upstream.pauses()[0] < 10  # the request may have been seen late


def test_cancelled_by_the_server_is_retried(start_otlp, grpc_upstream):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        check_retried(weir, grpc_upstream, [Answer(is_reset=True)])


def test_retry_gives_up(start_otlp, grpc_upstream):
    grpc_upstream.always = Answer(code=14)
    retry = {"initial_interval": "50ms", "max_interval": "100ms", "max_elapsed_time": "2s"}
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, retry_on_failure=retry)}) as weir:
        post(weir, "logs", make("logs", ITEMS))
        wait_until(lambda: weir.exporter("otlp")["items_dropped_retry"] == ITEMS)
    assert len(grpc_upstream.seen) > 3


def test_retry_switched_off(start_otlp, grpc_upstream):
    grpc_upstream.script = [Answer(code=14)]
    with start_otlp({"otlp": otlp_grpc(grpc_upstream,
                                       retry_on_failure={"enabled": False})}) as weir:
        post(weir, "logs", make("logs", ITEMS))
        grpc_upstream.wait_for_requests(1)
    assert len(grpc_upstream.seen) == 1
    assert weir.books()["items_dropped"] + weir.books()["items_rejected"] == ITEMS


# --- connections ----------------------------------------------------------------------------------

def test_many_requests_share_one_connection(start_otlp, grpc_upstream):
    grpc_upstream.always = Answer(delay_s=0.5)
    queue = {"num_consumers": 10}
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, sending_queue=queue)}) as weir:
        began = time.monotonic()
        for i in range(20):
            post(weir, "traces", make("traces", 1, i))
        grpc_upstream.wait_for_items("traces", 20)
        assert time.monotonic() - began < 8  # one after the other takes 10 s
    assert len({seen.peer for seen in grpc_upstream.requests()}) == 1


def test_stream_limit_of_the_peer_is_kept_and_opens_a_second_connection(start_otlp):
    queue = {"num_consumers": 6}
    with H2Upstream(streams_max=2) as upstream:
        with start_otlp({"otlp": otlp_grpc(upstream, sending_queue=queue)}) as weir:
            post(weir, "traces", make("traces", 1))  # the limit is known from now on
            upstream.wait_for_items("traces", 1)
            upstream.always = Answer(delay_s=0.2)
            upstream.open_streams_max = 0
            for i in range(24):
                post(weir, "traces", make("traces", 1, i))
            upstream.wait_for_items("traces", 25)
        assert upstream.open_streams_max == 2
        assert upstream.connection_count >= 2


def test_round_robin_over_all_addresses(start_otlp, grpc_upstream, tmp_path):
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 backend\n127.0.0.2 backend\n")
    with GrpcUpstream(host="127.0.0.2", port=grpc_upstream.port) as other:
        exporter = otlp_grpc(grpc_upstream, endpoint=f"backend:{grpc_upstream.port}",
                             balancer_name="round_robin")
        def counts():
            return len(grpc_upstream.seen), len(other.seen)

        with start_otlp({"otlp": exporter}, wrapper=seeing(hosts, "/etc/hosts")) as weir:
            # The connection that stands first gets everything until the other one does.
            wait_until(lambda: post(weir, "logs", make("logs", 1)) and min(counts()) > 0)
            wait_until(lambda: weir.exporter("otlp")["items_held"] == 0)
            before = counts()
            for i in range(20):
                post(weir, "logs", make("logs", 1, i))
            wait_until(lambda: sum(counts()) >= sum(before) + 20)
        assert min(after - count for after, count in zip(counts(), before)) >= 8


@pytest.mark.parametrize("compression", ["none", "gzip", "zstd", None])
def test_compression_and_headers(start_otlp, h2_upstream, compression):
    keys = {"compression": compression} if compression else {}
    exporter = otlp_grpc(h2_upstream, headers={"X-Scope": "1", "authorization": "Bearer a"}, **keys)
    if compression is None:
        del exporter["compression"]  # the default
    with start_otlp({"otlp": exporter}) as weir:
        for signal in SIGNALS:
            post(weir, signal, make(signal, 100))
            h2_upstream.wait_for_items(signal, 100)
    for seen in h2_upstream.requests():
        assert (seen.headers["x-scope"], seen.headers["authorization"]) == ("1", "Bearer a")
        encoding = seen.headers.get("grpc-encoding", "identity")
        assert encoding == {"none": "identity", None: "gzip"}.get(compression, compression)
        assert seen.headers["te"] == "trailers"
        assert seen.headers["content-type"].startswith("application/grpc")
        assert seen.headers["user-agent"].startswith("weir/")
        assert count_items(seen.signal, seen.request) == 100


# --- TLS ------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A self-signed certificate for the server and one for the client."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "client"):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
             f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
             str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")],
            check=True, capture_output=True)
    return folder


def credentials(folder, is_mutual):
    pair = ((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())
    return grpc.ssl_server_credentials(
        [pair], root_certificates=(folder / "client.pem").read_bytes() if is_mutual else None,
        require_client_auth=is_mutual)


@pytest.mark.parametrize("is_mutual, keys, is_delivered", [
    (False, ["ca_file"], True), (False, ["insecure_skip_verify"], True), (False, [], False),
    (True, ["ca_file", "cert_file", "key_file"], True), (True, ["ca_file"], False)], ids=str)
def test_tls(start_otlp, certificates, is_mutual, keys, is_delivered):
    known = {"ca_file": str(certificates / "server.pem"), "insecure_skip_verify": True,
             "cert_file": str(certificates / "client.pem"),
             "key_file": str(certificates / "client.key")}
    tls = {key: known[key] for key in keys}
    with GrpcUpstream(credentials(certificates, is_mutual)) as upstream:
        with start_otlp({"otlp": otlp_grpc(upstream, tls=tls)}, "--drain-timeout=2s") as weir:
            post(weir, "traces", make("traces", ITEMS))
            if is_delivered:
                upstream.wait_for_items("traces", ITEMS)
        assert upstream.item_counts["traces"] == (ITEMS if is_delivered else 0)
