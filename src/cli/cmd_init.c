#include "base/mem.h"
#include "cli/commands.h"
#include "cli/probed.h"
#include "cli/render.h"
#include "cli/secret.h"
#include "cli/session.h"

struct init_args {
    struct common common;
    char *label;
};

static const struct option init_options[] = {
    {"label", 0, OPTION_TEXT, offsetof(struct init_args, label), "TEXT",
     "Note TEXT with the key, for key list", NULL, NULL},
    {0},
};

static void tell(struct call *call, const struct session *s, const char *url,
                 const struct secret *secret)
{
    char id[33];

    repo_id_text(s->repo, id);
    if (call->out->json) {
        json_t *line = json_message("initialized");

        json_set_text(line, "id", id);
        json_set_text(line, "repository", url);
        if (secret->is_new_file)
            json_set_text(line, "key_file", call->common->key_file);
        output_json(call->out, line);
        return;
    }
    output_note(call->out, "Made repository %.8s in %s.", id, url);
    if (secret->is_new_file)
        secret_tell(call, call->common->key_file);
    output_note(call->out, "Without the %s nothing in the repository can be read.",
                secret->kind == UNLOCK_KEY_FILE ? "key file" : "password");
}

static bool run_init(struct call *call, struct err *e)
{
    const struct init_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(secret) struct secret secret = {0};
    struct store_options options;
    const char *url = NULL;

    if (!session_place(call, &url, e) || !session_store_options(call, &options, e))
        return false;
    /* The place comes before the key file, so that a place that is taken makes no key. */
    call->stage = STAGE_STORE;
    if (!store_create(url, &options, &s.store, e))
        return err_wrap(e, "make repository %s", url);
    if (!secret_get_first(call, &secret, e))
        return false;
    call->stage = STAGE_WORK;

    const struct unlock unlock = secret_unlock(&secret);

    if (!probed_tell(call, url, s.store, e) ||
        !repo_create(s.store, &unlock, args->label == NULL ? "" : args->label, &s.repo, e))
        return err_wrap(e, "make repository %s", url);
    tell(call, &s, url, &secret);
    return true;
}

const struct command command_init = {
    .name = "init",
    .summary = "Make a repository",
    .details = "The repository is unlocked by a key file, which is made when it is not there, or "
               "by a\npassword.  A key file suits servers: it makes every start faster.",
    .examples = "holdfast init -r /srv/backup --key-file /etc/holdfast.key\n"
                "holdfast init -r /srv/backup",
    .words = "",
    .options = init_options,
    .args_size = sizeof(struct init_args),
    .run = run_init,
};
