#include "cli/configured.h"

#include "cli/config_path.h"

static char *keep(struct call *call, const char *text)
{
    return text == NULL ? NULL : arena_string(&call->arena, slice_string(text));
}

/* Ends with NULL. */
static char **keep_all(struct call *call, const struct texts *t)
{
    char **out = arena_take(&call->arena, (t->count + 1) * sizeof(*out));

    for (size_t i = 0; i < t->count; i++)
        out[i] = keep(call, t->items[i]);
    out[t->count] = NULL;
    return out;
}

void set_common(struct call *call, const struct config_repository *r, struct common *out)
{
    const struct texts *command = &r->secret.password_command;

    *out = *call->common;
    out->repository = keep(call, r->url);
    out->repository_file = NULL;
    out->key_file = keep(call, r->secret.key_file);
    out->password_file = keep(call, r->secret.password_file);
    out->password_command = NULL;
    out->password_argv = command->count == 0 ? NULL : keep_all(call, command);
    if (out->agent == NULL)
        out->agent = keep(call, r->agent);
    out->configured_options = (const char *const *)keep_all(call, &r->options);
}

static void choose(struct call *call, const struct config_repository *r)
{
    struct common *c = arena_take(&call->arena, sizeof(*c));

    set_common(call, r, c);
    call->common = c;
}

bool set_choose_repository(struct call *call, const struct config_set *set, struct err *e)
{
    if (call->common->repository != NULL || call->common->repository_file != NULL)
        return true;
    if (set->repository_count > 1)
        return err_set(e, ERR_USAGE,
                       "set %s has %zu repositories, and this is about one: name it with -r",
                       set->name, set->repository_count);
    choose(call, set->repositories[0]);
    return true;
}

bool configured_choose(struct call *call, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;
    const char *named = option_text(call->command, call->args, "set");
    /* tag --set sets the tags. */
    const char *name = named != NULL ? named : option_text(call->command, call->args, "of-set");
    const char *path = NULL;
    struct err none;

    if (!config_path(call->common->config, &path, &none))
        return err_set(e, ERR_USAGE,
                       "no repository given: use -r, HOLDFAST_REPOSITORY or a configuration");
    if (!config_load(path, &c, e))
        return false;
    if (name != NULL)
        return config_find_set(c, name, &set, e) && set_choose_repository(call, set, e);
    if (c->repository_count != 1)
        return err_set(e, ERR_USAGE,
                       "no repository given, and %s has %zu: use -r, or --set where there is one",
                       path, c->repository_count);
    choose(call, &c->repositories[0]);
    return true;
}
