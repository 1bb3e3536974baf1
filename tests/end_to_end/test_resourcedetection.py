# SPDX-License-Identifier: Apache-2.0
"""What is detected about the machine, seen from upstream: OTLP, X-Ray and embedded metrics."""

import json
import socket
import time

import emf_document
import fake_metadata
import pytest
from fake_metadata import FakeMetadata, MACHINE_ATTRIBUTES, TASK_ARN, TASK_ATTRIBUTES
from otlp_items import SIGNALS, typed_attributes, typed_dictionary
from otlp_make import add_attribute, make
from otlp_send import post
from settings import config, otlp_config, otlp_receiver, otlphttp, pipelines, statsd, to_text
from weir_process import free_port, free_udp_port, run_command

ONE_BACKEND = True  # processors know nothing of I/O

ON_ECS = {"detectors": ["env", "ecs"]}
RETRY = {"initial_interval": "50ms", "max_interval": "500ms"}
NOTHING = {"OTEL_RESOURCE_ATTRIBUTES": "", "OTEL_RESOURCE": "", "AWS_EXECUTION_ENV": "",
           "ECS_CONTAINER_METADATA_URI_V4": "", "ECS_CONTAINER_METADATA_URI": "",
           "AWS_EC2_METADATA_DISABLED": "true"}


@pytest.fixture
def metadata():
    with FakeMetadata() as running:
        yield running


@pytest.fixture
def detect(start_otlp, http_upstream):
    """detect(settings, env, *sent) gives the resources that arrived, as typed dictionaries."""

    def run(settings, env, *sent):
        sent = sent or tuple((signal, make(signal, 10)) for signal in SIGNALS)
        with start_otlp({"otlphttp": otlphttp(http_upstream)}, env={**NOTHING, **env},
                        processors={"resourcedetection": settings}) as weir:
            for signal, request in sent:
                post(weir, signal, request)
        run.weir = weir
        return {signal: [typed_attributes(item.resource.attributes)
                         for item in http_upstream.accepted(signal)] for signal in SIGNALS}

    return run


def spans_of(**attributes):
    """One span of a resource that says this of itself, dots as two underscores."""
    request = make("traces", 1)
    resource = request.resource_spans[0].resource
    del resource.attributes[:]
    for key, value in attributes.items():
        add_attribute(resource.attributes, key.replace("__", "."), value)
    return "traces", request


def sent_and(**detected):
    return typed_dictionary({"service.name": "made", **detected})


# --- each detector --------------------------------------------------------------------------------

def test_a_task_is_told_of_on_every_signal(detect, metadata):
    found = detect(ON_ECS, metadata.on_ecs())
    for signal in SIGNALS:
        assert found[signal] == [sent_and(**TASK_ATTRIBUTES)] * 10
    assert metadata.count("/v4/own") == metadata.count("/v4/own/task") == 1  # for all pipelines


def test_a_machine_is_told_of(detect, metadata):
    metadata.tags = {"Name": "box", "team:x": "blue and green", "secret": "s"}
    settings = {"detectors": ["ec2"], "ec2": {"tags": ["^Name$", "^team"]}}
    tags = {"ec2.tag.Name": "box", "ec2.tag.team:x": "blue and green"}
    found = detect(settings, metadata.on_ec2())
    assert found["logs"] == [sent_and(**MACHINE_ATTRIBUTES, **tags)] * 10


def test_the_host_and_the_environment_are_told_of(detect):
    settings = {"detectors": ["env", "system"], "system": {"hostname_sources": ["os"]}}
    env = {"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=a%2Cb, os.type = mine"}
    found = detect(settings, env)
    assert found["traces"] == [sent_and(**{
        "deployment.environment": "a,b", "os.type": "mine",
        "host.name": socket.gethostname()})] * 10


def test_a_qualified_name_is_looked_up(detect):
    settings = {"detectors": ["system"], "system": {"resource_attributes": {
        "os.type": {"enabled": False}, "host.arch": {"enabled": True}}}}
    [resource] = detect(settings, {}, ("logs", make("logs", 1)))["logs"]
    assert resource["host.name"][1].split(".")[0] == socket.gethostname().split(".")[0]
    assert resource["host.arch"][1] in ("amd64", "arm64") and "os.type" not in resource


def test_elsewhere_nothing_is_added(detect):
    found = detect({"detectors": ["env", "ecs", "ec2"]}, {})
    assert found["metrics"] == [sent_and()] * 10
    [event] = detect.weir.events("resource_detected")
    assert event["attributes"] == 0 and event["complete"] is True
    assert not detect.weir.events("resource_detector_failed")


# --- whose word counts ----------------------------------------------------------------------------

def test_the_first_detector_wins(detect, metadata):
    env = metadata.on_ec2(**metadata.on_ecs(), OTEL_RESOURCE_ATTRIBUTES="cloud.region=mine")
    settings = {"detectors": ["env", "ecs", "ec2"]}
    found = detect(settings, env, ("traces", make("traces", 1)))
    assert found["traces"] == [sent_and(**{
        **MACHINE_ATTRIBUTES, **TASK_ATTRIBUTES, "cloud.region": "mine"})]


@pytest.mark.parametrize("override", [True, False, None])
def test_override_decides_between_client_and_machine(detect, metadata, override):
    settings = ON_ECS if override is None else {**ON_ECS, "override": override}
    sent = spans_of(cloud__region="sent", other="kept")
    found = detect(settings, metadata.on_ecs(), sent)["traces"]
    region = "sent" if override is False else fake_metadata.REGION
    assert found == [typed_dictionary({**TASK_ATTRIBUTES, "cloud.region": region,
                                       "other": "kept"})]


def test_who_the_client_is_stays_whatever_override_says(detect, metadata):
    env = metadata.on_ecs(OTEL_RESOURCE_ATTRIBUTES="service.name=gateway,service.namespace=shop,"
                                                   "container.name=weir,container.id=1")
    client = {"service.name": "orders", "container.id": "2",
              "aws.ecs.task.arn": "arn:aws:ecs:eu-west-1:1:task/green/9"}
    sent = spans_of(**{key.replace(".", "__"): value for key, value in client.items()})
    found = detect({**ON_ECS, "override": True}, env, sent)["traces"]
    others = {key: value for key, value in TASK_ATTRIBUTES.items()
              if not key.startswith("aws.ecs.task.")}
    assert found == [typed_dictionary({**others, **client, "service.namespace": "shop"})]


def test_attributes_are_chosen(detect, metadata):
    settings = {**ON_ECS, "attributes": ["cloud.region", "aws.ecs.task.id"],
                "ecs": {"resource_attributes": {"aws.ecs.task.id": {"enabled": False}}}}
    found = detect(settings, metadata.on_ecs(), ("traces", make("traces", 1)))
    assert found["traces"] == [sent_and(**{"cloud.region": fake_metadata.REGION})]


# --- trouble --------------------------------------------------------------------------------------

def test_what_hangs_costs_its_timeout_and_no_telemetry(detect, metadata):
    metadata.hang = True
    env = metadata.on_ec2(**metadata.on_ecs(), OTEL_RESOURCE_ATTRIBUTES="a=1")
    found = detect({"detectors": ["env", "ecs", "ec2"], "timeout": "700ms"}, env)
    assert found["metrics"] == [sent_and(a="1")] * 10
    [event] = detect.weir.events("resource_detected")
    # The attempts to ask the task alone take six seconds.
    assert 700 <= event["after_ms"] < 5000 and event["complete"] is False
    assert [e["detector"] for e in detect.weir.events("resource_detector_failed")] == ["ecs"]


def test_what_is_no_document_costs_nothing_else(detect, metadata):
    metadata.task = "<html>no task</html>"
    found = detect({"detectors": ["ecs", "system"], "system": {"hostname_sources": ["os"]}},
                   metadata.on_ecs())
    assert found["logs"] == [sent_and(**{"os.type": "linux",
                                         "host.name": socket.gethostname()})] * 10
    [event] = detect.weir.events("resource_detector_failed")
    assert event["detector"] == "ecs" and "no document of a task" in event["reason"]


def test_datagrams_sent_while_it_detects_are_waiting(start, sink, metadata):
    """The socket is bound before; what came first is read first."""
    port = free_udp_port()
    metadata.hang = True
    settings = config(statsd(port), {"otlphttp": otlphttp(sink)})
    settings["processors"] = {"resourcedetection": {"detectors": ["ecs"], "timeout": "2s"}}
    settings["service"]["pipelines"]["metrics"]["processors"] = ["resourcedetection"]
    weir = start(settings, env={**NOTHING, **metadata.on_ecs()})
    wait = weir.is_up
    sent = []

    def send_once():
        if metadata.requests and not sent:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                sent.append(sender.sendto(b"early:5|c", ("127.0.0.1", port)))
        return wait()

    weir.is_up = send_once
    with weir:
        weir.wait_for("items_folded", 1)
    assert [point.as_int or point.as_double for _, _, _, point in sink.points] == [5]


def test_a_reload_detects_again_only_what_failed_or_changed(start, http_upstream, metadata):
    grpc_port, http_port = free_port(), free_port()
    receiver = otlp_receiver(grpc_port, http_port)

    def settings(**keys):
        return otlp_config(receiver, {"otlphttp": otlphttp(http_upstream)},
                           processors={"resourcedetection": {**ON_ECS, **keys}})

    with start(settings(), env={**NOTHING, **metadata.on_ecs()}) as weir:
        weir.http_port = http_port
        assert metadata.count("/v4/own/task") == 1
        assert weir.reload(settings(override=False))["event"] == "reloaded"
        assert metadata.count("/v4/own/task") == 1
        sent = spans_of(cloud__region="sent")
        post(weir, *sent)
        http_upstream.wait_for_items("traces", 1)
        metadata.task = "not now"
        assert weir.reload(settings(detectors=["ecs"]))["event"] == "reloaded"
        assert metadata.count("/v4/own/task") == 2
        metadata.task = fake_metadata.task(Family="renamed")
        time.sleep(0.5)  # reloads have a pause between them
        assert weir.reload(settings(detectors=["ecs"]))["event"] == "reloaded"
        assert metadata.count("/v4/own/task") == 3
        post(weir, *spans_of(x="y"))
        http_upstream.wait_for_items("traces", 2)
    first, second = http_upstream.accepted("traces")
    assert typed_attributes(first.resource.attributes) == typed_dictionary(
        {**TASK_ATTRIBUTES, "cloud.region": "sent"})
    assert typed_attributes(second.resource.attributes)["aws.ecs.task.family"] == \
        ("str", "renamed")


@pytest.mark.parametrize(("settings", "words"), [
    ({"detectors": ["lambda"]}, "detector 'lambda' is known but not supported yet"),
    ({"detectors": ["esc"]}, "did you mean ec"),
    ({"refresh_interval": "1m"}, "not supported yet"),
    ({"system": {"resource_attributes": {"os.version": {"enabled": True}}}},
     "attribute 'os.version' is known but not supported yet"),
    ({"override": "maybe"}, "override"),
])
def test_settings_are_judged(tmp_path, settings, words):
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(otlp_config(otlp_receiver(4317, 4318), {"nop": {}},
                                        processors={"resourcedetection": settings})))
    result = run_command("validate", "--config", path)
    assert result.returncode == 78 and words in result.stderr, result.stderr


def test_both_names_of_the_processor_are_known(tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(otlp_config(
        otlp_receiver(4317, 4318), {"nop": {}},
        processors={"resourcedetection": {"detectors": ["env"], "timeout": "2s"},
                    "resource_detection/2": None})))
    result = run_command("validate", "--config", path, "--strict")
    assert result.returncode == 0, result.stderr


# --- ADOT's configurations for ECS ----------------------------------------------------------------

def inserted_then_deleted(**names):
    """Actions that move attributes to other names."""
    for name, source in names.items():
        yield {"key": name, "from_attribute": source, "action": "insert"}
        yield {"key": source, "action": "delete"}


RENAMED = {"TaskDefinitionFamily": "aws.ecs.task.family", "InstanceId": "host.id",
           "TaskARN": "aws.ecs.task.arn", "TaskDefinitionRevision": "aws.ecs.task.revision",
           "LaunchType": "aws.ecs.launchtype", "ClusterARN": "aws.ecs.cluster.arn"}
DELETED = ("cloud.provider", "cloud.platform", "cloud.account.id", "cloud.region",
           "cloud.availability_zone", "aws.log.group.names", "aws.log.group.arns",
           "aws.log.stream.names", "host.image.id", "host.name", "host.type")


def start_adot(start, aws, metadata, **more):
    grpc_port, http_port = free_port(), free_port()
    weir = start(pipelines({"otlp": otlp_receiver(grpc_port, http_port)}, **more),
                 env={**NOTHING, **aws.environment(), **metadata.on_ecs()})
    weir.http_port = http_port
    return weir


def test_adots_traces_for_ecs(start, aws, metadata):
    processors = {"resourcedetection": {"detectors": ["env", "system", "ecs", "ec2"]},
                  "batch/traces": {"timeout": "1s", "send_batch_size": 50}}
    with start_adot(start, aws, metadata, processors=processors,
                    exporters={"awsxray": {"retry_on_failure": RETRY}},
                    traces=(["otlp"], list(processors), ["awsxray"])) as weir:
        for i in range(10):
            post(weir, "traces", make("traces", 100, i * 100))
        aws.wait_for_calls("PutTraceSegments", 20)
    segments = aws.xray.segments()
    assert len(segments) == 1000
    assert {segment["origin"] for segment in segments} == {"AWS::ECS::Fargate"}
    for segment in segments:
        assert segment["name"] == "made"
        assert segment["aws"]["account_id"] == fake_metadata.ACCOUNT
        assert segment["aws"]["ecs"]["task_arn"] == TASK_ARN
        assert segment["aws"]["ecs"]["task_family"] == "gateway"
        assert segment["aws"]["ecs"]["launch_type"] == "fargate"
        assert segment["aws"]["cloudwatch_logs"] == [
            {"log_group": "/ecs/app", "arn": fake_metadata.log_arn()}]


def test_adots_metrics_for_ecs(start, aws, metadata):
    group = "/aws/ecs/application/metrics"
    actions = [*inserted_then_deleted(**RENAMED),
               *({"key": key, "action": "delete"} for key in DELETED)]
    processors = {"resourcedetection": {"detectors": ["env", "ecs", "ec2"]},
                  "resource": {"attributes": actions}, "batch/metrics": {"timeout": "60s"}}
    exporters = {"awsemf/application": {
        "namespace": "ECS/AWSOTel/Application", "log_group_name": group,
        "dimension_rollup_option": "NoDimensionRollup", "retry_on_failure": RETRY,
        "resource_to_telemetry_conversion": {"enabled": True}}}
    request = make("metrics", 100)
    for point in request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points:
        point.time_unix_nano = time.time_ns()
    with start_adot(start, aws, metadata, processors=processors, exporters=exporters,
                    **{"metrics/application": (["otlp"], list(processors),
                                               ["awsemf/application"])}) as weir:
        post(weir, "metrics", request)
    data = [datum for _, _, _, message in aws.logs.events(group)
            for datum in emf_document.read(message)]
    assert sorted(datum.value for datum in data) == list(range(100))
    for datum in data:
        assert datum.namespace == "ECS/AWSOTel/Application"
        [names] = datum.dimension_sets
        assert set(names) == {"TaskDefinitionFamily", "TaskARN", "TaskDefinitionRevision",
                              "LaunchType", "ClusterARN", "aws.ecs.task.id",
                              "aws.log.stream.arns", "service.name", "i"} | (
                                  set(names) & {"OTelLib"})
        assert datum.labels["TaskDefinitionFamily"] == "gateway"
        assert datum.labels["TaskARN"] == TASK_ARN
        assert datum.labels["LaunchType"] == "fargate"
        assert datum.labels["ClusterARN"] == fake_metadata.CLUSTER_ARN
        assert json.loads(datum.labels["aws.log.stream.arns"]) == \
            TASK_ATTRIBUTES["aws.log.stream.arns"]
