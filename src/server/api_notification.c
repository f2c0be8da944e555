/* Messages to people and programs: what became of them, and one to try. */
#include <string.h>

#include "notify/notify.h"
#include "server/api_private.h"

#define API_NOTIFY API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "backup:configure"

static int find_state(const char *word)
{
    for (int i = 0; i < OUTBOX_STATES; i++)
        if (strcmp(catalog_message_state_name((enum catalog_message_state)i), word) == 0)
            return i;
    return -1;
}

/* Who knows the address of a webhook may speak in its name: only those of mail are shown. */
static json_t *message_json(const struct catalog_message *m)
{
    return json_pack(
        "{s:s, s:s?, s:s, s:s?, s:s, s:I, s:o, s:s?, s:o, s:o}", "id", m->id, "run", m->run,
        "channel", m->channel, "recipient",
        strcmp(m->channel, channel_kind_name(CHANNEL_MAIL)) == 0 ? m->recipient : NULL, "state",
        catalog_message_state_name(m->state), "attempts", (json_int_t)m->attempts, "next_at",
        auth_time_json(m->state == OUTBOX_WAITING ? m->next_ns : 0), "error", m->error,
        "created_at", auth_time_json(m->created_ns), "ended_at", auth_time_json(m->ended_ns));
}

static void get_notifications(struct request *r)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(arena) struct arena a = {0};
    struct catalog_message_list list = {0};
    struct catalog_page page;
    int state = -1;
    json_t *items;
    struct err e = {0};

    if (!api_query_word(r, "state", find_state, &state) || !api_page(r, &page))
        return;
    if (!catalog_begin_read(auth_service(r)->catalog, &t, &e) ||
        !catalog_outbox_list(t, state, &page, &a, &list, &e)) {
        reply_err(r, &e);
        return;
    }
    items = json_array();
    for (size_t i = 0; i < list.count; i++)
        (void)json_array_append_new(items, message_json(&list.items[i]));

    const struct catalog_message *last = list.count > 0 ? &list.items[list.count - 1] : NULL;

    reply_json(r, 200,
               json_pack("{s:o, s:o}", "notifications", items, "next",
                         api_next(&page, list.count, last != NULL ? last->created_ns : 0,
                                  last != NULL ? last->id : "")));
}

struct test {
    struct request *r;
    const char *channel;
    enum channel_kind kind;
};

static bool queue_test(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct test *m = arg;
    const struct service *s = auth_service(m->r);

    return s->queue_test(s->arg, t, m->channel, e) &&
           auth_audit(t, m->r,
                      &(struct auth_record){.action = "notification.test",
                                            .object = channel_kind_name(m->kind),
                                            .outcome = "done"},
                      e);
}

static void post_test(struct request *r)
{
    static const struct field table[] = {{"channel", FIELD_TEXT, FIELD_REQUIRED, 1, 2000}, {0}};
    const json_t *body = NULL;
    struct test m = {.r = r};
    struct channel c;
    struct err e = {0};

    if (!request_json(r, table, &body))
        return;
    m.channel = auth_text(body, "channel");
    if (!channel_parse(m.channel, &c, &e)) {
        reply_problem(r, 400, "invalid_field", e.text);
        return;
    }
    m.kind = c.kind;
    if (auth_write(r, queue_test, &m))
        reply_json(r, 200, json_pack("{s:s}", "channel", channel_kind_name(c.kind)));
}

const struct route api_notification_routes[] = {
    {METHOD_GET, "/api/v1/notifications", API_NOTIFY, .handler = get_notifications,
     .summary = "Messages that wait, were sent or given up, newest first"},
    {METHOD_POST, "/api/v1/notifications/test", API_NOTIFY, ROUTE_CSRF, AUTH_BODY_MAX, AUTH_JSON, 5,
     post_test, "Send a message to see whether it arrives"},
};
const size_t api_notification_route_count =
    sizeof(api_notification_routes) / sizeof(api_notification_routes[0]);
