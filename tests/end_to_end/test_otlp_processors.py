# SPDX-License-Identifier: Apache-2.0
"""Each processor with the Collector's keys, seen from upstream: what it changes, and no more."""

import collections
import hashlib
import random

import pytest
from otlp_items import SIGNALS, assert_same_items, items_of, typed, typed_attributes
from otlp_make import add_attribute, make
from otlp_send import post
from settings import otlphttp

ONE_BACKEND = True


@pytest.fixture
def process(start_otlp, http_upstream):
    """process(processors, (signal, request), …) gives what arrived: items by signal."""

    def run(processors, *sent):
        signals = sorted({signal for signal, _ in sent})
        with start_otlp({"otlphttp": otlphttp(http_upstream)}, processors=processors,
                        signals=signals) as weir:
            for signal, request in sent:
                post(weir, signal, request)
        return {signal: http_upstream.accepted(signal) for signal in SIGNALS}

    return run


def attributes_by_number(items):
    found = [typed_attributes(item.value.attributes) for item in items]
    return {attributes["i"][1]: attributes for attributes in found}


# --- batch ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("signal", SIGNALS)
def test_batch_joins_requests(process, http_upstream, signal):
    requests = [make(signal, 10, i * 10) for i in range(50)]
    process({"batch": {"timeout": "10s", "send_batch_size": 100000}},
            *((signal, request) for request in requests))
    http_upstream.check_accepted(signal, *requests)
    assert len(http_upstream.seen) == 1


@pytest.mark.parametrize("signal", SIGNALS)
def test_batch_splits_between_items(process, http_upstream, signal):
    """Resource and scope stand in every piece."""
    request = make(signal, 1000)
    process({"batch": {"timeout": "100ms", "send_batch_size": 64, "send_batch_max_size": 64}},
            (signal, request))
    http_upstream.check_accepted(signal, request)
    sizes = [len(seen.items()) for seen in http_upstream.requests()]
    assert max(sizes) == 64 and sum(sizes) == 1000 and len(sizes) == 16


def test_batch_ends_with_its_timeout(start_otlp, http_upstream):
    with start_otlp({"otlphttp": otlphttp(http_upstream)},
                    processors={"batch": {"timeout": "300ms"}}) as weir:
        for signal in SIGNALS:
            post(weir, signal, make(signal, 5))
        for signal in SIGNALS:
            http_upstream.wait_for_items(signal, 5)


# --- resource, attributes -------------------------------------------------------------------------

@pytest.mark.parametrize("signal", SIGNALS)
def test_resource_actions(process, signal):
    actions = [{"key": "added", "value": "x", "action": "insert"},
               {"key": "service.name", "value": "renamed", "action": "update"},
               {"key": "number", "value": 5, "action": "upsert"},
               {"key": "missing", "value": "never", "action": "update"}]
    items = process({"resource": {"attributes": actions}}, (signal, make(signal, 100)))[signal]
    assert len(items) == 100
    for item in items:
        assert typed_attributes(item.resource.attributes) == {
            "added": typed("x"), "service.name": typed("renamed"), "number": typed(5)}


@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_attribute_actions(process, signal):
    request = make(signal, 100)
    for item in items_of(signal, request):
        number = typed_attributes(item.value.attributes)["i"][1]
        for key, value in (("secret", f"user-{number}"), ("drop.me", "x"), ("text", str(number)),
                           ("path", f"/orders/{number}/lines")):
            add_attribute(item.value.attributes, key, value)
    actions = [{"key": "added", "value": True, "action": "insert"},
               {"key": "i", "value": 0, "action": "insert"},  # is there: stays
               {"key": "secret", "action": "hash"},
               {"key": "copied", "from_attribute": "text", "action": "upsert"},
               {"key": "text", "action": "convert", "converted_type": "int"},
               {"key": "path", "pattern": r"^/orders/(?P<order>\d+)/", "action": "extract"},
               {"pattern": "^drop\\.", "action": "delete"}]
    found = attributes_by_number(process({"attributes": {"actions": actions}},
                                         (signal, request))[signal])
    assert sorted(found) == list(range(100))
    for i, attributes in found.items():
        assert attributes == {
            "i": typed(i), "added": typed(True), "text": typed(i), "copied": typed(str(i)),
            "secret": typed(hashlib.sha256(f"user-{i}".encode()).hexdigest()),
            "path": typed(f"/orders/{i}/lines"), "order": typed(str(i))}


def test_attributes_of_some_items_only(process):
    processors = {"attributes": {
        "include": {"match_type": "regexp", "span_names": ["^span-[0-4]$"]},
        "actions": [{"key": "few", "value": "yes", "action": "insert"}]}}
    found = attributes_by_number(process(processors, ("traces", make("traces", 100)))["traces"])
    assert {i for i, attributes in found.items() if "few" in attributes} == set(range(5))


# --- filter, sampler ------------------------------------------------------------------------------

def mixed_metrics():
    """Ten metrics of ten points."""
    request = make("metrics", 10)
    scope = request.resource_metrics[0].scope_metrics[0]
    for i in range(1, 10):
        scope.metrics.add().CopyFrom(scope.metrics[0])
        scope.metrics[i].name = f"other.{i}"
    return request


FILTERS = {
    "spans excluded by name": (
        {"spans": {"exclude": {"match_type": "strict", "span_names": ["span-1", "span-3"]}}},
        "traces", lambda item: item.value.name not in ("span-1", "span-3")),
    "spans included by pattern": (
        {"spans": {"include": {"match_type": "regexp", "span_names": ["^span-[12]"]}}},
        "traces", lambda item: item.value.name.startswith(("span-1", "span-2"))),
    "spans excluded by service": (
        {"spans": {"exclude": {"match_type": "strict", "services": ["made"]}}},
        "traces", lambda item: False),
    "metrics included by name": (
        {"metrics": {"include": {"match_type": "strict", "metric_names": ["other.4"]}}},
        "metrics", lambda item: item.metric.name == "other.4"),
    "metrics excluded by pattern": (
        {"metrics": {"exclude": {"match_type": "regexp", "metric_names": ["^other\\."]}}},
        "metrics", lambda item: item.metric.name == "made.sum"),
    "records excluded by body": (
        {"logs": {"exclude": {"match_type": "regexp", "bodies": ["^record [0-4]"]}}},
        "logs", lambda item: item.value.body.string_value[7] not in "01234"),
    "records below a severity": (
        {"logs": {"include": {"match_type": "strict", "severity_number": {"min": "WARN"}}}},
        "logs", lambda item: item.value.severity_number >= 13),
}


@pytest.mark.parametrize("name", FILTERS)
def test_filter(process, name):
    keys, signal, stays = FILTERS[name]
    request = mixed_metrics() if signal == "metrics" else make(signal, 100)
    if signal == "logs":
        for number, item in enumerate(items_of("logs", request)):
            item.value.severity_number = number % 24 + 1
    items = process({"filter": keys}, (signal, request))[signal]
    assert_same_items(items, [item for item in items_of(signal, request) if stays(item)])


def test_filter_is_booked(start_otlp, http_upstream):
    keys = {"spans": {"exclude": {"match_type": "strict", "span_names": ["span-0"]}}}
    with start_otlp({"otlphttp": otlphttp(http_upstream)}, processors={"filter": keys},
                    signals=("traces",)) as weir:
        post(weir, "traces", make("traces", 10))
    assert weir.books()["items_delivered"] == 9


@pytest.mark.parametrize("percentage, low, high", [(0, 0, 0), (25, 850, 1150), (100, 4000, 4000)])
def test_sampler_keeps_whole_traces(process, percentage, low, high):
    source = random.Random(4)
    request = make("traces", 4000)
    spans = request.resource_spans[0].scope_spans[0].spans
    for i in range(0, len(spans), 4):
        trace_id = source.randbytes(16)
        for span in spans[i:i + 4]:
            span.trace_id = trace_id
    items = process({"probabilistic_sampler": {"sampling_percentage": percentage, "hash_seed": 7}},
                    ("traces", request))["traces"]
    assert low <= len(items) <= high
    sizes = collections.Counter(item.value.trace_id for item in items)
    assert set(sizes.values()) <= {4}


def test_all_of_them_in_a_row(process):
    """What each does is still done, in the order of the configuration."""
    processors = {
        "memory_limiter": {"check_interval": "1s", "limit_mib": 4000},
        "resource": {"attributes": [{"key": "by", "value": "weir", "action": "insert"}]},
        "attributes": {"actions": [{"key": "i", "action": "delete"}]},
        "filter": {"spans": {"exclude": {"match_type": "strict", "span_names": ["span-7"]}}},
        "probabilistic_sampler": {"sampling_percentage": 100},
        "batch": {"timeout": "100ms"}}
    records = make("logs", 1000)
    for item in items_of("logs", records):
        item.value.trace_id = bytes(range(16))  # by which the sampler decides
    items = process(processors, ("traces", make("traces", 1000)), ("logs", records))
    assert (len(items["traces"]), len(items["logs"])) == (999, 1000)
    for item in items["traces"]:
        assert typed_attributes(item.resource.attributes)["by"] == typed("weir")
        assert len(item.value.attributes) == 0
