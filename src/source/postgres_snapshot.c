#include <inttypes.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "source/postgres_reuse.h"

#define ATTEMPTS            5   /* at finding the same tables before and after locking them */
#define SEQUENCES_PER_QUERY 200 /* each is a relation to open */
#define UNDEFINED_TABLE     "42P01"
#define UNDEFINED_SCHEMA    "3F000"

static const char begin[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/* The first question of the transaction: it fixes the moment. */
static const char export_snapshot[] =
    "SELECT pg_export_snapshot(), CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"
    " ELSE pg_current_wal_lsn() END";

/* Versions differ in the columns of pg_database. */
static const char describe_database[] =
    "SELECT d.datname, current_setting('server_version'), pg_encoding_to_char(d.encoding),"
    " d.datcollate, d.datctype, CASE coalesce(to_jsonb(d) ->> 'datlocprovider', 'c')"
    " WHEN 'c' THEN 'libc' WHEN 'i' THEN 'icu' WHEN 'b' THEN 'builtin'"
    " ELSE to_jsonb(d) ->> 'datlocprovider' END,"
    " coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'),"
    " (SELECT count(*) FROM pg_largeobject_metadata)"
    " FROM pg_database d WHERE d.datname = current_database()";

static const char list_extensions[] =
    "SELECT e.extname, n.nspname, e.extversion FROM pg_extension e"
    " JOIN pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname COLLATE \"C\"";

/* Zeroed. */
static void *keep_array(struct postgres_snapshot *s, size_t count, size_t size)
{
    return memset(arena_take(&s->selection.arena, count * size), 0, count * size);
}

/* Holding the moment */

static bool is_lockable(const struct postgres_item *item)
{
    return item->relkind == 'r' || item->relkind == 'p';
}

/* *is_gone: one of the tables was dropped meanwhile, and the transaction is void. */
static bool lock_all(struct postgres_link *l, const struct postgres_selection *s, bool *is_gone,
                     struct err *e)
{
    for (size_t i = 0; i < s->count; i++) {
        AUTO(buf) struct buf sql = {0};

        if (!is_lockable(&s->items[i]))
            continue;
        buf_printf(&sql, "LOCK TABLE ONLY %s IN ACCESS SHARE MODE", s->items[i].sql_name);
        if (postgres_link_run(l, buf_string(&sql), e))
            continue;
        *is_gone =
            strcmp(l->sqlstate, UNDEFINED_TABLE) == 0 || strcmp(l->sqlstate, UNDEFINED_SCHEMA) == 0;
        return *is_gone || err_wrap(e, "lock table %s", s->items[i].sql_name);
    }
    return true;
}

static bool is_same(const struct postgres_item *a, const struct postgres_item *b)
{
    return a->oid == b->oid && strcmp(a->sql_name, b->sql_name) == 0;
}

/*
 * Is every table of the selection among those that were locked, which was by name?  Both are in
 * order of names.
 */
static bool is_covered(const struct postgres_selection *s, const struct postgres_selection *locked)
{
    size_t at = 0;

    for (size_t i = 0; i < s->count; i++) {
        if (!is_lockable(&s->items[i]))
            continue;
        while (at < locked->count && !is_same(&locked->items[at], &s->items[i]))
            at++;
        if (at == locked->count)
            return false;
    }
    return true;
}

static bool fix_moment(struct postgres_member *m, struct postgres_snapshot *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;

    if (!postgres_link_query(&m->link, &(struct postgres_query){.sql = export_snapshot}, &r, e))
        return err_wrap(e, "export a snapshot");
    if ((size_t)PQgetlength(r, 0, 0) >= sizeof(s->id))
        return err_set(e, ERR_FATAL, "the name of the exported snapshot is too long");
    memcpy(s->id, PQgetvalue(r, 0, 0), (size_t)PQgetlength(r, 0, 0) + 1);
    if (!postgres_selection_load(&m->link, m->o.selection, &s->selection, e))
        return false;
    s->manifest.lsn = postgres_selection_keep(&s->selection, r, 0, 1);
    return true;
}

/*
 * One attempt.  Tables are locked before the moment is fixed: between the two nobody can rewrite
 * or truncate one, which would make it look empty from then on.
 */
static bool attempt(struct postgres_member *m, struct postgres_snapshot *s, bool *is_held,
                    struct err *e)
{
    AUTO(postgres_selection) struct postgres_selection before = {0};
    bool is_gone = false;

    if (!postgres_selection_load(&m->link, m->o.selection, &before, e) ||
        !postgres_link_run(&m->link, begin, e) || !lock_all(&m->link, &before, &is_gone, e))
        return false;
    if (!is_gone && !fix_moment(m, s, e))
        return false;
    *is_held = !is_gone && is_covered(&s->selection, &before);
    return true;
}

bool postgres_snapshot_begin(struct postgres_member *m, struct postgres_snapshot *s, struct err *e)
{
    *s = (struct postgres_snapshot){.link = &m->link};
    if (!postgres_link_open(&m->link, &m->address, e))
        return false;
    s->manifest.has_globals = m->o.with_globals;
    memcpy(s->manifest.selection, m->o.selection, sizeof(s->manifest.selection));
    for (int i = 0; i < ATTEMPTS; i++) {
        bool is_held = false;

        if (!attempt(m, s, &is_held, e))
            return false;
        if (is_held)
            return postgres_selection_measure(&m->link, &s->selection, e) &&
                   (duration_is_zero(&m->o.reuse) || postgres_reuse_describe(s, e));
        postgres_selection_done(&s->selection);
        if (!postgres_link_run(&m->link, "ROLLBACK", e))
            return false;
    }
    return err_set(e, ERR_TRANSIENT, "tables come and go too quickly to hold them still");
}

bool postgres_snapshot_join(const struct postgres_snapshot *s, struct postgres_link *l,
                            struct err *e)
{
    AUTO(buf) struct buf sql = {0};

    /* The server made the name; it has nothing to escape. */
    buf_printf(&sql, "%s; SET TRANSACTION SNAPSHOT '%s'", begin, s->id);
    return postgres_link_run(l, buf_string(&sql), e) || err_wrap(e, "share the snapshot");
}

bool postgres_snapshot_end(struct postgres_snapshot *s, struct err *e)
{
    return postgres_link_run(s->link, "COMMIT", e) ||
           err_wrap(e, "the connection that held the snapshot was lost");
}

void postgres_snapshot_auto(struct postgres_snapshot *s)
{
    postgres_selection_done(&s->selection);
    mem_free(s->manifest.tables);
}

/* Describing it */

static bool describe_server(struct postgres_snapshot *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    struct postgres_manifest *m = &s->manifest;

    if (!postgres_link_query(s->link, &(struct postgres_query){.sql = describe_database}, &r, e))
        return false;
    m->database = postgres_selection_keep(&s->selection, r, 0, 0);
    m->server_version = postgres_selection_keep(&s->selection, r, 0, 1);
    m->server_number = PQserverVersion(s->link->conn);
    m->encoding = postgres_selection_keep(&s->selection, r, 0, 2);
    m->collate = postgres_selection_keep(&s->selection, r, 0, 3);
    m->ctype = postgres_selection_keep(&s->selection, r, 0, 4);
    m->locale_provider = postgres_selection_keep(&s->selection, r, 0, 5);
    m->locale = postgres_selection_keep(&s->selection, r, 0, 6);
    m->blobs.count = s->selection.is_everything ? postgres_result_u64(r, 0, 7) : 0;
    return true;
}

static bool describe_extensions(struct postgres_snapshot *s, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    struct postgres_manifest *m = &s->manifest;

    if (!postgres_link_query(s->link, &(struct postgres_query){.sql = list_extensions}, &r, e))
        return false;
    m->extension_count = (size_t)PQntuples(r);
    m->extensions = keep_array(s, m->extension_count, sizeof(m->extensions[0]));
    for (size_t i = 0; i < m->extension_count; i++)
        m->extensions[i] =
            (struct postgres_extension){postgres_selection_keep(&s->selection, r, (int)i, 0),
                                        postgres_selection_keep(&s->selection, r, (int)i, 1),
                                        postgres_selection_keep(&s->selection, r, (int)i, 2)};
    return true;
}

/* A bigint that the server printed. */
static int64_t signed_number(const char *text)
{
    const bool is_negative = *text == '-';
    struct err e = {0};
    uint64_t n = 0;

    if (!parse_u64(text + is_negative, &n, &e))
        return 0;
    return (int64_t)(is_negative ? -n : n);
}

/* Values of some sequences: one question for all of them. */
static bool sequences_read(struct postgres_snapshot *s, const struct postgres_item *const *items,
                           size_t count, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    AUTO(buf) struct buf sql = {0};
    struct postgres_manifest *m = &s->manifest;

    for (size_t i = 0; i < count; i++)
        buf_printf(&sql, "%sSELECT %zu AS at, last_value, is_called FROM %s",
                   i > 0 ? " UNION ALL " : "", i, items[i]->sql_name);
    buf_printf(&sql, " ORDER BY at");
    if (!postgres_link_query(s->link, &(struct postgres_query){.sql = buf_string(&sql)}, &r, e))
        return false;
    if ((size_t)PQntuples(r) != count)
        return err_set(e, ERR_FATAL, "the server left out a sequence");
    for (size_t i = 0; i < count; i++)
        m->sequences[m->sequence_count++] = (struct postgres_sequence){
            .schema = items[i]->table.schema,
            .name = items[i]->table.name,
            .last_value = signed_number(PQgetvalue(r, (int)i, 1)),
            .is_called = postgres_result_bool(r, (int)i, 2),
        };
    return true;
}

static bool describe_sequences(struct postgres_snapshot *s, struct err *e)
{
    const struct postgres_item *group[SEQUENCES_PER_QUERY];
    size_t count = 0;

    s->manifest.sequences = keep_array(s, s->selection.count, sizeof(s->manifest.sequences[0]));
    for (size_t i = 0; i < s->selection.count; i++) {
        const struct postgres_item *item = &s->selection.items[i];

        if (item->relkind == 'S' && item->has_data)
            group[count++] = item;
        if (count == SEQUENCES_PER_QUERY) {
            if (!sequences_read(s, group, count, e))
                return false;
            count = 0;
        }
    }
    return count == 0 || sequences_read(s, group, count, e);
}

/* What a reader of the manifest should know of a table or sequence; NULL: nothing. */
static const char *note_on(const struct postgres_item *item)
{
    if (item->relkind == 'm')
        return "is a materialized view: its rows are computed when it is restored";
    if (item->relkind == 'f')
        return "is a foreign table: its rows are on another server";
    if (item->relkind == 'p' || item->has_data)
        return NULL;
    if (item->is_listed)
        return item->relkind == 'S' ? "is stored without its value, as asked"
                                    : "is stored without its rows, as asked";
    return "is unlogged, and a standby server does not have its rows";
}

static void describe_notes(struct postgres_snapshot *s)
{
    const char **notes = keep_array(s, s->selection.count + 1, sizeof(*notes));
    size_t count = 0;

    for (size_t i = 0; i < s->selection.count; i++) {
        AUTO(buf) struct buf text = {0};
        const struct postgres_item *item = &s->selection.items[i];

        if (note_on(item) == NULL)
            continue;
        buf_printf(&text, "%s %s", item->sql_name, note_on(item));
        notes[count++] = arena_string(&s->selection.arena, buf_slice(&text));
    }
    if (!s->manifest.has_globals)
        notes[count++] = "roles and tablespaces are not part of this backup";
    s->manifest.notes = (struct postgres_texts){notes, count};
}

bool postgres_snapshot_describe(struct postgres_snapshot *s, struct err *e)
{
    if (!describe_server(s, e) || !describe_extensions(s, e))
        return err_wrap(e, "describe the database");
    if (!describe_sequences(s, e))
        return err_wrap(e, "read sequences");
    describe_notes(s);
    return true;
}
