#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct tag_args {
    struct common common;
    struct filter_args filter;
    struct strings set, add, remove;
};

#define AT(member) offsetof(struct tag_args, member)

static const struct option tag_options[] = {
    {"set", 0, OPTION_LIST, AT(set), "TAG[,TAG]", "Replace all tags; \"\" removes them", NULL,
     NULL},
    {"add", 0, OPTION_LIST, AT(add), "TAG[,TAG]", "Add a tag", NULL, NULL},
    {"remove", 0, OPTION_LIST, AT(remove), "TAG[,TAG]", "Remove a tag", NULL, NULL},
    {"of-set", 0, OPTION_TEXT, AT(filter.set), "SET", "Only snapshots of the set SET", NULL, NULL,
     NULL},
    FILTER_OPTIONS(tag_args, filter),
    {0},
};

static bool has_tag(const struct strings *tags, const char *tag)
{
    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->items[i], tag) == 0)
            return true;
    return false;
}

static void add_tag(struct strings *tags, char *tag)
{
    if (!has_tag(tags, tag))
        strings_add(tags, tag);
}

static void remove_tag(struct strings *tags, char *tag)
{
    size_t kept = 0;

    for (size_t i = 0; i < tags->count; i++)
        if (strcmp(tags->items[i], tag) != 0)
            tags->items[kept++] = tags->items[i];
    tags->count = kept;
}

/* Do something with each tag of "a,b" "c". */
static void each_tag(struct call *call, const struct strings *given,
                     void (*fn)(struct strings *tags, char *tag), struct strings *tags)
{
    for (size_t i = 0; i < given->count; i++)
        for (const char *at = given->items[i]; *at != '\0';) {
            const size_t size = strcspn(at, ",");

            if (size > 0)
                fn(tags, arena_string(&call->arena, SLICE_OF(at, size)));
            at += size + (at[size] == ',');
        }
}

static void new_tags(struct call *call, const struct tag_args *args, const struct snapshot *s,
                     struct strings *out)
{
    if (args->set.count == 0)
        for (size_t i = 0; i < s->tag_count; i++)
            strings_add(out, s->tags[i]);
    each_tag(call, &args->set, add_tag, out);
    each_tag(call, &args->add, add_tag, out);
    each_tag(call, &args->remove, remove_tag, out);
}

static bool is_same(const struct strings *tags, const struct snapshot *s)
{
    if (tags->count != s->tag_count)
        return false;
    for (size_t i = 0; i < s->tag_count; i++)
        if (!has_tag(tags, s->tags[i]))
            return false;
    return true;
}

static bool change_one(struct call *call, struct session *s, const struct snapshot *snapshot,
                       uint64_t *changed, struct err *e)
{
    AUTO(strings) struct strings tags = {0};
    char old_id[SHORT_ID_MAX];
    char new_id[SHORT_ID_MAX];
    struct hash id;

    new_tags(call, call->args, snapshot, &tags);
    if (is_same(&tags, snapshot))
        return true;
    short_id(&snapshot->id, old_id);
    if (!tag_run(s->repo, snapshot, strings_items(&tags), tags.count, &id, e))
        return err_wrap(e, "tag %s", old_id);
    ++*changed;
    short_id(&id, new_id);
    if (call->out->json) {
        json_t *line = json_message("changed");

        json_set_hash(line, "old_snapshot_id", &snapshot->id);
        json_set_hash(line, "new_snapshot_id", &id);
        output_json(call->out, line);
    }
    output_note(call->out, "%s is %s now", old_id, new_id);
    return true;
}

static bool run_tag(struct call *call, struct err *e)
{
    const struct tag_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(snapshot_list) struct snapshot_list list = {0};
    uint64_t changed = 0;

    if (args->set.count + args->add.count + args->remove.count == 0)
        return err_set(e, ERR_USAGE, "tag needs --set, --add or --remove");
    if (args->set.count > 0 && args->add.count + args->remove.count > 0)
        return err_set(e, ERR_USAGE, "--set excludes --add and --remove");
    if (!session_open(call, &s, e) ||
        !session_select(call, &s, &args->common.words, &args->filter, &list, e))
        return false;
    for (size_t i = 0; i < list.count; i++)
        if (!change_one(call, &s, list.items[i], &changed, e))
            return false;
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_u64(line, "changed_snapshots", changed);
        output_json(call->out, line);
    }
    output_note(call->out, "%llu snapshot%s changed", (unsigned long long)changed, plural(changed));
    return true;
}

const struct command command_tag = {
    .name = "tag",
    .summary = "Change the tags of snapshots",
    .details = "A snapshot never changes: each gets a successor with another id, and the old one "
               "is forgotten.\nWithout SNAPSHOT all that --host, --tag and --path choose are "
               "changed.",
    .examples = "holdfast tag --add keep 1a2b3c4d\n"
                "holdfast tag --host web1 --remove old --add new\n"
                "holdfast tag --set '' latest",
    .words = "[SNAPSHOT]...",
    .words_max = WORDS_ANY,
    .options = tag_options,
    .args_size = sizeof(struct tag_args),
    .run = run_tag,
};
