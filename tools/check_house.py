#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_house: what a machine can tell about how the sources are built, so that reviews need not.

Reads every C source and header of the tree and checks four things: the floors (who may include
whom), the walls (sizes of files, functions, parameter lists, nesting and lines; what stands at the
top level), the words (calls that are banned or belong to one file) and the papers (SPDX line,
opening comment, README per folder). Findings are printed as `file:line: message`; the exit code is 1 when there are any.

A function past its wall may be listed in tools/house_ratchet.txt as `path function lines`. It may
shrink, never grow; an entry that is larger than its function, or needless, is a finding too.
"""

import argparse
import os
import re
import sys

# The floors, as in the tree: a folder includes itself and what lies on a lower floor.
FLOORS = {
    "core/base": 0,
    "core/model": 1,
    "core/otlp": 2,
    "core/engine": 3,
    "core/processors": 3,
    "codecs": 4,
    "io": 4,
    "io/aws": 5,
    "io/auth": 5,
    "io/receivers": 6,
    "exporters": 6,
    "tools/weir": 7,
}
# Neighbours on one floor that may look at each other, in this direction only.
NEIGHBOURS = {("core/processors", "core/engine"), ("io/auth", "io/aws")}
# These include everything and are included by nobody else.
GROUNDS = ("tests", "bench")

# The rooms of the house; beside them only files and folders whose names begin with a dot.
TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md",
    "bench", "codecs", "core", "exporters", "io", "tests", "tools",
}

DESCRIPTOR_HEADERS = {
    "fcntl.h", "liburing.h", "netdb.h", "netinet/in.h", "poll.h", "sys/epoll.h", "sys/ioctl.h",
    "sys/socket.h", "unistd.h",
}
CLOCK_HEADERS = {"sys/time.h", "sys/timerfd.h", "time.h"}
THREAD_HEADERS = {"pthread.h", "sched.h", "threads.h"}
# What a folder must not know, as the system headers that would tell it.
UNKNOWN_TO = {
    "core/model": DESCRIPTOR_HEADERS | CLOCK_HEADERS | THREAD_HEADERS,
    "core/otlp": DESCRIPTOR_HEADERS | CLOCK_HEADERS,
    "core/engine": DESCRIPTOR_HEADERS,
    "core/processors": DESCRIPTOR_HEADERS,
    "codecs": DESCRIPTOR_HEADERS | CLOCK_HEADERS | THREAD_HEADERS,
}

SOURCE_LINES_MAX = 600
TEST_SOURCE_LINES_MAX = 900
HEADER_LINES_MAX = 250
CMAKE_LINES_MAX = 150
FUNCTION_LINES_MAX = 70
PARAMETERS_MAX = 6
NESTING_MAX = 3
COLUMNS_MAX = 100
OPENING_TEXT_MIN = 20

CONSTANT_TABLE_MARK = "house: constant table"
SPDX = "SPDX-License-Identifier: Apache-2.0"
IF_IN_BODY_HOME = "core/base/defs.h"
# Types that stand only in the signatures of a library's callbacks.
FOREIGN_CALLBACKS = ("nghttp2_session", "nghttp2_data_source")
RATCHET_PATH = "tools/house_ratchet.txt"

ALLOCATORS = (
    "malloc calloc realloc reallocarray free strdup strndup aligned_alloc posix_memalign memalign "
    "asprintf vasprintf"
).split()
BANNED = (
    "atoi atol atoll atof strtof strtold sscanf vsscanf strcpy stpcpy strcat sprintf "
    "vsprintf strtok strtok_r gets alloca"
).split()
# Calls that have one home; the grounds may read the clock, nobody else's rule bends.
HOMES = {name: "core/base/mem.c" for name in ALLOCATORS}
HOMES["strtod_l"] = "core/base/number.c"
# Our number parser is held against libc's.
HOMES["strtod"] = "tests/core/base/test_number.c"
HOMES["clock_gettime"] = HOMES["gettimeofday"] = "core/base/clock.c"
FREE_ON_GROUNDS = {"clock_gettime", "gettimeofday"}

# A member (`ops->free(x)`) is not the libc function of that name.
CALL = re.compile(r"(?<![\w.])(?<!->)(%s)\s*\(" % "|".join(BANNED + sorted(HOMES)))
TOKEN = re.compile(r"[A-Za-z_]\w*|\d[\w.]*|->|[^\s\w]|\n")
INCLUDE = re.compile(r'\s*#\s*include\s*(?:"([^"]*)"|<([^>]*)>)')
CONDITION = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else)\b")
NOT_A_NAME = {"__attribute__", "alignas", "_Alignas", "_Static_assert", "static_assert", "typeof"}
HEADS = {"if", "for", "while", "switch"}


class Source:
    """One file, read once: raw lines, code without comments and strings, functions."""

    def __init__(self, root, path):
        self.path = path
        with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
            self.text = f.read()
        self.lines = self.text.split("\n")
        if self.lines[-1] == "":
            self.lines.pop()
        self.code = blank_comments_and_strings(self.text)
        self.code_lines = self.code.split("\n")
        self.is_header = path.endswith(".h")
        self.is_on_grounds = path.split("/")[0] in GROUNDS


class Function:
    def __init__(self, name, head, body, body_line, end_line):
        self.name = name
        self.head = head  # tokens before the opening brace
        self.body = body  # tokens between the braces
        self.first_line = head[0][1]
        self.body_line = body_line
        self.end_line = end_line
        self.lines = end_line - self.first_line + 1


def blank_comments_and_strings(text):
    """Spaces in place of comments and of what stands between quotes; line breaks stay."""

    def spaces(match):
        piece = match.group(0)
        blank = re.sub(r"[^\n]", " ", piece)
        return piece[0] + blank[1:-1] + piece[0] if piece[0] in "\"'" else blank

    pieces = r"/\*.*?(?:\*/|\Z)|//[^\n]*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'"
    return re.sub(pieces, spaces, text, flags=re.S)


def blank_directives(code):
    """The code without its preprocessor lines and their continuations."""
    out = []
    is_continued = False
    for line in code.split("\n"):
        is_directive = is_continued or line.lstrip().startswith("#")
        is_continued = is_directive and line.rstrip().endswith("\\")
        out.append("" if is_directive else line)
    return "\n".join(out)


def tokens_of(code):
    """(text, line) pairs."""
    tokens = []
    line = 1
    for match in TOKEN.finditer(code):
        if match.group(0) == "\n":
            line += 1
        else:
            tokens.append((match.group(0), line))
    return tokens


def match_forward(tokens, i, left, right):
    """Index of the partner of tokens[i], or len(tokens) when there is none."""
    depth = 0
    for k in range(i, len(tokens)):
        depth += (tokens[k][0] == left) - (tokens[k][0] == right)
        if depth == 0:
            return k
    return len(tokens)


def match_backward(tokens, i, left, right):
    depth = 0
    for k in range(i, -1, -1):
        depth += (tokens[k][0] == right) - (tokens[k][0] == left)
        if depth == 0:
            return k
    return 0


def is_word(text):
    return text[0].isalpha() or text[0] == "_"


def parameter_groups(statement):
    """(name, count, line) for each top-level parenthesis that may be a parameter list."""
    i = 0
    while i < len(statement):
        text, line = statement[i]
        if text == "=":
            return
        if text != "(":
            i += 1
            continue
        end = match_forward(statement, i, "(", ")")
        before = statement[i - 1][0] if i > 0 else ""
        is_name = before != "" and is_word(before) and before not in NOT_A_NAME
        is_macro = is_name and before == before.upper()
        if before == ")" or (is_name and not is_macro):
            yield before, count_parameters(statement[i + 1 : end]), line
        i = end + 1


def count_parameters(inside):
    depth = 0
    commas = 0
    for text, _ in inside:
        depth += (text in "([{") - (text in ")]}")
        commas += text == "," and depth == 0
    return commas + 1 if inside else 0


def file_scope(tokens):
    """
    Splits a file into functions and other statements.
    Returns (functions, statements, line of an unbalanced brace or None).
    """
    functions = []
    statements = []
    first = 0
    i = 0
    while i < len(tokens):
        text, line = tokens[i]
        if text == ";":
            statements.append(tokens[first:i])
            first = i + 1
        elif text == "}":
            return functions, statements, line
        elif text == "(":
            i = match_forward(tokens, i, "(", ")")
        elif text == "{":
            end = match_forward(tokens, i, "{", "}")
            if end == len(tokens):
                return functions, statements, line
            name = function_name(tokens[first:i])
            if name is not None:
                body = tokens[i + 1 : end]
                functions.append(Function(name, tokens[first:i], body, line, tokens[end][1]))
                first = end + 1
            i = end
        i += 1
    return functions, statements, None


def function_name(head):
    """The name when `head`, standing before a brace, is that of a function; else None."""
    if not head or head[-1][0] != ")":
        return None
    for name, _, _ in parameter_groups(head):
        return name
    return None


def opens_block(tokens, i, is_inside_initialiser):
    """True when the brace at i opens a block, false for an initialiser or a local struct."""
    if is_inside_initialiser:
        return False
    before = tokens[i - 1][0] if i > 0 else ";"
    if before == ")":
        k = match_backward(tokens, i - 1, "(", ")") - 1
        word = tokens[k][0] if k >= 0 else "="
        return is_word(word) and word not in ("return", "sizeof")
    return before in (";", "{", "}", ":", "else", "do")


class Check:
    def __init__(self, root):
        self.root = root
        self.findings = []
        self.sources = {}
        self.oversized = {}  # (path, function) -> (line, lines)

    def report(self, path, line, message):
        self.findings.append((path, line, message))

    def run(self):
        for path in sorted(self.tree_files()):
            if path.endswith((".c", ".h")):
                self.sources[path] = Source(self.root, path)
            elif os.path.basename(path) == "CMakeLists.txt":
                self.check_cmake(path)
        for source in self.sources.values():
            self.check_papers(source)
            self.check_lines(source)
            self.check_includes(source)
            self.check_calls(source)
            self.check_structure(source)
        self.check_top_level()
        self.check_circles()
        self.check_readmes()
        self.check_ratchet()
        return sorted(self.findings)

    def tree_files(self):
        for folder, folders, files in os.walk(self.root):
            # Dot folders hold builds, environments and git; none of them is ours to judge.
            folders[:] = [f for f in folders if f[0] != "." and f != "node_modules"]
            for name in files:
                yield os.path.relpath(os.path.join(folder, name), self.root)

    def check_top_level(self):
        for name in os.listdir(self.root):
            if not name.startswith(".") and name not in TOP_LEVEL:
                self.report(name, 1, "does not belong at the top level")

    # --- papers and walls of whole files ---

    def check_papers(self, source):
        if not source.lines or SPDX not in source.lines[0]:
            self.report(source.path, 1, "the first line lacks `%s`" % SPDX)
        if source.is_header:
            if not any(line.strip() == "#pragma once" for line in source.lines):
                self.report(source.path, 1, "a header needs `#pragma once`")
            return
        after_spdx = source.text.split("\n", 1)[1].lstrip() if len(source.lines) > 1 else ""
        opening = re.match(r"/\*(.*?)\*/", after_spdx, flags=re.S)
        if opening is None or len(re.sub(r"[\s*]", "", opening.group(1))) < OPENING_TEXT_MIN:
            self.report(source.path, 2, "no opening comment below the SPDX line")

    def check_lines(self, source):
        wall = SOURCE_LINES_MAX
        if source.is_header:
            wall = HEADER_LINES_MAX
        elif source.path.startswith("tests/"):
            wall = TEST_SOURCE_LINES_MAX
        if len(source.lines) > wall and CONSTANT_TABLE_MARK not in source.text:
            message = "%d lines; the wall is %d" % (len(source.lines), wall)
            self.report(source.path, wall + 1, message)
        for number, line in enumerate(source.lines, 1):
            if len(line) > COLUMNS_MAX:
                message = "%d columns; the wall is %d" % (len(line), COLUMNS_MAX)
                self.report(source.path, number, message)
            if "\t" in line:
                self.report(source.path, number, "a tab; indent with 4 spaces")

    def check_cmake(self, path):
        with open(os.path.join(self.root, path), encoding="utf-8", errors="replace") as f:
            count = len(f.read().splitlines())
        if count > CMAKE_LINES_MAX:
            message = "%d lines; the wall is %d" % (count, CMAKE_LINES_MAX)
            self.report(path, CMAKE_LINES_MAX + 1, message)

    def check_readmes(self):
        for folder in sorted({os.path.dirname(path) for path in self.sources}):
            if not self.has_readme(folder):
                self.report(folder or ".", 1, "a folder with sources needs a README.md")

    def has_readme(self, folder):
        if os.path.isfile(os.path.join(self.root, folder, "README.md")):
            return True
        # Mirrors of the sources need no words of their own; one page at the top speaks for them.
        parent = os.path.dirname(folder)
        return folder.split("/")[0] in GROUNDS and parent != "" and self.has_readme(parent)

    # --- floors ---

    def folder_of(self, path):
        """The row of the floor table, a ground, or None."""
        if path.split("/")[0] in GROUNDS:
            return path.split("/")[0]
        folder = os.path.dirname(path)
        while folder not in FLOORS and folder != "":
            folder = os.path.dirname(folder)
        return folder or None

    def includes_of(self, source):
        """(line, project path or None, system path or None)."""
        for number, line in enumerate(source.code_lines, 1):
            if not line.lstrip().startswith("#"):
                continue
            match = INCLUDE.match(source.lines[number - 1])
            if match is not None:
                yield number, match.group(1), match.group(2)

    def check_includes(self, source):
        home = self.folder_of(source.path)
        if home is None:
            self.report(source.path, 1, "stands on no floor; see the table in check_house.py")
            return
        for line, project, system in self.includes_of(source):
            if system is not None and system in UNKNOWN_TO.get(home, ()):
                self.report(source.path, line, "%s must not know <%s>" % (home, system))
            if project is not None:
                self.check_include(source, line, home, project)

    def check_include(self, source, line, home, project):
        if project.endswith(".pb-c.h"):
            target = "core/otlp"  # generated there, into the build folder
        elif os.path.isfile(os.path.join(self.root, project)) and ".." not in project:
            target = self.folder_of(project)
        else:
            self.report(source.path, line, '"%s" is no path from the root of the tree' % project)
            return
        if home in GROUNDS or home == target or (home, target) in NEIGHBOURS:
            return
        if target in GROUNDS:
            self.report(source.path, line, '"%s": %s is included by nobody' % (project, target))
        elif target is not None and FLOORS[target] >= FLOORS[home]:
            self.report(
                source.path, line,
                '"%s": %s (floor %d) must not include %s (floor %d)'
                % (project, home, FLOORS[home], target, FLOORS[target]),
            )

    def check_circles(self):
        """Depth-first over the includes; an edge to a file still open closes a circle."""
        edges = {
            path: [(line, p) for line, p, _ in self.includes_of(source) if p in self.sources]
            for path, source in self.sources.items()
        }
        is_open = {}  # absent: not seen, True: on the path, False: finished
        for start in sorted(edges):
            if start in is_open:
                continue
            is_open[start] = True
            stack = [(start, iter(edges[start]))]
            while stack:
                path, rest = stack[-1]
                line, target = next(rest, (0, None))
                if target is None:
                    is_open[path] = False
                    stack.pop()
                elif target not in is_open:
                    is_open[target] = True
                    stack.append((target, iter(edges[target])))
                elif is_open[target]:
                    self.report(path, line, '"%s" closes a circle of includes' % target)

    # --- words ---

    def check_calls(self, source):
        for number, line in enumerate(source.code_lines, 1):
            for match in CALL.finditer(line):
                name = match.group(1)
                home = HOMES.get(name)
                if home == source.path or (source.is_on_grounds and name in FREE_ON_GROUNDS):
                    continue
                where = "outside %s" % home if home is not None else "everywhere"
                self.report(source.path, number, "%s() is banned %s" % (name, where))

    # --- functions ---

    def check_structure(self, source):
        tokens = tokens_of(blank_directives(source.code))
        functions, statements, bad_line = file_scope(tokens)
        if bad_line is not None:
            self.report(source.path, bad_line, "braces do not balance; the check reads no further")
        for statement in statements:
            self.check_parameters(source, statement)
            self.check_typedef(source, statement)
        for function in functions:
            self.check_parameters(source, function.head)
            self.check_size(source, function)
            self.check_body(source, function)
            self.check_conditions(source, function)

    def check_parameters(self, source, statement):
        # A callback's parameters are the library's choice, not ours.
        is_dictated = any(text.startswith(FOREIGN_CALLBACKS) for text, _ in statement)
        for name, count, line in parameter_groups(statement):
            if count > PARAMETERS_MAX and not is_dictated:
                what = "function type" if name == ")" else name
                self.report(
                    source.path, line,
                    "%s has %d parameters; the wall is %d" % (what, count, PARAMETERS_MAX),
                )

    def check_typedef(self, source, statement):
        words = [text for text, _ in statement[:2]]
        is_function_type = any(text == "(" for text, _ in statement)
        if words[:1] == ["typedef"] and words[-1] in ("struct", "union", "enum"):
            if not is_function_type or any(text == "{" for text, _ in statement):
                self.report(source.path, statement[0][1], "no typedef for a %s" % words[-1])

    def check_size(self, source, function):
        if function.lines > FUNCTION_LINES_MAX:
            key = (source.path, function.name)
            self.oversized[key] = (function.first_line, function.lines)

    def check_conditions(self, source, function):
        if source.path == IF_IN_BODY_HOME:
            return
        for number in range(function.body_line, function.end_line + 1):
            if CONDITION.match(source.code_lines[number - 1]):
                self.report(source.path, number, "#if inside %s()" % function.name)

    def check_body(self, source, function):
        tokens = function.body
        stack = []  # per open brace: (is block, opened by `do`)
        do_ends = set()
        is_deep = False
        for i, (text, line) in enumerate(tokens):
            if text == "{":
                is_inside_initialiser = bool(stack) and not stack[-1][0]
                is_do = i > 0 and tokens[i - 1][0] == "do"
                stack.append((opens_block(tokens, i, is_inside_initialiser), is_do))
                depth = sum(1 for is_block, _ in stack if is_block)
                if depth > NESTING_MAX and not is_deep:
                    is_deep = True
                    self.report(
                        source.path, line,
                        "%s() nests deeper than %d blocks" % (function.name, NESTING_MAX),
                    )
            elif text == "}" and stack:
                if stack.pop()[1]:
                    do_ends.add(i)
            elif text in HEADS or text in ("else", "do"):
                self.check_braces(source, tokens, i, do_ends)

    def check_braces(self, source, tokens, i, do_ends):
        text, line = tokens[i]
        if text == "while" and i - 1 in do_ends:
            return
        after = i + 1
        if text in HEADS:
            after = match_forward(tokens, after, "(", ")") + 1
        following = tokens[after][0] if after < len(tokens) else ""
        if following != "{" and not (text == "else" and following == "if"):
            self.report(source.path, line, "`%s` without braces" % text)
        if text == "else" and self.ends_with_return(tokens, i):
            self.report(source.path, line, "`else` after a return")

    def ends_with_return(self, tokens, i):
        """True when the block that closes right before the `else` at i ends by returning."""
        if i < 2 or tokens[i - 1][0] != "}" or tokens[i - 2][0] != ";":
            return False
        k = i - 3
        while k >= 0 and tokens[k][0] not in (";", "{", "}"):
            k -= 1
            if k >= 0 and tokens[k][0] == "}" and tokens[k + 1][0] in (",", ")", ";"):
                k = match_backward(tokens, k, "{", "}") - 1  # step over a compound literal
        return k + 1 < i and tokens[k + 1][0] == "return"

    # --- ratchet ---

    def read_ratchet(self):
        path = os.path.join(self.root, RATCHET_PATH)
        if not os.path.isfile(path):
            return
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                fields = line.split("#")[0].split()
                if len(fields) == 3 and fields[2].isdigit():
                    yield number, (fields[0], fields[1]), int(fields[2])
                elif fields:
                    self.report(RATCHET_PATH, number, "an entry reads `path function lines`")

    def check_ratchet(self):
        listed = set()
        for number, key, limit in self.read_ratchet():
            listed.add(key)
            where = "%s %s()" % key
            if key not in self.oversized:
                self.report(RATCHET_PATH, number, "stale: %s is not past the wall" % where)
                continue
            line, lines = self.oversized[key]
            if lines > limit:
                self.report(key[0], line, "%s() grew from %d to %d lines" % (key[1], limit, lines))
            elif lines < limit:
                self.report(RATCHET_PATH, number, "stale: %s is down to %d lines" % (where, lines))
        for (path, name), (line, lines) in self.oversized.items():
            if (path, name) not in listed:
                message = "%s() has %d lines; the wall is %d" % (name, lines, FUNCTION_LINES_MAX)
                self.report(path, line, message)


def main():
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--root", default=here, help="the tree to check (default: this one)")
    findings = Check(parser.parse_args().root).run()
    for path, line, message in findings:
        print("%s:%d: %s" % (path, line, message))
    if findings:
        print("%d findings" % len(findings), file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
