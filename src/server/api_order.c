/*
 * Orders: jobs that somebody asks for.  The body is the object of arguments that the job gets; what
 * could name machines, credentials or folders of its choice is not among them.
 */
#include <string.h>

#include "server/api_private.h"
#include "server/once.h"

#define PATH_TEXT  4096
#define LOOK_BACK  1000 /* restores of a set that an undo may name */
#define RESTORE_ID 64   /* digits of its name */
#define NAME_TEXT  63   /* of anything in PostgreSQL */
#define TABLE_TEXT 260  /* two of those, each in quotes with every character doubled */

static const struct field word[] = {{"", FIELD_TEXT, 0, 1, PATH_TEXT}};
static const char *const overwrite[] = {"always", "if-changed", "if-newer", "never", NULL};

/* clang-format off */
#define REPOSITORY {"repository", FIELD_TEXT, 0, 1, 200}
#define KEEP(name) {name, FIELD_INTEGER, 0, 0, 1000000}
#define TEXT(name) {name, FIELD_TEXT, 0, 1, PATH_TEXT}
#define LIST(name) {name, FIELD_LIST, 0, 0, 1000, word}
#define SOME(name) {name, FIELD_LIST, 0, 1, 1000, word}
#define FLAG(name) {name, FIELD_BOOL}
#define SNAPSHOT {"snapshot", FIELD_TEXT, FIELD_REQUIRED, 1, PATH_TEXT}
/* Of a restore of one database, or of tables. */
#define DATABASE \
    {"into", FIELD_TEXT, 0, 1, NAME_TEXT}, SOME("tables"), \
    SOME("schemas"), {"as", FIELD_TEXT, 0, 1, TABLE_TEXT}, FLAG("data_only")
/* clang-format on */

static const struct field backup_fields[] = {
    REPOSITORY, FLAG("dry_run"), FLAG("force"), FLAG("skip_if_unchanged"), LIST("tags"), {0}};
static const struct field drill_fields[] = {REPOSITORY, TEXT("snapshot"), {0}};
static const struct field check_fields[] = {
    REPOSITORY, FLAG("read_data"), TEXT("read_data_subset"), FLAG("repair"), {0}};
static const struct field copy_fields[] = {FLAG("dry_run"), LIST("snapshots"), {0}};
static const struct field prune_fields[] = {REPOSITORY,          FLAG("dry_run"),
                                            TEXT("max_unused"),  TEXT("max_repack_size"),
                                            FLAG("empty_trash"), {0}};
static const struct field forget_fields[] = {
    REPOSITORY,          FLAG("dry_run"),      FLAG("prune"),
    KEEP("keep_last"),   KEEP("keep_hourly"),  KEEP("keep_daily"),
    KEEP("keep_weekly"), KEEP("keep_monthly"), KEEP("keep_yearly"),
    TEXT("keep_within"), TEXT("approve"),      LIST("keep_tags"),
    LIST("snapshots"),   SOME("undo"),         {0}};
static const struct field plan_fields[] = {REPOSITORY, SNAPSHOT, FLAG("in_place"), DATABASE, {0}};
static const struct field restore_fields[] = {REPOSITORY,
                                              SNAPSHOT,
                                              FLAG("in_place"),
                                              DATABASE,
                                              TEXT("target"),
                                              FLAG("dry_run"),
                                              LIST("include"),
                                              LIST("exclude"),
                                              {"overwrite", FIELD_CHOICE, .words = overwrite},
                                              FLAG("delete"),
                                              FLAG("verify"),
                                              FLAG("numeric_ids"),
                                              FLAG("no_owner"),
                                              {0}};
static const struct field no_fields[] = {{0}};
static const struct field repository_fields[] = {REPOSITORY, {0}};
static const struct field reencrypt_fields[] = {REPOSITORY, TEXT("max_repack_size"), {0}};
static const struct field parity_fields[] = {REPOSITORY, TEXT("percent"), TEXT("shards"), {0}};
static const struct field tag_fields[] = {REPOSITORY,
                                          {"snapshots", FIELD_LIST, FIELD_REQUIRED, 1, 1000, word},
                                          LIST("add"),
                                          LIST("remove"),
                                          {0}};
static const struct field undo_fields[] = {
    {"restore", FIELD_TEXT, FIELD_REQUIRED, 8, RESTORE_ID}, FLAG("discard"), {0}};

/* What the end of a path asks for. */
struct kind {
    const char *word;   /* behind the set */
    const char *action; /* of the audit log */
    const struct field *fields;
    enum catalog_run_kind kind;
    bool names_repository; /* works on one, which has to be said when the set has several */
    bool is_restore;       /* one at a time of a set */
    bool is_dry_run;
    const char *command; /* what several of one kind are told apart by (job.h); or NULL */
};

#define REENCRYPT "key reencrypt"

static const struct kind kinds[] = {
    {"backup", "backup", backup_fields, RUN_BACKUP, false, false},
    {"drill", "verify", drill_fields, RUN_DRILL, false, false},
    {"check", "check", check_fields, RUN_CHECK, true, false},
    {"test", "config.test", no_fields, RUN_CHECK, false, false, false, "config test"},
    {"copy", "copy", copy_fields, RUN_COPY, false, false},
    {"prune", "prune", prune_fields, RUN_PRUNE, true, false},
    {"forget", "retention", forget_fields, RUN_RETENTION, false, false},
    {"restore/plan", "restore.plan", plan_fields, RUN_RESTORE, false, false},
    {"restore", "restore", restore_fields, RUN_RESTORE, false, true},
    {"undo", "restore.undo", undo_fields, RUN_RESTORE, false, true},
    {"tag", "tag", tag_fields, RUN_RETENTION, true, false, false, "tag"},
    {"stats", "stats", repository_fields, RUN_CHECK, true, false, false, "stats"},
    {"keys", "key.list", repository_fields, RUN_CHECK, true, false, false, "key list"},
    {"keys/epochs", "key.epochs", repository_fields, RUN_CHECK, true, false, true, REENCRYPT},
    {"keys/reencrypt", "key.reencrypt", reencrypt_fields, RUN_PRUNE, true, false, false, REENCRYPT},
    {"parity/status", "parity.status", repository_fields, RUN_CHECK, true, false, false,
     "parity status"},
    {"parity/enable", "parity.enable", parity_fields, RUN_CHECK, true, false, false,
     "parity enable"},
    {"parity/disable", "parity.disable", repository_fields, RUN_CHECK, true, false, false,
     "parity disable"},
    {"repair/index", "repair.index", repository_fields, RUN_CHECK, true, false, false,
     "repair index"},
    {"repair/packs", "repair.packs", repository_fields, RUN_CHECK, true, false, false,
     "repair packs"},
};

struct order {
    struct request *r;
    const struct kind *kind;
    const char *set;
    json_t *arguments; /* owned */
    struct buf text;   /* of them */
    struct catalog_job_ids ids;
};

static const struct kind *kind_of(const struct request *r)
{
    const char *name = request_route(r)->path + sizeof("/api/v1/sets/{set}/") - 1;
    size_t i = 0;

    while (strcmp(kinds[i].word, name) != 0)
        i++;
    return &kinds[i];
}

static bool refuse(struct request *r, const char *sentence)
{
    reply_problem(r, 400, "invalid_field", sentence);
    return false;
}

/* They become command lines, which others see. */
static bool has_control(const json_t *value)
{
    const char *text = json_string_value(value);
    const json_t *one;
    size_t i;

    for (i = 0; text != NULL && text[i] != '\0'; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return true;
    json_array_foreach(value, i, one)
    {
        if (has_control(one))
            return true;
    }
    return false;
}

static bool check_texts(struct request *r, const json_t *arguments)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *)(uintptr_t)arguments, name, value)
    {
        AUTO(buf) struct buf line = {0};

        if (!has_control(value))
            continue;
        buf_printf(&line, "%s: has a control character in it", name);
        return refuse(r, buf_string(&line));
    }
    return true;
}

/* The repository is one of the set's; what works on one and names none gets the only one. */
static bool take_repository(const struct order *o)
{
    const struct service_set *set = service_find_set(auth_service(o->r), o->set);
    const char *name = auth_text(o->arguments, "repository");

    if (set == NULL)
        return true; /* of the API: the job knows */
    for (size_t i = 0; name != NULL && i < set->repository_count; i++)
        if (strcmp(set->repositories[i], name) == 0)
            return true;
    if (name != NULL)
        return refuse(o->r, "repository: is none of the set's");
    if (!o->kind->names_repository)
        return true;
    if (set->repository_count != 1)
        return refuse(o->r, "repository: the set has several, name one");
    (void)json_object_set_new(o->arguments, "repository", json_string(set->repositories[0]));
    return true;
}

/* A name directly in a folder, so that nothing that was restored there before can lead elsewhere.
 */
static bool is_in(const char *path, const char *folder)
{
    size_t size = strlen(folder);

    while (size > 0 && folder[size - 1] == '/')
        size--;
    if (path[0] != '/' || strncmp(path, folder, size) != 0 || path[size] != '/')
        return false;
    path += size + 1;
    return path[0] != '\0' && strchr(path, '/') == NULL && strcmp(path, ".") != 0 &&
           strcmp(path, "..") != 0;
}

static bool is_given(const struct order *o, const char *name)
{
    const json_t *value = json_object_get(o->arguments, name);

    return value != NULL && !json_is_false(value);
}

/* Tables and schemas go into the set's database, and with `into` into one that is made, as all of a
 * database does: on the server of the set's source, which is what the snapshot's path has to name.
 * What else can be said of a restore is about files. */
static bool take_database(const struct order *o)
{
    static const char *const others[] = {"target",    "dry_run", "include", "exclude",
                                         "overwrite", "delete",  "verify",  "numeric_ids",
                                         "no_owner",  NULL};
    const char *place = strchr(auth_text(o->arguments, "snapshot"), ':');
    const bool has_part = is_given(o, "tables") || is_given(o, "schemas");

    if (place == NULL || strncmp(place, ":/postgres/", strlen(":/postgres/")) != 0)
        return refuse(o->r, "snapshot: into, tables and schemas need ID:/postgres/NAME");
    for (size_t i = 0; others[i] != NULL; i++)
        if (is_given(o, others[i]))
            return refuse(o->r, "into, tables and schemas: nothing else is chosen");
    if (is_given(o, "into") && auth_text(o->arguments, "into")[0] == '/')
        return refuse(o->r, "into: is the name of a database, and no path");
    if (is_given(o, "as") && !has_part)
        return refuse(o->r, "tables: as needs one");
    return !is_given(o, "into") || (!is_given(o, "in_place") && !is_given(o, "data_only")) ||
           refuse(o->r, "into: is a database to be made: in_place and data_only need one that is "
                        "there");
}

/* Where a restore may go: back to where the set is, or into a folder that the owner of the machine
 * has named for it. */
static bool take_target(const struct order *o)
{
    const struct service *s = auth_service(o->r);
    const char *target = auth_text(o->arguments, "target");
    static const char *const of_database[] = {"into", "tables", "schemas", "as", "data_only"};

    for (size_t i = 0; i < sizeof(of_database) / sizeof(of_database[0]); i++)
        if (is_given(o, of_database[i]))
            return take_database(o);
    if (o->kind->fields == plan_fields) {
        (void)json_object_set_new(o->arguments, "in_place", json_true());
        return true;
    }
    if (json_is_true(json_object_get(o->arguments, "in_place")) == (target != NULL))
        return refuse(o->r, "target: either it or in_place is needed");
    for (size_t i = 0; target != NULL && i < s->restore_target_count; i++)
        if (is_in(target, s->restore_targets[i]))
            return true;
    return target == NULL ||
           refuse(o->r,
                  "target: is no name in a folder that the configuration lists as restore_targets");
}

/* The arguments of the job.  False after answering. */
static bool read_arguments(struct order *o)
{
    const json_t *body = NULL;

    if (request_body(o->r).size > 0 && !request_json(o->r, o->kind->fields, &body))
        return false;
    o->arguments = body == NULL ? json_object() : json_deep_copy(body);
    if (body == NULL && o->kind->kind == RUN_RESTORE)
        return refuse(o->r, o->kind->fields == undo_fields ? "restore: is missing"
                                                           : "snapshot: is missing");
    if (body == NULL && o->kind->fields == tag_fields)
        return refuse(o->r, "snapshots: is missing");
    if (!check_texts(o->r, o->arguments) || !take_repository(o) ||
        ((o->kind->fields == restore_fields || o->kind->fields == plan_fields) && !take_target(o)))
        return false;
    if (o->kind->fields == plan_fields)
        (void)json_object_set_new(o->arguments, "plan", json_true());
    if (o->kind->fields == restore_fields && auth_text(o->arguments, "target") != NULL)
        (void)json_object_set_new(o->arguments, "uploads", json_true());
    if (o->kind->command != NULL)
        (void)json_object_set_new(o->arguments, "command", json_string(o->kind->command));
    if (o->kind->is_dry_run)
        (void)json_object_set_new(o->arguments, "dry_run", json_true());
    json_append(o->arguments, &o->text);
    return true;
}

/* Writing */

/* That no other one of this kind waits or runs. */
static bool check_alone(struct catalog_tx *t, const struct order *o, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs = {0};

    if (!catalog_job_list(t, &a, &jobs, e))
        return false;
    for (size_t i = 0; i < jobs.count; i++)
        if (jobs.items[i].kind == RUN_RESTORE && strcmp(jobs.items[i].set, o->set) == 0)
            return err_set(e, ERR_EXISTS, "a restore of this set is under way");
    return true;
}

/* Of a repository, whichever set it was ordered for. */
static bool check_alone_there(struct catalog_tx *t, const struct order *o, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_job_list jobs = {0};

    if (!catalog_job_list(t, &a, &jobs, e))
        return false;
    for (size_t i = 0; i < jobs.count; i++) {
        AUTO(json) json_t *other = api_document(jobs.items[i].arguments);

        if (jobs.items[i].kind == o->kind->kind &&
            json_equal(json_object_get(other, "command"),
                       json_object_get(o->arguments, "command")) &&
            json_equal(json_object_get(other, "repository"),
                       json_object_get(o->arguments, "repository")))
            return err_set(e, ERR_EXISTS, "the repository is being reencrypted, or will be");
    }
    return true;
}

/* That the restore to be undone was one of this set. */
static bool check_undo(struct catalog_tx *t, const struct order *o, struct err *e)
{
    const struct catalog_page page = {.limit = LOOK_BACK};
    const struct catalog_run_filter f = {.set = o->set, .kind = RUN_RESTORE, .state = -1};
    const char *wanted = auth_text(o->arguments, "restore");
    AUTO(arena) struct arena a = {0};
    struct catalog_run_list runs = {0};

    if (!catalog_run_list(t, &f, &page, &a, &runs, e))
        return false;
    for (size_t i = 0; i < runs.count; i++) {
        AUTO(json) json_t *details = api_document(runs.items[i].outcome.details);
        const char *id = json_string_value(json_object_get(details, "restore_id"));

        if (id != NULL && strcmp(id, wanted) == 0)
            return true;
    }
    return err_set(e, ERR_NOT_FOUND, "no such restore of this set");
}

static bool write_order(struct catalog_tx *t, void *arg, struct err *e)
{
    struct order *o = arg;
    const struct catalog_job_request q = {
        .kind = o->kind->kind,
        .set = o->set,
        .variant = o->kind->command,
        .arguments = buf_string(&o->text),
        .cause = CAUSE_API,
        .requested_by = request_principal(o->r)->name,
        .writer = o->set,
        .attempts_max = 1,
    };
    AUTO(json) json_t *answer = NULL;
    bool is_known = false;

    if (!api_set_is_known(auth_service(o->r), t, o->set, &is_known, e))
        return false;
    if (!is_known)
        return err_set(e, ERR_NOT_FOUND, "no such set");
    if ((o->kind->is_restore && !check_alone(t, o, e)) ||
        (o->kind->fields == reencrypt_fields && !check_alone_there(t, o, e)) ||
        (o->kind->fields == undo_fields && !check_undo(t, o, e)) ||
        !catalog_job_enqueue(t, &q, &o->ids, e))
        return false;
    answer = json_pack("{s:s}", "job", o->ids.job);
    return auth_audit(t, o->r,
                      &(struct auth_record){.action = o->kind->action,
                                            .object = o->set,
                                            .outcome = "done",
                                            .details = json_pack("{s:s, s:O}", "job", o->ids.job,
                                                                 "arguments", o->arguments)},
                      e) &&
           once_keep(t, o->r, 202, answer, e);
}

static void post_order(struct request *r)
{
    struct order o = {.r = r, .kind = kind_of(r), .set = request_parameter(r, "set")};

    if (read_arguments(&o) && auth_write(r, write_order, &o))
        reply_job(r, o.ids.job);
    json_decref(o.arguments);
    buf_done(&o.text);
}

#define FLAGS ROUTE_CSRF | ROUTE_IDEMPOTENT | ROUTE_OPTIONAL_BODY

const struct route api_order_routes[] = {
    {METHOD_POST, "/api/v1/sets/{set}/backup", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Back up a set"},
    {METHOD_POST, "/api/v1/sets/{set}/drill", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Prove that a snapshot can be brought back"},
    {METHOD_POST, "/api/v1/sets/{set}/check", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Look for damage in a repository of a set"},
    {METHOD_POST, "/api/v1/sets/{set}/test", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Try what backups of a set need"},
    {METHOD_POST, "/api/v1/sets/{set}/copy", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Copy snapshots to the set's further repositories"},
    {METHOD_POST, "/api/v1/sets/{set}/stats", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Measure a repository of a set"},
    {METHOD_POST, "/api/v1/sets/{set}/keys", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Look what opens a repository"},
    {METHOD_POST, "/api/v1/sets/{set}/keys/epochs", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Measure what past keys of a repository still read"},
    {METHOD_POST, "/api/v1/sets/{set}/keys/reencrypt", API_REMOVE, FLAGS | ROUTE_STEP_UP,
     AUTH_BODY_MAX, AUTH_JSON, .handler = post_order,
     .summary = "Pack again what past keys of a repository still read"},
    {METHOD_POST, "/api/v1/sets/{set}/parity/status", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Look how much of a repository has parity"},
    {METHOD_POST, "/api/v1/sets/{set}/parity/enable", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Keep parity beside what a repository stores"},
    {METHOD_POST, "/api/v1/sets/{set}/parity/disable", API_REMOVE, FLAGS | ROUTE_STEP_UP,
     AUTH_BODY_MAX, AUTH_JSON, .handler = post_order,
     .summary = "Remove the parity of a repository"},
    {METHOD_POST, "/api/v1/sets/{set}/repair/index", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Make the index of a repository anew from its packs"},
    {METHOD_POST, "/api/v1/sets/{set}/repair/packs", API_RUN, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "Heal damaged packs of a repository"},
    {METHOD_POST, "/api/v1/sets/{set}/tag", API_REMOVE, FLAGS | ROUTE_STEP_UP, AUTH_BODY_MAX,
     AUTH_JSON, .handler = post_order, .summary = "Change the tags of snapshots"},
    {METHOD_POST, "/api/v1/sets/{set}/prune", API_REMOVE, FLAGS | ROUTE_STEP_UP, AUTH_BODY_MAX,
     AUTH_JSON, .handler = post_order, .summary = "Remove data that no snapshot needs"},
    {METHOD_POST, "/api/v1/sets/{set}/forget", API_REMOVE, FLAGS | ROUTE_STEP_UP, AUTH_BODY_MAX,
     AUTH_JSON, .handler = post_order, .summary = "Forget snapshots by the set's rules or others"},
    {METHOD_POST, "/api/v1/sets/{set}/restore/plan", API_RESTORE, FLAGS, AUTH_BODY_MAX, AUTH_JSON,
     .handler = post_order, .summary = "What a restore would change"},
    {METHOD_POST, "/api/v1/sets/{set}/restore", API_RESTORE, FLAGS | ROUTE_STEP_UP, AUTH_BODY_MAX,
     AUTH_JSON, .handler = post_order, .summary = "Bring a snapshot back"},
    {METHOD_POST, "/api/v1/sets/{set}/undo", API_RESTORE, FLAGS | ROUTE_STEP_UP, AUTH_BODY_MAX,
     AUTH_JSON, .handler = post_order, .summary = "Undo a restore in place"},
};
const size_t api_order_route_count = sizeof(api_order_routes) / sizeof(api_order_routes[0]);
