# SPDX-License-Identifier: Apache-2.0
"""A strict reader of embedded metric format: what CloudWatch would extract from one log event."""

import json
import math

METRICS_MAX = 100
DIMENSIONS_MAX = 30
VALUES_MAX = 100
UNITS = {"", "None", "Percent", "Count", "Seconds", "Microseconds", "Milliseconds", "Bytes",
         "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits", "Megabits",
         "Gigabits", "Terabits", "Count/Second"} | {
             f"{size}{kind}/Second" for kind in ("bytes", "bits")
             for size in ("Kilo", "Mega", "Giga", "Tera")} | {"Bytes/Second", "Bits/Second"}


class Datum:
    """One metric of one document."""

    def __init__(self, document, directive, metric, time_ms):
        self.name = metric["Name"]
        self.unit = metric.get("Unit", "")
        self.namespace = directive["Namespace"]
        self.dimension_sets = directive["Dimensions"]
        self.value = document[self.name]
        self.time_ms = time_ms
        self.labels = {key: document[key] for names in self.dimension_sets for key in names}
        self.document = document


def check_number(value):
    assert isinstance(value, (int, float)) and not isinstance(value, bool), value
    assert math.isfinite(value), value


def check_value(value):
    if isinstance(value, list):
        assert 1 <= len(value) <= VALUES_MAX, len(value)
        for number in value:
            check_number(number)
    elif isinstance(value, dict):
        for key in ("Max", "Min", "Count", "Sum"):
            check_number(value[key])
        assert len(value.get("Values", [])) == len(value.get("Counts", [])) <= VALUES_MAX
    else:
        check_number(value)


def check_directive(document, directive):
    assert 1 <= len(directive["Namespace"]) <= 255 and directive["Namespace"][:4] != "AWS/"
    assert directive["Dimensions"], "no dimension set"
    for names in directive["Dimensions"]:
        assert len(names) <= DIMENSIONS_MAX and len(names) == len(set(names)), names
        for name in names:
            assert 1 <= len(name) <= 250, name
            value = document[name]
            assert isinstance(value, str) and 1 <= len(value) <= 1024, (name, value)
    assert 1 <= len(directive["Metrics"]) <= METRICS_MAX, len(directive["Metrics"])
    for metric in directive["Metrics"]:
        assert 1 <= len(metric["Name"]) <= 1024
        assert metric.get("Unit", "") in UNITS, metric
        assert metric.get("StorageResolution", 60) in (1, 60), metric
        check_value(document[metric["Name"]])


def read(message):
    """The data of an event; AssertionError or KeyError where CloudWatch would extract nothing."""
    document = json.loads(message)
    meta = document["_aws"]
    assert isinstance(meta["Timestamp"], int)
    found = []
    for directive in meta["CloudWatchMetrics"]:
        check_directive(document, directive)
        found += [Datum(document, directive, metric, meta["Timestamp"])
                  for metric in directive["Metrics"]]
    return found
