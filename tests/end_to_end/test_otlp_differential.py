# SPDX-License-Identifier: Apache-2.0
"""Random requests, good and broken: weir, the strict reader in otlp_wire.py and protobuf agree.

The strict reader decides; where Python's protobuf says something else, DISAGREEMENTS says why.
"""

import collections
import json
import random

import otlp_json
import otlp_wire
import pytest
from google.protobuf.message import DecodeError
from h1_client import JSON, H1Client
from otlp_items import REQUESTS, SIGNALS, items_of
from otlp_random import mutated, odd_bytes, random_request
from settings import otlphttp
from upstream_http import HttpUpstream, RawUpstream
from weir_process import wait_until

ONE_BACKEND = True

COUNT = 400  # of each signal and kind
FULL_FACTOR = 25

# What the strict reader refuses and Python accepts.
REFUSED_HERE_ONLY = {"wrong wire type", "length of an id", "depth"}
# What the strict reader accepts and Python refuses.
ACCEPTED_HERE_ONLY = {"text that is not UTF-8", "tag of more than five bytes"}


def span(fields):
    """A request with one span of these bytes."""
    for number in (2, 2, 1):  # span in scope in resource in request
        fields = bytes([number << 3 | 2]) + varint_length(fields) + fields
    return fields


def varint_length(data):
    assert len(data) < 1 << 14
    return bytes([len(data)]) if len(data) < 128 else bytes([len(data) & 0x7F | 0x80,
                                                             len(data) >> 7])


def nested(depth):
    """A span attribute whose value is an array in an array in …; `depth` messages in all."""
    value = b""
    for level in reversed(range(depth - 6)):  # request, resource, scope, span, pair, value
        value = (b"\x0a" if level % 2 else b"\x2a") + varint_length(value) + value
    value = b"\x12" + varint_length(value) + value
    return span(b"\x4a" + varint_length(value) + value)


# One vector for each rule of the Collector's decoder: bytes, is it accepted, does Python accept it.
DISAGREEMENTS = {
    "known field of another wire type": (b"\x08\x01", False, True),
    "known field of a span of another wire type": (span(b"\x2d\0\0\0\0"), False, True),
    "trace id of fifteen bytes": (span(b"\x0a\x0f" + bytes(range(15))), False, True),
    "span id of nine bytes": (span(b"\x12\x09" + bytes(range(9))), False, True),
    "parent id of one byte": (span(b"\x22\x01a"), False, True),
    "id of a link that is too short": (span(b"\x6a\x03\x0a\x01a"), False, True),
    "name that is not UTF-8": (span(b"\x2a\x02\xff\xfe"), True, False),
    "attribute key that is not UTF-8": (span(b"\x4a\x03\x0a\x01\xc0"), True, False),
    "messages too deep": (nested(otlp_wire.DEPTH_MAX + 1), False, True),
    "tag of six bytes": (span(b"\xd0\x80\x80\x80\x80\x00\x01"), True, False),
}
AGREEMENTS = {
    "nothing": (b"", True), "an empty resource": (b"\x0a\x00", True),
    "an empty span": (span(b""), True),
    "messages as deep as may be": (nested(otlp_wire.DEPTH_MAX), True),
    "bits beyond 64 in a varint": (span(b"\x50" + b"\xff" * 9 + b"\x7f"), True),
    "ids of no bytes": (span(b"\x0a\0\x12\0\x22\0"), True),
    "ids of zeroes": (span(b"\x0a\x10" + bytes(16) + b"\x12\x08" + bytes(8)), True),
    "unknown fields of every wire type": (
        span(b"\x98\x06\x01\x99\x06" + bytes(8) + b"\x9a\x06\x01a\x9d\x06" + bytes(4)), True),
    "unknown group": (span(b"\x9b\x06\x08\x01\x9c\x06"), True),
    "unknown group in a group, and an empty one": (
        span(b"\x9b\x06\xa3\x06\xa4\x06\x9c\x06\x2a\x01n"), True),
    "group that does not end": (span(b"\x9b\x06\x08\x01"), False),
    "group that ends as another": (span(b"\x9b\x06\xa4\x06"), False),
    "end of no group": (span(b"\x9c\x06"), False),
    "unknown enum number": (span(b"\x30\x7f"), True),
    "field number zero": (span(b"\x02\x00"), False),
    "wire type six": (span(b"\x9e\x06"), False), "wire type seven": (span(b"\x9f\x06"), False),
    "length beyond the end": (b"\x0a\x01", False), "length of 2^63": (
        b"\x0a" + b"\x80" * 9 + b"\x01", False),
    "varint of eleven bytes": (span(b"\x50" + b"\xff" * 10 + b"\x01"), False),
    "varint without an end": (b"\x0a\xff", False), "tag without a value": (b"\x0a", False),
    "attributes under tags longer than need be, the second one empty": (
        span(b"\xca\x00\x09\x0a\x01k\x12\x04\x0a\x02vw\xca\x00\x00"), True),
    "name twice": (span(b"\x2a\x01a\x2a\x01b"), True),
    "status twice": (span(b"\x7a\x02\x18\x02\x7a\x03\x12\x01m"), True),
    "value twice, of two kinds": (span(b"\x4a\x09\x0a\x01k\x12\x04\x18\x05\x10\x01"), True),
}


@pytest.fixture
def raw_upstream():
    with RawUpstream() as running:
        yield running


def strict_verdict(signal, data):
    """(tree or None, reason, notes)."""
    try:
        tree, notes = otlp_wire.read(signal, data)
        return tree, None, notes
    except otlp_wire.Refused as refusal:
        return None, str(refusal), set()


def is_accepted_by_python(signal, data):
    try:
        REQUESTS[signal].FromString(data)
        return True
    except DecodeError:
        return False


def check_oracles(signal, data):
    """The strict reader and Python agree, or it is known why not; gives the tree or None."""
    tree, reason, notes = strict_verdict(signal, data)
    accepts = is_accepted_by_python(signal, data)
    if tree is None and accepts:
        assert reason in REFUSED_HERE_ONLY, (reason, data.hex())
    if tree is not None and not accepts:
        assert notes & ACCEPTED_HERE_ONLY, (notes, data.hex())
    return tree


def corpus(seed, signal, count):
    """Valid, odd and broken requests in turn."""
    source = random.Random(f"{seed} {signal}")
    for _ in range(count):
        request = random_request(source, signal)
        yield request.SerializeToString()
        odd = odd_bytes(source, request)
        yield odd
        yield mutated(source, odd)


def is_canonical(data, signal):
    """Whether protobuf reads the same content: its own bytes of it mean the same here."""
    wanted = collections.Counter(otlp_wire.items(signal, otlp_wire.read(signal, data)[0]))
    again = REQUESTS[signal].FromString(data).SerializeToString()
    return wanted == collections.Counter(otlp_wire.items(
        signal, otlp_wire.read(signal, again)[0]))


# --- the oracles among themselves -----------------------------------------------------------------

@pytest.mark.parametrize("name", DISAGREEMENTS)
def test_vector_on_which_the_oracles_disagree(name):
    data, is_valid, is_python = DISAGREEMENTS[name]
    assert (strict_verdict("traces", data)[0] is not None) == is_valid
    assert is_accepted_by_python("traces", data) == is_python


@pytest.mark.parametrize("name", AGREEMENTS)
def test_vector_on_which_the_oracles_agree(name):
    data, is_valid = AGREEMENTS[name]
    assert (strict_verdict("traces", data)[0] is not None) == is_valid
    assert is_accepted_by_python("traces", data) == is_valid


@pytest.mark.parametrize("signal", SIGNALS)
def test_oracles_read_the_same(signal):
    verdicts = collections.Counter()
    for data in corpus(1, signal, 150):
        tree = check_oracles(signal, data)
        verdicts[tree is not None] += 1
        if tree is not None and is_accepted_by_python(signal, data):
            assert is_canonical(data, signal), data.hex()
    assert min(verdicts[True], verdicts[False]) > 50, verdicts


# --- weir -----------------------------------------------------------------------------------------

def test_vectors(start_otlp, raw_upstream):
    cases = {**AGREEMENTS, **{name: case[:2] for name, case in DISAGREEMENTS.items()}}
    wrong = []
    with start_otlp({"otlphttp": otlphttp(raw_upstream)}) as weir:
        for name, (data, is_valid) in cases.items():
            with H1Client(weir.http_port) as client:
                status = client.request("/v1/traces", data).status
            if status != (200 if is_valid else 400):
                wrong.append((name, status))
    assert not wrong


def send_all(weir, signal, requests):
    """Sends each over one connection; gives the trees of those that must be accepted."""
    trees = []
    wrong = []
    with H1Client(weir.http_port) as client:
        for data in requests:
            tree = check_oracles(signal, data)
            status = client.request(f"/v1/{signal}", data).status
            if status != (400 if tree is None else 200):
                wrong.append((status, strict_verdict(signal, data)[1], data.hex()))
            if tree is not None:
                trees.append(tree)
    assert not wrong, f"{len(wrong)} verdicts differ, the first ones: {wrong[:3]}"
    return trees


def count_of(trees, signal):
    return collections.Counter(item for tree in trees for item in otlp_wire.items(signal, tree))


@pytest.mark.parametrize("signal", SIGNALS)
def test_random_requests(start_otlp, raw_upstream, is_full, signal):
    count = COUNT * (FULL_FACTOR if is_full else 1)
    with start_otlp({"otlphttp": otlphttp(raw_upstream)}) as weir:
        trees = send_all(weir, signal, corpus(2, signal, count))
    wanted = count_of(trees, signal)
    found = count_of((otlp_wire.read(signal, seen.raw)[0]
                      for seen in raw_upstream.requests(signal)), signal)
    assert wanted.total() > count
    missing, extra = wanted - found, found - wanted
    assert not missing and not extra, (missing.total(), extra.total(),
                                       next(iter(missing), None), next(iter(extra), None))
    assert weir.books()["items_delivered"] == wanted.total()


@pytest.mark.parametrize("signal", SIGNALS)
def test_random_json(start_otlp, is_full, signal):
    """JSON as Python's protobuf writes it means the same protobuf upstream."""
    source = random.Random(f"json {signal}")
    count = 200 * (FULL_FACTOR if is_full else 1)
    wanted = collections.Counter()
    with HttpUpstream() as upstream, start_otlp({"otlphttp": otlphttp(upstream)}) as weir:
        with H1Client(weir.http_port) as client:
            for _ in range(count):
                request = random_request(source, signal)
                body = json.dumps(otlp_json.from_request(request), allow_nan=False).encode()
                assert client.request(f"/v1/{signal}", body, JSON).status == 200, body
                wanted.update(item_text(item) for item in items_of(signal, request))
        wait_until(lambda: upstream.item_counts[signal] >= wanted.total())
        found = collections.Counter(item_text(item) for item in upstream.accepted(signal))
    assert found == wanted


def item_text(item):
    """Equal for equal items; NaN too."""
    tree = otlp_wire.frozen(item.value.DESCRIPTOR, otlp_wire_tree(item.value))
    return (*item.key()[1:7], tree)


def otlp_wire_tree(message):
    reader = otlp_wire.Reader(message.SerializeToString())
    tree = {}
    reader.message(message.DESCRIPTOR, 0, len(reader.data), 1, tree)
    return tree
