# SPDX-License-Identifier: Apache-2.0
"""An OTLP/HTTP backend of AWS: it lets in what is signed with credentials that a fake AWS gave."""

import time

import aws_signature
from aws_signature import Refusal
from upstream import Answer
from upstream_http import HttpUpstream


class SignedUpstream(HttpUpstream):
    """Signatures are verified with botocore; those that are wrong make the fake AWS's check fail."""

    def __init__(self, aws, tls=None):
        self.aws = aws
        self.scopes = []  # (service, region, key id) of the requests let in
        self.signed_names = set()  # of headers
        super().__init__(tls)

    def refusal_of(self, handler, body):
        host = handler.headers["Host"]
        is_proxied = handler.path.startswith("http://")
        url = handler.path if is_proxied else f"http://{host}{handler.path}"
        try:
            scope = aws_signature.verify(handler.command, url, handler.headers, body,
                                         self.aws.secrets, time.time())
        except Refusal as refusal:
            if refusal.code != "ExpiredTokenException":
                self.aws.refusals.append(str(refusal))
            return Answer(status=403, headers={"X-Amzn-ErrorType": refusal.code})
        with self.lock:
            self.scopes.append((scope.service, scope.region, scope.key_id))
            self.signed_names |= set(scope.names)
        return None
