# SPDX-License-Identifier: Apache-2.0
"""Signature Version 4 as botocore computes it, compared with what a request brought."""

import calendar
import re
import time

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

SCHEME = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/([^/,]+)/aws4_request, "
                    r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})")
SKEW_MAX_S = 300


class Refusal(Exception):
    """A request that AWS would not let in: the code it would name, and why."""

    def __init__(self, code, why):
        super().__init__(f"{code}: {why}")
        self.code, self.why = code, why


class Scope:
    """What the Authorization header says, taken apart."""

    def __init__(self, headers):
        text = headers.get("Authorization", "")
        found = SCHEME.fullmatch(text)
        if found is None:
            raise Refusal("IncompleteSignatureException", f"Authorization: {text!r}")
        self.key_id, self.date, self.region, self.service, names, self.signature = found.groups()
        self.names = names.split(";")


def check_names(headers, scope):
    if scope.names != sorted(set(scope.names)):
        raise Refusal("InvalidSignatureException", f"SignedHeaders {scope.names} not in order")
    must = {"host", *(name.lower() for name in headers if name.lower().startswith("x-amz-"))}
    missing = must - set(scope.names)
    if missing:
        raise Refusal("InvalidSignatureException", f"not signed: {missing}")


def check_time(stamp, scope, now):
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp) or not stamp.startswith(scope.date):
        raise Refusal("InvalidSignatureException", f"X-Amz-Date {stamp!r}, scope {scope.date}")
    then = calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ"))
    if abs(then - now) > SKEW_MAX_S:
        raise Refusal("InvalidSignatureException" if then < now else "RequestInTheFuture",
                      f"Signature expired: {stamp} is now {then - now:+.0f} s away")


def recompute(method, url, headers, body, scope, secret, token):
    """The Authorization signature botocore would have made, given the same signed headers."""
    request = AWSRequest(method=method, url=url, data=body)
    for name in scope.names:
        for value in headers.get_all(name) or []:
            request.headers.add_header(name, value)
    request.context["timestamp"] = headers["X-Amz-Date"]
    auth = SigV4Auth(Credentials(scope.key_id, secret, token), scope.service, scope.region)
    canonical = auth.canonical_request(request)
    return auth.signature(auth.string_to_sign(request, canonical), request), canonical


def verify(method, url, headers, body, secrets, now):
    """The scope of a request that is signed well; otherwise raises Refusal.

    `headers` is an email.message.Message; `secrets(key_id)` gives (secret, token), or raises.
    """
    scope = Scope(headers)
    secret, token = secrets(scope.key_id)
    if headers.get("X-Amz-Security-Token") != token:
        raise Refusal("UnrecognizedClientException", "The security token is not that of the key")
    check_names(headers, scope)
    check_time(headers.get("X-Amz-Date", ""), scope, now)
    for name in scope.names:
        if headers.get(name) is None:
            raise Refusal("InvalidSignatureException", f"signed, but not sent: {name}")
    wanted, canonical = recompute(method, url, headers, body, scope, secret, token)
    if wanted != scope.signature:
        raise Refusal("InvalidSignatureException", f"botocore: {wanted}, sent: {scope.signature}, "
                                                   f"canonical request: {canonical!r}")
    return scope
