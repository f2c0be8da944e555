/* Files that a source leaves as the previous snapshot has them. */
#include <string.h>

#include "base/mem.h"
#include "job/world.h"
#include "source/made.h"

#define BLOCK ((size_t)1 << 20)

/* A member of one file, of blocks that are all alike, which are sent or left as they were. */
struct keeper {
    struct member member; /* first */
    size_t blocks;
    uint64_t keeps; /* a file of this size; 0: nothing is tried */
    bool is_kept;
    size_t former_max; /* how much is asked for; 0: nothing */
    struct buf former;
};

static void announce(struct member *m, struct listing *l)
{
    made_announce(l, m->name, ENTRY_FILE, m->now_ns);
}

static bool prepare(struct member *m, struct err *e)
{
    (void)m;
    (void)e;
    return true;
}

static bool send_blocks(struct keeper *m, struct made_file *f, struct err *e)
{
    AUTO(mem) uint8_t *block = mem_new(BLOCK);
    uint64_t state = 1;

    for (size_t i = 0; i < BLOCK; i++) {
        state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
        block[i] = (uint8_t)(state >> 56);
    }
    for (size_t i = 0; i < m->blocks; i++)
        if (!made_file_add(f, SLICE_OF(block, BLOCK), e))
            return false;
    return made_file_end(f, e);
}

static bool send_file(struct keeper *m, struct lane *n, struct sink *k, struct sink_dir *dir,
                      const struct listing *l, struct err *e)
{
    const size_t slot = made_slot(l, m->member.name);
    struct made_file f;

    if (m->former_max > 0)
        k->ops->former(n, dir, slot, m->former_max, &m->former);
    if (!made_file_begin(&f, k, n, dir, l, slot, e) ||
        (m->keeps > 0 && !k->ops->keep(n, m->keeps, &m->is_kept, e)))
        return false;
    return m->is_kept || send_blocks(m, &f, e);
}

static bool send_all(struct member *member, struct sink *k, struct sink_dir *dir,
                     const struct listing *l, struct err *failure, struct err *e)
{
    struct lane *n = NULL;
    bool is_sent;

    (void)failure;
    if (!k->ops->lane_open(k, &n, e))
        return false;
    is_sent = send_file((struct keeper *)member, n, k, dir, l, e);
    k->ops->lane_close(n);
    return is_sent;
}

static const struct member_ops ops = {
    .kind = "command", .prepare = prepare, .announce = announce, .send = send_all};

static struct keeper keeper_of(size_t blocks)
{
    return (struct keeper){.member = {.ops = &ops, .name = mem_string("kept")}, .blocks = blocks};
}

static void keeper_auto(struct keeper *m)
{
    mem_free(m->member.name);
    buf_done(&m->former);
}

/* Back up the member; the only one of its set. */
static void back_up_one(struct world *w, struct keeper *m, bool is_forced)
{
    struct member *members[] = {&m->member};
    const struct set set = {.name = "one", .members = members, .member_count = 1};
    struct backup_options o = options_of(w);

    o.set = &set;
    o.force = is_forced;
    CHECK_OK(run(w, &o, e));
    CHECK(w->result.is_committed && w->result.errors == 0);
}

/* What the last snapshot has of the file; *keep owns it. */
static struct entry stored(struct world *w, struct buf *keep)
{
    AUTO(snapshot) struct snapshot *s = NULL;
    struct entry en = {0};

    CHECK_OK(repo_load_index(w->repo, e));
    CHECK_OK(snapshot_load(w->repo, &w->result.snapshot, &s, e));
    CHECK_OK(dump_find(w->repo, &s->tree, "command/kept", keep, &en, e));
    return en;
}

static void check_kept(size_t blocks, bool is_indirect)
{
    AUTO(world) struct world w;
    AUTO(keeper) struct keeper first = keeper_of(blocks);
    AUTO(keeper) struct keeper second = keeper_of(0);
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf after = {0};

    world_init(&w);
    back_up_one(&w, &first, false);

    const struct entry a = stored(&w, &before);

    CHECK(((a.flags & ENTRY_INDIRECT) != 0) == is_indirect);
    second.keeps = blocks * BLOCK;
    back_up_one(&w, &second, false);
    CHECK(second.is_kept && w.result.reused == 1);
    CHECK(w.result.counts.files_unmodified == 1 && w.result.counts.total_files == 1);
    CHECK(w.result.counts.data_chunks == 0);
    ck_assert_uint_eq(w.result.counts.total_bytes, blocks * BLOCK);

    const struct entry b = stored(&w, &after);

    CHECK(a.size == b.size && a.cut == b.cut && a.flags == b.flags);
    CHECK(slice_is_equal(a.content, b.content) && a.content.size > 0);
}

TEST(a_file_that_is_kept_is_as_it_was)
{
    check_kept(3, false);
}
END

TEST(a_file_of_very_many_chunks_is_kept_with_its_lists)
{
    check_kept(700, true);
}
END

TEST(a_file_of_another_size_or_without_a_parent_is_not_kept_and_can_be_sent)
{
    AUTO(world) struct world w;
    AUTO(keeper) struct keeper first = keeper_of(2);
    AUTO(keeper) struct keeper shorter = keeper_of(2);
    AUTO(keeper) struct keeper forced = keeper_of(2);
    AUTO(buf) struct buf kept = {0};

    world_init(&w);
    first.keeps = 2 * BLOCK;
    back_up_one(&w, &first, false);
    CHECK(!first.is_kept && w.result.reused == 0);
    shorter.keeps = 2 * BLOCK - 1;
    back_up_one(&w, &shorter, false);
    CHECK(!shorter.is_kept && w.result.reused == 0 && w.result.counts.files_changed == 1);
    forced.keeps = 2 * BLOCK;
    back_up_one(&w, &forced, true);
    CHECK(!forced.is_kept && w.result.counts.files_new == 1);
    ck_assert_uint_eq(stored(&w, &kept).size, 2 * BLOCK);
}
END

TEST(what_a_file_was_is_told_whole_or_not_at_all)
{
    AUTO(world) struct world w;
    AUTO(keeper) struct keeper first = keeper_of(3);
    AUTO(keeper) struct keeper whole = keeper_of(3);
    AUTO(keeper) struct keeper little = keeper_of(3);

    world_init(&w);
    first.former_max = SIZE_MAX;
    back_up_one(&w, &first, false);
    CHECK(first.former.size == 0);
    whole.former_max = 3 * BLOCK;
    back_up_one(&w, &whole, false);
    ck_assert_uint_eq(whole.former.size, 3 * BLOCK);
    CHECK(memcmp(whole.former.data, whole.former.data + BLOCK, BLOCK) == 0);
    CHECK(whole.former.data[0] != whole.former.data[1]);
    little.former_max = 3 * BLOCK - 1;
    back_up_one(&w, &little, false);
    CHECK(little.former.size == 0);
}
END

TESTS("keep", a_file_that_is_kept_is_as_it_was, a_file_of_very_many_chunks_is_kept_with_its_lists,
      a_file_of_another_size_or_without_a_parent_is_not_kept_and_can_be_sent,
      what_a_file_was_is_told_whole_or_not_at_all)
