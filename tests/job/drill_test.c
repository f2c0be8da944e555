#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "codec/seal.h"
#include "job/feed.h"
#include "job/scratch.h"
#include "job/world.h"
#include "repo/chunks.h"
#include "source/made.h"

static bool on_evidence(void *arg, const struct hash *snapshot, int64_t time_ns, struct slice json,
                        struct err *e)
{
    (void)snapshot;
    (void)time_ns;
    (void)e;
    buf_append_slice(arg, json);
    return true;
}

static void damage_content(struct store *s)
{
    const size_t packs = object_count(s, "packs/");

    for (size_t i = 0; i < packs; i++) {
        AUTO(buf) struct buf head = {0};
        char key[128];

        object_name(s, "packs/", i, key);
        CHECK_OK(store_get(s, key, 0, SEAL_HEADER_SIZE, &head, e));
        if (head.data[9] == CLASS_CONTENT)
            object_damage(s, key, 135);
    }
}

TEST(a_sound_backup_is_proven_and_the_evidence_stored)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch place = {0};
    AUTO(drill_result) struct drill_result d = {0};
    AUTO(buf) struct buf stored = {0};

    world_init(&w);
    scratch_init(&place);
    tree_make(w.dir.path);
    back_up(&w);
    CHECK_OK(drill(&w, place.path, &d, e));
    CHECK(d.verdict == VERDICT_PROVEN && d.count == 1 && d.members[0].why == NULL);
    ck_assert_uint_eq(d.members[0].files, w.result.counts.total_files);
    ck_assert_uint_eq(d.members[0].bytes, w.result.counts.total_bytes);
    CHECK_OK(evidence_each(w.repo, &w.result.snapshot, on_evidence, &stored, e));
    CHECK(slice_is_equal(buf_slice(&stored), buf_slice(&d.evidence)));
    CHECK(memmem(stored.data, stored.size, "\"verdict\":\"proven\"", 18) != NULL);
    ck_assert_uint_eq(directory_count(place.path), 0);
}
END

TEST(a_damaged_file_fails_the_drill_and_is_named)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};

    world_init(&w);
    file_put(path_in(w.dir.path, "y"), 1, 5000);
    file_put_text(path_in(w.dir.path, "x"), "");
    back_up(&w);
    damage_content(w.store);
    CHECK_OK(drill(&w, NULL, &d, e));
    CHECK(d.verdict == VERDICT_FAILED && d.members[0].files == 2);
    ck_assert_ptr_nonnull(strstr(d.members[0].why, "/y: "));
    CHECK(memmem(d.evidence.data, d.evidence.size, "\"verdict\":\"failed\"", 18) != NULL);
}
END

/* As a source would store it that loses the end of what it has announced. */
TEST(a_file_that_was_shortened_fails_the_drill_and_is_named)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    AUTO(buf) struct buf page = {0};
    struct entry en = {.type = ENTRY_FILE, .name = slice_string("f"), .size = 1001};

    world_init(&w);
    (void)chunks_store(w.repo, 0, 1, 1000, 1);
    const struct hash id = chunk_number_id(w.repo, 0, 1000);

    en.content = SLICE_OF(id.bytes, HASH_SIZE);
    page_begin(&page, PAGE_ENTRIES);
    entry_encode(&en, &page);
    page_finish(&page, 1);
    s->tree = chunk_store(w.repo, CHUNK_TREE, buf_slice(&page));
    CHECK_OK(drill_run(w.repo, &(struct drill_options){.snapshot = s}, &d, e));
    CHECK(d.verdict == VERDICT_FAILED && d.members[0].files == 1);
    ck_assert_str_eq(d.members[0].why, "/f: its chunks do not add up to its size");
}
END

TEST(a_backup_that_lacks_something_is_never_proven)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    AUTO(snapshot) struct snapshot *s = NULL;

    world_init(&w);
    file_put(path_in(w.dir.path, "y"), 1, 500);
    back_up(&w);
    CHECK_OK(snapshot_load(w.repo, &w.result.snapshot, &s, e));
    snapshot_add_incomplete(s, w.dir.path, "it vanished before it could be read");
    CHECK_OK(drill_run(w.repo, &(struct drill_options){.snapshot = s}, &d, e));
    CHECK(d.verdict == VERDICT_FAILED);
    ck_assert_ptr_nonnull(strstr(d.members[0].why, "it vanished"));
}
END

TEST(each_source_of_a_set_has_a_verdict_of_its_own_also_one_that_was_left_out)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};
    struct backup_options o;
    const char *nowhere = "/there/is/no/such/path";
    struct files_options options[2] = {0};
    const struct set_files files[2] = {{"files", &options[0]}, {"uploads", &options[1]}};
    const struct set set = {
        .name = "shop", .files = files, .files_count = 2, .may_be_incomplete = true};

    world_init(&w);
    file_put(path_in(w.dir.path, "y"), 1, 500);
    o = options_of(&w);
    o.set = &set;
    options[0] = o.files;
    options[1] = (struct files_options){.paths = &nowhere, .path_count = 1};
    CHECK_OK(run(&w, &o, e));
    CHECK_OK(drill(&w, NULL, &d, e));
    ck_assert_uint_eq(d.count, 2);
    ck_assert_str_eq(d.members[0].place, "files");
    ck_assert_str_eq(d.members[1].place, "uploads");
    CHECK(d.members[0].verdict == VERDICT_PROVEN && d.members[1].verdict == VERDICT_FAILED);
    CHECK(d.verdict == VERDICT_FAILED);
}
END

/* A member that sends what it was given, as a faulty source would. */
struct forged {
    struct member base; /* first */
    struct buf content, manifest;
};

static bool forged_prepare(struct member *m, struct err *e)
{
    (void)m;
    (void)e;
    return true;
}

static void forged_announce(struct member *m, struct listing *l)
{
    made_announce(l, "app.db", ENTRY_FILE, m->now_ns);
    made_announce(l, "app.db" MEMBER_MANIFEST, ENTRY_FILE, m->now_ns);
}

static bool forged_send(struct member *m, struct sink *k, struct sink_dir *dir,
                        const struct listing *l, struct err *failure, struct err *e)
{
    const struct forged *f = (struct forged *)m;
    struct lane *n = NULL;

    (void)failure;
    if (!k->ops->lane_open(k, &n, e))
        return false;

    const bool ok = made_send(k, n, dir, l, "app.db", buf_slice(&f->content), e) &&
                    made_send(k, n, dir, l, "app.db" MEMBER_MANIFEST, buf_slice(&f->manifest), e);

    k->ops->lane_close(n);
    return ok;
}

static void forged_free(struct member *m)
{
    (void)m;
}

static const struct member_ops forged_ops = {"sqlite", forged_prepare, forged_announce, forged_send,
                                             forged_free};

static void forged_auto(struct forged *f)
{
    buf_done(&f->content);
    buf_done(&f->manifest);
}

static void back_up_member(struct world *w, struct member *m)
{
    const struct set set = {.name = "shop", .members = &m, .member_count = 1};
    struct backup_options o = options_of(w);

    o.set = &set;
    CHECK_OK(run(w, &o, e));
}

static void read_stored(struct world *w, const char *path, struct buf *out)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    AUTO(reader) struct reader *rd = NULL;
    AUTO(buf) struct buf keep = {0};
    AUTO(feed) struct feed f = {0};
    struct entry en;
    size_t before;

    CHECK_OK(snapshot_load(w->repo, &w->result.snapshot, &s, e));
    CHECK_OK(repo_load_index(w->repo, e));
    rd = reader_new(w->repo);
    CHECK_OK(tree_find(rd, &s->tree, path, &keep, &en, e));
    CHECK_OK(feed_open(&f, rd, &en, e));
    do {
        before = out->size;
        CHECK_OK(feed_next(&f, out, e));
    } while (out->size > before);
}

/* Back up a real database, and take what was stored of it for a forgery. */
static void forge(struct world *w, struct forged *f)
{
    AUTO(member) struct member *m = NULL;
    sqlite3 *db = NULL;

    *f = (struct forged){.base = {.ops = &forged_ops, .name = (char *)(uintptr_t) "app.db"}};
    CHECK(sqlite3_open(path_in(w->dir.path, "app.db"), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db,
                       "create table t (a integer primary key, b text);"
                       "insert into t values (1, 'eins'), (2, 'zwei');",
                       NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
    CHECK_OK(sqlite_member_new(
        &(struct sqlite_options){.name = "app.db", .path = path_in(w->dir.path, "app.db")}, &m, e));
    back_up_member(w, m);
    read_stored(w, "/sqlite/app.db", &f->content);
    read_stored(w, "/sqlite/app.db" MEMBER_MANIFEST, &f->manifest);
}

TEST(a_sound_database_is_proven_with_its_rows_counted)
{
    AUTO(world) struct world w;
    AUTO(forged) struct forged f;
    AUTO(drill_result) struct drill_result d = {0};

    world_init(&w);
    forge(&w, &f);
    CHECK_OK(drill(&w, NULL, &d, e));
    CHECK(d.verdict == VERDICT_PROVEN && d.count == 1);
    ck_assert_str_eq(d.members[0].place, "sqlite/app.db");
    CHECK(d.members[0].tables >= 1 && d.members[0].rows >= 2);
}
END

TEST(one_changed_letter_in_a_database_fails_the_drill)
{
    AUTO(world) struct world w;
    AUTO(forged) struct forged f;
    AUTO(drill_result) struct drill_result d = {0};

    world_init(&w);
    forge(&w, &f);
    uint8_t *letter = memmem(f.content.data, f.content.size, "zwei", 4);

    CHECK(letter != NULL);
    letter[0] = 'd';
    back_up_member(&w, &f.base);
    CHECK_OK(drill(&w, NULL, &d, e));
    CHECK(d.verdict == VERDICT_FAILED && d.members[0].why != NULL);
}
END

TEST(a_database_cut_short_or_without_manifest_fails_the_drill)
{
    AUTO(world) struct world w;
    AUTO(forged) struct forged f;
    AUTO(drill_result) struct drill_result cut = {0}, bare = {0};

    world_init(&w);
    forge(&w, &f);
    f.content.size -= 4096;
    back_up_member(&w, &f.base);
    CHECK_OK(drill(&w, NULL, &cut, e));
    CHECK(cut.verdict == VERDICT_FAILED);
    f.content.size += 4096;
    f.manifest.size = 0;
    back_up_member(&w, &f.base);
    CHECK_OK(drill(&w, NULL, &bare, e));
    CHECK(bare.verdict == VERDICT_FAILED);
}
END

TEST(a_cancelled_drill_stores_nothing_and_leaves_nothing)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch place = {0};
    AUTO(drill_result) struct drill_result d = {0};

    world_init(&w);
    scratch_init(&place);
    tree_make(w.dir.path);
    back_up(&w);
    cancel_request();
    CHECK_ERR(drill(&w, place.path, &d, e), ERR_CANCELLED);
    ck_assert_uint_eq(object_count(w.store, "drills/"), 0);
    ck_assert_uint_eq(directory_count(place.path), 0);
}
END

TEST(what_a_killed_program_left_is_removed_and_what_is_in_use_stays)
{
    AUTO(scratch) struct scratch place = {0};
    AUTO(scratch_folder) struct scratch_folder first = SCRATCH_FOLDER_NONE;
    AUTO(scratch_folder) struct scratch_folder second = SCRATCH_FOLDER_NONE;

    scratch_init(&place);
    const pid_t child = fork();

    if (child == 0) {
        struct scratch_folder s;
        struct err e = {0};

        if (!scratch_folder_open(place.path, &s, &e))
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status = 0;

    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    ck_assert_uint_eq(directory_count(place.path), 1);
    CHECK_OK(scratch_folder_open(place.path, &first, e));
    ck_assert_uint_eq(directory_count(place.path), 1);
    CHECK_OK(scratch_folder_open(place.path, &second, e));
    ck_assert_uint_eq(directory_count(place.path), 2);
    scratch_folder_close(&first);
    ck_assert_uint_eq(directory_count(place.path), 1);
}
END

TEST(a_scratch_folder_that_cannot_be_made_is_an_error_before_anything_is_read)
{
    AUTO(world) struct world w;
    AUTO(drill_result) struct drill_result d = {0};

    world_init(&w);
    file_put(path_in(w.dir.path, "y"), 1, 500);
    back_up(&w);
    CHECK_ERR(drill(&w, "/there/is/no/such/path", &d, e), ERR_NOT_FOUND);
    ck_assert_uint_eq(object_count(w.store, "drills/"), 0);
}
END

TESTS("drill", a_sound_backup_is_proven_and_the_evidence_stored,
      a_damaged_file_fails_the_drill_and_is_named,
      a_file_that_was_shortened_fails_the_drill_and_is_named,
      a_backup_that_lacks_something_is_never_proven,
      each_source_of_a_set_has_a_verdict_of_its_own_also_one_that_was_left_out,
      a_sound_database_is_proven_with_its_rows_counted,
      one_changed_letter_in_a_database_fails_the_drill,
      a_database_cut_short_or_without_manifest_fails_the_drill,
      a_cancelled_drill_stores_nothing_and_leaves_nothing,
      what_a_killed_program_left_is_removed_and_what_is_in_use_stays,
      a_scratch_folder_that_cannot_be_made_is_an_error_before_anything_is_read)
