# SPDX-License-Identifier: Apache-2.0
"""The Terraform module: parsed, every reference followed, and the same as the template."""

import json
import re

import hcl2
import pytest
from deploy_files import DEPLOY, MODULE, ports_of, read_template

EXAMPLE = MODULE / "examples/replace-adot-sidecar"
FOLDERS = [MODULE, EXAMPLE]
PROVIDER = re.compile(r"\b(data\.)?(aws_\w+)\.(\w+)")


def plain(value):
    """As hcl2 reads it, without comments, marks of blocks, and quotes around names and texts."""
    if isinstance(value, dict):
        return {key.strip('"'): plain(one) for key, one in value.items()
                if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and value.startswith('"') and value.endswith('"'):
        return json.loads(value.replace("$${", "${"))
    return value


class Folder:
    """All blocks of a folder by kind and name."""

    def __init__(self, path):
        self.variables, self.outputs, self.locals, self.modules = {}, {}, {}, {}
        self.resources, self.data = {}, {}
        self.texts = []  # every expression and template
        for file in sorted(path.glob("*.tf")):
            with open(file, encoding="utf-8") as source:
                self.add(plain(hcl2.load(source)))

    def add(self, content):
        named = {"variable": self.variables, "output": self.outputs, "module": self.modules}
        typed = {"resource": self.resources, "data": self.data}
        self.texts += strings_of(content)
        for kind, blocks in content.items():
            for block in blocks:
                if kind in named:
                    named[kind].update(block)
                elif kind == "locals":
                    self.locals.update(block)
                elif kind in typed:
                    for type_name, ones in block.items():
                        typed[kind].update({(type_name, name): one for name, one in ones.items()})

    def used(self, root):
        """Names behind `root.`, anywhere."""
        found = re.findall(rf"(?<![\w.]){root}\.(\w+)", "\n".join(self.texts))
        return set(found)


def strings_of(value):
    if isinstance(value, dict):
        return [text for one in value.values() for text in strings_of(one)]
    if isinstance(value, list):
        return [text for one in value for text in strings_of(one)]
    return [value] if isinstance(value, str) and "${" in value else []


@pytest.fixture(scope="module")
def module():
    return Folder(MODULE)


@pytest.fixture(scope="module")
def stack():
    return read_template()["Resources"]


# --- references ----------------------------------------------------------------------------------

@pytest.mark.parametrize("path", FOLDERS, ids=["module", "example"])
def test_what_is_used_is_declared(path):
    folder = Folder(path)
    assert folder.used("var") == set(folder.variables)
    assert folder.used("local") == set(folder.locals)
    assert folder.used("module") <= set(folder.modules)
    for is_data, type_name, name in PROVIDER.findall("\n".join(folder.texts)):
        known = folder.data if is_data else folder.resources
        assert (type_name, name) in known, f"{is_data}{type_name}.{name}"


def test_example_gives_the_module_what_it_needs(module):
    example = Folder(EXAMPLE)
    given = set(example.modules["weir"]) - {"source"}
    required = {name for name, one in module.variables.items() if "default" not in one}
    assert required <= given <= set(module.variables)
    assert (EXAMPLE / example.modules["weir"]["source"]).resolve() == MODULE
    wanted = set(re.findall(r"module\.weir\.(\w+)", "\n".join(example.texts)))
    assert wanted <= set(module.outputs) and "application_environment" in wanted


def test_example_has_no_sidecar():
    """One container, which is told where weir is, and no flag."""
    example = Folder(EXAMPLE)
    assert not [name for name in example.variables if "sidecar" in name]
    containers = example.resources["aws_ecs_task_definition", "application"][
        "container_definitions"]
    assert re.findall(r'\bimage = ([\w.]+)', containers) == ["var.application_image"]
    assert "aws_iam_role" not in {type_name for type_name, _ in example.resources}


# --- the same as the template --------------------------------------------------------------------

def test_configuration_listens_where_targets_point(module):
    text = (MODULE / "weir.yaml.tftpl").read_text()
    listening = ports_of(re.sub(r"\$\{\w+\}", "x", text))
    for one in module.locals["targets"].values():
        assert (one["protocol"].lower(), one["port"]) in listening
    assert ("tcp", module.locals["health_port"]) in listening


def test_doors_are_those_of_the_template(module, stack):
    targets = module.locals["targets"]
    ours = {(targets[one["target"]]["protocol"], one["port"], targets[one["target"]]["port"])
            for one in module.locals["listeners"].values()}
    theirs = set()
    for one in stack.values():
        if one["Type"] == "AWS::ElasticLoadBalancingV2::Listener":
            action, = one["Properties"]["DefaultActions"]
            group = stack[action["TargetGroupArn"]["Ref"]]["Properties"]
            theirs.add((one["Properties"]["Protocol"], one["Properties"]["Port"], group["Port"]))
    assert ours == theirs


def test_groups_are_those_of_the_template(module, stack):
    ours = module.resources["aws_lb_target_group", "task"]
    group = stack["TcpTargets"]["Properties"]
    theirs = {one["Key"]: one["Value"] for one in group["TargetGroupAttributes"]}
    assert str(ours["deregistration_delay"]) == theirs["deregistration_delay.timeout_seconds"]
    assert ours["connection_termination"] in (True, "true", "${true}")
    check, = ours["health_check"]
    assert check["protocol"] == group["HealthCheckProtocol"]
    assert check["path"] == group["HealthCheckPath"]
    assert (check["interval"], check["timeout"]) == (
        group["HealthCheckIntervalSeconds"], group["HealthCheckTimeoutSeconds"])
    assert (check["healthy_threshold"], check["unhealthy_threshold"]) == (
        group["HealthyThresholdCount"], group["UnhealthyThresholdCount"])


def numbers_after(word, text):
    return [int(one) for one in re.findall(rf"\b{word} = (\d+)", text)]


def test_container_is_that_of_the_template(module, stack):
    text = module.resources["aws_ecs_task_definition", "weir"]["container_definitions"]
    container = stack["TaskDefinition"]["Properties"]["ContainerDefinitions"][0]
    ports = re.findall(r'containerPort = (\d+), protocol = "(\w+)"', text)
    assert ports == [(str(one["ContainerPort"]), one["Protocol"])
                     for one in container["PortMappings"]]
    assert numbers_after("stopTimeout", text) == [container["StopTimeout"]]
    for ours, theirs in (("interval", "Interval"), ("timeout", "Timeout"), ("retries", "Retries"),
                         ("startPeriod", "StartPeriod")):
        assert numbers_after(ours, text) == [container["HealthCheck"][theirs]]
    fixed = re.findall(r'\{name = "(\w+)", value = "?([\w.]+)"?\}', text)
    assert [name for name, _ in fixed] == [one["Name"] for one in container["Environment"]]
    assert [dict(fixed)[one["Name"]] for one in container["Environment"][1:]] == [
        one["Value"] for one in container["Environment"][1:]]
    limits = [one if "Name" in one else one["Fn::If"][1] for one in container["Ulimits"]]
    assert numbers_after("softLimit", text) == [one["SoftLimit"] for one in limits]
    assert '"/healthcheck"' in text and '"AOT_CONFIG_CONTENT"' in text


@pytest.mark.parametrize("ours, theirs", [("task", "TaskRole"), ("execution", "ExecutionRole")])
def test_rights_are_those_of_the_template(module, stack, ours, theirs):
    document = module.data["aws_iam_policy_document", ours]
    made = {action for one in document["statement"] for action in one["actions"]}
    for dynamic in document.get("dynamic", []):
        made |= {action for one in dynamic["statement"]["content"] for action in one["actions"]}
    policy, = stack[theirs]["Properties"]["Policies"]
    expected = set()
    for one in policy["PolicyDocument"]["Statement"]:
        action = (one["Fn::If"][1] if "Fn::If" in one else one)["Action"]
        expected |= {action} if isinstance(action, str) else set(action)
    assert made == expected


def test_alarms_are_those_of_the_template(module, stack):
    filters, alarms = {}, {}
    for one in stack.values():
        properties = one.get("Properties", {})
        if one["Type"] == "AWS::Logs::MetricFilter":
            change, = properties["MetricTransformations"]
            filters[change["MetricName"]] = (properties["FilterPattern"], change["MetricValue"],
                                             change["Unit"])
        if one["Type"] == "AWS::CloudWatch::Alarm":
            alarms[properties["MetricName"]] = (
                properties["Statistic"], properties["EvaluationPeriods"],
                properties.get("DatapointsToAlarm", properties["EvaluationPeriods"]))
    del alarms["HealthyHostCount"]
    metrics = module.locals["metrics"]
    assert {one["name"]: (one["pattern"], one["value"], one["unit"])
            for one in metrics.values()} == filters
    assert {one["name"]: (one["statistic"], one["periods"], one["of_periods"])
            for one in metrics.values()} == alarms


def test_applications_get_what_the_page_says(module):
    """The three variables, in the module's output and on the first screen of the README."""
    shown = re.findall(r"^([A-Z_]+)=(.*)$", (DEPLOY / "README.md").read_text(), re.M)
    assert [name for name, _ in shown] == ["OTEL_EXPORTER_OTLP_ENDPOINT", "AWS_XRAY_DAEMON_ADDRESS",
                                           "DD_AGENT_HOST"]
    values = str(module.outputs["application_environment"]["value"])
    values = values.replace("${local.host}", "HOST")
    for name, value in shown:
        assert name in values
        assert value in values or value == "HOST"
