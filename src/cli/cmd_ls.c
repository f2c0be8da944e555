#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/paths.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct ls_args {
    struct common common;
    struct filter_args filter;
    bool is_long, recursive;
};

static const struct option ls_options[] = {
    {"long", 'l', OPTION_FLAG, offsetof(struct ls_args, is_long), NULL,
     "Show mode, owner, size and time", NULL, NULL},
    {"recursive", 0, OPTION_FLAG, offsetof(struct ls_args, recursive), NULL,
     "Show what is below DIR at any depth", NULL, NULL},
    FILTER_OPTIONS_AND_SET(ls_args, filter),
    UPLOADS_OPTION(ls_args, filter),
    {0},
};

struct ls_walk {
    struct call *call;
    bool is_long;
    bool is_shallow; /* only what is directly in base */
    const char *base;
};

static bool show_entry(void *arg, const char *path, const struct entry *en, bool *descend,
                       struct err *e)
{
    struct ls_walk *w = arg;
    const bool is_base = strcmp(path, w->base) == 0;

    if (w->is_shallow && !is_base)
        *descend = false;
    if (w->call->out->json)
        output_json(w->call->out, json_entry(path, en));
    else
        listing_line(w->call->out, path, en, w->is_long);
    return output_is_good(w->call->out, e);
}

static void show_head(struct call *call, const struct snapshot *s)
{
    AUTO(buf) struct buf paths = {0};
    char id[SHORT_ID_MAX];
    char time[CLOCK_TEXT_MAX];

    if (call->out->json) {
        json_t *line =
            json_pack("{s:s, s:s}", "message_type", "snapshot", "struct_type", "snapshot");
        json_t *members = json_snapshot(s);

        (void)json_object_update(line, members); /* cannot fail on objects */
        json_decref(members);
        output_json(call->out, line);
        return;
    }
    short_id(&s->id, id);
    clock_format_local(s->time_ns, time);
    for (size_t i = 0; i < s->path_count; i++)
        buf_printf(&paths, "%s%s", i == 0 ? "" : ", ", s->paths[i]);
    output_note(call->out, "snapshot %s of %s at %s:", id, buf_string(&paths), time);
}

static bool show_below(struct call *call, struct session *s, const struct snapshot *snapshot,
                       const char *path, bool is_shallow, struct err *e)
{
    const struct ls_args *args = call->args;
    AUTO(buf) struct buf base = {0};

    path_join("/", path, &base);

    struct ls_walk w = {call, args->is_long, is_shallow, buf_string(&base)};

    return browse_walk(s->repo, &snapshot->tree, w.base, show_entry, &w, e);
}

static bool run_ls(struct call *call, struct err *e)
{
    const struct ls_args *args = call->args;
    const struct strings *words = &args->common.words;
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *sub = NULL;

    if (!session_open_indexed(call, &s, e) ||
        !session_resolve(call, &s, words->items[0], &args->filter, &snapshot, &sub, e))
        return false;
    show_head(call, snapshot);
    if (words->count == 1)
        return show_below(call, &s, snapshot, sub == NULL ? "" : sub, false, e);
    for (size_t i = 1; i < words->count; i++) {
        AUTO(buf) struct buf path = {0};
        AUTO(buf) struct buf top = {0};

        path_join("/", sub == NULL ? "" : sub, &top);
        buf_printf(&path, "%s/%s", buf_string(&top), words->items[i]);
        if (!show_below(call, &s, snapshot, buf_string(&path), !args->recursive, e))
            return false;
    }
    return true;
}

const struct command command_ls = {
    .name = "ls",
    .summary = "List the files of a snapshot",
    .details = "Without DIR all files are shown, with DIR what it holds.",
    .examples = "holdfast ls latest\n"
                "holdfast ls -l latest /etc\n"
                "holdfast ls 1a2b3c4d:/home/ann",
    .words = "SNAPSHOT[:DIR] [DIR]...",
    .words_min = 1,
    .words_max = WORDS_ANY,
    .options = ls_options,
    .args_size = sizeof(struct ls_args),
    .run = run_ls,
};
