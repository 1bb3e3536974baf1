/* SPDX-License-Identifier: Apache-2.0 */
/*
 * helper — one queue, one detached thread, and an eventfd per port for the way back.
 *
 * Everything shared stands in one struct behind one mutex, which is held for a few list operations
 * and never while a job works.
 */
#include "io/helper.h"

#include <errno.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/base/mem.h"

/* First in, first out. */
struct job_list {
    struct helper_job *first;
    struct helper_job *last;
};

struct helper_port {
    struct loop_poll poll; /* fd: readable while `done` is not empty */
    struct loop *loop;     /* borrowed until close */
    struct job_list done;  /* guarded by helper.mutex */
};

/* Crosses threads; the mutex guards everything. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t has_changed;
    struct job_list waiting;
    struct helper_job *working; /* with the thread at the moment; its port is NULL once closed */
    uint32_t port_count;
    bool is_running;
} helper = {
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .has_changed = PTHREAD_COND_INITIALIZER,
};

static void lock(void)
{
    int err = pthread_mutex_lock(&helper.mutex);
    ASSERT(err == 0);
}

static void unlock(void)
{
    int err = pthread_mutex_unlock(&helper.mutex);
    ASSERT(err == 0);
}

/* --- lists ------------------------------------------------------------------------------------ */

static void list_push(struct job_list *list, struct helper_job *job)
{
    job->next = NULL;
    if (list->last != NULL) {
        list->last->next = job;
    } else {
        list->first = job;
    }
    list->last = job;
}

static struct helper_job *list_take(struct job_list *list)
{
    struct helper_job *job = list->first;
    if (job != NULL) {
        list->first = job->next;
        list->last = job->next == NULL ? NULL : list->last;
        job->next = NULL;
    }
    return job;
}

/* Moves the jobs of `port` to the end of `out`. */
static void list_take_all_of(struct job_list *list, const struct helper_port *port,
                             struct job_list *out)
{
    struct job_list kept = {NULL, NULL};
    struct helper_job *job = list_take(list);
    while (job != NULL) {
        list_push(job->port == port ? out : &kept, job);
        job = list_take(list);
    }
    *list = kept;
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Under the lock: a job that is done goes back, or to NULL where nobody waits for it any more. */
static struct helper_job *give_back(struct helper_job *job)
{
    struct helper_port *port = job->port;
    if (port == NULL) {
        return job;
    }
    const uint64_t one = 1;
    list_push(&port->done, job);
    ssize_t written = write(port->poll.fd, &one, sizeof(one));
    (void)written; /* a full counter is readable all the same */
    return NULL;
}

/* Under the lock. NULL when the thread is to end. */
static struct helper_job *wait_for_job(void)
{
    while (helper.waiting.first == NULL && helper.port_count > 0) {
        int err = pthread_cond_wait(&helper.has_changed, &helper.mutex);
        ASSERT(err == 0);
    }
    return list_take(&helper.waiting);
}

static void *helper_main(void *argument)
{
    (void)argument;
    lock();
    struct helper_job *job = wait_for_job();
    while (job != NULL) {
        helper.working = job;
        unlock();
        job->ops->work(job);
        lock();
        helper.working = NULL;
        struct helper_job *unwanted = give_back(job);
        if (unwanted != NULL) {
            unlock();
            unwanted->ops->discard(unwanted);
            lock();
        }
        job = wait_for_job();
    }
    helper.is_running = false;
    unlock();
    return NULL;
}

/* Under the lock. */
static int start_thread(void)
{
    pthread_t thread;
    if (helper.is_running) {
        return 0;
    }
    int err = -pthread_create(&thread, NULL, helper_main, NULL);
    if (err == 0) {
        /* A thread without a name runs as well. */
        (void)pthread_setname_np(thread, "weir-helper");
        (void)pthread_detach(thread);
        helper.is_running = true;
    }
    return err;
}

/* --- ports ------------------------------------------------------------------------------------ */

static void port_on_ready(struct loop_poll *poll, uint32_t events)
{
    (void)events;
    struct helper_port *port = CONTAINER_OF(poll, struct helper_port, poll);
    uint64_t count = 0;
    ssize_t got = read(poll->fd, &count, sizeof(count));
    (void)got; /* nothing to read is a list that is empty */
    lock();
    struct helper_job *job = list_take(&port->done);
    unlock();
    /* One per call: on_done may close the port. */
    if (job == NULL) {
        return;
    }
    lock();
    bool has_more = port->done.first != NULL;
    unlock();
    if (has_more) {
        const uint64_t one = 1;
        ssize_t written = write(poll->fd, &one, sizeof(one));
        (void)written;
    }
    job->ops->on_done(job);
}

static void port_on_closed(struct loop_poll *poll)
{
    mem_free(CONTAINER_OF(poll, struct helper_port, poll));
}

int helper_port_open(struct loop *loop, struct helper_port **out)
{
    struct helper_port *port = mem_alloc(sizeof(*port));
    if (port == NULL) {
        return -ENOMEM;
    }
    *port = (struct helper_port){
        .loop = loop,
        .poll = {.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                 .on_ready = port_on_ready,
                 .on_closed = port_on_closed},
    };
    int err = port->poll.fd >= 0 ? 0 : -errno;
    if (err == 0) {
        lock();
        err = start_thread();
        helper.port_count += err == 0 ? 1 : 0;
        unlock();
    }
    if (err != 0) {
        (void)(port->poll.fd >= 0 ? close(port->poll.fd) : 0); /* nothing was written to it */
        mem_free(port);
        return err;
    }
    err = loop_poll_watch(loop, &port->poll, LOOP_POLL_READ);
    if (err != 0) {
        (void)close(port->poll.fd); /* nothing was written to it */
        lock();
        helper.port_count--;
        (void)pthread_cond_signal(&helper.has_changed); /* never fails */
        unlock();
        mem_free(port);
        return err;
    }
    *out = port;
    return 0;
}

void helper_port_close(struct helper_port *port)
{
    if (port == NULL) {
        return;
    }
    struct job_list unwanted = {NULL, NULL};
    lock();
    list_take_all_of(&helper.waiting, port, &unwanted);
    list_take_all_of(&port->done, port, &unwanted);
    if (helper.working != NULL && helper.working->port == port) {
        helper.working->port = NULL;
    }
    ASSERT(helper.port_count > 0);
    helper.port_count--;
    (void)pthread_cond_signal(&helper.has_changed); /* never fails */
    unlock();
    struct helper_job *job = list_take(&unwanted);
    while (job != NULL) {
        job->ops->discard(job);
        job = list_take(&unwanted);
    }
    int fd = port->poll.fd;
    loop_poll_stop(port->loop, &port->poll);
    (void)close(fd); /* an eventfd has nothing to lose */
}

void helper_submit(struct helper_port *port, struct helper_job *job)
{
    ASSERT(job->ops != NULL);
    job->port = port;
    lock();
    list_push(&helper.waiting, job);
    (void)pthread_cond_signal(&helper.has_changed); /* never fails */
    unlock();
}
