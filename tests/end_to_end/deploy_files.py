# SPDX-License-Identifier: Apache-2.0
"""What lies in tools/deploy, read the way its users' tools read it."""

import json
import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).parents[2]
DEPLOY = ROOT / "tools/deploy"
TEMPLATE = DEPLOY / "cloudformation/weir.yaml"
MODULE = DEPLOY / "terraform"
VECTORS = ROOT / "tests/vectors/deploy"
IMAGE_ETC = DEPLOY / "image/etc"


class TemplateLoader(yaml.SafeLoader):
    """CloudFormation's short forms: `!Sub text` is {"Fn::Sub": text}."""


def short_form(loader, suffix, node):
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


TemplateLoader.add_multi_constructor("!", short_form)


def read_template():
    return yaml.load(TEMPLATE.read_text(), TemplateLoader)


def fill(text, values):
    """`${name}` replaced; whatever is not named stays."""
    return re.sub(r"\$\{(\w+)\}", lambda m: str(values.get(m.group(1), m.group(0))), text)


def ports_of(config_text):
    """What a configuration of weir says that it listens on: {(protocol, port)}."""
    config = yaml.safe_load(config_text)
    protocols = config["receivers"]["otlp"]["protocols"]
    xray = config["receivers"]["awsxray"]
    endpoints = [("tcp", protocols["grpc"]), ("tcp", protocols["http"]),
                 ("udp", config["receivers"]["statsd"]), ("udp", xray),
                 ("tcp", xray["proxy_server"]), ("tcp", config["extensions"]["health_check"])]
    return {(protocol, int(one["endpoint"].rpartition(":")[2])) for protocol, one in endpoints}


def filters():
    """Per event of weir's log, the fields that the metric filters of the template read."""
    made = {}
    for one in read_template()["Resources"].values():
        if one["Type"] != "AWS::Logs::MetricFilter":
            continue
        properties = one["Properties"]
        event, = re.findall(r'\$\.event = "(\w+)"', properties["FilterPattern"])
        change, = properties["MetricTransformations"]
        text = f"{properties['FilterPattern']} {change['MetricValue']}"
        made.setdefault(event, set()).update(set(re.findall(r"\$\.(\w+)", text)) - {"event"})
    return made


def read_means(name):
    return json.loads((VECTORS / f"{name}.means.json").read_text())
