/* Files of others that stand in a directory of a backup. */
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/file.h"
#include "source/recorder.h"
#include "support/test.h"

/* A folder "d" with a file of its own, one that gives way, and one that a pattern leaves out. */
struct world {
    struct scratch s; /* first: removed by scratch_auto() */
    struct recorder r;
    char folder[PATH_MAX];
    int fd;
    _Atomic size_t sent;
};

static void world_auto(struct world *w)
{
    fd_auto(&w->fd);
    recorder_done(&w->r);
    scratch_auto(&w->s);
}

static void world_init(struct world *w)
{
    struct err e = {0};

    scratch_init(&w->s);
    recorder_init(&w->r);
    (void)snprintf(w->folder, sizeof(w->folder), "%s/d", w->s.path);
    CHECK(mkdir(w->folder, 0750) == 0 && chown(w->folder, 7, 8) == 0);
    CHECK(mkdirat(w->s.fd, "d/sub", 0700) == 0);
    put_file(w->s.fd, "d/own", "own", 3);
    put_file(w->s.fd, "d/old", "old content", 11);
    put_file(w->s.fd, "d/sub/old", "deeper", 6);
    CHECK(fchmodat(w->s.fd, "d/old", 0604, 0) == 0 && fchownat(w->s.fd, "d/old", 9, 10, 0) == 0);
    CHECK(file_unnamed(w->s.path, &w->fd, &e));
    CHECK(fd_write(w->fd, slice_string("brand newinstead"), &e));
}

static bool back_up(struct world *w, const struct over_file *files, size_t count, struct err *e)
{
    const char *const paths[] = {w->s.path};
    const char *const given[] = {w->folder};
    const struct files_over over = {w->folder, w->fd, files, count, &w->sent};
    struct files_options o = options_for(paths);

    o.paths = given;
    o.over = &over;
    return files_backup(&o, &w->r.sink, e);
}

static const struct record *found(const struct world *w, const char *name)
{
    char path[2 * PATH_MAX];
    const struct record *c;

    (void)snprintf(path, sizeof(path), "%s/%s", w->folder, name);
    c = recorder_find(&w->r, path);
    ck_assert_msg(c != NULL && c->is_sent, "%s is missing", name);
    return c;
}

static void check_holds(const struct world *w, const char *name, const char *text)
{
    ck_assert_msg(slice_is_equal(buf_slice(&found(w, name)->content), slice_string(text)),
                  "%s holds something else", name);
}

static const struct over_file two[] = {{"a new", 0, 9}, {"old", 9, 7}};

TEST(they_stand_beside_and_instead_of_what_is_there)
{
    AUTO(world) struct world w = {.fd = -1};
    const struct entry *en;

    world_init(&w);
    CHECK_OK(back_up(&w, two, 2, e));
    CHECK(recorder_is_complete(&w.r) && w.r.remark_count == 0 && w.sent == 2);
    check_holds(&w, "a new", "brand new");
    check_holds(&w, "old", "instead");
    check_holds(&w, "own", "own");
    check_holds(&w, "sub/old", "deeper"); /* only in the one directory */
    en = &found(&w, "old")->en;
    CHECK(en->size == 7 && en->mode == 0604 && en->uid == 9 && en->gid == 10 && en->links == 1);
    en = &found(&w, "a new")->en;
    CHECK(en->size == 9 && en->mode == 0640 && en->uid == 7 && en->gid == 8);
}
END

TEST(attributes_stay_with_the_place)
{
    AUTO(world) struct world w = {.fd = -1};
    char path[2 * PATH_MAX];

    world_init(&w);
    (void)snprintf(path, sizeof(path), "%s/old", w.folder);
    if (setxattr(path, "user.kept", "yes", 3, 0) != 0)
        return; /* not on this file system */
    CHECK_OK(back_up(&w, two, 2, e));
    CHECK(slice_is_equal(record_xattr(found(&w, "old"), "user.kept"), slice_string("yes")));
    CHECK(record_xattr(found(&w, "a new"), "user.kept").data == NULL);
}
END

TEST(a_new_file_is_for_its_owner_alone_where_the_directory_is)
{
    AUTO(world) struct world w = {.fd = -1};

    world_init(&w);
    CHECK(chmod(w.folder, 0700) == 0);
    CHECK_OK(back_up(&w, two, 2, e));
    CHECK(found(&w, "a new")->en.mode == 0600);
}
END

TEST(what_is_no_file_is_in_the_way)
{
    AUTO(world) struct world w = {.fd = -1};
    const struct over_file sub[] = {{"sub", 0, 9}};
    const struct over_file link[] = {{"link", 0, 9}};

    world_init(&w);
    CHECK(symlinkat("/etc/passwd", w.s.fd, "d/link") == 0);
    CHECK_ERR(back_up(&w, sub, 1, e), ERR_EXISTS);
    CHECK_ERR(back_up(&w, link, 1, e), ERR_EXISTS);
    CHECK(w.sent == 0);
}
END

TEST(fewer_bytes_than_were_announced_end_the_backup)
{
    AUTO(world) struct world w = {.fd = -1};
    const struct over_file longer[] = {{"a new", 10, 9}};

    world_init(&w);
    CHECK_ERR(back_up(&w, longer, 1, e), ERR_FATAL);
    CHECK(w.sent == 0);
}
END

TEST(a_directory_that_is_gone_is_noticed_by_the_count)
{
    AUTO(world) struct world w = {.fd = -1};
    char elsewhere[2 * PATH_MAX];

    world_init(&w);
    (void)snprintf(elsewhere, sizeof(elsewhere), "%s.moved", w.folder);
    CHECK(rename(w.folder, elsewhere) == 0 && symlink(elsewhere, w.folder) == 0);
    CHECK_OK(back_up(&w, two, 2, e));
    CHECK(w.sent == 0);
}
END

TESTS("source/over", they_stand_beside_and_instead_of_what_is_there, attributes_stay_with_the_place,
      a_new_file_is_for_its_owner_alone_where_the_directory_is, what_is_no_file_is_in_the_way,
      fewer_bytes_than_were_announced_end_the_backup,
      a_directory_that_is_gone_is_noticed_by_the_count)
