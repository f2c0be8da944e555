#include "source/cfms_app.h"

#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"
#include "source/cfms_schema.h"

enum {
    PIECE = 64 << 10,
    LISTED_MAX = CFMS_RECORD_MAX / 64, /* rules or revisions of one record, which take more each */
};

struct cfms_app {
    struct app_db *db;
    int content_fd;
};

void cfms_app_close(struct cfms_app *a)
{
    if (a == NULL)
        return;
    app_db_close(a->db);
    fd_auto(&a->content_fd);
    mem_free(a);
}

void cfms_app_auto(struct cfms_app **a)
{
    cfms_app_close(*a);
}

bool cfms_app_open(const struct cfms_place *p, struct cfms_app **out, struct err *e)
{
    const struct app_db_place where = {p->file, p->dsn, p->password};
    AUTO(cfms_app) struct cfms_app *a = mem_new(sizeof(*a));

    a->content_fd = -1;
    if (!dir_open(p->content_dir, &a->content_fd, e) ||
        !app_db_open(&where, APP_DB_READ, &a->db, e) || !app_db_begin(a->db, e) ||
        !cfms_schema_check(a->db, e))
        return false;
    *out = TAKE(a);
    return true;
}

/* Records */

/* What belongs to one document or folder. */
struct owned {
    struct arena texts;
    struct cfms_rule *rules;
    struct cfms_revision *revisions;
    size_t rule_count, rule_room, revision_count, revision_room;
};

static void owned_clear(struct owned *o)
{
    for (size_t i = 0; i < o->rule_count; i++)
        json_decref((json_t *)(uintptr_t)o->rules[i].rule_data);
    arena_done(&o->texts);
    o->texts = (struct arena){0};
    o->rule_count = o->revision_count = 0;
}

static void owned_auto(struct owned *o)
{
    owned_clear(o);
    mem_free(o->rules);
    mem_free(o->revisions);
}

/* Rows of something that belongs to records, by the records' ids (column 0); the first that was not
 * taken is fetched already. */
struct belongings {
    struct app_rows *rows;
    bool more;
};

static void belongings_auto(struct belongings *b)
{
    app_rows_auto(&b->rows);
}

static bool belongings_open(struct app_db *d, const char *sql, struct belongings *b, struct err *e)
{
    return app_db_query(d, sql, APP_NO_VALUES, &b->rows, e) && app_rows_next(b->rows, &b->more, e);
}

static bool is_of(const struct belongings *b, const char *id)
{
    return b->more && strcmp(app_rows_text(b->rows, 0), id) == 0;
}

static bool too_many(struct err *e)
{
    return err_set(e, ERR_USAGE, "it has more rules or revisions than an archive holds");
}

/* owner, id, access_type, rule_data */
static bool take_rule(struct owned *o, const struct app_rows *r, struct err *e)
{
    const char *type = app_rows_text(r, 2);
    const char *text = app_rows_text(r, 3);
    json_t *tree = text == NULL ? NULL : json_loads(text, JSON_REJECT_DUPLICATES, NULL);

    if (type == NULL || !json_is_object(tree) || o->rule_count == LISTED_MAX) {
        json_decref(tree);
        return o->rule_count == LISTED_MAX ? too_many(e)
                                           : err_set(e, ERR_CORRUPT, "its access rule %lld is none",
                                                     (long long)app_rows_number(r, 1));
    }
    if (o->rule_count == o->rule_room) {
        o->rule_room = o->rule_room > 0 ? 2 * o->rule_room : 8;
        o->rules = mem_resize(o->rules, o->rule_room, sizeof(*o->rules));
    }
    o->rules[o->rule_count++] =
        (struct cfms_rule){.id = app_rows_number(r, 1),
                           .access_type = arena_string(&o->texts, slice_string(type)),
                           .rule_data = tree};
    return true;
}

static bool take_rules(struct owned *o, struct belongings *b, const char *id, struct err *e)
{
    while (is_of(b, id))
        if (!take_rule(o, b->rows, e) || !app_rows_next(b->rows, &b->more, e))
            return false;
    return true;
}

/* owner, id, file_id, created_time */
static bool take_revisions(struct owned *o, struct belongings *b, const char *id, struct err *e)
{
    for (; is_of(b, id);) {
        const char *file = app_rows_text(b->rows, 2);

        if (o->revision_count == LISTED_MAX)
            return too_many(e);
        if (o->revision_count == o->revision_room) {
            o->revision_room = o->revision_room > 0 ? 2 * o->revision_room : 8;
            o->revisions = mem_resize(o->revisions, o->revision_room, sizeof(*o->revisions));
        }
        o->revisions[o->revision_count++] = (struct cfms_revision){
            .id = app_rows_number(b->rows, 1),
            .document_id = id,
            .file_id = arena_string(&o->texts, slice_string(file == NULL ? "" : file)),
            .created_time = app_rows_real(b->rows, 3)};
        if (!app_rows_next(b->rows, &b->more, e))
            return false;
    }
    return true;
}

static bool has_texts(const struct app_rows *r, const char *what, struct err *e)
{
    return (app_rows_text(r, 0) != NULL && app_rows_text(r, 1) != NULL) ||
           err_set(e, ERR_CORRUPT, "the database has a %s without an id or a name", what);
}

static bool take_document(const struct app_rows *r, struct owned *o, struct belongings *rules,
                          struct belongings *revisions, struct err *e)
{
    const char *id = app_rows_text(r, 0);

    owned_clear(o);
    return (take_rules(o, rules, id, e) && take_revisions(o, revisions, id, e)) ||
           err_wrap(e, "document %.64s", id);
}

bool cfms_app_documents(void *arg, struct cfms_rows *to, struct err *e)
{
    const struct cfms_app *a = arg;
    AUTO(owned) struct owned o = {0};
    AUTO(app_rows) struct app_rows *r = NULL;
    AUTO(belongings) struct belongings rules = {0};
    AUTO(belongings) struct belongings revisions = {0};

    if (!app_db_query(a->db,
                      "SELECT id, title, created_time, folder_id FROM public.documents"
                      " ORDER BY id COLLATE \"C\"",
                      APP_NO_VALUES, &r, e) ||
        !belongings_open(a->db,
                         "SELECT r.document_id, r.id, r.access_type, r.rule_data"
                         " FROM public.document_access_rules r"
                         " JOIN public.documents d ON d.id = r.document_id"
                         " ORDER BY r.document_id COLLATE \"C\", r.id",
                         &rules, e) ||
        !belongings_open(a->db,
                         "SELECT r.document_id, r.id, r.file_id, r.created_time"
                         " FROM public.document_revisions r"
                         " JOIN public.documents d ON d.id = r.document_id"
                         " ORDER BY r.document_id COLLATE \"C\", r.created_time, r.id",
                         &revisions, e))
        return false;
    for (;;) {
        bool more = false;

        if (!app_rows_next(r, &more, e))
            return false;
        if (!more)
            return true;
        if (!has_texts(r, "document", e) || !take_document(r, &o, &rules, &revisions, e))
            return false;

        const struct cfms_document d = {.id = app_rows_text(r, 0),
                                        .title = app_rows_text(r, 1),
                                        .created_time = app_rows_real(r, 2),
                                        .folder_id = app_rows_text(r, 3),
                                        .rules = o.rules,
                                        .rule_count = o.rule_count,
                                        .revisions = o.revisions,
                                        .revision_count = o.revision_count};

        if (!cfms_rows_document(to, &d, e))
            return false;
    }
}

bool cfms_app_folders(void *arg, struct cfms_rows *to, struct err *e)
{
    const struct cfms_app *a = arg;
    AUTO(owned) struct owned o = {0};
    AUTO(app_rows) struct app_rows *r = NULL;
    AUTO(belongings) struct belongings rules = {0};

    if (!app_db_query(a->db,
                      "SELECT id, name, created_time, parent_id FROM public.folders"
                      " ORDER BY id COLLATE \"C\"",
                      APP_NO_VALUES, &r, e) ||
        !belongings_open(a->db,
                         "SELECT r.folder_id, r.id, r.access_type, r.rule_data"
                         " FROM public.folder_access_rules r"
                         " JOIN public.folders f ON f.id = r.folder_id"
                         " ORDER BY r.folder_id COLLATE \"C\", r.id",
                         &rules, e))
        return false;
    for (;;) {
        bool more = false;

        if (!app_rows_next(r, &more, e))
            return false;
        if (!more)
            return true;
        if (!has_texts(r, "folder", e))
            return false;
        owned_clear(&o);
        if (!take_rules(&o, &rules, app_rows_text(r, 0), e))
            return err_wrap(e, "folder %.64s", app_rows_text(r, 0));

        const struct cfms_folder f = {.id = app_rows_text(r, 0),
                                      .name = app_rows_text(r, 1),
                                      .created_time = app_rows_real(r, 2),
                                      .parent_id = app_rows_text(r, 3),
                                      .rules = o.rules,
                                      .rule_count = o.rule_count};

        if (!cfms_rows_folder(to, &f, e))
            return false;
    }
}

/* Files */

static const char files_sql[] =
    "SELECT id, path, created_time, CASE WHEN active THEN 1 ELSE 0 END, sha256 FROM public.files"
    " WHERE id IN (SELECT r.file_id FROM public.document_revisions r"
    " JOIN public.documents d ON d.id = r.document_id) ORDER BY id COLLATE \"C\"";

/* The next file; f borrows from r and *sum. */
static bool next_file(struct app_rows *r, struct cfms_file *f, struct hash *sum, bool *more,
                      struct err *e)
{
    const char *digits;

    if (!app_rows_next(r, more, e))
        return false;
    if (!*more)
        return true;
    if (!has_texts(r, "file", e))
        return false;
    *f = (struct cfms_file){.id = app_rows_text(r, 0),
                            .path = app_rows_text(r, 1),
                            .created_time = app_rows_real(r, 2),
                            .is_active = app_rows_number(r, 3) != 0};
    digits = app_rows_text(r, 4);
    if (digits == NULL)
        return true;
    if (strlen(digits) != 2 * (size_t)HASH_SIZE || !hex_decode(digits, sum->bytes, HASH_SIZE))
        return err_set(e, ERR_CORRUPT, "file %.64s: its sha256 is none", f->id);
    f->sha256 = sum;
    return true;
}

bool cfms_app_files(void *arg, struct cfms_rows *to, struct err *e)
{
    const struct cfms_app *a = arg;
    AUTO(app_rows) struct app_rows *r = NULL;
    struct cfms_file f;
    struct hash sum;

    if (!app_db_query(a->db, files_sql, APP_NO_VALUES, &r, e))
        return false;
    for (;;) {
        bool more = false;

        if (!next_file(r, &f, &sum, &more, e))
            return false;
        if (!more)
            return true;
        if (!cfms_rows_file(to, &f, e))
            return false;
    }
}

/* Contents */

/* Where a path of the application leads below its content folder; NULL: nowhere. */
static const char *path_below(const char *path)
{
    static const char folder[] = "content/";

    while (strncmp(path, "./", 2) == 0)
        path += 2;
    return strncmp(path, folder, sizeof(folder) - 1) == 0 ? path + sizeof(folder) - 1 : NULL;
}

static bool open_content(int content_fd, const char *path, int *fd, uint64_t *size, struct err *e)
{
    const char *below = path_below(path);
    AUTO(fd) int opened = -1;
    struct stat st;

    if (below == NULL)
        return err_set(e, ERR_DENIED, "its path does not lead below \"content\"");
    if (!beneath_open(content_fd, below, &opened, e))
        return false;
    if (fstat(opened, &st) < 0)
        return err_sys(e, "look at it");
    if (!S_ISREG(st.st_mode))
        return err_set(e, ERR_USAGE, "it is no regular file");
    *size = (uint64_t)st.st_size;
    *fd = opened;
    opened = -1;
    return true;
}

typedef bool piece_fn(void *arg, struct slice bytes, struct err *e);

/* size bytes from the beginning; fewer: ERR_TRANSIENT. */
static bool read_content(int fd, uint64_t size, piece_fn *take, void *arg, struct err *e)
{
    uint8_t bytes[PIECE];

    for (uint64_t at = 0; at < size;) {
        const size_t room = size - at < PIECE ? (size_t)(size - at) : PIECE;
        size_t got = 0;

        if (cancel_is_requested())
            return cancel_err(e);
        if (!fd_read_at(fd, at, bytes, room, &got, e))
            return false;
        if (got < room)
            return err_set(e, ERR_TRANSIENT, "it changed while it was read");
        if (!take(arg, SLICE_OF(bytes, got), e))
            return false;
        at += got;
    }
    return true;
}

static bool add_to_sum(void *arg, struct slice bytes, struct err *e)
{
    (void)e;
    sha256_stream_add(arg, bytes);
    return true;
}

static bool add_to_archive(void *arg, struct slice bytes, struct err *e)
{
    return cfms_writer_bytes(arg, bytes, e);
}

/* Open it and find that it is what its record says. */
static bool find_content(int content_fd, const struct cfms_file *f, int *fd, uint64_t *size,
                         struct err *e)
{
    AUTO(sha256_stream) struct sha256_stream *s = NULL;
    AUTO(fd) int opened = -1;
    struct hash sum;

    if (!open_content(content_fd, f->path, &opened, size, e))
        return false;
    if (f->sha256 != NULL) {
        s = sha256_stream_new();
        if (!read_content(opened, *size, add_to_sum, s, e))
            return false;
        sha256_stream_finish(s, &sum);
        if (!hash_is_equal(&sum, f->sha256))
            return err_set(e, ERR_CORRUPT, "its content is not what its SHA-256 says");
    }
    *fd = opened;
    opened = -1;
    return true;
}

/* The contents that revisions refer to and no record of a file describes. */
static bool tell_unknown(const struct cfms_app *a, cfms_missing_fn *missing_fn, void *arg,
                         uint64_t *missing, struct err *e)
{
    AUTO(app_rows) struct app_rows *r = NULL;
    struct err why = {0};

    if (!app_db_query(a->db,
                      "SELECT r.file_id FROM public.document_revisions r"
                      " JOIN public.documents d ON d.id = r.document_id"
                      " WHERE NOT EXISTS (SELECT 1 FROM public.files f WHERE f.id = r.file_id)"
                      " GROUP BY r.file_id ORDER BY r.file_id COLLATE \"C\"",
                      APP_NO_VALUES, &r, e))
        return false;
    (void)err_set(&why, ERR_NOT_FOUND, "a revision refers to it, and no file has this id");
    for (;;) {
        bool more = false;
        const char *id;

        if (!app_rows_next(r, &more, e))
            return false;
        if (!more)
            return true;
        id = app_rows_text(r, 0);
        missing_fn(arg, id == NULL ? "" : id, NULL, &why);
        ++*missing;
    }
}

static bool send_file(const struct cfms_app *a, const struct cfms_file *f, struct cfms_writer *to,
                      struct err *why, bool *is_missing, struct err *e)
{
    AUTO(fd) int fd = -1;
    uint64_t size = 0;

    *is_missing = !find_content(a->content_fd, f, &fd, &size, why);
    if (*is_missing)
        return why->code == ERR_CANCELLED ? cancel_err(e) : cfms_writer_missing(to, f->id, e);
    return cfms_writer_content(to, f->id, size, e) &&
           (read_content(fd, size, add_to_archive, to, e) || err_wrap(e, "file %s", f->id));
}

bool cfms_app_contents(struct cfms_app *a, struct cfms_writer *to, cfms_missing_fn *missing_fn,
                       void *arg, uint64_t *missing, struct err *e)
{
    AUTO(app_rows) struct app_rows *r = NULL;
    struct cfms_file f;
    struct hash sum;
    uint64_t count = 0;

    if (!app_db_query(a->db, files_sql, APP_NO_VALUES, &r, e))
        return false;
    for (;;) {
        bool more = false;
        bool is_missing = false;
        struct err why = {0};

        if (!next_file(r, &f, &sum, &more, e))
            return false;
        if (!more)
            break;
        if (!send_file(a, &f, to, &why, &is_missing, e))
            return false;
        if (!is_missing)
            continue;
        count++;
        missing_fn(arg, f.id, f.path, &why);
    }
    if (!tell_unknown(a, missing_fn, arg, &count, e))
        return false;
    *missing = count;
    return true;
}
