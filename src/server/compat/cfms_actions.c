/*
 * What may be asked, and what is looked at before it is done: in the order of the published server,
 * with its words.
 */
#include <string.h>

#include "server/auth.h"
#include "server/compat/cfms_private.h"

#define NAME_MAX_POINTS 255

enum caller {
    CALLER_ANYBODY,
    CALLER_MAY, /* who may order backups and imports */
};

struct action {
    const char *name;
    const struct cfms_member *members; /* of data */
    enum caller caller;
    cfms_action_fn *act;
};

static const struct cfms_member none[] = {{0}};
static const struct cfms_member login_members[] = {
    {"username", true, false, 1, CATALOG_USER_NAME_MAX},
    {"password", true, false, 1, AUTH_PASSWORD_FIELD},
    {0}};
static const struct cfms_member backup_members[] = {
    {"backup_name", false, false, 1, NAME_MAX_POINTS}, {0}};

static const struct cfms_member initiate_members[] = {{"timeout_seconds", false, true, 60, 3600},
                                                      {0}};
static const struct cfms_member task_members[] = {{"backup_task_id", true, false, 1, 255}, {0}};
static const struct cfms_member upload_members[] = {{"task_id", true, false, 1, 255}, {0}};

static const struct action actions[] = {
    {"server_info", none, CALLER_ANYBODY, cfms_server_info},
    {"login", login_members, CALLER_ANYBODY, cfms_login},
    {"refresh_token", none, CALLER_ANYBODY, cfms_refresh},
    {"generate_backup", backup_members, CALLER_MAY, cfms_backup},
    {"initiate_backup_import", initiate_members, CALLER_MAY, cfms_import_initiate},
    {"upload_file", upload_members, CALLER_ANYBODY, cfms_upload},
    {"start_backup_import", task_members, CALLER_MAY, cfms_import_start},
    {"get_backup_import_status", task_members, CALLER_MAY, cfms_import_status},
    {"register_listener", none, CALLER_MAY, cfms_listen},
};

void cfms_server_info(struct cfms_conn *c, const struct cfms_request *q,
                      const struct cfms_asker *who)
{
    (void)q;
    (void)who;
    cfms_conn_answer(c, 200,
                     json_pack("{s:s, s:s, s:i, s:b}", "server_name", "holdfast", "version",
                               HOLDFAST_VERSION, "protocol_version", 3, "lockdown", 0),
                     "Server information retrieved successfully");
}

static const struct action *action_find(const char *name)
{
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (strcmp(actions[i].name, name) == 0)
            return &actions[i];
    return NULL;
}

static void refuse_unknown(struct cfms_conn *c, const struct cfms_request *q)
{
    AUTO(buf) struct buf text = {0};

    if (q->action[0] == '\0') {
        cfms_conn_answer(c, 400, NULL, "No action specified in request");
        return;
    }
    buf_printf(&text, "Unknown action: %s", q->action);
    cfms_conn_answer(c, 400, NULL, buf_string(&text));
}

/* For somebody with a token, who may. */
static void act_for(struct cfms_conn *c, const struct cfms_request *q, const struct action *action)
{
    struct cfms_asker who = {0};
    int64_t login_ns;
    struct err e = {0};

    if (q->username[0] == '\0' || q->token[0] == '\0') {
        cfms_conn_answer(c, 401, NULL, "Authentication required");
    } else if (!cfms_token_check(cfms_conn_cfms(c), q, &who.arena, &who.user, &login_ns, &e)) {
        if (e.code == ERR_DENIED)
            cfms_conn_answer(c, 401, NULL, "Invalid user or token");
        else
            cfms_conn_fail(c, &e);
    } else {
        cfms_conn_know(c);
        if (cfms_may(&who.user))
            action->act(c, q, &who);
        else
            cfms_conn_answer(c, 403, NULL, "Access denied");
    }
    arena_done(&who.arena);
}

void cfms_act(struct cfms_conn *c, const struct cfms_request *q)
{
    const struct action *action = action_find(q->action);
    AUTO(buf) struct buf sentence = {0};
    json_t *details = NULL;

    if (action == NULL)
        refuse_unknown(c, q);
    else if (!cfms_check(q->data, action->members, &sentence, &details))
        cfms_conn_answer(c, 400, details, buf_string(&sentence));
    else if (action->caller == CALLER_ANYBODY)
        action->act(c, q, NULL);
    else
        act_for(c, q, action);
}
