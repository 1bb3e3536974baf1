# SPDX-License-Identifier: Apache-2.0
"""An OTLP/gRPC backend in frames: resets, GOAWAY and answers that no real gRPC server gives."""

import dataclasses
import socket
import threading

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings
from otlp_items import REQUESTS
from upstream import Answer, Upstream
from upstream_http import inflate

SIGNAL_OF_SERVICE = {"TraceService": "traces", "MetricsService": "metrics", "LogsService": "logs"}


@dataclasses.dataclass
class Frames(Answer):
    """What becomes of one request, in frames; an answer of Answer's kind is an acceptance."""

    reset_code: int = None  # RST_STREAM
    http_status: int = 0  # an answer without grpc-status
    goaway_code: int = None  # GOAWAY that leaves this stream out, then the end
    is_split: bool = False  # the status stands in trailers, behind headers without DATA

    @property
    def is_acceptance(self):
        return (self.reset_code is None and not self.http_status and self.goaway_code is None and
                super().is_acceptance)


class H2Upstream(Upstream):
    """Listens on a port of its own; `streams_max` is its SETTINGS_MAX_CONCURRENT_STREAMS."""

    def __init__(self, streams_max=100):
        super().__init__()
        self.streams_max = streams_max
        self.connection_count = 0
        self.open_streams_max = 0  # ever seen at once on one connection
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.listener.close()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connection_count += 1
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=Connection(self, peer).run, daemon=True).start()


class Connection:
    def __init__(self, upstream, peer):
        self.upstream = upstream
        self.socket = peer
        self.lock = threading.Lock()
        self.streams = {}  # (headers, body)
        self.is_ending = False
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self.h2 = h2.connection.H2Connection(config)

    def run(self):
        self.h2.initiate_connection()
        self.h2.update_settings(
            {h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: self.upstream.streams_max})
        try:
            self.flush()
            while not self.is_ending:
                data = self.socket.recv(65536)
                if not data:
                    break
                if self.is_ending:
                    continue
                with self.lock:
                    events = self.h2.receive_data(data)
                    self.flush()
                for event in events:
                    self.take(event)
            while self.socket.recv(65536):
                pass  # what still comes after a GOAWAY; closing now would take it back
        except (OSError, h2.exceptions.ProtocolError):
            pass  # ends below
        self.socket.close()

    def flush(self):
        self.socket.sendall(self.h2.data_to_send())

    def take(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.streams[event.stream_id] = (dict(event.headers), bytearray())
            self.upstream.open_streams_max = max(self.upstream.open_streams_max,
                                                 len(self.streams))
        elif isinstance(event, h2.events.DataReceived):
            self.streams[event.stream_id][1].extend(event.data)
            with self.lock:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self.flush()
        elif isinstance(event, h2.events.StreamEnded):
            # A slow answer must not hold up the others.
            threading.Thread(target=self.answer, args=(event.stream_id,), daemon=True).start()
        elif isinstance(event, h2.events.StreamReset):
            self.streams.pop(event.stream_id, None)

    def answer(self, stream):
        headers, body = self.streams[stream]
        assert int.from_bytes(body[1:5], "big") == len(body) - 5
        encoding = headers.get("grpc-encoding", "identity") if body[0] == 1 else "identity"
        signal = SIGNAL_OF_SERVICE[headers[":path"].split("/")[1].rsplit(".", 1)[1]]
        request = REQUESTS[signal].FromString(inflate(bytes(body[5:]), encoding))
        answer, response = self.upstream.receive(signal, request, headers, str(id(self)))
        if not isinstance(answer, Frames):
            answer = Frames(**dataclasses.asdict(answer))
        with self.lock:
            # No longer open: once the client has its answer, it may open another one at once.
            self.streams.pop(stream, None)
            try:
                self.write(stream, answer, response.SerializeToString())
                self.flush()
                if answer.is_reset:
                    self.socket.shutdown(socket.SHUT_RDWR)
                elif self.is_ending:
                    self.socket.shutdown(socket.SHUT_WR)
            except (OSError, h2.exceptions.ProtocolError):
                pass  # the client is gone, or its stream

    def write(self, stream, answer, response):
        head = [(":status", "200"), ("content-type", "application/grpc")]
        status = [("grpc-status", str(answer.code)), ("grpc-message", answer.message)]
        if answer.is_reset:
            self.is_ending = True
        elif answer.goaway_code is not None:
            self.h2.close_connection(answer.goaway_code, last_stream_id=stream - 2 if stream > 1
                                     else 0)
            self.is_ending = True
        elif answer.reset_code is not None:
            self.h2.reset_stream(stream, answer.reset_code)
        elif answer.http_status:
            self.h2.send_headers(stream, [(":status", str(answer.http_status))], end_stream=True)
        elif answer.code and not answer.is_split:
            self.h2.send_headers(stream, head + status, end_stream=True)
        else:
            self.h2.send_headers(stream, head)
            if not answer.code:
                frame = b"\0" + len(response).to_bytes(4, "big") + response
                self.h2.send_data(stream, frame)
            self.h2.send_headers(stream, status, end_stream=True)
