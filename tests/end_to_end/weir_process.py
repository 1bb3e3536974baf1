# SPDX-License-Identifier: Apache-2.0
"""A running weir, watched through its own pages and its log, and senders to feed it."""

import itertools
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import settings
from prom_page import parse

BINARY = os.environ.get("WEIR_BINARY") or str(
    pathlib.Path(__file__).parents[2] / ".build/release/tools/weir/weir")


# Below the ports that the kernel gives to outgoing connections, so that nobody takes one between
# the look and the use, or while a server that goes down and comes back is away. Each of the
# processes that run tests side by side has a range of its own.
PORT_FIRST = 14000
PORTS_PER_WORKER = 2000
ports = itertools.count(os.getpid() * 97)  # another run of the tests begins elsewhere


def free_port(kind=socket.SOCK_STREAM, family=socket.AF_INET):
    """A port that was free a moment ago, and that this process did not give lately."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    for _ in range(PORTS_PER_WORKER):
        port = PORT_FIRST + worker % 8 * PORTS_PER_WORKER + next(ports) % PORTS_PER_WORKER
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return port
    raise AssertionError("no free port")


def free_udp_port():
    return free_port(socket.SOCK_DGRAM)


def wait_until(check, seconds=15, pause=0.02, what="the condition"):
    """Waits for check() to be true and returns what it said."""
    deadline = time.monotonic() + seconds
    while True:
        is_late = time.monotonic() > deadline  # asked before, so that the last look is behind it
        value = check()
        if value:
            return value
        if is_late:
            raise AssertionError(f"{what} did not come true within {seconds} s")
        time.sleep(pause)


def fetch(url, headers=None, timeout=10, method="GET"):
    request = urllib.request.Request(url, headers=headers or {}, method=method)
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return answer.read().decode()


def fetch_status(url):
    """(status, body), whatever the status; status 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()
    except OSError:
        return 0, ""


def clean_environment(more=None):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WEIR_", "AOT_"))}
    return {**env, **(more or {})}


def run_command(*arguments, env=None, seconds=20, wrapper=()):
    """weir as a command that ends by itself."""
    command = [*wrapper, BINARY, *map(str, arguments)]
    return subprocess.run(command, env=clean_environment(env),
                          capture_output=True, text=True, timeout=seconds, check=False)


def seeing(path, instead_of):
    """A wrapper for a command that finds `path` where everybody else finds `instead_of`."""
    return ["unshare", "-rm", "sh", "-c", f"mount --bind {path} {instead_of} && exec \"$@\"", "sh"]


class Weir:
    """One process. Use as a context manager: leaving checks that the books balanced."""

    def __init__(self, config, folder, flags=(), env=None, io="epoll", wrapper=()):
        self.folder = folder
        self.config_path = folder / "weir.yaml"
        self.log_path = folder / "weir.log"
        self.admin_port = free_port()
        self.flags = list(flags)
        self.io = io
        self.wrapper = list(wrapper)
        self.env = env or {}
        self.process = None
        self.write_config(config)

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind, error, trace):
        if kind is not None:
            self.kill()
            return
        if self.process.poll() is None:
            assert self.stop() == 0, self.log_text()
        assert "runtime error:" not in self.log_text(), self.log_text()  # of a sanitizer
        self.check_books()

    def write_config(self, config):
        """A dictionary gets this weir's admin port; a text is taken as it is."""
        if isinstance(config, dict):
            config = settings.to_text(settings.with_admin(config, self.admin_port))
        self.config_path.write_text(config)

    def start(self):
        command = [*self.wrapper, BINARY, "run", "--config", str(self.config_path),
                   f"--io={self.io}", "--log-format=json", *self.flags]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                            env=clean_environment(self.env))
        wait_until(self.is_up, what="readiness")

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"weir ended with {self.process.returncode}:\n{self.log_text()}")
        return bool(self.events("ready"))

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def log(self):
        """All whole log lines as objects."""
        lines = self.log_text().split("\n")[:-1]
        return [json.loads(line) for line in lines if line.startswith("{")]

    def events(self, name):
        return [entry for entry in self.log() if entry.get("event") == name]

    @property
    def admin(self):
        return f"http://127.0.0.1:{self.admin_port}"

    def status(self):
        return json.loads(fetch(f"{self.admin}/api/v1/status"))

    def receiver(self, name="statsd"):
        """The counters of one receiver, as on the status page."""
        return next(r for r in self.status()["receivers"] if r["id"] == name)

    def exporter(self, name):
        """The counters of one exporter, added up over the signals it is there for."""
        found = [e for e in self.status()["exporters"] if e["id"] == name]
        return {key: sum(e[key] for e in found) if isinstance(value, int) else value
                for key, value in found[0].items()}

    def metrics(self):
        """The self-metrics page, parsed."""
        return parse(fetch(f"{self.admin}/metrics"))

    def wait_for(self, field, count, name="statsd", seconds=15):
        """Until a counter of the receiver has reached `count`; returns all of them."""
        wait_until(lambda: self.receiver(name)[field] >= count, seconds, what=f"{field} >= {count}")
        return self.receiver(name)  # again: a page may be read between one counter and the next

    def signal(self, number):
        self.process.send_signal(number)

    def reload(self, config):
        """SIGHUP with a new configuration; returns the log entry that tells how it went."""
        self.write_config(config)
        names = ("reloaded", "reload_failed", "reload_refused")
        def answers():
            return [entry for entry in self.log() if entry.get("event") in names]
        count = len(answers())
        self.signal(signal.SIGHUP)
        wait_until(lambda: len(answers()) > count, what="the reload")
        return answers()[-1]

    def stop(self, seconds=40):
        """SIGTERM and the whole drain; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def wait(self, seconds=40):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"weir did not end in {seconds} s:\n{self.log_text()}") from None

    def kill(self):
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def books(self):
        """The books as closed at the end."""
        closed = self.events("books_closed")
        assert closed, f"no closing books in the log:\n{self.log_text()}"
        return closed[-1]

    def check_books(self):
        books = self.books()
        assert books["balanced"] is True, books
        assert books["items_held"] == 0, books
        wire_lost = books["wire_dropped"] + books.get("wire_refused", 0)
        assert books["wire_received"] == books["wire_parsed"] + wire_lost, books
        assert books["items_offered"] == (books["items_delivered"] + books["items_rejected"] +
                                          books["items_dropped"]), books
