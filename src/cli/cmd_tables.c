/*
 * export tables, import tables: tables of a PostgreSQL database as one JSON document.
 */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/password.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/dsn.h"
#include "cli/render.h"
#include "job/job.h"

struct tables_args {
    struct common common;
    char *dsn, *password_file;
    struct strings tables;
    bool plain, ignore_unknown, skip_triggers;
    int mode; /* enum table_json_mode */
};

#define AT(member) offsetof(struct tables_args, member)

/* clang-format off */
#define DATABASE_OPTIONS                                                                           \
    {"dsn", 0, OPTION_TEXT, AT(dsn), "DSN",                                                        \
     "The database: keywords and values or a URI of libpq, without a password",                    \
     "DATABASE_URL", NULL, NULL},                                                                  \
    {"dsn-password-file", 0, OPTION_TEXT, AT(password_file), "FILE",                               \
     "Take the database's password from FILE instead of where libpq finds one", NULL, NULL, NULL}, \
    {"table", 'T', OPTION_LIST, AT(tables), "TABLE[=NAME]",                                        \
     "Only TABLE (public's, or SCHEMA.TABLE), which the document calls NAME", NULL, NULL, NULL}
/* clang-format on */

static const struct option export_options[] = {
    DATABASE_OPTIONS,
    {"plain", 0, OPTION_FLAG, AT(plain), NULL,
     "Arrays of rows without types, as applications write them", NULL, NULL},
    {0},
};

/* In the order of enum table_json_mode. */
static const char *const mode_words[] = {"upsert", "replace", "insert", NULL};

static const struct option import_options[] = {
    DATABASE_OPTIONS,
    {"mode", 0, OPTION_CHOICE, AT(mode), "MODE",
     "upsert (default) by primary key, replace whole tables, or insert new rows only", NULL, NULL,
     mode_words},
    {"ignore-unknown", 0, OPTION_FLAG, AT(ignore_unknown), NULL,
     "Pass over tables and columns that the database does not have", NULL, NULL},
    {"skip-triggers", 0, OPTION_FLAG, AT(skip_triggers), NULL,
     "Do not run triggers; for owners of the tables", NULL, NULL},
    {0},
};

/* Tables with the names that the document has for them; lives in the arena. */
static struct table_json_pick *picks_of(struct call *call, const struct strings *tables)
{
    struct table_json_pick *picks = arena_take(&call->arena, (tables->count + 1) * sizeof(*picks));

    for (size_t i = 0; i < tables->count; i++) {
        const char *equals = strrchr(tables->items[i], '=');
        const size_t size =
            equals == NULL ? strlen(tables->items[i]) : (size_t)(equals - tables->items[i]);

        picks[i].table = arena_string(&call->arena, SLICE_OF(tables->items[i], size));
        picks[i].name = equals == NULL ? NULL : equals + 1;
    }
    return picks;
}

/* The database that the options name; *password is to be released. */
static bool find_database(struct call *call, struct table_json_database *out, char **password,
                          struct err *e)
{
    const struct tables_args *args = call->args;

    call->stage = STAGE_SECRET;
    if (args->dsn == NULL)
        return err_set(e, ERR_USAGE, "no database given: use --dsn or DATABASE_URL");
    if (!dsn_check_shown(args->dsn, e))
        return false;
    if (args->password_file != NULL && !password_from_file(args->password_file, password, e))
        return false;
    call->stage = STAGE_FOREIGN;
    *out = (struct table_json_database){.dsn = args->dsn, .password = *password};
    return true;
}

/* Export */

static bool write_out(void *arg, struct slice bytes, struct err *e)
{
    struct output *out = arg;

    output_raw(out, bytes);
    return output_is_good(out, e);
}

static bool run_export(struct call *call, struct err *e)
{
    const struct tables_args *args = call->args;
    AUTO(mem_secret) char *password = NULL;
    struct table_json_totals totals = {0};
    struct table_json_export_options o = {.form = args->plain ? TABLE_JSON_PLAIN : TABLE_JSON_TYPED,
                                          .picks = picks_of(call, &args->tables),
                                          .pick_count = args->tables.count,
                                          .write = write_out,
                                          .arg = call->out};

    if (!find_database(call, &o.database, &password, e))
        return false;
    return (table_json_export(&o, &totals, e) && output_flush(call->out, e)) ||
           err_wrap(e, "export");
}

/* Import */

static bool read_in(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    return fd_read(*(const int *)arg, to, room, got, e);
}

static void tell_counts(struct call *call, const struct table_json_counts *c)
{
    for (size_t i = 0; i < c->count; i++) {
        const struct table_json_count *t = &c->tables[i];

        if (call->out->json) {
            json_t *line = json_message("table");

            json_set_text(line, "table", t->name);
            json_set_u64(line, "rows", t->rows);
            json_set_u64(line, "inserted", t->inserted);
            json_set_u64(line, "updated", t->updated);
            json_set_u64(line, "unchanged", t->unchanged);
            output_json(call->out, line);
        }
        output_note(call->out, "%s: %llu rows, %llu inserted, %llu updated, %llu unchanged",
                    t->name, (unsigned long long)t->rows, (unsigned long long)t->inserted,
                    (unsigned long long)t->updated, (unsigned long long)t->unchanged);
    }
}

static bool run_import(struct call *call, struct err *e)
{
    const struct tables_args *args = call->args;
    const char *path = args->common.words.count > 0 ? args->common.words.items[0] : "-";
    AUTO(mem_secret) char *password = NULL;
    AUTO(table_json_counts) struct table_json_counts counts = {0};
    AUTO(fd) int opened = -1;
    int fd = STDIN_FILENO;
    struct table_json_import_options o = {.mode = (enum table_json_mode)args->mode,
                                          .ignores_unknown = args->ignore_unknown,
                                          .skips_triggers = args->skip_triggers,
                                          .picks = picks_of(call, &args->tables),
                                          .pick_count = args->tables.count,
                                          .read = read_in,
                                          .arg = &fd};

    if (!find_database(call, &o.database, &password, e))
        return false;
    if (strcmp(path, "-") != 0) {
        if (!file_open(path, &opened, e))
            return false;
        fd = opened;
    }
    if (!table_json_import(&o, &counts, e))
        return err_wrap(e, "import; nothing was changed");
    tell_counts(call, &counts);
    return true;
}

const struct command command_export_tables = {
    .name = "export tables",
    .summary = "Write tables of a PostgreSQL database as one JSON document",
    .details = "All tables as of one moment, to standard output.",
    .examples = "holdfast export tables --dsn dbname=shop > shop.json\n"
                "holdfast export tables --dsn dbname=school -T students -T marks=grades --plain",
    .words = "",
    .options = export_options,
    .args_size = sizeof(struct tables_args),
    .run = run_export,
};

const struct command command_import_tables = {
    .name = "import tables",
    .summary = "Bring a JSON document of tables into a PostgreSQL database",
    .details = "From FILE or standard input, in one transaction: all of it arrives or nothing.",
    .examples = "holdfast import tables --dsn dbname=shop shop.json\n"
                "holdfast import tables --dsn dbname=shop --mode replace < shop.json",
    .words = "[FILE]",
    .words_max = 1,
    .has_files = true,
    .options = import_options,
    .args_size = sizeof(struct tables_args),
    .run = run_import,
};
