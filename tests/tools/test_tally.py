# SPDX-License-Identifier: Apache-2.0
"""tools/tally.py counts what ctest, cmocka and pytest report, and fails when anything did."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools", "tally.py")


def case(name, inside="", status="run", classname=""):
    return '<testcase name="%s" classname="%s" status="%s">%s</testcase>' % (
        name, classname or name, status, inside
    )


def cmocka(*lines):
    return "<system-out>%s</system-out>" % "\n".join(lines)


class TallyTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def tally(self, *stages, ci="false"):
        """Each stage is (name, exit code, cases or None). Returns (exit code, lines)."""
        rows = []
        for name, code, cases in stages:
            junit = "-"
            if cases is not None:
                junit = os.path.join(self.folder.name, name + ".xml")
                with open(junit, "w", encoding="utf-8") as f:
                    f.write("<testsuite>%s</testsuite>" % "".join(cases))
            rows.append("%s\t61\t%d\t%s\n" % (name, code, junit))
        table = os.path.join(self.folder.name, "stages.tsv")
        with open(table, "w", encoding="utf-8") as f:
            f.write("".join(rows))
        result = subprocess.run(
            [sys.executable, TOOL, table], capture_output=True, text=True, check=False,
            env=dict(os.environ, CI=ci),
        )
        self.assertEqual(result.stderr, "")
        return result.returncode, result.stdout.splitlines()

    def test_plain_entries_count_as_one(self):
        code, lines = self.tally(("dev", 0, [case("house_check"), case("format_check")]))
        self.assertEqual((code, lines[-1]), (0, "2 passed, 0 failed, 0 skipped"))

    def test_stages_add_up_and_show_their_time(self):
        code, lines = self.tally(
            ("dev", 0, [case("a")]), ("release", 0, None), ("end_to_end", 0, [case("b")])
        )
        self.assertEqual((code, lines[-1]), (0, "2 passed, 0 failed, 0 skipped"))
        self.assertIn("3:03", lines[4])

    def test_cmocka_counts_by_function(self):
        output = cmocka(
            "[==========] Running 3 test(s).", "[ RUN      ] test_a", "[       OK ] test_a",
            "[ RUN      ] test_b", "no such kernel", "[  SKIPPED ] test_b",
            "[ RUN      ] test_c", "[       OK ] test_c", "[  SKIPPED ] 1 test(s), listed below:",
            "[  SKIPPED ] test_b",
        )
        code, lines = self.tally(("dev", 0, [case("io.test_x", output)]))
        self.assertEqual((code, lines[-1]), (0, "2 passed, 0 failed, 1 skipped"))
        self.assertIn("skipped  dev  io.test_x: test_b (no such kernel)", lines)

    def test_cmocka_failure_is_named_even_when_streams_interleave(self):
        output = cmocka(
            "[  FAILED  ] test_b", "[  FAILED  ] 1 test(s), listed below:", "[  FAILED  ] test_b",
            "[ RUN      ] test_a", "[       OK ] test_a", "[ RUN      ] test_b",
        )
        code, lines = self.tally(("dev", 8, [case("x", "<failure/>" + output, "fail")]))
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("failed   dev  x: test_b", lines)

    def test_crash_fails_the_function_that_ran(self):
        output = cmocka("[ RUN      ] test_a", "[       OK ] test_a", "[ RUN      ] test_b")
        code, lines = self.tally(("dev", 8, [case("x", "<failure/>" + output, "fail")]))
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_failure_after_the_last_function_counts(self):
        output = cmocka("[ RUN      ] test_a", "[       OK ] test_a", "leak of 3 bytes")
        code, lines = self.tally(("asan", 8, [case("x", "<failure/>" + output, "fail")]))
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_ctest_skip_shows_its_last_words(self):
        inside = '<skipped message="SKIP_RETURN_CODE=77"/>' + cmocka("no clang-format")
        code, lines = self.tally(("dev", 0, [case("a"), case("format", inside, "notrun")]))
        self.assertEqual((code, lines[-1]), (0, "1 passed, 0 failed, 1 skipped"))
        self.assertIn("skipped  dev  format (no clang-format)", lines)

    def test_missing_program_is_a_failure(self):
        inside = '<skipped message="Unable to find executable"/>'
        code, lines = self.tally(("dev", 8, [case("a"), case("gone", inside, "notrun")]))
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))

    def test_pytest_cases(self):
        where = "tests.end_to_end.test_drain"
        code, lines = self.tally(("end_to_end", 1, [
            case("test_a[uring]", classname=where),
            case("test_b", '<skipped message="no docker"/>', classname=where),
            case("test_c", '<error message="boom"/>', classname=where),
        ]))
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 1 skipped"))
        self.assertIn("skipped  end_to_end  test_drain::test_b (no docker)", lines)
        self.assertIn("failed   end_to_end  test_drain::test_c", lines)

    def test_stage_that_failed_to_build_is_a_failure(self):
        code, lines = self.tally(("dev", 0, [case("a")]), ("release", 1, None))
        self.assertEqual((code, lines[-1]), (1, "1 passed, 1 failed, 0 skipped"))
        self.assertIn("failed   release  the stage ended with exit code 1", lines)

    def test_stage_without_its_report_is_a_failure(self):
        table = os.path.join(self.folder.name, "stages.tsv")
        with open(table, "w", encoding="utf-8") as f:
            f.write("dev\t1\t0\t%s/gone.xml\n" % self.folder.name)
        result = subprocess.run(
            [sys.executable, TOOL, table], capture_output=True, text=True, check=False
        )
        self.assertEqual(result.returncode, 1)
        self.assertIn("left no report", result.stdout)

    def test_nothing_ran_is_a_failure(self):
        code, lines = self.tally(("dev", 0, []))
        self.assertEqual((code, lines[-1]), (1, "0 passed, 0 failed, 0 skipped"))

    def test_skipped_backend_fails_under_ci_only(self):
        reason = '<skipped message="io_uring is refused: EPERM"/>'
        cases = [
            case("a"), case("io.test_loop.uring", '<skipped message="SKIP_X"/>'),
            case("b", reason), case("neuring", '<skipped message="not today"/>'),
        ]
        code, lines = self.tally(("dev", 0, cases))
        self.assertEqual((code, lines[-1]), (0, "1 passed, 0 failed, 3 skipped"))
        code, lines = self.tally(("dev", 0, cases), ci="true")
        self.assertEqual((code, lines[-1]), (1, "1 passed, 2 failed, 1 skipped"))


if __name__ == "__main__":
    unittest.main()
