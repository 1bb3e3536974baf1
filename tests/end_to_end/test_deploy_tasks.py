# SPDX-License-Identifier: Apache-2.0
"""Task definitions written for ADOT, with nothing but the image changed, and weir's own."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
import yaml
from deploy_files import IMAGE_ETC, MODULE, VECTORS, fill, filters, read_means, read_template
from weir_process import BINARY, clean_environment

IS_FULL = os.environ.get("WEIR_TEST_FULL") == "1"
FOLDER = pathlib.Path(__file__).parent
DEFINITIONS = ["adot_fargate_sidecar", "adot_ec2_sidecar", "adot_config_from_ssm"]
# Each names one more of the presets, and differs in nothing else that matters to I/O.
PRESET_DEFINITIONS = ["adot_xray", "adot_cloudwatch", "adot_cloudwatch_xray", "adot_amp",
                      "adot_amp_xray", "adot_amp_prometheus", "adot_amp_xray_prometheus",
                      "adot_task_metrics", "adot_instance_daemon", "adot_app_runner"]
ALL_DEFINITIONS = DEFINITIONS + PRESET_DEFINITIONS
ADOT_IMAGES = ("amazon/aws-otel-collector", "public.ecr.aws/aws-observability/aws-otel-collector")


def run_task(scenario, io, folder):
    """ecs_task.py in namespaces of its own."""
    path = folder / "scenario.json"
    shortened = {} if IS_FULL else {"WEIR_SETTLE_TIME": "500ms"}
    path.write_text(json.dumps({**scenario, "shortened": shortened}))
    command = ["unshare", "-n", "-m", sys.executable, str(FOLDER / "ecs_task.py"), BINARY,
               str(path), io, str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False,
                            env=clean_environment(), cwd="/")
    log = folder / "weir.log"
    tail = log.read_text()[-4000:] if log.exists() else ""
    assert result.returncode == 0, result.stdout + result.stderr + tail


def collector_of(task):
    """The container whose image is ADOT's: the one that is replaced."""
    found = [one for one in task["containerDefinitions"]
             if one["image"].partition(":")[0] in ADOT_IMAGES]
    assert len(found) == 1
    return found[0]


def start_definition(name, io, folder):
    task = json.loads((VECTORS / f"{name}.json").read_text())
    collector = collector_of(task)
    collector["image"] = "weir"
    text = VECTORS / f"{name}.yaml"
    parameters = {one["valueFrom"]: text.read_text() for one in collector.get("secrets", [])}
    run_task({"task": task, "container": collector["name"], "parameters": parameters,
              "means": read_means(name)}, io, folder)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_only_the_image_changes(io, name, tmp_path):
    """Command, environment, secrets, ports and health check all mean what they meant."""
    start_definition(name, io, tmp_path)


@pytest.mark.parametrize("preset_io", ["epoll", "uring"] if IS_FULL else ["epoll"])
@pytest.mark.parametrize("name", PRESET_DEFINITIONS)
def test_every_preset_does_its_job(preset_io, name, tmp_path):
    """As above, for each file of the image: what it is there for arrives, value by value."""
    start_definition(name, preset_io, tmp_path)


@pytest.mark.parametrize("name", ALL_DEFINITIONS)
def test_definitions_name_files_that_the_image_has(name):
    """A path in a command is a path in the image."""
    collector = collector_of(json.loads((VECTORS / f"{name}.json").read_text()))
    for word in collector.get("command", []):
        path = pathlib.PurePosixPath(word.partition("=")[2])
        assert (IMAGE_ETC / path.relative_to("/etc")).is_file(), path


def own_task(launch_type):
    """The container of weir's own service, in the words of the template's defaults."""
    template = read_template()
    values = {name: one.get("Default") for name, one in template["Parameters"].items()}
    text = fill(template["Resources"]["Config"]["Properties"]["Value"]["Fn::Sub"], values)
    properties = template["Resources"]["TaskDefinition"]["Properties"]
    container = properties["ContainerDefinitions"][0]
    definition = {
        "name": "weir", "image": "weir",
        "readonlyRootFilesystem": container["ReadonlyRootFilesystem"],
        "environment": [{"name": one["Name"], "value": one["Value"]}
                        for one in container["Environment"] if isinstance(one["Value"], str)],
        "secrets": [{"name": "AOT_CONFIG_CONTENT", "valueFrom": "config"}],
        "portMappings": [{"containerPort": one["ContainerPort"], "protocol": one["Protocol"]}
                         for one in container["PortMappings"]],
        "healthCheck": {key[0].lower() + key[1:]: value
                        for key, value in container["HealthCheck"].items()},
        "stopTimeout": container["StopTimeout"],
        "ulimits": [{"name": one["Name"], "softLimit": one["SoftLimit"],
                     "hardLimit": one["HardLimit"]}
                    for one in container["Ulimits"] if "Name" in one],
    }
    return {"requiresCompatibilities": [launch_type], "containerDefinitions": [definition]}, text


@pytest.mark.parametrize("launch_type", ["FARGATE", "EC2"])
def test_own_service_runs(io, launch_type, tmp_path):
    """What the template starts: everything on the ports of the target groups, read-only root."""
    task, text = own_task(launch_type)
    means = {"tcp": [2000, 4317, 4318, 13133], "udp": [2000, 8125], "shared_port": True,
             "log": {event: sorted(filters()[event]) for event in ("pulse", "books_closed")},
             "pipelines": yaml.safe_load(text)["service"]["pipelines"]}
    run_task({"task": task, "container": "weir", "parameters": {"config": text}, "means": means},
             io, tmp_path)


def test_every_preset_is_named_by_a_definition():
    """And so started; the image's own default is started in its tree, by test_image.py."""
    named = {"/etc/otel-config.yaml"}
    for name in ALL_DEFINITIONS:
        collector = collector_of(json.loads((VECTORS / f"{name}.json").read_text()))
        named |= {word.partition("=")[2] for word in collector.get("command", [])}
    assert named == {f"/etc/{path.relative_to(IMAGE_ETC)}" for path in IMAGE_ETC.rglob("*.yaml")}


def test_module_has_the_same_configuration():
    template = read_template()
    ours = template["Resources"]["Config"]["Properties"]["Value"]["Fn::Sub"]
    names = {"ProxyProtocol": "${proxy_protocol}", "MetricNamespace": "${metric_namespace}",
             "MetricLogGroup": "${metric_log_group}", "LogRetentionDays": "${log_retention_days}"}
    assert (MODULE / "weir.yaml.tftpl").read_text() == fill(ours, names)
