# SPDX-License-Identifier: Apache-2.0
"""An AWS account that exists only in this process: moto, with a network and a cluster in it.

moto's CloudFormation does not know all types of our template, and of those it knows it leaves some
properties out. So every resource is remembered with its properties as moto resolved them:
conditions decided, references followed. Types that it does not know exist only there. It also makes
every load balancer an application's, which is put right here.
"""

import boto3
from deploy_files import TEMPLATE
from moto.cloudformation import parsing
from moto.cloudformation.models import ChangeSet
from moto.core.common_models import CloudFormationModel
from moto.elbv2.models import FakeLoadBalancer, FakeTargetGroup

REGION = "eu-west-1"
ACCOUNT = "123456789012"
UNKNOWN_TYPES = (
    "AWS::ApplicationAutoScaling::ScalableTarget", "AWS::ApplicationAutoScaling::ScalingPolicy",
    "AWS::CloudWatch::Alarm", "AWS::Logs::MetricFilter",
    "AWS::ServiceDiscovery::PrivateDnsNamespace", "AWS::ServiceDiscovery::Service")


def make_type(name):
    """A type that has an identity and nothing else."""

    class Unknown(CloudFormationModel):
        __module__ = "moto.unknown.models"  # moto counts its models by module

        def __init__(self, resource_name):
            self.physical_resource_id = f"{name.rpartition(':')[2].lower()}/{resource_name}"

        @staticmethod
        def cloudformation_name_type():
            return ""

        @staticmethod
        def cloudformation_type():
            return name

        @classmethod
        def has_cfn_attr(cls, attr):
            return attr in ("Arn", "Id")

        def get_cfn_attribute(self, attribute_name):
            service = name.split("::")[1].lower()
            arn = f"arn:aws:{service}:{REGION}:{ACCOUNT}:{self.physical_resource_id}"
            return arn if attribute_name == "Arn" else self.physical_resource_id

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, *_, **__):
            return cls(resource_name)

    return Unknown


TYPES = [make_type(name) for name in UNKNOWN_TYPES]


# --- what moto does otherwise --------------------------------------------------------------------

resolved = {}  # logical name: properties


def without_nothing(value):
    """AWS::NoValue in a list leaves no hole."""
    if isinstance(value, list):
        return [without_nothing(one) for one in value if one is not None]
    if isinstance(value, dict):
        return {key: without_nothing(one) for key, one in value.items() if one is not None}
    return value


def remembering(parse):
    def parse_resource(logical_id, *arguments):
        made = parse(logical_id, *arguments)
        if made:
            made[1]["Properties"] = without_nothing(made[1]["Properties"])
            resolved[logical_id] = made[1]["Properties"]
        return made

    return parse_resource


def with_type(create):
    """A load balancer of the type that the template says."""

    def create_balancer(cls, resource_name, cloudformation_json, *arguments, **keys):
        made = create(cls, resource_name, cloudformation_json, *arguments, **keys)
        made.type = cloudformation_json["Properties"].get("Type", made.type)
        return made

    return classmethod(create_balancer)


def with_full_name(get):
    def get_attribute(self, attribute_name):
        if attribute_name == "LoadBalancerFullName":
            return self.arn.partition("loadbalancer/")[2]
        return get(self, attribute_name)

    return get_attribute


def with_outputs(apply):
    """A change set makes what its template makes, outputs too."""

    def apply_all(self):
        apply(self)
        self.stack.template_dict = self.template_dict
        self.stack.output_map = self.stack._create_output_map()

    return apply_all


def group_attribute(self, attribute_name):
    assert attribute_name == "TargetGroupFullName"
    return self.arn.rpartition(":")[2]


FakeLoadBalancer.create_from_cloudformation_json = with_type(
    FakeLoadBalancer.create_from_cloudformation_json.__func__)
FakeLoadBalancer.get_cfn_attribute = with_full_name(FakeLoadBalancer.get_cfn_attribute)
ChangeSet.apply = with_outputs(ChangeSet.apply)
FakeTargetGroup.has_cfn_attr = classmethod(lambda cls, attr: attr == "TargetGroupFullName")
FakeTargetGroup.get_cfn_attribute = group_attribute
parsing.parse_resource_and_generate_name = remembering(parsing.parse_resource_and_generate_name)


class Account:
    """Clients by service, and a stack made of our template. `url` is an emulator that serves."""

    def __init__(self, url=None):
        self.url = url
        self.clients = {}
        resolved.clear()
        vpc = self.of("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnets = [self.of("ec2").create_subnet(
            VpcId=vpc, CidrBlock=f"10.0.{i}.0/24", AvailabilityZone=f"{REGION}{zone}")
            ["Subnet"]["SubnetId"] for i, zone in enumerate("ab")]
        self.of("ecs").create_cluster(clusterName="apps")
        self.parameters = {"ClusterName": "apps", "VpcId": vpc, "SubnetIds": ",".join(subnets),
                           "Image": "weir:1"}

    def of(self, service):
        if service not in self.clients:
            self.clients[service] = boto3.client(service, region_name=REGION, endpoint_url=self.url)
        return self.clients[service]

    def make_stack(self, **parameters):
        values = {**self.parameters, **parameters}
        self.of("cloudformation").create_stack(
            StackName="weir", TemplateBody=TEMPLATE.read_text(),
            Capabilities=["CAPABILITY_IAM"],
            Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in values.items()])
        return self.outputs()

    def outputs(self):
        stack = self.of("cloudformation").describe_stacks(StackName="weir")["Stacks"][0]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        return {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}

    @property
    def resolved(self):
        """Properties of every resource of the stack, by logical name."""
        return resolved

    def policy(self, logical_name):
        """{action: resources} of the only policy that is written into a role."""
        policy, = self.resolved[logical_name]["Policies"]
        made = {}
        for statement in policy["PolicyDocument"]["Statement"]:
            actions, resources = statement["Action"], statement["Resource"]
            for action in actions if isinstance(actions, list) else [actions]:
                made[action] = resources if isinstance(resources, list) else [resources]
        return made
