# SPDX-License-Identifier: Apache-2.0
"""Every rule of tools/check_house.py fires on a bad tree and stays silent on a good one."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOL = os.path.join(ROOT, "tools", "check_house.py")
sys.path.insert(0, os.path.dirname(TOOL))

import check_house  # noqa: E402

SPDX = "/* SPDX-License-Identifier: Apache-2.0 */\n"
OPENING = "/*\n * thing — one concept, its place on the route and what it owns.\n */\n"
HEADER = SPDX + "#pragma once\n"


def body(count):
    """A function of exactly `count` lines, signature and closing brace included."""
    return "int big(void)\n{\n" + "    step();\n" * (count - 4) + "    return 0;\n}\n"


class HouseTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = self.folder.name

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)
        if path.endswith((".c", ".h")):
            readme = os.path.join(os.path.dirname(full), "README.md")
            with open(readme, "w", encoding="utf-8") as f:
                f.write("A folder.\n")

    def source(self, code, path="core/base/thing.c"):
        self.write(path, SPDX + OPENING + code)

    def findings(self):
        return check_house.Check(self.root).run()

    def assert_finding(self, path, line, words):
        found = self.findings()
        for finding in found:
            if finding[0] == path and finding[1] == line and words in finding[2]:
                return
        self.fail("no finding %s:%s with %r among %r" % (path, line, words, found))

    def assert_quiet(self):
        self.assertEqual(self.findings(), [])

    # --- papers ---

    def test_good_tree_is_quiet(self):
        self.write("core/base/thing.h", HEADER + "int thing_get(int a, int b);\n")
        self.source('#include "core/base/thing.h"\n#include <string.h>\n')
        self.assert_quiet()

    def test_missing_spdx(self):
        self.write("core/base/thing.c", OPENING + OPENING)
        self.assert_finding("core/base/thing.c", 1, "SPDX")

    def test_missing_pragma_once(self):
        self.write("core/base/thing.h", SPDX + "int thing_get(void);\n")
        self.assert_finding("core/base/thing.h", 1, "#pragma once")

    def test_missing_opening_comment(self):
        self.write("core/base/thing.c", SPDX + "#include <string.h>\n" + OPENING)
        self.assert_finding("core/base/thing.c", 2, "opening comment")

    def test_empty_opening_comment(self):
        self.write("core/base/thing.c", SPDX + "/*\n * thing\n */\n")
        self.assert_finding("core/base/thing.c", 2, "opening comment")

    def test_missing_readme(self):
        self.source("")
        os.remove(os.path.join(self.root, "core/base/README.md"))
        self.assert_finding("core/base", 1, "README.md")

    def test_tests_share_one_readme(self):
        self.source("", "tests/core/base/test_thing.c")
        os.remove(os.path.join(self.root, "tests/core/base/README.md"))
        self.assert_finding("tests/core/base", 1, "README.md")
        self.write("tests/README.md", "Tests.\n")
        self.assert_quiet()

    # --- walls of files ---

    def test_source_wall(self):
        head = 4
        self.source("\n" * (600 - head))
        self.assert_quiet()
        self.source("\n" * (601 - head))
        self.assert_finding("core/base/thing.c", 601, "601 lines")

    def test_constant_table_has_no_wall(self):
        self.source("/* house: constant table */\n" + "\n" * 700)
        self.assert_quiet()

    def test_test_source_wall(self):
        head = 4
        self.source("\n" * (900 - head), "tests/test_thing.c")
        self.assert_quiet()
        self.source("\n" * (901 - head), "tests/test_thing.c")
        self.assert_finding("tests/test_thing.c", 901, "901 lines")

    def test_header_wall(self):
        self.write("core/base/thing.h", HEADER + "\n" * 248)
        self.assert_quiet()
        self.write("core/base/thing.h", HEADER + "\n" * 249)
        self.assert_finding("core/base/thing.h", 251, "251 lines")

    def test_column_wall(self):
        self.source("/* %s */\n" % ("é" * 94))
        self.assert_quiet()
        self.source("/* %s */\n" % ("é" * 95))
        self.assert_finding("core/base/thing.c", 5, "101 columns")

    def test_tab(self):
        self.source("int a;\n\tint b;\n")
        self.assert_finding("core/base/thing.c", 6, "tab")

    def test_cmake_wall(self):
        self.write("core/base/CMakeLists.txt", "# line\n" * 150)
        self.assert_quiet()
        self.write("core/base/CMakeLists.txt", "# line\n" * 151)
        self.assert_finding("core/base/CMakeLists.txt", 151, "151 lines")

    def test_dot_folders_are_not_read(self):
        self.write(".build/dev/bad.c", "int x;\n")
        self.write("tests/end_to_end/clients_node/node_modules/x/bad.c", "int x;\n")
        self.assert_quiet()

    # --- floors ---

    def include(self, home, target):
        self.write(target + "/other.h", HEADER)
        self.source('#include "%s/other.h"\n' % target, home + "/thing.c")

    def test_floors_that_may_look(self):
        may = [
            ("core/model", "core/base"), ("core/engine", "core/otlp"),
            ("core/processors", "core/engine"), ("codecs", "core/engine"), ("io", "core/base"),
            ("io/aws", "codecs"), ("io/aws", "io"), ("io/auth", "io/aws"),
            ("io/receivers", "io/aws"), ("io/receivers", "codecs"), ("exporters", "io"),
            ("tools/weir", "exporters"), ("tools/weir", "io/receivers"), ("tests", "tools/weir"),
            ("bench", "io"), ("tests", "bench"), ("io", "io"),
        ]
        for home, target in may:
            with self.subTest(home=home, target=target):
                self.setUp()
                self.include(home, target)
                self.assert_quiet()

    def test_floors_that_must_not_look(self):
        must_not = [
            ("core/base", "core/model"), ("core/model", "core/otlp"), ("core/otlp", "core/engine"),
            ("core/engine", "core/processors"), ("core/engine", "codecs"), ("codecs", "io"),
            ("io", "codecs"), ("io", "io/aws"), ("io", "io/receivers"), ("io/aws", "io/auth"),
            ("io/aws", "exporters"), ("exporters", "io/receivers"), ("io/receivers", "exporters"),
            ("exporters", "tools/weir"), ("codecs", "tests"), ("tools/weir", "bench"),
        ]
        for home, target in must_not:
            with self.subTest(home=home, target=target):
                self.setUp()
                self.include(home, target)
                self.assert_finding(home + "/thing.c", 5, target)

    def test_file_without_a_floor(self):
        self.source("", "core/helpers/thing.c")
        self.assert_finding("core/helpers/thing.c", 1, "no floor")

    def test_include_path_starts_at_the_root(self):
        self.write("core/base/other.h", HEADER)
        self.source('#include "other.h"\n')
        self.assert_finding("core/base/thing.c", 5, "no path from the root")
        self.source('#include "core/base/../base/other.h"\n')
        self.assert_finding("core/base/thing.c", 5, "no path from the root")

    def test_generated_protobuf_header_is_otlp(self):
        self.source('#include "opentelemetry/metrics.pb-c.h"\n', "core/otlp/thing.c")
        self.assert_quiet()
        self.source('#include "opentelemetry/metrics.pb-c.h"\n', "core/model/thing.c")
        self.assert_finding("core/model/thing.c", 5, "core/otlp")

    def test_commented_include_does_not_count(self):
        self.source('/*\n#include "nowhere.h"\n*/\n')
        self.assert_quiet()

    def test_what_a_folder_must_not_know(self):
        for home, header in [
            ("core/model", "time.h"), ("core/model", "pthread.h"), ("core/otlp", "unistd.h"),
            ("core/engine", "sys/socket.h"), ("codecs", "threads.h"), ("codecs", "poll.h"),
        ]:
            with self.subTest(home=home, header=header):
                self.setUp()
                self.source("#include <%s>\n" % header, home + "/thing.c")
                self.assert_finding(home + "/thing.c", 5, "must not know <%s>" % header)
        self.setUp()
        self.source("#include <sys/socket.h>\n", "io/thing.c")
        self.assert_quiet()

    def test_circle_of_includes(self):
        self.write("core/base/a.h", HEADER + '#include "core/base/b.h"\n')
        self.write("core/base/b.h", HEADER + '#include "core/base/c.h"\n')
        self.write("core/base/c.h", HEADER + '#include "core/base/a.h"\n')
        self.assert_finding("core/base/c.h", 3, "circle")

    # --- words ---

    def test_allocators_live_in_mem(self):
        for name in check_house.ALLOCATORS:
            with self.subTest(name=name):
                self.source("void *p = %s (3);\n" % name)
                self.assert_finding("core/base/thing.c", 5, name + "() is banned")
                self.source("void *p = %s(3);\n" % name, "tests/thing.c")
                self.assert_finding("tests/thing.c", 5, name + "() is banned")
        self.setUp()
        self.source("void *p = calloc(1, 3);\n", "core/base/mem.c")
        self.assert_quiet()

    def test_banned_everywhere(self):
        for name in check_house.BANNED:
            with self.subTest(name=name):
                self.setUp()
                self.source("int x = %s(y);\n" % name, "core/base/mem.c")
                self.assert_finding("core/base/mem.c", 5, name + "() is banned everywhere")

    def test_banned_in_a_macro(self):
        self.source("#define COPY(a, b) strcpy(a, b)\n")
        self.assert_finding("core/base/thing.c", 5, "strcpy() is banned")

    def test_words_that_only_look_banned(self):
        self.source(
            "struct ops { void (*free)(void *p); };\n"
            "/* free(x) in a comment */\n"
            'const char *text = "malloc(3)";\n'
            "int a = ops->free(x) + ops.free(x) + mem_free(x) + my_strcpy(x);\n"
        )
        self.assert_quiet()

    def test_number_may_call_strtod_l(self):
        self.source("double d = strtod_l(a, b, c);\n", "core/base/number.c")
        self.assert_quiet()
        self.source("double d = strtod_l(a, b, c);\n")
        self.assert_finding("core/base/thing.c", 5, "outside core/base/number.c")

    def test_clock_is_read_in_one_place(self):
        self.source("int e = clock_gettime(a, b);\n", "core/base/clock.c")
        self.source("int e = clock_gettime(a, b);\n", "bench/thing.c")
        self.assert_quiet()
        self.source("int e = clock_gettime(a, b);\n", "io/thing.c")
        self.assert_finding("io/thing.c", 5, "outside core/base/clock.c")

    # --- functions ---

    def test_function_wall(self):
        self.source(body(70))
        self.assert_quiet()
        self.source(body(71))
        self.assert_finding("core/base/thing.c", 5, "big() has 71 lines")

    def test_function_wall_holds_for_tests(self):
        self.source(body(71), "tests/test_thing.c")
        self.assert_finding("tests/test_thing.c", 5, "big() has 71 lines")

    def test_long_table_is_no_function(self):
        self.source("static const int table[] = {\n" + "    1,\n" * 100 + "};\n")
        self.assert_quiet()

    def test_parameter_wall(self):
        six = "int a, int (*b)(int x, int y), int c, int d, int e, int f"
        self.source("int f(%s)\n{\n    return 0;\n}\n" % six)
        self.assert_quiet()
        self.source("int f(%s, int g)\n{\n    return 0;\n}\n" % six)
        self.assert_finding("core/base/thing.c", 5, "f has 7 parameters")

    def test_parameter_wall_holds_for_prototypes_and_types(self):
        seven = "int a, int b, int c, int d, int e, int f, int g"
        self.source("WEIR_PRINTF(1, 2) int f(%s);\n" % seven)
        self.assert_finding("core/base/thing.c", 5, "f has 7 parameters")
        self.source("typedef void(thing_fn)(%s);\n" % seven)
        self.assert_finding("core/base/thing.c", 5, "function type has 7 parameters")

    def test_nesting_wall(self):
        three = "void f(void)\n{\n    if (a) {\n for (;;) {\n do {\n %s\n } while (b);\n }\n }\n}\n"
        self.source(three % "s = (struct x){.y = {{1}}};")
        self.assert_quiet()
        self.source(three % "switch (c) {\n }")
        self.assert_finding("core/base/thing.c", 10, "f() nests deeper than 3 blocks")

    def test_nesting_counts_macro_loops_and_bare_blocks(self):
        self.source(
            "void f(void)\n{\n    EACH(x) {\n EACH(y) {\n {\n {\n g();\n }\n }\n }\n }\n}\n"
        )
        self.assert_finding("core/base/thing.c", 10, "nests deeper")

    def test_initialisers_do_not_nest(self):
        self.source(
            "struct x f(void)\n{\n    if (a) {\n        while (b) {\n            if (c) {\n"
            "                return (struct x){.a = {.b = {.c = {.d = {1}}}}};\n"
            "            }\n        }\n    }\n    return call(&(struct y){.z = {{{{2}}}}});\n}\n"
        )
        self.assert_quiet()

    def test_condition_inside_a_body(self):
        code = "#if defined(A)\nint a;\n#endif\nint f(void)\n{\n%s    return 0;\n}\n"
        self.source(code % "")
        self.assert_quiet()
        for word in ("#if A", "#ifdef A", "  #  ifndef A"):
            with self.subTest(word=word):
                self.source(code % (word + "\n#endif\n"))
                self.assert_finding("core/base/thing.c", 10, "#if inside f()")
        self.setUp()
        self.write(
            "core/base/defs.h",
            HEADER + "static inline int f(void)\n{\n#if A\n#endif\n    return 0;\n}\n",
        )
        self.assert_quiet()

    def test_braces_always(self):
        bare = ("if (a)\n b();", "for (;;)\n b();", "while (a)\n b();", "do\n b();\n while (a);")
        for statement in bare:
            with self.subTest(statement=statement):
                self.source("void f(void)\n{\n%s\n}\n" % statement)
                self.assert_finding("core/base/thing.c", 7, "without braces")
        self.source("void f(void)\n{\n if (a) {\n b();\n } else\n c();\n}\n")
        self.assert_finding("core/base/thing.c", 9, "`else` without braces")
        chain = " if (a) {\n b();\n } else if (c) {\n d();\n } else {\n e();\n }\n"
        self.source("void f(void)\n{\n" + chain + "}\n")
        self.assert_quiet()

    def test_else_after_return(self):
        self.source("int f(void)\n{\n if (a) {\n b();\n return g(1);\n } else {\n c();\n }\n}\n")
        self.assert_finding("core/base/thing.c", 10, "`else` after a return")

    def test_no_typedef_for_structs(self):
        self.source("typedef struct {\n int a;\n} thing;\n")
        self.assert_finding("core/base/thing.c", 5, "no typedef for a struct")
        self.source("typedef enum kind kind;\n")
        self.assert_finding("core/base/thing.c", 5, "no typedef for a enum")
        self.source("typedef struct x *(thing_fn)(int a);\n")
        self.assert_quiet()

    def test_unbalanced_braces(self):
        self.source("void f(void)\n{\n    if (a) {\n}\n")
        self.assert_finding("core/base/thing.c", 6, "do not balance")
        self.source("}\n")
        self.assert_finding("core/base/thing.c", 5, "do not balance")

    def test_quotes_and_comments_hide_braces(self):
        self.source("char f(void)\n{\n    g(\"{\\\"{\"); /* { */ // {\n    return '{';\n}\n")
        self.assert_quiet()

    # --- ratchet ---

    def test_ratchet_admits_what_it_lists(self):
        self.source(body(80))
        self.write("tools/house_ratchet.txt", "# listed\ncore/base/thing.c big 80\n")
        self.assert_quiet()

    def test_ratchet_refuses_growth(self):
        self.source(body(81))
        self.write("tools/house_ratchet.txt", "core/base/thing.c big 80\n")
        self.assert_finding("core/base/thing.c", 5, "grew from 80 to 81")

    def test_ratchet_follows_shrinking(self):
        self.source(body(79))
        self.write("tools/house_ratchet.txt", "core/base/thing.c big 80\n")
        self.assert_finding("tools/house_ratchet.txt", 1, "down to 79")

    def test_ratchet_refuses_stale_entries(self):
        self.source(body(70))
        self.write("tools/house_ratchet.txt", "core/base/thing.c big 80\ncore/gone.c big 90\n")
        self.assert_finding("tools/house_ratchet.txt", 1, "not past the wall")
        self.assert_finding("tools/house_ratchet.txt", 2, "not past the wall")

    def test_ratchet_refuses_malformed_entries(self):
        self.write("tools/house_ratchet.txt", "core/base/thing.c big\n")
        self.assert_finding("tools/house_ratchet.txt", 1, "an entry reads")

    # --- the top level ---

    def test_nothing_strays_to_the_top_level(self):
        self.source("")
        self.write(".editorconfig", "root = true\n")
        self.write("LICENSE", "Apache-2.0\n")
        self.assert_quiet()
        self.write("figures.json", "{}\n")
        self.write("docs/guide.md", "Words.\n")
        self.assert_finding("figures.json", 1, "does not belong at the top level")
        self.assert_finding("docs", 1, "does not belong at the top level")

    # --- the command ---

    def command(self):
        return subprocess.run(
            [sys.executable, TOOL, "--root", self.root], capture_output=True, text=True, check=False
        )

    def test_command_exits_by_findings(self):
        self.source("")
        self.assertEqual(self.command().returncode, 0)
        self.source("void *p = malloc(3);\n")
        result = self.command()
        self.assertEqual(result.returncode, 1)
        self.assertIn("core/base/thing.c:5: malloc() is banned", result.stdout)


if __name__ == "__main__":
    unittest.main()
