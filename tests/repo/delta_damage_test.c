/* Damage where chunks are stored as what differs from others: what check says, and repair. */
#include <string.h>

#include "base/mem.h"
#include "meddle.h"
#include "pair.h"
#include "repo/index.h"
#include "support/test.h"

/* Of two files the first changes a little. */
static const struct plant first_plants[] = {{"file", 1, 400000, false}, {"kept", 9, 90000, false}};
static const struct plant second_plants[] = {{"d/file", EDITED(1, 1), 400000, false},
                                             {"kept", 8, 90000, false}};
static const struct planting first = {first_plants, 2, 0, 0};
static const struct planting second = {second_plants, 2, 0, 0};

/* In a directory of many files one changes, and its page with it. */
static const struct plant old_plants[] = {FORTY_FILES(5), {"kept", 9, 90000, false}};
static const struct plant new_plants[] = {FORTY_FILES(6), {"kept", 9, 90000, false}};
static const struct planting old_pages = {old_plants, FORTY + 1, .has_bases = true};
static const struct planting new_pages = {new_plants, FORTY + 1, .has_bases = true};

/* A snapshot of each. */
static struct world two_of(const struct planting *one, const struct planting *two)
{
    struct world w = world_new(one);

    CHECK_OK(world_plant(w.repo, two, &w.second, e));
    return w;
}

static struct world changed_new(void)
{
    return two_of(&first, &second);
}

/* The pack with deltas, and the one with plain content that they rest on. */
struct stack {
    char base[PACK_KEY_MAX], delta[PACK_KEY_MAX];
    uint32_t frame; /* the delta, by its number in its pack */
};

static struct stack stack_in(struct world *w)
{
    struct stack s = {0};
    struct index *ix = NULL;

    repo_drop_index(w->repo);
    CHECK_OK(repo_load_index(w->repo, e));
    ix = w->repo->index;
    for (uint32_t n = 0; n < index_frame_count(ix); n++) {
        const struct index_base *bases = index_bases_at(ix, n);
        const struct index_pack *p = index_pack_at(ix, index_frame_at(ix, n).pack);
        struct place at;

        if (bases == NULL)
            continue;
        pack_key(&p->id, s.delta);
        s.frame = n - p->first_frame;
        CHECK(index_find_base(ix, &bases[0].id, &at));
        pack_key(&index_pack_at(ix, index_frame_at(ix, at.frame).pack)->id, s.base);
    }
    repo_drop_index(w->repo);
    CHECK(s.base[0] != '\0' && s.delta[0] != '\0');
    return s;
}

/* What a check told: a line for each fault. */
static void on_fault(void *arg, const struct check_fault *f)
{
    buf_printf(arg, "%d %s %s\n", (int)f->kind, f->path == NULL ? f->object : f->path, f->sentence);
}

static struct check_stats check(struct repo *r, bool read_data, struct buf *told)
{
    const struct check_options o = {.read_data = read_data, .fault = on_fault, .arg = told};
    struct check_stats stats = {0};

    buf_clear(told);
    CHECK_OK(check_run(r, &o, &stats, e));
    return stats;
}

static bool has_told(const struct buf *told, enum check_fault_kind kind, const char *what)
{
    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "\n%d %s ", (int)kind, what);

    AUTO(buf) struct buf text = {0};

    buf_printf(&text, "\n%.*s", (int)told->size, told->size == 0 ? "" : (const char *)told->data);
    return strstr(buf_string(&text), buf_string(&line)) != NULL;
}

static void spoil(struct store *s, const char *key, size_t at)
{
    AUTO(buf) struct buf bytes = {0};

    CHECK_OK(store_get_all(s, key, &bytes, e));
    bytes.data[at] ^= 1;
    world_replace(s, key, buf_slice(&bytes));
}

TEST(check_reads_deltas_and_finds_nothing_wrong)
{
    for (int way = 0; way < 2; way++) {
        AUTO(world)
        struct world w = way == 0 ? changed_new() : two_of(&old_pages, &new_pages);
        AUTO(buf) struct buf told = {0};

        const struct check_stats stats = check(w.repo, true, &told);

        ck_assert_msg(told.size == 0, "%s", told.size == 0 ? "" : buf_string(&told));
        CHECK(stats.packs_read == world_count(w.store, "packs/"));
    }
}
END

TEST(check_tells_of_a_missing_pack_of_bases_and_of_the_files_that_rest_on_it)
{
    for (int read_data = 0; read_data < 2; read_data++) {
        AUTO(world) struct world w = changed_new();
        const struct stack s = stack_in(&w);
        AUTO(buf) struct buf told = {0};

        CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
        CHECK_OK(store_remove(w.store, s.base, e));

        const struct check_stats stats = check(w.repo, read_data == 1, &told);

        CHECK(has_told(&told, CHECK_DAMAGED, s.base));
        CHECK(has_told(&told, CHECK_AFFECTED, "/d/file"));
        CHECK(stats.affected_files == 1 && !has_told(&told, CHECK_AFFECTED, "/kept"));
        CHECK(read_data == 1 || stats.damaged_objects == 1);
    }
}
END

/* As a prune that was killed leaves them, and one that keeps the delta's pack for another chunk. */
TEST(check_that_reads_data_says_nothing_of_a_delta_without_need_whose_base_is_gone)
{
    AUTO(world) struct world w = changed_new();
    const struct stack s = stack_in(&w);
    AUTO(buf) struct buf told = {0};

    forget(w.store, &w.snapshot);
    forget(w.store, &w.second);
    CHECK_OK(store_remove(w.store, s.base, e));

    const struct check_stats stats = check(w.repo, true, &told);

    ck_assert_msg(stats.damaged_objects == 0, "%s", buf_string(&told));
}
END

TEST(check_that_reads_data_tells_of_a_damaged_base_and_of_the_files_that_rest_on_it)
{
    AUTO(world) struct world w = changed_new();
    const struct stack s = stack_in(&w);
    AUTO(buf) struct buf told = {0};

    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
    spoil(w.store, s.base, SEAL_HEADER_SIZE + 50000);
    CHECK(check(w.repo, false, &told).damaged_objects == 0);

    const struct check_stats stats = check(w.repo, true, &told);

    CHECK(has_told(&told, CHECK_DAMAGED, s.base));
    CHECK(has_told(&told, CHECK_AFFECTED, "/d/file") && stats.affected_files == 1);
}
END

/* Trees are read by every check. */
TEST(check_tells_of_a_lost_or_damaged_base_of_a_page_and_of_the_directory_that_rests_on_it)
{
    for (int way = 0; way < 4; way++) {
        AUTO(world) struct world w = two_of(&old_pages, &new_pages);
        const struct stack s = stack_in(&w);
        AUTO(buf) struct buf told = {0};

        CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
        if (way < 2)
            CHECK_OK(store_remove(w.store, s.base, e));
        else
            spoil(w.store, s.base, SEAL_HEADER_SIZE + 100);

        const struct check_stats stats = check(w.repo, way % 2 == 1, &told);

        CHECK(has_told(&told, CHECK_DAMAGED, s.base));
        CHECK(has_told(&told, CHECK_AFFECTED, "/d") && !has_told(&told, CHECK_AFFECTED, "/kept"));
        ck_assert_msg(way % 2 == 1 || stats.damaged_objects == 1, "%s", buf_string(&told));
    }
}
END

TEST(a_page_whose_base_is_damaged_is_never_read_and_a_prune_removes_nothing)
{
    AUTO(world) struct world w = two_of(&old_pages, &new_pages);
    const struct stack s = stack_in(&w);
    struct prune_stats stats;
    struct err why;

    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
    spoil(w.store, s.base, SEAL_HEADER_SIZE + 100);
    CHECK(!world_harvest(w.repo, &w.second, &new_pages, &why) && why.code == ERR_CORRUPT);
    ck_assert_ptr_nonnull(strstr(why.text, s.base));

    const size_t packs = world_count(w.store, "packs/");

    CHECK(!prune_run(w.repo, &eager, &stats, &why) && why.code == ERR_CORRUPT);
    ck_assert_uint_eq(world_count(w.store, "packs/"), packs);
}
END

TEST(parity_brings_back_the_base_of_a_page)
{
    AUTO(world) struct world w = two_of(&old_pages, &new_pages);
    const struct stack s = stack_in(&w);
    const char *const keys[] = {s.base};
    const struct parity_work work = {0};
    struct parity_figures figures;
    struct heal_stats stats;

    CHECK_OK(parity_enable(w.repo, &parity_rule_default, &work, &figures, e));
    spoil(w.store, s.base, SEAL_HEADER_SIZE + 100);
    CHECK_OK(heal_objects(w.repo, keys, 1, NULL, NULL, &stats, e));
    CHECK(stats.healed == 1);
    CHECK_OK(world_harvest(w.repo, &w.second, &new_pages, e));
}
END

struct spoiling {
    struct store *store;
    const char *key;
    size_t at;
};

static void spoil_now(void *arg)
{
    const struct spoiling *s = arg;

    spoil(s->store, s->key, s->at);
}

/* Of a frame that was right when the delta was read after it, and is not when its own pack comes.
 */
TEST(check_that_reads_data_tells_of_damage_done_before_any_call_up_to_the_last_that_reads_it)
{
    int calls = 1, untold = 0;
    bool is_affected = false;

    for (int n = 0; n < calls; n++) {
        AUTO(world) struct world w = changed_new();
        const struct stack s = stack_in(&w);
        struct spoiling damage = {.store = w.store, .key = s.base, .at = SEAL_HEADER_SIZE + 50000};
        AUTO(store)
        struct store *store =
            meddler_new(w.store, &(struct meddling){.at = n, .fn = spoil_now, .arg = &damage});
        AUTO(buf) struct buf told = {0};

        CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
        w.repo->store = store;
        (void)check(w.repo, true, &told);
        w.repo->store = w.store;
        calls = meddler_calls(store);
        if (has_told(&told, CHECK_DAMAGED, s.base)) {
            ck_assert_msg(untold == 0, "call %d", n);
            is_affected = has_told(&told, CHECK_AFFECTED, "/d/file");
            CHECK(is_affected);
        } else {
            untold++;
        }
    }
    CHECK(is_affected && untold < calls / 2);
}
END

TEST(check_that_reads_data_tells_of_a_damaged_delta_and_of_nothing_beside)
{
    AUTO(world) struct world w = changed_new();
    const struct stack s = stack_in(&w);
    AUTO(buf) struct buf told = {0};
    uint32_t offset = 0;

    CHECK_OK(repo_load_index(w.repo, e));
    for (uint32_t n = 0; n < index_frame_count(w.repo->index); n++)
        if (index_bases_at(w.repo->index, n) != NULL)
            offset = index_frame_at(w.repo->index, n).offset;
    spoil(w.store, s.delta, offset + 3);

    const struct check_stats stats = check(w.repo, true, &told);

    CHECK(has_told(&told, CHECK_DAMAGED, s.delta) && stats.damaged_objects == 1);
    CHECK(has_told(&told, CHECK_AFFECTED, "/d/file") && stats.affected_files == 1);
}
END

/* Where a copy of the base is there as a delta, its pack is not what is missing. */
TEST(check_calls_no_pack_missing_that_holds_the_base_as_a_delta)
{
    AUTO(world) struct world w = changed_new();
    const struct stack s = stack_in(&w);
    AUTO(index_document) struct index_document d = {0};
    AUTO(buf) struct buf told = {0};
    AUTO(buf) struct buf directory = {0};
    AUTO(pack_directory) struct pack_directory was = {0};
    enum object_class class;
    struct object_info info;
    struct hash id;

    CHECK(key_hash(s.delta, &id));
    CHECK_OK(store_stat(w.store, s.delta, &info, e));
    CHECK_OK(pack_directory_get(w.repo, &id, info.size, &class, &directory, e));
    CHECK_OK(pack_directory_decode(buf_slice(&directory), class, &was, e));

    /* A pack whose delta holds the bases of the other one, after a chunk of that. */
    AUTO(pack_builder) struct pack_builder *b = pack_builder_new(w.repo, CLASS_CONTENT, 1000);
    const struct pack_frame *f = &was.frames[s.frame];
    AUTO(mem) struct pack_chunk *chunks = mem_array(f->chunk_count, sizeof(*chunks));
    struct slice object, bytes;
    char key[PACK_KEY_MAX];

    for (uint32_t i = 0; i < f->chunk_count; i++) {
        chunks[i] = was.chunks[f->first_chunk + i];
        chunks[i].id = chunks[i].base;
        chunks[i].base = was.chunks[was.frames[s.frame == 0 ? 1 : 0].first_chunk].id;
    }
    (void)pack_builder_add(b, slice_string("not read"), COMPRESSION_ZSTD_AFTER, f->plain_size,
                           chunks, f->chunk_count);
    pack_builder_finish(b, &id, &object, &bytes);
    pack_key(&id, key);
    CHECK_OK(store_put(w.store, key, object, PUT_NEW, e));
    index_document_add(&d, &id, CLASS_CONTENT, object.size, bytes);
    CHECK_OK(index_document_put(w.repo, &d, e));
    CHECK_OK(snapshot_forget(w.repo, &w.snapshot, "test", e));
    CHECK_OK(store_remove(w.store, s.base, e));
    (void)check(w.repo, false, &told);
    CHECK(has_told(&told, CHECK_DAMAGED, s.base) && !has_told(&told, CHECK_DAMAGED, key));
}
END

/* Replace the index by one that names other bases in the delta. */
static void lie_about_bases(struct world *w, const struct stack *s)
{
    AUTO(index_document) struct index_document d = {0};
    AUTO(repo) struct repo *r = world_repo(w->store);

    for (size_t i = world_count(w->store, "packs/"); i > 0; i--) {
        AUTO(mem) char *key = world_key(w->store, "packs/", i - 1);
        AUTO(buf) struct buf directory = {0};
        enum object_class class;
        struct object_info info;
        struct hash id;

        CHECK(key_hash(key, &id));
        CHECK_OK(store_stat(w->store, key, &info, e));
        CHECK_OK(pack_directory_get(r, &id, info.size, &class, &directory, e));
        if (strcmp(key, s->delta) == 0) {
            AUTO(pack_directory) struct pack_directory was = {0};

            CHECK_OK(pack_directory_decode(buf_slice(&directory), class, &was, e));

            const struct hash *base = &was.chunks[was.frames[s->frame].first_chunk].base;
            uint8_t *at = memmem(directory.data, directory.size, base->bytes, ID_PREFIX_SIZE);

            memcpy(at, was.chunks[was.frames[s->frame].first_chunk + 1].base.bytes, ID_PREFIX_SIZE);
        }
        index_document_add(&d, &id, class, info.size, buf_slice(&directory));
    }
    while (world_count(w->store, "index/") > 0) {
        AUTO(mem) char *key = world_key(w->store, "index/", 0);

        CHECK_OK(store_remove(w->store, key, e));
    }
    CHECK_OK(index_document_put(r, &d, e));
}

TEST(check_that_reads_data_finds_an_index_that_names_other_bases_than_the_pack)
{
    AUTO(world) struct world w = changed_new();
    const struct stack s = stack_in(&w);
    AUTO(buf) struct buf told = {0};
    struct repair_stats repaired;
    struct err why;

    lie_about_bases(&w, &s);
    CHECK(!world_harvest(w.repo, &w.second, &second, &why));

    const struct check_stats stats = check(w.repo, true, &told);

    CHECK(has_told(&told, CHECK_DAMAGED, s.delta) && has_told(&told, CHECK_AFFECTED, "/d/file"));
    CHECK(stats.suggest_repair_index);
    CHECK_OK(repair_index(w.repo, NULL, NULL, &repaired, e));
    CHECK_OK(world_harvest(w.repo, &w.second, &second, e));
    CHECK(check(w.repo, true, &told).damaged_objects == 0);
}
END

TEST(repair_of_the_index_brings_deltas_and_their_bases_back)
{
    AUTO(world) struct world w = changed_new();
    AUTO(buf) struct buf told = {0};
    struct repair_stats stats;

    while (world_count(w.store, "index/") > 0) {
        AUTO(mem) char *key = world_key(w.store, "index/", 0);

        CHECK_OK(store_remove(w.store, key, e));
    }
    CHECK(check(w.repo, true, &told).suggest_repair_index);
    CHECK_OK(repair_index(w.repo, NULL, NULL, &stats, e));
    CHECK_OK(world_harvest(w.repo, &w.second, &second, e));
    CHECK_OK(world_harvest(w.repo, &w.snapshot, &first, e));
    CHECK(check(w.repo, true, &told).damaged_objects == 0);
}
END

TEST(a_backup_behind_a_loss_of_bases_stores_again_what_rested_on_them)
{
    AUTO(world) struct world w = changed_new();
    const struct stack s = stack_in(&w);
    struct hash again;

    CHECK_OK(store_remove(w.store, s.base, e));
    CHECK_OK(world_plant(w.repo, &second, &again, e));
    CHECK_OK(world_harvest(w.repo, &again, &second, e));
    CHECK_OK(world_harvest(w.repo, &w.second, &second, e));
}
END

TESTS("delta damage", check_reads_deltas_and_finds_nothing_wrong,
      check_tells_of_a_lost_or_damaged_base_of_a_page_and_of_the_directory_that_rests_on_it,
      a_page_whose_base_is_damaged_is_never_read_and_a_prune_removes_nothing,
      parity_brings_back_the_base_of_a_page,
      check_that_reads_data_says_nothing_of_a_delta_without_need_whose_base_is_gone,
      check_tells_of_a_missing_pack_of_bases_and_of_the_files_that_rest_on_it,
      check_that_reads_data_tells_of_a_damaged_base_and_of_the_files_that_rest_on_it,
      check_that_reads_data_tells_of_damage_done_before_any_call_up_to_the_last_that_reads_it,
      check_that_reads_data_tells_of_a_damaged_delta_and_of_nothing_beside,
      check_calls_no_pack_missing_that_holds_the_base_as_a_delta,
      check_that_reads_data_finds_an_index_that_names_other_bases_than_the_pack,
      repair_of_the_index_brings_deltas_and_their_bases_back,
      a_backup_behind_a_loss_of_bases_stores_again_what_rested_on_them)
