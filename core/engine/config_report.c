/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_report — keeps complaints, finds near names, and prints it all with the lines in question.
 *
 * What is printed came from strangers: control bytes and broken UTF-8 are shown as '?', long lines
 * are cut to a window around the place, and what follows a secret's key is not shown.
 */
#include "core/engine/config_report.h"

#include <stdarg.h>

/* Of a shown line, in characters; the place stands at most this far from its start. */
#define SHOWN_LINE_MAX_CHARS 140
#define SHOWN_BEFORE_MAX_CHARS 80
/* Words longer than this are not misprints of a key. */
#define NEAREST_WORD_MAX_BYTES 64

void config_report_init(struct config_report *report, struct config_tree *tree)
{
    *report = (struct config_report){.tree = tree};
}

/* --- adding ----------------------------------------------------------------------------------- */

static bool is_known_issue(const struct config_report *report, const struct config_issue *issue)
{
    for (uint32_t i = 0; i < report->issue_count; i++) {
        const struct config_issue *old = &report->issues[i];
        if (old->severity == issue->severity && old->mark.line == issue->mark.line &&
            old->mark.column == issue->mark.column &&
            old->mark.source_index == issue->mark.source_index &&
            slice_equal(old->message, issue->message)) {
            return true;
        }
    }
    return false;
}

static void add_issue(struct config_report *report, struct config_issue issue)
{
    /* A value read for several signals, or copied by an alias, complains once. */
    if (is_known_issue(report, &issue)) {
        return;
    }
    if (issue.severity == CONFIG_ERROR) {
        report->error_count++;
    } else {
        report->warning_count++;
    }
    if (report->issue_count == CONFIG_ISSUES_MAX) {
        return;
    }
    /* Without memory a complaint still counts, and reads as empty. */
    issue.message = config_tree_copy(report->tree, issue.message);
    issue.hint = config_tree_copy(report->tree, issue.hint);
    report->issues[report->issue_count] = issue;
    report->issue_count++;
}

WEIR_PRINTF(5, 0)
static void add_formatted(struct config_report *report, enum config_severity severity,
                          struct config_mark mark, const char *hint, const char *format,
                          va_list args)
{
    char message[CONFIG_MESSAGE_MAX_BYTES] = {0};
    (void)vsnprintf(message, sizeof(message), format, args); /* cut where too long */
    add_issue(report, (struct config_issue){.severity = severity,
                                            .mark = mark,
                                            .message = slice_of_text(message),
                                            .hint = slice_of_text(hint)});
}

void config_error(struct config_report *report, struct config_mark mark, const char *hint,
                  const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_formatted(report, CONFIG_ERROR, mark, hint, format, args);
    va_end(args);
}

void config_warn(struct config_report *report, struct config_mark mark, const char *hint,
                 const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add_formatted(report, CONFIG_WARNING, mark, hint, format, args);
    va_end(args);
}

bool config_report_is_ok(const struct config_report *report, bool is_strict)
{
    return report->error_count == 0 && (!is_strict || report->warning_count == 0);
}

/* --- near names ------------------------------------------------------------------------------- */

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* Edit distance with swaps of neighbours; both at most NEAREST_WORD_MAX_BYTES long. */
static uint32_t edit_distance(struct slice a, struct slice b)
{
    ASSERT(a.len <= NEAREST_WORD_MAX_BYTES);
    ASSERT(b.len <= NEAREST_WORD_MAX_BYTES);
    uint32_t rows[3][NEAREST_WORD_MAX_BYTES + 1] = {{0}};
    for (uint32_t j = 0; j <= b.len; j++) {
        rows[0][j] = j;
    }
    for (uint32_t i = 1; i <= a.len; i++) {
        uint32_t *row = rows[i % 3];
        const uint32_t *above = rows[(i + 2) % 3];
        const uint32_t *two_above = rows[(i + 1) % 3];
        row[0] = i;
        for (uint32_t j = 1; j <= b.len; j++) {
            bool is_same = a.ptr[i - 1] == b.ptr[j - 1];
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (is_same ? 0 : 1));
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1]) {
                row[j] = smaller(row[j], two_above[j - 2] + 1);
            }
        }
    }
    return rows[a.len % 3][b.len];
}

struct slice config_nearest(struct slice word, const struct slice *candidates, uint32_t count)
{
    struct slice best = {0};
    if (word.len == 0 || word.len > NEAREST_WORD_MAX_BYTES) {
        return best;
    }
    /* One slip in three characters is a misprint; more is another word. */
    uint32_t limit = (uint32_t)word.len / 3;
    limit = limit == 0 ? 1 : limit;
    for (uint32_t i = 0; i < count; i++) {
        if (candidates[i].len > NEAREST_WORD_MAX_BYTES || candidates[i].len <= limit) {
            continue;
        }
        uint32_t distance = edit_distance(word, candidates[i]);
        if (distance <= limit && distance < word.len) {
            best = candidates[i];
            limit = distance == 0 ? 0 : distance - 1;
        }
    }
    return best;
}

/* --- printing --------------------------------------------------------------------------------- */

/* Bytes of the character at the start of `s`, which is not empty; broken UTF-8 goes byte by byte.
 */
static size_t char_bytes(struct slice s)
{
    size_t len = 1;
    while (len < s.len && len < 4 && (s.ptr[len] & 0xC0) == 0x80) {
        len++;
    }
    return slice_is_utf8(slice_first(s, len)) ? len : 1;
}

static void print_char(FILE *out, struct slice c)
{
    bool is_shown = c.len > 1 ? slice_is_utf8(c) && c.ptr[0] != 0xC2 /* C1 controls */
                              : c.ptr[0] >= 0x20 && c.ptr[0] < 0x7F;
    if (is_shown) {
        (void)fwrite(c.ptr, 1, c.len, out);
    } else {
        (void)fputc(c.ptr[0] == '\t' ? ' ' : '?', out);
    }
}

static void print_text(FILE *out, struct slice text)
{
    while (text.len > 0) {
        size_t len = char_bytes(text);
        print_char(out, slice_first(text, len));
        text = slice_from(text, len);
    }
}

/* Line `line` (from 1) without its end; empty past the last one. */
static struct slice find_line(struct slice text, uint32_t line)
{
    for (uint32_t i = 1; i < line && text.len > 0; i++) {
        size_t end = slice_find(text, '\n');
        text = slice_from(text, end == text.len ? end : end + 1);
    }
    struct slice found = slice_first(text, slice_find(text, '\n'));
    if (found.len > 0 && found.ptr[found.len - 1] == '\r') {
        found.len--;
    }
    return found;
}

static bool is_key_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* How much of the line may be shown: up to the value of the first secret in it. */
static size_t public_bytes(struct slice line)
{
    for (size_t end = 0; end < line.len; end++) {
        if (line.ptr[end] != ':' && line.ptr[end] != '=') {
            continue;
        }
        size_t last = end;
        if (last > 0 && (line.ptr[last - 1] == '"' || line.ptr[last - 1] == '\'')) {
            last--;
        }
        size_t first = last;
        while (first > 0 && is_key_byte(line.ptr[first - 1])) {
            first--;
        }
        if (config_is_secret_key(slice_of(line.ptr + first, last - first))) {
            return end + 1;
        }
    }
    return line.len;
}

/* The line with its number, and the caret line below it. */
static void print_line(FILE *out, struct slice line, struct config_mark mark)
{
    size_t public_len = public_bytes(line);
    bool is_cut = public_len < line.len;
    struct slice rest = slice_first(line, public_len);
    uint32_t first_char =
        mark.column > SHOWN_BEFORE_MAX_CHARS ? mark.column - SHOWN_BEFORE_MAX_CHARS : 0;

    (void)fprintf(out, "%5u | ", mark.line);
    uint32_t index = 0;
    for (; rest.len > 0 && index < first_char + SHOWN_LINE_MAX_CHARS; index++) {
        size_t len = char_bytes(rest);
        if (index >= first_char) {
            print_char(out, slice_first(rest, len));
        }
        rest = slice_from(rest, len);
    }
    (void)fputs(is_cut && rest.len == 0 ? " [REDACTED]\n" : "\n", out);

    (void)fputs("      | ", out);
    for (uint32_t i = first_char + 1; i < mark.column; i++) {
        (void)fputc(' ', out);
    }
    (void)fputc('^', out);
    for (uint32_t i = 1; i < mark.width_chars && mark.column + i <= index; i++) {
        (void)fputc('~', out);
    }
    (void)fputc('\n', out);
}

static void print_issue(const struct config_report *report, const struct config_issue *issue,
                        FILE *out)
{
    static const char *const severities[] = {
        [CONFIG_ERROR] = "error", [CONFIG_WARNING] = "warning"};
    const struct config_tree *tree = report->tree;
    bool has_place = issue->mark.line > 0 && issue->mark.source_index < tree->source_count;
    if (has_place) {
        print_text(out, tree->sources[issue->mark.source_index].name);
        (void)fprintf(out, ":%u:%u", issue->mark.line, issue->mark.column);
    } else if (tree->source_count == 1) {
        print_text(out, tree->sources[0].name);
    } else {
        (void)fputs("configuration", out);
    }
    (void)fprintf(out, ": %s: ", severities[issue->severity]);
    print_text(out, issue->message);
    (void)fputc('\n', out);
    if (has_place) {
        struct slice text = tree->sources[issue->mark.source_index].text;
        print_line(out, find_line(text, issue->mark.line), issue->mark);
    }
    if (issue->hint.len > 0) {
        (void)fputs("  ", out);
        print_text(out, issue->hint);
        (void)fputc('\n', out);
    }
}

static bool is_before(const struct config_mark *a, const struct config_mark *b)
{
    if (a->source_index != b->source_index) {
        return a->source_index < b->source_index;
    }
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* The only source complained about, or "configuration" where there are several. */
static struct slice common_name(const struct config_report *report)
{
    const struct config_tree *tree = report->tree;
    uint32_t index = report->issue_count > 0 ? report->issues[0].mark.source_index : 0;
    for (uint32_t i = 0; i < report->issue_count; i++) {
        if (report->issues[i].mark.source_index != index ||
            (report->issues[i].mark.line == 0 && tree->source_count > 1)) {
            return SLICE_LITERAL("configuration");
        }
    }
    return index < tree->source_count ? tree->sources[index].name : SLICE_LITERAL("configuration");
}

void config_report_print(const struct config_report *report, FILE *out)
{
    uint32_t order[CONFIG_ISSUES_MAX];
    for (uint32_t i = 0; i < report->issue_count; i++) {
        uint32_t at = i;
        while (at > 0 && is_before(&report->issues[i].mark, &report->issues[order[at - 1]].mark)) {
            order[at] = order[at - 1];
            at--;
        }
        order[at] = i;
    }
    for (uint32_t i = 0; i < report->issue_count; i++) {
        print_issue(report, &report->issues[order[i]], out);
    }
    uint32_t all = report->error_count + report->warning_count;
    if (all == 0) {
        return;
    }
    if (all > report->issue_count) {
        (void)fprintf(out, "… and %u more\n", all - report->issue_count);
    }
    print_text(out, common_name(report));
    if (report->error_count > 0) {
        (void)fprintf(out, ": %u error%s", report->error_count,
                      report->error_count == 1 ? "" : "s");
    }
    if (report->warning_count > 0) {
        (void)fprintf(out, "%s %u warning%s", report->error_count > 0 ? "," : ":",
                      report->warning_count, report->warning_count == 1 ? "" : "s");
    }
    (void)fputc('\n', out);
}
