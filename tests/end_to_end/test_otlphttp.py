# SPDX-License-Identifier: Apache-2.0
"""The OTLP/HTTP exporter against a backend that answers well, badly, slowly or not at all."""

import shutil
import ssl
import subprocess
import time

import pytest
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from otlp_sink import Sink
from senders import send_udp
from settings import config, otlphttp, statsd
from weir_process import Weir, free_udp_port, seeing, wait_until

ONE_BACKEND = True
FAST = {"aggregation_interval": "200ms"}


@pytest.fixture
def deliver(run_once, sink):
    """deliver(**keys of the exporter) sends two series in one window."""

    def run(**keys):
        port = free_udp_port()
        return run_once(config(statsd(port), otlphttp(sink, **keys)),
                        lambda: send_udp(port, ["c:41|c|#a:b", "c:1|c|#a:b", "t:5|ms"]))

    return run


def check_delivered(sink):
    assert sink.value("c", a="b") == 42
    assert (sink.one("t")[3].count, sink.one("t")[3].sum) == (1, 5)


@pytest.mark.parametrize("encoding, content_type", [
    ("proto", "application/x-protobuf"), ("json", "application/json")])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_encoding_and_compression(deliver, sink, encoding, content_type, compression):
    deliver(encoding=encoding, compression=compression)
    check_delivered(sink)
    path, headers, _ = sink.requests[0]
    assert path == "/v1/metrics"
    assert headers["Content-Type"] == content_type
    assert headers.get("Content-Encoding", "none") == compression
    assert headers["User-Agent"].startswith("weir/")


def test_compression_defaults_to_gzip(run_once, sink):
    port = free_udp_port()
    run_once(config(statsd(port), {"otlphttp": {"endpoint": sink.url}}),
             lambda: send_udp(port, ["c:1|c"]))
    assert sink.requests[0][1]["Content-Encoding"] == "gzip"


def test_endpoint_path_and_metrics_endpoint(deliver, sink):
    deliver(endpoint=f"{sink.url}/base/")
    deliver(endpoint="http://127.0.0.1:9", metrics_endpoint=f"{sink.url}/own/path")
    assert [path for path, _, _ in sink.requests] == ["/base/v1/metrics", "/own/path"]


def test_headers(deliver, sink):
    deliver(headers={"Authorization": "Bearer abc", "X-Scope": "1", "Host": "backend.example"})
    headers = sink.requests[0][1]
    assert (headers["Authorization"], headers["X-Scope"]) == ("Bearer abc", "1")
    assert headers["Host"] == "backend.example"


def test_retry_waits_as_long_as_the_server_asks(start, sink):
    port = free_udp_port()
    sink.script = [(503, {"Retry-After": "5"}), (429, {}), (502, {}), (504, {})]
    with start(config(statsd(port, **FAST), otlphttp(sink))) as weir:
        send_udp(port, ["c:7|c"])
        wait_until(lambda: sink.total("c") == 7)
        assert sink.times[1] - sink.times[0] > 4.9
        assert sink.times[2] - sink.times[1] < 4  # a pause of its own again
        assert weir.exporter("otlphttp")["requests_retried"] == 4
    assert [status for _, _, status in sink.requests] == [503, 429, 502, 504, 200]
    assert weir.books()["items_delivered"] == 1
    assert weir.events("export_retry")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 500])
def test_permanent_answers_are_not_retried(start, sink, status):
    port = free_udp_port()
    sink.script = [(status, {})]
    with start(config(statsd(port, **FAST), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c", "d:1|c"])
        wait_until(lambda: weir.exporter("otlphttp")["items_rejected"] == 2)
    assert [answer for _, _, answer in sink.requests] == [status]
    assert weir.books()["items_rejected"] == 2


def test_partial_success_is_counted(start, sink):
    port = free_udp_port()
    partial = service.ExportMetricsPartialSuccess(rejected_data_points=2, error_message="too old")
    sink.reply = service.ExportMetricsServiceResponse(partial_success=partial).SerializeToString()
    with start(config(statsd(port, **FAST), otlphttp(sink))) as weir:
        send_udp(port, ["a:1|c", "b:1|c", "c:1|c"])
        wait_until(lambda: weir.exporter("otlphttp")["items_rejected_partial"] == 2)
        assert weir.exporter("otlphttp")["items_delivered"] == 1
    assert "too old" in weir.log_text()


def test_timeout_and_retry(start, sink):
    port = free_udp_port()
    sink.delay_s = 1.5
    with start(config(statsd(port, **FAST), otlphttp(sink, timeout="300ms"))) as weir:
        send_udp(port, ["c:1|c"])
        wait_until(lambda: weir.exporter("otlphttp")["requests_retried"] >= 1)
        assert weir.exporter("otlphttp")["items_delivered"] == 0
        sink.delay_s = 0
        wait_until(lambda: weir.exporter("otlphttp")["items_delivered"] == 1)


def test_retry_switched_off(start, sink):
    port = free_udp_port()
    sink.script = [(503, {})]
    exporter = otlphttp(sink, retry_on_failure={"enabled": False})
    with start(config(statsd(port, **FAST), exporter)) as weir:
        send_udp(port, ["c:1|c"])
        wait_until(lambda: sink.requests and weir.exporter("otlphttp")["items_held"] == 0)
    assert len(sink.requests) == 1
    assert weir.books()["items_dropped"] + weir.books()["items_rejected"] == 1


def test_slow_exporter_does_not_hold_up_the_other(start, sink):
    port = free_udp_port()
    with Sink() as slow:
        slow.delay_s = 30
        queue = {"num_consumers": 1}
        exporters = {"otlphttp/slow": otlphttp(slow, sending_queue=queue, timeout="60s"),
                     "otlphttp/fast": otlphttp(sink)}
        with start(config(statsd(port, **FAST), exporters)) as weir:
            for i in range(10):
                send_udp(port, [f"m{i}:{i}|c"])
                began = time.monotonic()
                wait_until(lambda: sink.total(f"m{i}") == i and sink.named(f"m{i}"))
                assert time.monotonic() - began < 15  # behind the other it takes thirty seconds
            assert weir.exporter("otlphttp/slow")["items_held"] > 0
            slow.delay_s = 0
        assert sum(slow.total(f"m{i}") for i in range(10)) == 45


def test_many_series_in_large_requests(start, sink):
    port = free_udp_port()
    count = 10000
    with start(config(statsd(port, cardinality_limit=20000),
                      otlphttp(sink, compression="zstd"))) as weir:
        send_udp(port, [f"series:{i}|c|#id:{i}" for i in range(count)])
        weir.wait_for("items_folded", count)
    assert sink.total("series") == count * (count - 1) / 2
    assert len(sink.named("series")) == count
    assert weir.books()["items_delivered"] == count


def make_certificate(folder, name="localhost"):
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1",
               "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
               "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def drain_flags(is_delivered):
    """Who gets nothing through need not try for long."""
    return [] if is_delivered else ["--drain-timeout=2s"]


@pytest.mark.parametrize("tls, is_trusted", [
    ("ca_file", True), ("insecure_skip_verify", True), (None, False)])
def test_tls_verifies_unless_told_otherwise(start, tmp_path, tls, is_trusted):
    port = free_udp_port()
    with Sink(tls=make_certificate(tmp_path)) as secure:
        keys = {"ca_file": {"ca_file": str(tmp_path / "cert.pem")},
                "insecure_skip_verify": {"insecure_skip_verify": True}, None: {}}[tls]
        settings = config(statsd(port), otlphttp(secure, tls=keys))
        with start(settings, *drain_flags(is_trusted)):
            send_udp(port, ["c:3|c"])
        assert secure.total("c") == (3 if is_trusted else 0)


def test_proxy_url(deliver, sink):
    """A proxy is asked with the whole URL in the request line."""
    deliver(endpoint="http://backend.example:4318", proxy_url=sink.url)
    assert sink.requests[0][0] == "http://backend.example:4318/v1/metrics"
    check_delivered(sink)


def test_block_on_overflow_holds_the_windows_for_the_slower_one(start, sink):
    """Where the default loses what does not fit into the queue of one of two exporters."""
    port = free_udp_port()
    with Sink() as slow:
        slow.go_down()
        queue = {"queue_size": 1, "num_consumers": 1, "block_on_overflow": True}
        exporters = {"otlphttp/slow": otlphttp(slow, sending_queue=queue),
                     "otlphttp/fast": otlphttp(sink)}
        with start(config(statsd(port, aggregation_interval="100ms"), exporters)) as weir:
            for i in range(15):
                send_udp(port, [f"m{i}:1|c"])
                time.sleep(0.1)
            assert weir.exporter("otlphttp/slow")["items_dropped_queue_full"] == 0
            assert sink.point_count() < 15  # the pipeline waits, for both
            slow.go_up()
            wait_until(lambda: slow.point_count() == 15)
        assert sink.point_count() == 15
    assert weir.books()["items_dropped"] == 0


def test_sending_queue_switched_off_delivers(start, sink):
    port = free_udp_port()
    with start(config(statsd(port, **FAST), otlphttp(sink, sending_queue={"enabled": False}))) \
            as weir:
        sink.script = [(503, {})]
        send_udp(port, ["c:1|c"])
        wait_until(lambda: sink.total("c") == 1)
        assert weir.exporter("otlphttp")["requests_retried"] == 1


def test_client_certificate(start, tmp_path):
    port = free_udp_port()
    context = make_certificate(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(tmp_path / "cert.pem")
    files = {"ca_file": str(tmp_path / "cert.pem"), "cert_file": str(tmp_path / "cert.pem"),
             "key_file": str(tmp_path / "key.pem")}
    texts = {name.replace("file", "pem"): open(path).read() for name, path in files.items()}
    for tls, is_let_in in ((files, True), (texts, True), ({"ca_file": files["ca_file"]}, False)):
        with Sink(tls=context) as secure:
            settings = config(statsd(port), otlphttp(secure, tls=tls))
            with start(settings, *drain_flags(is_let_in)):
                send_udp(port, ["c:3|c"])
            assert secure.total("c") == (3 if is_let_in else 0)


@pytest.mark.parametrize("tls, version", [
    ({"max_version": "1.2"}, "TLSv1.2"), ({"min_version": "1.3"}, "TLSv1.3")])
def test_tls_versions(start, tmp_path, tls, version):
    """An upstream that speaks only the other version is not spoken to."""
    port = free_udp_port()
    for spoken in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = make_certificate(tmp_path)
        context.minimum_version = context.maximum_version = spoken
        with Sink(tls=context) as secure:
            exporter = otlphttp(secure, tls={"insecure_skip_verify": True, **tls})
            is_spoken = spoken.name.replace("_", ".") == version
            with start(config(statsd(port), exporter), *drain_flags(is_spoken)):
                send_udp(port, ["c:3|c"])
            assert secure.total("c") == (3 if is_spoken else 0)


@pytest.mark.parametrize("is_on", [True, False])
def test_include_system_ca_certs_pool(tmp_path, io, is_on):
    """With a pool of the system that holds the upstream's certificate, in a mount namespace."""
    port, pool = free_udp_port(), tmp_path / "pool"
    context = make_certificate(tmp_path)
    pool.mkdir()
    shutil.copy(tmp_path / "cert.pem", pool)
    subprocess.run(["openssl", "rehash", str(pool)], check=True)
    (tmp_path / "other").mkdir()
    make_certificate(tmp_path / "other", name="other")
    wrapper = seeing(pool, "/etc/ssl/certs")
    tls = {"ca_file": str(tmp_path / "other" / "cert.pem"), "include_system_ca_certs_pool": is_on}
    with Sink(tls=context) as secure:
        settings = config(statsd(port), otlphttp(secure, tls=tls))
        with Weir(settings, tmp_path, flags=drain_flags(is_on), io=io, wrapper=wrapper):
            send_udp(port, ["c:3|c"])
        assert secure.total("c") == (3 if is_on else 0)
