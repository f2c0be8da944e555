/* What a probe finds at stores that keep their promises and at some that do not. */
#include <string.h>

#include "base/mem.h"
#include "scratch.h"
#include "store/store.h"
#include "support/test.h"

/* A store in memory that forgets some of its manners. */
struct rude {
    struct store store;
    struct store *next;
    bool reads_old, lists_old, replaces, remembers_absence, keeps;
    char *absent;    /* a key that was asked for in vain */
    struct buf last; /* bytes that an object had before they were replaced */
};

static struct rude *rude_of(struct store *s)
{
    return (struct rude *)s;
}

static bool rude_get(struct store *s, const char *key, uint64_t offset, size_t size,
                     struct buf *out, struct err *e)
{
    struct rude *r = rude_of(s);

    if (r->reads_old && r->last.size > 0) {
        buf_append_slice(out, buf_slice(&r->last));
        return true;
    }
    if (r->absent != NULL && r->remembers_absence)
        return err_set(e, ERR_NOT_FOUND, "still absent");
    if (store_get(r->next, key, offset, size, out, e))
        return true;
    if (e->code == ERR_NOT_FOUND && r->absent == NULL)
        r->absent = mem_string(key);
    return false;
}

static bool rude_put(struct store *s, const char *key, struct slice data, enum put_mode mode,
                     struct err *e)
{
    struct rude *r = rude_of(s);
    struct err ignored;

    buf_clear(&r->last);
    (void)!store_get_all(r->next, key, &r->last, &ignored);
    return store_put(r->next, key, data, r->replaces ? PUT_REPLACE : mode, e);
}

static bool rude_list(struct store *s, const char *prefix, object_fn *fn, void *arg, struct err *e)
{
    return rude_of(s)->lists_old || store_list(rude_of(s)->next, prefix, fn, arg, e);
}

static bool rude_remove(struct store *s, const char *key, struct err *e)
{
    if (rude_of(s)->keeps)
        return err_set(e, ERR_DENIED, "nothing is removed here");
    return store_remove(rude_of(s)->next, key, e);
}

static void rude_close(struct store *s)
{
    struct rude *r = rude_of(s);

    store_close(r->next);
    mem_free(r->absent);
    buf_done(&r->last);
    mem_free(r);
}

static struct rude *rude_new(void)
{
    static const struct store_ops ops = {.get = rude_get,
                                         .put = rude_put,
                                         .list = rude_list,
                                         .remove = rude_remove,
                                         .close = rude_close};
    struct rude *r = mem_new(sizeof(*r));

    r->store.ops = &ops;
    r->next = store_memory_new();
    return r;
}

TEST(a_store_that_keeps_its_promises_is_found_to_do_so_and_stays_empty)
{
    AUTO(scratch) char *dir = scratch_new();
    AUTO(store) struct store *memory = store_memory_new();
    AUTO(store) struct store *local = scratch_store(dir);
    struct store *const stores[] = {memory, local};

    for (size_t i = 0; i < 2; i++) {
        struct store_abilities found = {0};

        CHECK_OK(store_probe(stores[i], &found, e));
        CHECK(found.is_read_at_once && found.is_listed_at_once && found.refuses_taken_keys);
        CHECK(scratch_count(stores[i]) == 0);
    }
}

TEST(a_store_that_shows_old_bytes_is_found_out)
{
    AUTO(store) struct store *s = &rude_new()->store;
    struct store_abilities found = {0};

    rude_of(s)->reads_old = true;
    CHECK_OK(store_probe(s, &found, e));
    CHECK(!found.is_read_at_once && found.is_listed_at_once && found.refuses_taken_keys);
}

TEST(a_store_that_remembers_absence_is_found_out)
{
    AUTO(store) struct store *s = &rude_new()->store;
    struct store_abilities found = {0};

    rude_of(s)->remembers_absence = true;
    CHECK_OK(store_probe(s, &found, e));
    CHECK(!found.is_read_at_once && found.is_listed_at_once);
}

TEST(a_store_that_lists_late_is_found_out)
{
    AUTO(store) struct store *s = &rude_new()->store;
    struct store_abilities found = {0};

    rude_of(s)->lists_old = true;
    CHECK_OK(store_probe(s, &found, e));
    CHECK(found.is_read_at_once && !found.is_listed_at_once);
}

TEST(a_store_that_replaces_what_is_there_is_found_out)
{
    AUTO(store) struct store *s = &rude_new()->store;
    struct store_abilities found = {0};

    rude_of(s)->replaces = true;
    CHECK_OK(store_probe(s, &found, e));
    CHECK(found.is_read_at_once && found.is_listed_at_once && !found.refuses_taken_keys);
}

TEST(a_store_where_nothing_may_be_removed_is_probed_all_the_same)
{
    AUTO(store) struct store *s = &rude_new()->store;
    struct store_abilities found = {0};

    rude_of(s)->keeps = true;
    CHECK_OK(store_probe(s, &found, e));
    CHECK(found.is_read_at_once && found.is_listed_at_once && found.refuses_taken_keys);
}

TEST(a_probe_whose_calls_fail_finds_nothing)
{
    for (int at = 0; at < 11; at++) {
        const struct fault_plan plan = {.at = at, .mode = FAULT_ONCE, .code = ERR_FATAL};
        AUTO(store) struct store *memory = store_memory_new();
        AUTO(store) struct store *s = store_fault_new(memory, plan);
        struct store_abilities found = {0};

        CHECK_ERR(store_probe(s, &found, e), ERR_FATAL);
        CHECK(!found.is_read_at_once && scratch_count(memory) == 0);
    }
}

TESTS("store probe", a_store_that_keeps_its_promises_is_found_to_do_so_and_stays_empty,
      a_store_that_shows_old_bytes_is_found_out, a_store_that_remembers_absence_is_found_out,
      a_store_that_lists_late_is_found_out, a_store_that_replaces_what_is_there_is_found_out,
      a_store_where_nothing_may_be_removed_is_probed_all_the_same,
      a_probe_whose_calls_fail_finds_nothing)
