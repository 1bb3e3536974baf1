# SPDX-License-Identifier: Apache-2.0
"""Run inside a network namespace: xray_daemon.py BINARY flags|file IO FOLDER.

Starts `weir xray` as the X-Ray daemon is started, sends segments to 2000/udp, asks 2000/tcp for
sampling rules, and looks at what AWS got.
"""

import json
import pathlib
import subprocess
import sys
import urllib.request

from adot_default import COUNT, check_books, check_health, segment, send_xray
from fake_aws import FakeAws
from weir_process import clean_environment, fetch_status, wait_until

CFG = """Version: 2
Concurrency: 4
Socket: {UDPAddress: "127.0.0.1:2000", TCPAddress: "127.0.0.1:2000"}
Logging: {LogLevel: debug, LogPath: %s}
LocalMode: true
"""


def arguments(way, folder, log_path):
    if way == "flags":
        return ["-o", "-b", "127.0.0.1:2000", "-t=127.0.0.1:2000", "-l", "dev", "-f", str(log_path)]
    (folder / "cfg.yaml").write_text(CFG % log_path)
    return ["--config", str(folder / "cfg.yaml")]


def sampling_rules():
    request = urllib.request.Request("http://127.0.0.1:2000/GetSamplingRules", b"{}",
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def main(binary, way, io, folder):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    folder = pathlib.Path(folder)
    log_path = folder / "weir.log"
    with FakeAws() as aws:
        more = {"WEIR_IO": io, "WEIR_LOG_FORMAT": "json"}
        weir = subprocess.Popen([binary, "xray", *arguments(way, folder, log_path)],
                                env=clean_environment(aws.container_environment()) | more)
        try:
            wait_until(lambda: weir.poll() is not None or
                       fetch_status("http://localhost:13133/")[0] == 200, what="health")
            assert weir.poll() is None, log_path.read_text()
            check_health(binary)
            send_xray()
            assert "SamplingRuleRecords" in sampling_rules()
            weir.terminate()
            assert weir.wait(40) == 0
        finally:
            weir.kill()
        assert sorted(aws.xray.documents) == sorted(segment(i) for i in range(COUNT))
        aws.check()
    check_books(log_path)


main(*sys.argv[1:])
