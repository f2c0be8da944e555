/*
 * Backups of Vevurn POS.  The first byte says what the rest is: 0 the file, as it is; 1 the file,
 * with a key; 2 what stands in an encrypted one, encrypted here; 3 the name of a file.  SQL that is
 * taken can be written and read again.
 */
#include <assert.h>
#include <string.h>

#include "archive/deflate.h"
#include "archive/pos_artefact.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct pos_key key = {{1, 2, 3}};

static bool collect(void *arg, struct slice piece, struct err *e)
{
    (void)e;
    buf_append_slice(arg, piece);
    return true;
}

static void write_bytes(struct slice plain, enum pos_compression compression, bool is_sealed,
                        struct buf *out)
{
    const struct pos_writing how = {collect, out, compression, is_sealed ? &key : NULL, 0};
    AUTO(pos_writer) struct pos_writer *w = NULL;
    struct pos_written written;
    struct err e;

    assert(pos_writer_open(&how, &w, &e) && pos_writer_add(w, plain, &e) &&
           pos_writer_finish(w, &written, &e));
    assert(written.size == out->size);
}

static bool failed(const struct err *e)
{
    assert(e->code == ERR_CORRUPT && e->text[0] != '\0');
    return false;
}

static bool read_zip(const struct zip *z, struct buf *out)
{
    struct err e = {0};

    (void)pos_zip_is_known(z);
    for (size_t i = 0; i < z->count; i++) {
        const char *name = z->entries[i].name;

        assert(strstr(name, "..") == NULL && name[0] != '/');
        buf_clear(out);
        if (!zip_read(z, &z->entries[i], collect, out, &e))
            return failed(&e);
        assert(out->size == z->entries[i].size);
    }
    return true;
}

/* What is in a file, and which kind it is. */
static bool read_bytes(struct slice file, const struct pos_key *with, struct pos_found *found,
                       struct buf *out)
{
    const struct input from = input_of_slice(&file);
    AUTO(pos_reader) struct pos_reader *r = NULL;
    char version[POS_VERSION_MAX];
    struct err e = {0};

    if (!pos_reader_open(&from, with, &r, &e))
        return failed(&e);
    *found = *pos_reader_found(r);
    if (found->kind == POS_KIND_FILES)
        return read_zip(pos_reader_zip(r), out);
    return pos_reader_sql(r, collect, out, version, &e) || failed(&e);
}

static void read_file(struct slice in, const struct pos_key *with)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf file = {0};
    AUTO(buf) struct buf again = {0};
    struct pos_found found, other;

    if (!read_bytes(in, with, &found, &text) || found.kind != POS_KIND_DATABASE)
        return;
    write_bytes(buf_slice(&text), found.compression, true, &file);
    /* Of much the same byte more is made than is read. */
    if (text.size < INFLATE_RATIO_FROM) {
        assert(read_bytes(buf_slice(&file), &key, &other, &again));
        assert(slice_is_equal(buf_slice(&text), buf_slice(&again)) && other.is_sealed);
    }
}

static void read_name(struct slice in)
{
    AUTO(buf) struct buf text = {0};
    struct pos_name n;
    char again[POS_FILE_NAME_MAX];
    struct err e;

    buf_append_slice(&text, in);
    if (!pos_name_parse(buf_string(&text), &n, &e))
        return;
    assert(pos_name_format(&n, again, &e));
    assert(strcmp(again, buf_string(&text)) == 0 && strchr(again, '/') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf file = {0};
    const struct slice in = {data + 1, size - 1};

    if (size == 0)
        return 0;
    switch (data[0] % 4) {
    case 0:
        read_file(in, NULL);
        break;
    case 1:
        read_file(in, &key);
        break;
    case 2:
        write_bytes(in, POS_NONE, true, &file);
        read_file(buf_slice(&file), &key);
        break;
    default:
        read_name(in);
    }
    return 0;
}
