# SPDX-License-Identifier: Apache-2.0
"""X-Ray SDKs against weir: segments pass byte for byte, sampling rules through the proxy."""

import collections
import json
import pathlib
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest
from fake_aws import FAILED, HANG, REGION
from fake_xray import rule
from prom_page import total
from settings import awsxray, otlphttp, pipelines
from weir_process import free_port, free_udp_port, wait_until

HERE = pathlib.Path(__file__).parent
COUNT = 2000  # requests; half of them are sampled
SAMPLED = COUNT // 2
HEADER = '{"format": "json", "version": 1}\n'
RULES = [rule("none", rate=0.0, reservoir=0, priority=1, URLPath="/none"),
         rule("all", rate=1.0, reservoir=0, priority=2, ServiceName="shop-*")]
# The SDK may report while it still serves: nothing changes for it then.
TARGETS = {"none": {"FixedRate": 0.0, "ReservoirQuota": 0}}
RULE_MEMBERS = {"python": "sampling_rule_name", "node": "rule_name"}
COMMANDS = {
    "python": [sys.executable, HERE / "clients_python_xray" / "sdk_client.py"],
    "node": ["node", HERE / "clients_node" / "xray.js"],
}


class Client:
    """A client program; leaving the block ends it."""

    def __init__(self, name, weir, folder, count=COUNT):
        daemon = f"tcp:127.0.0.1:{weir.proxy_port} udp:127.0.0.1:{weir.xray_port}"
        command = [*map(str, COMMANDS[name]), daemon, str(count), str(folder)]
        self.folder = folder
        self.weir = weir
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True)

    def __enter__(self):
        """It sends no faster than weir reads: what finds no room in a socket's buffer is gone."""
        while (line := self.process.stdout.readline()) != "sent\n":
            assert line.startswith("so far "), line
            self.weir.wait_for("wire_received", int(line.split()[-1]), "awsxray")
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        return self

    def __exit__(self, *_):
        self.process.communicate(timeout=20)

    def documents(self):
        return [json.loads(line) for line in (self.folder / "sent").open(encoding="utf-8")]


def reported(aws):
    """{rule: (requests, those sampled)} of all that the SDK told; it does every ten seconds."""
    sums = collections.defaultdict(lambda: (0, 0))
    for report in list(aws.xray.statistics):
        requests, samples = sums[report["RuleName"]]
        sums[report["RuleName"]] = (requests + report["RequestCount"],
                                    samples + report["SampledCount"])
    return dict(sums)


def wait_for_report(aws, count):
    """Until the SDK told of `count` requests of either kind."""
    wait_until(lambda: sum(requests for requests, _ in reported(aws).values()) >= 2 * count,
               seconds=40, what="statistics of the SDK")
    assert reported(aws) == {"all": (count, count), "none": (count, 0)}


@pytest.fixture
def start_xray(start, aws):
    """start_xray(exporters, …) gives a weir that receives X-Ray on `xray_port` and `proxy_port`."""

    def make(exporters, processors=None, env=None, **proxy):
        xray_port, proxy_port = free_udp_port(), free_port()
        processors = processors or {}
        config = pipelines({"awsxray": awsxray(xray_port, proxy_port, **proxy)}, processors,
                           exporters, traces=(["awsxray"], list(processors), list(exporters)))
        weir = start(config, env=aws.environment() if env is None else env)
        weir.xray_port, weir.proxy_port = xray_port, proxy_port
        return weir

    return make


def send(weir, *datagrams):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            data = datagram if isinstance(datagram, bytes) else datagram.encode()
            sender.sendto(data, ("127.0.0.1", weir.xray_port))


def segment(number, **more):
    return json.dumps({"name": f"s{number}", "id": f"{number + 1:016x}",
                       "trace_id": f"1-5759e988-{number + 1:024x}", "start_time": 1.5e9 + number,
                       "end_time": 1.5e9 + number + 0.25, **more})


def call(weir, path="/GetSamplingRules", body=b"{}", method="POST"):
    """(status, text) of a call to the proxy."""
    request = urllib.request.Request(f"http://127.0.0.1:{weir.proxy_port}{path}", body,
                                     {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def sampling(weir, result):
    return total(weir.metrics(), "weir_sampling_calls", result=result)


# --- the SDKs ------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", COMMANDS)
def test_an_sdk_is_sampled_and_its_segments_pass_unchanged(start_xray, aws, tmp_path, name):
    aws.xray.rules, aws.xray.targets = RULES, TARGETS
    with start_xray({"awsxray": {}}) as weir:
        with Client(name, weir, tmp_path) as client:
            weir.wait_for("wire_received", SAMPLED, "awsxray")
            wait_for_report(aws, SAMPLED)
    sent = client.documents()
    assert len(sent) == SAMPLED
    assert collections.Counter(aws.xray.documents) == collections.Counter(sent)
    for document in aws.xray.segments():
        assert "/none" not in document["http"]["request"]["url"]
        assert document["aws"]["xray"][RULE_MEMBERS[name]] == "all"
    assert aws.scopes == {("xray", REGION)}


@pytest.mark.parametrize("name", COMMANDS)
def test_an_sdk_reaches_an_otlp_backend(start_xray, aws, http_upstream, tmp_path, name):
    aws.xray.rules, aws.xray.targets = RULES, TARGETS
    with start_xray({"otlphttp": otlphttp(http_upstream)}) as weir:
        with Client(name, weir, tmp_path) as client:
            weir.wait_for("wire_received", SAMPLED, "awsxray")
    wanted = {}
    for document in map(json.loads, client.documents()):
        for part in [document, *document["subsegments"]]:
            wanted[part["id"]] = (document["trace_id"], part.get("parent_id"), document, part)
    found = {}
    for resource in resources(http_upstream):
        assert values(resource.resource.attributes)["service.name"] == "shop-é"
        found.update({span.span_id.hex(): span for span in spans(resource)})
    assert found.keys() == wanted.keys() and len(found) == 2 * SAMPLED
    for key, span in found.items():
        check_span(span, *wanted[key])


def resources(upstream):
    return [resource for seen in upstream.requests("traces") if seen.answer.is_acceptance
            for resource in seen.request.resource_spans]


def spans(resource):
    return [span for scope in resource.scope_spans for span in scope.spans]


def values(pairs):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in pairs}


def check_span(span, trace_id, parent_id, document, part):
    assert span.trace_id.hex() == trace_id[2:].replace("-", "")
    assert span.parent_span_id.hex() == (
        parent_id or ("" if part is document else document["id"]))
    assert span.name == part["name"]
    assert abs(span.start_time_unix_nano - part["start_time"] * 1e9) < 1000
    assert abs(span.end_time_unix_nano - part["end_time"] * 1e9) < 1000
    attributes = values(span.attributes)
    for key, value in part.get("annotations", {}).items():
        assert attributes[key] == value
    if part is document:
        assert attributes["http.url"] == document["http"]["request"]["url"]
        assert attributes["http.status_code"] == document["http"]["response"]["status"]
        assert json.loads(attributes["aws.xray.metadata.space"]) == document["metadata"]["space"]
    elif "cause" in part:
        (event,) = span.events
        (exception,) = part["cause"]["exceptions"]
        assert values(event.attributes)["exception.message"] == exception["message"]
        assert values(event.attributes)["exception.type"] == exception["type"]


# --- datagrams -----------------------------------------------------------------------------------

def test_bytes_pass_as_they_came(start_xray, aws):
    """Blanks, member order, unknown members, line feeds: nothing is written anew."""
    odd = ['{ "name" : "\\u00e9" ,\n"id":"00000000000000aa","trace_id":"1-00000001-'
           '000000000000000000000001","start_time":1.50,"end_time":2e0,"zz":[ ]}\n',
           segment(1, metadata={"a": {"b": "\\/\"ü"}}), segment(2, in_progress=True)]
    headers = [HEADER, '{"FORMAT":"JSON","version":1,"more":0}\r\n'.replace("FORMAT", "Format"),
               ' {"version":1,"format":"json"} \n']
    with start_xray({"awsxray": {}}) as weir:
        send(weir, *(head + body for head, body in zip(headers, odd, strict=True)))
        weir.wait_for("wire_received", 3, "awsxray")
    assert sorted(aws.xray.documents) == sorted(odd)


def test_bad_datagrams_are_counted_and_harm_nobody(start_xray, aws):
    bad = ["{}", HEADER, HEADER.rstrip(), "x\n{}", '{"format":"json","version":2}\n{}',
           '{"format":"xml","version":1}\n{}', '{"format":"json","version":"1"}\n{}',
           '{"format":"json"\n{}', b"\xff\xfe\n{}", "\n{}"]
    with start_xray({"awsxray": {}}) as weir:
        send(weir, "", *bad)  # an empty datagram is received, and holds nothing to refuse
        send(weir, HEADER + segment(1))
        weir.wait_for("wire_received", len(bad) + 2, "awsxray")
        reasons = weir.receiver("awsxray")["invalid_lines"]
    assert aws.xray.documents == [segment(1)]
    books = weir.books()
    assert sum(reasons.values()) == books["items_invalid"] == len(bad), (reasons, books)
    assert reasons == {"bad_header": 7, "no_document": 1, "no_header": 2}


@pytest.mark.sanitized
def test_hostile_documents_are_refused_where_they_are_read(start_xray, http_upstream):
    deep = '{"a":' * 5000 + "1" + "}" * 5000
    whole = {"name": "s", "id": "00000000000000aa", "start_time": 1, "end_time": 2,
             "trace_id": "1-00000001-000000000000000000000001"}
    bad = ["null", "[]", "7", "{", "{}", deep, json.dumps({**whole, "start_time": "1"}),
           json.dumps({**whole, "id": None}), json.dumps({**whole, "annotations": []}),
           json.dumps({**whole, "metadata": {"a": 1}}), json.dumps({**whole, "cause": 5}),
           json.dumps({**whole, "cause": {"exceptions": [{"message": "no id"}]}}),
           json.dumps({**whole, "subsegments": [{"id": "00000000000000ab"}]}),
           json.dumps({**whole, "sql": {"url": "//host:5432/ebdb"}})]
    with start_xray({"otlphttp": otlphttp(http_upstream)}) as weir:
        for document in bad:
            send(weir, HEADER + document)
        send(weir, HEADER + json.dumps(whole))
        weir.wait_for("wire_received", len(bad) + 1, "awsxray")
    names = [span.name for resource in resources(http_upstream) for span in spans(resource)]
    # An exception without an id may also be left out of its segment.
    assert names in (["s"], ["s", "s"])


# --- the proxy -----------------------------------------------------------------------------------

def test_rules_are_asked_for_once_by_a_fleet(start_xray, aws):
    with start_xray({"debug": {}}) as weir:
        answers = [call(weir) for _ in range(50)]
        assert sampling(weir, "answered") == 1 and sampling(weir, "cached") == 49
    assert len(set(answers)) == 1
    status, text = answers[0]
    assert status == 200 and json.loads(text)["SamplingRuleRecords"] == aws.xray.rules
    assert aws.count("GetSamplingRules") == 1


def test_stale_rules_are_served_while_aws_is_out_of_reach(start_xray, aws):
    with start_xray({"debug": {}}, rules_cache="1ms") as weir:
        first = call(weir)
        time.sleep(0.01)  # the rules have aged
        aws.always = {"GetSamplingRules": FAILED}
        assert call(weir) == first
        aws.go_down()
        assert call(weir) == first
        assert sampling(weir, "stale") == 2
        status, text = call(weir, "/SamplingTargets")
        assert status == 502 and "message" in text
        aws.go_up()
        aws.always = {}
        assert call(weir, "/SamplingTargets", b'{"SamplingStatisticsDocuments":[]}')[0] == 200


def test_a_hanging_aws_does_not_hold_callers_for_ever(start_xray, aws):
    aws.always = {"GetSamplingRules": HANG}
    with start_xray({"debug": {}}) as weir:
        assert call(weir)[0] == 502
        aws.always = {}
        aws.released.set()
        assert call(weir)[0] == 200


@pytest.mark.sanitized
def test_a_reload_keeps_the_proxy_answering(start_xray, aws):
    with start_xray({"debug": {}}) as weir:
        assert call(weir)[0] == 200
        text = weir.config_path.read_text()
        changed = text.replace("endpoint: 127.0.0.1:" + str(weir.proxy_port),
                               "rules_cache: 0s\n      endpoint: 127.0.0.1:" + str(weir.proxy_port))
        assert changed != text
        assert weir.reload(changed)["event"] == "reloaded"
        for _ in range(20):
            assert call(weir)[0] == 200
    assert aws.count("GetSamplingRules") == 21


def test_only_sampling_calls_are_signed_on_an_open_address(start_xray, aws):
    address = f"0.0.0.0:{free_port()}"
    with start_xray({"debug": {}}, endpoint=address) as weir:
        weir.proxy_port = int(address.rpartition(":")[2])
        assert call(weir, "/TraceSegments")[0] == 403
        assert call(weir, "/")[0] == 403
        assert call(weir, method="GET", body=None)[0] == 403
        assert call(weir)[0] == 200
        assert sampling(weir, "refused") == 3
    assert aws.count("PutTraceSegments") == 0


@pytest.mark.parametrize("proxy", [{}, {"endpoint": "0.0.0.0", "allow_all_paths": True}])
def test_every_path_is_signed_on_loopback_or_when_asked(start_xray, aws, proxy):
    port = free_port()
    proxy = {**proxy, "endpoint": f"{proxy.get('endpoint', '127.0.0.1')}:{port}"}
    body = json.dumps({"TraceSegmentDocuments": [segment(1)]}).encode()
    with start_xray({"debug": {}}, **proxy) as weir:
        weir.proxy_port = port
        assert call(weir, "/TraceSegments", body) == (200, '{"UnprocessedTraceSegments": []}')
    assert aws.xray.documents == [segment(1)]


def test_without_credentials_the_proxy_says_so(start_xray, aws):
    env = aws.environment()
    del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
    with start_xray({"debug": {}}, env=env) as weir:
        assert call(weir)[0] == 403
    assert aws.count("GetSamplingRules") == 0
