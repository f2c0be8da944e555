/* A syslog server on real sockets, and servers that are gone, deaf or late. */
#include "notify/syslog_sink.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "support/fixture.h"

#define RECORD                                                                                \
    "{\"action\":\"login\",\"actor\":\"alice\",\"details\":{},\"object\":\"\",\"outcome\":\"" \
    "refused\",\"prev\":\"00\",\"seq\":7,\"time\":\"2026-11-22T01:02:03.123456789Z\"}"

struct told {
    char text[2000];
};

static void on_told(void *arg, const char *sentence)
{
    struct told *t = arg;

    ck_assert_uint_lt(strlen(t->text) + strlen(sentence), sizeof(t->text) - 1);
    strcat(t->text, sentence);
    strcat(t->text, "\n");
}

static struct syslog_sink *sink_to(const char *address, struct told *t)
{
    const struct syslog_options o = {
        .address = address, .host = "web 1", .told = on_told, .arg = t};
    struct syslog_sink *s = NULL;

    CHECK_OK(syslog_sink_new(&o, &s, e));
    return s;
}

/* A socket on a free port of this machine; port receives it. */
static int socket_on(int type, unsigned *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(a);
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

    a.sin_port = htons((uint16_t)*port);
    CHECK(fd >= 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) == 0);
    CHECK(bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static int unix_socket(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    memcpy(a.sun_path, path, strlen(path));
    CHECK(fd >= 0);
    CHECK(bind(fd, (const struct sockaddr *)&a, sizeof(a)) == 0);
    return fd;
}

static void await(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    ck_assert_int_eq(poll(&p, 1, 30000), 1);
}

/* What is received until there are size bytes at least; one datagram when size is 1. */
static const char *heard(int fd, size_t size)
{
    static char text[8000];
    size_t used = 0;

    while (used < size) {
        await(fd);

        const ssize_t got = recv(fd, text + used, sizeof(text) - 1 - used, 0);

        ck_assert_int_gt(got, 0);
        used += (size_t)got;
    }
    text[used] = '\0';
    return text;
}

static const char *wanted(void)
{
    static char text[1000];

    (void)snprintf(text, sizeof(text),
                   "<108>1 2026-11-22T01:02:03.123456Z web1 holdfast %d login - %s", (int)getpid(),
                   RECORD);
    return text;
}

TEST(a_record_arrives_at_a_unix_socket_as_rfc_5424_has_it)
{
    AUTO(scratch) struct scratch folder;
    AUTO(buf) struct buf address = {0};
    struct told t = {0};

    scratch_init(&folder);
    buf_printf(&address, "unix:%s", path_in(folder.path, "log"));

    AUTO(fd) int fd = unix_socket(path_in(folder.path, "log"));
    AUTO(syslog_sink) struct syslog_sink *s = sink_to(buf_string(&address), &t);

    syslog_sink_put(s, RECORD);
    ck_assert_str_eq(heard(fd, 1), wanted());
    ck_assert_str_eq(t.text, "");
}
END

TEST(a_record_is_one_datagram_of_udp)
{
    char address[64];
    unsigned port = 0;
    struct told t = {0};
    AUTO(fd) int fd = socket_on(SOCK_DGRAM, &port);

    (void)snprintf(address, sizeof(address), "udp:127.0.0.1:%u", port);

    AUTO(syslog_sink) struct syslog_sink *s = sink_to(address, &t);

    syslog_sink_put(s, RECORD);
    ck_assert_str_eq(heard(fd, 1), wanted());
}
END

TEST(records_are_counted_out_in_octets_over_tcp_also_after_the_server_hung_up)
{
    char address[64], frame[1100];
    unsigned port = 0;
    struct told t = {0};
    AUTO(fd) int fd = socket_on(SOCK_STREAM, &port);

    CHECK(listen(fd, 5) == 0);
    (void)snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", port);

    AUTO(syslog_sink) struct syslog_sink *s = sink_to(address, &t);

    const int length = snprintf(frame, sizeof(frame), "%zu %s", strlen(wanted()), wanted());

    for (int round = 0; round < 2; round++) {
        syslog_sink_put(s, RECORD);
        await(fd);

        AUTO(fd) int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        CHECK(peer >= 0);
        ck_assert_str_eq(heard(peer, (size_t)length), frame);
    }
    ck_assert_uint_eq(syslog_sink_lost(s), 0);
}
END

TEST(a_server_that_comes_late_gets_what_waited)
{
    AUTO(scratch) struct scratch folder;
    AUTO(buf) struct buf address = {0};
    struct told t = {0};

    scratch_init(&folder);
    buf_printf(&address, "unix:%s", path_in(folder.path, "log"));

    AUTO(syslog_sink) struct syslog_sink *s = sink_to(buf_string(&address), &t);

    syslog_sink_put(s, RECORD);
    syslog_sink_put(s, RECORD);
    (void)poll(NULL, 0, 300); /* the first try has failed, in most cases */

    AUTO(fd) int fd = unix_socket(path_in(folder.path, "log"));

    ck_assert_str_eq(heard(fd, 1), wanted());
    ck_assert_str_eq(heard(fd, 1), wanted());
    ck_assert_uint_eq(syslog_sink_lost(s), 0);
}
END

TEST(a_server_that_is_away_blocks_nobody_and_what_is_lost_is_counted_and_told)
{
    struct told t = {0};
    struct syslog_sink *s = sink_to("unix:/nonexistent/log", &t);
    const int64_t start = clock_monotonic_ns();
    uint64_t lost;

    for (int i = 0; i < SYSLOG_WAITING + 500; i++)
        syslog_sink_put(s, RECORD);
    lost = syslog_sink_lost(s);
    ck_assert_uint_ge(lost, 499); /* one may be in the thread's hands */
    ck_assert_uint_le(lost, 500);
    syslog_sink_free(s);
    CHECK(clock_monotonic_ns() - start < 60 * NS_PER_S);
    CHECK(strstr(t.text, "unix:/nonexistent/log") != NULL);
    CHECK(strstr(t.text, "records did not reach") != NULL);
}
END

TEST(a_server_that_reads_nothing_blocks_nobody)
{
    char address[64];
    unsigned port = 0;
    struct told t = {0};
    AUTO(fd) int fd = socket_on(SOCK_STREAM, &port);
    static char record[60001];

    CHECK(listen(fd, 5) == 0);
    (void)snprintf(address, sizeof(address), "tcp:127.0.0.1:%u", port);
    memset(record, 'x', sizeof(record) - 1); /* no JSON: it is passed on as it is */

    struct syslog_sink *s = sink_to(address, &t);

    for (int i = 0; i < 400; i++)
        syslog_sink_put(s, record);
    ck_assert_uint_eq(syslog_sink_lost(s), 0);
    syslog_sink_free(s);
    CHECK(strstr(t.text, "records did not reach tcp:") != NULL);
}
END

TEST(a_record_too_long_for_a_datagram_is_lost_and_the_next_arrives)
{
    char address[64];
    unsigned port = 0;
    struct told t = {0};
    AUTO(fd) int fd = socket_on(SOCK_DGRAM, &port);
    static char record[70001];

    memset(record, 'x', sizeof(record) - 1);
    (void)snprintf(address, sizeof(address), "udp:127.0.0.1:%u", port);

    struct syslog_sink *s = sink_to(address, &t);

    syslog_sink_put(s, record);
    syslog_sink_put(s, RECORD);
    ck_assert_str_eq(heard(fd, 1), wanted());
    ck_assert_uint_eq(syslog_sink_lost(s), 1);
    syslog_sink_free(s);
    CHECK(strstr(t.text, "1 records did not reach udp:") != NULL);
    CHECK(strstr(t.text, "too long") != NULL);
}
END

TEST(addresses_that_are_none_are_refused)
{
    static const char *const bad[] = {"",
                                      "/dev/log",
                                      "unix:dev/log",
                                      "unix:",
                                      "udp:",
                                      "udp:host",
                                      "udp:host:",
                                      "udp:host:0",
                                      "udp:host:65536",
                                      "udp::514",
                                      "tcp:::1:514",
                                      "tcp:[]:514",
                                      "tls:host:6514",
                                      "udp:host:514x"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(syslog_check(bad[i], e), ERR_USAGE);
    CHECK_OK(syslog_check("unix:/dev/log", e));
    CHECK_OK(syslog_check("udp:[::1]:514", e));
    CHECK_OK(syslog_check("tcp:log.example.org:601", e));
}
END

TESTS("syslog_sink", a_record_arrives_at_a_unix_socket_as_rfc_5424_has_it,
      a_record_is_one_datagram_of_udp,
      records_are_counted_out_in_octets_over_tcp_also_after_the_server_hung_up,
      a_server_that_comes_late_gets_what_waited,
      a_server_that_is_away_blocks_nobody_and_what_is_lost_is_counted_and_told,
      a_server_that_reads_nothing_blocks_nobody,
      a_record_too_long_for_a_datagram_is_lost_and_the_next_arrives,
      addresses_that_are_none_are_refused)
