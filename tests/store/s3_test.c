/*
 * The driver of S3 against the gateway that HOLDFAST_TEST_S3_URL names: the promises of every
 * store, and what is S3's own.
 */
#define TEST_SECONDS 240
#include "store/s3.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "conformance.h"
#include "store/s3_upload.h"
#include "support/test.h"

static char bucket[40];

/* Tests are forked behind this, so they share the bucket. */
static void choose_bucket(void)
{
    uint8_t random[8];
    char digits[2 * sizeof(random) + 1];

    if (getenv("HOLDFAST_TEST_S3_URL") == NULL)
        abort(); /* "script/test stores" sets it */
    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), digits);
    (void)snprintf(bucket, sizeof(bucket), "s3-test-%s", digits);
}

/* What a test opens stores with. */
struct world {
    struct store_secrets secrets;
    struct store_options options;
    int stores;
};

static void world_auto(struct world *w)
{
    store_secrets_auto(&w->secrets);
}

static void world_init(struct world *w)
{
    *w = (struct world){0};
    w->options.secrets = &w->secrets;
}

/* A place that no other store of this test has. */
static void new_place(struct world *w, const char *test, struct buf *out)
{
    buf_clear(out);
    buf_printf(out, "%s/%s/%s/%d", getenv("HOLDFAST_TEST_S3_URL"), bucket, test, ++w->stores);
}

static struct store *open_at(struct world *w, const char *place)
{
    struct store *s = NULL;

    CHECK_OK(s3_open(place, &w->options, &s, e));
    return s;
}

static struct store *new_store(struct world *w, const char *test)
{
    AUTO(buf) struct buf place = {0};
    struct store *s = NULL;

    new_place(w, test, &place);
    s = open_at(w, buf_string(&place));
    CHECK_OK(s3_prepare(s, e));
    return s;
}

TEST(s3_is_a_store)
{
    AUTO(world) struct world w;

    world_init(&w);
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(store) struct store *s = new_store(&w, "plain");

        conformance_promises[i](s);
    }
}

/* One of the first calls fails, or its answer is lost, and nobody notices. */
TEST(s3_with_retries_over_faults_is_a_store)
{
    static const enum fault_mode modes[] = {FAULT_ONCE, FAULT_LOST_REPLY};
    AUTO(world) struct world w;

    world_init(&w);
    for (size_t i = 0; i < 2 * conformance_promise_count; i++) {
        const struct fault_plan plan = {
            .at = (int)i % 4, .mode = modes[i % 2], .code = ERR_TRANSIENT};
        AUTO(store) struct store *driver = new_store(&w, "retry");
        AUTO(store) struct store *s = store_retry_new(store_fault_new(driver, plan), 3);

        conformance_promises[i / 2](s);
    }
}

/* What is removed there is hidden behind a marker, which must count as gone. */
TEST(s3_with_locks_is_a_store)
{
    AUTO(world) struct world w;

    world_init(&w);
    w.options.s3.object_lock = S3_OBJECT_LOCK_GOVERNANCE;
    w.options.s3.object_lock_days = 1;
    w.options.s3.no_conditional_put =
        true; /* Ceph 16.2 ignores conditions where it keeps versions */
    for (size_t i = 0; i < conformance_promise_count; i++) {
        AUTO(buf) struct buf place = {0};
        AUTO(store) struct store *s = NULL;

        if (conformance_is_race(i))
            continue;
        buf_printf(&place, "%s/%s-locked/%zu", getenv("HOLDFAST_TEST_S3_URL"), bucket, i);
        s = open_at(&w, buf_string(&place));
        CHECK_OK(s3_prepare(s, e));
        conformance_promises[i](s);
    }
}

TEST(what_is_locked_says_until_when_and_for_longer_when_that_is_extended)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf place = {0};
    struct object_lock lock = {0};
    const int64_t now_s = clock_now_ns() / NS_PER_S;
    bool keeps = false;

    world_init(&w);
    w.options.s3.object_lock = S3_OBJECT_LOCK_COMPLIANCE;
    w.options.s3.object_lock_days = 1;
    buf_printf(&place, "%s/%s-locked/extended", getenv("HOLDFAST_TEST_S3_URL"), bucket);

    AUTO(store) struct store *s = open_at(&w, buf_string(&place));

    CHECK_OK(s3_prepare(s, e));
    CHECK_OK(store_put(s, "packs/1", slice_string("x"), PUT_NEW, e));
    CHECK_OK(store_put(s, "trash/1", slice_string("x"), PUT_NEW, e));
    CHECK_OK(store_lock_get(s, "packs/1", &lock, e));
    CHECK(lock.is_strict && lock.until_s >= now_s + s->locks.lasts_s - 1);
    CHECK_OK(store_lock_get(s, "trash/1", &lock, e));
    CHECK(!lock.is_strict && lock.until_s == 0);
    CHECK_ERR(store_lock_get(s, "packs/2", &lock, e), ERR_NOT_FOUND);
    CHECK_ERR(store_lock_extend(s, "packs/2", &lock, &lock, e), ERR_NOT_FOUND);
    CHECK_OK(store_keeps_versions(s, &keeps, e));
    CHECK(keeps);

    w.options.s3.object_lock_days = 9;

    AUTO(store) struct store *longer = open_at(&w, buf_string(&place));

    CHECK_OK(store_lock_get(s, "packs/1", &lock, e));
    CHECK_OK(store_lock_extend(longer, "packs/1", &lock, &lock, e));
    CHECK_OK(store_lock_get(s, "packs/1", &lock, e));
    CHECK(lock.is_strict && lock.until_s >= now_s + longer->locks.lasts_s - 1);
}

TEST(s3_that_knows_no_conditions_never_replaces_either)
{
    static const char key[] = "index/1";
    AUTO(world) struct world w;
    AUTO(buf) struct buf got = {0};

    world_init(&w);
    w.options.s3.no_conditional_put = true;

    AUTO(store) struct store *s = new_store(&w, "unconditional");

    CHECK_OK(store_put(s, key, slice_string("first"), PUT_NEW, e));
    CHECK_ERR(store_put(s, key, slice_string("second"), PUT_NEW, e), ERR_EXISTS);
    CHECK_OK(store_get_all(s, key, &got, e));
    ck_assert_str_eq(buf_string(&got), "first");
}

static bool count_object(void *arg, const struct object_info *info, struct err *e)
{
    (void)info;
    (void)e;
    ++*(int *)arg;
    return true;
}

TEST(a_listing_of_more_than_a_page_is_complete)
{
    enum { OBJECTS = 1005 };
    AUTO(world) struct world w;
    int seen = 0;

    world_init(&w);

    AUTO(store) struct store *s = new_store(&w, "pages");

    for (int i = 0; i < OBJECTS; i++) {
        char key[32];

        (void)snprintf(key, sizeof(key), "packs/%02x/%d", i % 256, i);
        CHECK_OK(store_put(s, key, (struct slice){0}, PUT_REPLACE, e));
    }
    CHECK_OK(store_list(s, "packs/", count_object, &seen, e));
    CHECK(seen == OBJECTS);
}

TEST(a_prefix_may_have_any_letters_and_hides_what_is_beside_it)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf place = {0};
    int seen = 0;

    world_init(&w);
    new_place(&w, "a b+c=d~e/f&g", &place);
    buf_printf(&place, "/\u00e9%%2F");

    AUTO(store) struct store *s = open_at(&w, buf_string(&place));

    CHECK_OK(s3_prepare(s, e));
    CHECK_OK(store_put(s, "packs/1", slice_string("x"), PUT_NEW, e));
    CHECK_OK(store_list(s, "", count_object, &seen, e));
    CHECK(seen == 1);
    buf_printf(&place, "x");

    AUTO(store) struct store *beside = open_at(&w, buf_string(&place));

    seen = 0;
    CHECK_OK(store_put(beside, "packs/2", slice_string("x"), PUT_NEW, e));
    CHECK_OK(store_list(s, "", count_object, &seen, e));
    CHECK(seen == 1);
    CHECK_ERR(s3_prepare(s, e), ERR_EXISTS);
}

TEST(a_bucket_that_is_not_there_is_said_not_to_be)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf place = {0};
    AUTO(buf) struct buf got = {0};
    struct object_info info = {0};
    struct err why = {0};
    int seen = 0;

    world_init(&w);
    buf_printf(&place, "%s/%s-absent", getenv("HOLDFAST_TEST_S3_URL"), bucket);

    AUTO(store) struct store *s = open_at(&w, buf_string(&place));

    CHECK(!store_list(s, "", count_object, &seen, &why));
    CHECK(why.code == ERR_NOT_FOUND);
    CHECK(strstr(why.text, "there is no bucket") != NULL);
    CHECK_ERR(store_get_all(s, "config", &got, e), ERR_NOT_FOUND);
    CHECK_ERR(store_stat(s, "config", &info, e), ERR_NOT_FOUND);
    CHECK(!store_put(s, "config", slice_string("x"), PUT_NEW, &why));
    CHECK(strstr(why.text, "there is no bucket") != NULL);
}

TEST(others_keys_are_denied_and_stand_in_no_sentence)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf got = {0};
    AUTO(buf) struct buf place = {0};
    struct err why = {0};
    const char *id = getenv("HOLDFAST_TEST_S3_OTHER_ID");
    const char *secret = getenv("HOLDFAST_TEST_S3_OTHER_SECRET");

    world_init(&w);
    new_place(&w, "denied", &place);

    AUTO(store) struct store *own = open_at(&w, buf_string(&place));

    CHECK_OK(s3_prepare(own, e));
    CHECK_OK(store_put(own, "config", slice_string("x"), PUT_NEW, e));

    AUTO(store_secrets) struct store_secrets others = {.is_taken = true};

    others.access_key_id = mem_secret_new(100);
    others.secret_access_key = mem_secret_new(100);
    memcpy(others.access_key_id, id, strlen(id) + 1);
    memcpy(others.secret_access_key, secret, strlen(secret) + 1);
    w.options.secrets = &others;

    AUTO(store) struct store *s = open_at(&w, buf_string(&place));

    CHECK(!store_get_all(s, "config", &got, &why));
    CHECK(why.code == ERR_DENIED);
    CHECK(strstr(why.text, id) == NULL && strstr(why.text, "AccessDenied") != NULL);
    others.secret_access_key[0] ^= 1;

    AUTO(store) struct store *wrong = open_at(&w, buf_string(&place));

    CHECK(!store_put(wrong, "x", slice_string("x"), PUT_NEW, &why));
    CHECK(why.code == ERR_DENIED);
    CHECK(strstr(why.text, id) == NULL && strstr(why.text, others.secret_access_key) == NULL);
}

TEST(keys_leave_the_environment_when_they_are_used)
{
    AUTO(world) struct world w;

    world_init(&w);
    CHECK(getenv("AWS_SECRET_ACCESS_KEY") != NULL);

    AUTO(store) struct store *first = new_store(&w, "environment");
    AUTO(store) struct store *second = new_store(&w, "environment");

    CHECK(getenv("AWS_SECRET_ACCESS_KEY") == NULL && getenv("AWS_ACCESS_KEY_ID") == NULL);
    CHECK_OK(store_put(second, "x", slice_string("1"), PUT_NEW, e));
    CHECK_OK(store_put(first, "x", slice_string("1"), PUT_NEW, e));
}

TEST(the_bucket_may_stand_in_the_name_of_the_host_and_tls_is_verified)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf place = {0};
    AUTO(buf) struct buf got = {0};
    const char *tls = getenv("HOLDFAST_TEST_S3_TLS_URL");
    struct err why = {0};

    world_init(&w);

    AUTO(store) struct store *plain = new_store(&w, "style");

    CHECK_OK(store_put(plain, "packs/1", slice_string("x"), PUT_NEW, e));
    buf_printf(&place, "https://%s%s/%s/style/1", getenv("HOLDFAST_TEST_S3_DOMAIN"),
               strrchr(tls, ':'), bucket);

    AUTO(store) struct store *untrusted = open_at(&w, buf_string(&place));

    CHECK(!store_get_all(untrusted, "packs/1", &got, &why));
    CHECK(why.code == ERR_DENIED && strstr(why.text, "certificate") != NULL);
    w.options.s3.ca_file = getenv("HOLDFAST_TEST_S3_CA");
    w.options.s3.style = S3_STYLE_HOST;

    AUTO(store) struct store *trusted = open_at(&w, buf_string(&place));

    CHECK_OK(store_get_all(trusted, "packs/1", &got, e));
    w.options.s3.ca_file = NULL;
    w.options.s3.insecure_no_verify_tls = true;

    AUTO(store) struct store *insecure = open_at(&w, buf_string(&place));

    CHECK_OK(store_get_all(insecure, "packs/1", &got, e));
    ck_assert_str_eq(buf_string(&got), "xx");
}

TEST(a_clock_that_is_wrong_is_corrected_by_the_stores)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf got = {0};
    struct object_info info = {0};

    world_init(&w);
    clock_set_for_tests(clock_now_ns() - 7200 * NS_PER_S);

    AUTO(store) struct store *late = new_store(&w, "clock");

    CHECK_OK(store_put(late, "x", slice_string("1"), PUT_NEW, e));
    clock_set_for_tests(0);
    clock_set_for_tests(clock_now_ns() + 7200 * NS_PER_S);

    AUTO(store) struct store *early = new_store(&w, "clock");

    CHECK_ERR(store_stat(early, "x", &info, e), ERR_NOT_FOUND); /* HEAD says no reason */
    CHECK_OK(store_put(early, "x", slice_string("1"), PUT_NEW, e));
    CHECK_OK(store_get_all(early, "x", &got, e));
    clock_set_for_tests(0);
}

static void fill(struct buf *b, size_t size, uint32_t seed)
{
    uint8_t *p = buf_extend(b, size);

    for (size_t i = 0; i < size; i++) {
        seed = seed * 1664525U + 1013904223U;
        p[i] = (uint8_t)(seed >> 24);
    }
}

TEST(an_object_sent_in_parts_is_seen_when_it_is_complete)
{
    AUTO(world) struct world w;
    AUTO(buf) struct buf first = {0};
    AUTO(buf) struct buf got = {0};
    struct object_info info = {0};
    struct err why = {0};

    world_init(&w);
    fill(&first, S3_PART_MIN, 1);

    AUTO(store) struct store *s = new_store(&w, "parts & more");
    AUTO(s3_upload) struct s3_upload *u = NULL;

    CHECK_OK(s3_upload_open(s, "Export of <1>.tar", &u, e));
    CHECK_OK(s3_upload_part(u, 2, slice_string("the end"), e));
    CHECK(!s3_upload_complete(u, &why));
    CHECK(why.code == ERR_USAGE && strstr(why.text, "part 1") != NULL);
    CHECK_OK(s3_upload_part(u, 1, slice_string("replaced"), e));
    CHECK_OK(s3_upload_part(u, 1, buf_slice(&first), e));
    CHECK_ERR(store_stat(s, "Export of <1>.tar", &info, e), ERR_NOT_FOUND);
    CHECK_OK(s3_upload_complete(u, e));
    CHECK_OK(store_stat(s, "Export of <1>.tar", &info, e));
    CHECK(info.size == S3_PART_MIN + 7);
    CHECK_OK(store_get_all(s, "Export of <1>.tar", &got, e));
    CHECK(memcmp(got.data, first.data, first.size) == 0);
    CHECK(memcmp(got.data + first.size, "the end", 7) == 0);
}

TEST(old_uploads_are_reaped_and_those_that_are_closed_are_gone)
{
    AUTO(world) struct world w;
    const int64_t later = clock_now_ns() / NS_PER_S + 60;
    int count = 0;

    world_init(&w);

    AUTO(store) struct store *s = new_store(&w, "reap+me");
    struct s3_upload *closed = NULL;
    AUTO(s3_upload) struct s3_upload *left = NULL;
    AUTO(s3_upload) struct s3_upload *also_left = NULL;

    CHECK_OK(s3_upload_open(s, "a b", &closed, e));
    s3_upload_close(closed);
    CHECK_OK(s3_upload_reap(s, "a b", later, &count, e));
    CHECK(count == 0);
    CHECK_OK(s3_upload_open(s, "a b", &left, e));
    CHECK_OK(s3_upload_open(s, "a b", &also_left, e));
    CHECK_OK(s3_upload_reap(s, "a b", later - 86400, &count, e));
    CHECK(count == 0);
    CHECK_OK(s3_upload_reap(s, "a z", later, &count, e)); /* somebody else's, for all it knows */
    CHECK(count == 0);
    CHECK_OK(s3_upload_reap(s, "a b", later, &count, e));
    CHECK(count == 2);
    CHECK_ERR(s3_upload_part(left, 1, slice_string("x"), e), ERR_NOT_FOUND);
}

TEST(a_file_longer_than_any_object_goes_in_parts_and_comes_back_in_ranges)
{
    enum { TAIL = 1234 };
    const uint64_t size = STORE_OBJECT_MAX + TAIL;
    AUTO(world) struct world w;
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf got = {0};
    AUTO(fd) int fd = memfd_create("file", MFD_CLOEXEC);
    struct object_info info = {0};

    world_init(&w);
    fill(&bytes, size, 3);
    CHECK(fd >= 0);
    CHECK_OK(fd_write(fd, buf_slice(&bytes), e));

    AUTO(store) struct store *s = new_store(&w, "file");

    CHECK(s->file_max > size);
    CHECK_OK(store_put_file(s, "17-ab.zip", fd, size, e));
    CHECK_OK(store_stat(s, "17-ab.zip", &info, e));
    CHECK(info.size == size);
    CHECK_OK(store_get(s, "17-ab.zip", STORE_OBJECT_MAX - 10, TAIL + 10, &got, e));
    CHECK(memcmp(got.data, bytes.data + STORE_OBJECT_MAX - 10, TAIL + 10) == 0);
    CHECK_ERR(store_get(s, "17-ab.zip", size, 1, &got, e), ERR_CORRUPT);
    CHECK_ERR(store_get_all(s, "17-ab.zip", &got, e), ERR_CORRUPT);
    CHECK(got.size == TAIL + 10);
}

TEST(a_host_that_is_not_there_is_told_at_once_by_name_and_after_retries_by_address)
{
    AUTO(world) struct world w;
    int seen = 0;

    world_init(&w);

    AUTO(store) struct store *name = open_at(&w, "https://no-such-host.invalid/bucket");
    AUTO(store) struct store *port = open_at(&w, "http://127.0.0.1:9/bucket");

    CHECK_ERR(store_list(name, "", count_object, &seen, e), ERR_FATAL);
    CHECK_ERR(store_list(port, "", count_object, &seen, e), ERR_TRANSIENT);
}

TESTS_BETWEEN("stores s3", choose_bucket, NULL, s3_is_a_store,
              s3_with_retries_over_faults_is_a_store, s3_with_locks_is_a_store,
              what_is_locked_says_until_when_and_for_longer_when_that_is_extended,
              s3_that_knows_no_conditions_never_replaces_either,
              a_listing_of_more_than_a_page_is_complete,
              a_prefix_may_have_any_letters_and_hides_what_is_beside_it,
              a_bucket_that_is_not_there_is_said_not_to_be,
              others_keys_are_denied_and_stand_in_no_sentence,
              keys_leave_the_environment_when_they_are_used,
              the_bucket_may_stand_in_the_name_of_the_host_and_tls_is_verified,
              a_clock_that_is_wrong_is_corrected_by_the_stores,
              an_object_sent_in_parts_is_seen_when_it_is_complete,
              old_uploads_are_reaped_and_those_that_are_closed_are_gone,
              a_file_longer_than_any_object_goes_in_parts_and_comes_back_in_ranges,
              a_host_that_is_not_there_is_told_at_once_by_name_and_after_retries_by_address)
