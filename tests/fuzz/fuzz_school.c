/*
 * Backups of School ERP.  The first byte says where the rest goes in, as a fuzzer cannot forge
 * tags: 0 the file itself; 1 the compressed bytes in one; 2 the document, compressed and sealed
 * here; 3 the name of a file.
 */
#include <assert.h>
#include <string.h>

#include "archive/school.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct school_key key = {{1, 2, 3}};

/* What is taken of a file must be what reading it again gives. */
static bool read_all(struct slice file, struct school_facts *facts, struct err *e)
{
    const struct school_reading how = {
        input_of_slice(&file), &key, {.size_max = (uint64_t)16 << 20}};
    const struct school_rows none = {0};
    AUTO(school_reader) struct school_reader *r = NULL;

    return school_reader_open(&how, &r, e) &&
           school_document_read(school_reader_read, r, &none, facts, e);
}

static void seal(struct slice json, struct buf *out)
{
    const struct school_writing how = {output_of_buf(out), &key};
    AUTO(school_writer) struct school_writer *w = NULL;
    struct school_written written;
    struct err e;

    assert(school_writer_open(&how, &w, &e) && school_writer_add(w, json, &e) &&
           school_writer_finish(w, &written, &e));
    assert(written.size == out->size);
}

static void read_name(struct slice in)
{
    AUTO(buf) struct buf text = {0};
    struct school_name n;
    char again[SCHOOL_FILE_MAX];
    struct err e;

    buf_append_slice(&text, in);
    if (!school_name_parse(buf_string(&text), &n, &e))
        return;
    school_name_format(&n, again);
    assert(strcmp(again, buf_string(&text)) == 0 && strchr(again, '/') == NULL);
}

static void read_document(struct slice in)
{
    AUTO(buf) struct buf file = {0};
    struct slice rest = in;
    const struct school_rows none = {0};
    struct school_facts direct, facts;
    struct err e = {0};
    const bool ok = school_document_read(json_read_slice, &rest, &none, &direct, &e);

    assert(ok || (e.code == ERR_CORRUPT && e.text[0] != '\0'));
    seal(in, &file);
    if (ok && read_all(buf_slice(&file), &facts, &e))
        assert(facts.size == in.size && hash_is_equal(&facts.sha256, &direct.sha256));
}

/* What stands in a file, without the seal. */
static void read_compressed(struct slice in)
{
    const struct inflate_limits limits = {(uint64_t)16 << 20, SCHOOL_RATIO_MAX};
    struct slice rest = in;
    AUTO(inflater) struct inflater *i = inflater_new(DEFLATE_GZIP, &limits, json_read_slice, &rest);
    uint8_t piece[4096];
    uint64_t total = 0;
    size_t got = 0;
    struct err e = {0};

    do {
        if (!inflater_read(i, piece, sizeof(piece), &got, &e)) {
            assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
            return;
        }
        total += got;
    } while (got > 0);
    assert(total <= limits.size_max && rest.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice in = {data + 1, size > 0 ? size - 1 : 0};
    struct school_facts facts;
    struct err e = {0};

    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        if (!read_all(in, &facts, &e))
            assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        break;
    case 1:
        read_compressed(in);
        break;
    case 2:
        read_document(in);
        break;
    default:
        read_name(in);
        break;
    }
    return 0;
}
