# SPDX-License-Identifier: Apache-2.0
"""Hands one request to a weir and expects it to be taken."""

from h1_client import H1Client
from h2_client import H2Client
from otlp_items import RESPONSES


def post(weir, signal, request):
    """Over HTTP; gives the response message of a 200."""
    with H1Client(weir.http_port) as client:
        answer = client.request(f"/v1/{signal}", request.SerializeToString())
    assert answer.status == 200, answer
    return RESPONSES[signal].FromString(answer.body)


def export(weir, signal, request):
    """Over gRPC; gives the Reply, whatever it says."""
    with H2Client(weir.grpc_port) as client:
        return client.call(signal, request.SerializeToString())
