# SPDX-License-Identifier: Apache-2.0
"""Fixtures: an upstream, and a weir in a folder of its own, once per I/O backend."""

import os

import otlp_clients
import pytest
import settings
from fake_aws import FakeAws
from otlp_sink import Sink
from upstream_grpc import GrpcUpstream
from upstream_http import HttpUpstream
from weir_process import Weir, free_port

IS_FULL = os.environ.get("WEIR_TEST_FULL") == "1"


def pytest_generate_tests(metafunc):
    """Both backends; in a module with ONE_BACKEND the second only in a full run."""
    if "io" in metafunc.fixturenames:
        is_one = getattr(metafunc.module, "ONE_BACKEND", False) and not IS_FULL
        # A module that shares one weir among its tests needs the backend once per module.
        scope = getattr(metafunc.module, "IO_SCOPE", "function")
        metafunc.parametrize("io", ["epoll"] if is_one else ["epoll", "uring"], scope=scope)


@pytest.fixture
def is_full():
    """Outages at full length."""
    return IS_FULL


@pytest.fixture
def sink():
    with Sink() as running:
        yield running


@pytest.fixture
def aws():
    """A fake AWS; nothing that came to it may be signed wrongly or break a limit."""
    with FakeAws() as running:
        yield running
        running.check()


@pytest.fixture
def start(tmp_path, io):
    """start(config, *flags) gives a weir on the backend under test, to be used with `with`."""
    count = 0

    def make(config, *flags, env=None, wrapper=()):
        nonlocal count
        count += 1
        folder = tmp_path / f"weir{count}"
        folder.mkdir()
        return Weir(config, folder, flags=flags, env=env, io=io, wrapper=wrapper)

    return make


@pytest.fixture
def run_once(start, sink):
    """run_once(config, send) runs one window: start, send(), drain. Gives the weir that ended."""

    def run(config, send, *flags):
        with start(config, *flags) as weir:
            send()
        return weir

    return run


@pytest.fixture
def grpc_upstream():
    with GrpcUpstream() as running:
        yield running


@pytest.fixture
def http_upstream():
    with HttpUpstream() as running:
        yield running


@pytest.fixture
def start_otlp(start):
    """start_otlp(exporters, …) gives a weir that receives OTLP on `grpc_port` and `http_port`.

    `grpc` and `http` are keys of the receiver's protocols; other keys are those of otlp_config.
    """

    def make(exporters, *flags, grpc=None, http=None, wrapper=(), env=None, **keys):
        return receiving(lambda config: start(config, *flags, env=env, wrapper=wrapper),
                         exporters, grpc, http, **keys)

    return make


def receiving(start_one, exporters, grpc, http, **keys):
    grpc_port, http_port = free_port(), free_port()
    receiver = settings.otlp_receiver(grpc_port, http_port, grpc, http)
    weir = start_one(settings.otlp_config(receiver, exporters, **keys))
    weir.grpc_port, weir.http_port = grpc_port, http_port
    return weir


@pytest.fixture(scope="module")
def start_shared_otlp(tmp_path_factory, io):
    """start_otlp for a weir that all tests of a module share; the module sets IO_SCOPE."""

    def make(exporters, grpc=None, http=None, **keys):
        folder = tmp_path_factory.mktemp("weir")
        return receiving(lambda config: Weir(config, folder, io=io), exporters, grpc, http, **keys)

    return make


@pytest.fixture(scope="session")
def sdk_clients(tmp_path_factory):
    """sdk_clients(name) gives the client program of that language; each is started once."""
    folder = tmp_path_factory.mktemp("clients")
    running = {}

    def get(name):
        if name not in running or not running[name].is_well:
            running[name] = otlp_clients.Client(name, folder / f"{name}.log")
        return running[name]

    yield get
    for client in running.values():
        client.close()
