# SPDX-License-Identifier: Apache-2.0
"""Container Insights of an ECS instance: a made host, the machine's metadata and the ECS agent, and
what CloudWatch Logs is told, with ADOT's configuration for instances."""

import collections
import datetime
import http.server
import itertools
import json
import os
import pathlib
import random
import shutil
import threading

import emf_document
import fake_metadata
import pytest
from fake_metadata import FakeMetadata
from prom_page import total
from settings import otlphttp, pipelines, to_text
from weir_process import run_command, wait_until

IS_FULL = os.environ.get("WEIR_TEST_FULL") == "1"
NAME = "awscontainerinsightreceiver"
VECTORS = pathlib.Path(__file__).parents[1] / "vectors/container_insight"
AGENT_PORT = 51678
INSTANCE_ID, INSTANCE_TYPE = "i-0d1e2f", "c7g.large"
CONTAINER_INSTANCE = "47c0ab6e2c2c475e9c30b878fa7a8c3d"
GROUP = "/aws/ecs/containerinsights/blue/performance"
STREAM = f"instanceTelemetry/{CONTAINER_INSTANCE}"
WHO = {"ClusterName": "blue", "ContainerInstanceId": CONTAINER_INSTANCE,
       "InstanceId": INSTANCE_ID, "InstanceType": INSTANCE_TYPE}

# ADOT's: what is told of an instance, and what of its cluster.
OWN = ["instance_cpu_utilization", "instance_memory_utilization", "instance_network_total_bytes",
       "instance_cpu_reserved_capacity", "instance_memory_reserved_capacity",
       "instance_number_of_running_tasks", "instance_filesystem_utilization"]
SHARED = OWN[:6] + ["instance_cpu_usage_total", "instance_cpu_limit", "instance_memory_working_set",
                    "instance_memory_limit"]
OF_TASKS = {"instance_number_of_running_tasks", "instance_cpu_reserved_capacity",
            "instance_memory_reserved_capacity"}
OWN_DIMENSIONS, SHARED_DIMENSIONS = ["ContainerInstanceId", "InstanceId", "ClusterName"], [
    "ClusterName"]


# --- a host -----------------------------------------------------------------------------------------

class Agent:
    """The introspection of the ECS agent, on an address of loopback of its own."""

    def __init__(self):
        self.instance = (VECTORS / "instance.json").read_text()
        self.tasks = (VECTORS / "tasks.json").read_text()
        self.requests = []
        self.address = ""
        self.server = None
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.requests.append(self.path)
                texts = {"/v1/metadata": owner.instance, "/v1/tasks": owner.tasks}
                data = texts.get(self.path, "").encode()
                self.send_response(200 if data else 404)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.handler = Handler

    def bind(self):
        while self.server is None:
            numbers = [str(random.randint(1, 254)) for _ in range(3)]
            self.address = ".".join(["127", *numbers])
            try:
                self.server = http.server.ThreadingHTTPServer((self.address, AGENT_PORT),
                                                              self.handler)
            except OSError:
                continue  # another test has it
        self.server.daemon_threads = True

    def __enter__(self):
        self.bind()
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Host:
    """The folders of tests/vectors, to be changed, and whoever else there is to ask."""

    def __init__(self, folder, version, metadata, agent):
        self.folder, self.metadata, self.agent = folder, metadata, agent
        self.sys = f"sys_v{version}"
        shutil.copytree(VECTORS, folder / "host")
        self.root = folder / "host"
        self.disk = folder / "disk"
        self.disk.mkdir()
        self.write("mountinfo", f"1 2 259:1 / {self.disk} rw - ext4 /dev/nvme0n1p1 rw\n")
        metadata.identity = {**fake_metadata.IDENTITY, "privateIp": agent.address}

    def write(self, path, text):
        """At once, as the kernel's files change."""
        (self.folder / "new").write_text(text)
        os.replace(self.folder / "new", self.root / path)

    def cgroup(self, path):
        return f"{self.sys}/fs/cgroup/{path}"

    def environment(self, **more):
        return {"HOST_PROC": str(self.root / "proc"), "HOST_SYS": str(self.root / self.sys),
                "HOST_PROC_MOUNTINFO": str(self.root / "mountinfo"), "AWS_EXECUTION_ENV": "",
                "HOST_NAME": "", **self.metadata.on_ec2(**more)}


@pytest.fixture
def metadata():
    with FakeMetadata() as running:
        yield running


@pytest.fixture
def agent():
    with Agent() as running:
        yield running


@pytest.fixture
def host(tmp_path, metadata, agent):
    return Host(tmp_path, 2, metadata, agent)


# --- ADOT's configuration ---------------------------------------------------------------------------

def adot(interval):
    declarations = [{"dimensions": [OWN_DIMENSIONS], "metric_name_selectors": OWN},
                    {"dimensions": [SHARED_DIMENSIONS], "metric_name_selectors": SHARED}]
    emf = {"namespace": "ECS/ContainerInsights",
           "log_group_name": "/aws/ecs/containerinsights/{ClusterName}/performance",
           "log_stream_name": "instanceTelemetry/{ContainerInstanceId}",
           "resource_to_telemetry_conversion": {"enabled": True},
           "dimension_rollup_option": "NoDimensionRollup",
           "parse_json_encoded_attr_values": ["Sources"], "metric_declarations": declarations}
    return pipelines({NAME: {"collection_interval": interval, "container_orchestrator": "ecs"}},
                     {"batch/metrics": {"timeout": "60s"}},
                     {"awsemf": emf, "debug": {"verbosity": "detailed"}},
                     metrics=([NAME], ["batch/metrics"], ["awsemf", "debug"]))


def to_upstream(upstream, **keys):
    receiver = {"collection_interval": "200ms", "container_orchestrator": "ecs", **keys}
    return pipelines({NAME: receiver}, {}, {"otlphttp": otlphttp(upstream)},
                     metrics=([NAME], [], ["otlphttp"]))


# Counters that are moved while it runs: by how much, file, and its text with the number in it.
def bump_version_2(host, delta):
    host.write(host.cgroup("cpu.stat"), f"usage_usec {5_000_000 + delta['cpu_total']}\n"
               f"user_usec {3_000_000 + delta['cpu_user']}\n"
               f"system_usec {2_000_000 + delta['cpu_system']}\n")
    memory = (VECTORS / "sys_v2/fs/cgroup/memory.stat").read_text()
    host.write(host.cgroup("memory.stat"),
               memory.replace("pgfault 4000", f"pgfault {4000 + delta['faults']}"))
    host.write(host.cgroup("io.stat"), f"259:0 rbytes={1_000_000 + delta['read_bytes']} "
               f"wbytes={2_000_000 + delta['write_bytes']} rios={100 + delta['reads']} wios=200\n")


def bump_version_1(host, delta):
    host.write(host.cgroup("cpuacct/cpuacct.usage"),
               f"{5_000_000_000 + delta['cpu_total'] * 1000}\n")
    host.write(host.cgroup("cpuacct/cpuacct.stat"), f"user {300 + delta['cpu_user'] // 10_000}\n"
               f"system {200 + delta['cpu_system'] // 10_000}\n")
    memory = (VECTORS / "sys_v1/fs/cgroup/memory/memory.stat").read_text()
    host.write(host.cgroup("memory/memory.stat"),
               memory.replace("pgfault 4000", f"pgfault {4000 + delta['faults']}"))
    read, write = 1_000_000 + delta["read_bytes"], 2_000_000 + delta["write_bytes"]
    host.write(host.cgroup("blkio/blkio.throttle.io_service_bytes"),
               f"259:0 Read {read}\n259:0 Write {write}\n259:0 Sync 2500000\n259:0 Async 500000\n"
               f"259:0 Total {read + write}\nTotal {read + write}\n")
    host.write(host.cgroup("blkio/blkio.throttle.io_serviced"),
               f"259:0 Read {100 + delta['reads']}\n259:0 Write 200\n259:0 Total "
               f"{300 + delta['reads']}\n")


DELTA = {"cpu_total": 900_000, "cpu_user": 500_000, "cpu_system": 400_000, "faults": 12_345,
         "read_bytes": 7_654_321, "write_bytes": 1_234_567, "reads": 777,
         "rx_bytes": 55_555_555, "tx_bytes": 33_333_333}
BUMPS = {1: bump_version_1, 2: bump_version_2}


def bump(host, version):
    BUMPS[version](host, DELTA)
    net = (VECTORS / "proc/1/net/dev").read_text()
    net = net.replace(" 1000000 ", f" {1_000_000 + DELTA['rx_bytes']} ")
    host.write("proc/1/net/dev", net.replace(" 500000 ", f" {500_000 + DELTA['tx_bytes']} "))


def documents(aws):
    """{type: [document, …]} in the order of time, of one device each.

    A few may be older than the agent's first answer, and say nothing of the cluster.
    """
    found, early, times = collections.defaultdict(list), [], []
    for group, stream, stamp, message in aws.logs.events():
        if (group, stream) != (GROUP, STREAM):
            early.append(stamp)
            continue
        document = json.loads(message)
        found[document["Type"]].append(document)
        times.append(stamp)
    assert len(early) <= len(times) // 4 and all(stamp < min(times) for stamp in early)
    for same in found.values():
        same.sort(key=lambda document: int(document["Timestamp"]))
    return found


def grown(same, key):
    """What a counter grew by, from its rates and the times between them."""
    return sum(now[key] * (int(now["Timestamp"]) - int(before["Timestamp"])) / 1000
               for before, now in itertools.pairwise(same))


def check_grown(same, key, delta):
    assert same[0][key] == 0
    assert grown(same, key) == pytest.approx(delta, rel=0.02), key


def told_in(document, wanted):
    """Nothing of the tasks where the agent took longer than half an interval."""
    return {key: number for key, number in wanted.items()
            if key not in OF_TASKS or OF_TASKS & document.keys()}


def check_instance(same, version):
    exact = {"instance_cpu_limit": 4000, "instance_memory_limit": 8_192_000_000,
             "instance_memory_usage": 3e9, "instance_memory_cache": 2e9,
             "instance_memory_rss": 1e9, "instance_memory_swap": 102_400_000,
             "instance_memory_mapped_file": 3e8, "instance_memory_working_set": 2.5e9,
             "instance_memory_max_usage": 3.5e9 if version == 1 else 0,
             "instance_memory_failcnt": 7 if version == 1 else 0,
             "instance_number_of_running_tasks": 2, "instance_memory_pgmajfault": 0}
    near = {"instance_memory_utilization": 2.5e9 / 8_192_000_000 * 100,
            "instance_cpu_reserved_capacity": (769 if version == 1 else 1510) / 4096 * 100,
            "instance_memory_reserved_capacity":
                (536870912 + 134217728 + 67108864) / 8_192_000_000 * 100}
    assert sum(not OF_TASKS & document.keys() for document in same) <= len(same) // 4
    for document in same:
        equal, close = told_in(document, exact), told_in(document, near)
        assert {key: document[key] for key in equal} == equal
        assert {key: document[key] for key in close} == pytest.approx(close)
        assert document["Sources"] == ["cadvisor", "/proc", "ecsagent", "calculated"]
        assert document["instance_cpu_utilization"] == pytest.approx(
            document["instance_cpu_usage_total"] / 40)
        assert document["instance_network_total_bytes"] == pytest.approx(
            document["instance_network_rx_bytes"] + document["instance_network_tx_bytes"])
    check_grown(same, "instance_cpu_usage_total", DELTA["cpu_total"] / 1e6 * 1000)
    check_grown(same, "instance_cpu_usage_user", DELTA["cpu_user"] / 1e6 * 1000)
    check_grown(same, "instance_cpu_usage_system", DELTA["cpu_system"] / 1e6 * 1000)
    check_grown(same, "instance_memory_pgfault", DELTA["faults"])
    check_grown(same, "instance_memory_hierarchical_pgfault", DELTA["faults"])
    check_grown(same, "instance_network_rx_bytes", DELTA["rx_bytes"])
    check_grown(same, "instance_network_total_bytes", DELTA["rx_bytes"] + DELTA["tx_bytes"])


def check_devices(found, host, version):
    disk = [d for d in found["InstanceDiskIO"] if d["device"] == "/dev/nvme0n1"]
    check_grown(disk, "instance_diskio_io_service_bytes_read", DELTA["read_bytes"])
    check_grown(disk, "instance_diskio_io_service_bytes_write", DELTA["write_bytes"])
    check_grown(disk, "instance_diskio_io_service_bytes_total",
                DELTA["read_bytes"] + DELTA["write_bytes"])
    check_grown(disk, "instance_diskio_io_serviced_read", DELTA["reads"])
    assert ("instance_diskio_io_service_bytes_sync" in disk[0]) == (version == 1)
    assert disk[0]["Sources"] == ["cadvisor"]
    assert {d["interface"] for d in found["InstanceNet"]} == {"eth0", "ecs-eth0"}
    eth0 = [d for d in found["InstanceNet"] if d["interface"] == "eth0"]
    check_grown(eth0, "instance_interface_network_rx_bytes", DELTA["rx_bytes"])
    check_grown(eth0, "instance_interface_network_tx_bytes", DELTA["tx_bytes"])
    assert {d["instance_interface_network_rx_errors"] for d in eth0} == {0}
    stat = os.statvfs(host.disk)
    for document in found["InstanceFS"]:
        assert document["device"] == "/dev/nvme0n1p1" and document["fstype"] == "vfs"
        assert document["instance_filesystem_capacity"] == stat.f_frsize * stat.f_blocks
        assert document["instance_filesystem_inodes"] == stat.f_files
        used = document["instance_filesystem_usage"]
        assert document["instance_filesystem_utilization"] == pytest.approx(
            used / (stat.f_frsize * stat.f_blocks) * 100)
        assert document["Sources"] == ["cadvisor", "calculated"]


def check_directives(aws):
    """Each metric has exactly the dimensions that ADOT declares for it; others are only logged."""
    told = collections.defaultdict(set)
    for _, _, _, message in aws.logs.events(GROUP, STREAM):
        document = json.loads(message)
        if "_aws" not in document and "CloudWatchMetrics" not in document:
            assert document["Type"] in ("InstanceNet", "InstanceDiskIO")
            continue
        for datum in emf_document.read(message):
            assert datum.namespace == "ECS/ContainerInsights"
            told[datum.name].update(tuple(names) for names in datum.dimension_sets)
            assert datum.time_ms == int(document["Timestamp"])
            assert datum.labels.items() <= WHO.items()
    expected = collections.defaultdict(set)
    for names, dimensions in ((OWN, OWN_DIMENSIONS), (SHARED, SHARED_DIMENSIONS)):
        for name in names:
            expected[name].add(tuple(dimensions))
    assert {name: {frozenset(one) for one in sets} for name, sets in told.items()} == \
        {name: {frozenset(one) for one in sets} for name, sets in expected.items()}


# ADOT's own interval takes its time; half of it is how long the agent may take.
@pytest.mark.parametrize("interval", ["500ms", "10s"] if IS_FULL else ["500ms"])
@pytest.mark.parametrize("version", [1, 2])
def test_adots_instance_metrics(start, aws, metadata, agent, tmp_path, version, interval):
    host = Host(tmp_path, version, metadata, agent)
    # Tags are shown where the instance is set so.
    metadata.tags = {"aws:autoscaling:groupName": "green"} if version == 2 else None
    who = {**WHO, "AutoScalingGroupName": "green" if version == 2 else ""}
    cycles, least = (3, 100) if interval == "10s" else (22, 1000)
    with start(adot(interval), env={**aws.environment(), **host.environment()}) as weir:
        first = weir.wait_for("items_forwarded", 1, NAME, seconds=30)["items_forwarded"]
        wait_until(lambda: "/v1/tasks" in agent.requests, what="an agent that was asked")
        bump(host, version)
        counters = weir.wait_for("items_forwarded", max(first * cycles, least), NAME, seconds=60)
        assert total(weir.metrics(), "weir_sources_missing") == 0
    found = documents(aws)
    points = sum(len([key for key in json.loads(message) if key.startswith("instance_")])
                 for *_, message in aws.logs.events())
    assert points >= counters["items_forwarded"] >= least
    for same in found.values():
        for document in same:
            assert {key: document[key] for key in who} == who
            assert "NodeName" not in document
            # The format's own version, where there is a directive, stands in the label's place.
            assert document.get("Version") == ("1" if "_aws" in document else None)
    check_instance(found["Instance"], version)
    check_devices(found, host, version)
    check_directives(aws)
    assert agent.requests.count("/v1/metadata") == 1
    assert metadata.count("/latest/dynamic/instance-identity/document") == 1
    assert agent.requests.count("/v1/tasks") >= cycles - cycles // 4
    assert not weir.events("source_missing")


# --- what is missing --------------------------------------------------------------------------------

def names_of(sink):
    return {metric.name for metric, _, _, _ in sink.points}


def missing(weir):
    return {labels["source"] for labels, count in weir.metrics()["weir_sources_missing"]
            if count > 0}


def test_nothing_but_proc(start, sink, host):
    env = host.environment(HOST_SYS="/nonexistent", HOST_PROC_MOUNTINFO="/nonexistent")
    env.update({"AWS_EC2_METADATA_DISABLED": "true", "HOST_SYS": "/nonexistent",
                "HOST_PROC_MOUNTINFO": "/nonexistent", "HOST_NAME": "the-node"})
    with start(to_upstream(sink), env=env) as weir:
        weir.wait_for("items_forwarded", 200, NAME)
        assert missing(weir) == {"instance_metadata", "cgroup", "filesystem"}
        assert total(weir.metrics(), "weir_sources_missing", source="cgroup") >= 3
    told = collections.defaultdict(list)
    for event in weir.events("source_missing"):
        told[event["source"]].append(datetime.datetime.fromisoformat(event["time"]))
    assert set(told) == {"instance_metadata", "cgroup", "filesystem"}
    for times in told.values():  # one of each in ten seconds, however long it takes
        assert all((later - earlier).total_seconds() > 9.9
                   for earlier, later in itertools.pairwise(times))
    found = names_of(sink)
    assert {"instance_cpu_limit", "instance_memory_limit", "instance_network_rx_bytes",
            "instance_interface_network_rx_bytes"} <= found
    assert not [name for name in found if "usage" in name or "reserved" in name]


def test_the_agent_comes_later(start, sink, host, agent):
    agent.instance = agent.tasks = ""
    with start(to_upstream(sink), env=host.environment()) as weir:
        weir.wait_for("items_forwarded", 100, NAME)
        wait_until(lambda: missing(weir) == {"ecs_agent"}, what="a word about the agent")
        wait_until(lambda: "instance_cpu_utilization" in names_of(sink), what="a look")
        assert "instance_number_of_running_tasks" not in names_of(sink)
        agent.instance = (VECTORS / "instance.json").read_text()
        agent.tasks = (VECTORS / "tasks.json").read_text()
        wait_until(lambda: "instance_number_of_running_tasks" in names_of(sink))
        wait_until(lambda: "instance_cpu_reserved_capacity" in names_of(sink))
        agent.tasks = "<html>no list</html>"
        count = total(weir.metrics(), "weir_sources_missing", source="ecs_agent")
        wait_until(lambda: total(weir.metrics(), "weir_sources_missing",
                                 source="ecs_agent") >= count + 3)


def test_a_machine_that_hangs_delays_nothing(start, sink, host, metadata):
    metadata.hang = True
    with start(to_upstream(sink), env=host.environment()) as weir:
        weir.wait_for("items_forwarded", 300, NAME)
        metadata.hang = False
        metadata.released.set()
        wait_until(lambda: "instance_number_of_running_tasks" in names_of(sink))
    assert {"instance_cpu_utilization", "instance_filesystem_utilization"} <= names_of(sink)


def test_a_reload_begins_anew_only_where_settings_changed(start, sink, host):
    with start(to_upstream(sink), env=host.environment()) as weir:
        weir.wait_for("items_forwarded", 100, NAME)
        assert weir.reload(to_upstream(sink))["event"] == "reloaded"
        assert weir.receiver(NAME)["items_forwarded"] >= 100
        assert weir.reload(to_upstream(sink, collection_interval="300ms"))["event"] == "reloaded"
        weir.wait_for("items_forwarded", 100, NAME)


# --- settings ---------------------------------------------------------------------------------------

@pytest.mark.parametrize(("keys", "words"), [
    ({}, "only 'ecs' is supported"),
    ({"container_orchestrator": "eks"}, "only 'ecs' is supported"),
    ({"container_orchestrator": "ecs", "collection_interval": "0s"}, "at least 100ms"),
    ({"container_orchestrator": "ecs", "collection_role": "NODE"}, "not supported yet"),
    ({"container_orchestrator": "ecs", "interval": "1s"}, "unknown"),
])
def test_settings_are_judged(tmp_path, keys, words):
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(pipelines({NAME: keys}, {}, {"nop": {}},
                                      metrics=([NAME], [], ["nop"]))))
    result = run_command("validate", "--config", path)
    assert result.returncode == 78 and words in result.stderr, result.stderr
