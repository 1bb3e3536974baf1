# SPDX-License-Identifier: Apache-2.0
"""Random OTLP requests: valid ones, valid ones spelled oddly, and broken ones."""

import struct

from google.protobuf.descriptor import FieldDescriptor as F
from otlp_items import REQUESTS
from otlp_pack import varint
from otlp_wire import FIXED_TYPES, ID_BYTES, LENGTH_TYPES, is_repeated, wire_of

TEXTS = ["", "a", "service.name", "käse", "\u20ac\U0001f600", "x" * 200, "\0", "quote\"\\"]
NUMBERS = [0, 1, 127, 128, 300, (1 << 31) - 1, 1 << 32, (1 << 63) - 1]
DOUBLES = [0.0, -0.0, 1.5, -1e300, 5e-324, float("nan"), float("inf"), float("-inf")]
ITEM_NAMES = {"resource_spans", "resource_metrics", "resource_logs", "scope_spans",
              "scope_metrics", "scope_logs", "spans", "metrics", "log_records", "data_points"}
PROFILES_ONLY = {"string_value_strindex", "key_strindex"}


def random_request(random, signal):
    request = REQUESTS[signal]()
    fill(random, request, 0)
    return request


def fill(random, message, depth):
    """Fields come and go; what leads to items nearly always comes."""
    chosen = {}
    for oneof in message.DESCRIPTOR.oneofs:
        chosen[oneof.name] = random.choice(oneof.fields).name
    for field in message.DESCRIPTOR.fields:
        oneof = field.containing_oneof
        if field.name in PROFILES_ONLY or (oneof is not None and len(oneof.fields) > 1 and
                                           chosen[oneof.name] != field.name):
            continue
        likelihood = 0.95 if field.name in ITEM_NAMES else 0.6 / (1 + depth / 4)
        if depth > 12 or random.random() > likelihood:
            continue
        if is_repeated(field):
            for _ in range(random.choice([1, 1, 2, 3])):
                add(random, message, field, depth)
        elif field.type == F.TYPE_MESSAGE:
            getattr(message, field.name).SetInParent()
            fill(random, getattr(message, field.name), depth + 1)
        else:
            setattr(message, field.name, scalar(random, field))


def add(random, message, field, depth):
    if field.type == F.TYPE_MESSAGE:
        fill(random, getattr(message, field.name).add(), depth + 1)
    else:
        getattr(message, field.name).append(scalar(random, field))


def scalar(random, field):
    if field.type == F.TYPE_STRING:
        return random.choice(TEXTS)
    if field.type == F.TYPE_BYTES:
        size = random.choice([0, ID_BYTES[field.name]]) if field.name in ID_BYTES else \
            random.randrange(20)
        return random.randbytes(size)
    if field.type == F.TYPE_DOUBLE:
        return random.choice(DOUBLES)
    if field.type == F.TYPE_BOOL:
        return random.random() < 0.5
    if field.type == F.TYPE_ENUM:
        return random.choice([value.number for value in field.enum_type.values] + [77])
    number = random.choice(NUMBERS)
    if field.type in (F.TYPE_UINT32, F.TYPE_FIXED32):
        return number & 0xFFFFFFFF
    if field.type in (F.TYPE_INT32, F.TYPE_SINT32):
        return random.choice([1, -1]) * (number & 0x7FFFFFFF)
    if field.type in (F.TYPE_INT64, F.TYPE_SFIXED64, F.TYPE_SINT64):
        return random.choice([1, -1]) * number
    return number


# --- valid, but as no usual program writes it -----------------------------------------------------

def odd_bytes(random, message):
    """The message with its fields shuffled, split, unpacked, padded and among strangers."""
    pieces = []
    for field, value in message.ListFields():
        values = list(value) if is_repeated(field) else [value]
        if is_repeated(field) and field.type not in LENGTH_TYPES and random.random() < 0.5:
            cut = random.randrange(len(values) + 1)
            pieces.append(b"".join(packed(random, field, part)
                                   for part in (values[:cut], values[cut:])))
            continue
        pieces.append(b"".join(one(random, field, value) for value in values))
    for _ in range(random.choice([0, 0, 0, 1, 2])):
        pieces.append(stranger(random))
    if not any(field.containing_oneof for field, _ in message.ListFields()):
        random.shuffle(pieces)
    return b"".join(pieces)


def number_bytes(random, value):
    """A varint, sometimes longer than it has to be."""
    out = varint(value & 0xFFFFFFFFFFFFFFFF)
    if len(out) < 4 and random.random() < 0.05:
        out = out[:-1] + bytes([out[-1] | 0x80, 0])
    return out


def tag_bytes(random, number, wire):
    return number_bytes(random, number << 3 | wire)


def plain(random, field, value):
    """A value without its tag."""
    if field.type == F.TYPE_DOUBLE:
        return struct.pack("<d", value)
    if field.type in FIXED_TYPES:
        return (value % (1 << 64)).to_bytes(8, "little")[:FIXED_TYPES[field.type]]
    if field.type == F.TYPE_SINT32:
        return number_bytes(random, (value << 1) ^ (value >> 31))
    if field.type == F.TYPE_MESSAGE:
        value = odd_bytes(random, value)
    elif field.type == F.TYPE_STRING:
        value = value.encode()
    elif field.type != F.TYPE_BYTES:
        return number_bytes(random, int(value))
    return number_bytes(random, len(value)) + value


def one(random, field, value):
    return tag_bytes(random, field.number, wire_of(field)) + plain(random, field, value)


def packed(random, field, values):
    body = b"".join(plain(random, field, value) for value in values)
    return tag_bytes(random, field.number, 2) + number_bytes(random, len(body)) + body


def stranger(random):
    """A field that no message has."""
    number = random.choice([99, 1001, 5000, (1 << 29) - 1])
    wire = random.choice([0, 1, 2, 3, 5])
    body = {0: b"\x07", 1: bytes(8), 2: b"\x03abc", 5: bytes(4),
            3: varint(1 << 3) + b"\x01" + varint(number << 3 | 4)}[wire]
    return varint(number << 3 | wire) + body


# --- broken ---------------------------------------------------------------------------------------

def mutated(random, data):
    """A few bytes of it are not what they were; it may still be valid."""
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 4])):
        if not data:
            return bytes(data)
        at = random.randrange(len(data))
        kind = random.randrange(6)
        if kind == 0:
            data[at] = random.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 2:
            del data[at]
        elif kind == 3:
            data.insert(at, random.randrange(256))
        elif kind == 4:
            del data[at:]
        else:
            length = random.randrange(1, 9)
            data[at:at] = data[at:at + length]
    return bytes(data)
