# SPDX-License-Identifier: Apache-2.0
"""A FastAPI application under uvicorn, instrumented by the command line alone, with PostgreSQL.

Each request carries a trace id of its own, so that its spans and its log record can be told apart.
"""

import collections
import http.client
import json
import pathlib
import signal
import subprocess
import sys

import otlp_clients
import psycopg
import pytest
from otlp_items import typed_any, typed_attributes
from postgres_process import Postgres
from settings import otlp_grpc, otlphttp
from weir_process import fetch_status, free_port, wait_until


COUNT = 1000
BIN = pathlib.Path(sys.executable).parent
APP_FOLDER = pathlib.Path(__file__).parent / "clients_python_otlp"
SERVER, CLIENT = 2, 3  # kinds of spans


@pytest.fixture(scope="module")
def database():
    with Postgres() as running:
        with psycopg.connect(running.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE item (id int PRIMARY KEY, name text)")
            connection.execute("INSERT INTO item SELECT i, 'name ' || i "
                               "FROM generate_series(1, %s) AS i", (COUNT,))
        yield running


@pytest.fixture
def run_shop(database, tmp_path):
    """run_shop(url, protocol) starts the application, asks for every item, and ends it."""

    def run(url, protocol):
        port = free_port()
        env = {**otlp_clients.environment(), "SHOP_DATABASE": database.url,
               "OTEL_SERVICE_NAME": "shop", "OTEL_EXPORTER_OTLP_ENDPOINT": url,
               "OTEL_EXPORTER_OTLP_PROTOCOL": protocol, "OTEL_LOGS_EXPORTER": "otlp",
               "OTEL_PYTHON_LOGGING_AUTO_INSTRUMENTATION_ENABLED": "true",
               # However long it takes: metrics once, at the end, and no queue that overflows.
               "OTEL_METRIC_EXPORT_INTERVAL": "3600000", "OTEL_BSP_MAX_QUEUE_SIZE": "100000",
               "OTEL_BLRP_MAX_QUEUE_SIZE": "100000"}
        command = [BIN / "opentelemetry-instrument", sys.executable, "-m", "uvicorn",
                   "--port", str(port), "--no-access-log", "shop_app:app"]
        log_path = tmp_path / "shop.log"
        with open(log_path, "wb") as log:
            shop = subprocess.Popen(command, stdout=log, stderr=log, env=env, cwd=APP_FOLDER)
        try:
            wait_until(lambda: shop.poll() is not None or
                       fetch_status(f"http://127.0.0.1:{port}/docs")[0] == 200,
                       seconds=90, what="uvicorn")
            ask_for_items(port)
            shop.send_signal(signal.SIGINT)  # after which the SDK flushes what it has
            assert shop.wait(60) == 0 and "Traceback" not in log_path.read_text()
        except BaseException as error:
            raise AssertionError(log_path.read_text()) from error
        finally:
            shop.kill()
            shop.wait()

    return run


def ask_for_items(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for i in range(1, COUNT + 1):
        headers = {"traceparent": f"00-{i:032x}-{i:016x}-01"}
        connection.request("GET", f"/items/{i}", headers=headers)
        assert json.loads(connection.getresponse().read()) == {"name": f"name {i}"}
    connection.close()


def check_shop(upstream):
    spans = collections.defaultdict(list)
    for item in upstream.accepted("traces"):
        assert typed_attributes(item.resource.attributes)["service.name"] == ("str", "shop")
        spans[int.from_bytes(item.value.trace_id, "big")].append(item.value)
    records = {int.from_bytes(item.value.trace_id, "big"): item.value
               for item in upstream.accepted("logs") if item.scope.name == "shop"}
    assert sorted(records) == list(range(1, COUNT + 1))
    for i in range(1, COUNT + 1):
        check_request(i, spans[i], records[i])
    check_durations(upstream.accepted("metrics"))


def check_request(i, spans, record):
    kinds = collections.Counter(span.kind for span in spans)
    assert (kinds[SERVER], kinds[CLIENT]) == (1, 1), kinds
    server = next(span for span in spans if span.kind == SERVER)
    query = next(span for span in spans if span.kind == CLIENT)
    assert server.name == "GET /items/{item_id}"
    assert server.parent_span_id == i.to_bytes(8, "big")
    attributes = typed_attributes(server.attributes)
    assert attributes["http.status_code"] == ("int", 200)
    assert attributes["http.target"] == ("str", f"/items/{i}")
    assert {span.parent_span_id for span in spans if span is not server} == {server.span_id}
    assert query.name == "SELECT"
    attributes = typed_attributes(query.attributes)
    assert attributes["db.system"] == ("str", "postgresql")
    assert attributes["db.statement"] == ("str", "SELECT name FROM item WHERE id = %s")
    assert typed_any(record.body) == ("str", f"item {i} is name {i}")
    assert (record.span_id, record.severity_number) == (server.span_id, 13)


def check_durations(items):
    points = [item.value for item in items if item.metric.name == "http.server.duration" and
              typed_attributes(item.value.attributes).get("http.target") ==
              ("str", "/items/{item_id}")]
    assert [point.count for point in points] == [COUNT]
    assert sum(points[0].bucket_counts) == COUNT


def test_shop_without_a_gateway(run_shop, grpc_upstream):
    run_shop(f"http://{grpc_upstream.address}", "grpc")
    check_shop(grpc_upstream)


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_shop_through_weir(start_otlp, run_shop, grpc_upstream, http_upstream, protocol):
    """In by one protocol, out by the other one."""
    is_grpc = protocol == "grpc"
    upstream = http_upstream if is_grpc else grpc_upstream
    exporters = ({"otlphttp": otlphttp(upstream)} if is_grpc else {"otlp": otlp_grpc(upstream)})
    with start_otlp(exporters, processors={"batch": {"timeout": "200ms"}}) as weir:
        port = weir.grpc_port if is_grpc else weir.http_port
        run_shop(f"http://127.0.0.1:{port}", protocol)
    check_shop(upstream)
