#include "source/cfms_stage.h"

#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"
#include "codec/random.h"
#include "source/cfms_schema.h"
#include "source/names.h"

enum { ID_BYTES = 32 };

/* fresh: the id that a record gets when its own is taken; new_id: the one that it has at last. */
static const char make_sql[] =
    "CREATE TEMPORARY TABLE holdfast_folders (id TEXT PRIMARY KEY, new_id TEXT NOT NULL,"
    " fresh TEXT NOT NULL, name TEXT NOT NULL, created_time DOUBLE PRECISION NOT NULL,"
    " parent TEXT);"
    "CREATE INDEX holdfast_parents ON holdfast_folders (parent);"
    "CREATE TEMPORARY TABLE holdfast_order (id TEXT PRIMARY KEY, depth INTEGER NOT NULL);"
    "CREATE TEMPORARY TABLE holdfast_files (id TEXT PRIMARY KEY, new_id TEXT NOT NULL,"
    " fresh TEXT NOT NULL, sha256 TEXT, created_time DOUBLE PRECISION NOT NULL,"
    " active INTEGER NOT NULL, has_content INTEGER NOT NULL);"
    "CREATE TEMPORARY TABLE holdfast_documents (id TEXT PRIMARY KEY, new_id TEXT NOT NULL,"
    " fresh TEXT NOT NULL, title TEXT NOT NULL, created_time DOUBLE PRECISION NOT NULL,"
    " folder TEXT);"
    "CREATE TEMPORARY TABLE holdfast_revisions (position BIGINT NOT NULL, document TEXT NOT NULL,"
    " file TEXT NOT NULL, created_time DOUBLE PRECISION NOT NULL);"
    "CREATE TEMPORARY TABLE holdfast_document_rules (position BIGINT NOT NULL,"
    " owner TEXT NOT NULL, access_type TEXT NOT NULL, rule_data JSON NOT NULL);"
    "CREATE TEMPORARY TABLE holdfast_folder_rules (position BIGINT NOT NULL,"
    " owner TEXT NOT NULL, access_type TEXT NOT NULL, rule_data JSON NOT NULL);"
    "CREATE TEMPORARY TABLE holdfast_groups (name TEXT PRIMARY KEY)";

struct cfms_stage {
    struct app_db *db;
    struct cfms_settled all;
};

void cfms_stage_close(struct cfms_stage *s)
{
    if (s == NULL)
        return;
    app_db_close(s->db);
    mem_free(s);
}

void cfms_stage_auto(struct cfms_stage **s)
{
    cfms_stage_close(*s);
}

bool cfms_stage_open(const struct cfms_place *p, struct cfms_stage **out, struct err *e)
{
    const struct app_db_place where = {p->file, p->dsn, p->password};
    AUTO(cfms_stage) struct cfms_stage *s = mem_new(sizeof(*s));

    if (!app_db_open(&where, APP_DB_WRITE, &s->db, e) || !app_db_begin(s->db, e) ||
        !cfms_schema_check(s->db, e) || !app_db_script(s->db, make_sql, e))
        return false;
    *out = TAKE(s);
    return true;
}

/* Records */

static void draw_id(char out[CFMS_ID_MAX])
{
    uint8_t bytes[ID_BYTES];

    random_bytes(bytes, sizeof(bytes));
    hex_encode(SLICE_OF(bytes, sizeof(bytes)), out);
}

/* Run a statement that inserts one row unless its id is there. */
static bool insert(struct cfms_stage *s, const char *what, const char *sql,
                   const struct app_value *values, size_t count, struct err *e)
{
    uint64_t changed = 0;

    if (!app_db_run(s->db, sql, values, count, &changed, e))
        return err_wrap(e, "%s %s", what, values[0].text);
    return changed == 1 ||
           err_set(e, ERR_USAGE, "the archive has the %s %s twice", what, values[0].text);
}

/* The groups that a rule requires, in the application's form of it. */
static bool add_groups(struct cfms_stage *s, const json_t *rule_data, struct err *e)
{
    static const char sql[] = "INSERT INTO holdfast_groups (name) VALUES ($1)"
                              " ON CONFLICT DO NOTHING";
    const json_t *parts = json_object_get(rule_data, "match_groups");

    for (size_t i = 0; i < json_array_size(parts); i++) {
        const json_t *groups =
            json_object_get(json_object_get(json_array_get(parts, i), "groups"), "require");

        for (size_t g = 0; g < json_array_size(groups); g++) {
            const char *name = json_string_value(json_array_get(groups, g));

            if (name != NULL && !app_db_run(s->db, sql, APP_VALUES(app_text(name)), NULL, e))
                return false;
        }
    }
    return true;
}

static bool add_rules(struct cfms_stage *s, const char *sql, const char *owner,
                      const struct cfms_rule *rules, size_t count, struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf text = {0};
        const double position = (double)s->all.rules++;

        json_append(rules[i].rule_data, &text);
        if (!add_groups(s, rules[i].rule_data, e) ||
            !app_db_run(s->db, sql,
                        APP_VALUES(app_real(position), app_text(owner),
                                   app_text(rules[i].access_type), app_text(buf_string(&text))),
                        NULL, e))
            return false;
    }
    return true;
}

bool cfms_stage_folder(struct cfms_stage *s, const struct cfms_folder *f, struct err *e)
{
    static const char sql[] = "INSERT INTO holdfast_folders (id, new_id, fresh, name, created_time,"
                              " parent) VALUES ($1, $1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
    static const char rule_sql[] = "INSERT INTO holdfast_folder_rules (position, owner,"
                                   " access_type, rule_data) VALUES ($1, $2, $3, $4)";
    char fresh[CFMS_ID_MAX];

    draw_id(fresh);
    s->all.folders++;
    return insert(s, "folder", sql,
                  APP_VALUES(app_text(f->id), app_text(fresh), app_text(f->name),
                             app_real(f->created_time), app_text(f->parent_id)),
                  e) &&
           add_rules(s, rule_sql, f->id, f->rules, f->rule_count, e);
}

bool cfms_stage_file(struct cfms_stage *s, const struct cfms_file *f, struct err *e)
{
    static const char sql[] = "INSERT INTO holdfast_files (id, new_id, fresh, sha256, created_time,"
                              " active, has_content) VALUES ($1, $1, $2, $3, $4, $5, 0)"
                              " ON CONFLICT DO NOTHING";
    char fresh[CFMS_ID_MAX], digits[2 * HASH_SIZE + 1];

    draw_id(fresh);
    if (f->sha256 != NULL)
        hex_encode(SLICE_OF(f->sha256->bytes, HASH_SIZE), digits);
    s->all.files++;
    return insert(s, "file", sql,
                  APP_VALUES(app_text(f->id), app_text(fresh),
                             app_text(f->sha256 == NULL ? NULL : digits), app_real(f->created_time),
                             app_text(f->is_active ? "1" : "0")),
                  e);
}

static bool add_revisions(struct cfms_stage *s, const struct cfms_document *d, struct err *e)
{
    static const char sql[] = "INSERT INTO holdfast_revisions (position, document, file,"
                              " created_time) VALUES ($1, $2, $3, $4)";

    for (size_t i = 0; i < d->revision_count; i++) {
        const struct cfms_revision *r = &d->revisions[i];
        const double position = (double)s->all.revisions++;

        if (strcmp(r->document_id, d->id) != 0)
            return err_set(e, ERR_USAGE, "document %s has a revision of document %s", d->id,
                           r->document_id);
        if (!app_db_run(s->db, sql,
                        APP_VALUES(app_real(position), app_text(d->id), app_text(r->file_id),
                                   app_real(r->created_time)),
                        NULL, e))
            return false;
    }
    return true;
}

bool cfms_stage_document(struct cfms_stage *s, const struct cfms_document *d, struct err *e)
{
    static const char sql[] = "INSERT INTO holdfast_documents (id, new_id, fresh, title,"
                              " created_time, folder) VALUES ($1, $1, $2, $3, $4, $5)"
                              " ON CONFLICT DO NOTHING";
    static const char rule_sql[] = "INSERT INTO holdfast_document_rules (position, owner,"
                                   " access_type, rule_data) VALUES ($1, $2, $3, $4)";
    char fresh[CFMS_ID_MAX];

    draw_id(fresh);
    s->all.documents++;
    return insert(s, "document", sql,
                  APP_VALUES(app_text(d->id), app_text(fresh), app_text(d->title),
                             app_real(d->created_time), app_text(d->folder_id)),
                  e) &&
           add_revisions(s, d, e) && add_rules(s, rule_sql, d->id, d->rules, d->rule_count, e);
}

bool cfms_stage_content(struct cfms_stage *s, const char *id, bool *is_known, struct err *e)
{
    uint64_t changed = 0;

    if (!app_db_run(s->db, "UPDATE holdfast_files SET has_content = 1 WHERE id = $1",
                    APP_VALUES(app_text(id)), &changed, e))
        return false;
    *is_known = changed == 1;
    return true;
}

/* Settling */

/* Whatever stands above a folder comes before it; one in a cycle has no place. */
static const char order_sql[] =
    "INSERT INTO holdfast_order (id, depth) WITH RECURSIVE walk (id, depth) AS ("
    "SELECT s.id, 0 FROM holdfast_folders s"
    " WHERE NOT EXISTS (SELECT 1 FROM holdfast_folders p WHERE p.id = s.parent)"
    " UNION ALL SELECT s.id, walk.depth + 1 FROM holdfast_folders s"
    " JOIN walk ON s.parent = walk.id) SELECT id, depth FROM walk";

static const char *const remap_sql[] = {
    "UPDATE holdfast_folders SET new_id = fresh"
    " WHERE EXISTS (SELECT 1 FROM public.folders t WHERE t.id = holdfast_folders.id)",
    "UPDATE holdfast_files SET new_id = fresh"
    " WHERE EXISTS (SELECT 1 FROM public.files t WHERE t.id = holdfast_files.id)",
    "UPDATE holdfast_documents SET new_id = fresh"
    " WHERE EXISTS (SELECT 1 FROM public.documents t WHERE t.id = holdfast_documents.id)",
};

/* Each yields ids, and what else is to be said of them. */
static const struct {
    enum cfms_finding kind;
    const char *sql;
} looks[] = {
    {CFMS_TAKEN, "SELECT s.id, 'folder' FROM holdfast_folders s"
                 " JOIN public.folders t ON t.id = s.new_id"
                 " UNION ALL SELECT s.id, 'file' FROM holdfast_files s"
                 " JOIN public.files t ON t.id = s.new_id"
                 " UNION ALL SELECT s.id, 'document' FROM holdfast_documents s"
                 " JOIN public.documents t ON t.id = s.new_id"},
    {CFMS_NO_FOLDER,
     "SELECT s.id, s.parent FROM (SELECT id, parent FROM holdfast_folders"
     " UNION ALL SELECT id, folder FROM holdfast_documents) s WHERE s.parent IS NOT NULL"
     " AND NOT EXISTS (SELECT 1 FROM holdfast_folders p WHERE p.id = s.parent)"
     " AND NOT EXISTS (SELECT 1 FROM public.folders p WHERE p.id = s.parent)"},
    {CFMS_CYCLE, "SELECT s.id, s.parent FROM holdfast_folders s"
                 " WHERE NOT EXISTS (SELECT 1 FROM holdfast_order o WHERE o.id = s.id)"},
    {CFMS_NO_FILE, "SELECT r.document, r.file FROM holdfast_revisions r"
                   " WHERE NOT EXISTS (SELECT 1 FROM holdfast_files f WHERE f.id = r.file)"},
    {CFMS_NO_CONTENT, "SELECT f.id, NULL FROM holdfast_files f WHERE f.has_content = 0"},
    {CFMS_NO_GROUP,
     "SELECT g.name, NULL FROM holdfast_groups g"
     " WHERE NOT EXISTS (SELECT 1 FROM public.user_groups t WHERE t.group_name = g.name)"},
};

static bool look(struct cfms_stage *s, enum cfms_finding kind, const char *sql,
                 cfms_finding_fn *tell, void *arg, struct err *e)
{
    AUTO(app_rows) struct app_rows *r = NULL;

    if (!app_db_query(s->db, sql, APP_NO_VALUES, &r, e))
        return false;
    for (;;) {
        bool more = false;

        if (!app_rows_next(r, &more, e))
            return false;
        if (!more)
            return true;
        tell(arg, kind, app_rows_text(r, 0), app_rows_text(r, 1));
        s->all.in_the_way += kind <= CFMS_CYCLE;
        s->all.no_content += kind == CFMS_NO_CONTENT;
        s->all.no_file += kind == CFMS_NO_FILE;
    }
}

bool cfms_stage_settle(struct cfms_stage *s, bool remaps, cfms_finding_fn *tell, void *arg,
                       struct cfms_settled *out, struct err *e)
{
    if (!app_db_run(s->db, order_sql, APP_NO_VALUES, NULL, e))
        return false;
    for (size_t i = 0; remaps && i < sizeof(remap_sql) / sizeof(remap_sql[0]); i++) {
        uint64_t changed = 0;

        if (!app_db_run(s->db, remap_sql[i], APP_NO_VALUES, &changed, e))
            return false;
        s->all.remapped += changed;
    }
    for (size_t i = 0; i < sizeof(looks) / sizeof(looks[0]); i++)
        if (!look(s, looks[i].kind, looks[i].sql, tell, arg, e))
            return false;
    s->all.revisions -= s->all.no_file;
    if (!app_db_commit(s->db, e)) /* temporary tables; the application's are let go */
        return false;
    *out = s->all;
    return true;
}

bool cfms_stage_wanted(struct cfms_stage *s, const char *id, struct cfms_wanted *out,
                       bool *is_known, struct err *e)
{
    AUTO(app_rows) struct app_rows *r = NULL;
    const char *new_id;
    const char *digits;

    if (!app_db_query(s->db, "SELECT f.new_id, f.sha256 FROM holdfast_files f WHERE f.id = $1",
                      APP_VALUES(app_text(id)), &r, e) ||
        !app_rows_next(r, is_known, e))
        return false;
    if (!*is_known)
        return true;
    new_id = app_rows_text(r, 0);
    digits = app_rows_text(r, 1);
    memcpy(out->new_id, new_id, strlen(new_id) + 1); /* it was an id */
    out->has_sha256 = digits != NULL;
    return digits == NULL || hex_decode(digits, out->sha256.bytes, HASH_SIZE) ||
           err_set(e, ERR_FATAL, "file %s: its sum is none any more", id);
}

/* Contents that were left */

static bool has_record(struct cfms_stage *s, const char *name, bool *has, struct err *e)
{
    AUTO(app_rows) struct app_rows *r = NULL;

    return app_db_query(s->db,
                        "SELECT f.id FROM public.files f WHERE f.id = $1"
                        " AND f.path = '" CFMS_CONTENTS_PATH "' || f.id",
                        APP_VALUES(app_text(name)), &r, e) &&
           app_rows_next(r, has, e);
}

bool cfms_stage_look_left(struct cfms_stage *s, const struct cfms_contents *c,
                          cfms_finding_fn *tell, void *arg, struct err *e)
{
    AUTO(arena) struct arena texts = {0};
    AUTO(names) struct names names = {0};

    if (cfms_contents_fd(c) < 0)
        return true;
    if (!names_read(&names, cfms_contents_fd(c), &texts, e))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i].text;
        bool has = false;

        if (cfms_id_is(name) && !has_record(s, name, &has, e))
            return false;
        if (!has)
            tell(arg, CFMS_LEFT, name, NULL);
    }
    return true;
}

/* Applying */

static const char *const folders_sql[] = {
    "INSERT INTO public.folders (id, name, created_time, parent_id)"
    " SELECT s.new_id, s.name, s.created_time, COALESCE(p.new_id, s.parent)"
    " FROM holdfast_folders s JOIN holdfast_order o ON o.id = s.id"
    " LEFT JOIN holdfast_folders p ON p.id = s.parent ORDER BY o.depth, s.id",
    "INSERT INTO public.folder_access_rules (access_type, folder_id, rule_data)"
    " SELECT r.access_type, s.new_id, r.rule_data FROM holdfast_folder_rules r"
    " JOIN holdfast_folders s ON s.id = r.owner ORDER BY r.position",
};
static const char *const documents_sql[] = {
    "INSERT INTO public.files (id, sha256, path, created_time, active)"
    " SELECT s.new_id, s.sha256, '" CFMS_CONTENTS_PATH "' || s.new_id, s.created_time,"
    " s.active <> 0 FROM holdfast_files s",
    "INSERT INTO public.documents (id, title, created_time, folder_id)"
    " SELECT s.new_id, s.title, s.created_time, COALESCE(p.new_id, s.folder)"
    " FROM holdfast_documents s LEFT JOIN holdfast_folders p ON p.id = s.folder",
    "INSERT INTO public.document_revisions (document_id, file_id, created_time)"
    " SELECT d.new_id, f.new_id, r.created_time FROM holdfast_revisions r"
    " JOIN holdfast_documents d ON d.id = r.document JOIN holdfast_files f ON f.id = r.file"
    " ORDER BY r.created_time, r.position",
    "INSERT INTO public.document_access_rules (access_type, document_id, rule_data)"
    " SELECT r.access_type, s.new_id, r.rule_data FROM holdfast_document_rules r"
    " JOIN holdfast_documents s ON s.id = r.owner ORDER BY r.position",
};

static bool bring(struct cfms_stage *s, const char *const *sql, size_t count, uint64_t *rows,
                  struct err *e)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t changed = 0;

        if (!app_db_run(s->db, sql[i], APP_NO_VALUES, &changed, e))
            return false;
        *rows += changed;
    }
    return true;
}

bool cfms_stage_apply(struct cfms_stage *s, cfms_step_fn *step, void *arg, struct err *e)
{
    const struct cfms_settled *all = &s->all;
    uint64_t rows = 0;

    if (!app_db_begin(s->db, e))
        return false;
    step(arg, "importing", "Importing folders", 60);
    if (!bring(s, folders_sql, sizeof(folders_sql) / sizeof(folders_sql[0]), &rows, e))
        return err_wrap(e, "folders");
    step(arg, "importing", "Importing documents", 80);
    if (!bring(s, documents_sql, sizeof(documents_sql) / sizeof(documents_sql[0]), &rows, e))
        return err_wrap(e, "documents");
    if (rows != all->folders + all->files + all->documents + all->revisions + all->rules)
        return err_set(e, ERR_FATAL, "the database took other rows than it was given");
    step(arg, "importing", "Finalizing import", 95);
    return app_db_commit(s->db, e);
}
