# SPDX-License-Identifier: Apache-2.0
"""Gateways behind the load balancer: each a weir on a host of its own, configured alike."""

import itertools

import settings
from balancer import Balancer
from netns import Network
from upstream_grpc import GrpcUpstream
from weir_process import Weir

STATSD_PORT, LINES_PORT, GRPC_PORT, HTTP_PORT = 8125, 8126, 4317, 4318
ADMIN_PORT, HEALTH_PORT = 8888, 13133
# name, protocol, port
LISTENERS = [("statsd", "udp", STATSD_PORT), ("lines", "tcp", LINES_PORT),
             ("grpc", "tcp", GRPC_PORT), ("http", "tcp", HTTP_PORT)]
# What is born in a gateway has this scope; what clients made has theirs.
BORN = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/statsdreceiver"


class Gateway(Weir):
    """One weir; its pages are asked at its own address."""

    def __init__(self, name, host, config, folder, flags, io):
        self.name = name
        self.host = host
        super().__init__(config, folder, flags=flags, io=io, wrapper=host.wrapper)
        self.admin_port = ADMIN_PORT

    def write_config(self, config):
        made = settings.with_admin(config, ADMIN_PORT)
        reader = made["service"]["telemetry"]["metrics"]["readers"][0]
        reader["pull"]["exporter"]["prometheus"]["host"] = self.host.address
        self.config_path.write_text(settings.to_text(made))

    @property
    def admin(self):
        return f"http://{self.host.address}:{ADMIN_PORT}"


def gateway_config(address, upstream, statsd=None, grpc=None, http=None, guests=None,
                   exporter=None):
    """StatsD over both transports and OTLP in, OTLP out; the others are further keys of each.

    `guests` are protocols that stand beside gRPC and HTTP on their ports.
    """
    receivers = {
        "statsd": {"endpoint": f"{address}:{STATSD_PORT}", "transport": "udp",
                   "listeners": [settings.listener(f"{address}:{LINES_PORT}", "tcp")],
                   "aggregation_interval": "500ms", **(statsd or {})},
        "otlp": {"protocols": {"grpc": {"endpoint": f"{address}:{GRPC_PORT}", **(grpc or {})},
                               "http": {"endpoint": f"{address}:{HTTP_PORT}", **(http or {})},
                               **(guests or {})}},
    }
    exporters = {"otlp": settings.otlp_grpc(upstream, **(exporter or {}))}
    made = settings.pipelines(receivers, {}, exporters, traces=(["otlp"], [], ["otlp"]),
                              metrics=(["otlp", "statsd"], [], ["otlp"]),
                              logs=(["otlp"], [], ["otlp"]))
    made["extensions"] = {"health_check": {"endpoint": f"{address}:{HEALTH_PORT}"}}
    made["service"]["extensions"] = ["health_check"]
    return made


class Fleet:
    """A network, an upstream, the balancer, and the gateways that were started behind it."""

    def __init__(self, folder, balancer_settings=None, flags=(), listener=None, **config_keys):
        self.folder = folder
        self.balancer_settings = balancer_settings
        self.flags = list(flags)
        self.listener = listener or {}  # further keys of the balancer's for OTLP
        self.config_keys = config_keys
        self.network = Network()
        self.upstream = self.balancer = None
        self.gateways = []  # all that ever were

    def __enter__(self):
        self.network.__enter__()
        try:
            self.upstream = GrpcUpstream(host=self.network.ADDRESS)
            self.balancer = Balancer(self.network.add_host(), self.balancer_settings)
            for name, protocol, port in LISTENERS:
                keys = self.listener if name in ("grpc", "http") else {}
                is_plain = keys.get("check") == "tcp"
                self.balancer.listen(name, protocol, port, port if is_plain else HEALTH_PORT,
                                     **keys)
        except BaseException:
            self.__exit__(AssertionError, None, None)
            raise
        return self

    def __exit__(self, kind, error, trace):
        for gateway in self.gateways:
            gateway.kill()
        try:
            if self.balancer is not None:
                self.balancer.__exit__(kind, error, trace)
            if self.upstream is not None:
                self.upstream.__exit__()
        finally:
            self.network.__exit__()

    @property
    def address(self):
        return self.balancer.address

    def start(self, io="epoll", flags=(), **config_keys):
        """A gateway that nobody sends anything to yet."""
        host = self.network.add_host()
        name = f"gateway{len(self.gateways)}"
        folder = self.folder / name
        folder.mkdir(parents=True)
        keys = {**self.config_keys, **config_keys}
        config = gateway_config(host.address, self.upstream, **keys)
        gateway = Gateway(name, host, config, folder, [*self.flags, *flags], io)
        self.gateways.append(gateway)
        gateway.start()
        return gateway

    def join(self, *gateways):
        """They are registered and found healthy: from now on they get their share."""
        for gateway in gateways:
            self.balancer.register(gateway.name, gateway.host.address)
        for gateway in gateways:
            self.balancer.wait_for_state(gateway.name, "healthy")

    def start_joined(self, *backends, **config_keys):
        started = [self.start(io, **config_keys) for io in backends]
        self.join(*started)
        return started

    def stop(self, seconds=40):
        """All that still run drain, at the same time; the books of each balance."""
        running = [gateway for gateway in self.gateways if gateway.process.poll() is None]
        for gateway in running:
            gateway.process.terminate()
        for gateway in running:
            assert gateway.wait(seconds) == 0, gateway.log_text()
            gateway.check_books()

    # --- what came out ---

    def points(self, name, gateway=None, **tags):
        """Points of a metric that was born in a gateway, of all of them or of one."""
        return [item for writer, item in self.written() if item.metric.name == name and
                gateway in (None, writer) and tags.items() <= attributes(item.value).items()]

    def written(self):
        """(gateway, item) of everything born in gateways."""
        names = {gateway.host.address: gateway for gateway in self.gateways}
        for seen in self.upstream.requests("metrics"):
            writer = names[seen.peer.split(":")[1]]  # ipv4:10.77.0.3:40000
            for item in seen.items():
                if item.scope.name == BORN:
                    yield writer, item

    def total(self, name, gateway=None, **tags):
        """The sum of a counter's deltas."""
        return sum(number(item.value) for item in self.points(name, gateway, **tags))

    def check_one_writer(self):
        """Nobody wrote into a stream of another. Returns how many identities wrote at all."""
        writers, identities = {}, set()
        for writer, item in self.written():
            key = item.key(is_timed=False)[1:6] + (stream_of(item),)
            writers.setdefault(key, set()).add(writer.name)
            identities.add((attributes(item.resource).get("service.instance.id"), writer.name))
        shared = {key: names for key, names in writers.items() if len(names) > 1}
        assert not shared, f"{len(shared)} streams of several gateways, as {next(iter(shared))}"
        for identity, group in itertools.groupby(sorted(identities), lambda pair: pair[0]):
            assert identity and len(list(group)) == 1, identities
        return len(identities)

    # --- books ---

    def check_datagrams(self, per_datagram, name, without=()):
        """Datagram by datagram: what the balancer gave a gateway left it, or was nobody's."""
        self.balancer.check()
        assert self.network.interface_drops() == {}
        targets = self.balancer.counts("statsd")["targets"]
        for gateway in self.gateways:
            counts = targets[gateway.name]
            refused = gateway.host.udp_counters()["NoPorts"]
            assert counts["refused_datagrams"] == refused, (gateway.name, counts, refused)
            if gateway in without:
                continue
            books = gateway.books()
            assert (books["kernel_dropped_at_least"], books["unread_at_close"]) == (0, 0), books
            reached = counts["datagrams"] - refused
            found = self.total(name, gateway)
            assert found == reached * per_datagram, (gateway.name, found, counts)


def stream_of(item):
    """Name, unit, kind and attributes of a point: with its resource and scope, its stream."""
    return (item.metric.name, item.metric.unit, item.kind,
            tuple(sorted(attributes(item.value).items())))


def attributes(holder):
    """Those of a point or a resource that are texts."""
    return {pair.key: pair.value.string_value for pair in holder.attributes}


def number(point):
    return point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
