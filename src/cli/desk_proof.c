/*
 * Proving a backup and bringing it back, on this machine.  A backup is named by its run in the
 * catalog, or by a snapshot of a configured set.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/backup_stores.h"
#include "cli/desk_private.h"
#include "cli/restore_set_call.h"
#include "cli/terminal.h"

/* Where a backup is. */
struct found {
    const struct config_set *set;
    const struct config *config; /* that the set is in */
    char snapshot[2 * HASH_SIZE + 1];
};

/* Of the catalog; *is_found = false: it knows of none, or of one that has made nothing. */
static bool find_run(struct desk *d, const char *id, struct found *out, bool *is_found,
                     struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_run run;
    struct desk_set of;
    struct err none = {0};

    *is_found = false;
    if (d->catalog == NULL)
        return true;
    if (!catalog_begin_read(d->catalog, &t, e))
        return false;
    if (!catalog_run_get(t, id, &a, &run, &none)) {
        *e = none;
        return none.code == ERR_NOT_FOUND;
    }
    if (run.kind != RUN_BACKUP || run.outcome.snapshot == NULL ||
        strlen(run.outcome.snapshot) >= sizeof(out->snapshot))
        return true;
    if (!desk_find_set(d, run.set, &of, e))
        return false;
    out->set = of.set;
    out->config = of.config;
    memcpy(out->snapshot, run.outcome.snapshot, strlen(run.outcome.snapshot) + 1);
    *is_found = true;
    return true;
}

static bool is_snapshot_id(const char *id)
{
    const size_t size = strspn(id, "0123456789abcdef");

    return id[size] == '\0' && size >= 4 && size <= (size_t)2 * HASH_SIZE;
}

/* Of the repositories: the set that has a snapshot of this id, or beginning of one. */
static bool find_snapshot(struct desk *d, const char *id, struct found *out, bool *is_found,
                          struct err *e)
{
    const char *name;
    struct desk_set of;

    *is_found = false;
    for (size_t i = 0; is_snapshot_id(id) && !*is_found && (name = desk_set_name(d, i)) != NULL;
         i++) {
        if (!desk_find_set(d, name, &of, e))
            continue; /* it can have no backups here */

        const struct config_set *set = of.set;
        const struct filter_args of_set = {.set = (char *)(uintptr_t)set->name};
        AUTO(session) struct session s = {0};
        AUTO(snapshot) struct snapshot *snapshot = NULL;
        AUTO(mem) char *sub = NULL;
        const struct common *before = d->call->common;
        const bool is_there = set_open_snapshot(d->call, set, id, &of_set, &s, &snapshot, &sub, e);

        d->call->common = before;
        /* A repository that is not there says nothing of what is in it. */
        if (!is_there && (e->code != ERR_NOT_FOUND || d->call->stage != STAGE_WORK))
            return err_wrap(e, "set %s", set->name);
        if (!is_there || snapshot->set == NULL || strcmp(snapshot->set, set->name) != 0)
            continue;
        out->set = set;
        out->config = of.config;
        hex_encode(SLICE_OF(snapshot->id.bytes, HASH_SIZE), out->snapshot);
        *is_found = true;
    }
    return true;
}

static bool find_backup(struct desk *d, const char *id, struct found *out, bool *is_found,
                        struct err *e)
{
    *out = (struct found){0};
    d->call->stage = STAGE_WORK;
    if (!find_run(d, id, out, is_found, e))
        return false;
    return *is_found || find_snapshot(d, id, out, is_found, e);
}

/* Proof */

static struct catalog_outcome outcome_of(const struct drill_result *r, const char *snapshot)
{
    static const char *const verdicts[] = {
        [VERDICT_PROVEN] = "proven", [VERDICT_NOT_CHECKED] = NULL, [VERDICT_FAILED] = "failed"};
    const bool is_proven = r->verdict == VERDICT_PROVEN;

    return (struct catalog_outcome){.state = is_proven                           ? RUN_SUCCESS
                                             : r->verdict == VERDICT_NOT_CHECKED ? RUN_INCOMPLETE
                                                                                 : RUN_FAILED,
                                    .snapshot = snapshot,
                                    .verdict = verdicts[r->verdict],
                                    .error_code = is_proven ? NULL
                                                  : r->verdict == VERDICT_NOT_CHECKED
                                                      ? "incomplete"
                                                      : "drill-failed",
                                    .error = is_proven ? NULL : "something could not be proven"};
}

/* What was wrong, for who stands beside. */
static void warn(struct call *call, const struct drill_result *r)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->members[i].verdict != VERDICT_PROVEN)
            output_item_warning(call->out, r->members[i].place,
                                r->members[i].why != NULL ? r->members[i].why
                                                          : verdict_text(r->members[i].verdict));
}

static bool drill(struct desk *d, const struct found *f, struct drill_result *out, struct err *e)
{
    const struct filter_args of_set = {.set = (char *)(uintptr_t)f->set->name};
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *sub = NULL;
    const struct common *before = d->call->common;
    const bool is_open =
        set_open_snapshot(d->call, f->set, f->snapshot, &of_set, &s, &snapshot, &sub, e);

    d->call->common = before;
    return is_open &&
           drill_run(s.repo, &(struct drill_options){.snapshot = snapshot, .set = f->set}, out, e);
}

static bool prove(struct desk *d, const struct found *f, bool *is_valid, struct err *e)
{
    const struct desk_run r = {.kind = RUN_DRILL, .set = f->set, .begun_ns = clock_now_ns()};
    AUTO(drill_result) struct drill_result result = {0};
    struct catalog_outcome o;
    struct catalog_run run;
    struct err why = {0};

    d->call->stage = STAGE_WORK;
    if (drill(d, f, &result, &why)) {
        o = outcome_of(&result, f->snapshot);
        desk_run_end(d, &r, &o, &run);
        warn(d->call, &result);
        *is_valid = result.verdict == VERDICT_PROVEN;
        return result.verdict != VERDICT_NOT_CHECKED ||
               err_set(e, ERR_FATAL,
                       "Failed to verify backup: something could not be read or checked");
    }
    /* A snapshot that is gone or damaged is no backup; else nobody knows. */
    *is_valid = false;
    o = desk_run_failure(&why);
    o.snapshot = f->snapshot;
    if (d->call->stage == STAGE_WORK && (why.code == ERR_NOT_FOUND || why.code == ERR_CORRUPT))
        o.verdict = "failed";
    desk_run_end(d, &r, &o, &run);
    *e = why;
    if (o.verdict == NULL)
        return err_wrap(e, "Failed to verify backup");
    output_item_warning(d->call->out, NULL, why.text);
    return true;
}

bool desk_local_verify(struct desk *d, const char *id, bool *is_valid, struct err *e)
{
    struct found f;
    bool is_found = false;

    *is_valid = false;
    if (!find_backup(d, id, &f, &is_found, e))
        return err_wrap(e, "Failed to verify backup");
    return !is_found || prove(d, &f, is_valid, e);
}

/* Restore */

const char desk_question[] = "WARNING: This will overwrite current data. Continue?";

bool desk_agree(struct call *call, bool *is_yes, struct err *e)
{
    struct err why = {0};

    if (!call->out->json && terminal_agree(desk_question, is_yes, &why))
        return true;
    if (why.code == ERR_CANCELLED)
        return cancel_err(e);
    return err_set(e, ERR_USAGE,
                   "restore overwrites what is in use: say --yes, or answer on a terminal");
}

/* The set whose places it goes to. */
static bool check_environment(struct desk *d, const struct desk_restore *w, const struct found *f,
                              struct err *e)
{
    struct desk_set other;
    struct err none;

    if (w->environment == NULL || strcmp(w->environment, f->set->name) == 0)
        return true;
    if (!desk_find_set(d, w->environment, &other, &none))
        return err_set(e, ERR_USAGE, "--environment: there is no such environment");
    return err_set(e, ERR_USAGE, "backup %.64s is not of set %s", w->id, other.set->name);
}

bool desk_local_restore(struct desk *d, const struct desk_restore *w, bool *is_done, struct err *e)
{
    struct found f;
    struct filter_args of_set = {0};
    struct restore_set_args args = {.filter = &of_set, .agree = desk_agree, .yes = w->yes};
    struct desk_run r = {.kind = RUN_RESTORE};
    struct catalog_outcome o = {.state = RUN_SUCCESS};
    struct catalog_run run;
    bool is_found = false;
    bool is_valid = false;

    if (!find_backup(d, w->id, &f, &is_found, e))
        return err_wrap(e, "Failed to restore backup");
    if (is_found && !check_environment(d, w, &f, e))
        return false;
    if (is_found && w->verify && !prove(d, &f, &is_valid, e))
        return false;
    if (!is_found || (w->verify && !is_valid))
        return err_set(e, ERR_FATAL, "Backup integrity check failed. Cannot restore.");
    of_set.set = (char *)(uintptr_t)f.set->name;
    args.selector = f.snapshot;
    r.set = f.set;
    r.begun_ns = clock_now_ns();

    *is_done = false;

    const bool is_good = restore_set_from(d->call, f.config, &args, is_done, e);

    if (!*is_done)
        return is_good;
    if (!is_good)
        o = desk_run_failure(e);
    o.snapshot = f.snapshot;
    desk_run_end(d, &r, &o, &run);
    return is_good;
}
