#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "archive/cbc.h"
#include "archive/cfms_record.h"
#include "archive/python_json.h"
#include "archive/ustar.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"

#define PIECE ((size_t)64 << 10) /* encrypted at once */

enum stage {
    STAGE_DOCUMENTS,
    STAGE_CONTENTS,
    STAGE_FOLDERS,
    STAGE_FINISH,
};

enum kind {
    KIND_DOCUMENT,
    KIND_FILE,
    KIND_FOLDER,
};

struct cfms_writer {
    cfms_write_fn *write;
    void *arg;
    struct cfms_key key;
    struct cbc_writer *sealed;
    struct hmac_stream *mac;
    struct sha256_stream *sum;
    struct buf plain;    /* waits to be encrypted */
    uint64_t plain_size; /* of the tar archive so far */
    enum stage stage;
    struct cfms_table *table;
    char last[CFMS_ID_MAX]; /* id of the last content */
    uint64_t rest;          /* of the content under way */
    uint64_t size;          /* of all of it */
    struct sha256_stream *content;
    uint64_t counts[3]; /* of records, by kind */
    uint64_t known;     /* files whose record was written */
    json_t *missing;
};

/* Records on their way: counted first, then written. */
struct cfms_rows {
    struct cfms_writer *w;
    enum kind kind;
    bool writes;
    uint64_t count, size; /* of the records so far, and of their text */
    struct sha256_stream *sum;
};

static bool pass_on(void *arg, struct slice bytes, struct err *e)
{
    struct cfms_writer *w = arg;

    hmac_stream_add(w->mac, bytes);
    sha256_stream_add(w->sum, bytes);
    w->key.size += bytes.size;
    return w->write(w->arg, bytes, e);
}

static bool flush(struct cfms_writer *w, size_t above, struct err *e)
{
    if (w->plain.size <= above)
        return true;
    if (!cbc_writer_add(w->sealed, buf_slice(&w->plain), e))
        return false;
    w->plain_size += w->plain.size;
    mem_wipe(w->plain.data, w->plain.size);
    buf_clear(&w->plain);
    return true;
}

static bool put(struct cfms_writer *w, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const size_t n = bytes.size < PIECE ? bytes.size : PIECE;

        buf_append(&w->plain, bytes.data, n);
        bytes = SLICE_OF(bytes.data + n, bytes.size - n);
        if (!flush(w, PIECE, e))
            return false;
    }
    return true;
}

static void put_header(struct cfms_writer *w, const char *name, uint32_t mode, uint64_t size)
{
    ustar_header(name, mode, size, w->key.created_at, &w->plain);
}

bool cfms_writer_open(const struct cfms_writer_options *o, struct cfms_writer **out, struct err *e)
{
    AUTO(cfms_writer) struct cfms_writer *w = mem_secret_new(sizeof(*w));

    if (!utf8_is_valid(slice_string(o->name)) || strlen(o->name) >= sizeof(w->key.name))
        return err_set(e, ERR_USAGE, "the name of the backup is too long or not UTF-8");
    w->write = o->write;
    w->arg = o->arg;
    memcpy(w->key.name, o->name, strlen(o->name) + 1);
    w->key.created_at = o->created_at;
    random_bytes(w->key.key, sizeof(w->key.key));
    w->mac = cfms_mac_new(w->key.key);
    w->sum = sha256_stream_new();
    w->content = sha256_stream_new();
    w->table = cfms_table_new();
    w->missing = json_array();
    buf_reserve(&w->plain, 3 * PIECE);
    put_header(w, "./", 0700, 0);
    if (!cbc_writer_open(w->key.key, pass_on, w, &w->sealed, e))
        return false;
    *out = TAKE(w);
    return true;
}

void cfms_writer_close(struct cfms_writer *w)
{
    if (w == NULL)
        return;
    cbc_writer_close(w->sealed);
    hmac_stream_free(w->mac);
    sha256_stream_free(w->sum);
    sha256_stream_free(w->content);
    cfms_table_free(w->table);
    json_decref(w->missing);
    if (w->plain.room > 0)
        mem_wipe(w->plain.data, w->plain.room);
    buf_done(&w->plain);
    mem_secret_free(w);
}

void cfms_writer_auto(struct cfms_writer **w)
{
    cfms_writer_close(*w);
}

/* Records */

/* Take a record's tree, and its text into the archive on the second pass. */
static bool add_row(struct cfms_rows *to, enum kind kind, json_t *row, struct err *e)
{
    AUTO(json) json_t *tree = row;
    AUTO(buf) struct buf text = {0};

    assert(to->kind == kind);
    buf_append(&text, to->count == 0 ? "[\n  " : ",\n  ", 4);
    python_json_append(tree, 1, &text);
    if (text.size > CFMS_RECORD_MAX)
        return err_set(e, ERR_USAGE, "a record is longer than an archive holds");
    to->count++;
    to->size += text.size;
    sha256_stream_add(to->sum, buf_slice(&text));
    return !to->writes || put(to->w, buf_slice(&text), e);
}

bool cfms_rows_document(struct cfms_rows *to, const struct cfms_document *d, struct err *e)
{
    json_t *tree;

    return cfms_document_tree(d, &tree, e) && add_row(to, KIND_DOCUMENT, tree, e);
}

bool cfms_rows_folder(struct cfms_rows *to, const struct cfms_folder *f, struct err *e)
{
    json_t *tree;

    return cfms_folder_tree(f, &tree, e) && add_row(to, KIND_FOLDER, tree, e);
}

/* What a record says is what was done about its content. */
static bool check_file(struct cfms_writer *w, const struct cfms_file *f, struct err *e)
{
    struct cfms_known *known = cfms_table_get(w->table, f->id);

    if (known == NULL || (!known->has_content && !known->is_missing))
        return err_set(e, ERR_USAGE, "file %s: its content was not written", f->id);
    if (known->has_record)
        return err_set(e, ERR_USAGE, "file %s: it comes twice", f->id);
    known->has_record = true;
    w->known++;
    if (known->has_content && f->sha256 != NULL && !hash_is_equal(&known->content, f->sha256))
        return err_set(e, ERR_CORRUPT, "file %s: its content is not what its checksum says", f->id);
    return true;
}

bool cfms_rows_file(struct cfms_rows *to, const struct cfms_file *f, struct err *e)
{
    json_t *tree;

    if (!cfms_file_tree(f, &tree, e))
        return false;
    if (!to->writes && !check_file(to->w, f, e)) {
        json_decref(tree);
        return false;
    }
    return add_row(to, KIND_FILE, tree, e);
}

/* The whole member; its length is that of the records, and "\n]" or "[]". */
static bool write_rows(struct cfms_writer *w, enum kind kind, cfms_rows_fn *rows, void *arg,
                       struct err *e)
{
    static const char *const names[] = {"./documents.json", "./files.json", "./folders.json"};
    AUTO(sha256_stream) struct sha256_stream *sum = sha256_stream_new();
    struct cfms_rows first = {.w = w, .kind = kind, .sum = sum};
    struct cfms_rows again = {.w = w, .kind = kind, .sum = sum, .writes = true};
    struct hash before, after;

    if (!rows(arg, &first, e))
        return false;
    sha256_stream_finish(sum, &before);
    put_header(w, names[kind], 0644, first.size + 2);
    if (!rows(arg, &again, e))
        return false;
    sha256_stream_finish(sum, &after);
    if (again.size != first.size || !hash_is_equal(&before, &after))
        return err_set(e, ERR_FATAL, "the records of %s changed while they were written",
                       names[kind] + 2);
    if (!put(w, slice_string(first.count == 0 ? "[]" : "\n]"), e))
        return false;
    ustar_fill(first.size + 2, &w->plain);
    w->counts[kind] = first.count;
    return true;
}

bool cfms_writer_documents(struct cfms_writer *w, cfms_rows_fn *rows, void *arg, struct err *e)
{
    assert(w->stage == STAGE_DOCUMENTS);
    if (!write_rows(w, KIND_DOCUMENT, rows, arg, e))
        return false;
    put_header(w, "./files/", 0755, 0);
    w->stage = STAGE_CONTENTS;
    return true;
}

/* Contents */

static bool end_content(struct cfms_writer *w, struct err *e)
{
    struct cfms_known *known = w->last[0] == '\0' ? NULL : cfms_table_get(w->table, w->last);

    if (known == NULL || known->is_missing || known->has_content)
        return true;
    if (w->rest > 0)
        return err_set(e, ERR_USAGE, "file %s: it has fewer bytes than was said", w->last);
    sha256_stream_finish(w->content, &known->content);
    known->has_content = true;
    ustar_fill(w->size, &w->plain);
    return true;
}

/* The next id, which is larger than the last. */
static bool next_id(struct cfms_writer *w, const char *id, struct err *e)
{
    assert(w->stage == STAGE_CONTENTS);
    if (!cfms_id_is(id))
        return err_set(e, ERR_USAGE, "the id of a file is none that an archive holds");
    if (!end_content(w, e))
        return false;
    if (strcmp(id, w->last) <= 0)
        return err_set(e, ERR_USAGE, "file %s: it comes behind a larger one, or twice", id);
    if (cfms_table_get(w->table, id) == NULL)
        return err_set(e, ERR_USAGE, "there are more than %d files", CFMS_FILES_MAX);
    memcpy(w->last, id, strlen(id) + 1);
    return true;
}

bool cfms_writer_content(struct cfms_writer *w, const char *id, uint64_t size, struct err *e)
{
    char name[sizeof("./files/") + CFMS_ID_MAX];

    if (!next_id(w, id, e))
        return false;
    if (size > CFMS_BYTES_MAX - w->plain_size - w->plain.size)
        return err_set(e, ERR_USAGE, "file %s: the archive would be too large", id);
    (void)snprintf(name, sizeof(name), "./files/%s", id);
    put_header(w, name, 0644, size);
    w->rest = w->size = size;
    return flush(w, PIECE, e);
}

bool cfms_writer_bytes(struct cfms_writer *w, struct slice bytes, struct err *e)
{
    if (bytes.size > w->rest)
        return err_set(e, ERR_USAGE, "file %s: it has more bytes than was said", w->last);
    w->rest -= bytes.size;
    sha256_stream_add(w->content, bytes);
    return put(w, bytes, e);
}

bool cfms_writer_missing(struct cfms_writer *w, const char *id, struct err *e)
{
    if (!next_id(w, id, e))
        return false;
    cfms_table_get(w->table, id)->is_missing = true;
    (void)json_array_append_new(w->missing, json_string(id));
    return true;
}

bool cfms_writer_files(struct cfms_writer *w, cfms_rows_fn *rows, void *arg, struct err *e)
{
    size_t count;

    assert(w->stage == STAGE_CONTENTS);
    if (!end_content(w, e))
        return false;
    w->stage = STAGE_FOLDERS;
    (void)cfms_table_all(w->table, &count);
    if (!write_rows(w, KIND_FILE, rows, arg, e))
        return false;
    return w->known == count ||
           err_set(e, ERR_USAGE, "the archive has contents of files without a record");
}

bool cfms_writer_folders(struct cfms_writer *w, cfms_rows_fn *rows, void *arg, struct err *e)
{
    assert(w->stage == STAGE_FOLDERS);
    w->stage = STAGE_FINISH;
    return write_rows(w, KIND_FOLDER, rows, arg, e);
}

static bool write_metadata(struct cfms_writer *w, struct err *e)
{
    AUTO(buf) struct buf text = {0};
    AUTO(json)
    json_t *j = json_pack(
        "{s:s, s:f, s:I, s:I, s:I}", "version", "1.0", "created_at", w->key.created_at,
        "documents_count", (json_int_t)w->counts[KIND_DOCUMENT], "folders_count",
        (json_int_t)w->counts[KIND_FOLDER], "files_count", (json_int_t)w->counts[KIND_FILE]);

    if (json_array_size(w->missing) > 0)
        (void)json_object_set(j, "missing", w->missing);
    python_json_append(j, 0, &text);
    if (text.size > CFMS_RECORD_MAX)
        return err_set(e, ERR_USAGE, "more files are missing than an archive can say");
    put_header(w, "./metadata.json", 0644, text.size);
    if (!put(w, buf_slice(&text), e))
        return false;
    ustar_fill(text.size, &w->plain);
    return true;
}

bool cfms_writer_finish(struct cfms_writer *w, struct cfms_key *out, struct err *e)
{
    assert(w->stage == STAGE_FINISH);
    if (!write_metadata(w, e))
        return false;
    ustar_end(w->plain_size + w->plain.size, &w->plain);
    if (!flush(w, 0, e) || !cbc_writer_finish(w->sealed, e))
        return false;
    hmac_stream_finish(w->mac, &w->key.mac);
    sha256_stream_finish(w->sum, &w->key.sha256);
    w->key.has_mac = true;
    *out = w->key;
    return true;
}

struct cfms_counts cfms_writer_counts(const struct cfms_writer *w)
{
    return (struct cfms_counts){w->counts[KIND_DOCUMENT], w->counts[KIND_FOLDER],
                                w->counts[KIND_FILE]};
}
