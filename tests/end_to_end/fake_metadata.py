# SPDX-License-Identifier: Apache-2.0
"""The metadata endpoint of an ECS task and the metadata service of an EC2 instance, on one port.

`task`, `container` and `identity` are what they answer, and may be changed between requests; a
text is answered as it stands. `hang` holds every answer until it is cleared.
"""

import http.server
import json
import threading

REGION, ACCOUNT = "eu-west-1", "123456789012"
CLUSTER_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/blue"
TASK_ARN = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/blue/0f1e2d3c4b5a69788796a5b4c3d2e1f0"
OWN_ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0-0000000001"
TOKEN = "a-session-token"


def container(docker_id, name, group, **more):
    return {"DockerId": docker_id, "Name": name, "DockerName": name, "Image": f"{name}:1",
            "Labels": {"com.amazonaws.ecs.cluster": CLUSTER_ARN}, "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING", "Limits": {"CPU": 128, "Memory": 256}, "Type": "NORMAL",
            "CreatedAt": "2024-03-01T10:00:00.123456789Z",
            "LogDriver": "awslogs",
            "LogOptions": {"awslogs-group": group, "awslogs-region": REGION,
                           "awslogs-stream": f"ecs/{name}/77"},
            "Networks": [{"NetworkMode": "awsvpc", "IPv4Addresses": ["10.0.0.5"]}], **more}


def task(**more):
    """A gateway beside one application and a container that has ended."""
    return {"Cluster": "blue", "TaskARN": TASK_ARN, "Family": "gateway", "Revision": "12",
            "DesiredStatus": "RUNNING", "KnownStatus": "RUNNING",
            "Limits": {"CPU": 0.25, "Memory": 512}, "AvailabilityZone": f"{REGION}b",
            "LaunchType": "FARGATE",
            "Containers": [container(OWN_ID, "weir", "/ecs/weir"),
                           container("app-1", "app", "/ecs/app"),
                           container("init-1", "init", "/ecs/init", KnownStatus="STOPPED")],
            **more}


def log_arn(group="/ecs/app"):
    return f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"


# What a resource says of the task above.
TASK_ATTRIBUTES = {
    "cloud.provider": "aws", "cloud.platform": "aws_ecs", "cloud.account.id": ACCOUNT,
    "cloud.region": REGION, "cloud.availability_zone": f"{REGION}b",
    "aws.ecs.cluster.arn": CLUSTER_ARN, "aws.ecs.launchtype": "fargate",
    "aws.ecs.task.arn": TASK_ARN, "aws.ecs.task.id": TASK_ARN.rpartition("/")[2],
    "aws.ecs.task.family": "gateway", "aws.ecs.task.revision": "12",
    "aws.log.group.names": ["/ecs/app"], "aws.log.group.arns": [log_arn()],
    "aws.log.stream.names": ["ecs/app/77"],
    "aws.log.stream.arns": [f"{log_arn()}:log-stream:ecs/app/77"],
}

IDENTITY = {"accountId": "210987654321", "architecture": "arm64", "imageId": "ami-0a1b2c",
            "availabilityZone": "us-east-2c", "instanceId": "i-0d1e2f", "region": "us-east-2",
            "instanceType": "c7g.large", "privateIp": "10.0.0.5", "version": "2017-09-30"}
HOSTNAME = "ip-10-0-0-5.us-east-2.compute.internal"
MACHINE_ATTRIBUTES = {
    "cloud.provider": "aws", "cloud.platform": "aws_ec2", "cloud.account.id": "210987654321",
    "cloud.region": "us-east-2", "cloud.availability_zone": "us-east-2c", "host.id": "i-0d1e2f",
    "host.image.id": "ami-0a1b2c", "host.type": "c7g.large", "host.name": HOSTNAME,
}


class FakeMetadata:
    """Use as a context manager."""

    def __init__(self, address=("127.0.0.1", 0)):
        self.task = task()
        self.container = self.task["Containers"][0]
        self.identity = IDENTITY
        self.tags = None  # the instance does not show them
        self.hang = False
        self.requests = []  # "METHOD path"
        self.released = threading.Event()
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                owner.serve(self)

            do_PUT = do_GET

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(address, Handler)
        self.server.daemon_threads = True

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def on_ecs(self, **more):
        """The environment of a task without a machine to ask."""
        return {"ECS_CONTAINER_METADATA_URI_V4": f"{self.url}/v4/own",
                "AWS_EC2_METADATA_DISABLED": "true", **more}

    def on_ec2(self, **more):
        """The environment of a machine; `more` may be that of a task, too."""
        return {**more, "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url,
                "AWS_EC2_METADATA_DISABLED": "false"}

    def count(self, path):
        return sum(1 for request in self.requests if request.partition(" ")[2] == path)

    def serve(self, handler):
        self.requests.append(f"{handler.command} {handler.path}")
        if self.hang:
            self.released.wait(30)
            handler.close_connection = True
            return
        status, body = self.answer(handler.command, handler.path, handler.headers)
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            pass  # whoever asked had enough of waiting

    def answer(self, method, path, headers):
        if path == "/v4/own":
            return 200, self.container
        if path == "/v4/own/task":
            return 200, self.task
        if (method, path) == ("PUT", "/latest/api/token"):
            return 200, TOKEN
        if headers.get("X-aws-ec2-metadata-token") != TOKEN:
            return 401, ""
        if path == "/latest/dynamic/instance-identity/document":
            return 200, self.identity
        if path == "/latest/meta-data/hostname":
            return 200, HOSTNAME
        tags = self.tags or {}
        if path == "/latest/meta-data/tags/instance" and tags:
            return 200, "\n".join(tags)
        name = path.removeprefix("/latest/meta-data/tags/instance/")
        return (200, tags[name]) if name in tags else (404, "")
