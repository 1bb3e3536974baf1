# SPDX-License-Identifier: Apache-2.0
"""OTLP's JSON: protobuf's JSON mapping, but ids are hex and enums are integers."""

import base64

from google.protobuf import json_format
from otlp_items import REQUESTS

IDS = {"traceId", "spanId", "parentSpanId"}


def to_request(signal, tree):
    """The message of a parsed JSON document."""
    return json_format.ParseDict(convert(tree, hex_to_base64), REQUESTS[signal](),
                                 ignore_unknown_fields=True)


def from_request(request):
    """The JSON tree of a message, as OTLP wants it."""
    tree = json_format.MessageToDict(request, use_integers_for_enums=True)
    return convert(tree, base64_to_hex)


def convert(tree, convert_id):
    if isinstance(tree, list):
        return [convert(element, convert_id) for element in tree]
    if isinstance(tree, dict):
        return {key: convert_id(value) if key in IDS else convert(value, convert_id)
                for key, value in tree.items()}
    return tree


def hex_to_base64(text):
    return base64.b64encode(bytes.fromhex(text)).decode()


def base64_to_hex(text):
    return base64.b64decode(text).hex()
