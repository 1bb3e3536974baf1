# SPDX-License-Identifier: Apache-2.0
"""What every upstream has in common: it keeps what it accepts, item by item, and follows a script.

The script holds an Answer for each of the next requests; requests beyond it are accepted.
"""

import dataclasses
import threading
import time

from google.protobuf import duration_pb2
from google.rpc import error_details_pb2, status_pb2
from otlp_items import REJECTED, RESPONSES, SIGNALS, assert_same_items, count_items, items_of
from weir_process import wait_until


@dataclasses.dataclass
class Answer:
    """What becomes of one request. Only an answer without `code` and `status` is an acceptance."""

    code: int = 0  # a gRPC status
    status: int = 0  # an HTTP status
    message: str = ""
    retry_s: float = None  # RetryInfo, in the details of a gRPC or HTTP status
    headers: dict = dataclasses.field(default_factory=dict)  # of HTTP, or trailers of gRPC
    rejected: int = 0  # of the items, and all others are accepted
    delay_s: float = 0
    is_hang: bool = False  # no answer until the client gives up
    is_reset: bool = False  # the connection ends instead of an answer

    @property
    def is_acceptance(self):
        return not (self.code or self.status or self.is_hang or self.is_reset)

    def rpc_status(self, code):
        """google.rpc.Status with RetryInfo where it was wanted."""
        status = status_pb2.Status(code=code, message=self.message)
        if self.retry_s is not None:
            delay = duration_pb2.Duration()
            delay.FromNanoseconds(round(self.retry_s * 1e9))
            status.details.add().Pack(error_details_pb2.RetryInfo(retry_delay=delay))
        return status


@dataclasses.dataclass
class Seen:
    """One request, whatever its answer."""

    signal: str
    request: object
    headers: dict  # lower-case names
    answer: Answer
    time_s: float  # monotonic
    peer: str
    raw: bytes  # the message as it came, decompressed; only of HTTP

    def items(self):
        return list(items_of(self.signal, self.request))


class Upstream:
    """The book of what came. Servers call `receive`; tests read."""

    def __init__(self):
        self.lock = threading.Lock()
        self.script = []
        # An Answer for all requests beyond the script; its delay ends when it is taken away.
        self.always = None
        self.seen = []
        self.is_over = threading.Event()
        self.item_counts = dict.fromkeys(SIGNALS, 0)  # accepted

    def receive(self, signal, request, headers, peer, raw=b"", refusal=None):
        """Books a request and returns (answer, response message); a refusal is not the script's."""
        item_count = count_items(signal, request)
        with self.lock:
            answer = refusal or (self.script.pop(0) if self.script else self.always or Answer())
            self.seen.append(Seen(signal, request, headers, answer, time.monotonic(), peer, raw))
            if answer.is_acceptance:
                self.item_counts[signal] += item_count - answer.rejected
            is_always = answer is self.always
        until = time.monotonic() + answer.delay_s
        while time.monotonic() < until and not (is_always and answer is not self.always):
            if self.is_over.wait(min(0.01, answer.delay_s)):
                break
        return answer, response_of(signal, answer)

    def requests(self, signal=None):
        with self.lock:
            return [seen for seen in self.seen if signal in (None, seen.signal)]

    def accepted(self, signal):
        """All items of accepted requests, rejected ones of a partial success among them."""
        return [item for seen in self.requests(signal) if seen.answer.is_acceptance
                for item in seen.items()]

    def codes(self):
        """What was answered, in order: gRPC codes or HTTP statuses, 0 for acceptance."""
        return [seen.answer.code or seen.answer.status for seen in self.requests()]

    def pauses(self):
        """Seconds between one request and the next."""
        times = [seen.time_s for seen in self.requests()]
        return [after - before for before, after in zip(times, times[1:])]

    def wait_for_items(self, signal, count, seconds=20):
        wait_until(lambda: self.item_counts[signal] >= count, seconds,
                   what=f"{count} items of {signal} upstream, have {self.item_counts}")

    def wait_for_requests(self, count, seconds=20):
        wait_until(lambda: len(self.seen) >= count, seconds, what=f"{count} requests upstream")

    def check_accepted(self, signal, *requests):
        """Exactly the items of these requests were accepted."""
        wanted = [item for request in requests for item in items_of(signal, request)]
        assert_same_items(self.accepted(signal), wanted)


def response_of(signal, answer):
    response = RESPONSES[signal]()
    if answer.rejected or (answer.message and answer.is_acceptance):
        setattr(response.partial_success, REJECTED[signal], answer.rejected)
        response.partial_success.error_message = answer.message
    return response
