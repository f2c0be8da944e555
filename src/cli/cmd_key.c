#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/secret.h"
#include "cli/session.h"

struct key_args {
    struct common common;
    struct new_secret from;
    char *label;
};

#define AT(member) offsetof(struct key_args, member)

static const struct option key_add_options[] = {
    {"new-key-file", 0, OPTION_TEXT, AT(from.key_file), "FILE",
     "Unlock with the key file FILE too; it is made when it is not there", NULL, "new"},
    {"new-password-file", 0, OPTION_TEXT, AT(from.password_file), "FILE",
     "Unlock with the password in FILE too", NULL, "new"},
    {"label", 0, OPTION_TEXT, AT(label), "TEXT", "Note TEXT with the key", NULL, NULL},
    {0},
};

static const struct option key_passwd_options[] = {
    {"new-key-file", 0, OPTION_TEXT, AT(from.key_file), "FILE",
     "Unlock with the key file FILE from now on; it is made when it is not there", NULL, "new"},
    {"new-password-file", 0, OPTION_TEXT, AT(from.password_file), "FILE",
     "Unlock with the password in FILE from now on", NULL, "new"},
    {0},
};

static const char *kind_name(enum unlock_kind kind)
{
    return kind == UNLOCK_KEY_FILE ? "key file" : "password";
}

/* Whether it opens the repository; a rotation that was cut short leaves slots that do not. */
static const char *state_of(const struct key_slot *k, uint32_t newest)
{
    if (k->is_damaged)
        return "damaged";
    return k->epoch == newest ? "valid" : k->epoch < newest ? "past" : "unfinished";
}

static json_t *slot_json(const struct key_slot *k, uint32_t newest)
{
    json_t *o = json_object();

    json_set(o, "current", json_boolean(k->is_current));
    json_set_text(o, "id", k->id);
    json_set_text(o, "kind", kind_name(k->kind));
    json_set_time(o, "created", k->created_ns);
    json_set_text(o, "label", k->label);
    json_set_u64(o, "epoch", k->epoch);
    json_set_text(o, "state", state_of(k, newest));
    return o;
}

static void print_slots(struct call *call, const struct key_slot *slots, size_t count,
                        uint32_t newest)
{
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};

    table_init(&t, 5);
    table_add(&t, " ID");
    table_add(&t, "Kind");
    table_add(&t, "Made");
    table_add(&t, "Epoch");
    table_add(&t, "Label");
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf cell = {0};
        char time[CLOCK_TEXT_MAX];

        clock_format_local(slots[i].created_ns, time);
        buf_printf(&cell, "%c%.8s", slots[i].is_current ? '*' : ' ', slots[i].id);
        table_add(&t, buf_string(&cell));
        table_add(&t, kind_name(slots[i].kind));
        table_add(&t, time);
        buf_clear(&cell);
        buf_printf(&cell, "%u", slots[i].epoch);
        if (slots[i].is_damaged || slots[i].epoch != newest)
            buf_printf(&cell, " (%s)", state_of(&slots[i], newest));
        table_add(&t, buf_string(&cell));
        buf_clear(&cell);
        path_escape(slice_string(slots[i].label), &cell);
        table_add(&t, buf_string(&cell));
    }
    table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
}

static bool run_key_list(struct call *call, struct err *e)
{
    AUTO(session) struct session s = {0};
    AUTO(mem) struct key_slot *slots = NULL;
    size_t count = 0;

    if (!session_open(call, &s, e) || !key_list(s.repo, &slots, &count, e))
        return false;
    if (!call->out->json) {
        print_slots(call, slots, count, repo_epoch(s.repo));
        return true;
    }

    json_t *list = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, slot_json(&slots[i], repo_epoch(s.repo)));
    output_json(call->out, list);
    return true;
}

static void tell_change(struct call *call, const char *what, const char *id, const char *sentence)
{
    if (call->out->json) {
        json_t *line = json_message(what);

        if (id != NULL)
            json_set_text(line, "id", id);
        output_json(call->out, line);
    }
    output_note(call->out, "%s", sentence);
}

/* What keeps older versions keeps that of a slot, too. */
static bool tell_version(struct call *call, const struct session *s, struct err *e)
{
    bool stays = false;

    if (!store_keeps_versions(s->store, &stays, e))
        return err_wrap(e, "the key is removed, but not whether the bucket keeps a version of it");
    if (stays)
        output_note(call->out,
                    "The bucket keeps its slot as an older version: until that is gone, the "
                    "old secret opens the repository for whoever may read versions.");
    return true;
}

static bool run_key_add(struct call *call, struct err *e)
{
    const struct key_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(secret) struct secret secret = {0};
    AUTO(buf) struct buf sentence = {0};
    struct key_slot slot = {0};

    if (!session_open(call, &s, e) || !secret_get_new(call, &args->from, &secret, e))
        return false;
    call->stage = STAGE_WORK;

    const struct unlock unlock = secret_unlock(&secret);

    if (!key_add(s.repo, &unlock, args->label == NULL ? "" : args->label, &slot, e))
        return err_wrap(e, "add key");
    buf_printf(&sentence, "Added key %.8s: a %s.", slot.id, kind_name(slot.kind));
    tell_change(call, "key_added", slot.id, buf_string(&sentence));
    if (secret.is_new_file)
        secret_tell(call, args->from.key_file);
    return true;
}

static bool run_key_remove(struct call *call, struct err *e)
{
    const char *id = call->common->words.items[0];
    AUTO(session) struct session s = {0};
    AUTO(buf) struct buf sentence = {0};

    if (!session_open(call, &s, e))
        return false;
    if (!key_remove(s.repo, id, e))
        return err_wrap(e, "remove key %s", id);
    buf_printf(&sentence, "Removed key %s.", id);
    tell_change(call, "key_removed", id, buf_string(&sentence));
    return tell_version(call, &s, e);
}

static bool run_key_passwd(struct call *call, struct err *e)
{
    const struct key_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(secret) struct secret secret = {0};

    if (!session_open(call, &s, e) || !secret_get_new(call, &args->from, &secret, e))
        return false;
    call->stage = STAGE_WORK;

    const struct unlock unlock = secret_unlock(&secret);

    if (!key_passwd(s.repo, &unlock, e))
        return err_wrap(e, "change key");
    tell_change(call, "key_changed", NULL, "The key is changed; the old one opens nothing.");
    if (secret.is_new_file)
        secret_tell(call, args->from.key_file);
    return tell_version(call, &s, e);
}

const struct command command_key_list = {
    .name = "key list",
    .summary = "List what unlocks the repository",
    .examples = "holdfast key list",
    .words = "",
    .args_size = sizeof(struct key_args),
    .run = run_key_list,
};

const struct command command_key_add = {
    .name = "key add",
    .summary = "Let a further password or key file unlock the repository",
    .examples = "holdfast key add --new-key-file /etc/holdfast.key --label web1\n"
                "holdfast key add --label ann",
    .words = "",
    .options = key_add_options,
    .args_size = sizeof(struct key_args),
    .run = run_key_add,
};

const struct command command_key_remove = {
    .name = "key remove",
    .summary = "Let a password or key file unlock the repository no longer",
    .details = "Whoever has a copy of the key slot and its password can still read copies of the "
               "repository.",
    .examples = "holdfast key remove 1a2b3c4d",
    .words = "KEY",
    .words_min = 1,
    .words_max = 1,
    .args_size = sizeof(struct key_args),
    .run = run_key_remove,
};

const struct command command_key_passwd = {
    .name = "key passwd",
    .summary = "Replace the password or key file in use by another",
    .examples = "holdfast key passwd\n"
                "holdfast key passwd --new-password-file /etc/holdfast.password",
    .words = "",
    .options = key_passwd_options,
    .args_size = sizeof(struct key_args),
    .run = run_key_passwd,
};
