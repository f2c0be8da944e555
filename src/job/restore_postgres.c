/*
 * PostgreSQL databases: restored beside as "holdfast_restored_<digits>", the old one is kept as
 * "holdfast_before_<digits>".
 */
#include <string.h>

#include "base/mem.h"
#include "job/open_set.h"
#include "job/restore_into.h"
#include "job/restore_source.h"
#include "job/stored_database.h"

/* How the server is reached. */
struct server {
    char *password;
    struct postgres_restore_options how;
};

static void server_auto(struct server *s)
{
    mem_secret_free(s->password);
}

static bool server_open(struct restore_source *p, const char *database, struct server *out,
                        struct err *e)
{
    const struct config_postgres *c = &p->source->postgres;

    if (c->database == NULL)
        return err_set(e, ERR_USAGE, "its dsn has no dbname, so which database is not known");
    if (!config_secret_read(&c->secret, &out->password, e))
        return false;
    out->how = (struct postgres_restore_options){.dsn = c->dsn,
                                                 .connect = RESTORE_CONNECT_TO,
                                                 .password = out->password,
                                                 .passfile = c->secret.passfile,
                                                 .database = database,
                                                 .with_globals = c->globals,
                                                 .jobs = c->jobs};
    return true;
}

static void stored_open(struct restore_source *p, struct buf *path, struct stored_database *out)
{
    buf_printf(path, "/%s", p->place);
    stored_database_init(out, p->repo, &p->snapshot->tree, buf_string(path));
}

static bool plan(struct restore_source *p, struct source_plan *out, struct err *e)
{
    AUTO(server) struct server s = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(stored_database) struct stored_database stored;
    struct postgres_stored what = {0};
    struct postgres_present present = {0};

    stored_open(p, &path, &stored);
    if (!server_open(p, NULL, &s, e))
        return false;
    out->where = mem_string(p->source->postgres.database);
    if (!postgres_stored_read(&stored.files, &what, e) ||
        !postgres_present(&s.how, out->where, &present, e))
        return false;
    out->tables = what.tables;
    out->tables_without_rows = what.tables_without_rows;
    out->rows = what.rows;
    out->bytes = what.bytes;
    out->is_there = present.is_there;
    out->present_bytes = present.bytes;
    if (what.is_part && present.is_there)
        out->why = mem_string("only some of its tables are stored, and the others would be gone: "
                              "restore --into brings back single ones with --table or --schema");
    return true;
}

static bool begin(struct restore_source *p, struct err *e)
{
    AUTO(server) struct server s = {0};
    AUTO(buf) struct buf staged = {0};
    AUTO(buf) struct buf kept = {0};
    char id[RESTORE_PLACE_ID];

    if (!server_open(p, NULL, &s, e))
        return false;
    restore_place_id(p, "", id);
    buf_printf(&staged, "holdfast_restored_%s", id);
    buf_printf(&kept, "holdfast_before_%s", id);
    restore_source_note_set(p, "database", p->source->postgres.database);
    restore_source_note_set(p, "staged", buf_string(&staged));
    restore_source_note_set(p, "kept", buf_string(&kept));
    return true;
}

/* From here on the server's numbers tell what has which name.  Who may use the database does not
 * change with its content. */
static bool fit_in(struct restore_source *p, const struct server *s, const char *staged,
                   uint32_t old_number, struct err *e)
{
    uint32_t number = 0;

    if (!postgres_number(&s->how, staged, &number, e))
        return false;
    (void)json_object_set_new(p->note, "number", json_integer(number));
    (void)json_object_set_new(p->note, "old_number", json_integer(old_number));
    return old_number == 0 ||
           postgres_copy_rights(&s->how, p->source->postgres.database, staged, e);
}

static bool stage(struct restore_source *p, struct buf *what, struct err *e)
{
    AUTO(server) struct server s = {0};
    AUTO(restore_into_result) struct restore_into_result made = {0};
    uint32_t old_number = 0;
    const char *staged;

    if (!restore_source_note_text(p, "staged", &staged, e) || !server_open(p, staged, &s, e) ||
        !postgres_number(&s.how, p->source->postgres.database, &old_number, e))
        return false;
    s.how.without_rights = old_number != 0;
    if (!restore_into_make(p->repo, p->snapshot, p->place, &s.how, p->report, &made, e) ||
        !fit_in(p, &s, staged, old_number, e))
        return false;
    restore_put_rows(what, made.tables, made.rows);
    return true;
}

/* The names of the note, and what they stand for. */
struct names {
    const char *database, *staged, *kept;
    json_int_t number, old_number; /* of the restored one and the former one; 0: there was none */
    uint32_t in_place, at_staged, at_kept;
};

static bool look(struct restore_source *p, struct server *s, struct names *n, struct err *e)
{
    n->number = json_integer_value(json_object_get(p->note, "number"));
    n->old_number = json_integer_value(json_object_get(p->note, "old_number"));
    return restore_source_note_text(p, "database", &n->database, e) &&
           restore_source_note_text(p, "staged", &n->staged, e) &&
           restore_source_note_text(p, "kept", &n->kept, e) && server_open(p, NULL, s, e) &&
           postgres_number(&s->how, n->database, &n->in_place, e) &&
           postgres_number(&s->how, n->staged, &n->at_staged, e) &&
           postgres_number(&s->how, n->kept, &n->at_kept, e);
}

static bool is_other(const struct names *n, const char *beside, struct err *e)
{
    return err_set(e, ERR_EXISTS, "database %s or %s is not the one that the restore put there",
                   n->database, beside);
}

static bool forward(struct restore_source *p, struct err *e)
{
    AUTO(server) struct server s = {0};
    struct names n;

    if (!look(p, &s, &n, e))
        return false;
    if (n.in_place == n.number)
        return true;
    if (n.in_place != n.old_number || n.at_staged != n.number)
        return is_other(&n, n.staged, e);
    return postgres_swap(&s.how, n.staged, n.database, n.kept, e);
}

/* Whether the former database is in its place, or can be put there. */
static bool look_back(struct restore_source *p, struct server *s, struct names *n, bool *is_back,
                      struct err *e)
{
    if (!look(p, s, n, e))
        return false;
    *is_back = n->in_place == n->old_number;
    return *is_back || (n->in_place == n->number && n->at_kept == n->old_number) ||
           is_other(n, n->kept, e);
}

static bool check_back(struct restore_source *p, struct err *e)
{
    AUTO(server) struct server s = {0};
    struct names n;
    bool is_back = false;

    return look_back(p, &s, &n, &is_back, e);
}

/* Without a former database what was restored only gets its other name back. */
static bool back(struct restore_source *p, struct err *e)
{
    AUTO(server) struct server s = {0};
    struct names n;
    bool is_back = false;

    if (!look_back(p, &s, &n, &is_back, e))
        return false;
    if (is_back)
        return true;
    return n.old_number != 0 ? postgres_swap(&s.how, n.kept, n.database, n.staged, e)
                             : postgres_swap(&s.how, n.database, n.staged, n.kept, e);
}

static bool drop(struct restore_source *p, const char *note, struct err *e)
{
    AUTO(server) struct server s = {0};
    const char *name;

    return restore_source_note_text(p, note, &name, e) && server_open(p, name, &s, e) &&
           postgres_drop(&s.how, e);
}

static bool discard(struct restore_source *p, struct err *e)
{
    return drop(p, "staged", e) && drop(p, "kept", e);
}

const struct restore_source_ops restore_postgres_ops = {plan,       begin, stage,  forward,
                                                        check_back, back,  discard};
