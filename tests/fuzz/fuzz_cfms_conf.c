/*
 * Backups of later CFMS servers.  The input is the tar archive, which is packed and sealed with a
 * known key; behind a first byte '#' it is the xz stream, behind '!' the whole file.
 */
#include <assert.h>
#include <string.h>

#include "../archive/cfms_conf_seal.h"
#include "../archive/cfms_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    uint64_t rows, files, all_rows, all_files;
    uint64_t rest; /* of the content under way */
};

static bool tell_manifest(void *arg, const struct cfms_conf_manifest *m, struct err *e)
{
    struct told *t = arg;

    (void)e;
    t->all_files = m->file_count;
    for (size_t i = 0; i < m->table_count; i++) {
        assert(json_is_array(m->tables[i].columns));
        t->all_rows += m->tables[i].rows;
    }
    for (size_t i = 0; i < m->file_count; i++) {
        const char *path = m->files[i].storage_path;

        assert(path[0] != '/' && strstr(path, "..") != path && strstr(path, "/../") == NULL);
        assert(strpbrk(path, "\\:") == NULL && strstr(path, "//") == NULL);
    }
    return true;
}

static bool tell_row(void *arg, const struct cfms_conf_table *table, const json_t *row,
                     struct err *e)
{
    struct told *t = arg;

    (void)table;
    (void)e;
    t->rows++;
    assert(json_is_object(row));
    return true;
}

static bool tell_content(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    struct told *t = arg;

    (void)e;
    assert(t->rest == 0);
    t->rest = f->size;
    return true;
}

static bool tell_bytes(void *arg, struct slice bytes, struct err *e)
{
    struct told *t = arg;

    (void)e;
    assert(bytes.size > 0 && bytes.size <= t->rest);
    t->rest -= bytes.size;
    return true;
}

static bool tell_content_end(void *arg, const struct cfms_conf_file *f, struct err *e)
{
    struct told *t = arg;

    (void)f;
    (void)e;
    t->files++;
    assert(t->rest == 0);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf archive = {0};
    struct slice in = {data, size};
    struct told t = {0};
    struct err e = {0};
    const char kind = size > 0 ? (char)data[0] : 0;
    const struct cfms_conf_visitor v = {&t,           tell_manifest, tell_row,
                                        tell_content, tell_bytes,    tell_content_end};

    if (kind == '#')
        fixture_conf_seal(SLICE_OF(data + 1, size - 1), &archive);
    else if (kind != '!')
        fixture_conf_pack(in, &archive);
    in = kind == '!' ? SLICE_OF(data + 1, size - 1) : buf_slice(&archive);

    const struct cfms_source source = {fixture_read, &in, in.size};

    if (!cfms_conf_read(&source, fixture_key, (uint64_t)16 << 20, &v, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return 0;
    }
    assert(t.rows == t.all_rows && t.files == t.all_files);
    return 0;
}
