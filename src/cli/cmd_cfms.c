/*
 * cfms export, cfms import: archives of CFMS from what its server keeps, and into it.
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

/* Import */

struct import_args {
    struct common common;
    struct place_args place;
    char *archive_key_file;
    bool remap, allow_unauthenticated, dry_run;
};

static const struct option import_options[] = {
    PLACE_OPTIONS(import_args),
    {"archive-key-file", 0, OPTION_TEXT, offsetof(struct import_args, archive_key_file), "FILE",
     "The key file that the archive came with", NULL, NULL},
    {"remap", 0, OPTION_FLAG, offsetof(struct import_args, remap), NULL,
     "Give new ids where the server has something of that id", NULL, NULL},
    {"allow-unauthenticated", 0, OPTION_FLAG, offsetof(struct import_args, allow_unauthenticated),
     NULL, "Also an archive that anybody can have made or changed", NULL, NULL},
    {"dry-run", 'n', OPTION_FLAG, offsetof(struct import_args, dry_run), NULL,
     "Change nothing, tell what would come in and what stands in the way", NULL, NULL},
    {0},
};

static void tell_step(void *arg, const char *status, const char *text, int percent)
{
    struct call *call = arg;

    if (strcmp(status, "decrypting") != 0)
        call->stage = STAGE_WORK; /* what it was given makes sense */
    if (call->out->json) {
        json_t *line = json_message("cfms_import_status");

        json_set_text(line, "status", status);
        json_set_text(line, "current_step", text);
        json_set_u64(line, "progress_percent", (uint64_t)percent);
        output_json_now(call->out, line);
    }
    output_note(call->out, "%3d %% %s", percent, text);
}

/* Both texts are escaped: an archive or a folder has them. */
static void format_finding(enum cfms_finding kind, const char *id, const char *about,
                           struct buf *out)
{
    switch (kind) {
    case CFMS_TAKEN:
        buf_printf(out, "there is a %s %s already", about, id);
        break;
    case CFMS_NO_FOLDER:
        buf_printf(out, "%s stands in folder %s, which neither archive nor database has", id,
                   about);
        break;
    case CFMS_CYCLE:
        buf_printf(out, "folder %s stands, by way of %s, in itself", id, about);
        break;
    case CFMS_NO_FILE:
        buf_printf(out,
                   "document %s has a revision of file %s, which the archive lacks: it stays out",
                   id, about);
        break;
    case CFMS_NO_CONTENT:
        buf_printf(out, "file %s: the archive lacks its content", id);
        break;
    case CFMS_NO_GROUP:
        buf_printf(out, "access rules name the group %s, which the database lacks", id);
        break;
    case CFMS_LEFT:
        buf_printf(out, "content/restore/files/%s: no record has this content", id);
        break;
    }
}

static void tell_finding(void *arg, enum cfms_finding kind, const char *id, const char *about)
{
    struct call *call = arg;
    AUTO(buf) struct buf escaped = {0};
    AUTO(buf) struct buf about_escaped = {0};
    AUTO(buf) struct buf sentence = {0};

    path_escape(slice_string(id), &escaped);
    path_escape(slice_string(about == NULL ? "" : about), &about_escaped);
    format_finding(kind, buf_string(&escaped), buf_string(&about_escaped), &sentence);
    if (kind == CFMS_NO_GROUP || kind == CFMS_LEFT) {
        output_item_warning(call->out, NULL, buf_string(&sentence));
        return;
    }
    output_item_error(call->out, "import", NULL, buf_string(&sentence));
    call->status = EXIT_INCOMPLETE; /* unless it ends with an error */
}

static void tell_import(struct call *call, const struct cfms_import_result *r)
{
    const struct import_args *args = call->args;
    const struct cfms_settled *s = &r->records;

    if (call->out->json) {
        json_t *line = json_message("cfms_import");

        json_set(line, "dry_run", json_boolean(args->dry_run));
        json_set(line, "authenticated", json_boolean(r->is_authenticated));
        json_set_u64(line, "documents_imported", s->documents);
        json_set_u64(line, "folders_imported", s->folders);
        json_set_u64(line, "files_imported", s->files);
        json_set_u64(line, "revisions", s->revisions);
        json_set_u64(line, "access_rules", s->rules);
        json_set_u64(line, "remapped", s->remapped);
        json_set_u64(line, "missing", s->no_content);
        json_set_u64(line, "revisions_left_out", s->no_file);
        json_set_u64(line, "strays", r->strays);
        output_json(call->out, line);
    }
    output_line(call->out,
                "%s %llu document%s with %llu revision%s, %llu folder%s, %llu file%s, %llu access "
                "rule%s",
                args->dry_run ? "Would import" : "Imported", (unsigned long long)s->documents,
                plural(s->documents), (unsigned long long)s->revisions, plural(s->revisions),
                (unsigned long long)s->folders, plural(s->folders), (unsigned long long)s->files,
                plural(s->files), (unsigned long long)s->rules, plural(s->rules));
    if (s->remapped > 0)
        output_line(call->out, "%llu of them under new ids", (unsigned long long)s->remapped);
    if (s->no_content > 0)
        output_line(call->out, "Incomplete: the archive lacks the content of %llu file%s",
                    (unsigned long long)s->no_content, plural(s->no_content));
    if (s->no_file > 0)
        output_line(call->out, "Incomplete: %llu revision%s of files that the archive lacks",
                    (unsigned long long)s->no_file, plural(s->no_file));
    if (r->strays > 0)
        output_line(call->out, "Left out: %llu content%s without a record",
                    (unsigned long long)r->strays, plural(r->strays));
    if (args->dry_run)
        output_note(call->out, "Dry run: nothing was changed.");
}

static bool import_with(struct call *call, struct slice key, const struct cfms_place *place,
                        struct err *e)
{
    const struct import_args *args = call->args;
    const struct cfms_import_options o = {.path = args->common.words.items[0],
                                          .key = key,
                                          .place = *place,
                                          .remaps = args->remap,
                                          .takes_unauthenticated = args->allow_unauthenticated,
                                          .is_dry_run = args->dry_run,
                                          .finding = tell_finding,
                                          .step = tell_step,
                                          .arg = call};
    struct cfms_import_result r = {.strays = 0};

    if (cfms_import(&o, &r, e)) {
        tell_import(call, &r);
        return true;
    }
    return err_wrap(e, e->code == ERR_AWAY
                           ? "import; nobody knows whether it is in the database, and its contents "
                             "stay: look there before the next try"
                           : "import; nothing was changed");
}

static bool run_import(struct call *call, struct err *e)
{
    const struct import_args *args = call->args;
    AUTO(mem_secret) char *password = NULL;
    AUTO(buf) struct buf key = {0};
    struct cfms_place place = {.file = NULL};
    bool is_good;

    if (!find_place(call, &args->place, &place, &password, e))
        return false;
    if (args->archive_key_file == NULL)
        return err_set(e, ERR_USAGE, "say what opens the archive: --archive-key-file");
    buf_reserve(&key, CFMS_KEY_TEXT_MAX + 1); /* it does not move while it is read */
    is_good = file_read(args->archive_key_file, CFMS_KEY_TEXT_MAX, &key, e) &&
              import_with(call, buf_slice(&key), &place, e);
    mem_wipe(key.data, key.room);
    return is_good;
}

const struct command command_cfms_import = {
    .name = "cfms import",
    .summary = "Bring an archive of CFMS into its database and its contents",
    .details = "All of it is read and checked by a process in a sandbox before anything changes; "
               "then everything\narrives in one transaction, or nothing.",
    .examples = "holdfast cfms import friday.cfms.enc --archive-key-file friday.key \\\n"
                "    --database /srv/new/app.db --content-dir /srv/new/content --dry-run",
    .words = "ARCHIVE",
    .words_min = 1,
    .words_max = 1,
    .has_files = true,
    .options = import_options,
    .args_size = sizeof(struct import_args),
    .run = run_import,
};
