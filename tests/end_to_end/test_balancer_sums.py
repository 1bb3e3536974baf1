# SPDX-License-Identifier: Apache-2.0
"""Two gateways behind the balancer say what one would have said, and never write one stream."""

import collections
import http.client
import itertools
import socket
import time

import pytest
from fleet import BORN, HTTP_PORT, STATSD_PORT, Fleet, attributes, number
from otlp_items import SIGNALS, assert_same_items, items_of
from otlp_make import make
from settings import ONE_WINDOW

ONE_BACKEND = True
CLIENTS = 12
FIRST_PORT = 20000  # of the clients: their flows are the same in every run
ROUNDS = 100
MEMBERS = 1200  # of each client's set: more than are kept one by one
SKETCH_ERROR = 5 * 0.008  # hashes are seeded by chance, so every run estimates anew
STATSD = {"aggregation_interval": ONE_WINDOW, "timer_histogram_mapping": [
    {"statsd_type": "histogram", "observer_type": "histogram",
     "histogram": {"explicit_buckets": [{"matcher_pattern": "^wait$", "buckets": [10, 50, 90]}]}}]}


def lines_of(client):
    """What one client sends, in its order."""
    for i in range(ROUNDS):
        yield "orders:3|c"
        yield f"orders:1|c|#client:{client}"
        yield "sampled:1|c|@0.5"
        yield f"depth:{i * client}|g|#client:{client}"
        yield f"latency:{i + client}|ms"
        yield f"size:{(i + 1) * 2 ** client}|d"
        yield f"wait:{i}|h"
    yield f"depth:+7|g|#client:{client}"
    yield f"depth:-2|g|#client:{client}"
    for i in range(MEMBERS):
        yield f"users:user-{client}-{i}|s"
        yield f"visitors:visitor-{i}|s"


def send_statsd(address):
    clients = []
    for i in range(CLIENTS):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.bind(("", FIRST_PORT + i))
        client.connect((address, STATSD_PORT))
        clients.append((client, list(lines_of(i))))
    for first in itertools.count(0, 20):
        for client, lines in clients:
            if first < len(lines):
                client.send("\n".join(lines[first:first + 20]).encode())
        time.sleep(0.002)
        if all(first >= len(lines) for _, lines in clients):
            break
    for client, _ in clients:
        client.close()


def otlp_requests():
    return [(signal, make(signal, count=25, first=25 * i, service=f"service-{i % 7}"))
            for i in range(16) for signal in SIGNALS]


def send_otlp(address):
    """Each request over a connection of its own."""
    for signal, request in otlp_requests():
        connection = http.client.HTTPConnection(address, HTTP_PORT, timeout=10)
        connection.request("POST", f"/v1/{signal}", request.SerializeToString(),
                           {"Content-Type": "application/x-protobuf"})
        assert connection.getresponse().status == 200
        connection.close()


@pytest.fixture
def measure(tmp_path, io):
    """measure(n, …) sends everything to n gateways, stops them, and gives the fleet."""
    def run(*backends, **keys):
        folder = tmp_path / f"fleet-of-{len(backends)}"
        fleet = Fleet(folder, statsd={**STATSD, **keys})
        with fleet:
            fleet.start_joined(*backends)
            send_statsd(fleet.address)
            send_otlp(fleet.address)
            fleet.stop()
            fleet.balancer.check()
            assert fleet.balancer.to_nobody("statsd") == 0
            fleet.shares = {name: [target["datagrams"] + target["connections"]
                                   for target in counts["targets"].values()]
                            for name, counts in fleet.balancer.counts().items()}
        return fleet
    return run


def sums(fleet, name):
    """By tags."""
    found = collections.Counter()
    for item in fleet.points(name):
        found[stream_tags(item)] += number(item.value)
    return dict(found)


def stream_tags(item):
    return tuple(sorted(attributes(item.value).items()))


def histogram(fleet, name):
    """Merged as a backend would: counts add up, bounds are the same everywhere."""
    points = [item.value for item in fleet.points(name)]
    bounds, = {tuple(point.explicit_bounds) for point in points}
    buckets = [sum(column) for column in zip(*(point.bucket_counts for point in points))]
    return (bounds, buckets, *extent(points))


def extent(points):
    return (sum(point.count for point in points), sum(point.sum for point in points),
            min(point.min for point in points), max(point.max for point in points))


def exponential(fleet, name, scale):
    """Merged at `scale`, which is none of the points' beyond."""
    points = [item.value for item in fleet.points(name)]
    buckets = collections.Counter()
    for point in points:
        for i, count in enumerate(point.positive.bucket_counts):
            if count:
                buckets[(point.positive.offset + i) >> (point.scale - scale)] += count
    return (dict(buckets), sum(point.zero_count for point in points), *extent(points))


def common_scale(fleets, name):
    return min(item.value.scale for fleet in fleets for item in fleet.points(name))


def passed_through(fleet, signal):
    return [item for item in fleet.upstream.accepted(signal) if item.scope.name != BORN]


def test_two_gateways_say_what_one_says(measure, io):
    one, two = measure(io), measure(io, "uring")
    for name in ("statsd", "http"):
        assert all(share > 0 for share in two.shares[name]), two.shares
    for name in ("orders", "sampled"):
        assert sums(two, name) == sums(one, name)
    assert sums(one, "orders")[()] == 3 * ROUNDS * CLIENTS
    # A client's gauge lives where the client's flow goes.
    assert sums(two, "depth") == sums(one, "depth") == {
        (("client", str(i)),): (ROUNDS - 1) * i + 5 for i in range(CLIENTS)}
    assert histogram(two, "wait") == histogram(one, "wait")
    for name in ("latency", "size"):
        scale = common_scale((one, two), name)
        assert exponential(two, name, scale) == exponential(one, name, scale)
        assert exponential(one, name, scale)[2] == ROUNDS * CLIENTS


def test_sets_of_two_gateways_are_within_the_sketchs_bound(measure, io):
    """Members that one gateway saw add up; those that both saw are in both."""
    one, two = measure(io), measure(io, "uring")
    users = MEMBERS * CLIENTS
    for fleet in (one, two):
        assert abs(sums(fleet, "users")[()] - users) <= SKETCH_ERROR * users
    seen = [number(item.value) for item in two.points("visitors")]
    assert len(seen) == 2
    assert all(abs(count - MEMBERS) <= SKETCH_ERROR * MEMBERS for count in seen), seen


def test_otlp_goes_through_two_gateways_item_by_item(measure, io):
    fleet = measure(io, "uring")
    assert all(share > 0 for share in fleet.shares["http"]), fleet.shares
    requests = otlp_requests()
    for signal in SIGNALS:
        wanted = [item for name, request in requests if name == signal
                  for item in items_of(signal, request)]
        assert_same_items(passed_through(fleet, signal), wanted)


def test_every_stream_has_one_writer(measure, io):
    fleet = measure(io, "uring")
    assert fleet.check_one_writer() == 2
    names = {item.metric.name for _, item in fleet.written()}
    assert names >= {"orders", "sampled", "depth", "latency", "size", "wait", "users", "visitors"}


def test_without_their_own_attribute_gateways_do_share_streams(measure, io):
    """What the test before this one would see."""
    fleet = measure(io, "uring", replica_attribute="")
    with pytest.raises(AssertionError, match="streams of several gateways"):
        fleet.check_one_writer()
