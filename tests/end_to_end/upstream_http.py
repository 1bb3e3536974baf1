# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP backend: protobuf and JSON, compressed or not."""

import gzip
import http.server
import json
import socket
import struct
import threading
import urllib.parse
import zlib

import otlp_json
import zstandard
from google.protobuf import json_format
from otlp_items import REQUESTS
from otlp_sink import Server, read_body
from upstream import Upstream
from weir_process import free_port

PATHS = {"/v1/traces": "traces", "/v1/metrics": "metrics", "/v1/logs": "logs"}
# HTTP status of the answers that only name a gRPC code
STATUS_OF_CODE = {1: 503, 3: 400, 4: 503, 7: 403, 8: 429, 10: 503, 11: 503, 12: 404, 14: 503,
                  15: 503, 16: 401}


class HttpUpstream(Upstream):
    """Listens on a port of its own. `tls` is an ssl.SSLContext."""

    def __init__(self, tls=None):
        super().__init__()
        self.tls = tls
        self.connections = set()
        self.port = free_port()
        self.server = None
        self.go_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.go_down()

    @property
    def url(self):
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def parse(self, signal, body, is_json):
        if is_json:
            return otlp_json.to_request(signal, json.loads(body))
        return REQUESTS[signal].FromString(body)

    def refusal_of(self, handler, body):
        """The answer to a request that is not let in; `body` is as it came."""

    def go_up(self):
        """Listens; always on the same port."""
        handler = type("BoundHandler", (Handler,), {"upstream": self})
        self.server = Server(("127.0.0.1", self.port), handler)
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


class RawUpstream(HttpUpstream):
    """Keeps the bytes and looks into none of them; its requests are empty."""

    def parse(self, signal, body, is_json):
        return REQUESTS[signal]()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream = None

    def setup(self):
        super().setup()
        self.upstream.connections.add(self.connection)

    def finish(self):
        self.upstream.connections.discard(self.connection)
        super().finish()

    def log_message(self, *args):
        pass

    def do_POST(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        raw = read_body(self)
        refusal = self.upstream.refusal_of(self, raw)
        body = inflate(raw, headers.get("content-encoding", "identity"))
        is_json = headers.get("content-type", "").startswith("application/json")
        signal = PATHS[urllib.parse.urlsplit(self.path).path]
        request = self.upstream.parse(signal, body, is_json)
        peer = f"{self.client_address[0]}:{self.client_address[1]}"
        answer, response = self.upstream.receive(signal, request, headers, peer, body, refusal)
        if answer.is_hang:
            self.upstream.is_over.wait(60)
        if answer.is_reset or answer.is_hang:
            reset(self.connection)
            self.close_connection = True
            return
        status = answer.status or STATUS_OF_CODE.get(answer.code, 500 if answer.code else 200)
        message = response if answer.is_acceptance else answer.rpc_status(answer.code)
        try:
            self.send(status, answer.headers, message, is_json)
        except OSError:
            pass  # the client had enough of waiting

    def send(self, status, headers, message, is_json):
        body = (json_format.MessageToJson(message).encode() if is_json
                else message.SerializeToString())
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", f"application/{'json' if is_json else 'x-protobuf'}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def inflate(body, encoding):
    if encoding == "gzip":
        return gzip.decompress(body)
    if encoding == "deflate":
        return zlib.decompress(body)
    if encoding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(body)
    assert encoding == "identity", encoding
    return body


def reset(connection):
    """RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
