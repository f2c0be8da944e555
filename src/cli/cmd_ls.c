#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/listing.h"
#include "cli/paths.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct ls_args {
    struct common common;
    struct filter_args filter;
    bool is_long, recursive, tables;
};

static const struct option ls_options[] = {
    {"long", 'l', OPTION_FLAG, offsetof(struct ls_args, is_long), NULL,
     "Show mode, owner, size and time", NULL, NULL},
    {"recursive", 0, OPTION_FLAG, offsetof(struct ls_args, recursive), NULL,
     "Show what is below DIR at any depth", NULL, NULL},
    {"databases", 0, OPTION_FLAG, offsetof(struct ls_args, tables), NULL,
     "Show the tables of databases and how many rows they have instead of files", NULL, NULL},
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

static json_t *json_database(const struct tables_database *d)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:b}", "message_type", "database", "struct_type",
                             "database", "kind", d->kind, "has_manifest", (int)d->has_manifest);

    json_set_path(line, "path", slice_string(d->path));
    return line;
}

static json_t *json_table(const struct tables_database *d, const struct stored_table *t)
{
    json_t *line = json_pack("{s:s, s:s, s:s}", "message_type", "table", "struct_type", "table",
                             "kind", t->kind);

    json_set_path(line, "database", slice_string(d->path));
    if (t->schema != NULL)
        json_set_text(line, "schema", t->schema);
    json_set_text(line, "name", t->name);
    if (t->file != NULL) {
        AUTO(buf) struct buf path = {0};

        buf_printf(&path, "%s/%s", d->path, t->file);
        json_set_path(line, "path", buf_slice(&path));
        json_set_u64(line, "bytes", t->bytes);
    }
    if (t->has_rows) {
        json_set_u64(line, "rows", t->rows);
        json_set_text(line, "hash", t->hash);
    }
    if (t->read != NULL)
        json_set_text(line, "read", t->read);
    return line;
}

static void table_line(struct output *out, const struct tables_database *d,
                       const struct stored_table *t)
{
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf shown = {0};
    struct err ignored = {0};
    char rows[24] = "-";
    char time[CLOCK_TEXT_MAX];
    int64_t read_ns = 0;

    if (t->has_rows)
        (void)snprintf(rows, sizeof(rows), "%llu", (unsigned long long)t->rows); /* fits */
    if (t->schema != NULL)
        buf_printf(&name, "%s.", t->schema);
    buf_printf(&name, "%s", t->name);
    (void)path_for_people(d->path, &shown);
    buf_printf(&shown, "  ");
    path_escape(buf_slice(&name), &shown);
    if (t->read != NULL && clock_parse(t->read, &read_ns, &ignored)) {
        clock_format_local(read_ns, time);
        buf_printf(&shown, "  (unchanged since it was read %s)", time);
    }
    output_line(out, "%12s  %s", rows, buf_string(&shown));
}

static bool show_table(void *arg, const struct tables_database *d, const struct stored_table *t,
                       struct err *e)
{
    struct call *call = arg;
    AUTO(buf) struct buf shown = {0};

    if (call->out->json)
        output_json(call->out, t == NULL ? json_database(d) : json_table(d, t));
    else if (t != NULL)
        table_line(call->out, d, t);
    else if (!d->has_manifest)
        output_note(call->out, "%s was not stored whole: nothing tells its tables",
                    path_for_people(d->path, &shown));
    return output_is_good(call->out, e);
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
    if (args->tables && (words->count > 1 || sub != NULL))
        return err_set(e, ERR_USAGE,
                       "--databases shows those of a whole snapshot: name no directory");
    show_head(call, snapshot);
    if (args->tables)
        return tables_walk(s.repo, &snapshot->tree, show_table, call, e);
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
                "holdfast ls 1a2b3c4d:/home/ann\n"
                "holdfast ls --databases latest",
    .words = "SNAPSHOT[:DIR] [DIR]...",
    .words_min = 1,
    .words_max = WORDS_ANY,
    .options = ls_options,
    .args_size = sizeof(struct ls_args),
    .run = run_ls,
};
