#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "job/world.h"
#include "repo/chunks.h"

/* "a/deep/y", "a/x", "b/", "link", "top" */
static void make_small(const char *d)
{
    CHECK(mkdir(path_in(d, "a"), 0750) == 0);
    CHECK(mkdir(path_in(d, "a/deep"), 0700) == 0);
    CHECK(mkdir(path_in(d, "b"), 0755) == 0);
    file_put_text(path_in(d, "a/deep/y"), "yy");
    file_put_text(path_in(d, "a/x"), "x");
    file_put_text(path_in(d, "top"), "top");
    CHECK(symlink("a/x", path_in(d, "link")) == 0);
}

static struct hash tree_of(struct world *w)
{
    AUTO(snapshot) struct snapshot *s = NULL;

    CHECK_OK(snapshot_load(w->repo, &w->result.snapshot, &s, e));
    return s->tree;
}

static void small_init(struct world *w)
{
    world_init(w);
    make_small(w->dir.path);
    back_up(w);
}

/* Browsing */

/* Paths that were visited, without the first skip bytes of each, a newline behind each. */
struct visits {
    struct buf paths;
    size_t skip;
    const char *stay_out; /* of this directory */
    const char *stop_at;
};

static void visits_auto(struct visits *v)
{
    buf_done(&v->paths);
}

static bool see(void *arg, const char *path, const struct entry *en, bool *descend, struct err *e)
{
    struct visits *v = arg;
    const char *last = strrchr(path, '/') + 1;

    CHECK(slice_is_equal(slice_string(last), en->name));
    CHECK(strlen(path) >= v->skip);
    buf_printf(&v->paths, "%s\n", path + v->skip);
    if (v->stay_out != NULL && strcmp(last, v->stay_out) == 0)
        *descend = false;
    if (v->stop_at != NULL && strcmp(last, v->stop_at) == 0)
        return err_set(e, ERR_USAGE, "seen enough");
    return true;
}

static void check_visits(struct world *w, const char *sub, struct visits *v, const char *wanted)
{
    const struct hash tree = tree_of(w);

    v->skip = strlen(w->dir.path);
    CHECK_OK(browse_walk(w->repo, &tree, path_in(w->dir.path, sub), see, v, e));
    ck_assert_str_eq(buf_string(&v->paths), wanted);
}

TEST(entries_are_visited_in_the_order_of_their_paths)
{
    AUTO(world) struct world w;
    AUTO(visits) struct visits v = {0};

    small_init(&w);
    check_visits(&w, "", &v, "\n/a\n/a/deep\n/a/deep/y\n/a/x\n/b\n/link\n/top\n");
}
END

TEST(a_part_of_a_snapshot_is_visited_with_its_whole_path)
{
    AUTO(world) struct world w;
    AUTO(visits) struct visits a = {0}, y = {0};

    small_init(&w);
    check_visits(&w, "/a//", &a, "/a\n/a/deep\n/a/deep/y\n/a/x\n");
    check_visits(&w, "a/deep/y", &y, "/a/deep/y\n");
}
END

TEST(a_directory_can_be_stayed_out_of)
{
    AUTO(world) struct world w;
    AUTO(visits) struct visits v = {.stay_out = "a"};

    small_init(&w);
    check_visits(&w, "", &v, "\n/a\n/b\n/link\n/top\n");
}
END

TEST(a_visitor_can_end_the_walk)
{
    AUTO(world) struct world w;
    AUTO(visits) struct visits v = {.stop_at = "y"};

    small_init(&w);
    const struct hash tree = tree_of(&w);

    CHECK_ERR(browse_walk(w.repo, &tree, "/", see, &v, e), ERR_USAGE);
    CHECK(strstr(buf_string(&v.paths), "/a/x") == NULL);
}
END

TEST(the_root_itself_is_not_visited)
{
    AUTO(world) struct world w;
    AUTO(visits) struct visits v = {0};

    small_init(&w);
    const struct hash tree = tree_of(&w);

    CHECK_OK(browse_walk(w.repo, &tree, "/", see, &v, e));
    CHECK(v.paths.data[0] == '/' && v.paths.data[1] != '\n');
    ck_assert_uint_eq(browse_path_size("/"), 0);
    ck_assert_uint_eq(browse_path_size("a//b/"), 4);
}
END

TEST(a_walk_of_what_is_not_there_fails)
{
    AUTO(world) struct world w;
    AUTO(visits) struct visits v = {0};
    const struct hash nothing = {{1}};

    small_init(&w);
    const struct hash tree = tree_of(&w);

    CHECK_ERR(browse_walk(w.repo, &tree, "/no/such", see, &v, e), ERR_NOT_FOUND);
    CHECK_ERR(browse_walk(w.repo, &nothing, "/", see, &v, e), ERR_CORRUPT);
    cancel_request();
    CHECK_ERR(browse_walk(w.repo, &tree, "/", see, &v, e), ERR_CANCELLED);
}
END

/* Differences */

struct differences {
    struct buf lines; /* "+/path", "-/path", "M/path", "U/path", "T/path" */
    struct diff_stats stats;
    size_t skip;
};

static void differences_auto(struct differences *d)
{
    buf_done(&d->lines);
}

/* Files with their sizes: "M/a/x 1 9". */
static bool note_difference(void *arg, const struct diff_change *c, struct err *e)
{
    static const char letters[] = {[DIFF_ADDED] = '+',
                                   [DIFF_REMOVED] = '-',
                                   [DIFF_CONTENT] = 'M',
                                   [DIFF_METADATA] = 'U',
                                   [DIFF_TYPE] = 'T'};
    struct differences *d = arg;

    (void)e;
    buf_printf(&d->lines, "%c%s%s", letters[c->kind], c->path + d->skip, c->is_dir ? "/" : "");
    if (c->before != NULL && c->before->type == ENTRY_FILE)
        buf_printf(&d->lines, " from %llu", (unsigned long long)c->before->size);
    if (c->after != NULL && c->after->type == ENTRY_FILE)
        buf_printf(&d->lines, " to %llu", (unsigned long long)c->after->size);
    buf_printf(&d->lines, "\n");
    return true;
}

static bool diff(struct world *w, const struct hash *a, const struct hash *b, bool with_metadata,
                 struct differences *out, struct err *e)
{
    const struct diff_side before = {.tree = a, .path = w->dir.path};
    const struct diff_side after = {.tree = b, .path = w->dir.path};
    const struct diff_options o = {
        .with_metadata = with_metadata, .fn = note_difference, .arg = out};

    return diff_run(w->repo, &before, &after, &o, &out->stats, e);
}

TEST(a_tree_does_not_differ_from_itself)
{
    AUTO(world) struct world w;
    AUTO(differences) struct differences d = {0};

    small_init(&w);
    const struct hash tree = tree_of(&w);

    CHECK_OK(diff(&w, &tree, &tree, true, &d, e));
    CHECK(d.lines.size == 0 && d.stats.changed_files == 0);
}
END

/* Make every kind of change in the small tree. */
static void change_all(const char *d)
{
    file_put_text(path_in(d, "a/x"), "another x");
    CHECK(unlink(path_in(d, "a/deep/y")) == 0 && rmdir(path_in(d, "a/deep")) == 0);
    CHECK(mkdir(path_in(d, "c"), 0755) == 0);
    file_put_text(path_in(d, "c/new"), "12345");
    CHECK(unlink(path_in(d, "link")) == 0 && symlink("a", path_in(d, "link")) == 0);
    CHECK(chmod(path_in(d, "b"), 0700) == 0);
    CHECK(unlink(path_in(d, "top")) == 0 && mkdir(path_in(d, "top"), 0755) == 0);
}

TEST(every_kind_of_difference_is_told_and_counted)
{
    AUTO(world) struct world w;
    AUTO(differences) struct differences d = {0};

    small_init(&w);
    const struct hash before = tree_of(&w);

    change_all(w.dir.path);
    back_up(&w);
    const struct hash after = tree_of(&w);

    CHECK_OK(diff(&w, &before, &after, false, &d, e));
    ck_assert_str_eq(buf_string(&d.lines),
                     "-/a/deep/\n-/a/deep/y from 2\nM/a/x from 1 to 9\n+/c/\n+/c/new to 5\nM/link\n"
                     "T/top/ from 3\n");
    CHECK(d.stats.added.files == 1 && d.stats.added.dirs == 1 && d.stats.added.bytes == 5);
    CHECK(d.stats.removed.files == 1 && d.stats.removed.dirs == 1 && d.stats.removed.bytes == 2);
    ck_assert_uint_eq(d.stats.changed_files, 3);
}
END

TEST(metadata_counts_when_asked)
{
    AUTO(world) struct world w;
    AUTO(differences) struct differences d = {0}, none = {0};

    small_init(&w);
    const struct hash before = tree_of(&w);

    CHECK(chmod(path_in(w.dir.path, "b"), 0700) == 0);
    CHECK(chmod(path_in(w.dir.path, "a/x"), 0600) == 0);
    back_up(&w);
    const struct hash after = tree_of(&w);

    CHECK_OK(diff(&w, &before, &after, true, &d, e));
    ck_assert_str_eq(buf_string(&d.lines), "U/a/x from 1 to 1\nU/b/\n");
    CHECK_OK(diff(&w, &before, &after, false, &none, e));
    ck_assert_uint_eq(none.lines.size, 0);
}
END

TEST(a_side_that_is_no_directory_is_refused)
{
    AUTO(world) struct world w;
    AUTO(differences) struct differences d = {0};

    small_init(&w);
    const struct hash tree = tree_of(&w), nothing = {{1}};
    const struct diff_side file = {.tree = &tree, .path = path_in(w.dir.path, "top")};
    const struct diff_side gone = {.tree = &tree, .path = "/no/such"};
    const struct diff_options o = {.fn = note_difference, .arg = &d};

    CHECK_ERR(diff_run(w.repo, &file, &file, &o, &d.stats, e), ERR_USAGE);
    CHECK_ERR(diff_run(w.repo, &gone, &file, &o, &d.stats, e), ERR_NOT_FOUND);
    CHECK_ERR(diff(&w, &tree, &nothing, false, &d, e), ERR_CORRUPT);
}
END

/* The trees of directories "d/d/d/...", depth of them, with a file of this name at the bottom.
 */
static struct hash nested(struct repo *r, size_t depth, const char *bottom)
{
    AUTO(writer) struct writer *w = NULL;
    struct receiver v = {0};
    const struct writer_options o = options_to(&v);
    struct writer_stats stats;
    struct hash tree;

    CHECK_OK(writer_open(r, &o, &w, e));
    for (size_t i = 0; i <= depth; i++) {
        AUTO(buf) struct buf page = {0};
        struct entry en = {.type = ENTRY_DIRECTORY, .name = slice_string("d"), .mode = 0755};

        if (i == 0)
            en = (struct entry){.type = ENTRY_FILE, .name = slice_string(bottom)};
        else
            en.subtree = tree;
        page_begin(&page, PAGE_ENTRIES);
        entry_encode(&en, &page);
        page_finish(&page, 1);
        CHECK_OK(writer_put_tree(w, CHUNK_TREE, buf_slice(&page), NULL, &tree, e));
    }
    CHECK_OK(writer_finish(w, &stats, e));
    repo_drop_index(r);
    CHECK_OK(repo_load_index(r, e));
    return tree;
}

static bool count_visit(void *arg, const char *path, const struct entry *en, bool *descend,
                        struct err *e)
{
    (void)path;
    (void)en;
    (void)descend;
    (void)e;
    ++*(size_t *)arg;
    return true;
}

TEST(directories_nested_deeper_than_a_stack_are_walked_and_compared)
{
    AUTO(world) struct world w;
    AUTO(differences) struct differences d = {0};
    size_t count = 0;

    world_init(&w);
    const struct hash one = nested(w.repo, 30000, "one"), two = nested(w.repo, 30000, "two");
    const struct diff_side before = {.tree = &one}, after = {.tree = &two};
    const struct diff_options o = {.fn = note_difference, .arg = &d};

    CHECK_OK(browse_walk(w.repo, &one, "/", count_visit, &count, e));
    ck_assert_uint_eq(count, 30001);
    CHECK_OK(diff_run(w.repo, &before, &after, &o, &d.stats, e));
    CHECK(d.stats.added.files == 1 && d.stats.removed.files == 1 && d.stats.added.dirs == 0);
}
END

/* Dumping */

/* Dump into a file beside the tree and return its path. */
static const char *dump_to_file(struct world *w, const struct scratch *out, const char *path)
{
    const struct hash tree = tree_of(w);
    const char *to = path_in(out->path, "dump");
    AUTO(fd) int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    CHECK_OK(dump_run(w->repo, &tree, path, TREE_TAR, fd, e));
    return to;
}

TEST(a_file_is_dumped_as_it_is)
{
    static const char *const files[] = {"sizes/0",    "sizes/1",    "sizes/3145728",
                                        "holes/some", "holes/last", "holes/all"};
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch out = {0};

    world_init(&w);
    scratch_init(&out);
    tree_make(w.dir.path);
    back_up(&w);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        AUTO(buf) struct buf wanted = {0}, got = {0};

        file_take(path_in(w.dir.path, files[i]), &wanted);
        file_take(dump_to_file(&w, &out, path_in(w.dir.path, files[i])), &got);
        ck_assert_msg(slice_is_equal(buf_slice(&wanted), buf_slice(&got)), "%s", files[i]);
    }
}
END

TEST(a_directory_is_dumped_as_tar)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch out = {0};
    AUTO(buf) struct buf listing = {0};

    small_init(&w);
    scratch_init(&out);
    const char *tar = dump_to_file(&w, &out, w.dir.path);
    char program[] = "tar", flags[] = "-tf";
    char *argv[] = {program, flags, (char *)(uintptr_t)tar, NULL};

    CHECK_OK(child_capture(argv, 10000, &listing, e));
    ck_assert_str_eq(buf_string(&listing), "./\na/\na/deep/\na/deep/y\na/x\nb/\nlink\ntop\n");
}
END

TEST(a_dumped_directory_unpacks_to_what_was_backed_up)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch out = {0};
    AUTO(buf) struct buf quiet = {0};

    small_init(&w);
    file_put(path_in(w.dir.path, "a/large"), 3, 3 * MIB);
    file_put_text(path_in(w.dir.path, "b/not UTF-8 \xff"), "x");
    file_put_text(path_in(w.dir.path, "b/\n"), "x");
    scratch_init(&out);
    back_up(&w);
    const char *tar = dump_to_file(&w, &out, w.dir.path);
    const char *to = path_in(out.path, "to");
    char program[] = "tar", flags[] = "-xpf", in[] = "-C", owner[] = "--numeric-owner";
    char *argv[] = {program, flags, (char *)(uintptr_t)tar, in, (char *)(uintptr_t)to, owner, NULL};

    CHECK(mkdir(to, 0700) == 0);
    CHECK_OK(child_capture(argv, 10000, &quiet, e));
    tree_compare(w.dir.path, to);
}
END

TEST(what_has_no_content_cannot_be_dumped)
{
    AUTO(world) struct world w;

    small_init(&w);
    const struct hash tree = tree_of(&w);
    AUTO(fd) int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    CHECK_ERR(dump_run(w.repo, &tree, path_in(w.dir.path, "link"), TREE_TAR, fd, e), ERR_USAGE);
    CHECK_ERR(dump_run(w.repo, &tree, "/no/such", TREE_TAR, fd, e), ERR_NOT_FOUND);
}
END

/* libarchive does not release its buffer when the last write to a descriptor failed. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libarchive";
}

TEST(a_full_disk_fails_a_dump)
{
    AUTO(world) struct world w;

    small_init(&w);
    file_put(path_in(w.dir.path, "large"), 1, MIB);
    back_up(&w);
    const struct hash tree = tree_of(&w);
    AUTO(fd) int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

    CHECK_ERR(dump_run(w.repo, &tree, path_in(w.dir.path, "large"), TREE_TAR, fd, e), ERR_FATAL);
    CHECK_ERR(dump_run(w.repo, &tree, w.dir.path, TREE_TAR, fd, e), ERR_FATAL);
}
END

TEST(damage_fails_a_dump_and_names_the_file)
{
    AUTO(world) struct world w;
    struct err why = {0};

    /* One file only: which frame of several comes first in a pack differs from run to run. */
    world_init(&w);
    ck_assert_int_eq(mkdir(path_in(w.dir.path, "a"), 0700), 0);
    file_put(path_in(w.dir.path, "a/y"), 1, 5000);
    back_up(&w);
    const struct hash tree = tree_of(&w);
    AUTO(fd) int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf head = {0};
        char key[128];

        object_name(w.store, "packs/", i, key);
        CHECK_OK(store_get(w.store, key, 0, SEAL_HEADER_SIZE, &head, e));
        if (head.data[9] == CLASS_CONTENT)
            object_damage(w.store, key, 135);
    }
    CHECK(!dump_run(w.repo, &tree, w.dir.path, TREE_TAR, fd, &why));
    ck_assert_int_eq(why.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, "/a/y"));
}
END

TESTS("browse", entries_are_visited_in_the_order_of_their_paths,
      a_part_of_a_snapshot_is_visited_with_its_whole_path, a_directory_can_be_stayed_out_of,
      a_visitor_can_end_the_walk, the_root_itself_is_not_visited, a_walk_of_what_is_not_there_fails,
      a_tree_does_not_differ_from_itself, every_kind_of_difference_is_told_and_counted,
      metadata_counts_when_asked, a_side_that_is_no_directory_is_refused,
      directories_nested_deeper_than_a_stack_are_walked_and_compared, a_file_is_dumped_as_it_is,
      a_directory_is_dumped_as_tar, a_dumped_directory_unpacks_to_what_was_backed_up,
      what_has_no_content_cannot_be_dumped, a_full_disk_fails_a_dump,
      damage_fails_a_dump_and_names_the_file)
