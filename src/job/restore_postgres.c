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

/* Databases cannot be renamed by who is connected to them; every server has this one. */
#define CONNECT_TO "postgres"

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
                                                 .connect = CONNECT_TO,
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
    out->rows = what.rows;
    out->bytes = what.bytes;
    out->is_there = present.is_there;
    out->present_bytes = present.bytes;
    return true;
}

static bool begin(struct restore_source *p, struct err *e)
{
    AUTO(server) struct server s = {0};
    AUTO(buf) struct buf staged = {0};
    AUTO(buf) struct buf kept = {0};
    struct postgres_present present = {0};
    char id[RESTORE_PLACE_ID];

    if (!server_open(p, NULL, &s, e) ||
        !postgres_present(&s.how, p->source->postgres.database, &present, e))
        return false;
    restore_place_id(p, "", id);
    buf_printf(&staged, "holdfast_restored_%s", id);
    buf_printf(&kept, "holdfast_before_%s", id);
    restore_source_note_set(p, "database", p->source->postgres.database);
    restore_source_note_set(p, "staged", buf_string(&staged));
    restore_source_note_set(p, "kept", buf_string(&kept));
    (void)json_object_set_new(p->note, "had_old", json_boolean(present.is_there));
    return true;
}

static bool stage(struct restore_source *p, struct buf *what, struct err *e)
{
    AUTO(server) struct server s = {0};
    AUTO(restore_into_result) struct restore_into_result made = {0};
    const char *staged;

    if (!restore_source_note_text(p, "staged", &staged, e) || !server_open(p, staged, &s, e) ||
        !restore_into_make(p->repo, p->snapshot, p->place, &s.how, p->report, &made, e))
        return false;
    restore_put_rows(what, made.tables, made.rows);
    return true;
}

/* The names of the note, and whether what was restored still waits beside. */
struct names {
    const char *database, *staged, *kept;
    bool had_old, is_staged;
};

static bool look(struct restore_source *p, struct server *s, struct names *n, struct err *e)
{
    struct postgres_present present = {0};

    if (!restore_source_note_text(p, "database", &n->database, e) ||
        !restore_source_note_text(p, "staged", &n->staged, e) ||
        !restore_source_note_text(p, "kept", &n->kept, e) || !server_open(p, NULL, s, e) ||
        !postgres_present(&s->how, n->staged, &present, e))
        return false;
    n->had_old = json_is_true(json_object_get(p->note, "had_old"));
    n->is_staged = present.is_there;
    return true;
}

static bool forward(struct restore_source *p, struct err *e)
{
    AUTO(server) struct server s = {0};
    struct names n;

    if (!look(p, &s, &n, e))
        return false;
    return !n.is_staged || postgres_swap(&s.how, n.staged, n.database, n.kept, e);
}

/* Without an old database what was restored only gets its other name back. */
static bool back(struct restore_source *p, struct err *e)
{
    AUTO(server) struct server s = {0};
    struct names n;

    if (!look(p, &s, &n, e))
        return false;
    if (n.is_staged)
        return true;
    return n.had_old ? postgres_swap(&s.how, n.kept, n.database, n.staged, e)
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

const struct restore_source_ops restore_postgres_ops = {plan, begin, stage, forward, back, discard};
