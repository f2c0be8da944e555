/*
 * Archives of CFMS.  The input is the tar archive, which is sealed with a known key: otherwise
 * nothing would get past the cipher.  The first byte '#' says that what follows is the archive
 * itself.  What is told is what is counted, and nobody is handed an id that is a path.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../archive/cfms_fixture.h"
#include "base/mem.h"
#include "codec/cipher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
    uint64_t documents, folders, files, contents, ends, missing;
    uint64_t rest; /* of the content under way */
};

static bool tell_document(void *arg, const struct cfms_document *d, struct err *e)
{
    struct told *t = arg;

    (void)e;
    t->documents++;
    assert(cfms_id_is(d->id) && d->title != NULL);
    assert(d->folder_id == NULL || cfms_id_is(d->folder_id));
    for (size_t i = 0; i < d->rule_count; i++)
        assert(json_is_object(d->rules[i].rule_data) && d->rules[i].access_type != NULL);
    for (size_t i = 0; i < d->revision_count; i++)
        assert(cfms_id_is(d->revisions[i].file_id) && cfms_id_is(d->revisions[i].document_id));
    return true;
}

static bool tell_folder(void *arg, const struct cfms_folder *f, struct err *e)
{
    struct told *t = arg;

    (void)e;
    t->folders++;
    assert(cfms_id_is(f->id) && f->name != NULL);
    assert(f->parent_id == NULL || cfms_id_is(f->parent_id));
    return true;
}

static bool tell_file(void *arg, const struct cfms_file *f, struct err *e)
{
    struct told *t = arg;

    (void)e;
    t->files++;
    assert(cfms_id_is(f->id) && f->path != NULL);
    return true;
}

static bool tell_content(void *arg, const char *id, uint64_t size, struct err *e)
{
    struct told *t = arg;

    (void)e;
    assert(cfms_id_is(id) && t->rest == 0);
    t->contents++;
    t->rest = size;
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

static bool tell_content_end(void *arg, const char *id, const struct hash *sum, struct err *e)
{
    struct told *t = arg;

    (void)id;
    (void)sum;
    (void)e;
    t->ends++;
    assert(t->rest == 0);
    return true;
}

static bool tell_missing(void *arg, const char *id, struct err *e)
{
    struct told *t = arg;

    (void)e;
    t->missing++;
    assert(cfms_id_is(id));
    return true;
}

static const struct cfms_key key = {.key = {7}};

static void seal(struct slice plain, struct buf *out)
{
    static const uint8_t iv[CIPHER_BLOCK_SIZE] = {9};
    AUTO(cipher) struct cipher *c = cipher_cbc_seal(key.key, iv);
    uint8_t *to = buf_extend(out, sizeof(iv) + plain.size + (size_t)2 * CIPHER_BLOCK_SIZE);
    size_t more = 0, n;
    bool ok;

    memcpy(to, iv, sizeof(iv));
    n = sizeof(iv) + cipher_add(c, plain, to + sizeof(iv));
    ok = cipher_cbc_finish(c, to + n, &more);
    assert(ok);
    out->size = n + more;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf archive = {0};
    struct slice in = {data, size};
    struct told t = {0};
    struct cfms_result r;
    struct err e = {0};
    const struct cfms_permission permission = {true, CFMS_BYTES_MAX};
    const struct cfms_visitor v = {&t,           tell_document, tell_folder,      tell_file,
                                   tell_content, tell_bytes,    tell_content_end, tell_missing};

    if (size == 0 || data[0] != '#') {
        seal(in, &archive);
        in = buf_slice(&archive);
    } else {
        in = SLICE_OF(data + 1, size - 1);
    }

    const struct cfms_source source = {fixture_read, &in, in.size};

    if (!cfms_read(&source, &key, &permission, &v, &r, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return 0;
    }
    assert(!r.is_authenticated && t.documents == r.documents && t.folders == r.folders);
    assert(t.files == r.files && t.contents == r.contents && t.ends == r.contents);
    assert(t.missing == r.missing && r.files + r.strays == r.contents + r.missing);
    return 0;
}
