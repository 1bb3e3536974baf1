# SPDX-License-Identifier: Apache-2.0
"""An OTLP/gRPC backend: the gRPC project's own server with the published OTLP services."""

import concurrent.futures

import grpc
from grpc_status import rpc_status
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2_grpc as logs
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2_grpc as metrics
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as trace
from upstream import Upstream
from weir_process import free_port

OPTIONS = [("grpc.max_receive_message_length", 256 << 20), ("grpc.so_reuseport", 0)]


class GrpcUpstream(Upstream):
    """Listens on a port of its own, or on `port`. `credentials` make it TLS."""

    def __init__(self, credentials=None, host="127.0.0.1", port=None, threads=32):
        super().__init__()
        self.host = host
        self.credentials = credentials
        self.threads = threads
        self.port = port or free_port()
        self.server = None
        self.go_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.go_down()

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def go_up(self):
        """Listens; always on the same port."""
        pool = concurrent.futures.ThreadPoolExecutor(self.threads)
        self.server = grpc.server(pool, options=OPTIONS)
        trace.add_TraceServiceServicer_to_server(Service(self, "traces"), self.server)
        metrics.add_MetricsServiceServicer_to_server(Service(self, "metrics"), self.server)
        logs.add_LogsServiceServicer_to_server(Service(self, "logs"), self.server)
        if self.credentials is None:
            bound = self.server.add_insecure_port(self.address)
        else:
            bound = self.server.add_secure_port(self.address, self.credentials)
        assert bound == self.port, f"{self.address} is taken"
        self.server.start()

    def go_down(self, grace_s=0):
        """Refuses connections from now on, and cuts what is under way after `grace_s`."""
        if self.server is not None:
            self.server.stop(grace_s).wait()
            self.server = None


class Service(trace.TraceServiceServicer, metrics.MetricsServiceServicer,
              logs.LogsServiceServicer):
    """One of the three services; all of them have the same one method."""

    def __init__(self, upstream, signal):
        self.upstream = upstream
        self.signal = signal

    def Export(self, request, context):
        headers = dict(context.invocation_metadata())
        answer, response = self.upstream.receive(self.signal, request, headers, context.peer())
        if answer.is_hang:
            while context.is_active() and not self.upstream.is_over.wait(0.02):
                pass
        if answer.is_reset:
            context.cancel()
        if answer.headers:
            context.set_trailing_metadata(tuple(answer.headers.items()))
        if answer.code and answer.retry_s is not None:
            context.abort_with_status(rpc_status.to_status(answer.rpc_status(answer.code)))
        if answer.code:
            context.abort(code_of(answer.code), answer.message)
        return response


def code_of(number):
    return next(code for code in grpc.StatusCode if code.value[0] == number)
