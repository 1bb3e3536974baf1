# SPDX-License-Identifier: Apache-2.0
"""A remote write 1.0 endpoint that keeps every sample it accepts, and can be told to misbehave.

Snappy and protobuf are read here by hand, so that nothing is shared with what is under test.
"""

import struct
import time

import aws_signature
from aws_signature import Refusal
from otlp_sink import Sink, read_body

HEADS = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf",
         "X-Prometheus-Remote-Write-Version": "0.1.0"}


class RemoteWriteSink(Sink):
    """`script` holds (status, headers, text) for the next requests; `aws` verifies signatures."""

    def __init__(self, aws=None, limit=None):
        self.aws = aws
        self.limit = limit  # of the bytes of a request, before compression
        self.series = {}  # labels: [(milliseconds, value)] in the order they came
        self.metadata = []  # (type, name, help, unit)
        self.signed_for = set()  # (service, region) of the signatures
        self.problems = []
        self.always = None  # the answer once the script is over
        super().__init__()

    def __exit__(self, kind, *_):
        self.go_down()
        assert kind is not None or not self.problems, self.problems

    def answer(self, handler):
        body = read_body(handler)
        self.times.append(time.monotonic())
        if self.delay_s > 0:
            time.sleep(self.delay_s)
        with self.lock:
            self.check_heads(handler)
            status, headers, text = self.next_answer(handler, body)
            self.requests.append((handler.path, dict(handler.headers), status))
            if 200 <= status <= 299:
                self.take(unsnap(body))
        try:
            self.send(handler, status, headers, text.encode())
        except OSError:
            pass  # the client had enough of waiting

    def check_heads(self, handler):
        shown = {name: handler.headers.get(name) for name in HEADS}
        if shown != HEADS or not handler.headers["User-Agent"].startswith("weir/"):
            self.problems.append(dict(handler.headers))

    def next_answer(self, handler, body):
        if self.aws is not None:
            url = f"http://{handler.headers['Host']}{handler.path}"
            try:
                scope = aws_signature.verify("POST", url, handler.headers, body, self.aws.secrets,
                                             time.time())
            except Refusal as refusal:
                self.problems.append(str(refusal))
                return 403, {}, refusal.why
            self.signed_for.add((scope.service, scope.region))
        if self.script:
            return self.script.pop(0)
        return self.always or (204, {}, "")

    def take(self, request):
        if self.limit is not None and len(request) > self.limit:
            self.problems.append(f"a request of {len(request)} bytes")
        for number, field in fields(request):
            if number == 1:
                self.take_series(field)
            else:
                self.metadata.append(read_metadata(field))

    def take_series(self, series):
        labels, samples = [], []
        for number, field in fields(series):
            if number == 1:
                labels.append(tuple(text.decode() for _, text in fields(field)))
            elif number == 2:
                sample = dict(fields(field))
                samples.append((sample[2], sample[1]))
        if labels != sorted(labels) or len(dict(labels)) != len(labels):
            self.problems.append(labels)
        self.series.setdefault(tuple(labels), []).extend(samples)

    def values(self, name, label):
        """{value of the label: [values of its series' samples]} of a metric."""
        with self.lock:
            return {dict(labels)[label]: [value for _, value in samples]
                    for labels, samples in self.series.items()
                    if ("__name__", name) in labels and label in dict(labels)}

    def check_order(self):
        """No sample came before an older one, and none twice."""
        for labels, samples in self.series.items():
            assert all(a[0] < b[0] for a, b in zip(samples, samples[1:])), (labels, samples)

    def statuses(self):
        with self.lock:
            return [status for _, _, status in self.requests]


def read_metadata(message):
    found = dict(fields(message))
    return found.get(1, 0), *(found.get(number, b"").decode() for number in (2, 4, 5))


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def fields(message):
    """(number, value) of each field; fixed 64 bits are doubles."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            value, at = varint(message, at)
        elif tag & 7 == 1:
            value, at = struct.unpack_from("<d", message, at)[0], at + 8
        else:
            assert tag & 7 == 2, tag
            length, at = varint(message, at)
            value, at = message[at:at + length], at + length
            assert len(value) == length
        yield tag >> 3, value


def unsnap(block):
    """A snappy block as it was."""
    length, at = varint(block, 0)
    out = bytearray()
    while at < len(block):
        kind, at = block[at], at + 1
        if kind & 3 == 0:
            size = kind >> 2
            if size >= 60:
                extra = size - 59
                size, at = int.from_bytes(block[at:at + extra], "little"), at + extra
            out += block[at:at + size + 1]
            at += size + 1
            continue
        if kind & 3 == 1:
            size, offset, at = (kind >> 2 & 7) + 4, (kind >> 5) << 8 | block[at], at + 1
        else:
            extra = 2 if kind & 3 == 2 else 4
            size = (kind >> 2) + 1
            offset, at = int.from_bytes(block[at:at + extra], "little"), at + extra
        for _ in range(size):
            out.append(out[-offset])
    assert len(out) == length, (len(out), length)
    return bytes(out)
