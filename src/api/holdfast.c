/*
 * The public interface (include/holdfast.h) over the operations of job/.
 */
#include <holdfast.h>

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/job.h"

struct hf_backups {
    struct school_place place; /* points at what follows */
    struct school_key key;
    struct pos_database database;
    char *folder, *user, *password;
};

static void hf_backups_auto(struct hf_backups **b)
{
    hf_close(*b);
}

/* Hand a failure over.  Returns 0. */
static int failed(const struct err *why, struct hf_error *error)
{
    static const int codes[] = {
        [ERR_NONE] = HF_FATAL,      [ERR_NOT_FOUND] = HF_NOT_FOUND, [ERR_EXISTS] = HF_EXISTS,
        [ERR_CORRUPT] = HF_CORRUPT, [ERR_DENIED] = HF_DENIED,       [ERR_TRANSIENT] = HF_TRANSIENT,
        [ERR_CANCELLED] = HF_FATAL, [ERR_USAGE] = HF_USAGE,         [ERR_AWAY] = HF_TRANSIENT,
        [ERR_FATAL] = HF_FATAL,
    };

    static_assert(sizeof(error->text) >= sizeof(why->text), "a sentence fits");
    error->code = codes[why->code];
    memcpy(error->text, why->text, sizeof(why->text));
    return 0;
}

static int refused(const char *sentence, struct hf_error *error)
{
    struct err why;

    (void)err_set(&why, ERR_USAGE, "%s", sentence);
    return failed(&why, error);
}

static char *secret_copy(const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = mem_secret_new(size);

    memcpy(copy, text, size);
    return copy;
}

/* Handles */

void hf_close(struct hf_backups *b)
{
    if (b == NULL)
        return;
    school_key_auto(&b->key);
    pos_database_done(&b->database);
    mem_secret_free(b->password);
    mem_free(b->folder);
    mem_free(b->user);
    mem_free(b);
}

int hf_open(const struct hf_place *place, struct hf_backups **out, struct hf_error *error)
{
    AUTO(hf_backups) struct hf_backups *b = mem_new(sizeof(*b));
    struct err why = {0};

    if (place->folder == NULL)
        return refused("no folder of backups is given", error);
    b->place.folder = b->folder = mem_string(place->folder);
    if (place->user != NULL)
        b->place.user = b->user = mem_string(place->user);
    if (place->key != NULL) {
        if (!school_key_parse(place->key, &b->key, &why))
            return failed(&why, error);
        b->place.key = &b->key;
    }
    if (place->database != NULL) {
        if (!school_database_parse(place->database, &b->database, &why))
            return failed(&why, error);
        if (place->password != NULL)
            b->password = secret_copy(place->password);
        b->place.database.dsn = b->database.dsn;
        b->place.database.password = b->password != NULL ? b->password : b->database.password;
    }
    *out = TAKE(b);
    return 1;
}

/* Results */

static void tell_backup(const struct school_backup *from, struct hf_backup *to)
{
    static_assert(sizeof(to->id) == SCHOOL_ID_MAX && sizeof(to->file) >= SCHOOL_FILE_MAX,
                  "names fit");
    school_backup_id(from, to->id);
    memcpy(to->file, from->file, SCHOOL_FILE_MAX);
    to->size = from->size;
    to->created_ms = from->name.time_ns / 1000000;
    to->is_readable = from->is_readable;
}

static uint64_t count_records(const struct school_facts *f)
{
    uint64_t records = f->other_rows;

    for (size_t i = 0; i < SCHOOL_TABLES; i++)
        records += f->rows[i];
    return records;
}

static void tell_problem(const struct school_logged *l, char to[304])
{
    static_assert(sizeof(l->problem) <= 304, "a problem fits");
    memcpy(to, l->problem, sizeof(l->problem));
}

/* Operations */

int hf_backup_create(const struct hf_backups *b, const char *const *tables, size_t count,
                     struct hf_created *out, struct hf_error *error)
{
    const struct school_making how = {.tables = tables, .table_count = count};
    struct school_made made = {0};
    struct err why = {0};

    if (!school_backup_make(&b->place, &how, &made, &why))
        return failed(&why, error);
    memset(out, 0, sizeof(*out));
    tell_backup(&made.backup, &out->backup);
    out->records = count_records(&made.facts);
    hex_encode(SLICE_OF(made.facts.sha256.bytes, HASH_SIZE), out->checksum);
    tell_problem(&made.logged, out->problem);
    return 1;
}

int hf_backup_list(const struct hf_backups *b, hf_backup_fn *each, void *arg,
                   struct hf_error *error)
{
    AUTO(school_list) struct school_list l = {0};
    struct err why = {0};

    if (!school_backup_list(&b->place, &l, &why))
        return failed(&why, error);
    for (size_t i = 0; i < l.count; i++) {
        struct hf_backup one = {0};

        tell_backup(&l.items[i], &one);
        if (each(arg, &one) != 0)
            break;
    }
    return 1;
}

static void left_out(void *arg, const struct table_json_failure *f)
{
    const struct hf_restoring *how = arg;

    if (how->each != NULL)
        how->each(how->arg, f->table, f->key, f->why->text);
}

int hf_backup_restore(const struct hf_backups *b, const char *id, const struct hf_restoring *how,
                      struct hf_restored *out, struct hf_error *error)
{
    struct hf_restoring called = *how;
    const struct school_restoring options = {.imports = (how->flags & HF_IMPORT) != 0,
                                             .skips_failures = (how->flags & HF_SKIP_FAILURES) != 0,
                                             .each = left_out,
                                             .arg = &called};
    AUTO(school_restored) struct school_restored r = {0};
    struct err why = {0};

    if ((how->flags & ~(unsigned)(HF_IMPORT | HF_SKIP_FAILURES)) != 0)
        return refused("unknown flags", error);
    if (!school_backup_restore(&b->place, id, &options, &r, &why))
        return failed(&why, error);
    memset(out, 0, sizeof(*out));
    tell_backup(&r.backup, &out->backup);
    out->records = count_records(&r.facts);
    out->written = options.imports ? r.written : 0;
    out->failed = r.failed;
    tell_problem(&r.logged, out->problem);
    return 1;
}

int hf_backup_delete(const struct hf_backups *b, const char *id, char problem[304],
                     struct hf_error *error)
{
    struct school_logged logged = {0};
    struct err why = {0};

    if (!school_backup_remove(&b->place, id, &logged, &why))
        return failed(&why, error);
    if (problem != NULL)
        tell_problem(&logged, problem);
    return 1;
}
