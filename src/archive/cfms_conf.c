#include "archive/cfms_conf.h"

#include <string.h>

#include "archive/cfms_conf_private.h"
#include "archive/cfms_plain.h"
#include "archive/cfms_record.h"
#include "archive/ustar.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    MAGIC_SIZE = 4,
    HEADER_AT = 8,
    HEADER_MAX = 64 << 10,
    NONCE_SIZE = 12,
};

/* The header, and where things are. */
struct front {
    struct cfms_conf_header header;
    uint8_t nonce[NONCE_SIZE];
    struct buf bytes;    /* all before the ciphertext */
    uint64_t begin, end; /* of the ciphertext; the tag follows */
};

static void front_auto(struct front *f)
{
    buf_done(&f->bytes);
}

struct conf_reading {
    const struct cfms_conf_visitor *v;
    struct ustar_reader *tar;
    struct conf_manifest manifest;
    bool has_tables[CFMS_CONF_TABLES_MAX];
    size_t file; /* the next */
    struct buf line;
};

static void conf_reading_auto(struct conf_reading *g)
{
    ustar_reader_free(g->tar);
    conf_manifest_auto(&g->manifest);
    if (g->line.room > 0)
        mem_wipe(g->line.data, g->line.room);
    buf_done(&g->line);
}

/* The header */

static bool wrong_header(const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "Backup header %s is invalid", what);
}

static bool take_text(const json_t *j, const char *name, char out[CFMS_CONF_TEXT_MAX])
{
    const json_t *value = json_object_get(j, name);

    if (!json_is_string(value) || json_string_length(value) >= CFMS_CONF_TEXT_MAX)
        return false;
    text_flatten(slice_string(json_string_value(value)), out, CFMS_CONF_TEXT_MAX);
    return true;
}

static bool take_nonce(const json_t *j, uint8_t out[NONCE_SIZE])
{
    AUTO(buf) struct buf decoded = {0};
    char text[NONCE_SIZE / 3 * 4 + 1];
    const json_t *value = json_object_get(j, "nonce");

    if (json_string_length(value) != sizeof(text) - 1)
        return false;
    memcpy(text, json_string_value(value), sizeof(text));
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    if (!base64_decode(slice_string(text), &decoded) || decoded.size != NONCE_SIZE)
        return false;
    memcpy(out, decoded.data, NONCE_SIZE);
    return true;
}

static bool check_word(const json_t *j, const char *name, const char *wanted, struct err *e)
{
    const char *word = json_string_value(json_object_get(j, name));
    char shown[32];

    if (word != NULL && strcmp(word, wanted) == 0)
        return true;
    text_flatten(slice_string(word == NULL ? "none" : word), shown, sizeof(shown));
    return err_set(e, ERR_CORRUPT, "Unsupported %s: %s", name, shown);
}

static bool take_header(const json_t *j, struct front *f, struct err *e)
{
    const json_t *version = json_object_get(j, "format_version");

    if (!json_is_integer(version))
        return wrong_header("format_version", e);
    if (json_integer_value(version) != 1)
        return err_set(e, ERR_CORRUPT, "Unsupported backup format version: %lld",
                       (long long)json_integer_value(version));
    if (!take_text(j, "created_at", f->header.created_at))
        return wrong_header("created_at", e);
    if (!take_text(j, "core_version", f->header.core_version))
        return wrong_header("core_version", e);
    if (!check_word(j, "compression", "xz", e) || !check_word(j, "encryption", "AES-256-GCM", e))
        return false;
    return take_nonce(j, f->nonce) || wrong_header("nonce", e);
}

static bool read_front(const struct cfms_source *s, struct front *f, struct err *e)
{
    uint8_t head[HEADER_AT];
    AUTO(json) json_t *j = NULL;
    uint32_t size;

    if (s->size < HEADER_AT)
        return err_set(e, ERR_CORRUPT, "File is not a CFMS backup");
    if (!cfms_source_read(s, 0, head, sizeof(head), e))
        return false;
    if (memcmp(head, "CONF", MAGIC_SIZE) != 0)
        return err_set(e, ERR_CORRUPT, "File is not a CFMS backup");
    size = (uint32_t)head[4] << 24 | (uint32_t)head[5] << 16 | (uint32_t)head[6] << 8 | head[7];
    if (size == 0 || size > HEADER_MAX)
        return wrong_header("length", e);
    if (s->size < (uint64_t)HEADER_AT + size + CIPHER_TAG_SIZE ||
        s->size - HEADER_AT - size - CIPHER_TAG_SIZE > CIPHER_GCM_MAX)
        return err_set(e, ERR_CORRUPT, "the backup is cut, or longer than its encryption allows");
    buf_append(&f->bytes, head, sizeof(head));
    if (!cfms_source_read(s, HEADER_AT, buf_extend(&f->bytes, size), size, e))
        return false;
    f->begin = HEADER_AT + (uint64_t)size;
    f->end = s->size - CIPHER_TAG_SIZE;
    return cfms_tree_parse(SLICE_OF(f->bytes.data + HEADER_AT, size), "the header", &j, e) &&
           take_header(j, f, e);
}

bool cfms_conf_header_read(const struct cfms_source *source, struct cfms_conf_header *out,
                           struct err *e)
{
    AUTO(front) struct front f = {0};

    if (!read_front(source, &f, e))
        return false;
    *out = f.header;
    return true;
}

/* Decryption */

static void begin_plain(struct cfms_plain *p, const struct cfms_source *s, const struct front *f,
                        const uint8_t key[CFMS_KEY_SIZE])
{
    cfms_plain_init(p, s, f->begin, f->end);
    p->cipher = cipher_gcm_open(key, SLICE_OF(f->nonce, NONCE_SIZE), buf_slice(&f->bytes));
}

static bool check_tag(struct cfms_plain *p, struct err *e)
{
    uint8_t tag[CIPHER_TAG_SIZE];

    if (!cfms_source_read(p->source, p->end, tag, sizeof(tag), e))
        return false;
    return cipher_gcm_is_authentic(p->cipher, tag) ||
           err_set(e, ERR_CORRUPT,
                   "Backup decryption failed; the key may be wrong or the file was modified");
}

/* All of it, of which only the tag is looked at. */
static bool check_first(const struct cfms_source *s, const struct front *f,
                        const uint8_t key[CFMS_KEY_SIZE], struct err *e)
{
    AUTO(cfms_plain) struct cfms_plain p = {0};
    uint8_t piece[16384];
    size_t got;
    bool ok;

    begin_plain(&p, s, f, key);
    do
        ok = cfms_plain_read(&p, piece, sizeof(piece), &got, e);
    while (ok && got > 0);
    mem_wipe(piece, sizeof(piece));
    return ok && check_tag(&p, e);
}

/* Tables */

static bool has_column(const struct cfms_conf_table *t, const char *name)
{
    for (size_t i = 0; i < json_array_size(t->columns); i++)
        if (strcmp(json_string_value(json_array_get(t->columns, i)), name) == 0)
            return true;
    return false;
}

static bool take_row(struct conf_reading *g, const struct cfms_conf_table *t, struct err *e)
{
    AUTO(json)
    json_t *row =
        json_loadb((const char *)g->line.data, g->line.size, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(row))
        return err_set(e, ERR_CORRUPT, "table %s: a line is no JSON object", t->name);
    for (void *i = json_object_iter(row); i != NULL; i = json_object_iter_next(row, i))
        if (!has_column(t, json_object_iter_key(i)))
            return err_set(e, ERR_CORRUPT, "table %s: a row has a column that it does not have",
                           t->name);
    buf_clear(&g->line);
    return g->v->row(g->v->arg, t, row, e);
}

/* Lines out of bytes that arrived; the last may not be whole yet. */
static bool take_lines(struct conf_reading *g, const struct cfms_conf_table *t, struct slice bytes,
                       uint64_t *rows, struct err *e)
{
    while (bytes.size > 0) {
        const uint8_t *end = memchr(bytes.data, '\n', bytes.size);
        const size_t size = end == NULL ? bytes.size : (size_t)(end - bytes.data);

        if (size > CFMS_RECORD_MAX - g->line.size)
            return err_set(e, ERR_CORRUPT, "table %s: a row is too long", t->name);
        buf_append(&g->line, bytes.data, size);
        if (end == NULL)
            return true;
        if (++*rows > t->rows)
            return err_set(e, ERR_CORRUPT, "Row count mismatch for table %s", t->name);
        if (!take_row(g, t, e))
            return false;
        bytes = SLICE_OF(bytes.data + size + 1, bytes.size - size - 1);
    }
    return true;
}

static bool read_table(struct conf_reading *g, size_t which, struct err *e)
{
    const struct cfms_conf_table *t = &g->manifest.tables[which];
    uint8_t piece[16384];
    uint64_t rows = 0;
    size_t got;
    bool ok = true;

    if (g->has_tables[which])
        return err_set(e, ERR_CORRUPT, "table %s comes twice", t->name);
    g->has_tables[which] = true;
    do
        ok = ustar_reader_read(g->tar, piece, sizeof(piece), &got, e) &&
             take_lines(g, t, SLICE_OF(piece, got), &rows, e);
    while (ok && got > 0);
    mem_wipe(piece, sizeof(piece));
    if (!ok)
        return false;
    return (rows == t->rows && g->line.size == 0) ||
           err_set(e, ERR_CORRUPT, "Row count mismatch for table %s", t->name);
}

/* Files */

static bool read_file(struct conf_reading *g, uint64_t size, struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *sum = sha256_stream_new();
    const struct cfms_conf_file *f = &g->manifest.files[g->file];
    uint8_t piece[16384];
    struct hash made;
    size_t got;

    if (size != f->size)
        return err_set(e, ERR_CORRUPT, "file %zu: its size is not what the manifest says", g->file);
    if (!g->v->content(g->v->arg, f, e))
        return false;
    do {
        if (!ustar_reader_read(g->tar, piece, sizeof(piece), &got, e))
            return false;
        sha256_stream_add(sum, SLICE_OF(piece, got));
        if (got > 0 && !g->v->bytes(g->v->arg, SLICE_OF(piece, got), e))
            return false;
    } while (got > 0);
    mem_wipe(piece, sizeof(piece));
    sha256_stream_finish(sum, &made);
    if (!hash_is_equal(&made, &f->sha256))
        return err_set(e, ERR_CORRUPT, "file %zu: its content is not what the manifest says",
                       g->file);
    g->file++;
    return g->v->content_end(g->v->arg, f, e);
}

/* All members */

static bool read_member(struct conf_reading *g, const struct ustar_member *m, struct err *e)
{
    AUTO(buf) struct buf name = {0};

    for (size_t i = 0; i < g->manifest.m.table_count && !m->is_directory; i++) {
        buf_clear(&name);
        buf_printf(&name, "tables/%s.jsonl", g->manifest.tables[i].name);
        if (strcmp(buf_string(&name), m->name) == 0)
            return read_table(g, i, e);
    }
    buf_clear(&name);
    buf_printf(&name, "files/%08zu.bin", g->file);
    if (!m->is_directory && g->file < g->manifest.m.file_count &&
        strcmp(buf_string(&name), m->name) == 0)
        return read_file(g, m->size, e);
    return err_set(e, ERR_CORRUPT, "the backup has a member that its manifest does not name next");
}

static bool check_whole(const struct conf_reading *g, struct err *e)
{
    for (size_t i = 0; i < g->manifest.m.table_count; i++)
        if (!g->has_tables[i])
            return err_set(e, ERR_CORRUPT, "table %s is missing", g->manifest.tables[i].name);
    return g->file == g->manifest.m.file_count ||
           err_set(e, ERR_CORRUPT, "file %zu is missing", g->file);
}

static bool read_members(struct conf_reading *g, struct err *e)
{
    struct ustar_member m;
    bool more;

    if (!ustar_reader_next(g->tar, &m, &more, e))
        return false;
    if (!more || m.is_directory || strcmp(m.name, "manifest.json") != 0)
        return err_set(e, ERR_CORRUPT, "the backup does not begin with its manifest");
    if (!conf_manifest_read(ustar_reader_read, g->tar, &g->manifest, e) ||
        !g->v->manifest(g->v->arg, &g->manifest.m, e))
        return false;
    for (;;) {
        if (!ustar_reader_next(g->tar, &m, &more, e))
            return false;
        if (!more)
            return check_whole(g, e);
        if (!read_member(g, &m, e))
            return false;
    }
}

bool cfms_conf_read(const struct cfms_source *source, const uint8_t key[CFMS_KEY_SIZE],
                    uint64_t bytes_max, const struct cfms_conf_visitor *visitor, struct err *e)
{
    AUTO(front) struct front f = {0};
    AUTO(cfms_plain) struct cfms_plain plain = {0};
    AUTO(conf_xz) struct conf_xz *xz = NULL;
    AUTO(conf_reading) struct conf_reading g = {.v = visitor};

    if (!read_front(source, &f, e) || !check_first(source, &f, key, e))
        return false;
    begin_plain(&plain, source, &f, key);
    xz = conf_xz_new(cfms_plain_read, &plain);
    g.tar = ustar_reader_new(
        conf_xz_read, xz,
        (struct ustar_limits){.members = CFMS_FILES_MAX + 128, .bytes = bytes_max});
    return read_members(&g, e) && check_tag(&plain, e);
}
