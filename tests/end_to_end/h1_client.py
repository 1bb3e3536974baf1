# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 by hand: bytes as a test wants them, answers taken apart strictly."""

import dataclasses
import json
import socket

from google.protobuf import json_format
from google.rpc import status_pb2

ANSWER_S_MAX = 10
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@dataclasses.dataclass
class Answer:
    status: int
    headers: dict  # lower-case names
    body: bytes

    @property
    def content_type(self):
        return self.headers.get("content-type", "").split(";")[0]

    def rpc_status(self):
        """google.rpc.Status out of the body, in whichever encoding."""
        if self.content_type == JSON:
            return json_format.ParseDict(json.loads(self.body), status_pb2.Status())
        assert self.content_type == PROTOBUF, self
        return status_pb2.Status.FromString(self.body)


class H1Client:
    """One connection."""

    def __init__(self, port, wrap=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap is not None:
            self.socket = wrap(self.socket)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass  # answered before all was sent; the answer is still to be read

    def more(self):
        """Reads on; False at the end of the connection."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            return False
        self.rest += data
        return bool(data)

    def take_until(self, mark):
        while mark not in self.rest:
            assert self.more(), f"the connection ended within {self.rest!r}"
        taken, self.rest = self.rest.split(mark, 1)
        return taken

    def take(self, count):
        while len(self.rest) < count:
            assert self.more(), f"the connection ended within {self.rest!r}"
        taken, self.rest = self.rest[:count], self.rest[count:]
        return taken

    def answer(self, has_body=True):
        line, *lines = self.take_until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        version, status = line.split(" ")[:2]
        assert version == "HTTP/1.1", line
        pairs = [line.split(":", 1) for line in lines]
        headers = {name.lower(): value.strip() for name, value in pairs}
        assert len(headers) == len(pairs), f"a header came twice: {lines}"
        if not has_body or int(status) in (100, 204, 304):
            return Answer(int(status), headers, b"")
        if headers.get("transfer-encoding") == "chunked":
            return Answer(int(status), headers, self.chunks())
        return Answer(int(status), headers, self.take(int(headers["content-length"])))

    def chunks(self):
        body = b""
        while True:
            size = int(self.take_until(b"\r\n").split(b";")[0], 16)
            body += self.take(size)
            assert self.take(2) == b"\r\n"
            if size == 0:
                return body

    def is_at_end(self):
        """Does the server close without another byte?"""
        while self.more():
            pass
        return self.rest == b""

    def request(self, path, body, content_type=PROTOBUF, method="POST", **headers):
        """One exchange. Underscores stand for dashes; a content type of None leaves it out."""
        self.send(head(path, len(body), content_type, method, **headers) + body)
        return self.answer(method != "HEAD")


def head(path, length, content_type=PROTOBUF, method="POST", **headers):
    """The bytes of a request's head; a length of None leaves Content-Length out."""
    lines = [f"{method} {path} HTTP/1.1", "host: 127.0.0.1"]
    if content_type is not None:
        lines.append(f"content-type: {content_type}")
    if length is not None:
        lines.append(f"content-length: {length}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines + ["", ""]).encode("latin-1")
