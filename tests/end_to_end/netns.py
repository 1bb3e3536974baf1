# SPDX-License-Identifier: Apache-2.0
"""A small network of namespaces: one for the test and its clients, one with an address per host.

The namespaces have no names. They are held by descriptors of this process, so nothing is left of
them when it ends, however it ends, and tests that run side by side do not meet.
"""

import concurrent.futures
import contextlib
import ctypes
import os
import socket
import subprocess

CLONE_NEWNET = 0x40000000
HERE = "/proc/thread-self/ns/net"
libc = ctypes.CDLL(None, use_errno=True)


def check(result, what):
    """Where namespaces are refused a test fails: what it is there to show would go unseen."""
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def run(*command):
    subprocess.run(command, check=True)


def in_thread(function, *arguments):
    """A thread may change its namespace without anybody else noticing; it is gone afterwards."""
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


class Namespace:
    """An empty one; only its loopback is up."""

    def __init__(self):
        self.descriptor = in_thread(self.make)

    @staticmethod
    def make():
        check(libc.unshare(CLONE_NEWNET), "unshare")
        run("ip", "link", "set", "lo", "up")
        # Every datagram nobody listens for is answered: the answers are counted.
        with open("/proc/sys/net/ipv4/icmp_ratemask", "w", encoding="ascii") as mask:
            mask.write("0")
        return os.open(HERE, os.O_RDONLY)

    @property
    def path(self):
        return f"/proc/{os.getpid()}/fd/{self.descriptor}"

    @property
    def wrapper(self):
        """Put before a command, it runs in here."""
        return ["nsenter", f"--net={self.path}"]

    def call(self, function, *arguments):
        """function(*arguments) by a thread that is in here."""
        def inside():
            check(libc.setns(self.descriptor, CLONE_NEWNET), "setns")
            return function(*arguments)
        return in_thread(inside)

    def close(self):
        os.close(self.descriptor)


class Host:
    """A namespace with one address, plugged into the bridge of the network."""

    def __init__(self, address, name):
        self.address = address
        self.namespace = Namespace()
        port, inner = f"p{name}", f"i{name}"
        # The bridge takes the least address of its ports, so the first keeps the least. Otherwise it
        # would change, and hosts that were there would send to one that is nobody's for seconds.
        run("ip", "link", "add", port, "address", f"02:00:00:00:00:{name:02x}",
            "type", "veth", "peer", "name", inner)
        run("ip", "link", "set", inner, "netns", self.namespace.path)
        run("ip", "link", "set", port, "master", "bridge", "up")
        self.namespace.call(self.plug, inner)

    def plug(self, inner):
        run("ip", "link", "set", inner, "name", "eth0")
        run("ip", "address", "add", f"{self.address}/16", "dev", "eth0")
        run("ip", "link", "set", "eth0", "up")

    @property
    def wrapper(self):
        return self.namespace.wrapper

    def udp_counters(self):
        """The kernel's own: InDatagrams, NoPorts (nobody listened), RcvbufErrors …"""
        return self.namespace.call(read_udp_counters)

    def close(self):
        self.namespace.close()


def read_udp_counters():
    with open("/proc/thread-self/net/snmp", encoding="ascii") as table:
        names, values = [line.split()[1:] for line in table if line.startswith("Udp:")]
    return dict(zip(names, map(int, values), strict=True))


def read_interface_drops():
    """{name: (in, out)}: what the links of this thread's namespace lost, of those that lost any."""
    with open("/proc/thread-self/net/dev", encoding="ascii") as table:
        rows = [line.replace(":", " ").split() for line in list(table)[2:]]
    drops = {row[0]: (int(row[4]), int(row[12])) for row in rows}
    return {name: counts for name, counts in drops.items() if any(counts)}


class Network:
    """While entered, the calling thread and what it starts live at ADDRESS, beside its hosts."""

    ADDRESS = "10.77.0.1"

    def __init__(self):
        self.outside = None
        self.hosts = []
        self.early_drops = {}

    def __enter__(self):
        self.outside = os.open(HERE, os.O_RDONLY)
        check(libc.unshare(CLONE_NEWNET), "unshare")
        try:
            run("ip", "link", "set", "lo", "up")
            run("ip", "link", "add", "bridge", "type", "bridge")
            run("ip", "address", "add", f"{self.ADDRESS}/16", "dev", "bridge")
            run("ip", "link", "set", "bridge", "up")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for host in self.hosts:
            host.close()
        check(libc.setns(self.outside, CLONE_NEWNET), "setns")
        os.close(self.outside)

    def add_host(self):
        number = len(self.hosts) + 2
        host = Host(f"10.77.0.{number}", number)
        self.hosts.append(host)
        if host is self.hosts[0]:
            self.settle(host)
        return host

    def settle(self, host):
        """What is sent first over a new bridge may be dropped by it, and counted; then no more."""
        with contextlib.suppress(ConnectionRefusedError):  # nobody listens, and the host says so
            socket.create_connection((host.address, 1), timeout=30).close()
        self.early_drops = read_interface_drops()

    def interface_drops(self):
        """{address: drops} of those where a link lost any since there was a host."""
        own = read_interface_drops()
        drops = {self.ADDRESS: own if own != self.early_drops else {}}
        drops |= {host.address: host.namespace.call(read_interface_drops) for host in self.hosts}
        return {address: lost for address, lost in drops.items() if lost}
