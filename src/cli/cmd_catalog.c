/*
 * catalog rebuild and catalog status: what the service remembers, from the repositories and as it
 * is.
 */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cli/catalog_call.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/render.h"
#include "cli/session.h"
#include "cli/yaml.h"
#include "codec/json.h"
#include "job/job.h"

struct catalog_args {
    struct common common;
    char *write_config;
};

#define AT(member) offsetof(struct catalog_args, member)

static const struct option rebuild_options[] = {
    {"write-config", 0, OPTION_TEXT, AT(write_config), "FILE",
     "Write the configuration that is found to FILE, and leave the catalog alone", NULL, NULL,
     NULL},
    {0},
};

static const struct option status_options[] = {
    {0},
};

/* Repositories */

struct gathering {
    struct call *call;
    struct rebuild *rebuild;
    const char *name;     /* of the repository that is being read */
    size_t read;          /* repositories */
    bool is_incomplete;   /* something was damaged or away */
    struct err first;     /* why the first that could not be read could not be */
    enum stage its_stage; /* of that */
};

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    struct gathering *g = arg;
    AUTO(buf) struct buf text = {0};

    g->is_incomplete = true;
    buf_printf(&text, "repository %s: %s is left out: %s", g->name, key, why->text);
    output_item_warning(g->call->out, NULL, buf_string(&text));
}

/* One that cannot be read is named, and the others are read all the same. */
static bool end_reading(struct gathering *g, bool is_read, const struct err *why, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    if (is_read) {
        g->read++;
        return true;
    }
    if (why->code == ERR_CANCELLED) {
        *e = *why;
        return false;
    }
    if (g->first.code == ERR_NONE) {
        g->first = *why;
        g->its_stage = g->call->stage;
    }
    g->is_incomplete = true;
    buf_printf(&text, "repository %s is left out: %s", g->name, why->text);
    output_item_warning(g->call->out, NULL, buf_string(&text));
    return true;
}

static bool read_configured(struct gathering *g, const struct config_repository *r, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct common common;
    struct err why = {0};

    g->name = r->name;
    set_common(g->call, r, &common);

    const bool is_read = session_open_other(g->call, &common, NULL, &s, &why) &&
                         rebuild_read(g->rebuild, r->name, s.repo, on_damaged, g, &why);

    return end_reading(g, is_read, &why, e);
}

/* The one of the command line, whose name nobody knows. */
static bool read_named(struct gathering *g, struct err *e)
{
    AUTO(session) struct session s = {0};
    const char *url = NULL;
    struct err why = {0};

    if (!session_place(g->call, &url, e))
        return false;
    g->name = session_shown(url);

    const bool is_read = session_open(g->call, &s, &why) &&
                         rebuild_read(g->rebuild, g->name, s.repo, on_damaged, g, &why);

    return end_reading(g, is_read, &why, e);
}

static bool names_one(const struct call *call)
{
    return call->common->repository != NULL || call->common->repository_file != NULL;
}

/* config NULL: only the repository that the command line names. */
static bool gather(struct gathering *g, const struct config *config, struct err *e)
{
    g->rebuild = rebuild_new();
    if (names_one(g->call) && !read_named(g, e))
        return false;
    for (size_t i = 0; config != NULL && !names_one(g->call) && i < config->repository_count; i++)
        if (!read_configured(g, &config->repositories[i], e))
            return false;
    if (g->read == 0) {
        g->call->stage = g->its_stage;
        *e = g->first;
        return false;
    }
    g->call->stage = STAGE_WORK;
    g->call->status = g->is_incomplete ? EXIT_INCOMPLETE : EXIT_OK;
    return true;
}

static void gathering_auto(struct gathering *g)
{
    rebuild_free(g->rebuild);
}

/* The configuration as a file */

static bool publish(const char *path, struct slice text, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    AUTO(buf) struct buf folder = {0};
    AUTO(buf) struct buf draft = {0};
    AUTO(fd) int fd = -1;
    bool is_suspect = false; /* nothing is written here again */

    buf_append(&folder, path, (size_t)(name - path));
    buf_printf(&draft, "%s.tmp", name);
    return (dir_open(folder.size == 0 ? "." : buf_string(&folder), &fd, e) &&
            file_publish(fd, name, buf_string(&draft), text, &is_suspect, e)) ||
           err_wrap(e, "%s", path);
}

static bool write_config(struct call *call, struct gathering *g, const char *path, struct err *e)
{
    AUTO(json) json_t *all = rebuild_configuration(g->rebuild);
    AUTO(config) struct config *c = NULL;
    AUTO(buf) struct buf text = {0};

    if (all == NULL)
        return err_set(e, ERR_NOT_FOUND,
                       "no snapshot that was read carries a configuration: only those of sets do, "
                       "made by this version or a later one");
    yaml_format(all, &text);
    /* Two sets that never were in one file may not fit into one. */
    if (!config_read(path, buf_slice(&text), &c, e) || !publish(path, buf_slice(&text), e))
        return err_wrap(e, "the configuration that was found");

    json_t *line = json_message("catalog_configuration");

    json_set_text(line, "path", path);
    json_set_u64(line, "sets", c->set_count);
    json_set_u64(line, "repositories", c->repository_count);
    catalog_call_tell(call, line,
                      "%s: %zu set%s and %zu repositor%s, as the newest snapshots knew them. "
                      "\"serve\" is not in it, nor is any password.",
                      path, c->set_count, plural(c->set_count), c->repository_count,
                      c->repository_count == 1 ? "y" : "ies");
    return true;
}

/* The catalog */

static bool record(void *arg, struct catalog_tx *t, const struct rebuild_counts *n, struct err *e)
{
    return catalog_call_audit(arg, t, "catalog.rebuild", "",
                              json_pack("{s:I, s:I, s:I}", "backups", (json_int_t)n->backups,
                                        "drills", (json_int_t)n->drills, "configs",
                                        (json_int_t)n->configs),
                              e);
}

static void tell(struct call *call, const struct gathering *g, const struct rebuild_counts *n)
{
    struct rebuild_found found;
    json_t *line = json_message("catalog_rebuilt");

    rebuild_found(g->rebuild, &found);
    json_set_u64(line, "repositories", g->read);
    json_set_u64(line, "snapshots", found.snapshots);
    json_set_u64(line, "without_set", found.without_set);
    json_set_u64(line, "safety", found.safety);
    json_set_u64(line, "imports", found.imports);
    json_set_u64(line, "drills_found", found.drills);
    json_set_u64(line, "backups", n->backups);
    json_set_u64(line, "drills", n->drills);
    json_set_u64(line, "configs", n->configs);
    json_set_u64(line, "known", n->known);
    json_set_u64(line, "old", n->old);
    json_set_u64(line, "under_way", n->under_way);
    json_set(line, "complete", json_boolean(!g->is_incomplete));
    catalog_call_tell(call, line,
                      "%llu backup%s, %llu drill%s and %llu configuration%s were written; %llu "
                      "run%s known already.",
                      (unsigned long long)n->backups, plural(n->backups),
                      (unsigned long long)n->drills, plural(n->drills),
                      (unsigned long long)n->configs, plural(n->configs),
                      (unsigned long long)n->known, n->known == 1 ? " was" : "s were");
    if (n->old > 0)
        output_note(call->out, "%llu older than %d days stay in the repositories only.",
                    (unsigned long long)n->old, CATALOG_RUN_DAYS);
    if (n->under_way > 0)
        output_note(call->out, "%llu belong to runs that have not ended.",
                    (unsigned long long)n->under_way);
    if (found.without_set + found.safety + found.imports > 0)
        output_note(call->out,
                    "%llu snapshot%s of no set, %llu that restores took, and %llu that were "
                    "imported.",
                    (unsigned long long)found.without_set, plural(found.without_set),
                    (unsigned long long)found.safety, (unsigned long long)found.imports);
    output_note(call->out, "What left no snapshot and no evidence cannot come back: runs that "
                           "failed, checks, restores, restore points, users, tokens, audit log.");
}

static bool run_rebuild(struct call *call, struct err *e)
{
    const struct catalog_args *args = call->args;
    AUTO(gathering) struct gathering g = {.call = call};
    AUTO(config) struct config *config = NULL;
    AUTO(catalog) struct catalog *c = NULL;
    struct rebuild_counts counts = {0};
    const char *path = NULL;

    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (args->write_config != NULL && names_one(call))
        return gather(&g, NULL, e) && write_config(call, &g, args->write_config, e);
    if (!config_path(args->common.config, &path, e) || !config_load(path, &config, e))
        return false;
    if (args->write_config != NULL)
        return gather(&g, config, e) && write_config(call, &g, args->write_config, e);
    /* Before the repositories: nobody should wait for them in vain. */
    if (!catalog_call_find(call, config, true, &c, e))
        return err_wrap(e, "catalog of %s", path);
    if (!gather(&g, config, e) ||
        !rebuild_write(g.rebuild,
                       &(struct rebuild_options){
                           .catalog = c, .config = config, .record = record, .arg = call},
                       &counts, e))
        return false;
    tell(call, &g, &counts);
    return true;
}

/* Status */

static void put_time(int64_t time_ns, char out[CLOCK_TEXT_MAX])
{
    if (time_ns == 0)
        memcpy(out, "never", sizeof("never"));
    else
        clock_format_local(time_ns, out);
}

static void show_set(struct call *call, const struct catalog_set *s)
{
    char success[CLOCK_TEXT_MAX], proven[CLOCK_TEXT_MAX];
    AUTO(buf) struct buf name = {0};

    if (call->out->json) {
        json_t *line = json_message("catalog_set");

        json_set_text(line, "set", s->name);
        if (s->success_ns != 0)
            json_set_time(line, "last_success", s->success_ns);
        if (s->proven_ns != 0)
            json_set_time(line, "last_proven", s->proven_ns);
        json_set_u64(line, "failures", (uint64_t)s->failures);
        json_set(line, "paused", json_boolean(s->pause_reason != NULL));
        output_json(call->out, line);
        return;
    }
    put_time(s->success_ns, success);
    put_time(s->proven_ns, proven);
    output_line(call->out, "%s: last success %s, last proven %s, %lld failure%s since%s",
                path_for_people(s->name, &name), success, proven, (long long)s->failures,
                plural((uint64_t)s->failures), s->pause_reason != NULL ? ", paused" : "");
}

static bool run_status(struct call *call, struct err *e)
{
    const struct catalog_args *args = call->args;
    struct catalog_run_filter all = CATALOG_RUNS_ALL;
    AUTO(catalog) struct catalog *c = NULL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_set_list sets = {0};
    struct catalog_job_list jobs = {0};
    int64_t runs = 0;

    if (!catalog_call_open(call, args->common.config, &c, e) || !catalog_begin_read(c, &t, e) ||
        !catalog_run_count(t, &all, &runs, e) || !catalog_job_list(t, &a, &jobs, e) ||
        !catalog_set_list(t, &a, &sets, e))
        return false;
    if (call->out->json) {
        json_t *line = json_message("catalog_status");

        json_set_text(line, "kind", catalog_kind(c));
        json_set_u64(line, "runs", (uint64_t)runs);
        json_set_u64(line, "jobs", jobs.count);
        output_json(call->out, line);
    } else {
        output_line(call->out, "%s: %lld run%s, %zu job%s to do", catalog_kind(c), (long long)runs,
                    plural((uint64_t)runs), jobs.count, plural(jobs.count));
    }
    for (size_t i = 0; i < sets.count; i++)
        show_set(call, &sets.items[i]);
    return true;
}

const struct command command_catalog_rebuild = {
    .name = "catalog rebuild",
    .summary = "Write into the catalog what the repositories tell of backups and drills",
    .details = "What it knows already stays as it is. What left no snapshot and no evidence cannot "
               "come back:\nrestores, failed runs, users, tokens, the audit log. Exit status 3: "
               "something could not be read.",
    .examples = "holdfast catalog rebuild\n"
                "holdfast catalog rebuild -r /srv/backup --key-file main.key --write-config "
                "holdfast.yaml",
    .words = "",
    .options = rebuild_options,
    .args_size = sizeof(struct catalog_args),
    .run = run_rebuild,
};

const struct command command_catalog_status = {
    .name = "catalog status",
    .summary = "Show what the catalog holds",
    .examples = "holdfast catalog status",
    .words = "",
    .options = status_options,
    .args_size = sizeof(struct catalog_args),
    .run = run_status,
};
