/*
 * Trees that a disk has to be asked for: their pages are dropped first.  In a file system in memory
 * nothing is ever dropped, and the test has nothing to find.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "source/recorder.h"
#include "support/test.h"

#define FILES     40
#define FILE_SIZE 8192
#define WAIT_NS   (10 * NS_PER_S)

/* Directories a, whose files come first, and b. */
struct tree {
    struct scratch s;
    int a, b;
    bool is_in_b, is_checked;
};

static void tree_auto(struct tree *t)
{
    close(t->a);
    close(t->b);
    scratch_auto(&t->s);
}

static int put_folder(struct tree *t, const char *name)
{
    CHECK(mkdirat(t->s.fd, name, 0755) == 0);

    const int fd = openat(t->s.fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    CHECK(fd >= 0);
    for (int i = 0; i < FILES; i++) {
        uint8_t bytes[FILE_SIZE];
        char file[8];

        (void)snprintf(file, sizeof(file), "%02d", i);
        memset(bytes, i + name[0], sizeof(bytes));
        put_file(fd, file, bytes, sizeof(bytes));
    }
    return fd;
}

static void drop(int dirfd)
{
    for (int i = 0; i < FILES; i++) {
        char file[8];

        (void)snprintf(file, sizeof(file), "%02d", i);

        const int fd = openat(dirfd, file, O_RDONLY | O_CLOEXEC);

        CHECK(fd >= 0 && fsync(fd) == 0);
        CHECK(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
        close(fd);
    }
}

static bool is_in_memory(int dirfd, const char *name)
{
    const int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
    void *pages = mmap(NULL, FILE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
    unsigned char states[FILE_SIZE / 4096];

    CHECK(fd >= 0 && pages != MAP_FAILED);
    CHECK(mincore(pages, FILE_SIZE, states) == 0);
    munmap(pages, FILE_SIZE);
    close(fd);
    return (states[0] & 1) != 0;
}

static bool is_path_of_b(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL && strcmp(slash, "/b") == 0; /* the root's is empty */
}

static void note_enter(void *arg, const char *path)
{
    struct tree *t = arg;

    t->is_in_b = t->is_in_b || is_path_of_b(path);
}

/* The first bytes of b have come; the last file is on its way. */
static void look(void *arg)
{
    struct tree *t = arg;
    const int64_t until = clock_monotonic_ns() + WAIT_NS;

    if (!t->is_in_b || t->is_checked)
        return;
    t->is_checked = true;
    while (!is_in_memory(t->b, "39") && clock_monotonic_ns() < until)
        (void)nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    CHECK(is_in_memory(t->b, "39"));
}

static void tree_init(struct tree *t)
{
    *t = (struct tree){0};
    scratch_init(&t->s);
    t->a = put_folder(t, "a");
    t->b = put_folder(t, "b");
}

/* From the disk, by one thread. */
static void back_up(struct tree *t, struct recorder *r)
{
    const char *given = t->s.path;
    struct files_options o = options_for(&given);

    drop(t->a);
    drop(t->b);
    o.threads = 1;
    r->arg = t;
    CHECK_OK(files_backup(&o, &r->sink, e));
}

TEST(behind_files_from_a_disk_the_next_are_asked_for_before_they_are_read)
{
    AUTO(tree) struct tree t;
    AUTO(recorder) struct recorder r;
    char path[100];

    tree_init(&t);
    recorder_init(&r);
    r.on_enter = note_enter;
    r.on_write = look;
    back_up(&t, &r);
    CHECK(recorder_is_complete(&r) && r.remark_count == 0 && t.is_checked);
    for (int i = 0; i < 2 * FILES; i++) {
        const char folder = i < FILES ? 'a' : 'b';

        (void)snprintf(path, sizeof(path), "%s/%c/%02d", t.s.path, folder, i % FILES);

        const struct record *f = recorder_find(&r, path);

        CHECK(f->content.size == FILE_SIZE && f->content.data[0] == folder + i % FILES);
    }
}
END

static void remove_last(void *arg, const char *path)
{
    struct tree *t = arg;

    if (!is_path_of_b(path))
        return;
    CHECK(unlinkat(t->b, "39", 0) == 0);
    CHECK(unlinkat(t->b, "38", 0) == 0 && mkfifoat(t->b, "38", 0644) == 0);
}

TEST(what_vanishes_or_becomes_a_fifo_before_it_is_asked_for_is_skipped)
{
    AUTO(tree) struct tree t;
    AUTO(recorder) struct recorder r;

    tree_init(&t);
    recorder_init(&r);
    r.on_enter = remove_last;
    back_up(&t, &r);
    CHECK(recorder_is_complete(&r) && r.remark_count == 2);
    CHECK(r.remarks[0].is_skip && r.remarks[1].is_skip);
}
END

TESTS("files from a disk", behind_files_from_a_disk_the_next_are_asked_for_before_they_are_read,
      what_vanishes_or_becomes_a_fifo_before_it_is_asked_for_is_skipped)
