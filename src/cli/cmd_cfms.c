/*
 * cfms export: archives of CFMS from what its server keeps.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/password.h"
#include "base/text.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/dsn.h"
#include "cli/render.h"
#include "job/job.h"

struct place_args {
    char *database, *password_file, *content_dir;
};

/* clang-format off */
#define PLACE_OPTIONS(type)                                                                        \
    {"database", 0, OPTION_TEXT, offsetof(struct type, place.database), "FILE|DSN",                \
     "The server's database: a file of SQLite, or keywords and values or a URI of libpq", NULL,    \
     NULL, NULL},                                                                                  \
    {"dsn-password-file", 0, OPTION_TEXT, offsetof(struct type, place.password_file), "FILE",      \
     "Take the database's password from FILE instead of where libpq finds one", NULL, NULL, NULL}, \
    {"content-dir", 0, OPTION_TEXT, offsetof(struct type, place.content_dir), "DIR",               \
     "The server's folder \"content\"", NULL, NULL, NULL}
/* clang-format on */

struct export_args {
    struct common common;
    struct place_args place;
    char *output_dir, *key_dir, *name;
};

static const struct option export_options[] = {
    PLACE_OPTIONS(export_args),
    {"output-dir", 0, OPTION_TEXT, offsetof(struct export_args, output_dir), "DIR",
     "Write the archive into DIR", NULL, NULL},
    {"key-dir", 0, OPTION_TEXT, offsetof(struct export_args, key_dir), "DIR",
     "Write its key file into DIR, better not beside it", NULL, NULL},
    {"name", 0, OPTION_TEXT, offsetof(struct export_args, name), "NAME",
     "Call it NAME.cfms.enc instead of backup_ and the time in seconds", NULL, NULL},
    {0},
};

/* "dbname=cfms" and "postgresql://host/cfms" are none; "./a=b" is one. */
static bool is_file(const char *database)
{
    const char *equals = strchr(database, '=');
    const char *slash = strchr(database, '/');

    if (strncmp(database, "postgresql://", strlen("postgresql://")) == 0 ||
        strncmp(database, "postgres://", strlen("postgres://")) == 0)
        return false;
    return equals == NULL || (slash != NULL && slash < equals);
}

/* What the options name; *password is to be released. */
static bool find_place(struct call *call, const struct place_args *args, struct cfms_place *out,
                       char **password, struct err *e)
{
    call->stage = STAGE_SECRET;
    if (args->database == NULL || args->content_dir == NULL)
        return err_set(e, ERR_USAGE,
                       "say where the server keeps things: --database, --content-dir");
    *out = (struct cfms_place){.content_dir = args->content_dir};
    if (is_file(args->database)) {
        out->file = args->database;
        return args->password_file == NULL ||
               err_set(e, ERR_USAGE, "--dsn-password-file is for PostgreSQL");
    }
    if (dsn_shows_password(args->database))
        return err_set(e, ERR_USAGE,
                       "--database holds a password, which everybody on this machine can read: "
                       "use --dsn-password-file or PGPASSFILE");
    if (args->password_file != NULL && !password_from_file(args->password_file, password, e))
        return false;
    out->dsn = args->database;
    out->password = *password;
    return true;
}

/* What a database or an archive says is escaped, for a terminal might obey it. */
static void tell_missing(void *arg, const char *id, const char *path, const struct err *why)
{
    struct call *call = arg;
    AUTO(buf) struct buf escaped = {0};
    AUTO(buf) struct buf sentence = {0};

    buf_printf(&sentence, "file ");
    path_escape(slice_string(id), &sentence);
    buf_printf(&sentence, ": %s", why->text);
    if (path != NULL)
        path_escape(slice_string(path), &escaped);
    output_item_error(call->out, "read", path == NULL ? NULL : buf_string(&escaped),
                      buf_string(&sentence));
    call->status = EXIT_INCOMPLETE;
}

static void tell_export(struct call *call, const struct cfms_export_result *r)
{
    const struct export_args *args = call->args;
    AUTO(buf) struct buf archive = {0};
    AUTO(buf) struct buf key = {0};

    buf_printf(&archive, "%s/%s.cfms.enc", args->output_dir, r->name);
    buf_printf(&key, "%s/%s.key", args->key_dir, r->name);
    if (call->out->json) {
        json_t *line = json_message("cfms_export");
        json_t *metadata =
            json_pack("{s:s, s:f, s:I, s:I, s:I}", "version", "1.0", "created_at", r->created_at,
                      "documents_count", (json_int_t)r->counts.documents, "folders_count",
                      (json_int_t)r->counts.folders, "files_count", (json_int_t)r->counts.files);

        json_set_path(line, "archive_path", buf_slice(&archive));
        json_set_path(line, "key_path", buf_slice(&key));
        json_set(line, "metadata", metadata);
        json_set_u64(line, "missing", r->missing);
        output_json(call->out, line);
    }
    output_line(call->out, "Archive:    %s", buf_string(&archive));
    output_line(call->out, "Key:        %s", buf_string(&key));
    output_line(call->out, "Holds:      %llu document%s, %llu folder%s, %llu file%s",
                (unsigned long long)r->counts.documents, plural(r->counts.documents),
                (unsigned long long)r->counts.folders, plural(r->counts.folders),
                (unsigned long long)r->counts.files, plural(r->counts.files));
    if (r->missing > 0)
        output_line(call->out, "Incomplete: the content of %llu file%s is not in it",
                    (unsigned long long)r->missing, plural(r->missing));
    if (r->is_key_beside)
        output_note(call->out, "The key lies beside the archive: who takes one takes both.");
}

static bool run_export(struct call *call, struct err *e)
{
    const struct export_args *args = call->args;
    AUTO(mem_secret) char *password = NULL;
    struct cfms_export_options o = {.output_dir = args->output_dir,
                                    .key_dir = args->key_dir,
                                    .name = args->name,
                                    .missing = tell_missing,
                                    .arg = call};
    struct cfms_export_result r = {.missing = 0};

    if (!find_place(call, &args->place, &o.place, &password, e))
        return false;
    if (o.output_dir == NULL || o.key_dir == NULL)
        return err_set(e, ERR_USAGE, "say where to write: --output-dir, --key-dir");
    call->stage = STAGE_WORK;
    if (!cfms_export(&o, &r, e))
        return err_wrap(e, "export; no archive was made");
    tell_export(call, &r);
    return true;
}

const struct command command_cfms_export = {
    .name = "cfms export",
    .summary = "Write an archive of CFMS from its database and its contents",
    .details = "As of one moment of the database, with the key in a file of its own.",
    .examples = "holdfast cfms export --database /srv/cfms/app.db --content-dir "
                "/srv/cfms/content \\\n    --output-dir /srv/cfms/content/backups --key-dir "
                "/etc/cfms-keys",
    .words = "",
    .options = export_options,
    .args_size = sizeof(struct export_args),
    .run = run_export,
};
