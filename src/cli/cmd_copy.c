/*
 * copy: snapshots of another repository into this one, or between the repositories of a set.
 */
#include "cli/backup_stores.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/copy_tell.h"
#include "cli/from.h"

struct copy_args {
    struct common common;
    struct from_args from;
    struct filter_args filter;
    bool dry_run;
    char *compression;
};

#define AT(member) offsetof(struct copy_args, member)

static const struct option copy_table[] = {
    FROM_OPTIONS(copy_args, from),
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "Copy nothing, tell what would be copied",
     NULL, NULL},
    {"compression", 0, OPTION_TEXT, AT(compression), "auto|off|max|LEVEL",
     "Compress more or less what does not move as it is stored", "HOLDFAST_COMPRESSION", NULL},
    FILTER_OPTIONS_AND_SET(copy_args, filter),
    {0},
};

/* Between the repositories of a set. */
static bool copy_set(struct call *call, const struct copy_args *args, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;

    if (args->common.words.count > 0 || args->filter.host != NULL || args->filter.tags.count > 0 ||
        args->filter.paths.count > 0)
        return err_set(e, ERR_USAGE,
                       "copy --set without --from-repo takes no snapshots or filters");
    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path_load(args->common.config, args->filter.set, &c, &set, e))
        return false;
    if (!set_has_several(call, set))
        return err_set(e, ERR_USAGE, "%s",
                       set->repository_count == 1
                           ? "the set has one repository only"
                           : "copy --set is about all repositories of the set: leave -r and "
                             "HOLDFAST_REPOSITORY out");
    return copy_stores(call, set, args->dry_run, e);
}

static bool run_copy(struct call *call, struct err *e)
{
    const struct copy_args *args = call->args;
    AUTO(session) struct session from = {0};
    AUTO(session) struct session to = {0};
    AUTO(snapshot_list) struct snapshot_list list = {0};
    struct copy_stats stats;
    struct copy_view view;
    int level = LEVEL_AUTO;

    if (args->compression != NULL && !level_parse(args->compression, &level, e))
        return err_wrap(e, "--compression");
    if (args->filter.set != NULL && !from_is_given(&args->from))
        return copy_set(call, args, e);
    if (!copy_view_init(&view, call, e) || !from_open(call, &args->from, &from, e) ||
        !session_open(call, &to, e) ||
        !session_select(call, &from, &args->common.words, &args->filter, &list, e))
        return false;
    view.is_dry_run = args->dry_run;

    struct copy_options o = copy_view_options(&view);

    o.level = level;
    if (!copy_run(from.repo, to.repo, list.items, list.count, &o, &stats, e))
        return false;
    copy_tell(&view, &stats);
    return true;
}

const struct command command_copy = {
    .name = "copy",
    .summary = "Copy snapshots from another repository",
    .details =
        "What is copied already is left out.  Chunks are proved and move as they are stored, so\n"
        "both repositories must cut and name them alike: make the one with init --from-repo of\n"
        "the other and --copy-chunker-params.  With --set and without --from-repo, every\n"
        "repository of the set gets what it lacks of the others.\n"
        "Exit status 3: some snapshots are damaged in their repository and were not copied.",
    .examples = "holdfast copy --from-repo /srv/backup --from-key-file /etc/holdfast.key\n"
                "holdfast copy --from-repo /srv/backup latest\n"
                "holdfast copy --set shop",
    .words = "[SNAPSHOT]...",
    .words_max = WORDS_ANY,
    .options = copy_table,
    .args_size = sizeof(struct copy_args),
    .run = run_copy,
};
