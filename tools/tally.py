#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tally: one closing summary of a test run, from the reports that ctest and pytest leave behind.

Reads a table with one stage per line, fields parted by tabs: name, seconds, exit code, path of its
JUnit file or `-`. Prints what passed, failed and was skipped, by name, and ends with the plain line
`N passed, N failed, N skipped`. The exit code is 1 when anything failed.

A ctest entry that is a cmocka program counts by its test functions. A stage that failed without
naming a test counts as one failure. With CI=true a skipped I/O backend is a failure.
"""

import collections
import os
import re
import sys
import xml.etree.ElementTree as ET

CMOCKA = re.compile(r"^\[ *(RUN|OK|FAILED|SKIPPED) *\] (\w+)\s*$", re.M)
BACKEND = re.compile(r"(?<![a-z])(?:io_?)?(?:uring|epoll)(?![a-z])", re.I)


class Stage:
    def __init__(self, name, seconds):
        self.name = name
        self.seconds = seconds
        self.passed_count = 0
        self.failed = []  # names
        self.skipped = []  # (name, reason)


def read_cmocka(stage, name, output):
    """Counts the functions of one cmocka program; false when the output is not cmocka's."""
    lines = collections.defaultdict(collections.Counter)
    for word, function in CMOCKA.findall(output):
        lines[word][function] += 1
    for function, runs in lines["RUN"].items():
        # Only OK appears once per run: failures and skips are listed again at the end, and a
        # crash leaves nothing but RUN.
        passed = min(runs, lines["OK"][function])
        stage.passed_count += passed
        full_name = "%s: %s" % (name, function)
        if runs > passed and function in lines["SKIPPED"] and function not in lines["FAILED"]:
            reason = last_words(output.split("] " + function, 2)[1])
            stage.skipped += [(full_name, reason)] * (runs - passed)
        else:
            stage.failed += [full_name] * (runs - passed)
    return len(lines["RUN"]) > 0


def last_words(output):
    """The last line that is no frame of a test runner: where a test says why it was skipped."""
    lines = [line.strip() for line in output.splitlines()]
    lines = [line for line in lines if line != "" and not line.startswith("[")]
    return lines[-1] if lines else ""


def read_case(stage, case):
    """One <testcase> of ctest or pytest."""
    name = case.get("name", "?")
    classname = case.get("classname") or name
    if classname != name:  # pytest says which file; ctest repeats the name
        name = "%s::%s" % (classname.split(".")[-1], name)
    output = (case.findtext("system-out") or "") + (case.findtext("system-err") or "")
    skipped = case.find("skipped")
    is_failed = case.find("failure") is not None or case.find("error") is not None
    reason = skipped.get("message", "") if skipped is not None else ""
    if case.get("status") == "notrun" and not reason.startswith(("SKIP_", "Disabled")):
        is_failed = True  # ctest's way to say that the program is not there
    failed_before = len(stage.failed)
    if read_cmocka(stage, name, output):
        if is_failed and len(stage.failed) == failed_before:
            stage.failed.append(name)
    elif is_failed:
        stage.failed.append(name)
    elif skipped is not None:
        stage.skipped.append((name, last_words(output) if reason.startswith("SKIP_") else reason))
    else:
        stage.passed_count += 1


def read_stage(line):
    name, seconds, code, junit = line.rstrip("\n").split("\t")
    stage = Stage(name, int(seconds))
    if junit != "-" and os.path.isfile(junit):
        try:
            for case in ET.parse(junit).iter("testcase"):
                read_case(stage, case)
        except ET.ParseError as error:
            stage.failed.append("the report %s cannot be read: %s" % (junit, error))
    elif junit != "-" and code == "0":
        stage.failed.append("the stage left no report")
    if code != "0" and not stage.failed:
        stage.failed.append("the stage ended with exit code %s" % code)
    return stage


def refuse_skipped_backends(stage):
    kept = []
    for name, reason in stage.skipped:
        if BACKEND.search(name) or BACKEND.search(reason):
            stage.failed.append("%s skipped, and an I/O backend must run: %s" % (name, reason))
        else:
            kept.append((name, reason))
    stage.skipped = kept


def minutes(seconds):
    return "%d:%02d" % divmod(seconds, 60)


def report(stages):
    print("%-16s %8s %8s %8s %8s" % ("stage", "passed", "failed", "skipped", "min"))
    for stage in stages:
        counts = (stage.passed_count, len(stage.failed), len(stage.skipped))
        print("%-16s %8d %8d %8d %8s" % ((stage.name,) + counts + (minutes(stage.seconds),)))
    total_seconds = sum(stage.seconds for stage in stages)
    print("%-16s %8s %8s %8s %8s" % ("", "", "", "", minutes(total_seconds)))
    for stage in stages:
        for name, reason in stage.skipped:
            print("skipped  %s  %s%s" % (stage.name, name, " (%s)" % reason if reason else ""))
    for stage in stages:
        for name in stage.failed:
            print("failed   %s  %s" % (stage.name, name))


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        stages = [read_stage(line) for line in f if line.strip() != ""]
    if os.environ.get("CI") == "true":
        for stage in stages:
            refuse_skipped_backends(stage)
    report(stages)
    passed = sum(stage.passed_count for stage in stages)
    failed = sum(len(stage.failed) for stage in stages)
    skipped = sum(len(stage.skipped) for stage in stages)
    print("%d passed, %d failed, %d skipped" % (passed, failed, skipped))
    return 1 if failed > 0 or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
