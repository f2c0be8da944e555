#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/desk.h"
#include "cli/paths.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/restore_into_call.h"
#include "cli/restore_set_call.h"
#include "cli/session.h"

struct restore_args {
    struct common common;
    struct filter_args filter;
    struct remote_args remote;
    char *target, *into, *dsn, *dsn_password_file, *confirm_within, *backup, *environment;
    int jobs;
    struct part_args part;
    struct strings include, include_files, exclude, exclude_files;
    int overwrite; /* enum overwrite */
    bool delete_extra, dry_run, verify, numeric_ids, no_owner, force, in_place, globals, plan,
        apply, confirm_by_checks, yes, with_sessions;
};

#define AT(member) offsetof(struct restore_args, member)

/* In the order of enum overwrite. */
static const char *const overwrite_words[] = {"always", "if-changed", "if-newer", "never", NULL};

static const struct option restore_options[] = {
    {"target", 't', OPTION_TEXT, AT(target), "DIR", "Restore into DIR, which is made if need be",
     NULL, "target"},
    {"into", 0, OPTION_TEXT, AT(into), "FILE|DATABASE",
     "Bring back the database or bundle SNAPSHOT:/KIND/NAME as FILE or DATABASE", NULL, "target"},
    {"dsn", 0, OPTION_TEXT, AT(dsn), "DSN",
     "With --into: the server, as libpq takes it, without a password", NULL, NULL},
    {"dsn-password-file", 0, OPTION_TEXT, AT(dsn_password_file), "FILE",
     "Take the server's password from FILE instead of where libpq finds one", NULL, NULL},
    {"in-place", 0, OPTION_FLAG, AT(in_place), NULL,
     "Back to where it was: the set that --set names, or with --dsn an existing DATABASE", NULL,
     NULL},
    {"plan", 0, OPTION_FLAG, AT(plan), NULL,
     "With --in-place, or for PostgreSQL: show what would change, and end", NULL, NULL},
    {"apply", 0, OPTION_FLAG, AT(apply), NULL,
     "With --in-place: put outputs of commands in force again too", NULL, NULL},
    {"confirm-within", 0, OPTION_TEXT, AT(confirm_within), "TIME",
     "With --apply: go back unless that is confirmed within TIME (90s)", NULL, NULL},
    {"confirm-by-checks", 0, OPTION_FLAG, AT(confirm_by_checks), NULL,
     "With --apply: the set's health checks confirm it, and nobody is asked", NULL, NULL},
    {"backup", 'b', OPTION_TEXT, AT(backup), "ID",
     "Bring the backup ID of a set back to where it was; of the list, or a snapshot", NULL,
     "target"},
    {"environment", 0, OPTION_TEXT, AT(environment), "SET",
     "With --backup: to where SET has it; -e is short for it there", NULL, NULL},
    {"yes", 'y', OPTION_FLAG, AT(yes), NULL, "With --in-place or --backup: do not ask", NULL, NULL},
    REMOTE_OPTIONS(restore_args, remote),
    {"table", 'T', OPTION_LIST, AT(part.tables), "SCHEMA.TABLE",
     "Only this table of a PostgreSQL database", NULL, NULL},
    {"schema", 0, OPTION_LIST, AT(part.schemas), "SCHEMA",
     "Only this schema of a PostgreSQL database", NULL, NULL},
    {"as", 0, OPTION_TEXT, AT(part.as), "SCHEMA.TABLE",
     "With one --table: what the table is called from now on", NULL, NULL},
    {"data-only", 0, OPTION_FLAG, AT(part.data_only), NULL,
     "Add the rows of --table, of --schema or of all tables to those that are there", NULL, NULL},
    {"globals", 0, OPTION_FLAG, AT(globals), NULL,
     "With --into and --dsn: make the roles that are missing first", NULL, NULL},
    {"jobs", 'j', OPTION_COUNT, AT(jobs), "N", "With --into and --dsn: fill N tables at a time",
     NULL, NULL},
    {"force", 'f', OPTION_FLAG, AT(force), NULL,
     "With --into: also while others have the database open, or over files of bundles", NULL, NULL},
    {"with-sessions", 0, OPTION_FLAG, AT(with_sessions), NULL,
     "With --into and pushed bundles: with the sessions in them, which are credentials", NULL,
     NULL},
    {"include", 'i', OPTION_LIST, AT(include), "PATTERN", "Restore only what matches PATTERN", NULL,
     NULL},
    {"include-file", 0, OPTION_LIST, AT(include_files), "FILE",
     "Restore only what matches a line of FILE", NULL, NULL},
    {"exclude", 'e', OPTION_LIST, AT(exclude), "PATTERN", "Leave out what matches PATTERN", NULL,
     NULL},
    {"exclude-file", 0, OPTION_LIST, AT(exclude_files), "FILE",
     "Leave out what matches a line of FILE", NULL, NULL},
    {"overwrite", 0, OPTION_CHOICE, AT(overwrite), "WHEN",
     "Replace what is there: always (default), if-changed, if-newer, never", NULL, NULL,
     overwrite_words},
    {"delete", 0, OPTION_FLAG, AT(delete_extra), NULL,
     "Remove from restored directories what the snapshot does not have", NULL, NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "Change nothing, tell what would be done",
     NULL, NULL},
    {"verify", 0, OPTION_FLAG, AT(verify), NULL, "Read everything back and compare", NULL, NULL},
    {"numeric-ids", 0, OPTION_FLAG, AT(numeric_ids), NULL,
     "Set owners by number, even where their names exist here", NULL, NULL},
    {"no-owner", 0, OPTION_FLAG, AT(no_owner), NULL, "Do not set owners, even as root", NULL, NULL},
    FILTER_OPTIONS_AND_SET(restore_args, filter),
    UPLOADS_OPTION(restore_args, filter),
    {0},
};

static bool make_patterns(const struct strings *patterns, const struct strings *files,
                          struct exclude **out, struct err *e)
{
    AUTO(exclude) struct exclude *x = exclude_new();

    for (size_t i = 0; i < patterns->count; i++)
        if (!exclude_add(x, patterns->items[i], e))
            return false;
    for (size_t i = 0; i < files->count; i++)
        if (!exclude_add_file(x, files->items[i], e))
            return false;
    if (patterns->count + files->count > 0)
        *out = TAKE(x);
    return true;
}

/* Tables or schemas of a database. */
static bool is_part(const struct restore_args *args)
{
    return part_args_are_given(&args->part);
}

/* A whole set, back to where it was. */
static bool is_of_set(const struct restore_args *args)
{
    return args->in_place && args->into == NULL && args->target == NULL && !is_part(args);
}

/* Whether everything is taken, as it is. */
static bool is_free_of_choices(const struct restore_args *args)
{
    return args->include.count + args->include_files.count == 0 &&
           args->exclude.count + args->exclude_files.count == 0 && !args->dry_run &&
           !args->delete_extra && !args->verify && args->overwrite == 0 && !args->numeric_ids &&
           !args->no_owner;
}

/* Whether nothing is said of one database or bundle. */
static bool is_free_of_into(const struct restore_args *args)
{
    return args->dsn == NULL && args->dsn_password_file == NULL && !args->force && !args->globals &&
           args->jobs == 0 && !args->with_sessions && !is_part(args);
}

/* Of a database or bundle. */
static bool check_into(const struct restore_args *args, struct err *e)
{
    const bool has_part = is_part(args);

    if (args->dsn == NULL && (args->dsn_password_file != NULL || args->globals || args->jobs != 0 ||
                              (args->in_place && !has_part)))
        return err_set(e, ERR_USAGE, "--in-place, --globals, --jobs go with --dsn");
    if (has_part && (args->globals || args->jobs != 0 || args->force))
        return err_set(e, ERR_USAGE,
                       "--table, --schema, --as and --data-only do not go with --globals, --jobs "
                       "or --force");
    if (has_part && args->dsn != NULL ? args->into == NULL : has_part && args->filter.set == NULL)
        return err_set(e, ERR_USAGE,
                       "--table, --schema, --as and --data-only go with --set, or with --into and "
                       "--dsn");
    if (args->jobs < 0 || args->jobs > POSTGRES_JOBS_MAX)
        return err_set(e, ERR_USAGE, "--jobs is at most %d", POSTGRES_JOBS_MAX);
    return is_free_of_choices(args) ||
           err_set(e, ERR_USAGE, "--into takes a whole database: nothing is chosen from it");
}

static bool check_args(const struct restore_args *args, struct err *e)
{
    const bool has_include = args->include.count + args->include_files.count > 0;

    if (args->apply || args->yes || args->confirm_within != NULL || args->confirm_by_checks)
        return err_set(e, ERR_USAGE,
                       "--apply, --confirm-within, --confirm-by-checks, --yes go with --in-place "
                       "of a set");
    if (args->target == NULL && args->into == NULL && !is_part(args))
        return err_set(e, ERR_USAGE, "restore needs --target, --into or --in-place");
    if (args->target == NULL)
        return check_into(args, e);
    if (args->plan || args->in_place || !is_free_of_into(args))
        return err_set(e, ERR_USAGE,
                       "--plan, --force, --dsn, --in-place, --globals, --jobs, --with-sessions, "
                       "--table, --schema, --as, --data-only do not go with --target");
    if (args->delete_extra && path_is_root(args->target) && !has_include)
        return err_set(e, ERR_USAGE,
                       "--delete with --target / would remove whatever is not in the snapshot: say "
                       "with --include what it may touch");
    return true;
}

static void tell_json(struct call *call, const struct restore_args *args,
                      const struct restore_result *r, int64_t elapsed_ns)
{
    json_t *line = json_message("summary");

    json_set(line, "dry_run", json_boolean(args->dry_run));
    json_set_u64(line, "seconds_elapsed", (uint64_t)(elapsed_ns / NS_PER_S));
    json_set_u64(line, "total_files", r->files_total);
    json_set_u64(line, "files_restored", r->files_restored);
    json_set_u64(line, "files_updated", r->files_updated);
    json_set_u64(line, "files_skipped", r->files_skipped);
    json_set_u64(line, "files_deleted", r->files_deleted);
    json_set_u64(line, "files_verified", r->files_verified);
    json_set_u64(line, "total_bytes", r->bytes_total);
    json_set_u64(line, "bytes_restored", r->bytes_restored);
    json_set_u64(line, "bytes_skipped", r->bytes_skipped);
    json_set_u64(line, "error_count", r->errors);
    json_set_u64(line, "warning_count", r->warnings);
    output_json(call->out, line);
}

static void tell(struct call *call, const struct restore_args *args, const struct restore_result *r,
                 int64_t elapsed_ns)
{
    char restored[TEXT_SIZE_MAX];
    char elapsed[ELAPSED_TEXT_MAX];

    if (call->out->json) {
        tell_json(call, args, r, elapsed_ns);
        return;
    }
    size_format(r->bytes_restored, restored);
    elapsed_format(elapsed_ns, elapsed);
    output_note(call->out, "%s %llu of %llu files, %s, to %s in %s",
                args->dry_run ? "Would restore" : "Restored", (unsigned long long)r->files_restored,
                (unsigned long long)r->files_total, restored, args->target, elapsed);
    if (r->files_updated + r->files_skipped + r->files_deleted > 0)
        output_note(call->out, "%llu only got their metadata, %llu stayed as they are, %llu %s",
                    (unsigned long long)r->files_updated, (unsigned long long)r->files_skipped,
                    (unsigned long long)r->files_deleted,
                    args->dry_run ? "would be deleted" : "were deleted");
    if (args->verify)
        output_note(call->out, "Read back and right: %llu file%s",
                    (unsigned long long)r->files_verified, plural(r->files_verified));
    if (r->warnings > 0)
        output_note(call->out, "%llu warning%s", (unsigned long long)r->warnings,
                    plural(r->warnings));
}

static bool run_into(struct call *call, struct err *e)
{
    const struct restore_args *args = call->args;
    const struct restore_into_args of = {.selector = args->common.words.items[0],
                                         .filter = &args->filter,
                                         .config = args->common.config,
                                         .into = args->into,
                                         .dsn = args->dsn,
                                         .dsn_password_file = args->dsn_password_file,
                                         .part = &args->part,
                                         .jobs = args->jobs,
                                         .force = args->force,
                                         .in_place = args->in_place,
                                         .with_globals = args->globals,
                                         .with_sessions = args->with_sessions,
                                         .plan_only = args->plan};

    return restore_into_call(call, &of, e);
}

static bool run_of_set(struct call *call, struct err *e)
{
    const struct restore_args *args = call->args;
    const struct restore_set_args of_set = {.selector = args->common.words.items[0],
                                            .filter = &args->filter,
                                            .config = args->common.config,
                                            .confirm_within = args->confirm_within,
                                            .plan_only = args->plan,
                                            .apply = args->apply,
                                            .confirm_by_checks = args->confirm_by_checks,
                                            .yes = args->yes};

    if (!is_free_of_choices(args) || args->filter.uploads)
        return err_set(e, ERR_USAGE, "--in-place takes a set as it is: nothing is chosen from it");
    if (args->confirm_by_checks && (!args->apply || args->confirm_within != NULL))
        return err_set(e, ERR_USAGE,
                       "--confirm-by-checks goes with --apply, and without --confirm-within");
    if (!is_free_of_into(args))
        return err_set(
            e, ERR_USAGE,
            "without --into all of a set is restored in place: --dsn, --table, --schema, "
            "--as, --data-only, --globals, --jobs, --force, --with-sessions go with it");
    return restore_set_call(call, &of_set, e);
}

/* --backup takes a backup as it is.  There -e is the environment, as in the POS service's program,
 * for nothing is excluded. */
static bool check_backup(const struct restore_args *args, const char **environment, struct err *e)
{
    struct restore_args rest = *args;

    if (args->common.words.count > 0)
        return err_set(e, ERR_USAGE, "a backup and a snapshot exclude each other");
    if (args->exclude.count > 1 || (args->exclude.count == 1 && args->environment != NULL))
        return err_set(e, ERR_USAGE, "one environment is enough");
    *environment = args->exclude.count == 1 ? args->exclude.items[0] : args->environment;
    rest.verify = false;
    rest.exclude.count = 0;
    return (is_free_of_choices(&rest) && !args->in_place && !args->plan && !args->apply &&
            args->confirm_within == NULL && !args->confirm_by_checks && is_free_of_into(args)) ||
           err_set(e, ERR_USAGE, "--backup goes with --environment, --verify and --yes only");
}

static bool run_backup(struct call *call, struct err *e)
{
    const struct restore_args *args = call->args;
    const struct desk_args at = {.config_file = args->common.config, .remote = args->remote};
    struct desk_restore w = {.id = args->backup, .verify = args->verify, .yes = args->yes};
    AUTO(desk) struct desk *d = NULL;
    bool is_done = false;

    if (!check_backup(args, &w.environment, e) || !desk_open(call, &at, false, &d, e) ||
        !desk_restore(d, &w, &is_done, e))
        return false;
    output_note(call->out, "%s", is_done ? "Restore completed successfully" : "Restore cancelled");
    if (call->out->json)
        output_json(call->out, json_pack("{s:s, s:b, s:s}", "message_type", "restored", "success",
                                         is_done, "message", "Restore completed successfully"));
    return true;
}

static bool run_restore(struct call *call, struct err *e)
{
    const struct restore_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(exclude) struct exclude *include = NULL;
    AUTO(exclude) struct exclude *exclude = NULL;
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *sub = NULL;
    struct restore_result result = {0};
    struct progress_view view;

    if (args->backup != NULL)
        return run_backup(call, e);
    if (args->common.words.count == 0)
        return err_set(e, ERR_USAGE, "restore needs SNAPSHOT[:DIR], or --backup");
    if (args->environment != NULL)
        return err_set(e, ERR_USAGE, "--environment goes with --backup");
    if (is_of_set(args))
        return run_of_set(call, e);
    if (!check_args(args, e))
        return false;
    if (args->target == NULL)
        return run_into(call, e);
    if (!make_patterns(&args->include, &args->include_files, &include, e) ||
        !make_patterns(&args->exclude, &args->exclude_files, &exclude, e) ||
        !progress_init(&view, call->out, PROGRESS_RESTORE, e) ||
        !session_open_indexed(call, &s, e) ||
        !session_resolve(call, &s, args->common.words.items[0], &args->filter, &snapshot, &sub, e))
        return false;

    const struct restore_options o = {
        .snapshot = snapshot,
        .sub = sub,
        .target = args->target,
        .how = {.overwrite = (enum overwrite)args->overwrite,
                .keep_owner = geteuid() == 0 && !args->no_owner,
                .numeric_ids = args->numeric_ids},
        .include = include,
        .exclude = exclude,
        .delete_extra = args->delete_extra,
        .is_dry_run = args->dry_run,
        .verify = args->verify,
    };
    const struct report report = progress_report(&view);

    if (!restore_run(s.repo, &o, &report, &result, e))
        return err_wrap(e, "restore");
    progress_end(&view);
    tell(call, args, &result, clock_monotonic_ns() - view.started_ns);
    if (result.errors > 0)
        return err_set(e, ERR_FATAL, "restore: %llu item%s could not be restored",
                       (unsigned long long)result.errors, plural(result.errors));
    return true;
}

const struct command command_restore = {
    .name = "restore",
    .summary = "Bring back a snapshot or a part of it",
    .details =
        "SNAPSHOT is \"latest\", an id or the beginning of one; \":DIR\" behind it takes only "
        "DIR of it.\nAs root owners are restored, otherwise everything belongs to you.",
    .examples =
        "holdfast restore latest --target /tmp/restored\n"
        "holdfast restore 1a2b3c4d:/home/ann --target /home/ann --overwrite if-changed\n"
        "holdfast restore latest --target / --include /etc/nginx --verify\n"
        "holdfast restore latest --set shop --in-place --plan\n"
        "holdfast restore latest --set shop --in-place\n"
        "holdfast restore --backup 0f3c5a7d9b1e2f40617283940a5b6c7d --verify\n"
        "holdfast restore latest:/sqlite/app.db --set shop --into /var/lib/app/app.db\n"
        "holdfast restore latest:/bundle --set shop --into /srv/app/backups\n"
        "holdfast restore latest:/postgres/shop --into shop --dsn dbname=postgres --in-place\n"
        "holdfast restore latest:/postgres/shop --set shop --into shop_before\n"
        "holdfast restore latest:/postgres/shop --set shop --table public.sale --as "
        "public.sale_before",
    .words = "[SNAPSHOT[:DIR]]",
    .words_max = 1,
    .options = restore_options,
    .args_size = sizeof(struct restore_args),
    .run = run_restore,
};
