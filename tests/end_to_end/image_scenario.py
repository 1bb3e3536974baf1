# SPDX-License-Identifier: Apache-2.0
"""Run inside network and mount namespaces: image_scenario.py STEP ROOT FOLDER.

Starts weir as a container of its image is started: with the tree as its read-only root, as its
user, on its ports. Names come from a name server, certificates are checked against the bundle of
the image. FOLDER holds server.pem and server.key, and gets the log and what was measured.
"""

import pathlib
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

import adot_default
import grpc
import image_tree
from fake_aws import FakeAws
from h1_client import H1Client
from otlp_make import make
from settings import ONE_WINDOW
from upstream_grpc import GrpcUpstream
from upstream_http import HttpUpstream
from weir_process import fetch, wait_until

NAME = "upstream.example"
AWS_NAME = "aws.example"
OTLP_CONFIG = """
receivers:
  statsd: {aggregation_interval: %(window)s}
  otlp: {protocols: {grpc: {}, http: {}}}
processors:
  batch: {timeout: 100ms}
exporters:
  otlp: {endpoint: 'https://%(name)s:%(grpc)d'}
  otlphttp: {endpoint: 'http://%(name)s:%(http)d', compression: gzip}
extensions:
  health_check: {}
service:
  extensions: [health_check]
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp, otlphttp]}
    metrics: {receivers: [statsd], processors: [batch], exporters: [otlp, otlphttp]}
"""


class NameServer:
    """Answers 127.0.0.1 to every question for an IPv4 address, and nothing to the others."""

    def __init__(self):
        self.names = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 53))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, peer = self.socket.recvfrom(512)
            end = question.index(b"\0", 12) + 1
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode())
                at += 1 + question[at]
            self.names.append(".".join(labels))
            is_address = question[end:end + 2] == b"\0\1"
            answer = b"\xc0\x0c\0\1\0\1\0\0\0\x05\0\4\x7f\0\0\1" if is_address else b""
            counts = b"\0\1" + (b"\0\1" if is_address else b"\0\0") + b"\0\0\0\0"
            self.socket.sendto(question[:2] + b"\x81\x80" + counts + question[12:end + 4] + answer,
                               peer)


class Container:
    """weir inside its image. Leaving the block stops it as ECS does and checks its books."""

    def __init__(self, root, folder, command, env):
        self.root = root
        self.log_path = folder / "weir.log"
        self.command = command
        self.env = {"WEIR_LOG_FORMAT": "json", "HOME": "/home/aoc", **env}
        self.process = None
        self.ready_ms = None

    def health(self, *arguments):
        command = image_tree.inside(self.root, "/healthcheck", *arguments)
        return subprocess.run(command, check=False, capture_output=True).returncode

    def __enter__(self):
        begin = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(image_tree.inside(self.root, *self.command),
                                            stdout=log, stderr=log, env=self.env)
        wait_until(self.is_ready, pause=0.001, what="readiness")
        self.ready_ms = (time.monotonic() - begin) * 1000
        assert self.health() == 0
        assert self.health("-port", "13133") == 0
        assert self.health("-port=13132") != 0
        return self

    def is_ready(self):
        assert self.process.poll() is None, self.log_path.read_text()
        try:
            with socket.create_connection(("127.0.0.1", 13133)) as probe:
                probe.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                return probe.recv(64).split(b" ", 2)[1] == b"200"
        except (ConnectionError, IndexError):
            return False

    def __exit__(self, kind, error, trace):
        try:
            if kind is None:
                self.process.send_signal(signal.SIGTERM)
                assert self.process.wait(40) == 0, self.log_path.read_text()
                assert self.health() != 0
                adot_default.check_books(self.log_path)
        finally:
            self.process.kill()
            self.process.wait()
            if kind is not None:
                print(self.log_path.read_text()[-4000:])


def tls_context(folder):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    return context


def check_outside(container):
    """The process has no other root, user or capability than the image gives."""
    own = pathlib.Path("/proc", str(container.process.pid))
    status = (own / "status").read_text()
    assert f"\nUid:\t{image_tree.USER}\t" in status and f"\nGid:\t{image_tree.USER}\t" in status
    assert "\nCapEff:\t0000000000000000\n" in status, status
    for line in (own / "maps").read_text().splitlines():
        path = line.split(maxsplit=5)[5:]
        if path and path[0].startswith("/") and "(deleted)" not in path[0]:
            assert path[0].startswith((str(container.root), "/dev/zero", "/memfd:",
                                       "/anon_hugepage", "/[aio]")), line


def run_aws(root, folder):
    """A preset of the image with StatsD, X-Ray and OTLP in, everything to AWS, over TLS."""
    with FakeAws(tls_context(folder)) as aws:
        env = aws.container_environment()
        env["AWS_ENDPOINT_URL"] = f"https://{AWS_NAME}:{aws.port}"
        command = ["/awscollector", "--config=/etc/ecs/ecs-default-config.yaml",
                   "--feature-gates=-adot.unheard"]
        with Container(root, folder, command, env) as container:
            check_outside(container)
            adot_default.send_all()
        adot_default.check_traces(aws)
        adot_default.check_metrics(aws)
        aws.check()
    (folder / "ready_ms").write_text(f"{container.ready_ms:.1f}")


def run_otlp(root, folder):
    """OTLP out by both of weir's clients; the configuration comes by the environment."""
    pair = [((folder / "server.key").read_bytes(), (folder / "server.pem").read_bytes())]
    with GrpcUpstream(grpc.ssl_server_credentials(pair)) as by_grpc, HttpUpstream() as by_http:
        text = OTLP_CONFIG % {"name": NAME, "grpc": by_grpc.port, "http": by_http.port,
                              "window": ONE_WINDOW}
        env = {"AOT_CONFIG_CONTENT": text, "WEIR_BIND_ANY": "1"}
        with Container(root, folder, ["/awscollector", "--config=/nonexistent"], env) as container:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
                for _ in range(1000):
                    sender.sendto(b"hits:1|c", ("127.0.0.1", 8125))
                    time.sleep(0.0002)
            with H1Client(4318) as client:
                for _ in range(20):
                    body = make("traces").SerializeToString()
                    assert client.request("/v1/traces", body).status == 200
            assert "weir_wire_received" in fetch("http://127.0.0.1:8888/metrics")
    for upstream in (by_grpc, by_http):
        assert upstream.item_counts["traces"] > 0 and upstream.item_counts["metrics"] == 1
        hits = [point.as_int or point.as_double
                for seen in upstream.seen if seen.signal == "metrics"
                for one in seen.request.resource_metrics for scope in one.scope_metrics
                for metric in scope.metrics for point in metric.sum.data_points]
        assert hits == [1000], hits
    assert container.log_path.exists()


def main(step, root, folder):
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    root, folder = pathlib.Path(root), pathlib.Path(folder)
    image_tree.prepare_root(root, folder / "server.pem")
    names = NameServer()
    {"aws": run_aws, "otlp": run_otlp}[step](root, folder)
    assert {"aws": AWS_NAME, "otlp": NAME}[step] in names.names, names.names


main(*sys.argv[1:])
