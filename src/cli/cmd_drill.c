/*
 * drill: prove that a snapshot restores, and show what earlier drills found.
 */
#include <string.h>

#include "base/mem.h"
#include "cli/backup_stores.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/drill_tell.h"
#include "cli/session.h"

struct drill_args {
    struct common common;
    struct filter_args filter;
    char *scratch;
    bool list, markdown;
};

#define AT(member) offsetof(struct drill_args, member)

static const struct option drill_options[] = {
    FILTER_OPTIONS_AND_SET(drill_args, filter),
    {"scratch", 0, OPTION_TEXT, AT(scratch), "DIR", "Work in DIR instead of TMPDIR or /var/tmp",
     NULL, "list"},
    {"list", 'l', OPTION_FLAG, AT(list), NULL, "Show what earlier drills found; drill nothing",
     NULL, "list"},
    {"markdown", 0, OPTION_FLAG, AT(markdown), NULL, "Print the evidence as Markdown", NULL, NULL},
    {0},
};

/*
 * Without a repository on the command line, the set that is named and configured says which.
 * *is_open = false: there is no such set.
 */
static bool open_set_of(struct call *call, struct config **config, struct session *s,
                        struct snapshot **out, bool *is_open, struct err *e)
{
    const struct drill_args *args = call->args;
    const bool has_word = args->common.words.count > 0;
    const char *word = has_word ? args->common.words.items[0] : "latest";
    const char *name = args->filter.set != NULL ? args->filter.set : word;
    struct filter_args of_set = args->filter;
    const struct config_set *set = NULL;
    AUTO(mem) char *sub = NULL;
    struct err none = {0};
    const char *path = NULL;

    *is_open = false;
    if (args->common.repository != NULL || args->common.repository_file != NULL ||
        !config_path(args->common.config, &path, &none))
        return true;
    if (!config_load(path, config, e))
        return false;
    if (!config_find_set(*config, name, &set, &none))
        return true;
    of_set.set = of_set.set == NULL ? arena_string(&call->arena, slice_string(name)) : of_set.set;
    *is_open = true;
    if (!set_open_snapshot(call, set, name == word ? "latest" : word, &of_set, s, out, &sub, e))
        return false;
    return sub == NULL || err_set(e, ERR_USAGE, "%s: a drill is of a whole snapshot", word);
}

/* A snapshot, or the latest of a set that a word names. */
static bool find_snapshot(struct call *call, struct session *s, struct snapshot **out,
                          struct err *e)
{
    const struct drill_args *args = call->args;
    const bool has_word = args->common.words.count > 0;
    const char *word = has_word ? args->common.words.items[0] : "latest";
    struct filter_args of_set = args->filter;
    struct err as_set = {0};
    AUTO(mem) char *sub = NULL;

    if (session_resolve(call, s, word, &args->filter, out, &sub, e))
        return sub == NULL || err_set(e, ERR_USAGE, "%s: a drill is of a whole snapshot", word);
    if (!has_word || args->filter.set != NULL || (e->code != ERR_NOT_FOUND && e->code != ERR_USAGE))
        return false;
    of_set.set = args->common.words.items[0];
    if (session_resolve(call, s, "latest", &of_set, out, &sub, &as_set))
        return true;
    if (as_set.code == ERR_NOT_FOUND)
        return err_set(e, ERR_NOT_FOUND, "there is no snapshot and no set %s", word);
    *e = as_set;
    return false;
}

static bool on_evidence(void *arg, const struct hash *snapshot, int64_t time_ns, struct slice json,
                        struct err *e)
{
    (void)snapshot;
    (void)time_ns;
    struct call *call = arg;
    const struct drill_args *args = call->args;

    return drill_print(call, json, args->markdown, e);
}

/* The snapshot's set as it is configured here; *set stays NULL when it is not. */
static bool find_set(struct call *call, const struct snapshot *s, struct config **config,
                     const struct config_set **set, struct err *e)
{
    const struct drill_args *args = call->args;
    struct err none = {0};
    const char *path = NULL;

    if (s->set == NULL)
        return true;
    if (*config == NULL && !config_path(args->common.config, &path, &none)) {
        *e = none;
        return args->common.config == NULL;
    }
    if (*config == NULL && !config_load(path, config, e))
        return false;
    for (size_t i = 0; i < (*config)->set_count; i++)
        if (strcmp((*config)->sets[i].name, s->set) == 0)
            *set = &(*config)->sets[i];
    return true;
}

static bool run_drill(struct call *call, struct err *e)
{
    const struct drill_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(drill_result) struct drill_result d = {0};
    AUTO(config) struct config *config = NULL;
    const struct config_set *set = NULL;
    bool is_open = false;

    if (args->markdown && call->out->json)
        return err_set(e, ERR_USAGE, "--markdown and --json exclude each other");
    if (!open_set_of(call, &config, &s, &snapshot, &is_open, e))
        return false;
    if (!is_open && (!session_open(call, &s, e) || !find_snapshot(call, &s, &snapshot, e)))
        return false;
    if (args->list)
        return evidence_each(s.repo, &snapshot->id, on_evidence, call, e);

    if (!find_set(call, snapshot, &config, &set, e))
        return false;

    const struct drill_options o = {.snapshot = snapshot, .scratch = args->scratch, .set = set};

    return drill_run(s.repo, &o, &d, e) &&
           drill_tell(call, buf_slice(&d.evidence), args->markdown, d.verdict, e);
}

const struct command command_drill = {
    .name = "drill",
    .summary = "Prove that a snapshot restores",
    .details =
        "Each thing in the snapshot is brought back in scratch space and compared with what was\n"
        "noted when it was backed up: it is proven, failed or not checked, and so is the whole.\n"
        "What was found is kept in the repository beside the snapshot.  SET means the latest\n"
        "snapshot of that set; without SNAPSHOT the latest one is drilled.\n"
        "The output of a command is read by the check that the configuration names for it.\n"
        "Exit status 14: something failed; 3: nothing failed, but something was not checked.",
    .examples = "holdfast drill\n"
                "holdfast drill shop\n"
                "holdfast drill 1a2b3c4d --markdown > evidence.md\n"
                "holdfast drill --list latest --json",
    .words = "[SNAPSHOT|SET]",
    .words_max = 1,
    .options = drill_options,
    .args_size = sizeof(struct drill_args),
    .run = run_drill,
};
