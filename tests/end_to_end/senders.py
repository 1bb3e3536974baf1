# SPDX-License-Identifier: Apache-2.0
"""What plain programs send: datagrams, streams, and a thread that keeps sending."""

import socket
import struct
import threading
import time


def send_udp(port, lines, per_datagram=20, family=socket.AF_INET, pause=0.0005):
    """Sends lines in datagrams, slowly enough for any receive buffer."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    send_datagrams((host, port), lines, per_datagram, family, pause)


def send_bytes(port, datagram, pause=0.0005):
    """One datagram as it is."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(datagram, ("127.0.0.1", port))
    time.sleep(pause)


def send_unixgram(path, lines, per_datagram=20):
    send_datagrams(str(path), lines, per_datagram, socket.AF_UNIX, 0)


def send_datagrams(address, lines, per_datagram, family, pause):
    with socket.socket(family, socket.SOCK_DGRAM) as sender:
        sender.connect(address)
        for first in range(0, len(lines), per_datagram):
            sender.send("\n".join(lines[first:first + per_datagram]).encode())
            if pause:
                time.sleep(pause)


def connect(address):
    """A stream to a port on loopback, or to a path."""
    if isinstance(address, int):
        return socket.create_connection(("127.0.0.1", address), timeout=10)
    stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    stream.settimeout(10)
    stream.connect(str(address))
    return stream


def send_stream(address, *pieces, pause=0.05):
    """Sends the pieces one by one, so that each arrives by itself, and closes."""
    with connect(address) as stream:
        for index, piece in enumerate(pieces):
            if index > 0:
                time.sleep(pause)
            stream.sendall(piece)


def framed(*packets):
    """DogStatsD's stream: each packet behind its length."""
    return b"".join(struct.pack("<I", len(packet)) + packet for packet in packets)


class Load:
    """Counters from one UDP socket until told to stop; knows how many lines it sent."""

    def __init__(self, port, name="load", per_datagram=10, pause=0.0005):
        self.sent_lines = 0
        self.sent_datagrams = 0
        self.refused_datagrams = 0
        self.pause = pause
        self.per_datagram = per_datagram
        self.datagram = "\n".join([f"{name}:1|c"] * per_datagram).encode()
        self.is_over = threading.Event()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.connect(("127.0.0.1", port))
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.is_over.set()
        self.thread.join()
        self.socket.close()

    def run(self):
        while not self.is_over.is_set():
            try:
                self.socket.send(self.datagram)
            except ConnectionRefusedError:  # an earlier one, answered by ICMP
                self.refused_datagrams += 1
                continue
            self.sent_datagrams += 1
            self.sent_lines += self.per_datagram
            time.sleep(self.pause)
