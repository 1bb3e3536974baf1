/* SPDX-License-Identifier: Apache-2.0 */
/*
 * replay — the plain main of a fuzz target: shows it every file of the folders and files named on
 * the command line, so that found inputs stay found in ordinary test runs.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "core/base/mem.h"

#define PATH_MAX_BYTES 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* 0, or -1 when the file cannot be read. A copy of exactly its size lets sanitizers see its end. */
static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return -1;
    }
    int result = -1;
    if (fseek(file, 0, SEEK_END) == 0) {
        size_t len = (size_t)ftell(file);
        rewind(file);
        uint8_t *bytes = mem_alloc(len == 0 ? 1 : len);
        if (bytes != NULL && fread(bytes, 1, len, file) == len) {
            (void)LLVMFuzzerTestOneInput(bytes, len); /* always 0 by libFuzzer's contract */
            result = 0;
        }
        mem_free(bytes);
    }
    (void)fclose(file); /* only read from */
    return result;
}

/* How many files of the folder were shown, or -1. */
static int replay_folder(DIR *dir, const char *folder)
{
    int count = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        char path[PATH_MAX_BYTES];
        if (entry->d_name[0] == '.') {
            continue;
        }
        int len = snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (len < 0 || (size_t)len >= sizeof(path) || replay_file(path) != 0) {
            fprintf(stderr, "replay: cannot read %s/%s\n", folder, entry->d_name);
            return -1;
        }
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    int total = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        int count = dir != NULL ? replay_folder(dir, argv[i]) : replay_file(argv[i]) + 1;
        if (dir != NULL) {
            (void)closedir(dir); /* only read from */
        }
        if (count <= 0) {
            fprintf(stderr, "replay: nothing in %s\n", argv[i]);
            return 1;
        }
        total += count;
    }
    printf("replayed %d inputs\n", total);
    return total > 0 ? 0 : 1;
}
