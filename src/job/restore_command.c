/*
 * Commands: what a program printed is read by its apply program, and stays in force when somebody
 * confirms it in time.  Nothing is prepared beside; the way back is the output in the safety
 * snapshot.
 */
#include <string.h>

#include "base/mem.h"
#include "job/feed.h"
#include "job/open_set.h"
#include "job/restore_app.h"
#include "job/restore_source.h"

/* The stored output, open for reading. */
struct output {
    struct reader *reader;
    struct buf keep;
    struct entry entry;
    struct feed feed;
};

static void output_auto(struct output *o)
{
    feed_close(&o->feed);
    buf_done(&o->keep);
    reader_free(o->reader);
}

static bool output_open(struct restore_source *p, const struct snapshot *s, struct output *o,
                        struct err *e)
{
    o->reader = reader_new(p->repo);
    return tree_find(o->reader, &s->tree, p->place, &o->keep, &o->entry, e) &&
           (o->entry.type == ENTRY_FILE || err_set(e, ERR_CORRUPT, "/%s is no file", p->place)) &&
           feed_open(&o->feed, o->reader, &o->entry, e);
}

/* Whether the two snapshots hold the same output. */
static bool is_same(struct restore_source *p, bool *same, struct err *e)
{
    AUTO(output) struct output stored = {0};
    AUTO(output) struct output present = {0};

    if (!output_open(p, p->snapshot, &stored, e) || !output_open(p, p->safety, &present, e))
        return false;
    *same = stored.feed.ids.size == present.feed.ids.size &&
            memcmp(stored.feed.ids.data, present.feed.ids.data, stored.feed.ids.size) == 0;
    return true;
}

static bool plan(struct restore_source *p, struct source_plan *out, struct err *e)
{
    AUTO(output) struct output stored = {0};
    const struct config_command *c = &p->source->command;

    if (!output_open(p, p->snapshot, &stored, e))
        return false;
    out->where = mem_string(c->apply.count > 0 ? c->apply.items[0] : c->argv.items[0]);
    out->bytes = stored.entry.size;
    out->is_there = true;
    if (c->apply.count == 0)
        out->why = mem_string("the configuration names no program that applies it");
    else if (!p->options->with_commands)
        out->why = mem_string("it is applied with --apply only");
    return true;
}

static bool begin(struct restore_source *p, struct err *e)
{
    (void)e; /* there is nothing to find out */
    (void)json_object_set_new(p->note, "applied", json_false());
    return true;
}

static bool stage(struct restore_source *p, struct buf *what, struct err *e)
{
    AUTO(command_report) struct command_report report = {0};
    AUTO(output) struct output stored = {0};
    const struct command_options o = command_options_of(p->source);
    const struct command_feed feed = {feed_read, &stored.feed};
    bool same = false;

    if (p->safety == NULL)
        return err_set(e, ERR_USAGE, "without a safety snapshot there is no way back from it");
    if (!is_same(p, &same, e) || !output_open(p, p->snapshot, &stored, e))
        return false;
    (void)json_object_set_new(p->note, "applied", json_boolean(!same));
    if (same) {
        buf_printf(what, "already in force");
        return true;
    }
    buf_printf(what, "%llu bytes", (unsigned long long)stored.entry.size);
    return o.check == NULL || command_check_state(&o, &feed, &report, e);
}

/* Who is asked whether what was applied stays. */
struct asking {
    const struct restore_source *source;
    bool has_begun;
    struct err why; /* a health check failed */
};

/* The set's checks; or whether the restore was confirmed from elsewhere, else whoever waits. */
static enum command_answer answer(void *arg)
{
    struct asking *a = arg;
    const struct restore_source *p = a->source;
    const struct restore_set_options *o = p->options;

    if (o->confirms_by_checks)
        return restore_app_check(o, &a->why) ? COMMAND_KEEP : COMMAND_GO_BACK;
    if (!a->has_begun && o->stand != NULL)
        o->stand(o->tell_arg, p->id, RESTORE_STAND_UNCONFIRMED);
    a->has_begun = true;
    if (restore_is_confirmed(o->config->state, p->id))
        return COMMAND_KEEP;
    return o->ask != NULL ? o->ask(o->ask_arg) : COMMAND_UNDECIDED;
}

static bool is_to_do(const struct restore_source *p)
{
    return json_is_true(json_object_get(p->note, "applied"));
}

/* What a process that is gone has applied and nobody confirmed is taken back first. */
static bool enter_folder(const struct restore_source *p, struct buf *folder, struct err *e)
{
    size_t recovered = 0;

    buf_printf(folder, "%s/applied", p->options->config->state);
    return command_recover_states(buf_string(folder), &recovered, e);
}

static bool forward(struct restore_source *p, struct err *e)
{
    AUTO(output) struct output stored = {0};
    AUTO(buf) struct buf folder = {0};
    const struct command_options o = command_options_of(p->source);
    const struct command_feed feed = {feed_read, &stored.feed};
    struct asking asking = {.source = p};

    if (!is_to_do(p))
        return true;
    if (!enter_folder(p, &folder, e) || !output_open(p, p->snapshot, &stored, e))
        return false;

    const struct command_confirm how = {.folder = buf_string(&folder),
                                        .confirm_ms = p->options->confirm_ms,
                                        .ask = answer,
                                        .arg = &asking};

    if (command_apply_state(&o, &how, &feed, e))
        return true;
    if (asking.why.code == ERR_NONE)
        return false;
    e->code = asking.why.code; /* nobody was asked who could have said no */
    return err_wrap(e, "%.300s", asking.why.text);
}

static bool check_back(struct restore_source *p, struct err *e)
{
    AUTO(output) struct output present = {0};

    return !is_to_do(p) || output_open(p, p->safety, &present, e);
}

static bool back(struct restore_source *p, struct err *e)
{
    AUTO(output) struct output present = {0};
    AUTO(buf) struct buf folder = {0};
    const struct command_options o = command_options_of(p->source);
    const struct command_feed feed = {feed_read, &present.feed};

    return !is_to_do(p) || (enter_folder(p, &folder, e) && output_open(p, p->safety, &present, e) &&
                            command_put_state(&o, &feed, e));
}

static bool discard(struct restore_source *p, struct err *e)
{
    (void)p;
    (void)e;
    return true;
}

const struct restore_source_ops restore_command_ops = {plan,       begin, stage,  forward,
                                                       check_back, back,  discard};
