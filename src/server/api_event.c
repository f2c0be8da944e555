/*
 * News of jobs as they happen, for as long as who listens may: "started", "progress", "logged" and
 * "ended" of the topic "jobs/ID".
 */
#include <string.h>

#include "server/api_private.h"
#include "server/websocket.h"

#define TOPIC_MAX 64

/* Whether a job is of a set that the token is for. */
static bool may_hear(const struct request *r, const char *topic, bool *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_job j;

    *out = false;
    if (strncmp(topic, "jobs/", 5) != 0)
        return true;
    if (!catalog_begin_read(auth_service(r)->catalog, &t, e))
        return false;
    if (!catalog_job_get(t, topic + 5, &a, &j, e))
        return e->code == ERR_NOT_FOUND;
    *out = principal_has_set(request_principal(r), j.set);
    return true;
}

/* What the query says, "" for all.  NULL after answering. */
static const char *read_topic(struct request *r)
{
    const char *topic = request_query(r, "topic");
    bool may = true;
    struct err e = {0};

    if (topic == NULL)
        topic = "";
    if (strlen(topic) > TOPIC_MAX ||
        strspn(topic, "abcdefghijklmnopqrstuvwxyz0123456789/") != strlen(topic)) {
        reply_problem(r, 400, "invalid_query", "topic: must be as jobs or jobs/ID");
        return NULL;
    }
    if (request_principal(r)->sets[0] != '\0' && !may_hear(r, topic, &may, &e)) {
        reply_err(r, &e);
        return NULL;
    }
    if (!may) {
        reply_problem(r, 403, "forbidden",
                      "the token is for some sets: name a job of theirs by topic");
        return NULL;
    }
    return topic;
}

static void get_events(struct request *r)
{
    const char *topic = read_topic(r);

    if (topic != NULL)
        reply_events(r, topic);
}

static void get_socket(struct request *r)
{
    const char *topic = read_topic(r);

    if (topic != NULL)
        reply_websocket(r, &websocket_events, (void *)(uintptr_t)topic);
}

const struct route api_event_routes[] = {
    {METHOD_GET, "/api/v1/events", API_READ, ROUTE_CHECKS_SETS | ROUTE_NO_HEAD,
     .handler = get_events, .summary = "News as Server-Sent Events"},
    {METHOD_GET, "/api/v1/events/socket", API_READ, ROUTE_CHECKS_SETS | ROUTE_NO_HEAD,
     .handler = get_socket, .summary = "News over a WebSocket"},
};
const size_t api_event_route_count = sizeof(api_event_routes) / sizeof(api_event_routes[0]);
