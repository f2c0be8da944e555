#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "job/world.h"

/* A set of the world's directory, under the name of a file tree. */
struct world_set {
    struct files_options options;
    struct set_files files;
    struct set set;
};

static struct backup_options set_options(struct world *w, struct world_set *s, const char *name)
{
    struct backup_options o = options_of(w);

    s->options = o.files;
    s->files = (struct set_files){"files", &s->options};
    s->set = (struct set){.name = name, .files = &s->files, .files_count = 1};
    o.set = &s->set;
    return o;
}

static struct snapshot *last_snapshot(struct world *w)
{
    AUTO(snapshot_list) struct snapshot_list all = {0};
    struct snapshot *found = NULL;

    CHECK_OK(snapshot_load_all(w->repo, 1u << SNAPSHOT_COMMITTED, NULL, NULL, &all, e));
    for (size_t i = 0; i < all.count; i++)
        if (hash_is_equal(&all.items[i]->id, &w->result.snapshot))
            found = TAKE(all.items[i]);
    CHECK(found != NULL);
    return found;
}

TEST(a_snapshot_of_a_set_says_so_and_restores)
{
    AUTO(world) struct world w;
    AUTO(scratch) struct scratch to = {0};
    AUTO(buf) struct buf sub = {0};
    struct restore_result result;
    struct world_set s;

    world_init(&w);
    scratch_init(&to);
    tree_make(w.dir.path);
    const struct backup_options o = set_options(&w, &s, "shop");

    CHECK_OK(run(&w, &o, e));
    AUTO(snapshot) struct snapshot *made = last_snapshot(&w);

    ck_assert_str_eq(made->set, "shop");
    ck_assert_uint_eq(made->path_count, 1);
    ck_assert_str_eq(made->paths[0], "/files");
    buf_printf(&sub, "/files%s", w.dir.path);
    CHECK_OK(restore_run(
        w.repo,
        &(struct restore_options){.snapshot = made,
                                  .sub = buf_string(&sub),
                                  .target = to.path,
                                  .how = {.keep_owner = geteuid() == 0, .numeric_ids = true}},
        &w.seen.report, &result, e));
    ck_assert_uint_eq(result.errors, 0);
    tree_compare(w.dir.path, to.path);
}
END

TEST(unchanged_files_of_a_set_are_not_read_again)
{
    AUTO(world) struct world w;
    struct world_set s;

    world_init(&w);
    tree_make(w.dir.path);
    clock_ahead();
    const struct backup_options o = set_options(&w, &s, "shop");

    CHECK_OK(run(&w, &o, e));
    CHECK_OK(run(&w, &o, e));
    CHECK(w.result.has_parent);
    ck_assert_uint_eq(w.result.counts.files_unmodified, w.result.counts.total_files);
    ck_assert_uint_eq(w.result.counts.data_chunks, 0);
}
END

TEST(a_set_is_compared_with_its_own_last_backup_only)
{
    AUTO(world) struct world w;
    struct world_set s, other;

    world_init(&w);
    tree_make(w.dir.path);
    clock_ahead();
    back_up(&w);
    const struct backup_options shop = set_options(&w, &s, "shop");
    const struct backup_options blog = set_options(&w, &other, "blog");

    CHECK_OK(run(&w, &shop, e));
    CHECK(!w.result.has_parent);
    CHECK_OK(run(&w, &blog, e));
    CHECK(!w.result.has_parent);
    back_up(&w);
    CHECK(w.result.has_parent);
}
END

TEST(a_set_whose_source_is_missing_commits_nothing)
{
    AUTO(world) struct world w;
    struct world_set s;
    struct err e = {0};

    world_init(&w);
    struct backup_options o = set_options(&w, &s, "shop");
    const char *nowhere = "/there/is/no/such/path";

    s.options.paths = &nowhere;
    CHECK(!run(&w, &o, &e));
    CHECK(strstr(e.text, "files: /there/is/no/such/path: ") == e.text);
    ck_assert_uint_eq(fixture_check_sound(w.store), 0);
}
END

TESTS("set", a_snapshot_of_a_set_says_so_and_restores, unchanged_files_of_a_set_are_not_read_again,
      a_set_is_compared_with_its_own_last_backup_only,
      a_set_whose_source_is_missing_commits_nothing)
