# SPDX-License-Identifier: Apache-2.0
"""The load balancer that the other tests judge by: its flows, its patience, and its counts."""

import contextlib
import socket
import threading
import time

import pytest
from balancer import Balancer
from netns import Network
from weir_process import wait_until

UDP_PORT, TCP_PORT, CHECK_PORT = 8125, 4317, 13133
HOUR_MS = 3_600_000  # longer than any test: what is set to it does not end by itself
# Between bursts: until a neighbour's address is known, and on their way from one host to another,
# the kernel keeps some hundred datagrams and drops the others.
PAUSE_S = 0.002
SO_RCVBUFFORCE = 33  # not among Python's
PROXY_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


class Target:
    """A host that answers checks, and keeps what comes on the two other ports."""

    def __init__(self, host):
        self.address = host.address
        self.host = host
        self.is_well = True
        self.datagrams = []
        self.streams = []
        self.checks = []
        self.udp = host.namespace.call(self.bind, socket.SOCK_DGRAM, UDP_PORT)
        self.tcp = host.namespace.call(self.bind, socket.SOCK_STREAM, TCP_PORT)
        self.http = host.namespace.call(self.bind, socket.SOCK_STREAM, CHECK_PORT)
        self.reader = threading.Thread(target=self.keep_datagrams, daemon=True)
        self.reader.start()
        for serve in (self.keep_streams, self.answer_checks):
            threading.Thread(target=serve, daemon=True).start()

    def bind(self, kind, port):
        bound = socket.socket(socket.AF_INET, kind)
        bound.bind((self.address, port))
        bound.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        if kind == socket.SOCK_STREAM:
            bound.listen()
        return bound

    def keep_datagrams(self):
        while datagram := self.udp.recv(65536):
            self.datagrams.append(datagram)

    def keep_streams(self):
        while True:
            try:
                stream, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.echo, args=(stream,), daemon=True).start()

    def echo(self, stream):
        """Sends back what came once the other side is through, in capitals."""
        read = b""
        with stream, contextlib.suppress(ConnectionResetError):
            while piece := stream.recv(65536):
                read += piece
            self.streams.append(read)
            stream.sendall(read.upper())

    def answer_checks(self):
        while True:
            connection, _ = self.http.accept()
            status = "200 OK" if self.is_well else "503 Service Unavailable"
            with connection, contextlib.suppress(ConnectionError):  # a check that took too long
                self.checks.append(connection.recv(1000))
                connection.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    def stop_listening(self):
        for bound in (self.udp, self.tcp):
            with contextlib.suppress(OSError):  # not connected; it wakes the reader all the same
                bound.shutdown(socket.SHUT_RDWR)
            if bound is self.udp:
                self.reader.join()  # while it reads, the port is still taken
            bound.close()


@pytest.fixture
def network():
    with Network() as running:
        yield running


@pytest.fixture
def balancer(network):
    with Balancer(network.add_host()) as running:
        yield running
        running.check()


@pytest.fixture
def targets(network, balancer):
    """Three targets behind two listeners, all of them healthy."""
    balancer.listen("udp", "udp", UDP_PORT, CHECK_PORT)
    balancer.listen("tcp", "tcp", TCP_PORT, CHECK_PORT)
    made = [Target(network.add_host()) for _ in range(3)]
    for i, target in enumerate(made):
        balancer.register(f"t{i}", target.address)
    for i in range(3):
        balancer.wait_for_state(f"t{i}", "healthy")
    return made


def udp_client(balancer):
    client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    client.connect((balancer.address, UDP_PORT))
    return client


def exchange(balancer, words):
    with socket.create_connection((balancer.address, TCP_PORT), timeout=10) as stream:
        stream.sendall(words)
        stream.shutdown(socket.SHUT_WR)
        read = b""
        while piece := stream.recv(65536):
            read += piece
        return read


def test_a_datagram_flow_stays_and_flows_spread(balancer, targets):
    clients = [udp_client(balancer) for _ in range(30)]
    for round_number in range(20):
        for i, client in enumerate(clients):
            client.send(f"{i} {round_number}".encode())
        time.sleep(PAUSE_S)
    wait_until(lambda: sum(len(target.datagrams) for target in targets) == 600)
    homes = [{datagram.split()[0] for datagram in target.datagrams} for target in targets]
    assert all(homes) and sum(map(len, homes)) == 30  # each client in exactly one place
    counts = balancer.counts("udp")
    assert counts["datagrams"] == 600 and balancer.to_nobody("udp") == 0
    for i, target in enumerate(targets):
        of_target = counts["targets"][f"t{i}"]
        assert of_target["datagrams"] == len(target.datagrams)
        assert of_target["datagram_bytes"] == sum(map(len, target.datagrams))
        assert of_target["flows"] == len(homes[i])


def test_streams_go_through_in_both_directions_with_their_ends(balancer, targets):
    words = b"abcdefgh" * 50_000
    for _ in range(40):
        assert exchange(balancer, words) == words.upper()
    counts = balancer.counts("tcp")
    assert counts["connections"] == 40
    assert all(target.streams for target in targets)
    assert sum(one["bytes_to_target"] for one in counts["targets"].values()) == 40 * len(words)
    assert sum(one["bytes_to_client"] for one in counts["targets"].values()) == 40 * len(words)
    wait_until(lambda: balancer.connections() == [])


def test_every_datagram_that_nobody_takes_is_counted(balancer, targets):
    """By the answer of the host, which keeps a count of its own."""
    clients = [udp_client(balancer) for _ in range(30)]
    for client in clients:
        client.send(b"taken")
    wait_until(lambda: sum(len(target.datagrams) for target in targets) == 30)
    targets[0].stop_listening()
    for _ in range(50):
        for client in clients:
            client.send(b"perhaps")
        time.sleep(PAUSE_S)
    wait_until(lambda: balancer.counts("udp")["datagrams"] == 30 * 51)

    def refused():
        return targets[0].host.udp_counters()["NoPorts"]

    wait_until(lambda: sum(len(target.datagrams) for target in targets) == 30 * 51 - refused())
    assert refused() > 0 and refused() % 50 == 0
    wait_until(lambda: balancer.to_nobody("udp") == refused())


def test_datagrams_without_any_target_are_counted(balancer):
    balancer.listen("udp", "udp", UDP_PORT, CHECK_PORT)
    client = udp_client(balancer)
    for _ in range(10):
        client.send(b"lost")
    wait_until(lambda: balancer.counts("udp")["nobody_datagrams"] == 10)


def stream_to(balancer, name):
    """A connection that the balancer gave that target."""
    while True:
        stream = socket.create_connection((balancer.address, TCP_PORT), timeout=10)
        client = "%s:%d" % stream.getsockname()
        found = wait_until(lambda: [one for one in balancer.connections()
                                    if one["client"] == client])
        if found[0]["target"] == name:
            return stream
        stream.close()


def home_of(targets):
    return next(i for i, target in enumerate(targets) if target.datagrams)


def test_a_failed_target_gets_traffic_for_a_while_and_then_none(balancer, targets):
    balancer.tell("set", unhealthy_linger_ms=HOUR_MS)
    client = udp_client(balancer)
    client.send(b"first")
    wait_until(lambda: any(target.datagrams for target in targets))
    home = home_of(targets)
    targets[home].is_well = False
    balancer.wait_for_state(f"t{home}", "unhealthy")
    failed = time.monotonic()
    for _ in range(50):
        client.send(b"still")
        time.sleep(0.01)
    wait_until(lambda: sum(len(target.datagrams) for target in targets) == 51)
    assert len(targets[home].datagrams) == 51
    balancer.tell("set", unhealthy_linger_ms=800)
    time.sleep(max(0, failed + 1 - time.monotonic()))
    count = len(targets[home].datagrams)
    for _ in range(10):
        client.send(b"elsewhere")
    wait_until(lambda: sum(len(t.datagrams) for i, t in enumerate(targets) if i != home) == 10)
    assert len(targets[home].datagrams) == count


def test_a_deregistered_target_keeps_its_flows_for_the_delay(balancer, targets):
    balancer.tell("set", deregistered_linger_ms=0, deregistration_delay_ms=HOUR_MS)
    old = udp_client(balancer)
    old.send(b"old")
    wait_until(lambda: any(target.datagrams for target in targets))
    home = home_of(targets)
    stream = stream_to(balancer, f"t{home}")
    balancer.deregister(f"t{home}")
    old.send(b"old")
    for _ in range(30):
        with udp_client(balancer) as fresh:
            fresh.send(b"new")
    wait_until(lambda: sum(len(target.datagrams) for target in targets) == 32)
    assert targets[home].datagrams == [b"old", b"old"]
    assert balancer.counts("tcp")["targets"][f"t{home}"]["reset_connections"] == 0
    balancer.tell("set", deregistration_delay_ms=800)
    with pytest.raises(ConnectionResetError):  # once the delay is over
        stream.recv(1)
    old.send(b"old")
    wait_until(lambda: sum(len(target.datagrams) for target in targets) == 33)
    assert targets[home].datagrams == [b"old", b"old"]
    assert balancer.counts("tcp")["targets"][f"t{home}"]["reset_connections"] == 1


def test_while_nobody_is_healthy_everybody_gets_traffic(balancer, targets):
    balancer.tell("set", unhealthy_linger_ms=0)
    for target in targets:
        target.is_well = False
    for i in range(3):
        balancer.wait_for_state(f"t{i}", "unhealthy")
    for _ in range(30):
        with udp_client(balancer) as client:
            client.send(b"anyway")
    wait_until(lambda: sum(len(target.datagrams) for target in targets) == 30)
    assert all(target.datagrams for target in targets)
    assert exchange(balancer, b"anyway") == b"ANYWAY"


def test_an_idle_flow_is_forgotten(balancer, targets):
    balancer.tell("set", udp_idle_ms=HOUR_MS)
    client = udp_client(balancer)
    client.send(b"x")
    def flow_count():
        return sum(one["flows"] for one in balancer.counts("udp")["targets"].values())
    wait_until(lambda: flow_count() == 1)
    balancer.tell("set", udp_idle_ms=300)
    wait_until(lambda: flow_count() == 0)


def test_a_refused_connection_is_a_reset_one(balancer, targets):
    for target in targets:
        target.stop_listening()
    # Nothing is sent: the reset may come at any moment, and is seen by whoever looks next.
    with pytest.raises(ConnectionResetError), \
            socket.create_connection((balancer.address, TCP_PORT), timeout=10) as stream:
        stream.recv(1)
    assert sum(one["refused_connections"]
               for one in balancer.counts("tcp")["targets"].values()) == 1


def test_proxy_header_comes_first_and_says_local_for_checks(network, balancer):
    balancer.listen("tcp", "tcp", TCP_PORT, CHECK_PORT, is_proxied=True, is_check_proxied=True)
    target = Target(network.add_host())
    balancer.register("t0", target.address)
    balancer.wait_for_state("t0", "healthy")
    with socket.create_connection((balancer.address, TCP_PORT), timeout=10) as stream:
        stream.sendall(b"hello")
        port = stream.getsockname()[1]
        stream.shutdown(socket.SHUT_WR)
        assert stream.recv(100).endswith(b"HELLO")
    wanted = PROXY_SIGNATURE + b"\x21\x11\x00\x18" + socket.inet_aton(network.ADDRESS) + \
        socket.inet_aton(balancer.address) + port.to_bytes(2) + TCP_PORT.to_bytes(2) + \
        b"\xea\x00\x09\x01vpce-012" + b"hello"
    assert target.streams == [wanted]
    assert all(seen.startswith(PROXY_SIGNATURE + b"\x20\x00\x00\x00GET / HTTP/1.1\r\n")
               for seen in target.checks)


def test_a_plain_check_connects_and_closes(network, balancer):
    balancer.listen("tcp", "tcp", TCP_PORT, TCP_PORT, check="tcp")
    target = Target(network.add_host())
    balancer.register("t0", target.address)
    balancer.wait_for_state("t0", "healthy")
    wait_until(lambda: len(target.streams) >= 2)
    assert set(target.streams) == {b""}
    target.stop_listening()
    balancer.wait_for_state("t0", "unhealthy")


def test_twenty_thousand_datagrams_a_second_go_through(network, balancer, targets):
    """At full speed of one sender, so that what was lost on the way would show."""
    count = 20_000
    clients = [udp_client(balancer) for _ in range(8)]
    datagram = b"x" * 400
    for i in range(count):
        clients[i % 8].send(datagram)
        if i % 40 == 0:
            time.sleep(0.001)
    wait_until(lambda: balancer.counts("udp")["datagrams"] == count)
    assert balancer.to_nobody("udp") == 0
    sent = {name: one["datagrams"] for name, one in balancer.counts("udp")["targets"].items()}
    assert sum(sent.values()) == count
    for i, target in enumerate(targets):
        def judged(host=target.host):
            taken = host.udp_counters()  # what was read, and what there was no room for
            return taken["InDatagrams"] + taken["RcvbufErrors"]
        wait_until(lambda: judged() == sent[f"t{i}"], what=f"the datagrams of t{i}")
    assert network.interface_drops() == {}
