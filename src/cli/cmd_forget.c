#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/forget_set.h"
#include "cli/group.h"
#include "cli/prune.h"
#include "cli/render.h"
#include "cli/session.h"
#include "job/job.h"

struct forget_args {
    struct common common;
    struct filter_args filter;
    struct retention rules;
    struct strings keep_tags, undo, verified;
    char *group_by, *approve, *failed_runs;
    int64_t clock_seen_ns;
    bool prune, dry_run;
};

#define AT(member) offsetof(struct forget_args, member)

static const struct option forget_options[] = {
    {"keep-last", 0, OPTION_COUNT, AT(rules.last), "N", "Keep the N newest", NULL, NULL},
    {"keep-hourly", 0, OPTION_COUNT, AT(rules.hourly), "N", "Keep one of each of N hours", NULL,
     NULL},
    {"keep-daily", 0, OPTION_COUNT, AT(rules.daily), "N", "Keep one of each of N days", NULL, NULL},
    {"keep-weekly", 0, OPTION_COUNT, AT(rules.weekly), "N", "Keep one of each of N weeks", NULL,
     NULL},
    {"keep-monthly", 0, OPTION_COUNT, AT(rules.monthly), "N", "Keep one of each of N months", NULL,
     NULL},
    {"keep-yearly", 0, OPTION_COUNT, AT(rules.yearly), "N", "Keep one of each of N years", NULL,
     NULL},
    {"keep-within", 0, OPTION_DURATION, AT(rules.within), "DURATION",
     "Keep all made within DURATION (2y5m7d3h) of the newest", NULL, NULL},
    {"keep-within-hourly", 0, OPTION_DURATION, AT(rules.within_hourly), "DURATION",
     "Keep one an hour within DURATION", NULL, NULL},
    {"keep-within-daily", 0, OPTION_DURATION, AT(rules.within_daily), "DURATION",
     "Keep one a day within DURATION", NULL, NULL},
    {"keep-within-weekly", 0, OPTION_DURATION, AT(rules.within_weekly), "DURATION",
     "Keep one a week within DURATION", NULL, NULL},
    {"keep-within-monthly", 0, OPTION_DURATION, AT(rules.within_monthly), "DURATION",
     "Keep one a month within DURATION", NULL, NULL},
    {"keep-within-yearly", 0, OPTION_DURATION, AT(rules.within_yearly), "DURATION",
     "Keep one a year within DURATION", NULL, NULL},
    {"keep-tag", 0, OPTION_LIST, AT(keep_tags), "TAG[,TAG]", "Keep all with these tags", NULL,
     NULL},
    {"group-by", 'g', OPTION_ANY_TEXT, AT(group_by), "host,paths,tags",
     "Apply the rules to each group; host,paths by default, \"\" makes one group", NULL, NULL},
    {"approve", 0, OPTION_TEXT, AT(approve), "DIGEST",
     "With --set: apply the plan of this digest and no other, be it more than max_percent", NULL,
     NULL},
    {"failed-runs", 0, OPTION_TEXT, AT(failed_runs), "N",
     "With --set: N backups have failed since the last good one; asked of the catalog otherwise",
     NULL, NULL},
    {"clock-seen", 0, OPTION_TIME, AT(clock_seen_ns), "TIME",
     "With --set: the clock has shown TIME before; asked of the catalog otherwise", NULL, NULL},
    {"verified", 0, OPTION_LIST, AT(verified), "ID=TIME",
     "With --failed-runs: all that the repository ID had at TIME was read and found whole", NULL,
     NULL},
    {"undo", 0, OPTION_LIST, AT(undo), "SNAPSHOT", "Bring a forgotten snapshot back", NULL, NULL},
    {"prune", 0, OPTION_FLAG, AT(prune), NULL, "Remove at once what no snapshot needs", NULL, NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(dry_run), NULL, "Forget nothing, tell what would be forgotten",
     NULL, NULL},
    FILTER_OPTIONS_AND_SET(forget_args, filter),
    {0},
};

/* What goes on while groups are told. */
struct forget_view {
    struct call *call;
    struct grouping by;
    json_t *groups;
    bool is_dry_run;
    struct retention rules;
    struct retention_known known;
};

static json_t *reason_list(const char *text)
{
    json_t *list = json_array();

    while (*text != '\0') {
        const size_t size = strcspn(text, ",");

        json_array_append_new(list, json_stringn(text, size));
        text += size + strspn(text + size, ", ");
    }
    return list;
}

static json_t *forget_group_json(const struct forget_view *v, const struct forget_group *g)
{
    json_t *o = group_json(&v->by, g->sample);
    json_t *keep = json_array();
    json_t *remove = json_array();
    json_t *reasons = json_array();

    json_set(o, "host", json_incref(json_object_get(o, "hostname")));
    (void)json_object_del(o, "hostname"); /* it is there */
    for (size_t i = 0; i < g->count; i++) {
        if (!g->reasons[i].is_kept) {
            json_array_append_new(remove, json_snapshot(g->newest_first[i]));
            continue;
        }

        json_t *why = json_object();

        json_array_append_new(keep, json_snapshot(g->newest_first[i]));
        json_set(why, "snapshot", json_snapshot(g->newest_first[i]));
        json_set(why, "matches", reason_list(g->reasons[i].text));
        json_array_append_new(reasons, why);
    }
    json_set(o, "keep", keep);
    json_set(o, "remove", remove);
    json_set(o, "reasons", reasons);
    return o;
}

static void add_rows(struct table *t, const struct forget_group *g, bool is_dry_run)
{
    table_add(t, "ID");
    table_add(t, "Time");
    table_add(t, "Host");
    table_add(t, "Tags");
    table_add(t, "What, and why");
    for (size_t i = 0; i < g->count; i++) {
        const struct snapshot *s = g->newest_first[i];
        AUTO(buf) struct buf text = {0};
        char id[SHORT_ID_MAX];
        char time[CLOCK_TEXT_MAX];

        short_id(&s->id, id);
        clock_format_local(s->time_ns, time);
        table_add(t, id);
        table_add(t, time);
        path_escape(slice_string(s->host), &text);
        table_add(t, buf_string(&text));
        buf_clear(&text);
        texts_join(s->tags, s->tag_count, &text);
        table_add(t, buf_string(&text));
        buf_clear(&text);
        if (g->reasons[i].is_kept)
            buf_printf(&text, "keep: %s", g->reasons[i].text);
        else
            buf_printf(&text, "%s", is_dry_run ? "would be forgotten" : "forgotten");
        table_add(t, buf_string(&text));
    }
}

static bool on_group(void *arg, const struct forget_group *g, struct err *e)
{
    struct forget_view *v = arg;
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};

    table_init(&t, 5);
    if (v->call->out->json) {
        json_array_append_new(v->groups, forget_group_json(v, g));
        return true;
    }
    if (v->call->out->quiet)
        return true;
    buf_printf(&text, "snapshots of ");
    group_format(&v->by, g->sample, &text);
    output_line(v->call->out, "%s:", buf_string(&text));
    buf_clear(&text);
    add_rows(&t, g, v->is_dry_run);
    table_print(&t, &text);
    buf_append(&text, "\n", 1);
    output_raw(v->call->out, buf_slice(&text));
    return output_is_good(v->call->out, e);
}

static bool forget_by_rules(struct forget_view *v, struct session *s,
                            const struct forget_args *args, struct err *e)
{
    struct forget_options o = {.rules = v->rules,
                               .group_by_host = v->by.by_host,
                               .group_by_paths = v->by.by_paths,
                               .group_by_tags = v->by.by_tags,
                               .is_dry_run = args->dry_run};
    uint64_t removed = 0;

    if (!filter_make(v->call, &args->filter, &o.filter, e) ||
        !forget_run(s->repo, &o, on_group, v, &removed, e))
        return false;
    output_note(v->call->out, "%llu snapshot%s %s", (unsigned long long)removed, plural(removed),
                args->dry_run ? "would be forgotten" : "forgotten");
    return true;
}

/*
 * A snapshot that cannot be read, or that was never completed, is forgotten by its whole id, or
 * what it needs could never be pruned.  *is_done = false: it is a sound snapshot, or the word is
 * no such id, or a set is meant and nobody can say whose it is.
 */
static bool forget_unsound(struct forget_view *v, struct session *s, const char *word,
                           json_t *removed, bool *is_done, struct err *e)
{
    const struct forget_args *args = v->call->args;
    const struct snapshot_filter all = {0};
    AUTO(snapshot) struct snapshot *readable = NULL;
    AUTO(mem) char *sub = NULL;
    struct err why = {0};
    struct hash id;
    json_t *one;

    *is_done = false;
    if (args->filter.set != NULL) /* whose it is cannot be seen */
        return true;
    if (strlen(word) != (size_t)2 * HASH_SIZE || !hex_decode(word, id.bytes, HASH_SIZE) ||
        snapshot_resolve(s->repo, word, &all, &readable, &sub, &why) ||
        (why.code != ERR_CORRUPT && why.code != ERR_NOT_FOUND))
        return true;
    if (!v->is_dry_run && !snapshot_forget(s->repo, &id, "forget", e))
        return err_wrap(e, "forget %.8s", word);
    output_note(v->call->out, "%.8s %s: %s", word,
                v->is_dry_run ? "would be forgotten" : "forgotten", why.text);
    one = json_object();
    json_set_hash(one, "id", &id);
    json_array_append_new(removed, one);
    *is_done = true;
    return true;
}

static bool select_named(struct forget_view *v, struct session *s, const struct forget_args *args,
                         json_t *removed, struct snapshot_list *out, struct err *e)
{
    AUTO(strings) struct strings words = {0};

    for (size_t i = 0; i < args->common.words.count; i++) {
        char *word = args->common.words.items[i];
        bool is_done = false;

        if (!forget_unsound(v, s, word, removed, &is_done, e))
            return false;
        if (!is_done)
            strings_add(&words, word);
    }
    return words.count == 0 || session_select(v->call, s, &words, &args->filter, out, e);
}

static bool forget_named(struct forget_view *v, struct session *s, const struct forget_args *args,
                         struct err *e)
{
    AUTO(snapshot_list) struct snapshot_list list = {0};
    AUTO(json) json_t *removed = json_array();

    if (!select_named(v, s, args, removed, &list, e))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        char id[SHORT_ID_MAX];

        short_id(&list.items[i]->id, id);
        if (!args->dry_run && !snapshot_forget(s->repo, &list.items[i]->id, "forget", e))
            return err_wrap(e, "forget %s", id);
        json_array_append_new(removed, json_snapshot(list.items[i]));
        output_note(v->call->out, "%s %s", id, args->dry_run ? "would be forgotten" : "forgotten");
    }
    json_array_append_new(v->groups, json_pack("{s:n, s:s, s:n, s:[], s:O, s:[]}", "tags", "host",
                                               "", "paths", "keep", "remove", removed, "reasons"));
    return true;
}

/* With a set the snapshot has to be one of it, whoever else knows its id. */
static bool recall_one(struct session *s, const char *word, const char *set, struct hash *id,
                       struct err *e)
{
    char text[2 * HASH_SIZE + 1];

    if (set == NULL)
        return snapshot_unforget(s->repo, word, id, e);
    if (!snapshot_find_forgotten(s->repo, word, set, id, e))
        return false;
    snapshot_id_text(id, text);
    return snapshot_unforget(s->repo, text, id, e);
}

static bool recall(struct call *call, struct session *s, const struct forget_args *args,
                   struct err *e)
{
    const struct strings *undo = &args->undo;
    json_t *back = json_array();
    AUTO(json) json_t *summary = json_message("summary");

    json_set(summary, "undone", back);
    for (size_t i = 0; i < undo->count; i++) {
        struct hash id;
        char brief[SHORT_ID_MAX];
        char text[2 * HASH_SIZE + 1];

        if (!recall_one(s, undo->items[i], args->filter.set, &id, e))
            return err_wrap(e, "bring %s back", undo->items[i]);
        short_id(&id, brief);
        snapshot_id_text(&id, text);
        json_array_append_new(back, json_string(text));
        if (call->out->json) {
            json_t *line = json_message("undone");

            json_set_hash(line, "id", &id);
            output_json(call->out, line);
        }
        output_note(call->out, "%s is back", brief);
    }
    if (call->out->json)
        output_json(call->out, json_incref(summary));
    return true;
}

static struct retention given_rules(const struct forget_args *args)
{
    struct retention rules = args->rules;

    rules.keep_tags = strings_items(&args->keep_tags);
    rules.keep_tag_count = args->keep_tags.count;
    return rules;
}

/* The rules are those of the configuration. */
static bool is_by_set(const struct forget_args *args)
{
    const struct retention rules = given_rules(args);

    return args->filter.set != NULL && args->common.words.count == 0 && args->undo.count == 0 &&
           retention_is_empty(&rules);
}

static bool check_args(const struct forget_args *args, struct err *e)
{
    const struct retention rules = given_rules(args);
    const bool has_words = args->common.words.count > 0;
    const bool has_rules = !retention_is_empty(&rules);

    if (args->verified.count > 0 && args->failed_runs == NULL)
        return err_set(e, ERR_USAGE, "--verified goes with --failed-runs");
    if (!is_by_set(args) &&
        (args->approve != NULL || args->failed_runs != NULL || args->clock_seen_ns != 0))
        return err_set(e, ERR_USAGE,
                       "--approve, --failed-runs and --clock-seen go with --set and no other rule");
    if (is_by_set(args) && (args->filter.host != NULL || args->filter.tags.count > 0 ||
                            args->filter.paths.count > 0 || args->group_by != NULL))
        return err_set(e, ERR_USAGE,
                       "the rules of a set are about all of its snapshots: no --host, --tag, "
                       "--path and --group-by beside it");
    if (args->undo.count > 0)
        return (!has_words && !has_rules && !args->prune && !args->dry_run &&
                args->filter.host == NULL && args->filter.tags.count == 0 &&
                args->filter.paths.count == 0) ||
               err_set(e, ERR_USAGE, "--undo goes with --set and no other rule or argument");
    if (has_words && has_rules)
        return err_set(e, ERR_USAGE, "snapshots and rules to keep some exclude each other");
    if (!has_words && !has_rules && !is_by_set(args))
        return err_set(e, ERR_USAGE,
                       "forget needs snapshots, a rule such as --keep-daily 7, --set with a "
                       "configured retention, or --undo");
    return true;
}

static bool finish(struct forget_view *v, struct session *s, struct err *e)
{
    const struct forget_args *args = v->call->args;

    if (v->call->out->json)
        output_json(v->call->out, json_incref(v->groups));
    if (!args->prune) {
        /* Keys that may not remove anything do for this, and are a good thing to have. */
        if (!args->dry_run && repo_store(s->repo)->needs_probe)
            output_note(v->call->out,
                        "Their space is free when \"holdfast prune\" has run, with keys "
                        "that may remove objects.");
        return true;
    }
    if (!args->dry_run)
        return prune_and_tell(v->call, s->repo, &(struct prune_choice){0}, e);
    output_note(v->call->out, "Dry run: prune would come next.");
    return true;
}

/* In one repository of a set, by the policy of the service. */
static bool forget_in(void *arg, const struct config_set *set, const struct config_repository *r,
                      struct err *e)
{
    struct forget_view *v = arg;
    const struct forget_args *args = v->call->args;
    AUTO(session) struct session s = {0};
    struct common other;

    set_common(v->call, r, &other);
    if (!session_open_other(v->call, &other, NULL, &s, e))
        return false;
    if (set->repository_count > 1)
        output_note(v->call->out, "repository %s:", r->name);
    return forget_plan(
               v->call,
               &(struct forget_plan){s.repo, set, r, &v->known, args->approve, args->dry_run},
               v->groups, e) &&
           finish(v, &s, e) && json_array_clear(v->groups) == 0;
}

/* In all repositories of a set, or the one that the command line names. */
static bool forget_set(struct forget_view *v, struct err *e)
{
    const struct forget_args *args = v->call->args;
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;
    const char *url = NULL;
    bool is_done = false;

    v->call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path_load(args->common.config, args->filter.set, &c, &set, e) ||
        ((args->common.repository != NULL || args->common.repository_file != NULL) &&
         !session_place(v->call, &url, e)) ||
        !forget_learn(
            v->call, c, set->name,
            &(struct forget_told){args->failed_runs, args->clock_seen_ns, &args->verified},
            &v->known, e))
        return false;
    for (size_t i = 0; i < set->repository_count; i++) {
        if (url != NULL && strcmp(url, set->repositories[i]->url) != 0)
            continue;
        if (is_done && args->approve != NULL)
            return err_set(e, ERR_USAGE, "--approve is about one repository: name it with -r");
        is_done = true;
        if (!forget_in(v, set, set->repositories[i], e))
            return false;
    }
    return is_done || err_set(e, ERR_USAGE, "%s is no repository of set %s", url, set->name);
}

static bool run_forget(struct call *call, struct err *e)
{
    const struct forget_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(json) json_t *groups = json_array();
    struct forget_view view = {
        .call = call, .groups = groups, .is_dry_run = args->dry_run, .rules = given_rules(args)};

    if (!check_args(args, e) ||
        !grouping_parse(args->group_by == NULL ? "host,paths" : args->group_by, &view.by, e))
        return false;
    if (is_by_set(args))
        return forget_set(&view, e);
    if (!session_open(call, &s, e))
        return false;
    if (args->undo.count > 0)
        return recall(call, &s, args, e);
    if (!(args->common.words.count > 0 ? forget_named(&view, &s, args, e)
                                       : forget_by_rules(&view, &s, args, e)))
        return false;
    return finish(&view, &s, e);
}

const struct command command_forget = {
    .name = "forget",
    .summary = "Forget snapshots, by name or by rules",
    .details = "A snapshot is kept when any rule wants it.  N may be \"unlimited\".  What is "
               "forgotten can\nbe brought back with --undo until prune has removed its data.\n"
               "With --set and no rule, the rules and limits of the configuration apply, in each "
               "repository of\nthe set its own.",
    .examples = "holdfast forget --keep-daily 7 --keep-weekly 4 --keep-monthly 12 --dry-run\n"
                "holdfast forget --keep-last 10 --host web1 --prune\n"
                "holdfast forget --set shop --prune\n"
                "holdfast forget --set shop --dry-run\n"
                "holdfast forget 1a2b3c4d\n"
                "holdfast forget --undo 1a2b3c4d\n"
                "holdfast forget --undo 1a2b3c4d --set shop",
    .words = "[SNAPSHOT]...",
    .words_max = WORDS_ANY,
    .options = forget_options,
    .args_size = sizeof(struct forget_args),
    .run = run_forget,
};
