#include <stdio.h>
#include <string.h>

#include "archive/cbc.h"
#include "archive/cfms_plain.h"
#include "archive/cfms_record.h"
#include "archive/ustar.h"
#include "base/mem.h"
#include "base/text.h"

/* The members that have to be there, each once. */
enum member {
    MEMBER_DOCUMENTS,
    MEMBER_FOLDERS,
    MEMBER_FILES,
    MEMBER_METADATA,
    MEMBER_COUNT,
};

static const char *const member_names[] = {"documents.json", "folders.json", "files.json",
                                           "metadata.json"};

struct reading {
    const struct cfms_visitor *v;
    struct ustar_reader *tar;
    struct cfms_table *table;
    struct cfms_result result;
    uint64_t said[3]; /* how many records metadata.json counts: documents, folders, files */
    bool seen[MEMBER_COUNT];
    struct buf text; /* of one record */
};

static void reading_auto(struct reading *g)
{
    ustar_reader_free(g->tar);
    cfms_table_free(g->table);
    buf_done(&g->text);
}

/* Records */

static bool note_file(struct reading *g, const struct cfms_file *f, struct err *e)
{
    struct cfms_known *known = cfms_table_get(g->table, f->id);

    if (known == NULL)
        return err_set(e, ERR_CORRUPT, "there are more than %d files", CFMS_FILES_MAX);
    if (known->has_record)
        return err_set(e, ERR_CORRUPT, "file %s has two records", f->id);
    known->has_record = true;
    known->has_sha256 = f->sha256 != NULL;
    if (f->sha256 != NULL)
        known->sha256 = *f->sha256;
    return true;
}

static bool take_file(struct reading *g, const json_t *tree, struct err *e)
{
    struct cfms_lists lists = {0};
    struct cfms_file f;

    if (!cfms_file_of(tree, &lists, &f, e) || !note_file(g, &f, e))
        return false;
    g->result.files++;
    return g->v->file(g->v->arg, &f, e);
}

static bool take_folder(struct reading *g, const json_t *tree, struct err *e)
{
    AUTO(cfms_lists) struct cfms_lists lists = {0};
    struct cfms_folder f;

    if (!cfms_folder_of(tree, &lists, &f, e))
        return false;
    g->result.folders++;
    return g->v->folder(g->v->arg, &f, e);
}

static bool take_document(struct reading *g, const json_t *tree, struct err *e)
{
    AUTO(cfms_lists) struct cfms_lists lists = {0};
    struct cfms_document d;

    if (!cfms_document_of(tree, &lists, &d, e))
        return false;
    g->result.documents++;
    return g->v->document(g->v->arg, &d, e);
}

static bool take_count(const json_t *j, const char *name, uint64_t *out, struct err *e)
{
    const json_t *value = json_object_get(j, name);

    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return err_set(e, ERR_CORRUPT, "it has no valid member \"%s\"", name);
    *out = (uint64_t)json_integer_value(value);
    return true;
}

static bool take_metadata(struct reading *g, const json_t *tree, struct err *e)
{
    const char *version = json_string_value(json_object_get(tree, "version"));
    char shown[32];

    if (version == NULL || strcmp(version, "1.0") != 0) {
        text_flatten(slice_string(version == NULL ? "none" : version), shown, sizeof(shown));
        return err_set(e, ERR_CORRUPT, "Unsupported backup version: %s", shown);
    }
    g->result.created_at = json_number_value(json_object_get(tree, "created_at"));
    return take_count(tree, "documents_count", &g->said[0], e) &&
           take_count(tree, "folders_count", &g->said[1], e) &&
           take_count(tree, "files_count", &g->said[2], e);
}

/* One value, which is a record. */
static bool read_record(struct reading *g, struct json_reader *r, enum member which, struct err *e)
{
    AUTO(json) json_t *tree = NULL;

    buf_clear(&g->text);
    json_reader_limit(r, CFMS_RECORD_MAX);
    if (!json_reader_raw(r, &g->text, e) ||
        !cfms_tree_parse(buf_slice(&g->text), "a record", &tree, e))
        return false;
    switch (which) {
    case MEMBER_DOCUMENTS:
        return take_document(g, tree, e);
    case MEMBER_FOLDERS:
        return take_folder(g, tree, e);
    case MEMBER_FILES:
        return take_file(g, tree, e);
    case MEMBER_METADATA:
    case MEMBER_COUNT:
        break;
    }
    return take_metadata(g, tree, e);
}

static bool read_list(struct reading *g, struct json_reader *r, enum member which, struct err *e)
{
    enum json_token token;
    bool more;

    if (!json_reader_next(r, &token, e))
        return false;
    if (token != JSON_TOKEN_ARRAY)
        return err_set(e, ERR_CORRUPT, "it is no list");
    for (;;) {
        if (!json_reader_more(r, &more, e))
            return false;
        if (!more)
            return true;
        if (!read_record(g, r, which, e))
            return false;
    }
}

static bool read_json(struct reading *g, enum member which, struct err *e)
{
    AUTO(json_reader) struct json_reader r;
    enum json_token token;

    json_reader_init(&r, ustar_reader_read, g->tar, CFMS_RECORD_MAX);
    if (!(which == MEMBER_METADATA ? read_record(g, &r, which, e) : read_list(g, &r, which, e)) ||
        !json_reader_next(&r, &token, e))
        return err_wrap(e, "%s", member_names[which]);
    return true;
}

/* Contents */

static bool begin_content(struct reading *g, const char *id, struct err *e)
{
    struct cfms_known *known;

    if (!cfms_id_is(id))
        return err_set(e, ERR_CORRUPT, "a member of \"files\" has a name that is no id");
    known = cfms_table_get(g->table, id);
    if (known == NULL)
        return err_set(e, ERR_CORRUPT, "there are more than %d files", CFMS_FILES_MAX);
    if (known->has_content)
        return err_set(e, ERR_CORRUPT, "file %s comes twice", id);
    known->has_content = true;
    return true;
}

static bool read_content(struct reading *g, const char *id, uint64_t size, struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *sum = sha256_stream_new();
    uint8_t piece[16384];
    struct cfms_known *known;
    size_t got;

    if (!begin_content(g, id, e) || !g->v->content(g->v->arg, id, size, e))
        return false;
    do {
        if (!ustar_reader_read(g->tar, piece, sizeof(piece), &got, e))
            return false;
        sha256_stream_add(sum, SLICE_OF(piece, got));
        if (got > 0 && !g->v->bytes(g->v->arg, SLICE_OF(piece, got), e))
            return false;
    } while (got > 0);
    mem_wipe(piece, sizeof(piece));
    known = cfms_table_get(g->table, id);
    sha256_stream_finish(sum, &known->content);
    g->result.contents++;
    return g->v->content_end(g->v->arg, id, &known->content, e);
}

static bool read_member(struct reading *g, const struct ustar_member *m, struct err *e)
{
    if (m->is_directory && (m->name[0] == '\0' || strcmp(m->name, "files") == 0))
        return true;
    for (enum member i = 0; i < MEMBER_COUNT; i++) {
        if (strcmp(m->name, member_names[i]) != 0)
            continue;
        if (m->is_directory || g->seen[i])
            return err_set(e, ERR_CORRUPT, "%s comes twice or is a folder", m->name);
        g->seen[i] = true;
        return read_json(g, i, e);
    }
    if (!m->is_directory && strncmp(m->name, "files/", 6) == 0)
        return read_content(g, m->name + 6, m->size, e);
    if (strcmp(m->name, "files") == 0)
        return err_set(e, ERR_CORRUPT, "the folder \"files\" is a file");
    g->result.others++;
    return true;
}

/* Behind the last member */

static bool check_files(struct reading *g, struct err *e)
{
    size_t count;
    const struct cfms_known *all = cfms_table_all(g->table, &count);

    for (const struct cfms_known *k = all; k < all + count; k++) {
        if (k->has_record && k->has_content && k->has_sha256 &&
            !hash_is_equal(&k->content, &k->sha256))
            return err_set(e, ERR_CORRUPT, "file %s: its content is not what its checksum says",
                           k->id);
        g->result.unchecked += k->has_record && k->has_content && !k->has_sha256 ? 1 : 0;
        g->result.strays += k->has_record ? 0 : 1;
        g->result.missing += k->has_content ? 0 : 1;
        if (!k->has_content && !g->v->missing(g->v->arg, k->id, e))
            return false;
    }
    return true;
}

static bool check_all(struct reading *g, struct err *e)
{
    const struct cfms_result *r = &g->result;

    for (enum member i = 0; i < MEMBER_COUNT; i++)
        if (!g->seen[i])
            return err_set(e, ERR_CORRUPT, "Backup archive missing %s", member_names[i]);
    if (r->documents != g->said[0] || r->folders != g->said[1] || r->files != g->said[2])
        return err_set(e, ERR_CORRUPT, "metadata.json counts other records than there are");
    return check_files(g, e);
}

static bool read_all(struct reading *g, struct err *e)
{
    struct ustar_member m;
    bool more;

    for (bool is_first = true;; is_first = false) {
        if (!ustar_reader_next(g->tar, &m, &more, e))
            return e->code == ERR_CORRUPT && is_first && !g->result.is_authenticated
                       ? cbc_does_not_fit(e)
                       : false;
        if (!more)
            return check_all(g, e);
        if (!read_member(g, &m, e))
            return false;
    }
}

/* Authenticity */

static bool is_changed(struct err *e)
{
    return err_set(e, ERR_CORRUPT,
                   "the archive is not the one that was written with this key: it was changed, "
                   "damaged, or belongs to another key");
}

static bool check_mac(const struct cfms_source *s, const struct cfms_key *key, struct err *e)
{
    AUTO(hmac_stream) struct hmac_stream *mac = cfms_mac_new(key->key);
    AUTO(mem) uint8_t *piece = mem_new(CFMS_PIECE);
    struct hash sum;
    size_t n;

    if (s->size != key->size)
        return is_changed(e);
    for (uint64_t at = 0; at < s->size; at += n) {
        n = s->size - at < CFMS_PIECE ? (size_t)(s->size - at) : CFMS_PIECE;
        if (!cfms_source_read(s, at, piece, n, e))
            return false;
        hmac_stream_add(mac, SLICE_OF(piece, n));
    }
    hmac_stream_finish(mac, &sum);
    return equal_ct(sum.bytes, key->mac.bytes, HASH_SIZE) || is_changed(e);
}

static bool check_size(uint64_t size, struct err *e)
{
    if (size < (uint64_t)2 * CIPHER_BLOCK_SIZE || size % CIPHER_BLOCK_SIZE != 0)
        return err_set(e, ERR_CORRUPT, "it is no archive: its size is no whole number of blocks");
    return true;
}

bool cfms_read(const struct cfms_source *source, const struct cfms_key *key,
               const struct cfms_permission *permission, const struct cfms_visitor *visitor,
               struct cfms_result *out, struct err *e)
{
    AUTO(cfms_plain) struct cfms_plain plain = {0};
    AUTO(reading) struct reading g = {.v = visitor};
    uint8_t iv[CIPHER_BLOCK_SIZE];
    struct hash sum;

    if (!check_size(source->size, e))
        return false;
    if (!key->has_mac && !permission->takes_unauthenticated)
        return err_set(e, ERR_DENIED,
                       "the archive is not authenticated: its key file has no MAC, and anybody who "
                       "had it may have changed it");
    if ((key->has_mac && !check_mac(source, key, e)) ||
        !cfms_source_read(source, 0, iv, sizeof(iv), e))
        return false;
    cfms_plain_init(&plain, source, sizeof(iv), source->size);
    plain.cipher = cipher_cbc_open(key->key, iv);
    plain.has_padding = true;
    plain.mac = cfms_mac_new(key->key);
    hmac_stream_add(plain.mac, SLICE_OF(iv, sizeof(iv)));
    g.table = cfms_table_new();
    g.tar = ustar_reader_new(
        cfms_plain_read, &plain,
        (struct ustar_limits){.members = CFMS_FILES_MAX + 64, .bytes = permission->bytes_max});
    g.result.is_authenticated = key->has_mac;
    if (!read_all(&g, e))
        return false;
    hmac_stream_finish(plain.mac, &sum);
    if (key->has_mac && !equal_ct(sum.bytes, key->mac.bytes, HASH_SIZE))
        return is_changed(e);
    *out = g.result;
    return true;
}
