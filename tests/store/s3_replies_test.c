/*
 * The driver of S3 against replies that a healthy gateway does not give.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "canned_s3.h"
#include "scratch.h"
#include "store/s3.h"
#include "support/test.h"

#define LIST(inside) "<ListBucketResult>" inside "</ListBucketResult>"
#define KEY(name)                                                                       \
    "<Contents><Key>" name "</Key><Size>1</Size><LastModified>2026-11-21T17:26:32.000Z" \
    "</LastModified></Contents>"

/* Lets go of nothing: what a test lists. */
static bool note_key(void *arg, const struct object_info *info, struct err *e)
{
    (void)e;
    buf_printf(arg, "%s ", info->key);
    return true;
}

TEST(a_request_waits_for_as_long_as_the_store_asks)
{
    PAIR(p, {"HTTP/1.1 503 Slow Down\r\nRetry-After: 1\r\n" EMPTY, false}, {OK EMPTY, false});
    const int64_t start_ns = clock_monotonic_ns();

    CHECK_ERR(store_put(p.store, "x", slice_string("1"), PUT_REPLACE, e), ERR_TRANSIENT);
    CHECK_OK(store_put(p.store, "x", slice_string("1"), PUT_REPLACE, e));
    CHECK(clock_monotonic_ns() - start_ns >= NS_PER_S);
}

TEST(the_time_to_wait_may_be_a_date_and_is_bounded)
{
    PAIR(p,
         {"HTTP/1.1 503 Slow Down\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\n"
          "Retry-After: Fri, 24 May 2013 00:00:01 GMT\r\n" EMPTY,
          false},
         {OK EMPTY, false}, {"HTTP/1.1 429 Slow Down\r\nRetry-After: soon\r\n" EMPTY, false},
         {OK EMPTY, false});
    const int64_t start_ns = clock_monotonic_ns();

    CHECK_ERR(store_put(p.store, "x", slice_string("1"), PUT_REPLACE, e), ERR_TRANSIENT);
    CHECK_OK(store_put(p.store, "x", slice_string("1"), PUT_REPLACE, e));
    CHECK(clock_monotonic_ns() - start_ns >= NS_PER_S);
    CHECK_ERR(store_put(p.store, "x", slice_string("1"), PUT_REPLACE, e), ERR_TRANSIENT);
    CHECK_OK(store_put(p.store, "x", slice_string("1"), PUT_REPLACE, e));
    CHECK(clock_monotonic_ns() - start_ns < 10 * NS_PER_S);
}

TEST(statuses_become_codes)
{
    static const struct {
        const char *reply;
        enum err_code code;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n", ERR_FATAL},
        {"HTTP/1.1 403 Forbidden\r\n", ERR_DENIED},
        {"HTTP/1.1 404 Not Found\r\n", ERR_NOT_FOUND},
        {"HTTP/1.1 405 Method Not Allowed\r\n", ERR_FATAL},
        {"HTTP/1.1 408 Request Timeout\r\n", ERR_TRANSIENT},
        {"HTTP/1.1 429 Too Many Requests\r\n", ERR_TRANSIENT},
        {"HTTP/1.1 500 Internal Server Error\r\n", ERR_TRANSIENT},
        {"HTTP/1.1 502 Bad Gateway\r\n", ERR_TRANSIENT},
        {"HTTP/1.1 504 Gateway Timeout\r\n", ERR_TRANSIENT},
        {"HTTP/1.1 507 Insufficient Storage\r\n", ERR_FATAL},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf reply = {0};
        AUTO(buf) struct buf got = {0};
        struct err why = {0};

        PAIR(p, {with_body(&reply, rows[i].reply, "<html>?</html>"), false});
        CHECK(!store_get_all(p.store, "x", &got, &why));
        ck_assert_msg(why.code == rows[i].code, "%s: %d %s", rows[i].reply, (int)why.code,
                      why.text);
        CHECK(canned_count(p.server) == 1);
    }
}

TEST(codes_inside_of_replies_count_more_than_statuses)
{
    static const struct {
        const char *head, *code;
        enum err_code wanted;
    } rows[] = {
        {"HTTP/1.1 400 Bad Request\r\n", "RequestTimeout", ERR_TRANSIENT},
        {"HTTP/1.1 400 Bad Request\r\n", "BadDigest", ERR_TRANSIENT},
        {"HTTP/1.1 409 Conflict\r\n", "ConditionalRequestConflict", ERR_TRANSIENT},
        {"HTTP/1.1 409 Conflict\r\n", "InvalidBucketState", ERR_FATAL},
        {"HTTP/1.1 400 Bad Request\r\n", "InvalidToken", ERR_DENIED},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf body = {0};
        AUTO(buf) struct buf reply = {0};
        struct err why = {0};

        buf_printf(&body, "<Error><Code>%s</Code><Message>So it is</Message></Error>",
                   rows[i].code);
        PAIR(p, {with_body(&reply, rows[i].head, buf_string(&body)), false});
        CHECK(!store_put(p.store, "x", slice_string("1"), PUT_NEW, &why));
        ck_assert_msg(why.code == rows[i].wanted, "%s: %d %s", rows[i].code, (int)why.code,
                      why.text);
        CHECK(strstr(why.text, rows[i].code) != NULL && strstr(why.text, "So it is") != NULL);
    }
}

TEST(an_error_in_a_reply_of_success_is_one)
{
    AUTO(buf) struct buf reply = {0};
    AUTO(buf) struct buf seen = {0};

    PAIR(p, {with_body(&reply, OK, "<Error><Code>InternalError</Code></Error>"), false});
    CHECK_ERR(store_list(p.store, "", note_key, &seen, e), ERR_TRANSIENT);
    CHECK(seen.size == 0);
}

TEST(a_sentence_of_the_store_that_holds_a_key_is_not_told)
{
    AUTO(buf) struct buf reply = {0};
    AUTO(buf) struct buf got = {0};
    struct err why = {0};

    PAIR(p, {with_body(&reply, "HTTP/1.1 403 Forbidden\r\n",
                       "<Error><Code>InvalidAccessKeyId</Code><Message>Key " ID
                       " is not known</Message></Error>"),
             false});
    CHECK(!store_get_all(p.store, "x", &got, &why));
    CHECK(why.code == ERR_DENIED && strstr(why.text, ID) == NULL);
    CHECK(strstr(why.text, "InvalidAccessKeyId") != NULL);
}

TEST(pages_of_a_listing_follow_each_other)
{
    AUTO(buf) struct buf first = {0};
    AUTO(buf) struct buf second = {0};
    AUTO(buf) struct buf seen = {0};

    PAIR(p,
         {with_body(&first, OK,
                    LIST(KEY("p%2Fa") KEY("p%2FUpper") KEY("p%2Ftmp%2Fx")
                             KEY("p%2F") "<IsTruncated>true</IsTruncated>"
                                         "<NextContinuationToken>t/1+</NextContinuationToken>")),
          false},
         {with_body(&second, OK, LIST(KEY("p%2Fb") "<IsTruncated>false</IsTruncated>")), false});
    CHECK_OK(store_list(p.store, "", note_key, &seen, e));
    ck_assert_str_eq(buf_string(&seen), "a b ");
    CHECK(strstr(canned_request(p.server, 1), "continuation-token=t%2F1%2B&") != NULL);
}

TEST(a_listing_that_breaks_off_or_goes_in_circles_is_an_error)
{
    static const struct {
        const char *body;
        enum err_code code;
    } rows[] = {
        {LIST(KEY("p%2Fa") "<IsTruncated>true</IsTruncated>"), ERR_TRANSIENT},
        {LIST(KEY("p%2Fa") "<IsTruncated>true</IsTruncated><NextContinuationToken>t"
                           "</NextContinuationToken>"),
         ERR_FATAL},
        {LIST(KEY("q%2Fa")), ERR_TRANSIENT},
        {"<ListBucketResult>" KEY("p%2Fa"), ERR_TRANSIENT},
        {"", ERR_TRANSIENT},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf reply = {0};
        AUTO(buf) struct buf seen = {0};

        PAIR(p, {with_body(&reply, OK, rows[i].body), false});
        CHECK_ERR(store_list(p.store, "", note_key, &seen, e), rows[i].code);
    }
}

TEST(a_body_that_is_cut_off_or_without_end_appends_nothing)
{
    static const struct canned_reply rows[] = {
        {OK "Content-Length: 10\r\n\r\n1234", true},
        {OK "\r\n1234", true},
        {OK "Transfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n", true},
        {OK "Content-Len", true},
        {NULL, true},
        {OK "Content-Length: 4\r\nx-amz-checksum-sha256: AAAA\r\n\r\n1234", false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf got = {0};

        PAIR(p, rows[i]);
        buf_append(&got, "kept", 4);
        CHECK_ERR(store_get_all(p.store, "x", &got, e), ERR_TRANSIENT);
        CHECK(got.size == 4);
    }
}

TEST(a_reply_to_a_range_is_that_range)
{
    static const struct {
        const char *reply;
        enum err_code code;
    } rows[] = {
        {"HTTP/1.1 206 Partial\r\nContent-Range: bytes 2-5/10\r\nContent-Length: 4\r\n\r\n2345",
         ERR_NONE},
        {"HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-3/10\r\nContent-Length: 4\r\n\r\n0123",
         ERR_TRANSIENT},
        {"HTTP/1.1 206 Partial\r\nContent-Length: 4\r\n\r\n2345", ERR_TRANSIENT},
        {OK "Content-Length: 4\r\n\r\n2345", ERR_TRANSIENT},
        {OK "Content-Length: 10\r\n\r\n0123456789", ERR_TRANSIENT},
        {"HTTP/1.1 206 Partial\r\nContent-Range: bytes 2-3/4\r\nContent-Length: 2\r\n\r\n23",
         ERR_CORRUPT},
        {"HTTP/1.1 416 Range Not Satisfiable\r\n" EMPTY, ERR_CORRUPT},
        {"HTTP/1.1 404 Not Found\r\n" EMPTY, ERR_NOT_FOUND},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        AUTO(buf) struct buf got = {0};
        struct err why = {0};

        PAIR(p, {rows[i].reply, false});
        buf_append(&got, "<", 1);

        const bool is_got = store_get(p.store, "x", 2, 4, &got, &why);

        ck_assert_msg(is_got == (rows[i].code == ERR_NONE) && (is_got || why.code == rows[i].code),
                      "%s: %s", rows[i].reply, why.text);
        ck_assert_str_eq(buf_string(&got), is_got ? "<2345" : "<");
        CHECK(has_line(canned_request(p.server, 0), "\r\nrange: bytes=2-5\r\n"));
    }
}

TEST(a_key_that_is_taken_exists_and_a_store_without_conditions_is_asked_first)
{
    PAIR(p, {"HTTP/1.1 412 Precondition Failed\r\n" EMPTY, false},
         {"HTTP/1.1 501 Not Implemented\r\n" EMPTY, false},
         {"HTTP/1.1 404 Not Found\r\n" EMPTY, false}, {OK EMPTY, false},
         {OK "Content-Length: 0\r\nLast-Modified: Fri, 24 May 2013 00:00:00 GMT\r\n\r\n", false});

    CHECK_ERR(store_put(p.store, "x", slice_string("1"), PUT_NEW, e), ERR_EXISTS);
    CHECK(has_line(canned_request(p.server, 0), "\r\nif-none-match: *\r\n"));
    CHECK_OK(store_put(p.store, "x", slice_string("1"), PUT_NEW, e));
    CHECK(strncmp(canned_request(p.server, 2), "HEAD ", 5) == 0);
    CHECK(!has_line(canned_request(p.server, 3), "if-none-match"));
    CHECK_ERR(store_put(p.store, "y", slice_string("1"), PUT_NEW, e), ERR_EXISTS);
    CHECK(canned_count(p.server) == 5);
}

TEST(a_put_sends_its_sums)
{
    PAIR(p, {OK EMPTY, false});

    CHECK_OK(store_put(p.store, "packs/1", slice_string("abc"), PUT_REPLACE, e));

    const char *request = canned_request(p.server, 0);

    CHECK(strncmp(request, "PUT /bucket/p/packs/1 HTTP/1.1\r\n", 32) == 0);
    CHECK(has_line(request, "\r\nx-amz-checksum-sha256: "
                            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=\r\n"));
    CHECK(has_line(request, "\r\nx-amz-content-sha256: "
                            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    CHECK(!has_line(request, "expect") && !has_line(request, "if-none-match"));
    CHECK(!has_line(request, SECRET));
}

TEST(a_clock_that_is_wrong_is_set_by_the_date_of_the_reply)
{
    AUTO(buf) struct buf reply = {0};
    AUTO(buf) struct buf got = {0};

    PAIR(p,
         {with_body(&reply, "HTTP/1.1 403 Forbidden\r\nDate: Fri, 24 May 2013 00:00:00 GMT\r\n",
                    "<Error><Code>RequestTimeTooSkewed</Code></Error>"),
          false},
         {OK "Content-Length: 1\r\n\r\n1", false});
    CHECK_OK(store_get_all(p.store, "x", &got, e));
    CHECK(has_line(canned_request(p.server, 1), "x-amz-date: 20130524T0000"));
    CHECK(has_line(canned_request(p.server, 1), "/20130524/us-east-1/s3/"));
}

TEST(another_region_is_signed_for_at_the_same_host)
{
    static const char *const heads[] = {
        "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-1\r\n",
        ("HTTP/1.1 307 Temporary Redirect\r\nx-amz-bucket-region: eu-west-1\r\n"
         "Location: http://127.0.0.2:9/bucket/p/x\r\n"),
        "HTTP/1.1 400 Bad Request\r\n",
    };

    for (size_t i = 0; i < 3; i++) {
        AUTO(buf) struct buf reply = {0};
        AUTO(buf) struct buf got = {0};

        PAIR(p,
             {with_body(&reply, heads[i],
                        "<Error><Code>AuthorizationHeaderMalformed</Code>"
                        "<Region>eu-west-1</Region></Error>"),
              false},
             {OK "Content-Length: 1\r\n\r\n1", false});
        CHECK_OK(store_get_all(p.store, "x", &got, e));
        CHECK(canned_count(p.server) == 2);
        CHECK(has_line(canned_request(p.server, 1), "/eu-west-1/s3/aws4_request"));
    }
}

TEST(no_redirection_is_followed)
{
    AUTO(buf) struct buf got = {0};
    struct err why = {0};

    PAIR(p, {"HTTP/1.1 307 Temporary Redirect\r\nLocation: http://127.0.0.1:9/elsewhere\r\n" EMPTY,
             false});
    CHECK(!store_get_all(p.store, "x", &got, &why));
    CHECK(why.code == ERR_FATAL && strstr(why.text, "elsewhere") != NULL);
    CHECK(canned_count(p.server) == 1);
}

TEST(a_put_whose_connection_breaks_is_not_sent_again_in_secret)
{
    PAIR(p, {OK EMPTY, false}, {NULL, true}, {OK EMPTY, false});

    CHECK_OK(store_put(p.store, "x", slice_string("1"), PUT_NEW, e));
    CHECK_ERR(store_put(p.store, "y", slice_string("1"), PUT_NEW, e), ERR_TRANSIENT);
    CHECK(canned_count(p.server) == 2);
    CHECK_OK(store_put(p.store, "y", slice_string("1"), PUT_NEW, e));
}

TEST(a_connection_that_the_server_closed_meanwhile_is_opened_anew)
{
    PAIR(p, {OK EMPTY, true}, {OK EMPTY, true});

    /* The next request may be faster than the end of the connection. */
    p.store = store_retry_new(p.store, 2);
    for (int i = 0; i < 3; i++)
        CHECK_OK(store_put(p.store, "x", slice_string("1"), PUT_REPLACE, e));
}

TEST(a_server_that_says_nothing_is_given_up)
{
    struct pair p = {.options.s3.timeout_s = 1};
    const struct canned_reply silence = {NULL, false};
    const int64_t start_ns = clock_monotonic_ns();
    AUTO(buf) struct buf got = {0};

    pair_open(&p, &silence, 1);
    CHECK_ERR(store_get_all(p.store, "x", &got, e), ERR_TRANSIENT);
    CHECK(clock_monotonic_ns() - start_ns < 20 * NS_PER_S);
    pair_auto(&p);
}

static void *cancel_soon(void *arg)
{
    while (canned_count(arg) == 0)
        (void)sched_yield();
    cancel_request();
    return NULL;
}

TEST(a_request_under_way_ends_when_somebody_asks_to_stop_and_later_ones_clear_up)
{
    const int64_t start_ns = clock_monotonic_ns();
    AUTO(buf) struct buf got = {0};
    pthread_t other;

    PAIR(p, {NULL, false}, {"HTTP/1.1 204 No Content\r\n\r\n", false});
    CHECK(pthread_create(&other, NULL, cancel_soon, p.server) == 0);
    CHECK_ERR(store_get_all(p.store, "x", &got, e), ERR_CANCELLED);
    CHECK(pthread_join(other, NULL) == 0);
    CHECK(clock_monotonic_ns() - start_ns < 20 * NS_PER_S);
    CHECK_OK(store_remove(p.store, "x", e));
}

TEST(variables_name_no_proxy)
{
    CHECK(setenv("http_proxy", "http://127.0.0.1:9", 1) == 0);
    CHECK(setenv("all_proxy", "http://127.0.0.1:9", 1) == 0);
    PAIR(p, {OK EMPTY, false});
    CHECK_OK(store_put(p.store, "x", slice_string("1"), PUT_NEW, e));
}

TEST(many_are_removed_by_a_thousand_and_one_that_is_not_is_told)
{
    enum { KEYS = 1001 };
    AUTO(buf) struct buf done = {0};
    AUTO(buf) struct buf denied = {0};
    AUTO(buf) struct buf busy = {0};
    static const char *keys[KEYS];

    for (int i = 0; i < KEYS; i++)
        keys[i] = "packs/1";
    PAIR(p, {with_body(&done, OK, "<DeleteResult></DeleteResult>"), false},
         {with_body(&done, OK, "<DeleteResult></DeleteResult>"), false},
         {with_body(&denied, OK,
                    "<DeleteResult><Error><Code>AccessDenied</Code></Error></DeleteResult>"),
          false},
         {with_body(&busy, OK, "<DeleteResult><Error><Code>SlowDown</Code></Error></DeleteResult>"),
          false});
    CHECK_OK(store_remove_all(p.store, keys, KEYS, e));
    CHECK(canned_count(p.server) == 2);
    CHECK(has_line(canned_request(p.server, 1), "<Object><Key>p/packs/1</Key></Object></Delete>"));
    CHECK(has_line(canned_request(p.server, 1), "\r\ncontent-md5: "));
    CHECK_ERR(store_remove_all(p.store, keys, 1, e), ERR_DENIED);
    CHECK_ERR(store_remove_all(p.store, keys, 1, e), ERR_TRANSIENT);
}

TEST(keys_that_have_expired_are_got_anew_by_their_command)
{
    AUTO(scratch) char *dir = scratch_new();
    const struct scratch_path script = scratch_join(dir, "keys");
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf expired = {0};
    AUTO(buf) struct buf got = {0};
    struct pair p = {.options.s3.credentials_command = script.text};

    buf_printf(&text,
               "#!/bin/sh\necho x >>'%s/runs'\nprintf '{\"Version\": 1, \"AccessKeyId\": \"A\", "
               "\"SecretAccessKey\": \"B\", \"SessionToken\": \"token-%%d\"}' "
               "\"$(wc -l <'%s/runs')\"\n",
               dir, dir);
    scratch_write(script.text, buf_string(&text));
    CHECK(chmod(script.text, 0700) == 0);

    const struct canned_reply replies[] = {
        {with_body(&expired, "HTTP/1.1 400 Bad Request\r\n",
                   "<Error><Code>ExpiredToken</Code></Error>"),
         false},
        {OK "Content-Length: 1\r\n\r\n1", false},
    };

    pair_open(&p, replies, 2);
    CHECK_OK(store_get_all(p.store, "x", &got, e));
    CHECK(has_line(canned_request(p.server, 0), "x-amz-security-token: token-1\r\n"));
    CHECK(has_line(canned_request(p.server, 1), "x-amz-security-token: token-2\r\n"));
    pair_auto(&p);
}

TESTS("store s3 replies", a_request_waits_for_as_long_as_the_store_asks,
      the_time_to_wait_may_be_a_date_and_is_bounded, statuses_become_codes,
      codes_inside_of_replies_count_more_than_statuses, an_error_in_a_reply_of_success_is_one,
      a_sentence_of_the_store_that_holds_a_key_is_not_told, pages_of_a_listing_follow_each_other,
      a_listing_that_breaks_off_or_goes_in_circles_is_an_error,
      a_body_that_is_cut_off_or_without_end_appends_nothing, a_reply_to_a_range_is_that_range,
      a_key_that_is_taken_exists_and_a_store_without_conditions_is_asked_first,
      a_put_sends_its_sums, a_clock_that_is_wrong_is_set_by_the_date_of_the_reply,
      another_region_is_signed_for_at_the_same_host, no_redirection_is_followed,
      a_put_whose_connection_breaks_is_not_sent_again_in_secret,
      a_connection_that_the_server_closed_meanwhile_is_opened_anew,
      a_server_that_says_nothing_is_given_up,
      a_request_under_way_ends_when_somebody_asks_to_stop_and_later_ones_clear_up,
      variables_name_no_proxy, many_are_removed_by_a_thousand_and_one_that_is_not_is_told,
      keys_that_have_expired_are_got_anew_by_their_command)
