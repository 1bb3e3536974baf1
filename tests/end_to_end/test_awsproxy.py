# SPDX-License-Identifier: Apache-2.0
"""The extension awsproxy: sampling calls of X-Ray SDKs, signed, beside pipelines of any kind."""

import collections
import http.client
import http.server
import json
import socket
import ssl
import threading
import time
import urllib.parse

import pytest
from fake_aws import REGION, FakeAws
from fake_metadata import FakeMetadata
from fake_metadata import REGION as MACHINE_REGION
from fake_xray import rule
from h1_client import JSON, H1Client
from otlp_make import make
from prom_page import total
from settings import awsxray, otlp_config, otlp_receiver, otlphttp, pipelines, with_admin, to_text
from test_otlp_tls import make_certificate
from test_xray_receiver import RULES, TARGETS, Client, wait_for_report
from weir_process import free_port, free_udp_port, run_command, wait_until

COUNT = 2000  # requests of the SDK's application; half of them are sampled
CALLS = 1200
THREADS = 4
RULES_PATH, TARGETS_PATH = "/GetSamplingRules", "/SamplingTargets"
ROLE = "arn:aws:iam::123456789012:role/sampling"


def with_proxy(config, **extensions):
    """The configuration with these extensions, by their ids."""
    service = {**config["service"], "extensions": list(extensions)}
    return {**config, "extensions": extensions, "service": service}


@pytest.fixture
def start_proxy(start, http_upstream, aws):
    """start_proxy(**keys) gives a weir with OTLP in and out, and the proxy on `proxy_port`."""

    def make_weir(env=None, **keys):
        grpc_port, http_port, proxy_port = free_port(), free_port(), free_port()
        config = otlp_config(otlp_receiver(grpc_port, http_port),
                             {"otlphttp": otlphttp(http_upstream)})
        keys = {"endpoint": f"127.0.0.1:{proxy_port}", **keys}
        weir = start(with_proxy(config, awsproxy=keys),
                     env=aws.environment() if env is None else env)
        weir.without_proxy, weir.keys = config, keys
        weir.http_port, weir.proxy_port = http_port, int(keys["endpoint"].rpartition(":")[2])
        return weir

    return make_weir


def call(weir, path=RULES_PATH, body=b"{}"):
    with H1Client(weir.proxy_port) as client:
        return client.request(path, body, JSON)


def sampling(weir, result, receiver="awsproxy"):
    return total(weir.metrics(), "weir_sampling_calls", result=result, receiver=receiver)


# --- the SDK --------------------------------------------------------------------------------------

def test_an_sdk_is_sampled_through_the_extension(start, aws, tmp_path):
    """Segments by the receiver, rules and statistics by the extension on a port of its own."""
    aws.xray.rules, aws.xray.targets = RULES, TARGETS
    config = pipelines({"awsxray": awsxray(free_udp_port(), free_port())}, {}, {"awsxray": {}},
                       traces=(["awsxray"], [], ["awsxray"]))
    port = free_port()
    config = with_proxy(config, awsproxy={"endpoint": f"127.0.0.1:{port}"})
    with start(config, env=aws.environment()) as weir:
        weir.proxy_port = port
        weir.xray_port = int(config["receivers"]["awsxray"]["endpoint"].rpartition(":")[2])
        with Client("python", weir, tmp_path, COUNT) as client:
            weir.wait_for("wire_received", COUNT // 2, "awsxray")
            wait_for_report(aws, COUNT // 2)
            wait_until(lambda: sampling(weir, "answered") >= 2, what="the answer to it")
        assert sampling(weir, "answered", "awsxray") == 0
    sent = client.documents()
    assert len(sent) == COUNT // 2
    assert collections.Counter(aws.xray.documents) == collections.Counter(sent)
    for document in aws.xray.segments():
        assert document["aws"]["xray"]["sampling_rule_name"] == "all"
    assert aws.scopes == {("xray", REGION)}


# --- calls ----------------------------------------------------------------------------------------

def statistics(number):
    return {"SamplingStatisticsDocuments": [
        {"RuleName": f"rule-é-{number}", "ClientID": f"{number:024x}", "Timestamp": 1.7e9,
         "RequestCount": number, "SampledCount": number // 2, "BorrowCount": 0}]}


def ask_many(weir, first, count, answers):
    with H1Client(weir.proxy_port) as client:
        for number in range(first, first + count):
            body = json.dumps(statistics(number)).encode()
            answers[number] = client.request(TARGETS_PATH, body, JSON)


def test_every_call_gets_its_own_answer(start_proxy, aws):
    """A thousand and more, over a few connections; what AWS got is what each of them sent."""
    answers = {}
    with start_proxy() as weir:
        share = CALLS // THREADS
        threads = [threading.Thread(target=ask_many, args=(weir, i * share, share, answers))
                   for i in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sampling(weir, "answered") == CALLS
        counters = weir.receiver("awsproxy")
        assert counters["proxy_answered"] == CALLS
        assert counters["connections_accepted"] == THREADS
    assert len(answers) == CALLS
    for number, answer in answers.items():
        target, = json.loads(answer.body)["SamplingTargetDocuments"]
        assert (answer.status, target["RuleName"]) == (200, f"rule-é-{number}")
    by_rule = {one["RuleName"]: one for one in aws.xray.statistics}
    assert len(aws.xray.statistics) == len(by_rule) == CALLS
    for number in range(CALLS):
        assert by_rule[f"rule-é-{number}"] == statistics(number)["SamplingStatisticsDocuments"][0]


def test_rules_are_asked_for_once_by_a_fleet(start_proxy, aws):
    aws.xray.rules = [rule(f"rule-{i}", rate=i / 1000, URLPath=f"/{i}") for i in range(1000)]
    with start_proxy(rules_cache="300s") as weir:  # however long a hundred calls take
        answers = [call(weir) for _ in range(100)]
        assert sampling(weir, "answered") == 1 and sampling(weir, "cached") == 99
    assert {answer.status for answer in answers} == {200}
    for answer in answers:
        assert json.loads(answer.body)["SamplingRuleRecords"] == aws.xray.rules
    assert aws.count("GetSamplingRules") == 1


def test_telemetry_flows_beside_it(start_proxy, http_upstream):
    with start_proxy() as weir:
        with H1Client(weir.http_port) as client:
            for _ in range(100):
                body = make("traces", 10).SerializeToString()
                assert client.request("/v1/traces", body).status == 200
                assert call(weir).status == 200
    assert weir.books()["items_delivered"] == http_upstream.item_counts["traces"] == 1000


@pytest.mark.parametrize("is_open", [False, True])
def test_strangers_reach_nothing_but_the_two_calls(start_proxy, aws, is_open):
    endpoint = f"{'0.0.0.0' if is_open else '127.0.0.1'}:{free_port()}"
    body = json.dumps({"TraceSegmentDocuments": ["{}"]}).encode()
    with start_proxy(endpoint=endpoint) as weir:
        answer = call(weir, "/TraceSegments", body)
        assert answer.status == (403 if is_open else 200)
        assert call(weir).status == 200
        assert sampling(weir, "refused") == (1 if is_open else 0)
    assert aws.count("PutTraceSegments") == (0 if is_open else 1)


def test_paths_are_opened_by_configuration(start_proxy, aws):
    body = json.dumps({"TraceSegmentDocuments": ["{}"]}).encode()
    with start_proxy(endpoint=f"0.0.0.0:{free_port()}", allow_all_paths=True) as weir:
        assert call(weir, "/TraceSegments", body).status == 200
    assert aws.count("PutTraceSegments") == 1


# --- where it goes --------------------------------------------------------------------------------

class ForwardProxy:
    """An HTTP proxy in between; keeps the targets it was asked for."""

    def __init__(self):
        self.targets = []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                owner.targets.append(self.path)
                where = urllib.parse.urlsplit(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                peer = http.client.HTTPConnection(where.hostname, where.port, timeout=10)
                headers = {name: value for name, value in self.headers.items()
                           if name.lower() not in ("proxy-connection", "connection")}
                peer.request("POST", where.path, body, headers)
                answer = peer.getresponse()
                data = answer.read()
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def without_endpoint(aws):
    env = aws.environment()
    del env["AWS_ENDPOINT_URL"]
    return env


def test_endpoint_and_region_of_its_own(start_proxy, aws):
    with start_proxy(without_endpoint(aws), aws_endpoint=aws.url, region="us-gov-west-1") as weir:
        assert call(weir).status == 200
    assert aws.scopes == {("xray", "us-gov-west-1")}


def test_a_role_is_assumed(start_proxy, aws):
    with start_proxy(role_arn=ROLE) as weir:
        assert call(weir).status == 200
    assert aws.count("AssumeRole", 200) == 1 and len(aws.issued) == 1


def test_a_way_out(start_proxy, aws):
    way = ForwardProxy()
    with start_proxy(proxy_address=f"127.0.0.1:{way.server.server_address[1]}") as weir:
        assert call(weir).status == 200
    way.close()
    assert way.targets == [f"{aws.url}{RULES_PATH}"]


@pytest.mark.parametrize("is_insecure", [True, False])
def test_certificates_are_verified_unless_told_otherwise(start_proxy, tmp_path, is_insecure):
    make_certificate(tmp_path, "server")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with FakeAws(context) as secure:
        with start_proxy(secure.environment(), tls={"insecure": is_insecure}) as weir:
            assert call(weir).status == (200 if is_insecure else 502)
        assert secure.count("GetSamplingRules") == (1 if is_insecure else 0)


@pytest.mark.parametrize("is_local", [False, True])
def test_local_mode_asks_no_metadata_for_a_region(sink, aws, tmp_path, start, is_local):
    """Elsewhere the task's metadata tell it; without any the process ends with one sentence."""
    port = free_port()
    config = with_proxy(
        otlp_config(otlp_receiver(free_port(), free_port()), {"otlphttp": otlphttp(sink)}),
        awsproxy={"endpoint": f"127.0.0.1:{port}", "local_mode": is_local})
    with FakeMetadata() as metadata:
        env = metadata.on_ecs(**{**aws.environment(), "AWS_REGION": "", "AWS_DEFAULT_REGION": ""})
        if not is_local:
            with start(config, env=env) as weir:
                weir.proxy_port = port
                assert call(weir).status == 200
            assert aws.scopes == {("xray", MACHINE_REGION)}
            return
        path = tmp_path / "weir.yaml"
        path.write_text(to_text(with_admin(config, free_port())))
        ended = run_command("run", "--config", path, env=env, seconds=20)
    assert ended.returncode == 78, ended.stderr
    assert "set AWS_REGION" in ended.stderr
    assert metadata.requests == []


def test_credentials_of_a_task_are_renewed(start_proxy, aws):
    with start_proxy(aws.container_environment(), rules_cache="0s") as weir:
        assert call(weir).status == 200
        aws.expire(aws.issued[-1])
        for _ in range(5):
            assert call(weir).status == 200
    assert len(aws.issued) == 2
    assert aws.count("GetSamplingRules", 200) == 6


# --- reload ---------------------------------------------------------------------------------------

class Caller:
    """Asks again and again on new connections; keeps what is not an answer to hand on."""

    def __init__(self, weir):
        self.weir = weir
        self.answer_count, self.others = 0, []
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_over.set()
        self.thread.join()

    def run(self):
        while not self.is_over.is_set():
            try:
                status = call(self.weir).status
            except (OSError, AssertionError):
                continue  # it stood in line at a listener that closed, and asks again
            self.answer_count += 1
            if status != 200:
                self.others.append(status)

    def wait(self, count):
        wanted = self.answer_count + count
        wait_until(lambda: self.answer_count >= wanted, what=f"{count} more answers")


@pytest.mark.sanitized
def test_a_reload_keeps_what_is_the_same(start_proxy, aws):
    """The same connection goes on being answered, and counted on the same counters."""
    with start_proxy() as weir:
        with H1Client(weir.proxy_port) as client:
            assert client.request(RULES_PATH, b"{}", JSON).status == 200
            config = with_proxy(weir.without_proxy, awsproxy=weir.keys)
            config["processors"] = {"batch": {"timeout": "50ms"}}
            config["service"]["pipelines"]["traces"]["processors"] = ["batch"]
            assert weir.reload(config)["event"] == "reloaded"
            assert client.request(RULES_PATH, b"{}", JSON).status == 200
        assert sampling(weir, "answered") == sampling(weir, "cached") == 1
        assert weir.receiver("awsproxy")["connections_accepted"] == 1
    assert aws.count("GetSamplingRules") == 1


@pytest.mark.sanitized
def test_a_reload_replaces_what_changed(start_proxy, aws):
    """Back and forth while somebody asks: whoever was heard is answered."""
    with start_proxy() as weir:
        with Caller(weir) as caller:
            for region in ("us-east-1", "us-east-2", "us-west-1", "us-west-2"):
                caller.wait(50)
                config = with_proxy(weir.without_proxy, awsproxy={**weir.keys, "region": region})
                assert weir.reload(config)["event"] == "reloaded"
                caller.wait(50)
                wait_until(lambda name=region: ("xray", name) in aws.scopes, what=region)
                time.sleep(0.5)
        assert caller.others == []
        wait_until(lambda: weir.status()["graphs_draining"] == 0, what="the old graphs' end")
        assert [one["id"] for one in weir.status()["receivers"]] == ["otlp", "awsproxy"]


def test_a_reload_adds_moves_and_removes_it(start_proxy):
    with start_proxy() as weir:
        first, second = weir.proxy_port, free_port()
        moved = with_proxy(weir.without_proxy, awsproxy={"endpoint": f"127.0.0.1:{second}"})
        assert call(weir).status == 200
        assert weir.reload(weir.without_proxy)["event"] == "reloaded"
        wait_until(lambda: weir.status()["graphs_draining"] == 0, what="the old graph's end")
        assert [one["id"] for one in weir.status()["receivers"]] == ["otlp"]
        with pytest.raises(ConnectionRefusedError):
            call(weir)
        assert weir.reload(moved)["event"] == "reloaded"
        weir.proxy_port = second
        assert call(weir).status == 200
        weir.proxy_port = first
        with pytest.raises(ConnectionRefusedError):
            call(weir)


def test_two_of_them(start_proxy, aws):
    with start_proxy() as weir:
        first, second = weir.proxy_port, free_port()
        both = with_proxy(weir.without_proxy, **{
            "awsproxy": weir.keys,
            "awsproxy/west": {"endpoint": f"127.0.0.1:{second}", "region": "us-west-2"}})
        assert weir.reload(both)["event"] == "reloaded"
        for port in (first, second):
            weir.proxy_port = port
            assert call(weir).status == 200
        assert sampling(weir, "answered") == sampling(weir, "answered", "awsproxy/west") == 1
    assert aws.scopes == {("xray", REGION), ("xray", "us-west-2")}


def test_an_address_that_is_taken_leaves_the_former_configuration(start_proxy):
    with start_proxy() as weir, socket.create_server(("127.0.0.1", 0)) as taken:
        endpoint = f"127.0.0.1:{taken.getsockname()[1]}"
        config = with_proxy(weir.without_proxy, awsproxy={"endpoint": endpoint})
        assert weir.reload(config)["event"] == "reload_failed"
        assert call(weir).status == 200


# --- settings -------------------------------------------------------------------------------------

def check(folder, sink, keys, is_named=True):
    config = with_proxy(otlp_config(otlp_receiver(free_port(), free_port()),
                                    {"otlphttp": otlphttp(sink)}), awsproxy=keys)
    if not is_named:
        del config["service"]["extensions"]
    path = folder / "weir.yaml"
    path.write_text(to_text(config))
    return run_command("validate", "--config", path)


@pytest.mark.parametrize(("keys", "words"), [
    ({"service_name": "s3"}, "signs for 'xray' only"),
    ({"dialer": {"timeout": "1s"}}, "'dialer' in extensions.awsproxy is known but not supported"),
    ({"tls": {"ca_file": "/x"}}, "not supported yet"),
    ({"proxy_server": {}}, "unknown key 'proxy_server'"),
    ({"regoin": REGION}, "did you mean 'region'?"),
    ({"region": "evil.example"}, "letters, digits and hyphens"),
])
def test_settings_that_are_refused(tmp_path, sink, keys, words):
    for is_named in (True, False):  # settings of one that nobody named are checked, too
        ended = check(tmp_path, sink, keys, is_named)
        assert ended.returncode == 78 and words in ended.stderr, ended.stderr


def test_settings_that_are_accepted(tmp_path, sink):
    keys = {"endpoint": "localhost:2000", "proxy_address": "", "region": "",
            "role_arn": "", "aws_endpoint": "", "local_mode": False, "service_name": "xray",
            "tls": {"insecure": False}}
    assert check(tmp_path, sink, keys).returncode == 0
    assert check(tmp_path, sink, None).returncode == 0
    ended = check(tmp_path, sink, {"tls": {"server_name_override": "x"}})
    assert ended.returncode == 0 and "has no effect" in ended.stderr


def test_one_that_is_not_named_does_not_listen(start, sink, aws):
    port = free_port()
    config = with_proxy(otlp_config(otlp_receiver(free_port(), free_port()),
                                    {"otlphttp": otlphttp(sink)}),
                        awsproxy={"endpoint": f"127.0.0.1:{port}"})
    del config["service"]["extensions"]
    with start(config, env=aws.environment()) as weir:
        weir.proxy_port = port
        with pytest.raises(ConnectionRefusedError):
            call(weir)

