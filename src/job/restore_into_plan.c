/*
 * Before a PostgreSQL database, or a part of one, is brought into a server: which one, and what
 * that would do.
 */
#include <string.h>

#include "job/open_set.h"
#include "job/restore_into.h"
#include "job/stored_database.h"

#define PLACE "postgres/"

bool restore_server_find(const struct config_set *set, const char *place,
                         struct restore_server *out, char **password, struct err *e)
{
    const struct config_source *s = NULL;

    for (size_t i = 0; i < set->source_count && s == NULL; i++)
        if (set->sources[i].kind == SOURCE_POSTGRES && strncmp(place, PLACE, strlen(PLACE)) == 0 &&
            strcmp(place + strlen(PLACE), set->sources[i].name) == 0)
            s = &set->sources[i];
    if (s == NULL)
        return err_set(e, ERR_NOT_FOUND, "set %s has no source %s: say with --dsn which server",
                       set->name, place);
    if (s->postgres.database == NULL)
        return err_set(e, ERR_USAGE, "the dsn of %s has no dbname, so which database is not known",
                       place);
    if (!config_secret_read(&s->postgres.secret, password, e))
        return false;
    *out = (struct restore_server){.dsn = s->postgres.dsn,
                                   .connect = RESTORE_CONNECT_TO,
                                   .password = *password,
                                   .passfile = s->postgres.secret.passfile,
                                   .database = s->postgres.database,
                                   .jobs = s->postgres.jobs,
                                   .with_globals = s->postgres.globals};
    return true;
}

void restore_into_plan_auto(struct restore_into_plan *p)
{
    postgres_part_plan_auto(&p->part);
}

static bool plan_part(const struct restore_into_options *o, const struct postgres_files *files,
                      struct restore_into_plan *out, struct err *e)
{
    const struct postgres_restore_options how = restore_into_how(o, o->into);

    if (!postgres_part_look(&how, files, o->part, &out->part, e))
        return false;
    out->tables = out->part.count;
    out->rows = out->part.rows;
    out->bytes = out->part.bytes;
    return true;
}

static bool plan_new(const struct restore_into_options *o, const struct postgres_files *files,
                     struct restore_into_plan *out, struct err *e)
{
    const struct postgres_restore_options how = restore_into_how(o, o->into);
    struct postgres_stored stored = {0};
    struct postgres_present present = {0};

    if (!postgres_stored_read(files, &stored, e) || !postgres_present(&how, o->into, &present, e))
        return false;
    if (present.is_there)
        return err_set(e, ERR_EXISTS, "there is a database %s already", o->into);
    out->tables = stored.tables;
    out->rows = stored.rows;
    out->bytes = stored.bytes;
    out->tables_without_rows = stored.tables_without_rows;
    return true;
}

bool restore_into_plan(struct repo *r, const struct restore_into_options *o,
                       struct restore_into_plan *out, struct err *e)
{
    AUTO(stored_database) struct stored_database stored;
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "/%s", o->place);
    stored_database_init(&stored, r, &o->snapshot->tree, buf_string(&path));
    if (o->server == NULL || o->in_place || strncmp(o->place, PLACE, strlen(PLACE)) != 0)
        return err_set(e, ERR_USAGE,
                       "there are plans for new PostgreSQL databases, and for tables and schemas");
    if (!repo_load_index(r, e))
        return false;
    return o->part != NULL ? plan_part(o, &stored.files, out, e)
                           : plan_new(o, &stored.files, out, e);
}
