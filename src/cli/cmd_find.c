#include <fnmatch.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct find_args {
    struct common common;
    struct filter_args filter;
    struct strings snapshots;
    int64_t oldest_ns, newest_ns;
    bool ignore_case, is_long, is_lines;
};

#define AT(member) offsetof(struct find_args, member)

static const struct option find_options[] = {
    {"snapshot", 's', OPTION_LIST, AT(snapshots), "SNAPSHOT", "Look only into SNAPSHOT", NULL,
     NULL},
    {"oldest", 'O', OPTION_TIME, AT(oldest_ns), "TIME", "Only files changed at TIME or later", NULL,
     NULL},
    {"newest", 'N', OPTION_TIME, AT(newest_ns), "TIME", "Only files changed at TIME or earlier",
     NULL, NULL},
    {"ignore-case", 0, OPTION_FLAG, AT(ignore_case), NULL, "Take A and a for the same", NULL, NULL},
    {"long", 'l', OPTION_FLAG, AT(is_long), NULL, "Show mode, owner, size and time", NULL, NULL},
    {"lines", 0, OPTION_FLAG, AT(is_lines), NULL,
     "With --json: a line for each match as it is found, instead of one list", NULL, NULL},
    FILTER_OPTIONS_AND_SET(find_args, filter),
    UPLOADS_OPTION(find_args, filter),
    {0},
};

struct find_walk {
    struct call *call;
    const struct find_args *args;
    const struct snapshot *snapshot;
    json_t *matches; /* of one snapshot, with --json */
    uint64_t hits;
};

/* A pattern with a '/' is compared with the path and its ends behind a '/', others with names. */
static bool matches_one(const char *pattern, const char *path, struct slice name, int flags)
{
    if (strchr(pattern, '/') == NULL) {
        const char *last = path + strlen(path) - name.size;

        return fnmatch(pattern, last, flags) == 0;
    }
    if (*pattern == '/')
        return fnmatch(pattern, path, flags | FNM_PATHNAME) == 0;
    for (const char *at = strchr(path, '/'); at != NULL; at = strchr(at + 1, '/'))
        if (fnmatch(pattern, at + 1, flags | FNM_PATHNAME) == 0)
            return true;
    return false;
}

static bool is_wanted(const struct find_args *args, const char *path, const struct entry *en)
{
    const int flags = args->ignore_case ? FNM_CASEFOLD : 0;

    if (args->oldest_ns != 0 && en->mtime_ns < args->oldest_ns)
        return false;
    if (args->newest_ns != 0 && en->mtime_ns > args->newest_ns)
        return false;
    for (size_t i = 0; i < args->common.words.count; i++)
        if (matches_one(args->common.words.items[i], path, en->name, flags))
            return true;
    return false;
}

static bool look_at(void *arg, const char *path, const struct entry *en, bool *descend,
                    struct err *e)
{
    struct find_walk *w = arg;

    (void)descend; /* everything is looked at */
    if (!is_wanted(w->args, path, en))
        return true;
    w->hits++;
    if (w->args->is_lines) {
        json_t *line = json_entry(path, en);

        json_set_hash(line, "snapshot", &w->snapshot->id);
        output_json(w->call->out, line);
    } else if (w->call->out->json)
        json_array_append_new(w->matches, json_entry(path, en));
    else
        listing_line(w->call->out, path, en, w->args->is_long);
    return output_is_good(w->call->out, e);
}

static bool look_into(struct find_walk *w, struct session *s, const struct snapshot *snapshot,
                      json_t *all, struct err *e)
{
    char id[SHORT_ID_MAX];
    char time[CLOCK_TEXT_MAX];

    short_id(&snapshot->id, id);
    clock_format_local(snapshot->time_ns, time);
    w->snapshot = snapshot;
    w->hits = 0;
    w->matches = json_array();
    output_note(w->call->out, "snapshot %s at %s:", id, time);

    json_t *one = json_object();

    json_set(one, "matches", w->matches);

    const bool is_done = browse_walk(s->repo, &snapshot->tree, "/", look_at, w, e);

    json_set_u64(one, "hits", w->hits);
    json_set_hash(one, "snapshot", &snapshot->id);
    if (w->hits > 0)
        json_array_append(all, one);
    json_decref(one);
    return is_done || err_wrap(e, "snapshot %s", id);
}

static bool run_find(struct call *call, struct err *e)
{
    const struct find_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(snapshot_list) struct snapshot_list list = {0};
    AUTO(json) json_t *all = json_array();
    struct find_walk w = {.call = call, .args = args};

    if (args->is_lines && !call->out->json)
        return err_set(e, ERR_USAGE, "--lines needs --json");
    if (!session_open_indexed(call, &s, e) ||
        !session_select(call, &s, &args->snapshots, &args->filter, &list, e))
        return false;
    for (size_t i = list.count; i-- > 0;)
        if (!look_into(&w, &s, list.items[i], all, e))
            return false;
    if (call->out->json && !args->is_lines)
        output_json(call->out, json_incref(all));
    return true;
}

const struct command command_find = {
    .name = "find",
    .summary = "Find files in snapshots",
    .details = "A PATTERN with * ? [...] is compared with names, one with a slash with paths.  The "
               "newest\nsnapshot comes first.",
    .examples = "holdfast find passwd\n"
                "holdfast find '*.jpg' --newest 2026-01-31 --host web1\n"
                "holdfast find -l '/etc/nginx/*' --snapshot latest",
    .words = "PATTERN...",
    .words_min = 1,
    .words_max = WORDS_ANY,
    .options = find_options,
    .args_size = sizeof(struct find_args),
    .run = run_find,
};
