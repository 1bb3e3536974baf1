# SPDX-License-Identifier: Apache-2.0
"""weir's own pages: self-metrics, status, readiness, and the health check."""

import contextlib
import json
import os
import pathlib
import resource
import signal
import socket
import time

import pytest
from prom_page import total, value
from senders import Load, send_udp
from settings import config, otlphttp, statsd, to_text, with_admin
from weir_process import fetch, fetch_status, free_port, free_udp_port, run_command, wait_until

# Who is heard at once by one of weir's own servers.
HEALTH_CALLERS_MAX = 256


@pytest.fixture
def running(start, sink):
    """A weir that took 100 good lines and 10 bad ones in 11 datagrams."""
    port, health_port = free_udp_port(), free_port()
    settings = config(statsd(port, aggregation_interval="200ms"), otlphttp(sink), health_port)
    with start(settings) as weir:
        send_udp(port, ["c:1|c"] * 100 + ["bad"] * 10, per_datagram=10)
        weir.wait_for("wire_parsed", 11)
        wait_until(lambda: sink.total("c") == 100)
        wait_until(lambda: weir.exporter("otlphttp")["items_held"] == 0)
        weir.health = f"http://127.0.0.1:{health_port}"
        yield weir


def test_metrics_page(running):
    page = running.metrics()
    receiver = {"receiver": "statsd", "transport": "udp"}
    assert value(page, "weir_wire_received", **receiver) == 11
    assert value(page, "weir_wire_parsed", **receiver) == 11
    assert value(page, "weir_items_decoded", **receiver) == 110
    assert value(page, "weir_items_folded", **receiver) == 100
    assert value(page, "weir_items_invalid", reason="line_missing_type") == 10
    assert total(page, "weir_items_invalid") == 10
    assert value(page, "otelcol_receiver_accepted_metric_points", **receiver) == 100
    assert value(page, "otelcol_receiver_refused_metric_points", **receiver) == 10
    emitted = value(page, "weir_points_emitted", **receiver)
    assert value(page, "weir_items_delivered", exporter="otlphttp") == emitted
    assert value(page, "otelcol_exporter_sent_metric_points", exporter="otlphttp") == emitted
    assert value(page, "otelcol_exporter_queue_capacity", exporter="otlphttp") == 1000
    assert value(page, "weir_ready") == 1
    assert value(page, "otelcol_process_uptime") > 0
    assert value(page, "otelcol_process_memory_rss") > 1e6
    assert total(page, "weir_route_allocations") == 0


def test_metrics_page_is_strictly_formed(running):
    """Each name has one HELP and one TYPE, before all its samples, which stand together."""
    seen, current = set(), None
    for line in fetch(f"{running.admin}/metrics").splitlines():
        if line.startswith("# HELP "):
            current = line.split()[2]
            assert current not in seen, f"{current} appears twice"
            seen.add(current)
        elif line.startswith("# TYPE "):
            assert line.split()[2] == current and line.split()[3] in ("counter", "gauge")
        else:
            assert line.split("{")[0].split(" ")[0] == current, line


def test_status_page(running):
    status = running.status()
    assert (status["state"], status["ready"]) == ("running", True)
    books = status["books"]
    assert books["wire_balanced"] and books["items_balanced"] and books["out_balanced"]
    assert (books["wire_received"], books["items_accepted"], books["items_invalid"]) == (
        11, 100, 10)
    assert status["receivers"][0]["invalid_lines"] == {"missing_type": 10}
    assert status["exporters"][0]["items_delivered"] == books["items_delivered"] > 0
    names = [thread["name"] for thread in status["threads"]]
    assert "shard-0" in names and "egress-0" in names
    backend = {"epoll": "epoll", "uring": "io_uring"}[running.io]
    shards = [thread for thread in status["threads"] if thread["name"].startswith("shard")]
    assert all(running.io in shard["io"] or backend in shard["io"] for shard in shards)


def test_egress_never_takes_the_cpu_from_a_shard_by_waking_up(running):
    policies = {}
    for task in pathlib.Path(f"/proc/{running.process.pid}/task").iterdir():
        name = (task / "comm").read_text().strip()
        policies[name] = os.sched_getscheduler(int(task.name))
    assert policies["egress-0"] == os.SCHED_BATCH
    assert policies["shard-0"] == os.SCHED_OTHER


def test_html_page_and_unknown_paths(running):
    assert fetch(f"{running.admin}/").startswith("<!doctype html>")
    assert fetch_status(f"{running.admin}/nothing")[0] == 404
    assert fetch_status(f"{running.admin}/livez")[0] == 200
    assert fetch_status(f"{running.admin}/readyz") == (200, "ready\n")


def test_health_check_answers_like_the_collectors(running):
    status, body = fetch_status(running.health + "/")
    answer = json.loads(body)
    assert (status, answer["status"]) == (200, "Server available")
    assert answer["upSince"].startswith("20") and answer["uptime"].endswith("s")


@pytest.mark.parametrize("header", [
    b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x0a\x01\x02\x03\x0a\0\0\x01\x30\x39\x34\x4d"],
    ids=["local", "proxy"])
def test_health_check_of_a_balancer_that_sends_proxy_headers(running, header):
    host, port = running.health.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(header + b"GET / HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"Server available" in answer


def test_whoever_the_health_check_turns_away_is_counted(running):
    """Silence is how a load balancer probes, and no refusal; another protocol's words are one."""
    host, port = running.health.removeprefix("http://").split(":")
    for said in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(said)
            if not said:
                connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
    page = running.metrics()
    assert value(page, "weir_health_check_refused", reason="unknown_protocol") == 1
    assert value(page, "weir_health_check_refused", reason="no_room") == 0
    assert value(page, "weir_health_check_refused", reason="accept_failed") == 0


def test_a_health_check_with_too_many_callers_counts_who_found_no_room(running):
    host, port = running.health.removeprefix("http://").split(":")

    def refused():
        return value(running.metrics(), "weir_health_check_refused", reason="no_room")

    with contextlib.ExitStack() as callers:
        for count in (HEALTH_CALLERS_MAX, 1):
            for _ in range(count):
                caller = socket.create_connection((host, int(port)), timeout=5)
                callers.enter_context(caller).sendall(b"GET / HTTP/1.1\r\n")  # and no more
            wait_until(lambda: refused() == (1 if count == 1 else 0))


def test_a_health_check_without_descriptors_is_told_and_heals(running):
    began = time.monotonic()
    pid, limit = running.process.pid, resource.RLIMIT_NOFILE
    limits = resource.prlimit(pid, limit)
    host, port = running.health.removeprefix("http://").split(":")
    resource.prlimit(pid, limit, (3, limits[1]))  # no descriptor is as low, so none is given
    try:
        with socket.create_connection((host, int(port)), timeout=15) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: weir\r\n\r\n")
            wait_until(lambda: any(line["listener"] == "health_check"
                                   for line in running.events("accept_failed")))
            resource.prlimit(pid, limit, limits)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
    finally:
        resource.prlimit(pid, limit, limits)
    page = running.metrics()
    assert value(page, "weir_health_check_refused", reason="accept_failed") >= 1
    told = [line for line in running.events("accept_failed") if line["listener"] == "health_check"]
    assert len(told) <= 1 + (time.monotonic() - began) / 10  # at most one in ten seconds


def test_health_command(running):
    result = run_command("health", "--address", running.health.removeprefix("http://"))
    assert (result.returncode, result.stdout) == (0, "ready\n")


def test_health_check_path(start, sink):
    port = free_port()
    settings = config(statsd(free_udp_port()), otlphttp(sink), port)
    settings["extensions"]["health_check"]["path"] = "/up"
    with start(settings):
        assert fetch_status(f"http://127.0.0.1:{port}/up")[0] == 200
        assert fetch_status(f"http://127.0.0.1:{port}/other")[0] == 404


def test_not_ready_while_draining(start, sink):
    port, health_port = free_udp_port(), free_port()
    settings = config(statsd(port), otlphttp(sink), health_port)
    with start(settings) as weir:
        with Load(port):
            weir.wait_for("wire_received", 10)
            weir.signal(signal.SIGTERM)
            wait_until(lambda: fetch_status(f"{weir.admin}/readyz") == (503, "settling\n"))
            status, body = fetch_status(f"http://127.0.0.1:{health_port}/")
            assert (status, json.loads(body)["status"]) == (503, "Server not available")
            assert fetch_status(f"{weir.admin}/livez")[0] == 200
            assert run_command("health", "--address", f"127.0.0.1:{health_port}").returncode == 1
        assert weir.wait() == 0


def test_drain_over_http(start, sink):
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c"])
        fetch(f"{weir.admin}/-/drain", method="POST")
        assert weir.wait() == 0
    assert sink.value("c") == 1


def test_usr1_logs_the_books(start, sink):
    port = free_udp_port()
    with start(config(statsd(port), otlphttp(sink))) as weir:
        send_udp(port, ["c:1|c"])
        weir.wait_for("items_folded", 1)
        weir.signal(signal.SIGUSR1)
        wait_until(lambda: weir.events("status"))
        assert weir.events("status")[0]["items_folded"] == 1


def test_metrics_can_be_switched_off(start, sink):
    settings = config(statsd(free_udp_port()), otlphttp(sink))
    settings["service"]["telemetry"] = {"metrics": {"level": "none"}}
    with start(to_text(settings)) as weir:
        assert fetch_status(f"{weir.admin}/metrics") == (0, "")


@pytest.mark.parametrize("key", ["without_scope_info", "without_units", "without_type_suffix"])
def test_telemetry_reader_keys_are_what_the_page_is_like(start, sink, tmp_path, key):
    """`true` is how the page looks anyway; `false` is refused, not ignored."""
    settings = with_admin(config(statsd(free_udp_port()), otlphttp(sink)), 0)
    reader = settings["service"]["telemetry"]["metrics"]["readers"][0]["pull"]["exporter"]
    path = tmp_path / "weir.yaml"
    for is_on in (True, False):
        reader["prometheus"][key] = is_on
        path.write_text(to_text(settings))
        result = run_command("validate", "--config", path)
        assert result.returncode == (0 if is_on else 78), result.stderr
        assert (f"{key}: false is known but not supported yet" in result.stderr) != is_on
    with start(config(statsd(free_udp_port()), otlphttp(sink))) as weir:
        page = weir.metrics()
    mine = [name for name in page if name.startswith("weir_")]
    assert mine and not any(name.endswith(("_total", "_seconds")) for name in mine)
    assert not any("otel_scope_name" in labels for samples in page.values()
                   for labels, _ in samples)
