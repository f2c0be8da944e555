#include "job/restore_into.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"
#include "codec/random.h"
#include "job/feed.h"
#include "job/import.h"
#include "job/job.h"
#include "job/stored_database.h"
#include "job/ticker.h"

#define SQLITE_PLACE   "sqlite/"
#define POSTGRES_PLACE "postgres/"
#define BUNDLE_PLACE   "bundle/"
#define IMPORT_PLACE   "import/"
#define STAMP_MAX      40

void restore_into_result_auto(struct restore_into_result *r)
{
    mem_free(r->kept);
}

static bool begins_with(const char *text, const char *head)
{
    return strncmp(text, head, strlen(head)) == 0;
}

/* SQLite */

static bool into_file(struct repo *r, const struct restore_into_options *o, struct err *e)
{
    const struct hash *tree = &o->snapshot->tree;
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf manifest = {0};
    struct entry en;

    if (o->server != NULL || o->in_place || o->part != NULL)
        return err_set(e, ERR_USAGE, "/%s is a SQLite database: it needs no server", o->place);
    buf_printf(&name, "%s" MEMBER_MANIFEST, o->place);
    if (!tree_find(rd, tree, o->place, &keep, &en, e) ||
        !feed_get(rd, tree, buf_string(&name), &manifest, e))
        return false;
    if (en.type != ENTRY_FILE)
        return err_set(e, ERR_USAGE, "/%s is no file", o->place);

    const struct sqlite_restore_options how = {
        .path = o->into, .manifest = buf_slice(&manifest), .force = o->force};

    return feed_open(&f, rd, &en, e) && sqlite_restore(&how, feed_next, &f, e);
}

/* PostgreSQL */

/* What a thread that only tells looks at. */
struct into_progress {
    const struct report *report;
    const char *place;
    int64_t began_ns;
    uint64_t bytes_total;
    struct postgres_restore_report made;
};

static void tick(void *arg)
{
    struct into_progress *i = arg;
    const struct progress p = {.elapsed_ns = clock_monotonic_ns() - i->began_ns,
                               .bytes_done = atomic_load(&i->made.bytes_done),
                               .bytes_total = i->bytes_total,
                               .source = i->place,
                               .rows_done = atomic_load(&i->made.rows_done)};

    i->report->progress(i->report->arg, &p);
}

static bool fill(struct into_progress *i, const struct postgres_restore_options *how,
                 const struct postgres_files *files, struct err *e)
{
    const bool is_told = i->report != NULL && i->report->progress != NULL;
    struct postgres_stored stored = {0};

    if (!postgres_stored_read(files, &stored, e))
        return false;
    i->bytes_total = stored.bytes;

    AUTO(ticker) struct ticker *ticker = ticker_start(is_told ? tick : NULL, i);

    (void)ticker;
    return postgres_restore(how, files, &i->made, e);
}

bool restore_into_make(struct repo *r, const struct snapshot *snapshot, const char *place,
                       const struct postgres_restore_options *how, const struct report *report,
                       struct restore_into_result *out, struct err *e)
{
    AUTO(postgres_verify_report) struct postgres_verify_report found = {0};
    AUTO(stored_database) struct stored_database stored;
    AUTO(buf) struct buf path = {0};
    struct into_progress progress = {
        .report = report, .place = place, .began_ns = clock_monotonic_ns()};
    struct err why = {0}, ignored = {0};

    buf_printf(&path, "/%s", place);
    stored_database_init(&stored, r, &snapshot->tree, buf_string(&path));
    if (!fill(&progress, how, &stored.files, e))
        return false;
    if (postgres_verify(how, &stored.files, &found, &why) && found.differences > 0)
        (void)err_set(&why, ERR_CORRUPT, "what was restored differs from its manifest: %s",
                      buf_string(&found.text));
    if (why.code == ERR_NONE) {
        out->tables = found.tables;
        out->rows = found.rows;
        out->bytes = found.bytes;
        return true;
    }
    *e = why;
    return postgres_drop(how, &ignored)
               ? false
               : err_wrap(e, "database %s, which is still there", how->database);
}

static bool bring_part(struct repo *r, const struct restore_into_options *o,
                       const struct postgres_restore_options *how, struct restore_into_result *out,
                       struct err *e)
{
    AUTO(stored_database) struct stored_database stored;
    AUTO(buf) struct buf path = {0};
    struct postgres_restore_report made = {0};

    buf_printf(&path, "/%s", o->place);
    stored_database_init(&stored, r, &o->snapshot->tree, buf_string(&path));
    if (!postgres_restore_part(how, &stored.files, o->part, &made, e))
        return false;
    out->tables = made.tables;
    out->rows = made.rows;
    out->bytes = made.bytes;
    return true;
}

/* "holdfast_restored_1a2b3c4d5e6f7a8b": a name that nobody has. */
static char *beside_name(void)
{
    AUTO(buf) struct buf text = {0};
    uint8_t random[8];
    char digits[2 * sizeof(random) + 1];

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), digits);
    buf_printf(&text, "holdfast_restored_%s", digits);
    return mem_string(buf_string(&text));
}

/* "shop_before_20261121T103000.125Z"; a long name is cut. */
static char *kept_name(const char *database)
{
    AUTO(buf) struct buf name = {0};
    char time[CLOCK_TEXT_MAX];
    char stamp[STAMP_MAX];

    clock_format(clock_now_ns(), time); /* 2026-11-21T10:30:00.000000000Z */
    (void)snprintf(stamp, sizeof(stamp), "_before_%.4s%.2s%.5s%.2s%.6sZ", time, time + 5, time + 8,
                   time + 14, time + 17);
    buf_append_slice(&name, slice_string(database));
    if (name.size + strlen(stamp) > POSTGRES_NAME_MAX)
        name.size = POSTGRES_NAME_MAX - strlen(stamp);
    while (!utf8_is_valid(buf_slice(&name)))
        name.size--;
    buf_printf(&name, "%s", stamp);
    return mem_string(buf_string(&name));
}

static bool check_is_there(const struct postgres_restore_options *how, const char *database,
                           struct err *e)
{
    struct postgres_present present = {0};

    if (!postgres_present(how, database, &present, e))
        return false;
    return present.is_there || err_set(e, ERR_NOT_FOUND, "there is no database %s", database);
}

/* What takes the place of a database is to have all that the database had. */
static bool check_is_whole(struct repo *r, const struct restore_into_options *o, struct err *e)
{
    AUTO(stored_database) struct stored_database stored;
    AUTO(buf) struct buf path = {0};
    struct postgres_stored what = {0};

    buf_printf(&path, "/%s", o->place);
    stored_database_init(&stored, r, &o->snapshot->tree, buf_string(&path));
    if (!postgres_stored_read(&stored.files, &what, e))
        return false;
    return !what.is_part ||
           err_set(e, ERR_USAGE,
                   "/%s has only some tables of its database, and the others would be gone: "
                   "bring back single ones with --table or --schema, or make a new database",
                   o->place);
}

/* Give the database that was made the name of the one that is there. */
static bool take_place(const struct postgres_restore_options *how, const char *database,
                       struct restore_into_result *out, struct err *e)
{
    AUTO(mem) char *kept = kept_name(database);
    struct err ignored = {0};

    if (postgres_copy_rights(how, database, how->database, e) &&
        postgres_swap(how, how->database, database, kept, e)) {
        out->kept = TAKE(kept);
        return true;
    }
    return postgres_drop(how, &ignored) ? false
                                        : err_wrap(e, "database %s is left over", how->database);
}

struct postgres_restore_options restore_into_how(const struct restore_into_options *o,
                                                 const char *database)
{
    return (struct postgres_restore_options){.dsn = o->server->dsn,
                                             .connect = o->server->connect,
                                             .password = o->server->password,
                                             .passfile = o->server->passfile,
                                             .database = database,
                                             .with_globals = o->server->with_globals,
                                             .without_rights = o->in_place,
                                             .jobs = o->server->jobs};
}

static bool into_server(struct repo *r, const struct restore_into_options *o,
                        struct restore_into_result *out, struct err *e)
{
    AUTO(mem) char *beside = o->in_place ? beside_name() : NULL;

    if (o->server == NULL)
        return err_set(e, ERR_USAGE, "/%s is a PostgreSQL database: say with --dsn which server",
                       o->place);
    if (o->force)
        return err_set(e, ERR_USAGE, "--force is for SQLite databases");

    const struct postgres_restore_options how =
        restore_into_how(o, beside != NULL ? beside : o->into);

    if (o->part != NULL)
        return bring_part(r, o, &how, out, e);
    if (beside != NULL && (!check_is_whole(r, o, e) || !check_is_there(&how, o->into, e)))
        return false;
    return restore_into_make(r, o->snapshot, o->place, &how, o->report, out, e) &&
           (beside == NULL || take_place(&how, o->into, out, e));
}

/* Imported dumps */

static bool check_dump(struct reader *rd, const struct restore_into_options *o, struct err *e)
{
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(json) json_t *manifest = NULL;
    const char *kind;

    buf_printf(&name, "%s" MEMBER_MANIFEST, o->place);
    if (!feed_get(rd, &o->snapshot->tree, buf_string(&name), &text, e))
        return false;
    manifest = json_loadb((const char *)text.data, text.size, 0, NULL);
    kind = json_string_value(json_object_get(manifest, "kind"));
    return (kind != NULL && strcmp(kind, foreign_kind_name(FOREIGN_POS_DATABASE)) == 0) ||
           err_set(e, ERR_USAGE, "/%s is no dump of a database", o->place);
}

static bool into_script(struct repo *r, const struct restore_into_options *o,
                        struct restore_into_result *out, struct err *e)
{
    AUTO(reader) struct reader *rd = reader_new(r);
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf name = {0};
    struct postgres_script_report report = {0};
    struct entry en;

    if (o->server == NULL)
        return err_set(e, ERR_USAGE, "/%s is a dump of PostgreSQL: say with --dsn which server",
                       o->place);
    if (o->force || o->in_place || o->part != NULL || o->server->with_globals ||
        o->server->jobs != 0)
        return err_set(e, ERR_USAGE,
                       "a dump that was imported goes as a whole into a new database");
    buf_printf(&name, "%s" PARTS_FOLDER "/database.sql", o->place);
    if (!check_dump(rd, o, e) ||
        !tree_find(rd, &o->snapshot->tree, buf_string(&name), &keep, &en, e))
        return false;

    const struct postgres_restore_options how = {
        .dsn = o->server->dsn, .password = o->server->password, .database = o->into};

    if (!feed_open(&f, rd, &en, e) || !postgres_script_load(&how, feed_next, &f, &report, e))
        return false;
    out->statements = report.statements;
    out->rows = report.rows;
    return true;
}

bool restore_into_run(struct repo *r, const struct restore_into_options *o,
                      struct restore_into_result *out, struct err *e)
{
    const bool is_set = o->snapshot->set != NULL;

    if (!repo_load_index(r, e))
        return false;
    if (is_set && (begins_with(o->place, BUNDLE_PLACE) || strcmp(o->place, "bundle") == 0))
        return restore_into_bundles(r, o, out, e);
    if (o->with_sessions)
        return err_set(e, ERR_USAGE, "--with-sessions is for pushed bundles");
    if (is_set && begins_with(o->place, SQLITE_PLACE) &&
        !member_is_manifest(slice_string(o->place)))
        return into_file(r, o, e);
    if (is_set && begins_with(o->place, POSTGRES_PLACE) &&
        strchr(o->place + strlen(POSTGRES_PLACE), '/') == NULL)
        return into_server(r, o, out, e);
    if (begins_with(o->place, IMPORT_PLACE) && !member_is_manifest(slice_string(o->place)))
        return into_script(r, o, out, e);
    return err_set(e, ERR_USAGE, "/%s is no database and no bundle in a snapshot of a set",
                   o->place);
}
