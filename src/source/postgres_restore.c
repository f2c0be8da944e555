/*
 * A restore of a database from stage to stage: roles, an empty database, the definitions that data
 * needs, the data, the definitions that need data.
 */
#include "source/postgres_restore.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "source/postgres_definitions.h"
#include "source/postgres_tool.h"

#define PER_MAJOR          10000 /* 150020 is 15.20 */
#define DUPLICATE_DATABASE "42P04"
#define NUMBER_TEXT        24

static const char incomplete[] = "incomplete: a restore by holdfast has not come to its end";

/* The database */

static void append_setting(struct buf *sql, const char *keyword, const char *value)
{
    buf_printf(sql, " %s ", keyword);
    postgres_text_quote(value, sql);
}

static bool is_text(const char *text, const char *wanted)
{
    return text != NULL && strcmp(text, wanted) == 0;
}

static void create_format(const struct postgres_target *t, struct buf *sql)
{
    const struct postgres_manifest *m = &t->manifest;

    buf_printf(sql, "CREATE DATABASE ");
    postgres_name_quote(t->o->database, sql);
    buf_printf(sql, " TEMPLATE template0");
    if (m->encoding == NULL)
        return;
    append_setting(sql, "ENCODING", m->encoding);
    append_setting(sql, "LC_COLLATE", m->collate);
    append_setting(sql, "LC_CTYPE", m->ctype);
    if (is_text(m->locale_provider, "libc"))
        return;
    buf_printf(sql, " LOCALE_PROVIDER ");
    postgres_name_quote(m->locale_provider, sql);
    if (m->locale != NULL)
        append_setting(sql, is_text(m->locale_provider, "icu") ? "ICU_LOCALE" : "BUILTIN_LOCALE",
                       m->locale);
}

/* Say that the database is not what it looks like yet; NULL: it is. */
static bool database_mark(struct postgres_target *t, const char *comment, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "COMMENT ON DATABASE ");
    postgres_name_quote(t->o->database, &sql);
    buf_printf(&sql, " IS ");
    if (comment == NULL)
        buf_printf(&sql, "NULL");
    else
        postgres_text_quote(comment, &sql);
    return postgres_link_run(&t->link, buf_string(&sql), e);
}

bool postgres_database_make(struct postgres_target *t, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    create_format(t, &sql);
    if (!postgres_link_run(&t->link, buf_string(&sql), e)) {
        if (strcmp(t->link.sqlstate, DUPLICATE_DATABASE) == 0)
            e->code = ERR_EXISTS;
        return err_wrap(e, "make the database");
    }
    t->report->is_made = true;
    return database_mark(t, incomplete, e);
}

bool postgres_database_complete(struct postgres_target *t, struct err *e)
{
    return t->comment.size > 0 ? postgres_link_run(&t->link, buf_string(&t->comment), e)
                               : database_mark(t, NULL, e);
}

/* Definitions */

/* Last, because some settings are in the way of a restore. */
static bool settings_restore(struct postgres_target *t, const char *program, struct err *e)
{
    AUTO(postgres_definitions) struct postgres_definitions before = POSTGRES_DEFINITIONS_NONE;

    return (postgres_definitions_read(t, "pre-data.dump", &t->link, &before, e) &&
            postgres_settings_restore(t, program, &before, e)) ||
           err_wrap(e, "settings of the database");
}

bool postgres_schema_make(struct postgres_link *l, const char *schema, struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    buf_printf(&sql, "CREATE SCHEMA IF NOT EXISTS ");
    postgres_name_quote(schema, &sql);
    return postgres_link_run(l, buf_string(&sql), e) || err_wrap(e, "schema %s", schema);
}

/* pg_dump of single tables leaves out the schemas that they are in. */
static bool schemas_make(struct postgres_target *t, struct postgres_link *l, struct err *e)
{
    const struct postgres_manifest *m = &t->manifest;

    if (m->selection[POSTGRES_TABLES].count == 0)
        return true;
    for (size_t i = 0; i < m->table_count; i++)
        if (!postgres_schema_make(l, m->tables[i].schema, e))
            return false;
    return true;
}

/* Values */

bool postgres_sequence_set(struct postgres_link *l, const struct postgres_sequence *s,
                           struct err *e)
{
    char value[NUMBER_TEXT];
    const struct postgres_query q = {
        .sql = "SELECT setval(format('%I.%I', $1::text, $2::text)::regclass, $3::bigint, $4::bool)",
        .values = {s->schema, s->name, value, s->is_called ? "t" : "f"},
        .count = 4,
    };

    (void)snprintf(value, sizeof(value), "%" PRId64, s->last_value); /* 20 characters */
    return postgres_link_query(l, &q, NULL, e) || err_wrap(e, "sequence %s.%s", s->schema, s->name);
}

static bool sequences_set(const struct postgres_manifest *m, struct postgres_link *l, struct err *e)
{
    for (size_t i = 0; i < m->sequence_count; i++)
        if (!postgres_sequence_set(l, &m->sequences[i], e))
            return false;
    return true;
}

/* Stages */

static bool database_fill(struct postgres_target *t, const char *program, struct err *e)
{
    AUTO(postgres_link) struct postgres_link l = {0};

    if (!postgres_link_open(&l, &t->address, e) || !schemas_make(t, &l, e))
        return false;
    if (!postgres_definitions_before(t, program, e))
        return err_wrap(e, "definitions before the data");
    if (!postgres_load(t, e) || !sequences_set(&t->manifest, &l, e))
        return false;
    if (!postgres_definitions_after(t, program, &l, e))
        return err_wrap(e, "definitions after the data");
    return postgres_link_run(&l, "ANALYZE", e) || err_wrap(e, "analyze");
}

bool postgres_program_find(const struct postgres_target *t, char **program, struct err *e)
{
    const int stored = (int)(t->manifest.server_number / PER_MAJOR);
    const int server = PQserverVersion(t->link.conn) / PER_MAJOR;

    return postgres_tool_find("pg_restore", stored > server ? stored : server, program, e);
}

/* Better now than in the middle. */
static bool check_extensions(struct postgres_target *t, struct err *e)
{
    const struct postgres_manifest *m = &t->manifest;

    if (m->selection[POSTGRES_TABLES].count > 0 || m->selection[POSTGRES_SCHEMAS].count > 0)
        return true; /* they are not part of such a backup */
    for (size_t i = 0; i < m->extension_count; i++) {
        AUTO(postgres_result) PGresult *r = NULL;
        const struct postgres_query q = {
            .sql = "SELECT 1 FROM pg_available_extensions WHERE name = $1",
            .values = {m->extensions[i].name},
            .count = 1,
        };

        if (!postgres_link_query(&t->link, &q, &r, e))
            return false;
        if (PQntuples(r) == 0)
            return err_set(e, ERR_NOT_FOUND, "the server has no extension %s",
                           m->extensions[i].name);
    }
    return true;
}

static bool restore(struct postgres_target *t, struct err *e)
{
    AUTO(mem) char *program = NULL;

    if (!postgres_file_manifest(t->files, &t->manifest, e) ||
        !postgres_program_find(t, &program, e) || !check_extensions(t, e))
        return false;
    if (t->o->with_globals && t->manifest.has_globals && !postgres_roles_make(t, e))
        return err_wrap(e, "make the roles");
    return postgres_database_make(t, e) && database_fill(t, program, e) &&
           settings_restore(t, program, e) && postgres_database_complete(t, e);
}

/* Remove what was made; goes on after a request to stop. */
static bool take_back(const struct postgres_target *t, struct err *e)
{
    AUTO(postgres_link) struct postgres_link l = {.is_tidying = true};
    AUTO(buf) struct buf sql = {0};

    if (!t->report->is_made && t->roles.size == 0)
        return true;
    buf_printf(&sql, "DROP DATABASE IF EXISTS ");
    postgres_name_quote(t->o->database, &sql);
    buf_printf(&sql, " WITH (FORCE)");
    if (!postgres_link_open(&l, &t->server, e))
        return false;
    if (t->report->is_made && !postgres_link_run(&l, buf_string(&sql), e))
        return false;
    return postgres_roles_drop(t, &l, e);
}

bool postgres_database_give_up(const struct postgres_target *t, struct err *e)
{
    struct err later = {0};

    if (!take_back(t, &later)) {
        const struct err why = *e;

        (void)err_set(e, why.code, "%.300s; what was made of it is still there: %.120s", why.text,
                      later.text);
    }
    return err_wrap(e, "database %s", t->o->database);
}

bool postgres_restore(const struct postgres_restore_options *o, const struct postgres_files *files,
                      struct postgres_restore_report *report, struct err *e)
{
    AUTO(postgres_target) struct postgres_target t = POSTGRES_TARGET_NONE;

    *report = (struct postgres_restore_report){0};
    t.files = files;
    t.report = report;
    return (postgres_target_open(&t, o, e) && restore(&t, e)) || postgres_database_give_up(&t, e);
}

static bool is_part(const struct postgres_manifest *m)
{
    return m->selection[POSTGRES_SCHEMAS].count + m->selection[POSTGRES_EXCLUDE_SCHEMAS].count +
               m->selection[POSTGRES_TABLES].count + m->selection[POSTGRES_EXCLUDE_TABLES].count >
           0;
}

/* A table that has rows of its own, of which none are stored. */
static bool is_without_rows(const struct postgres_table *t)
{
    return t->file == NULL && t->extension == NULL &&
           (is_text(t->kind, "table") || is_text(t->kind, "unlogged") ||
            is_text(t->kind, "partition"));
}

bool postgres_stored_read(const struct postgres_files *files, struct postgres_stored *out,
                          struct err *e)
{
    AUTO(postgres_manifest) struct postgres_manifest m = {0};

    if (!postgres_file_manifest(files, &m, e))
        return false;
    *out = (struct postgres_stored){.major = (int)(m.server_number / PER_MAJOR),
                                    .has_globals = m.has_globals,
                                    .is_part = is_part(&m),
                                    .tables = m.table_count,
                                    .bytes = m.blobs.bytes};
    for (size_t i = 0; i < m.table_count; i++) {
        out->rows += m.tables[i].rows;
        out->bytes += m.tables[i].bytes;
        out->tables_without_rows += is_without_rows(&m.tables[i]);
    }
    return true;
}
