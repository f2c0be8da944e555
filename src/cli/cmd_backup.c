/*
 * backup: from options to struct backup_options, and its summary.
 */
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"
#include "cli/backup_paths.h"
#include "cli/backup_set.h"
#include "cli/backup_tell.h"
#include "cli/commands.h"
#include "cli/made.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/session.h"

struct backup_args {
    struct common common;
    struct backup_paths_args paths;
    struct strings exclude_if_present, tags, create;
    bool exclude_caches, one_file_system, no_xattrs;
    bool force, dry_run, skip_if_unchanged, from_stdin, from_socket, from_command, again;
    char *host, *parent, *stdin_name, *compression, *set, *job;
    uint64_t pack_size;
    int64_t time_ns;
};

#define AT(member) offsetof(struct backup_args, member)

static const struct option backup_options[] = {
    {"set", 0, OPTION_TEXT, AT(set), "SET", "Back up a set of the configuration", NULL, "stdin"},
    {"create-repository", 0, OPTION_LIST, AT(create), "NAME",
     "With --set: make its repository NAME when it is not there yet", NULL, NULL},
    {"exclude", 'e', OPTION_LIST, AT(paths.exclude), "PATTERN", "Leave out what matches PATTERN",
     NULL, NULL},
    {"exclude-file", 0, OPTION_LIST, AT(paths.exclude_files), "FILE",
     "Leave out what matches a line of FILE", NULL, NULL},
    {"exclude-caches", 0, OPTION_FLAG, AT(exclude_caches), NULL,
     "Leave out directories with a CACHEDIR.TAG", NULL, NULL},
    {"exclude-if-present", 0, OPTION_LIST, AT(exclude_if_present), "NAME[:HEADER]",
     "Leave out directories that hold a file NAME", NULL, NULL},
    {"one-file-system", 'x', OPTION_FLAG, AT(one_file_system), NULL,
     "Do not enter other file systems", NULL, NULL},
    {"files-from", 0, OPTION_LIST, AT(paths.files_from), "FILE",
     "Read further paths from FILE, one a line; - is standard input", NULL, NULL},
    {"tag", 0, OPTION_LIST, AT(tags), "TAG[,TAG]", "Give the snapshot a tag", NULL, NULL},
    {"host", 'H', OPTION_TEXT, AT(host), "HOST", "Note HOST instead of this machine's name",
     "HOLDFAST_HOST", NULL},
    {"parent", 0, OPTION_TEXT, AT(parent), "SNAPSHOT",
     "Compare with SNAPSHOT instead of the latest of the same host and paths", NULL, "parent"},
    {"force", 'f', OPTION_FLAG, AT(force), NULL, "Read every file again", NULL, "parent"},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "Store nothing, tell what would be stored",
     NULL, NULL},
    {"skip-if-unchanged", 0, OPTION_FLAG, AT(skip_if_unchanged), NULL,
     "Make no snapshot when nothing has changed", NULL, NULL},
    {"time", 0, OPTION_TIME, AT(time_ns), "TIME", "Note TIME as the time of the backup", NULL,
     NULL},
    {"stdin", 0, OPTION_FLAG, AT(from_stdin), NULL, "Back up standard input as one file", NULL,
     "stdin"},
    {"stdin-socket", 0, OPTION_FLAG, AT(from_socket), NULL,
     "With --stdin: a socket, whose other side says the end by shutdown(2) and stays", NULL, NULL},
    {"stdin-from-command", 0, OPTION_FLAG, AT(from_command), NULL,
     "Back up the output of a command; it fails when the command does", NULL, "stdin"},
    {"stdin-filename", 0, OPTION_TEXT, AT(stdin_name), "NAME",
     "Call the file of --stdin or of the command NAME", NULL, NULL},
    {"compression", 0, OPTION_TEXT, AT(compression), "auto|off|max|LEVEL",
     "Compress more or less; LEVEL is one of zstd's", "HOLDFAST_COMPRESSION", NULL},
    {"pack-size", 0, OPTION_SIZE, AT(pack_size), "SIZE", "Make packs of about SIZE",
     "HOLDFAST_PACK_SIZE", NULL},
    {"job", 0, OPTION_TEXT, AT(job), "ID", "With --set: note that it is job ID of the catalog",
     NULL, NULL},
    {"again", 0, OPTION_FLAG, AT(again), NULL,
     "With --job: tell of the snapshot that a former attempt has made, and make no second", NULL,
     NULL},
    {"no-xattrs", 0, OPTION_FLAG, AT(no_xattrs), NULL, "Leave out extended attributes and ACLs",
     NULL, NULL},
    {0},
};

#define PACK_SIZE_MIN ((uint64_t)1 << 20)
#define PACK_SIZE_MAX ((uint64_t)64 << 20) /* STORE_OBJECT_MAX */

/* Asked for here, or else for the set. */
static bool read_compression(const struct backup_args *args, struct backup_options *o,
                             struct err *e)
{
    o->has_level = args->compression != NULL;
    return !o->has_level || level_parse(args->compression, &o->level, e) ||
           err_wrap(e, "--compression");
}

static bool is_stream(const struct backup_args *args)
{
    return args->from_stdin || args->from_command;
}

static bool check_job(const struct backup_args *args, struct err *e)
{
    if ((args->job != NULL && args->set == NULL) || (args->again && args->job == NULL))
        return err_set(e, ERR_USAGE, "--job goes with --set, and --again with --job");
    return args->job == NULL ||
           (args->job[0] != '\0' && strlen(args->job) <= SNAPSHOT_JOB_MAX &&
            utf8_is_valid(slice_string(args->job))) ||
           err_set(e, ERR_USAGE, "--job: an id has 1 to %zu bytes", SNAPSHOT_JOB_MAX);
}

static bool check_args(const struct backup_args *args, struct err *e)
{
    const size_t words = args->common.words.count;

    if (args->set != NULL && (words > 0 || args->paths.files_from.count > 0 ||
                              args->paths.exclude.count + args->paths.exclude_files.count > 0 ||
                              args->exclude_if_present.count > 0 || args->exclude_caches ||
                              args->one_file_system || args->no_xattrs))
        return err_set(e, ERR_USAGE,
                       "--set says what is backed up: no paths and no excludes beside it");
    if (args->create.count > 0 && (args->set == NULL || args->dry_run))
        return err_set(e, ERR_USAGE, "--create-repository goes with --set, and not with --dry-run");
    if (!check_job(args, e))
        return false;
    if (args->from_stdin && (words > 0 || args->paths.files_from.count > 0))
        return err_set(e, ERR_USAGE, "--stdin and paths exclude each other");
    if (args->from_socket && !args->from_stdin)
        return err_set(e, ERR_USAGE, "--stdin-socket goes with --stdin");
    if (args->from_command && words == 0)
        return err_set(e, ERR_USAGE, "--stdin-from-command needs a command behind --");
    if (args->from_command && args->paths.files_from.count > 0)
        return err_set(e, ERR_USAGE, "--stdin-from-command and --files-from exclude each other");
    if (!is_stream(args) && args->stdin_name != NULL)
        return err_set(e, ERR_USAGE, "--stdin-filename needs --stdin or --stdin-from-command");
    if (args->stdin_name != NULL && !stream_check_name(args->stdin_name, e))
        return err_wrap(e, "--stdin-filename");
    if (args->pack_size != 0 &&
        (args->pack_size < PACK_SIZE_MIN || args->pack_size > PACK_SIZE_MAX))
        return err_set(e, ERR_USAGE, "--pack-size must be from 1M to 64M");
    return true;
}

/* Tags one by one from "a,b" "c". */
static void split_tags(struct call *call, const struct strings *given, struct strings *out)
{
    for (size_t i = 0; i < given->count; i++)
        for (const char *at = given->items[i]; *at != '\0';) {
            const size_t size = strcspn(at, ",");

            if (size > 0)
                strings_add(out, arena_string(&call->arena, SLICE_OF(at, size)));
            at += size + (at[size] == ',');
        }
}

static bool command_is_whole(void *arg, struct err *e)
{
    struct child *c = arg;

    return child_wait(c, e) || err_wrap(e, "the command whose output was read");
}

/* The end of what comes over a socket is the same whether it was said or the other side died: who
 * said it is still there. */
static bool socket_is_whole(void *arg, struct err *e)
{
    struct pollfd p = {.fd = STDIN_FILENO};

    (void)arg;
    if (poll(&p, 1, 0) < 0)
        return err_sys(e, "look at standard input");
    return p.revents == 0 ||
           err_set(e, ERR_CANCELLED, "who sent the stream went away without saying its end");
}

static bool check_socket(struct err *e)
{
    struct stat st;

    if (fstat(STDIN_FILENO, &st) < 0)
        return err_sys(e, "standard input");
    return S_ISSOCK(st.st_mode) || err_set(e, ERR_USAGE, "--stdin-socket: it is no socket");
}

/* Standard input or the output of a command. */
static bool open_stream(struct call *call, const struct backup_args *args, struct child *child,
                        struct backup_options *o, struct err *e)
{
    const struct strings *words = &args->common.words;

    o->stream_name = args->stdin_name == NULL ? "stdin" : args->stdin_name;
    if (args->from_stdin) {
        o->stream_fd = STDIN_FILENO;
        o->is_whole = args->from_socket ? socket_is_whole : NULL;
        return !args->from_socket || check_socket(e);
    }

    char **argv = arena_take(&call->arena, (words->count + 1) * sizeof(*argv));

    memcpy(argv, words->items, words->count * sizeof(*argv));
    argv[words->count] = NULL;
    if (!child_start(argv, child, e))
        return false;
    o->stream_fd = child->out_fd;
    o->is_whole = command_is_whole;
    o->is_whole_arg = child;
    return true;
}

static void fill_options(struct call *call, const struct backup_args *args,
                         const struct strings *paths, struct exclude *exclude,
                         struct backup_options *o)
{
    struct strings tags = {0};

    split_tags(call, &args->tags, &tags);

    char **kept = arena_take(&call->arena, tags.count * sizeof(*kept));

    if (tags.count > 0)
        memcpy(kept, tags.items, tags.count * sizeof(*kept));
    o->tags = (const char *const *)kept;
    o->tag_count = tags.count;
    strings_done(&tags);
    o->files = (struct files_options){
        .paths = strings_items(paths),
        .path_count = paths->count,
        .exclude = exclude,
        .exclude_if_present = strings_items(&args->exclude_if_present),
        .exclude_if_present_count = args->exclude_if_present.count,
        .exclude_caches = args->exclude_caches,
        .one_file_system = args->one_file_system,
        .no_xattrs = args->no_xattrs,
    };
    o->stream_fd = -1;
    o->host = args->host;
    o->parent = args->parent;
    o->force = args->force;
    o->is_dry_run = args->dry_run;
    o->skip_if_unchanged = args->skip_if_unchanged;
    o->pack_size = (size_t)args->pack_size;
    o->time_ns = args->time_ns;
    o->job = args->job;
    o->is_again = args->again;
}

static bool run_backup(struct call *call, struct err *e)
{
    const struct backup_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(child) struct child child = CHILD_NONE;
    AUTO(strings) struct strings paths = {0};
    AUTO(exclude) struct exclude *exclude = exclude_new();
    struct backup_options o = {0};
    struct backup_result result = {0};
    struct progress_view view;

    if (!check_args(args, e) || !read_compression(args, &o, e) ||
        !backup_excludes(&args->paths, exclude, e) ||
        (!is_stream(args) && args->set == NULL && !backup_paths(call, &args->paths, &paths, e)) ||
        !progress_init(&view, call->out, PROGRESS_BACKUP, e))
        return false;
    fill_options(call, args, &paths, exclude, &o);
    if (args->create.count > 0 &&
        !made_first(call, args->common.config, args->set, &args->create, e))
        return false;
    if (args->set != NULL)
        return backup_set(call, args->common.config, args->set, &o, e);

    const struct report report = progress_report(&view);

    if (!session_open(call, &s, e) || (is_stream(args) && !open_stream(call, args, &child, &o, e)))
        return false;
    if (!backup_run(s.repo, &o, &report, &result, e))
        return err_wrap(e, "backup");
    progress_end(&view);
    backup_tell(call, args->dry_run, &result, NULL);
    return true;
}

const struct command command_backup = {
    .name = "backup",
    .summary = "Back up files, a set, or one stream of data",
    .details =
        "Unchanged files of the latest snapshot of the same host and paths are not read again.\n"
        "Exit status 3: the snapshot was made, but it lacks what could not be read.",
    .examples = "holdfast backup /home /etc --exclude '*.cache'\n"
                "holdfast backup -x / --exclude-caches --tag nightly\n"
                "holdfast backup --set shop\n"
                "holdfast backup --stdin-from-command --stdin-filename shop.sql -- pg_dump shop",
    .words = "[PATH]...",
    .words_max = WORDS_ANY,
    .has_files = true,
    .options = backup_options,
    .args_size = sizeof(struct backup_args),
    .run = run_backup,
};
