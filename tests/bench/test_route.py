# SPDX-License-Identifier: Apache-2.0
"""bench/route starts paced rows, and only those, in the real-time class when it is asked to."""

import argparse
import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BENCH = os.path.join(ROOT, "bench")
sys.path.insert(0, BENCH)
sys.dont_write_bytecode = True

LOADER = importlib.machinery.SourceFileLoader("route", os.path.join(BENCH, "route"))
route = importlib.util.module_from_spec(importlib.util.spec_from_loader("route", LOADER))
LOADER.exec_module(route)

# In place of weir-bench: says its scheduling policy in the form of a result.
SAYS_ITS_POLICY = """#!/usr/bin/env python3
import json, os
print(json.dumps({"policy": os.sched_getscheduler(0)}))
"""


class RealTimeTest(unittest.TestCase):
    def policy(self, real_time, row):
        """The policy that a run's load is started with."""
        with tempfile.TemporaryDirectory() as scratch:
            program = os.path.join(scratch, "bench", "weir-bench")
            os.mkdir(os.path.dirname(program))
            with open(program, "w", encoding="utf-8") as file:
                file.write(SAYS_ITS_POLICY)
            os.chmod(program, 0o755)
            bench = route.Bench(argparse.Namespace(
                build_dir=scratch, results=None, port=1, interval="5s", server_cpus="0",
                bench_cpus="0", verbose=False, real_time=real_time), scratch)
            result = bench.run({"name": "row", **row}, ["server"])
            return None if result is None else result["policy"]

    @unittest.skipUnless(os.geteuid() == 0, "the real-time class takes root")
    def test_a_paced_row_runs_in_the_real_time_class(self):
        self.assertEqual(self.policy(True, {"rate": "1000"}), os.SCHED_RR)

    def test_a_saturated_row_stays_where_it_is(self):
        own = os.sched_getscheduler(0)
        self.assertEqual(self.policy(True, {"rate": "0"}), own)
        self.assertEqual(self.policy(True, {}), own)

    def test_nothing_changes_unasked(self):
        self.assertEqual(self.policy(False, {"rate": "1000"}), os.sched_getscheduler(0))


if __name__ == "__main__":
    unittest.main()
