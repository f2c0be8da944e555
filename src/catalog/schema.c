/*
 * The schema, in steps that are never edited once released: what changes is a further step.
 *
 * Every column is BIGINT or TEXT, which both databases have.  Names that end in _ns are nanoseconds
 * since 1970 in UTC; is_ is 0 or 1; hashes are hexadecimal; documents are JSON.  Identifiers are
 * 128 random bits in hexadecimal unless users choose them.
 */
#include "catalog/schema.h"

/* Marks the file as ours: "hfct". */
#define APPLICATION_ID 1751540596
#define TO_TEXT_(x)    #x
#define TO_TEXT(x)     TO_TEXT_(x)

struct migration {
    const char *both;
    const char *sqlite; /* besides; or NULL */
    const char *postgres;
};

/* What is backed up, what ran, what waits. */
static const char core[] =
    "CREATE TABLE settings ("
    " name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL, category TEXT NOT NULL,"
    " updated_ns BIGINT NOT NULL);"

    /* The document is kept as it came.  version counts its changes; a deleted one keeps its row. */
    "CREATE TABLE configs ("
    " id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, version BIGINT NOT NULL,"
    " document TEXT NOT NULL, is_enabled BIGINT NOT NULL CHECK (is_enabled IN (0, 1)),"
    " created_ns BIGINT NOT NULL, updated_ns BIGINT NOT NULL, deleted_ns BIGINT);"
    "CREATE TABLE config_versions ("
    " config_id TEXT NOT NULL REFERENCES configs (id), version BIGINT NOT NULL,"
    " document TEXT NOT NULL, author TEXT NOT NULL, created_ns BIGINT NOT NULL,"
    " PRIMARY KEY (config_id, version));"

    "CREATE TABLE sets ("
    " name TEXT NOT NULL PRIMARY KEY, success_ns BIGINT, success_run TEXT, failure_ns BIGINT,"
    " failures BIGINT NOT NULL, verified_ns BIGINT, proven_ns BIGINT, pause_reason TEXT,"
    " updated_ns BIGINT NOT NULL);"

    "CREATE TABLE runs ("
    " id TEXT NOT NULL PRIMARY KEY, job_id TEXT, attempt BIGINT NOT NULL, config_id TEXT,"
    " set_name TEXT NOT NULL,"
    " kind TEXT NOT NULL CHECK (kind IN ('backup', 'verify', 'drill', 'restore', 'retention',"
    "  'prune', 'copy', 'export', 'import', 'check', 'push')),"
    " variant TEXT,"
    " state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'success', 'incomplete',"
    "  'degraded', 'failed', 'cancelled', 'interrupted', 'skipped')),"
    " cause TEXT NOT NULL CHECK (cause IN ('manual', 'schedule', 'api', 'catch-up')),"
    " requested_by TEXT NOT NULL, created_ns BIGINT NOT NULL, started_ns BIGINT, ended_ns BIGINT,"
    " snapshot TEXT, verdict TEXT, bytes BIGINT NOT NULL, bytes_added BIGINT NOT NULL,"
    " files BIGINT NOT NULL, checksum TEXT, error_code TEXT, error TEXT, progress TEXT,"
    " details TEXT);"
    /* What a list may be filtered by besides stands behind, so that rows which are left out are
     * not read. */
    "CREATE INDEX runs_by_time ON runs (created_ns, id);"
    "CREATE INDEX runs_by_set ON runs (set_name, created_ns, id, state, kind);"
    "CREATE INDEX runs_by_config ON runs (config_id, created_ns, id, state, kind);"
    "CREATE INDEX runs_by_state ON runs (state, created_ns, id, kind);"
    "CREATE INDEX runs_by_kind ON runs (kind, created_ns, id);"
    "CREATE INDEX runs_by_job ON runs (job_id, created_ns, id);"
    "CREATE INDEX runs_by_snapshot ON runs (snapshot);"

    "CREATE TABLE restore_points ("
    " id TEXT NOT NULL PRIMARY KEY, run_id TEXT REFERENCES runs (id), snapshot TEXT,"
    " description TEXT NOT NULL, is_verified BIGINT NOT NULL, created_by TEXT NOT NULL,"
    " created_ns BIGINT NOT NULL, expires_ns BIGINT);"
    "CREATE INDEX restore_points_by_time ON restore_points (created_ns, id);"
    "CREATE INDEX restore_points_by_run ON restore_points (run_id);"

    "CREATE TABLE stores ("
    " name TEXT NOT NULL PRIMARY KEY, state TEXT NOT NULL, seen_ns BIGINT, bytes BIGINT NOT NULL,"
    " snapshots BIGINT NOT NULL, error TEXT, updated_ns BIGINT NOT NULL);"

    /* fence counts the times a job was taken: whoever holds an older number holds nothing. */
    "CREATE TABLE jobs ("
    " id TEXT NOT NULL PRIMARY KEY, run_id TEXT NOT NULL REFERENCES runs (id),"
    " kind TEXT NOT NULL, set_name TEXT NOT NULL, config_id TEXT, arguments TEXT NOT NULL,"
    " cause TEXT NOT NULL, requested_by TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done')),"
    " priority BIGINT NOT NULL, not_before_ns BIGINT NOT NULL, place TEXT, writer TEXT,"
    " dedup TEXT UNIQUE, attempts BIGINT NOT NULL, attempts_max BIGINT NOT NULL,"
    " backoff_ms BIGINT NOT NULL, interruptions BIGINT NOT NULL, fence BIGINT NOT NULL,"
    " holder TEXT, lease_ns BIGINT, cancel_ns BIGINT, created_ns BIGINT NOT NULL,"
    " ended_ns BIGINT);"
    "CREATE INDEX jobs_to_do ON jobs (state, priority, created_ns, id);"
    "CREATE INDEX jobs_ended ON jobs (ended_ns);"
    "CREATE INDEX jobs_by_run ON jobs (run_id);"
    /* One writer per set, whatever the program does. */
    "CREATE UNIQUE INDEX jobs_one_writer ON jobs (writer) WHERE state = 'running';"
    /* Locks what two transactions may not decide at once: a row is updated first. */
    "CREATE TABLE turns (name TEXT NOT NULL PRIMARY KEY, count BIGINT NOT NULL);"
    "INSERT INTO turns (name, count) VALUES ('queue', 0), ('users', 0);"

    "CREATE TABLE schedules ("
    " config_id TEXT NOT NULL PRIMARY KEY, last_ns BIGINT, next_ns BIGINT, details TEXT,"
    " updated_ns BIGINT NOT NULL);";

/* Who may do what. */
static const char identity[] =
    "CREATE TABLE users ("
    " id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL UNIQUE,"
    " role TEXT NOT NULL CHECK (role IN ('viewer', 'manager', 'admin', 'super_admin')),"
    " password TEXT NOT NULL, must_change BIGINT NOT NULL, is_disabled BIGINT NOT NULL,"
    " totp TEXT, totp_step BIGINT NOT NULL, version BIGINT NOT NULL, created_ns BIGINT NOT NULL,"
    " updated_ns BIGINT NOT NULL, login_ns BIGINT);"
    "CREATE TABLE recovery_codes ("
    " user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE, hash TEXT NOT NULL,"
    " PRIMARY KEY (user_id, hash));"
    "CREATE TABLE sessions ("
    " hash TEXT NOT NULL PRIMARY KEY, id TEXT NOT NULL UNIQUE,"
    " user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,"
    " created_ns BIGINT NOT NULL, seen_ns BIGINT NOT NULL, stepped_up_ns BIGINT, peer TEXT,"
    " agent TEXT);"
    "CREATE INDEX sessions_by_user ON sessions (user_id, created_ns);"
    "CREATE TABLE tokens ("
    " id TEXT NOT NULL PRIMARY KEY, hash TEXT NOT NULL, name TEXT NOT NULL,"
    " kind TEXT NOT NULL CHECK (kind IN ('api', 'push', 'agent')),"
    " user_id TEXT REFERENCES users (id) ON DELETE CASCADE,"
    " role TEXT NOT NULL CHECK (role IN ('none', 'viewer', 'manager', 'admin', 'super_admin')),"
    " verbs TEXT NOT NULL, sets TEXT NOT NULL, created_ns BIGINT NOT NULL,"
    " expires_ns BIGINT NOT NULL, used_ns BIGINT, revoked_ns BIGINT);"
    "CREATE INDEX tokens_by_user ON tokens (user_id, created_ns);"
    "CREATE TABLE login_failures ("
    " bucket TEXT NOT NULL PRIMARY KEY, count BIGINT NOT NULL, first_ns BIGINT NOT NULL,"
    " last_ns BIGINT NOT NULL, until_ns BIGINT NOT NULL);"
    "CREATE INDEX login_failures_by_time ON login_failures (last_ns);";

/* What was done by whom.  The table is only added to; its one head is the end of the chain. */
static const char audit[] =
    "CREATE TABLE audit ("
    " seq BIGINT NOT NULL PRIMARY KEY, time_ns BIGINT NOT NULL, actor TEXT NOT NULL,"
    " action TEXT NOT NULL, object TEXT NOT NULL, outcome TEXT NOT NULL, record TEXT NOT NULL,"
    " hash TEXT NOT NULL);"
    "CREATE INDEX audit_by_actor ON audit (actor, seq);"
    "CREATE INDEX audit_by_object ON audit (object, seq);"
    "CREATE TABLE audit_head ("
    " id BIGINT NOT NULL PRIMARY KEY CHECK (id = 1), seq BIGINT NOT NULL, hash TEXT NOT NULL);"
    "INSERT INTO audit_head (id, seq, hash) VALUES (1, 0, '');";

/* What is still to be told, and what was answered already. */
static const char messages[] =
    "CREATE TABLE outbox ("
    " id TEXT NOT NULL PRIMARY KEY, run_id TEXT, channel TEXT NOT NULL, recipient TEXT NOT NULL,"
    " payload TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed')),"
    " attempts BIGINT NOT NULL, fence BIGINT NOT NULL, next_ns BIGINT NOT NULL, dedup TEXT UNIQUE,"
    " error TEXT, created_ns BIGINT NOT NULL, ended_ns BIGINT);"
    "CREATE INDEX outbox_to_do ON outbox (state, next_ns);"
    "CREATE INDEX outbox_by_time ON outbox (created_ns, id);"
    "CREATE TABLE idempotency ("
    " principal TEXT NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL, status BIGINT,"
    " answer TEXT, created_ns BIGINT NOT NULL, expires_ns BIGINT NOT NULL,"
    " PRIMARY KEY (principal, name));"
    "CREATE INDEX idempotency_by_time ON idempotency (expires_ns);";

/* The history of a set's backups: pages of it, and how many runs of a kind have ended, which would
 * take longer to count than a page takes to read. */
static const char histories[] =
    "CREATE INDEX runs_by_set_and_kind ON runs (set_name, kind, created_ns, id);"
    "CREATE TABLE run_counts ("
    " set_name TEXT NOT NULL, kind TEXT NOT NULL, runs BIGINT NOT NULL,"
    " PRIMARY KEY (set_name, kind));"
    "INSERT INTO run_counts (set_name, kind, runs) SELECT set_name, kind, count(*) FROM runs"
    " WHERE state NOT IN ('queued', 'running') GROUP BY set_name, kind;";

/* A history is of runs that have ended: with the state in its index, the rows before a deep page
 * are counted off without being read. */
static const char deep_histories[] =
    "DROP INDEX runs_by_set_and_kind;"
    "CREATE INDEX runs_by_set_and_kind ON runs (set_name, kind, created_ns, id, state);";

/* When a check read all of a repository and found it whole, and which one that was. */
static const char verified_stores[] = "ALTER TABLE stores ADD COLUMN verified_ns BIGINT;"
                                      "ALTER TABLE stores ADD COLUMN verified_id TEXT;";

/* When a check found no damage in what it read. */
static const char checked_stores[] = "ALTER TABLE stores ADD COLUMN checked_ns BIGINT;";

/* Of which epochs of its keys what a repository holds is, as a job measured it. */
static const char measured_keys[] = "ALTER TABLE stores ADD COLUMN keys_ns BIGINT;"
                                    "ALTER TABLE stores ADD COLUMN keys TEXT;";

/* What the process of a run told. */
static const char run_logs[] = "CREATE TABLE run_logs ("
                               " run_id TEXT NOT NULL PRIMARY KEY REFERENCES runs (id)"
                               " ON DELETE CASCADE, log TEXT NOT NULL);";

static const struct migration migrations[] = {
    {"CREATE TABLE schema_version (version BIGINT NOT NULL);"
     "INSERT INTO schema_version (version) VALUES (0);",
     "PRAGMA application_id = " TO_TEXT(
         APPLICATION_ID) ";"
                         "CREATE TABLE wakes (count BIGINT NOT NULL);" /* db_sqlite.c */
                         "INSERT INTO wakes (count) VALUES (1);",
     NULL},
    {core, NULL, NULL},
    {identity, NULL, NULL},
    {audit, NULL, NULL},
    {messages, NULL, NULL},
    {histories, NULL, NULL},
    {deep_histories, NULL, NULL},
    {verified_stores, NULL, NULL},
    {checked_stores, NULL, NULL},
    {run_logs, NULL, NULL},
    {measured_keys, NULL, NULL},
};

int schema_newest(void)
{
    return sizeof(migrations) / sizeof(migrations[0]);
}

/* Whether there are tables at all, and that they are ours. */
static bool has_tables(struct db_tx *t, bool *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (db_kind(t->db) == DB_POSTGRES) {
        if (!db_run(t,
                    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
                    " WHERE n.nspname = 'holdfast' AND c.relname = 'schema_version'",
                    DB_NO_VALUES, &r, e))
            return false;
        *out = db_get_number(&r, 0, 0) > 0;
        return true;
    }

    AUTO(db_result) struct db_result id = {0};

    if (!db_run(t, "SELECT count(*) FROM sqlite_schema", DB_NO_VALUES, &r, e) ||
        !db_run(t, "PRAGMA application_id", DB_NO_VALUES, &id, e))
        return false;
    *out = db_get_number(&r, 0, 0) > 0;
    if (*out && db_get_number(&id, 0, 0) != APPLICATION_ID)
        return err_set(e, ERR_CORRUPT, "the file is a database of another program, not a catalog");
    return true;
}

static bool read_version(struct db_tx *t, int *out, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};
    bool has = false;

    if (!has_tables(t, &has, e))
        return false;
    if (!has) {
        *out = 0;
        return true;
    }
    if (!db_run(t, "SELECT version FROM schema_version", DB_NO_VALUES, &r, e))
        return false;
    if (r.rows != 1 || db_get_number(&r, 0, 0) < 1 || db_get_number(&r, 0, 0) > 1000000)
        return err_set(e, ERR_CORRUPT, "the catalog does not say which version it has");
    *out = (int)db_get_number(&r, 0, 0);
    return true;
}

bool schema_version(struct db *d, int *out, struct err *e)
{
    AUTO(db_tx) struct db_tx *t = NULL;

    return db_begin(d, DB_READ, &t, e) && read_version(t, out, e);
}

/* All tables stand in one schema; making it takes more rights than using it. */
static bool make_schema(struct db_tx *t, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t, "SELECT count(*) FROM pg_namespace WHERE nspname = 'holdfast'", DB_NO_VALUES, &r,
                e))
        return false;
    return db_get_number(&r, 0, 0) > 0 || db_script(t, "CREATE SCHEMA holdfast", e);
}

static bool apply(struct db_tx *t, int version, struct err *e)
{
    const struct migration *m = &migrations[version - 1];
    const char *own = db_kind(t->db) == DB_SQLITE ? m->sqlite : m->postgres;

    return (m->both == NULL || db_script(t, m->both, e)) && (own == NULL || db_script(t, own, e)) &&
           db_change(t, "version", "UPDATE schema_version SET version = $1",
                     DB_VALUES(db_number(version)), e);
}

/* One step in a transaction that no other process makes meanwhile. */
static bool step(struct db *d, int version, int *at, struct err *e)
{
    AUTO(db_tx) struct db_tx *t = NULL;

    if (!db_begin(d, DB_WRITE, &t, e))
        return false;
    if (db_kind(d) == DB_POSTGRES && !db_script(t, "SELECT pg_advisory_xact_lock(7161688202)", e))
        return false;
    if (!read_version(t, at, e))
        return false;
    if (*at > schema_newest())
        return err_set(e, ERR_USAGE,
                       "the catalog has version %d, and this program knows versions up to %d: it "
                       "needs a newer holdfast",
                       *at, schema_newest());
    if (*at >= version)
        return true;
    if (*at == 0 && db_kind(d) == DB_POSTGRES && !make_schema(t, e))
        return err_wrap(e, "make the catalog's schema");
    if (!apply(t, *at + 1, e))
        return err_wrap(e, "make version %d of the catalog", *at + 1);
    return db_commit(&t, e);
}

bool schema_update(struct db *d, int version, struct err *e)
{
    int at = 0;

    /* Most often nothing is to be done, and then nobody else has to wait. */
    if (!schema_version(d, &at, e))
        return false;
    if (at == version)
        return true;
    do {
        if (!step(d, version, &at, e))
            return false;
    } while (at < version);
    return true;
}
