#include "source/recorder.h"
#include "support/test.h"

#include <string.h>

/* A feed of two bundles, one of which may be broken or unreadable. */
struct pair {
    struct bundle_feed feed; /* first */
    struct bundle_item items[2];
    bool is_unreadable, is_freed;
    size_t reads;
};

static bool pair_list(struct bundle_feed *f, const struct bundle_item **items, size_t *count,
                      struct err *e)
{
    (void)e;
    *items = ((struct pair *)f)->items;
    *count = 2;
    return true;
}

static bool pair_read(struct bundle_feed *f, size_t n, struct buf *out, struct err *e)
{
    struct pair *p = (struct pair *)f;

    p->reads++;
    if (p->is_unreadable)
        return err_set(e, ERR_CORRUPT, "it is gone");
    buf_printf(out, "[%zu]", n);
    return true;
}

static void pair_free(struct bundle_feed *f)
{
    ((struct pair *)f)->is_freed = true;
}

static const struct bundle_feed_ops pair_ops = {pair_list, pair_read, pair_free};

static void pair_init(struct pair *p)
{
    *p = (struct pair){.feed = {&pair_ops},
                       .items = {{"backup_20240101_120000.json", 3, 1000, "{\"a\":1}", NULL},
                                 {"backup_20240101_120001.json", 3, 2000, "{\"b\":2}", NULL}}};
}

/* Back a set of them up. */
static bool back_up(struct pair *p, struct recorder *r, struct err *e)
{
    AUTO(member) struct member *m = bundle_member_new(&p->feed, 7);
    const struct set set = {.name = "app", .members = &m, .member_count = 1, .time_ns = 5000};

    return set_backup(&set, &r->sink, e);
}

static const char *content(const struct recorder *r, const char *path)
{
    const struct record *c = recorder_find(r, path);
    static struct buf copy;

    CHECK(c != NULL && c->is_sent);
    buf_clear(&copy);
    buf_append_slice(&copy, buf_slice(&c->content));
    return buf_string(&copy);
}

TEST(bundles_and_their_manifest_are_sent)
{
    AUTO(recorder) struct recorder r;
    struct pair p;

    recorder_init(&r);
    pair_init(&p);
    CHECK_OK(back_up(&p, &r, e));
    CHECK(recorder_is_complete(&r) && p.is_freed);
    ck_assert_str_eq(content(&r, "/bundle/backup_20240101_120000.json"), "[0]");
    ck_assert_str_eq(content(&r, "/bundle/backup_20240101_120001.json"), "[1]");
    ck_assert_str_eq(content(&r, "/bundle/backup.manifest.json"),
                     "{\"format\": 1, \"keep\": 7, \"bundles\": [\n {\"a\":1},\n {\"b\":2}]}\n");
}
END

TEST(a_bundle_has_the_time_of_its_arrival_which_can_be_trusted)
{
    AUTO(recorder) struct recorder r;
    const struct record *one, *manifest;
    struct pair p;

    recorder_init(&r);
    pair_init(&p);
    CHECK_OK(back_up(&p, &r, e));
    one = recorder_find(&r, "/bundle/backup_20240101_120001.json");
    manifest = recorder_find(&r, "/bundle/backup.manifest.json");
    ck_assert_int_eq(one->en.mtime_ns, 2000);
    ck_assert_uint_eq(one->en.flags, 0);
    ck_assert_uint_eq(manifest->en.flags, ENTRY_UNTRUSTED_TIME);
}
END

TEST(a_bundle_that_cannot_be_had_is_named_and_the_others_are_stored)
{
    AUTO(recorder) struct recorder r;
    const struct remark *told;
    struct pair p;

    recorder_init(&r);
    pair_init(&p);
    p.items[0].why = "it is damaged";
    CHECK_OK(back_up(&p, &r, e));
    told = recorder_remark(&r, "/bundle/backup_20240101_120000.json");
    CHECK(told != NULL && told->is_skip && !told->has_entry);
    ck_assert_str_eq(told->text, "it is damaged");
    CHECK(recorder_find(&r, "/bundle/backup_20240101_120000.json") == NULL);
    ck_assert_str_eq(content(&r, "/bundle/backup.manifest.json"),
                     "{\"format\": 1, \"keep\": 7, \"bundles\": [\n {\"b\":2}]}\n");
}
END

TEST(bundles_that_vanish_while_they_are_read_fail_the_member)
{
    AUTO(recorder) struct recorder r;
    struct pair p;

    recorder_init(&r);
    pair_init(&p);
    p.is_unreadable = true;
    CHECK_ERR(back_up(&p, &r, e), ERR_FATAL); /* not of the repository */
    CHECK(recorder_remark(&r, "/bundle/backup.manifest.json") != NULL);
}
END

TEST(whichever_call_of_the_sink_fails_its_error_comes_back)
{
    for (size_t n = 1;; n++) {
        AUTO(recorder) struct recorder r;
        struct pair p;
        struct err e = {0};

        recorder_init(&r);
        pair_init(&p);
        r.fail_at = n;
        const bool ok = back_up(&p, &r, &e);

        CHECK(p.is_freed && r.open_lanes == 0);
        if (ok) {
            CHECK(n > 8);
            break;
        }
        CHECK(e.code != ERR_NONE);
    }
}
END

TESTS("bundle", bundles_and_their_manifest_are_sent,
      a_bundle_has_the_time_of_its_arrival_which_can_be_trusted,
      a_bundle_that_cannot_be_had_is_named_and_the_others_are_stored,
      bundles_that_vanish_while_they_are_read_fail_the_member,
      whichever_call_of_the_sink_fails_its_error_comes_back)
