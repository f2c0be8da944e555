/*
 * user add, list, passwd, role, disable, enable, delete: the users of the service.
 */
#include "base/clock.h"
#include "cli/catalog_call.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/secret.h"

struct user_args {
    struct common common;
    int role; /* among roles */
    struct new_secret from;
};

#define AT(member) offsetof(struct user_args, member)

/* The lowest first, as in enum catalog_role behind ROLE_NONE. */
static const char *const roles[] = {"viewer", "manager", "admin", "super_admin", NULL};

static const struct option user_options[] = {
    {0},
};

static const struct option user_add_options[] = {
    {"role", 0, OPTION_CHOICE, AT(role), "ROLE", "Let the user do what ROLE may", NULL, NULL,
     roles},
    {"new-password-file", 0, OPTION_TEXT, AT(from.password_file), "FILE",
     "Take the password from FILE", NULL, NULL, NULL},
    {0},
};

static const struct option user_passwd_options[] = {
    {"new-password-file", 0, OPTION_TEXT, AT(from.password_file), "FILE",
     "Take the password from FILE", NULL, NULL, NULL},
    {0},
};

/* What is done to one user in a transaction. */
struct act {
    struct call *call;
    const char *name;
    enum catalog_role role;
    char hash[CATALOG_PASSWORD_HASH];
    char id[CATALOG_ID_SIZE];
};

static struct act act_of(struct call *call)
{
    return (struct act){.call = call, .name = call->common->words.items[0]};
}

/* The password of the file, or of the terminal, which asks twice. */
static bool ask_password(struct act *x, struct catalog *c, struct err *e)
{
    const struct user_args *args = x->call->args;
    AUTO(secret) struct secret secret = {0};

    if (!secret_get_new(x->call, &args->from, &secret, e))
        return false;
    x->call->stage = STAGE_WORK;
    return catalog_password_hash(c, x->name, SLICE_OF(secret.bytes, secret.size), x->hash, e);
}

static bool find(struct catalog_tx *t, const struct act *x, struct catalog_user *out, struct err *e)
{
    return catalog_user_find(t, x->name, &x->call->arena, out, e) ||
           err_wrap(e, "user %s", x->name);
}

static json_t *line_of(const struct act *x, const char *what)
{
    json_t *line = json_message(what);

    json_set_text(line, "name", x->name);
    return line;
}

static bool add(struct catalog_tx *t, void *arg, struct err *e)
{
    struct act *x = arg;
    const struct catalog_new_user u = {.name = x->name, .role = x->role, .password = x->hash};

    return catalog_user_add(t, &u, x->id, e) &&
           catalog_call_audit(x->call, t, "user.add", x->name,
                              json_pack("{s:s}", "role", catalog_role_name(x->role)), e);
}

static bool run_user_add(struct call *call, struct err *e)
{
    const struct user_args *args = call->args;
    AUTO(catalog) struct catalog *c = NULL;
    struct act x = act_of(call);

    x.role = (enum catalog_role)(ROLE_VIEWER + args->role);
    if (!catalog_call_open(call, args->common.config, &c, e) || !ask_password(&x, c, e) ||
        !catalog_write(c, add, &x, e))
        return false;

    json_t *line = line_of(&x, "user_added");

    json_set_text(line, "id", x.id);
    catalog_call_tell(call, line, "Added %s, a %s.", x.name, catalog_role_name(x.role));
    return true;
}

static json_t *user_json(const struct catalog_user *u)
{
    json_t *o = json_object();

    json_set_text(o, "id", u->id);
    json_set_text(o, "name", u->name);
    json_set_text(o, "role", catalog_role_name(u->role));
    json_set(o, "disabled", json_boolean(u->is_disabled));
    json_set(o, "must_change_password", json_boolean(u->must_change));
    json_set(o, "totp", json_boolean(u->has_totp));
    json_set_time(o, "created", u->created_ns);
    if (u->login_ns != 0)
        json_set_time(o, "login", u->login_ns);
    return o;
}

static void print_users(struct call *call, const struct catalog_user_list *list)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};

    table_init(&t, 4);
    table_add(&t, "Name");
    table_add(&t, "Role");
    table_add(&t, "State");
    table_add(&t, "Last login");
    for (size_t i = 0; i < list->count; i++) {
        const struct catalog_user *u = &list->items[i];
        char time[CLOCK_TEXT_MAX] = "never";

        if (u->login_ns != 0)
            clock_format_local(u->login_ns, time);
        table_add(&t, u->name);
        table_add(&t, catalog_role_name(u->role));
        table_add(&t, u->is_disabled ? "disabled" : u->has_totp ? "second factor" : "");
        table_add(&t, time);
    }
    table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
}

static bool run_user_list(struct call *call, struct err *e)
{
    const struct user_args *args = call->args;
    AUTO(catalog) struct catalog *c = NULL;
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    struct catalog_user_list list = {0};

    if (!catalog_call_open(call, args->common.config, &c, e) || !catalog_begin_read(c, &t, e) ||
        !catalog_user_list(t, &call->arena, &list, e))
        return false;
    if (!call->out->json) {
        print_users(call, &list);
        return true;
    }

    json_t *items = json_array();

    for (size_t i = 0; i < list.count; i++)
        json_array_append_new(items, user_json(&list.items[i]));
    output_json(call->out, items);
    return true;
}

/* Whoever forgot a password was locked out before, more often than not. */
static bool set_password(struct catalog_tx *t, void *arg, struct err *e)
{
    struct act *x = arg;
    struct catalog_user u = {0};

    return find(t, x, &u, e) && catalog_user_set_password(t, u.id, x->hash, false, e) &&
           catalog_login_unlock(t, u.name, e) &&
           catalog_call_audit(x->call, t, "user.password", u.name, NULL, e);
}

static bool run_user_passwd(struct call *call, struct err *e)
{
    const struct user_args *args = call->args;
    AUTO(catalog) struct catalog *c = NULL;
    struct act x = act_of(call);

    if (!catalog_call_open(call, args->common.config, &c, e) || !ask_password(&x, c, e) ||
        !catalog_write(c, set_password, &x, e))
        return false;
    catalog_call_tell(call, line_of(&x, "password_changed"),
                      "%s has the new password; all sessions are over.", x.name);
    return true;
}

static bool set_role(struct catalog_tx *t, void *arg, struct err *e)
{
    struct act *x = arg;
    struct catalog_user u = {0};

    return find(t, x, &u, e) && catalog_user_set_role(t, u.id, x->role, e) &&
           catalog_call_audit(x->call, t, "user.role", u.name,
                              json_pack("{s:s}", "role", catalog_role_name(x->role)), e);
}

static bool disable(struct catalog_tx *t, void *arg, struct err *e)
{
    struct act *x = arg;
    struct catalog_user u = {0};

    return find(t, x, &u, e) && catalog_user_set_disabled(t, u.id, true, e) &&
           catalog_call_audit(x->call, t, "user.disable", u.name, NULL, e);
}

static bool enable(struct catalog_tx *t, void *arg, struct err *e)
{
    struct act *x = arg;
    struct catalog_user u = {0};

    return find(t, x, &u, e) && catalog_user_set_disabled(t, u.id, false, e) &&
           catalog_login_unlock(t, u.name, e) &&
           catalog_call_audit(x->call, t, "user.enable", u.name, NULL, e);
}

static bool delete_user(struct catalog_tx *t, void *arg, struct err *e)
{
    struct act *x = arg;
    struct catalog_user u = {0};

    return find(t, x, &u, e) && catalog_user_remove(t, u.id, e) &&
           catalog_call_audit(x->call, t, "user.delete", u.name, NULL, e);
}

static bool run_act(struct act *x, catalog_work_fn *fn, struct err *e)
{
    const struct user_args *args = x->call->args;
    AUTO(catalog) struct catalog *c = NULL;

    return catalog_call_open(x->call, args->common.config, &c, e) && catalog_write(c, fn, x, e);
}

static bool run_user_role(struct call *call, struct err *e)
{
    struct act x = act_of(call);
    const char *word = call->common->words.items[1];
    const int role = catalog_role_find(word);

    if (role <= ROLE_NONE)
        return err_set(e, ERR_USAGE, "%s is no role: there are viewer, manager, admin, super_admin",
                       word);
    x.role = (enum catalog_role)role;
    if (!run_act(&x, set_role, e))
        return false;
    catalog_call_tell(call, line_of(&x, "role_changed"), "%s is a %s now.", x.name, word);
    return true;
}

static bool run_user_disable(struct call *call, struct err *e)
{
    struct act x = act_of(call);

    if (!run_act(&x, disable, e))
        return false;
    catalog_call_tell(call, line_of(&x, "user_disabled"),
                      "%s is disabled; sessions and tokens work no longer.", x.name);
    return true;
}

static bool run_user_enable(struct call *call, struct err *e)
{
    struct act x = act_of(call);

    if (!run_act(&x, enable, e))
        return false;
    catalog_call_tell(call, line_of(&x, "user_enabled"), "%s may log in.", x.name);
    return true;
}

static bool run_user_delete(struct call *call, struct err *e)
{
    struct act x = act_of(call);

    if (!run_act(&x, delete_user, e))
        return false;
    catalog_call_tell(call, line_of(&x, "user_deleted"), "Deleted %s.", x.name);
    return true;
}

const struct command command_user_add = {
    .name = "user add",
    .summary = "Add a user of the service",
    .details = "The password is asked for twice, unless an option names a file.",
    .examples = "holdfast user add ann --role manager\n"
                "holdfast user add bob --new-password-file /root/bob.password",
    .words = "NAME",
    .words_min = 1,
    .words_max = 1,
    .options = user_add_options,
    .args_size = sizeof(struct user_args),
    .run = run_user_add,
};

const struct command command_user_list = {
    .name = "user list",
    .summary = "List the users of the service",
    .examples = "holdfast user list",
    .words = "",
    .options = user_options,
    .args_size = sizeof(struct user_args),
    .run = run_user_list,
};

const struct command command_user_passwd = {
    .name = "user passwd",
    .summary = "Give a user of the service another password",
    .details = "All sessions of the user end, and failed logins are forgotten.",
    .examples = "holdfast user passwd admin",
    .words = "NAME",
    .words_min = 1,
    .words_max = 1,
    .options = user_passwd_options,
    .args_size = sizeof(struct user_args),
    .run = run_user_passwd,
};

const struct command command_user_role = {
    .name = "user role",
    .summary = "Change what a user of the service may do",
    .examples = "holdfast user role ann admin",
    .words = "NAME ROLE",
    .words_min = 2,
    .words_max = 2,
    .options = user_options,
    .args_size = sizeof(struct user_args),
    .run = run_user_role,
};

const struct command command_user_disable = {
    .name = "user disable",
    .summary = "Let a user of the service log in no longer",
    .examples = "holdfast user disable ann",
    .words = "NAME",
    .words_min = 1,
    .words_max = 1,
    .options = user_options,
    .args_size = sizeof(struct user_args),
    .run = run_user_disable,
};

const struct command command_user_enable = {
    .name = "user enable",
    .summary = "Let a user of the service log in again",
    .details = "Failed logins are forgotten, too.",
    .examples = "holdfast user enable ann",
    .words = "NAME",
    .words_min = 1,
    .words_max = 1,
    .options = user_options,
    .args_size = sizeof(struct user_args),
    .run = run_user_enable,
};

const struct command command_user_delete = {
    .name = "user delete",
    .summary = "Delete a user of the service",
    .examples = "holdfast user delete ann",
    .words = "NAME",
    .words_min = 1,
    .words_max = 1,
    .options = user_options,
    .args_size = sizeof(struct user_args),
    .run = run_user_delete,
};
