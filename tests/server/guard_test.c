/* Heads as bytes, split and checked without a socket. */
#include <string.h>

#include "server/guard.h"
#include "support/test.h"

static int status_of(const char *text)
{
    struct guard_field fields[GUARD_HEADERS_MAX + 1];
    struct guard_facts facts;
    struct guard_head h;
    const char *why = NULL;

    if (!guard_split(slice_string(text), fields, &h))
        return -1;

    const int status = guard_check(&h, &facts, &why);

    CHECK((status == 0) == (why == NULL));
    return status;
}

TEST(a_head_is_split_strictly)
{
    CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n") == 0);
    CHECK(status_of("GET / HTTP/1.1\nHost: a\n\n") == -1);
    CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\n\n") == -1);
    CHECK(status_of("GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n") == -1);
    CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\n") == -1);
    CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\nx") == -1);
    CHECK(status_of("GET / HTTP/1.1\r\nHost a\r\n\r\n") == -1);
    CHECK(status_of("GET  / HTTP/1.1\r\nHost: a\r\n\r\n") == 505);
    CHECK(status_of("") == -1);
}

TEST(a_head_with_two_meanings_is_refused)
{
    CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == 400);
    CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n") == 400);
    CHECK(
        status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n") ==
        400);
    CHECK(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: "
                    "chunked\r\n\r\n") == 400);
    CHECK(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890123456789\r\n\r\n") ==
          400);
    CHECK(status_of("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n") == 0);
    CHECK(status_of("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n") == 501);
    CHECK(status_of("GET / HTTP/1.2\r\nHost: a\r\n\r\n") == 505);
    CHECK(status_of("POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n") == 417);
}

TEST(a_path_is_decoded_once_or_refused)
{
    static const char *const bad[] = {"",     "a",       "//",         "/a//b",  "/.",
                                      "/..",  "/a/../b", "/%2e",       "/%2F",   "/%5C",
                                      "/\\",  "/%00",    "/%1f",       "/%",     "/%a",
                                      "/%g0", "/%c0%ae", "/%ed%a0%80", "/a%2fb", "/%e2%82"};
    char out[GUARD_TARGET_MAX + 1];

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!guard_path(slice_string(bad[i]), out), "%s", bad[i]);
    CHECK(guard_path(slice_string("/a%20b/%25%32%66/..c/"), out) &&
          strcmp(out, "/a b/%2f/..c/") == 0);
    CHECK(guard_path(slice_string("/"), out) && strcmp(out, "/") == 0);
    CHECK(guard_query_part(slice_string("a+b%2F..%2f"), out) && strcmp(out, "a b/../") == 0);
    CHECK(!guard_query_part(slice_string("%00"), out));
}

TEST(only_listed_hosts_are_ours)
{
    static const char *const names[] = {"localhost", "[::1]"};

    CHECK(guard_host_is_allowed(slice_string("LocalHost:80"), names, 2));
    CHECK(guard_host_is_allowed(slice_string("[::1]:80"), names, 2));
    CHECK(!guard_host_is_allowed(slice_string("localhost.example.org"), names, 2));
    CHECK(!guard_host_is_allowed(slice_string("[::1"), names, 2));
    CHECK(!guard_host_is_allowed(slice_string(""), names, 2));
}

TESTS("server guard", a_head_is_split_strictly, a_head_with_two_meanings_is_refused,
      a_path_is_decoded_once_or_refused, only_listed_hosts_are_ours)
