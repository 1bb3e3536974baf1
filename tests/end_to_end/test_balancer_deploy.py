# SPDX-License-Identifier: Apache-2.0
"""Gateways that come and go under load: what reached one leaves it, and the rest is counted."""

import collections
import contextlib
import signal
import time

import pytest
from balancer import QUICK, REAL
from fleet import Fleet, attributes, number
from fleet_load import DatagramLoad, LineLoad, SdkLoad
from upstream import Answer
from weir_process import fetch_status, wait_until

ONE_BACKEND = True
# The settle time is two fifths of it: longer than the balancer goes on sending.
DRAIN = {False: "--drain-timeout=10s", True: "--drain-timeout=115s"}
# Who names a settle time gets all of it, even if nobody sends anything for half a second.
SETTLE = {False: ["--drain-timeout=15s", "--settle-time=6s"],
          True: ["--drain-timeout=115s", "--settle-time=46s"]}


def numbers_by_sender(fleet, signal_name):
    found = collections.defaultdict(collections.Counter)
    for item in fleet.upstream.accepted(signal_name):
        number_of = item.value.attributes[0].value.int_value
        found[attributes(item.resource)["service.name"]][number_of] += 1
    return found


def check_sdk(fleet, load, may_fail=False):
    """The SDK gave up on nothing, or on what it says; everything else it sent is upstream."""
    result = load.stop()
    assert may_fail or result["errors"] == [], load.log_path.read_text()
    assert result["exports"] > 0
    for signal_name in ("traces", "logs"):
        found = numbers_by_sender(fleet, signal_name)
        for sender in result["senders"]:
            wanted = set(range(result["sent"])) - set(
                result["failed"].get(f"{sender} {signal_name}", []))
            assert wanted <= set(found[sender]), (signal_name, sender, wanted - set(found[sender]))
    if result["errors"] == []:
        sums = collections.Counter()
        for item in fleet.upstream.accepted("metrics"):
            if item.metric.name == "steady.counter":
                sums[attributes(item.resource)["service.name"]] += number(item.value)
        # A repeated request may count twice; none may be missing.
        assert all(sums[sender] >= result["sent"] for sender in result["senders"]), (sums, result)


def check_lines(fleet, loads):
    """Only what was on its way while the balancer cut a connection may be missing."""
    sent, uncertain = (sum(getattr(load, name) for load in loads)
                       for name in ("sent_lines", "uncertain_lines"))
    found = fleet.total(LineLoad.NAME)
    assert sent - uncertain <= found <= sent, (sent, uncertain, found)
    breaks = [each for load in loads for each in load.breaks]
    cut = sum(target["reset_connections"] + target["refused_connections"]
              for target in fleet.balancer.counts("lines")["targets"].values())
    assert len(breaks) == cut, (breaks, fleet.balancer.counts("lines"))


def check_loss(fleet, load):
    """What is missing is what the balancer says nobody took. Returns how many lines."""
    lost = load.sent_lines - fleet.total(load.NAME)
    assert lost == fleet.balancer.to_nobody("statsd") * load.per_datagram
    return lost


def check_folded(fleet):
    """Line by line: what a gateway read went upstream from that gateway."""
    for gateway in fleet.gateways:
        folded = gateway.books()["items_folded"]
        assert folded == sum(fleet.total(name, gateway)
                             for name in (DatagramLoad.NAME, LineLoad.NAME)), gateway.name


def retire(fleet, gateway, round_number):
    """ECS stops a task: the balancer is told before, after, or not at all; it finds out."""
    if round_number % 3 == 0:
        fleet.balancer.deregister(gateway.name)
    gateway.signal(signal.SIGTERM)
    wait_until(lambda: fetch_status(f"{gateway.admin}/readyz")[0] == 503, what="readiness to go")
    if round_number % 3 == 1:
        time.sleep(0.3)
        fleet.balancer.deregister(gateway.name)


def test_rolling_deploy_loses_nothing(tmp_path, io, is_full):
    """Three times over: a new gateway joins, the oldest is stopped, everybody goes on sending."""
    backends = [io] * 3 if is_full else ["uring", "epoll", "uring"]
    with Fleet(tmp_path, REAL if is_full else QUICK, SETTLE[is_full]) as fleet:
        running = fleet.start_joined(io, "uring")
        datagrams = DatagramLoad(fleet.address)
        lines = [LineLoad(fleet.address) for _ in range(3)]
        sdk = SdkLoad(fleet.address, tmp_path / "sdk.log")
        with contextlib.ExitStack() as loads:
            for load in (datagrams, *lines, sdk):
                loads.enter_context(load)
            for round_number, backend in enumerate(backends):
                running += fleet.start_joined(backend)
                oldest = running.pop(0)
                retire(fleet, oldest, round_number)
                assert oldest.wait(120) == 0, oldest.log_text()
        fleet.stop(120)
        for gateway in fleet.gateways:
            gateway.check_books()
        check_sdk(fleet, sdk)
        check_lines(fleet, lines)
        assert not any(target["refused_connections"]
                       for target in fleet.balancer.counts("lines")["targets"].values())
        check_folded(fleet)
        fleet.check_datagrams(datagrams.per_datagram, datagrams.NAME)
        assert check_loss(fleet, datagrams) == 0
        assert fleet.check_one_writer() == 5


def stop_under_load(fleet, gateway, load):
    fleet.balancer.deregister(gateway.name)
    assert gateway.stop() == 0
    wait_until(lambda: fleet.balancer.states(gateway.name) == {"absent"})
    time.sleep(0.3)
    load.stop()


def test_datagrams_are_lost_where_the_balancer_sent_them_to_nobody(tmp_path, io):
    """A gateway whose time is too short: the balancer goes on for three seconds, it for one."""
    with Fleet(tmp_path, QUICK, ["--drain-timeout=10s", "--settle-time=1s"]) as fleet:
        old, _ = fleet.start_joined(io, "uring")
        with DatagramLoad(fleet.address) as load:
            wait_until(lambda: fleet.balancer.counts("statsd")["datagrams"] > 500)
            stop_under_load(fleet, old, load)
        fleet.stop()
        fleet.check_datagrams(load.per_datagram, load.NAME)
        assert check_loss(fleet, load) > 0


@pytest.mark.sanitized
def test_scale_out_and_in_loses_what_nobody_took(tmp_path, io, is_full):
    """From one gateway to three and back to one; all of them had their share.

    A gateway that only strays of old flows still reach is gone after half a second of silence.
    """
    with Fleet(tmp_path, REAL if is_full else QUICK, [DRAIN[is_full]]) as fleet:
        first, = fleet.start_joined(io)
        with DatagramLoad(fleet.address) as datagrams, LineLoad(fleet.address) as lines:
            wait_until(lambda: datagrams.sent_datagrams > 500)
            second, _ = fleet.start_joined("uring", "epoll")
            wait_until(lambda: all(
                fleet.balancer.counts("statsd")["targets"][gateway.name]["datagrams"] > 20
                for gateway in fleet.gateways))
            for gateway in (first, second):
                fleet.balancer.deregister(gateway.name)
                gateway.signal(signal.SIGTERM)
            for gateway in (first, second):
                assert gateway.wait(120) == 0
                gateway.check_books()
        fleet.stop()
        fleet.check_datagrams(datagrams.per_datagram, datagrams.NAME)
        check_loss(fleet, datagrams)
        check_lines(fleet, [lines])
        check_folded(fleet)
        assert fleet.check_one_writer() == 3


def test_a_killed_gateway_takes_only_what_it_held(tmp_path, io):
    """kill -9: its open window, what the balancer goes on sending it, and no answered request."""
    exporter = {"sending_queue": {"enabled": False}}  # a request is answered by the upstream
    with Fleet(tmp_path, QUICK, exporter=exporter) as fleet:
        fleet.upstream.always = Answer(delay_s=0.2)  # so that there is something under way
        killed, *others = fleet.start_joined(io, "uring", "epoll")
        datagrams = DatagramLoad(fleet.address)
        with datagrams, SdkLoad(fleet.address, tmp_path / "sdk.log") as sdk:
            wait_until(lambda: fleet.upstream.item_counts["traces"] > 50)
            before = fleet.balancer.counts("statsd")["targets"][killed.name]["datagrams"]
            wait_until(lambda: fleet.total(datagrams.NAME, killed) >=
                       before * datagrams.per_datagram, what="their delivery")
            killed.kill()
            fleet.join(fleet.start(io))
            fleet.balancer.wait_for_state(killed.name, "unhealthy")
            time.sleep(QUICK["unhealthy_linger_ms"] / 1000 + 0.3)
        fleet.stop()
        check_killed(fleet, killed, others, before, datagrams)
        check_sdk(fleet, sdk, may_fail=True)
        assert fleet.check_one_writer() == 4


def check_killed(fleet, killed, others, before, datagrams):
    fleet.check_datagrams(datagrams.per_datagram, datagrams.NAME, without=[killed])
    per_datagram = datagrams.per_datagram
    counts = fleet.balancer.counts("statsd")["targets"][killed.name]
    reached = counts["datagrams"] - counts["refused_datagrams"]
    delivered = fleet.total(datagrams.NAME, killed)
    assert before * per_datagram <= delivered <= reached * per_datagram
    assert counts["refused_datagrams"] > 0
    lost = datagrams.sent_lines - fleet.total(datagrams.NAME)
    held = reached * per_datagram - delivered
    assert lost == fleet.balancer.to_nobody("statsd") * per_datagram + held
    assert all(fleet.total(datagrams.NAME, other) > 0 for other in others)
