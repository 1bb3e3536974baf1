# SPDX-License-Identifier: Apache-2.0
"""X-Ray as far as its clients see it: documents are taken or refused one by one; sampling rules."""

import json
import re
import time

DOCUMENTS_MAX = 50
DOCUMENT_MAX_BYTES = 64 * 1024
HEX16 = re.compile(r"[0-9a-f]{16}")
TRACE_ID = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")


def rule(name="Default", rate=0.05, reservoir=1, priority=10000, **more):
    """A sampling rule as GetSamplingRules gives it."""
    fields = {"RuleName": name, "RuleARN": f"arn:aws:xray:eu-west-1:1:sampling-rule/{name}",
              "Version": 1, "Priority": priority, "FixedRate": rate, "ReservoirSize": reservoir,
              "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*",
              "URLPath": "*", "ResourceARN": "*", "Attributes": {}, **more}
    return {"CreatedAt": 0.0, "ModifiedAt": 1.7e9, "SamplingRule": fields}


def fault_of(document):
    """Why X-Ray would refuse a document, or None."""
    if len(document.encode()) > DOCUMENT_MAX_BYTES:
        return "larger than 64 KB"
    try:
        segment = json.loads(document)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(segment, dict) or not isinstance(segment.get("name"), str):
        return "no name"
    if not 1 <= len(segment["name"]) <= 200:
        return "name too long or empty"
    if not HEX16.fullmatch(str(segment.get("id"))):
        return f"id {segment.get('id')!r}"
    if not TRACE_ID.fullmatch(str(segment.get("trace_id"))):
        return f"trace_id {segment.get('trace_id')!r}"
    if not isinstance(segment.get("start_time"), (int, float)):
        return "no start_time"
    if not isinstance(segment.get("end_time"), (int, float)) and \
            segment.get("in_progress") is not True:
        return "neither end_time nor in_progress"
    if segment.get("type") not in (None, "subsegment"):
        return f"type {segment['type']!r}"
    if segment.get("type") == "subsegment" and not HEX16.fullmatch(str(segment.get("parent_id"))):
        return "a subsegment without parent_id"
    return None


class XRay:
    NAME = "xray"
    PATHS = {"/TraceSegments": "PutTraceSegments", "/TelemetryRecords": "PutTelemetryRecords",
             "/GetSamplingRules": "GetSamplingRules", "/SamplingTargets": "GetSamplingTargets"}

    def __init__(self, aws):
        self.aws = aws
        self.documents = []  # texts that were taken, in order
        self.unprocessed = []  # (document, code) that were not
        self.judge = lambda document: None  # a code for a document that is to be refused, or None
        self.judge_request = lambda documents: False  # are they too large together?
        self.batches = []  # documents per call
        self.telemetry = []  # requests
        self.rules = [rule()]
        self.rule_requests = []
        self.statistics = []  # documents of GetSamplingTargets
        self.target = {"FixedRate": 1.0, "ReservoirQuota": 100, "Interval": 10}
        self.targets = {}  # by rule, what differs from that

    def segments(self):
        with self.aws.lock:
            return [json.loads(document) for document in self.documents]

    def put_segments(self, request):
        documents = request.get("TraceSegmentDocuments")
        if not isinstance(documents, list) or not 1 <= len(documents) <= DOCUMENTS_MAX or \
                not all(isinstance(document, str) for document in documents):
            return self.aws.violated(f"PutTraceSegments: {str(request)[:300]}")
        if self.judge_request(documents):
            return 413, {"message": "Request Entity Too Large"}
        self.batches.append(len(documents))
        refused = []
        for document in documents:
            why = fault_of(document)
            code = "InvalidSegment" if why is not None else self.judge(document)
            if code is None:
                self.documents.append(document)
                continue
            self.unprocessed.append((document, why or code))
            refused.append({"Id": id_of(document), "ErrorCode": code, "Message": why or code})
        return 200, {"UnprocessedTraceSegments": refused}

    def put_telemetry(self, request):
        records = request.get("TelemetryRecords")
        if not isinstance(records, list) or not 1 <= len(records) <= 10:
            return self.aws.violated(f"PutTelemetryRecords: {str(request)[:300]}")
        self.telemetry.append(request)
        return 200, {}

    def get_rules(self, request):
        self.rule_requests.append(request)
        return 200, {"SamplingRuleRecords": self.rules, "NextToken": None}

    def get_targets(self, request):
        documents = request.get("SamplingStatisticsDocuments")
        if not isinstance(documents, list):
            return self.aws.violated(f"GetSamplingTargets: {str(request)[:300]}")
        self.statistics.extend(documents)
        targets = [{"RuleName": document["RuleName"], **self.target,
                    **self.targets.get(document["RuleName"], {}),
                    "ReservoirQuotaTTL": time.time() + 60} for document in documents]
        return 200, {"SamplingTargetDocuments": targets, "LastRuleModification": 1.7e9,
                     "UnprocessedStatistics": []}

    OPERATIONS = {"PutTraceSegments": put_segments, "PutTelemetryRecords": put_telemetry,
                  "GetSamplingRules": get_rules, "GetSamplingTargets": get_targets}


def id_of(document):
    try:
        return json.loads(document).get("id")
    except (ValueError, AttributeError):
        return None
