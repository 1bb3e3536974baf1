# SPDX-License-Identifier: Apache-2.0
"""What each preset of the image is there for, as applications and AWS see it.

A job prepares its servers inside the namespace, sends what an application sends, waits for what
weir fetches by itself, and compares what arrived. The names of a job are those in `means.json`.
"""

import http.server
import json
import os
import pathlib
import re
import ssl
import subprocess
import threading

import adot_default
import amp_workspace
import ecs_agent
import emf_document
import fake_metadata
from fake_aws import REGION
from fake_xray import rule
from h1_client import JSON, H1Client
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from prom_page import parse, total
from weir_process import fetch, wait_until

COUNT = adot_default.COUNT
SCRAPED_PORT = 9404
PERFORMANCE = f"/aws/ecs/containerinsights/{ecs_agent.CLUSTER}/performance"
# What the pages of the agent say of the task, as remote write names it and Container Insights does.
TASK_GAUGES = {"ecs_task_memory_utilized": ("MemoryUtilized", 192),
               "ecs_task_memory_reserved": ("MemoryReserved", 512),
               "ecs_task_cpu_utilized": ("CpuUtilized", 0.2 * 1024),
               "ecs_task_cpu_reserved": ("CpuReserved", 256),
               "ecs_task_network_rate_rx": ("NetworkRxBytes", 21),
               "ecs_task_network_rate_tx": ("NetworkTxBytes", 40.5)}
RUNNING_COUNT = 2
DURATION_S = 90.5


class Job:
    """Does nothing; what a job has nothing to do with it leaves out."""

    def __init__(self, scene):
        self.scene = scene

    def prepare(self):
        pass

    def send(self):
        pass

    def wait(self):
        pass

    def check(self, aws):
        pass


class Default(Job):
    """StatsD, X-Ray and OTLP to X-Ray and CloudWatch."""

    def send(self):
        adot_default.send_all()

    def check(self, aws):
        adot_default.check_traces(aws)
        adot_default.check_metrics(aws, PERFORMANCE)


class Spans(Job):
    """OTLP traces to X-Ray."""

    def send(self):
        adot_default.send_spans()

    def check(self, aws):
        spans = aws.xray.segments()
        assert len(spans) == COUNT, len(spans)
        assert {one["name"] for one in spans} == {"otlp-app"}
        assert sorted(one["metadata"]["default"]["i"] for one in spans) == list(range(COUNT))
        assert max(aws.xray.batches) <= 50


class Dimensions(Job):
    """OTLP metrics to CloudWatch, with the task they belong to as dimensions."""

    def send(self):
        adot_default.send_metrics()

    def check(self, aws):
        data = [datum for _, _, _, message in aws.logs.events(adot_default.GROUP)
                for datum in emf_document.read(message)]
        counters = [datum for datum in data if datum.name == "o.counter"]
        assert {datum.labels["series"]: datum.value for datum in counters} == {
            str(i): i + 1 for i in range(COUNT)}
        assert len(counters) == COUNT
        assert [datum.value for datum in data if datum.name == "o.gauge"] == [2.5]
        cluster = f"arn:aws:ecs:{REGION}:123456789012:cluster/{ecs_agent.CLUSTER}"
        wanted = {"TaskDefinitionFamily": "shop", "TaskDefinitionRevision": "7",
                  "LaunchType": "fargate", "ClusterARN": cluster}
        for datum in data:
            assert datum.namespace == adot_default.NAMESPACE and len(datum.dimension_sets) == 1
            assert wanted.items() <= datum.labels.items(), datum.labels
            assert datum.labels["TaskARN"].endswith(ecs_agent.TASK_ID)
            assert not {"aws.ecs.task.arn", "cloud.region"} & set(datum.labels)


class Sampling(Job):
    """Sampling calls to X-Ray, on the daemon's port."""

    def prepare(self):
        self.scene.aws.xray.rules = [rule(f"rule-{i}") for i in range(100)]

    def send(self):
        with H1Client(2000) as client:
            answer = client.request("/GetSamplingRules", b"{}", JSON)
            assert len(json.loads(answer.body)["SamplingRuleRecords"]) == 100
            for i in range(COUNT):
                report = {"RuleName": f"rule-{i}", "ClientID": f"{i:024x}", "Timestamp": 1.7e9,
                          "RequestCount": i, "SampledCount": i // 2, "BorrowCount": 0}
                body = json.dumps({"SamplingStatisticsDocuments": [report]}).encode()
                answer = client.request("/SamplingTargets", body, JSON)
                target, = json.loads(answer.body)["SamplingTargetDocuments"]
                assert target["RuleName"] == f"rule-{i}"

    def check(self, aws):
        assert {one["RuleName"]: one["RequestCount"] for one in aws.xray.statistics} == {
            f"rule-{i}": i for i in range(COUNT)}


class RemoteWrite(Job):
    """OTLP metrics to the workspace, with what is detected of the task as labels."""

    def send(self):
        exporter = OTLPMetricExporter(endpoint="http://localhost:4318/v1/metrics")
        reader = PeriodicExportingMetricReader(exporter, export_interval_millis=3_600_000)
        provider = MeterProvider([reader], Resource({"service.name": "otlp-app"}))
        meter = provider.get_meter("adot")
        counter = meter.create_counter("o.counter", unit="By")
        for i in range(COUNT):
            counter.add(i + 1, {"series": str(i)})
        meter.create_gauge("o.gauge").set(2.5)
        provider.shutdown()

    def check(self, aws):
        found = self.scene.workspace.values("o_counter_bytes_total")
        assert {labels["series"]: value for labels, value in found} == {
            str(i): i + 1 for i in range(COUNT)}
        (labels, value), = self.scene.workspace.values("o_gauge")
        assert value == 2.5
        assert labels["job"] == labels["service_name"] == "otlp-app"
        assert labels["aws_ecs_task_family"] == "shop"
        assert labels["cloud_region"] == REGION


class Scrape(Job):
    """Metrics of a page of the application to the workspace."""

    def prepare(self):
        self.scene.serve("127.0.0.1", SCRAPED_PORT, self.page)

    @staticmethod
    def page(path):
        assert path == "/metrics", path
        gauges = "".join(f'page_gauge{{n="{i}"}} {i * 1.5}\n' for i in range(COUNT))
        counters = "".join(f'page_hits_total{{n="{i}"}} {i}\n' for i in range(COUNT))
        return f"# TYPE page_gauge gauge\n{gauges}# TYPE page_hits_total counter\n{counters}"

    def wait(self):
        wait_until(lambda: total(parse(fetch("http://127.0.0.1:8888/metrics")),
                                 "otelcol_receiver_accepted_metric_points",
                                 receiver="prometheus") >= 2 * COUNT, 60, 0.2, "the page's points")

    def check(self, aws):
        gauges = self.scene.workspace.values("page_gauge")
        assert {labels["n"]: value for labels, value in gauges} == {
            str(i): i * 1.5 for i in range(COUNT)}
        hits = self.scene.workspace.values("page_hits_total")
        assert {labels["n"]: value for labels, value in hits} == {
            str(i): i for i in range(COUNT)}
        assert {labels["job"] for labels, _ in gauges + hits} == {"otel-collector"}
        (labels, value), = self.scene.workspace.values("up")
        assert value == 1 and labels["instance"] == f"localhost:{SCRAPED_PORT}"
        assert labels["aws_ecs_task_family"] == "shop"


class TaskSeries(Job):
    """What the task uses, to the workspace."""

    def wait(self):
        wait_until(lambda: self.scene.agent.stats_count >= 1, seconds=30, what="the task's stats")

    def check(self, aws):
        names = {name for name in self.scene.workspace.names() if name.startswith("ecs_task")}
        totals = [RUNNING_COUNT * (ecs_agent.READ_FIRST + ecs_agent.READ_MORE * look)
                  for look in range(self.scene.agent.stats_count)]
        wanted = {name: [value] for name, (_, value) in TASK_GAUGES.items()}
        wanted["ecs_task_storage_read_bytes"] = totals
        wanted["ecs_task_storage_write_bytes"] = [total / 10 for total in totals]
        assert len(names) == len(wanted), names
        for name, values in wanted.items():
            full, = (one for one in names if one.startswith(name))  # a unit may stand behind it
            (labels, value), = self.scene.workspace.values(full)
            assert any(abs(value - one) < 1e-6 for one in values), (full, value)
            assert labels["aws_ecs_cluster_name"] == ecs_agent.CLUSTER
        durations = [value for name in self.scene.workspace.names() if "container_duration" in name
                     for _, value in self.scene.workspace.values(name)]
        assert durations == [DURATION_S], self.scene.workspace.names()


class TaskDocuments(Job):
    """What the task uses, as the documents that Container Insights reads."""

    def wait(self):
        """Twice: of what grows, the growth is told."""
        wait_until(lambda: self.scene.agent.stats_count >= 2, seconds=60, what="the task's stats")

    def check(self, aws):
        assert list(aws.logs.groups[PERFORMANCE].streams) == [ecs_agent.TASK_ID]
        messages = [message for _, _, _, message in aws.logs.events(PERFORMANCE)]
        data = [datum for message in messages if "_aws" in json.loads(message)
                for datum in emf_document.read(message)]
        growth = RUNNING_COUNT * ecs_agent.READ_MORE
        wanted = {**dict(TASK_GAUGES.values()), "StorageReadBytes": growth,
                  "StorageWriteBytes": growth / 10}
        assert {datum.name for datum in data} == set(wanted), messages
        for datum in data:
            assert abs(datum.value - wanted[datum.name]) < 1e-6, (datum.name, datum.value)
            assert datum.namespace == "ECS/ContainerInsights"
            assert datum.dimension_sets == [["ClusterName"],
                                            ["ClusterName", "TaskDefinitionFamily"]]
            assert datum.labels == {"ClusterName": ecs_agent.CLUSTER,
                                    "TaskDefinitionFamily": "shop"}
            assert datum.document["TaskId"] == ecs_agent.TASK_ID
            assert "aws.ecs.cluster.name" not in datum.document
        # Of containers there are lines without a metric.
        plain = [one for one in map(json.loads, messages) if "container.duration" in one]
        assert plain and {one["container.duration"] for one in plain} == {DURATION_S}
        assert {one["ContainerName"] for one in plain} == {"init"}
        assert not any("_aws" in one for one in plain)


class InstanceDocuments(Job):
    """What an EC2 instance uses, as the documents that Container Insights reads."""

    INSTANCE = {"ClusterName": ecs_agent.CLUSTER, "ContainerInstanceId": "8c2f1e0d9b7a4c65",
                "InstanceId": fake_metadata.IDENTITY["instanceId"]}

    def prepare(self):
        """The machine's metadata and the agent's introspection, at the addresses they have."""
        address = fake_metadata.IDENTITY["privateIp"]
        for one in ("169.254.169.254", address):
            ecs_agent.run("ip", "address", "add", f"{one}/32", "dev", "lo")
        self.cycle_count = 0
        self.metadata = fake_metadata.FakeMetadata(("169.254.169.254", 80))
        self.metadata.__enter__()
        self.scene.serve(address, 51678, self.introspect)

    def introspect(self, path):
        arn = f"arn:aws:ecs:us-east-2:123456789012:container-instance/{ecs_agent.CLUSTER}"
        if path == "/v1/metadata":
            return {"Cluster": ecs_agent.CLUSTER, "Version": "Amazon ECS Agent - v1.82.0",
                    "ContainerInstanceArn": f"{arn}/{self.INSTANCE['ContainerInstanceId']}"}
        self.cycle_count += 1
        return {"Tasks": [{"Arn": f"arn:aws:ecs:us-east-2:123456789012:task/t/{number:032x}",
                           "KnownStatus": status, "Family": "shop", "Version": "7",
                           "Containers": [{"DockerId": f"{number:064x}", "Name": "shop"}]}
                          for number, status in enumerate(("RUNNING", "RUNNING", "STOPPED"))]}

    def wait(self):
        wait_until(lambda: self.cycle_count >= 3, seconds=60, what="three looks at the tasks")

    def check(self, aws):
        stream = f"instanceTelemetry/{self.INSTANCE['ContainerInstanceId']}"
        assert list(aws.logs.groups[PERFORMANCE].streams) == [stream]
        messages = [message for _, _, _, message in aws.logs.events(PERFORMANCE)]
        data = [datum for message in messages if "_aws" in json.loads(message)
                for datum in emf_document.read(message)]
        by_name = {}
        for datum in data:
            assert datum.namespace == "ECS/ContainerInsights"
            assert isinstance(datum.document["Sources"], list), datum.document["Sources"]
            assert datum.labels.items() <= self.INSTANCE.items()
            by_name.setdefault(datum.name, []).append(datum)
        assert {datum.value for datum in by_name["instance_number_of_running_tasks"]} == {2}
        assert {datum.value for datum in by_name["instance_cpu_limit"]} == {os.cpu_count() * 1000}
        total = re.search(r"MemTotal: +(\d+) kB", pathlib.Path("/proc/meminfo").read_text())
        assert {datum.value for datum in by_name["instance_memory_limit"]} == {
            int(total.group(1)) * 1024}
        # CPU time goes on between the look at it and the look at the clock.
        for name, most in (("instance_cpu_utilization", 120), ("instance_memory_utilization", 100)):
            for datum in by_name[name]:
                assert 0 <= datum.value <= most, (name, datum.value)
        sets = {tuple(sorted(names)) for datum in data for names in datum.dimension_sets}
        assert sets == {("ClusterName",), tuple(sorted(self.INSTANCE))}


JOBS = {"default": Default, "spans": Spans, "dimensions": Dimensions, "sampling": Sampling,
        "remote_write": RemoteWrite, "scrape": Scrape, "task_series": TaskSeries,
        "task_documents": TaskDocuments, "instance_documents": InstanceDocuments}
NEED_WORKSPACE = {"remote_write", "scrape", "task_series"}


class Scene:
    """The jobs of one task, and the servers that they share. Use as a context manager."""

    def __init__(self, names, aws, agent, folder):
        self.aws, self.agent, self.folder = aws, agent, folder
        self.hosts, self.ca_path, self.workspace = [], None, None
        self.names = names
        self.jobs = [JOBS[name](self) for name in names]

    def __enter__(self):
        if NEED_WORKSPACE & set(self.names):
            self.open_workspace()
        for job in self.jobs:
            job.prepare()
        return self

    def __exit__(self, *_):
        if self.workspace is not None:
            self.workspace.__exit__()

    def open_workspace(self):
        """At its own name and port, with a certificate that the container trusts."""
        key, self.ca_path = self.folder / "workspace.key", self.folder / "workspace.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
             "/CN=workspace", "-addext", f"subjectAltName=DNS:{amp_workspace.HOST}", "-keyout",
             str(key), "-out", str(self.ca_path)], check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_path, key)
        self.hosts = [f"127.0.0.1 {amp_workspace.HOST}"]
        self.workspace = amp_workspace.Workspace(self.aws.secrets, context, 443).__enter__()

    @staticmethod
    def serve(address, port, answer):
        """A page for every GET: answer(path) gives text, or what is to be JSON."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                content = answer(self.path)
                is_text = isinstance(content, str)
                data = (content if is_text else json.dumps(content)).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4" if is_text
                                 else "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        server = http.server.ThreadingHTTPServer((address, port), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def run(self):
        """Everything is sent and has been fetched when it returns."""
        threads = [threading.Thread(target=job.send) for job in self.jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for job in self.jobs:
            job.wait()

    def check(self):
        for job in self.jobs:
            job.check(self.aws)
        if self.workspace is not None:
            self.workspace.check()
            assert self.workspace.scopes == {("aps", REGION)}
