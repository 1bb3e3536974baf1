# SPDX-License-Identifier: Apache-2.0
"""The exporters that stay on this host: a file that can be read back, and text to look at."""

import struct

import pytest
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as service
from otlp_sink import number
from senders import send_udp
from settings import config, statsd
from weir_process import free_udp_port

ONE_BACKEND = True
LINES = ["c:41|c|#a:b", "c:1|c|#a:b", "t:5|ms", "g:2.5|g"]


def read_json(path):
    return [json_format.Parse(line, service.ExportMetricsServiceRequest())
            for line in path.read_text().splitlines()]


def read_proto(path):
    data, requests = path.read_bytes(), []
    while data:
        (length,) = struct.unpack(">I", data[:4])
        requests.append(service.ExportMetricsServiceRequest.FromString(data[4:4 + length]))
        data = data[4 + length:]
    return requests


def metrics(requests):
    return {metric.name: metric for request in requests for rm in request.resource_metrics
            for sm in rm.scope_metrics for metric in sm.metrics}


@pytest.mark.parametrize("form, read", [("json", read_json), ("proto", read_proto)])
def test_file_can_be_read_back(run_once, tmp_path, form, read):
    port, path = free_udp_port(), tmp_path / "out"
    weir = run_once(config(statsd(port), {"file": {"path": str(path), "format": form}}),
                    lambda: send_udp(port, LINES))
    found = metrics(read(path))
    assert number(found["c"].sum.data_points[0]) == 42
    assert found["t"].exponential_histogram.data_points[0].sum == 5
    assert number(found["g"].gauge.data_points[0]) == 2.5
    assert weir.books()["items_delivered"] == 3


def test_debug_writes_what_it_was_given(run_once):
    port = free_udp_port()
    weir = run_once(config(statsd(port), {"debug": {"verbosity": "detailed"}}),
                    lambda: send_udp(port, LINES))
    text = weir.log_text()
    assert "-> Name: c" in text and "Value: 42" in text
    assert "-> a: Str(b)" in text
    assert weir.books()["items_delivered"] == 3


def test_all_exporters_together(run_once, sink, tmp_path):
    port, path = free_udp_port(), tmp_path / "out.json"
    exporters = {"file": {"path": str(path)}, "debug": {}, "otlphttp": {"endpoint": sink.url}}
    weir = run_once(config(statsd(port), exporters), lambda: send_udp(port, LINES))
    assert number(metrics(read_json(path))["c"].sum.data_points[0]) == sink.value("c") == 42
    assert weir.books()["items_delivered"] == 9
