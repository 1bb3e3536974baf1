# SPDX-License-Identifier: Apache-2.0
"""metricstransform with the Collector's keys: what arrives upstream, value by value.

Metrics of the official SDKs, ADOT's own transforms for the metrics of a task, requests made by
hand for each action and operation, and the books behind them.
"""

import collections
import pathlib
import statistics

import pytest
import yaml
from otlp_clients import COUNT
from otlp_items import assert_same_items, items_of, typed_attributes
from otlp_make import BASE_NS, add_attribute, make
from otlp_send import post
from prom_page import total, value
from senders import send_udp
from settings import config, otlp_config, otlp_receiver, otlphttp, statsd, to_text
from weir_process import free_port, free_udp_port, run_command, wait_until

ONE_BACKEND = True  # processors know nothing of I/O

ADOT_TASK_METRICS = (pathlib.Path(__file__).parents[2] / "tools" / "deploy" / "image" / "etc" /
                     "ecs" / "container-insights" / "otel-task-metrics-config.yaml")
ADOT_NAMES = {
    "ecs.task.memory.utilized": "MemoryUtilized", "ecs.task.memory.reserved": "MemoryReserved",
    "ecs.task.cpu.utilized": "CpuUtilized", "ecs.task.cpu.reserved": "CpuReserved",
    "ecs.task.network.rate.rx": "NetworkRxBytes", "ecs.task.network.rate.tx": "NetworkTxBytes",
    "ecs.task.storage.read_bytes": "StorageReadBytes",
    "ecs.task.storage.write_bytes": "StorageWriteBytes"}


@pytest.fixture
def transform(start_otlp, http_upstream):
    """transform(transforms, request, …) gives the points that arrived."""

    def run(transforms, *requests, before=None):
        processors = {**(before or {}), "metricstransform": {"transforms": transforms}}
        with start_otlp({"otlphttp": otlphttp(http_upstream)}, processors=processors,
                        signals=("metrics",)) as weir:
            for request in requests:
                post(weir, "metrics", request)
            wait_until(lambda: weir.exporter("otlphttp")["items_held"] == 0)
            run.page = weir.metrics()
        return http_upstream.accepted("metrics")

    return run


def one(include, action="update", **keys):
    return {"include": include, "action": action, **keys}


def every(include, action="update", **keys):
    return one(include, action, match_type="regexp", **keys)


def empty_request():
    request = make("metrics", 1)
    del request.resource_metrics[0].scope_metrics[0].metrics[:]
    return request, request.resource_metrics[0].scope_metrics[0]


def add_metric(scope, name, kind="gauge", points=(), **keys):
    """points: (value, attributes); all at one time."""
    metric = scope.metrics.add(name=name, unit=keys.pop("unit", ""))
    data = getattr(metric, kind)
    data.SetInParent()
    for key, setting in keys.items():
        setattr(data, key, setting)
    for number, labels in points:
        point = data.data_points.add(time_unix_nano=BASE_NS, start_time_unix_nano=BASE_NS - 1000)
        setattr(point, "as_int" if isinstance(number, int) else "as_double", number)
        for key, text in labels.items():
            add_attribute(point.attributes, key, text)
    return metric


def number_of(item):
    return getattr(item.value, item.value.WhichOneof("value"))


def rows(items):
    """{(metric, its labels): value}, every point once."""
    found = {}
    for item in items:
        labels = {key: typed[1] for key, typed in typed_attributes(item.value.attributes).items()}
        key = (item.metric.name, frozenset(labels.items()))
        assert key not in found, key
        found[key] = number_of(item)
    return found


def row(name, **labels):
    return name, frozenset(labels.items())


# --- names ----------------------------------------------------------------------------------------

def task_metrics(count):
    """What awsecscontainermetrics gives of `count` tasks, and as much that ADOT leaves out."""
    request, scope = empty_request()
    for number, name in enumerate([*ADOT_NAMES, "container.duration", "ecs.task.other"]):
        metric = add_metric(scope, name, unit="Bytes", points=[
            (number * 1000 + i + 0.5 if number % 2 else number * 1000 + i, {"task": f"t{i}"})
            for i in range(count)])
        metric.metadata.add(key="kept").value.string_value = name
    return request


def test_adots_task_metrics(transform):
    """The transforms of ADOT's own configuration, to the letter."""
    shipped = yaml.safe_load(ADOT_TASK_METRICS.read_text())["processors"]
    transforms = shipped["metricstransform"]["transforms"]
    assert transforms == [one(old, new_name=new) for old, new in ADOT_NAMES.items()]
    request = task_metrics(150)
    found = transform(transforms, request, before={"filter": shipped["filter"]})
    wanted = []
    for item in items_of("metrics", request):
        if item.metric.name != "ecs.task.other":
            item.metric.name = ADOT_NAMES.get(item.metric.name, item.metric.name)
            wanted.append(item)
    assert len(found) == 9 * 150
    assert_same_items(found, wanted)


def test_groups_of_a_pattern(transform):
    """A dollar is written twice, as in every value of a configuration."""
    request, scope = empty_request()
    for i in range(1000):
        add_metric(scope, f"system.cpu.core{i}.load", points=[(i, {})])
        add_metric(scope, f"other.{i}", points=[(i, {})])
    found = rows(transform([
        every(r"^system\.cpu\.(?P<core>.*)\.(.*)$$", new_name="host.$${2}.$$core.$$$$")], request))
    assert found == {**{row(f"host.load.core{i}.$"): i for i in range(1000)},
                     **{row(f"other.{i}"): i for i in range(1000)}}


def test_what_nothing_matches_goes_on_byte_for_byte(transform, http_upstream):
    request = make("metrics", 1000)
    transform([one("made", new_name="x"), every("^sum", "combine", new_name="x"),
               one("other", "group", group_resource_labels={"a": "b"})], request)
    assert [seen.raw for seen in http_upstream.requests()] == [request.SerializeToString()]


# --- SDKs -----------------------------------------------------------------------------------------

SDK_TRANSFORMS = [
    one("sum", new_name="total", operations=[
        {"action": "toggle_scalar_data_type"},
        {"action": "experimental_scale_value", "experimental_scale": 0.5},
        {"action": "add_label", "new_label": "by", "new_value": "weir {{version}}"}]),
    every("^(updown|gauge)$$", "insert", new_name="copy.$$1", operations=[
        {"action": "update_label", "label": "s", "new_label": "text", "value_actions": [
            {"value": "text-7", "new_value": "seven"}]}]),
    one("gauge", operations=[
        {"action": "delete_label_value", "label": "s", "label_value": "text-3"}]),
    one("histogram", operations=[
        {"action": "aggregate_labels", "label_set": [], "aggregation_type": "sum"}]),
    one("exponential", new_name="renamed")]


def own_version():
    return run_command("version").stdout.split()[1]


def check_sum(points, version):
    assert len(points) == COUNT
    for i, item in points.items():
        assert (number_of(item), item.value.WhichOneof("value")) == ((i + 1) / 2, "as_double")
        labels = typed_attributes(item.value.attributes)
        assert labels == {"i": ("int", i), "s": ("str", f"text-{i}"),
                          "by": ("str", f"weir {version}")}


def check_merged_histogram(items):
    [item] = items
    point = item.value
    observed = [number + 0.5 for number in range(COUNT)] + [50.0] * COUNT
    assert (point.count, point.sum) == (2 * COUNT, sum(observed))
    assert (point.min, point.max) == (min(observed), max(observed))
    bounds = [1, 10, 100]
    assert list(point.explicit_bounds) == bounds
    assert list(point.bucket_counts) == [
        sum(low < number <= high for number in observed)
        for low, high in zip([float("-inf"), *bounds], [*bounds, float("inf")])]
    assert not point.attributes


@pytest.mark.parametrize("client, protocol", [("python", "grpc"), ("node", "http/protobuf")])
def test_metrics_of_an_sdk(start, http_upstream, sdk_clients, client, protocol):
    ports = {"grpc": free_port(), "http/protobuf": free_port()}
    settings = otlp_config(otlp_receiver(*ports.values()), {"otlphttp": otlphttp(http_upstream)},
                           processors={"metricstransform": {"transforms": SDK_TRANSFORMS}})
    for signal in ("traces", "logs"):  # which a client sends too
        settings["service"]["pipelines"][signal]["processors"] = []
    with start(settings):
        sdk_clients(client).send(f"http://127.0.0.1:{ports[protocol]}", protocol, "gzip")
    assert len(http_upstream.accepted("traces")) == COUNT
    found = collections.defaultdict(list)
    for item in http_upstream.accepted("metrics"):
        found[item.metric.name].append(item)
    assert set(found) == {"total", "updown", "copy.updown", "gauge", "copy.gauge", "histogram",
                          "renamed"}
    numbered = {name: {typed_attributes(item.value.attributes)["i"][1]: item for item in items}
                for name, items in found.items() if name != "histogram"}
    check_sum(numbered["total"], own_version())
    for name, first in (("updown", lambda i: -(i + 0.5)), ("gauge", lambda i: i + 0.25)):
        kept = numbered[name]
        assert sorted(kept) == [i for i in range(COUNT) if name != "gauge" or i != 3]
        assert sorted(numbered[f"copy.{name}"]) == list(range(COUNT))
        for i, item in numbered[f"copy.{name}"].items():
            assert number_of(item) == first(i)
            text = "seven" if i == 7 else f"text-{i}"
            assert typed_attributes(item.value.attributes) == {
                "i": ("int", i), "text": ("str", text)}
        for i, item in kept.items():
            assert number_of(item) == first(i)
            assert typed_attributes(item.value.attributes)["s"] == ("str", f"text-{i}")
    check_merged_histogram(found["histogram"])
    for i, item in numbered["renamed"].items():
        assert (item.value.count, item.value.sum) == (3, 2.0 ** (i % 5) + 3.0)
    assert len(numbered["renamed"]) == COUNT


# --- aggregation ----------------------------------------------------------------------------------

REDUCTIONS = {"sum": sum, "mean": statistics.fmean, "min": min, "max": max,
              "median": statistics.median, "count": len}


def usage(count, make_number):
    """A sum of `count` points per state, and what they are by state."""
    request, scope = empty_request()
    states = ("user", "system", "idle")
    points = [(make_number(i), {"state": states[i % 3], "core": f"c{i // 3}"})
              for i in range(3 * count)]
    add_metric(scope, "usage", "sum", points, aggregation_temporality=2, is_monotonic=True)
    return request, {state: [number for number, labels in points if labels["state"] == state]
                     for state in states}


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize("is_int", [True, False])
def test_labels_are_aggregated(transform, kind, is_int):
    request, numbers = usage(400, lambda i: i * i if is_int else i * 0.25 - 50)
    found = rows(transform([one("usage", operations=[
        {"action": "aggregate_labels", "label_set": ["state"], "aggregation_type": kind}])],
        request))
    wanted = {row("usage", state=state): REDUCTIONS[kind](of_state)
              for state, of_state in numbers.items()}
    if is_int:  # the Collector's integers stay integers
        wanted = {key: int(number) for key, number in wanted.items()}
    assert found == wanted
    assert all(isinstance(number, int) == is_int for number in found.values())


def test_values_of_a_label_are_aggregated(transform):
    request, _ = usage(400, lambda i: i)
    found = rows(transform([one("usage", operations=[
        {"action": "aggregate_label_values", "label": "state",
         "aggregated_values": ["user", "system"], "new_value": "used",
         "aggregation_type": "sum"}])], request))
    wanted = {row("usage", state="idle", core=f"c{i}"): 3 * i + 2 for i in range(400)}
    wanted |= {row("usage", state="used", core=f"c{i}"): 6 * i + 1 for i in range(400)}
    assert found == wanted


# --- combine, group, labels to match --------------------------------------------------------------

def test_metrics_are_combined(transform):
    request, scope = empty_request()
    for method in ("GET", "POST", "DELETE"):
        add_metric(scope, f"Total {method} Requests", "sum", [
            (i, {"host": f"h{i}"}) for i in range(400)], aggregation_temporality=1)
    add_metric(scope, "Total Summary Requests", points=[(1, {})])
    found = rows(transform([
        every("^Total (?P<method>GET|POST|DELETE) Requests$$", "combine", new_name="requests",
              submatch_case="lower"),
        one("requests", operations=[{"action": "update_label", "label": "method",
                                     "value_actions": [{"value": "delete", "new_value": "del"}]}])],
        request))
    wanted = {row("requests", host=f"h{i}", method=method): i
              for i in range(400) for method in ("get", "post", "del")}
    assert found == {**wanted, row("Total Summary Requests"): 1}


def test_what_cannot_be_combined_stays_and_is_counted(transform):
    request, scope = empty_request()
    add_metric(scope, "a.one", points=[(i, {"x": str(i)}) for i in range(500)])
    add_metric(scope, "a.two", points=[(i, {"y": str(i)}) for i in range(500)])
    found = transform([every("^a", "combine", new_name="a", aggregation_type="sum")], request)
    assert_same_items(found, items_of("metrics", request))
    assert value(transform.page, "weir_processor_items_uncombined") == 1000


def test_metrics_get_a_resource_of_their_own(transform):
    request, scope = empty_request()
    for prefix in ("k8s.pod", "container", "host"):
        for i in range(350):
            add_metric(scope, f"{prefix}.m{i}", points=[(i, {})])
    found = transform([
        every(r"^k8s\.pod\.", "group", group_resource_labels={"type": "pod", "from": "kubelet"}),
        every(r"^container\.", "group", group_resource_labels={"type": "container"})], request)
    own = {"service.name": ("str", "made")}
    wanted = {"k8s": {**own, "type": ("str", "pod"), "from": ("str", "kubelet")},
              "container": {**own, "type": ("str", "container")}, "host": own}
    assert collections.Counter(item.metric.name.split(".")[0] for item in found) == dict.fromkeys(
        wanted, 350)
    for item in found:
        resource = typed_attributes(item.resource.attributes)
        assert resource == wanted[item.metric.name.split(".")[0]]
        assert item.scope.name == "made"
        assert item.metric.name.endswith(f".m{number_of(item)}")


def test_labels_choose_points(transform):
    request, scope = empty_request()
    add_metric(scope, "m", points=[(i, {"pod": f"web-{i}" if i % 2 else f"db-{i}"})
                                   for i in range(1000)])
    found = rows(transform([
        every("^m$$", "insert", new_name="web", experimental_match_labels={"pod": "^web-"}),
        every("^m$$", new_name="never", experimental_match_labels={"pod": "^db-"}, operations=[
            {"action": "experimental_scale_value", "experimental_scale": 1000}])], request))
    wanted = {row("web", pod=f"web-{i}"): i for i in range(1, 1000, 2)}
    wanted |= {row("m", pod=f"web-{i}"): i for i in range(1, 1000, 2)}
    wanted |= {row("m", pod=f"db-{i}"): i * 1000 for i in range(0, 1000, 2)}
    assert found == wanted


# --- what is born here, books ---------------------------------------------------------------------

def test_statsd_metrics_are_transformed(start, sink):
    port = free_udp_port()
    settings = config(statsd(port), otlphttp(sink))
    settings["processors"] = {"metrics_transform": {"transforms": [
        every(r"^app\.(.*)$$", new_name="shop.$${1}", operations=[
            {"action": "add_label", "new_label": "env", "new_value": "prod"},
            {"action": "experimental_scale_value", "experimental_scale": 10}])]}}
    settings["service"]["pipelines"]["metrics"]["processors"] = ["metrics_transform"]
    with start(settings):
        send_udp(port, [f"app.c{i}:{i + 1}|c|#i:{i}" for i in range(1000)] + ["other:1|c"] * 5)
    found = {metric.name: (labels, point) for metric, _, labels, point in sink.points}
    assert set(found) == {"other", *(f"shop.c{i}" for i in range(1000))}
    for i in range(1000):
        labels, point = found[f"shop.c{i}"]
        assert (labels["env"], labels["i"], point.as_int) == ("prod", str(i), 10 * (i + 1))
    assert found["other"][1].as_int == 5 and "env" not in found["other"][0]


def test_what_comes_and_goes_is_booked(transform):
    request, _ = usage(400, lambda i: i)
    found = transform([
        one("usage", "insert", new_name="copy"),
        one("copy", operations=[
            {"action": "delete_label_value", "label": "state", "label_value": "idle"},
            {"action": "aggregate_labels", "label_set": ["state"], "aggregation_type": "sum"}])],
        request)
    assert len(found) == 1200 + 2
    page = transform.page
    counts = {"in": total(page, "otelcol_processor_incoming_items"),
              "out": total(page, "otelcol_processor_outgoing_items"),
              "added": total(page, "weir_processor_items_added"),
              "filtered": total(page, "weir_processor_items_dropped", reason="filtered"),
              "aggregated": total(page, "weir_processor_items_dropped", reason="aggregated")}
    assert counts == {"in": 1200, "out": 1202, "added": 1200, "filtered": 400, "aggregated": 798}


# --- configuration --------------------------------------------------------------------------------

def validate(tmp_path, processors, signals=("metrics",)):
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(otlp_config(otlp_receiver(4317, 4318), {"nop": {}},
                                        processors=processors, signals=signals)))
    return run_command("validate", "--config", path, "--strict")


def test_both_names_are_known(tmp_path):
    settings = {"transforms": [one("a", new_name="b")]}
    result = validate(tmp_path, {"metricstransform": settings, "metrics_transform/2": settings})
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("transforms, words", [
    ([one("a", "insert")], "needs 'new_name'"),
    ([one("a", "rename")], "must be one of update, insert, combine, group"),
    ([{"action": "update"}], "include"),
    ([one("a", match_typ="strict")], "did you mean 'match_type'"),
    ([every("a(", new_name="b")], "not a regular expression"),
    ([one("a", operations=[{"action": "aggregate_labels", "aggregation_type": "avg"}])],
     "aggregation_type must be one of sum, mean, min, max, median, count"),
])
def test_mistakes_are_told(tmp_path, transforms, words):
    result = validate(tmp_path, {"metricstransform": {"transforms": transforms}})
    assert result.returncode == 78 and words in result.stderr, result.stderr


def test_other_signals_are_refused(tmp_path):
    result = validate(tmp_path, {"metricstransform": {"transforms": []}}, signals=("traces",))
    assert result.returncode == 78 and "takes metrics" in result.stderr, result.stderr
