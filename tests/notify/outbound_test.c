/* Requests to a real web server over TLS, which behaves badly when it is asked to. */
#include "notify/outbound.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/text.h"
#include "base/thread.h"
#include "server.h"

static struct scratch dir;
static struct server server;
static const char *allowed[HTTPS_PORTS];
static struct outbound_settings settings;

static void server_begin(void)
{
    scratch_init(&dir);
    server_start(&server, "https_server.py", dir.path, HTTPS_PORTS);
    for (size_t i = 0; i < HTTPS_PORTS; i++)
        allowed[i] = server_place("localhost", server.ports[i]);
    settings = (struct outbound_settings){.allowed = allowed,
                                          .allowed_count = HTTPS_PORTS,
                                          .ca_file = path_in(dir.path, "ca.pem"),
                                          .total_ms = 10000};
}

static void server_end(void)
{
    server_stop(&server);
    scratch_done(&dir);
}

static struct outbound_reply get(const struct outbound_settings *s, const char *url)
{
    const struct outbound_request r = {.method = "GET", .url = url};
    struct outbound_reply reply;

    outbound_send(s, &r, &reply);
    return reply;
}

static const char *good(const char *path)
{
    return server_url("https", "localhost", server.ports[HTTPS_GOOD], path);
}

TEST(a_request_arrives_with_its_headers_and_body)
{
    static const char *const headers[] = {"Content-Type: application/json", "X-One: two"};
    const struct outbound_request r = {.method = "POST",
                                       .url = good("/hook?a=%20b"),
                                       .headers = headers,
                                       .header_count = 2,
                                       .body = slice_string("{\"a\":1}")};
    struct outbound_reply reply;

    json_decref(server_notes(dir.path, "requests"));
    outbound_send(&settings, &r, &reply);
    CHECK(reply.outcome == OUTBOUND_DONE);

    json_t *notes = server_notes(dir.path, "requests");
    json_t *note = json_array_get(notes, 0);
    json_t *seen = json_object_get(note, "headers");

    ck_assert_uint_eq(json_array_size(notes), 1);
    ck_assert_str_eq(json_string_value(json_object_get(note, "method")), "POST");
    ck_assert_str_eq(json_string_value(json_object_get(note, "path")), "/hook?a=%20b");
    ck_assert_str_eq(json_string_value(json_object_get(note, "body")), "{\"a\":1}");
    ck_assert_str_eq(json_string_value(json_object_get(seen, "content-type")), "application/json");
    ck_assert_str_eq(json_string_value(json_object_get(seen, "x-one")), "two");
    CHECK(json_object_get(seen, "expect") == NULL);
    CHECK(strncmp(json_string_value(json_object_get(seen, "user-agent")), "holdfast/", 9) == 0);
    json_decref(notes);
}

TEST(each_status_has_its_outcome)
{
    static const struct {
        const char *path;
        enum outbound_outcome outcome;
    } rows[] = {
        {"/200", OUTBOUND_DONE},        {"/204", OUTBOUND_DONE},
        {"/301", OUTBOUND_REDIRECTED},  {"/302", OUTBOUND_REDIRECTED},
        {"/307", OUTBOUND_REDIRECTED},  {"/400", OUTBOUND_REJECTED},
        {"/401", OUTBOUND_REJECTED},    {"/404", OUTBOUND_REJECTED},
        {"/410", OUTBOUND_REJECTED},    {"/408", OUTBOUND_BUSY},
        {"/425", OUTBOUND_BUSY},        {"/429", OUTBOUND_BUSY},
        {"/500", OUTBOUND_BUSY},        {"/503", OUTBOUND_BUSY},
        {"/break", OUTBOUND_NO_ANSWER},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct outbound_reply reply = get(&settings, good(rows[i].path));

        ck_assert_msg(reply.outcome == rows[i].outcome, "%s: %s", rows[i].path,
                      outbound_outcome_name(reply.outcome));
        ck_assert_int_eq(reply.retry_after_s, reply.outcome == OUTBOUND_BUSY ? 120 : 0);
    }
    ck_assert_int_eq(get(&settings, good("/endless-wait")).retry_after_s, OUTBOUND_RETRY_S);
}

TEST(nobody_follows_to_where_a_reply_points)
{
    static const char *const paths[] = {"/inside", "/here"};

    json_decref(server_notes(dir.path, "requests"));
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        CHECK(get(&settings, good(paths[i])).outcome == OUTBOUND_REDIRECTED);

        json_t *notes = server_notes(dir.path, "requests");

        ck_assert_uint_eq(json_array_size(notes), 1);
        json_decref(notes);
    }
}

TEST(certificates_have_to_hold)
{
    struct outbound_settings system = settings;

    system.ca_file = NULL;
    CHECK(get(&system, good("/200")).outcome == OUTBOUND_BAD_CERTIFICATE);
    CHECK(get(&settings, server_url("https", "localhost", server.ports[HTTPS_OTHER_NAME], "/200"))
              .outcome == OUTBOUND_BAD_CERTIFICATE);
    CHECK(get(&settings, server_url("https", "localhost", server.ports[HTTP_PLAIN], "/200"))
              .outcome == OUTBOUND_NO_ANSWER);
}

TEST(plain_http_goes_to_listed_places_only)
{
    const char *url = server_url("http", "localhost", server.ports[HTTP_PLAIN], "/200");
    struct outbound_settings none = settings;

    CHECK(get(&settings, url).outcome == OUTBOUND_DONE);
    none.allowed_count = 0;
    CHECK(get(&none, url).outcome == OUTBOUND_REFUSED);
    CHECK(get(&none, good("/200")).outcome == OUTBOUND_REFUSED);
    CHECK(get(&settings, server_url("https", "127.0.0.1", server.ports[HTTPS_GOOD], "/200"))
              .outcome == OUTBOUND_REFUSED);
}

static int64_t ms_since(int64_t begin_ns)
{
    return (clock_monotonic_ns() - begin_ns) / (NS_PER_S / 1000);
}

TEST(a_reply_that_drips_ends_with_the_time_for_a_call)
{
    struct outbound_settings s = settings;
    const int64_t begin_ns = clock_monotonic_ns();

    s.total_ms = 1000;
    CHECK(get(&s, good("/drip-head")).outcome == OUTBOUND_NO_ANSWER);
    CHECK(get(&s, good("/drip-body")).outcome == OUTBOUND_DONE);
    CHECK(get(&s, good("/hang")).outcome == OUTBOUND_NO_ANSWER);
    CHECK(ms_since(begin_ns) < 20000);
}

/* What the server got rid of before the connection was closed: what we read, and what sockets and
 * TLS hold. */
static void check_sent_little(void)
{
    const char *path = path_in(dir.path, "sent");
    AUTO(buf) struct buf text = {0};
    uint64_t sent = 0;

    for (int i = 0; i < 100 && access(path, F_OK) != 0; i++)
        (void)poll(NULL, 0, 50);
    (void)poll(NULL, 0, 50); /* written after it is made */
    file_take(path, &text);
    CHECK_OK(parse_u64(buf_string(&text), &sent, e));
    ck_assert_msg(sent < 20 << 20, "%llu bytes", (unsigned long long)sent);
    (void)unlink(path);
}

TEST(a_reply_without_end_is_not_read_to_it)
{
    CHECK(get(&settings, good("/huge")).outcome == OUTBOUND_DONE);
    check_sent_little();
    CHECK(get(&settings, good("/long-head")).outcome == OUTBOUND_TOO_LONG);
    check_sent_little();
}

static void *cancel_soon(void *arg)
{
    (void)poll(NULL, 0, 300);
    cancel_request();
    return arg;
}

TEST(a_call_that_waits_for_its_reply_can_be_stopped)
{
    const int64_t begin_ns = clock_monotonic_ns();
    pthread_t t;

    thread_start(&t, cancel_soon, NULL, "cancel");
    CHECK(get(&settings, good("/hang")).outcome == OUTBOUND_CANCELLED);
    CHECK(ms_since(begin_ns) < 5000);
    thread_join(t);
}

static void *call_often(void *arg)
{
    for (int i = 0; i < 5; i++)
        CHECK(get(&settings, arg).outcome == OUTBOUND_DONE);
    return NULL;
}

TEST(many_threads_may_call_at_once)
{
    enum { THREADS = 4 };
    const char *url = good("/200");
    pthread_t threads[THREADS];

    for (int i = 0; i < THREADS; i++)
        thread_start(&threads[i], call_often, (void *)(uintptr_t)url, "call");
    for (int i = 0; i < THREADS; i++)
        thread_join(threads[i]);
}

TESTS_BETWEEN("outbound", server_begin, server_end, a_request_arrives_with_its_headers_and_body,
              each_status_has_its_outcome, nobody_follows_to_where_a_reply_points,
              certificates_have_to_hold, plain_http_goes_to_listed_places_only,
              a_reply_that_drips_ends_with_the_time_for_a_call,
              a_reply_without_end_is_not_read_to_it, a_call_that_waits_for_its_reply_can_be_stopped,
              many_threads_may_call_at_once)
