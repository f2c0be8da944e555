/*
 * getdents64() into a buffer that is kept: readdir() asks for fresh memory per directory,
 * which counts when most directories hold a few names.
 */
#include "source/names.h"

#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"

#define NAMES_BUFFER ((size_t)128 << 10)

void names_done(struct names *n)
{
    mem_free(n->items);
    mem_free(n->buffer);
    *n = (struct names){0};
}

void names_auto(struct names *n)
{
    names_done(n);
}

static void names_add(struct names *n, const struct dirent64 *d, struct arena *a)
{
    const size_t size = strlen(d->d_name);

    if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
        return;
    if (n->count == n->room) {
        n->room = n->room > 0 ? n->room * 2 : 256;
        n->items = mem_resize(n->items, n->room, sizeof(n->items[0]));
    }
    n->items[n->count++] = (struct name){
        .text = arena_string(a, SLICE_OF(d->d_name, size)),
        .size = size,
        .inode = d->d_ino,
        .type = d->d_type,
    };
}

static int compare_names(const void *a, const void *b)
{
    const struct name *first = a;
    const struct name *second = b;

    return strcmp(first->text, second->text);
}

/* A directory that changes while it is read may show a name twice. */
static void names_sort(struct names *n)
{
    size_t kept = 0;

    if (n->count > 0)
        qsort(n->items, n->count, sizeof(n->items[0]), compare_names);
    for (size_t i = 0; i < n->count; i++)
        if (kept == 0 || compare_names(&n->items[kept - 1], &n->items[i]) != 0)
            n->items[kept++] = n->items[i];
    n->count = kept;
}

bool names_read(struct names *n, int fd, struct arena *a, struct err *e)
{
    long got = 0;

    n->count = 0;
    if (n->buffer == NULL)
        n->buffer = mem_new(NAMES_BUFFER);
    while ((got = syscall(SYS_getdents64, fd, n->buffer, NAMES_BUFFER)) > 0)
        for (long at = 0; at < got;) {
            /* The kernel aligns records to 8 bytes, and the buffer is aligned further. */
            const struct dirent64 *d = (const void *)(n->buffer + at);

            names_add(n, d, a);
            at += d->d_reclen;
        }

    const bool is_complete = got == 0 || err_sys(e, "read directory");

    names_sort(n);
    return is_complete;
}

const struct name *names_find(const struct names *n, const char *text)
{
    const struct name wanted = {.text = text};

    return n->count == 0 ? NULL
                         : bsearch(&wanted, n->items, n->count, sizeof(n->items[0]), compare_names);
}

static void raise_limit(void)
{
    struct rlimit limit = {0};

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* a directory too deep is reported when it comes */
}

void names_raise_limit(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, raise_limit); /* fails for invalid arguments only */
}
