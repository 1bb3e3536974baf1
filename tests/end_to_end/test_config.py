# SPDX-License-Identifier: Apache-2.0
"""The commands: exit codes, complaints, sources of configuration, and the embedded default."""

import json
import pathlib
import shutil
import socket
import subprocess
import sys
import textwrap

import pytest
import yaml
from settings import config, statsd, to_text
from weir_process import BINARY, clean_environment, free_port, run_command

OK, FAILED, USAGE, UNREACHABLE, BAD_CONFIG = 0, 1, 2, 3, 78
GOOD = config(statsd(8125), {"debug": {}})


@pytest.fixture
def write(tmp_path):
    """write(content, name) gives the path of a file with a text or a dictionary."""

    def make(content, name="weir.yaml"):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else to_text(content))
        return path

    return make


def resolved(*arguments, env=None):
    """What `weir config` prints, as a dictionary."""
    result = run_command("config", *arguments, env=env)
    assert result.returncode == OK, result.stderr
    return yaml.safe_load(result.stdout)


# --- validate ------------------------------------------------------------------------------------

def test_validate_accepts(write):
    result = run_command("validate", "--config", write(GOOD))
    assert (result.returncode, result.stderr) == (OK, "")
    assert "valid" in result.stdout


def test_validate_shows_line_caret_and_nearest_key(write):
    path = write(textwrap.dedent("""\
        receivers:
          statsd:
            agregation_interval: 60s
        exporters:
          debug: {verbosity: loud}
        service:
          pipelines:
            metrics: {receivers: [statsd], exporters: [debug, prometeus]}
        """))
    result = run_command("validate", "--config", path)
    assert result.returncode == BAD_CONFIG
    lines = result.stderr.splitlines()
    first = next(i for i, line in enumerate(lines) if "agregation_interval" in line)
    assert lines[first].startswith(f"{path}:3:5: error: ")
    assert lines[first + 1].split("|")[1] == "     agregation_interval: 60s"
    assert lines[first + 2].split("|")[1] == "     ^~~~~~~~~~~~~~~~~~~"
    assert "did you mean 'aggregation_interval'?" in lines[first + 3]
    assert any(line.startswith(f"{path}:5:") and "verbosity" in line for line in lines)
    assert any(line.startswith(f"{path}:8:") and "'prometeus'" in line for line in lines)
    assert "3 errors" in lines[-1]


@pytest.mark.parametrize("change, complaint", [
    ({"receivers": {"prometheus": {}}}, "scrape_configs must have at least one entry"),
    ({"receivers": {"statsd": {"ignore_host": True}}}, "ignore_host"),
    ({"receivers": {"statzd": {}}}, "unknown receiver type 'statzd'"),
    ({"receivers": {"statsd": {"aggregation_interval": "soon"}}}, "aggregation_interval"),
    ({"receivers": {"statsd": {"endpoint": "nowhere"}}}, "expected host:port"),
    ({"receivers": {"statsd": {"transport": "unix", "endpoint": "rel"}}}, "absolute path"),
    ({"receivers": {"statsd": {"cardinality_limit": 0}}}, "expected at least 1"),
    ({"exporters": {"otlphttp": {"endpoint": "http://x", "sending_queue": {"storage": "f"}}}},
     "storage"),
    ({"exporters": {"otlphttp": {"endpoint": "http://x", "compression": "snappy"}}}, "snappy"),
    ({"exporters": {"logging": {}}}, "use 'debug' instead"),
    ({"processors": {"span": {}}}, "processor 'span' is known but not supported yet"),
])
def test_validate_refuses(write, change, complaint):
    section, components = next(iter(change.items()))
    changed = {**GOOD, section: {**GOOD.get(section, {}), **components}}
    result = run_command("validate", "--config", write(changed))
    assert result.returncode == BAD_CONFIG
    assert complaint in result.stderr


@pytest.mark.parametrize("text", ["receivers: [", "- a\n", "a: {b: 1", "\tx: 1", "a: 1\na: 2"])
def test_validate_refuses_broken_yaml(write, text):
    result = run_command("validate", "--config", write(text))
    assert result.returncode == BAD_CONFIG
    assert "error:" in result.stderr


def test_validate_strict_turns_warnings_into_errors(write):
    warned = {**GOOD, "receivers": {**GOOD["receivers"], "statsd/near": statsd(8126)}}
    warned["service"] = {"pipelines": {"metrics": {"receivers": ["statsd", "statsd"],
                                                   "exporters": ["debug"]}}}
    path = write(warned)
    relaxed = run_command("validate", "--config", path)
    assert relaxed.returncode == OK and "warning" in relaxed.stderr
    assert run_command("validate", "--strict", "--config", path).returncode == BAD_CONFIG


@pytest.mark.parametrize("first,second,said", [
    ({"endpoint": "127.0.0.1:8125"}, {"endpoint": "localhost:8125"}, "UDP port 8125"),
    ({"endpoint": "127.0.0.1:8125"}, {"endpoint": "0.0.0.0:8125"}, "UDP port 8125"),
    ({"endpoint": "[::1]:8125"}, {"endpoint": "[::]:8125"}, "UDP port 8125"),
    ({"transport": "tcp"}, {"endpoint": ":8125", "transport": "tcp"}, "TCP port 8125"),
    ({"endpoint": "127.0.0.1:8125"},
     {"listeners": [{"endpoint": "127.0.0.1:8126"}, {"endpoint": "127.0.0.1:8125"}]},
     "UDP port 8125"),
    ({}, {"endpoint": "127.0.0.1:8125", "transport": "tcp"}, None),
    ({}, {"endpoint": "127.0.0.2:8125"}, None),
    ({"endpoint": "0.0.0.0:8125"}, {"endpoint": "[::1]:8125"}, None),
    ({"endpoint": "127.0.0.1:0"}, {"endpoint": "127.0.0.1:0"}, None),
])
def test_two_receivers_may_not_listen_in_one_place(write, first, second, said):
    settings = config({"statsd": first, "statsd/2": second}, {"debug": {}})
    result = run_command("validate", "--config", write(settings))
    assert (result.returncode == OK) == (said is None), result.stderr
    if said is not None:
        assert f"error: 'statsd/2' listens on {said}" in result.stderr
        assert "where 'statsd' does" in result.stderr


def test_places_are_those_of_receivers_in_pipelines_and_of_extensions(write):
    receiver = {"endpoint": "127.0.0.1:2000", "proxy_server": {"endpoint": "127.0.0.1:2000"}}
    grpc = {"protocols": {"grpc": {"endpoint": "127.0.0.1:4317"}}}
    both = {"protocols": {"http": {"endpoint": "127.0.0.1:4317"},
                          "grpc": {"endpoint": "127.0.0.1:4317"}}}
    settings = {
        "receivers": {"awsxray": receiver, "otlp": grpc, "otlp/2": both, "otlp/idle": both},
        "extensions": {"awsproxy": {"endpoint": "127.0.0.1:2000"}},
        "exporters": {"debug": {}},
        "service": {"extensions": ["awsproxy"], "pipelines": {
            "traces": {"receivers": ["awsxray", "otlp", "otlp/2"], "exporters": ["debug"]}}},
    }
    result = run_command("validate", "--config", write(settings))
    assert result.returncode == BAD_CONFIG
    assert "'otlp/2' listens on TCP port 4317 of '127.0.0.1', where 'otlp' does" in result.stderr
    assert "'awsproxy' listens on TCP port 2000 of '127.0.0.1', where 'awsxray'" in result.stderr
    assert result.stderr.count("error:") == 2  # who is in no pipeline does not listen
    settings["service"]["extensions"] = []
    settings["service"]["pipelines"]["traces"]["receivers"] = ["awsxray", "otlp/2"]
    assert run_command("validate", "--config", write(settings)).returncode == OK


def test_run_with_a_bad_file_exits_78(write):
    result = run_command("run", "--config", write({"receivers": {}}))
    assert result.returncode == BAD_CONFIG
    assert "error" in result.stderr


def test_run_with_a_missing_file_exits_78(tmp_path):
    result = run_command("--config", tmp_path / "none.yaml")
    assert result.returncode == BAD_CONFIG
    assert "none.yaml" in result.stderr


# --- sources -------------------------------------------------------------------------------------

def test_files_are_merged_and_the_later_wins(write):
    first = write(GOOD, "first.yaml")
    second = write({"receivers": {"statsd": {"aggregation_interval": "7s"}},
                    "exporters": {"debug": {"verbosity": "detailed"}}}, "second.yaml")
    shown = resolved("--config", first, "--config", second)
    assert shown["receivers"]["statsd"]["aggregation_interval"] == "7s"
    assert shown["receivers"]["statsd"]["endpoint"] == "127.0.0.1:8125"
    assert shown["exporters"]["debug"]["verbosity"] == "detailed"


def test_set_wins_over_files(write):
    shown = resolved("--config", write(GOOD), "--set",
                     "receivers.statsd.aggregation_interval=3s")
    assert shown["receivers"]["statsd"]["aggregation_interval"] == "3s"


def test_yaml_and_env_sources(write):
    shown = resolved("--config", "env:BASE", "--config",
                     "yaml:receivers::statsd::aggregation_interval: 9s",
                     env={"BASE": to_text(GOOD)})
    assert shown["receivers"]["statsd"]["aggregation_interval"] == "9s"


def test_environment_is_expanded_with_defaults(write):
    changed = config(statsd(8125, aggregation_interval="${env:EVERY:-5s}"), {"debug": {}})
    path = write(changed)
    assert resolved("-c", path)["receivers"]["statsd"]["aggregation_interval"] == "5s"
    shown = resolved("-c", path, env={"EVERY": "8s"})
    assert shown["receivers"]["statsd"]["aggregation_interval"] == "8s"


def test_aot_config_content_replaces_every_file(write):
    other = config(statsd(8125, aggregation_interval="2s"), {"debug": {}})
    env = {"AOT_CONFIG_CONTENT": to_text(other)}
    shown = resolved("--config", write(GOOD), env=env)
    assert shown["receivers"]["statsd"]["aggregation_interval"] == "2s"


def test_weir_config_content_serves_where_no_file_is_given():
    env = {"WEIR_CONFIG_CONTENT": to_text(GOOD)}
    assert resolved(env=env)["receivers"]["statsd"]["endpoint"] == "127.0.0.1:8125"


def test_secrets_are_masked(write):
    headers = {"Authorization": "Bearer s3cret", "X-Api-Key": "s3cret"}
    exporter = {"endpoint": "http://user:s3cret@127.0.0.1:1", "headers": headers}
    path = write(config(statsd(8125), exporter))
    masked = run_command("print-config", "--config", path)
    assert masked.returncode == OK and "s3cret" not in masked.stdout + masked.stderr
    assert masked.stdout.count("[REDACTED]") == 3
    open_text = run_command("config", "--mode=unredacted", "--config", path)
    assert open_text.stdout.count("s3cret") == 3


def test_config_as_json(write):
    result = run_command("config", "--format=json", "--config", write(GOOD))
    assert json.loads(result.stdout) == yaml.safe_load(to_text(GOOD))


# --- the other commands --------------------------------------------------------------------------

@pytest.mark.parametrize("arguments", [
    ["bogus"], ["--bogus"], ["run", "--io=kqueue"], ["run", "--shards=0"], ["run", "--set"],
    ["run", "--drain-timeout=soon"], ["run", "extra"], ["validate", "--strict=1"]])
def test_usage_errors_exit_2(arguments):
    result = run_command(*arguments)
    assert result.returncode == USAGE
    assert result.stderr.startswith("weir: ")


def test_settle_time_that_takes_the_whole_drain_is_refused(write):
    result = run_command("validate", "--config", write(GOOD), env={"WEIR_SETTLE_TIME": "25s"})
    assert result.returncode == USAGE
    for word in ("--settle-time", "WEIR_SETTLE_TIME", "--drain-timeout", "WEIR_DRAIN_TIMEOUT"):
        assert word in result.stderr
    result = run_command("validate", "--config", write(GOOD),
                         env={"WEIR_SETTLE_TIME": "25s", "WEIR_DRAIN_TIMEOUT": "26s"})
    assert result.returncode == 0, result.stderr


def test_flags_from_the_environment(write):
    result = run_command("validate", "--config", write(GOOD), env={"WEIR_IO": "kqueue"})
    assert result.returncode == USAGE and "WEIR_IO" in result.stderr


def test_help_and_version():
    assert "Usage: weir" in run_command("--help").stdout
    version = json.loads(run_command("version", "--json").stdout)["version"]
    assert run_command("--version").stdout.startswith(f"weir {version} ")


def test_components():
    shown = json.loads(run_command("components", "--json").stdout)
    assert shown["receivers"] == ["awscontainerinsightreceiver", "awsecscontainermetrics",
                                  "awsxray", "otlp", "prometheus", "statsd"]
    assert shown["processors"] == ["attributes", "batch", "filter", "memory_limiter",
                                   "metrics_transform", "metricstransform",
                                   "probabilistic_sampler", "resource", "resource_detection",
                                   "resourcedetection"]
    assert shown["exporters"] == ["awscloudwatchlogs", "awsemf", "awsxray", "debug", "file", "nop",
                                  "otlp", "otlp_grpc", "otlphttp", "otlp_http", "prometheus",
                                  "prometheus_remote_write", "prometheusremotewrite"]
    assert shown["extensions"] == ["awsproxy", "basicauth", "bearertokenauth", "health_check",
                                   "sigv4auth"]
    listed = run_command("components").stdout.splitlines()
    assert "  awsecscontainermetrics" in listed and "  span (not supported yet)" in listed


def test_health_of_nobody_exits_3():
    result = run_command("health", "--address", f"127.0.0.1:{free_port()}")
    assert (result.returncode, result.stdout) == (UNREACHABLE, "unreachable\n")


def test_bind_failure_exits_1(write):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = run_command("run", "--config", write(config(statsd(port, "tcp"), {"debug": {}})))
    assert result.returncode == FAILED
    assert str(port) in result.stderr


def test_embedded_default_in_a_namespace_of_its_own():
    """Started without any configuration: the usual ports, in a network nobody else uses."""
    if shutil.which("unshare") is None or shutil.which("ip") is None or \
            subprocess.run(["unshare", "-n", "true"], check=False).returncode != 0:
        pytest.skip("network namespaces are not permitted here")
    script = pathlib.Path(__file__).parent / "embedded_default.py"
    command = ["unshare", "-n", sys.executable, str(script), BINARY]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False,
                            env=clean_environment(), cwd="/")
    assert result.returncode == 0, result.stdout + result.stderr
