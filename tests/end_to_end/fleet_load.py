# SPDX-License-Identifier: Apache-2.0
"""Clients of a fleet that go on until they are told to stop, and know exactly what they sent."""

import json
import pathlib
import select
import socket
import subprocess
import sys
import threading
import time

import otlp_clients
from fleet import GRPC_PORT, HTTP_PORT, LINES_PORT, STATSD_PORT

SDK_CLIENT = pathlib.Path(__file__).parent / "clients_python_otlp" / "steady_client.py"


class Background:
    """A thread that runs `self.run` until `stop`; what it raises comes out there."""

    def __init__(self):
        self.is_over = threading.Event()
        self.error = None
        self.thread = threading.Thread(target=self.guard, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.stop(is_checked=kind is None)

    def guard(self):
        try:
            self.run()
        except BaseException as error:  # noqa: BLE001 - it is raised again in stop()
            self.error = error

    def stop(self, is_checked=True):
        self.is_over.set()
        if self.thread.ident is not None:
            self.thread.join()
        if is_checked and self.error is not None:
            raise self.error


class DatagramLoad(Background):
    """Counters over UDP: clients that keep their socket, and one that never does."""

    NAME = "load.datagrams"

    def __init__(self, address, flows=12, per_datagram=10, pause=0.0004):
        super().__init__()
        self.address = (address, STATSD_PORT)
        self.per_datagram = per_datagram
        self.pause = pause
        self.sent_datagrams = 0
        self.datagram = "\n".join([f"{self.NAME}:1|c"] * per_datagram).encode()
        self.kept = [self.client() for _ in range(flows)]

    @property
    def sent_lines(self):
        return self.sent_datagrams * self.per_datagram

    def client(self):
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.connect(self.address)
        return made

    def run(self):
        while not self.is_over.is_set():
            for client in self.kept:
                client.send(self.datagram)
                self.sent_datagrams += 1
                time.sleep(self.pause)
            with self.client() as fresh:
                fresh.send(self.datagram)
                self.sent_datagrams += 1

    def stop(self, is_checked=True):
        super().stop(is_checked)
        for client in self.kept:
            client.close()


class LineLoad(Background):
    """Counters over one TCP connection at a time, which it leaves when told to go."""

    NAME = "load.lines"

    def __init__(self, address, port=LINES_PORT, pause=0.002):
        super().__init__()
        self.address = (address, port)
        self.pause = pause
        self.sent_lines = 0
        self.connections = 0
        self.breaks = []  # connections that did not end well: when, lines sent, error
        self.uncertain_lines = 0  # sent on those

    def run(self):
        while not self.is_over.is_set():
            count = 0
            try:
                with socket.create_connection(self.address, timeout=10) as stream:
                    self.connections += 1
                    while not self.is_over.is_set() and not is_told_to_go(stream):
                        stream.sendall(f"{self.NAME}:1|c\n".encode())
                        count += 1
                        time.sleep(self.pause)
                    finish(stream)
            except OSError as error:  # reset, or refused
                self.breaks.append((time.time(), count, repr(error)))
                self.uncertain_lines += count
                time.sleep(0.05)
            self.sent_lines += count


def is_told_to_go(stream):
    readable, _, _ = select.select([stream], [], [], 0)
    return bool(readable) and stream.recv(1) == b""


def finish(stream):
    """Everything was read when the other side has closed, too."""
    stream.shutdown(socket.SHUT_WR)
    while stream.recv(1000):
        pass


class SdkLoad:
    """The official Python SDK in a process of its own; see clients_python_otlp/steady_client.py."""

    def __init__(self, address, log_path, senders=2, pause_s=0.02):
        self.log_path = log_path
        self.command = {"grpc": f"http://{address}:{GRPC_PORT}",
                        "http": f"http://{address}:{HTTP_PORT}", "senders": senders,
                        "pause_s": pause_s}
        self.process = None
        self.result = None

    def __enter__(self):
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(SDK_CLIENT), json.dumps(self.command)], text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                env=otlp_clients.environment())
        assert self.process.stdout.readline() == "sending\n", self.log_path.read_text()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.process.kill()
            self.process.wait()
        else:
            self.stop()

    def stop(self, seconds=60):
        """Flushes. Keeps what the program says of itself, and returns it."""
        if self.result is None:
            text, _ = self.process.communicate(timeout=seconds)
            assert self.process.returncode == 0, self.log_path.read_text()
            self.result = json.loads(text)
        return self.result
