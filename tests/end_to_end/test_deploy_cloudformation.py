# SPDX-License-Identifier: Apache-2.0
"""The CloudFormation template: linted, made in an emulator, held against what weir does."""

import itertools
import json
import pathlib
import re
import subprocess
import sys

import deploy_files
import moto
import pytest
import yaml
from aws_emulator import REGION, Account
from fake_logs import Logs
from fake_xray import XRay
from weir_process import run_command

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # types that moto leaves out
MODES = list(itertools.product(("FARGATE", "EC2"), ("nlb", "cloudmap", "both")))
HEALTH = {"HealthCheckProtocol": "HTTP", "HealthCheckPort": "13133", "HealthCheckPath": "/"}


@pytest.fixture
def emulator(monkeypatch):
    """An account that exists only here, with a network and a cluster."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    with moto.mock_aws():
        yield Account()


def config_text(**values):
    template = deploy_files.read_template()
    defaults = {name: one.get("Default") for name, one in template["Parameters"].items()}
    text = template["Resources"]["Config"]["Properties"]["Value"]["Fn::Sub"]
    return deploy_files.fill(text, {**defaults, **values})


# --- the template by itself ----------------------------------------------------------------------

def test_template_is_linted():
    linter = pathlib.Path(sys.executable).parent / "cfn-lint"
    result = subprocess.run([linter, "--include-checks", "I", "--regions", REGION, "--",
                             deploy_files.TEMPLATE], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("proxy", ["true", "false"])
def test_configuration_is_weirs(proxy):
    """What lands in the parameter is a configuration without a warning, and fits it."""
    text = config_text(ProxyProtocol=proxy)
    assert len(text.encode()) <= 4096
    result = run_command("validate", "--strict", env={"AOT_CONFIG_CONTENT": text})
    assert result.returncode == 0, result.stdout + result.stderr


def test_ports_agree():
    """Configuration, port mappings and target groups tell the same story."""
    resources = deploy_files.read_template()["Resources"]
    container = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    mapped = {(one["Protocol"], one["ContainerPort"]) for one in container["PortMappings"]}
    listening = deploy_files.ports_of(config_text())
    # One number cannot be mapped for both protocols; in awsvpc it is reachable all the same.
    assert listening - mapped == {("tcp", 2000)}
    assert mapped <= listening
    for name in ("TcpTargets", "StatsdTargets", "XrayTargets"):
        group = resources[name]["Properties"]
        assert (group["Protocol"].lower(), group["Port"]) in mapped, name


def test_drain_ends_before_the_kill():
    resources = deploy_files.read_template()["Resources"]
    container = resources["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    values = {one["Name"]: one["Value"] for one in container["Environment"]}
    drain, settle = (int(values[name].removesuffix("s"))
                     for name in ("WEIR_DRAIN_TIMEOUT", "WEIR_SETTLE_TIME"))
    assert drain + 5 <= container["StopTimeout"] <= 120
    # A name may be 15 s old and a client pause for 10 s; delivery gets no less than half.
    assert 25 <= settle <= drain / 2


def source_of_events():
    texts = [path.read_text() for folder in ("exporters", "tools/weir", "io")
             for path in (deploy_files.ROOT / folder).rglob("*.c")]
    return "\n".join(texts)


def test_alarms_are_about_lines_that_weir_writes():
    """Every filter names an event and fields that stand in the sources, and feeds one alarm."""
    source = source_of_events()
    for event, fields in deploy_files.filters().items():
        for word in {event, *fields}:
            assert re.search(rf'["(]{word}[")]', source), f"no line of weir has {word}"
    resources = deploy_files.read_template()["Resources"]
    made = {one["Properties"]["MetricTransformations"][0]["MetricName"]
            for one in resources.values() if one["Type"] == "AWS::Logs::MetricFilter"}
    watched = {one["Properties"]["MetricName"] for one in resources.values()
               if one["Type"] == "AWS::CloudWatch::Alarm" and
               one["Properties"]["Namespace"] != "AWS/NetworkELB"}
    assert made == watched == {"KernelDropped", "QueueAge", "ItemsDropped", "BooksOutOfBalance"}


# --- the stack, in the emulator ------------------------------------------------------------------

@pytest.mark.parametrize("launch_type, discovery", MODES)
def test_task_and_service_are_made(emulator, launch_type, discovery):
    emulator.make_stack(LaunchType=launch_type, Discovery=discovery)
    task, service = emulator.resolved["TaskDefinition"], emulator.resolved["Service"]
    container, = task["ContainerDefinitions"]
    assert task["RequiresCompatibilities"] == [launch_type]
    assert (task["NetworkMode"], task["Cpu"], task["Memory"]) == ("awsvpc", "1024", "2048")
    assert container["HealthCheck"]["Command"] == ["CMD", "/healthcheck"]
    assert container["LogConfiguration"]["Options"]["awslogs-group"] == "/ecs/weir"
    limits = {one["Name"] for one in container["Ulimits"]}
    assert limits == ({"nofile", "memlock"} if launch_type == "EC2" else {"nofile"})
    secret, = container["Secrets"]
    assert secret["Name"] == "AOT_CONFIG_CONTENT"
    assert secret["ValueFrom"].endswith(":parameter/weir/config")
    assert service["LaunchType"] == launch_type
    assert ("PlatformVersion" in service) == (launch_type == "FARGATE")
    assert len(service.get("LoadBalancers", [])) == (0 if discovery == "cloudmap" else 3)
    assert len(service.get("ServiceRegistries", [])) == (0 if discovery == "nlb" else 1)
    found = emulator.of("ecs").describe_services(cluster="apps", services=["weir"])["services"]
    assert len(found) == 1 and "task-definition/weir:" in found[0]["taskDefinition"]


def test_parameter_holds_the_configuration(emulator):
    emulator.make_stack(MetricNamespace="Shop")
    made = emulator.of("ssm").get_parameter(Name="/weir/config")["Parameter"]["Value"]
    assert made == config_text(MetricNamespace="Shop")
    assert yaml.safe_load(made)["exporters"]["awsemf"]["namespace"] == "Shop"


@pytest.mark.parametrize("discovery", ["nlb", "both"])
def test_balancer_is_made(emulator, discovery):
    """Five listeners, three groups, all of them checked over HTTP on 13133."""
    outputs = emulator.make_stack(Discovery=discovery)
    elb = emulator.of("elbv2")
    balancer, = elb.describe_load_balancers()["LoadBalancers"]
    assert (balancer["Type"], balancer["Scheme"]) == ("network", "internal")
    groups = {one["TargetGroupArn"]: one for one in elb.describe_target_groups()["TargetGroups"]}
    assert {(one["Protocol"], one["Port"]) for one in groups.values()} == {
        ("TCP", 4317), ("UDP", 8125), ("UDP", 2000)}
    assert all(HEALTH.items() <= one.items() and one["TargetType"] == "ip"
               for one in groups.values())
    listeners = elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]
    routes = {(one["Protocol"], one["Port"]): groups[one["DefaultActions"][0]["TargetGroupArn"]]
              for one in listeners}
    assert {key: (to["Protocol"], to["Port"]) for key, to in routes.items()} == {
        ("TCP", 4317): ("TCP", 4317), ("TCP", 4318): ("TCP", 4317), ("TCP", 2001): ("TCP", 4317),
        ("UDP", 8125): ("UDP", 8125), ("UDP", 2000): ("UDP", 2000)}
    used = emulator.resolved["Service"]["LoadBalancers"]
    assert {one["TargetGroupArn"] for one in used} == set(groups)
    for one in used:
        assert groups[one["TargetGroupArn"]]["Port"] == one["ContainerPort"]
    host = balancer["DNSName"]
    assert outputs["OtlpEndpoint"] == f"http://{host}:4317"
    assert outputs["XrayDaemonAddress"] == f"tcp:{host}:4317 udp:{host}:2000"


@pytest.mark.parametrize("proxy", ["true", "false"])
def test_groups_leave_connections_to_weir(emulator, proxy):
    """A draining task is unhealthy and still ends its connections itself."""
    emulator.make_stack(ProxyProtocol=proxy)
    for name in ("TcpTargets", "StatsdTargets", "XrayTargets"):
        group = emulator.resolved[name]
        values = {one["Key"]: one["Value"] for one in group["TargetGroupAttributes"]}
        assert values["deregistration_delay.timeout_seconds"] == "120"
        if group["Protocol"] == "TCP":
            assert values["target_health_state.unhealthy.connection_termination.enabled"] == "false"
            assert values["preserve_client_ip.enabled"] == "false"
            assert values["proxy_protocol_v2.enabled"] == proxy


def test_cloud_map_needs_no_balancer(emulator):
    outputs = emulator.make_stack(Discovery="cloudmap", NamespaceName="shop.local")
    assert emulator.of("elbv2").describe_load_balancers()["LoadBalancers"] == []
    assert outputs["Host"] == "weir.shop.local"
    record, = emulator.resolved["Registry"]["DnsConfig"]["DnsRecords"]
    assert record == {"Type": "A", "TTL": 15}
    assert emulator.resolved["Namespace"]["Name"] == "shop.local"


def test_doors_are_as_wide_as_needed(emulator):
    """Data from the clients' network, health checks from the balancer, nothing else."""
    emulator.make_stack(ClientCidr="10.0.0.0/16")
    found = emulator.of("ec2").describe_security_groups()["SecurityGroups"]
    groups = {one["Description"]: one["IpPermissions"] for one in found}
    task = groups["weir: what the tasks take"]
    by_network = {(one["IpProtocol"], one["FromPort"], one["ToPort"]) for one in task
                  if one["IpRanges"]}
    by_group = {(one["IpProtocol"], one["FromPort"]) for one in task if one["UserIdGroupPairs"]}
    assert by_network == {("tcp", 4317, 4318), ("tcp", 2000, 2000), ("udp", 8125, 8125),
                          ("udp", 2000, 2000)}
    assert by_group == {("tcp", 4317), ("tcp", 13133)}
    ranges = {part["CidrIp"] for one in task for part in one["IpRanges"]}
    assert ranges == {"10.0.0.0/16"}


def test_task_role_is_what_weir_calls(emulator):
    """No action that weir never makes, and none missing of those it makes."""
    emulator.make_stack()
    policy = emulator.policy("TaskRole")
    renamed = {"SamplingTargets": "GetSamplingTargets"}
    calls = {f"xray:{renamed.get(name, name)}" for name in XRay.OPERATIONS}
    # Tags on log groups are a key of awsemf that this configuration does not have.
    calls |= {f"logs:{name}" for name in Logs.OPERATIONS} - {"logs:TagResource"}
    assert set(policy) == calls
    group = f"arn:aws:logs:{REGION}:123456789012:log-group:/aws/ecs/application/metrics"
    for action, resources in policy.items():
        expected = {"*"} if action.startswith("xray:") else {group, f"{group}:*"}
        assert set(resources) <= expected, action


@pytest.mark.parametrize("secret", ["", "arn:aws:secretsmanager:eu-west-1:123456789012:secret:k"])
def test_execution_role_reads_what_the_task_names(emulator, secret):
    emulator.make_stack(SecretArn=secret, ConfigParameterName="/shop/weir")
    task = emulator.resolved["TaskDefinition"]
    policy = emulator.policy("ExecutionRole")
    secrets = {one["Name"]: one["ValueFrom"] for one in task["ContainerDefinitions"][0]["Secrets"]}
    assert policy["ssm:GetParameters"] == [secrets["AOT_CONFIG_CONTENT"]]
    assert secrets["AOT_CONFIG_CONTENT"].endswith(":parameter/shop/weir")
    assert policy.get("secretsmanager:GetSecretValue", []) == ([secret] if secret else [])
    assert set(secrets) == ({"AOT_CONFIG_CONTENT", "WEIR_SECRET"} if secret else
                            {"AOT_CONFIG_CONTENT"})
    for role in (task["TaskRoleArn"], task["ExecutionRoleArn"]):
        found = emulator.of("iam").get_role(RoleName=role.rpartition("/")[2])["Role"]
        assert "aws:SourceAccount" in json.dumps(found["AssumeRolePolicyDocument"])


@pytest.mark.parametrize("topic", ["", f"arn:aws:sns:{REGION}:123456789012:pager"])
def test_alarms_reach_whom_they_should(emulator, topic):
    """Kernel drops add a task whether or not a person hears of them."""
    emulator.make_stack(AlarmTopicArn=topic, QueueAgeMaxSeconds="90")
    made = emulator.resolved
    alarms = [one for one in made.values() if "AlarmName" in one]
    assert len(alarms) == 5
    for one in alarms:
        actions = one.get("AlarmActions", [])
        assert (topic in actions) == bool(topic), one["AlarmName"]
        policies = [action for action in actions if action.startswith("scalingpolicy/")]
        assert bool(policies) == (one["AlarmName"] == "weir-kernel-drops"), one["AlarmName"]
    assert int(made["QueueAgeAlarm"]["Threshold"]) == 90_000
    assert made["ScalableTarget"]["ResourceId"] == "service/apps/weir"
    assert (made["ScalableTarget"]["MinCapacity"], made["ScalableTarget"]["MaxCapacity"]) == (2, 10)
    tracking = made["CpuPolicy"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == 50
