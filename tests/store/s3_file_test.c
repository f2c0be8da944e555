/*
 * Files that go to S3 in parts, in front of a server that answers what the test has written.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "canned_s3.h"
#include "support/test.h"

#define NO_UPLOADS "<ListMultipartUploadsResult></ListMultipartUploadsResult>"
#define BEGUN                                                 \
    "<InitiateMultipartUploadResult><UploadId>new</UploadId>" \
    "</InitiateMultipartUploadResult>"
#define COMPLETED "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>"
#define PART      "HTTP/1.1 200 OK\r\nETag: \"tag\"\r\n" EMPTY
#define GONE      "HTTP/1.1 204 No Content\r\n\r\n"
#define KEY       "1795395658599-7e7c8e2c1fb455dd.zip"

static const char text[] = "what was exported";

static int file_new(void)
{
    const int fd = memfd_create("file", MFD_CLOEXEC);

    CHECK(fd >= 0);
    CHECK_OK(fd_write(fd, slice_string(text), e));
    return fd;
}

static void append_upload(struct buf *out, const char *key, const char *id, int64_t begun_ns)
{
    char time[CLOCK_TEXT_MAX];

    clock_format(begun_ns, time);
    buf_printf(out,
               "<Upload><Key>p/%s</Key><UploadId>%s</UploadId><Initiated>%s</Initiated></Upload>",
               key, id, time);
}

TEST(uploads_of_like_keys_that_nobody_went_on_with_for_a_week_are_aborted_before_a_file_is_sent)
{
    const int64_t week_ns = 7 * 86400 * NS_PER_S, hour_ns = 3600 * NS_PER_S;
    const int64_t now_ns = clock_now_ns();
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf uploads = {0};
    AUTO(buf) struct buf begun = {0};
    AUTO(buf) struct buf completed = {0};
    AUTO(fd) int fd = file_new();

    buf_printf(&uploads, "<ListMultipartUploadsResult>");
    append_upload(&uploads, "1795000000000-0123456789abcdef.zip", "old",
                  now_ns - week_ns - hour_ns);
    append_upload(&uploads, "1795000000001-0123456789abcdef.zip", "young",
                  now_ns - week_ns + hour_ns);
    append_upload(&uploads, "1795000000000-0123456789abcdef.tar", "other", now_ns - 9 * week_ns);
    append_upload(&uploads, "1795000000000-0123456789abcdef.zip.enc", "longer",
                  now_ns - 9 * week_ns);
    append_upload(&uploads, "somebody/elses", "foreign", now_ns - 9 * week_ns);
    buf_printf(&uploads, "</ListMultipartUploadsResult>");
    PAIR(p, {with_body(&list, OK, buf_string(&uploads)), false}, {GONE, false},
         {with_body(&begun, OK, BEGUN), false}, {PART, false},
         {with_body(&completed, OK, COMPLETED), false});
    CHECK_OK(store_put_file(p.store, KEY, fd, strlen(text), e));
    CHECK(canned_count(p.server) == 5);
    CHECK(has_line(canned_request(p.server, 0), "GET /bucket?"));
    CHECK(has_line(canned_request(p.server, 1),
                   "DELETE /bucket/p/1795000000000-0123456789abcdef.zip?"
                   "uploadId=old "));
    CHECK(has_line(canned_request(p.server, 2), "POST /bucket/p/" KEY "?uploads"));
    CHECK(has_line(canned_request(p.server, 3), text));
    CHECK(has_line(canned_request(p.server, 4), "<PartNumber>1</PartNumber>"));
}

TEST(keys_that_may_not_list_uploads_send_files_all_the_same)
{
    AUTO(buf) struct buf begun = {0};
    AUTO(buf) struct buf completed = {0};
    AUTO(fd) int fd = file_new();

    PAIR(p, {"HTTP/1.1 403 Forbidden\r\n" EMPTY, false}, {with_body(&begun, OK, BEGUN), false},
         {PART, false}, {with_body(&completed, OK, COMPLETED), false});
    CHECK_OK(store_put_file(p.store, KEY, fd, strlen(text), e));
}

TEST(a_part_that_is_refused_aborts_the_upload)
{
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf begun = {0};
    AUTO(fd) int fd = file_new();

    PAIR(p, {with_body(&list, OK, NO_UPLOADS), false}, {with_body(&begun, OK, BEGUN), false},
         {"HTTP/1.1 403 Forbidden\r\n" EMPTY, false}, {GONE, false});
    CHECK_ERR(store_put_file(p.store, KEY, fd, strlen(text), e), ERR_DENIED);
    CHECK(canned_count(p.server) == 4);
    CHECK(has_line(canned_request(p.server, 3), "DELETE /bucket/p/" KEY "?uploadId=new "));
}

TEST(a_failure_in_the_reply_to_the_last_step_is_one)
{
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf begun = {0};
    AUTO(buf) struct buf failed = {0};
    AUTO(fd) int fd = file_new();

    PAIR(p, {with_body(&list, OK, NO_UPLOADS), false}, {with_body(&begun, OK, BEGUN), false},
         {PART, false}, {with_body(&failed, OK, "<Error><Code>AccessDenied</Code></Error>"), false},
         {GONE, false});
    CHECK_ERR(store_put_file(p.store, KEY, fd, strlen(text), e), ERR_DENIED);
    CHECK(has_line(canned_request(p.server, 4), "DELETE /bucket/p/" KEY "?uploadId=new "));
}

TEST(a_file_that_became_shorter_is_not_stored)
{
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf begun = {0};
    AUTO(fd) int fd = file_new();

    PAIR(p, {with_body(&list, OK, NO_UPLOADS), false}, {with_body(&begun, OK, BEGUN), false},
         {GONE, false});
    CHECK_ERR(store_put_file(p.store, KEY, fd, strlen(text) + 1, e), ERR_CORRUPT);
    CHECK(has_line(canned_request(p.server, 2), "DELETE /bucket/p/" KEY "?uploadId=new "));
}

TESTS("store s3 file",
      uploads_of_like_keys_that_nobody_went_on_with_for_a_week_are_aborted_before_a_file_is_sent,
      keys_that_may_not_list_uploads_send_files_all_the_same,
      a_part_that_is_refused_aborts_the_upload, a_failure_in_the_reply_to_the_last_step_is_one,
      a_file_that_became_shorter_is_not_stored)
