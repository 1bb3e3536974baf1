# SPDX-License-Identifier: Apache-2.0
"""Connections that would live for ever spread over a gateway that joined, because they age."""

import contextlib
import time

from fleet import Fleet, attributes
from fleet_load import LineLoad, SdkLoad
from weir_process import wait_until

ONE_BACKEND = True
AGE = "max_connection_age"
LINES_COUNT = 16
SENDERS_COUNT = 5  # of gRPC and of HTTP, with three connections each
CONNECTIONS = {"grpc": 3 * SENDERS_COUNT, "http": 3 * SENDERS_COUNT, "lines": LINES_COUNT}


def has_all(fleet):
    """Every client is connected. HTTP clients open a connection when they need one."""
    return all(len(fleet.balancer.connections(name)) >= count
               for name, count in CONNECTIONS.items())


def test_long_lived_clients_spread_over_a_new_gateway_within_two_ages(tmp_path, io, is_full):
    age_s = 30 if is_full else 3
    age = {AGE: f"{age_s}s"}
    keys = {"statsd": age, "http": age, "grpc": {"keepalive": {"server_parameters": age}}}
    with Fleet(tmp_path, **keys) as fleet:
        first, = fleet.start_joined(io)
        sdk = SdkLoad(fleet.address, tmp_path / "sdk.log", senders=SENDERS_COUNT, pause_s=0.05)
        lines = [LineLoad(fleet.address, pause=0.01) for _ in range(LINES_COUNT)]
        with contextlib.ExitStack() as loads:
            for load in (*lines, sdk):
                loads.enter_context(load)
            wait_until(lambda: has_all(fleet))
            second, = fleet.start_joined("uring")
            time.sleep(2 * age_s)
            check_ages(fleet, age_s)
            # Where a connection goes is drawn by lot, and all of a kind may draw the same.
            wait_until(lambda: is_spread(fleet, {first.name, second.name}), 4 * age_s,
                       what="clients of each kind on both")
        fleet.stop()
        for gateway in (first, second):
            assert gateway.books()["items_folded"] == fleet.total(LineLoad.NAME, gateway)
        check_nothing_happened(fleet, sdk, lines)


def check_ages(fleet, age_s):
    """No connection is older than an age, its jitter, and the time it takes to go.

    That is up to a second until the age is looked at, and what the client makes of it. What does
    not age is two ages old by now.
    """
    for name in CONNECTIONS:
        ages_ms = [one["age_ms"] for one in fleet.balancer.connections(name)]
        assert max(ages_ms, default=0) / 1000 < 1.1 * age_s + 2.5, (name, ages_ms)


def is_spread(fleet, names):
    """Each kind of client is on all of them."""
    return all({one["target"] for one in fleet.balancer.connections(kind)} == names
               for kind in CONNECTIONS)


def check_nothing_happened(fleet, sdk, lines):
    """No client noticed: nothing failed, nothing was cut, nothing is missing or there twice."""
    result = sdk.stop()
    assert result["errors"] == []
    for signal_name in ("traces", "logs"):
        found = [(attributes(item.resource)["service.name"],
                  item.value.attributes[0].value.int_value)
                 for item in fleet.upstream.accepted(signal_name)]
        wanted = [(sender, i) for sender in result["senders"] for i in range(result["sent"])]
        assert sorted(found) == sorted(wanted)
    assert [load.breaks for load in lines] == [[]] * LINES_COUNT
    assert fleet.total(LineLoad.NAME) == sum(load.sent_lines for load in lines)
    for name in ("grpc", "http", "lines"):
        for target in fleet.balancer.counts(name)["targets"].values():
            assert (target["refused_connections"], target["reset_connections"]) == (0, 0)
