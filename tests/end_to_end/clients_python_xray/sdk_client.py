# SPDX-License-Identifier: Apache-2.0
"""sdk_client.py DAEMON COUNT FOLDER: an application with the X-Ray SDK for Python.

Asks for sampling rules, then serves COUNT requests of two kinds, of which the rules let pass one;
writes each document it sent into FOLDER/sent, says `sent`, and lives on until its input ends, so
that the SDK may report its statistics. On the way it says `so far N` documents, and waits for a
line: goes on when they were read.
"""

import json
import pathlib
import sys
import time

from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import PROTOCOL_DELIMITER, UDPEmitter
from aws_xray_sdk.core.sampling.sampler import DefaultSampler

BURST = 20
WINDOW = 100


class RecordingEmitter(UDPEmitter):
    def __init__(self, daemon, path):
        super().__init__(daemon)
        self.file = open(path, "w", encoding="utf-8")
        self.count = 0

    def _send_data(self, data):
        super()._send_data(data)
        self.count += 1
        self.file.write(json.dumps(data.partition(PROTOCOL_DELIMITER)[2]) + "\n")


def wait_for_rules(sampler):
    sampler.start()
    deadline = time.monotonic() + 20
    while not sampler._cache.rules:
        if time.monotonic() > deadline:
            sys.exit("no sampling rules came")
        time.sleep(0.05)


def serve(i):
    """One request; every second one is for /none."""
    path = "/none" if i % 2 else f"/item/{i}"
    request = {"host": "shop.example", "method": "GET", "path": path, "service": "shop-é"}
    decision = xray_recorder.sampler.should_trace(request)
    segment = xray_recorder.begin_segment("shop-é", sampling=1 if decision else 0)
    if decision:
        segment.save_origin_trace_header(None)
        segment.set_rule_name(decision)
    segment.put_http_meta("url", f"https://shop.example{path}")
    segment.put_http_meta("method", "GET")
    segment.put_annotation("i", i)
    segment.put_annotation("text", f"text-é-{i}")
    segment.put_metadata("deep", {"list": [i, i + 0.5, None, True], "ö": "<&>"}, "space")
    with xray_recorder.in_subsegment(f"step {i % 7}", namespace="remote") as step:
        step.put_annotation("step", i % 7)
        if i % 10 == 0:
            try:
                raise ValueError(f"told to fail: {i}")
            except ValueError as error:
                step.add_exception(error, [("shop.py", 12, "serve", None)])
                step.add_error_flag()
    segment.put_http_meta("status", 500 if i % 10 == 0 else 200)
    xray_recorder.end_segment()


def main(daemon, count, folder):
    emitter = RecordingEmitter(daemon, pathlib.Path(folder) / "sent")
    xray_recorder.configure(service="shop", daemon_address=daemon, emitter=emitter,
                            sampler=DefaultSampler(), context_missing="LOG_ERROR")
    wait_for_rules(xray_recorder.sampler)
    for i in range(int(count)):
        serve(i)
        if i % BURST == 0:
            time.sleep(0.002)
        if i % WINDOW == 0:
            print(f"so far {emitter.count}", flush=True)
            sys.stdin.readline()
    emitter.file.close()
    print("sent", flush=True)
    sys.stdin.read()


main(*sys.argv[1:])
