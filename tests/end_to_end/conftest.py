# SPDX-License-Identifier: Apache-2.0
"""Fixtures: an upstream, and a weir in a folder of its own, once per I/O backend."""

import os

import pytest
from otlp_sink import Sink
from weir_process import Weir

IS_FULL = os.environ.get("WEIR_TEST_FULL") == "1"


def pytest_generate_tests(metafunc):
    """Both backends; in a module with ONE_BACKEND the second only in a full run."""
    if "io" in metafunc.fixturenames:
        is_one = getattr(metafunc.module, "ONE_BACKEND", False) and not IS_FULL
        metafunc.parametrize("io", ["epoll"] if is_one else ["epoll", "uring"])


@pytest.fixture
def is_full():
    """Outages at full length."""
    return IS_FULL


@pytest.fixture
def sink():
    with Sink() as running:
        yield running


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
