/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prom_scrape_watch — globs, file states, and what was read when they last changed.
 *
 * A file counts as changed when its size, inode or time of modification did.
 */
#include "io/receivers/prom_scrape_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/base/fault.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "io/receivers/prom_scrape_groups.h"

#define GROUPS_CHUNK_BYTES 4096
/* Texts, and lists that grew: four times a file. */
#define GROUPS_MAX_BYTES (UINT64_C(4) * PROM_WATCH_FILE_MAX_BYTES)

/* A list of targets. */
struct watched_file {
    char *name; /* owned */
    struct stat state;
    struct arena arena;        /* owned; of the groups */
    struct prom_groups groups; /* as read last */
    bool is_seen;              /* at the look under way */
    struct watched_file *next;
};

struct watched_secret {
    char *file; /* owned; NULL where the configuration has the text */
    char *text; /* owned */
    size_t len;
    bool is_missing;
};

struct prom_watch {
    struct helper_job job;
    void *owner;
    prom_watch_done_fn *on_done;
    bool is_away;    /* with the helper; the owner's to read */
    char **patterns; /* owned */
    uint32_t pattern_count;
    struct watched_file *files; /* owned */
    uint32_t file_count;
    struct watched_secret username;
    struct watched_secret secret;
    bool has_looked;
    bool has_changed;
    uint32_t fault_count;
};

/* --- reading, on the helper's thread ---------------------------------------------------------- */

static int read_open_file(int fd, size_t max_bytes, char **out, size_t *out_len)
{
    struct stat state;
    if (fstat(fd, &state) != 0) {
        return -errno;
    }
    if (state.st_size < 0 || (uint64_t)state.st_size > max_bytes) {
        return FAULT_LIMIT;
    }
    /* One more than it says, to see that it did not grow; pipes and the like say nothing. */
    size_t capacity = (size_t)state.st_size + 1;
    char *text = mem_alloc(capacity);
    size_t len = 0;
    ssize_t got = text != NULL ? read(fd, text, capacity) : -1;
    int fault = text == NULL ? -ENOMEM : (got < 0 ? -errno : 0);
    while (got > 0 && len + (size_t)got < capacity) {
        len += (size_t)got;
        got = read(fd, text + len, capacity - len);
        fault = got < 0 ? -errno : 0;
    }
    if (fault == 0 && got > 0) {
        fault = -EAGAIN; /* it grew meanwhile; the next look will see */
    }
    if (fault != 0) {
        mem_free(text);
        return fault;
    }
    *out = text;
    *out_len = len;
    return 0;
}

/* Moves out the file's bytes. 0, -errno or FAULT_LIMIT. */
static int read_file(const char *name, size_t max_bytes, char **out, size_t *out_len)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int err = read_open_file(fd, max_bytes, out, out_len);
    (void)close(fd); /* nothing was written to it */
    return err;
}

static void complain(struct prom_watch *watch, const char *name, const char *why)
{
    watch->fault_count++;
    log_warn("targets_unreadable", LOG_TEXT("file", name), LOG_TEXT("reason", why));
}

/* Does it lie in the file? Then it fails until the file changes; all else may pass by itself. */
static bool is_of_file(int err, const struct arena *arena)
{
    /* Beyond half of the bound a refusal may be the bound's. */
    bool is_large = err == -ENOMEM && arena_used_bytes(arena) > GROUPS_MAX_BYTES / 2;
    return err == FAULT_MALFORMED || err == FAULT_LIMIT || is_large;
}

/* Reads the list anew; one that is bad leaves the old one as it is. */
static void read_groups(struct prom_watch *watch, struct watched_file *file)
{
    char why[PROM_GROUP_WHY_BYTES] = "";
    struct arena arena = {0};
    struct prom_groups groups = {0};
    char *text = NULL;
    size_t len = 0;
    int err = read_file(file->name, PROM_WATCH_FILE_MAX_BYTES, &text, &len);
    if (err == 0) {
        err = arena_init(&arena, GROUPS_CHUNK_BYTES, GROUPS_MAX_BYTES);
    }
    if (err == 0) {
        err =
            prom_groups_read(slice_of_text(file->name), slice_of(text, len), &arena, &groups, why);
    }
    mem_free(text);
    if (err != 0) {
        complain(watch, file->name, why[0] != '\0' ? why : fault_text(err));
        if (!is_of_file(err, &arena)) {
            file->state = (struct stat){0}; /* so that the next look tries again */
        }
        arena_fini(&arena);
        return;
    }
    arena_fini(&file->arena);
    file->arena = arena;
    file->groups = groups;
    watch->has_changed = true;
}

static bool is_same_state(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static struct watched_file *find_file(struct prom_watch *watch, const char *name)
{
    struct watched_file *file = watch->files;
    while (file != NULL && strcmp(file->name, name) != 0) {
        file = file->next;
    }
    return file;
}

static struct watched_file *add_file(struct prom_watch *watch, const char *name)
{
    struct watched_file *file =
        watch->file_count < PROM_WATCH_FILES_MAX ? mem_alloc(sizeof(*file)) : NULL;
    if (file == NULL) {
        return NULL;
    }
    file->name = mem_copy_text(name, strlen(name));
    if (file->name == NULL) {
        mem_free(file);
        return NULL;
    }
    file->next = watch->files;
    watch->files = file;
    watch->file_count++;
    return file;
}

static void look_at_file(struct prom_watch *watch, const char *name)
{
    struct stat state;
    if (stat(name, &state) != 0) {
        return; /* gone since the glob */
    }
    struct watched_file *file = find_file(watch, name);
    bool is_new = file == NULL;
    if (is_new) {
        file = add_file(watch, name);
    }
    if (file == NULL) {
        complain(watch, name, "too many files, or no memory");
        return;
    }
    bool has_changed = is_new || !is_same_state(&file->state, &state);
    file->is_seen = true;
    file->state = state;
    if (has_changed) {
        read_groups(watch, file);
    }
}

static void look_at_pattern(struct prom_watch *watch, const char *pattern)
{
    glob_t found = {.gl_pathc = 0};
    int result = glob(pattern, 0, NULL, &found);
    if (result == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            look_at_file(watch, found.gl_pathv[i]);
        }
    } else if (result != GLOB_NOMATCH) {
        complain(watch, pattern, "the folder cannot be read");
    }
    globfree(&found);
}

static void free_file(struct watched_file *file)
{
    mem_free(file->name);
    arena_fini(&file->arena);
    mem_free(file);
}

static void forget_unseen(struct prom_watch *watch)
{
    struct watched_file **link = &watch->files;
    while (*link != NULL) {
        struct watched_file *file = *link;
        if (file->is_seen) {
            link = &file->next;
            continue;
        }
        *link = file->next;
        watch->file_count--;
        watch->has_changed = true;
        free_file(file);
    }
}

static void wipe(struct watched_secret *secret)
{
    if (secret->text != NULL) {
        explicit_bzero(secret->text, secret->len);
    }
    mem_free(secret->text);
    secret->text = NULL;
    secret->len = 0;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static void read_secret(struct watched_secret *secret)
{
    char *text = NULL;
    size_t len = 0;
    if (secret->file == NULL) {
        return;
    }
    int err = read_file(secret->file, PROM_WATCH_SECRET_MAX_BYTES, &text, &len);
    if (err != 0) {
        if (!secret->is_missing) {
            log_warn("secret_unreadable", LOG_TEXT("file", secret->file), LOG_FAULT("reason", err));
        }
        secret->is_missing = true;
        return;
    }
    wipe(secret);
    size_t first = 0;
    while (first < len && is_blank(text[first])) {
        first++;
    }
    while (len > first && is_blank(text[len - 1])) {
        len--;
    }
    memmove(text, text + first, len - first);
    secret->text = text;
    secret->len = len - first;
    secret->is_missing = false;
}

static void watch_work(struct helper_job *job)
{
    struct prom_watch *watch = CONTAINER_OF(job, struct prom_watch, job);
    watch->has_changed = !watch->has_looked;
    watch->has_looked = true;
    watch->fault_count = 0;
    for (struct watched_file *file = watch->files; file != NULL; file = file->next) {
        file->is_seen = false;
    }
    for (uint32_t i = 0; i < watch->pattern_count; i++) {
        look_at_pattern(watch, watch->patterns[i]);
    }
    forget_unseen(watch);
    read_secret(&watch->username);
    read_secret(&watch->secret);
}

/* --- life ------------------------------------------------------------------------------------- */

static void destroy(struct prom_watch *watch)
{
    struct watched_file *file = watch->files;
    while (file != NULL) {
        struct watched_file *next = file->next;
        free_file(file);
        file = next;
    }
    for (uint32_t i = 0; i < watch->pattern_count; i++) {
        mem_free(watch->patterns[i]);
    }
    mem_free(watch->patterns);
    wipe(&watch->username);
    wipe(&watch->secret);
    mem_free(watch->username.file);
    mem_free(watch->secret.file);
    mem_free(watch);
}

static void watch_on_done(struct helper_job *job)
{
    struct prom_watch *watch = CONTAINER_OF(job, struct prom_watch, job);
    watch->is_away = false;
    watch->on_done(watch, watch->owner);
}

static void watch_discard(struct helper_job *job)
{
    destroy(CONTAINER_OF(job, struct prom_watch, job));
}

static const struct helper_job_ops watch_ops = {
    .work = watch_work,
    .on_done = watch_on_done,
    .discard = watch_discard,
};

bool prom_watch_is_needed(const struct prom_job *job)
{
    return job->file_sd_count > 0 || job->http.username.file[0] != '\0' ||
           job->http.secret.file[0] != '\0';
}

static uint32_t count_patterns(const struct prom_job *job)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < job->file_sd_count; i++) {
        count += job->file_sds[i].pattern_count;
    }
    return count;
}

static int copy_patterns(struct prom_watch *watch, const struct prom_job *job)
{
    uint32_t count = count_patterns(job);
    if (count == 0) {
        return 0;
    }
    watch->patterns = mem_alloc_array(count, sizeof(watch->patterns[0]));
    if (watch->patterns == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < job->file_sd_count; i++) {
        const struct prom_file_sd *sd = &job->file_sds[i];
        for (uint32_t k = 0; k < sd->pattern_count; k++) {
            char *copy = mem_copy_text(sd->patterns[k], strlen(sd->patterns[k]));
            if (copy == NULL) {
                return -ENOMEM;
            }
            watch->patterns[watch->pattern_count] = copy;
            watch->pattern_count++;
        }
    }
    return 0;
}

static int copy_secret(struct watched_secret *out, const struct prom_secret *secret)
{
    if (secret->file[0] != '\0') {
        out->file = mem_copy_text(secret->file, strlen(secret->file));
        return out->file != NULL ? 0 : -ENOMEM;
    }
    out->len = strlen(secret->text);
    out->text = mem_copy_text(secret->text, out->len);
    return out->text != NULL ? 0 : -ENOMEM;
}

int prom_watch_new(const struct prom_job *job, void *owner, prom_watch_done_fn *on_done,
                   struct prom_watch **out)
{
    struct prom_watch *watch = mem_alloc(sizeof(*watch));
    if (watch == NULL) {
        return -ENOMEM;
    }
    *watch = (struct prom_watch){.job.ops = &watch_ops, .owner = owner, .on_done = on_done};
    int err = copy_patterns(watch, job);
    err = err != 0 ? err : copy_secret(&watch->username, &job->http.username);
    err = err != 0 ? err : copy_secret(&watch->secret, &job->http.secret);
    if (err != 0) {
        destroy(watch);
        return err;
    }
    *out = watch;
    return 0;
}

void prom_watch_free(struct prom_watch *watch)
{
    if (watch != NULL && !watch->is_away) {
        destroy(watch);
    }
}

void prom_watch_start(struct prom_watch *watch, struct helper_port *port)
{
    ASSERT(!watch->is_away);
    watch->is_away = true;
    helper_submit(port, &watch->job);
}

/* --- what was found --------------------------------------------------------------------------- */

bool prom_watch_has_changed(const struct prom_watch *watch)
{
    return watch->has_changed;
}

struct prom_groups prom_watch_groups(struct prom_watch *watch)
{
    struct prom_groups all = {0};
    ASSERT(!watch->is_away);
    for (struct watched_file *file = watch->files; file != NULL; file = file->next) {
        struct prom_groups own = {0};
        struct prom_group *group = file->groups.first;
        while (group != NULL) {
            /* Their order is kept for the next time, past the link that this one makes. */
            struct prom_group *next = group == file->groups.last ? NULL : group->next;
            prom_groups_append(&own, group);
            prom_groups_append(&all, group);
            group = next;
        }
        file->groups = own;
    }
    return all;
}

uint32_t prom_watch_fault_count(const struct prom_watch *watch)
{
    return watch->fault_count;
}

static bool give(const struct watched_secret *secret, struct slice *out)
{
    *out = slice_of(secret->text, secret->len);
    return !secret->is_missing;
}

bool prom_watch_username(const struct prom_watch *watch, struct slice *out)
{
    return give(&watch->username, out);
}

bool prom_watch_secret(const struct prom_watch *watch, struct slice *out)
{
    return give(&watch->secret, out);
}

uint64_t prom_watch_interval_ns(const struct prom_job *job)
{
    uint64_t interval_ns = PROM_WATCH_EVERY_MS * CLOCK_NS_PER_MS;
    for (uint32_t i = 0; i < job->file_sd_count; i++) {
        uint64_t refresh_ns = job->file_sds[i].refresh_ns;
        interval_ns = refresh_ns < interval_ns ? refresh_ns : interval_ns;
    }
    return interval_ns < CLOCK_NS_PER_MS ? CLOCK_NS_PER_MS : interval_ns;
}
