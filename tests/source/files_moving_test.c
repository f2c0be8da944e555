/* Trees that change while they are backed up: the sink's own calls change them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/mem.h"
#include "source/recorder.h"
#include "support/test.h"

/* What a test does to the tree from within the sink. */
struct change {
    struct scratch s;
    int left; /* how many more times */
};

static void change_auto(struct change *c)
{
    scratch_auto(&c->s);
}

static const char *in(const struct change *c, const char *name)
{
    static char path[300];

    (void)snprintf(path, sizeof(path), "%s/%s", c->s.path, name);
    return path;
}

static void begin(struct change *c, struct recorder *r, int left)
{
    scratch_init(&c->s);
    recorder_init(r);
    c->left = left;
    r->arg = c;
}

static bool is_due(struct change *c)
{
    return c->left > 0 && c->left-- > 0;
}

static void append(void *arg)
{
    struct change *c = arg;
    const int fd = openat(c->s.fd, "f", O_WRONLY | O_APPEND | O_CLOEXEC);

    CHECK(fd >= 0);
    if (is_due(c))
        CHECK(write(fd, "more", 4) == 4);
    close(fd);
}

TEST(a_file_that_changes_once_is_read_again)
{
    AUTO(change) struct change c;
    AUTO(recorder) struct recorder r;

    begin(&c, &r, 1);
    r.on_write = append;
    put_file(c.s.fd, "f", "first", 5);
    CHECK_OK(backup_path(&r, c.s.path, e));

    const struct record *f = recorder_find(&r, in(&c, "f"));

    CHECK(recorder_is_complete(&r) && r.restarts == 1 && r.remark_count == 0);
    CHECK(f->en.size == 9 && slice_is_equal(buf_slice(&f->content), slice_string("firstmore")));
    CHECK((f->en.flags & ENTRY_FUZZY) == 0);
}
END

TEST(a_file_that_never_rests_is_stored_and_marked)
{
    AUTO(change) struct change c;
    AUTO(recorder) struct recorder r;

    begin(&c, &r, 1000);
    r.on_write = append;
    put_file(c.s.fd, "f", "first", 5);
    CHECK_OK(backup_path(&r, c.s.path, e));

    const struct record *f = recorder_find(&r, in(&c, "f"));

    CHECK(recorder_is_complete(&r) && r.restarts == 2 && f->is_sent);
    CHECK((f->en.flags & ENTRY_FUZZY) != 0 && f->en.size == 13);
    CHECK(r.remark_count == 1 && !r.remarks[0].is_skip);
}
END

static void shorten(void *arg)
{
    struct change *c = arg;

    if (is_due(c))
        put_file(c->s.fd, "f", "x", 1);
}

TEST(a_file_that_shrinks_is_read_again)
{
    AUTO(change) struct change c;
    AUTO(recorder) struct recorder r;
    const size_t size = 3 << 20;
    AUTO(mem) uint8_t *bytes = mem_new(size);

    begin(&c, &r, 1);
    r.on_write = shorten;
    memset(bytes, 'y', size);
    put_file(c.s.fd, "f", bytes, size);
    CHECK_OK(backup_path(&r, c.s.path, e));

    const struct record *f = recorder_find(&r, in(&c, "f"));

    CHECK(recorder_is_complete(&r) && r.restarts == 1 && r.remark_count == 0);
    CHECK(slice_is_equal(buf_slice(&f->content), slice_string("x")));
}
END

/* Data, a hole, data. */
static void make_long(const struct change *c)
{
    AUTO(mem) uint8_t *bytes = mem_new(300000);
    const int fd = openat(c->s.fd, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    CHECK(fd >= 0 && pwrite(fd, bytes, 300000, 0) == 300000);
    CHECK(pwrite(fd, bytes, 300000, 2 << 20) == 300000);
    close(fd);
}

static void change_length(void *arg)
{
    struct change *c = arg;
    struct stat st = {0};

    if (!is_due(c))
        return;
    CHECK(fstatat(c->s.fd, "f", &st, 0) == 0);
    if (st.st_size > 1000)
        CHECK(truncate(in(c, "f"), 1000) == 0);
    else
        make_long(c);
}

TEST(the_holes_of_a_file_that_shrinks_lie_inside_it)
{
    AUTO(change) struct change c;
    AUTO(recorder) struct recorder r;
    AUTO(buf) struct buf encoded = {0};

    begin(&c, &r, 3);
    r.on_write = change_length;
    make_long(&c);
    CHECK_OK(backup_path(&r, c.s.path, e));

    const struct record *f = recorder_find(&r, in(&c, "f"));

    CHECK(recorder_is_complete(&r) && r.restarts == 2 && (f->en.flags & ENTRY_FUZZY) != 0);
    CHECK(f->en.size == f->content.size);
    entry_encode(&f->en, &encoded); /* asserts what the format demands */
}
END

static void change_attribute(void *arg)
{
    struct change *c = arg;
    struct stat before = {0};
    struct stat now = {0};

    if (!is_due(c))
        return;
    CHECK(fstatat(c->s.fd, "f", &before, 0) == 0);
    /* The clock of older kernels ticks a few times per hundredth of a second only. */
    do
        CHECK(setxattr(in(c, "f"), "user.a", "new", 3, 0) == 0 &&
              fstatat(c->s.fd, "f", &now, 0) == 0);
    while (now.st_ctim.tv_sec == before.st_ctim.tv_sec &&
           now.st_ctim.tv_nsec == before.st_ctim.tv_nsec);
}

TEST(an_attribute_that_changes_is_read_again)
{
    AUTO(change) struct change c;
    AUTO(recorder) struct recorder r;

    begin(&c, &r, 1);
    r.on_write = change_attribute;
    put_file(c.s.fd, "f", "x", 1);
    CHECK_OK(backup_path(&r, c.s.path, e));
    CHECK(r.restarts == 1);
    CHECK(slice_is_equal(record_xattr(recorder_find(&r, in(&c, "f")), "user.a"),
                         slice_string("new")));
}
END

/* Once the scratch folder is announced, its content becomes something else. */
static void replace_all(void *arg, const char *path)
{
    struct change *c = arg;

    if (strcmp(path, c->s.path) != 0)
        return;
    CHECK(unlinkat(c->s.fd, "gone", 0) == 0);
    CHECK(unlinkat(c->s.fd, "to-fifo", 0) == 0 && mkfifoat(c->s.fd, "to-fifo", 0600) == 0);
    CHECK(unlinkat(c->s.fd, "to-link", 0) == 0);
    CHECK(symlinkat("/etc/passwd", c->s.fd, "to-link") == 0);
    CHECK(unlinkat(c->s.fd, "to-dir", 0) == 0 && mkdirat(c->s.fd, "to-dir", 0700) == 0);
    CHECK(unlinkat(c->s.fd, "to-socket", 0) == 0);
    CHECK(mknodat(c->s.fd, "to-socket", S_IFSOCK | 0600, 0) == 0);
    CHECK(unlinkat(c->s.fd, "dir-gone", AT_REMOVEDIR) == 0);
    CHECK(unlinkat(c->s.fd, "dir-to-link", AT_REMOVEDIR) == 0);
    CHECK(symlinkat("/etc", c->s.fd, "dir-to-link") == 0);
    CHECK(unlinkat(c->s.fd, "dir-to-file", AT_REMOVEDIR) == 0);
    put_file(c->s.fd, "dir-to-file", "x", 1);
}

TEST(what_vanishes_or_becomes_something_else_is_skipped_and_named)
{
    static const char *const files[] = {"gone", "to-fifo", "to-link", "to-dir", "to-socket"};
    static const char *const dirs[] = {"dir-gone", "dir-to-link", "dir-to-file"};
    AUTO(change) struct change c;
    AUTO(recorder) struct recorder r;

    begin(&c, &r, 0);
    r.on_enter = replace_all;
    for (size_t i = 0; i < 5; i++)
        put_file(c.s.fd, files[i], "x", 1);
    for (size_t i = 0; i < 3; i++)
        CHECK(mkdirat(c.s.fd, dirs[i], 0755) == 0);
    put_file(c.s.fd, "stays", "x", 1);
    CHECK_OK(backup_path(&r, c.s.path, e));
    CHECK(recorder_is_complete(&r) && r.remark_count == 8);
    for (size_t i = 0; i < r.remark_count; i++)
        CHECK(r.remarks[i].is_skip && r.remarks[i].has_entry);
    CHECK(strstr(recorder_remark(&r, in(&c, "gone"))->text, "vanished") != NULL);
    CHECK(strstr(recorder_remark(&r, in(&c, "to-fifo"))->text, "no longer a regular") != NULL);
    CHECK(recorder_find(&r, in(&c, "stays"))->is_sent);
}
END

TEST(links_in_a_circle_are_stored_as_links)
{
    AUTO(change) struct change c;
    AUTO(recorder) struct recorder r;

    begin(&c, &r, 0);
    CHECK(symlinkat("b", c.s.fd, "a") == 0 && symlinkat("a", c.s.fd, "b") == 0);
    CHECK(symlinkat(".", c.s.fd, "self") == 0 && symlinkat("..", c.s.fd, "up") == 0);
    CHECK_OK(backup_path(&r, c.s.path, e));
    CHECK(recorder_is_complete(&r) && r.record_count == 6 && r.remark_count == 0);
}
END

TEST(kernel_files_that_lie_about_their_size_are_marked)
{
    AUTO(recorder) struct recorder r;
    const struct record *f = NULL;

    recorder_init(&r);
    CHECK_OK(backup_path(&r, "/proc/version", e));
    f = recorder_find(&r, "/proc/version");
    CHECK(f->is_sent && f->content.size > 10 && (f->en.flags & ENTRY_FUZZY) != 0);
}
END

TESTS("files_moving", a_file_that_changes_once_is_read_again,
      a_file_that_never_rests_is_stored_and_marked, a_file_that_shrinks_is_read_again,
      the_holes_of_a_file_that_shrinks_lie_inside_it, an_attribute_that_changes_is_read_again,
      what_vanishes_or_becomes_something_else_is_skipped_and_named,
      links_in_a_circle_are_stored_as_links, kernel_files_that_lie_about_their_size_are_marked)
