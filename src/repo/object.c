/*
 * Keys of objects, and documents: objects that hold one sealed section.
 *
 *     header (128) | plain size (u32) | compression (u8) | 3 zero bytes | section 0, kind 3
 *
 * Documents may carry keys, so every copy of their bytes that is made here is wiped.
 */
#include "repo/epochs.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/compress.h"
#include "repo/object_locks.h"
#include "repo/parity_objects.h"

enum {
    PREFIX_SIZE = SEAL_HEADER_SIZE + 8, /* what stands before the section */
    LEVEL = 3,
};

static const uint8_t *class_key(const struct epoch_keys *k, enum object_class class)
{
    switch (class) {
    case CLASS_CONFIG:
    case CLASS_EPOCH:
        break;
    case CLASS_CONTENT:
        return k->content;
    case CLASS_INDEX:
    case CLASS_CONDEMNED:
        return k->index;
    case CLASS_TREE:
    case CLASS_SNAPSHOT:
    case CLASS_COMMIT:
    case CLASS_TOMBSTONE:
    case CLASS_EVIDENCE:
    case CLASS_PARITY:
        return k->meta;
    }
    assert(class == CLASS_CONFIG || class == CLASS_EPOCH);
    return k->config;
}

static struct seal_identity identity_of(const struct repo *r, enum object_class class)
{
    struct seal_identity id = {.class = class, .suite = r->suite, .epoch = r->epoch};

    memcpy(id.repository, r->id, sizeof(id.repository));
    memcpy(id.writer, r->writer, sizeof(id.writer));
    return id;
}

const struct epoch_keys *repo_newest(const struct repo *r)
{
    return &r->epochs[r->epoch - 1];
}

void object_seal_begin(const struct repo *r, struct seal_box *box, enum object_class class,
                       uint8_t out[SEAL_HEADER_SIZE])
{
    const struct seal_identity id = identity_of(r, class);

    seal_begin(box, &id, class_key(repo_newest(r), class), out);
}

bool object_seal_open(const struct repo *r, struct seal_box *box, struct slice header,
                      enum object_class class, struct err *e)
{
    struct seal_identity expected = identity_of(r, class);
    struct seal_identity found;
    uint8_t version;

    if (class == CLASS_CONFIG)
        expected.epoch = 1;
    else if (seal_peek(header, &found, &version) && found.epoch > 0 &&
             memcmp(found.repository, r->id, sizeof(r->id)) == 0) {
        if (found.epoch > r->epoch && !epoch_is_unheard_of(r, found.epoch, e))
            return false;
        if (found.epoch <= r->epoch)
            expected.epoch = found.epoch;
    }
    return seal_open(box, header, &expected, class_key(&r->epochs[expected.epoch - 1], class), e);
}

bool object_class_of(const char *key, enum object_class *out)
{
    static const struct {
        const char *folder;
        enum object_class class;
    } folders[] = {
        {"index/", CLASS_INDEX},     {"snapshots/", CLASS_SNAPSHOT},  {"commits/", CLASS_COMMIT},
        {"trash/", CLASS_TOMBSTONE}, {"condemned/", CLASS_CONDEMNED}, {"drills/", CLASS_EVIDENCE},
        {EPOCH_FOLDER, CLASS_EPOCH},
    };

    if (strcmp(key, "config") == 0) {
        *out = CLASS_CONFIG;
        return true;
    }
    if (strcmp(key, PARITY_SWITCH) == 0) {
        *out = CLASS_PARITY;
        return true;
    }
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (strncmp(key, folders[i].folder, strlen(folders[i].folder)) == 0) {
            *out = folders[i].class;
            return true;
        }
    return false;
}

/* Documents */

void secret_buf_auto(struct buf *b)
{
    if (b->room > 0)
        mem_wipe(b->data, b->room);
    buf_done(b);
}

void document_seal(struct repo *r, enum object_class class, struct slice plain, struct buf *out)
{
    AUTO(seal_box) struct seal_box *box = seal_box_new();
    AUTO(compressor) struct compressor *zstd = compressor_new(LEVEL);
    AUTO(secret_buf) struct buf small = {0};
    struct slice stored = plain;
    struct section s = {.kind = SECTION_DOCUMENT, .compression = COMPRESSION_NONE};

    assert(plain.size <= DOCUMENT_MAX);
    s.plain_size = (uint32_t)plain.size;
    if (compressor_compress(zstd, plain, CONTENT_MIXED, &small)) {
        s.compression = COMPRESSION_ZSTD;
        stored = buf_slice(&small);
    }

    buf_reserve(out, PREFIX_SIZE + stored.size + SEAL_TAG_SIZE);
    object_seal_begin(r, box, class, buf_extend(out, SEAL_HEADER_SIZE));
    buf_put_u32(out, s.plain_size);
    buf_put_u32(out, (uint32_t)s.compression); /* and the three zero bytes */
    seal_section(box, &s, stored, out);
}

/* What stands between the header and the section. */
static bool section_take(struct slice *object, struct section *out, struct err *e)
{
    struct slice header = {0};
    uint32_t plain_size = 0;
    uint32_t compression = 0;

    if (!take_slice(object, SEAL_HEADER_SIZE, &header) || !take_u32(object, &plain_size) ||
        !take_u32(object, &compression) || object->size < SEAL_TAG_SIZE)
        return err_set(e, ERR_CORRUPT, "it is cut off");
    if (plain_size > DOCUMENT_MAX)
        return err_set(e, ERR_CORRUPT, "it claims to hold %u bytes, more than a document may",
                       plain_size);
    if (compression != COMPRESSION_NONE && compression != COMPRESSION_ZSTD)
        return err_set(e, ERR_CORRUPT, "compression %u is unknown", compression);
    if (compression == COMPRESSION_NONE && object->size != plain_size + (size_t)SEAL_TAG_SIZE)
        return err_set(e, ERR_CORRUPT, "its length is not that of what it holds");

    *out = (struct section){.kind = SECTION_DOCUMENT,
                            .compression = (enum compression)compression,
                            .plain_size = plain_size};
    return true;
}

bool document_open(struct repo *r, enum object_class class, struct slice object, struct buf *plain,
                   struct err *e)
{
    AUTO(seal_box) struct seal_box *box = seal_box_new();
    AUTO(secret_buf) struct buf stored = {0};
    struct slice sealed = object;
    struct section s = {0};

    if (!object_seal_open(r, box, object, class, e) || !section_take(&sealed, &s, e))
        return false;

    if (s.compression == COMPRESSION_NONE) {
        buf_reserve(plain, s.plain_size);
        return unseal_section(box, &s, sealed, plain, e);
    }

    AUTO(compressor) struct compressor *zstd = compressor_new(LEVEL);

    buf_reserve(&stored, sealed.size);
    if (!unseal_section(box, &s, sealed, &stored, e))
        return false;
    buf_reserve(plain, s.plain_size);
    return compressor_expand(zstd, (struct slice){0}, buf_slice(&stored), s.plain_size, plain, e);
}

/* Objects named by their hash show damage without a key. */
static bool name_matches(enum object_class class, const char *key, struct slice object)
{
    struct hash named = {0};
    struct hash found = {0};

    if (class != CLASS_INDEX && class != CLASS_SNAPSHOT)
        return true;
    sha256(object, &found);
    return key_hash(key, &named) && hash_is_equal(&named, &found);
}

static bool get_once(struct repo *r, enum object_class class, const char *key, struct buf *plain,
                     uint32_t *epoch, struct err *e)
{
    AUTO(buf) struct buf object = {0};
    struct seal_identity id;
    uint8_t version;

    if (!store_get_all(r->store, key, &object, e))
        return false;
    if (!name_matches(class, key, buf_slice(&object)))
        return err_set(e, ERR_CORRUPT, "object %s: its bytes do not have the hash that names it",
                       key);
    if (!document_open(r, class, buf_slice(&object), plain, e))
        return err_wrap(e, "object %s", key);
    *epoch = seal_peek(buf_slice(&object), &id, &version) ? id.epoch : EPOCH_NONE;
    return true;
}

bool document_get(struct repo *r, enum object_class class, const char *key, struct buf *plain,
                  struct err *e)
{
    uint32_t epoch;

    return document_get_epoch(r, class, key, plain, &epoch, e);
}

bool document_get_epoch(struct repo *r, enum object_class class, const char *key, struct buf *plain,
                        uint32_t *epoch, struct err *e)
{
    const size_t before = plain->size;

    if (get_once(r, class, key, plain, epoch, e))
        return true;
    if (e->code != ERR_CORRUPT || !r->store->has_cache)
        return false;
    /* What is kept near by may be an answer that was wrong once. */
    store_distrust(r->store, key);
    plain->size = before;
    return get_once(r, class, key, plain, epoch, e);
}

/* Seal what may come from outside: a list of a million files is no bug. */
static bool document_seal_checked(struct repo *r, enum object_class class, struct slice plain,
                                  struct buf *object, struct err *e)
{
    if (plain.size <= DOCUMENT_MAX)
        document_seal(r, class, plain, object);
    if (plain.size > DOCUMENT_MAX || object->size > STORE_OBJECT_MAX)
        return err_set(e, ERR_USAGE, "a document of %zu bytes is longer than an object may be",
                       plain.size);
    return true;
}

bool document_put_hashed(struct repo *r, enum object_class class, const char *folder,
                         struct slice plain, struct hash *id, struct err *e)
{
    AUTO(buf) struct buf object = {0};
    struct hash hash = {0};
    char key[OBJECT_KEY_MAX];

    if (!document_seal_checked(r, class, plain, &object, e))
        return err_wrap(e, "put into %s", folder);
    sha256(buf_slice(&object), &hash);
    object_key(folder, &hash, key);
    if (!store_put(r->store, key, buf_slice(&object), PUT_NEW, e) ||
        !parity_put(r, key, buf_slice(&object), e))
        return false;
    object_locks_note_put(r, key);
    *id = hash;
    return true;
}

bool document_put(struct repo *r, enum object_class class, const char *key, struct slice plain,
                  struct err *e)
{
    AUTO(buf) struct buf object = {0};

    if (!document_seal_checked(r, class, plain, &object, e))
        return err_wrap(e, "put %s", key);
    if (!store_put(r->store, key, buf_slice(&object), PUT_NEW, e))
        return false;
    object_locks_note_put(r, key);
    return parity_put(r, key, buf_slice(&object), e);
}

/* Keys */

void key_list_done(struct key_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->items[i]);
    mem_free(l->items);
    mem_free(l->sizes);
    mem_free(l->mtimes);
    *l = (struct key_list){0};
}

void key_list_auto(struct key_list *l)
{
    key_list_done(l);
}

static bool key_list_add(void *arg, const struct object_info *info, struct err *e)
{
    struct key_list *l = arg;

    (void)e; /* a callback that cannot fail */
    if (l->count == l->room) {
        l->room = l->room == 0 ? 64 : 2 * l->room;
        l->items = mem_resize(l->items, l->room, sizeof(*l->items));
        l->sizes = mem_resize(l->sizes, l->room, sizeof(*l->sizes));
        l->mtimes = mem_resize(l->mtimes, l->room, sizeof(*l->mtimes));
    }
    l->items[l->count] = mem_string(info->key);
    l->sizes[l->count] = info->size;
    l->mtimes[l->count] = info->mtime;
    l->count++;
    return true;
}

bool key_list_read(struct repo *r, const char *prefix, struct key_list *out, struct err *e)
{
    AUTO(key_list) struct key_list l = {0};

    if (!store_list(r->store, prefix, key_list_add, &l, e))
        return false;
    *out = l;
    l = (struct key_list){0};
    return true;
}

void pack_key(const struct hash *id, char out[PACK_KEY_MAX])
{
    static const char folder[] = "packs/";
    char *at = out + sizeof(folder) - 1;

    memcpy(out, folder, sizeof(folder));
    hex_encode(SLICE_OF(id->bytes, 1), at);
    at[2] = '/';
    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), at + 3);
}

void object_key(const char *folder, const struct hash *id, char out[OBJECT_KEY_MAX])
{
    const size_t length = strlen(folder);

    assert(length + sizeof("/") + 2UL * HASH_SIZE <= OBJECT_KEY_MAX);
    memcpy(out, folder, length);
    out[length] = '/';
    hex_encode(SLICE_OF(id->bytes, HASH_SIZE), out + length + 1);
}

bool key_hash(const char *key, struct hash *out)
{
    const char *slash = strrchr(key, '/');

    /* Another spelling of the digits would be another object. */
    return slash != NULL && strpbrk(slash, "ABCDEF") == NULL &&
           hex_decode(slash + 1, out->bytes, HASH_SIZE);
}

bool object_exists(struct repo *r, const char *folder, const struct hash *id, bool *exists,
                   struct err *e)
{
    struct object_info info = {0};
    char key[OBJECT_KEY_MAX];

    object_key(folder, id, key);
    *exists = store_stat(r->store, key, &info, e);
    return *exists || e->code == ERR_NOT_FOUND;
}

int hash_order(const void *a, const void *b)
{
    const struct hash *left = a;
    const struct hash *right = b;

    return memcmp(left->bytes, right->bytes, HASH_SIZE);
}

bool pack_key_parse(const char *key, struct hash *out)
{
    char wanted[PACK_KEY_MAX];

    if (!key_hash(key, out))
        return false;
    pack_key(out, wanted);
    return strcmp(key, wanted) == 0;
}
