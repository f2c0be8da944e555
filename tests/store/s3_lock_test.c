/*
 * Object Lock of S3 as requests and replies: what is asked for, and what is made of the answers.
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "canned_s3.h"
#include "store/s3_ops.h"
#include "support/test.h"

/* 2026-11-21 12:00:00 UTC */
#define NOON_S INT64_C(1795262400)
#define DAY_S  INT64_C(86400)

#define LOCKED(mode, until)                   \
    OK "x-amz-object-lock-mode: " mode "\r\n" \
       "x-amz-object-lock-retain-until-date: " until "\r\n" EMPTY

static void open_locking(struct pair *p, enum s3_object_lock mode, int days,
                         const struct canned_reply *replies, size_t count)
{
    clock_set_for_tests(NOON_S * NS_PER_S);
    p->options.s3.object_lock = (int)mode;
    p->options.s3.object_lock_days = days;
    pair_open(p, replies, count);
}

#define LOCKING(p, mode, days, ...)                       \
    const struct canned_reply replies_[] = {__VA_ARGS__}; \
    AUTO(pair) struct pair p = {0};                       \
    open_locking(&p, mode, days, replies_, sizeof(replies_) / sizeof(replies_[0]))

TEST(what_snapshots_need_is_stored_with_a_lock_and_its_sum)
{
    static const char *const keys[] = {"packs/1",   "index/1", "snapshots/1",
                                       "commits/1", "keys/1",  "config"};

    LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {OK EMPTY, false});
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        CHECK_OK(store_put(p.store, keys[i], slice_string("abc"), PUT_NEW, e));

        const char *request = canned_request(p.server, i);

        CHECK(has_line(request, "\r\nx-amz-object-lock-mode: COMPLIANCE\r\n"));
        /* Ten days and a half of that. */
        CHECK(
            has_line(request, "\r\nx-amz-object-lock-retain-until-date: 2026-12-06T12:00:00Z\r\n"));
        CHECK(has_line(request, "\r\ncontent-md5: kAFQmDzST7DWlj99KOF/cg==\r\n"));
        CHECK(has_line(request, "content-md5;host;if-none-match;x-amz-checksum-sha256;"
                                "x-amz-content-sha256;x-amz-date;x-amz-object-lock-mode;"
                                "x-amz-object-lock-retain-until-date"));
    }
}

TEST(what_goes_again_is_stored_without)
{
    static const char *const keys[] = {"condemned/1", "trash/1", "probe/1", "drills/1",
                                       "parity/packs/1"};

    LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {OK EMPTY, false});
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        CHECK_OK(store_put(p.store, keys[i], slice_string("abc"), PUT_NEW, e));
        CHECK(!has_line(canned_request(p.server, i), "object-lock"));
    }
}

TEST(without_the_option_nothing_is_locked)
{
    PAIR(p, {OK EMPTY, false});

    CHECK_OK(store_put(p.store, "packs/1", slice_string("abc"), PUT_NEW, e));
    CHECK(!has_line(canned_request(p.server, 0), "object-lock"));
    CHECK(!has_line(canned_request(p.server, 0), "content-md5"));
    CHECK(p.store->locks.lasts_s == 0 && p.store->locks.promise_s == 0);
}

TEST(a_lock_lasts_longer_than_the_promise_by_half_of_it_and_a_month_at_most)
{
    static const struct {
        int days, lasts;
    } rows[] = {{1, 2}, {2, 3}, {7, 11}, {30, 45}, {60, 90}, {61, 91}, {365, 395}, {36500, 36530}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct s3_options o = {.object_lock = S3_OBJECT_LOCK_GOVERNANCE,
                                     .object_lock_days = rows[i].days};
        struct lock_rule rule;

        CHECK_OK(s3_lock_rule(&o, &rule, e));
        CHECK(rule.promise_s == rows[i].days * DAY_S && rule.lasts_s == rows[i].lasts * DAY_S);
        CHECK(!rule.is_strict);
    }
}

TEST(a_mode_without_days_and_days_without_a_mode_are_refused)
{
    const struct s3_options mode = {.object_lock = S3_OBJECT_LOCK_GOVERNANCE};
    const struct s3_options days = {.object_lock_days = 7};
    struct lock_rule rule;

    CHECK_ERR(s3_lock_rule(&mode, &rule, e), ERR_USAGE);
    CHECK_ERR(s3_lock_rule(&days, &rule, e), ERR_USAGE);
}

TEST(a_lock_is_read_from_the_head_of_an_object)
{
    static const struct {
        const char *reply;
        enum err_code code;
        struct object_lock lock;
    } rows[] = {
        {LOCKED("COMPLIANCE", "2026-11-22T12:00:00Z"), ERR_NONE, {NOON_S + DAY_S, true}},
        {LOCKED("GOVERNANCE", "2026-11-22T12:00:00.000000000Z"), ERR_NONE, {NOON_S + DAY_S, false}},
        {OK EMPTY, ERR_NONE, {0, false}},
        {LOCKED("GOVERNANCE", "soon"), ERR_TRANSIENT, {0, false}},
        {"HTTP/1.1 404 Not Found\r\n" EMPTY, ERR_NOT_FOUND, {0, false}},
        {"HTTP/1.1 403 Forbidden\r\n" EMPTY, ERR_DENIED, {0, false}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct object_lock lock = {0};
        struct err why = {0};

        PAIR(p, {rows[i].reply, false});

        const bool is_got = store_lock_get(p.store, "packs/1", &lock, &why);

        CHECK(is_got == (rows[i].code == ERR_NONE) && (is_got || why.code == rows[i].code));
        CHECK(lock.until_s == rows[i].lock.until_s && lock.is_strict == rows[i].lock.is_strict);
        CHECK(strncmp(canned_request(p.server, 0), "HEAD /bucket/p/packs/1 ", 23) == 0);
    }
}

TEST(a_lock_is_extended_in_the_mode_that_it_has)
{
    static const struct {
        struct object_lock was;
        const char *mode;
    } rows[] = {{{0, false}, "<Mode>GOVERNANCE</Mode>"},
                {{NOON_S + DAY_S, false}, "<Mode>GOVERNANCE</Mode>"},
                {{NOON_S + DAY_S, true}, "<Mode>COMPLIANCE</Mode>"}};

    LOCKING(p, S3_OBJECT_LOCK_GOVERNANCE, 10, {OK EMPTY, false});
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct object_lock lock = {0};

        CHECK_OK(store_lock_extend(p.store, "packs/1", &rows[i].was, &lock, e));

        const char *request = canned_request(p.server, i);

        CHECK(strncmp(request, "PUT /bucket/p/packs/1?retention= ", 32) == 0);
        CHECK(has_line(request, rows[i].mode) && has_line(request, "\r\ncontent-md5: "));
        CHECK(has_line(request, "<RetainUntilDate>2026-12-06T12:00:00Z</RetainUntilDate>"));
        CHECK(!has_line(request, "bypass"));
        CHECK(lock.until_s == NOON_S + 15 * DAY_S && lock.is_strict == rows[i].was.is_strict);
    }
}

TEST(a_lock_that_ends_later_stays_as_it_is)
{
    const struct object_lock was = {NOON_S + 100 * DAY_S, true};
    struct object_lock lock = {0};

    LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {OK EMPTY, false});
    CHECK_OK(store_lock_extend(p.store, "packs/1", &was, &lock, e));
    CHECK(lock.until_s == was.until_s && lock.is_strict && canned_count(p.server) == 0);
}

TEST(a_refused_extension_is_told)
{
    const struct object_lock was = {0};
    struct object_lock lock = {.until_s = 7};
    struct err why = {0};

    LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {"HTTP/1.1 403 Forbidden\r\n" EMPTY, false});
    CHECK(!store_lock_extend(p.store, "packs/1", &was, &lock, &why));
    CHECK(why.code == ERR_DENIED && strstr(why.text, "extend the lock of packs/1") != NULL);
    CHECK(lock.until_s == 7);
}

TEST(a_bucket_that_is_not_made_for_locks_is_named_as_the_reason)
{
    AUTO(buf) struct buf reply = {0};
    struct err why = {0};

    with_body(&reply, "HTTP/1.1 400 Bad Request\r\n", "<Error><Code>InvalidRequest</Code></Error>");
    LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {buf_string(&reply), false});
    CHECK(!store_put(p.store, "packs/1", slice_string("abc"), PUT_NEW, &why));
    CHECK(strstr(why.text, "made with Object Lock") != NULL);
}

TEST(a_bucket_keeps_versions_when_it_says_so_or_a_removal_has_shown_it)
{
    static const char open[] = "<VersioningConfiguration>";
    static const struct {
        const char *body;
        bool keeps;
    } rows[] = {{"<Status>Enabled</Status></VersioningConfiguration>", true},
                {"<Status>Suspended</Status></VersioningConfiguration>", true},
                {"</VersioningConfiguration>", false}};
    bool keeps = false;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf body = {0};
        AUTO(buf) struct buf reply = {0};

        buf_printf(&body, "%s%s", open, rows[i].body);
        with_body(&reply, OK, buf_string(&body));
        PAIR(p, {buf_string(&reply), false});
        CHECK_OK(store_keeps_versions(p.store, &keeps, e));
        CHECK(keeps == rows[i].keeps);
        CHECK(strncmp(canned_request(p.server, 0), "GET /bucket?versioning= ", 22) == 0);
    }

    {
        PAIR(p, {"HTTP/1.1 501 Not Implemented\r\n" EMPTY, false},
             {"HTTP/1.1 503 Slow Down\r\n" EMPTY, false});
        CHECK_OK(store_keeps_versions(p.store, &keeps, e));
        CHECK(!keeps);
        CHECK_ERR(store_keeps_versions(p.store, &keeps, e), ERR_TRANSIENT);
    }

    PAIR(p, {"HTTP/1.1 403 Forbidden\r\n" EMPTY, false},
         {"HTTP/1.1 204 No Content\r\nx-amz-delete-marker: true\r\n\r\n", false},
         {"HTTP/1.1 500 Internal Server Error\r\n" EMPTY, false});
    CHECK_OK(store_keeps_versions(p.store, &keeps, e));
    CHECK(!keeps);
    CHECK_OK(store_remove(p.store, "packs/1", e));
    CHECK_OK(store_keeps_versions(p.store, &keeps, e));
    CHECK(keeps && canned_count(p.server) == 2);
}

TEST(a_bucket_is_made_with_locks_and_one_without_is_refused)
{
    static const char enabled[] = "<ObjectLockConfiguration><ObjectLockEnabled>Enabled"
                                  "</ObjectLockEnabled></ObjectLockConfiguration>";
    static const char missing[] =
        "<Error><Code>ObjectLockConfigurationNotFoundError</Code></Error>";
    AUTO(buf) struct buf yes = {0};
    AUTO(buf) struct buf no = {0};
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf absent = {0};

    with_body(&yes, OK, enabled);
    with_body(&no, "HTTP/1.1 404 Not Found\r\n", missing);
    with_body(&list, OK, "<ListBucketResult></ListBucketResult>");
    with_body(&absent, "HTTP/1.1 404 Not Found\r\n", "<Error><Code>NoSuchBucket</Code></Error>");
    {
        LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {buf_string(&absent), false}, {OK EMPTY, false},
                {buf_string(&yes), false});
        CHECK_OK(s3_prepare(p.store, e));
        CHECK(has_line(canned_request(p.server, 1),
                       "\r\nx-amz-bucket-object-lock-enabled: true\r\n"));
        CHECK(strncmp(canned_request(p.server, 2), "GET /bucket?object-lock= ", 23) == 0);
    }
    {
        struct err why = {0};

        LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {buf_string(&list), false},
                {buf_string(&no), false});
        CHECK(!s3_prepare(p.store, &why));
        CHECK(why.code == ERR_USAGE && strstr(why.text, "without Object Lock") != NULL);
    }
    {
        LOCKING(p, S3_OBJECT_LOCK_COMPLIANCE, 10, {buf_string(&list), false},
                {"HTTP/1.1 501 Not Implemented\r\n" EMPTY, false});
        CHECK_ERR(s3_prepare(p.store, e), ERR_FATAL);
    }
    {
        PAIR(p, {buf_string(&absent), false}, {OK EMPTY, false});
        CHECK_OK(s3_prepare(p.store, e));
        CHECK(!has_line(canned_request(p.server, 1), "object-lock"));
    }
}

TESTS("store s3 lock", what_snapshots_need_is_stored_with_a_lock_and_its_sum,
      what_goes_again_is_stored_without, without_the_option_nothing_is_locked,
      a_lock_lasts_longer_than_the_promise_by_half_of_it_and_a_month_at_most,
      a_mode_without_days_and_days_without_a_mode_are_refused,
      a_lock_is_read_from_the_head_of_an_object, a_lock_is_extended_in_the_mode_that_it_has,
      a_lock_that_ends_later_stays_as_it_is, a_refused_extension_is_told,
      a_bucket_that_is_not_made_for_locks_is_named_as_the_reason,
      a_bucket_keeps_versions_when_it_says_so_or_a_removal_has_shown_it,
      a_bucket_is_made_with_locks_and_one_without_is_refused)
