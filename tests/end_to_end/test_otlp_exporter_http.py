# SPDX-License-Identifier: Apache-2.0
"""The OTLP/HTTP exporter with all signals: what test_otlphttp.py does not say already."""

import email.utils
import time

import pytest
from otlp_items import SIGNALS
from otlp_make import make
from otlp_send import post
from settings import otlphttp
from upstream import Answer
from weir_process import wait_until

ONE_BACKEND = True

RETRYABLE = [429, 502, 503, 504]
PERMANENT = [301, 400, 401, 403, 404, 405, 408, 413, 415, 500, 501]
ITEMS = 5


@pytest.mark.parametrize("encoding", ["proto", "json"])
@pytest.mark.parametrize("compression", ["none", "gzip", "zstd"])
def test_all_signals_arrive_as_they_were(start_otlp, http_upstream, encoding, compression):
    exporter = otlphttp(http_upstream, encoding=encoding, compression=compression)
    with start_otlp({"otlphttp": exporter}) as weir:
        for signal in SIGNALS:
            post(weir, signal, make(signal, 100))
    for signal in SIGNALS:
        http_upstream.check_accepted(signal, make(signal, 100))
    for seen in http_upstream.requests():
        assert seen.headers.get("content-encoding", "none") == compression
        assert seen.headers["content-type"] == (
            "application/json" if encoding == "json" else "application/x-protobuf")


def test_endpoints_by_signal(start_otlp, http_upstream):
    exporter = otlphttp(http_upstream, endpoint="http://127.0.0.1:9")
    for signal in SIGNALS:
        exporter[f"{signal}_endpoint"] = f"{http_upstream.url}/v1/{signal}"
    with start_otlp({"otlphttp": exporter}) as weir:
        for signal in SIGNALS:
            post(weir, signal, make(signal, ITEMS))
    assert http_upstream.item_counts == dict.fromkeys(SIGNALS, ITEMS)


@pytest.mark.parametrize("signal", SIGNALS)
def test_retryable_statuses_are_retried(start_otlp, http_upstream, signal):
    with start_otlp({"otlphttp": otlphttp(http_upstream)}) as weir:
        for number, status in enumerate(RETRYABLE):
            http_upstream.script = [Answer(status=status)]
            post(weir, signal, make(signal, ITEMS, number * ITEMS))
            http_upstream.wait_for_items(signal, (number + 1) * ITEMS)
        assert weir.exporter("otlphttp")["requests_retried"] == len(RETRYABLE)
    assert http_upstream.codes() == [code for status in RETRYABLE for code in (status, 0)]


@pytest.mark.parametrize("signal", SIGNALS)
def test_permanent_statuses_are_not_retried(start_otlp, http_upstream, signal):
    with start_otlp({"otlphttp": otlphttp(http_upstream)}) as weir:
        for number, status in enumerate(PERMANENT):
            http_upstream.script = [Answer(status=status, message="because of x")]
            post(weir, signal, make(signal, ITEMS, number * ITEMS))
            wait_until(lambda: weir.exporter("otlphttp")["items_rejected"] ==
                       (number + 1) * ITEMS, what=f"rejection after {status}")
    assert http_upstream.codes() == PERMANENT
    assert weir.books()["items_rejected"] == len(PERMANENT) * ITEMS


def seconds(_):
    return "1"


def date(now):
    return email.utils.formatdate(now + 3.5, usegmt=True)  # whole seconds: 2.5 to 3.5 from now


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", [seconds, date])
def test_retry_after_is_honoured(start_otlp, http_upstream, status, retry_after):
    with start_otlp({"otlphttp": otlphttp(http_upstream)}) as weir:
        http_upstream.script = [Answer(status=status,
                                       headers={"Retry-After": retry_after(time.time())})]
        post(weir, "traces", make("traces", ITEMS))
        http_upstream.wait_for_items("traces", ITEMS)
    assert 0.9 < http_upstream.pauses()[0] < 10  # a pause of its own is 0.15 s at most


@pytest.mark.parametrize("answer", [Answer(is_hang=True), Answer(is_reset=True)],
                         ids=["no answer", "connection reset"])
def test_lost_answer_is_retried(start_otlp, http_upstream, answer):
    with start_otlp({"otlphttp": otlphttp(http_upstream, timeout="300ms")}) as weir:
        http_upstream.script = [answer]
        post(weir, "logs", make("logs", ITEMS))
        http_upstream.wait_for_items("logs", ITEMS)
        assert weir.exporter("otlphttp")["requests_retried"] >= 1


@pytest.mark.parametrize("encoding", ["proto", "json"])
@pytest.mark.parametrize("signal", SIGNALS)
def test_partial_success_is_counted_by_item(start_otlp, http_upstream, signal, encoding):
    http_upstream.script = [Answer(rejected=2, message="too old"), Answer(message="all is well")]
    with start_otlp({"otlphttp": otlphttp(http_upstream, encoding=encoding)}) as weir:
        post(weir, signal, make(signal, ITEMS))
        post(weir, signal, make(signal, ITEMS, ITEMS))
        wait_until(lambda: weir.exporter("otlphttp")["items_delivered"] == 2 * ITEMS - 2)
        assert weir.exporter("otlphttp")["items_rejected_partial"] == 2
    assert len(http_upstream.seen) == 2
    assert "too old" in weir.log_text()
