#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/from.h"
#include "cli/made.h"
#include "cli/probed.h"
#include "cli/render.h"
#include "cli/secret.h"
#include "cli/session.h"

struct init_args {
    struct common common;
    char *label;
    bool copy_chunker_params;
    struct from_args from;
    int parity; /* enum parity_choice */
};

enum { DAY_S = 24 * 60 * 60 };

/* In the order of enum parity_choice. */
static const char *const parity_choices[] = {"auto", "on", "off", NULL};

static const struct option init_options[] = {
    {"label", 0, OPTION_TEXT, offsetof(struct init_args, label), "TEXT",
     "Note TEXT with the key, for key list", NULL, NULL},
    {"copy-chunker-params", 0, OPTION_FLAG, offsetof(struct init_args, copy_chunker_params), NULL,
     "Cut and name chunks as the other repository does, so that snapshots can be copied", NULL,
     NULL},
    FROM_OPTIONS(init_args, from),
    {"parity", 0, OPTION_CHOICE, offsetof(struct init_args, parity), "on|off",
     "Store parity; without this option where the repository is a folder", NULL, NULL,
     parity_choices},
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
        if (s->store->caveat != NULL)
            json_set_text(line, "caveat", s->store->caveat);
        if (s->store->locks.promise_s > 0)
            json_set_u64(line, "lock_days", (uint64_t)(s->store->locks.promise_s / DAY_S));
        output_json(call->out, line);
        return;
    }
    output_note(call->out, "Made repository %.8s in %s.", id, url);
    if (secret->is_new_file)
        secret_tell(call, call->common->key_file);
    if (s->store->locks.promise_s > 0)
        output_note(call->out, "From each backup on nobody can remove what it needs for %lld days.",
                    (long long)(s->store->locks.promise_s / DAY_S));
    output_note(call->out, "Without the %s nothing in the repository can be read.",
                secret->kind == UNLOCK_KEY_FILE ? "key file" : "password");
    if (s->store->caveat != NULL)
        output_note(call->out, "Mind: %s.", s->store->caveat);
}

/* The repository to be like; *out stays empty when none is asked for. */
static bool open_like(struct call *call, const struct init_args *args, struct session *out,
                      struct err *e)
{
    if (!args->copy_chunker_params && !from_is_given(&args->from))
        return true;
    if (!args->copy_chunker_params)
        return err_set(e, ERR_USAGE,
                       "--from-repo is of use to init with --copy-chunker-params only");
    return from_open(call, &args->from, out, e);
}

static bool run_init(struct call *call, struct err *e)
{
    const struct init_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(session) struct session like = {0};
    AUTO(secret) struct secret secret = {0};
    struct store_options options;
    const char *url = NULL;

    if (!session_place(call, &url, e) || !session_store_options(call, &options, e) ||
        !open_like(call, args, &like, e))
        return false;
    /* The place comes before the key file, so that a place that is taken makes no key. */
    call->stage = STAGE_STORE;
    if (!store_create(url, &options, &s.store, e))
        return err_wrap(e, "make repository %s", session_shown(url));
    if (!secret_get_first(call, &secret, e))
        return false;
    call->stage = STAGE_WORK;

    const struct unlock unlock = secret_unlock(&secret);

    if (!probed_tell(call, url, s.store, e) ||
        !repo_create_like(s.store, like.repo, &unlock, args->label == NULL ? "" : args->label,
                          &s.repo, e))
        return err_wrap(e, "make repository %s", session_shown(url));
    if (!made_settle(&s, url, (enum parity_choice)args->parity, e))
        return false;
    tell(call, &s, url, &secret);
    return true;
}

const struct command command_init = {
    .name = "init",
    .summary = "Make a repository",
    .details = "The repository is unlocked by a key file, which is made when it is not there, or "
               "by a\npassword.  A key file suits servers: it makes every start faster.",
    .examples = "holdfast init -r /srv/backup --key-file /etc/holdfast.key\n"
                "holdfast init -r /srv/backup\n"
                "holdfast init -r /mnt/second --from-repo /srv/backup --copy-chunker-params",
    .words = "",
    .options = init_options,
    .args_size = sizeof(struct init_args),
    .run = run_init,
};
