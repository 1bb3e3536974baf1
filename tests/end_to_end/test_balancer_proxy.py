# SPDX-License-Identifier: Apache-2.0
"""A balancer that says whose connections it forwards: PROXY headers first, and LOCAL checks."""

import contextlib
import socket
import time

from fleet import GRPC_PORT, Fleet
from fleet_load import LineLoad, SdkLoad
from weir_process import wait_until

PROXIED = {"is_proxied": True, "is_check_proxied": True, "check": "tcp"}
KEYS = {"grpc": {"proxy_protocol": True}, "http": {"proxy_protocol": True},
        "guests": {"statsd": {"receiver": "statsd"}}}


def test_everything_goes_through_behind_proxy_headers(tmp_path, io):
    """OTLP and StatsD on the shared ports, from one gateway over to another."""
    with Fleet(tmp_path, flags=["--drain-timeout=10s"], listener=PROXIED, **KEYS) as fleet:
        first, = fleet.start_joined(io)
        sdk = SdkLoad(fleet.address, tmp_path / "sdk.log")
        lines = [LineLoad(fleet.address, port=GRPC_PORT) for _ in range(3)]
        with contextlib.ExitStack() as loads:
            for load in (*lines, sdk):
                loads.enter_context(load)
            wait_until(lambda: fleet.upstream.item_counts["traces"] > 50)
            second, = fleet.start_joined(io)
            fleet.balancer.deregister(first.name)
            assert first.stop() == 0
            time.sleep(0.5)
            otlp = second.receiver("otlp")
            assert otlp["ended_unknown"] == otlp["ended_malformed"] == 0
            assert otlp["ended_silent"] > 0  # checks
        fleet.stop()
        check_all(fleet, sdk.result, lines)
        for gateway in (first, second):
            gateway.check_books()
            assert [entry for entry in gateway.log() if entry["level"] in ("warn", "error")] == []


def check_all(fleet, result, lines):
    assert result["errors"] == []
    for signal in ("traces", "logs"):
        found = {(item.resource.SerializeToString(), item.value.attributes[0].value.int_value)
                 for item in fleet.upstream.accepted(signal)}
        assert len(found) == result["sent"] * len(result["senders"])
    sent, uncertain = (sum(getattr(load, name) for load in lines)
                       for name in ("sent_lines", "uncertain_lines"))
    assert sent - uncertain <= fleet.total(LineLoad.NAME) <= sent
    assert fleet.total(LineLoad.NAME) == sum(
        gateway.books()["items_folded"] for gateway in fleet.gateways)


def test_who_brings_no_header_is_turned_away(tmp_path, io):
    """Past the balancer, or with one that was not told."""
    with Fleet(tmp_path, listener={"check": "tcp"}, **KEYS) as fleet:
        gateway, = fleet.start_joined(io)
        for address in (gateway.host.address, fleet.address):
            with socket.create_connection((address, GRPC_PORT), timeout=10) as stream:
                stream.sendall(b"x:1|c\n")
                with contextlib.suppress(ConnectionResetError):
                    assert stream.recv(1) == b""
        wait_until(lambda: gateway.receiver("otlp")["ended_unknown"] == 2)
        fleet.stop()
        assert fleet.total("x") == 0
