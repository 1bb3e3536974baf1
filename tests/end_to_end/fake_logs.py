# SPDX-License-Identifier: Apache-2.0
"""CloudWatch Logs as far as PutLogEvents needs it, with every limit that AWS documents."""

import re
import time

BATCH_MAX_BYTES = 1_048_576
EVENT_OVERHEAD_BYTES = 26
EVENTS_MAX = 10_000
SPAN_MAX_MS = 24 * 3600 * 1000
OLDEST_MS = 14 * 24 * 3600 * 1000
NEWEST_MS = 2 * 3600 * 1000
GROUP_NAME = re.compile(r"[A-Za-z0-9_\-/.#]{1,512}")
STREAM_NAME = re.compile(r"[^:*]{1,512}")
RETENTIONS = {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
              2922, 3288, 3653}
CLASSES = {"STANDARD", "INFREQUENT_ACCESS", "DELIVERY"}


def error(code, message):
    return 400, {"__type": f"com.amazonaws.logs#{code}", "message": message}


class Group:
    def __init__(self, request):
        self.tags = request.get("tags", {})
        self.log_class = request.get("logGroupClass", "STANDARD")
        self.retention = None
        self.streams = {}  # name: [(timestamp ms, message)]


def batch_fault(events):
    """Why AWS would refuse the whole call, or None."""
    if not 1 <= len(events) <= EVENTS_MAX:
        return f"{len(events)} events"
    total = 0
    for event in events:
        size = len(event["message"].encode()) + EVENT_OVERHEAD_BYTES
        if not event["message"]:
            return "an event without a message"
        if size > BATCH_MAX_BYTES:
            return f"an event of {size} bytes"
        total += size
    if total > BATCH_MAX_BYTES:
        return f"{total} bytes"
    times = [event["timestamp"] for event in events]
    if not all(isinstance(instant, int) and instant >= 0 for instant in times):
        return "a timestamp that is no count of milliseconds"
    if times != sorted(times):
        return "log events in a single PutLogEvents request must be in chronological order"
    if times[-1] - times[0] > SPAN_MAX_MS:
        return "the batch of log events spans more than 24 hours"
    return None


class Logs:
    NAME = "logs"

    def __init__(self, aws):
        self.aws = aws
        self.groups = {}
        self.puts = []  # (group, stream, events in the call)
        self.rejected = []  # events too old, expired or too new
        self.retention_ms = None  # after which events have expired
        self.in_flight = 0

    def events(self, group=None, stream=None):
        """(group, stream, timestamp, message) of everything that was stored."""
        with self.aws.lock:
            return [(name, other, *event) for name, found in self.groups.items()
                    for other, events in found.streams.items() for event in events
                    if group in (None, name) and stream in (None, other)]

    def create_group(self, request):
        name = request["logGroupName"]
        if not GROUP_NAME.fullmatch(name) or name.startswith("aws/"):
            return self.aws.violated(f"log group name {name!r}")
        if request.get("logGroupClass", "STANDARD") not in CLASSES:
            return self.aws.violated(f"log group class {request}")
        if "tags" in request and not 1 <= len(request["tags"]) <= 50:
            return self.aws.violated(f"tags {request}")
        if name in self.groups:
            return error("ResourceAlreadyExistsException", "The specified log group already exists")
        self.groups[name] = Group(request)
        return 200, {}

    def create_stream(self, request):
        name, group = request["logStreamName"], self.groups.get(request["logGroupName"])
        if not STREAM_NAME.fullmatch(name):
            return self.aws.violated(f"log stream name {name!r}")
        if group is None:
            return error("ResourceNotFoundException", "The specified log group does not exist.")
        if name in group.streams:
            return error("ResourceAlreadyExistsException",
                         "The specified log stream already exists")
        group.streams[name] = []
        return 200, {}

    def put_retention(self, request):
        group = self.groups.get(request["logGroupName"])
        if group is None:
            return error("ResourceNotFoundException", "The specified log group does not exist.")
        if request["retentionInDays"] not in RETENTIONS:
            return self.aws.violated(f"retention {request}")
        group.retention = request["retentionInDays"]
        return 200, {}

    def put_events(self, request):
        events = request["logEvents"]
        why = batch_fault(events)
        if why is not None:
            return self.aws.violated(f"PutLogEvents: {why}")
        group = self.groups.get(request["logGroupName"])
        if group is None:
            return error("ResourceNotFoundException", "The specified log group does not exist.")
        stored = group.streams.get(request["logStreamName"])
        if stored is None:
            return error("ResourceNotFoundException", "The specified log stream does not exist.")
        self.puts.append((request["logGroupName"], request["logStreamName"], len(events)))
        return 200, {"nextSequenceToken": "49", **self.store(stored, events)}

    def store(self, stored, events):
        now_ms = time.time() * 1000
        too_old = sum(1 for event in events if event["timestamp"] < now_ms - OLDEST_MS)
        kept_ms = OLDEST_MS if self.retention_ms is None else self.retention_ms
        first = sum(1 for event in events if event["timestamp"] < now_ms - kept_ms)
        limit = sum(1 for event in events if event["timestamp"] <= now_ms + NEWEST_MS)
        stored.extend((event["timestamp"], event["message"]) for event in events[first:limit])
        self.rejected.extend(events[:first] + events[limit:])
        info = {}
        if too_old > 0:
            info["tooOldLogEventEndIndex"] = too_old
        if first > too_old:
            info["expiredLogEventEndIndex"] = first
        if limit < len(events):
            info["tooNewLogEventStartIndex"] = limit
        return {"rejectedLogEventsInfo": info} if info else {}

    OPERATIONS = {"CreateLogGroup": create_group, "CreateLogStream": create_stream,
                  "PutRetentionPolicy": put_retention, "PutLogEvents": put_events}
