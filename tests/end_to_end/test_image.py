# SPDX-License-Identifier: Apache-2.0
"""The image's tree: what is in it, how large, under which papers; and weir at work in it alone."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import image_tree
import pytest
import yaml
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from dockerfile_parse import DockerfileParser
from weir_process import clean_environment

FOLDER = pathlib.Path(__file__).parent
DEPLOY = image_tree.REPOSITORY / "tools/deploy"
MIB = 1 << 20
TREE_MAX_BYTES, PROGRAM_MAX_BYTES = 15 * MIB, 6 * MIB

PRESETS = ["etc/otel-config.yaml", "etc/ecs/ecs-default-config.yaml", "etc/ecs/ecs-xray.yaml",
           "etc/ecs/ecs-cloudwatch.yaml", "etc/ecs/ecs-cloudwatch-xray.yaml",
           "etc/ecs/ecs-amp.yaml", "etc/ecs/ecs-amp-xray.yaml", "etc/ecs/ecs-amp-prometheus.yaml",
           "etc/ecs/ecs-amp-xray-prometheus.yaml", "etc/ecs/otel-instance-metrics-config.yaml",
           "etc/ecs/container-insights/otel-task-metrics-config.yaml",
           "etc/apprunner/apprunner-default-config.yaml"]
# What the task definitions that name a preset say, for those that ask for it.
PRESET_ENVIRONMENT = {
    "AWS_REGION": "eu-west-1", "AWS_PROMETHEUS_SCRAPING_ENDPOINT": "localhost:9404",
    "AWS_PROMETHEUS_ENDPOINT":
        "https://aps-workspaces.eu-west-1.amazonaws.com/workspaces/ws-1/api/v1/remote_write",
}
FILES = {
    "awscollector", "healthcheck", "usr/bin/weir", "etc/passwd", "etc/group", "etc/nsswitch.conf",
    image_tree.CA_BUNDLE, "usr/lib/ssl/cert.pem", "usr/share/doc/weir/LICENSE",
    "usr/share/doc/weir/NOTICE", "usr/share/doc/weir/sbom.cdx.json", *PRESETS,
}
# One loader, the two libraries of glibc, and what Debian has no archive of.
SHARED_OBJECTS = {"ld-linux", "libc.so.6", "libm.so.6", "libisal.so.2"}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    if not (image_tree.BUILD / "tools/weir/weir").exists():
        pytest.skip("the preset `image` is not built")
    folder = tmp_path_factory.mktemp("image") / "tree"
    image_tree.lay_out(folder)
    return folder


def is_shared_object(path):
    return re.fullmatch(r"lib(64)?/(\w+-linux-gnu/)?(lib\w+\.so\.\d+|ld-linux.*)", path)


def test_nothing_is_there_that_is_not_needed(tree):
    """No shell, no package manager, no second user; nothing that anybody may write or become."""
    found = image_tree.entries(tree)
    objects = {one.path for one in found if is_shared_object(one.path)}
    assert {one.path for one in found} - objects == FILES
    assert {re.sub(r"(ld-linux).*", r"\1", pathlib.Path(path).name)
            for path in objects} == SHARED_OBJECTS
    for one in found:
        assert one.mode & 0o6000 == 0, one
        assert one.link or one.mode & 0o022 == 0, one
        assert one.link or one.mode & 0o111 == 0 or one.path in {"usr/bin/weir", *objects}, one
    assert {one.path: one.link for one in found if one.link} == {
        "awscollector": "usr/bin/weir", "healthcheck": "usr/bin/weir",
        "usr/lib/ssl/cert.pem": "/" + image_tree.CA_BUNDLE}
    assert (tree / "etc/passwd").read_text().splitlines() == [
        "weir:x:4317:4317:weir:/home/aoc:/nonexistent"]


def test_sizes(tree, record_property, tmp_path):
    compressed = image_tree.compressed_bytes(tree)
    record_property("compressed_bytes", compressed)
    assert compressed <= TREE_MAX_BYTES
    # Without libraries: the same program as it is linked elsewhere.
    released = image_tree.REPOSITORY / ".build/release/tools/weir/weir"
    if released.exists():
        own = tmp_path / "weir"
        subprocess.run(["strip", "-o", str(own), str(released)], check=True)
        record_property("own_bytes", own.stat().st_size)
        assert own.stat().st_size <= PROGRAM_MAX_BYTES


def run_inside(tree, *command, env=None):
    return subprocess.run(image_tree.inside(tree, *command), capture_output=True, text=True,
                          timeout=20, check=False, env=env or {})


@pytest.fixture
def enter():
    if os.geteuid() != 0:
        pytest.skip("entering the tree takes root")


def test_every_preset_is_valid(tree, enter):
    shipped = [one.path for one in image_tree.entries(tree) if one.path.endswith(".yaml")]
    assert sorted(shipped) == sorted(PRESETS)
    for path in shipped:
        result = run_inside(tree, "/awscollector", "validate", f"--config=/{path}",
                            env=PRESET_ENVIRONMENT)
        assert result.returncode == 0, (path, result.stderr)


def test_default_for_ecs_is_adots(tree):
    """The same keys and values as in the file that the end-to-end test of ADOT's default runs."""
    ours = yaml.safe_load((tree / "etc/ecs/ecs-default-config.yaml").read_text())
    assert ours == yaml.safe_load((FOLDER / "adot_default.yaml").read_text())


def test_names_mean_what_they_mean_in_adots_image(tree, enter):
    """/awscollector alone is the image's default; a flag nobody knows is no error; no shell."""
    result = run_inside(tree, "/awscollector", "--feature-gates", "a,-b", "--version")
    assert result.returncode == 0 and "feature-gates" in result.stderr
    # A network without localhost ends it, but not before it said what it starts.
    alone = subprocess.run(["unshare", "-n", *image_tree.inside(tree, "/awscollector")],
                           capture_output=True, text=True, timeout=20, check=False, env={})
    assert '"config":"/etc/otel-config.yaml"' in alone.stderr, alone.stderr
    assert run_inside(tree, "/healthcheck").returncode != 0
    assert run_inside(tree, "/healthcheck", "-port", "x").returncode == 2
    assert run_inside(tree, "/bin/sh").returncode == 127


def test_papers_name_everything_inside(tree):
    """The bill is valid CycloneDX and covers each library; each of its packages is in NOTICE."""
    folder = tree / "usr/share/doc/weir"
    text = (folder / "sbom.cdx.json").read_text()
    problem = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    assert problem is None, problem
    bill = json.loads(text)
    notice = (folder / "NOTICE").read_text()
    for one in bill["components"]:
        assert f"{one['name']} {one['version']} (source: " in notice
        assert one["licenses"] and one["purl"].startswith("pkg:deb/debian/")
    files = {part["name"] for one in bill["components"] for part in one.get("components", [])}
    assert files == {f"/{one.path}" for one in image_tree.entries(tree)
                     if is_shared_object(one.path) or one.path == image_tree.CA_BUNDLE}
    linked = {prop["value"] for one in bill["components"] for prop in one["properties"]
              if prop["name"] == "weir:linked"}
    assert {"libcurl.a", "libssl.a", "libcrypto.a", "libnghttp2.a", "libjemalloc.a", "libyaml.a",
            "libpcre2-8.a", "libprotobuf-c.a", "libzstd.a", "libdeflate.a", "libjansson.a",
            "libxxhash.a", "liburing.a", "libidn2.a"} <= linked
    assert not linked & {"libldap.a", "libssh2.a", "librtmp.a", "libgnutls.a", "libkrb5.a"}
    for licence in ("curl", "OpenSSL", "nghttp2", "Common licence: LGPL-3"):
        assert licence in notice


def test_papers_are_the_same_for_the_same_image(tree, tmp_path):
    image_tree.lay_out(tmp_path / "again")
    for name in ("NOTICE", "sbom.cdx.json"):
        path = f"usr/share/doc/weir/{name}"
        assert (tree / path).read_bytes() == (tmp_path / "again" / path).read_bytes()


def make_certificate(folder):
    names = "DNS:aws.example,DNS:upstream.example,IP:127.0.0.1"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=test", "-addext", f"subjectAltName={names}", "-keyout", str(folder / "server.key"),
         "-out", str(folder / "server.pem")], check=True, capture_output=True)
    (folder / "server.pem").chmod(0o644)


@pytest.mark.parametrize("step", ["aws", "otlp"])
def test_weir_works_in_the_tree_alone(tree, enter, step, tmp_path, record_property):
    """Read-only, unprivileged, on its own ports; names by DNS, certificates by the bundle."""
    if shutil.which("ip") is None or \
            subprocess.run(["unshare", "-nm", "true"], check=False).returncode != 0:
        pytest.skip("namespaces are not permitted here")
    make_certificate(tmp_path)
    root = tmp_path / "root"
    shutil.copytree(tree, root, symlinks=True)
    for folder in (root, *root.parents):
        if folder.is_relative_to(tmp_path.parents[1]):
            folder.chmod(0o755)  # pytest makes its folders for one user only
    command = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable,
               str(FOLDER / "image_scenario.py"), step, str(root), str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False,
                            env=clean_environment(), cwd="/")
    assert result.returncode == 0, result.stdout + result.stderr
    if step == "aws":
        ready_ms = (tmp_path / "ready_ms").read_text()
        record_property("exec_to_ready_ms", ready_ms)
        report = image_tree.listing(tree) + f"{ready_ms:>9}  ms from exec to ready\n"
        print(report)
        place = image_tree.REPOSITORY / ".build/report"
        place.mkdir(parents=True, exist_ok=True)
        (place / "image.txt").write_text(report)


def test_dockerfile_builds_by_the_script_and_ends_with_the_tree_alone(tmp_path):
    """What it says, read by a parser; that the script works is tested in a bare root."""
    text = (DEPLOY / "Dockerfile").read_text()
    parser = DockerfileParser(path=str(tmp_path))
    parser.content = text
    steps = [(one["instruction"], one["value"]) for one in parser.structure
             if one["instruction"] != "COMMENT"]
    names = [name for name, _ in steps]
    last = len(names) - 1 - names[::-1].index("FROM")
    assert steps[last] == ("FROM", "scratch")
    assert set(names[last:]) <= {"FROM", "COPY", "ENV", "USER", "EXPOSE", "STOPSIGNAL",
                                 "ENTRYPOINT", "HEALTHCHECK", "LABEL"}
    final = dict(steps[last:])
    assert final["ENTRYPOINT"] == '["/awscollector"]' and "CMD" not in final
    assert final["USER"] == "4317:4317" and final["STOPSIGNAL"] == "SIGTERM"
    assert final["COPY"].endswith("/tree/ /")
    script = re.search(r"/weir/(\S+) --arch \"\$TARGETARCH\" /tree", dict(steps[:last])["RUN"])
    assert os.access(image_tree.REPOSITORY / script.group(1), os.X_OK)


@pytest.mark.skipif(os.environ.get("WEIR_TEST_FULL") != "1", reason="builds from a bare system")
def test_dockerfiles_script_makes_the_same_tree_on_a_bare_system(tree, enter, tmp_path):
    if shutil.which("mmdebstrap") is None:
        pytest.skip("mmdebstrap is not here")
    root = image_tree.REPOSITORY / ".build/clean_root"
    shutil.rmtree(root / "tree", ignore_errors=True)
    script = DEPLOY / "image"
    result = subprocess.run(
        [str(script / "in_clean_root"), str(root), "tools/deploy/image/build", "/tree"],
        capture_output=True, text=True, timeout=1800, check=False)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]
    made = {one.path for one in image_tree.entries(root / "tree")}
    assert made == {one.path for one in image_tree.entries(tree)}
    assert run_inside(root / "tree", "/awscollector", "version").returncode == 0
