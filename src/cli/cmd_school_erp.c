/*
 * school-erp: the backups of School ERP, made, listed, brought back and removed.
 */
#include <string.h>

#include "base/mem.h"
#include "base/password.h"
#include "base/text.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/dsn.h"
#include "cli/render.h"
#include "cli/secret.h"
#include "job/job.h"

#define KEY_VARIABLE   "BACKUP_ENCRYPTION_KEY"
#define FOLDER_DEFAULT "backups" /* as the application's */

struct school_args {
    struct common common;
    char *folder, *dsn, *password_file, *key_file, *user, *tables;
    bool allow_public_key, import, skip_failures;
};

#define AT(member) offsetof(struct school_args, member)

/* clang-format off */
#define FOLDER_OPTION                                                                              \
    {"backup-dir", 0, OPTION_TEXT, AT(folder), "DIR", "Folder of the backups; ./backups by default", \
     "BACKUP_DIR", NULL, NULL}
#define DATABASE_OPTIONS                                                                           \
    {"dsn", 0, OPTION_TEXT, AT(dsn), "DSN",                                                        \
     "The database: keywords and values of libpq or a URI, without a password",                    \
     "DATABASE_URL", NULL, NULL},                                                                  \
    {"dsn-password-file", 0, OPTION_TEXT, AT(password_file), "FILE",                               \
     "Take the database's password from FILE instead of where libpq finds one", NULL, NULL, NULL}, \
    {"as-user", 0, OPTION_TEXT, AT(user), "ID",                                                    \
     "Note the user ID of the application as who did it", NULL, NULL, NULL}
#define KEY_OPTION                                                                                 \
    {"encryption-key-file", 0, OPTION_TEXT, AT(key_file), "FILE",                                  \
     "Take the key, 64 hexadecimal digits, from FILE instead of " KEY_VARIABLE, NULL, NULL, NULL}
/* clang-format on */

static const struct option create_options[] = {
    FOLDER_OPTION,
    DATABASE_OPTIONS,
    KEY_OPTION,
    {"tables", 0, OPTION_TEXT, AT(tables), "NAME,...",
     "Only these, by their names in the backup: users,students", NULL, NULL, NULL},
    {"allow-public-key", 0, OPTION_FLAG, AT(allow_public_key), NULL,
     "Also with the key that stands in the application's source: anybody can read that", NULL, NULL,
     NULL},
    {0},
};

static const struct option list_options[] = {FOLDER_OPTION, {0}};

static const struct option restore_options[] = {
    FOLDER_OPTION,
    DATABASE_OPTIONS,
    KEY_OPTION,
    {"import", 0, OPTION_FLAG, AT(import), NULL, "Write the records into the database", NULL, NULL,
     NULL},
    {"skip-failures", 0, OPTION_FLAG, AT(skip_failures), NULL,
     "With --import: leave out records that the database refuses", NULL, NULL, NULL},
    {0},
};

static const struct option delete_options[] = {FOLDER_OPTION, DATABASE_OPTIONS, {0}};

/* What the options name */

struct names {
    struct school_place place;
    struct pos_database database;
    struct school_key key;
    char *password;
};

static void names_auto(struct names *n)
{
    pos_database_done(&n->database);
    school_key_auto(&n->key);
    mem_secret_free(n->password);
}

static bool find_key(const struct school_args *args, struct names *n, struct err *e)
{
    AUTO(mem_secret) char *variable = secret_take_variable(KEY_VARIABLE);
    AUTO(mem_secret) char *text = NULL;

    if (args->key_file != NULL && !password_from_file(args->key_file, &text, e))
        return false;
    if (text == NULL && variable == NULL)
        return err_set(e, ERR_USAGE, "no key given: use --encryption-key-file or " KEY_VARIABLE);
    n->place.key = &n->key;
    return school_key_parse(text != NULL ? text : variable, &n->key, e);
}

static bool find_database(const struct school_args *args, struct names *n, struct err *e)
{
    if (args->dsn == NULL)
        return true;
    if (!dsn_check_shown(args->dsn, e) || !school_database_parse(args->dsn, &n->database, e))
        return false;
    if (args->password_file != NULL && !password_from_file(args->password_file, &n->password, e))
        return false;
    n->place.database.dsn = n->database.dsn;
    n->place.database.password = n->password != NULL ? n->password : n->database.password;
    return true;
}

static bool find_all(struct call *call, bool needs_key, struct names *n, struct err *e)
{
    const struct school_args *args = call->args;

    call->stage = STAGE_SECRET;
    n->place.folder = args->folder != NULL ? args->folder : FOLDER_DEFAULT;
    n->place.user = args->user;
    if (!find_database(args, n, e) || (needs_key && !find_key(args, n, e)))
        return false;
    call->stage = STAGE_FOREIGN;
    return true;
}

/* Telling */

static void put_backup(json_t *line, const struct school_backup *b)
{
    char id[SCHOOL_ID_MAX];
    char stamp[SCHOOL_STAMP_MAX];

    school_backup_id(b, id);
    school_stamp_format(b->name.time_ns, stamp);
    json_set_text(line, "id", id);
    json_set_text(line, "filename", b->file);
    json_set_u64(line, "size", b->size);
    json_set_text(line, "createdAt", stamp);
    json_set_text(line, "location", "LOCAL");
    json_set(line, "encrypted", json_true());
    json_set(line, "compressed", json_true());
    json_set_text(line, "status", b->is_readable ? "COMPLETED" : "FAILED");
}

/* What the database does not say although it could: never hidden, and no whole success. */
static void tell_logged(struct call *call, const struct school_logged *l, json_t *line)
{
    if (line != NULL) {
        json_set(line, "metadata", json_boolean(l->has_metadata));
        json_set(line, "audited", json_boolean(l->has_audit));
        json_set(line, "problem", l->problem[0] == '\0' ? json_null() : json_from_text(l->problem));
    }
    if (l->problem[0] == '\0')
        return;

    AUTO(buf) struct buf sentence = {0};

    buf_printf(&sentence, "the database was not told: %s", l->problem);
    output_item_error(call->out, "note", NULL, buf_string(&sentence));
    call->status = EXIT_INCOMPLETE;
}

/* Creating */

/* Names between commas; they live in the arena. */
static void split(struct call *call, const char *text, struct strings *out)
{
    for (const char *at = text; at != NULL;) {
        const char *comma = strchr(at, ',');
        const size_t size = comma == NULL ? strlen(at) : (size_t)(comma - at);

        strings_add(out, arena_string(&call->arena, SLICE_OF(at, size)));
        at = comma == NULL ? NULL : comma + 1;
    }
}

static void tell_made(struct call *call, const struct school_made *m)
{
    json_t *line = call->out->json ? json_message("school_backup") : NULL;
    char size[TEXT_SIZE_MAX];
    uint64_t rows = 0;
    size_t tables = 0;

    for (size_t i = 0; i < SCHOOL_TABLES; i++) {
        rows += m->facts.rows[i];
        tables += m->facts.has[i];
    }
    tell_logged(call, &m->logged, line);
    if (line != NULL) {
        char sum[2 * HASH_SIZE + 1];
        json_t *counts = json_object();

        put_backup(line, &m->backup);
        hex_encode(SLICE_OF(m->facts.sha256.bytes, HASH_SIZE), sum);
        json_set_text(line, "checksum", sum);
        for (size_t i = 0; i < SCHOOL_TABLES; i++)
            if (m->facts.has[i])
                json_set_u64(counts, school_tables[i].name, m->facts.rows[i]);
        json_set(line, "tables", counts);
        output_json(call->out, line);
        return;
    }
    size_format(m->backup.size, size);
    output_line(call->out, "%s", m->backup.file);
    output_note(call->out, "%llu record%s of %zu of %d tables in %s, read back and authentic",
                (unsigned long long)rows, plural(rows), tables, SCHOOL_TABLES, size);
}

static bool run_create(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    AUTO(names) struct names n = {0};
    AUTO(strings) struct strings tables = {0};
    struct school_made made = {0};

    if (!find_all(call, true, &n, e))
        return false;
    if (args->dsn == NULL) {
        call->stage = STAGE_SECRET;
        return err_set(e, ERR_USAGE, "no database given: use --dsn or DATABASE_URL");
    }
    split(call, args->tables, &tables);

    const struct school_making how = {.tables = strings_items(&tables),
                                      .table_count = tables.count,
                                      .allows_public_key = args->allow_public_key};

    if (!school_backup_make(&n.place, &how, &made, e))
        return false;
    tell_made(call, &made);
    return true;
}

/* Listing */

static bool run_list(struct call *call, struct err *e)
{
    AUTO(names) struct names n = {0};
    AUTO(school_list) struct school_list l = {0};
    AUTO(table) struct table t = {0};
    AUTO(buf) struct buf text = {0};

    if (!find_all(call, false, &n, e) || !school_backup_list(&n.place, &l, e))
        return false;
    table_init(&t, 3);
    table_add(&t, "Backup");
    table_add(&t, "Size");
    table_add(&t, "State");
    for (size_t i = 0; i < l.count; i++) {
        char size[TEXT_SIZE_MAX];

        if (call->out->json) {
            json_t *line = json_message("school_backup");

            put_backup(line, &l.items[i]);
            output_json(call->out, line);
            continue;
        }
        size_format(l.items[i].size, size);
        table_add(&t, l.items[i].file);
        table_add(&t, size);
        table_add(&t, l.items[i].is_readable ? "" : "unreadable: it was not written to its end");
    }
    if (!call->out->json && l.count > 0) {
        table_print(&t, &text);
        output_raw(call->out, buf_slice(&text));
    }
    return true;
}

/* Restoring */

static void tell_refused(void *arg, const struct table_json_failure *f)
{
    struct call *call = arg;
    AUTO(buf) struct buf sentence = {0};

    buf_printf(&sentence, "table %s: record %.200s: %s", f->table, f->key, f->why->text);
    output_item_error(call->out, "restore", NULL, buf_string(&sentence));
}

static json_t *json_counts_of(const struct table_json_counts *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->count; i++) {
        const struct table_json_count *t = &c->tables[i];
        json_t *one = json_object();

        json_set_text(one, "table", t->name);
        json_set_u64(one, "rows", t->rows);
        json_set_u64(one, "inserted", t->inserted);
        json_set_u64(one, "updated", t->updated);
        json_set_u64(one, "unchanged", t->unchanged);
        json_set_u64(one, "failed", t->failed);
        (void)json_array_append_new(list, one); /* cannot fail */
    }
    return list;
}

static void tell_lines(struct call *call, const struct school_restored *r, bool is_import)
{
    struct output *out = call->out;

    for (size_t i = 0; i < r->counts.count; i++) {
        const struct table_json_count *t = &r->counts.tables[i];

        if (is_import)
            output_note(out, "%s: %llu inserted, %llu updated, %llu unchanged, %llu failed",
                        t->name, (unsigned long long)t->inserted, (unsigned long long)t->updated,
                        (unsigned long long)t->unchanged, (unsigned long long)t->failed);
        else
            output_note(out, "%s: %llu to insert, %llu there already", t->name,
                        (unsigned long long)t->inserted, (unsigned long long)t->updated);
    }
    for (size_t i = 0; r->counts.count == 0 && i < SCHOOL_TABLES; i++)
        if (r->facts.has[i])
            output_note(out, "%s: %llu", school_tables[i].name,
                        (unsigned long long)r->facts.rows[i]);
    if (is_import)
        output_line(out, "Records restored: %llu; failed: %llu", (unsigned long long)r->written,
                    (unsigned long long)r->failed);
    else
        output_line(out, "The backup is authentic and complete. Nothing was imported.");
}

static bool run_restore(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    const struct school_restoring how = {.imports = args->import,
                                         .skips_failures = args->skip_failures,
                                         .each = tell_refused,
                                         .arg = call};
    AUTO(names) struct names n = {0};
    AUTO(school_restored) struct school_restored r = {0};

    if (args->skip_failures && !args->import)
        return err_set(e, ERR_USAGE, "--skip-failures goes with --import");
    if (!find_all(call, true, &n, e))
        return false;
    if (!school_backup_restore(&n.place, args->common.words.items[0], &how, &r, e)) {
        /* A connection that was lost may have been lost behind the commit. */
        if (args->import && e->code != ERR_TRANSIENT)
            (void)err_wrap(e, "nothing was imported");
        return false;
    }
    if (r.failed > 0)
        call->status = EXIT_INCOMPLETE;
    if (!call->out->json) {
        tell_logged(call, &r.logged, NULL);
        tell_lines(call, &r, args->import);
        return true;
    }

    json_t *line = json_message("school_restore");

    tell_logged(call, &r.logged, line);
    put_backup(line, &r.backup);
    json_set(line, "imported", json_boolean(args->import));
    json_set_u64(line, "recordsRestored", args->import ? r.written : 0);
    json_set_u64(line, "failed", r.failed);
    json_set(line, "counts", json_counts_of(&r.counts));
    output_json(call->out, line);
    return true;
}

/* Deleting */

static bool run_delete(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    AUTO(names) struct names n = {0};
    struct school_logged logged = {0};
    json_t *line;

    if (!find_all(call, false, &n, e) ||
        !school_backup_remove(&n.place, args->common.words.items[0], &logged, e))
        return false;
    line = call->out->json ? json_message("school_delete") : NULL;
    tell_logged(call, &logged, line);
    if (line != NULL)
        output_json(call->out, line);
    output_note(call->out, "Backup deleted successfully");
    return true;
}

const struct command command_school_erp_create = {
    .name = "school-erp create",
    .summary = "Make a backup of School ERP's tables, as its own service does",
    .details = "One sealed file in a folder, of one moment, which the application opens too. It is "
               "read back before it\nhas a name.",
    .examples = "holdfast school-erp create --dsn dbname=school --backup-dir /srv/backups "
                "--encryption-key-file school.hex\n"
                "holdfast school-erp create --tables users,students",
    .words = "",
    .options = create_options,
    .args_size = sizeof(struct school_args),
    .run = run_create,
};

const struct command command_school_erp_list = {
    .name = "school-erp list",
    .summary = "List the backups of School ERP in a folder, the newest first",
    .examples = "holdfast school-erp list --backup-dir /srv/backups",
    .words = "",
    .options = list_options,
    .args_size = sizeof(struct school_args),
    .run = run_list,
};

const struct command command_school_erp_restore = {
    .name = "school-erp restore",
    .summary = "Check a backup of School ERP, and with --import bring it back",
    .details = "BACKUP is the name of a file or its 32 digits. All of it is read and authenticated "
               "before anything is done.\nRecords are inserted or updated by their id in one "
               "transaction; those that the backup does not have stay.",
    .examples = "holdfast school-erp restore "
                "backup-2025-11-21T10-03-35-495Z-04407c0c8e2a9185adef6193aabc4599.enc\n"
                "holdfast school-erp restore 04407c0c8e2a9185adef6193aabc4599 --dsn dbname=school "
                "--import",
    .words = "BACKUP",
    .words_min = 1,
    .words_max = 1,
    .options = restore_options,
    .args_size = sizeof(struct school_args),
    .run = run_restore,
};

const struct command command_school_erp_delete = {
    .name = "school-erp delete",
    .summary = "Delete a backup of School ERP",
    .examples = "holdfast school-erp delete 04407c0c8e2a9185adef6193aabc4599",
    .words = "BACKUP",
    .words_min = 1,
    .words_max = 1,
    .options = delete_options,
    .args_size = sizeof(struct school_args),
    .run = run_delete,
};
