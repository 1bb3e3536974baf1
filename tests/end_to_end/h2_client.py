# SPDX-License-Identifier: Apache-2.0
"""HTTP/2 and gRPC by hand: requests no well-behaved client would send, answers taken apart."""

import base64
import dataclasses
import socket
import struct
import time
import urllib.parse

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from google.rpc import error_details_pb2, status_pb2

ANSWER_S_MAX = 10
FRAME_HEAD_BYTES = 9
FRAME_GOAWAY = 7
GRPC_PATHS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
}


@dataclasses.dataclass
class Reply:
    """What came back on one stream."""

    headers: dict = None
    trailers: dict = None
    data: bytes = b""
    reset_code: int = None
    is_ended: bool = False

    @property
    def http_status(self):
        return int(self.headers[":status"]) if self.headers is not None else None

    @property
    def is_trailers_only(self):
        return self.trailers is None and not self.data and self.is_ended

    @property
    def tail(self):
        """Where the gRPC status stands."""
        return (self.headers if self.trailers is None else self.trailers) or {}

    @property
    def code(self):
        return int(self.tail["grpc-status"]) if "grpc-status" in self.tail else None

    @property
    def message(self):
        return urllib.parse.unquote(self.tail.get("grpc-message", ""))

    @property
    def details(self):
        """google.rpc.Status out of the details, or None."""
        text = self.tail.get("grpc-status-details-bin")
        if text is None:
            return None
        raw = base64.b64decode(text + "=" * (-len(text) % 4))
        return status_pb2.Status.FromString(raw)

    @property
    def retry_s(self):
        """Seconds of the RetryInfo, or None."""
        for detail in self.details.details if self.details is not None else []:
            info = error_details_pb2.RetryInfo()
            if detail.Unpack(info):
                return info.retry_delay.ToNanoseconds() / 1e9
        return None

    def payload(self):
        """The one uncompressed message of a good answer."""
        assert self.data[:1] == b"\0", self.data
        assert int.from_bytes(self.data[1:5], "big") == len(self.data) - 5
        return self.data[5:]


def framed(payload, flag=0, length=None):
    """A gRPC message behind its prefix; `length` may lie."""
    length = len(payload) if length is None else length
    return bytes([flag]) + length.to_bytes(4, "big") + payload


def grpc_headers(path, **more):
    """Underscores stand for dashes; a value of None leaves a header out."""
    headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "127.0.0.1",
               "te": "trailers", "content-type": "application/grpc"}
    headers.update({name.replace("_", "-"): value for name, value in more.items()})
    return [(name, value) for name, value in headers.items() if value is not None]


class H2Client:
    """One connection. Nothing is checked on the way out."""

    def __init__(self, port, wrap=None):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=ANSWER_S_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if wrap is not None:
            self.socket = wrap(self.socket)
        config = h2.config.H2Configuration(
            client_side=True, header_encoding="utf-8", validate_outbound_headers=False,
            normalize_outbound_headers=False, validate_inbound_headers=False)
        self.connection = h2.connection.H2Connection(config)
        self.connection.initiate_connection()
        self.replies = {}
        self.rest = b""  # of a frame that is not whole
        self.goaways = []  # (last stream, error code, debug data)
        self.settings = None
        self.is_closed = False
        self.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def flush(self):
        try:
            self.socket.sendall(self.connection.data_to_send())
        except OSError:
            self.is_closed = True  # what came before the end is still to be read

    def start(self, headers, is_end=False):
        """Opens a stream."""
        stream = self.connection.get_next_available_stream_id()
        self.replies[stream] = Reply()
        self.connection.send_headers(stream, headers, end_stream=is_end)
        self.flush()
        return stream

    def send(self, stream, data, is_end=True):
        """Sends DATA within the windows; stops where the stream has ended."""
        rest = memoryview(data)
        while True:
            if self.is_over(stream):
                return
            room = min(self.connection.local_flow_control_window(stream),
                       self.connection.max_outbound_frame_size, len(rest))
            if room == 0 and len(rest) > 0:
                self.read()
                continue
            piece, rest = bytes(rest[:room]), rest[room:]
            self.connection.send_data(stream, piece, end_stream=is_end and len(rest) == 0)
            self.flush()
            if len(rest) == 0:
                return

    def is_over(self, stream):
        reply = self.replies[stream]
        return self.is_closed or reply.is_ended or reply.reset_code is not None

    def request(self, headers, body=b"", is_headers_only=False):
        """One exchange; gives the Reply."""
        stream = self.start(headers, is_headers_only)
        if not is_headers_only:
            self.send(stream, body)
        return self.wait(stream)

    def call(self, signal, payload, flag=0, **headers):
        """One Export, with a message as it is."""
        return self.request(grpc_headers(GRPC_PATHS[signal], **headers), framed(payload, flag))

    def wait(self, stream, seconds=ANSWER_S_MAX):
        deadline = time.monotonic() + seconds
        while not self.is_over(stream):
            assert time.monotonic() < deadline, f"no answer on stream {stream}"
            self.read()
        return self.replies[stream]

    def wait_for_close(self, seconds=ANSWER_S_MAX):
        deadline = time.monotonic() + seconds
        while not self.is_closed:
            assert time.monotonic() < deadline, "the connection is still open"
            self.read()

    def read(self):
        """Takes what comes next; many events or none."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            self.is_closed = True
            return
        for event in self.connection.receive_data(self.without_goaways(data)):
            self.take(event)
        self.flush()

    def without_goaways(self, data):
        """Whole frames; the library would take the first GOAWAY for the end of everything."""
        self.rest += data
        frames = b""
        while len(self.rest) >= FRAME_HEAD_BYTES:
            size = FRAME_HEAD_BYTES + int.from_bytes(self.rest[:3], "big")
            if len(self.rest) < size:
                break
            frame, self.rest = self.rest[:size], self.rest[size:]
            if frame[3] == FRAME_GOAWAY:
                last, code = struct.unpack(">II", frame[9:17])
                self.goaways.append((last & 0x7FFFFFFF, code, frame[17:]))
            else:
                frames += frame
        return frames

    def take(self, event):
        reply = self.replies.get(getattr(event, "stream_id", None))
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings = {int(code): change.new_value
                             for code, change in event.changed_settings.items()}
        elif isinstance(event, h2.events.ResponseReceived):
            reply.headers = dict(event.headers)
        elif isinstance(event, h2.events.TrailersReceived):
            reply.trailers = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            reply.data += event.data
            self.connection.acknowledge_received_data(event.flow_controlled_length,
                                                      event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            reply.is_ended = True
        elif isinstance(event, h2.events.StreamReset):
            reply.reset_code = int(event.error_code)
