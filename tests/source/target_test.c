/* Restored entries look as they did. */
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/recorder.h"
#include "support/test.h"

#define MTIME_NS (INT64_C(1234567890) * NS_PER_S + 123456789)

static const struct target_options keep_all = {.overwrite = OVERWRITE_ALWAYS, .keep_owner = true};

static struct target *open_target(const struct scratch *s, const struct target_options *o)
{
    struct target *t = NULL;

    CHECK_OK(target_open(s->path, o, &t, e));
    return t;
}

static struct stat look(const struct scratch *s, const char *name)
{
    struct stat st = {0};

    ck_assert_msg(fstatat(s->fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0, "%s is missing", name);
    return st;
}

static bool is_text(const struct scratch *s, const char *name, const char *text)
{
    AUTO(fd) int fd = openat(s->fd, name, O_RDONLY | O_CLOEXEC);
    char got[100] = "";

    return fd >= 0 && read(fd, got, sizeof(got)) == (ssize_t)strlen(text) &&
           memcmp(got, text, strlen(text)) == 0;
}

static struct entry file_entry(uint64_t size)
{
    return (struct entry){
        .type = ENTRY_FILE, .mode = 0640, .mtime_ns = MTIME_NS, .size = size, .links = 1};
}

/* Restore a file of this text with everything that belongs to it. */
static bool restore(struct target *t, const char *path, const struct entry *en, const char *text,
                    enum target_action action, struct err *e)
{
    struct target_file f;
    struct err warning;

    if (!target_file_begin(t, path, action, &f, e))
        return false;
    if (fd_write_at(f.fd, 0, slice_string(text), e) &&
        target_file_finish(t, path, en, &f, &warning, e))
        return warning.code == ERR_NONE || err_set(e, warning.code, "warning: %s", warning.text);
    target_file_abort(t, path, &f);
    return false;
}

TEST(a_file_gets_its_metadata_back)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf xattrs = {0};
    struct entry en = file_entry(5);

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    buf_put_bytes(&xattrs, slice_string("security.x"));
    buf_put_bytes(&xattrs, slice_string("s"));
    buf_put_bytes(&xattrs, slice_string("user.a"));
    buf_put_bytes(&xattrs, slice_string("value"));
    en.xattrs = buf_slice(&xattrs);
    en.mode = 06755;
    en.uid = 12345;
    en.gid = 54321;
    CHECK_OK(restore(t, "f", &en, "hello", TARGET_CREATE, e));

    const struct stat st = look(&s, "f");
    char path[100], value[10];

    CHECK(is_text(&s, "f", "hello") && (st.st_mode & 07777U) == 06755);
    CHECK(st.st_uid == 12345 && st.st_gid == 54321);
    CHECK(clock_from_timespec(st.st_mtim) == MTIME_NS);
    (void)snprintf(path, sizeof(path), "%s/f", s.path);
    CHECK(getxattr(path, "user.a", value, 10) == 5 && getxattr(path, "security.x", value, 10) == 1);
}
END

TEST(what_is_not_written_at_the_end_is_a_hole)
{
    AUTO(scratch) struct scratch s;
    const struct entry en = file_entry(1 << 20);

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    CHECK_OK(restore(t, "f", &en, "x", TARGET_CREATE, e));
    CHECK(look(&s, "f").st_size == 1 << 20 && look(&s, "f").st_blocks < 100);
}
END

TEST(names_of_users_win_over_numbers_unless_told_otherwise)
{
    AUTO(scratch) struct scratch s;
    struct entry en = file_entry(1);
    const struct passwd *daemon = getpwnam("daemon");
    struct target_options o = keep_all;

    scratch_init(&s);
    en.uid = en.gid = 4242;
    en.user = slice_string("daemon");
    en.group = slice_string("no-such-group-here");
    AUTO(target) struct target *t = open_target(&s, &o);

    CHECK_OK(restore(t, "a", &en, "x", TARGET_CREATE, e));
    CHECK(daemon != NULL && look(&s, "a").st_uid == daemon->pw_uid && look(&s, "a").st_gid == 4242);
    o.numeric_ids = true;
    AUTO(target) struct target *numeric = open_target(&s, &o);

    CHECK_OK(restore(numeric, "b", &en, "x", TARGET_CREATE, e));
    CHECK(look(&s, "b").st_uid == 4242);
}
END

TEST(setuid_is_left_out_when_the_owner_is_another)
{
    AUTO(scratch) struct scratch s;
    struct target_options o = {0};
    struct entry en = file_entry(1);

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &o);

    en.mode = 04755;
    en.uid = 4242;
    CHECK_ERR(restore(t, "f", &en, "x", TARGET_CREATE, e), ERR_DENIED); /* the warning */
    CHECK((look(&s, "f").st_mode & 07777U) == 0755 && look(&s, "f").st_uid == 0);
    en.uid = 0;
    CHECK_OK(restore(t, "mine", &en, "x", TARGET_CREATE, e));
    CHECK((look(&s, "mine").st_mode & 07777U) == 04755);
}
END

TEST(attributes_that_the_file_system_refuses_are_a_warning)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf xattrs = {0};
    struct entry en = file_entry(1);

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    buf_put_bytes(&xattrs, slice_string("nowhere.x"));
    buf_put_bytes(&xattrs, slice_string("v"));
    en.xattrs = buf_slice(&xattrs);
    CHECK_ERR(restore(t, "f", &en, "x", TARGET_CREATE, e), ERR_FATAL);
    CHECK(is_text(&s, "f", "x") && clock_from_timespec(look(&s, "f").st_mtim) == MTIME_NS);
    en.xattrs = slice_string("\x50garbage");
    CHECK_ERR(restore(t, "g", &en, "x", TARGET_CREATE, e), ERR_CORRUPT);
    CHECK(faccessat(s.fd, "g", F_OK, 0) != 0);
}
END

TEST(special_files_get_their_metadata_back)
{
    static const enum entry_type types[] = {ENTRY_SYMLINK, ENTRY_FIFO, ENTRY_SOCKET,
                                            ENTRY_CHARACTER_DEVICE, ENTRY_BLOCK_DEVICE};
    static const mode_t formats[] = {S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    AUTO(scratch) struct scratch s;
    struct err warning;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
            const char name[] = {(char)('a' + i), '\0'};
            const struct entry en = {.type = types[i],
                                     .mode = 0612,
                                     .uid = 7,
                                     .gid = 8,
                                     .mtime_ns = MTIME_NS,
                                     .rdev = makedev(1, 3),
                                     .target = slice_string("../../etc")};

            CHECK_OK(target_special(t, name, &en, round == 0 ? TARGET_CREATE : TARGET_REPLACE,
                                    &warning, e));
            const struct stat st = look(&s, name);

            CHECK(warning.code == ERR_NONE && (st.st_mode & S_IFMT) == formats[i]);
            CHECK(st.st_uid == 7 && st.st_gid == 8);
            CHECK(clock_from_timespec(st.st_mtim) == MTIME_NS);
            CHECK(types[i] == ENTRY_SYMLINK || (st.st_mode & 07777U) == 0612);
            CHECK(i < 3 || st.st_rdev == makedev(1, 3));
        }
    }
}
END

TEST(directories_get_their_metadata_last)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf xattrs = {0};
    struct entry en = {
        .type = ENTRY_DIRECTORY, .mode = 02510, .uid = 3, .gid = 4, .mtime_ns = MTIME_NS};
    const struct entry file = file_entry(1);
    struct err warning;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    buf_put_bytes(&xattrs, slice_string("user.d"));
    buf_put_bytes(&xattrs, slice_string("1"));
    en.xattrs = buf_slice(&xattrs);
    CHECK_OK(target_mkdir(t, "d", e));
    CHECK_OK(target_mkdir(t, "d", e));
    CHECK((look(&s, "d").st_mode & 07777U) == 0700);
    CHECK_OK(restore(t, "d/f", &file, "x", TARGET_CREATE, e));
    CHECK_OK(target_directory_finish(t, "d", &en, &warning, e));
    const struct stat st = look(&s, "d");

    CHECK(warning.code == ERR_NONE && (st.st_mode & 07777U) == 02510 && st.st_uid == 3);
    CHECK(clock_from_timespec(st.st_mtim) == MTIME_NS);
    CHECK_OK(target_mkdir(t, "", e));
    CHECK_OK(target_directory_finish(t, "", &en, &warning, e));
    CHECK((look(&s, ".").st_mode & 07777U) == 02510);
}
END

struct decision {
    enum overwrite overwrite;
    const char *name;
    int64_t mtime_ns;
    uint64_t size;
    enum target_action wanted;
};

TEST(overwrite_modes_decide_as_named)
{
    static const struct decision table[] = {
        {OVERWRITE_ALWAYS, "none", MTIME_NS, 1, TARGET_CREATE},
        {OVERWRITE_NEVER, "none/below", MTIME_NS, 1, TARGET_CREATE},
        {OVERWRITE_ALWAYS, "f", MTIME_NS, 1, TARGET_REPLACE},
        {OVERWRITE_NEVER, "f", MTIME_NS + 1, 2, TARGET_SKIP},
        {OVERWRITE_NEVER, "full", MTIME_NS + 1, 2, TARGET_SKIP},
        {OVERWRITE_IF_NEWER, "f", MTIME_NS, 1, TARGET_SKIP},
        {OVERWRITE_IF_NEWER, "f", MTIME_NS + 1, 1, TARGET_REPLACE},
        {OVERWRITE_IF_NEWER, "f", MTIME_NS - 1, 1, TARGET_SKIP},
        {OVERWRITE_IF_CHANGED, "f", MTIME_NS, 1, TARGET_SKIP},
        {OVERWRITE_IF_CHANGED, "f", MTIME_NS, 2, TARGET_REPLACE},
        {OVERWRITE_IF_CHANGED, "f", MTIME_NS + 1, 1, TARGET_REPLACE},
        {OVERWRITE_IF_CHANGED, "mode", MTIME_NS, 1, TARGET_UPDATE},
        {OVERWRITE_IF_CHANGED, "xattr", MTIME_NS, 1, TARGET_UPDATE},
        {OVERWRITE_IF_CHANGED, "link", MTIME_NS, 1, TARGET_REPLACE},
        {OVERWRITE_ALWAYS, "empty", MTIME_NS, 1, TARGET_REPLACE},
    };
    AUTO(scratch) struct scratch s;
    struct entry en = file_entry(1);
    char path[100];

    scratch_init(&s);
    AUTO(target) struct target *maker = open_target(&s, &keep_all);

    CHECK_OK(restore(maker, "f", &en, "x", TARGET_CREATE, e));
    CHECK_OK(restore(maker, "xattr", &en, "x", TARGET_CREATE, e));
    (void)snprintf(path, sizeof(path), "%s/xattr", s.path);
    CHECK(setxattr(path, "user.more", "1", 1, 0) == 0);
    en.mode = 0600;
    CHECK_OK(restore(maker, "mode", &en, "x", TARGET_CREATE, e));
    CHECK(symlinkat("f", s.fd, "link") == 0 && mkdirat(s.fd, "empty", 0700) == 0);
    CHECK(mkdirat(s.fd, "full", 0700) == 0 && mkdirat(s.fd, "full/x", 0700) == 0);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const struct target_options o = {.overwrite = table[i].overwrite, .keep_owner = true};
        struct entry now = file_entry(table[i].size);
        enum target_action got = TARGET_CREATE;
        AUTO(target) struct target *t = open_target(&s, &o);

        now.mtime_ns = table[i].mtime_ns;
        CHECK_OK(target_decide(t, table[i].name, &now, &got, e));
        ck_assert_msg(got == table[i].wanted, "row %zu: %d", i, (int)got);
    }
    CHECK_ERR(target_decide(maker, "full", &en, &(enum target_action){0}, e), ERR_EXISTS);
}
END

TEST(directories_are_kept_and_other_things_in_their_place_replaced)
{
    AUTO(scratch) struct scratch s;
    const struct target_options never = {.overwrite = OVERWRITE_NEVER};
    const struct entry en = {.type = ENTRY_DIRECTORY};
    enum target_action got = TARGET_CREATE;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);
    AUTO(target) struct target *careful = open_target(&s, &never);

    put_file(s.fd, "f", "x", 1);
    CHECK(mkdirat(s.fd, "d", 0700) == 0);
    CHECK_OK(target_decide(t, "d", &en, &got, e));
    CHECK(got == TARGET_UPDATE);
    CHECK_OK(target_decide(t, "f", &en, &got, e));
    CHECK(got == TARGET_REPLACE);
    CHECK_OK(target_decide(careful, "f", &en, &got, e));
    CHECK(got == TARGET_SKIP);
    CHECK_ERR(target_mkdir(careful, "f", e), ERR_EXISTS);
    CHECK_OK(target_mkdir(t, "f", e));
    CHECK(S_ISDIR(look(&s, "f").st_mode));
}
END

TEST(a_replaced_file_stays_until_the_new_one_is_complete)
{
    AUTO(scratch) struct scratch s;
    const struct entry en = file_entry(3);
    struct target_file f;
    struct err warning;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    put_file(s.fd, "f", "old", 3);
    CHECK_OK(target_file_begin(t, "f", TARGET_REPLACE, &f, e));
    CHECK_OK(fd_write(f.fd, slice_string("new"), e));
    CHECK(is_text(&s, "f", "old") && strncmp(f.temporary, ".holdfast-", 10) == 0);
    CHECK_OK(target_file_finish(t, "f", &en, &f, &warning, e));
    CHECK(is_text(&s, "f", "new") && faccessat(s.fd, f.temporary, F_OK, 0) != 0);
    CHECK_OK(target_file_begin(t, "f", TARGET_REPLACE, &f, e));
    target_file_abort(t, "f", &f);
    CHECK(is_text(&s, "f", "new") && faccessat(s.fd, f.temporary, F_OK, 0) != 0);
    CHECK(mkdirat(s.fd, "empty", 0700) == 0);
    CHECK_OK(restore(t, "empty", &en, "xyz", TARGET_REPLACE, e));
    CHECK(is_text(&s, "empty", "xyz"));
}
END

TEST(a_parked_file_goes_on_unless_another_took_its_place)
{
    AUTO(scratch) struct scratch s;
    const struct entry en = file_entry(6);
    struct target_file f;
    struct err warning;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    put_file(s.fd, "old", "x", 1);
    for (int i = 0; i < 2; i++) {
        const char *name = i == 0 ? "new" : "old";

        CHECK_OK(target_file_begin(t, name, i == 0 ? TARGET_CREATE : TARGET_REPLACE, &f, e));
        CHECK_OK(fd_write_at(f.fd, 0, slice_string("one"), e));
        CHECK_OK(target_file_park(&f, e));
        CHECK(f.fd == -1);
        CHECK_OK(target_file_resume(t, name, &f, e));
        CHECK_OK(fd_write_at(f.fd, 3, slice_string("two"), e));
        CHECK_OK(target_file_finish(t, name, &en, &f, &warning, e));
        CHECK(is_text(&s, name, "onetwo"));
    }
    CHECK_OK(target_file_begin(t, "swapped", TARGET_CREATE, &f, e));
    CHECK_OK(target_file_park(&f, e));
    CHECK(renameat(s.fd, "old", s.fd, "swapped") == 0);
    CHECK_ERR(target_file_resume(t, "swapped", &f, e), ERR_DENIED);
    CHECK(unlinkat(s.fd, "swapped", 0) == 0 && symlinkat("new", s.fd, "swapped") == 0);
    CHECK_ERR(target_file_resume(t, "swapped", &f, e), ERR_DENIED);
}
END

TEST(a_new_file_never_lands_on_an_old_one)
{
    AUTO(scratch) struct scratch s;
    struct target_file f;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    put_file(s.fd, "f", "old", 3);
    CHECK_ERR(target_file_begin(t, "f", TARGET_CREATE, &f, e), ERR_EXISTS);
    CHECK_OK(target_file_begin(t, "g", TARGET_CREATE, &f, e));
    CHECK((look(&s, "g").st_mode & 07777U) == 0600);
    target_file_abort(t, "g", &f);
    CHECK(is_text(&s, "f", "old") && faccessat(s.fd, "g", F_OK, 0) != 0);
}
END

TEST(hard_links_join_files)
{
    AUTO(scratch) struct scratch s;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    put_file(s.fd, "a", "x", 1);
    put_file(s.fd, "c", "y", 1);
    CHECK_OK(target_link(t, "a", "b", TARGET_CREATE, e));
    CHECK_OK(target_link(t, "a", "c", TARGET_REPLACE, e));
    CHECK_OK(target_link(t, "a", "b", TARGET_REPLACE, e)); /* is that already */
    CHECK(look(&s, "a").st_ino == look(&s, "b").st_ino);
    CHECK(look(&s, "a").st_ino == look(&s, "c").st_ino && look(&s, "a").st_nlink == 3);
    CHECK_ERR(target_link(t, "a", "b", TARGET_CREATE, e), ERR_EXISTS);
}
END

TEST(metadata_alone_is_updated)
{
    AUTO(scratch) struct scratch s;
    struct entry en = file_entry(1);
    struct err warning;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    put_file(s.fd, "f", "x", 1);
    en.mode = 04711;
    en.uid = 99;
    CHECK_OK(target_update(t, "f", &en, &warning, e));
    CHECK(look(&s, "f").st_uid == 99 && (look(&s, "f").st_mode & 07777U) == 04711);
    CHECK(clock_from_timespec(look(&s, "f").st_mtim) == MTIME_NS && is_text(&s, "f", "x"));
}
END

TEST(paths_beyond_path_max_work)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf file = {0};
    const struct entry en = file_entry(4);
    const struct entry dir = {.type = ENTRY_DIRECTORY, .mode = 0755, .mtime_ns = MTIME_NS};
    const struct entry fifo = {.type = ENTRY_FIFO, .mode = 0600, .mtime_ns = MTIME_NS};
    enum target_action action = TARGET_SKIP;
    struct err warning;
    int fd = -1;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    for (int i = 0; i < 50; i++) {
        buf_printf(&path, "%s%0200d", i == 0 ? "" : "/", i);
        CHECK_OK(target_mkdir(t, buf_string(&path), e));
    }
    buf_printf(&file, "%s/f", buf_string(&path));
    CHECK(file.size > 2 * (size_t)PATH_MAX);
    CHECK_OK(restore(t, buf_string(&file), &en, "deep", TARGET_CREATE, e));
    CHECK_OK(restore(t, buf_string(&file), &en, "next", TARGET_REPLACE, e));
    CHECK_OK(target_decide(t, buf_string(&file), &en, &action, e));
    CHECK(action == TARGET_REPLACE);
    CHECK_OK(target_open_read(t, buf_string(&file), &fd, e));
    close(fd);
    CHECK_OK(target_link(t, buf_string(&file), "top", TARGET_CREATE, e));
    CHECK(is_text(&s, "top", "next"));
    CHECK_OK(target_update(t, buf_string(&file), &en, &warning, e));
    CHECK_OK(target_directory_finish(t, buf_string(&path), &dir, &warning, e));
    buf_printf(&file, "ifo");
    CHECK_OK(target_special(t, buf_string(&file), &fifo, TARGET_CREATE, &warning, e));
    CHECK_OK(target_remove(t, buf_string(&file), e));
}
END

TEST(a_restored_tree_can_be_read_back)
{
    AUTO(scratch) struct scratch s;
    int fd = -1;

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    put_file(s.fd, "f", "x", 1);
    CHECK(mkfifoat(s.fd, "fifo", 0600) == 0 && mkdirat(s.fd, "d", 0700) == 0);
    CHECK_OK(target_open_read(t, "f", &fd, e));
    close(fd);
    CHECK_ERR(target_open_read(t, "none", &fd, e), ERR_NOT_FOUND);
    CHECK_ERR(target_open_read(t, "fifo", &fd, e), ERR_FATAL);
    CHECK_ERR(target_open_read(t, "d", &fd, e), ERR_FATAL);
}
END

static bool count_extra(void *arg, const char *path, struct err *e)
{
    struct buf *seen = arg;

    (void)e;
    buf_printf(seen, "%s ", path);
    return true;
}

TEST(extras_are_what_the_backup_does_not_have)
{
    AUTO(scratch) struct scratch s;
    AUTO(buf) struct buf seen = {0};
    const struct slice names[] = {slice_string("a"), slice_string("c"), slice_string("x")};

    scratch_init(&s);
    AUTO(target) struct target *t = open_target(&s, &keep_all);

    CHECK(mkdirat(s.fd, "d", 0700) == 0);
    put_file(s.fd, "d/a", "", 0);
    put_file(s.fd, "d/b", "", 0);
    put_file(s.fd, "d/c", "", 0);
    put_file(s.fd, "d/.z", "", 0);
    CHECK_OK(target_extras(t, "d", names, 3, count_extra, &seen, e));
    CHECK(strcmp(buf_string(&seen), "d/.z d/b ") == 0);
    buf_clear(&seen);
    CHECK_OK(target_extras(t, "", NULL, 0, count_extra, &seen, e));
    CHECK_OK(target_extras(t, "missing", names, 3, count_extra, &seen, e));
    CHECK(strcmp(buf_string(&seen), "d ") == 0);
}
END

TESTS("target", a_file_gets_its_metadata_back, what_is_not_written_at_the_end_is_a_hole,
      names_of_users_win_over_numbers_unless_told_otherwise,
      setuid_is_left_out_when_the_owner_is_another,
      attributes_that_the_file_system_refuses_are_a_warning, special_files_get_their_metadata_back,
      directories_get_their_metadata_last, overwrite_modes_decide_as_named,
      directories_are_kept_and_other_things_in_their_place_replaced,
      a_replaced_file_stays_until_the_new_one_is_complete,
      a_parked_file_goes_on_unless_another_took_its_place, a_new_file_never_lands_on_an_old_one,
      hard_links_join_files, metadata_alone_is_updated, paths_beyond_path_max_work,
      a_restored_tree_can_be_read_back, extras_are_what_the_backup_does_not_have)
