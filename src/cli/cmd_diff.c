#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct diff_args {
    struct common common;
    struct filter_args filter; /* its set only: both snapshots are named */
    bool metadata;
};

static const struct option diff_options[] = {
    {"metadata", 0, OPTION_FLAG, offsetof(struct diff_args, metadata), NULL,
     "Show also what differs only in mode, owner or times", NULL, NULL},
    {"set", 0, OPTION_TEXT, offsetof(struct diff_args, filter.set), "SET",
     "Only snapshots of the set SET", NULL, NULL},
    UPLOADS_OPTION(diff_args, filter),
    {0},
};

/* restic's letters. */
static const char *modifier(enum diff_kind kind)
{
    switch (kind) {
    case DIFF_ADDED:
        return "+";
    case DIFF_REMOVED:
        return "-";
    case DIFF_CONTENT:
        return "M";
    case DIFF_METADATA:
        return "U";
    case DIFF_TYPE:
        return "T";
    }
    return "?";
}

/* Of files only: what others take is not theirs. */
static void set_size(json_t *line, const char *key, const struct entry *en)
{
    if (en != NULL && en->type == ENTRY_FILE)
        json_set_u64(line, key, en->size);
}

static bool show_change(void *arg, const struct diff_change *c, struct err *e)
{
    struct output *out = arg;
    AUTO(buf) struct buf full = {0};
    AUTO(buf) struct buf shown = {0};

    buf_printf(&full, "%s%s", c->path, c->is_dir ? "/" : "");
    if (out->json) {
        json_t *line = json_message("change");

        json_set_path(line, "path", buf_slice(&full));
        json_set_text(line, "modifier", modifier(c->kind));
        set_size(line, "size_before", c->before);
        set_size(line, "size_after", c->after);
        output_json(out, line);
    } else {
        path_escape(buf_slice(&full), &shown);
        output_line(out, "%-2s %s", modifier(c->kind), buf_string(&shown));
    }
    return output_is_good(out, e);
}

static json_t *side_json(uint64_t files, uint64_t dirs, uint64_t others, uint64_t bytes)
{
    json_t *o = json_object();

    json_set_u64(o, "files", files);
    json_set_u64(o, "dirs", dirs);
    json_set_u64(o, "others", others);
    json_set_u64(o, "bytes", bytes);
    return o;
}

static void tell(struct call *call, const struct snapshot *a, const struct snapshot *b,
                 const struct diff_stats *d)
{
    char added[TEXT_SIZE_MAX];
    char removed[TEXT_SIZE_MAX];

    if (call->out->json) {
        json_t *line = json_message("statistics");

        json_set_hash(line, "source_snapshot", &a->id);
        json_set_hash(line, "target_snapshot", &b->id);
        json_set_u64(line, "changed_files", d->changed_files);
        json_set(line, "added",
                 side_json(d->added.files, d->added.dirs, d->added.others, d->added.bytes));
        json_set(line, "removed",
                 side_json(d->removed.files, d->removed.dirs, d->removed.others, d->removed.bytes));
        output_json(call->out, line);
        return;
    }
    size_format(d->added.bytes, added);
    size_format(d->removed.bytes, removed);
    output_note(call->out, "%llu file%s changed", (unsigned long long)d->changed_files,
                plural(d->changed_files));
    output_note(call->out, "added:   %llu files, %llu directories, %llu others, %s",
                (unsigned long long)d->added.files, (unsigned long long)d->added.dirs,
                (unsigned long long)d->added.others, added);
    output_note(call->out, "removed: %llu files, %llu directories, %llu others, %s",
                (unsigned long long)d->removed.files, (unsigned long long)d->removed.dirs,
                (unsigned long long)d->removed.others, removed);
}

static bool run_diff(struct call *call, struct err *e)
{
    const struct diff_args *args = call->args;
    char *const *words = args->common.words.items;
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *a = NULL;
    AUTO(snapshot) struct snapshot *b = NULL;
    AUTO(mem) char *a_sub = NULL;
    AUTO(mem) char *b_sub = NULL;
    struct diff_stats stats = {0};

    if (!session_open_indexed(call, &s, e) ||
        !session_resolve(call, &s, words[0], &args->filter, &a, &a_sub, e) ||
        !session_resolve(call, &s, words[1], &args->filter, &b, &b_sub, e))
        return false;

    const struct diff_side before = {&a->tree, a_sub};
    const struct diff_side after = {&b->tree, b_sub};
    const struct diff_options o = {args->metadata, show_change, call->out};

    if (!diff_run(s.repo, &before, &after, &o, &stats, e))
        return err_wrap(e, "compare %s with %s", words[0], words[1]);
    tell(call, a, b, &stats);
    return true;
}

const struct command command_diff = {
    .name = "diff",
    .summary = "Show what differs between two snapshots",
    .details = "+ added, - removed, M content changed, T another type, U only metadata changed.",
    .examples = "holdfast diff 1a2b3c4d latest\n"
                "holdfast diff --metadata 1a2b3c4d:/etc latest:/etc",
    .words = "SNAPSHOT[:DIR] SNAPSHOT[:DIR]",
    .words_min = 2,
    .words_max = 2,
    .options = diff_options,
    .args_size = sizeof(struct diff_args),
    .run = run_diff,
};
