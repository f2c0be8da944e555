/*
 * school-erp create and restore: the backups of School ERP, made and brought back.
 */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/school_call.h"
#include "cli/session.h"

static const struct option create_options[] = {
    SCHOOL_FOLDER_OPTION,
    SCHOOL_DATABASE_OPTIONS,
    SCHOOL_KEY_OPTION,
    SCHOOL_SIGNER_OPTION,
    {"tables", 0, OPTION_TEXT, SCHOOL_AT(tables), "NAME,...",
     "Only these, by their names in the backup: users,students", NULL, NULL, NULL},
    {"allow-public-key", 0, OPTION_FLAG, SCHOOL_AT(allow_public_key), NULL,
     "Also with the key that stands in the application's source: anybody can read that", NULL, NULL,
     NULL},
    {"to", 0, OPTION_TEXT, SCHOOL_AT(to), "URL", "Copy the backup to the store URL as well",
     "BACKUP_COPY_TO", NULL, NULL},
    {0},
};

static const struct option restore_options[] = {
    SCHOOL_FOLDER_OPTION,
    SCHOOL_DATABASE_OPTIONS,
    SCHOOL_KEY_OPTION,
    SCHOOL_SIGNER_OPTION,
    {"import", 0, OPTION_FLAG, SCHOOL_AT(import), NULL, "Write the records into the database", NULL,
     NULL, NULL},
    {"skip-failures", 0, OPTION_FLAG, SCHOOL_AT(skip_failures), NULL,
     "With --import: leave out records that the database refuses", NULL, NULL, NULL},
    {0},
};

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
    school_call_tell_logged(call, &m->logged, line);
    if (line != NULL) {
        char sum[2 * HASH_SIZE + 1];
        json_t *counts = json_object();

        school_call_put(line, &m->backup);
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

/* In the store, if there is one; the backup is there whatever becomes of its copy. */
static void copy_elsewhere(struct call *call, const struct school_place *p, struct store *to,
                           struct school_backup *b)
{
    const struct school_args *args = call->args;
    const char *shown = session_shown(args->to);
    AUTO(buf) struct buf sentence = {0};
    char object[SCHOOL_FILE_MAX];
    struct err e = {0};

    school_object_name(b->file, object);
    if (!school_backup_copy(p, b->file, to, shown, &e)) {
        buf_printf(&sentence, "%s: no copy of it: %s", shown, e.text);
        output_item_error(call->out, "copy", NULL, buf_string(&sentence));
        call->status = EXIT_INCOMPLETE;
        return;
    }
    (void)snprintf(b->copies, sizeof(b->copies), "%s/%s", shown, object); /* to show it */
    output_note(call->out, "copied to %s/%s, and read back", shown, object);
}

static bool open_store(struct call *call, const struct school_place *p, struct store **out,
                       struct err *e)
{
    const struct school_args *args = call->args;
    struct store_options options;

    if (args->to == NULL)
        return true;
    if (p->signer == NULL)
        return err_set(e, ERR_USAGE, "--to needs --manifest-key-file: copies stand in a manifest");
    if (!session_store_options(call, &options, e))
        return false;
    call->stage = STAGE_FOREIGN; /* it is no repository */
    return store_open(args->to, &options, out, e) ||
           err_wrap(e, "open %s", session_shown(args->to));
}

static bool run_create(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    AUTO(school_call) struct school_call n = {0};
    AUTO(strings) struct strings tables = {0};
    AUTO(store) struct store *to = NULL;
    struct school_made made = {0};

    if (!school_call_find(call, SCHOOL_NEED_KEY | SCHOOL_MAKE_MANIFESTS, &n, e))
        return false;
    if (args->dsn == NULL) {
        call->stage = STAGE_SECRET;
        return err_set(e, ERR_USAGE, "no database given: use --dsn or DATABASE_URL");
    }
    split(call, args->tables, &tables);

    const struct school_making how = {.tables = strings_items(&tables),
                                      .table_count = tables.count,
                                      .allows_public_key = args->allow_public_key};

    if (!open_store(call, &n.place, &to, e) || !school_backup_make(&n.place, &how, &made, e))
        return false;
    if (to != NULL)
        copy_elsewhere(call, &n.place, to, &made.backup);
    tell_made(call, &made);
    school_call_sweep(call, &n.place);
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

/* As before there were manifests; but it is said. */
static void tell_doubt(struct call *call, const struct school_place *p,
                       const struct school_backup *b)
{
    AUTO(buf) struct buf sentence = {0};

    if (p->signer == NULL || b->proof == SCHOOL_PROVEN)
        return;
    buf_printf(&sentence, "%s: nothing shows that this is the backup that its name says", b->doubt);
    output_item_warning(call->out, b->file, buf_string(&sentence));
}

static bool run_restore(struct call *call, struct err *e)
{
    const struct school_args *args = call->args;
    const struct school_restoring how = {.imports = args->import,
                                         .skips_failures = args->skip_failures,
                                         .each = tell_refused,
                                         .arg = call};
    AUTO(school_call) struct school_call n = {0};
    AUTO(school_restored) struct school_restored r = {0};

    if (args->skip_failures && !args->import)
        return err_set(e, ERR_USAGE, "--skip-failures goes with --import");
    if (!school_call_find(call, SCHOOL_NEED_KEY | SCHOOL_READ_MANIFESTS, &n, e))
        return false;
    if (!school_backup_restore(&n.place, args->common.words.items[0], &how, &r, e)) {
        /* A connection that was lost may have been lost behind the commit. */
        if (args->import && e->code != ERR_TRANSIENT)
            (void)err_wrap(e, "nothing was imported");
        return false;
    }
    if (r.failed > 0)
        call->status = EXIT_INCOMPLETE;
    tell_doubt(call, &n.place, &r.backup);
    if (!call->out->json) {
        school_call_tell_logged(call, &r.logged, NULL);
        tell_lines(call, &r, args->import);
        return true;
    }

    json_t *line = json_message("school_restore");

    school_call_tell_logged(call, &r.logged, line);
    school_call_put(line, &r.backup);
    json_set(line, "imported", json_boolean(args->import));
    json_set_u64(line, "recordsRestored", args->import ? r.written : 0);
    json_set_u64(line, "failed", r.failed);
    json_set(line, "counts", json_counts_of(&r.counts));
    output_json(call->out, line);
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
