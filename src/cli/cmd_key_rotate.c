#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/secret.h"
#include "cli/session.h"
#include "cli/terminal.h"

struct key_rotate_args {
    struct common common;
    struct new_secret from;
    struct strings keep_key_files, keep_password_files;
    bool drop_others, is_dry_run, yes;
};

#define AT(member) offsetof(struct key_rotate_args, member)

static const struct option key_rotate_options[] = {
    {"new-key-file", 0, OPTION_TEXT, AT(from.key_file), "FILE",
     "Let the key in use be the key file FILE from now on; it is made when it is not there", NULL,
     "new"},
    {"new-password-file", 0, OPTION_TEXT, AT(from.password_file), "FILE",
     "Let the key in use be the password in FILE from now on", NULL, "new"},
    {"keep-key-file", 0, OPTION_LIST, AT(keep_key_files), "FILE",
     "Keep the key that the key file FILE opens; repeat for several", NULL, NULL},
    {"keep-password-file", 0, OPTION_LIST, AT(keep_password_files), "FILE",
     "Keep the key that the password in FILE opens; repeat for several", NULL, NULL},
    {"drop-others", 0, OPTION_FLAG, AT(drop_others), NULL,
     "Let all other keys open nothing any more", NULL, NULL},
    {"dry-run", 'n', OPTION_FLAG, AT(is_dry_run), NULL,
     "Change nothing, tell what becomes of the keys", NULL, NULL},
    {"yes", 'y', OPTION_FLAG, AT(yes), NULL, "Do not ask", NULL, NULL},
    {0},
};

/* The secrets that the options name.  Borrowed by the rotation. */
struct keeping {
    struct secret own, fresh; /* in use now, and from now on when that is another */
    struct unlock in_use;
    struct secret *kept;
    struct unlock *unlocks;
    size_t count;
};

static void keeping_auto(struct keeping *k)
{
    for (size_t i = 0; i < k->count; i++)
        secret_auto(&k->kept[i]);
    secret_auto(&k->own);
    secret_auto(&k->fresh);
    mem_free(k->kept);
    mem_free(k->unlocks);
}

static bool keep(struct call *call, struct keeping *k, const struct new_secret *from, struct err *e)
{
    if (!secret_get_kept(call, from, &k->kept[k->count], e))
        return false;
    k->unlocks[k->count] = secret_unlock(&k->kept[k->count]);
    k->count++;
    return true;
}

/* Before the repository is opened: a file that is not there should not cost a password. */
static bool keep_all(struct call *call, struct keeping *k, struct err *e)
{
    const struct key_rotate_args *args = call->args;
    const size_t files = args->keep_key_files.count;
    const size_t count = files + args->keep_password_files.count;

    k->kept = mem_array(count, sizeof(*k->kept));
    k->unlocks = mem_array(count, sizeof(*k->unlocks));
    for (size_t i = 0; i < count; i++) {
        const struct new_secret from = {
            .key_file = i < files ? args->keep_key_files.items[i] : NULL,
            .password_file = i < files ? NULL : args->keep_password_files.items[i - files]};

        if (!keep(call, k, &from, e))
            return false;
    }
    return true;
}

static bool has_fresh(const struct key_rotate_args *args)
{
    return args->from.key_file != NULL || args->from.password_file != NULL;
}

static bool agree(struct call *call, const struct key_rotated *plan, struct err *e)
{
    const struct key_rotate_args *args = call->args;
    AUTO(buf) struct buf question = {0};
    struct err why = {0};
    bool is_yes = args->yes;

    buf_printf(
        &question,
        "This begins epoch %u: %zu key%s kept, %zu open%s nothing any more. Rotate the keys?",
        plan->epoch, plan->kept, plan->kept == 1 ? " is" : "s are", plan->dropped,
        plan->dropped == 1 ? "s" : "");
    if (!is_yes && (call->out->json || !terminal_agree(buf_string(&question), &is_yes, &why)))
        return why.code == ERR_CANCELLED
                   ? err_set(e, ERR_CANCELLED, "%s", why.text)
                   : err_set(e, ERR_USAGE,
                             "key rotate asks before it changes what opens the repository: say "
                             "--yes, or answer on a terminal");
    return is_yes || err_set(e, ERR_CANCELLED, "nothing was changed");
}

static void tell(struct call *call, const struct key_rotated *done)
{
    const struct key_rotate_args *args = call->args;

    if (call->out->json) {
        json_t *line = json_message("keys_rotated");

        json_set(line, "dry_run", json_boolean(args->is_dry_run));
        json_set_u64(line, "epoch", done->epoch);
        json_set_u64(line, "keys_kept", done->kept);
        json_set_u64(line, "keys_dropped", done->dropped);
        output_json(call->out, line);
    }
    output_note(call->out, "%s epoch %u: %zu key%s kept, %zu dropped.",
                args->is_dry_run ? "Would begin" : "Began", done->epoch, done->kept,
                plural(done->kept), done->dropped);
    if (args->is_dry_run)
        return;
    output_note(call->out,
                "What was stored before can still be read with the old keys; \"holdfast key "
                "reencrypt\" packs it again.");
    output_note(call->out,
                "Bundles go on being sealed to the old public key until the next backup of their "
                "set, or \"holdfast key public --set SET\".");
}

static bool tell_version(struct call *call, const struct session *s, struct err *e)
{
    bool stays = false;

    if (!store_keeps_versions(s->store, &stays, e))
        return err_wrap(e, "the keys are rotated, but not whether the bucket keeps versions of the "
                           "old ones");
    if (stays)
        output_note(call->out,
                    "The bucket keeps the old key slots as older versions: until these are gone, "
                    "old secrets read what is not packed again for whoever may read versions.");
    return true;
}

/* Whose secret is not known is named by the failure; here is what to do about it. */
static bool rotate(struct session *s, const struct key_rotation *o, struct key_rotated *out,
                   struct err *e)
{
    if (key_rotate(s->repo, o, out, e))
        return true;
    if (e->code == ERR_USAGE && !o->drops_others) {
        const struct err why = *e;

        (void)err_set(
            e, ERR_USAGE,
            "%.350s; keep keys with --keep-key-file and --keep-password-file, and let the "
            "rest go with --drop-others",
            why.text);
    }
    return err_wrap(e, "rotate keys");
}

static bool run_key_rotate(struct call *call, struct err *e)
{
    const struct key_rotate_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(keeping) struct keeping k = {0};
    struct key_rotated done;

    if (!keep_all(call, &k, e) || !session_open_secret(call, &s, &k.own, e))
        return false;
    k.in_use = secret_unlock(&k.own);

    struct key_rotation o = {.in_use = &k.in_use,
                             .kept = k.unlocks,
                             .kept_count = k.count,
                             .drops_others = args->drop_others,
                             .is_dry_run = true};

    if (!rotate(&s, &o, &done, e))
        return false;
    if (args->is_dry_run) {
        tell(call, &done);
        return true;
    }
    if (!agree(call, &done, e) ||
        (has_fresh(args) && !secret_get_new(call, &args->from, &k.fresh, e)))
        return false;
    if (has_fresh(args))
        k.in_use = secret_unlock(&k.fresh);
    call->stage = STAGE_WORK;
    o.is_dry_run = false;
    if (!rotate(&s, &o, &done, e))
        return false;
    tell(call, &done);
    if (k.fresh.is_new_file)
        secret_tell(call, args->from.key_file);
    return tell_version(call, &s, e);
}

const struct command command_key_rotate = {
    .name = "key rotate",
    .summary = "Begin a new master key, which old secrets do not open",
    .details =
        "What is stored from now on is encrypted with a new master key.  The key in use is "
        "kept, or becomes another.\nOther keys are kept when their secrets are given.\n"
        "Who has an old key reads what was stored before until \"key reencrypt\" is through.",
    .examples = "holdfast key rotate\n"
                "holdfast key rotate --new-key-file /etc/holdfast.key2\n"
                "holdfast key rotate --keep-key-file web1.key --keep-password-file ann.password\n"
                "holdfast key rotate --drop-others --yes",
    .words = "",
    .options = key_rotate_options,
    .args_size = sizeof(struct key_rotate_args),
    .run = run_key_rotate,
};
