# SPDX-License-Identifier: Apache-2.0
"""OTLP through whole pipelines: fan-out, acknowledgements, pressure, outages, the drain."""

import contextlib
import threading
import time

import pytest
import settings
from h1_client import H1Client
from h2_client import H2Client
from otlp_items import SIGNALS, assert_same_items, items_of
from otlp_make import make
from otlp_send import export, post
from senders import send_udp
from settings import otlp_config, otlp_grpc, otlp_receiver, otlphttp
from upstream import Answer
from upstream_grpc import GrpcUpstream
from weir_process import free_port, free_udp_port, wait_until


UNAVAILABLE = 14
ITEMS = 10


class Load:
    """Sends numbered spans over several gRPC connections until told to stop.

    It knows which were acknowledged. A refused request is tried again, as an SDK would.
    """

    def __init__(self, port, threads=2, pause_s=0.002):
        self.port = port
        self.pause_s = pause_s
        self.is_over = threading.Event()
        self.acknowledged = []  # requests
        self.refused_count = 0
        self.threads = [threading.Thread(target=self.run, args=(i * 1_000_000,), daemon=True)
                        for i in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def run(self, first):
        while not self.is_over.is_set():
            try:
                with H2Client(self.port) as client:
                    first = self.send_on(client, first)
            except OSError:
                time.sleep(0.02)  # nobody there

    def send_on(self, client, first):
        while not self.is_over.is_set() and not client.goaways and not client.is_closed:
            request = make("traces", ITEMS, first)
            reply = client.call("traces", request.SerializeToString())
            if reply.code == 0:
                self.acknowledged.append(request)
                first += ITEMS
            elif reply.code is not None:
                assert reply.code == UNAVAILABLE, reply
                self.refused_count += 1
            time.sleep(self.pause_s)
        return first

    def check_all_arrived(self, upstream, is_exact):
        """Acknowledged means delivered; at least once where answers were lost on the way."""
        wanted = [item for request in self.acknowledged for item in items_of("traces", request)]
        found = upstream.accepted("traces")
        if is_exact:
            assert_same_items(found, wanted)
            return
        missing = {item.key() for item in wanted} - {item.key() for item in found}
        assert not missing, f"{len(missing)} of {len(wanted)} acknowledged items are lost"


# --- fan-out --------------------------------------------------------------------------------------

@pytest.mark.sanitized
def test_every_exporter_gets_everything(start_otlp, grpc_upstream, http_upstream):
    exporters = {"otlp": otlp_grpc(grpc_upstream), "otlphttp": otlphttp(http_upstream)}
    with start_otlp(exporters) as weir:
        for signal in SIGNALS:
            post(weir, signal, make(signal, 1000))
            export(weir, signal, make(signal, 1000, 1000))
    for upstream in (grpc_upstream, http_upstream):
        for signal in SIGNALS:
            upstream.check_accepted(signal, make(signal, 1000), make(signal, 1000, 1000))
    assert weir.books()["items_delivered"] == 2 * 3 * 2000


def test_aliases_and_several_of_a_kind(start_otlp, grpc_upstream, http_upstream):
    exporters = {"otlp_grpc/first": otlp_grpc(grpc_upstream),
                 "otlp/second": otlp_grpc(grpc_upstream),
                 "otlp_http/third": otlphttp(http_upstream)}
    with start_otlp(exporters) as weir:
        post(weir, "logs", make("logs", ITEMS))
    assert (grpc_upstream.item_counts["logs"], http_upstream.item_counts["logs"]) == (
        2 * ITEMS, ITEMS)


def test_slow_exporter_does_not_hold_up_the_other(start_otlp, grpc_upstream, http_upstream):
    http_upstream.always = Answer(delay_s=30)
    exporters = {"otlp": otlp_grpc(grpc_upstream),
                 "otlphttp": otlphttp(http_upstream, sending_queue={"num_consumers": 1},
                                      timeout="60s")}
    with start_otlp(exporters) as weir:
        for i in range(10):
            began = time.monotonic()
            post(weir, "traces", make("traces", ITEMS, i * ITEMS))
            grpc_upstream.wait_for_items("traces", (i + 1) * ITEMS)
            assert time.monotonic() - began < 15  # behind the other it takes thirty seconds
        assert weir.exporter("otlphttp")["items_held"] > 0
        http_upstream.always = None
    assert http_upstream.item_counts["traces"] == 10 * ITEMS


def test_dead_exporter_loses_its_own_share_only(start_otlp, grpc_upstream, http_upstream):
    http_upstream.go_down()
    retry = {"initial_interval": "50ms", "max_interval": "50ms", "max_elapsed_time": "300ms"}
    exporters = {"otlp": otlp_grpc(grpc_upstream),
                 "otlphttp": otlphttp(http_upstream, retry_on_failure=retry)}
    with start_otlp(exporters) as weir:
        for i in range(5):
            post(weir, "traces", make("traces", ITEMS, i * ITEMS))
        grpc_upstream.wait_for_items("traces", 5 * ITEMS)
        wait_until(lambda: weir.exporter("otlphttp")["items_dropped_retry"] == 5 * ITEMS)
    books = weir.books()
    assert (books["items_delivered"], books["items_dropped"]) == (5 * ITEMS, 5 * ITEMS)


@pytest.mark.threads
def test_statsd_and_otlp_metrics_share_a_pipeline(start, http_upstream):
    udp_port, grpc_port, http_port = free_udp_port(), free_port(), free_port()
    config = settings.otlp_config(settings.otlp_receiver(grpc_port, http_port),
                                  {"otlphttp": otlphttp(http_upstream)}, signals=("metrics",))
    config["receivers"]["statsd"] = settings.statsd(udp_port)
    config["service"]["pipelines"]["metrics"]["receivers"].append("statsd")
    with start(config) as weir:
        weir.http_port = http_port
        send_udp(udp_port, ["requests:41|c|#a:b", "requests:1|c|#a:b"])
        post(weir, "metrics", make("metrics", 1000))
        weir.wait_for("items_folded", 2)
    found = http_upstream.accepted("metrics")
    made = [item for item in found if item.scope.name == "made"]
    assert_same_items(made, list(items_of("metrics", make("metrics", 1000))))
    born = [item for item in found if item.metric.name == "requests"]
    assert [item.value.as_int or item.value.as_double for item in born] == [42]


# --- acknowledgement ------------------------------------------------------------------------------

NO_QUEUE = {"sending_queue": {"enabled": False}}


@pytest.mark.threads
def test_answer_waits_for_the_upstream_without_a_queue(start_otlp, grpc_upstream):
    grpc_upstream.always = Answer(delay_s=0.5)
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, **NO_QUEUE)}) as weir:
        for send in (post, export):
            began = time.monotonic()
            send(weir, "traces", make("traces", ITEMS))
            assert 0.5 <= time.monotonic() - began < 5
    assert grpc_upstream.item_counts["traces"] == 2 * ITEMS


def test_answer_does_not_wait_with_a_queue(start_otlp, grpc_upstream):
    grpc_upstream.always = Answer(delay_s=30)
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, timeout="60s")}) as weir:
        post(weir, "traces", make("traces", ITEMS))  # its client waits for ten seconds at most
        grpc_upstream.always = None


def test_batch_with_a_waiting_request_closes_at_once(start_otlp, grpc_upstream):
    """The batch would wait ten seconds otherwise."""
    batch = {"batch": {"timeout": "10s", "send_batch_size": 100000}}
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, **NO_QUEUE)}, processors=batch) as weir:
        began = time.monotonic()
        assert export(weir, "traces", make("traces", ITEMS)).code == 0
        assert time.monotonic() - began < 8
        assert grpc_upstream.item_counts["traces"] == ITEMS


def test_retryable_failure_of_the_upstream_is_handed_on(start_otlp, grpc_upstream):
    grpc_upstream.always = Answer(code=UNAVAILABLE)
    keys = {**NO_QUEUE, "retry_on_failure": {"enabled": False}}
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, **keys)}) as weir:
        check_refused_for_now(weir, make("traces", ITEMS))


def check_refused_for_now(weir, request):
    """Both protocols say "later" in a way that clients notice."""
    reply = export(weir, "traces", request)
    assert (reply.code, reply.is_trailers_only) == (UNAVAILABLE, True), reply
    assert reply.retry_s is not None and reply.retry_s > 0
    with H1Client(weir.http_port) as client:
        answer = client.request("/v1/traces", request.SerializeToString())
    assert answer.status == 503, answer
    assert int(answer.headers["retry-after"]) >= 1
    assert answer.rpc_status().code == UNAVAILABLE


@pytest.mark.parametrize("signal", SIGNALS)
def test_rejection_by_the_upstream_is_a_partial_success(start_otlp, grpc_upstream, signal):
    rejected = {"traces": "rejected_spans", "metrics": "rejected_data_points",
                "logs": "rejected_log_records"}[signal]
    grpc_upstream.script = [Answer(code=3, message="bad items")]
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, **NO_QUEUE)}) as weir:
        response = post(weir, signal, make(signal, ITEMS))
        assert getattr(response.partial_success, rejected) == ITEMS
        assert response.partial_success.error_message
    assert weir.books()["items_rejected"] == ITEMS


@pytest.mark.threads
def test_one_of_two_upstreams_fails_without_a_queue(start_otlp, grpc_upstream, http_upstream):
    """Not all accepted, one may be asked again: the client is asked to come back."""
    http_upstream.always = Answer(status=503)
    exporters = {"otlp": otlp_grpc(grpc_upstream, **NO_QUEUE),
                 "otlphttp": otlphttp(http_upstream, retry_on_failure={"enabled": False},
                                      **NO_QUEUE)}
    with start_otlp(exporters) as weir:
        assert export(weir, "traces", make("traces", ITEMS)).code == UNAVAILABLE
    assert grpc_upstream.item_counts["traces"] == ITEMS


# --- pressure and outages -------------------------------------------------------------------------

@pytest.mark.parametrize("sizer, size", [("requests", 3), ("items", 3 * ITEMS), ("bytes", 3000)])
def test_full_queue_of_the_only_exporter_loses_nothing(start_otlp, grpc_upstream, sizer, size):
    """Refused or held: the answer says which, and what was taken arrives."""
    grpc_upstream.always = Answer(delay_s=0.5)
    queue = {"num_consumers": 1, "queue_size": size, "sizer": sizer}
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, sending_queue=queue)}) as weir:
        codes = [export(weir, "traces", make("traces", ITEMS, i * ITEMS)).code for i in range(20)]
        grpc_upstream.always = None
    assert codes[:3] == [0, 0, 0] and set(codes) <= {0, UNAVAILABLE}
    assert grpc_upstream.item_counts["traces"] == codes.count(0) * ITEMS


def test_full_queue_of_one_of_two_loses_its_share_only(start_otlp, grpc_upstream, http_upstream):
    http_upstream.always = Answer(delay_s=1)
    queue = {"num_consumers": 1, "queue_size": 3, "sizer": "requests"}
    exporters = {"otlp": otlp_grpc(grpc_upstream),
                 "otlphttp": otlphttp(http_upstream, sending_queue=queue)}
    with start_otlp(exporters) as weir:
        for i in range(20):
            post(weir, "traces", make("traces", ITEMS, i * ITEMS))
        grpc_upstream.wait_for_items("traces", 20 * ITEMS)
        lost = weir.exporter("otlphttp")["items_dropped_queue_full"]
        assert lost >= 10 * ITEMS
        http_upstream.always = None
    assert http_upstream.item_counts["traces"] == 20 * ITEMS - lost


@pytest.mark.threads
def test_pressure_refuses_and_what_was_taken_arrives(start_otlp, grpc_upstream):
    """Sixteen MiB are all there is, and the upstream hangs."""
    grpc_upstream.always = Answer(delay_s=60)
    limiter = {"memory_limiter": {"check_interval": "100ms", "limit_mib": 16,
                                  "spike_limit_mib": 4}}
    request = make("traces", 1, size=1 << 20)
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, timeout="120s")},
                    processors=limiter) as weir:
        codes = []
        while UNAVAILABLE not in codes:
            assert len(codes) < 40
            codes.append(export(weir, "traces", request).code)
        check_refused_for_now(weir, request)
        grpc_upstream.always = None
        grpc_upstream.wait_for_items("traces", codes.count(0))
        # And now there is room again.
        wait_until(lambda: export(weir, "traces", request).code == 0, pause=0.2)
    assert codes.count(0) >= 8
    assert grpc_upstream.item_counts["traces"] == codes.count(0) + 1


@pytest.mark.threads
def test_memory_limit_changes_with_a_reload(start_otlp, grpc_upstream):
    small = make("traces", 1)
    large = make("traces", 1, size=3 << 20)

    def limited(limit_mib):
        processors = {"memory_limiter": {"check_interval": "1s", "limit_mib": limit_mib,
                                         "spike_limit_mib": 1}}
        return otlp_config(otlp_receiver(weir.grpc_port, weir.http_port),
                           {"otlp": otlp_grpc(grpc_upstream)}, processors)

    def limit():
        return weir.metrics()["weir_telemetry_max_bytes"]

    def held():
        return weir.metrics()["weir_telemetry_held_bytes"][0][1]

    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        assert export(weir, "traces", large).code == 0
        share = limit()
        for limit_mib, code in [(3, UNAVAILABLE), (64, 0), (2, UNAVAILABLE)]:
            # What was taken counts until the upstream has answered for it.
            wait_until(lambda: held() < 1 << 20, what="room for a small request")
            assert weir.reload(limited(limit_mib))["event"] == "reloaded"
            assert limit() == [({}, (limit_mib - 1) << 20)]
            assert weir.events("memory")[-1]["by_memory_limiter"] is True
            assert export(weir, "traces", large).code == code
            assert export(weir, "traces", small).code == 0
        unlimited = otlp_config(otlp_receiver(weir.grpc_port, weir.http_port),
                                {"otlp": otlp_grpc(grpc_upstream)})
        assert weir.reload(unlimited)["event"] == "reloaded"
        assert limit() == share
        assert weir.events("memory")[-1]["by_memory_limiter"] is False
    assert grpc_upstream.item_counts["traces"] == 5


def test_what_made_batches_leave_is_counted(start_otlp, http_upstream):
    batch = {"send_batch_size": 100, "timeout": "200ms"}
    with start_otlp({"otlphttp": otlphttp(http_upstream)}, processors={"batch": batch},
                    signals=["traces"]) as weir:
        for i in range(2):
            post(weir, "traces", make("traces", 100, i * 100))
            # One turn may gather both requests, and then they are one batch.
            http_upstream.wait_for_items("traces", (i + 1) * 100)
        post(weir, "traces", make("traces", 99, 200))
        http_upstream.wait_for_items("traces", 299)
        labels = {"processor": "batch", "pipeline": "traces"}
        page = weir.metrics()
    assert page["otelcol_processor_batch_batch_size_trigger_send"] == [(labels, 2)]
    assert page["otelcol_processor_batch_timeout_trigger_send"] == [(labels, 1)]
    assert page["weir_processor_batch_oversized"] == [(labels, 0)]


def test_block_on_overflow_holds_requests_instead(start_otlp, grpc_upstream):
    grpc_upstream.always = Answer(delay_s=0.1)
    queue = {"num_consumers": 1, "queue_size": 2, "sizer": "requests", "block_on_overflow": True}
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, sending_queue=queue)}) as weir:
        codes = [export(weir, "traces", make("traces", ITEMS, i * ITEMS)).code for i in range(12)]
    assert codes == [0] * 12
    assert grpc_upstream.item_counts["traces"] == 12 * ITEMS


@pytest.mark.sanitized
def test_outage_of_the_upstream_loses_nothing(start_otlp, is_full, grpc_upstream):
    outage_s = 60 if is_full else 1.5
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)},
                    processors={"batch": {"timeout": "50ms", "send_batch_size": 200}}) as weir:
        with Load(weir.grpc_port) as load:
            grpc_upstream.wait_for_items("traces", 20 * ITEMS)
            grpc_upstream.go_down()
            time.sleep(outage_s)
            grpc_upstream.go_up()
            count = grpc_upstream.item_counts["traces"]
            grpc_upstream.wait_for_items("traces", count + 20 * ITEMS)
    assert len(load.acknowledged) > 40
    load.check_all_arrived(grpc_upstream, is_exact=False)


@pytest.mark.threads
def test_drain_loses_nothing(start_otlp, grpc_upstream):
    """SIGTERM in the middle: every request is refused, or acknowledged and delivered."""
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}, "--drain-timeout=5s",
                    processors={"batch": {"timeout": "5s"}}) as weir:
        with Load(weir.grpc_port) as load:
            wait_until(lambda: len(load.acknowledged) > 50)
            assert weir.stop() == 0
    assert len(load.acknowledged) > 50
    load.check_all_arrived(grpc_upstream, is_exact=True)


@pytest.mark.threads
def test_end_does_not_wait_for_an_upstream_that_hangs(start_otlp, grpc_upstream):
    """The drain's time is over while a request waits for its delivery: it is told, and weir ends."""
    grpc_upstream.script = [Answer(is_hang=True)] * 50
    codes = []
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, **NO_QUEUE)}, "--drain-timeout=1s",
                    processors={"batch": {}}) as weir:
        thread = threading.Thread(
            target=lambda: codes.append(export_or_none(weir, make("traces", ITEMS))))
        thread.start()
        wait_until(lambda: len(grpc_upstream.seen) > 0)
        assert weir.stop() == 0
        thread.join()
    assert codes in ([None], [14])


def export_or_none(weir, request):
    """The code of the answer; None where the connection went first."""
    try:
        return export(weir, "traces", request).code
    except (OSError, AssertionError):
        return None


@pytest.mark.threads
def test_reloads_under_load_lose_nothing(start_otlp, grpc_upstream):
    """The receiver's settings stay, so its connections do; pipelines and processors are new."""
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        receiver = otlp_receiver(weir.grpc_port, weir.http_port)
        with Load(weir.grpc_port) as load:
            for i in range(6):
                exporter = otlp_grpc(grpc_upstream, headers={"x-round": str(i % 2)})
                batch = {"batch": {"timeout": f"{20 + i}ms"}}
                changed = otlp_config(receiver, {"otlp": exporter}, processors=batch)
                assert weir.reload(changed)["event"] == "reloaded"
                wait_until(lambda: weir.status()["graphs_draining"] < 3)
                before = len(load.acknowledged)
                wait_until(lambda: len(load.acknowledged) > before + 10)
    assert len(load.acknowledged) > 60
    load.check_all_arrived(grpc_upstream, is_exact=True)


class Visits:
    """Each request on a connection of its own, which nobody may cut or refuse."""

    def __init__(self, send, first, pause_s=0.001):
        self.send, self.first, self.pause_s = send, first, pause_s
        self.sent = []  # requests, all acknowledged
        self.faults = []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.is_over.is_set() and not self.faults:
            request = make("traces", ITEMS, self.first + ITEMS * len(self.sent))
            try:
                self.send(request)
            except (OSError, AssertionError) as fault:
                self.faults.append(fault)
            self.sent.append(request)
            time.sleep(self.pause_s)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()


@pytest.mark.threads
def test_exchanged_receiver_serves_those_who_just_connected(start_otlp, grpc_upstream):
    """New settings, so new listeners: who connected to the old ones is served by them."""
    with start_otlp({"otlp": otlp_grpc(grpc_upstream)}) as weir:
        def over_grpc(request):
            assert export(weir, "traces", request).code == 0

        senders = [lambda request: post(weir, "traces", request)] * 2 + [over_grpc] * 2
        with contextlib.ExitStack() as stack:
            visits = [stack.enter_context(Visits(send, i * 10_000_000))
                      for i, send in enumerate(senders)]
            for i in range(10):
                keys = {"http": {"max_request_body_size": (1 << 20) + i}}
                receiver = otlp_receiver(weir.grpc_port, weir.http_port, **keys)
                changed = otlp_config(receiver, {"otlp": otlp_grpc(grpc_upstream)})
                assert weir.reload(changed)["event"] == "reloaded"
                before = [len(each.sent) for each in visits]
                wait_until(lambda: all(each.faults or len(each.sent) > count + 20
                                       for each, count in zip(visits, before, strict=True)))
                wait_until(lambda: weir.status()["graphs_draining"] < 3)
    assert [each.faults for each in visits] == [[]] * len(visits)
    wanted = [item for each in visits for request in each.sent
              for item in items_of("traces", request)]
    assert_same_items(grpc_upstream.accepted("traces"), wanted)


def test_kill_without_a_queue_loses_nothing_acknowledged(start_otlp, grpc_upstream):
    with start_otlp({"otlp": otlp_grpc(grpc_upstream, **NO_QUEUE)}) as weir:
        with Load(weir.grpc_port) as load:
            wait_until(lambda: len(load.acknowledged) > 50)
            weir.kill()
        load.check_all_arrived(grpc_upstream, is_exact=False)
        # The dead left no books: another one is started for the end of the block.
        weir.start()
        wait_until(lambda: len(weir.events("ready")) == 2)
        assert export(weir, "traces", make("traces", 1)).code == 0


def test_upstream_that_is_not_there_at_first(start_otlp):
    upstream = GrpcUpstream()
    upstream.go_down()
    with start_otlp({"otlp": otlp_grpc(upstream)}) as weir:
        post(weir, "logs", make("logs", ITEMS))
        time.sleep(0.5)
        with upstream:
            upstream.go_up()
            upstream.wait_for_items("logs", ITEMS)
            weir.stop()
    upstream.check_accepted("logs", make("logs", ITEMS))
