#include "base/text.h"
#include "cli/backup_stores.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/render.h"
#include "cli/session.h"

struct key_public_args {
    struct common common;
    char *set;
};

#define AT(member) offsetof(struct key_public_args, member)

static const struct option key_public_options[] = {
    {"set", 0, OPTION_TEXT, AT(set), "SET",
     "Let bundles that are pushed to SET be sealed to its repositories", NULL, NULL, NULL},
    {0},
};

static void tell(struct call *call, const char *name, const struct repo *r)
{
    struct envelope_recipient to;
    char id[2 * ENVELOPE_ID_SIZE + 1];
    char key[2 * ENVELOPE_KEY_SIZE + 1];
    AUTO(buf) struct buf line = {0};

    repo_recipient(r, &to);
    hex_encode(SLICE_OF(to.id, sizeof(to.id)), id);
    hex_encode(SLICE_OF(to.key, sizeof(to.key)), key);
    if (call->out->json) {
        json_t *o = json_message("public_key");

        if (name != NULL)
            json_set_text(o, "repository", name);
        json_set_text(o, "repository_id", id);
        json_set_text(o, "public_key", key);
        output_json(call->out, o);
        return;
    }
    buf_printf(&line, "%s %s\n", id, key);
    output_raw(call->out, buf_slice(&line));
}

struct introduction {
    struct call *call;
    const struct config_set *set;
};

static bool introduce(void *arg, const struct set_store *one, struct err *e)
{
    const struct introduction *n = arg;

    if (!spool_introduce(n->set, one->config, one->repo, e))
        return false;
    tell(n->call, one->config->name, one->repo);
    return true;
}

static bool run_key_public(struct call *call, struct err *e)
{
    const struct key_public_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;

    if (args->set == NULL) {
        if (!session_open(call, &s, e))
            return false;
        tell(call, NULL, s.repo);
        return true;
    }
    call->stage = STAGE_SECRET;
    if (!config_path_load(args->common.config, args->set, &c, &set, e))
        return false;
    if (config_set_bundle(set) == NULL)
        return err_set(e, ERR_USAGE, "set %s has no source of kind bundle", set->name);
    return set_each_repository(call, set, introduce, &(struct introduction){call, set}, e);
}

const struct command command_key_public = {
    .name = "key public",
    .summary = "Show the public key, or let bundles be sealed to it",
    .details = "Prints the repository's id and its public key, to which anybody can seal what only "
               "the repository's keys open.\nWith --set those of all repositories of SET, and "
               "notes them where the service finds them. Every backup of SET does that too.",
    .examples = "holdfast key public\n"
                "holdfast key public --set shop",
    .words = "",
    .options = key_public_options,
    .args_size = sizeof(struct key_public_args),
    .run = run_key_public,
};
