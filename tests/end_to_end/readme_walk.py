# SPDX-License-Identifier: Apache-2.0
"""Run inside a network namespace: readme_walk.py BINARY IO FOLDER.

Runs every `sh` block of tools/deploy/README.md in order, as a new user would: the AWS command line
against an emulator, the datagrams against a weir with the configuration of the template. Blocks
that need what cannot be here are fenced as `shell`.
"""

import os
import pathlib
import re
import subprocess
import sys
import time

import emf_document
from aws_emulator import REGION, Account
from deploy_files import DEPLOY, ROOT, VECTORS, fill, read_template
from fake_aws import FakeAws
from moto.server import ThreadedMotoServer
from weir_process import clean_environment, fetch_status, wait_until

GATEWAY = VECTORS / "adot_config_from_ssm.yaml"
SECONDS_MAX = 60


def blocks():
    return re.findall(r"^```sh\n(.*?)^```$", (DEPLOY / "README.md").read_text(), re.M | re.S)


def make_desk(folder, binary):
    """Where the user stands: a clone, a configuration, and `weir` on the path."""
    (folder / "tools").symlink_to(ROOT / "tools")
    (folder / "bin").mkdir()
    (folder / "bin/weir").symlink_to(binary)
    text = GATEWAY.read_text().replace("${env:METRIC_NAMESPACE}", "Shop")
    (folder / "gateway.yaml").write_text(text)
    return text


def user_environment(account, folder):
    keys = account.parameters
    return clean_environment({
        "PATH": f"{folder}/bin:{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
        "AWS_ENDPOINT_URL": account.url, "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "",
        "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing",
        "CLUSTER": keys["ClusterName"], "VPC": keys["VpcId"], "SUBNETS": keys["SubnetIds"],
        "IMAGE": keys["Image"], "HOST": "127.0.0.1"})


def walk(environment, folder):
    """Every block, each in a shell of its own; gives what they printed."""
    printed = []
    for block in blocks():
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", block], env=environment,
                              cwd=folder, capture_output=True, text=True, timeout=SECONDS_MAX,
                              check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}{done.stderr}"
        printed.append(done.stdout)
    return "".join(printed)


def start_weir(binary, io, aws, log):
    template = read_template()
    values = {name: one.get("Default") for name, one in template["Parameters"].items()}
    text = fill(template["Resources"]["Config"]["Properties"]["Value"]["Fn::Sub"], values)
    more = aws.container_environment(AOT_CONFIG_CONTENT=text, WEIR_IO=io, WEIR_LOG_FORMAT="json")
    weir = subprocess.Popen([binary], stdout=log, stderr=log, env=clean_environment(more))
    wait_until(lambda: weir.poll() is not None or
               fetch_status("http://localhost:13133/")[0] == 200, what="health")
    return weir


def check_account(account, printed, text):
    host = account.of("elbv2").describe_load_balancers()["LoadBalancers"][0]["DNSName"]
    assert f"http://{host}:4317" in printed, printed
    stored = account.of("ssm").get_parameter(Name="/weir/config")["Parameter"]["Value"]
    assert stored == text
    families = account.of("ecs").list_task_definition_families()["families"]
    assert families == ["weir"], families
    made = account.of("ecs").list_task_definitions()["taskDefinitionArns"]
    assert len(made) == 2, made  # the stack's, and that of ECS Anywhere


def check_arrival(aws):
    values = [datum.value for _, _, _, message in aws.logs.events()
              for datum in emf_document.read(message) if datum.name == "deploy.hello"]
    assert sum(values) == 2, values


def main(binary, io, folder):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = pathlib.Path(folder)
    text = make_desk(folder, binary)
    server = ThreadedMotoServer("127.0.0.1", 5000, verbose=False)
    server.start()
    with FakeAws() as aws, open(folder / "weir.log", "wb") as log:
        weir = start_weir(binary, io, aws, log)
        try:
            os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
            account = Account("http://127.0.0.1:5000")
            printed = walk(user_environment(account, folder), folder)
            time.sleep(0.2)  # the kernel's way from bash to weir
            weir.terminate()
            assert weir.wait(40) == 0
        finally:
            weir.kill()
        check_account(account, printed, text)
        check_arrival(aws)
        aws.check()
    server.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
