/*
 * What an object holds, as JSON for people who debug a repository.  Secrets are left out.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "repo/index.h"
#include "repo/parity_objects.h"
#include "repo/slot.h"

static json_t *hex_value(const void *bytes, size_t size)
{
    char text[2 * HASH_SIZE + 1];

    hex_encode(SLICE_OF(bytes, size), text);
    return json_string(text);
}

static int text_append(const char *bytes, size_t size, void *arg)
{
    buf_append(arg, bytes, size);
    return 0;
}

static void print(const json_t *j, struct buf *out)
{
    /* Does not fail: text_append() does not, and the text was checked when it was parsed. */
    (void)json_dump_callback(j, text_append, out, JSON_INDENT(2));
}

/* Documents in JSON */

static bool inspect_document(struct repo *r, enum object_class class, const char *key,
                             struct buf *out, struct err *e)
{
    AUTO(secret_buf) struct buf plain = {0};
    AUTO(json) json_t *j = NULL;

    if (!document_get(r, class, key, &plain, e))
        return false;
    if (!document_parse(buf_slice(&plain), &j, e))
        return err_wrap(e, "object %s", key);
    if (class == CLASS_CONFIG || class == CLASS_EPOCH) {
        json_object_del(j, "id_key");
        json_object_del(j, "chunk_key");
        json_object_del(j, "masters");
    }
    print(j, out);
    return true;
}

/* Key slots */

static bool inspect_slot(struct repo *r, const char *key, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    char created[CLOCK_TEXT_MAX];
    struct slot s;

    if (!store_get_all(r->store, key, &bytes, e))
        return false;
    if (!slot_decode(buf_slice(&bytes), &s, e))
        return err_wrap(e, "object %s", key);
    clock_format(s.created_ns, created);

    AUTO(json)
    json_t *j = json_pack("{s:s, s:o, s:o, s:s, s:s, s:I, s:I, s:I}", "kind",
                          s.kind == UNLOCK_PASSPHRASE ? "passphrase" : "key file", "id",
                          hex_value(s.id, sizeof(s.id)), "repository",
                          hex_value(s.repository, sizeof(s.repository)), "created", created,
                          "label", s.label, "epoch", (json_int_t)s.epoch, "memory_kib",
                          (json_int_t)s.memory_kib, "passes", (json_int_t)s.passes);

    print(j, out);
    return true;
}

/* Packs and the index */

static const char *type_word(enum chunk_type type)
{
    switch (type) {
    case CHUNK_DATA:
        return "data";
    case CHUNK_TREE:
        return "tree";
    case CHUNK_LIST:
        return "list";
    }
    return "unknown";
}

static const char *compression_word(enum compression compression)
{
    switch (compression) {
    case COMPRESSION_NONE:
        return "none";
    case COMPRESSION_ZSTD:
        return "zstd";
    case COMPRESSION_ZSTD_AFTER:
        return "zstd after bases";
    }
    return "unknown";
}

static json_t *frame_value(const struct pack_directory *d, const struct pack_frame *f)
{
    json_t *chunks = json_array();

    for (size_t i = f->first_chunk; i < (size_t)f->first_chunk + f->chunk_count; i++) {
        const struct pack_chunk *c = &d->chunks[i];

        json_t *j = json_pack("{s:o, s:s, s:I, s:I}", "id", hex_value(c->id.bytes, ID_PREFIX_SIZE),
                              "type", type_word(c->type), "offset", (json_int_t)c->offset, "size",
                              (json_int_t)c->size);

        if (f->compression == COMPRESSION_ZSTD_AFTER)
            json_object_set_new(j, "base", hex_value(c->base.bytes, ID_PREFIX_SIZE));
        json_array_append_new(chunks, j);
    }
    return json_pack("{s:I, s:I, s:I, s:s, s:o}", "offset", (json_int_t)f->offset, "sealed_size",
                     (json_int_t)f->sealed_size, "plain_size", (json_int_t)f->plain_size,
                     "compression", compression_word(f->compression), "chunks", chunks);
}

static bool inspect_directory(const struct index_row *row, struct buf *out, struct err *e)
{
    AUTO(pack_directory) struct pack_directory d = {0};
    json_t *frames = json_array();
    AUTO(json)
    json_t *j = json_pack("{s:o, s:s, s:I, s:o}", "id", hex_value(row->id.bytes, HASH_SIZE),
                          "class", row->class == CLASS_CONTENT ? "content" : "tree", "size",
                          (json_int_t)row->pack_size, "frames", frames);

    if (!pack_directory_decode(row->directory, row->class, &d, e))
        return false;
    for (size_t i = 0; i < d.frame_count; i++)
        json_array_append_new(frames, frame_value(&d, &d.frames[i]));
    print(j, out);
    return true;
}

static bool inspect_pack(struct repo *r, const char *key, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf directory = {0};
    struct object_info info;
    struct index_row row;

    if (!pack_key_parse(key, &row.id))
        return err_set(e, ERR_USAGE, "%s is not the key of a pack", key);
    if (!store_stat(r->store, key, &info, e) ||
        !pack_directory_get(r, &row.id, info.size, &row.class, &directory, e))
        return false;
    row.pack_size = info.size;
    row.directory = buf_slice(&directory);
    return inspect_directory(&row, out, e) || err_wrap(e, "object %s", key);
}

/* Pack by pack: as one value the rows of a large index would take gigabytes. */
static bool inspect_index(struct repo *r, const char *key, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf plain = {0};
    struct slice body;
    uint32_t count;

    if (!document_get(r, CLASS_INDEX, key, &plain, e))
        return false;
    if (!index_document_open(buf_slice(&plain), &count, &body, e))
        return err_wrap(e, "object %s", key);
    buf_append_slice(out, slice_string("{\"packs\": ["));
    for (uint32_t i = 0; i < count; i++) {
        struct index_row row;

        if (i > 0)
            buf_append_slice(out, slice_string(",\n"));
        if (!index_document_next(&body, &row, e) || !inspect_directory(&row, out, e))
            return err_wrap(e, "object %s", key);
    }
    buf_append_slice(out, slice_string("]}"));
    return true;
}

/* Parity */

static bool inspect_parity(struct repo *r, const char *key, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};
    struct parity p;

    if (!store_get_all(r->store, key, &bytes, e))
        return false;
    if (!parity_open(buf_slice(&bytes), &p, e))
        return err_wrap(e, "object %s", key);

    AUTO(json)
    json_t *j = json_pack("{s:I, s:I, s:I, s:I, s:o}", "data_shards", (json_int_t)p.shape.data,
                          "parity_shards", (json_int_t)p.shape.parity, "shard_size",
                          (json_int_t)p.shape.shard_size, "object_size", (json_int_t)p.size,
                          "object_sha256", hex_value(p.name.bytes, HASH_SIZE));

    print(j, out);
    return true;
}

bool repo_inspect(struct repo *r, const char *key, struct buf *out, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    enum object_class class;
    bool ok;

    if (strncmp(key, "keys/", 5) == 0)
        ok = inspect_slot(r, key, &text, e);
    else if (strncmp(key, "packs/", 6) == 0)
        ok = inspect_pack(r, key, &text, e);
    else if (parity_key_parse(key) != NULL)
        ok = inspect_parity(r, key, &text, e);
    else if (!object_class_of(key, &class))
        return err_set(e, ERR_USAGE, "%s is not the key of an object", key);
    else if (class == CLASS_INDEX)
        ok = inspect_index(r, key, &text, e);
    else
        ok = inspect_document(r, class, key, &text, e);
    if (ok)
        buf_append_slice(out, buf_slice(&text));
    return ok;
}
