# SPDX-License-Identifier: Apache-2.0
"""OTLP's protobuf read as the Collector reads it, byte by byte; the judge of the differential test.

The published descriptors say which fields there are. What differs from protobuf's own rules: a
known field of another wire type and an id of another length refuse the whole request, and text need
not be UTF-8. A message becomes a dictionary {field number: value}; text, bytes and fixed-size
numbers stay bytes, so that NaN equals itself.
"""

from google.protobuf.descriptor import FieldDescriptor as F
from otlp_items import FIELDS, REQUESTS

DEPTH_MAX = 64  # messages inside each other, the request among them; weir's own limit
ID_BYTES = {"trace_id": 16, "span_id": 8, "parent_span_id": 8}
OLD_SCOPES = 1000  # where scopes stood before OTLP 0.15
NUMBER_MAX = (1 << 29) - 1
# Fields that are younger than the published classes; numbers that mean nothing outside profiles.
YOUNGER_VARINTS = {("KeyValue", 3), ("AnyValue", 8)}
VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)
FIXED_TYPES = {F.TYPE_FIXED64: 8, F.TYPE_SFIXED64: 8, F.TYPE_DOUBLE: 8,
               F.TYPE_FIXED32: 4, F.TYPE_SFIXED32: 4, F.TYPE_FLOAT: 4}
LENGTH_TYPES = {F.TYPE_STRING, F.TYPE_BYTES, F.TYPE_MESSAGE}


class Refused(Exception):
    """The request is invalid; the text is the reason."""


class Reader:
    """One request. `notes` collects what is accepted here though others may refuse it."""

    def __init__(self, data):
        self.data = data
        self.notes = set()

    def varint(self, at, end):
        value = 0
        for shift in range(0, 70, 7):
            if at >= end:
                raise Refused("truncated")
            byte = self.data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value & 0xFFFFFFFFFFFFFFFF, at
        raise Refused("varint of more than ten bytes")

    def tag(self, at, end):
        start = at
        value, at = self.varint(at, end)
        if at - start > 5:
            self.notes.add("tag of more than five bytes")
        number, wire = value >> 3, value & 7
        if number < 1 or number > NUMBER_MAX:
            raise Refused("field number")
        if wire > FIXED32:
            raise Refused("wire type that does not exist")
        return number, wire, at

    def step(self, at, end, size):
        if size > end - at:
            raise Refused("truncated")
        return at + size

    def length(self, at, end):
        size, at = self.varint(at, end)
        return at, self.step(at, end, size)

    def skip(self, at, end, number, wire, depth):
        """Over an unknown field."""
        if wire == VARINT:
            return self.varint(at, end)[1]
        if wire in (FIXED64, FIXED32):
            return self.step(at, end, 8 if wire == FIXED64 else 4)
        if wire == BYTES:
            return self.length(at, end)[1]
        if wire == GROUP_END:
            raise Refused("group that ends without a beginning")
        self.notes.add("group")
        if depth > DEPTH_MAX:
            raise Refused("depth")
        while True:
            inner_number, inner_wire, at = self.tag(at, end)
            if inner_wire == GROUP_END:
                if inner_number != number:
                    raise Refused("group that ends otherwise")
                return at
            at = self.skip(at, end, inner_number, inner_wire, depth + 1)

    def message(self, descriptor, at, end, depth, into):
        """Reads fields into the dictionary `into`, as protobuf merges."""
        if depth > DEPTH_MAX:
            raise Refused("depth")
        while at < end:
            number, wire, at = self.tag(at, end)
            field = field_of(descriptor, number)
            if field is None:
                if (descriptor.name, number) in YOUNGER_VARINTS and wire != VARINT:
                    raise Refused("wrong wire type")
                at = self.skip(at, end, number, wire, depth)
                continue
            at = self.known(field, number, wire, at, end, depth, into)

    def known(self, field, number, wire, at, end, depth, into):
        if field.containing_oneof is not None:
            for other in field.containing_oneof.fields:
                if other.number != number:
                    into.pop(other.number, None)
        if is_repeated(field):
            values = into.setdefault(number, [])
            if wire == BYTES and field.type not in LENGTH_TYPES:
                return self.packed(field, at, end, values)
            value, at = self.value(field, wire, at, end, depth, {})
            values.append(value)
            return at
        before = into.get(number, {}) if field.type == F.TYPE_MESSAGE else {}
        into[number], at = self.value(field, wire, at, end, depth, before)
        return at

    def packed(self, field, at, end, values):
        at, inner_end = self.length(at, end)
        wire = wire_of(field)
        while at < inner_end:
            value, at = self.value(field, wire, at, inner_end, 0, {})
            values.append(value)
        return at

    def value(self, field, wire, at, end, depth, before):
        if wire != wire_of(field):
            raise Refused("wrong wire type")
        if field.type in FIXED_TYPES:
            after = self.step(at, end, FIXED_TYPES[field.type])
            return self.data[at:after], after
        if wire == VARINT:
            value, at = self.varint(at, end)
            return narrowed(field, value), at
        at, after = self.length(at, end)
        if field.type == F.TYPE_MESSAGE:
            self.message(field.message_type, at, after, depth + 1, before)
            return before, after
        return self.blob(field, self.data[at:after]), after

    def blob(self, field, value):
        wanted = ID_BYTES.get(field.name) if field.type == F.TYPE_BYTES else None
        if wanted is not None and len(value) not in (0, wanted):
            raise Refused("length of an id")
        if field.type == F.TYPE_STRING:
            try:
                value.decode()
            except UnicodeDecodeError:
                self.notes.add("text that is not UTF-8")
        return b"" if wanted is not None and not any(value) else value


def field_of(descriptor, number):
    field = descriptor.fields_by_number.get(number)
    if field is None and number == OLD_SCOPES and descriptor.name in (
            "ResourceSpans", "ResourceMetrics", "ResourceLogs"):
        return descriptor.fields_by_number[2]
    return field


def is_repeated(field):
    return field.is_repeated


def wire_of(field):
    if field.type in FIXED_TYPES:
        return FIXED64 if FIXED_TYPES[field.type] == 8 else FIXED32
    return BYTES if field.type in LENGTH_TYPES else VARINT


def narrowed(field, value):
    """A varint as its field holds it."""
    if field.type == F.TYPE_BOOL:
        return int(value != 0)
    if field.type in (F.TYPE_INT32, F.TYPE_UINT32, F.TYPE_ENUM, F.TYPE_SINT32):
        return value & 0xFFFFFFFF
    return value


def read(signal, data):
    """(tree, notes) of a request; raises Refused."""
    reader = Reader(data)
    tree = {}
    reader.message(REQUESTS[signal].DESCRIPTOR, 0, len(data), 1, tree)
    return tree, reader.notes


def frozen(descriptor, tree):
    """Hashable, without scalars that say what their absence says."""
    out = []
    for number, value in sorted(tree.items()):
        field = field_of(descriptor, number)
        if is_repeated(field):
            value = tuple(frozen(field.message_type, one) if field.type == F.TYPE_MESSAGE else one
                          for one in value)
        elif field.type == F.TYPE_MESSAGE:
            value = frozen(field.message_type, value)
        is_default = not value or (isinstance(value, bytes) and not any(value) and
                                   field.type in FIXED_TYPES)
        if is_default and (is_repeated(field) or not field.has_presence):
            continue
        out.append((number, value))
    return tuple(out)


def items(signal, tree):
    """Hashable items with their contexts; two are equal when they mean the same."""
    resource_type = REQUESTS[signal].DESCRIPTOR.fields_by_number[1].message_type
    scope_type = resource_type.fields_by_name[FIELDS[signal][1]].message_type
    item_type = scope_type.fields_by_name[FIELDS[signal][2]].message_type
    for resource in tree.get(1, []):
        outer = (context(resource_type, resource), resource.get(3, b""))
        for scope in resource.get(2) or resource.get(OLD_SCOPES, []):
            middle = (context(scope_type, scope), scope.get(3, b""))
            for element in scope.get(2, []):
                if signal == "metrics":
                    yield from points((*outer, *middle), item_type, element)
                else:
                    yield (*outer, *middle, frozen(item_type, element))


def context(descriptor, tree):
    """The resource or scope in field 1; one that is absent is an empty one."""
    return frozen(descriptor.fields_by_number[1].message_type, tree.get(1, {}))


def points(outer, metric_type, metric):
    kinds = [field.number for field in metric_type.oneofs_by_name["data"].fields]
    kind = next((number for number in kinds if number in metric), None)
    if kind is None:
        return
    kind_type = metric_type.fields_by_number[kind].message_type
    bare = {**metric, kind: {key: value for key, value in metric[kind].items() if key != 1}}
    for point in metric[kind].get(1, []):
        yield (*outer, frozen(metric_type, bare), frozen(
            kind_type.fields_by_number[1].message_type, point))
