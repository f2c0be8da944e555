#include "job/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "source/source.h"

#define PREFIX "holdfast-scratch-"
#define LOCK   "lock"

/* A folder without its lock is being made just now, unless it is older than this. */
#define MAKING_NS (60 * NS_PER_S)

enum { RANDOM_SIZE = 8 };

/* Whether a folder's owner is gone; a folder of another user counts as owned. */
static bool is_left_over(int parent, const char *name)
{
    AUTO(fd) int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0 || st.st_uid != geteuid())
        return false;

    AUTO(fd) int lock = openat(fd, LOCK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (lock < 0)
        return errno == ENOENT && clock_now_ns() - clock_from_timespec(st.st_mtim) > MAKING_NS;
    return flock(lock, LOCK_EX | LOCK_NB) == 0;
}

/* What cannot be removed stays for the next time. */
static void sweep(int parent)
{
    AUTO(fd) int fd = fcntl(parent, F_DUPFD_CLOEXEC, 0);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct err ignored = {0};

    if (d == NULL)
        return;
    fd = -1;
    rewinddir(d);
    for (const struct dirent *en; (en = readdir(d)) != NULL;)
        if (strncmp(en->d_name, PREFIX, sizeof(PREFIX) - 1) == 0 &&
            is_left_over(parent, en->d_name) && !tree_remove(parent, en->d_name, &ignored))
            continue;
    (void)closedir(d); /* only read */
}

static bool make(struct scratch_folder *s, struct err *e)
{
    uint8_t random[RANDOM_SIZE];
    char text[2 * RANDOM_SIZE + 1];
    AUTO(fd) int folder = -1;

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), text);
    (void)snprintf(s->name, sizeof(s->name), PREFIX "%s", text); /* has room */
    if (!beneath_mkdir(s->parent_fd, s->name, 0700, e) ||
        !beneath_open_dir(s->parent_fd, s->name, &folder, e) ||
        !beneath_create(folder, LOCK, &s->lock_fd, e))
        return false;
    return flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0 || err_sys(e, "lock %s", s->name);
}

bool scratch_folder_open(const char *parent, struct scratch_folder *out, struct err *e)
{
    AUTO(scratch_folder) struct scratch_folder s = SCRATCH_FOLDER_NONE;
    AUTO(buf) struct buf path = {0};

    if (parent == NULL)
        parent = file_scratch_folder();
    if (!dir_open(parent, &s.parent_fd, e))
        return err_wrap(e, "scratch folder");
    sweep(s.parent_fd);
    if (!make(&s, e))
        return err_wrap(e, "scratch folder in %s", parent);
    buf_printf(&path, "%s/%s", parent, s.name);
    s.path = mem_string(buf_string(&path));
    *out = s;
    s = SCRATCH_FOLDER_NONE;
    return true;
}

void scratch_folder_close(struct scratch_folder *s)
{
    struct err ignored = {0};

    /* What cannot be removed now is removed by whoever comes next. */
    const bool is_gone = s->lock_fd < 0 || tree_remove(s->parent_fd, s->name, &ignored);

    (void)is_gone;
    fd_auto(&s->lock_fd);
    fd_auto(&s->parent_fd);
    mem_free(s->path);
    *s = SCRATCH_FOLDER_NONE;
}

void scratch_folder_auto(struct scratch_folder *s)
{
    scratch_folder_close(s);
}
