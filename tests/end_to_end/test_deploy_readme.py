# SPDX-License-Identifier: Apache-2.0
"""tools/deploy/README.md as a new user walks through it; and the papers beside it."""

import json
import pathlib
import re
import subprocess
import sys

import pytest
from deploy_files import DEPLOY, ROOT, TEMPLATE, VECTORS, read_template
from test_deploy_tasks import run_task
from weir_process import BINARY, clean_environment

FOLDER = pathlib.Path(__file__).parent
ONE_BACKEND = True
SCRIPT = DEPLOY / "seccomp/allow_io_uring"
CALLS = {"io_uring_setup", "io_uring_enter", "io_uring_register"}


def test_every_command_runs(io, tmp_path):
    command = ["unshare", "-n", sys.executable, str(FOLDER / "readme_walk.py"), BINARY, io,
               str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=170, check=False,
                            env=clean_environment(), cwd="/")
    log = tmp_path / "weir.log"
    tail = log.read_text()[-4000:] if log.exists() else ""
    assert result.returncode == 0, result.stdout + result.stderr + tail


def test_links_lead_somewhere():
    """Files exist, and headings are there for what is linked on the page."""
    for page in [*DEPLOY.glob("*.md"), *DEPLOY.glob("*/README.md")]:
        text = page.read_text()
        anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-")
                   for one in re.findall(r"^#+ (.*)$", text, re.M)}
        for target in re.findall(r"\]\(([^)]+)\)", text):
            if target.startswith("#"):
                assert target[1:] in anchors, f"{page}: {target}"
            else:
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_first_screen_answers():
    """What a reader must find before the first heading."""
    first = (DEPLOY / "README.md").read_text().split("\n## ")[0]
    for word in ("TCP", "**UDP**", "NLB", "Cloud Map", "Service Connect", "USD",
                 "OTEL_EXPORTER_OTLP_ENDPOINT", "AWS_XRAY_DAEMON_ADDRESS", "DD_AGENT_HOST", "ADOT",
                 "X-Ray daemon", "CloudWatch agent", "ECS Anywhere", "`AWS_REGION` by hand"):
        assert word in first, word
    assert len(first.splitlines()) <= 55


def test_prices_are_the_sums_they_claim_to_be():
    """Every row with a sum has the result beside it."""
    rows = re.findall(r"^\|[^|]*\| ([\d .()×+]+) \| ([\d.]+) \|$",
                      (DEPLOY / "README.md").read_text(), re.M)
    assert len(rows) >= 5
    for terms, result in rows:
        assert float(result) == pytest.approx(eval(terms.replace("×", "*")), abs=0.01), terms


def test_ports_of_the_page_are_open():
    """Every port in the first table has a listener, or is reached at the task itself."""
    text = (DEPLOY / "README.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| (TCP|\*\*UDP\*\*) \| ([\d, ]+) \| ([^|]+) \|$", text, re.M)
    assert len(rows) == 5
    listeners = {(one["Properties"]["Protocol"], one["Properties"]["Port"])
                 for one in read_template()["Resources"].values()
                 if one["Type"] == "AWS::ElasticLoadBalancingV2::Listener"}
    for protocol, direct, through in rows:
        ports = re.findall(r"\d+", through) or re.findall(r"\d+", direct)
        assert {(protocol.strip("*"), int(port)) for port in ports} <= listeners


# --- ECS Anywhere --------------------------------------------------------------------------------

def test_ecs_anywhere_runs(io, tmp_path):
    """No load balancer, no awsvpc, the region by hand."""
    task = json.loads((DEPLOY / "ecs_anywhere.json").read_text())
    container, = task["containerDefinitions"]
    assert {"name": "AWS_REGION", "value": "eu-west-1"} in container["environment"]
    secret, = container["secrets"]
    means = json.loads((VECTORS / "adot_fargate_sidecar.means.json").read_text())
    text = (ROOT / "tools/deploy/image/etc/ecs/ecs-default-config.yaml").read_text()
    run_task({"task": task, "container": "weir", "parameters": {secret["valueFrom"]: text},
              "means": means}, io, tmp_path)


# --- io_uring on EC2 -----------------------------------------------------------------------------

def allow(folder, profile, engine=None):
    """The profile and the engine's configuration after a run, or the complaint."""
    (folder / "default.json").write_text(json.dumps(profile))
    if engine is not None:
        (folder / "daemon.json").write_text(json.dumps(engine))
    done = subprocess.run([SCRIPT, folder / "default.json", "--engine", folder / "daemon.json",
                           "--out", folder / "out.json"],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        return done.stderr
    return json.loads((folder / "out.json").read_text()), \
        json.loads((folder / "daemon.json").read_text())


def profile_of(*rules):
    return {"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "archMap": [{"architecture": "SCMP_ARCH_AARCH64"}], "syscalls": list(rules)}


READ = {"names": ["read", "write"], "action": "SCMP_ACT_ALLOW"}
MOUNT = {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}}


def test_profile_gets_three_calls(tmp_path):
    """And keeps everything else, as does the engine's configuration."""
    made, engine = allow(tmp_path, profile_of(READ, MOUNT), {"log-driver": "journald"})
    assert made["syscalls"][:2] == [READ, MOUNT]
    assert set(made["syscalls"][2]["names"]) == CALLS
    assert made["syscalls"][2]["action"] == "SCMP_ACT_ALLOW" and len(made["syscalls"]) == 3
    assert {**made, "syscalls": []} == {**profile_of(), "syscalls": []}
    assert engine == {"log-driver": "journald", "seccomp-profile": str(tmp_path / "out.json")}
    again, engine_again = allow(tmp_path, made, engine)
    assert (again, engine_again) == (made, engine)


def test_profile_that_refuses_by_name_is_turned(tmp_path):
    """A rule that refuses the calls, or allows them to some only, gives way."""
    refused = {"names": ["bpf", "io_uring_setup"], "action": "SCMP_ACT_ERRNO"}
    some = {"names": ["io_uring_enter"], "action": "SCMP_ACT_ALLOW",
            "includes": {"caps": ["CAP_SYS_ADMIN"]}}
    made, engine = allow(tmp_path, profile_of(READ, refused, some))
    assert made["syscalls"][:2] == [READ, {"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}]
    assert set(made["syscalls"][2]["names"]) == CALLS
    assert engine == {"seccomp-profile": str(tmp_path / "out.json")}


@pytest.mark.parametrize("profile", [
    {}, [], {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [READ]}, profile_of()])
def test_what_is_no_default_profile_is_refused(tmp_path, profile):
    """And nothing is written: an engine must never start with less than it had."""
    assert allow(tmp_path, profile).startswith("allow_io_uring: ")
    assert not (tmp_path / "out.json").exists() and not (tmp_path / "daemon.json").exists()


def test_template_fits_a_request():
    """CloudFormation takes at most 51 200 bytes in the body of a request."""
    assert len(TEMPLATE.read_bytes()) <= 51_200
