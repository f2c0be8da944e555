/* Replies of S3 in XML, each taken for all that they might be; names and tokens are strings. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "store/aws_file.h"
#include "store/s3_xml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool look_at_item(void *arg, const struct s3_item *item, struct err *e)
{
    (void)e;
    *(size_t *)arg += strlen(item->key);
    return true;
}

static bool look_at_upload(void *arg, const struct s3_item *item, const char *id, struct err *e)
{
    *(size_t *)arg += strlen(id);
    return look_at_item(arg, item, e);
}

/* A failure says why, and passes: nobody takes it for damage. */
static void look_at(bool is_read, const struct err *e)
{
    if (!is_read && (e->code != ERR_TRANSIENT || e->text[0] == '\0'))
        abort();
}

static void look_at_error(const struct s3_error *error)
{
    if (strlen(error->code) >= sizeof(error->code) ||
        strlen(error->message) >= sizeof(error->message) ||
        strlen(error->region) >= sizeof(error->region))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice reply = {data, size};
    AUTO(s3_page) struct s3_page page = {0};
    AUTO(buf) struct buf id = {0};
    struct s3_error error;
    struct slice value;
    struct err e = {0};
    size_t total = 0;

    s3_error_parse(reply, &error);
    look_at_error(&error);
    look_at(s3_list_parse(reply, look_at_item, &total, &page, &e), &e);
    look_at(s3_uploads_parse(reply, look_at_upload, &total, &page, &e), &e);
    look_at(s3_deleted_parse(reply, &error, &e), &e);
    look_at(s3_begun_parse(reply, &id, &e), &e);
    look_at(s3_completed_parse(reply, &e), &e);
    look_at(s3_element_parse(reply, "ObjectLockConfiguration", "ObjectLockEnabled", &id, &e), &e);
    /* A file of keys is text, too. */
    if (aws_file_find(reply, "default", "region", &value) &&
        (value.data < data || value.data + value.size > data + size))
        abort();
    return 0;
}
