/* Queries, pages and records. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/api_private.h"

static bool refuse_query(struct request *r, const char *name, const char *what)
{
    AUTO(buf) struct buf line = {0};

    buf_printf(&line, "%s: %s", name, what);
    reply_problem(r, 400, "invalid_query", buf_string(&line));
    return false;
}

/* "1790000000000000000.4f0c...": where the page before ended. */
static bool read_cursor(const char *text, struct catalog_page *out)
{
    const size_t size = strcspn(text, ".");
    char digits[20];
    uint64_t ns = 0;
    struct err e;

    if (size >= sizeof(digits) || text[size] != '.')
        return false;
    memcpy(digits, text, size);
    digits[size] = '\0';
    text += size + 1;
    if (!parse_u64(digits, &ns, &e) || ns == 0 || ns > INT64_MAX || strlen(text) == 0 ||
        strlen(text) >= CATALOG_ID_SIZE || strspn(text, "0123456789abcdef") != strlen(text))
        return false;
    out->after_ns = (int64_t)ns;
    out->after_id = text;
    return true;
}

bool api_page(struct request *r, struct catalog_page *out)
{
    const char *limit = request_query(r, "limit");
    const char *after = request_query(r, "after");
    uint64_t n = API_LIMIT;
    struct err e;

    *out = (struct catalog_page){.limit = API_LIMIT};
    if (limit != NULL && (!parse_u64(limit, &n, &e) || n < 1 || n > API_LIMIT_MAX))
        return refuse_query(r, "limit", "must be 1 to 1000");
    out->limit = (size_t)n;
    return after == NULL || read_cursor(after, out) ||
           refuse_query(r, "after", "must be what a page gave as next");
}

json_t *api_next(const struct catalog_page *p, size_t count, int64_t created_ns, const char *id)
{
    AUTO(buf) struct buf text = {0};

    if (count < p->limit)
        return json_null();
    buf_printf(&text, "%" PRId64 ".%s", created_ns, id);
    return json_string(buf_string(&text));
}

bool api_query_word(struct request *r, const char *name, int (*find)(const char *word), int *out)
{
    const char *word = request_query(r, name);

    *out = word == NULL ? -1 : find(word);
    return word == NULL || *out >= 0 ||
           refuse_query(r, name, "is none of the words that it can be");
}

bool api_query_time(struct request *r, const char *name, int64_t *out)
{
    const char *text = request_query(r, name);
    struct err e;

    *out = 0;
    return text == NULL || clock_parse(text, out, &e) ||
           refuse_query(r, name, "must be a time as in 2026-11-21T01:30:00Z");
}

bool api_query_set(struct request *r, const char **out)
{
    const struct principal *p = request_principal(r);

    *out = request_query(r, "set");
    if (p->sets[0] == '\0' || (*out != NULL && principal_has_set(p, *out)))
        return true;
    reply_problem(r, 403, "forbidden", "the token is for some sets: name one of them by set");
    return false;
}

json_t *api_document(const char *text)
{
    json_t *j = text == NULL ? NULL : json_loads(text, JSON_DECODE_ANY, NULL);

    return j != NULL ? j : json_null();
}

json_t *api_run_json(const struct catalog_run *run, bool is_whole)
{
    const struct catalog_outcome *o = &run->outcome;
    json_t *j = json_pack(
        "{s:s, s:s?, s:I, s:s?, s:s, s:s, s:s?, s:s, s:s, s:s, s:o, s:o, s:o, s:s?, s:s?, s:s?,"
        " s:I, s:I, s:I, s:s?, s:s?}",
        "id", run->id, "job", run->job, "attempt", (json_int_t)run->attempt, "config", run->config,
        "set", run->set, "kind", catalog_run_kind_name(run->kind), "variant", run->variant, "state",
        catalog_run_state_name(o->state), "cause", catalog_run_cause_name(run->cause),
        "requested_by", run->requested_by, "created_at", auth_time_json(run->created_ns),
        "started_at", auth_time_json(run->started_ns), "ended_at", auth_time_json(run->ended_ns),
        "snapshot", o->snapshot, "verdict", o->verdict, "checksum", o->checksum, "bytes",
        (json_int_t)o->bytes, "bytes_added", (json_int_t)o->bytes_added, "files",
        (json_int_t)o->files, "error_code", o->error_code, "error", o->error);

    if (is_whole) {
        (void)json_object_set_new(j, "progress", api_document(run->progress));
        (void)json_object_set_new(j, "details", api_document(o->details));
    }
    return j;
}

bool api_set_is_known(const struct service *s, struct catalog_tx *t, const char *name, bool *out,
                      struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_config c;

    *out = service_find_set(s, name) != NULL || catalog_config_get(t, name, &a, &c, e);
    return *out || e->code == ERR_NOT_FOUND;
}

json_t *api_time_zone(const struct service *s, const struct catalog_config_list *configs,
                      const char *set)
{
    const struct service_set *own = service_find_set(s, set);
    AUTO(json) json_t *document = NULL;
    const char *zone = own != NULL ? own->timezone : NULL;

    for (size_t i = 0; own == NULL && document == NULL && i < configs->count; i++)
        if (strcmp(configs->items[i].id, set) == 0)
            document = api_document(configs->items[i].document);
    if (document != NULL)
        zone = json_string_value(json_object_get(document, "timezone"));
    return zone == NULL ? json_null() : json_string(zone);
}
