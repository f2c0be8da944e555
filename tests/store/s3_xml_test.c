#include "store/s3_xml.h"

#include <stdio.h>
#include <string.h>

#include "support/test.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
#define NS   " xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\""

static bool note_item(void *arg, const struct s3_item *item, struct err *e)
{
    (void)e;
    buf_printf(arg, "%s=%llu@%lld ", item->key, (unsigned long long)item->size,
               (long long)item->mtime);
    return true;
}

static bool note_upload(void *arg, const struct s3_item *item, const char *id, struct err *e)
{
    (void)e;
    buf_printf(arg, "%s:%s@%lld ", item->key, id, (long long)item->mtime);
    return true;
}

static bool list(const char *text, struct buf *seen, struct s3_page *page, struct err *e)
{
    return s3_list_parse(slice_string(text), note_item, seen, page, e);
}

static const char page_text[] =
    HEAD "<ListBucketResult" NS "><Name>b</Name><Prefix>p%2F</Prefix><KeyCount>2</KeyCount>"
         "<IsTruncated>true</IsTruncated><NextContinuationToken>1&amp;2==</NextContinuationToken>"
         "<Contents><Key>p%2Fpacks%2F3f+a%2B</Key><LastModified>2026-11-21T17:26:32.000Z"
         "</LastModified><ETag>&quot;x&quot;</ETag><Size>5</Size><Owner><ID>me</ID></Owner>"
         "</Contents>\n<Contents><Size>7</Size><Key>p%2Fx</Key><LastModified>1970-01-01T00:00:09Z"
         "</LastModified></Contents></ListBucketResult>";

TEST(a_page_of_a_listing_tells_its_objects_and_how_to_go_on)
{
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf seen = {0};

    CHECK_OK(list(page_text, &seen, &page, e));
    ck_assert_str_eq(buf_string(&seen), "p/packs/3f a+=5@1795281992 p/x=7@9 ");
    CHECK(page.is_truncated);
    ck_assert_str_eq(buf_string(&page.token), "1&2==");
}

TEST(no_beginning_of_a_page_is_a_page)
{
    for (size_t size = 0; size < sizeof(page_text) - 1; size++) {
        AUTO(s3_page) struct s3_page page = {0};
        AUTO(buf) struct buf seen = {0};

        CHECK_ERR(s3_list_parse(SLICE_OF(page_text, size), note_item, &seen, &page, e),
                  ERR_TRANSIENT);
    }
}

static bool refuse(void *arg, const struct s3_item *item, struct err *e)
{
    (void)item;
    ++*(int *)arg;
    return err_set(e, ERR_CORRUPT, "enough");
}

TEST(a_callback_that_fails_ends_the_page_with_its_error)
{
    AUTO(s3_page) struct s3_page page = {0};
    int seen = 0;

    CHECK_ERR(s3_list_parse(slice_string(page_text), refuse, &seen, &page, e), ERR_CORRUPT);
    CHECK(seen == 1);
}

TEST(what_is_no_listing_is_refused)
{
    static const char *const replies[] = {
        "",
        "<html><body>Welcome</body></html>",
        "<Error><Code>InternalError</Code></Error>",
        HEAD "<!DOCTYPE x [<!ENTITY a \"b\">]><ListBucketResult><IsTruncated>&a;</IsTruncated>"
             "</ListBucketResult>",
        "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><ListBucketResult></ListBucketResult>",
        "<ListBucketResult>&undefined;</ListBucketResult>",
        "<ListBucketResult><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></a></a>"
        "</a></a></a></a></ListBucketResult>",
        "<ListBucketResult><Contents><Key>%2</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>%zz</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a%00</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Size>-1</Size></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><LastModified>now</LastModified></Contents>"
        "</ListBucketResult>",
        "<ListBucketResult></ListBucketResult><ListBucketResult></ListBucketResult>",
    };

    for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        AUTO(s3_page) struct s3_page page = {0};
        AUTO(buf) struct buf seen = {0};

        CHECK_ERR(list(replies[i], &seen, &page, e), ERR_TRANSIENT);
    }
}

TEST(a_text_that_is_too_long_is_refused)
{
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf seen = {0};

    buf_printf(&text, "<ListBucketResult><Name>");
    memset(buf_extend(&text, 70000), 'x', 70000);
    buf_printf(&text, "</Name></ListBucketResult>");
    CHECK_ERR(list(buf_string(&text), &seen, &page, e), ERR_TRANSIENT);
}

TEST(an_error_gives_its_code_and_message_in_one_line)
{
    struct s3_error error;

    s3_error_parse(slice_string(HEAD "<Error><Code>AccessDenied</Code><Message>Access\n Denied"
                                     "</Message><AWSAccessKeyId>AKIA</AWSAccessKeyId>"
                                     "<Region>eu-central-1</Region></Error>"),
                   &error);
    ck_assert_str_eq(error.code, "AccessDenied");
    ck_assert_str_eq(error.message, "Access Denied");
    ck_assert_str_eq(error.region, "eu-central-1");
    s3_error_parse(slice_string("<html><Code>AccessDenied</Code></html>"), &error);
    ck_assert_str_eq(error.code, "");
    s3_error_parse((struct slice){0}, &error);
    ck_assert_str_eq(error.code, "");
}

TEST(the_first_failure_of_many_deletions_is_told)
{
    struct s3_error error;

    CHECK_OK(s3_deleted_parse(slice_string("<DeleteResult" NS "></DeleteResult>"), &error, e));
    ck_assert_str_eq(error.code, "");
    CHECK_OK(s3_deleted_parse(
        slice_string("<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key>"
                     "<Code>SlowDown</Code><Message>first</Message></Error><Error><Key>c</Key>"
                     "<Code>AccessDenied</Code><Message>second</Message></Error></DeleteResult>"),
        &error, e));
    ck_assert_str_eq(error.code, "SlowDown");
    ck_assert_str_eq(error.message, "first");
    CHECK_ERR(s3_deleted_parse(slice_string("<x/>"), &error, e), ERR_TRANSIENT);
}

TEST(uploads_in_parts_are_read)
{
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf seen = {0};
    AUTO(buf) struct buf id = {0};

    CHECK_OK(s3_begun_parse(slice_string("<InitiateMultipartUploadResult" NS "><Bucket>b</Bucket>"
                                         "<Key>k</Key><UploadId>2~a/b</UploadId>"
                                         "</InitiateMultipartUploadResult>"),
                            &id, e));
    ck_assert_str_eq(buf_string(&id), "2~a/b");
    CHECK_ERR(s3_begun_parse(slice_string("<InitiateMultipartUploadResult/>"), &id, e),
              ERR_TRANSIENT);
    CHECK_OK(s3_completed_parse(slice_string("<CompleteMultipartUploadResult><ETag>x</ETag>"
                                             "</CompleteMultipartUploadResult>"),
                                e));
    CHECK_ERR(s3_completed_parse(slice_string("<Error><Code>InternalError</Code></Error>"), e),
              ERR_TRANSIENT);
    CHECK_OK(s3_uploads_parse(
        slice_string("<ListMultipartUploadsResult><NextKeyMarker>n</NextKeyMarker><Upload>"
                     "<Key>a%2Fb</Key><UploadId>1</UploadId><Initiated>1970-01-02T00:00:00.000Z"
                     "</Initiated></Upload><IsTruncated>false</IsTruncated>"
                     "</ListMultipartUploadsResult>"),
        note_upload, &seen, &page, e));
    ck_assert_str_eq(buf_string(&seen), "a/b:1@86400 ");
    CHECK(!page.is_truncated);
}

TEST(one_element_of_a_reply_is_read)
{
    static const char text[] = "<VersioningConfiguration" NS "><Status>Enabled</Status>"
                               "<Other><Status>No</Status></Other></VersioningConfiguration>";
    AUTO(buf) struct buf got = {0};

    CHECK_OK(s3_element_parse(slice_string(text), "VersioningConfiguration", "Status", &got, e));
    ck_assert_str_eq(buf_string(&got), "Enabled");
    CHECK_OK(s3_element_parse(slice_string(text), "VersioningConfiguration", "MFA", &got, e));
    for (size_t size = 0; size + 1 < sizeof(text); size++)
        CHECK_ERR(
            s3_element_parse(SLICE_OF(text, size), "VersioningConfiguration", "Status", &got, e),
            ERR_TRANSIENT);
    CHECK_ERR(s3_element_parse(slice_string(text), "Versioning", "Status", &got, e), ERR_TRANSIENT);
    ck_assert_str_eq(buf_string(&got), "Enabled");
}

TESTS("store s3 xml", a_page_of_a_listing_tells_its_objects_and_how_to_go_on,
      no_beginning_of_a_page_is_a_page, a_callback_that_fails_ends_the_page_with_its_error,
      what_is_no_listing_is_refused, a_text_that_is_too_long_is_refused,
      an_error_gives_its_code_and_message_in_one_line, the_first_failure_of_many_deletions_is_told,
      uploads_in_parts_are_read, one_element_of_a_reply_is_read)
