/*
 * Archives of other programs by the API: what comes as a form is written down as it comes, and a
 * job makes a snapshot of it.  Nothing of the archive is looked at here: the job starts a process
 * for that which may do nothing else (docs/sandbox.md).
 */
#include <string.h>

#include "base/text.h"
#include "server/api_private.h"
#include "server/deposit.h"

#define BODY_MAX   ((uint64_t)1 << 50) /* api_routes_limit() sets the one that counts */
#define MINUTE_MAX 60
#define TEXT_MAX   255 /* bytes of a field that is no file */

/* The same as FOREIGN_KEY_MAX of src/archive and IMPORT_KEYS_MAX of src/job, which are not known
 * here. */
#define KEY_MAX  ((uint64_t)4 << 10)
#define KEYS_MAX 16

/* The body's bound is that of the archive. */
#define ARCHIVE_MAX UINT64_MAX

/* Fields that are no files; each becomes an argument of the job. */
static const struct option {
    const char *name;
    bool is_flag;
} options[] = {{"as", false},         {"name", false},
               {"repository", false}, {"allow_unauthenticated", true},
               {"as_members", true},  {"dry_run", true}};

struct intake {
    struct request *r;
    const char *set;
    struct deposit to;
    json_t *arguments; /* owned */
    struct buf text;   /* of them, when all is there */
    bool has_archive;
    int keys;
    uint64_t size; /* of the archive */
    struct catalog_job_ids ids;

    /* The part that is being read: a file, or an option. */
    uint64_t part_size, part_max;
    const struct option *option; /* or NULL */
    struct buf value;            /* of it */
    unsigned seen;               /* bits of options that came */
};

static void intake_auto(struct intake *i)
{
    json_decref(i->arguments);
    buf_done(&i->text);
    buf_done(&i->value);
    deposit_auto(&i->to);
}

/* Parts of the form */

/* Texts become command lines, which others see. */
static bool is_plain(struct slice text)
{
    for (size_t n = 0; n < text.size; n++)
        if (text.data[n] < ' ' || text.data[n] == 0x7f)
            return false;
    return text.size > 0 && utf8_is_valid(text);
}

/* The archive keeps its name, by which bundles say when they are of. */
static bool begin_archive(struct intake *i, const char *file, struct err *e)
{
    const char *slash = strrchr(file, '/');
    const char *name = slash != NULL ? slash + 1 : file;

    if (i->has_archive)
        return err_set(e, ERR_USAGE, "archive: is there twice");
    if (!is_plain(slice_string(name)) || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return err_set(e, ERR_USAGE, "archive: the file needs a name in one line");
    i->has_archive = true;
    i->part_max = ARCHIVE_MAX;
    (void)json_object_set_new(i->arguments, "file", json_string(name));
    return deposit_archive(&i->to, name, e);
}

static bool begin_key(struct intake *i, struct err *e)
{
    if (i->keys == KEYS_MAX)
        return err_set(e, ERR_USAGE, "key: at most %d", KEYS_MAX);
    i->part_max = KEY_MAX;
    return deposit_key(&i->to, i->keys++, e);
}

static bool begin_option(struct intake *i, const char *name, struct err *e)
{
    size_t n = 0;

    while (n < sizeof(options) / sizeof(options[0]) && strcmp(options[n].name, name) != 0)
        n++;
    if (n == sizeof(options) / sizeof(options[0]))
        return err_set(e, ERR_USAGE, "%s: is no field of this form", name);
    if ((i->seen & 1U << n) != 0)
        return err_set(e, ERR_USAGE, "%s: is there twice", name);
    i->seen |= 1U << n;
    i->option = &options[n];
    i->part_max = TEXT_MAX;
    buf_clear(&i->value);
    return true;
}

static bool begin(void *arg, const char *name, const char *file, struct err *e)
{
    struct intake *i = arg;

    i->part_size = 0;
    i->option = NULL;
    if (strcmp(name, "archive") == 0)
        return file != NULL ? begin_archive(i, file, e)
                            : err_set(e, ERR_USAGE, "archive: must be a file");
    if (strcmp(name, "key") == 0)
        return begin_key(i, e);
    return file == NULL ? begin_option(i, name, e)
                        : err_set(e, ERR_USAGE, "%s: is no file of this form", name);
}

static bool bytes(void *arg, struct slice piece, struct err *e)
{
    struct intake *i = arg;

    i->part_size += piece.size;
    if (i->part_size > i->part_max)
        return err_set(e, ERR_USAGE, "%s: has at most %llu bytes",
                       i->option != NULL ? i->option->name : "key",
                       (unsigned long long)i->part_max);
    if (i->option != NULL) {
        buf_append_slice(&i->value, piece);
        return true;
    }
    return deposit_bytes(&i->to, piece, e);
}

static bool end_option(struct intake *i, struct err *e)
{
    const struct slice text = buf_slice(&i->value);
    const bool is_true = slice_is_equal(text, slice_string("true"));
    json_t *value;

    if (i->option->is_flag && !is_true && !slice_is_equal(text, slice_string("false")))
        return err_set(e, ERR_USAGE, "%s: must be true or false", i->option->name);
    if (!i->option->is_flag && !is_plain(text))
        return err_set(e, ERR_USAGE, "%s: must be a text of 1 to %d bytes in one line",
                       i->option->name, TEXT_MAX);
    value = i->option->is_flag ? json_boolean(is_true)
                               : json_stringn((const char *)text.data, text.size);
    (void)json_object_set_new(i->arguments, i->option->name, value);
    return true;
}

static bool end(void *arg, struct err *e)
{
    struct intake *i = arg;

    if (i->option != NULL)
        return end_option(i, e);
    if (i->part_max == ARCHIVE_MAX)
        i->size = i->part_size;
    return deposit_end(&i->to, e);
}

/* The body */

static bool read_form(struct intake *i, struct multipart *m, struct err *e)
{
    if (!deposit_read(i->r, m, e))
        return false;
    if (!i->has_archive)
        return err_set(e, ERR_USAGE, "archive: is missing");
    return i->size > 0 || err_set(e, ERR_USAGE, "archive: is empty");
}

/* The set's repository that the job works on: the only one, when none is named. */
static bool check_arguments(struct intake *i, struct err *e)
{
    const struct service_set *set = service_find_set(auth_service(i->r), i->set);
    const char *named = auth_text(i->arguments, "repository");

    if (set == NULL)
        return true; /* of the API: the job knows */
    for (size_t n = 0; named != NULL && n < set->repository_count; n++)
        if (strcmp(set->repositories[n], named) == 0)
            return true;
    if (named != NULL)
        return err_set(e, ERR_USAGE, "repository: is none of the set's");
    return set->repository_count == 1 ||
           err_set(e, ERR_USAGE, "repository: the set has several, name one");
}

static bool write_order(struct catalog_tx *t, void *arg, struct err *e)
{
    struct intake *i = arg;
    const struct service *s = auth_service(i->r);
    const struct catalog_job_request q = {.kind = RUN_IMPORT,
                                          .set = i->set,
                                          .arguments = buf_string(&i->text),
                                          .cause = CAUSE_API,
                                          .requested_by = request_principal(i->r)->name,
                                          .bound_to = s->host, /* where the archive lies */
                                          .writer = i->set,
                                          .attempts_max = 1};

    return catalog_job_enqueue(t, &q, &i->ids, e) &&
           auth_audit(t, i->r,
                      &(struct auth_record){
                          .action = "import",
                          .object = i->set,
                          .outcome = "done",
                          .details = json_pack("{s:s, s:O, s:I}", "job", i->ids.job, "arguments",
                                               i->arguments, "size", (json_int_t)i->size)},
                      e);
}

/* What is wrong with what came, or why it could not be kept. */
static void reply_failure(const struct intake *i, const struct err *e)
{
    struct err own = *e;

    own.code = ERR_FATAL;
    if (i->to.is_ours)
        reply_err(i->r, &own);
    else if (e->code == ERR_USAGE)
        reply_problem(i->r, 400, "invalid_form", e->text);
    else if (!request_is_gone(i->r))
        reply_problem(i->r, 413, "body_too_large", "the body is larger than this path takes");
}

static bool begin_arrival(struct intake *i)
{
    const struct service *s = auth_service(i->r);
    struct err e = {0};

    if (deposit_begin(&i->to, s, &e))
        return true;
    if (e.code == ERR_TRANSIENT) {
        reply_header(i->r, "Retry-After", "5");
        reply_problem(i->r, 503, "busy", e.text);
    } else {
        reply_err(i->r, &e);
    }
    return false;
}

static void take_in(struct intake *i, struct multipart *m)
{
    struct err e = {0};

    if (!begin_arrival(i))
        return;
    if (!read_form(i, m, &e) || !check_arguments(i, &e)) {
        reply_failure(i, &e);
        return;
    }
    (void)json_object_set_new(i->arguments, "arrival", json_string(i->to.arrival.id));
    (void)json_object_set_new(i->arguments, "keys", json_integer(i->keys));
    json_append(i->arguments, &i->text);
    if (auth_write(i->r, write_order, i))
        reply_job(i->r, i->ids.job);
}

static void post_import(struct request *r)
{
    const struct service *s = auth_service(r);
    AUTO(intake)
    struct intake i = {
        .r = r, .set = request_parameter(r, "set"), .to = DEPOSIT_NONE, .arguments = json_object()};
    const struct multipart_taker to = {&i, begin, bytes, end};
    AUTO(multipart) struct multipart *m = NULL;
    AUTO(arena) struct arena a = {0};
    struct service_set found;
    struct err e;

    if (s->begin_arrival == NULL)
        reply_problem(r, 404, "not_found", "nothing can be imported here");
    else if (!service_look_set(s, i.set, &a, &found))
        reply_problem(r, 404, "not_found", "no such set");
    else if (!multipart_new(request_header(r, "Content-Type"), &to, &m, &e))
        reply_problem(r, 400, "invalid_form", e.text);
    else
        take_in(&i, m);
}

const struct route api_import_routes[] = {
    {METHOD_POST, "/api/v1/sets/{set}/imports", API_UPLOAD,
     ROUTE_CSRF | ROUTE_STEP_UP | ROUTE_STREAM, BODY_MAX, "multipart/form-data", MINUTE_MAX,
     .handler = post_import, .summary = "Make a snapshot of an archive of another program"},
};
const size_t api_import_route_count = sizeof(api_import_routes) / sizeof(api_import_routes[0]);
