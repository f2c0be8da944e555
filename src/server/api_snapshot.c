/*
 * Looking into the snapshots of a set (look.h).
 */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/api_private.h"
#include "server/guard.h"
#include "server/link.h"
#include "server/look.h"

#define PATTERN_MAX  1000
#define STARS_MAX    8 /* of a pattern: the time that comparing takes grows with each */
#define LINKS_MINUTE 60

/* Routes */

static void get_snapshots(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "snapshots", "application/json");
    const char *limit = request_query(r, "limit");
    uint64_t n = API_LIMIT;
    struct err e;

    if (limit != NULL && (!parse_u64(limit, &n, &e) || n < 1 || n > API_LIMIT_MAX)) {
        (void)look_refuse(r, "limit", "must be 1 to 1000"); /* it is answered */
        return;
    }
    (void)json_object_set_new(l.arguments, "page", json_integer((json_int_t)n)); /* cannot fail */
    if (!look_text(&l, "repository") || !look_after(&l) || !look_flag(&l, "uploads") ||
        !look_flag(&l, "forgotten"))
        return;

    const char *tag = request_query(r, "tag");

    if (tag != NULL && (*tag == '\0' || !look_is_plain(tag))) {
        (void)look_refuse(r, "tag",
                          "must be a text without control characters"); /* it is answered */
        return;
    }
    if (tag != NULL)
        (void)json_object_set_new(l.arguments, "tags", json_pack("[s]", tag)); /* cannot fail */
    look_answer(&l);
}

static void get_snapshot(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "snapshots", NULL);

    if (!look_snapshot(&l) || !look_text(&l, "repository") || !look_read(&l))
        return;

    AUTO(json)
    json_t *list = json_loadb((const char *)l.held.data, l.held.size, JSON_REJECT_DUPLICATES, NULL);
    struct err e = {0};

    if (json_array_size(list) == 1) {
        reply_json(r, 200, json_incref(json_array_get(list, 0)));
        return;
    }
    (void)err_set(&e, ERR_CORRUPT, "the list has %zu snapshots", json_array_size(list));
    reply_err(r, &e);
}

/* A list of the directories' own form, about databases. */
static void get_tables(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "ls", LOOK_NDJSON);

    (void)json_object_set_new(l.arguments, "databases", json_true()); /* cannot fail */
    if (look_snapshot(&l) && look_text(&l, "repository"))
        look_answer(&l);
}

static void get_files(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "ls", LOOK_NDJSON);

    if (look_snapshot(&l) && look_path(&l, "/") && look_flag(&l, "recursive") &&
        look_text(&l, "repository"))
        look_answer(&l);
}

static bool take_pattern(struct looking *l)
{
    const char *pattern = request_query(l->r, "pattern");
    size_t stars = 0;

    if (pattern == NULL || *pattern == '\0' || strlen(pattern) > PATTERN_MAX ||
        !look_is_plain(pattern))
        return look_refuse(l->r, "pattern", "must be 1 to 1000 bytes without control characters");
    for (const char *s = pattern; *s != '\0'; s++)
        stars += *s == '*';
    if (stars > STARS_MAX)
        return look_refuse(l->r, "pattern", "must have at most 8 times *");
    return look_word(l, pattern);
}

static void get_found(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "find", LOOK_NDJSON);
    const char *snapshot = request_query(r, "snapshot");

    (void)json_object_set_new(l.arguments, "lines", json_true()); /* cannot fail */
    if (snapshot != NULL) {
        if (!look_id(&l, "snapshot", snapshot))
            return;
        /* Not a word of this command, but its option. */
        (void)json_object_set_new(l.arguments, "in", json_pack("[s]", snapshot)); /* cannot fail */
        (void)json_array_clear(l.words);                                          /* cannot fail */
    }
    if (take_pattern(&l) && look_flag(&l, "ignore_case") && look_text(&l, "repository"))
        look_answer(&l);
}

static void get_diff(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "diff", LOOK_NDJSON);

    if (look_id(&l, "from", request_query(r, "from")) &&
        look_id(&l, "to", request_query(r, "to")) && look_flag(&l, "metadata") &&
        look_text(&l, "repository"))
        look_answer(&l);
}

static void get_stats(struct request *r)
{
    AUTO(looking) struct looking l = look_new(r, "stats", "application/json");

    (void)json_object_set_new(l.arguments, "mode", json_string("restore-size")); /* cannot fail */
    if (look_snapshot(&l) && look_text(&l, "repository"))
        look_answer(&l);
}

/* What a directory becomes. */
static bool take_archive(struct looking *l)
{
    const char *archive = request_query(l->r, "archive");

    l->is_zip = archive != NULL && strcmp(archive, "zip") == 0;
    if (archive != NULL && !l->is_zip && strcmp(archive, "tar") != 0)
        return look_refuse(l->r, "archive", "must be tar or zip");
    if (l->is_zip)
        (void)json_object_set_new(l->arguments, "archive", json_string(archive)); /* cannot fail */
    return true;
}

static void download(struct request *r, bool is_linked)
{
    AUTO(looking) struct looking l = look_new(r, "dump", "application/octet-stream");

    l.is_download = true;
    l.is_linked = is_linked;
    (void)json_object_set_new(l.arguments, "head", json_true()); /* cannot fail */
    if (look_snapshot(&l) && look_path(&l, NULL) && (is_linked || take_archive(&l)) &&
        look_text(&l, "repository") && look_record(&l, "restore.download"))
        look_answer(&l);
}

static void get_content(struct request *r)
{
    download(r, false);
}

static void get_link(struct request *r)
{
    download(r, true);
}

/* Links to one of them. */

static bool write_link(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct looking *l = arg;

    return auth_audit(
        t, l->r,
        &(struct auth_record){.action = "restore.link",
                              .object = request_parameter(l->r, "set"),
                              .outcome = "done",
                              .details = json_pack("{s:O}", "arguments", l->arguments)},
        e);
}

/* What the link is for becomes l's arguments.  False after answering. */
static bool take_object(struct looking *l, const json_t *body, struct link_object *out)
{
    const char *snapshot = request_parameter(l->r, "snapshot");
    AUTO(arena) struct arena a = {0};
    struct service_set found;

    *out = (struct link_object){auth_text(body, "path"), auth_text(body, "repository")};
    if (!service_look_set(auth_service(l->r), request_parameter(l->r, "set"), &a, &found)) {
        reply_problem(l->r, 404, "not_found", "no such set");
        return false;
    }
    /* Which one "latest" is changes, and so may what the first digits stand for. */
    if (strlen(snapshot) != LOOK_ID_MAX || strspn(snapshot, "0123456789abcdef") != LOOK_ID_MAX)
        return look_refuse(l->r, "snapshot", "must be the whole id, 64 hexadecimal digits");
    if (!look_check_path(l->r, out->file) || !look_word(l, snapshot) || !look_word(l, out->file))
        return false;
    if (out->repository == NULL)
        return true;
    if (!look_is_plain(out->repository))
        return look_refuse(l->r, "repository", "must be a text without control characters");
    (void)json_object_set_new(l->arguments, "repository",
                              json_string(out->repository)); /* cannot fail */
    return true;
}

static void post_link(struct request *r)
{
    static const struct field fields[] = {
        {"path", FIELD_TEXT, FIELD_REQUIRED, .low = 1, .high = GUARD_TARGET_MAX},
        {"repository", FIELD_TEXT, 0, .low = 1, .high = 200},
        {"seconds", FIELD_INTEGER, 0, .low = 1, .high = LINK_SECONDS_MAX},
        {0}};
    AUTO(looking) struct looking l = look_new(r, "dump", NULL);
    AUTO(buf) struct buf url = {0};
    const json_t *body = NULL;
    struct link_object o;
    struct err e = {0};

    if (!request_json(r, fields, &body) || !take_object(&l, body, &o))
        return;

    const json_t *seconds = json_object_get(body, "seconds");
    const int64_t expires_s = clock_now_ns() / NS_PER_S +
                              (seconds == NULL ? LINK_SECONDS_MAX : json_integer_value(seconds));

    if (!link_format(r, &o, expires_s, &url, &e)) {
        reply_err(r, &e);
        return;
    }
    (void)json_object_set_new(l.arguments, "expires_at",
                              auth_time_json(expires_s * NS_PER_S)); /* cannot fail */
    if (auth_write(r, write_link, &l))
        reply_json(r, 201,
                   json_pack("{s:s, s:o}", "url", buf_string(&url), "expires_at",
                             auth_time_json(expires_s * NS_PER_S)));
}

#define SNAPSHOT API_SNAPSHOT

const struct route api_snapshot_routes[] = {
    {METHOD_GET, "/api/v1/sets/{set}/snapshots", API_READ, ROUTE_NO_HEAD, .handler = get_snapshots,
     .summary = "Snapshots of a set, newest first"},
    {METHOD_GET, SNAPSHOT, API_READ, ROUTE_NO_HEAD, .handler = get_snapshot,
     .summary = "One snapshot"},
    {METHOD_GET, SNAPSHOT "/files", API_READ, ROUTE_NO_HEAD, .handler = get_files,
     .summary = "What a directory of a snapshot holds"},
    {METHOD_GET, SNAPSHOT "/tables", API_READ, ROUTE_NO_HEAD, .handler = get_tables,
     .summary = "Tables of the databases in a snapshot"},
    {METHOD_GET, SNAPSHOT "/stats", API_READ, ROUTE_NO_HEAD, .handler = get_stats,
     .summary = "How large a snapshot is when it is restored"},
    {METHOD_GET, SNAPSHOT "/content", API_RESTORE, ROUTE_NO_HEAD | ROUTE_STEP_UP,
     .handler = get_content, .summary = "A file of a snapshot, or a directory as tar or zip"},
    {METHOD_POST, SNAPSHOT "/link", API_RESTORE, ROUTE_CSRF | ROUTE_STEP_UP, AUTH_BODY_MAX,
     AUTH_JSON, LINKS_MINUTE, .handler = post_link,
     .summary = "Make a link by which one of them is read without cookie or token"},
    {METHOD_GET, SNAPSHOT "/link", API_RESTORE, ROUTE_NO_HEAD | ROUTE_ANY_ORIGIN | ROUTE_SIGNED,
     .handler = get_link, .summary = "The same as its content, for who has the link"},
    {METHOD_GET, "/api/v1/sets/{set}/files", API_READ, ROUTE_NO_HEAD, .handler = get_found,
     .summary = "Files with names like a pattern, in all snapshots of a set"},
    {METHOD_GET, "/api/v1/sets/{set}/diff", API_READ, ROUTE_NO_HEAD, .handler = get_diff,
     .summary = "What differs between two snapshots"},
};
const size_t api_snapshot_route_count =
    sizeof(api_snapshot_routes) / sizeof(api_snapshot_routes[0]);
