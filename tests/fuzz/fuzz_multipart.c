/* A form with files, whole and cut in pieces: what is heard is the same, and it is bounded. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct heard {
    struct buf text;
    uint64_t bytes;
    size_t count;
    bool is_open;
};

static bool begin(void *arg, const char *name, const char *file, struct err *e)
{
    struct heard *h = arg;

    (void)e;
    must(!h->is_open && ++h->count <= MULTIPART_PARTS_MAX);
    must(name[0] != '\0' && strlen(name) <= MULTIPART_NAME_MAX);
    must(utf8_is_valid(slice_string(name)) && strpbrk(name, "\r\n") == NULL);
    must(file == NULL || (strlen(file) <= MULTIPART_FILE_MAX && strpbrk(file, "\r\n") == NULL));
    buf_printf(&h->text, "%s(%s)[", name, file == NULL ? "" : file);
    h->is_open = true;
    return true;
}

static bool take(void *arg, struct slice bytes, struct err *e)
{
    struct heard *h = arg;

    (void)e;
    must(h->is_open && bytes.size > 0);
    h->bytes += bytes.size;
    buf_append_slice(&h->text, bytes);
    return true;
}

static bool end(void *arg, struct err *e)
{
    struct heard *h = arg;

    (void)e;
    must(h->is_open);
    h->is_open = false;
    buf_append(&h->text, "]", 1);
    return true;
}

static bool read_in(struct slice body, size_t piece, struct heard *h)
{
    const struct multipart_taker to = {h, begin, take, end};
    AUTO(multipart) struct multipart *m = NULL;
    struct err e;

    must(multipart_new("multipart/form-data; boundary=XYZ", &to, &m, &e));
    for (size_t at = 0; at < body.size; at += piece)
        if (!multipart_add(
                m, SLICE_OF(body.data + at, body.size - at < piece ? body.size - at : piece), &e))
            return false;
    return multipart_finish(m, &e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice body = {data, size};
    const size_t piece = size > 0 ? 1 + data[size - 1] % 64U : 1;
    AUTO(buf) struct buf type = {0};
    struct heard whole = {0};
    struct heard cut = {0};
    const bool is_form = read_in(body, size > 0 ? size : 1, &whole);

    must(read_in(body, piece, &cut) == is_form);
    must(whole.bytes <= size);
    if (is_form)
        must(!whole.is_open && slice_is_equal(buf_slice(&whole.text), buf_slice(&cut.text)));
    buf_done(&whole.text);
    buf_done(&cut.text);

    /* The same bytes as the type of a form. */
    struct multipart *m = NULL;
    struct err e;

    buf_append_slice(&type, body);
    if (multipart_new(buf_string(&type), &(struct multipart_taker){0}, &m, &e))
        multipart_free(m);
    return 0;
}
