# SPDX-License-Identifier: Apache-2.0
"""As much of the ECS agent as it takes to run one container of a task definition.

Works inside network and mount namespaces of its own: the container gets a root that holds the
program, the loader's libraries and the configurations of the image, the environment that ECS gives
and no other, the agent's address 169.254.170.2 with credentials and task metadata, and a user
without rights. Image, root and user are those of our image; everything else is what the task
definition says.
"""

import http.server
import json
import pathlib
import resource
import shutil
import subprocess
import threading

from deploy_files import IMAGE_ETC
from fake_aws import REGION

ADDRESS = "169.254.170.2"
CREDENTIALS, METADATA = "/v2/credentials/5f0e9d", "/v4/0a1b2c"
USER = 4317
ENTRY_POINT = ["/awscollector"]
DEFAULT_COMMAND = []  # then weir takes AOT_CONFIG_CONTENT, or the file that the image has
IMAGE_ENVIRONMENT = {"RUN_IN_CONTAINER": "True"}
STOP_TIMEOUT_S = 30


def run(*command):
    subprocess.run(command, check=True)


def mount(*arguments):
    run("mount", *map(str, arguments))


def make_handler(aws, launch_type):
    task = {"Cluster": "default", "Family": "shop", "Revision": "7", "LaunchType": launch_type,
            "TaskARN": f"arn:aws:ecs:{REGION}:123456789012:task/default/0123456789abcdef"}
    pages = {METADATA: {"Name": "collector"}, f"{METADATA}/task": task}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = (200, pages[self.path]) if self.path in pages else (404, {})
            if self.path == CREDENTIALS:
                status, content = aws.hand_out(self.headers)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args):
            pass

    return Handler


class Agent:
    """Its address in this namespace, with what tasks ask for there."""

    def __init__(self, aws, launch_type):
        run("ip", "link", "set", "lo", "up")
        run("ip", "address", "add", f"{ADDRESS}/32", "dev", "lo")
        handler = make_handler(aws, launch_type)
        self.server = http.server.ThreadingHTTPServer((ADDRESS, 80), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def make_root(folder, binary, is_read_only):
    """The root of the container, out of binds; gone with the namespace."""
    root = folder / "root"
    root.mkdir()
    mount("-t", "tmpfs", "none", root)
    for name in ("usr", "proc", "dev"):
        (root / name).mkdir()
        mount("--rbind", f"/{name}", root / name)
    for name in ("bin", "lib", "lib64"):
        if pathlib.Path(f"/{name}").is_symlink():
            (root / name).symlink_to(f"usr/{name}")
    shutil.copy(binary, root / "weir")
    for name in ("awscollector", "healthcheck"):
        (root / name).symlink_to("weir")
    shutil.copytree(IMAGE_ETC, root / "etc")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    if is_read_only:
        mount("-o", "remount,ro", root)
    return root


class Container:
    """One container definition, as register-task-definition takes it."""

    def __init__(self, task, name, parameters):
        self.task = task
        self.definition = next(one for one in task["containerDefinitions"] if one["name"] == name)
        self.parameters = parameters  # SSM: name or ARN to text
        self.root = None
        self.process = None

    @property
    def is_fargate(self):
        return self.task["requiresCompatibilities"] == ["FARGATE"]

    def environment(self):
        launch = {"ECS_CONTAINER_METADATA_URI_V4": f"http://{ADDRESS}{METADATA}",
                  "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": CREDENTIALS,
                  "AWS_EXECUTION_ENV": f"AWS_ECS_{'FARGATE' if self.is_fargate else 'EC2'}"}
        if self.is_fargate:
            launch |= {"AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION}
        own = {one["name"]: one["value"] for one in self.definition.get("environment", [])}
        secrets = {one["name"]: self.parameters[one["valueFrom"]]
                   for one in self.definition.get("secrets", [])}
        return {**IMAGE_ENVIRONMENT, **launch, **own, **secrets}

    def command(self):
        return [*(self.definition.get("entryPoint") or ENTRY_POINT),
                *(self.definition.get("command") or DEFAULT_COMMAND)]

    def inside(self, command):
        return [shutil.which("chroot"), f"--userspec={USER}:{USER}", str(self.root), *command]

    def limit(self):
        """As far as this machine lets its limits be raised."""
        for one in self.definition.get("ulimits", []):
            which = getattr(resource, f"RLIMIT_{one['name'].upper()}")
            most = resource.getrlimit(which)[1]
            wanted = (one["softLimit"], one["hardLimit"])
            if most != resource.RLIM_INFINITY:
                wanted = tuple(min(limit, most) for limit in wanted)
            resource.setrlimit(which, wanted)

    def start(self, folder, binary, log, more):
        """`more`: what this namespace needs to find its AWS; nothing else is added."""
        self.root = make_root(folder, binary, self.definition.get("readonlyRootFilesystem", False))
        self.process = subprocess.Popen(self.inside(self.command()), stdout=log, stderr=log,
                                        env={**self.environment(), **more}, cwd="/",
                                        preexec_fn=self.limit)

    def check_health(self):
        """The exit code of one health check, by the time it has."""
        check = self.definition["healthCheck"]
        words = check["command"][1:] if check["command"][0] == "CMD" else check["command"]
        return subprocess.run(self.inside(words), env=self.environment(), check=False,
                              timeout=check.get("timeout", 5), capture_output=True).returncode

    def health_budget_s(self):
        """How long ECS waits until it calls the container unhealthy."""
        check = self.definition["healthCheck"]
        return check.get("startPeriod", 0) + check["interval"] * check["retries"]

    def stop(self):
        """SIGTERM, and the exit code if it comes in time."""
        self.process.terminate()
        return self.process.wait(self.definition.get("stopTimeout", STOP_TIMEOUT_S))


def listening(protocol):
    """Ports bound to any address in this namespace, as the kernel tells it."""
    state = "0A" if protocol == "tcp" else "07"
    found = set()
    for suffix in ("", "6"):
        for line in pathlib.Path(f"/proc/net/{protocol}{suffix}").read_text().splitlines()[1:]:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == state and int(address, 16) == 0:
                found.add(int(port, 16))
    return found
