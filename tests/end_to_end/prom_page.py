# SPDX-License-Identifier: Apache-2.0
"""A small reader of the Prometheus text format, strict enough to notice a broken page."""

import math
import re

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: (\d+))?$')
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"(?:,|$)')


def parse(text):
    """{name: [(labels, value)]}; raises on a line that is no sample."""
    samples = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        assert match, f"not a sample: {line!r}"
        name, labels, value, _ = match.groups()
        pairs = dict(LABEL.findall(labels or ""))
        samples.setdefault(name, []).append((pairs, to_float(value)))
    return samples


def to_float(text):
    return {"+Inf": math.inf, "-Inf": -math.inf, "NaN": math.nan}.get(text) or float(text)


def value(samples, name, **labels):
    """The one sample with these labels among its own."""
    found = [v for pairs, v in samples.get(name, []) if labels.items() <= pairs.items()]
    assert len(found) == 1, f"{name} {labels}: {samples.get(name)}"
    return found[0]


def total(samples, name, **labels):
    return sum(v for pairs, v in samples.get(name, []) if labels.items() <= pairs.items())
