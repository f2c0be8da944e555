/* Addresses of requests: which are read at all, and which may be asked. */
#include "support/test.h"

#include <arpa/inet.h>
#include <string.h>

#include "notify/outbound.h"

static const char *const listed[] = {"127.0.0.1:8080", "localhost:8025", "[::1]:9000",
                                     "Chat.Internal:443", "10.0.0.7:443"};
static const struct outbound_settings settings = {
    .allowed = listed, .allowed_count = sizeof(listed) / sizeof(listed[0])};

static void check_refused(const char *url, enum err_code code)
{
    struct outbound_place place = {.port = 7};
    struct err e = {0};

    ck_assert_msg(!outbound_place_parse(&settings, url, &place, &e), "%s was taken", url);
    ck_assert_msg(e.code == code, "%s: code %d: %s", url, (int)e.code, e.text);
    CHECK(place.port == 7);
    /* An address of a webhook is as good as a password. */
    ck_assert_msg(strstr(e.text, "token") == NULL, "%s", e.text);
}

static const char *const tricks[] = {
    "",
    "hooks.example.org/token",
    "//hooks.example.org/token",
    "https:",
    "https:/hooks.example.org",
    "https:hooks.example.org",
    "https://",
    "https:///token",
    "https://:443/token",
    " https://hooks.example.org/token",
    "https://hooks.example.org/token ",
    "https://hooks.example.org/a token",
    "https://hooks.example.org/token\r\nHost: inside",
    "https://hooks.example.org/token\t",
    "https://hooks.example.org\\@127.0.0.1/token",
    "https://127.0.0.1\\@hooks.example.org/token",
    "https://hooks.example.org#@127.0.0.1/token",
    "https://hooks.example.org/token#part",
    "https://user@hooks.example.org/token",
    "https://user:token@hooks.example.org/",
    "https://hooks.example.org@127.0.0.1/token",
    "https://hooks.example.org%2f@127.0.0.1/token",
    "https://@hooks.example.org/token",
    "https://2130706433/token",
    "https://0x7f000001/token",
    "https://0x7f.1/token",
    "https://0x7f.0.0.0x1/token",
    "https://017700000001/token",
    "https://0177.0.0.1/token",
    "https://127.1/token",
    "https://127.0.1/token",
    "https://127.0.0.01/token",
    "https://127.0.0.1./token",
    "https://1.2.3.4.5/token",
    "https://256.1.1.1/token",
    "https://0/token",
    "https://hooks.example.org./token",
    "https://hooks..example.org/token",
    "https://.example.org/token",
    "https://-hooks.example.org/token",
    "https://hooks_1.example.org/token",
    "https://%31%32%37.0.0.1/token",
    "https://hooks%2eexample.org/token",
    "https://hooks.example.org%00.evil.org/token",
    "https://h\xc3\xb6\xc3\xb6ks.example.org/token",
    "https://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/token",
    "https://127\xe3\x80\x82\x30.0.1/token",
    "https://[::1/token",
    "https://::1/token",
    "https://[::1]x/token",
    "https://[::1%25lo]/token",
    "https://[fe80::1%eth0]/token",
    "https://[127.0.0.1]/token",
    "https://[v1.x]/token",
    "https://[0:0:0:0:0:0:0:1]/token",
    "https://[64:ff9b::127.0.0.1]/token",
    "https://hooks.example.org:0/token",
    "https://hooks.example.org:65536/token",
    "https://hooks.example.org:44 3/token",
    "https://hooks.example.org:-1/token",
    "https://hooks.example.org:443:80/token",
    "https://hooks.example.org,127.0.0.1/token",
    "https://hooks.example.org;127.0.0.1/token",
    "HTTPS://hooks.example.org/token",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/token",
    "dict://127.0.0.1:11211/token",
    "ftp://hooks.example.org/token",
    "smb://hooks.example.org/token",
    "unix:///run/token.sock",
    "javascript:token",
};

TEST(what_no_two_programs_read_alike_is_no_address)
{
    for (size_t i = 0; i < sizeof(tricks) / sizeof(tricks[0]); i++)
        check_refused(tricks[i], ERR_USAGE);
}

TEST(places_inside_are_refused_unless_their_port_is_listed)
{
    static const char *const inside[] = {
        "https://127.0.0.1/token",
        "https://127.0.0.1:8081/token",
        "https://127.255.255.254/token",
        "https://0.0.0.0/token",
        "https://10.0.0.7:8443/token",
        "https://172.16.0.1/token",
        "https://192.168.1.1/token",
        "https://169.254.169.254/latest/token",
        "https://100.100.100.200/token",
        "https://168.63.129.16/token",
        "https://192.0.0.192/token",
        "https://255.255.255.255/token",
        "https://[::1]/token",
        "https://[::]/token",
        "https://[::ffff:127.0.0.1]/token",
        "https://[::ffff:7f00:1]/token",
        "https://[::ffff:8.8.8.8]/token",
        "https://[::127.0.0.1]/token",
        "https://[64:ff9b::7f00:1]/token",
        "https://[fe80::1]/token",
        "https://[fd00:ec2::254]/token",
        "https://[2002:7f00:1::]/token",
        "https://localhost/token",
        "https://localhost:8026/token",
        "https://intranet/token",
        "https://metadata/token",
        "http://hooks.example.org/token",
        "http://chat.internal/token",
    };

    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
        check_refused(inside[i], ERR_DENIED);
}

static void check_place(const char *url, const char *scheme, const char *host, uint16_t port,
                        bool is_listed)
{
    struct outbound_place place;

    CHECK_OK(outbound_place_parse(&settings, url, &place, e));
    ck_assert_str_eq(place.scheme, scheme);
    ck_assert_str_eq(place.host, host);
    ck_assert_uint_eq(place.port, port);
    CHECK(place.is_listed == is_listed);
}

TEST(addresses_of_the_internet_and_listed_places_are_taken)
{
    check_place("https://hooks.example.org", "https", "hooks.example.org", 443, false);
    check_place("https://hooks.example.org?x=1", "https", "hooks.example.org", 443, false);
    check_place("https://Hooks.Example.ORG:8443/a/../b?c=%20", "https", "hooks.example.org", 8443,
                false);
    check_place("https://xn--hks-sna.example.org/", "https", "xn--hks-sna.example.org", 443, false);
    check_place("https://8.8.8.8/x", "https", "8.8.8.8", 443, false);
    check_place("https://[2606:4700::1111]/x", "https", "2606:4700::1111", 443, false);
    check_place("http://127.0.0.1:8080/x", "http", "127.0.0.1", 8080, true);
    check_place("http://LOCALHOST:8025/x", "http", "localhost", 8025, true);
    check_place("https://[::1]:9000/x", "https", "::1", 9000, true);
    check_place("https://chat.internal/x", "https", "chat.internal", 443, true);
    check_place("https://10.0.0.7/x", "https", "10.0.0.7", 443, true);
}

TEST(an_address_may_be_2048_bytes_long)
{
    struct outbound_place place;
    char url[OUTBOUND_URL_MAX + 2] = "https://hooks.example.org/";

    memset(url + strlen(url), 'a', OUTBOUND_URL_MAX - strlen(url));
    CHECK_OK(outbound_place_parse(&settings, url, &place, e));
    url[OUTBOUND_URL_MAX] = 'a';
    CHECK_ERR(outbound_place_parse(&settings, url, &place, e), ERR_USAGE);
}

TEST(entries_of_the_list_are_a_host_and_a_port)
{
    static const char *const good[] = {"hooks.example.org:443", "[::1]:1", "127.0.0.1:65535",
                                       "localhost:25"};
    static const char *const bad[] = {"",
                                      "localhost",
                                      ":25",
                                      "localhost:",
                                      "localhost:0",
                                      "localhost:65536",
                                      "::1:25",
                                      "[::1]",
                                      "[127.0.0.1]:25",
                                      "https://localhost:25",
                                      "0x7f.1:25",
                                      "local host:25",
                                      "[]:25"};

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK_OK(outbound_allowed_check(good[i], e));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(outbound_allowed_check(bad[i], e), ERR_USAGE);
}

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return outbound_address_is_public((const struct sockaddr *)&v4);
    CHECK(inet_pton(AF_INET6, text, &v6.sin6_addr) == 1);
    return outbound_address_is_public((const struct sockaddr *)&v6);
}

/* The first and the last address of each block, and their neighbours below. */
static const char *const closed[] = {
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.0",
    "10.255.255.255",
    "100.64.0.0",
    "100.127.255.255",
    "127.0.0.0",
    "127.255.255.255",
    "168.63.129.16",
    "169.254.0.0",
    "169.254.255.255",
    "172.16.0.0",
    "172.31.255.255",
    "192.0.0.0",
    "192.0.0.255",
    "192.0.2.0",
    "192.0.2.255",
    "192.88.99.0",
    "192.88.99.255",
    "192.168.0.0",
    "192.168.255.255",
    "198.18.0.0",
    "198.19.255.255",
    "198.51.100.0",
    "198.51.100.255",
    "203.0.113.0",
    "203.0.113.255",
    "224.0.0.0",
    "239.255.255.255",
    "240.0.0.0",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "64:ff9b:1::1",
    "100::1",
    "1fff:ffff::1",
    "2001::1",
    "2001:1ff:ffff::1",
    "2001:db8::1",
    "2001:db8:ffff::1",
    "2002::1",
    "2002:ffff::1",
    "3fff::1",
    "3fff:fff:ffff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fdff::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "ff02::1",
};
static const char *const opened[] = {
    "1.0.0.0",         "9.255.255.255",   "11.0.0.0",      "100.63.255.255",  "100.128.0.0",
    "126.255.255.255", "128.0.0.0",       "168.63.129.15", "168.63.129.17",   "169.253.255.255",
    "169.255.0.0",     "172.15.255.255",  "172.32.0.0",    "191.255.255.255", "192.0.1.0",
    "192.0.3.0",       "192.88.98.255",   "192.88.100.0",  "192.167.255.255", "192.169.0.0",
    "198.17.255.255",  "198.20.0.0",      "198.51.99.255", "198.51.101.0",    "203.0.112.255",
    "203.0.114.0",     "223.255.255.255", "2000::1",       "2001:200::1",     "2001:db7:ffff::1",
    "2001:db9::1",     "2003::1",         "2a00:1450::1",  "3ffe:ffff::1",    "3fff:1000::1",
};

TEST(blocks_that_lead_nowhere_are_closed_to_their_last_address)
{
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        ck_assert_msg(!is_public(closed[i]), "%s is open", closed[i]);
    for (size_t i = 0; i < sizeof(opened) / sizeof(opened[0]); i++)
        ck_assert_msg(is_public(opened[i]), "%s is closed", opened[i]);
}

TEST(what_is_no_internet_address_is_not_public)
{
    const struct sockaddr local = {.sa_family = AF_UNIX};

    CHECK(!outbound_address_is_public(&local));
}

TESTS("outbound_place", what_no_two_programs_read_alike_is_no_address,
      places_inside_are_refused_unless_their_port_is_listed,
      addresses_of_the_internet_and_listed_places_are_taken, an_address_may_be_2048_bytes_long,
      entries_of_the_list_are_a_host_and_a_port,
      blocks_that_lead_nowhere_are_closed_to_their_last_address,
      what_is_no_internet_address_is_not_public)
