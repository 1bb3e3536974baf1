# SPDX-License-Identifier: Apache-2.0
"""A target for Prometheus' way of asking: a real registry behind a server that can misbehave."""

import base64
import gzip
import http.server
import threading
import time

import prometheus_client
from otlp_sink import Server
from prometheus_client.exposition import choose_encoder
from weir_process import free_port


class ScrapeTarget:
    """Listens on a port of its own. `registry` may be replaced at any time; `tls` is an
    ssl.SSLContext."""

    def __init__(self, tls=None):
        self.tls = tls
        self.registry = prometheus_client.CollectorRegistry()
        self.page = None  # bytes in the place of the registry's
        self.status = 200
        self.delay_s = 0
        self.user = None  # (name, password) where somebody has to say who he is
        self.requests = []  # (path, headers)
        self.lock = threading.Lock()  # of the registry: a page is made while nobody changes it
        self.port = free_port()
        self.server = None
        self.go_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_down()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def go_up(self):
        """Listens; always on the same port."""
        target = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                target.answer(self)

            def log_message(self, *args):
                pass

        self.server = Server(("127.0.0.1", self.port), Handler)
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def go_down(self):
        """Refuses connections from now on; the handlers of those there are end with the next."""
        if self.server is not None:
            self.status = 0
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def answer(self, handler):
        self.requests.append((handler.path, dict(handler.headers)))
        time.sleep(self.delay_s)
        if self.status == 0:
            handler.close_connection = True
            return
        status, kind, body = self.status, "text/plain", b"no\n"
        if not self.is_known(handler.headers.get("Authorization", "")):
            status = 401
        elif status == 200:
            kind, body = self.make_page(handler.headers)
        self.send(handler, status, kind, body)

    def is_known(self, authorization):
        if self.user is None:
            return True
        wanted = base64.b64encode(":".join(self.user).encode()).decode()
        return authorization == f"Basic {wanted}"

    def make_page(self, headers):
        with self.lock:
            if self.page is not None:
                return "text/plain; version=0.0.4", self.page
            encode, kind = choose_encoder(headers.get("Accept", ""))
            return kind, encode(self.registry)

    @staticmethod
    def send(handler, status, kind, body):
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", kind)
            if "gzip" in handler.headers.get("Accept-Encoding", ""):
                handler.send_header("Content-Encoding", "gzip")
                body = gzip.compress(body)
            handler.send_header("Content-Length", str(len(body)))
            handler.end_headers()
            handler.wfile.write(body)
        except OSError:
            pass  # the client had enough of waiting
