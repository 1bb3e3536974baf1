# SPDX-License-Identifier: Apache-2.0
"""The AWS exporters against a fake AWS that verifies signatures and limits, and against moto."""

import collections
import json
import socket
import threading
import time

import boto3
import emf_document
import pytest
import settings
from fake_aws import CUT, DENIED, EXPIRED, FAILED, HANG, KEY_ID, REGION, SECRET, THROTTLED
from moto.server import ThreadedMotoServer
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2 as logs_service
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as metrics_service
from otlp_make import add_attribute, make
from otlp_send import post
from prom_page import total
from settings import otlp_receiver, otlphttp, pipelines
from weir_process import fetch, free_port, free_udp_port, run_command, wait_until

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


# --- what is refused, on the page ----------------------------------------------------------------

def rejected(weir, name):
    """{reason: items} of an exporter, as far as there are any; agrees with the status page."""
    wait_until(lambda: weir.exporter(name)["items_held"] == 0, what="an exporter that has decided")
    samples = weir.metrics()["weir_items_rejected"]
    found = {labels["reason"]: int(items) for labels, items in samples
             if labels["exporter"] == name and items > 0}
    status = weir.exporter(name)
    assert sum(found.values()) == status["items_offered"] - status["items_delivered"] - \
        sum(status[key] for key in status if key.startswith("items_dropped_")) - \
        status["items_held"]
    assert sum(found.values()) == weir.status()["books"]["items_rejected"]
    return found


def adjusted(weir):
    return {labels["reason"]: int(count) for labels, count in weir.metrics()["weir_emf_adjusted"]
            if count > 0}


def gauges(values, **keys):
    """A request with one gauge `g` of these values, one series each."""
    request = metrics_service.ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    add_attribute(resource.resource.attributes, "service.name", "made")
    metric = resource.scope_metrics.add().metrics.add(name=keys.pop("name", "g"),
                                                      unit=keys.pop("unit", ""))
    for i, value in enumerate(values):
        point = metric.gauge.data_points.add(
            **{"as_double": value, "time_unix_nano": now_ns(), **keys})
        add_attribute(point.attributes, "i", i)
    return request


def test_points_that_cannot_leave_stand_on_the_page_by_reason(start_aws, aws):
    nan, inf = float("nan"), float("inf")
    with start_aws(EMF) as weir:
        post(weir, "metrics", gauges([1, nan, inf, 1e120, 2], unit="parsecs"))
        post(weir, "metrics", gauges([1], name="x" * 1025))
        post(weir, "metrics", gauges([1, 2], time_unix_nano=now_ns() - 15 * 86400 * 10**9))
        post(weir, "metrics", gauges([3], time_unix_nano=now_ns() + 3 * 3600 * 10**9))
        request = metrics_request(1)
        post(weir, "metrics", request)
        raise_totals(request)
        post(weir, "metrics", request)
        wait_until(lambda: weir.exporter("awsemf")["items_held"] == 0 and
                   weir.exporter("awsemf")["items_offered"] == 21, what="all of it")
        assert rejected(weir, "awsemf") == {"not_finite": 2, "out_of_range": 1, "metric_name": 1,
                                            "too_old": 2, "too_new": 1}
        assert adjusted(weir) == {"initial_value": 1, "unknown_unit": 1}  # a metric each
        assert total(weir.metrics(), "weir_emf_delta_series") == 1
        assert total(weir.metrics(), "weir_emf_documents") >= len(aws.logs.events())
    assert weir.books()["items_rejected"] == 7
    assert weir.books()["items_delivered"] == 14


def test_dimensions_beyond_the_limit_are_told_of(start_aws, aws):
    request = gauges([1])
    for n in range(31):
        add_attribute(request.resource_metrics[0].scope_metrics[0].metrics[0].gauge
                      .data_points[0].attributes, f"label{n}", n)
    exporter = {**EMF["awsemf"], "dimension_rollup_option": "NoDimensionRollup"}
    with start_aws({"awsemf": exporter}) as weir:
        post(weir, "metrics", request)
        wait_until(lambda: weir.exporter("awsemf")["items_delivered"] == 1, what="the point")
        assert adjusted(weir).get("dimensions_limit") == 1
        assert rejected(weir, "awsemf") == {}


def test_events_that_aws_does_not_take_stand_on_the_page_by_reason(start_aws, aws):
    """The group keeps its events for a day, so that older ones have expired."""
    aws.logs.retention_ms = 86400 * 1000
    day_ns = 86400 * 10**9
    request = logs_service.ExportLogsServiceRequest()
    records = request.resource_logs.add().scope_logs.add().log_records
    ages = {"old": 15 * day_ns, "expired": 3 * day_ns, "expired too": 3 * day_ns, "good": 0,
            "new": -day_ns}
    for text, age in ages.items():
        records.add(time_unix_nano=now_ns() - age).body.string_value = text
    records.add(time_unix_nano=now_ns()).body.string_value = ""
    records.add(time_unix_nano=now_ns()).body.string_value = "good too"
    with start_aws({"awscloudwatchlogs": {**LOGS["awscloudwatchlogs"], "raw_log": True}}) as weir:
        post(weir, "logs", request)
        wait_until(lambda: weir.exporter("awscloudwatchlogs")["items_delivered"] == 2, what="two")
        assert rejected(weir, "awscloudwatchlogs") == {"too_old": 1, "expired": 2, "too_new": 1,
                                                       "empty_message": 1}
    assert sorted(message for *_, message in aws.logs.events()) == ["good", "good too"]
    assert weir.books()["items_rejected"] == 5


def test_unprocessed_documents_stand_on_the_page_by_code(start_aws, aws):
    codes = ["InvalidId", "ThrottledException", "Unheard", "InvalidTraceId"]
    seen = set()

    def judge(text):
        number = json.loads(text)["metadata"]["default"]["i"]
        code = codes[number] if number < len(codes) and number not in seen else None
        seen.add(number)
        return code

    aws.xray.judge = judge
    with start_aws(XRAY) as weir:
        post(weir, "traces", request_of("traces", 60))
        wait_until(lambda: weir.exporter("awsxray")["items_delivered"] == 57, what="the others")
        found = {labels["code"]: int(count) for labels, count in
                 weir.metrics()["weir_xray_unprocessed"] if count > 0}
        assert found == {"InvalidId": 1, "retryable": 1, "other": 1, "InvalidTraceId": 1}
        assert rejected(weir, "awsxray") == {"unprocessed": 3}
    assert weir.books()["items_rejected"] == 3


def test_a_request_that_is_too_large_goes_again_in_halves(start_aws, aws):
    """Four calls too large: 50 become 25 and 25, and the last document alone is still too large."""
    aws.xray.judge_request = lambda documents: len(documents) > 25 or (
        any(json.loads(text)["metadata"]["default"]["i"] == 7 for text in documents))
    with start_aws(XRAY) as weir:
        post(weir, "traces", request_of("traces", 100))
        wait_until(lambda: weir.exporter("awsxray")["items_held"] == 0 and
                   weir.exporter("awsxray")["items_delivered"] == 99, what="the others")
        assert rejected(weir, "awsxray") == {"request_too_large": 1}
        assert total(weir.metrics(), "weir_requests_repeated_unknown") == 0
    assert numbers(aws, "awsxray") == [i for i in range(100) if i != 7]
    assert max(aws.xray.batches) == 25
    assert weir.books()["items_rejected"] == 1


def test_the_last_telemetry_record_leaves_at_the_end(start_aws, aws):
    exporter = {**XRAY["awsxray"], "telemetry": {"enabled": True, "hostname": "here"}}
    aws.xray.judge = lambda text: "InvalidId" \
        if json.loads(text)["metadata"]["default"]["i"] == 5 else None
    with start_aws({"awsxray": exporter}) as weir:
        post(weir, "traces", request_of("traces", 30))
    request, = aws.xray.telemetry
    record, = request["TelemetryRecords"]
    assert request["Hostname"] == "here"
    assert (record["SegmentsReceivedCount"], record["SegmentsSentCount"],
            record["SegmentsRejectedCount"], record["SegmentsSpilloverCount"]) == (30, 30, 1, 0)
    assert weir.books()["items_rejected"] == 1


# --- trouble -------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", EXPORTERS)
def test_max_retries_bounds_the_attempts(start_aws, aws, name):
    exporters, signal, operation = EXPORTERS[name]
    aws.always = {operation: FAILED}
    with start_aws({name: {**exporters[name], "max_retries": 2}}) as weir:
        post(weir, signal, request_of(signal, 10))
        wait_until(lambda: weir.exporter(name)["items_held"] == 0 and
                   weir.exporter(name)["items_dropped_retry"] == 10, what="the end of it")
        aws.always = {}
        post(weir, signal, request_of(signal, 10, 10))
    assert aws.count(operation, 500) == 3
    assert numbers(aws, name) == list(range(10, 20))
    assert weir.books()["items_dropped"] == 10


@pytest.mark.parametrize("name", EXPORTERS)
@pytest.mark.parametrize("trouble", [THROTTLED, FAILED, HANG, "gone"])
def test_an_outage_loses_nothing_and_repeats_nothing(start_aws, aws, is_full, name, trouble):
    """What AWS failed to answer well was not taken, so every item arrives exactly once."""
    exporters, signal, operation = EXPORTERS[name]
    if trouble == HANG:  # longer than good answers take, or these are asked for twice
        exporters = {name: {**exporters[name], "timeout": "5s"}}
    aws.hang_s = 10
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
    if trouble == HANG:  # longer than good answers take, or these are asked for twice
        exporters = {name: {**exporters[name], "timeout": "4s"}}
    aws.hang_s = 12
    with start_aws(exporters) as weir:
        post(weir, signal, request_of(signal, 10, 0))
        wait_until(lambda: weir.exporter(name)["items_delivered"] == 10, what="the first")
        aws.script = {operation: [trouble, trouble]}
        post(weir, signal, request_of(signal, 10, 10))
        wait_until(lambda: weir.exporter(name)["items_delivered"] == 20, what="delivery")
        # Where a kept connection ends, libcurl tries once more by itself: that counts as well.
        assert total(weir.metrics(), "weir_requests_repeated_unknown") == 2
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
        wait_until(lambda: "AccessDenied" in weir.log_text() or
                   "ResourceNotFound" in weir.log_text(), what="a word about it")
        aws.always = {}


# --- credentials ---------------------------------------------------------------------------------

@pytest.mark.parametrize("name", EXPORTERS)
def test_credentials_of_a_task_are_renewed_before_they_expire(start_aws, aws, name):
    """Five minutes before their end, or half-way there where they do not live that long."""
    exporters, signal, operation = EXPORTERS[name]
    aws.lifetime_s = 10  # renewed after half of it, so there is time for a slow machine
    with start_aws(exporters, env=aws.container_environment()) as weir:
        send_in_pieces(weir, signal, 30, 20, 0.4)
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


# --- the region ----------------------------------------------------------------------------------

def run_without_region(folder, config, **env):
    """Starts weir with an environment that knows no region; gives what came of it, and how soon."""
    path = folder / "weir.yaml"
    path.write_text(settings.to_text(settings.with_admin(config, free_port())))
    nowhere = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/nonexistent",
               "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "AWS_ACCESS_KEY_ID": KEY_ID,
               "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    begin = time.monotonic()
    ended = run_command("run", "--config", path, env={**nowhere, **env}, seconds=60)
    return ended, time.monotonic() - begin


@pytest.mark.parametrize("name", [*EXPORTERS, "receiver"])
def test_without_a_region_weir_ends_with_one_sentence(tmp_path, sink, name):
    otlp = otlp_receiver(free_port(), free_port())
    if name == "receiver":
        config = pipelines({"awsxray": settings.awsxray(free_udp_port(), free_port())}, {},
                           {"otlphttp": otlphttp(sink)}, traces=(["awsxray"], [], ["otlphttp"]))
    else:
        exporters, signal, _ = EXPORTERS[name]
        config = pipelines({"otlp": otlp}, {}, exporters, **{signal: (["otlp"], [], [name])})
    ended, seconds = run_without_region(tmp_path, config)
    assert ended.returncode == 78, ended.stderr
    assert ended.stderr.count("There is no AWS region: set AWS_REGION.") == 1
    assert seconds < 10
    assert run_command("validate", "--config", tmp_path / "weir.yaml").returncode == 0


def test_metadata_that_is_silent_about_the_region_ends_weir_in_bounded_time(tmp_path):
    """Nobody answers at the address of the metadata, as where a host has none."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        config = pipelines({"otlp": otlp_receiver(free_port(), free_port())}, {}, XRAY,
                           traces=(["otlp"], [], ["awsxray"]))
        ended, seconds = run_without_region(
            tmp_path, config, AWS_EC2_METADATA_DISABLED="false",
            AWS_EC2_METADATA_SERVICE_ENDPOINT=url, ECS_CONTAINER_METADATA_URI_V4=f"{url}/v4/x")
    assert ended.returncode == 78, ended.stderr
    assert "set AWS_REGION" in ended.stderr and seconds < 40


def test_a_setting_of_the_exporter_is_region_enough(start_aws, aws):
    env = {**aws.environment(), "AWS_REGION": "", "AWS_DEFAULT_REGION": ""}
    with start_aws({"awsxray": {**XRAY["awsxray"], "region": REGION}}, env=env) as weir:
        time.sleep(1.5)  # longer than from one look at the search to the next
        post(weir, "traces", request_of("traces", 10))
    assert numbers(aws, "awsxray") == list(range(10))


# --- moto ----------------------------------------------------------------------------------------

@pytest.fixture
def moto():
    server = ThreadedMotoServer("127.0.0.1", port=free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    fetch(f"http://{host}:{port}/moto-api/reset", method="POST")  # what it has is the process's
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
