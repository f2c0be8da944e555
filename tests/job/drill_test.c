#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "codec/seal.h"
#include "job/scratch.h"
#include "job/world.h"

static bool drill(struct world *w, const char *scratch_path, struct drill_result *out,
                  struct err *e)
{
    AUTO(snapshot) struct snapshot *s = NULL;

    if (!snapshot_load(w->repo, &w->result.snapshot, &s, e))
        return false;
    return drill_run(w->repo, &(struct drill_options){.snapshot = s, .scratch = scratch_path}, out,
                     e);
}

/* Things in a folder. */
static size_t count_in(const char *path)
{
    DIR *d = opendir(path);
    size_t count = 0;

    while (readdir(d) != NULL)
        count++;
    closedir(d);
    return count - 2;
}

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
    ck_assert_uint_eq(count_in(place.path), 0);
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
    ck_assert_uint_eq(count_in(place.path), 0);
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
    ck_assert_uint_eq(count_in(place.path), 1);
    CHECK_OK(scratch_folder_open(place.path, &first, e));
    ck_assert_uint_eq(count_in(place.path), 1);
    CHECK_OK(scratch_folder_open(place.path, &second, e));
    ck_assert_uint_eq(count_in(place.path), 2);
    scratch_folder_close(&first);
    ck_assert_uint_eq(count_in(place.path), 1);
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
      a_damaged_file_fails_the_drill_and_is_named, a_backup_that_lacks_something_is_never_proven,
      each_source_of_a_set_has_a_verdict_of_its_own_also_one_that_was_left_out,
      a_cancelled_drill_stores_nothing_and_leaves_nothing,
      what_a_killed_program_left_is_removed_and_what_is_in_use_stays,
      a_scratch_folder_that_cannot_be_made_is_an_error_before_anything_is_read)
