# SPDX-License-Identifier: Apache-2.0
"""What ran before runs unmodified: ADOT's default for ECS, and the X-Ray daemon's command line."""

import pathlib
import shutil
import subprocess
import sys

import pytest
from weir_process import BINARY, clean_environment

FOLDER = pathlib.Path(__file__).parent


def run_in_namespace(script, *arguments, log_path):
    if shutil.which("unshare") is None or shutil.which("ip") is None or \
            subprocess.run(["unshare", "-n", "true"], check=False).returncode != 0:
        pytest.skip("network namespaces are not permitted here")
    command = ["unshare", "-n", sys.executable, str(FOLDER / script), BINARY, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False,
                            env=clean_environment(), cwd="/")
    log = log_path.read_text()[-4000:] if log_path.exists() else ""
    assert result.returncode == 0, result.stdout + result.stderr + log


@pytest.mark.parametrize("way", ["file", "environment", "nothing"])
def test_adots_default_runs_unmodified(io, way, tmp_path):
    """With a region and the credentials of a task; the text as a file, or in AOT_CONFIG_CONTENT."""
    run_in_namespace("adot_default.py", way, io, str(tmp_path), log_path=tmp_path / "weir.log")


@pytest.mark.parametrize("way", ["flags", "file"])
def test_daemon_is_replaced(io, way, tmp_path):
    """`weir xray` with the flags of the X-Ray daemon, or with its cfg.yaml."""
    run_in_namespace("xray_daemon.py", way, io, str(tmp_path), log_path=tmp_path / "weir.log")
