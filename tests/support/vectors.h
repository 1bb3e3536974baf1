/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vectors — reads the .vec files of tests/vectors: cases as text, so that what a decoder decides
 * can be read without reading C.
 *
 *   # a comment; origin and specification stand on top
 *   == title of a case
 *   key:  the rest of the line, blanks in front of it dropped
 *
 * In what the keys hold, \n \r \t \0 \\ and \xHH are one byte each, \s is a blank (for the ends of
 * a line and for fields), and \{1024*a} is `a` 1 024 times.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/slice.h"

#define VECTOR_LINES_MAX 32

struct vector_line {
    struct slice key;
    struct slice text; /* still escaped */
};

/* One case; every slice borrows from the file, until vectors_close. */
struct vector {
    struct slice title;
    uint32_t line_number; /* of the title */
    size_t line_count;
    struct vector_line lines[VECTOR_LINES_MAX];
};

struct vectors {
    uint8_t *bytes; /* owned */
    struct slice rest;
    uint32_t line_number;
};

/* Reads the whole file. 0 or -errno. */
int vectors_open(struct vectors *vectors, const char *path);
void vectors_close(struct vectors *vectors);

/* The next case. False at the end of the file; a line without a key fails the test at hand. */
bool vectors_next(struct vectors *vectors, struct vector *out);

/* Calls `on_file` with the path of every .vec file in `folder`; returns how many, or -errno. */
typedef void(vectors_file_fn)(const char *path);
int vectors_each_file(const char *folder, vectors_file_fn *on_file);

/* The bytes that `text` stands for. Fails the test at hand if `cap` is too small. */
size_t vector_unescape(struct slice text, uint8_t *buf, size_t cap);

/* The value of `key=value` among blank-separated fields, still escaped. False: no such field. */
bool vector_field(struct slice text, const char *key, struct slice *value);
