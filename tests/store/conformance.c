#include "conformance.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "support/test.h"

enum {
    WRITERS = 8,
    BIG = 5 << 20,
    ROUNDS = 40,
};

static void put_text(struct store *s, const char *key, const char *text)
{
    CHECK_OK(store_put(s, key, slice_string(text), PUT_NEW, e));
}

static bool holds(struct store *s, const char *key, struct slice wanted)
{
    AUTO(buf) struct buf got = {0};
    struct err e;

    return store_get_all(s, key, &got, &e) && slice_is_equal(buf_slice(&got), wanted);
}

/* Bytes that differ from position to position and from seed to seed. */
static void fill(struct buf *b, size_t size, uint32_t seed)
{
    uint8_t *p = buf_extend(b, size);

    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525U + 1013904223U;
        p[i] = (uint8_t)(seed >> 24);
    }
}

static void an_object_is_read_back_as_it_was_put(struct store *s)
{
    put_text(s, "config", "top");
    put_text(s, "a/b/c/d-e_f.0", "nested");
    CHECK(holds(s, "config", slice_string("top")));
    CHECK(holds(s, "a/b/c/d-e_f.0", slice_string("nested")));
}

static void an_object_of_five_mib_stays_whole(struct store *s)
{
    AUTO(buf) struct buf big = {0};

    fill(&big, BIG, 7);
    CHECK_OK(store_put(s, "packs/00/big", buf_slice(&big), PUT_NEW, e));
    CHECK(holds(s, "packs/00/big", buf_slice(&big)));
}

static void an_empty_object_is_an_object(struct store *s)
{
    struct object_info info = {0};

    CHECK_OK(store_put(s, "keys/none", (struct slice){0}, PUT_NEW, e));
    CHECK_OK(store_stat(s, "keys/none", &info, e));
    CHECK(info.size == 0);
    CHECK(holds(s, "keys/none", (struct slice){0}));
    CHECK_ERR(store_put(s, "keys/none", slice_string("x"), PUT_NEW, e), ERR_EXISTS);
}

static void a_range_is_appended(struct store *s)
{
    AUTO(buf) struct buf got = {0};

    put_text(s, "x", "0123456789");
    buf_append(&got, "<", 1);
    CHECK_OK(store_get(s, "x", 3, 4, &got, e));
    CHECK_OK(store_get(s, "x", 0, 1, &got, e));
    CHECK_OK(store_get(s, "x", 9, 1, &got, e));
    CHECK_OK(store_get(s, "x", 10, 0, &got, e));
    CHECK_OK(store_get(s, "x", 8, STORE_WHOLE, &got, e));
    CHECK_OK(store_get(s, "x", 10, STORE_WHOLE, &got, e));
    CHECK(strcmp(buf_string(&got), "<34560989") == 0);
}

static void a_range_behind_the_end_is_corrupt_and_appends_nothing(struct store *s)
{
    static const struct {
        uint64_t offset;
        size_t size;
    } ranges[] = {{0, 11},
                  {9, 2},
                  {10, 1},
                  {11, 1},
                  {UINT64_MAX, 1},
                  {UINT64_MAX - 3, 9},
                  {0, STORE_OBJECT_MAX + 1},
                  {1, SIZE_MAX - 1},
                  {0, SIZE_MAX - 1},
                  {11, STORE_WHOLE},
                  {UINT64_MAX, STORE_WHOLE}};
    AUTO(buf) struct buf got = {0};

    put_text(s, "x", "0123456789");
    buf_append(&got, "kept", 4);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        CHECK_ERR(store_get(s, "x", ranges[i].offset, ranges[i].size, &got, e), ERR_CORRUPT);
    CHECK(strcmp(buf_string(&got), "kept") == 0);
}

static void what_is_not_there_is_not_found(struct store *s)
{
    static const char *const keys[] = {"x", "packs/3f/x", "config/below-an-object", "packs"};
    struct object_info info = {.size = 99};
    AUTO(buf) struct buf got = {0};

    put_text(s, "config", "");
    put_text(s, "packs/00/other", "");
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        CHECK_ERR(store_stat(s, keys[i], &info, e), ERR_NOT_FOUND);
        CHECK_ERR(store_get_all(s, keys[i], &got, e), ERR_NOT_FOUND);
    }
    CHECK_ERR(store_get(s, "packs/3f/x", 0, 1, &got, e), ERR_NOT_FOUND);
    CHECK_ERR(store_get(s, "x", 0, 0, &got, e), ERR_NOT_FOUND);
    CHECK_OK(store_remove(s, "x", e));
    CHECK_OK(store_remove(s, "packs/3f/x", e));
    CHECK_OK(store_remove(s, "config/below-an-object", e));
    CHECK(info.size == 99 && got.size == 0);
}

static void a_new_object_never_replaces_one(struct store *s)
{
    put_text(s, "index/1", "first");
    CHECK_ERR(store_put(s, "index/1", slice_string("second"), PUT_NEW, e), ERR_EXISTS);
    CHECK(holds(s, "index/1", slice_string("first")));
}

static void replacing_writes_whether_or_not_the_object_is_there(struct store *s)
{
    CHECK_OK(store_put(s, "keys/1", slice_string("first, longer"), PUT_REPLACE, e));
    CHECK_OK(store_put(s, "keys/1", slice_string("second"), PUT_REPLACE, e));
    CHECK(holds(s, "keys/1", slice_string("second")));
    CHECK_ERR(store_put(s, "keys/1", slice_string("third"), PUT_NEW, e), ERR_EXISTS);
}

static void a_removed_object_is_gone_and_may_come_back(struct store *s)
{
    struct object_info info = {0};

    put_text(s, "packs/3f/1", "first");
    put_text(s, "packs/3f/2", "other");
    CHECK_OK(store_remove(s, "packs/3f/1", e));
    CHECK_OK(store_remove(s, "packs/3f/1", e));
    CHECK_ERR(store_stat(s, "packs/3f/1", &info, e), ERR_NOT_FOUND);
    CHECK(holds(s, "packs/3f/2", slice_string("other")));
    put_text(s, "packs/3f/1", "again");
    CHECK(holds(s, "packs/3f/1", slice_string("again")));
}

static void many_objects_are_removed_at_once(struct store *s)
{
    static const char *const keys[] = {"packs/00/1", "packs/absent", "config", "index/2"};
    struct object_info info = {0};

    put_text(s, "config", "");
    put_text(s, "packs/00/1", "first");
    put_text(s, "packs/00/10", "other");
    put_text(s, "index/2", "second");
    CHECK_OK(store_remove_all(s, keys, 4, e));
    CHECK_OK(store_remove_all(s, keys, 4, e));
    CHECK_OK(store_remove_all(s, keys, 0, e));
    for (size_t i = 0; i < 4; i++)
        CHECK_ERR(store_stat(s, keys[i], &info, e), ERR_NOT_FOUND);
    CHECK(holds(s, "packs/00/10", slice_string("other")));
}

static void a_moved_object_is_at_its_new_key_alone(struct store *s)
{
    struct object_info before = {0};
    struct object_info after = {0};

    if (!s->can_move)
        return;
    put_text(s, "packs/3f/1", "first");
    put_text(s, "packs/3f/2", "other");
    CHECK_OK(store_stat(s, "packs/3f/1", &before, e));
    CHECK_OK(store_move(s, "packs/3f/1", "discarded/3f/1.7", e));
    CHECK(holds(s, "discarded/3f/1.7", slice_string("first")));
    CHECK_ERR(store_stat(s, "packs/3f/1", &after, e), ERR_NOT_FOUND);
    CHECK(holds(s, "packs/3f/2", slice_string("other")));
    CHECK_OK(store_stat(s, "discarded/3f/1.7", &after, e));
    CHECK(after.size == 5 && after.mtime == before.mtime);
    CHECK_OK(store_move(s, "packs/3f/2", "discarded/3f/1.7", e));
    CHECK(holds(s, "discarded/3f/1.7", slice_string("other")));
    CHECK_ERR(store_move(s, "packs/3f/2", "discarded/3f/2", e), ERR_NOT_FOUND);
    CHECK_ERR(store_move(s, "packs/4f/2", "discarded/3f/2", e), ERR_NOT_FOUND);
}

static void stat_tells_size_and_time(struct store *s)
{
    const int64_t before = clock_now_ns() / NS_PER_S;
    const char *key = "snapshots/1";
    struct object_info info = {0};

    put_text(s, key, "12345");
    CHECK_OK(store_stat(s, key, &info, e));
    CHECK(info.key == key);
    CHECK(info.size == 5);
    /* A file system's clock may be a tick behind. */
    CHECK(info.mtime >= before - 1 && info.mtime <= clock_now_ns() / NS_PER_S + 1);
}

/* Keys with their sizes, sorted and joined by blanks. */
struct keys {
    char text[400];
};

static bool note_key(void *arg, const struct object_info *info, struct err *e)
{
    struct keys *k = arg;
    char rest[sizeof(k->text)];
    char *at = k->text;
    char one[120];

    (void)e;
    (void)snprintf(one, sizeof(one), "%s=%llu ", info->key, (unsigned long long)info->size);
    while (*at != '\0' && strncmp(at, one, strlen(one)) < 0)
        at = strchr(at, ' ') + 1;
    memcpy(rest, at, strlen(at) + 1);
    *at = '\0';
    (void)snprintf(at, sizeof(k->text) - (size_t)(at - k->text), "%s%s", one, rest);
    return true;
}

static void check_listing(struct store *s, const char *prefix, const char *wanted)
{
    struct keys k = {{0}};

    CHECK_OK(store_list(s, prefix, note_key, &k, e));
    ck_assert_str_eq(k.text, wanted);
}

static void a_listing_tells_every_object_with_the_prefix_once(struct store *s)
{
    check_listing(s, "", "");
    check_listing(s, "packs/", "");
    put_text(s, "config", "1");
    put_text(s, "packs/3e/b", "22");
    put_text(s, "packs/3f/a", "333");
    put_text(s, "packs/3f/ab", "4444");
    put_text(s, "packs-of-wolves", "5");
    check_listing(s, "", "config=1 packs-of-wolves=1 packs/3e/b=2 packs/3f/a=3 packs/3f/ab=4 ");
    check_listing(s, "packs", "packs-of-wolves=1 packs/3e/b=2 packs/3f/a=3 packs/3f/ab=4 ");
    check_listing(s, "packs/", "packs/3e/b=2 packs/3f/a=3 packs/3f/ab=4 ");
    check_listing(s, "packs/3", "packs/3e/b=2 packs/3f/a=3 packs/3f/ab=4 ");
    check_listing(s, "packs/3f", "packs/3f/a=3 packs/3f/ab=4 ");
    check_listing(s, "packs/3f/", "packs/3f/a=3 packs/3f/ab=4 ");
    check_listing(s, "packs/3f/ab", "packs/3f/ab=4 ");
    check_listing(s, "packs/3f/ab/", "");
    check_listing(s, "packs/4", "");
    check_listing(s, "index/", "");
}

static bool stop_at_second(void *arg, const struct object_info *info, struct err *e)
{
    int *seen = arg;

    (void)info;
    return ++*seen < 2 || err_set(e, ERR_CORRUPT, "enough");
}

static void a_listing_ends_with_the_error_of_its_callback(struct store *s)
{
    int seen = 0;
    struct err e = {0};

    put_text(s, "a/1", "");
    put_text(s, "a/2", "");
    put_text(s, "b/3", "");
    CHECK(!store_list(s, "", stop_at_second, &seen, &e));
    CHECK(e.code == ERR_CORRUPT);
    ck_assert_str_eq(e.text, "enough");
    CHECK(seen == 2);
}

static bool remove_listed(void *arg, const struct object_info *info, struct err *e)
{
    return store_remove(arg, info->key, e);
}

static void objects_may_be_removed_while_they_are_listed(struct store *s)
{
    char key[32];

    for (int i = 0; i < ROUNDS; i++) {
        (void)snprintf(key, sizeof(key), "packs/%02x/%d", i % 3, i);
        put_text(s, key, "x");
    }
    CHECK_OK(store_list(s, "packs/", remove_listed, s, e));
    check_listing(s, "", "");
}

/* What a thread is given and what it brings back. */
struct worker {
    struct store *s;
    pthread_t thread;
    atomic_bool *stop;
    uint32_t seed;
    int done; /* puts that succeeded */
    int odd;  /* answers that no store may give */
};

static void *put_same_key(void *arg)
{
    struct worker *w = arg;
    AUTO(buf) struct buf mine = {0};
    struct err e;

    fill(&mine, 300000 + w->seed, w->seed);
    if (store_put(w->s, "packs/aa/same", buf_slice(&mine), PUT_NEW, &e))
        w->done++;
    else if (e.code != ERR_EXISTS)
        w->odd++;
    return NULL;
}

static void of_many_writers_of_one_key_exactly_one_wins(struct store *s)
{
    struct worker w[WRITERS];
    int winners = 0;

    for (uint32_t i = 0; i < WRITERS; i++) {
        w[i] = (struct worker){.s = s, .seed = i};
        CHECK(pthread_create(&w[i].thread, NULL, put_same_key, &w[i]) == 0);
    }
    for (uint32_t i = 0; i < WRITERS; i++) {
        AUTO(buf) struct buf theirs = {0};

        CHECK(pthread_join(w[i].thread, NULL) == 0);
        CHECK(w[i].odd == 0);
        winners += w[i].done;
        fill(&theirs, 300000 + i, i);
        CHECK(holds(s, "packs/aa/same", buf_slice(&theirs)) == (w[i].done == 1));
    }
    CHECK(winners == 1);
}

static void *put_many_keys(void *arg)
{
    struct worker *w = arg;

    for (uint32_t i = 0; i < ROUNDS; i++) {
        AUTO(buf) struct buf bytes = {0};
        char key[40];
        struct err e;

        (void)snprintf(key, sizeof(key), "packs/%02x/%u-%u", i % 5, w->seed, i);
        fill(&bytes, 20000 + i, i);
        if (!store_put(w->s, key, buf_slice(&bytes), PUT_NEW, &e))
            w->odd++;
    }
    return NULL;
}

/* Compares an object that put_many_keys() wrote; counts in *arg. */
struct inspection {
    struct store *s;
    /* Where versions are kept, Ceph 16.2 lists an object a moment before it can be read.  That is
     * what readers of a repository expect of one that is removed meanwhile, and do again. */
    bool may_be_early;
    int seen;
};

static bool inspect(void *arg, const struct object_info *info, struct err *e)
{
    struct inspection *in = arg;
    AUTO(buf) struct buf wanted = {0};
    AUTO(buf) struct buf got = {0};
    uint64_t number = 0;

    if (!parse_u64(strchr(info->key, '-') + 1, &number, e))
        return false;
    fill(&wanted, 20000 + number, (uint32_t)number);
    if (!store_get_all(in->s, info->key, &got, e))
        return in->may_be_early && e->code == ERR_NOT_FOUND;
    if (info->size != wanted.size || !slice_is_equal(buf_slice(&got), buf_slice(&wanted)))
        return err_set(e, ERR_CORRUPT, "object %s is not whole", info->key);
    in->seen++;
    return true;
}

static void what_is_listed_while_others_write_is_whole(struct store *s)
{
    struct worker w[2];
    struct inspection in = {.s = s};

    CHECK_OK(store_keeps_versions(s, &in.may_be_early, e));
    for (uint32_t i = 0; i < 2; i++) {
        w[i] = (struct worker){.s = s, .seed = i};
        CHECK(pthread_create(&w[i].thread, NULL, put_many_keys, &w[i]) == 0);
    }
    while (in.seen < ROUNDS) {
        in.seen = 0;
        CHECK_OK(store_list(s, "packs/", inspect, &in, e));
    }
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(pthread_join(w[i].thread, NULL) == 0);
        CHECK(w[i].odd == 0);
    }
    in.seen = 0;
    CHECK_OK(store_list(s, "packs/", inspect, &in, e));
    CHECK(in.seen == 2 * ROUNDS);
}

static void *replace_again_and_again(void *arg)
{
    struct worker *w = arg;
    AUTO(buf) struct buf bytes = {0};
    struct err e;

    fill(&bytes, 100000, w->seed);
    while (!atomic_load(w->stop))
        if (!store_put(w->s, "keys/one", buf_slice(&bytes), PUT_REPLACE, &e))
            w->odd++;
    return NULL;
}

static void a_reader_sees_the_old_or_the_new_bytes_of_a_replaced_object(struct store *s)
{
    AUTO(buf) struct buf first = {0};
    AUTO(buf) struct buf second = {0};
    struct worker w[2];
    atomic_bool stop = false;

    fill(&first, 100000, 0);
    fill(&second, 100000, 1);
    CHECK_OK(store_put(s, "keys/one", buf_slice(&first), PUT_NEW, e));
    for (uint32_t i = 0; i < 2; i++) {
        w[i] = (struct worker){.s = s, .seed = i, .stop = &stop};
        CHECK(pthread_create(&w[i].thread, NULL, replace_again_and_again, &w[i]) == 0);
    }
    for (int i = 0; i < 5 * ROUNDS; i++) {
        AUTO(buf) struct buf got = {0};

        CHECK_OK(store_get_all(s, "keys/one", &got, e));
        CHECK(slice_is_equal(buf_slice(&got), buf_slice(&first)) ||
              slice_is_equal(buf_slice(&got), buf_slice(&second)));
    }
    atomic_store(&stop, true);
    for (uint32_t i = 0; i < 2; i++) {
        CHECK(pthread_join(w[i].thread, NULL) == 0);
        CHECK(w[i].odd == 0);
    }
}

promise_fn *const conformance_promises[] = {
    an_object_is_read_back_as_it_was_put,
    an_object_of_five_mib_stays_whole,
    an_empty_object_is_an_object,
    a_range_is_appended,
    a_range_behind_the_end_is_corrupt_and_appends_nothing,
    what_is_not_there_is_not_found,
    a_new_object_never_replaces_one,
    replacing_writes_whether_or_not_the_object_is_there,
    a_removed_object_is_gone_and_may_come_back,
    many_objects_are_removed_at_once,
    a_moved_object_is_at_its_new_key_alone,
    stat_tells_size_and_time,
    a_listing_tells_every_object_with_the_prefix_once,
    a_listing_ends_with_the_error_of_its_callback,
    objects_may_be_removed_while_they_are_listed,
    of_many_writers_of_one_key_exactly_one_wins,
    what_is_listed_while_others_write_is_whole,
    a_reader_sees_the_old_or_the_new_bytes_of_a_replaced_object,
};
const size_t conformance_promise_count =
    sizeof(conformance_promises) / sizeof(conformance_promises[0]);

bool conformance_is_race(size_t n)
{
    return conformance_promises[n] == of_many_writers_of_one_key_exactly_one_wins ||
           conformance_promises[n] == a_reader_sees_the_old_or_the_new_bytes_of_a_replaced_object;
}
