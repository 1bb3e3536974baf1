# SPDX-License-Identifier: Apache-2.0
"""X-Ray, CloudWatch Logs, STS and the credentials endpoint of ECS, on one port of loopback.

Every signed request is verified with botocore, an implementation that is not ours; what AWS would
refuse is refused, and remembered in `refusals` and `violations`, which a good run leaves empty.
`script` holds trouble for the next calls of an operation.
"""

import http.server
import json
import socket
import threading
import time
import urllib.parse

import aws_signature
from aws_signature import Refusal
from fake_logs import Logs
from fake_xray import XRay
from weir_process import free_port, wait_until

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-west-1"
TARGET = "Logs_20140328."

THROTTLED = (400, "ThrottlingException")
FAILED = (500, "InternalFailure")
UNAVAILABLE = (503, "ServiceUnavailableException")
EXPIRED = (403, "ExpiredTokenException")
DENIED = (403, "AccessDeniedException")
HANG = "hang"  # no answer until the server goes down, or `hang_s` are over
CUT = "cut"  # the work is done and the connection closed instead of the answer
SLOW = "slow"  # the work is done and the answer comes after `hang_s`


class Server(http.server.ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        """Connections that end early are what some tests are about."""


def make_handler(aws):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body leave apart; the second would wait 40 ms

        def setup(self):
            super().setup()
            aws.connections.add(self.connection)

        def finish(self):
            aws.connections.discard(self.connection)
            super().finish()

        def do_POST(self):
            aws.serve(self)

        do_GET = do_PUT = do_POST

        def date_time_string(self, timestamp=None):
            """The time of AWS, by which clients correct theirs."""
            return super().date_time_string(timestamp or time.time() + aws.clock_offset_s)

        def log_message(self, *args):
            pass

    return Handler


class FakeAws:
    """All services; use as a context manager."""

    def __init__(self, tls=None):
        self.tls = tls  # an ssl.SSLContext
        self.lock = threading.RLock()
        self.xray = XRay(self)
        self.logs = Logs(self)
        self.script = {}  # operation: [(status, code) or HANG, CUT, SLOW, …]
        self.always = {}  # operation: the same, for as long as it stands here
        self.hang_s = 60
        self.calls = []  # (operation, monotonic time, status answered)
        self.refusals = []  # requests whose signature is not right
        self.violations = []  # requests that AWS never accepts, however they are signed
        self.identities = {KEY_ID: (SECRET, None, None)}  # key id: (secret, token, expiry)
        self.scopes = set()  # (service, region) that were signed for
        self.clock_offset_s = 0  # of AWS's clock against ours
        self.container_token = None  # what the credentials endpoint wants to see
        self.lifetime_s = 3600  # of credentials it hands out
        self.issued = []  # key ids, as handed out
        self.connections = set()
        self.released = threading.Event()
        self.port = free_port()
        self.server = None
        self.go_up()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.go_down()

    def go_up(self):
        self.released.clear()
        self.server = Server(("127.0.0.1", self.port), make_handler(self))
        if self.tls is not None:
            self.server.socket = self.tls.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def go_down(self):
        """Refuses connections from now on, and closes those there are."""
        if self.server is None:
            return
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
        self.server = None
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone already

    @property
    def url(self):
        return f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self.port}"

    def environment(self, **more):
        """For a weir that finds everything in its environment, and nothing else outside."""
        return {"AWS_REGION": REGION, "AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_ENDPOINT_URL": self.url, "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
                **more}

    def container_environment(self, **more):
        """The same with the credentials of an ECS task."""
        env = self.environment(AWS_CONTAINER_CREDENTIALS_FULL_URI=f"{self.url}/credentials", **more)
        del env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]
        return env

    # --- what happened ---------------------------------------------------------------------------

    def count(self, operation, status=None):
        with self.lock:
            return sum(1 for name, _, answered in self.calls
                       if name == operation and status in (None, answered))

    def wait_for_calls(self, operation, count, seconds=15):
        wait_until(lambda: self.count(operation) >= count, seconds, what=f"{count} {operation}")

    def check(self):
        """Nothing came that was signed wrongly or that AWS refuses on principle."""
        assert not self.refusals, self.refusals[:3]
        assert not self.violations, self.violations[:3]

    def violated(self, why):
        self.violations.append(why)
        return 400, {"__type": "InvalidParameterException", "message": why}

    # --- credentials -----------------------------------------------------------------------------

    def issue(self):
        """New credentials with a token; gives (key id, secret, token, expiry as time.time())."""
        with self.lock:
            number = len(self.issued) + 1
            key_id = f"ASIAISSUED{number:06}"
            identity = (f"secret/{number}+x", f"token//{number}+=", time.time() + self.lifetime_s)
            self.identities[key_id] = identity
            self.issued.append(key_id)
        return key_id, *identity

    def expire(self, key_id):
        with self.lock:
            secret, token, _ = self.identities[key_id]
            self.identities[key_id] = (secret, token, time.time() - 1)

    def secrets(self, key_id):
        if key_id not in self.identities:
            raise Refusal("UnrecognizedClientException", f"no such key: {key_id}")
        secret, token, expiry = self.identities[key_id]
        if expiry is not None and expiry < time.time():
            raise Refusal("ExpiredTokenException", "The security token included is expired")
        return secret, token

    def hand_out(self, headers):
        """The credentials endpoint of ECS and EKS."""
        if self.container_token is not None and \
                headers.get("Authorization") != self.container_token:
            return 401, {"code": "Unauthorized", "message": "no"}
        key_id, secret, token, expiry = self.issue()
        return 200, {"RoleArn": "arn:aws:iam::123456789012:role/task", "AccessKeyId": key_id,
                     "SecretAccessKey": secret, "Token": token, "Expiration": iso(expiry)}

    def assume(self, form):
        """STS: what AssumeRole and AssumeRoleWithWebIdentity answer."""
        action = form["Action"]
        key_id, secret, token, expiry = self.issue()
        return (f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
                f"<{action}Result>"
                f"<AssumedRoleUser><Arn>{form['RoleArn']}/{form['RoleSessionName']}</Arn>"
                f"</AssumedRoleUser><Credentials><AccessKeyId>{key_id}</AccessKeyId>"
                f"<SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken>"
                f"<Expiration>{iso(expiry)}</Expiration></Credentials></{action}Result>"
                f"</{action}Response>")

    # --- serving ---------------------------------------------------------------------------------

    def serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        operation = operation_of(handler, body)
        trouble = self.next_trouble(operation)
        if trouble == HANG:
            self.note(operation, 0)
            self.released.wait(self.hang_s)
            handler.close_connection = True
            return
        if isinstance(trouble, tuple):
            status, code = trouble
            content = {"__type": code, "message": f"told to say {code}"}
        else:
            status, content = self.answer(operation, handler, body)
        self.note(operation, 0 if trouble in (CUT, SLOW) else status)
        if trouble == SLOW:
            self.released.wait(self.hang_s)
        if trouble == CUT:
            handler.close_connection = True
            return
        self.send(handler, status, content)

    def next_trouble(self, operation):
        with self.lock:
            if self.script.get(operation):
                return self.script[operation].pop(0)
            return self.always.get(operation)

    def note(self, operation, status):
        with self.lock:
            self.calls.append((operation, time.monotonic(), status))

    def send(self, handler, status, content):
        is_text = isinstance(content, str)
        data = content.encode() if is_text else json.dumps(content).encode()
        try:
            handler.send_response(status)
            if not is_text and "__type" in content:
                handler.send_header("X-Amzn-ErrorType", content["__type"])
            handler.send_header("Content-Type", "text/xml" if is_text else "application/json")
            handler.send_header("X-Amzn-RequestId", "00000000-0000-0000-0000-000000000000")
            handler.send_header("Content-Length", str(len(data)))
            handler.end_headers()
            handler.wfile.write(data)
        except OSError:
            pass  # the client had enough of waiting

    def answer(self, operation, handler, body):
        if operation == "Credentials":
            return self.hand_out(handler.headers)
        if operation == "AssumeRoleWithWebIdentity":
            return 200, self.assume(form_of(body))
        try:
            scope = aws_signature.verify(handler.command, f"{self.url}{handler.path}",
                                         handler.headers, body, self.secrets,
                                         time.time() + self.clock_offset_s)
        except Refusal as refusal:
            if refusal.code != "ExpiredTokenException" and self.clock_offset_s == 0:
                self.refusals.append(str(refusal))
            return 403, {"__type": refusal.code, "message": refusal.why}
        return self.perform(operation, scope, body)

    def perform(self, operation, scope, body):
        with self.lock:
            self.scopes.add((scope.service, scope.region))
            if operation == "AssumeRole":
                return 200, self.assume(form_of(body))
            for service in (self.xray, self.logs):
                if operation in service.OPERATIONS:
                    if scope.service != service.NAME:
                        return self.violated(f"{operation} is signed for {scope.service}")
                    try:
                        request = json.loads(body) if body else {}
                    except ValueError as error:
                        return self.violated(f"{operation}: no JSON: {error}: {body[:200]!r}")
                    return service.OPERATIONS[operation](service, request)
        return self.violated(f"no such operation: {operation}")


def iso(instant):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(instant))


def form_of(body):
    return {key: values[0] for key, values in urllib.parse.parse_qs(body.decode()).items()}


def operation_of(handler, body):
    path = handler.path.partition("?")[0]
    if path == "/credentials":
        return "Credentials"
    if path == "/":
        target = handler.headers.get("X-Amz-Target", "")
        if target.startswith(TARGET):
            return target[len(TARGET):]
        if b"Action=" in body:
            return form_of(body).get("Action", "none")
    return XRay.PATHS.get(path, f"{handler.command} {path}")
