# SPDX-License-Identifier: Apache-2.0
"""alone - which answers met no other process of the machine, and how long those took.

On a machine with other work on it a latency's tail is as much the machine's as the server's. While
a row runs, the kernel notes who gets the CPUs (its scheduler's events, in an instance of tracefs of
our own; that takes root). Spans in which somebody else held a CPU are laid over the answers' times:
an answer is left out if it met such a span, or an answer that began in one and so waited in the
same queue. What the host of a virtual machine takes is not seen, and stays in. A slow answer meets
a span more easily than a quick one; with a few spans per second that moves little, but for that
reason the figures of all answers stand beside these.
"""
import bisect
import collections
import contextlib
import os
import pathlib
import re
import sys

TRACING = pathlib.Path("/sys/kernel/tracing")
# Threads that are part of what is measured: ours, and the kernel's where it works for sockets.
OURS = ("shard-", "egress-", "weir", "swapper/", "ksoftirqd/", "<idle>")
# Who is there for no longer is not what makes a tail.
SHORT_NS = 50_000
BUFFER_KB = 65536  # for each CPU: more than a minute

EVENT = re.compile(r"\s*(.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+)\.(\d+): (sched_\w+): (.*)")
SWITCH = re.compile(r"prev_comm=.+ prev_pid=\d+ .*==> next_comm=(.+) next_pid=(\d+)")
WAKEUP = re.compile(r"comm=(.+) pid=(\d+) .*target_cpu=(\d+)")


class Recorder:
    """The scheduler's events while the block runs; their text is in `text` afterwards."""

    def __init__(self):
        self.folder = TRACING / "instances" / f"weir-bench-{os.getpid()}"
        self.text = ""

    def __enter__(self):
        try:
            self.folder.mkdir()
            (self.folder / "trace_clock").write_text("mono")
            (self.folder / "buffer_size_kb").write_text(str(BUFFER_KB))
            for event in ("sched_switch", "sched_waking", "sched_wakeup"):
                (self.folder / "events" / "sched" / event / "enable").write_text("1")
        except OSError as error:
            with contextlib.suppress(OSError):
                self.folder.rmdir()  # it may not have come so far
            sys.exit(f"--alone: the scheduler's events cannot be recorded: {error}\n"
                     f"It takes root, and tracefs: mount -t tracefs nodev {TRACING}")
        return self

    def __exit__(self, *_):
        (self.folder / "tracing_on").write_text("0")
        self.text = (self.folder / "trace").read_text(errors="replace")
        self.folder.rmdir()


def others_spans(lines):
    """(begin, end, who) of everybody else on a CPU, in ns; and the span that was recorded.

    Not every change is told: some kernels keep quiet about who an idle CPU was given to, or who
    gave one up. Whoever is seen on a CPU came at the latest when it was woken, and is gone when
    somebody else is seen there.
    """
    holding, woken, seen, spans = {}, {}, {}, []
    first = last = None
    for line in lines:
        found = EVENT.match(line)
        if not found:
            continue
        name, pid, cpu, seconds, fraction, event, rest = found.groups()
        now = int(seconds) * 10**9 + int(fraction.ljust(9, "0"))
        first, last = first or now, now
        if cpu in holding and holding[cpu][1] != name:
            spans.append((holding[cpu][0], now, holding.pop(cpu)[1]))
        if cpu not in holding and not name.startswith(OURS):
            holding[cpu] = (max(woken.get(pid, 0), seen.get(cpu, now)), name)
        if event == "sched_wakeup":
            woken[WAKEUP.match(rest).group(2)] = now
        elif event == "sched_switch":
            following = SWITCH.match(rest).group(1)
            if cpu in holding:
                spans.append((holding[cpu][0], now, holding.pop(cpu)[1]))
            if not following.startswith(OURS):
                holding[cpu] = (now, following)
        seen[cpu] = now
    return spans, (first, last)


def merge(spans):
    out = []
    for begin, end in sorted(spans):
        if out and begin <= out[-1][1]:
            out[-1][1] = max(out[-1][1], end)
        else:
            out.append([begin, end])
    return out


def left_out(answers, spans):
    """Of each answer (due, came): did it meet one of the spans, or one that waited in them?"""
    is_out = [False] * len(answers)
    spans = merge([span[:2] for span in spans if span[1] - span[0] > SHORT_NS])
    while True:
        begins = [span[0] for span in spans]
        waited = []
        for i, (due, came) in enumerate(answers):
            at = bisect.bisect_right(begins, came) - 1
            if is_out[i] or at < 0 or spans[at][1] < due:
                continue
            is_out[i] = True
            if due >= spans[at][0]:
                waited.append((due, came))
        if not waited:
            return is_out
        spans = merge([tuple(span) for span in spans] + waited)


def quantile_ms(durations, share):
    ordered = sorted(durations)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] / 1e6 if ordered else 0.0


def judge(trace, times):
    """Figures of one run from the events' text and the lines of `weir-bench --times`."""
    spans, (first, last) = others_spans(trace.splitlines())
    whole = [tuple(map(int, line.split())) for line in times.splitlines()]
    answers = sorted(a for a in whole if first is not None and first < a[0] and a[1] < last)
    is_out = left_out(answers, spans)
    all_ns = [came - due for due, came in answers]
    alone_ns = [ns for ns, out in zip(all_ns, is_out) if not out]
    held = collections.Counter()
    for begin, end, who in spans:
        held[who] += (end - begin) / 1e6
    return {
        # Well below 1 where the buffer was too small for the run: its beginning is gone then.
        "seen_share": len(answers) / max(1, len(whole)),
        "alone_share": len(alone_ns) / max(1, len(all_ns)),
        "all_ms": [quantile_ms(all_ns, q) for q in (0.5, 0.99, 0.999)],
        "alone_ms": [quantile_ms(alone_ns, q) for q in (0.5, 0.99, 0.999)],
        "others": {who: round(ms, 1) for who, ms in held.most_common(3)},
    }
