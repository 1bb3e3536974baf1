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
CLUSTER, TASK_ID = "default", "0123456789abcdef0123456789abcdef"
MIB = 1 << 20
READ_FIRST, READ_MORE = 3000, 1000  # bytes that each container read; a tenth of it was written
USER = 4317
ENTRY_POINT = ["/awscollector"]
DEFAULT_COMMAND = []  # then weir takes AOT_CONFIG_CONTENT, or the file that the image has
IMAGE_ENVIRONMENT = {"RUN_IN_CONTAINER": "True"}
STOP_TIMEOUT_S = 30
CA_BUNDLE = "etc/ssl/certs/ca-certificates.crt"


def run(*command):
    subprocess.run(command, check=True)


def mount(*arguments):
    run("mount", *map(str, arguments))


def make_container(name, **more):
    return {"DockerId": f"{name}-id", "Name": name, "DockerName": f"ecs-shop-7-{name}",
            "Image": f"{name}:7", "ImageID": f"sha256:{name}", "DesiredStatus": "RUNNING",
            "KnownStatus": "RUNNING", "Type": "NORMAL", "Limits": {"CPU": 128, "Memory": 128},
            "CreatedAt": "2024-03-01T09:59:58Z", "StartedAt": "2024-03-01T10:00:00Z", **more}


def make_stats(name, used_mib, look):
    """A container that uses a tenth of a core and `used_mib` beside its cache.

    What was read and written grows from one look to the next; `look` counts from 0.
    """
    cpu = {"usage_in_kernelmode": 10**9, "usage_in_usermode": 4 * 10**9, "percpu_usage": [1, 2]}
    return {"id": f"{name}-id", "name": f"/{name}", "read": "2024-03-01T10:01:10Z",
            "preread": "2024-03-01T10:01:00Z",
            "cpu_stats": {"cpu_usage": {**cpu, "total_usage": 6 * 10**9},
                          "system_cpu_usage": 10**12, "online_cpus": 2},
            "precpu_stats": {"cpu_usage": {**cpu, "total_usage": 5 * 10**9},
                             "system_cpu_usage": 9 * 10**11, "online_cpus": 2},
            "memory_stats": {"usage": (used_mib + 32) * MIB, "max_usage": 300 * MIB,
                             "limit": 512 * MIB, "stats": {"cache": 32 * MIB}},
            "blkio_stats": {"io_service_bytes_recursive": [
                {"major": 259, "minor": 0, "op": "Read", "value": READ_FIRST + READ_MORE * look},
                {"major": 259, "minor": 0, "op": "Write",
                 "value": (READ_FIRST + READ_MORE * look) // 10}]},
            "networks": {"eth1": {"rx_bytes": 7, "rx_packets": 1, "rx_errors": 0, "rx_dropped": 0,
                                  "tx_bytes": 9, "tx_packets": 1, "tx_errors": 0,
                                  "tx_dropped": 0}},
            "network_rate_stats": {"rx_bytes_per_sec": 10.5, "tx_bytes_per_sec": 20.25}}


def make_pages(launch_type, look):
    """What a task is told about itself: two containers that run, and one that has ended."""
    ended = make_container("init", KnownStatus="STOPPED", DesiredStatus="STOPPED", ExitCode=0,
                           FinishedAt="2024-03-01T10:01:30.5Z")
    task = {"Cluster": CLUSTER, "Family": "shop", "Revision": "7", "LaunchType": launch_type,
            "TaskARN": f"arn:aws:ecs:{REGION}:123456789012:task/{CLUSTER}/{TASK_ID}",
            "AvailabilityZone": f"{REGION}a", "KnownStatus": "RUNNING", "DesiredStatus": "RUNNING",
            "Limits": {"CPU": 0.25, "Memory": 512}, "PullStartedAt": "2024-03-01T09:59:50Z",
            "PullStoppedAt": "2024-03-01T09:59:55Z",
            "Containers": [make_container("collector"), make_container("shop"), ended]}
    stats = {"collector-id": make_stats("collector", 64, look),
             "shop-id": make_stats("shop", 128, look), "init-id": None}
    return {METADATA: make_container("collector"), f"{METADATA}/task": task,
            f"{METADATA}/task/stats": stats}


def make_handler(agent, aws, launch_type):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            pages = make_pages(launch_type, agent.stats_count)
            status, content = (200, pages[self.path]) if self.path in pages else (404, {})
            agent.stats_count += self.path.endswith("/task/stats")
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
        self.stats_count = 0  # how often the task's use was looked at
        handler = make_handler(self, aws, launch_type)
        self.server = http.server.ThreadingHTTPServer((ADDRESS, 80), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def bind_volumes(root, folder, volumes):
    """Folders of the host at their places; one that the host has not is made, and empty."""
    for source, target in volumes:
        if not pathlib.Path(source).is_dir():
            source = folder / "empty"
            source.mkdir(exist_ok=True)
        place = root / target.lstrip("/")
        place.mkdir(parents=True, exist_ok=True)
        mount("--rbind", source, place)


def make_root(folder, binary, definition, volumes, hosts, ca_path):
    """The root of the container, out of binds; gone with the namespace.

    `volumes` are (folder of the host, place); `hosts` further lines of /etc/hosts; `ca_path` what
    the container trusts, or None.
    """
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
    (root / "etc/hosts").write_text("\n".join(["127.0.0.1 localhost", *hosts, ""]))
    if ca_path is not None:
        bundle = root / CA_BUNDLE
        bundle.parent.mkdir(parents=True)
        shutil.copy(ca_path, bundle)
    bind_volumes(root, folder, volumes)
    if definition.get("readonlyRootFilesystem", False):
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

    def volumes(self):
        """(folder of the host, place in the container)."""
        sources = {one["name"]: one["host"]["sourcePath"] for one in self.task.get("volumes", [])}
        return [(sources[one["sourceVolume"]], one["containerPath"])
                for one in self.definition.get("mountPoints", [])]

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

    def start(self, folder, binary, log, more, hosts=(), ca_path=None):
        """`more`: what this namespace needs to find its AWS; nothing else is added."""
        self.root = make_root(folder, binary, self.definition, self.volumes(), hosts, ca_path)
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
