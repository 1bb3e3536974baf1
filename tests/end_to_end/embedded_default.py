# SPDX-License-Identifier: Apache-2.0
"""Run inside a network namespace: embedded_default.py BINARY starts weir without any configuration.

A counter sent over UDP and over TCP must stand on 8889; 8888, 13133 and `weir health` must answer.
There is no AWS, which is a warning and no error.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile

from weir_process import fetch, fetch_status, wait_until


def send():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"first.hello:41|c|#lang:en", ("127.0.0.1", 8125))
    with socket.create_connection(("127.0.0.1", 8125)) as stream:
        stream.sendall(b"first.hello:1|c|#lang:en\n")


def is_shown():
    page = fetch("http://localhost:8889/metrics")
    return any(line.startswith("first_hello_total{") and 'lang="en"' in line and
               line.split()[-1] == "42" for line in page.splitlines())


def check_log(log):
    log.seek(0)
    entries = [json.loads(line) for line in log]
    assert not [entry for entry in entries if entry["level"] == "error"], entries
    warnings = [entry["event"] for entry in entries if entry["level"] == "warn"]
    assert warnings == ["aws_region_unknown"], entries


def main(binary):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    env = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    log = tempfile.TemporaryFile("w+")
    weir = subprocess.Popen([binary], stderr=log, env=env)
    try:
        wait_until(lambda: weir.poll() is not None or
                   fetch_status("http://localhost:13133/")[0] == 200, what="health")
        assert weir.poll() is None
        send()
        wait_until(is_shown, seconds=25, pause=0.2, what="the counter on 8889")
        assert "weir_wire_received" in fetch("http://localhost:8888/metrics")
        assert subprocess.run([binary, "health"], check=False).returncode == 0
        # Without a seek, because weir writes where this file's one position is.
        wait_until(lambda: b"aws_region_unknown" in os.pread(log.fileno(), 1 << 20, 0),
                   what="the region's absence in the log")
        weir.terminate()
        assert weir.wait(30) == 0
        assert subprocess.run([binary, "health"], check=False).returncode == 3
        check_log(log)
    finally:
        weir.kill()


main(*sys.argv[1:])
