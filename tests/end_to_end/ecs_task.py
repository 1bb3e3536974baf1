# SPDX-License-Identifier: Apache-2.0
"""Run inside namespaces: ecs_task.py BINARY SCENARIO IO FOLDER.

SCENARIO is a JSON file: a task definition, the container to run, the parameters it may read, what
the definition means, and times that are not waited for at full length. Starts the container as ECS
does, looks who listens, sends what an application sends, stops it, and compares what AWS got. What
that is, is told by the jobs that the definition means: those of preset_jobs.py.
"""

import json
import pathlib
import socket
import subprocess
import sys
import urllib.request

import adot_default
import ecs_agent
from fake_aws import REGION, FakeAws
from preset_jobs import Scene
from weir_process import wait_until


def check_ports(container, means):
    tcp, udp = ecs_agent.listening("tcp"), ecs_agent.listening("udp")
    assert tcp >= set(means["tcp"]), tcp
    assert udp == set(means["udp"]), udp
    for one in container.definition.get("portMappings", []):
        found = udp if one["protocol"] == "udp" else tcp
        assert one["containerPort"] in found, one


def check_pipelines(container, means):
    """The resolved configuration of the very same command line and environment."""
    command = ["/weir", "config", *container.command()[1:], "--format=json"]
    shown = subprocess.run(container.inside(command), env=container.environment(),
                           capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["service"]["pipelines"] == means["pipelines"], shown.stdout


def check_shared_port():
    """StatsD over TCP, and a sampling call, on the port that the balancer knows."""
    with socket.create_connection(("127.0.0.1", 4317)) as stream:
        stream.sendall(b"s.tcp:41|c\ns.tcp:1|c\n")
    request = urllib.request.Request("http://127.0.0.1:4317/GetSamplingRules", b"{}",
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert "SamplingRuleRecords" in json.loads(answer.read())


def check_log(log_path, fields):
    """Of events that end every run: the last line of each has what alarms are made of."""
    lines = [json.loads(line) for line in log_path.read_text().splitlines() if line[:1] == "{"]
    for event, wanted in fields.items():
        last = [line for line in lines if line["event"] == event][-1]
        assert set(wanted) <= set(last), (event, last)


def check_upstream(aws, means):
    assert {region for _, region in aws.scopes} <= {REGION}, aws.scopes
    if means.get("shared_port"):
        sums = [datum.value for _, _, _, message in aws.logs.events()
                for datum in adot_default.emf_document.read(message) if datum.name == "s.tcp"]
        assert sum(sums) == 42, sums


def main(binary, scenario_path, io, folder):
    scenario = json.loads(pathlib.Path(scenario_path).read_text())
    folder = pathlib.Path(folder)
    task, means = scenario["task"], scenario["means"]
    container = ecs_agent.Container(task, scenario["container"], scenario["parameters"])
    log_path = folder / "weir.log"
    jobs = means.get("jobs", ["default"])
    with FakeAws() as aws, open(log_path, "wb") as log, \
            Scene(jobs, aws, ecs_agent.Agent(aws, task["requiresCompatibilities"][0]),
                  folder) as scene:
        more = {"AWS_ENDPOINT_URL": aws.url, "WEIR_IO": io, "WEIR_LOG_FORMAT": "json",
                **scenario["shortened"]}
        container.start(folder, binary, log, more, scene.hosts, scene.ca_path)
        try:
            wait_until(lambda: container.process.poll() is not None or
                       container.check_health() == 0, container.health_budget_s(), what="health")
            assert container.process.poll() is None, log_path.read_text()
            check_ports(container, means)
            check_pipelines(container, means)
            scene.run()
            if means.get("shared_port"):
                check_shared_port()
            assert container.stop() == 0
            assert container.check_health() != 0
        finally:
            container.process.kill()
        scene.check()
        check_upstream(aws, means)
        aws.check()
    adot_default.check_books(log_path)
    check_log(log_path, means.get("log", {}))


if __name__ == "__main__":
    main(*sys.argv[1:])
