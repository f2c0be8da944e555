/* Restores of what is damaged, cut off or strangely made. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "job/restoring.h"
#include "repo/chunks.h"

/* "first" in a pack of its own, then "second" in another; the key of the first pack. */
static void two_packs(struct world *w, char key[128])
{
    world_init(w);
    file_put(path_in(w->dir.path, "first"), 1, 100000);
    CHECK(link(path_in(w->dir.path, "first"), path_in(w->dir.path, "linked")) == 0);
    clock_ahead();
    back_up(w);
    for (size_t i = 0; i < 2; i++) {
        AUTO(buf) struct buf head = {0};
        char pack[128];

        object_name(w->store, "packs/", i, pack);
        CHECK_OK(store_get(w->store, pack, 0, SEAL_HEADER_SIZE, &head, e));
        if (head.data[9] == CLASS_CONTENT)
            memcpy(key, pack, sizeof(pack));
    }
    file_put(path_in(w->dir.path, "second"), 2, 100000);
    back_up(w);
}

TEST(of_a_damaged_pack_the_files_are_named_and_the_others_restored)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];
    struct err e = {0};

    two_packs(&w, key);
    object_damage(w.store, key, 1000);
    restoring_init(&r, &w);
    CHECK(!restore(&w, &r, &e));
    ck_assert_int_eq(e.code, ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(e.text, key));
    CHECK(seen_error(&w.seen, "first") && !seen_error(&w.seen, "second"));
    CHECK(!is_there(&r, "first"));
    CHECK(is_there(&r, "second") && r.result.files_restored == 1);
}
END

TEST(of_a_lost_pack_the_files_are_named_and_the_others_restored)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];

    two_packs(&w, key);
    CHECK_OK(store_remove(w.store, key, e));
    restoring_init(&r, &w);
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(seen_error(&w.seen, "first") && is_there(&r, "second"));
}
END

TEST(a_name_of_a_damaged_file_is_not_linked_to_what_was_there_before)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];

    two_packs(&w, key);
    object_damage(w.store, key, 1000);
    restoring_init(&r, &w);
    file_put_text(path_in(r.to.path, "first"), "of the target");
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    check_text(&r, "first", "of the target");
    CHECK(!is_there(&r, "linked"));
    CHECK(r.result.errors == 2 && seen_error(&w.seen, "linked"));
}
END

TEST(a_damaged_directory_is_named_and_the_others_restored)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    char key[128];
    struct hash good;

    world_init(&w);
    make_sources(&w);
    clock_ahead();
    back_up(&w);
    good = w.result.snapshot;
    /* The trees of this backup, but not that of "b", go to a pack of their own. */
    file_put_text(path_in(w.dir.path, "a/deep/new"), "x");
    const size_t before = object_count(w.store, "packs/");
    char old[8][128];

    for (size_t i = 0; i < before; i++)
        object_name(w.store, "packs/", i, old[i]);
    back_up(&w);
    CHECK_OK(repo_load_index(w.repo, e));
    AUTO(snapshot) struct snapshot *s = NULL;

    CHECK_OK(snapshot_load(w.repo, &good, &s, e));
    struct reader *rd = reader_new(w.repo);
    AUTO(buf) struct buf keep = {0};
    struct entry en;
    struct place at;

    CHECK_OK(tree_find(rd, &s->tree, path_in(w.dir.path, "b"), &keep, &en, e));
    reader_free(rd); /* with it goes what it read, which would be restored from memory */
    CHECK(repo_find(w.repo, &en.subtree, &at));
    pack_key(&index_pack_at(w.repo->index, index_frame_at(w.repo->index, at.frame).pack)->id, key);
    object_damage(w.store, key, 150);
    restoring_init(&r, &w);
    r.o.delete_extra = true;
    CHECK(mkdir(path_in(r.to.path, "b"), 0755) == 0);
    file_put_text(path_in(r.to.path, "b/kept"), "x");
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(r.result.errors == 1 && seen_error(&w.seen, "b"));
    CHECK(is_there(&r, "b/kept") && is_there(&r, "a/deep/new") && is_there(&r, "top.c"));
}
END

static void cancel_after(void *arg, const char *action, const char *path, uint64_t size)
{
    (void)action;
    (void)path;
    (void)size;
    if (--*(int *)arg == 0)
        cancel_request();
}

TEST(a_cancelled_restore_leaves_no_half_files)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r;
    int left = 20;
    struct report report = {.arg = &left, .item = cancel_after};

    world_init(&w);
    for (int i = 0; i < 60; i++) {
        char name[16];

        (void)snprintf(name, sizeof(name), "%02d", i);
        file_put(path_in(w.dir.path, name), (uint64_t)i, 700000);
    }
    back_up(&w);
    restoring_init(&r, &w);
    CHECK_ERR(restore_run(w.repo, &r.o, &report, &r.result, e), ERR_CANCELLED);
    ck_assert_uint_eq(tree_count(r.to.path), r.result.files_restored);
    for (int i = 0; i < 60; i++) {
        char name[16];
        struct stat st;

        (void)snprintf(name, sizeof(name), "%02d", i);
        CHECK(stat(path_in(r.to.path, name), &st) != 0 || st.st_size == 700000);
    }
}
END

/* Snapshots made by hand */

/* A root tree of n files, each made of chunk i and chunk n + i of 1,000 bytes. */
static struct hash interleaved(struct repo *r, size_t n)
{
    AUTO(buf) struct buf page = {0};

    (void)chunks_store(r, 0, n, 1000, 100);
    (void)chunks_store(r, n, n, 1000, 100);
    page_begin(&page, PAGE_ENTRIES);
    for (size_t i = 0; i < n; i++) {
        char name[24];
        const struct hash content[] = {chunk_number_id(r, i, 1000),
                                       chunk_number_id(r, n + i, 1000)};
        struct entry en = {.type = ENTRY_FILE,
                           .mode = 0640,
                           .uid = geteuid(),
                           .gid = getegid(),
                           .mtime_ns = (int64_t)i * NS_PER_S + 7,
                           .size = 2000,
                           .content = SLICE_OF(content, sizeof(content))};

        (void)snprintf(name, sizeof(name), "%05zu", i);
        en.name = slice_string(name);
        entry_encode(&en, &page);
    }
    page_finish(&page, (uint32_t)n);
    return chunk_store(r, CHUNK_TREE, buf_slice(&page));
}

static void check_interleaved(const struct restoring *r, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        AUTO(buf) struct buf got = {0};
        const struct slice a = chunk_bytes(i, 1000), b = chunk_bytes(n + i, 1000);
        char name[24];
        struct stat st;

        (void)snprintf(name, sizeof(name), "%05zu", i);
        file_take(path_in(r->to.path, name), &got);
        CHECK(got.size == 2000 && memcmp(got.data, a.data, 1000) == 0);
        CHECK(memcmp(got.data + 1000, b.data, 1000) == 0);
        CHECK(stat(path_in(r->to.path, name), &st) == 0 && st.st_mtim.tv_sec == (time_t)i);
        CHECK(st.st_mtim.tv_nsec == 7 && (st.st_mode & 07777) == 0640);
        mem_free((void *)(uintptr_t)a.data);
        mem_free((void *)(uintptr_t)b.data);
    }
}

TEST(more_half_written_files_than_may_be_open_are_right)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    const struct rlimit few = {800, 800};

    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    world_init(&w);
    s->tree = interleaved(w.repo, 1500);
    scratch_init(&r.to);
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path, .verify = true};
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.files_restored == 1500 && r.result.errors == 0);
    check_interleaved(&r, 1500);
    /* And when each replaces a file. */
    CHECK_OK(restore(&w, &r, e));
    ck_assert_uint_eq(tree_count(r.to.path), 1500);
    check_interleaved(&r, 1500);
}
END

TEST(a_file_whose_chunks_are_not_as_long_as_its_size_is_damage)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    AUTO(buf) struct buf page = {0};
    struct hash id;
    struct entry en = {.type = ENTRY_FILE, .name = slice_string("f"), .size = 1001};

    world_init(&w);
    (void)chunks_store(w.repo, 0, 1, 1000, 1);
    id = chunk_number_id(w.repo, 0, 1000);
    en.content = SLICE_OF(id.bytes, HASH_SIZE);
    page_begin(&page, PAGE_ENTRIES);
    entry_encode(&en, &page);
    page_finish(&page, 1);
    s->tree = chunk_store(w.repo, CHUNK_TREE, buf_slice(&page));
    scratch_init(&r.to);
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path};
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(seen_error(&w.seen, "f") && !is_there(&r, "f"));
}
END

TEST(nothing_is_deleted_when_only_part_of_a_directory_can_be_read)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();
    AUTO(buf) struct buf page = {0};
    const struct entry en = {.type = ENTRY_FILE, .name = slice_string("f")};

    world_init(&w);
    page_begin(&page, PAGE_ENTRIES);
    entry_encode(&en, &page);
    page_finish(&page, 1);
    const struct hash pages[] = {chunk_store(w.repo, CHUNK_TREE, buf_slice(&page)), {{1}}};

    page_begin(&page, PAGE_PAGES);
    buf_append(&page, pages, sizeof(pages));
    page_finish(&page, 2);
    s->tree = chunk_store(w.repo, CHUNK_TREE, buf_slice(&page));
    scratch_init(&r.to);
    file_put_text(path_in(r.to.path, "extra"), "x");
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path, .delete_extra = true};
    CHECK_ERR(restore(&w, &r, e), ERR_CORRUPT);
    CHECK(is_there(&r, "extra") && is_there(&r, "f") && r.result.files_restored == 1);
}
END

/* The trees of directories "d/d/d/...", depth of them, with a file at the bottom. */
static struct hash nested(struct repo *r, size_t depth)
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
            en = (struct entry){.type = ENTRY_FILE, .name = slice_string("bottom")};
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

/* What is too deep for nftw(). */
static void remove_nested(const char *path)
{
    const struct target_options o = {0};
    AUTO(target) struct target *t = NULL;

    CHECK_OK(target_open(path, &o, &t, e));
    CHECK_OK(target_remove(t, "d", e));
}

TEST(directories_nested_deeper_than_any_path_come_back)
{
    AUTO(world) struct world w;
    AUTO(restoring) struct restoring r = {0};
    AUTO(snapshot) struct snapshot *s = snapshot_new();

    world_init(&w);
    s->tree = nested(w.repo, 2500);
    scratch_init(&r.to);
    r.o = (struct restore_options){.snapshot = s, .target = r.to.path};
    CHECK_OK(restore(&w, &r, e));
    CHECK(r.result.errors == 0 && r.result.files_restored == 1);
    ck_assert_uint_eq(r.result.warnings, 0);
    CHECK(chdir(r.to.path) == 0);
    for (int i = 0; i < 2500; i++)
        CHECK(chdir("d") == 0);
    CHECK(access("bottom", F_OK) == 0 && chdir("/") == 0);
    w.path = r.to.path;
    back_up(&w);
    ck_assert_uint_eq(w.result.errors, 0);
    remove_nested(r.to.path);
}
END

TESTS("restore_damage", of_a_damaged_pack_the_files_are_named_and_the_others_restored,
      of_a_lost_pack_the_files_are_named_and_the_others_restored,
      a_name_of_a_damaged_file_is_not_linked_to_what_was_there_before,
      a_damaged_directory_is_named_and_the_others_restored,
      a_cancelled_restore_leaves_no_half_files, more_half_written_files_than_may_be_open_are_right,
      a_file_whose_chunks_are_not_as_long_as_its_size_is_damage,
      nothing_is_deleted_when_only_part_of_a_directory_can_be_read,
      directories_nested_deeper_than_any_path_come_back)
