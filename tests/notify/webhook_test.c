/* Webhooks and heartbeats to a real web server. */
#include "notify/webhook.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server.h"

static struct scratch dir;
static struct server server;
static const char *allowed[1];
static struct outbound_settings settings;

static void server_begin(void)
{
    scratch_init(&dir);
    server_start(&server, "https_server.py", dir.path, HTTPS_PORTS);
    allowed[0] = server_place("localhost", server.ports[HTTPS_GOOD]);
    settings = (struct outbound_settings){.allowed = allowed,
                                          .allowed_count = 1,
                                          .ca_file = path_in(dir.path, "ca.pem"),
                                          .total_ms = 10000};
}

static void server_end(void)
{
    server_stop(&server);
    scratch_done(&dir);
}

static const char *url(const char *path)
{
    return server_url("https", "localhost", server.ports[HTTPS_GOOD], path);
}

static json_t *only_request(void)
{
    json_t *notes = server_notes(dir.path, "requests");
    json_t *note = json_incref(json_array_get(notes, 0));

    ck_assert_uint_eq(json_array_size(notes), 1);
    json_decref(notes);
    return note;
}

static const char *text_in(json_t *note, const char *name)
{
    return json_string_value(json_object_get(note, name));
}

static const char *header_in(json_t *note, const char *name)
{
    return text_in(json_object_get(note, "headers"), name);
}

/* Computed with Python: hmac.new(b"secret", b'1795260600.{"a":1}', "sha256"). */
TEST(a_signature_covers_time_and_body)
{
    AUTO(buf) struct buf out = {0};

    webhook_sign("secret", 1795260600, slice_string("{\"a\":1}"), &out);
    ck_assert_str_eq(
        buf_string(&out),
        "t=1795260600,v1=29692ea9688390be7e0aba83c11809ef079e0afe62840fca44b177a4c8050abd");
}

TEST(a_webhook_is_posted_with_a_signature_of_the_moment)
{
    const struct webhook w = {
        .url = url("/hook"), .id = "0a1b", .body = slice_string("{\"a\":1}"), .secret = "secret"};
    struct outbound_reply reply;
    const int64_t before_s = clock_now_ns() / NS_PER_S;
    AUTO(buf) struct buf wanted = {0};
    char digits[16] = "";
    uint64_t time_s = 0;

    webhook_send(&settings, &w, &reply);
    CHECK(reply.outcome == OUTBOUND_DONE);

    json_t *note = only_request();
    const char *signature = header_in(note, "x-holdfast-signature");

    ck_assert_str_eq(text_in(note, "method"), "POST");
    ck_assert_str_eq(text_in(note, "path"), "/hook");
    ck_assert_str_eq(text_in(note, "body"), "{\"a\":1}");
    ck_assert_str_eq(header_in(note, "content-type"), "application/json");
    ck_assert_str_eq(header_in(note, "x-holdfast-delivery"), "0a1b");
    CHECK(strncmp(signature, "t=", 2) == 0);
    memcpy(digits, signature + 2, strcspn(signature + 2, ",") % sizeof(digits));
    CHECK_OK(parse_u64(digits, &time_s, e));
    CHECK((int64_t)time_s >= before_s && (int64_t)time_s <= before_s + 60);
    webhook_sign("secret", (int64_t)time_s, w.body, &wanted);
    ck_assert_str_eq(signature, buf_string(&wanted));
    json_decref(note);
}

TEST(without_a_secret_there_is_no_signature)
{
    const struct webhook w = {.url = url("/hook"), .id = "0a1b", .body = slice_string("{}")};
    struct outbound_reply reply;

    webhook_send(&settings, &w, &reply);
    CHECK(reply.outcome == OUTBOUND_DONE);

    json_t *note = only_request();

    CHECK(header_in(note, "x-holdfast-signature") == NULL);
    json_decref(note);
}

static void check_heartbeat(const char *path, const char *sentence, const char *method,
                            const char *wanted_path)
{
    struct outbound_reply reply;

    webhook_send_heartbeat(&settings, url(path), sentence, &reply);
    CHECK(reply.outcome == OUTBOUND_DONE);

    json_t *note = only_request();

    ck_assert_str_eq(text_in(note, "method"), method);
    ck_assert_str_eq(text_in(note, "path"), wanted_path);
    ck_assert_str_eq(text_in(note, "body"), sentence == NULL ? "" : sentence);
    json_decref(note);
}

TEST(a_heartbeat_tells_success_and_failure_apart)
{
    check_heartbeat("/ping/0a1b", NULL, "GET", "/ping/0a1b");
    check_heartbeat("/ping/0a1b", "disk full", "POST", "/ping/0a1b/fail");
    check_heartbeat("/ping/0a1b/?rid=1", "disk full", "POST", "/ping/0a1b/fail?rid=1");
    check_heartbeat("", "disk full", "POST", "/fail");
}

TESTS_BETWEEN("webhook", server_begin, server_end, a_signature_covers_time_and_body,
              a_webhook_is_posted_with_a_signature_of_the_moment,
              without_a_secret_there_is_no_signature, a_heartbeat_tells_success_and_failure_apart)
