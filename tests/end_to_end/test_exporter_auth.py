# SPDX-License-Identifier: Apache-2.0
"""What exporters show when they go out: tokens, passwords, signatures; and secrets that change."""

import ssl
import subprocess

import grpc
import pytest
import settings
from fake_aws import EXPIRED, KEY_ID
from otlp_make import make
from otlp_send import post
from settings import SIGNALS, otlp_grpc, otlphttp
from signed_upstream import SignedUpstream
from upstream import Answer
from upstream_grpc import GrpcUpstream
from weir_process import run_command, wait_until

COUNT = 1000
BEARER = {"bearertokenauth": {"token": "s3cret"}}
BASIC = {"basicauth/client": {"client_auth": {"username": "gateway", "password": "pass:word"}}}
SIGV4 = {"sigv4auth": {"region": "eu-west-1", "service": "otlp"}}
SHOWN = {"bearertokenauth": "Bearer s3cret", "basicauth/client": "Basic Z2F0ZXdheTpwYXNzOndvcmQ="}


def using(extensions, exporter):
    """The exporter with the one authenticator there is among the extensions."""
    return {**exporter, "auth": {"authenticator": next(iter(extensions))}}


@pytest.fixture
def start_auth(start_otlp, http_upstream):
    """start_auth(extensions, **keys of otlphttp) gives a weir that goes to http_upstream."""

    def make_weir(extensions, upstream=http_upstream, env=None, signals=SIGNALS, **keys):
        exporter = using(extensions, otlphttp(upstream, **keys))
        return start_otlp({"otlphttp": exporter}, extensions=extensions, env=env, signals=signals)

    return make_weir


@pytest.fixture
def signed(aws):
    with SignedUpstream(aws) as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificate")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         "/CN=upstream", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
         str(folder / "key.pem"), "-out", str(folder / "cert.pem")],
        check=True, capture_output=True)
    return folder


def send_all(weir, upstream, signals=SIGNALS):
    """COUNT items of each signal; waits until they are there and compares them."""
    requests = {signal: make(signal, COUNT) for signal in signals}
    for signal, request in requests.items():
        post(weir, signal, request)
    for signal in signals:
        upstream.wait_for_items(signal, COUNT)
        upstream.check_accepted(signal, requests[signal])


def headers_shown(upstream):
    return [seen.headers.get("authorization") for seen in upstream.requests()]


# --- tokens and passwords ------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("extensions", [BEARER, BASIC], ids=["bearer", "basic"])
def test_http_requests_show_the_secret(start_auth, http_upstream, extensions):
    with start_auth(extensions, headers={"Authorization": "from the exporter"}) as weir:
        send_all(weir, http_upstream)
    assert weir.books()["items_delivered"] == 3 * COUNT
    assert set(headers_shown(http_upstream)) == {SHOWN[next(iter(extensions))]}


def test_header_and_scheme_are_those_of_the_extension(start_auth, http_upstream):
    extensions = {"bearertokenauth": {"token": "k3y", "scheme": "", "header": "X-Api-Key"}}
    with start_auth(extensions, headers={"Authorization": "mine"}, encoding="json") as weir:
        send_all(weir, http_upstream)
    shown = {(seen.headers["x-api-key"], seen.headers["authorization"])
             for seen in http_upstream.requests()}
    assert shown == {("k3y", "mine")}


def check_new_secret(weir, upstream, file):
    """Sends until a secret written to `file` is shown; nothing is lost on the way."""
    requests = [make("logs", COUNT)]
    post(weir, "logs", requests[0])
    upstream.wait_for_items("logs", COUNT)
    file.write_text("second\n")
    wait_until(lambda: "Bearer second" in send_one(weir, upstream, requests), pause=0.1,
               what="the new secret")
    upstream.check_accepted("logs", *requests)
    shown = headers_shown(upstream)
    assert shown == sorted(shown) and set(shown) == {"Bearer first", "Bearer second"}


def send_one(weir, upstream, requests):
    """One more record; gives what was shown with all of them."""
    count = COUNT + len(requests)
    requests.append(make("logs", 1, first=count))
    post(weir, "logs", requests[-1])
    upstream.wait_for_items("logs", count)
    return headers_shown(upstream)


def test_a_secret_that_changed_in_its_file_is_shown(start_auth, http_upstream, tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    with start_auth({"bearertokenauth": {"filename": str(file)}}) as weir:
        check_new_secret(weir, http_upstream, file)


@pytest.fixture
def grpc_upstream_tls(certificate):
    credentials = grpc.ssl_server_credentials([((certificate / "key.pem").read_bytes(),
                                                (certificate / "cert.pem").read_bytes())])
    with GrpcUpstream(credentials) as running:
        yield running


@pytest.fixture
def start_grpc(start_otlp, grpc_upstream_tls, certificate):
    def make_weir(extensions, **keys):
        tls = {"ca_file": str(certificate / "cert.pem")}
        exporter = using(extensions, otlp_grpc(grpc_upstream_tls, tls=tls, **keys))
        return start_otlp({"otlp": exporter}, extensions=extensions)

    return make_weir


@pytest.mark.sanitized
@pytest.mark.parametrize("extensions", [BEARER, BASIC], ids=["bearer", "basic"])
def test_grpc_calls_show_the_secret(start_grpc, grpc_upstream_tls, extensions):
    keys = {"headers": {"authorization": "from the exporter", "x-scope": "1"}}
    with start_grpc(extensions, **keys) as weir:
        send_all(weir, grpc_upstream_tls)
    assert weir.books()["items_delivered"] == 3 * COUNT
    assert set(headers_shown(grpc_upstream_tls)) == {SHOWN[next(iter(extensions))]}
    assert {seen.headers["x-scope"] for seen in grpc_upstream_tls.requests()} == {"1"}


def test_grpc_shows_a_secret_that_changed_in_its_file(start_grpc, grpc_upstream_tls, tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    with start_grpc({"bearertokenauth": {"filename": str(file)}}) as weir:
        check_new_secret(weir, grpc_upstream_tls, file)


# --- signatures ----------------------------------------------------------------------------------

@pytest.mark.sanitized
@pytest.mark.parametrize("keys", [
    {}, {"compression": "gzip"}, {"compression": "zstd"}, {"encoding": "json"},
    {"headers": {"X-Scope": "a  b", "User-Agent": "mine/1", "Authorization": "no"}}],
    ids=["plain", "gzip", "zstd", "json", "headers"])
def test_http_requests_are_signed(start_auth, aws, signed, keys):
    with start_auth(SIGV4, signed, aws.environment(), **keys) as weir:
        send_all(weir, signed)
    assert weir.books()["items_delivered"] == 3 * COUNT
    assert set(signed.scopes) == {("otlp", "eu-west-1", KEY_ID)}
    names = {"content-type", "host", "x-amz-date"}
    names |= {"content-encoding"} if keys.get("compression") else set()
    names |= {"x-scope"} if "headers" in keys else set()
    assert signed.signed_names == names
    agents = {seen.headers["user-agent"] for seen in signed.requests()}
    assert agents == {"mine/1"} if "headers" in keys else all("weir/" in one for one in agents)


@pytest.mark.parametrize("host, scope", [
    ("logs.eu-central-1.amazonaws.com", ("logs", "eu-central-1")),
    ("xray.us-west-2.amazonaws.com", ("xray", "us-west-2")),
    ("aps-workspaces.ap-southeast-2.amazonaws.com", ("aps", "ap-southeast-2")),
    ("search-mine-x1.sa-east-1.es.amazonaws.com", ("es", "sa-east-1")),
    ("monitoring.us-east-1.amazonaws.com", ("monitoring", "us-east-1"))])
def test_service_and_region_are_those_of_the_host(start_auth, aws, signed, host, scope):
    """The upstream plays the proxy that leads to AWS."""
    keys = {"endpoint": f"http://{host}", "proxy_url": signed.url}
    with start_auth({"sigv4auth": None}, signed, aws.environment(), **keys) as weir:
        send_all(weir, signed)
    assert set(signed.scopes) == {(*scope, KEY_ID)}


def test_the_region_is_found_where_neither_setting_nor_host_has_it(start_auth, aws, signed):
    extensions = {"sigv4auth": {"service": "aps"}}
    with start_auth(extensions, signed, aws.environment(AWS_REGION="ca-central-1")) as weir:
        send_all(weir, signed)
    assert set(signed.scopes) == {("aps", "ca-central-1", KEY_ID)}


def test_credentials_that_expire_under_way_are_renewed(start_auth, aws, signed):
    requests = [make("logs", COUNT // 10, first) for first in range(0, COUNT, COUNT // 10)]
    with start_auth(SIGV4, signed, aws.container_environment(), signals=["logs"]) as weir:
        for number, request in enumerate(requests, 1):
            post(weir, "logs", request)
            signed.wait_for_items("logs", number * (COUNT // 10))
            if number == 5:
                aws.expire(aws.issued[0])
        assert weir.exporter("otlphttp")["requests_retried"] == 0  # it was mended below it
    assert weir.books()["items_delivered"] == COUNT
    signed.check_accepted("logs", *requests)
    assert len(aws.issued) == 2
    assert signed.codes().count(403) == 1
    assert [scope[2] for scope in signed.scopes] == [aws.issued[0]] * 5 + [aws.issued[1]] * 5


def test_credentials_that_end_soon_are_renewed_before_they_do(start_auth, aws, signed):
    aws.lifetime_s = 12  # renewed after half of it, so there is time for a slow machine
    requests = [make("logs", COUNT // 10, first) for first in range(0, COUNT, COUNT // 10)]
    with start_auth(SIGV4, signed, aws.container_environment(), signals=["logs"]) as weir:
        for request in requests[:5]:
            post(weir, "logs", request)
        signed.wait_for_items("logs", COUNT // 2)
        wait_until(lambda: len(aws.issued) >= 2, what="new credentials")
        for request in requests[5:]:
            post(weir, "logs", request)
        signed.wait_for_items("logs", COUNT)
    signed.check_accepted("logs", *requests)
    assert len(aws.issued) >= 2 and signed.codes().count(403) == 0


def test_weir_starts_without_credentials_and_delivers_once_there_are_some(start_auth, aws, signed):
    aws.always["Credentials"] = (500, "Down")
    with start_auth(SIGV4, signed, aws.container_environment(), signals=["traces"]) as weir:
        wait_until(lambda: weir.events("aws_credentials_missing"), what="a word at the start")
        request = make("traces", COUNT)
        post(weir, "traces", request)
        wait_until(lambda: weir.exporter("otlphttp")["requests_retried"] >= 2, what="two retries")
        assert weir.exporter("otlphttp")["items_delivered"] == 0
        del aws.always["Credentials"]
        signed.wait_for_items("traces", COUNT)
    signed.check_accepted("traces", request)
    missing = weir.events("aws_credentials_missing")
    assert len(missing) == 1 and missing[0]["level"] == "error"
    assert weir.books()["items_delivered"] == COUNT


def test_refused_credentials_are_tried_again_and_other_refusals_are_not(start_auth, aws, signed):
    with start_auth(SIGV4, signed, aws.environment(), signals=["logs"]) as weir:
        denied = Answer(status=403, headers={"X-Amzn-ErrorType": "AccessDeniedException"})
        signed.script = [denied]
        post(weir, "logs", make("logs", 5, first=COUNT))
        wait_until(lambda: weir.exporter("otlphttp")["items_rejected"] == 5, what="the refusal")
        assert signed.codes() == [403]
        signed.always = Answer(status=EXPIRED[0], headers={"X-Amzn-ErrorType": EXPIRED[1]})
        request = make("logs", COUNT)
        post(weir, "logs", request)
        wait_until(lambda: weir.exporter("otlphttp")["requests_retried"] >= 1, what="a retry")
        assert "ExpiredTokenException" in weir.events("export_retry")[-1]["reason"]
        signed.always = None
        signed.wait_for_items("logs", COUNT, seconds=30)
    signed.check_accepted("logs", request)
    assert weir.books()["items_rejected"] == 5


ROLE = {"arn": "arn:aws:iam::123456789012:role/writer", "session_name": "gateway",
        "sts_region": "us-east-1", "external_id": "customer-7"}


def test_a_role_is_assumed(start_auth, aws, signed):
    extensions = {"sigv4auth": {"region": "eu-west-1", "service": "aps", "assume_role": ROLE}}
    with start_auth(extensions, signed, aws.environment()) as weir:
        send_all(weir, signed)
    assert aws.count("AssumeRole", 200) == len(aws.issued) == 1
    assert aws.scopes == {("sts", "us-east-1")}
    assert set(signed.scopes) == {("aps", "eu-west-1", aws.issued[0])}


def test_a_role_is_assumed_with_a_token_from_a_file(start_auth, aws, signed, tmp_path):
    (tmp_path / "token").write_text("head.claims.signature\n")
    role = {"arn": ROLE["arn"], "web_identity_token_file": str(tmp_path / "token")}
    extensions = {"sigv4auth": {"region": "eu-west-1", "service": "aps", "assume_role": role}}
    with start_auth(extensions, signed, aws.environment()) as weir:
        send_all(weir, signed)
    assert aws.count("AssumeRoleWithWebIdentity", 200) == len(aws.issued) == 1
    assert set(signed.scopes) == {("aps", "eu-west-1", aws.issued[0])}


def test_tls_settings_of_the_exporter_count(start_auth, aws, certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with SignedUpstream(aws, tls=context) as upstream:
        tls = {"ca_file": str(certificate / "cert.pem")}
        with start_auth(SIGV4, upstream, aws.environment(), tls=tls) as weir:
            send_all(weir, upstream)
    assert set(upstream.scopes) == {("otlp", "eu-west-1", KEY_ID)}


# --- reloads -------------------------------------------------------------------------------------

def config_of(weir, upstream, extensions, **keys):
    """What start_auth made, anew, on the same ports."""
    receiver = settings.otlp_receiver(weir.grpc_port, weir.http_port)
    exporter = using(extensions, otlphttp(upstream, **keys))
    return settings.otlp_config(receiver, {"otlphttp": exporter}, extensions=extensions)


def connections(upstream):
    return [seen.peer for seen in upstream.requests()]


def test_a_reload_that_changes_the_extension_alone_counts(start_auth, http_upstream):
    with start_auth(BEARER) as weir:
        post(weir, "logs", make("logs", COUNT))
        http_upstream.wait_for_items("logs", COUNT)
        changed = {"bearertokenauth": {"token": "other"}}
        assert weir.reload(config_of(weir, http_upstream, changed))["event"] == "reloaded"
        post(weir, "logs", make("logs", COUNT, first=COUNT))
        http_upstream.wait_for_items("logs", 2 * COUNT)
    assert headers_shown(http_upstream) == ["Bearer s3cret", "Bearer other"]
    http_upstream.check_accepted("logs", make("logs", COUNT), make("logs", COUNT, first=COUNT))


def test_a_reload_that_changes_neither_keeps_the_exporter(start_auth, http_upstream):
    with start_auth(BEARER, signals=["logs"]) as weir:
        post(weir, "logs", make("logs", COUNT))
        http_upstream.wait_for_items("logs", COUNT)
        # More signals, and so another graph; the exporter of the logs stays as it is.
        for number in (2, 3):
            # Answered, so that the next request finds the connection free.
            wait_until(lambda count=(number - 1) * COUNT:
                       weir.exporter("otlphttp")["items_delivered"] == count, what="the answer")
            again = config_of(weir, http_upstream, BEARER)
            assert weir.reload(again)["event"] == "reloaded"
            post(weir, "logs", make("logs", COUNT, first=number * COUNT))
            http_upstream.wait_for_items("logs", number * COUNT)
    assert headers_shown(http_upstream) == ["Bearer s3cret"] * 3
    assert len(set(connections(http_upstream))) == 1


def test_a_reload_that_changes_the_region_is_signed_for_it(start_auth, aws, signed):
    with start_auth(SIGV4, signed, aws.environment()) as weir:
        post(weir, "logs", make("logs", COUNT))
        signed.wait_for_items("logs", COUNT)
        for number, region in ((2, "eu-west-1"), (3, "us-east-2")):
            changed = {"sigv4auth": {"region": region, "service": "otlp"}}
            assert weir.reload(config_of(weir, signed, changed))["event"] == "reloaded"
            post(weir, "logs", make("logs", COUNT, first=number * COUNT))
            signed.wait_for_items("logs", number * COUNT)
    assert [region for _, region, _ in signed.scopes] == ["eu-west-1", "eu-west-1", "us-east-2"]


# --- refusals ------------------------------------------------------------------------------------

PLAIN = {"otlphttp": {"endpoint": "http://127.0.0.1:4318"}}
CALLS = {"otlp": {"endpoint": "127.0.0.1:4317"}}
IN_THE_CLEAR = {"otlp": {"endpoint": "127.0.0.1:4317", "tls": {"insecure": True}}}
SERVER = {"basicauth": {"htpasswd": {"inline": "a:b"}}}


@pytest.mark.parametrize("exporters, extensions, listed, words", [
    (PLAIN, BEARER, [], "cannot use the authenticator 'bearertokenauth': it is not among "
                        "service.extensions"),
    (PLAIN, {}, [], "it is not among service.extensions"),
    (PLAIN, SERVER, ["basicauth"], "it checks who comes in"),
    (PLAIN, {"sigv4auth": {"region": "eu-west-1"}}, ["sigv4auth"], "set it in sigv4auth"),
    (CALLS, SIGV4, ["sigv4auth"], "use otlphttp"),
    (IN_THE_CLEAR, BEARER, ["bearertokenauth"], "needs tls")],
    ids=["not listed", "not there", "server's", "no service", "grpc", "clear"])
def test_what_does_not_fit_is_told_with_its_place(tmp_path, exporters, extensions, listed, words):
    name = next(iter(extensions), "bearertokenauth")
    (kind, keys), = exporters.items()
    made = settings.otlp_config({"protocols": {"grpc": None}},
                                {kind: {**keys, "auth": {"authenticator": name}}})
    if extensions:
        made["extensions"] = extensions
    made["service"]["extensions"] = listed
    path = tmp_path / "weir.yaml"
    path.write_text(settings.to_text(made))
    result = run_command("validate", "--config", path)
    assert result.returncode != 0
    told = [line for line in result.stderr.split("\n") if words in line]
    assert len(told) == 1, result.stderr  # and not once for each signal
    assert f"{path}:" in result.stderr
