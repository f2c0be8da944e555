/*
 * token add, list, revoke: what programs come to the service with.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "cli/catalog_call.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "codec/json.h"

struct token_args {
    struct common common;
    int kind; /* enum catalog_token_kind */
    int role; /* among roles */
    int days;
    struct strings verbs, sets;
};

#define AT(member) offsetof(struct token_args, member)
#define DAY_NS     (INT64_C(86400) * NS_PER_S)

static const char *const kinds[] = {"api", "push", "agent", NULL};
/* The lowest first, as in enum catalog_role behind ROLE_NONE. */
static const char *const roles[] = {"viewer", "manager", "admin", "super_admin", NULL};

static const struct option token_options[] = {
    {0},
};

static const struct option token_add_options[] = {
    {"kind", 0, OPTION_CHOICE, AT(kind), "KIND",
     "Make a token for the API, for pushing bundles, or for an agent", NULL, NULL, kinds},
    {"role", 0, OPTION_CHOICE, AT(role), "ROLE", "Let a token for the API do what ROLE may", NULL,
     NULL, roles},
    {"verb", 0, OPTION_LIST, AT(verbs), "VERB", "Let it do VERB; \"*\" is all that its role may",
     NULL, NULL, NULL},
    {"set", 0, OPTION_LIST, AT(sets), "SET", "Let it have to do with SET; \"*\" is all", NULL, NULL,
     NULL},
    {"days", 0, OPTION_COUNT, AT(days), "N", "Let it end after N days, 90 unless given", NULL, NULL,
     NULL},
    {0},
};

static void put_words(const struct strings *words, struct buf *out)
{
    AUTO(json) json_t *list = json_array();

    for (size_t i = 0; i < words->count; i++)
        json_array_append_new(list, json_from_text(words->items[i]));
    json_append(list, out);
}

struct making {
    struct call *call;
    struct catalog_token token;
    int64_t days;
    char text[CATALOG_TOKEN_SIZE];
};

static bool add(struct catalog_tx *t, void *arg, struct err *e)
{
    struct making *m = arg;
    struct catalog_token k = m->token;

    k.expires_ns = catalog_tx_now(t) + m->days * DAY_NS;
    return catalog_token_add(t, &k, m->text, e) &&
           catalog_call_audit(
               m->call, t, "token.add", k.name,
               json_pack("{s:s#, s:s, s:s, s:o, s:o}", "id", m->text + 3, CATALOG_TOKEN_ID - 1,
                         "kind", kinds[k.kind], "role", catalog_role_name(k.role), "verbs",
                         json_loads(k.verbs, 0, NULL), "sets", json_loads(k.sets, 0, NULL)),
               e);
}

static bool run_token_add(struct call *call, struct err *e)
{
    const struct token_args *args = call->args;
    AUTO(catalog) struct catalog *c = NULL;
    AUTO(buf) struct buf verbs = {0};
    AUTO(buf) struct buf sets = {0};
    struct making m = {.call = call,
                       .days = args->days > 0 ? args->days : CATALOG_TOKEN_DAYS,
                       .token = {.name = args->common.words.items[0],
                                 .kind = (enum catalog_token_kind)args->kind,
                                 .role = (enum catalog_role)(ROLE_VIEWER + args->role)}};

    if (args->verbs.count == 0 || args->sets.count == 0)
        return err_set(e, ERR_USAGE, "token add needs --verb and --set; \"*\" is all");
    if (args->days < 0 || args->days > CATALOG_TOKEN_DAYS_MAX)
        return err_set(e, ERR_USAGE, "--days: a token lives %d days at most",
                       CATALOG_TOKEN_DAYS_MAX);
    put_words(&args->verbs, &verbs);
    put_words(&args->sets, &sets);
    m.token.verbs = buf_string(&verbs);
    m.token.sets = buf_string(&sets);
    if (!catalog_call_open(call, args->common.config, &c, e) || !catalog_write(c, add, &m, e))
        return false;
    if (call->out->json) {
        json_t *line = json_message("token_added");

        json_set(line, "id", json_stringn(m.text + 3, CATALOG_TOKEN_ID - 1));
        json_set_text(line, "token", m.text);
        output_json(call->out, line);
    }
    output_line(call->out, "%s", m.text);
    output_note(call->out, "This is shown once; it ends in %lld days.", (long long)m.days);
    mem_wipe(m.text, sizeof(m.text));
    return true;
}

static json_t *token_json(const struct catalog_token *k)
{
    json_t *o = json_object();

    json_set_text(o, "id", k->id);
    json_set_text(o, "name", k->name);
    json_set_text(o, "kind", kinds[k->kind]);
    json_set_text(o, "role", catalog_role_name(k->role));
    json_set(o, "verbs", json_loads(k->verbs, 0, NULL));
    json_set(o, "sets", json_loads(k->sets, 0, NULL));
    json_set_time(o, "created", k->created_ns);
    json_set_time(o, "expires", k->expires_ns);
    if (k->used_ns != 0)
        json_set_time(o, "used", k->used_ns);
    if (k->revoked_ns != 0)
        json_set_time(o, "revoked", k->revoked_ns);
    return o;
}

static void add_row(struct table *t, const struct catalog_token *k, int64_t now_ns)
{
    AUTO(buf) struct buf name = {0};
    char ends[CLOCK_TEXT_MAX];
    char used[CLOCK_TEXT_MAX] = "never";

    clock_format_local(k->expires_ns, ends);
    if (k->used_ns != 0)
        clock_format_local(k->used_ns, used);
    table_add(t, k->id);
    table_add(t, path_for_people(k->name, &name));
    table_add(t, kinds[k->kind]);
    table_add(t, k->kind == TOKEN_API ? catalog_role_name(k->role) : "");
    table_add(t, k->verbs);
    table_add(t, k->sets);
    table_add(t, k->revoked_ns != 0 ? "revoked" : k->expires_ns <= now_ns ? "over" : ends);
    table_add(t, used);
}

static bool run_token_list(struct call *call, struct err *e)
{
    static const char *const heads[] = {"ID",    "Name", "Kind", "Role",
                                        "Verbs", "Sets", "Ends", "Used"};
    const struct token_args *args = call->args;
    AUTO(catalog) struct catalog *c = NULL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(buf) struct buf text = {0};
    AUTO(table) struct table table;
    struct catalog_token_list list = {0};

    table_init(&table, sizeof(heads) / sizeof(heads[0]));
    if (!catalog_call_open(call, args->common.config, &c, e) || !catalog_begin_read(c, &t, e) ||
        !catalog_token_list(t, NULL, &call->arena, &list, e))
        return false;
    if (call->out->json) {
        json_t *items = json_array();

        for (size_t i = 0; i < list.count; i++)
            json_array_append_new(items, token_json(&list.items[i]));
        output_json(call->out, items);
        return true;
    }
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++)
        table_add(&table, heads[i]);
    for (size_t i = 0; i < list.count; i++)
        add_row(&table, &list.items[i], catalog_tx_now(t));
    table_print(&table, &text);
    output_raw(call->out, buf_slice(&text));
    return true;
}

static bool revoke(struct catalog_tx *t, void *arg, struct err *e)
{
    struct call *call = arg;
    const char *id = call->common->words.items[0];

    return catalog_token_revoke(t, NULL, id, e) &&
           catalog_call_audit(call, t, "token.revoke", id, NULL, e);
}

static bool run_token_revoke(struct call *call, struct err *e)
{
    const struct token_args *args = call->args;
    const char *id = args->common.words.items[0];
    AUTO(catalog) struct catalog *c = NULL;

    if (!catalog_call_open(call, args->common.config, &c, e))
        return false;
    if (!catalog_write(c, revoke, call, e))
        return err_wrap(e, "token %s", id);

    json_t *line = json_message("token_revoked");

    json_set_text(line, "id", id);
    catalog_call_tell(call, line, "The token %s works no longer.", id);
    return true;
}

const struct command command_token_add = {
    .name = "token add",
    .summary = "Make a token for a program that comes to the service",
    .details = "It is printed once; what is kept tells nothing about it.",
    .examples = "holdfast token add till-7 --kind push --verb push --set shop\n"
                "holdfast token add ci --role manager --verb backup:read --set '*' --days 30",
    .words = "NAME",
    .words_min = 1,
    .words_max = 1,
    .options = token_add_options,
    .args_size = sizeof(struct token_args),
    .run = run_token_add,
};

const struct command command_token_list = {
    .name = "token list",
    .summary = "List the tokens of the service",
    .examples = "holdfast token list",
    .words = "",
    .options = token_options,
    .args_size = sizeof(struct token_args),
    .run = run_token_list,
};

const struct command command_token_revoke = {
    .name = "token revoke",
    .summary = "Let a token work no longer",
    .examples = "holdfast token revoke 1a2b3c4d5e6f7081",
    .words = "TOKEN",
    .words_min = 1,
    .words_max = 1,
    .options = token_options,
    .args_size = sizeof(struct token_args),
    .run = run_token_revoke,
};
