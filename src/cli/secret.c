#include "cli/secret.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/command_split.h"
#include "base/mem.h"
#include "base/password.h"
#include "cli/terminal.h"
#include "codec/hash.h"

enum {
    KEY_SIZE = 32,
};

void secret_auto(struct secret *s)
{
    mem_secret_free(s->bytes);
}

struct unlock secret_unlock(const struct secret *s)
{
    return (struct unlock){.kind = s->kind, .secret = SLICE_OF(s->bytes, s->size)};
}

char *secret_take_variable(const char *name)
{
    char *value = getenv(name);

    if (value == NULL)
        return NULL;

    const size_t size = strlen(value);
    char *copy = mem_secret_new(size + 1);

    memcpy(copy, value, size);
    mem_wipe(value, size); /* these bytes are what /proc/PID/environ shows */
    unsetenv(name);
    if (size > 0)
        return copy;
    mem_secret_free(copy);
    return NULL;
}

/* A password, which becomes the secret's. */
static void set_password(char *password, struct secret *out)
{
    *out = (struct secret){UNLOCK_PASSPHRASE, password, strlen(password), false};
}

static bool from_password_file(const char *path, struct secret *out, struct err *e)
{
    char *password = NULL;

    if (!password_from_file(path, &password, e))
        return false;
    set_password(password, out);
    return true;
}

static bool from_password_command(char *const argv[], struct secret *out, struct err *e)
{
    char *password = NULL;

    if (!password_from_command(argv, &password, e))
        return false;
    set_password(password, out);
    return true;
}

/* Of an option: one text, to be split. */
static bool from_command_line(struct call *call, const char *command, struct secret *out,
                              struct err *e)
{
    char **argv = NULL;

    if (!command_split(command, &call->arena, &argv, e))
        return err_wrap(e, "password command");
    return from_password_command(argv, out, e);
}

static bool from_text(const char *text, struct secret *out, struct err *e)
{
    char *password = NULL;

    if (!password_take(slice_string(text), &password, e))
        return false;
    set_password(password, out);
    return true;
}

static bool from_key_file(struct call *call, const char *path, bool may_make, struct secret *out,
                          struct err *e)
{
    uint8_t *bytes = mem_secret_new(KEY_SIZE);
    bool is_new = false;
    bool is_read = key_file_read(path, bytes, e);

    if (!is_read && may_make && e->code == ERR_NOT_FOUND) {
        is_read = key_file_make(path, bytes, e);
        is_new = is_read;
        /* A path that cannot be is a matter of configuration, a disk that fails is not. */
        if (!is_read && e->code == ERR_FATAL)
            call->stage = STAGE_WORK;
    }
    if (!is_read) {
        mem_secret_free(bytes);
        return false;
    }
    *out = (struct secret){UNLOCK_KEY_FILE, (char *)bytes, KEY_SIZE, is_new};
    return true;
}

static bool from_prompt(const char *prompt, struct secret *out, struct err *e)
{
    AUTO(mem_secret) char *answer = mem_secret_new(PASSWORD_MAX + 1);

    return terminal_ask(prompt, answer, PASSWORD_MAX + 1, e) && from_text(answer, out, e);
}

static bool from_prompt_twice(struct secret *out, struct err *e)
{
    AUTO(secret) struct secret first = {0};
    AUTO(secret) struct secret second = {0};

    if (!from_prompt("new password: ", &first, e) || !from_prompt("once more: ", &second, e))
        return false;
    if (first.size != second.size || !equal_ct(first.bytes, second.bytes, first.size))
        return err_set(e, ERR_USAGE, "the two passwords differ");
    *out = first;
    first.bytes = NULL;
    return true;
}

/* What to write where there is nobody to ask. */
static bool explain_missing(struct err *e)
{
    if (e->code != ERR_NOT_FOUND)
        return false;
    return err_set(e, ERR_USAGE,
                   "no password or key file given, and there is no terminal to ask for one");
}

/* From what the options and variables of the call name; *is_named says whether they do. */
static bool from_options(struct call *call, bool may_make, bool *is_named, struct secret *out,
                         struct err *e)
{
    const struct common *c = call->common;

    *is_named = true;
    if (c->key_file != NULL)
        return from_key_file(call, c->key_file, may_make, out, e);
    if (c->password_file != NULL)
        return from_password_file(c->password_file, out, e);
    if (c->password_command != NULL)
        return from_command_line(call, c->password_command, out, e);
    if (c->password_argv != NULL)
        return from_password_command(c->password_argv, out, e);
    if (call->password != NULL)
        return from_text(call->password, out, e) ||
               err_wrap(e, call->password == call->from_password ? SECRET_FROM_VARIABLE
                                                                 : SECRET_VARIABLE);
    *is_named = false;
    return true;
}

bool secret_get(struct call *call, struct secret *out, struct err *e)
{
    bool is_named = false;

    call->stage = STAGE_SECRET;
    if (!from_options(call, false, &is_named, out, e))
        return false;
    return is_named ||
           from_prompt(call->common->prompt == NULL ? "password: " : call->common->prompt, out,
                       e) ||
           explain_missing(e);
}

bool secret_get_first(struct call *call, struct secret *out, struct err *e)
{
    bool is_named = false;

    call->stage = STAGE_SECRET;
    if (!from_options(call, true, &is_named, out, e))
        return false;
    return is_named || from_prompt_twice(out, e) || explain_missing(e);
}

bool secret_get_new(struct call *call, const struct new_secret *from, struct secret *out,
                    struct err *e)
{
    call->stage = STAGE_SECRET;
    if (from->key_file != NULL)
        return from_key_file(call, from->key_file, true, out, e);
    if (from->password_file != NULL)
        return from_password_file(from->password_file, out, e);
    return from_prompt_twice(out, e) || explain_missing(e);
}

bool secret_get_kept(struct call *call, const struct new_secret *from, struct secret *out,
                     struct err *e)
{
    call->stage = STAGE_SECRET;
    return from->key_file != NULL ? from_key_file(call, from->key_file, false, out, e)
                                  : from_password_file(from->password_file, out, e);
}

void secret_tell(struct call *call, const char *key_file)
{
    output_note(call->out, "Made the key file %s; keep a copy of it in a safe place.", key_file);
}
