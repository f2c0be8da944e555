#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "source/recorder.h"
#include "support/test.h"

#define STREAM_SIZE ((size_t)3000000)

static void *write_stream(void *arg)
{
    AUTO(mem) uint8_t *bytes = mem_new(STREAM_SIZE);
    const int fd = *(const int *)arg;

    memset(bytes, 's', STREAM_SIZE);
    for (size_t at = 0; at < STREAM_SIZE;) {
        const ssize_t n = write(fd, bytes + at, STREAM_SIZE - at);

        if (n <= 0)
            break;
        at += (size_t)n;
    }
    close(fd);
    return NULL;
}

TEST(a_stream_becomes_one_file)
{
    AUTO(recorder) struct recorder r;
    int ends[2];
    pthread_t writer;

    recorder_init(&r);
    CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    CHECK(fcntl(ends[1], F_SETFL, 0) == 0);
    thread_start(&writer, write_stream, &ends[1], "writer");
    CHECK_OK(stream_backup(ends[0], "dump.sql", 77, &r.sink, e));
    thread_join(writer);
    close(ends[0]);

    const struct record *c = recorder_find(&r, "/dump.sql");

    CHECK(recorder_is_complete(&r) && r.record_count == 1 && c->is_sent);
    CHECK(c->en.size == STREAM_SIZE && c->content.size == STREAM_SIZE);
    CHECK(c->en.mode == 0644 && c->en.mtime_ns == 77 && c->en.links == 1);
    CHECK((c->en.flags & ENTRY_UNTRUSTED_TIME) != 0);
}
END

TEST(an_empty_stream_is_an_empty_file)
{
    AUTO(recorder) struct recorder r;
    AUTO(fd) int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    recorder_init(&r);
    CHECK_OK(stream_backup(fd, "x", 0, &r.sink, e));
    CHECK(recorder_find(&r, "/x")->is_sent && recorder_find(&r, "/x")->en.size == 0);
}
END

TEST(names_that_are_no_names_of_files_are_refused)
{
    static const char *const bad[] = {"", ".", "..", "a/b", "/x"};
    AUTO(recorder) struct recorder r;

    recorder_init(&r);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_ERR(stream_backup(0, bad[i], 0, &r.sink, e), ERR_USAGE);
    CHECK(r.calls == 0);
}
END

TEST(a_stream_that_cannot_be_read_fails)
{
    AUTO(recorder) struct recorder r;
    AUTO(fd) int fd = open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    recorder_init(&r);
    CHECK_ERR(stream_backup(fd, "x", 0, &r.sink, e), ERR_FATAL);
    CHECK(!recorder_find(&r, "/x")->is_sent && r.open_lanes == 0);
}
END

TEST(cancelling_ends_a_silent_stream)
{
    AUTO(recorder) struct recorder r;
    int ends[2];

    recorder_init(&r);
    CHECK(pipe2(ends, O_CLOEXEC) == 0);
    cancel_request();
    CHECK_ERR(stream_backup(ends[0], "x", 0, &r.sink, e), ERR_CANCELLED);
    close(ends[0]);
    close(ends[1]);
}
END

TESTS("stream", a_stream_becomes_one_file, an_empty_stream_is_an_empty_file,
      names_that_are_no_names_of_files_are_refused, a_stream_that_cannot_be_read_fails,
      cancelling_ends_a_silent_stream)
