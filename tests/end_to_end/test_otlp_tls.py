# SPDX-License-Identifier: Apache-2.0
"""TLS and client certificates of the OTLP receiver, and certificates that change while it runs."""

import base64
import hashlib
import shutil
import ssl
import subprocess

import pytest
from h1_client import H1Client
from h2_client import H2Client
from otlp_make import make
from settings import otlphttp
from weir_process import wait_until


SPAN = make("traces").SerializeToString()


def make_certificate(folder, name):
    """NAME.key and a self-signed NAME.pem for loopback."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
         f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout",
         str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")],
        check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("server", "next", "client", "stranger"):
        make_certificate(folder, name)
    return folder


def wrapper(certificates, protocols, client=None, trusted="server"):
    """Turns a socket into TLS; `client` names the certificate shown."""
    context = ssl.create_default_context(cafile=str(certificates / f"{trusted}.pem"))
    context.set_alpn_protocols(protocols)
    if client is not None:
        context.load_cert_chain(certificates / f"{client}.pem", certificates / f"{client}.key")
    return lambda raw: context.wrap_socket(raw, server_hostname="127.0.0.1")


def is_accepted(port, is_grpc, wrap):
    """Whether a span gets through; False where TLS does not let it."""
    try:
        if is_grpc:
            with H2Client(port, wrap) as client:
                return client.call("traces", SPAN).code == 0
        with H1Client(port, wrap) as client:
            return client.request("/v1/traces", SPAN).status == 200
    except (ssl.SSLError, ConnectionError, AssertionError):
        return False


@pytest.fixture(params=["grpc", "http"])
def start_tls(request, start_otlp, http_upstream, certificates):
    """start_tls(**keys of tls) gives (weir, check), check(client certificate) for one protocol."""
    is_grpc = request.param == "grpc"

    def make_weir(**keys):
        tls = {"cert_file": str(certificates / "server.pem"),
               "key_file": str(certificates / "server.key"), **keys}
        weir = start_otlp({"otlphttp": otlphttp(http_upstream)}, grpc={"tls": tls},
                          http={"tls": tls})

        def check(client=None, trusted="server"):
            wrap = wrapper(certificates, ["h2"] if is_grpc else ["http/1.1"], client, trusted)
            return is_accepted(weir.grpc_port if is_grpc else weir.http_port, is_grpc, wrap)

        return weir, check

    return make_weir


def test_tls(start_tls, http_upstream):
    weir, check = start_tls()
    with weir:
        assert check()
        assert not check(trusted="stranger")
        assert not is_accepted(weir.grpc_port, True, None)
        assert not is_accepted(weir.http_port, False, None)
    assert http_upstream.item_counts["traces"] == 1


def test_client_certificates(start_tls, certificates, http_upstream):
    weir, check = start_tls(client_ca_file=str(certificates / "client.pem"))
    with weir:
        assert check("client")
        assert not check()
        assert not check("stranger")
    assert http_upstream.item_counts["traces"] == 1


def test_both_protocols_by_alpn(start_otlp, http_upstream, certificates):
    """One port, and the client's list decides."""
    tls = {"cert_file": str(certificates / "server.pem"),
           "key_file": str(certificates / "server.key")}
    with start_otlp({"otlphttp": otlphttp(http_upstream)}, grpc={"tls": tls}) as weir:
        assert is_accepted(weir.grpc_port, True, wrapper(certificates, ["h2", "http/1.1"]))
        assert is_accepted(weir.grpc_port, False, wrapper(certificates, ["http/1.1"]))
    assert http_upstream.item_counts["traces"] == 2


def test_changed_certificate_is_read_again(start_tls, certificates, tmp_path):
    for kind in ("pem", "key"):
        shutil.copy(certificates / f"server.{kind}", tmp_path / f"mine.{kind}")
    weir, check = start_tls(cert_file=str(tmp_path / "mine.pem"),
                            key_file=str(tmp_path / "mine.key"), reload_interval="200ms")
    with weir:
        assert check() and not check(trusted="next")
        for kind in ("key", "pem"):
            shutil.copy(certificates / f"next.{kind}", tmp_path / f"mine.{kind}")
        wait_until(lambda: check(trusted="next"), pause=0.1, what="the new certificate")
        assert not check()


@pytest.mark.parametrize("is_grpc", [True, False])
def test_basic_authentication(start_otlp, http_upstream, is_grpc):
    digest = hashlib.sha1(b"open sesame").digest()
    line = "ali:{SHA}" + base64.b64encode(digest).decode()
    extensions = {"basicauth/server": {"htpasswd": {"inline": line}}}
    auth = {"auth": {"authenticator": "basicauth/server"}}
    with start_otlp({"otlphttp": otlphttp(http_upstream)}, grpc=auth, http=auth,
                    extensions=extensions) as weir:
        for authorization, is_good in [("Basic YWxpOm9wZW4gc2VzYW1l", True),
                                       ("Basic YWxpOm9wZW4gc2VzYW1", False),
                                       ("Basic YWxpOm5v", False), ("Bearer x", False)]:
            if is_grpc:
                with H2Client(weir.grpc_port) as client:
                    code = client.call("traces", SPAN, authorization=authorization).code
                assert code == (0 if is_good else 16)
                continue
            with H1Client(weir.http_port) as client:
                answer = client.request("/v1/traces", SPAN, authorization=authorization)
            assert answer.status == (200 if is_good else 401)
    assert http_upstream.item_counts["traces"] == 1
