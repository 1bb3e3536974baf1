# SPDX-License-Identifier: Apache-2.0
"""The load balancer of tests/support/balancer, on a host of its own."""

import json
import os
import pathlib
import subprocess

from weir_process import BINARY, wait_until

BALANCER = os.environ.get("WEIR_BALANCER") or str(
    pathlib.Path(BINARY).resolve().parents[2] / "tests/support/balancer/weir-balancer")

# AWS's times at a tenth and less; what lies between them keeps its order.
QUICK = {"udp_idle_ms": 6000, "check_interval_ms": 100, "check_timeout_ms": 1000,
         "healthy_threshold": 2, "unhealthy_threshold": 2, "unhealthy_linger_ms": 1500,
         "deregistered_linger_ms": 1500, "deregistration_delay_ms": 3000, "is_terminating": 1}
# AWS's own, with the shortest interval there is. The delay is ECS's users' to set.
REAL = {"udp_idle_ms": 120_000, "check_interval_ms": 5000, "check_timeout_ms": 4000,
        "healthy_threshold": 2, "unhealthy_threshold": 2, "unhealthy_linger_ms": 30_000,
        "deregistered_linger_ms": 30_000, "deregistration_delay_ms": 40_000,
        "is_terminating": 1}


class Balancer:
    """`settings` are those of control.h; listeners come with `listen`, targets afterwards."""

    def __init__(self, host, settings=None):
        self.address = host.address
        assert os.path.exists(BALANCER), f"{BALANCER} is not built"
        self.process = subprocess.Popen([*host.wrapper, BALANCER, host.address],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.tell("set", **(QUICK if settings is None else settings))

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.process.stdin.close()
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        assert kind is not None or code == 0

    def tell(self, do, **keys):
        self.process.stdin.write(json.dumps({"do": do, **keys}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"error": "ended"}')
        assert answer.get("is_done"), answer
        return answer

    def listen(self, name, protocol, port, check_port, **keys):
        self.tell("listen", name=name, protocol=protocol, port=port, target_port=port,
                  check_port=check_port, **keys)

    def register(self, name, address):
        self.tell("register", target=name, address=address)

    def deregister(self, name):
        self.tell("deregister", target=name)

    def counts(self, listener=None):
        listeners = self.tell("counts")["listeners"]
        return listeners if listener is None else listeners[listener]

    def of_target(self, name):
        """One target's counters, by listener."""
        return {listener: counts["targets"][name] for listener, counts in self.counts().items()}

    def states(self, name):
        return {counts["state"] for counts in self.of_target(name).values()}

    def wait_for_state(self, name, state, seconds=60):
        wait_until(lambda: self.states(name) == {state}, seconds,
                   what=f"{name} to be {state} for the balancer")

    def connections(self, listener=None):
        return [one for one in self.tell("connections")["connections"]
                if listener in (None, one["listener"])]

    def to_nobody(self, listener):
        """Datagrams there was no target for, and those a target's host answered nobody took."""
        counts = self.counts(listener)
        return counts["nobody_datagrams"] + sum(
            target["refused_datagrams"] for target in counts["targets"].values())

    def check(self):
        """It lost nothing of its own: every datagram went to a target, or to nobody."""
        for counts in self.counts().values():
            targets = counts["targets"].values()
            assert counts["overrun_datagrams"] == 0, counts
            assert sum(target["failed_datagrams"] for target in targets) == 0, counts
            assert counts["datagrams"] == counts["nobody_datagrams"] + sum(
                target["datagrams"] for target in targets), counts
