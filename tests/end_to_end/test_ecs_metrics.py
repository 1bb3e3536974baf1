# SPDX-License-Identifier: Apache-2.0
"""What the containers of a task use: from the task's metadata endpoint to what leaves weir.

What has to arrive is computed here a second time, from the tables of the receiver's documentation.
"""

import collections
import json
import math
import random
import socket
import time

import emf_document
import pytest
import yaml
from deploy_files import IMAGE_ETC
from fake_metadata import ACCOUNT, CLUSTER_ARN, REGION, TASK_ARN, FakeMetadata
from otlp_items import typed_attributes, typed_dictionary
from prom_page import total
from settings import otlphttp, pipelines, to_text, with_admin
from upstream_http import HttpUpstream
from weir_process import free_port, run_command, wait_until

VARIABLE = "ECS_CONTAINER_METADATA_URI_V4"
NOTHING = {VARIABLE: "", "ECS_CONTAINER_METADATA_URI": "", "AWS_EXECUTION_ENV": ""}
TASK_ID = TASK_ARN.rpartition("/")[2]
MIB = 1 << 20
MOST = (1 << 63) - 1
CONTAINER_POINTS, TASK_POINTS = 26, 28
TASK_PATH, STATS_PATH = "/v4/own/task", "/v4/own/task/stats"
REASONS = "weir_items_invalid"
SCHEMA = "https://opentelemetry.io/schemas/1.21.0"

# metric: (kind, unit); sums are cumulative
METRICS = {
    "memory.usage": ("gauge", "Bytes"), "memory.usage.max": ("gauge", "Bytes"),
    "memory.usage.limit": ("gauge", "Bytes"), "memory.utilized": ("gauge", "MiB"),
    "memory.reserved": ("gauge", "MiB"), "cpu.usage.total": ("sum", "Nanoseconds"),
    "cpu.usage.kernelmode": ("sum", "Nanoseconds"), "cpu.usage.usermode": ("sum", "Nanoseconds"),
    "cpu.usage.system": ("sum", "Nanoseconds"), "cpu.cores": ("gauge", "Count"),
    "cpu.onlines": ("gauge", "Count"), "cpu.usage.vcpu": ("gauge", "vCPU"),
    "cpu.utilized": ("gauge", "None"), "cpu.reserved": ("gauge", "None"),
    "network.rate.rx": ("gauge", "Bytes/Second"), "network.rate.tx": ("gauge", "Bytes/Second"),
    **{f"network.io.usage.{way}_{what}": ("sum", unit) for way in ("rx", "tx")
       for what, unit in (("bytes", "Bytes"), ("packets", "Count"), ("errors", "Count"),
                          ("dropped", "Count"))},
    "storage.read_bytes": ("sum", "Bytes"), "storage.write_bytes": ("sum", "Bytes"),
    "ephemeral_storage.utilized": ("gauge", "MiB"), "ephemeral_storage.reserved": ("gauge", "MiB"),
}


# --- a task and its endpoint ----------------------------------------------------------------------

class TaskEndpoint(FakeMetadata):
    """The endpoint of a task with statistics; it can be told to misbehave and to be away."""

    def __init__(self):
        super().__init__()
        self.documents = {}, {}  # the task's and its statistics
        self.of_cycle = self.documents  # statistics are those of the task that was asked for last
        self.always = None  # (status, body) of every answer about the task
        self.is_away = False  # connections end without an answer

    def serve(self, handler):
        if self.is_away:
            handler.close_connection = True
            handler.connection.shutdown(socket.SHUT_RDWR)
            return
        super().serve(handler)

    def answer(self, method, path, headers):
        if path.startswith(TASK_PATH) and self.always is not None:
            return self.always
        if path == TASK_PATH:
            self.of_cycle = self.documents
            return 200, self.of_cycle[0]
        if path == STATS_PATH:
            return 200, self.of_cycle[1]
        return super().answer(method, path, headers)

    def show(self, task, stats):
        self.documents = task, stats


def make_container(number, **more):
    return {"DockerId": f"{TASK_ID}-{number:010}", "Name": f"app-{number}",
            "DockerName": f"ecs-app-{number}",
            "Image": f"registry:5000/shop/app-{number}:1.{number}",
            "ImageID": f"sha256:{number:064x}", "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING", "Limits": {"CPU": 64 + number, "Memory": 128 + number},
            "CreatedAt": "2026-03-01T10:00:00.123456789Z",
            "StartedAt": "2026-03-01T10:00:01.987654321Z", "Type": "NORMAL",
            "Labels": {"a": {"b": ["c"]}}, **more}


def make_ended(number, seconds):
    return make_container(number, KnownStatus="STOPPED", ExitCode=number % 3,
                          StartedAt="2026-03-01T10:00:00.5Z",
                          FinishedAt=f"2026-03-01T10:{seconds // 60:02}:{seconds % 60:02}.75Z")


def make_task(containers, **more):
    return {"Cluster": CLUSTER_ARN, "TaskARN": TASK_ARN, "Family": "shop", "Revision": "7",
            "ServiceName": "shop-web", "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
            "Limits": {"CPU": 16, "Memory": 32768}, "PullStartedAt": "2026-03-01T09:59:00Z",
            "PullStoppedAt": "2026-03-01T09:59:30Z", "AvailabilityZone": f"{REGION}b",
            "LaunchType": "FARGATE", "Containers": containers,
            "EphemeralStorageMetrics": {"Utilized": 2925, "Reserved": 20496}, **more}


def make_cpu(rng, before=None):
    """A reading of the processors; the later of two where the earlier is given."""
    grown = rng.randrange(1, 2 * 10**9) if before else 0
    start = before["cpu_usage"]["total_usage"] if before else rng.randrange(10**12, 10**15)
    return {"cpu_usage": {"total_usage": start + grown, "percpu_usage": [start, grown],
                          "usage_in_kernelmode": rng.randrange(10**11),
                          "usage_in_usermode": rng.randrange(10**11)},
            "system_cpu_usage": rng.randrange(10**15), "online_cpus": rng.randrange(1, 65)}


def make_interface(rng):
    return {f"{way}_{what}": rng.randrange(1 << 40) for way in ("rx", "tx")
            for what in ("bytes", "packets", "errors", "dropped")}


def make_stats(container, rng):
    before = make_cpu(rng)
    return {"id": container["DockerId"], "name": container["Name"],
            "preread": "2026-03-01T11:00:00.25Z",
            "read": f"2026-03-01T11:00:{rng.randrange(1, 60):02}.{rng.randrange(10**9):09}Z",
            "cpu_stats": make_cpu(rng, before), "precpu_stats": before,
            "memory_stats": {"usage": rng.randrange(1 << 20, 1 << 36), "limit": 1 << 36,
                             "max_usage": rng.randrange(1 << 37),
                             "stats": {"cache": rng.randrange(1 << 20), "rss": 1}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"major": 259, "minor": minor, "op": op, "value": rng.randrange(1 << 40)}
                for minor in (0, 1) for op in ("Read", "Write", "Sync", "Async", "Total")]},
            "networks": {name: make_interface(rng) for name in ("eth0", "eth1")},
            "network_rate_stats": {"rx_bytes_per_sec": rng.uniform(0, 1e6),
                                   "tx_bytes_per_sec": rng.uniform(0, 1e6)}}


def make_documents(count, seed=1, ended=0):
    rng = random.Random(seed)
    running = [make_container(i) for i in range(count)]
    over = [make_ended(count + i, 60 + i) for i in range(ended)]
    stats = {one["DockerId"]: make_stats(one, rng) for one in running}
    stats.update({one["DockerId"]: None if i % 2 else {} for i, one in enumerate(over)})
    return make_task([*running, *over]), stats


# --- what follows from the documents --------------------------------------------------------------

def seconds_between(stats):
    def nanoseconds(text):
        head, _, fraction = text.rstrip("Z").partition(".")
        stamp = time.strptime(head, "%Y-%m-%dT%H:%M:%S")
        whole = stamp.tm_hour * 3600 + stamp.tm_min * 60 + stamp.tm_sec
        return whole * 10**9 + int(fraction.ljust(9, "0"))
    return nanoseconds(stats["read"]) - nanoseconds(stats["preread"])


def figures_of(stats, limits):
    memory, cpu = stats["memory_stats"], stats["cpu_stats"]
    moved = [one for one in stats["blkio_stats"]["io_service_bytes_recursive"]]
    total_ns = cpu["cpu_usage"]["total_usage"]
    vcpu = (total_ns - stats["precpu_stats"]["cpu_usage"]["total_usage"]) / seconds_between(stats)
    return {
        "memory.usage": memory["usage"], "memory.usage.max": memory["max_usage"],
        "memory.usage.limit": memory["limit"],
        "memory.utilized": (memory["usage"] - memory["stats"]["cache"]) // MIB,
        "memory.reserved": limits["Memory"], "cpu.usage.total": total_ns,
        "cpu.usage.kernelmode": cpu["cpu_usage"]["usage_in_kernelmode"],
        "cpu.usage.usermode": cpu["cpu_usage"]["usage_in_usermode"],
        "cpu.usage.system": cpu["system_cpu_usage"],
        "cpu.cores": len(cpu["cpu_usage"]["percpu_usage"]), "cpu.onlines": cpu["online_cpus"],
        "cpu.usage.vcpu": vcpu, "cpu.utilized": vcpu * 100 / limits["CPU"],
        "cpu.reserved": float(limits["CPU"]),
        "network.rate.rx": stats["network_rate_stats"]["rx_bytes_per_sec"],
        "network.rate.tx": stats["network_rate_stats"]["tx_bytes_per_sec"],
        **{f"network.io.usage.{name}": sum(one[name] for one in stats["networks"].values())
           for name in next(iter(stats["networks"].values()))},
        "storage.read_bytes": sum(one["value"] for one in moved if one["op"] == "Read"),
        "storage.write_bytes": sum(one["value"] for one in moved if one["op"] == "Write"),
    }


def task_figures(task, containers):
    found = {name: sum(one[name] for one in containers) for name in containers[0]}
    found["memory.usage.limit"] = min(found["memory.usage.limit"], MOST)
    found["memory.reserved"] = task["Limits"]["Memory"]
    found["cpu.reserved"] = float(task["Limits"]["CPU"] * 1024)
    found["cpu.utilized"] = found["cpu.usage.vcpu"] * 1024
    found["ephemeral_storage.utilized"] = task["EphemeralStorageMetrics"]["Utilized"]
    found["ephemeral_storage.reserved"] = task["EphemeralStorageMetrics"]["Reserved"]
    return found


def task_attributes(task):
    return {"aws.ecs.cluster.name": "blue", "aws.ecs.task.arn": TASK_ARN,
            "aws.ecs.task.id": TASK_ID, "aws.ecs.task.family": task["Family"],
            "aws.ecs.task.version": task["Revision"], "aws.ecs.task.revision": task["Revision"],
            "aws.ecs.service.name": task["ServiceName"],
            "cloud.availability_zone": task["AvailabilityZone"],
            "aws.ecs.task.pull_started_at": task["PullStartedAt"],
            "aws.ecs.task.pull_stopped_at": task["PullStoppedAt"],
            "aws.ecs.task.known_status": task["KnownStatus"],
            "aws.ecs.task.launch_type": "FARGATE", "aws.ecs.launchtype": "fargate",
            "cloud.region": REGION, "cloud.account.id": ACCOUNT}


def container_attributes(task, one):
    name, _, tag = one["Image"].rpartition(":")
    optional = {"aws.ecs.container.finished_at": one.get("FinishedAt"),
                "aws.ecs.container.exit_code": one.get("ExitCode")}
    return {**task_attributes(task), "container.name": one["Name"],
            "container.id": one["DockerId"], "aws.ecs.docker.name": one["DockerName"],
            "container.image.name": name, "container.image.tag": tag,
            "aws.ecs.container.image.id": one["ImageID"],
            "aws.ecs.container.created_at": one["CreatedAt"],
            "aws.ecs.container.started_at": one["StartedAt"],
            "aws.ecs.container.know_status": one["KnownStatus"],
            **{key: value for key, value in optional.items() if value is not None}}


def duration_of(one):
    minutes, seconds = one["FinishedAt"][14:16], one["FinishedAt"][17:19]
    return int(minutes) * 60 + int(seconds) + 0.75 - 0.5


def expected(task, stats):
    """{(container's name or None, metric): (kind, unit, value)} and {name: attributes}."""
    points, resources, running = {}, {None: task_attributes(task)}, []
    for one in task["Containers"]:
        name = one["Name"]
        resources[name] = container_attributes(task, one)
        if stats.get(one["DockerId"]):
            figures = figures_of(stats[one["DockerId"]], one["Limits"])
            running.append(figures)
            points.update({(name, f"container.{key}"): (*METRICS[key], value)
                           for key, value in figures.items()})
        else:
            points[name, "container.duration"] = ("gauge", "Seconds", duration_of(one))
    points.update({(None, f"ecs.task.{key}"): (*METRICS[key], value)
                   for key, value in task_figures(task, running).items()})
    return points, resources


def number_of(point):
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double


def check_points(items, task, stats):
    """All points of one cycle, none twice, each with its value and its resource."""
    points, resources = expected(task, stats)
    wanted_attributes = {name: typed_dictionary(one) for name, one in resources.items()}
    found, times = {}, set()
    for item in items:
        attributes = typed_attributes(item.resource.attributes)
        name = attributes.get("container.name", (None, None))[1]
        key = (name, item.metric.name)
        assert key not in found, key
        found[key] = (item.kind, item.metric.unit, number_of(item.value))
        assert attributes == wanted_attributes[name]
        assert item.resource_schema == SCHEMA and not item.scope.name
        assert not item.value.attributes and item.value.start_time_unix_nano == 0
        if item.kind == "sum":
            assert item.metric.sum.aggregation_temporality == 2
            assert not item.metric.sum.is_monotonic
        times.add(item.value.time_unix_nano)
    assert found.keys() == points.keys()
    for key, (kind, unit, value) in points.items():
        assert found[key][:2] == (kind, unit), key
        assert type(found[key][2]) is type(value), key
        if isinstance(value, int):
            assert found[key][2] == value, key
        else:
            assert math.isclose(found[key][2], value, rel_tol=1e-12), key
    assert len(times) == 1


def cycles_of(upstream):
    """The points that arrived, cycle by cycle, which is by their time."""
    found = collections.defaultdict(list)
    for item in upstream.accepted("metrics"):
        found[item.value.time_unix_nano].append(item)
    return [found[key] for key in sorted(found)]


# --- fixtures -------------------------------------------------------------------------------------

@pytest.fixture
def endpoint():
    with TaskEndpoint() as running:
        running.show(*make_documents(2))
        yield running


def settings_for(*upstreams, interval="100ms", **more):
    receiver = {"collection_interval": interval} if interval else None
    exporters = {f"otlphttp/{i}": otlphttp(one, **more) for i, one in enumerate(upstreams)}
    made = {f"metrics/{i}": (["awsecscontainermetrics"], [], [name])
            for i, name in enumerate(exporters)}
    return pipelines({"awsecscontainermetrics": receiver}, {}, exporters, **made)


@pytest.fixture
def start_task(start, endpoint, http_upstream):
    """start_task(interval) gives a weir inside the task."""

    def make(interval="100ms", **more):
        return start(settings_for(http_upstream, interval=interval, **more),
                     env={**NOTHING, VARIABLE: f"{endpoint.url}/v4/own"})

    return make


def receiver_of(weir):
    return weir.receiver("awsecscontainermetrics")


def wait_for_reason(weir, reason, count=1):
    wait_until(lambda: total(weir.metrics(), REASONS, reason=f"line_{reason}") >= count,
               what=f"{reason} >= {count}")


def wait_for_cycle(upstream, points=2 * CONTAINER_POINTS + TASK_POINTS):
    """Another whole cycle from now on."""
    count = upstream.item_counts["metrics"]
    upstream.wait_for_items("metrics", count + points)


# --- values ---------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_every_point_of_many_containers(start_task, endpoint, http_upstream):
    """One cycle of the default's interval: 45 containers, 1 250 points, each compared."""
    task, stats = make_documents(45, ended=52)
    count = 45 * CONTAINER_POINTS + 52 + TASK_POINTS
    assert count == 1250
    endpoint.show(task, stats)
    with start_task(interval=None) as weir:
        http_upstream.wait_for_items("metrics", count)
        assert receiver_of(weir)["items_forwarded"] == count
        assert [entry["endpoint"] for entry in weir.events("own_task_only")] == \
            [f"{endpoint.url}/v4/own"]
        assert total(weir.metrics(), REASONS) == 0
    check_points(http_upstream.accepted("metrics"), task, stats)
    assert endpoint.requests == [f"GET {TASK_PATH}", f"GET {STATS_PATH}"]


def test_cycles_follow_the_task(start_task, endpoint, http_upstream):
    """Containers come and go, figures grow; every cycle tells what was true then."""
    shown = [make_documents(2 + i, i, ended=i) for i in range(4)]
    endpoint.show(*shown[0])
    with start_task() as weir:
        for documents in shown:
            endpoint.show(*documents)
            wait_for_cycle(http_upstream, 4 * (5 * CONTAINER_POINTS + 3 + TASK_POINTS))
        arrived = http_upstream.item_counts["metrics"]  # first, for more may arrive meanwhile
        assert receiver_of(weir)["items_decoded"] >= arrived
    sizes = {(2 + i) * CONTAINER_POINTS + i + TASK_POINTS: i for i in range(4)}
    cycles = cycles_of(http_upstream)
    assert {len(items) for items in cycles} == sizes.keys()
    for items in cycles:
        check_points(items, *shown[sizes[len(items)]])


def test_every_pipeline_gets_every_point(start, endpoint, http_upstream):
    task, stats = make_documents(10)
    endpoint.show(task, stats)
    with HttpUpstream() as second:
        with start(settings_for(http_upstream, second, interval="20s"),
                   env={**NOTHING, VARIABLE: f"{endpoint.url}/v4/own"}):
            for upstream in (http_upstream, second):
                upstream.wait_for_items("metrics", 10 * CONTAINER_POINTS + TASK_POINTS)
        for upstream in (http_upstream, second):
            check_points(upstream.accepted("metrics"), task, stats)


def test_proxies_are_not_asked(start, endpoint, http_upstream):
    """The endpoint is one of this machine's own."""
    env = {**NOTHING, VARIABLE: f" {endpoint.url}/v4/own/ ", "http_proxy": "http://127.0.0.1:1"}
    with start(settings_for(http_upstream), env=env):
        wait_for_cycle(http_upstream)


# --- trouble --------------------------------------------------------------------------------------

TROUBLE = {
    "throttled": (429, "slow down"), "server_error": (503, "not now"), "bad_status": (404, ""),
    "bad_task": (200, "<html>"), "too_large": (200, " " * (4 * MIB + 1)),
}


@pytest.mark.parametrize("reason", [*TROUBLE, "bad_stats", "timeout", "unreachable"])
def test_trouble_is_counted_and_passes(start_task, endpoint, http_upstream, reason):
    with start_task(interval="200ms") as weir:
        wait_for_cycle(http_upstream)
        task, stats = endpoint.documents
        endpoint.always = TROUBLE.get(reason)
        endpoint.is_away = reason == "unreachable"
        endpoint.hang = reason == "timeout"
        endpoint.show(task, "[]" if reason == "bad_stats" else stats)
        wait_for_reason(weir, reason, 2)
        entries = [entry for entry in weir.events("task_metrics_incomplete")
                   if entry["reason"] == reason]
        assert len(entries) == 1 and endpoint.url in entries[0]["detail"]
        endpoint.always, endpoint.is_away, endpoint.hang = None, False, False
        endpoint.released.set()
        endpoint.show(task, stats)
        wait_for_cycle(http_upstream)
    for items in cycles_of(http_upstream):
        check_points(items, *endpoint.documents)


def test_containers_with_strange_figures_are_left_out(start_task, endpoint, http_upstream):
    task, stats = make_documents(10)
    ids = [one["DockerId"] for one in task["Containers"]]
    stats[ids[0]]["memory_stats"]["usage"] = -1
    stats[ids[1]]["networks"] = "none"
    stats[ids[2]]["network_rate_stats"]["rx_bytes_per_sec"] = 1e300
    stats[ids[3]] = None
    task["Containers"][4]["ExitCode"] = "none"
    endpoint.show(task, stats)
    with start_task(interval="20s") as weir:
        http_upstream.wait_for_items("metrics", 6 * CONTAINER_POINTS + TASK_POINTS)
        page = weir.metrics()
        found = {reason: total(page, REASONS, reason=f"line_{reason}")
                 for reason in ("odd_stats", "no_stats", "odd_value")}
        assert found == {"odd_stats": 3, "no_stats": 1, "odd_value": 1}
    del task["Containers"][4]["ExitCode"]
    task["Containers"] = task["Containers"][4:]
    check_points(http_upstream.accepted("metrics"), task, stats)


def test_an_upstream_that_is_away_loses_nothing(start_task, endpoint, http_upstream):
    """Cycles go on meanwhile; what they brought is held and arrives."""
    http_upstream.go_down()
    with start_task() as weir:
        wait_until(lambda: receiver_of(weir)["items_decoded"] >= 1000, what="cycles")
        http_upstream.go_up()
        wait_for_cycle(http_upstream, 1000)
        weir.stop()
        assert weir.books()["items_delivered"] == http_upstream.item_counts["metrics"]
    for items in cycles_of(http_upstream):
        check_points(items, *endpoint.documents)


# --- life -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("uri", ["", "169.254.170.2/v4/x"])
def test_outside_a_task_weir_ends_with_one_sentence(tmp_path, http_upstream, uri):
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(with_admin(settings_for(http_upstream), free_port())))
    ended = run_command("run", "--config", path, env={**NOTHING, VARIABLE: uri})
    assert ended.returncode == 78, ended.stderr
    [line] = [json.loads(line) for line in ended.stderr.splitlines()
              if '"task_metadata_missing"' in line]
    assert line["level"] == "error" and line["variable"] == VARIABLE
    assert "inside an ECS task only" in line["message"]
    assert run_command("validate", "--config", path).returncode == 0


@pytest.mark.parametrize(("keys", "words"), [
    ({"collection_interval": "0s"}, "must be at least 100ms"),
    ({"instance_level_metrics": True}, "not supported yet"),
    ({"collection_intervall": "1s"}, "did you mean 'collection_interval'"),
])
def test_settings_are_judged(tmp_path, keys, words):
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(pipelines({"awsecscontainermetrics": keys}, {}, {"nop": {}},
                                      metrics=(["awsecscontainermetrics"], [], ["nop"]))))
    result = run_command("validate", "--config", path)
    assert result.returncode == 78 and words in result.stderr, result.stderr


def test_reload(start, endpoint, http_upstream):
    """What did not change keeps its clock; what did begins anew; what cannot be is refused."""
    env = {**NOTHING, VARIABLE: f"{endpoint.url}/v4/own"}
    cycle = 2 * CONTAINER_POINTS + TASK_POINTS
    with start(settings_for(http_upstream, interval="20s"), env=env) as weir:
        http_upstream.wait_for_items("metrics", cycle)
        changed = settings_for(http_upstream, interval="20s", timeout="4s")
        assert weir.reload(changed)["event"] == "reloaded"
        time.sleep(0.5)
        assert http_upstream.item_counts["metrics"] == cycle
        assert endpoint.count(TASK_PATH) == 1
        assert weir.reload(settings_for(http_upstream, interval="200ms"))["event"] == "reloaded"
        wait_for_cycle(http_upstream, 3 * cycle)
        time.sleep(0.5)  # reloads have a pause between them
        refused = settings_for(http_upstream, interval="1ms")
        assert weir.reload(refused)["event"] in ("reload_failed", "reload_refused")
        wait_for_cycle(http_upstream, 3 * cycle)
    for items in cycles_of(http_upstream):
        check_points(items, *endpoint.documents)


def test_a_receiver_that_cannot_be_does_not_disturb_a_reload(start, http_upstream):
    before = pipelines({"statsd": {"endpoint": f"127.0.0.1:{free_port()}"}}, {},
                       {"otlphttp": otlphttp(http_upstream)},
                       metrics=(["statsd"], [], ["otlphttp"]))
    with start(before, env=NOTHING) as weir:
        assert weir.reload(settings_for(http_upstream))["event"] != "reloaded"
        assert len(weir.events("task_metadata_missing")) == 1
        assert [one["id"] for one in weir.status()["receivers"]] == ["statsd"]


def test_cycles_do_not_keep_a_drain_waiting(start_task, http_upstream):
    """It waits until nothing comes in any more; what is fetched does not count."""
    with start_task() as weir:
        wait_for_cycle(http_upstream)
        begin = time.monotonic()
        assert weir.stop() == 0
        assert time.monotonic() - begin < 5


def test_a_drain_waits_for_no_answer(start_task, endpoint, http_upstream):
    """Long before the attempts are over, each of which takes two seconds."""
    endpoint.hang = True
    with start_task(interval=None) as weir:
        wait_until(lambda: endpoint.requests, what="a request that hangs")
        begin = time.monotonic()
        assert weir.stop() == 0
        assert time.monotonic() - begin < 5
    assert http_upstream.item_counts["metrics"] == 0


# --- ADOT's configuration for Container Insights --------------------------------------------------

def insights_settings(has_transform):
    """The pipeline of the image's file, as it stands; without new names where nobody gives them."""
    path = IMAGE_ETC / "ecs/container-insights/otel-task-metrics-config.yaml"
    whole = yaml.safe_load(path.read_text())
    processors = {name: whole["processors"][name]
                  for name in ("filter", "metricstransform", "resource")}
    exporter = whole["exporters"]["awsemf/performance"]
    if not has_transform:
        names = {one["new_name"]: one["include"]
                 for one in processors.pop("metricstransform")["transforms"]}
        selectors = exporter["metric_declarations"][0]["metric_name_selectors"]
        exporter["metric_declarations"][0]["metric_name_selectors"] = [
            names[one] for one in selectors]
    return pipelines({"awsecscontainermetrics": {"collection_interval": "500ms"}}, processors,
                     {"awsemf/performance": exporter},
                     **{"metrics/performance": (["awsecscontainermetrics"], list(processors),
                                                ["awsemf/performance"])})


def insights_names(has_transform):
    path = IMAGE_ETC / "ecs/container-insights/otel-task-metrics-config.yaml"
    transforms = yaml.safe_load(path.read_text())["processors"]["metricstransform"]["transforms"]
    return {one["include"]: one["new_name"] if has_transform else one["include"]
            for one in transforms}


def test_adots_container_insights(start, aws, endpoint):
    """Gauges as they are, what grew as its growth, ended containers as log lines."""
    has_transform = "metricstransform" in json.loads(
        run_command("components", "--json").stdout)["processors"]
    task, stats = make_documents(10, ended=40)
    endpoint.show(task, stats)
    names = insights_names(has_transform)
    env = {**NOTHING, **aws.environment(), VARIABLE: f"{endpoint.url}/v4/own"}
    with start(insights_settings(has_transform), env=env):
        wait_until(lambda: len({stamp for _, _, stamp, _ in aws.logs.events()}) >= 3,
                   what="three cycles")
    group, stream = "/aws/ecs/containerinsights/blue/performance", TASK_ID
    assert list(aws.logs.groups) == [group]
    assert list(aws.logs.groups[group].streams) == [stream]
    points, _ = expected(task, stats)
    documents = [json.loads(message) for _, _, _, message in aws.logs.events()]
    check_ended(documents, points, task)
    data = [datum for _, _, _, message in aws.logs.events() if "_aws" in json.loads(message)
            for datum in emf_document.read(message)]
    found = collections.defaultdict(list)
    for datum in data:
        assert datum.namespace == "ECS/ContainerInsights"
        assert datum.dimension_sets == [["ClusterName"], ["ClusterName", "TaskDefinitionFamily"]]
        assert datum.labels == {"ClusterName": "blue", "TaskDefinitionFamily": "shop"}
        found[datum.name].append(datum.value)
    assert found.keys() == set(names.values())
    for name, shown in names.items():
        kind, _, value = points[None, name]
        wanted = 0 if kind == "sum" else value  # nothing grew between two cycles
        for one in found[shown]:
            assert math.isclose(one, wanted, rel_tol=1e-12), (shown, found[shown])
    assert len(found[names["ecs.task.cpu.utilized"]]) >= 3


def check_ended(documents, points, task):
    """Each container that ended has a line in every cycle, and no metric of CloudWatch."""
    lines = collections.defaultdict(list)
    for one in documents:
        if "container.duration" in one:
            assert "_aws" not in one
            lines[one["ContainerName"]].append(one)
    over = {one["Name"]: one for one in task["Containers"] if "FinishedAt" in one}
    assert lines.keys() == over.keys()
    for name, found in lines.items():
        assert len(found) >= 3
        for one in found:
            assert math.isclose(one["container.duration"], points[name, "container.duration"][2])
            assert one["DockerId"] == over[name]["DockerId"]
            assert one["ExitCode"] == str(over[name]["ExitCode"])
            assert (one["ClusterName"], one["TaskId"]) == ("blue", TASK_ID)
            assert one["ImageTag"] == over[name]["Image"].rpartition(":")[2]
            assert "AvailabilityZone" not in one  # its source is one that nobody sets
