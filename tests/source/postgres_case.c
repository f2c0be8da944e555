#include "source/postgres_case.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "source/made.h"

struct postgres_server *server;

void server_begin(void)
{
    CHECK_OK(postgres_server_start(&server, e));
}

void server_end(void)
{
    postgres_server_free(server);
}

void database_new(const char *name, const char *sql)
{
    AUTO(buf) struct buf create = {0};

    buf_printf(&create, "CREATE DATABASE \"%s\" TEMPLATE template0", name);
    postgres_server_sql(server, "postgres", buf_string(&create));
    postgres_server_sql(server, name, sql);
}

const char *dsn_of(const char *database)
{
    static _Thread_local char texts[8][300];
    static _Thread_local size_t next;
    char *text = texts[next++ % 8];

    (void)snprintf(text, sizeof(texts[0]), "host=%s user=postgres dbname='%s'",
                   postgres_server_host(server), database);
    return text;
}

struct postgres_options options_of(const char *database)
{
    return (struct postgres_options){.name = "db", .dsn = dsn_of(database), .jobs = 1};
}

void backup_init(struct backup *b)
{
    *b = (struct backup){0};
    recorder_init(&b->recorder);
}

void backup_auto(struct backup *b)
{
    recorder_done(&b->recorder);
    postgres_manifest_done(&b->manifest);
}

static bool enter_and_send(struct backup *b, struct member *m, struct lane *n, struct err *e)
{
    AUTO(listing) struct listing *kinds = listing_new();
    AUTO(listing) struct listing *members = listing_new();
    const struct sink_ops *ops = b->recorder.sink.ops;
    const struct listing *listed = members;
    struct sink_dir *root = NULL;
    struct sink_dir *dir = NULL;

    made_announce(kinds, m->ops->kind, ENTRY_DIRECTORY, m->now_ns);
    m->ops->announce(m, members);
    return ops->enter(n, NULL, 0, TAKE(kinds), &root, e) &&
           ops->enter(n, root, 0, TAKE(members), &dir, e) &&
           m->ops->send(m, &b->recorder.sink, dir, listed, &b->failure, e);
}

bool backup_run(struct backup *b, const struct postgres_options *o, struct err *e)
{
    AUTO(member) struct member *m = NULL;
    struct lane *n = NULL;

    if (!postgres_member_new(o, &m, e) || !m->ops->prepare(m, e))
        return false;
    m->now_ns = b->time_ns == 0 ? 1 : b->time_ns;
    if (!b->recorder.sink.ops->lane_open(&b->recorder.sink, &n, e))
        return false;

    const bool is_sent = enter_and_send(b, m, n, e);

    b->recorder.sink.ops->lane_close(n);
    return is_sent;
}

void backup_take(struct backup *b, const struct postgres_options *o)
{
    backup_init(b);
    backup_complete(b, o);
}

void backup_of(struct backup *b, const char *database, const char *sql)
{
    const struct postgres_options o = options_of(database);

    database_new(database, sql);
    backup_take(b, &o);
}

void backup_complete(struct backup *b, const struct postgres_options *o)
{
    CHECK_OK(backup_run(b, o, e));
    ck_assert_msg(b->failure.code == ERR_NONE, "%s", b->failure.text);
    CHECK(recorder_is_complete(&b->recorder) && b->recorder.remark_count == 0);
    CHECK_OK(postgres_manifest_decode(file_of(b, "manifest.json"), &b->manifest, e));
}

void backup_fails(struct backup *b, const struct postgres_options *o, const char *with)
{
    struct err e = {0};

    if (backup_run(b, o, &e)) {
        CHECK(recorder_is_complete(&b->recorder));
        e = b->failure;
    }
    ck_assert_msg(strstr(e.text, with) != NULL, "\"%s\" is not in: %s", with, e.text);
    CHECK(e.code != ERR_NONE);

    const struct record *manifest = recorder_find(&b->recorder, "/postgres/db/manifest.json");

    CHECK(manifest == NULL || !manifest->is_sent);
    wait_for("SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name IN"
             " ('holdfast', 'pg_dump', 'pg_dumpall')");
}

struct slice file_of(const struct backup *b, const char *path)
{
    AUTO(buf) struct buf whole = {0};

    buf_printf(&whole, "/postgres/db/%s", path);

    const struct record *found = recorder_find(&b->recorder, buf_string(&whole));

    ck_assert_msg(found != NULL && (found->is_sent || found->is_kept), "no file %s", path);
    return buf_slice(&found->content);
}

const struct postgres_table *table_of(const struct backup *b, const char *schema, const char *name)
{
    const struct postgres_table *t = postgres_manifest_find(&b->manifest, schema, name);

    ck_assert_msg(t != NULL, "no table %s.%s", schema, name);
    return t;
}

void check_rows(const struct backup *b, const char *table, const char *wanted)
{
    AUTO(buf) struct buf path = {0};
    const struct postgres_table *t = table_of(b, "public", table);
    struct row_sum sum = {0};
    uint64_t rows = 0;
    char hash[ROW_SUM_TEXT];

    buf_printf(&path, "data/public.%s.copy", table);
    ck_assert_str_eq(t->file, buf_string(&path));

    const struct slice bytes = file_of(b, t->file);

    ck_assert_msg(slice_is_equal(bytes, slice_string(wanted)), "%s: %.*s", table, (int)bytes.size,
                  (const char *)bytes.data);
    for (const char *line = wanted; *line != '\0'; line = strchr(line, '\n') + 1, rows++)
        row_sum_add(&sum, SLICE_OF(line, strcspn(line, "\n")));
    row_sum_format(&sum, hash);
    ck_assert_str_eq(t->hash, hash);
    CHECK(t->rows == rows && t->bytes == bytes.size);
}

PGconn *connect_to(const char *database)
{
    return PQconnectdb(dsn_of(database));
}

void connection_auto(PGconn **c)
{
    PQfinish(*c);
}

const char *try_sql(PGconn *c, const char *sql)
{
    static _Thread_local char state[6];
    PGresult *r = PQexec(c, sql);
    const char *found = PQresultErrorField(r, PG_DIAG_SQLSTATE);

    (void)snprintf(state, sizeof(state), "%s", found == NULL ? "00000" : found);
    PQclear(r);
    return state;
}

void wait_for(const char *sql)
{
    for (int i = 0; i < 500; i++) {
        AUTO(mem) char *is_so = postgres_server_value(server, "postgres", sql);

        if (is_so != NULL && strcmp(is_so, "t") == 0)
            return;
        (void)poll(NULL, 0, 20); /* a pause between two looks */
    }
    ck_abort_msg("never so: %s", sql);
}
