# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP backend that keeps every metric point it accepts, and can be told to misbehave."""

import gzip
import http.server
import socket
import threading
import time

import zstandard
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from weir_process import free_port


class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256  # beyond it a connection is made a second later, at best

    def handle_error(self, request, client_address):
        """Connections that end early are what some tests are about."""


class Sink:
    """Listens on a port of its own; `script` holds (status, headers) for the next requests."""

    def __init__(self, tls=None):
        self.tls = tls  # an ssl.SSLContext
        self.points = []  # (metric, data kind, attributes, point)
        self.requests = []  # (path, headers, status answered)
        self.times = []  # of the requests, monotonic
        self.resources = []
        self.scopes = []
        self.script = []
        self.delay_s = 0  # before each answer; a shorter one counts for those under way, too
        self.reply = b""  # body of each 200
        self.lock = threading.Lock()
        self.connections = set()
        self.port = free_port()
        self.server = None
        self.go_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_down()

    def go_up(self):
        """Listens; always on the same port."""
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                sink.connections.add(self.connection)

            def finish(self):
                sink.connections.discard(self.connection)
                super().finish()

            def do_POST(self):
                sink.answer(self)

            def log_message(self, *args):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def go_down(self):
        """Refuses connections from now on, and closes those there are."""
        if self.server is None:
            return
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already

    @property
    def url(self):
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def answer(self, handler):
        body = read_body(handler)
        came = time.monotonic()
        self.times.append(came)
        while time.monotonic() < came + self.delay_s:
            time.sleep(0.005)
        with self.lock:
            status, headers = self.script.pop(0) if self.script else (200, {})
            self.requests.append((handler.path, dict(handler.headers), status))
            if status == 200:
                self.keep(decode(body, handler.headers))
        reply = self.reply if status == 200 else b"no"
        try:
            self.send(handler, status, headers, reply)
        except OSError:
            pass  # the client had enough of waiting

    @staticmethod
    def send(handler, status, headers, reply):
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        handler.send_header("Content-Type", "application/x-protobuf")
        handler.send_header("Content-Length", str(len(reply)))
        handler.end_headers()
        handler.wfile.write(reply)

    def keep(self, request):
        for resource_metrics in request.resource_metrics:
            self.resources.append(attributes(resource_metrics.resource.attributes))
            for scope_metrics in resource_metrics.scope_metrics:
                self.scopes.append(scope_metrics.scope.name)
                for metric in scope_metrics.metrics:
                    kind = metric.WhichOneof("data")
                    for point in getattr(metric, kind).data_points:
                        self.points.append((metric, kind, attributes(point.attributes), point))

    def named(self, name, **tags):
        """All points of a metric whose attributes include `tags`."""
        with self.lock:
            return [(metric, kind, attrs, point) for metric, kind, attrs, point in self.points
                    if metric.name == name and tags.items() <= attrs.items()]

    def total(self, name, **tags):
        """The sum of a counter's deltas."""
        return sum(number(point) for _, _, _, point in self.named(name, **tags))

    def count(self, name, **tags):
        """How many observations of a timer."""
        return sum(point.count for _, _, _, point in self.named(name, **tags))

    def value(self, name, **tags):
        """The value of the one point there is."""
        return number(self.one(name, **tags)[3])

    def one(self, name, **tags):
        found = self.named(name, **tags)
        assert len(found) == 1, f"{name} {tags}: {len(found)} points, have {self.names()}"
        return found[0]

    def names(self):
        with self.lock:
            return sorted({metric.name for metric, _, _, _ in self.points})

    def point_count(self):
        with self.lock:
            return len(self.points)


def read_body(handler):
    if handler.headers.get("Transfer-Encoding", "").lower() == "chunked":
        body = b""
        while True:
            size = int(handler.rfile.readline().split(b";")[0], 16)
            body += handler.rfile.read(size)
            handler.rfile.readline()
            if size == 0:
                return body
    return handler.rfile.read(int(handler.headers.get("Content-Length", "0")))


def decode(body, headers):
    encoding = headers.get("Content-Encoding", "identity")
    if encoding == "gzip":
        body = gzip.decompress(body)
    elif encoding == "zstd":
        body = zstandard.ZstdDecompressor().decompressobj().decompress(body)
    request = service.ExportMetricsServiceRequest()
    if headers.get("Content-Type", "").startswith("application/json"):
        json_format.Parse(body, request, ignore_unknown_fields=True)
    else:
        request.ParseFromString(body)
    return request


def attributes(pairs):
    return {pair.key: pair.value.string_value for pair in pairs}


def number(point):
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
