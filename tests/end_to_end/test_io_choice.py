# SPDX-License-Identifier: Apache-2.0
"""--io where the kernel refuses io_uring, as the default seccomp profile of containers does."""

import pathlib
import sys

import pytest
from senders import send_udp
from settings import config, otlphttp, statsd, to_text
from weir_process import Weir, free_udp_port, run_command

WRAPPER = [sys.executable, str(pathlib.Path(__file__).parent / "without_io_uring.py")]


def test_auto_falls_back_to_epoll_and_says_so(sink, tmp_path):
    port = free_udp_port()
    with Weir(config(statsd(port), otlphttp(sink)), tmp_path, io="auto", wrapper=WRAPPER) as weir:
        send_udp(port, ["c:1|c"])
        assert weir.events("starting")[0]["io"].startswith("epoll: ")
        assert "Operation not permitted" in weir.events("starting")[0]["io"]
    assert sink.value("c") == 1


def test_uring_that_is_refused_is_an_error_that_names_the_cause(sink, tmp_path):
    path = tmp_path / "weir.yaml"
    path.write_text(to_text(config(statsd(free_udp_port()), otlphttp(sink))))
    result = run_command("run", "--io=uring", "--config", path, wrapper=WRAPPER)
    assert result.returncode == 1
    assert "Operation not permitted" in result.stderr
    assert "seccomp" in result.stderr


@pytest.mark.parametrize("backend, said", [("epoll", "epoll"), ("uring", "io_uring")])
def test_backend_is_the_one_asked_for(sink, tmp_path, backend, said):
    with Weir(config(statsd(free_udp_port()), otlphttp(sink)), tmp_path, io=backend) as weir:
        assert weir.events("starting")[0]["io"].startswith(said)
