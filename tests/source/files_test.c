/* What a backup of files hands over, on a tree at rest. */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "source/recorder.h"
#include "support/test.h"

/* The path of a name in the scratch folder; overwritten by the next call. */
static const char *in(const struct scratch *s, const char *name)
{
    static char path[PATH_MAX];

    (void)snprintf(path, sizeof(path), "%s%s%s", s->path, name[0] == '\0' ? "" : "/", name);
    return path;
}

static const struct record *found(const struct recorder *r, const struct scratch *s,
                                  const char *name)
{
    const struct record *c = recorder_find(r, in(s, name));

    ck_assert_msg(c != NULL, "%s is missing", name);
    return c;
}

static bool holds(const struct record *c, const char *text)
{
    return c->is_sent && slice_is_equal(buf_slice(&c->content), slice_string(text));
}

TEST(every_type_of_entry_comes_with_its_metadata)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    const struct timespec times[2] = {{1, 2}, {-5, 123456789}};

    scratch_init(&s);
    recorder_init(&r);
    put_file(s.fd, "file", "hello", 5);
    CHECK(fchmodat(s.fd, "file", 06751, 0) == 0 && utimensat(s.fd, "file", times, 0) == 0);
    CHECK(mkdirat(s.fd, "dir", 0700) == 0 && symlinkat("dir/../x", s.fd, "link") == 0);
    CHECK(mkfifoat(s.fd, "fifo", 0640) == 0);
    CHECK(mknodat(s.fd, "socket", S_IFSOCK | 0600, 0) == 0);
    CHECK(mknodat(s.fd, "char", S_IFCHR | 0600, makedev(1, 3)) == 0);
    CHECK(mknodat(s.fd, "block", S_IFBLK | 0600, makedev(7, 9)) == 0);
    CHECK_OK(backup_path(&r, s.path, e));
    CHECK(recorder_is_complete(&r) && r.remark_count == 0);

    const struct entry *file = &found(&r, &s, "file")->en;

    CHECK(holds(found(&r, &s, "file"), "hello"));
    CHECK(file->type == ENTRY_FILE && file->mode == 06751 && file->size == 5 && file->links == 1);
    CHECK(file->mtime_ns == -5 * NS_PER_S + 123456789);
    CHECK(slice_is_equal(file->user, slice_string("root")));
    CHECK(found(&r, &s, "dir")->en.type == ENTRY_DIRECTORY);
    CHECK(slice_is_equal(found(&r, &s, "link")->en.target, slice_string("dir/../x")));
    CHECK(found(&r, &s, "link")->en.size == 8);
    CHECK(found(&r, &s, "fifo")->en.type == ENTRY_FIFO && found(&r, &s, "fifo")->en.mode == 0640);
    CHECK(found(&r, &s, "socket")->en.type == ENTRY_SOCKET);
    CHECK(found(&r, &s, "char")->en.type == ENTRY_CHARACTER_DEVICE);
    CHECK(found(&r, &s, "char")->en.rdev == makedev(1, 3));
    CHECK(found(&r, &s, "block")->en.type == ENTRY_BLOCK_DEVICE);
}
END

TEST(only_what_lies_on_the_way_stands_above_the_given_path)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    struct stat st = {0};

    scratch_init(&s);
    recorder_init(&r);
    CHECK_OK(backup_path(&r, s.path, e));
    CHECK(r.record_count == 2 && stat("/tmp", &st) == 0);
    CHECK(recorder_find(&r, "/tmp")->en.mode == (st.st_mode & 07777U));
    CHECK(recorder_find(&r, "/tmp")->en.inode == st.st_ino);
    CHECK(recorder_find(&r, s.path)->en.type == ENTRY_DIRECTORY);
}
END

TEST(several_paths_share_what_leads_to_them)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    char a[100], b[100], c[100], missing[100];

    scratch_init(&s);
    recorder_init(&r);
    CHECK(mkdirat(s.fd, "d", 0755) == 0 && mkdirat(s.fd, "d-x", 0755) == 0);
    put_file(s.fd, "d/one", "1", 1);
    put_file(s.fd, "d/two", "2", 1);
    put_file(s.fd, "d-x/three", "3", 1);
    CHECK(symlinkat("nowhere", s.fd, "link") == 0);
    (void)snprintf(a, sizeof(a), "%s/d-x", s.path);
    (void)snprintf(b, sizeof(b), "%s/d/two", s.path);
    (void)snprintf(c, sizeof(c), "%s/link", s.path);
    (void)snprintf(missing, sizeof(missing), "%s/d/no/where", s.path);

    const char *const paths[] = {a, missing, b, c};
    struct files_options o = options_for(paths);

    o.path_count = 4;
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(recorder_is_complete(&r) && recorder_find(&r, in(&s, "d/one")) == NULL);
    CHECK(holds(found(&r, &s, "d/two"), "2") && holds(found(&r, &s, "d-x/three"), "3"));
    CHECK(found(&r, &s, "link")->en.type == ENTRY_SYMLINK);
    CHECK(r.remark_count == 1 && recorder_remark(&r, in(&s, "d/no")) != NULL);
    CHECK(r.remarks[0].is_skip && !r.remarks[0].has_entry);
}
END

TEST(a_link_above_the_given_path_stands_for_its_directory)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    char path[100];

    scratch_init(&s);
    recorder_init(&r);
    CHECK(mkdirat(s.fd, "real", 0711) == 0 && symlinkat("real", s.fd, "link") == 0);
    CHECK(setxattr(in(&s, "real"), "user.x", "real", 4, 0) == 0);
    put_file(s.fd, "real/f", "f", 1);
    (void)snprintf(path, sizeof(path), "%s/link/f", s.path);
    CHECK_OK(backup_path(&r, path, e));
    CHECK(found(&r, &s, "link")->en.type == ENTRY_DIRECTORY);
    CHECK(found(&r, &s, "link")->en.mode == 0711);
    CHECK(slice_is_equal(record_xattr(found(&r, &s, "link"), "user.x"), slice_string("real")));
    CHECK(holds(found(&r, &s, "link/f"), "f"));
}
END

TEST(paths_that_cannot_be_read_fail_at_once)
{
    AUTO(recorder) struct recorder r;

    recorder_init(&r);
    CHECK_ERR(backup_path(&r, "/no/such/path", e), ERR_NOT_FOUND);
    CHECK(r.calls == 0);
}
END

TEST(names_of_any_bytes_come_through)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    char longest[256];
    size_t count = 0;

    scratch_init(&s);
    recorder_init(&r);
    memset(longest, 0xFF, 255);
    longest[255] = '\0';
    put_file(s.fd, longest, "x", 1);
    for (int c = 1; c < 256; c++) {
        const char name[] = {(char)c, 'x', '\0'};

        if (c != '/')
            put_file(s.fd, name, name, 2);
    }
    CHECK_OK(backup_path(&r, s.path, e));
    CHECK(recorder_is_complete(&r) && r.remark_count == 0);
    CHECK(holds(found(&r, &s, longest), "x") && holds(found(&r, &s, "\nx"), "\nx"));
    for (size_t i = 0; i < r.record_count; i++)
        count += r.records[i].is_sent;
    CHECK(count == 255);
}
END

TEST(hard_links_show_the_same_file)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;

    scratch_init(&s);
    recorder_init(&r);
    put_file(s.fd, "a", "x", 1);
    CHECK(mkdirat(s.fd, "d", 0755) == 0 && linkat(s.fd, "a", s.fd, "d/b", 0) == 0);
    CHECK_OK(backup_path(&r, s.path, e));

    const struct entry *a = &found(&r, &s, "a")->en;
    const struct entry *b = &found(&r, &s, "d/b")->en;

    CHECK(a->device == b->device && a->inode == b->inode && a->links == 2 && b->links == 2);
}
END

/* Put the bytes of a record where they belong between its holes. */
static void fill(const struct record *c, uint8_t *out)
{
    struct slice holes = c->en.holes;
    size_t from = 0;
    size_t at = 0;

    while (at < c->en.size) {
        uint64_t offset = c->en.size;
        uint64_t length = 0;

        if (holes.size > 0)
            CHECK(take_varint(&holes, &offset) && take_varint(&holes, &length));
        memcpy(out + at, c->content.data + from, offset - at);
        from += offset - at;
        memset(out + offset, 0, length);
        at = offset + length;
    }
}

TEST(holes_are_not_read)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    const size_t size = 10 << 20;
    AUTO(mem) uint8_t *wanted = mem_new(size);
    AUTO(mem) uint8_t *got = mem_new(size);

    scratch_init(&s);
    recorder_init(&r);

    int fd = openat(s.fd, "sparse", O_RDWR | O_CREAT | O_CLOEXEC, 0644);

    CHECK(ftruncate(fd, (off_t)size) == 0);
    for (size_t at = 1 << 20; at < 8 << 20; at += 3 << 20) {
        memset(wanted + at, 'x', 70000);
        CHECK(pwrite(fd, wanted + at, 70000, (off_t)at) == 70000);
    }
    close(fd);
    fd = openat(s.fd, "hole", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    CHECK(ftruncate(fd, 1 << 20) == 0);
    close(fd);
    CHECK_OK(backup_path(&r, s.path, e));

    const struct record *c = found(&r, &s, "sparse");

    CHECK(c->en.size == size && c->content.size < (size_t)1 << 20 && r.restarts == 0);
    fill(c, got);
    CHECK(memcmp(wanted, got, size) == 0);
    CHECK(found(&r, &s, "hole")->content.size == 0 && found(&r, &s, "hole")->en.size == 1 << 20);
}
END

TEST(attributes_and_acls_come_sorted)
{
    static const uint8_t acl[] = {2,    0,    0,    0,    1,    0,    6,    0,    0xFF, 0xFF, 0xFF,
                                  0xFF, 2,    0,    4,    0,    1,    0,    0,    0,    4,    0,
                                  4,    0,    0xFF, 0xFF, 0xFF, 0xFF, 0x10, 0,    4,    0,    0xFF,
                                  0xFF, 0xFF, 0xFF, 0x20, 0,    4,    0,    0xFF, 0xFF, 0xFF, 0xFF};
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;

    scratch_init(&s);
    recorder_init(&r);
    put_file(s.fd, "f", "x", 1);
    CHECK(mkdirat(s.fd, "d", 0755) == 0 && symlinkat("x", s.fd, "l") == 0);
    CHECK(setxattr(in(&s, "f"), "user.b", "two", 3, 0) == 0);
    CHECK(setxattr(in(&s, "f"), "user.a", "", 0, 0) == 0);
    CHECK(setxattr(in(&s, "f"), "system.posix_acl_access", acl, sizeof(acl), 0) == 0);
    CHECK(setxattr(in(&s, "d"), "system.posix_acl_default", acl, sizeof(acl), 0) == 0);
    CHECK(lsetxattr(in(&s, "l"), "trusted.t", "link", 4, 0) == 0);
    CHECK_OK(backup_path(&r, s.path, e));

    const struct record *f = found(&r, &s, "f");
    struct slice pairs = f->en.xattrs;
    struct slice name = {0};

    CHECK(take_bytes(&pairs, &name) &&
          slice_is_equal(name, slice_string("system.posix_acl_access")));
    CHECK(slice_is_equal(record_xattr(f, "system.posix_acl_access"), SLICE_OF(acl, sizeof(acl))));
    CHECK(slice_is_equal(record_xattr(f, "user.b"), slice_string("two")));
    CHECK(record_xattr(f, "user.a").size == 0);
    CHECK(record_xattr(found(&r, &s, "d"), "system.posix_acl_default").size == sizeof(acl));
    CHECK(slice_is_equal(record_xattr(found(&r, &s, "l"), "trusted.t"), slice_string("link")));
}
END

TEST(attributes_are_left_out_on_request)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    const char *path = s.path;
    struct files_options o = options_for(&path);

    scratch_init(&s);
    recorder_init(&r);
    o.no_xattrs = true;
    put_file(s.fd, "f", "x", 1);
    CHECK(setxattr(in(&s, "f"), "user.a", "1", 1, 0) == 0);
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(found(&r, &s, "f")->en.xattrs.size == 0);
}
END

TEST(paths_beyond_path_max_come_through)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    char name[201];
    int fd = -1;

    scratch_init(&s);
    recorder_init(&r);
    memset(name, 'n', 200);
    name[200] = '\0';
    fd = dup(s.fd);
    for (int i = 0; i < 60; i++) {
        CHECK(mkdirat(fd, name, 0755) == 0 && mkdirat(fd, "sibling", 0755) == 0);
        put_file(fd, "z", "z", 1);

        const int next = openat(fd, name, O_RDONLY | O_DIRECTORY);

        close(fd);
        fd = next;
    }
    put_file(fd, "deep", "bottom", 6);
    close(fd);
    CHECK_OK(backup_path(&r, s.path, e));
    CHECK(recorder_is_complete(&r) && r.remark_count == 0);
    for (size_t i = 0; i < r.record_count; i++)
        if (strlen(r.records[i].path) > 12000 && strstr(r.records[i].path, "/deep") != NULL)
            CHECK(holds(&r.records[i], "bottom"));
    CHECK(r.record_count == 60 * 3 + 3);
}
END

TEST(many_files_are_shared_among_many_threads)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    const char *path = s.path;
    struct files_options o = options_for(&path);
    char name[40];

    scratch_init(&s);
    recorder_init(&r);
    o.threads = 8;
    for (int i = 0; i < 1500; i++) {
        (void)snprintf(name, sizeof(name), "d%d", i % 7);
        if (i < 7)
            CHECK(mkdirat(s.fd, name, 0755) == 0);
        (void)snprintf(name, sizeof(name), "d%d/f%d", i % 7, i);
        put_file(s.fd, name, name, strlen(name));
    }
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(recorder_is_complete(&r) && r.record_count == 1500 + 7 + 2);
    for (int i = 0; i < 1500; i++) {
        (void)snprintf(name, sizeof(name), "d%d/f%d", i % 7, i);
        CHECK(holds(found(&r, &s, name), name));
    }
}
END

TEST(files_that_are_not_wanted_are_not_read)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;

    scratch_init(&s);
    recorder_init(&r);
    r.wants_nothing = true;
    CHECK(mkdirat(s.fd, "d", 0755) == 0);
    put_file(s.fd, "d/f", "x", 1);
    CHECK_OK(backup_path(&r, s.path, e));
    CHECK(recorder_is_complete(&r) && !found(&r, &s, "d/f")->is_sent);
}
END

TEST(young_files_are_not_trusted)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    const char *path = s.path;
    struct files_options o = options_for(&path);

    scratch_init(&s);
    recorder_init(&r);
    put_file(s.fd, "f", "x", 1);
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(found(&r, &s, "f")->en.flags == 0);
    recorder_done(&r);
    recorder_init(&r);
    o.scan_started_ns = clock_now_ns() + NS_PER_S;
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(found(&r, &s, "f")->en.flags == ENTRY_UNTRUSTED_TIME);
}
END

TEST(excluded_names_are_left_out_below_the_given_path_only)
{
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    AUTO(exclude) struct exclude *x = exclude_new();
    const char *path = s.path;
    struct files_options o = options_for(&path);

    scratch_init(&s);
    recorder_init(&r);
    o.exclude = x;
    CHECK_OK(exclude_add(x, "tmp", e));
    CHECK_OK(exclude_add(x, "*.o", e));
    CHECK_OK(exclude_add(x, "only/", e));
    CHECK(mkdirat(s.fd, "tmp", 0755) == 0 && mkdirat(s.fd, "d", 0755) == 0);
    CHECK(mkdirat(s.fd, "d/only", 0755) == 0);
    put_file(s.fd, "tmp/f", "x", 1);
    put_file(s.fd, "d/a.o", "x", 1);
    put_file(s.fd, "only", "x", 1);
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(recorder_find(&r, in(&s, "tmp")) == NULL);
    CHECK(recorder_find(&r, in(&s, "d/a.o")) == NULL);
    CHECK(recorder_find(&r, in(&s, "d/only")) == NULL);
    CHECK(holds(found(&r, &s, "only"), "x") && r.record_count == 4);
}
END

TEST(tagged_directories_keep_only_their_tag)
{
    static const char signature[] = "Signature: 8a477f597d28d172789f06886806bc55\n# more";
    static const char *const tags[] = {".nobackup", "T:yes"};
    AUTO(scratch) struct scratch s;
    AUTO(recorder) struct recorder r;
    const char *path = s.path;
    struct files_options o = options_for(&path);

    scratch_init(&s);
    recorder_init(&r);
    o.exclude_caches = true;
    o.exclude_if_present = tags;
    o.exclude_if_present_count = 2;
    for (int i = 0; i < 5; i++) {
        const char dir[] = {(char)('a' + i), '\0'};
        const char file[] = {(char)('a' + i), '/', 'f', '\0'};

        CHECK(mkdirat(s.fd, dir, 0755) == 0);
        put_file(s.fd, file, "x", 1);
    }
    put_file(s.fd, "a/CACHEDIR.TAG", signature, strlen(signature));
    put_file(s.fd, "b/CACHEDIR.TAG", "Signature: no", 13);
    put_file(s.fd, "c/.nobackup", "", 0);
    put_file(s.fd, "d/T", "yes sir", 7);
    put_file(s.fd, "e/T", "no", 2);
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(recorder_find(&r, in(&s, "a/f")) == NULL && found(&r, &s, "a/CACHEDIR.TAG")->is_sent);
    CHECK(recorder_find(&r, in(&s, "b/f")) != NULL);
    CHECK(recorder_find(&r, in(&s, "c/f")) == NULL && found(&r, &s, "c/.nobackup")->is_sent);
    CHECK(recorder_find(&r, in(&s, "d/f")) == NULL && recorder_find(&r, in(&s, "e/f")) != NULL);
}
END

TEST(other_file_systems_are_empty_when_one_is_asked_for)
{
    AUTO(recorder) struct recorder r;
    static const char *const path = "/";
    struct files_options o = options_for(&path);
    AUTO(exclude) struct exclude *x = exclude_new();

    recorder_init(&r);
    o.one_file_system = true;
    o.exclude = x;
    CHECK_OK(exclude_add(x, "/*", e));
    CHECK_OK(exclude_add(x, "!/proc", e));
    r.wants_nothing = true;
    CHECK_OK(files_backup(&o, &r.sink, e));
    CHECK(recorder_is_complete(&r) && r.record_count == 1);
    CHECK(recorder_find(&r, "/proc")->en.type == ENTRY_DIRECTORY);
}
END

TEST(what_the_user_may_not_read_is_named)
{
    AUTO(scratch) struct scratch s;
    int status = 0;

    scratch_init(&s);
    CHECK(fchmod(s.fd, 0755) == 0);
    CHECK(mkdirat(s.fd, "closed", 0700) == 0 && mkdirat(s.fd, "open", 0755) == 0);
    put_file(s.fd, "closed/f", "x", 1);
    put_file(s.fd, "secret", "x", 1);
    put_file(s.fd, "open/f", "x", 1);
    CHECK(fchmodat(s.fd, "secret", 0600, 0) == 0);

    const pid_t child = fork();

    if (child == 0) {
        AUTO(recorder) struct recorder r;

        recorder_init(&r);
        CHECK(setgid(65534) == 0 && setuid(65534) == 0);
        CHECK_OK(backup_path(&r, s.path, e));
        CHECK(recorder_is_complete(&r) && r.remark_count == 2);
        CHECK(recorder_remark(&r, in(&s, "secret"))->is_skip);
        CHECK(!recorder_remark(&r, in(&s, "closed"))->is_skip);
        CHECK(found(&r, &s, "closed")->en.type == ENTRY_DIRECTORY);
        CHECK(holds(found(&r, &s, "open/f"), "x"));
        CHECK_ERR(backup_path(&r, in(&s, "closed"), e), ERR_DENIED);
        CHECK_ERR(backup_path(&r, in(&s, "secret"), e), ERR_DENIED);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
END

TEST(cancelling_ends_the_backup)
{
    AUTO(recorder) struct recorder r;

    recorder_init(&r);
    cancel_request();
    CHECK_ERR(backup_path(&r, "/", e), ERR_CANCELLED);
    CHECK(r.open_lanes == 0 && r.record_count == 0);
}
END

TEST(the_first_failure_of_the_sink_comes_back_whichever_call_it_is)
{
    AUTO(scratch) struct scratch s;
    const char *path = s.path;
    struct files_options o = options_for(&path);

    scratch_init(&s);
    o.threads = 3;
    CHECK(mkdirat(s.fd, "a", 0755) == 0 && mkdirat(s.fd, "b", 0755) == 0);
    put_file(s.fd, "a/f", "x", 1);
    put_file(s.fd, "b/f", "x", 1);
    for (size_t n = 1;; n++) {
        AUTO(recorder) struct recorder r;
        struct err why = {0};

        recorder_init(&r);
        r.fail_at = n;
        if (files_backup(&o, &r.sink, &why))
            break;
        CHECK(why.code == ERR_TRANSIENT && r.open_lanes == 0 && n < 100);
    }
}
END

TESTS("files", every_type_of_entry_comes_with_its_metadata,
      only_what_lies_on_the_way_stands_above_the_given_path, several_paths_share_what_leads_to_them,
      a_link_above_the_given_path_stands_for_its_directory, paths_that_cannot_be_read_fail_at_once,
      names_of_any_bytes_come_through, hard_links_show_the_same_file, holes_are_not_read,
      attributes_and_acls_come_sorted, attributes_are_left_out_on_request,
      paths_beyond_path_max_come_through, many_files_are_shared_among_many_threads,
      files_that_are_not_wanted_are_not_read, young_files_are_not_trusted,
      excluded_names_are_left_out_below_the_given_path_only, tagged_directories_keep_only_their_tag,
      other_file_systems_are_empty_when_one_is_asked_for, what_the_user_may_not_read_is_named,
      cancelling_ends_the_backup, the_first_failure_of_the_sink_comes_back_whichever_call_it_is)
