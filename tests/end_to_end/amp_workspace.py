# SPDX-License-Identifier: Apache-2.0
"""A workspace of Amazon Managed Service for Prometheus: remote write 1.0, signed, or refused.

Every request is verified with botocore and taken apart by a reader of our own; what the service
would refuse is refused, and remembered in `violations`, which a good run leaves empty.
"""

import http.server
import math
import struct
import threading
import time

import aws_signature
from fake_aws import REGION

HOST = f"aps-workspaces.{REGION}.amazonaws.com"
PATH = "/workspaces/ws-0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9/api/v1/remote_write"
HEADERS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
           "X-Prometheus-Remote-Write-Version": "0.1.0"}
STALE = 0x7FF0000000000002


def varint(data, at):
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at += 1
        if data[at - 1] < 0x80:
            return value, at
        shift += 7


def literal(data, at, tag):
    length = tag >> 2
    if length >= 60:
        count = length - 59
        length, at = int.from_bytes(data[at:at + count], "little"), at + count
    return data[at:at + length + 1], at + length + 1


def copy_of(data, at, tag):
    """(offset, length, at) of a reference backwards."""
    if tag & 3 == 1:
        return tag >> 5 << 8 | data[at], 4 + (tag >> 2 & 7), at + 1
    count = 2 if tag & 3 == 2 else 4
    return int.from_bytes(data[at:at + count], "little"), (tag >> 2) + 1, at + count


def unsnap(data):
    """Snappy's block format."""
    size, at = varint(data, 0)
    out = bytearray()
    while at < len(data):
        tag, at = data[at], at + 1
        if tag & 3 == 0:
            piece, at = literal(data, at, tag)
            out += piece
            continue
        offset, length, at = copy_of(data, at, tag)
        assert 1 <= offset <= len(out)
        for _ in range(length):
            out.append(out[-offset])
    assert len(out) == size, (len(out), size)
    return bytes(out)


def fields(data):
    """(number, value) of a protobuf message; bytes, or an integer as it is on the wire."""
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            value, at = varint(data, at)
        elif key & 7 == 1:
            value, at = data[at:at + 8], at + 8
        else:
            assert key & 7 == 2, key
            length, at = varint(data, at)
            value, at = data[at:at + length], at + length
        yield key >> 3, value


def text_pair(data):
    pair = dict(fields(data))
    return pair.get(1, b"").decode(), pair.get(2, b"").decode()


def sample_of(data):
    """(value, time in ms), None for a value that marks the series stale."""
    sample = dict(fields(data))
    bits = sample.get(1, bytes(8))
    is_stale = int.from_bytes(bits, "little") == STALE
    return None if is_stale else struct.unpack("<d", bits)[0], sample.get(2, 0)


class Workspace:
    """Use as a context manager; `tls` is an ssl.SSLContext or None."""

    def __init__(self, secrets, tls=None, port=0, address="127.0.0.1"):
        self.secrets = secrets  # of a key id, as aws_signature wants them
        self.lock = threading.Lock()
        self.series = {}  # sorted pairs of labels: [(value, time in ms)]
        self.histogram_count = 0  # samples of native histograms
        self.scopes = set()
        self.request_count = 0
        self.violations = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                status, text = owner.take(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads = True
        if tls is not None:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    @property
    def port(self):
        return self.server.server_address[1]

    def take(self, path, headers, body):
        """(status, text) of the answer."""
        with self.lock:
            self.request_count += 1
            try:
                scope = aws_signature.verify("POST", f"https://{HOST}{path}", headers, body,
                                             self.secrets, time.time())
            except aws_signature.Refusal as refusal:
                self.violations.append(str(refusal))
                return 403, str(refusal)
            self.scopes.add((scope.service, scope.region))
            try:
                assert path == PATH, path
                for name, value in HEADERS.items():
                    assert headers.get(name) == value, (name, headers.get(name))
                self.store(unsnap(body))
            except (AssertionError, IndexError, ValueError) as error:
                self.violations.append(repr(error))
                return 400, repr(error)
        return 200, ""

    def store(self, request):
        for number, one in fields(request):
            if number == 1:
                self.store_series(one)

    def store_series(self, data):
        parts = list(fields(data))
        pairs = tuple(text_pair(value) for number, value in parts if number == 1)
        names = [name for name, _ in pairs]
        assert names == sorted(set(names)) and "__name__" in names, names
        assert all(value for _, value in pairs), pairs
        kept = self.series.setdefault(pairs, [])
        for number, value in parts:
            if number == 2:
                sample = sample_of(value)
                assert not kept or sample[1] >= kept[-1][1], f"out of order: {pairs}"
                kept.append(sample)
            self.histogram_count += number == 4

    def check(self):
        assert not self.violations, self.violations[:3]

    def values(self, name, **labels):
        """[(labels, last value that is none of staleness)] of the series of that name."""
        with self.lock:
            found = [(dict(pairs), [value for value, _ in samples if value is not None])
                     for pairs, samples in self.series.items()]
        return [(pairs, seen[-1]) for pairs, seen in found
                if seen and pairs["__name__"] == name and labels.items() <= pairs.items()
                and math.isfinite(seen[-1])]

    def names(self):
        with self.lock:
            return {dict(pairs)["__name__"] for pairs in self.series}
