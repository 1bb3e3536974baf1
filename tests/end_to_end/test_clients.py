# SPDX-License-Identifier: Apache-2.0
"""Real clients send every type they know; each value stands at the pull endpoint and in Prometheus.

All of them send into one window, because gauges built of deltas and sets are values of a window. It
ends when a reload takes the receiver away, however long they took.
"""

import pathlib
import subprocess
import time

import pytest
import statsd as pystatsd
from datadog.dogstatsd.base import DogStatsd
from prom_page import parse, value
from prometheus_process import Prometheus
from settings import ONE_WINDOW, config, listener, prometheus, statsd
from weir_process import fetch, free_port, free_udp_port, wait_until

COUNT = 1000
NODE_SCRIPT = pathlib.Path(__file__).parent / "clients_node" / "hot_shots.js"


def pace(i):
    if i % 25 == 0:
        time.sleep(0.001)


def timer(name, count, total, **labels):
    """What the page shows of a timer: [(name, labels, value)]."""
    return [(f"{name}_count", labels, count), (f"{name}_sum", labels, total),
            (f"{name}_bucket", {**labels, "le": "+Inf"}, count)]


def send_datadog(port):
    client = DogStatsd(host="127.0.0.1", port=port, namespace="dd", constant_tags=["team:blue"],
                       disable_buffering=False)
    for i in range(COUNT):
        client.increment("counter", 3, tags=["code:200"], sample_rate=1)
        client.decrement("down", 2)
        client.increment("mixed", 5)
        client.decrement("mixed", 1)
        client.gauge("gauge", i * 1.5, tags=["bare", "room:a"])
        client.histogram("histogram", i % 4)
        client.distribution("distribution", i % 8)
        client.timing("timing", i % 10)
        client.set("set", f"user-{i % 123}")
        client.event("title", f"text {i}", alert_type="error", tags=["a:b"])
        client.service_check("check", client.WARNING, tags=["a:b"], message=f"number {i}")
        pace(i)
    client.flush()
    client.stop()


DATADOG = [
    ("dd_counter_total", {"code": "200", "team": "blue"}, 3 * COUNT),
    ("dd_down_total", {"team": "blue"}, -2 * COUNT),
    ("dd_mixed_total", {"team": "blue"}, 4 * COUNT),
    ("dd_gauge", {"room": "a", "team": "blue"}, (COUNT - 1) * 1.5),
    ("dd_set", {"team": "blue"}, 123),
    *timer("dd_histogram", COUNT, 1.5 * COUNT, team="blue"),
    *timer("dd_distribution", COUNT, 3.5 * COUNT, team="blue"),
    *timer("dd_timing", COUNT, 4.5 * COUNT, team="blue"),
]


def send_pystatsd(client):
    for i in range(COUNT):
        client.incr("counter", 2)
        client.decr("down")
        client.gauge("gauge", i)
        client.gauge("negative", -i)
        client.gauge("delta", 3, delta=True)
        client.gauge("delta", -1, delta=True)
        client.timing("timing", i % 10)
        client.set("set", f"user-{i % 77}")
        pace(i)
    with client.pipeline() as pipeline:
        for _ in range(COUNT):
            pipeline.incr("piped")
    client.close()


def pystatsd_expected(prefix):
    return [
        (f"{prefix}_counter_total", {}, 2 * COUNT), (f"{prefix}_down_total", {}, -COUNT),
        (f"{prefix}_piped_total", {}, COUNT), (f"{prefix}_gauge", {}, COUNT - 1),
        (f"{prefix}_negative", {}, 1 - COUNT), (f"{prefix}_delta", {}, 2 * COUNT),
        (f"{prefix}_set", {}, 77), *timer(f"{prefix}_timing", COUNT, 4.5 * COUNT),
    ]


def start_hot_shots(port):
    return subprocess.Popen(["node", str(NODE_SCRIPT), str(port), str(COUNT)],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def check_hot_shots(process):
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 0 and output == "sent\n", output


HOT_SHOTS = [
    ("node_counter_total", {"tag": "a"}, 2 * COUNT), ("node_down_total", {}, -COUNT),
    ("node_gauge", {}, COUNT - 0.5), ("node_delta", {}, COUNT),
    ("node_set", {}, 100), ("node_unique", {}, 50),
    *timer("node_timing", COUNT, 4.5 * COUNT), *timer("node_histogram", COUNT, 1.5 * COUNT),
    *timer("node_distribution", COUNT, 3.5 * COUNT),
]


def like_default(port, page_port, socket_path, **keys):
    """The embedded default on other ports, with a socket for UnixSocketStatsClient."""
    receiver = {
        "aggregation_interval": ONE_WINDOW, "enable_simple_tags": True,
        "is_monotonic_counter": True, **keys,
        "listeners": [listener(port), listener(port, "tcp"), listener(socket_path, "unix")],
    }
    return config(receiver, prometheus(page_port))


def check_page(page_port, expected):
    page = f"http://127.0.0.1:{page_port}/metrics"
    last = expected[-1][0]
    wait_until(lambda: last in parse(fetch(page)), what=f"{last} on the page")
    samples = parse(fetch(page))
    wrong = [(name, labels, wanted, samples.get(name)) for name, labels, wanted in expected
             if not is_shown(samples, name, labels, wanted)]
    assert not wrong, wrong


def is_shown(samples, name, labels, wanted):
    return name in samples and value(samples, name, **labels) == pytest.approx(wanted, rel=1e-12)


def check_prometheus(prometheus_process, expected):
    def ask(name, labels):
        inner = ",".join(f'{key}="{text}"' for key, text in labels.items())
        return prometheus_process.value(f"{name}{{{inner}}}")
    last, labels, _ = expected[-1]
    wait_until(lambda: ask(last, labels) is not None, pause=0.1, what="a scrape")
    answers = [(name, labels, wanted, ask(name, labels)) for name, labels, wanted in expected]
    wrong = [answer for answer in answers if answer[3] != pytest.approx(answer[2], rel=1e-12)]
    assert not wrong, wrong


@pytest.mark.sanitized
def test_every_client_and_type_reaches_the_page_and_prometheus(start, tmp_path):
    port, page_port, path = free_udp_port(), free_port(), tmp_path / "statsd.sock"
    clients = {
        "udp": lambda: pystatsd.StatsClient("127.0.0.1", port, prefix="udp"),
        "tcp": lambda: pystatsd.TCPStatsClient("127.0.0.1", port, prefix="tcp"),
        "unix": lambda: pystatsd.UnixSocketStatsClient(str(path), prefix="unix"),
    }
    expected = DATADOG + HOT_SHOTS
    for prefix in clients:
        expected = expected + pystatsd_expected(prefix)
    with Prometheus(tmp_path, page_port) as prom:
        with start(like_default(port, page_port, path)) as weir:
            node = start_hot_shots(port)
            send_datadog(port)
            for make in clients.values():
                send_pystatsd(make())
            check_hot_shots(node)
            weir.wait_for("events", 2 * COUNT)
            counters = weir.wait_for("service_checks", 2 * COUNT)
            assert counters["events"] == counters["service_checks"] == 2 * COUNT
            other = config({"statsd/other": statsd(free_udp_port())}, prometheus(page_port))
            assert weir.reload(other)["event"] == "reloaded"
            check_page(page_port, expected)
            check_prometheus(prom, expected)
    assert weir.books()["kernel_dropped_at_least"] == weir.books()["items_invalid"] == 0


def test_totals_go_on_over_windows(start, tmp_path):
    """Counters and timers are running totals; a gauge is what was said last."""
    port, page_port = free_udp_port(), free_port()
    settings = like_default(port, page_port, tmp_path / "s.sock", aggregation_interval="200ms")
    with start(settings):
        client = pystatsd.StatsClient("127.0.0.1", port)
        for i in range(1, 6):
            client.incr("counter", i)
            client.timing("timing", i * 100)
            client.gauge("gauge", i)
            wanted = [("counter_total", {}, i * (i + 1) / 2), ("gauge", {}, i),
                      *timer("timing", i, 50 * i * (i + 1))]
            page = f"http://127.0.0.1:{page_port}/metrics"
            wait_until(lambda: all(is_shown(parse(fetch(page)), *one) for one in wanted),
                       what=f"round {i}: {wanted}")
