# SPDX-License-Identifier: Apache-2.0
"""service.telemetry.logs decides what is logged and how, unless a flag says otherwise."""

import json
import signal
import subprocess

import pytest
from senders import send_udp
from settings import config, otlphttp, statsd, to_text, with_admin
from weir_process import (BINARY, clean_environment, fetch, fetch_status, free_port, free_udp_port,
                          wait_until)

# What each level of service.telemetry.logs lets through; `group_left` is of a reload.
SAID = {"debug": {"group_left", "ready", "line_refused"}, "info": {"ready", "line_refused"},
        "warn": {"line_refused"}, "error": set()}


def said_by(settings, folder, change):
    """Starts weir without flags, sends a bad line, reloads with `change`, ends it; its log."""
    port, admin_port = free_udp_port(), free_port()
    path, log = folder / "weir.yaml", folder / "weir.log"
    settings["receivers"]["statsd"]["endpoint"] = f"127.0.0.1:{port}"
    settings = with_admin(settings, admin_port)
    settings["service"]["telemetry"].update(settings["service"].pop("telemetry_more"))
    path.write_text(to_text(settings))
    admin = f"http://127.0.0.1:{admin_port}"
    with open(log, "wb") as out:
        process = subprocess.Popen([BINARY, "run", "--config", str(path)], stdout=out, stderr=out,
                                   env=clean_environment())
    try:
        wait_until(lambda: fetch_status(f"{admin}/readyz")[0] == 200)
        send_udp(port, ["bad"])
        settings["receivers"]["statsd"].update(change)
        path.write_text(to_text(settings))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: json.loads(fetch(f"{admin}/api/v1/status"))["reloads"] == 1)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
    return log.read_text()


def with_logs(sink, **logs):
    settings = config(statsd(1), otlphttp(sink))
    settings["service"]["telemetry_more"] = {"logs": logs}
    return settings


@pytest.mark.parametrize("level", SAID)
def test_telemetry_logs_level(sink, tmp_path, level):
    log = said_by(with_logs(sink, level=level), tmp_path, {"aggregation_interval": "3600s"})
    events = {json.loads(line)["event"] for line in log.splitlines()}
    assert events & SAID["debug"] == SAID[level]


@pytest.mark.parametrize("encoding", ["json", "console"])
def test_telemetry_logs_encoding(sink, tmp_path, encoding):
    log = said_by(with_logs(sink, encoding=encoding), tmp_path, {})
    assert all(line.startswith("{") == (encoding == "json") for line in log.splitlines())
    assert ("event=ready" in log) == (encoding == "console")
