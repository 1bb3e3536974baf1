# SPDX-License-Identifier: Apache-2.0
"""Clients see that they are refused: what weir will not take now, they send again.

Without a queue an upstream that is not available is the client's business. Go's exporter waits
too long for a test, JavaScript's does not retry over gRPC.
"""

import otlp_clients
import pytest
from settings import otlp_grpc
from upstream import Answer

ONE_BACKEND = True
RUNS = [("java", "grpc"), ("python", "grpc"), ("python", "http/protobuf"), ("node", "http/json")]


@pytest.mark.parametrize("client, protocol", [run for run in RUNS if run[1] == "grpc"])
def test_client_retries_without_a_gateway(sdk_clients, grpc_upstream, client, protocol):
    grpc_upstream.script = [Answer(code=14)]
    sdk_clients(client).send(f"http://{grpc_upstream.address}", protocol)
    otlp_clients.check_everything(client, protocol, grpc_upstream)


@pytest.mark.parametrize("client, protocol", RUNS)
def test_client_retries_what_weir_refuses(start_otlp, sdk_clients, grpc_upstream, client,
                                          protocol):
    grpc_upstream.script = [Answer(code=14)]
    exporter = otlp_grpc(grpc_upstream, sending_queue={"enabled": False},
                         retry_on_failure={"enabled": False})
    with start_otlp({"otlp": exporter}) as weir:
        port = weir.grpc_port if protocol == "grpc" else weir.http_port
        sdk_clients(client).send(f"http://127.0.0.1:{port}", protocol)
    otlp_clients.check_everything(client, protocol, grpc_upstream)
    assert grpc_upstream.codes().count(14) == 1
