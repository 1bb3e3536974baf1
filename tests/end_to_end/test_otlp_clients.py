# SPDX-License-Identifier: Apache-2.0
"""The official SDKs send every kind of item; what arrives upstream is what was sent, by value.

Each program first sends straight to the upstream. That proves the program and its expectation, and
what arrived then is what must arrive through weir, down to the fields no expectation names.
"""

import otlp_clients
import pytest
from otlp_items import SIGNALS, assert_same_items
from settings import otlp_grpc, otlphttp
from upstream_grpc import GrpcUpstream
from upstream_http import HttpUpstream

# client, protocol, compression; the upstream is reached by the same protocol
RUNS = [
    ("python", "grpc", "gzip"), ("python", "http/protobuf", "none"),
    ("node", "grpc", "none"), ("node", "http/protobuf", "gzip"), ("node", "http/json", "gzip"),
    ("go", "grpc", "gzip"), ("go", "http/protobuf", "none"),
    ("java", "grpc", "none"), ("java", "http/protobuf", "gzip"),
]
OTHER_PORT_RUNS = [("go", "grpc", "none"), ("java", "grpc", "gzip"),
                   ("node", "http/json", "none"), ("python", "http/protobuf", "gzip")]


def items_of(upstream):
    return {signal: upstream.accepted(signal) for signal in SIGNALS}


@pytest.fixture(scope="session")
def send_directly(sdk_clients):
    """send_directly(client, protocol, compression) gives the items that came; each run once."""
    known = {}

    def run(client, protocol, compression):
        key = (client, protocol)
        if key not in known:
            with GrpcUpstream() if protocol == "grpc" else HttpUpstream() as upstream:
                sdk_clients(client).send(f"http://127.0.0.1:{upstream.port}", protocol, compression)
                otlp_clients.check_everything(client, protocol, upstream)
                known[key] = items_of(upstream)
        return known[key]

    return run


def check_same(found, wanted):
    for signal in SIGNALS:
        assert_same_items(found[signal], wanted[signal], is_timed=signal != "metrics")


@pytest.mark.parametrize("client, protocol, compression", RUNS)
def test_client_without_a_gateway(send_directly, client, protocol, compression):
    items = send_directly(client, protocol, compression)
    assert [len(items[signal]) for signal in SIGNALS] == [
        otlp_clients.COUNT, 5 * otlp_clients.COUNT, otlp_clients.COUNT]


@pytest.fixture
def send_through(start_otlp, sdk_clients, send_directly, grpc_upstream, http_upstream):
    """Sends through weir to the port that `pick_port` picks, and compares."""

    def run(client, protocol, compression, pick_port):
        is_grpc = protocol == "grpc"
        upstream = grpc_upstream if is_grpc else http_upstream
        exporter = {"otlp": otlp_grpc(upstream)} if is_grpc else {"otlphttp": otlphttp(upstream)}
        wanted = send_directly(client, protocol, compression)
        with start_otlp(exporter) as weir:
            url = f"http://127.0.0.1:{pick_port(weir)}"
            sdk_clients(client).send(url, protocol, compression)
        otlp_clients.check_everything(client, protocol, upstream)
        check_same(items_of(upstream), wanted)
        assert weir.books()["items_delivered"] == sum(map(len, wanted.values()))

    return run


@pytest.mark.sanitized
@pytest.mark.parametrize("client, protocol, compression", RUNS)
def test_client_through_weir(send_through, client, protocol, compression):
    send_through(client, protocol, compression,
                 lambda weir: weir.grpc_port if protocol == "grpc" else weir.http_port)


@pytest.mark.parametrize("client, protocol, compression", OTHER_PORT_RUNS)
def test_client_on_the_other_protocols_port(send_through, client, protocol, compression):
    send_through(client, protocol, compression,
                 lambda weir: weir.http_port if protocol == "grpc" else weir.grpc_port)
