/* Links planted in the target never lead a restore out of it. */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "source/recorder.h"
#include "support/test.h"

/*
 * outside/ holds "victim" and "dir/deep"; inside/ is the target and holds links to them:
 * "to-dir" and "to-victim" (absolute), "up" (to "..") and "loop" (to itself).
 */
struct world {
    struct scratch s;
    int outside;
    struct target *t;
};

static void world_auto(struct world *w)
{
    target_close(w->t);
    close(w->outside);
    scratch_auto(&w->s);
}

static void world_init(struct world *w)
{
    static const struct target_options options = {.keep_owner = true};
    AUTO(buf) struct buf path = {0};
    int inside = -1;

    scratch_init(&w->s);
    CHECK(mkdirat(w->s.fd, "outside", 0755) == 0 && mkdirat(w->s.fd, "inside", 0755) == 0);
    CHECK_OK(beneath_open_dir(w->s.fd, "outside", &w->outside, e));
    CHECK_OK(beneath_open_dir(w->s.fd, "inside", &inside, e));
    put_file(w->outside, "victim", "precious", 8);
    CHECK(mkdirat(w->outside, "dir", 0755) == 0);
    put_file(w->outside, "dir/deep", "precious", 8);
    buf_printf(&path, "%s/outside", w->s.path);
    CHECK(symlinkat(buf_string(&path), inside, "to-dir") == 0);
    buf_printf(&path, "/victim");
    CHECK(symlinkat(buf_string(&path), inside, "to-victim") == 0);
    CHECK(symlinkat("..", inside, "up") == 0 && symlinkat("loop", inside, "loop") == 0);
    put_file(inside, "own", "x", 1);
    close(inside);
    buf_clear(&path);
    buf_printf(&path, "%s/inside", w->s.path);
    CHECK_OK(target_open(buf_string(&path), &options, &w->t, e));
}

/* Nothing outside has changed. */
static void check_untouched(const struct world *w)
{
    static const char *const files[] = {"victim", "dir/deep"};
    struct stat st = {0};
    AUTO(recorder) struct recorder r;
    AUTO(buf) struct buf path = {0};

    for (size_t i = 0; i < 2; i++) {
        CHECK(fstatat(w->outside, files[i], &st, AT_SYMLINK_NOFOLLOW) == 0);
        CHECK(S_ISREG(st.st_mode) && st.st_size == 8 && (st.st_mode & 07777U) == 0644);
        CHECK(st.st_uid == 0 && st.st_nlink == 1 && st.st_mtim.tv_sec > 1000000000);
    }
    recorder_init(&r);
    buf_printf(&path, "%s/outside", w->s.path);
    CHECK_OK(backup_path(&r, buf_string(&path), e));
    CHECK(r.record_count == 3 + 3); /* /tmp/x/outside, victim, dir, deep */
}

static const struct entry file = {
    .type = ENTRY_FILE, .mode = 0777, .uid = 7, .gid = 7, .mtime_ns = 5};
static const struct entry fifo = {
    .type = ENTRY_FIFO, .mode = 0777, .uid = 7, .gid = 7, .mtime_ns = 5};
static const struct entry dir = {
    .type = ENTRY_DIRECTORY, .mode = 0777, .uid = 7, .gid = 7, .mtime_ns = 5};

TEST(no_call_goes_through_a_planted_directory_link)
{
    static const char *const paths[] = {"to-dir/victim", "to-dir/dir/deep", "up/outside/victim",
                                        "to-dir/new",    "loop/x",          "../outside/victim"};
    struct world w;
    enum target_action action;
    struct target_file f;
    struct err warning;
    int fd = -1;

    world_init(&w);
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        const char *p = paths[i];

        CHECK_ERR(target_decide(w.t, p, &file, &action, e), ERR_DENIED);
        CHECK_ERR(target_mkdir(w.t, p, e), ERR_DENIED);
        CHECK_ERR(target_file_begin(w.t, p, TARGET_CREATE, &f, e), ERR_DENIED);
        CHECK_ERR(target_file_begin(w.t, p, TARGET_REPLACE, &f, e), ERR_DENIED);
        CHECK_ERR(target_special(w.t, p, &fifo, TARGET_CREATE, &warning, e), ERR_DENIED);
        CHECK_ERR(target_special(w.t, p, &fifo, TARGET_REPLACE, &warning, e), ERR_DENIED);
        CHECK_ERR(target_link(w.t, "own", p, TARGET_CREATE, e), ERR_DENIED);
        CHECK_ERR(target_link(w.t, "own", p, TARGET_REPLACE, e), ERR_DENIED);
        CHECK_ERR(target_link(w.t, p, "linked", TARGET_CREATE, e), ERR_DENIED);
        CHECK_ERR(target_directory_finish(w.t, p, &dir, &warning, e), ERR_DENIED);
        CHECK_ERR(target_update(w.t, p, &file, &warning, e), ERR_DENIED);
        CHECK_ERR(target_open_read(w.t, p, &fd, e), ERR_DENIED);
        CHECK_ERR(target_extras(w.t, p, NULL, 0, NULL, NULL, e), ERR_DENIED);
        CHECK_ERR(target_remove(w.t, p, e), ERR_DENIED);
    }
    check_untouched(&w);
    world_auto(&w);
}
END

TEST(a_link_in_place_of_the_entry_is_replaced_or_refused)
{
    static const char *const links[] = {"to-victim", "to-dir", "up", "loop"};
    struct world w;
    struct target_file f;
    struct err warning;
    enum target_action action;
    int fd = -1;

    world_init(&w);
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
        const char *p = links[i];

        CHECK_OK(target_decide(w.t, p, &file, &action, e));
        CHECK(action == TARGET_REPLACE);
        CHECK_ERR(target_file_begin(w.t, p, TARGET_CREATE, &f, e), ERR_EXISTS);
        CHECK_ERR(target_special(w.t, p, &fifo, TARGET_CREATE, &warning, e), ERR_EXISTS);
        CHECK_ERR(target_directory_finish(w.t, p, &dir, &warning, e), ERR_DENIED);
        CHECK_ERR(target_open_read(w.t, p, &fd, e), ERR_DENIED);
        CHECK_ERR(target_extras(w.t, p, NULL, 0, NULL, NULL, e), ERR_DENIED);
    }
    check_untouched(&w);
    CHECK_OK(target_file_begin(w.t, "to-victim", TARGET_REPLACE, &f, e));
    CHECK_OK(target_file_finish(w.t, "to-victim", &file, &f, &warning, e));
    CHECK_OK(target_mkdir(w.t, "to-dir", e));
    CHECK_OK(target_special(w.t, "up", &fifo, TARGET_REPLACE, &warning, e));
    CHECK_OK(target_link(w.t, "own", "loop", TARGET_REPLACE, e));
    check_untouched(&w);
    world_auto(&w);
}
END

TEST(metadata_of_a_link_is_set_on_the_link)
{
    const struct entry link = {.type = ENTRY_SYMLINK, .uid = 7, .gid = 7, .mtime_ns = 5};
    struct world w;
    struct err warning;

    world_init(&w);
    CHECK_OK(target_update(w.t, "to-victim", &link, &warning, e));
    CHECK(warning.code == ERR_NONE);
    check_untouched(&w);
    world_auto(&w);
}
END

TEST(removing_never_follows_links)
{
    struct world w;
    struct stat st = {0};

    world_init(&w);
    CHECK_OK(target_mkdir(w.t, "tree", e));
    CHECK_OK(target_mkdir(w.t, "tree/below", e));
    CHECK(symlinkat("../../../outside", w.s.fd, "inside/tree/below/l") == 0);
    put_file(w.s.fd, "inside/tree/below/f", "x", 1);
    put_file(w.s.fd, "inside/tree/f", "x", 1);
    CHECK_OK(target_remove(w.t, "tree", e));
    CHECK(fstatat(w.s.fd, "inside/tree", &st, 0) != 0);
    CHECK_OK(target_remove(w.t, "to-dir", e));
    CHECK_OK(target_remove(w.t, "to-victim", e));
    CHECK_OK(target_remove(w.t, "never-was", e));
    CHECK_OK(target_remove(w.t, "never/was", e));
    CHECK_ERR(target_remove(w.t, "", e), ERR_DENIED);
    CHECK_ERR(target_remove(w.t, "..", e), ERR_DENIED);
    check_untouched(&w);
    world_auto(&w);
}
END

TESTS("target_safety", no_call_goes_through_a_planted_directory_link,
      a_link_in_place_of_the_entry_is_replaced_or_refused, metadata_of_a_link_is_set_on_the_link,
      removing_never_follows_links)
