# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus that scrapes one page every second or is written to, and is asked by its API."""

import json
import shutil
import subprocess
import urllib.parse

import pytest
import settings
from weir_process import fetch, fetch_status, free_port, wait_until


class Prometheus:
    def __init__(self, folder, target_port=None, flags=()):
        self.binary = shutil.which("prometheus")
        if self.binary is None:
            pytest.skip("prometheus is not installed")
        self.folder = folder
        self.port = free_port()
        self.process = None
        self.flags = list(flags)
        target = {"job_name": "weir", "static_configs": [{"targets": [f"127.0.0.1:{target_port}"]}]}
        scraped = [] if target_port is None else [target]
        text = settings.to_text({"global": {"scrape_interval": "1s"}, "scrape_configs": scraped})
        (folder / "prometheus.yaml").write_text(text)

    def __enter__(self):
        command = [self.binary, f"--config.file={self.folder}/prometheus.yaml",
                   f"--storage.tsdb.path={self.folder}/data",
                   f"--web.listen-address=127.0.0.1:{self.port}", *self.flags]
        with open(self.folder / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_until(lambda: fetch_status(f"http://127.0.0.1:{self.port}/-/ready")[0] == 200,
                   seconds=30, what="Prometheus")
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def get(self, path):
        """The data that the API has at `path`."""
        answer = json.loads(fetch(f"http://127.0.0.1:{self.port}{path}"))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression):
        """[(labels, value)] of an instant query."""
        data = self.get(f"/api/v1/query?query={urllib.parse.quote(expression)}")
        return [(one["metric"], float(one["value"][1])) for one in data["result"]]

    def value(self, expression):
        """The one value; None while there is none."""
        found = self.query(expression)
        assert len(found) <= 1, found
        return found[0][1] if found else None
