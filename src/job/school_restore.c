/*
 * Bringing a backup back: the file is read three times, the first two to know that all of it is
 * authentic and right, the last into the database.
 */
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "job/school.h"
#include "job/school_manifest.h"

void school_restored_auto(struct school_restored *r)
{
    table_json_counts_auto(&r->counts);
}

struct restore {
    const struct school_place *place;
    const struct school_restoring *how;
    struct school_restored *result;
};

static uint64_t count_written(const struct table_json_counts *c)
{
    uint64_t rows = 0;

    for (size_t i = 0; i < c->count; i++)
        rows += c->tables[i].inserted + c->tables[i].updated;
    return rows;
}

static void refused(void *arg, const struct table_json_failure *f)
{
    const struct restore *r = arg;

    if (r->how->each != NULL)
        r->how->each(r->how->arg, f);
}

/* Behind the rows, in their transaction. */
static bool tell_database(void *arg, struct postgres_link *l, const struct table_json_counts *c,
                          struct err *e)
{
    const struct restore *r = arg;
    struct school_restored *result = r->result;
    char id[SCHOOL_ID_MAX];
    AUTO(buf) struct buf changes = {0};

    school_backup_id(&result->backup, id);
    buf_printf(&changes, "{\"action\":\"restore\",\"recordsRestored\":%llu}",
               (unsigned long long)count_written(c));

    const struct school_log_entry entry = {.action = "UPDATE",
                                           .id = id,
                                           .file = result->backup.file,
                                           .user = r->place->user,
                                           .changes = buf_string(&changes)};

    return school_log_put(l, &entry, &result->logged, e);
}

/* The counts in the application's order. */
static void order_counts(struct table_json_counts *c)
{
    size_t next = 0;

    for (size_t i = 0; i < SCHOOL_TABLES; i++) {
        const char *name = school_tables[school_restore_order[i]].name;

        for (size_t j = next; j < c->count; j++) {
            const struct table_json_count found = c->tables[j];

            if (strcmp(found.name, name) != 0)
                continue;
            c->tables[j] = c->tables[next];
            c->tables[next++] = found;
            break;
        }
    }
}

static bool bring(struct restore *r, const int *fd, struct err *e)
{
    struct school_restored *result = r->result;
    AUTO(school_reader) struct school_reader *reader = NULL;
    struct table_json_pick picks[SCHOOL_TABLES];
    struct table_json_import_options o = {.database = r->place->database,
                                          .mode = TABLE_JSON_UPSERT,
                                          .is_dry_run = !r->how->imports,
                                          .skips_failures = r->how->skips_failures,
                                          .failed = refused,
                                          .at_end = tell_database,
                                          .call_arg = r,
                                          .picks = picks,
                                          .pick_count = SCHOOL_TABLES,
                                          .read = school_reader_read};

    for (size_t i = 0; i < SCHOOL_TABLES; i++)
        picks[i] = school_pick(i);
    if (!school_reader_begin(fd, r->place->key, &reader, e))
        return false;
    o.arg = reader;
    if (!table_json_import(&o, &result->counts, e))
        return false;
    order_counts(&result->counts);
    result->written = count_written(&result->counts);
    for (size_t i = 0; i < result->counts.count; i++)
        result->failed += result->counts.tables[i].failed;
    return true;
}

/* *manifest: what it says of the file; NULL when there is none that says anything. */
static bool check_manifest(int dirfd, const struct school_place *p, struct school_file *f,
                           json_t **manifest, struct err *e)
{
    if (!school_manifest_check(dirfd, p, f->fd, &f->backup, manifest, e))
        return false;
    return f->backup.proof != SCHOOL_REFUTED || err_set(e, ERR_CORRUPT, "%s", f->backup.doubt);
}

/* What was opened is what was looked at, though the file was read twice. */
static bool is_as_signed(const json_t *manifest, const struct school_facts *facts, struct err *e)
{
    char digits[2 * HASH_SIZE + 1];
    const char *signed_sum = json_string_value(json_object_get(manifest, "checksum"));

    hex_encode(SLICE_OF(facts->sha256.bytes, HASH_SIZE), digits);
    return manifest == NULL || (signed_sum != NULL && strcmp(signed_sum, digits) == 0) ||
           err_set(e, ERR_CORRUPT, "what is in it is not what its manifest says");
}

bool school_backup_restore(const struct school_place *p, const char *id,
                           const struct school_restoring *how, struct school_restored *out,
                           struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(school_file) struct school_file f = {.fd = -1};
    AUTO(school_restored) struct school_restored result = {0};
    struct restore r = {p, how, &result};
    AUTO(json) json_t *manifest = NULL;

    if (p->key == NULL)
        return err_set(e, ERR_USAGE, "restoring a backup takes its encryption key");
    if (how->imports && p->database.dsn == NULL)
        return err_set(e, ERR_USAGE, "importing takes a database");
    if (!dir_open(p->folder, &dirfd, e) ||
        !school_file_open(dirfd, id, "Backup file not found on disk", &f, e))
        return false;
    if (!check_manifest(dirfd, p, &f, &manifest, e))
        return err_wrap(e, "restore %s", f.backup.file);
    result.backup = f.backup;
    if (!school_file_check(&f.fd, p->key, &result.facts, e) ||
        !is_as_signed(manifest, &result.facts, e) ||
        (p->database.dsn != NULL && !bring(&r, &f.fd, e)))
        return err_wrap(e, "restore %s", f.backup.file);
    *out = result;
    result = (struct school_restored){0};
    return true;
}
