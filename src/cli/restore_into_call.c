#include "cli/restore_into_call.h"

#include <assert.h>
#include <string.h>

#include "base/mem.h"
#include "base/password.h"
#include "base/text.h"
#include "cli/backup_stores.h"
#include "cli/config_path.h"
#include "cli/dsn.h"
#include "cli/paths.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "job/job.h"

#define PLANNED_MAX 200 /* tables that a plan names */

/* What is opened for it. */
struct into_run {
    struct config *config;
    struct session session;
    struct snapshot *snapshot;
    char *sub, *password;
    struct buf path;
    struct restore_server server;
    struct postgres_part part;
    struct restore_into_options options;
};

static void into_run_auto(struct into_run *r)
{
    mem_free(r->sub);
    mem_secret_free(r->password);
    buf_done(&r->path);
    snapshot_auto(&r->snapshot);
    session_auto(&r->session);
    config_auto(&r->config);
}

/* Telling */

/* False when it was about something else. */
static bool tell_bundles(struct call *call, const struct restore_into_options *o,
                         const struct restore_into_result *r)
{
    if (strncmp(o->place, "bundle", 6) != 0)
        return false;
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_text(line, "place", o->place);
        json_set_text(line, "into", o->into);
        json_set_u64(line, "files", r->files);
        json_set_u64(line, "bytes", r->bytes);
        json_set_u64(line, "sessions_left_out", r->dropped);
        output_json(call->out, line);
    }
    output_note(call->out, "Restored %llu bundle%s into %s", (unsigned long long)r->files,
                plural(r->files), o->into);
    if (r->dropped > 0)
        output_note(call->out, "%llu session%s left out; --with-sessions brings them back",
                    (unsigned long long)r->dropped, r->dropped == 1 ? " was" : "s were");
    return true;
}

static bool tell_script(struct call *call, const struct restore_into_options *o,
                        const struct restore_into_result *r)
{
    if (strncmp(o->place, "import/", 7) != 0)
        return false;
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_text(line, "place", o->place);
        json_set_text(line, "into", o->into);
        json_set_u64(line, "statements", r->statements);
        json_set_u64(line, "rows", r->rows);
        output_json(call->out, line);
    }
    output_note(call->out,
                "Loaded /%s into %s: %llu statement%s, %llu row%s; nothing says whether "
                "that is all it should be",
                o->place, o->into, (unsigned long long)r->statements, plural(r->statements),
                (unsigned long long)r->rows, plural(r->rows));
    return true;
}

static void tell_into(struct call *call, const struct restore_into_options *o,
                      const struct restore_into_result *r)
{
    if (tell_bundles(call, o, r) || tell_script(call, o, r))
        return;
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_text(line, "place", o->place);
        json_set_text(line, "into", o->into);
        json_set_u64(line, "tables", r->tables);
        json_set_u64(line, "rows", r->rows);
        if (r->kept != NULL)
            json_set_text(line, "kept", r->kept);
        output_json(call->out, line);
    }
    output_note(call->out, "%s /%s into %s%s", o->part == NULL ? "Restored" : "Restored a part of",
                o->place, o->into,
                o->part == NULL || o->part->way != POSTGRES_PART_ADD_ROWS
                    ? ", the same as its manifest"
                    : "");
    if (o->server != NULL)
        output_note(call->out, "%llu table%s, %llu row%s", (unsigned long long)r->tables,
                    plural(r->tables), (unsigned long long)r->rows, plural(r->rows));
    if (r->kept != NULL)
        output_note(call->out, "The database that was there is kept as %s", r->kept);
}

/* Plans */

static const char *way_name(const struct restore_into_options *o)
{
    static const char *const names[] = {[POSTGRES_PART_NEW] = "new",
                                        [POSTGRES_PART_REPLACE_ROWS] = "replace",
                                        [POSTGRES_PART_ADD_ROWS] = "add"};

    return names[o->part == NULL ? POSTGRES_PART_NEW : o->part->way];
}

static bool makes_database(const struct restore_into_options *o)
{
    return o->part == NULL || o->part->makes_database;
}

static json_t *part_json(const struct postgres_part_table *t)
{
    json_t *j = json_object();

    json_set_text(j, "schema", t->stored.schema);
    json_set_text(j, "name", t->stored.name);
    json_set_text(j, "to_schema", t->to.schema);
    json_set_text(j, "to_name", t->to.name);
    json_set_u64(j, "rows", t->rows);
    json_set_u64(j, "bytes", t->bytes);
    json_set(j, "is_there", json_boolean(t->is_there));
    json_set_u64(j, "present_bytes", t->present_bytes);
    return j;
}

static void plan_json(struct call *call, const struct restore_into_options *o,
                      const struct restore_into_plan *p)
{
    json_t *line = json_message("plan");
    json_t *parts = json_array();

    for (size_t i = 0; i < p->part.count && i < PLANNED_MAX; i++)
        (void)json_array_append_new(parts, part_json(&p->part.tables[i]));
    json_set_hash(line, "snapshot_id", &o->snapshot->id);
    json_set_text(line, "place", o->place);
    json_set_text(line, "into", o->into);
    json_set(line, "makes_database", json_boolean(makes_database(o)));
    json_set_text(line, "way", way_name(o));
    json_set_u64(line, "tables", p->tables);
    json_set_u64(line, "tables_without_rows", p->tables_without_rows);
    json_set_u64(line, "rows", p->rows);
    json_set_u64(line, "bytes", p->bytes);
    json_set(line, "parts", parts);
    output_json_now(call->out, line);
}

static void put_name(const struct postgres_table_name *name, struct buf *out)
{
    path_escape(slice_string(name->schema), out);
    buf_printf(out, ".");
    path_escape(slice_string(name->name), out);
}

static void put_fate(const struct restore_into_options *o, const struct postgres_part_table *t,
                     struct buf *out)
{
    char size[TEXT_SIZE_MAX];

    assert(o->part != NULL); /* or there are no tables to tell of */
    size_format(t->present_bytes, size);
    if (!t->is_there)
        buf_printf(out, "is made");
    else if (o->part->way == POSTGRES_PART_ADD_ROWS)
        buf_printf(out, "is added to the %s of rows that are there", size);
    else
        buf_printf(out, "takes the place of the %s of rows that are there", size);
}

static void plan_lines(struct call *call, const struct restore_into_options *o,
                       const struct restore_into_plan *p)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};
    char size[TEXT_SIZE_MAX];

    table_init(&t, 3);
    for (size_t i = 0; i < p->part.count && i < PLANNED_MAX; i++) {
        const struct postgres_part_table *one = &p->part.tables[i];
        AUTO(buf) struct buf name = {0};
        AUTO(buf) struct buf amount = {0};
        AUTO(buf) struct buf fate = {0};

        put_name(&one->to, &name);
        size_format(one->bytes, size);
        buf_printf(&amount, "%llu row%s, %s", (unsigned long long)one->rows, plural(one->rows),
                   size);
        put_fate(o, one, &fate);
        table_add(&t, buf_string(&name));
        table_add(&t, buf_string(&amount));
        table_add(&t, buf_string(&fate));
    }
    table_print(&t, &text);
    size_format(p->bytes, size);
    buf_printf(&text, "Database %s %s: %llu table%s, %llu row%s, %s\n", o->into,
               makes_database(o) ? "is made" : "stays, and gets", (unsigned long long)p->tables,
               plural(p->tables), (unsigned long long)p->rows, plural(p->rows), size);
    output_raw(call->out, buf_slice(&text));
}

static bool show_plan(struct call *call, const struct into_run *r, struct err *e)
{
    AUTO(restore_into_plan) struct restore_into_plan plan = {0};

    if (!restore_into_plan(r->session.repo, &r->options, &plan, e))
        return false;
    if (call->out->json)
        plan_json(call, &r->options, &plan);
    else
        plan_lines(call, &r->options, &plan);
    return true;
}

/* Opening */

/* The server that the options name. */
static bool name_server(struct call *call, const struct restore_into_args *args, struct into_run *r,
                        struct err *e)
{
    call->stage = STAGE_SECRET;
    if (dsn_shows_password(args->dsn))
        return err_set(e, ERR_USAGE, DSN_PASSWORD_REFUSED);
    if (args->dsn_password_file != NULL &&
        !password_from_file(args->dsn_password_file, &r->password, e))
        return false;
    r->server = (struct restore_server){.dsn = args->dsn,
                                        .password = r->password,
                                        .jobs = args->jobs,
                                        .with_globals = args->with_globals};
    r->options.server = &r->server;
    r->options.into = args->into;
    return true;
}

/* What the command line says is all there is. */
static bool open_named(struct call *call, const struct restore_into_args *args, struct into_run *r,
                       struct err *e)
{
    const bool has_server = args->dsn != NULL;

    if (!(has_server ? name_server(call, args, r, e) : path_absolute(args->into, &r->path, e)) ||
        !session_open(call, &r->session, e) ||
        !session_resolve(call, &r->session, args->selector, args->filter, &r->snapshot, &r->sub, e))
        return false;
    if (!has_server)
        r->options.into = buf_string(&r->path);
    return true;
}

/* Whether it is about a PostgreSQL database on the server that a set has it on. */
static bool is_of_set(const struct restore_into_args *args)
{
    const char *place = strchr(args->selector, ':');

    return args->dsn == NULL && args->filter->set != NULL &&
           (args->into == NULL ||
            (place != NULL && strncmp(place, ":/postgres/", strlen(":/postgres/")) == 0));
}

/* The configuration says where the set's database is.  Of databases there it is the only one that
 * is touched; another one is made. */
static bool open_of_set(struct call *call, const struct restore_into_args *args, struct into_run *r,
                        struct err *e)
{
    const struct config_set *set = NULL;

    if (args->into != NULL && (args->in_place || args->part->data_only))
        return err_set(e, ERR_USAGE,
                       "--into makes a database on the server of the set: --in-place and "
                       "--data-only are about tables that are there");
    call->stage = STAGE_SECRET; /* what follows is a matter of configuration */
    if (!config_path_load(args->config, args->filter->set, &r->config, &set, e) ||
        !set_open_snapshot(call, set, args->selector, args->filter, &r->session, &r->snapshot,
                           &r->sub, e))
        return false;
    if (r->sub == NULL)
        return err_set(e, ERR_USAGE, "--table and --schema need SNAPSHOT:/postgres/NAME");
    if (!restore_server_find(set, r->sub, &r->server, &r->password, e))
        return false;
    r->options.server = &r->server;
    r->options.into = args->into != NULL ? args->into : r->server.database;
    r->part.makes_database = args->into != NULL;
    return true;
}

static bool run(struct call *call, const struct restore_into_args *args, struct into_run *r,
                struct err *e)
{
    AUTO(restore_into_result) struct restore_into_result result = {0};
    struct progress_view view;

    if (args->plan_only)
        return show_plan(call, r, e);
    if (!progress_init(&view, call->out, PROGRESS_RESTORE, e))
        return false;

    const struct report report = progress_report(&view);
    struct restore_into_options o = r->options;

    o.report = &report;
    if (!restore_into_run(r->session.repo, &o, &result, e))
        return false;
    progress_end(&view);
    tell_into(call, &o, &result);
    return true;
}

bool restore_into_call(struct call *call, const struct restore_into_args *args, struct err *e)
{
    AUTO(into_run) struct into_run r = {0};
    const bool has_part = part_args_are_given(args->part);

    if ((has_part && !part_args_read(args->part, args->in_place, &call->arena, &r.part, e)) ||
        !(is_of_set(args) ? open_of_set(call, args, &r, e) : open_named(call, args, &r, e)))
        return false;
    if (r.sub == NULL)
        return err_set(
            e, ERR_USAGE,
            "--into needs SNAPSHOT:/sqlite/NAME, :/postgres/NAME, :/import/NAME or :/bundle");
    r.options.snapshot = r.snapshot;
    r.options.place = r.sub;
    r.options.force = args->force;
    r.options.with_sessions = args->with_sessions;
    r.options.in_place = args->in_place && !has_part;
    r.options.part = has_part ? &r.part : NULL;
    if (run(call, args, &r, e))
        return true;
    if (has_part)
        part_args_advise(&r.part, e);
    return err_wrap(e, "restore into %s", r.options.into);
}
