/*
 * What the options of school-erp name, and what its commands tell alike.
 */
#include "cli/school_call.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/password.h"
#include "cli/dsn.h"
#include "cli/paths.h"
#include "cli/render.h"
#include "cli/secret.h"

void school_call_auto(struct school_call *n)
{
    pos_database_done(&n->database);
    school_key_auto(&n->key);
    school_signer_auto(&n->signer);
    mem_secret_free(n->password);
}

static bool find_key(const struct school_args *args, struct school_call *n, struct err *e)
{
    AUTO(mem_secret) char *variable = secret_take_variable(SCHOOL_KEY_VARIABLE);
    AUTO(mem_secret) char *text = NULL;

    if (args->key_file != NULL && !password_from_file(args->key_file, &text, e))
        return false;
    if (text == NULL && variable == NULL)
        return err_set(e, ERR_USAGE,
                       "no key given: use --encryption-key-file or " SCHOOL_KEY_VARIABLE);
    n->place.key = &n->key;
    return school_key_parse(text != NULL ? text : variable, &n->key, e);
}

static bool find_database(const struct school_args *args, struct school_call *n, struct err *e)
{
    if (args->dsn == NULL)
        return true;
    if (!dsn_check_shown(args->dsn, e) || !school_database_parse(args->dsn, &n->database, e))
        return false;
    if (args->password_file != NULL && !password_from_file(args->password_file, &n->password, e))
        return false;
    n->place.database.dsn = n->database.dsn;
    n->place.database.password = n->password != NULL ? n->password : n->database.password;
    return true;
}

static bool signer_place(struct buf *out)
{
    if (!state_folder(out))
        return false;
    buf_printf(out, "/school-erp.key");
    return true;
}

static bool find_signer(struct call *call, unsigned needs, struct school_call *n, struct err *e)
{
    const struct school_args *args = call->args;
    const bool may_make = (needs & SCHOOL_MAKE_MANIFESTS) != 0;
    AUTO(buf) struct buf path = {0};

    if ((needs & (SCHOOL_MAKE_MANIFESTS | SCHOOL_READ_MANIFESTS)) == 0)
        return true;
    if (args->signer_file != NULL) {
        buf_printf(&path, "%s", args->signer_file);
    } else if (!signer_place(&path)) {
        output_item_warning(call->out, NULL,
                            "no manifest is made or looked at: neither --manifest-key-file, "
                            "XDG_STATE_HOME nor HOME says where their key is");
        return true;
    }
    if (may_make ? school_signer_get(buf_string(&path), &n->signer, e)
                 : school_signer_read(buf_string(&path), &n->signer, e)) {
        n->place.signer = &n->signer;
        return true;
    }
    if (may_make || args->signer_file != NULL || e->code != ERR_NOT_FOUND)
        return err_wrap(e, "the key of manifests");
    output_item_warning(call->out, buf_string(&path),
                        "the key of manifests is not there: none is looked at, and nothing shows "
                        "that a backup is the one that its name says");
    return true;
}

bool school_call_find(struct call *call, unsigned needs, struct school_call *n, struct err *e)
{
    const struct school_args *args = call->args;

    call->stage = STAGE_SECRET;
    n->place.folder = args->folder != NULL ? args->folder : "backups"; /* as the application's */
    n->place.user = args->user;
    if (!find_database(args, n, e) || ((needs & SCHOOL_NEED_KEY) != 0 && !find_key(args, n, e)) ||
        !find_signer(call, needs, n, e))
        return false;
    call->stage = STAGE_FOREIGN;
    return true;
}

/* Telling */

/* Words with one blank between them, as a list. */
static json_t *split_copies(const char *copies)
{
    json_t *list = json_array();

    while (*copies != '\0') {
        const size_t size = strcspn(copies, " ");

        (void)json_array_append_new(list, json_stringn(copies, size)); /* cannot fail */
        copies += size + (copies[size] == ' ');
    }
    return list;
}

void school_call_put(json_t *line, const struct school_backup *b)
{
    char id[SCHOOL_ID_MAX];
    char stamp[SCHOOL_STAMP_MAX];
    static const char *const proofs[] = {"none", "foreign", "proven", "refuted"};

    school_backup_id(b, id);
    school_stamp_format(b->name.time_ns, stamp);
    json_set_text(line, "id", id);
    json_set_text(line, "filename", b->file);
    json_set_u64(line, "size", b->size);
    json_set_text(line, "createdAt", stamp);
    json_set_text(line, "location", b->copies[0] == '\0' ? "LOCAL" : "BOTH");
    json_set(line, "encrypted", json_true());
    json_set(line, "compressed", json_true());
    json_set_text(line, "status", b->is_readable ? "COMPLETED" : "FAILED");
    json_set_text(line, "proof", proofs[b->proof]);
    json_set(line, "doubt", b->doubt[0] == '\0' ? json_null() : json_string(b->doubt));
    json_set(line, "copies", split_copies(b->copies));
}

void school_call_tell_logged(struct call *call, const struct school_logged *l, json_t *line)
{
    if (line != NULL) {
        json_set(line, "metadata", json_boolean(l->has_metadata));
        json_set(line, "audited", json_boolean(l->has_audit));
        json_set(line, "problem", l->problem[0] == '\0' ? json_null() : json_from_text(l->problem));
    }
    if (l->problem[0] == '\0')
        return;

    AUTO(buf) struct buf sentence = {0};

    buf_printf(&sentence, "the database was not told: %s", l->problem);
    output_item_error(call->out, "note", NULL, buf_string(&sentence));
    call->status = EXIT_INCOMPLETE;
}

void school_call_sweep(struct call *call, const struct school_place *p)
{
    struct school_logged logged = {0};
    uint64_t removed = 0;
    struct err e = {0};

    if (!school_backup_sweep(p, clock_now_ns() / NS_PER_S, &removed, &logged, &e)) {
        output_item_error(call->out, "remove", NULL, e.text);
        call->status = EXIT_INCOMPLETE;
    }
    if (removed > 0)
        output_note(call->out, "%llu backup%s deleted before %s gone now",
                    (unsigned long long)removed, plural(removed), removed == 1 ? "is" : "are");
    school_call_tell_logged(call, &logged, NULL);
}
