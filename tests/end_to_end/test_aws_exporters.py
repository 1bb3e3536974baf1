# SPDX-License-Identifier: Apache-2.0
"""The AWS exporters against a fake AWS that verifies signatures and limits, and against moto."""

import collections
import json
import threading
import time

import boto3
import emf_document
import pytest
from fake_aws import CUT, DENIED, EXPIRED, FAILED, HANG, KEY_ID, REGION, SECRET, THROTTLED
from moto.server import ThreadedMotoServer
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from otlp_make import add_attribute, make
from otlp_send import post
from prom_page import total
from settings import otlp_receiver, pipelines
from weir_process import free_port, wait_until

ONE_BACKEND = True  # the egress thread is the same on both
COUNT = 1000
GROUP, STREAM = "/weir/test", "stream-1"
RETRY = {"initial_interval": "50ms", "max_interval": "500ms", "max_elapsed_time": "300s"}
XRAY = {"awsxray": {"retry_on_failure": RETRY}}
EMF = {"awsemf": {"namespace": "Made", "log_group_name": GROUP, "log_stream_name": STREAM,
                  "retry_on_failure": RETRY}}
LOGS = {"awscloudwatchlogs": {"log_group_name": GROUP, "log_stream_name": STREAM,
                              "retry_on_failure": RETRY}}
# exporter: (its configuration, signal, the operation that carries data)
EXPORTERS = {"awsxray": (XRAY, "traces", "PutTraceSegments"),
             "awsemf": (EMF, "metrics", "PutLogEvents"),
             "awscloudwatchlogs": (LOGS, "logs", "PutLogEvents")}


@pytest.fixture
def start_aws(start_otlp, aws):
    """start_aws(exporters, …): OTLP in, AWS out, credentials in the environment."""

    def make_weir(exporters, env=None, signals=None, **keys):
        signals = signals or [signal for name, (_, signal, _) in EXPORTERS.items()
                              if name in exporters]
        return start_otlp(exporters, env=aws.environment() if env is None else env,
                          signals=signals, **keys)

    return make_weir


def now_ns():
    return time.time_ns() // 10**6 * 10**6


def request_of(signal, count=COUNT, first=0):
    """`count` items numbered from `first`, of now: AWS takes nothing that is old."""
    request = make(signal, count, first)
    if signal == "metrics":
        for point in request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points:
            point.time_unix_nano = now_ns()
    if signal == "logs":
        for record in request.resource_logs[0].scope_logs[0].log_records:
            record.time_unix_nano = now_ns()
    return request


def numbers(aws, name):
    """The numbers of the items that arrived through an exporter, sorted."""
    if name == "awsxray":
        return sorted(one["metadata"]["default"]["i"] for one in aws.xray.segments())
    events = [json.loads(message) for _, _, _, message in aws.logs.events()]
    if name == "awsemf":
        return sorted(int(event["i"]) for event in events)
    return sorted(event["attributes"]["i"] for event in events)


def send_in_pieces(weir, signal, pieces, size, pause_s=0.0):
    for piece in range(pieces):
        post(weir, signal, request_of(signal, size, piece * size))
        time.sleep(pause_s)


# --- X-Ray ---------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_spans_become_segments(start_aws, aws):
    request = request_of("traces")
    with start_aws(XRAY) as weir:
        post(weir, "traces", request)
    assert numbers(aws, "awsxray") == list(range(COUNT))
    assert max(aws.xray.batches) <= 50
    sent = {span.span_id.hex(): span for span in
            request.resource_spans[0].scope_spans[0].spans}
    for found in aws.xray.segments():
        span = sent[found["id"]]
        trace = span.trace_id.hex()
        assert found["trace_id"] == f"1-{trace[:8]}-{trace[8:]}"
        assert found["name"] == "made" and "type" not in found
        assert found["start_time"] == pytest.approx(span.start_time_unix_nano / 1e9, abs=1e-6)
        assert found["end_time"] == pytest.approx(span.end_time_unix_nano / 1e9, abs=1e-6)
        assert (found["error"], found["fault"], found["throttle"]) == (False, False, False)
    assert weir.books()["items_delivered"] == COUNT
    assert aws.scopes == {("xray", REGION)}


def test_refused_documents_are_counted_and_not_sent_again(start_aws, aws):
    aws.xray.judge = lambda text: "InvalidSegment" \
        if json.loads(text)["metadata"]["default"]["i"] % 10 == 0 else None
    with start_aws(XRAY) as weir:
        post(weir, "traces", request_of("traces"))
    assert numbers(aws, "awsxray") == [i for i in range(COUNT) if i % 10 != 0]
    assert len(aws.xray.unprocessed) == COUNT // 10
    assert weir.books()["items_rejected"] == COUNT // 10


def test_documents_that_may_yet_succeed_are_sent_again_alone(start_aws, aws):
    seen = collections.Counter()

    def judge(text):
        number = json.loads(text)["metadata"]["default"]["i"]
        seen[number] += 1
        return "ThrottledException" if number % 10 == 0 and seen[number] == 1 else None

    aws.xray.judge = judge
    with start_aws(XRAY) as weir:
        post(weir, "traces", request_of("traces"))
        wait_until(lambda: len(aws.xray.documents) >= COUNT, what="all documents")
    assert numbers(aws, "awsxray") == list(range(COUNT))
    assert all(times == (2 if number % 10 == 0 else 1) for number, times in seen.items())


# --- EMF -----------------------------------------------------------------------------------------

def metrics_request(count):
    """One metric of each type with `count` series of one point."""
    request = metrics_service.ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    add_attribute(resource.resource.attributes, "service.name", "made")
    scope = resource.scope_metrics.add()
    kinds = {name: scope.metrics.add(name=name, unit=unit) for name, unit in
             [("gauge", "s"), ("delta", "By"), ("total", "1"), ("histogram", "ms"),
              ("exphist", "us"), ("summary", "bit")]}
    kinds["delta"].sum.aggregation_temporality = 1
    kinds["total"].sum.aggregation_temporality = 2
    kinds["total"].sum.is_monotonic = True
    kinds["histogram"].histogram.aggregation_temporality = 1
    kinds["exphist"].exponential_histogram.aggregation_temporality = 1
    for i in range(count):
        common = {"time_unix_nano": now_ns(), "start_time_unix_nano": now_ns() - 10**9}
        points = [
            kinds["gauge"].gauge.data_points.add(as_double=i + 0.5, **common),
            kinds["delta"].sum.data_points.add(as_int=i, **common),
            kinds["total"].sum.data_points.add(as_int=i, **common),
            kinds["histogram"].histogram.data_points.add(
                count=2, sum=2 * i + 3, min=i + 1, max=i + 2, explicit_bounds=[1e6],
                bucket_counts=[2, 0], **common),
            kinds["exphist"].exponential_histogram.data_points.add(
                count=3, sum=i + 5, min=1.5, max=i + 2, scale=0, zero_count=0, **common),
            kinds["summary"].summary.data_points.add(count=i + 1, sum=3 * i, **common),
        ]
        points[4].positive.bucket_counts.extend([1, 2])
        for quantile, value in ((0.0, i), (1.0, i + 7)):
            points[5].quantile_values.add(quantile=quantile, value=value)
        for point in points:
            add_attribute(point.attributes, "i", i)
    return request


def raise_totals(request):
    """The same a little later: cumulative sums have grown by 5."""
    for metric in request.resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.sum.data_points:
            if metric.name == "total":
                point.as_int += 5


@pytest.mark.sanitized
def test_points_become_emf(start_aws, aws):
    request = metrics_request(COUNT)
    with start_aws(EMF) as weir:
        post(weir, "metrics", request)
        wait_until(lambda: weir.exporter("awsemf")["items_delivered"] >= COUNT,
                   what="the first request")
        raise_totals(request)
        post(weir, "metrics", request)
    found = collections.defaultdict(list)
    for group, stream, timestamp, message in aws.logs.events():
        assert (group, stream) == (GROUP, STREAM)
        for datum in emf_document.read(message):
            assert datum.namespace == "Made" and datum.time_ms == timestamp
            found[datum.name, int(datum.document["i"])].append(datum)
    for i in range(COUNT):
        check_series(found, i)
    assert weir.books()["items_delivered"] + weir.books()["items_dropped"] + \
        weir.books()["items_rejected"] == weir.books()["items_offered"]


def check_series(found, i):
    value = {name: [datum.value for datum in found[name, i]] for name in
             ("gauge", "delta", "total", "histogram", "exphist", "summary")}
    assert value["gauge"] == [i + 0.5] * 2 and value["delta"] == [i] * 2
    assert value["total"] == [5]  # the first value of a cumulative sum has nothing before it
    assert value["histogram"] == [{"Max": i + 2, "Min": i + 1, "Count": 2, "Sum": 2 * i + 3}] * 2
    assert value["summary"] == [{"Max": i + 7, "Min": i, "Count": i + 1, "Sum": 3 * i}] * 2
    for one in value["exphist"]:
        assert (one["Max"], one["Min"], one["Count"], one["Sum"]) == (i + 2, 1.5, 3, i + 5)
        assert dict(zip(one["Values"], one["Counts"], strict=True)) == {1.5: 1, 3.0: 2}
    units = [found[name, i][0].unit for name in value]
    assert units == ["Seconds", "Bytes", "", "Milliseconds", "Microseconds", "Bits"]


def test_groups_streams_and_what_they_are_made_with(start_aws, aws):
    exporter = {**EMF["awsemf"], "log_group_name": "/app/{ServiceName}",
                "log_stream_name": "{TaskId}", "log_retention": 14, "tags": {"team": "blue"}}
    with start_aws({"awsemf": exporter}) as weir:
        post(weir, "metrics", request_of("metrics", 5))
    (name, group), = aws.logs.groups.items()
    assert (name, list(group.streams)) == ("/app/made", ["undefined"])
    assert (group.retention, group.tags) == (14, {"team": "blue"})


def test_many_streams_at_once(start_aws, aws):
    """Each service has a stream of its own; all of it is made on first sight, once."""
    exporter = {**EMF["awsemf"], "log_stream_name": "{ServiceName}"}
    with start_aws({"awsemf": exporter}) as weir:
        request = metrics_service.ExportMetricsServiceRequest()
        for number in range(50):
            made = request_of("metrics", 20, 20 * number)
            made.resource_metrics[0].resource.attributes[0].value.string_value = f"app-{number}"
            request.MergeFrom(made)
        post(weir, "metrics", request)
    assert len(aws.logs.groups[GROUP].streams) == 50
    assert numbers(aws, "awsemf") == list(range(1000))
    assert aws.count("CreateLogGroup", 200) == 1 and aws.count("CreateLogStream", 200) == 50


def test_emf_on_standard_output(start_aws, aws):
    exporter = {**EMF["awsemf"], "output_destination": "stdout"}
    with start_aws({"awsemf": exporter}) as weir:
        post(weir, "metrics", request_of("metrics"))
    lines = [line for line in weir.log_text().splitlines() if '"CloudWatchMetrics"' in line]
    found = [datum for line in lines for datum in emf_document.read(line)]
    assert sorted(int(datum.document["i"]) for datum in found) == list(range(COUNT))
    assert not aws.calls


# --- logs ----------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_records_become_log_events(start_aws, aws):
    request = request_of("logs")
    with start_aws(LOGS) as weir:
        post(weir, "logs", request)
    records = {i: record for i, record in
               enumerate(request.resource_logs[0].scope_logs[0].log_records)}
    events = aws.logs.events(GROUP, STREAM)
    assert len(events) == COUNT
    for _, _, timestamp, message in events:
        found = json.loads(message)
        record = records.pop(found["attributes"]["i"])
        assert timestamp == record.time_unix_nano // 10**6
        assert found["body"] == record.body.string_value
        assert found["severity_number"] == 9
        assert found["resource"] == {"service.name": "made"}
        assert found["scope"]["name"] == "made"
    assert not records


def test_raw_records_are_their_bodies(start_aws, aws):
    request = logs_service.ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for i in range(COUNT):
        records.add(time_unix_nano=now_ns()).body.string_value = f"line é {i}"
    with start_aws({"awscloudwatchlogs": {**LOGS["awscloudwatchlogs"], "raw_log": True}}) as weir:
        post(weir, "logs", request)
    assert sorted(message for *_, message in aws.logs.events()) == sorted(
        f"line é {i}" for i in range(COUNT))


def test_a_megabyte_and_more_is_cut_into_calls(start_aws, aws):
    request = logs_service.ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    for i in range(40):
        records.add(time_unix_nano=now_ns()).body.string_value = f"{i:02}" + "é" * 100_000
    with start_aws({"awscloudwatchlogs": {**LOGS["awscloudwatchlogs"], "raw_log": True}}) as weir:
        post(weir, "logs", request)
    assert sorted(int(message[:2]) for *_, message in aws.logs.events()) == list(range(40))
    assert len(aws.logs.puts) >= 8


# --- trouble -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("trouble", [THROTTLED, FAILED, HANG, "gone"])
def test_an_outage_loses_nothing_and_repeats_nothing(start_aws, aws, is_full, name, trouble):
    """What AWS failed to answer well was not taken, so every item arrives exactly once."""
    exporters, signal, operation = EXPORTERS[name]
    exporters = {name: {**exporters[name], "timeout": "500ms"}}
    aws.hang_s = 1
    seconds = 60 if is_full else 4
    pieces = seconds * 5
    with start_aws(exporters) as weir:
        if trouble == "gone":
            aws.go_down()
        else:
            aws.always = {operation: trouble}
        send_in_pieces(weir, signal, pieces, 20, 0.2)
        assert numbers(aws, name) == []
        if trouble == "gone":
            aws.go_up()
        aws.always = {}
        wait_until(lambda: weir.exporter(name)["items_delivered"] == 20 * pieces, seconds=60,
                   what="delivery")
    assert numbers(aws, name) == list(range(20 * pieces))
    assert weir.books()["items_delivered"] == 20 * pieces


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("trouble", [CUT, HANG])
def test_unanswered_attempts_are_repeated_and_counted(start_aws, aws, name, trouble):
    """AWS may have taken them: the same documents go again, and only those."""
    exporters, signal, operation = EXPORTERS[name]
    exporters = {name: {**exporters[name], "timeout": "500ms"}}
    aws.hang_s = 3
    with start_aws(exporters) as weir:
        post(weir, signal, request_of(signal, 10, 0))
        wait_until(lambda: weir.exporter(name)["items_delivered"] == 10, what="the first")
        aws.script = {operation: [trouble, trouble]}
        post(weir, signal, request_of(signal, 10, 10))
        wait_until(lambda: weir.exporter(name)["items_delivered"] == 20, what="delivery")
        # Where a kept connection ends, libcurl tries once more by itself, and nobody sees it.
        assert total(weir.metrics(), "weir_requests_repeated_unknown") >= (
            1 if trouble == CUT else 2)
        post(weir, signal, request_of(signal, 10, 20))
    found = collections.Counter(numbers(aws, name))
    times = 3 if trouble == CUT else 1
    assert found == {**dict.fromkeys(range(30), 1), **dict.fromkeys(range(10, 20), times)}
    if name == "awsxray":
        assert len(set(aws.xray.documents)) == 30
    assert weir.books()["items_delivered"] == 30


@pytest.mark.parametrize("name", EXPORTERS)
def test_what_is_refused_for_good_is_rejected(start_aws, aws, name):
    exporters, signal, operation = EXPORTERS[name]
    aws.script = {operation: [(400, "InvalidRequestException")]}
    with start_aws(exporters) as weir:
        post(weir, signal, request_of(signal, 10))
        wait_until(lambda: weir.exporter(name)["items_rejected"] > 0, what="the refusal")
        post(weir, signal, request_of(signal, 10, 10))
    assert numbers(aws, name) == list(range(10, 20))
    assert weir.books()["items_rejected"] == 10


def test_a_group_that_may_not_be_made_is_not_hidden(start_aws, aws):
    aws.always = {"CreateLogGroup": DENIED, "CreateLogStream": DENIED}
    with start_aws(LOGS) as weir:
        post(weir, "logs", request_of("logs", 10))
        wait_until(lambda: aws.count("PutLogEvents") > 0, what="the first call")
        time.sleep(1)
        aws.always = {}
    assert "AccessDenied" in weir.log_text() or "ResourceNotFound" in weir.log_text()


# --- credentials ---------------------------------------------------------------------------------

@pytest.mark.parametrize("name", EXPORTERS)
def test_credentials_of_a_task_are_renewed_before_they_expire(start_aws, aws, name):
    """Five minutes before their end, or half-way there where they do not live that long."""
    exporters, signal, operation = EXPORTERS[name]
    aws.lifetime_s = 4
    with start_aws(exporters, env=aws.container_environment()) as weir:
        send_in_pieces(weir, signal, 30, 20, 0.3)
        assert len(aws.issued) >= 2
    assert numbers(aws, name) == list(range(600))
    assert aws.count(operation, 403) == 0
    assert weir.books()["items_delivered"] == 600


@pytest.mark.parametrize("name", EXPORTERS)
def test_credentials_that_expire_early_are_renewed_at_once(start_aws, aws, name):
    exporters, signal, operation = EXPORTERS[name]
    with start_aws(exporters, env=aws.container_environment()) as weir:
        send_in_pieces(weir, signal, 2, 20, 0.2)
        wait_until(lambda: weir.exporter(name)["items_delivered"] == 40, what="delivery")
        aws.expire(aws.issued[-1])
        send_in_pieces(weir, signal, 4, 20, 0.2)
    found = numbers(aws, name)
    # The last pieces have the numbers of the first ones, and two more.
    assert collections.Counter(found) == {
        i: 2 if i < 40 else 1 for i in range(80)}
    assert weir.books()["items_delivered"] == 120 and aws.count(operation, 403) >= 1


def test_the_credentials_endpoint_sees_its_token(start_aws, aws, tmp_path):
    token = tmp_path / "token"
    token.write_text("Bearer first")
    aws.container_token = "Bearer first"
    env = aws.container_environment(AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token))
    with start_aws(XRAY, env=env) as weir:
        post(weir, "traces", request_of("traces", 10))
        wait_until(lambda: len(aws.xray.documents) == 10, what="the documents")
        token.write_text("Bearer second")
        aws.container_token = "Bearer second"
        aws.expire(aws.issued[-1])
        post(weir, "traces", request_of("traces", 10, 10))
    assert numbers(aws, "awsxray") == list(range(20)) and len(aws.issued) == 2


def test_a_role_is_assumed(start_aws, aws):
    exporter = {**XRAY["awsxray"], "role_arn": "arn:aws:iam::123456789012:role/other"}
    with start_aws({"awsxray": exporter}) as weir:
        post(weir, "traces", request_of("traces"))
    assert aws.count("AssumeRole", 200) == 1 and len(aws.issued) == 1
    assert ("sts", REGION) in aws.scopes
    assert numbers(aws, "awsxray") == list(range(COUNT))


@pytest.mark.parametrize("offset_s", [-3600, 3600])
def test_a_wrong_clock_is_made_up_for(start_aws, aws, offset_s):
    aws.clock_offset_s = offset_s
    with start_aws(XRAY) as weir:
        send_in_pieces(weir, "traces", 10, 20)
    assert numbers(aws, "awsxray") == list(range(200))
    assert weir.books()["items_delivered"] == 200


def test_without_credentials_data_waits_and_the_log_says_so(start_aws, aws):
    env = aws.container_environment()
    aws.always = {"Credentials": EXPIRED}
    with start_aws(XRAY, env=env) as weir:
        post(weir, "traces", request_of("traces", 10))
        wait_until(lambda: any("credential" in entry.get("event", "") and
                               entry.get("level") in ("warn", "error") for entry in weir.log()),
                   what="a line about credentials")
        wait_until(lambda: weir.exporter("awsxray")["items_held"] == 10, what="what is held")
        aws.always = {}
        wait_until(lambda: len(aws.xray.documents) == 10, seconds=90, what="the documents")


# --- moto ----------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer("127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def moto_client(moto, service):
    return boto3.client(service, endpoint_url=moto, region_name=REGION, aws_access_key_id=KEY_ID,
                        aws_secret_access_key=SECRET)


def test_moto_takes_everything(start, aws, moto):
    """AWS as a widely used stand-in sees it: traces, metrics and logs at once."""
    grpc_port, http_port = free_port(), free_port()
    emf = {**EMF["awsemf"], "log_group_name": "/moto/emf", "endpoint": moto}
    logs = {**LOGS["awscloudwatchlogs"], "log_group_name": "/moto/logs", "endpoint": moto}
    exporters = {"awsemf": emf, "awscloudwatchlogs": logs,
                 "awsxray": {**XRAY["awsxray"], "endpoint": moto}}
    routes = {signal: (["otlp"], [], [name]) for name, (_, signal, _) in EXPORTERS.items()}
    config = pipelines({"otlp": otlp_receiver(grpc_port, http_port)}, {}, exporters, **routes)
    with start(config, env=aws.environment()) as weir:
        weir.http_port = http_port
        threads = [threading.Thread(target=post, args=(weir, signal, request_of(signal)))
                   for signal in ("traces", "metrics", "logs")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    client = moto_client(moto, "logs")
    metrics = [emf_document.read(message)[0] for message in messages(client, "/moto/emf")]
    assert sorted((int(one.document["i"]), one.value) for one in metrics) == [
        (i, i) for i in range(COUNT)]
    records = [json.loads(message) for message in messages(client, "/moto/logs")]
    assert sorted(record["attributes"]["i"] for record in records) == list(range(COUNT))
    traces = moto_client(moto, "xray").batch_get_traces(
        TraceIds=[f"1-00000000-{i + 1:024x}" for i in range(COUNT)])["Traces"]
    assert len(traces) == COUNT
    found = [json.loads(trace["Segments"][0]["Document"]) for trace in traces]
    assert sorted(one["metadata"]["default"]["i"] for one in found) == list(range(COUNT))


def messages(client, group):
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]
