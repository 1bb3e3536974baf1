# SPDX-License-Identifier: Apache-2.0
"""A PostgreSQL of the tests' own: a fresh cluster on a free port, gone afterwards."""

import glob
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile

from weir_process import free_port, wait_until


class Postgres:
    def __init__(self):
        self.port = free_port()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="weir-postgres-"))
        self.process = None

    def __enter__(self):
        # The server refuses to run as root.
        rights = unprivileged(self.folder) if os.geteuid() == 0 else {}
        data = self.folder / "data"
        try:
            subprocess.run([program("initdb"), "-D", str(data), "-U", "tests", "--auth=trust",
                            "--no-sync", "--no-instructions", "-E", "UTF8", "--locale=C"],
                           check=True, capture_output=True, cwd=self.folder, timeout=60, **rights)
            with open(self.folder / "log", "wb") as log:
                self.process = subprocess.Popen(
                    [program("postgres"), "-D", str(data), "-p", str(self.port), "-h", "127.0.0.1",
                     "-k", str(self.folder), "-F"],
                    stdout=log, stderr=log, cwd=self.folder, **rights)
            wait_until(self.is_up, seconds=30, what="PostgreSQL")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def is_up(self):
        log = (self.folder / "log").read_text()
        assert self.process.poll() is None, log
        return "ready to accept connections" in log

    def close(self):
        if self.process is not None:
            self.process.terminate()  # the smart way waits for clients; there are none left
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def url(self):
        return f"postgresql://tests@127.0.0.1:{self.port}/postgres"


def program(name):
    """Debian keeps servers out of the path, by version."""
    found = shutil.which(name) or max(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"), default=None)
    assert found is not None, f"{name} is not installed"
    return found


def unprivileged(folder):
    """Arguments for a process of somebody who may only write to `folder`."""
    user = pwd.getpwnam("nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
