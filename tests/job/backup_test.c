#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/world.h"

TEST(a_backup_comes_back_bit_for_bit)
{
    AUTO(world) struct world w;

    world_init(&w);
    tree_make(w.dir.path);
    back_up(&w);
    ck_assert_uint_eq(w.result.errors, 0);
    check_restores(&w);
    ck_assert_uint_eq(fixture_check_sound(w.store), 1);
}
END

TEST(an_unchanged_tree_stores_nothing_and_no_file_is_read)
{
    AUTO(world) struct world w;

    world_init(&w);
    tree_make(w.dir.path);
    clock_ahead();
    back_up(&w);
    const uint64_t files = w.result.counts.total_files;

    CHECK(w.seen.new == files &&w.result.counts.data_chunks > 0);
    back_up(&w);
    CHECK(w.seen.unchanged == files && w.seen.new == 0 && w.seen.changed == 0);
    CHECK(w.result.counts.files_unmodified == files && w.result.has_parent);
    ck_assert_uint_eq(w.result.counts.data_chunks, 0);
    /* Other tests change the directory above. */
    CHECK(w.result.counts.tree_chunks <= 2 && w.result.frames <= 1);
    check_restores(&w);
}
END

TEST(files_too_young_to_trust_are_read_again_but_not_stored_again)
{
    AUTO(world) struct world w;

    world_init(&w);
    tree_make(w.dir.path);
    clock_set_for_tests(clock_now_ns() - 60 * NS_PER_S); /* all was made just now */
    back_up(&w);
    back_up(&w);
    ck_assert_uint_eq(w.seen.unchanged, 0);
    ck_assert_uint_eq(w.seen.changed, w.result.counts.total_files);
    ck_assert_uint_eq(w.result.counts.data_chunks, 0);
}
END

TEST(of_one_changed_file_only_what_changed_is_stored)
{
    AUTO(world) struct world w;
    AUTO(fd) int fd = -1;

    world_init(&w);
    tree_make(w.dir.path);
    clock_ahead();
    back_up(&w);
    fd = open(path_in(w.dir.path, "sizes/3145728"), O_WRONLY | O_CLOEXEC);
    CHECK(pwrite(fd, "changed", 7, 2 << 20) == 7);
    back_up(&w);
    CHECK(w.seen.changed == 1 && w.seen.new == 0);
    CHECK(w.result.counts.data_chunks >= 1 && w.result.counts.data_chunks <= 4);
    CHECK(w.result.counts.bytes_added < 3 * MIB);
    check_restores(&w);
}
END

TEST(new_and_removed_entries_are_in_the_next_backup)
{
    AUTO(world) struct world w;

    world_init(&w);
    tree_make(w.dir.path);
    clock_ahead();
    back_up(&w);
    file_put(path_in(w.dir.path, "many/0000a new one"), 99, 1000);
    CHECK(unlink(path_in(w.dir.path, "many/0600")) == 0);
    CHECK(unlink(path_in(w.dir.path, "links/file")) == 0);
    CHECK(mkdir(path_in(w.dir.path, "many/0601 is a directory"), 0700) == 0);
    back_up(&w);
    /* The names left of a file that lost one show a change of its own. */
    CHECK(w.seen.new == 1 && w.seen.changed == 2);
    check_restores(&w);
}
END

TEST(a_type_that_changed_is_in_the_next_backup)
{
    AUTO(world) struct world w;

    world_init(&w);
    file_put_text(path_in(w.dir.path, "file to directory"), "x");
    CHECK(mkdir(path_in(w.dir.path, "directory to file"), 0700) == 0);
    CHECK(symlink("x", path_in(w.dir.path, "link to file")) == 0);
    clock_ahead();
    back_up(&w);
    CHECK(unlink(path_in(w.dir.path, "file to directory")) == 0);
    CHECK(mkdir(path_in(w.dir.path, "file to directory"), 0700) == 0);
    CHECK(rmdir(path_in(w.dir.path, "directory to file")) == 0);
    CHECK(unlink(path_in(w.dir.path, "link to file")) == 0);
    file_put_text(path_in(w.dir.path, "directory to file"), "y");
    file_put_text(path_in(w.dir.path, "link to file"), "z");
    back_up(&w);
    check_restores(&w);
}
END

/* How many chunks a file has in the last backup. */
static size_t content_size(struct world *w, const char *name)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf ids = {0};
    struct entry en;

    CHECK_OK(snapshot_load(w->repo, &w->result.snapshot, &s, e));
    CHECK_OK(repo_load_index(w->repo, e));
    AUTO(reader) struct reader *rd = reader_new(w->repo);

    CHECK_OK(tree_find(rd, &s->tree, path_in(w->dir.path, name), &keep, &en, e));
    CHECK_OK(reader_content(rd, &en, &ids, e));
    return ids.size / HASH_SIZE;
}

TEST(a_large_file_with_more_chunks_than_an_entry_holds_comes_back)
{
    AUTO(world) struct world w;
    AUTO(mem) uint8_t *bytes = mem_new(3 * MIB);

    world_init(&w);
    noise_fill(5, bytes, 3 * MIB);
    AUTO(fd) int fd = open(path_in(w.dir.path, "large"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

    for (int i = 0; i < 100; i++)
        CHECK_OK(fd_write(fd, SLICE_OF(bytes, 3 * MIB), e));
    clock_ahead();
    back_up(&w);
    ck_assert_uint_gt(content_size(&w, "large"), ENTRY_DIRECT_MAX);
    check_restores(&w);
    back_up(&w);
    CHECK(w.seen.unchanged == 1 && w.result.counts.data_chunks == 0);
    check_restores(&w);
}
END

static void write_file(const char *path, struct slice bytes)
{
    AUTO(fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CHECK_OK(fd_write(fd, bytes, e));
}

/* Where the second chunk of a file ends. Returns where its second chunk ends.  Returns where that
 * begins. */
static size_t second_chunk(struct world *w, struct slice bytes, size_t *end)
{
    const struct cutter *c = repo_cutter(w->repo);
    size_t scanned = 0;
    const size_t first = cutter_cut(c, CUT_GENERAL, bytes, true, &scanned);

    scanned = 0;
    *end = first + cutter_cut(c, CUT_GENERAL, SLICE_OF(bytes.data + first, bytes.size - first),
                              true, &scanned);
    return first;
}

TEST(where_a_chunk_ended_it_ends_again_though_changed_bytes_before_could_end_one)
{
    const size_t window = 64, min = (size_t)256 << 10;
    AUTO(world) struct world w;
    AUTO(buf) struct buf bytes = {0};
    size_t start = 0, end = 0, changed = 0;

    world_init(&w);
    /* Until a chunk is long enough for another end within. */
    for (uint64_t seed = 1; end - start < min + 4 * window || end == bytes.size; seed++) {
        buf_clear(&bytes);
        noise_fill(seed, buf_extend(&bytes, 3 * MIB), 3 * MIB);
        start = second_chunk(&w, buf_slice(&bytes), &end);
    }
    write_file(path_in(w.dir.path, "file"), buf_slice(&bytes));
    clock_ahead();
    back_up(&w);
    const size_t count = content_size(&w, "file");

    memcpy(bytes.data + start + min, bytes.data + start - window, window);
    (void)second_chunk(&w, buf_slice(&bytes), &changed);
    ck_assert_uint_eq(changed, start + min + window); /* or the test would show nothing */
    write_file(path_in(w.dir.path, "file"), buf_slice(&bytes));
    back_up(&w);
    CHECK(w.seen.changed == 1 && w.result.counts.data_chunks == 1);
    ck_assert_uint_eq(content_size(&w, "file"), count);
    check_restores(&w);
}
END

/* Trouble in the source */

/* Where the chunks of a first backup end; returns how many there are. */
static size_t find_ends(struct world *w, struct slice bytes, size_t *ends, size_t room)
{
    const struct cutter *c = repo_cutter(w->repo);
    size_t count = 0;

    for (size_t at = 0; at < bytes.size; at = ends[count++]) {
        size_t scanned = 0;

        ck_assert_uint_lt(count, room);
        ends[count] = at + cutter_cut(c, CUT_GENERAL, SLICE_OF(bytes.data + at, bytes.size - at),
                                      true, &scanned);
    }
    return count;
}

TEST(what_changes_in_its_place_at_the_ends_of_chunks_moves_none_of_them)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf bytes = {0};
    size_t ends[64] = {0};

    world_init(&w);
    size_t count = 0;

    /* Until the third end is near enough to tell of the first. */
    (void)buf_extend(&bytes, 8 * MIB);
    for (uint64_t seed = 1; count < 9 || ends[2] > CHUNK_MAX; seed++) {
        noise_fill(seed, bytes.data, bytes.size);
        count = find_ends(&w, buf_slice(&bytes), ends, 64);
    }
    write_file(path_in(w.dir.path, "file"), buf_slice(&bytes));
    clock_ahead();
    back_up(&w);
    ck_assert_uint_eq(content_size(&w, "file"), count);
    for (size_t i = 0; i < 3; i++) {
        /* Two in a row, the next but one, and the last but one: that is what counts as new. */
        const size_t changed[] = {0, 1, 3, count - 2};

        for (size_t k = 0; k < 4; k++)
            memset(bytes.data + ends[changed[k]] - 10, (int)i, 10);
        write_file(path_in(w.dir.path, "file"), buf_slice(&bytes));
        clock_ahead();
        back_up(&w);
        ck_assert_uint_eq(w.result.counts.data_chunks, 4);
        ck_assert_uint_lt(w.result.counts.bytes_stored, 64 << 10); /* deltas */
        ck_assert_uint_eq(content_size(&w, "file"), count);
        check_restores(&w);
    }
    /* Shorter, longer, and without its first byte: around the ends that changed, four of them,
     * chunks are others, up to where content tells of an end again, and what is behind is found. */
    const struct slice others[] = {SLICE_OF(bytes.data, ends[4] + 1000), buf_slice(&bytes),
                                   SLICE_OF(bytes.data + 1, bytes.size - 1)};

    for (size_t i = 0; i < 3; i++) {
        write_file(path_in(w.dir.path, "file"), others[i]);
        clock_ahead();
        back_up(&w);
        ck_assert_uint_le(w.result.counts.data_chunks, i < 2 ? 2 : count - 2);
        check_restores(&w);
    }
}
END

TEST(a_file_that_changes_while_it_is_read_is_stored_and_named)
{
    AUTO(world) struct world w;
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(scratch) struct scratch to = {0};
    AUTO(buf) struct buf got = {0};

    world_init(&w);
    scratch_init(&to);
    /* It says that it is empty, and whoever reads it finds more, each time. */
    w.path = "/proc/sys/kernel/ostype";
    back_up(&w);
    CHECK(w.result.errors == 1 && w.seen.errors == 1 && seen_error(&w.seen, w.path));
    CHECK_OK(snapshot_load(w.repo, &w.result.snapshot, &s, e));
    ck_assert_uint_eq(s->incomplete_count, 1);
    ck_assert_str_eq(s->incomplete[0].path, w.path);
    const struct restore_options o = {.snapshot = s, .sub = w.path, .target = to.path};
    struct restore_result restored;

    CHECK_OK(restore_run(w.repo, &o, &w.seen.report, &restored, e));
    file_take(path_in(to.path, "ostype"), &got);
    ck_assert_str_eq(buf_string(&got), "Linux\n");
}
END

/* Go on as a user who may not read everything. */
static void become_nobody(struct world *w)
{
    if (geteuid() != 0)
        return;
    CHECK(chown(w->dir.path, 65534, 65534) == 0);
    CHECK(setegid(65534) == 0 && seteuid(65534) == 0);
}

TEST(what_cannot_be_read_is_left_out_and_named)
{
    AUTO(world) struct world w;
    AUTO(snapshot) struct snapshot *s = NULL;

    world_init(&w);
    become_nobody(&w);
    file_put_text(path_in(w.dir.path, "secret"), "x");
    file_put_text(path_in(w.dir.path, "open"), "y");
    CHECK(mkdir(path_in(w.dir.path, "closed"), 0) == 0);
    CHECK(chmod(path_in(w.dir.path, "secret"), 0) == 0);
    back_up(&w);
    ck_assert_uint_eq(w.result.errors, 2);
    CHECK(seen_error(&w.seen, path_in(w.dir.path, "secret")));
    CHECK(seen_error(&w.seen, path_in(w.dir.path, "closed")));
    CHECK_OK(snapshot_load(w.repo, &w.result.snapshot, &s, e));
    ck_assert_uint_eq(s->incomplete_count, 2);
    CHECK(unlink(path_in(w.dir.path, "secret")) == 0);
    CHECK(getuid() != 0 || seteuid(0) == 0);
    check_restores(&w);
}
END

TEST(a_path_that_is_missing_among_several_is_named)
{
    AUTO(world) struct world w;
    const char *paths[3];

    world_init(&w);
    file_put_text(path_in(w.dir.path, "here"), "x");
    struct backup_options o = options_of(&w);

    paths[0] = path_in(w.dir.path, "here");
    paths[1] = path_in(w.dir.path, "not here");
    paths[2] = path_in(w.dir.path, "neither/here");
    o.files.paths = paths;
    o.files.path_count = 3;
    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.is_committed && w.result.errors == 2);
    CHECK(seen_error(&w.seen, paths[1]));
    check_restores(&w);
}
END

TEST(paths_that_are_all_missing_fail_and_commit_nothing)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.path = path_in(w.dir.path, "missing");
    const struct backup_options o = options_of(&w);

    CHECK_ERR(run(&w, &o, e), ERR_NOT_FOUND);
    ck_assert_uint_eq(object_count(w.store, "snapshots/"), 0);
}
END

/* Streams */

static struct backup_options stream_options(const struct world *w, int fd)
{
    struct backup_options o = options_of(w);

    o.files = (struct files_options){0};
    o.stream_fd = fd;
    o.stream_name = "dump.sql";
    return o;
}

TEST(a_stream_comes_back_as_a_file)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch to = {0};
    AUTO(snapshot) struct snapshot *s = NULL;
    struct restore_result restored;

    world_init(&w);
    scratch_init(&to);
    file_put(path_in(w.dir.path, "in"), 3, 5 * MIB + 17);
    AUTO(fd) int fd = open(path_in(w.dir.path, "in"), O_RDONLY | O_CLOEXEC);
    const struct backup_options o = stream_options(&w, fd);

    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.is_committed && w.result.counts.total_files == 1);
    CHECK_OK(snapshot_load(w.repo, &w.result.snapshot, &s, e));
    ck_assert_str_eq(s->paths[0], "/dump.sql");
    const struct restore_options ro = {.snapshot = s, .target = to.path};

    CHECK_OK(restore_run(w.repo, &ro, &w.seen.report, &restored, e));
    AUTO(buf) struct buf in = {0}, out = {0};

    file_take(path_in(w.dir.path, "in"), &in);
    file_take(path_in(to.path, "dump.sql"), &out);
    CHECK(slice_is_equal(buf_slice(&in), buf_slice(&out)));
}
END

static bool is_not_whole(void *arg, struct err *e)
{
    ++*(int *)arg;
    return err_set(e, ERR_FATAL, "mysqldump ended with status 2");
}

TEST(a_stream_that_is_not_whole_commits_nothing)
{
    AUTO(world) struct world w;
    int asked = 0;

    world_init(&w);
    file_put(path_in(w.dir.path, "in"), 3, 2 * MIB);
    AUTO(fd) int fd = open(path_in(w.dir.path, "in"), O_RDONLY | O_CLOEXEC);
    struct backup_options o = stream_options(&w, fd);

    o.is_whole = is_not_whole;
    o.is_whole_arg = &asked;
    CHECK_ERR(run(&w, &o, e), ERR_FATAL);
    ck_assert_int_eq(asked, 1);
    ck_assert_uint_eq(object_count(w.store, "snapshots/"), 0);
    ck_assert_uint_eq(object_count(w.store, "commits/"), 0);
}
END

TEST(an_empty_stream_is_an_empty_file)
{
    AUTO(world) struct world w;
    AUTO(fd) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    world_init(&w);
    const struct backup_options o = stream_options(&w, fd);

    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.is_committed && w.result.counts.total_bytes == 0);
}
END

/* Parents, dry runs, nothing to do */

TEST(the_parent_is_the_latest_of_the_same_host_and_paths)
{
    AUTO(world) struct world w;

    world_init(&w);
    file_put_text(path_in(w.dir.path, "a"), "a");
    CHECK(mkdir(path_in(w.dir.path, "d"), 0700) == 0);
    back_up(&w);
    back_up(&w);
    const struct hash latest = w.result.snapshot;
    struct backup_options o = options_of(&w);

    o.host = "other";
    CHECK_OK(run(&w, &o, e));
    CHECK(!w.result.has_parent);
    w.path = path_in(w.dir.path, "d");
    back_up(&w);
    CHECK(!w.result.has_parent);
    w.path = w.dir.path;
    back_up(&w);
    CHECK(w.result.has_parent && hash_is_equal(&w.result.parent, &latest));
}
END

TEST(the_order_of_the_paths_does_not_matter)
{
    AUTO(world) struct world w;
    const char *paths[2];

    world_init(&w);
    paths[0] = path_in(w.dir.path, "b");
    paths[1] = path_in(w.dir.path, "a");
    file_put_text(paths[0], "b");
    file_put_text(paths[1], "a");
    struct backup_options o = options_of(&w);

    o.files.paths = paths;
    o.files.path_count = 2;
    CHECK_OK(run(&w, &o, e));
    paths[0] = path_in(w.dir.path, "a");
    paths[1] = path_in(w.dir.path, "b");
    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.has_parent);
}
END

TEST(a_parent_can_be_named)
{
    AUTO(world) struct world w;
    struct hash first;
    char name[65];

    world_init(&w);
    file_put_text(path_in(w.dir.path, "a"), "a");
    clock_ahead();
    back_up(&w);
    first = w.result.snapshot;
    back_up(&w);
    snapshot_id_text(&first, name);
    struct backup_options o = options_of(&w);

    o.host = "other";
    o.parent = name;
    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.has_parent && hash_is_equal(&w.result.parent, &first));
    CHECK(w.seen.unchanged == 1);
    o.parent = "0123456789";
    CHECK_ERR(run(&w, &o, e), ERR_NOT_FOUND);
    o.parent = "latest:/a";
    CHECK_ERR(run(&w, &o, e), ERR_USAGE);
}
END

TEST(with_force_everything_is_read)
{
    AUTO(world) struct world w;

    world_init(&w);
    file_put_text(path_in(w.dir.path, "a"), "a");
    clock_ahead();
    back_up(&w);
    struct backup_options o = options_of(&w);

    o.force = true;
    CHECK_OK(run(&w, &o, e));
    CHECK(!w.result.has_parent && w.seen.new == 1 && w.result.counts.data_chunks == 0);
}
END

TEST(a_dry_run_tells_and_stores_nothing)
{
    AUTO(world) struct world w;

    world_init(&w);
    tree_make(w.dir.path);
    const size_t before = object_count(w.store, "");
    struct backup_options o = options_of(&w);

    o.is_dry_run = true;
    CHECK_OK(run(&w, &o, e));
    CHECK(!w.result.is_committed && w.seen.new == w.result.counts.total_files);
    CHECK(w.result.counts.bytes_added > 3 * MIB);
    ck_assert_uint_eq(object_count(w.store, ""), before);
}
END

TEST(an_unchanged_backup_can_be_left_out)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.path = path_in(w.dir.path, "in");
    CHECK(mkdir(w.path, 0700) == 0);
    file_put_text(path_in(w.path, "a"), "a");
    clock_ahead();
    struct backup_options o = options_of(&w);

    o.skip_if_unchanged = true;
    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.is_committed);
    /* Other tests change the directory above; one try in a hundred is quiet. */
    bool is_left_out = false;

    for (int i = 0; i < 100 && !is_left_out; i++) {
        CHECK_OK(run(&w, &o, e));
        is_left_out = !w.result.is_committed;
    }
    CHECK(is_left_out);
    file_put_text(path_in(w.path, "b"), "b");
    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.is_committed);
}
END

struct ticks {
    size_t count;
    struct progress last;
};

static void tick(void *arg, const struct progress *p)
{
    struct ticks *t = arg;

    CHECK(p->files_done >= t->last.files_done && p->elapsed_ns >= t->last.elapsed_ns);
    t->count++;
    t->last = *p;
}

TEST(progress_ends_with_everything_done)
{
    AUTO(world) struct world w;
    struct ticks t = {0};
    const struct report report = {.arg = &t, .progress = tick};

    world_init(&w);
    tree_make(w.dir.path);
    const struct backup_options o = options_of(&w);

    CHECK_OK(backup_run(w.repo, &o, &report, &w.result, e));
    CHECK(t.count >= 1 && t.last.files_done == w.result.counts.total_files);
    CHECK(t.last.files_total == t.last.files_done && t.last.bytes_done == t.last.bytes_total);
}
END

TESTS("backup", a_backup_comes_back_bit_for_bit,
      an_unchanged_tree_stores_nothing_and_no_file_is_read,
      files_too_young_to_trust_are_read_again_but_not_stored_again,
      of_one_changed_file_only_what_changed_is_stored,
      new_and_removed_entries_are_in_the_next_backup, a_type_that_changed_is_in_the_next_backup,
      a_large_file_with_more_chunks_than_an_entry_holds_comes_back,
      where_a_chunk_ended_it_ends_again_though_changed_bytes_before_could_end_one,
      what_changes_in_its_place_at_the_ends_of_chunks_moves_none_of_them,
      a_file_that_changes_while_it_is_read_is_stored_and_named,
      what_cannot_be_read_is_left_out_and_named, a_path_that_is_missing_among_several_is_named,
      paths_that_are_all_missing_fail_and_commit_nothing, a_stream_comes_back_as_a_file,
      a_stream_that_is_not_whole_commits_nothing, an_empty_stream_is_an_empty_file,
      the_parent_is_the_latest_of_the_same_host_and_paths, the_order_of_the_paths_does_not_matter,
      a_parent_can_be_named, with_force_everything_is_read, a_dry_run_tells_and_stores_nothing,
      an_unchanged_backup_can_be_left_out, progress_ends_with_everything_done)
