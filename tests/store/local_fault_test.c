/*
 * What a directory does when the disk fails, is full, or the writer dies.  This program puts
 * its own fsync() and openat() in front of those of the C library, to fail on demand.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "scratch.h"
#include "store/local.h"
#include "support/test.h"

static atomic_int fsyncs;
static atomic_int failing_fsync = -1; /* the fsync with this number, counted from 0 */
static atomic_bool has_tmpfile = true;

int fsync(int fd)
{
    if (atomic_fetch_add(&fsyncs, 1) == atomic_load(&failing_fsync)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

int openat(int dirfd, const char *path, int flags, ...)
{
    va_list args;

    va_start(args, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(args, mode_t) : 0;
    va_end(args);
    if ((flags & O_TMPFILE) == O_TMPFILE && !atomic_load(&has_tmpfile)) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

/*
 * The first put of a handle syncs the parents of tmp, packs and packs/3f, then the file and
 * its directory.
 */
TEST(directories_made_by_others_are_synced_before_their_first_use)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *first = scratch_store(dir);
    AUTO(store) struct store *s = NULL;

    CHECK_OK(store_put(first, "packs/3f/x", slice_string("1"), PUT_NEW, e));
    CHECK_OK(local_open(dir, &s, e));
    atomic_store(&fsyncs, 0);
    CHECK_OK(store_put(s, "packs/3f/y", slice_string("1"), PUT_NEW, e));
    CHECK(atomic_load(&fsyncs) == 5);
    CHECK_OK(store_put(s, "packs/3f/z", slice_string("1"), PUT_NEW, e));
    CHECK(atomic_load(&fsyncs) == 7);
    CHECK_OK(store_put(s, "packs/40/z", slice_string("1"), PUT_NEW, e));
    CHECK(atomic_load(&fsyncs) == 10);
}

TEST(a_taken_key_is_durable_before_put_says_so)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);

    CHECK_OK(store_put(s, "config", slice_string("1"), PUT_NEW, e));
    atomic_store(&fsyncs, 0);
    CHECK_ERR(store_put(s, "config", slice_string("1"), PUT_NEW, e), ERR_EXISTS);
    CHECK(atomic_load(&fsyncs) == 2);
    atomic_store(&fsyncs, 0);
    atomic_store(&failing_fsync, 1);
    CHECK_ERR(store_put(s, "config", slice_string("1"), PUT_NEW, e), ERR_FATAL);
    CHECK_ERR(store_put(s, "other", slice_string("1"), PUT_NEW, e), ERR_FATAL);
}

/* After a failed fsync: reading goes on, writing does not, and a new handle begins anew. */
static void check_given_up(struct store *s, const char *dir)
{
    AUTO(store) struct store *again = NULL;
    struct err why = {0};
    int n = 0;

    CHECK(!store_put(s, "later", slice_string("1"), PUT_NEW, &why));
    CHECK(why.code == ERR_FATAL && strstr(why.text, "earlier fsync failed") != NULL);
    CHECK_ERR(store_put(s, "later", slice_string("1"), PUT_REPLACE, e), ERR_FATAL);
    CHECK_ERR(store_remove(s, "kept", e), ERR_FATAL);
    CHECK_OK(scratch_list(s, "", &n, e));
    CHECK(scratch_has(s, "kept") && !scratch_has(s, "later"));
    CHECK_OK(local_open(dir, &again, e));
    CHECK_OK(store_put(again, "later", slice_string("1"), PUT_NEW, e));
}

static int syncs_until_put_succeeds(enum put_mode mode)
{
    for (int at = 0;; at++) {
        AUTO(scratch) char *dir = scratch_new();
        AUTO(store) struct store *first = scratch_store(dir);
        AUTO(store) struct store *s = NULL;
        struct err why = {0};

        CHECK_OK(store_put(first, "kept", slice_string("1"), PUT_NEW, e));
        CHECK_OK(local_open(dir, &s, e));
        atomic_store(&fsyncs, 0);
        atomic_store(&failing_fsync, at);

        const bool ok = store_put(s, "packs/3f/x", slice_string("1"), mode, &why);

        atomic_store(&failing_fsync, -1);
        if (ok)
            return at;
        CHECK(why.code == ERR_FATAL);
        CHECK(strstr(why.text, "put packs/3f/x") != NULL && strstr(why.text, "fsync") != NULL);
        CHECK(scratch_has(s, "packs/3f/x") == (at == 4)); /* of the directory, behind the link */
        check_given_up(s, dir);
    }
}

TEST(nothing_is_written_after_any_fsync_that_failed)
{
    CHECK(syncs_until_put_succeeds(PUT_NEW) == 5);
    CHECK(syncs_until_put_succeeds(PUT_REPLACE) == 5);
    atomic_store(&has_tmpfile, false);
    CHECK(syncs_until_put_succeeds(PUT_NEW) == 5);
}

TEST(nothing_is_written_after_a_removal_whose_fsync_failed)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);

    CHECK_OK(store_put(s, "kept", slice_string("1"), PUT_NEW, e));
    CHECK_OK(store_put(s, "x", slice_string("1"), PUT_NEW, e));
    atomic_store(&fsyncs, 0);
    atomic_store(&failing_fsync, 0);
    CHECK_ERR(store_remove(s, "x", e), ERR_FATAL);
    atomic_store(&failing_fsync, -1);
    check_given_up(s, dir);
}

TEST(without_unnamed_files_the_named_ones_are_used_and_leave_nothing)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    AUTO(buf) struct buf got = {0};
    const struct scratch_path tmp = scratch_join(dir, "tmp");

    atomic_store(&has_tmpfile, false);
    CHECK_OK(store_put(s, "packs/3f/x", slice_string("bytes"), PUT_NEW, e));
    CHECK_OK(store_put(s, "config", slice_string("1"), PUT_NEW, e));
    CHECK_ERR(store_put(s, "packs/3f/x", slice_string("other"), PUT_NEW, e), ERR_EXISTS);
    CHECK_OK(store_get_all(s, "packs/3f/x", &got, e));
    CHECK(strcmp(buf_string(&got), "bytes") == 0);
    CHECK(rmdir(tmp.text) == 0);
}

TEST(litter_older_than_an_hour_is_removed_when_opening)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = NULL;
    const struct scratch_path old = scratch_join(dir, "tmp/old");
    const struct scratch_path young = scratch_join(dir, "tmp/young");

    CHECK(mkdir(scratch_join(dir, "tmp").text, 0700) == 0);
    scratch_write(old.text, "");
    scratch_write(young.text, "");
    const time_t now = clock_now_ns() / NS_PER_S;
    const struct timespec times[2] = {{.tv_sec = now - 3700}, {.tv_sec = now - 3700}};
    CHECK(utimensat(AT_FDCWD, old.text, times, 0) == 0);
    CHECK_OK(local_open(dir, &s, e));
    CHECK(access(old.text, F_OK) < 0);
    CHECK(access(young.text, F_OK) == 0);
}

TEST(a_write_that_does_not_fit_leaves_nothing)
{
    static uint8_t big[1 << 20];
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);
    struct rlimit limit = {.rlim_cur = 300000, .rlim_max = RLIM_INFINITY};

    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK_ERR(store_put(s, "packs/3f/x", SLICE_OF(big, sizeof(big)), PUT_NEW, e), ERR_FATAL);
    CHECK_ERR(store_put(s, "packs/3f/x", SLICE_OF(big, sizeof(big)), PUT_REPLACE, e), ERR_FATAL);
    limit.rlim_cur = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(scratch_count(s) == 0);
    CHECK_OK(store_put(s, "packs/3f/x", SLICE_OF(big, sizeof(big)), PUT_NEW, e));
    CHECK(rmdir(scratch_join(dir, "tmp").text) == 0);
}

/* Puts that do not fit and then one that does, on a file system of 1 MiB. */
static void check_full_disk(struct store *s, enum put_mode mode)
{
    static uint8_t big[2 << 20];
    struct err why = {0};

    CHECK(!store_put(s, "packs/3f/big", SLICE_OF(big, sizeof(big)), mode, &why));
    CHECK(why.code == ERR_FATAL);
    CHECK(strstr(why.text, "put packs/3f/big") != NULL);
    CHECK(strstr(why.text, "No space left on device") != NULL);
    CHECK(scratch_count(s) == 0);
    CHECK_OK(store_put(s, "packs/3f/small", SLICE_OF(big, 800000), mode, e));
    CHECK_OK(store_remove(s, "packs/3f/small", e));
}

/* Needs to mount, so root or a user namespace; fails where neither is to be had. */
TEST(a_full_disk_is_named_and_smaller_objects_still_fit)
{
    AUTO(scratch) char *dir = scratch_new();

    ck_assert_msg(unshare(CLONE_NEWNS | (geteuid() == 0 ? 0 : CLONE_NEWUSER)) == 0,
                  "this test needs a mount namespace of its own: %s", strerror(errno));
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    ck_assert_msg(mount("none", dir, "tmpfs", 0, "size=1m") == 0, "mount a tmpfs: %s",
                  strerror(errno));
    {
        AUTO(store) struct store *s = scratch_store(dir);

        check_full_disk(s, PUT_NEW);
        check_full_disk(s, PUT_REPLACE);
        atomic_store(&has_tmpfile, false);
        check_full_disk(s, PUT_NEW);
    }
    CHECK(umount(dir) == 0);
}

/* Put objects for ever whose names tell their sizes and whose bytes are all the same. */
static void put_until_killed(const char *dir, unsigned round)
{
    static uint8_t bytes[200000];
    struct store *s = NULL;
    struct err e;

    if (!local_open(dir, &s, &e))
        _exit(1);
    for (unsigned i = 0;; i++) {
        const size_t size = 1 + (i * 7919U) % sizeof(bytes);
        char key[60];

        memset(bytes, (int)(size % 251), size);
        (void)snprintf(key, sizeof(key), "packs/%02x/%u-%u-%zu", i % 256, round, i, size);
        if (!store_put(s, key, SLICE_OF(bytes, size), i % 4 == 3 ? PUT_REPLACE : PUT_NEW, &e))
            _exit(1);
    }
}

static bool is_whole(void *arg, const struct object_info *info, struct err *e)
{
    AUTO(buf) struct buf got = {0};
    uint64_t size = 0;

    if (!parse_u64(strrchr(info->key, '-') + 1, &size, e) ||
        !store_get_all(arg, info->key, &got, e))
        return false;
    if (got.size != size || info->size != size)
        return err_set(e, ERR_CORRUPT, "%s has %zu bytes", info->key, got.size);
    for (size_t i = 0; i < got.size; i++)
        if (got.data[i] != size % 251)
            return err_set(e, ERR_CORRUPT, "%s is wrong at %zu", info->key, i);
    return true;
}

static void kill_a_writer(const char *dir, unsigned round)
{
    const pid_t writer = fork();
    int status = 0;

    CHECK(writer >= 0);
    if (writer == 0)
        put_until_killed(dir, round);
    (void)poll(NULL, 0, (int)(3 + round * 7 % 25)); /* an instant of the writer's life */
    CHECK(kill(writer, SIGKILL) == 0 && waitpid(writer, &status, 0) == writer);
    CHECK(WIFSIGNALED(status));
}

TEST(a_killed_writer_leaves_whole_objects_only)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *s = scratch_store(dir);

    for (unsigned round = 0; round < 30; round++) {
        atomic_store(&has_tmpfile, round % 2 == 0);
        kill_a_writer(dir, round);
        CHECK_OK(store_list(s, "", is_whole, s, e));
    }
    CHECK(scratch_count(s) > 0);
}

TESTS("store local faults", directories_made_by_others_are_synced_before_their_first_use,
      a_taken_key_is_durable_before_put_says_so, nothing_is_written_after_any_fsync_that_failed,
      nothing_is_written_after_a_removal_whose_fsync_failed,
      without_unnamed_files_the_named_ones_are_used_and_leave_nothing,
      litter_older_than_an_hour_is_removed_when_opening, a_write_that_does_not_fit_leaves_nothing,
      a_full_disk_is_named_and_smaller_objects_still_fit, a_killed_writer_leaves_whole_objects_only)
