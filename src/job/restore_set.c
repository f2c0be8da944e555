/*
 * A restore of a set from the plan to the last health check.  restore_set.h says in which order
 * and what holds at each moment.
 */
#include "job/restore_set.h"

#include <stdio.h>
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "job/drill_private.h"
#include "job/open_set.h"
#include "job/restore_app.h"
#include "job/restore_source.h"

void restore_set_plan_done(struct restore_set_plan *p)
{
    for (size_t i = 0; i < p->count; i++) {
        mem_free(p->sources[i].place);
        mem_free(p->sources[i].where);
        mem_free(p->sources[i].why);
    }
    mem_free(p->sources);
    *p = (struct restore_set_plan){0};
}

void restore_set_plan_auto(struct restore_set_plan *p)
{
    restore_set_plan_done(p);
}

void restore_set_result_auto(struct restore_set_result *r)
{
    restore_set_plan_done(&r->plan);
}

/* One restore under way. */
struct set_restore {
    struct repo *repo;
    const struct restore_set_options *o;
    const struct report *report;
    struct restore_sources sources;
    struct restore_set_plan plan; /* of all sources, also those that stay */
    struct snapshot *safety;
    struct restore_journal journal;
    struct restore_set_result *result;
};

static void set_restore_auto(struct set_restore *s)
{
    restore_sources_auto(&s->sources);
    restore_set_plan_done(&s->plan);
    snapshot_free(s->safety);
    restore_journal_auto(&s->journal);
}

/* Plan */

static bool is_wanted(const struct restore_set_options *o, const char *place)
{
    return o->place == NULL || strcmp(o->place, place) == 0;
}

static bool is_in_snapshot(struct set_restore *s, const char *place, bool *is_in, struct err *e)
{
    AUTO(reader) struct reader *rd = reader_new(s->repo);
    AUTO(buf) struct buf keep = {0};
    struct entry en;
    struct err why = {0};

    *is_in = tree_find(rd, &s->o->snapshot->tree, place, &keep, &en, &why);
    if (*is_in || why.code == ERR_NOT_FOUND)
        return true;
    *e = why;
    return false;
}

static bool plan_source(struct set_restore *s, const struct config_source *source, struct err *e)
{
    struct restore_source *p = restore_sources_add(&s->sources, source);
    struct source_plan *plan;
    bool is_in = false;

    if (!is_wanted(s->o, p->place)) {
        restore_sources_drop_last(&s->sources);
        return true;
    }
    p->repo = s->repo;
    p->snapshot = s->o->snapshot;
    p->options = s->o;
    p->report = s->report;
    s->plan.sources = mem_resize(s->plan.sources, s->plan.count + 1, sizeof(*s->plan.sources));
    plan = &s->plan.sources[s->plan.count++];
    *plan = (struct source_plan){.place = mem_string(p->place)};
    if (!is_in_snapshot(s, p->place, &is_in, e))
        return false;
    if (!is_in)
        plan->why = mem_string("the snapshot does not have it");
    else if (!p->ops->plan(p, plan, e))
        return err_wrap(e, "%s", p->place);
    if (plan->where == NULL)
        plan->where = mem_string("");
    if (plan->why != NULL)
        restore_sources_drop_last(&s->sources);
    return true;
}

/*
 * File trees change places first, because databases may lie in them, and commands last: what they
 * change is put in force only where all else is right.
 */
static int rank(const struct config_source *source)
{
    return source->kind == SOURCE_FILES ? 0 : source->kind == SOURCE_COMMAND ? 2 : 1;
}

static bool plan_all(struct set_restore *s, struct err *e)
{
    const struct config_set *set = s->o->set;

    if (!repo_load_index(s->repo, e))
        return false;
    for (int wanted = 0; wanted <= 2; wanted++)
        for (size_t i = 0; i < set->source_count; i++)
            if (rank(&set->sources[i]) == wanted && !plan_source(s, &set->sources[i], e))
                return false;
    return s->plan.count > 0 ||
           err_set(e, ERR_USAGE, "set %s has no source %s", set->name, s->o->place);
}

/* What the snapshot itself lacks does not come back. */
static void tell_incomplete(const struct set_restore *s)
{
    const struct snapshot *from = s->o->snapshot;

    for (size_t i = 0; i < from->incomplete_count; i++)
        restore_tell(s->o, "The snapshot is incomplete: %s: %s", from->incomplete[i].path,
                     from->incomplete[i].error);
}

/* Whose word all of this is. */
static void tell_origin(const struct set_restore *s)
{
    const struct snapshot *from = s->o->snapshot;

    if (snapshot_has_tag(from, SNAPSHOT_UNAUTHENTICATED))
        restore_tell(s->o,
                     "The snapshot was imported and is not authenticated: anybody can have made or "
                     "changed what is in it");
    else if (snapshot_is_import(from))
        restore_tell(s->o, "The snapshot was imported: it is what another program has kept");
}

bool restore_set_plan(struct repo *r, const struct restore_set_options *o,
                      struct restore_set_plan *out, struct err *e)
{
    AUTO(set_restore) struct set_restore s = {.repo = r, .o = o, .journal = RESTORE_JOURNAL_NONE};

    if (!plan_all(&s, e))
        return false;
    tell_origin(&s);
    tell_incomplete(&s);
    *out = s.plan;
    s.plan = (struct restore_set_plan){0};
    return true;
}

/* The safety snapshot */

static void tell_lack(void *arg, const char *during, const char *path, const struct err *why)
{
    (void)during;
    restore_tell(arg, "In the safety snapshot %s is missing or not whole: %s", path, why->text);
}

static bool has_present_state(const struct set_restore *s)
{
    for (size_t i = 0; i < s->plan.count; i++)
        if (s->plan.sources[i].is_there)
            return true;
    return false;
}

/* Every byte of it is read. */
static bool read_back(struct set_restore *s, struct err *e)
{
    const struct drill_options o = {.snapshot = s->safety};
    const struct entry root = {.type = ENTRY_DIRECTORY, .subtree = s->safety->tree};
    AUTO(reader) struct reader *rd = NULL;
    struct drill d = {.repo = s->repo, .options = &o};
    struct drill_member found = {0};
    bool ok;

    if (!repo_load_index(s->repo, e))
        return false;
    d.reader = rd = reader_new(s->repo);
    ok = prove_tree(&d, "/", &root, &found, e);
    if (ok && found.verdict != VERDICT_PROVEN)
        ok = err_set(e, ERR_CORRUPT, "%s", found.why);
    mem_free(found.why);
    mem_free(found.check);
    return ok;
}

static bool take_safety(struct set_restore *s, struct err *e)
{
    static const char *const tags[] = {SNAPSHOT_SAFETY};
    AUTO(open_set) struct open_set *set = NULL;
    const struct report report = {.arg = (void *)(uintptr_t)s->o, .item_error = tell_lack};
    struct backup_options o = {.stream_fd = -1, .tags = tags, .tag_count = 1};
    struct backup_result made = {0};
    char id[65];

    if (!has_present_state(s)) {
        restore_tell(s->o, "Nothing of the set is there: no safety snapshot is needed");
        return true;
    }
    if (!open_set_new(s->o->set, NULL, &set, e))
        return false;
    set->set.may_be_incomplete = true;
    o.set = &set->set;
    o.level = s->o->set->level;
    if (!backup_run(s->repo, &o, &report, &made, e)) {
        if (!made.is_source_failure || e->code == ERR_CANCELLED)
            return false;
        /* The reason for the restore may be just that; the exchange keeps it as it is. */
        restore_tell(s->o, "There is no safety snapshot: %.400s", e->text);
        return repo_load_index(s->repo, e); /* a backup drops it */
    }
    if (!snapshot_load(s->repo, &made.snapshot, &s->safety, e) || !read_back(s, e))
        return false;
    s->result->has_safety = true;
    s->result->safety = made.snapshot;
    snapshot_id_text(&made.snapshot, id);
    restore_tell(s->o, "The present state is snapshot %.8s, read back", id);
    return true;
}

/* Steps */

static bool begin(struct set_restore *s, struct err *e)
{
    struct restore_journal *j = &s->journal;

    if (s->safety != NULL)
        restore_journal_set_safety(j, &s->safety->id);
    for (size_t i = 0; i < s->sources.count; i++) {
        struct restore_source *p = &s->sources.items[i];

        p->id = j->record.id;
        p->safety = s->safety;
        p->note = json_object();
        restore_source_note_set(p, "place", p->place);
        (void)json_array_append_new(restore_journal_sources(j), p->note);
        if (!p->ops->begin(p, e))
            return err_wrap(e, "%s", p->place);
    }
    /* Better now than after all is prepared; what uses them may be what will be stopped. */
    if ((!restore_app_is_switched(s->o->set) && !restore_sources_check_idle(&s->sources, e)) ||
        !restore_journal_enter(j, RESTORE_STAGING, e))
        return false;
    (void)snprintf(s->result->id, sizeof(s->result->id), "%s", j->record.id); /* as long */
    return true;
}

static bool stage_one(struct set_restore *s, struct restore_source *p, struct err *e)
{
    AUTO(buf) struct buf what = {0};

    if (cancel_is_requested())
        return cancel_err(e);
    if (!p->ops->stage(p, &what, e))
        return err_wrap(e, "%s", p->place);
    restore_tell(s->o, "Prepared %s: %s", p->place, buf_string(&what));
    return true;
}

static bool stage_kind(struct set_restore *s, bool is_tree, struct err *e)
{
    for (size_t i = 0; i < s->sources.count; i++)
        if ((s->sources.items[i].source->kind == SOURCE_FILES) == is_tree &&
            !stage_one(s, &s->sources.items[i], e))
            return false;
    return true;
}

static void stand(const struct set_restore *s, enum restore_stand now)
{
    if (s->o->stand != NULL)
        s->o->stand(s->o->tell_arg, s->journal.record.id, now);
}

/* That it may be stopped is written down before it is. */
static bool stop_app(struct set_restore *s, struct err *e)
{
    if (!restore_app_is_switched(s->o->set))
        return true;
    stand(s, RESTORE_STAND_STOPPING);
    restore_journal_set_stopped(&s->journal, true);
    return restore_journal_enter(&s->journal, RESTORE_STAGING, e) &&
           restore_app_stop(s->o, false, e) && restore_sources_check_idle(&s->sources, e);
}

/*
 * Trees last: a new tree takes along what was prepared for a database that lies in it.  It shares
 * files with the present one, into which nobody may write any more: so the application is stopped
 * before, and goes on while databases are prepared, which takes longer.
 */
static bool stage_all(struct set_restore *s, struct err *e)
{
    return stage_kind(s, false, e) && stop_app(s, e) && stage_kind(s, true, e) &&
           (!cancel_is_requested() || cancel_err(e));
}

static bool swap_kind(struct set_restore *s, bool is_command, struct err *e)
{
    for (size_t i = 0; i < s->sources.count; i++) {
        struct restore_source *p = &s->sources.items[i];

        if ((p->source->kind == SOURCE_COMMAND) != is_command)
            continue;
        if (!p->ops->forward(p, e))
            return err_wrap(e, "%s", p->place);
        restore_tell(s->o, "%s is in place", p->place);
    }
    return true;
}

/* Commands when the application runs: its start may change what they set, and who confirms that
 * may need it. */
static bool swap_all(struct set_restore *s, struct err *e)
{
    stand(s, RESTORE_STAND_SWAPPING);
    return restore_journal_enter(&s->journal, RESTORE_SWAPPING, e) && swap_kind(s, false, e) &&
           restore_app_start(s->o, false, e) && swap_kind(s, true, e) && restore_app_check(s->o, e);
}

/* Nothing of what was prepared is left; that all is back is written down first: restore_undo.c. */
static bool leave_nothing(struct set_restore *s, bool is_swapped, struct err *e)
{
    if ((!is_swapped || restore_journal_enter(&s->journal, RESTORE_STAGING, e)) &&
        restore_sources_discard(&s->sources, e) &&
        restore_journal_enter(&s->journal, RESTORE_FAILED, e))
        return true;
    return err_wrap(e, "the state before is in place, but what was prepared is not removed");
}

/* Back to the state before, with the application as it was; *late as of restore_sources_back(). */
static bool go_back(struct set_restore *s, bool is_swapped, struct err *late, struct err *e)
{
    struct err ignored = {0};

    if (!is_swapped) {
        if (s->journal.record.is_stopped)
            (void)!restore_app_start(s->o, true, late);
        return true;
    }
    /* So that the reason is known when this process ends on the way, which does not depend on it.
     */
    (void)!restore_journal_enter(&s->journal, RESTORE_SWAPPING, &ignored);
    return restore_sources_back(&s->sources, s->o, false, late, e);
}

/* After a failure: nothing is left but the state before, and *e says so, or what is left to do. */
static bool give_up(struct set_restore *s, bool is_swapped, struct err *e)
{
    const bool was_stopped = s->journal.record.is_stopped;
    const char *state = is_swapped ? "the state before is back" : "nothing was changed";
    struct err later = {0}, late = {0};
    const struct err why = *e;

    restore_journal_set_why(&s->journal, why.text);
    s->result->is_back = go_back(s, is_swapped, &late, &later);
    if (late.code != ERR_NONE)
        (void)err_set(e, why.code, "%.230s; %s, but %.200s", why.text, state, late.text);
    else
        (void)err_set(e, why.code, "%.400s; %s%s", why.text, state,
                      was_stopped ? ", and start has run" : "");
    if (late.code != ERR_NONE)
        restore_journal_set_why(&s->journal, e->text);
    restore_journal_set_stopped(&s->journal, was_stopped && !s->result->is_back);
    if (s->result->is_back && leave_nothing(s, is_swapped, &later))
        return false;
    return err_set(e, why.code,
                   "%.230s; going back failed too: %.190s; \"holdfast undo %s\" goes on with it",
                   why.text, later.text, s->journal.record.id);
}

static bool open_given(void *arg, const char *set, const char *snapshot, struct repo **out,
                       struct err *e)
{
    (void)set, (void)snapshot, (void)e; /* it is open */
    *out = arg;
    return true;
}

/* Lock, and leave nothing of an earlier one half done. */
static bool enter_folder(struct set_restore *s, struct err *e)
{
    const struct restore_undo_options settle = {
        .config = s->o->config, .open_repo = open_given, .arg = s->repo};
    int fd = -1;

    if (!restore_folder_lock(s->o->config->state, &fd, e))
        return false;
    restore_journal_new(&s->journal, fd, s->o->set->name, &s->o->snapshot->id);
    return restore_settle(&settle, fd, s->o->set, e);
}

bool restore_set_run(struct repo *r, const struct restore_set_options *o,
                     const struct report *report, struct restore_set_result *out, struct err *e)
{
    AUTO(set_restore)
    struct set_restore s = {
        .repo = r, .o = o, .report = report, .journal = RESTORE_JOURNAL_NONE, .result = out};

    *out = (struct restore_set_result){.is_back = true};
    if (o->confirms_by_checks && o->set->health_checks.count == 0)
        return err_set(e, ERR_USAGE, "set %s has no health checks that could confirm anything",
                       o->set->name);
    if (!enter_folder(&s, e) || !plan_all(&s, e))
        return false;
    if (s.sources.count == 0)
        return err_set(e, ERR_USAGE, "%s: %s", s.plan.sources[0].place, s.plan.sources[0].why);
    if (!take_safety(&s, e))
        return err_wrap(e, "safety snapshot");
    if (!begin(&s, e))
        return false;
    if (!stage_all(&s, e))
        return give_up(&s, false, e);
    out->is_back = false;
    if (!swap_all(&s, e))
        return give_up(&s, true, e);
    restore_journal_set_stopped(&s.journal, false);
    if (!restore_journal_enter(&s.journal, RESTORE_DONE, e))
        return give_up(&s, true, e);
    out->plan = s.plan;
    s.plan = (struct restore_set_plan){0};
    return true;
}
