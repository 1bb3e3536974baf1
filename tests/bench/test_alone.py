# SPDX-License-Identifier: Apache-2.0
"""bench/alone.py leaves out the answers that met another process, and no others."""

import os
import sys
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "bench"))

import alone  # noqa: E402 - it lies beside the program it belongs to

MS = 1_000_000


def at(ms):
    return f"{ms // 1000}.{ms % 1000:03d}000"


def switch(cpu, ms, before, after):
    return (f" {before[0]}-{before[1]}   [{cpu:03d}] d..2. {at(ms)}: sched_switch: "
            f"prev_comm={before[0]} prev_pid={before[1]} prev_prio=120 prev_state=S ==> "
            f"next_comm={after[0]} next_pid={after[1]} next_prio=120")


def wakeup(cpu, ms, who):
    return (f"          <idle>-0       [{cpu:03d}] dNh4. {at(ms)}: sched_wakeup: "
            f"comm={who[0]} pid={who[1]} prio=110 target_cpu={cpu:03d}")


SHARD, EGRESS, IDLE = ("shard-0", 10), ("egress-0", 11), ("swapper/1", 0)
AGENT, BENCH = ("some agent-x", 99), ("weir-bench", 12)


class AloneTest(unittest.TestCase):
    def test_spans_of_others_are_found_and_ours_are_none(self):
        spans, recorded = alone.others_spans([
            "# tracer: nop",
            switch(1, 1000, IDLE, SHARD),
            switch(1, 1002, SHARD, EGRESS),
            switch(1, 1003, EGRESS, AGENT),
            switch(0, 1005, ("swapper/0", 0), BENCH),
            switch(1, 1007, AGENT, SHARD),
        ])
        self.assertEqual(spans, [(1003 * MS, 1007 * MS, "some agent-x")])
        self.assertEqual(recorded, (1000 * MS, 1007 * MS))

    def test_a_span_whose_begin_was_not_told_begins_with_the_wakeup(self):
        spans, _ = alone.others_spans([
            switch(1, 1000, SHARD, IDLE),
            wakeup(1, 1004, AGENT),
            switch(1, 1006, AGENT, IDLE),
        ])
        self.assertEqual(spans, [(1004 * MS, 1006 * MS, "some agent-x")])

    def test_a_span_whose_end_was_not_told_ends_when_somebody_else_is_seen(self):
        spans, _ = alone.others_spans([
            switch(1, 1000, SHARD, AGENT),
            switch(0, 1002, BENCH, ("swapper/0", 0)),
            wakeup(1, 1005, SHARD),
            switch(1, 1009, SHARD, IDLE),
        ])
        self.assertEqual(spans, [(1000 * MS, 1005 * MS, "some agent-x")])

    def test_who_met_a_span_or_waited_behind_one_is_left_out(self):
        spans = [(100 * MS, 104 * MS, "x"), (200 * MS, 200 * MS + 50_000, "short")]
        answers = [
            (90 * MS, 99 * MS),    # before
            (98 * MS, 101 * MS),   # was on its way when it began
            (102 * MS, 106 * MS),  # came into it
            (105 * MS, 107 * MS),  # stood behind the one before
            (106 * MS, 110 * MS),  # and this one behind that one
            (111 * MS, 112 * MS),  # after
            (199 * MS, 201 * MS),  # nobody was there for long
        ]
        self.assertEqual(alone.left_out(answers, spans),
                         [False, True, True, True, True, False, False])

    def test_figures_are_of_what_was_recorded(self):
        trace = "\n".join([switch(1, 1000, IDLE, SHARD), switch(1, 2000, SHARD, AGENT),
                           switch(1, 2010, AGENT, SHARD), switch(1, 9000, SHARD, IDLE)])
        times = [(500 * MS, 600 * MS)]  # before anybody looked
        times += [(i * 1000 * MS + 100 * MS, i * 1000 * MS + 101 * MS) for i in range(1, 9)]
        times += [(2005 * MS, 2025 * MS)]
        judged = alone.judge(trace, "".join(f"{due} {came}\n" for due, came in times))
        self.assertAlmostEqual(judged["seen_share"], 9 / 10)
        self.assertAlmostEqual(judged["alone_share"], 8 / 9)
        self.assertEqual(judged["all_ms"], [1.0, 20.0, 20.0])
        self.assertEqual(judged["alone_ms"], [1.0, 1.0, 1.0])
        self.assertEqual(judged["others"], {"some agent-x": 10.0})

    def test_nothing_recorded_is_nothing(self):
        self.assertEqual(alone.judge("", "1 2\n")["all_ms"], [0.0, 0.0, 0.0])


if __name__ == "__main__":
    unittest.main()
