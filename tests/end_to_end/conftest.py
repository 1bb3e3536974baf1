# SPDX-License-Identifier: Apache-2.0
"""Fixtures: an upstream, and a weir in a folder of its own, once per I/O backend."""

import os

import pytest
from otlp_sink import Sink
from weir_process import Weir


def pytest_configure(config):
    config.addinivalue_line("markers", "sanitized: also run against the sanitized build")


@pytest.fixture(scope="session")
def is_full():
    """Outages at full length."""
    return os.environ.get("WEIR_TEST_FULL") == "1"


@pytest.fixture
def sink():
    with Sink() as running:
        yield running


@pytest.fixture(params=["epoll", "uring"])
def io(request):
    return request.param


@pytest.fixture
def start(tmp_path, io):
    """start(config, *flags) gives a weir on the backend under test, to be used with `with`."""
    count = 0

    def make(config, *flags, env=None):
        nonlocal count
        count += 1
        folder = tmp_path / f"weir{count}"
        folder.mkdir()
        return Weir(config, folder, flags=flags, env=env, io=io)

    return make


@pytest.fixture
def run_once(start, sink):
    """run_once(config, send) runs one window: start, send(), drain. Gives the weir that ended."""

    def run(config, send, *flags):
        with start(config, *flags) as weir:
            send()
        return weir

    return run
