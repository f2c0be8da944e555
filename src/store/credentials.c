#include "store/credentials.h"

#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/command_split.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "codec/json.h"
#include "store/aws_file.h"

enum {
    SOURCE_MAX = 64 << 10, /* bytes of a file or of what a command prints */
    VALUE_MAX = 8 << 10,
    COMMAND_LIMIT_S = 30, /* of a command, unless the option says so */
};

/* Got anew when they are good for less than this. */
#define EARLY_NS (300 * NS_PER_S)
/* A command that failed is not asked again for so long while the keys are good. */
#define AGAIN_NS (60 * NS_PER_S)

/* A set of keys; strings in secret memory. */
struct keys {
    char *id, *secret, *token;
    int64_t expires_ns; /* 0: never, as far as we know */
};

struct credentials {
    const struct s3_options *options; /* borrowed */
    char *command;                    /* that prints them, or NULL */
    pthread_mutex_t lock;             /* guards what follows */
    struct keys keys;
    bool is_expired;  /* the store says so */
    int64_t again_ns; /* when the command may be asked again; 0: at once */
};

static void keys_auto(struct keys *k)
{
    mem_secret_free(k->id);
    mem_secret_free(k->secret);
    mem_secret_free(k->token);
    *k = (struct keys){0};
}

/* A text that is wiped. */
static void wiped_auto(struct buf *b)
{
    mem_wipe(b->data, b->room);
    buf_done(b);
}

static char *secret_copy(struct slice s)
{
    char *copy = mem_secret_new(s.size + 1);

    if (s.size > 0)
        memcpy(copy, s.data, s.size);
    return copy;
}

/* Read into one piece of memory, so that wiping it leaves nothing. */
static bool read_source(const char *path, struct buf *out, struct err *e)
{
    buf_reserve(out, SOURCE_MAX + 1);
    return file_read(path, SOURCE_MAX, out, e);
}

/* Texts go into headers, so they have no control characters, and are not empty. */
static bool check_value(const char *name, struct slice value, struct err *e)
{
    if (value.size == 0)
        return err_set(e, ERR_USAGE, "%s is empty", name);
    if (value.size > VALUE_MAX)
        return err_set(e, ERR_USAGE, "%s is longer than %d bytes", name, VALUE_MAX);
    for (size_t i = 0; i < value.size; i++)
        if (value.data[i] <= ' ' || value.data[i] >= 0x7F)
            return err_set(e, ERR_USAGE, "%s has a blank or a control character in it", name);
    return true;
}

/* Variables */

/* The value of a variable, taken out of the environment into secret memory; NULL when unset. */
static char *take_variable(const char *name)
{
    char *value = getenv(name);

    if (value == NULL)
        return NULL;

    char *copy = secret_copy(slice_string(value));

    mem_wipe(value, strlen(value)); /* these bytes are what /proc/PID/environ shows */
    (void)unsetenv(name);           /* the name is one */
    if (copy[0] != '\0')
        return copy;
    mem_secret_free(copy);
    return NULL;
}

void store_secrets_auto(struct store_secrets *s)
{
    mem_secret_free(s->access_key_id);
    mem_secret_free(s->secret_access_key);
    mem_secret_free(s->session_token);
    *s = (struct store_secrets){0};
}

/* The variables count unless something else is asked for. */
static bool uses_variables(const struct s3_options *o, const struct store_secrets *s)
{
    return s != NULL && o->credentials_command == NULL && o->credentials_file == NULL &&
           o->profile == NULL;
}

static void take_variables(struct store_secrets *s)
{
    if (s->is_taken)
        return;
    s->access_key_id = take_variable("AWS_ACCESS_KEY_ID");
    s->secret_access_key = take_variable("AWS_SECRET_ACCESS_KEY");
    s->session_token = take_variable("AWS_SESSION_TOKEN");
    s->is_taken = true;
}

void credentials_take(const struct s3_options *o, struct store_secrets *secrets)
{
    if (uses_variables(o, secrets))
        take_variables(secrets);
}

/* A variable that is no secret, NULL when it is unset or empty. */
static const char *plain_variable(const char *name)
{
    const char *value = getenv(name);

    return value == NULL || value[0] == '\0' ? NULL : value;
}

/* What a file holds that a variable names, without the end of the line. */
static bool from_named_file(const char *variable, char **out, struct err *e)
{
    AUTO(wiped) struct buf text = {0};
    const char *path = plain_variable(variable);

    if (path == NULL)
        return true;
    if (!read_source(path, &text, e))
        return err_wrap(e, "%s", variable);
    while (text.size > 0 && (text.data[text.size - 1] == '\n' || text.data[text.size - 1] == '\r'))
        text.size--;
    *out = secret_copy(buf_slice(&text));
    return true;
}

/* One of a variable and its form with _FILE. */
static bool take_one(const char *name, const char *taken, char **out, struct err *e)
{
    AUTO(buf) struct buf variable = {0};

    buf_printf(&variable, "%s_FILE", name);
    if (taken != NULL)
        *out = secret_copy(slice_string(taken));
    else if (!from_named_file(buf_string(&variable), out, e))
        return false;
    return *out == NULL || check_value(name, slice_string(*out), e);
}

/* *is_found: there are such variables. */
static bool from_variables(struct store_secrets *s, struct keys *out, bool *is_found, struct err *e)
{
    take_variables(s);
    if (!take_one("AWS_ACCESS_KEY_ID", s->access_key_id, &out->id, e) ||
        !take_one("AWS_SECRET_ACCESS_KEY", s->secret_access_key, &out->secret, e) ||
        !take_one("AWS_SESSION_TOKEN", s->session_token, &out->token, e))
        return false;
    *is_found = out->id != NULL && out->secret != NULL;
    if (!*is_found && (out->id != NULL || out->secret != NULL))
        return err_set(e, ERR_USAGE, "%s is set and %s is not",
                       out->id != NULL ? "AWS_ACCESS_KEY_ID" : "AWS_SECRET_ACCESS_KEY",
                       out->id != NULL ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    return true;
}

/* Files of Amazon's tools */

/* Of the variable, or else below the home folder; "" when there is none. */
static void tool_file(const char *variable, const char *name, struct buf *out)
{
    const char *named = plain_variable(variable);
    const char *home = plain_variable("HOME");

    if (named != NULL)
        buf_printf(out, "%s", named);
    else if (home != NULL)
        buf_printf(out, "%s/.aws/%s", home, name);
}

static const char *profile_of(const struct s3_options *o)
{
    const char *variable = plain_variable("AWS_PROFILE");

    if (o->profile != NULL)
        return o->profile;
    return variable == NULL ? "default" : variable;
}

/* Read a file that need not be there. */
static bool read_optional(const char *path, struct buf *out, struct err *e)
{
    return path[0] == '\0' || read_source(path, out, e) || e->code == ERR_NOT_FOUND;
}

static bool from_profile(struct slice text, const char *profile, struct keys *out, struct err *e)
{
    struct slice value;

    if (aws_file_find(text, profile, "aws_access_key_id", &value)) {
        if (!check_value("aws_access_key_id", value, e))
            return false;
        out->id = secret_copy(value);
    }
    if (aws_file_find(text, profile, "aws_secret_access_key", &value)) {
        if (!check_value("aws_secret_access_key", value, e))
            return false;
        out->secret = secret_copy(value);
    }
    if (aws_file_find(text, profile, "aws_session_token", &value)) {
        if (!check_value("aws_session_token", value, e))
            return false;
        out->token = secret_copy(value);
    }
    return (out->id == NULL) == (out->secret == NULL) ||
           err_set(e, ERR_USAGE,
                   "profile %s has only one of aws_access_key_id and aws_secret_access_key",
                   profile);
}

/* *is_found: the file has keys for the profile. */
static bool from_file(const struct s3_options *o, struct keys *out, bool *is_found, struct err *e)
{
    AUTO(wiped) struct buf text = {0};
    AUTO(buf) struct buf path = {0};
    const char *profile = profile_of(o);

    if (o->credentials_file != NULL)
        buf_printf(&path, "%s", o->credentials_file);
    else
        tool_file("AWS_SHARED_CREDENTIALS_FILE", "credentials", &path);
    if (o->credentials_file != NULL ? !read_source(buf_string(&path), &text, e)
                                    : !read_optional(buf_string(&path), &text, e))
        return false;
    if (!from_profile(buf_slice(&text), profile, out, e))
        return err_wrap(e, "%s", buf_string(&path));
    *is_found = out->id != NULL;
    if (*is_found || o->credentials_file == NULL)
        return true;
    return err_set(e, ERR_USAGE, "%s has no keys for the profile %s", buf_string(&path), profile);
}

/* A value of the profile in ~/.aws/config, where profiles but "default" are "[profile NAME]". */
static bool from_config(const struct s3_options *o, const char *name, char **out, struct err *e)
{
    AUTO(wiped) struct buf text = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf section = {0};
    const char *profile = profile_of(o);
    struct slice value;

    tool_file("AWS_CONFIG_FILE", "config", &path);
    if (!read_optional(buf_string(&path), &text, e))
        return false;
    buf_printf(&section, "%s%s", strcmp(profile, "default") == 0 ? "" : "profile ", profile);
    if (aws_file_find(buf_slice(&text), buf_string(&section), name, &value) && value.size > 0)
        *out = mem_dup(value.data, value.size);
    return true;
}

/* Commands */

static bool json_value(const json_t *j, const char *name, bool is_required, char **out,
                       struct err *e)
{
    const json_t *value = json_object_get(j, name);

    if (!is_required && (value == NULL || json_is_null(value)))
        return true;
    if (!json_is_string(value))
        return err_set(e, ERR_FATAL, "what it prints has no %s", name);
    if (!check_value(name, SLICE_OF(json_string_value(value), json_string_length(value)), e))
        return false;
    *out = secret_copy(slice_string(json_string_value(value)));
    return true;
}

/* What AWS calls process credentials, version 1. */
static bool from_json(struct slice text, struct keys *out, struct err *e)
{
    AUTO(json) json_t *j = json_loadb((const char *)text.data, text.size, 0, NULL);
    const json_t *expiration = json_object_get(j, "Expiration");

    if (!json_is_object(j))
        return err_set(e, ERR_FATAL, "what it prints is no JSON object");
    if (json_integer_value(json_object_get(j, "Version")) != 1)
        return err_set(e, ERR_FATAL, "what it prints is not of Version 1");
    if (!json_value(j, "AccessKeyId", true, &out->id, e) ||
        !json_value(j, "SecretAccessKey", true, &out->secret, e) ||
        !json_value(j, "SessionToken", false, &out->token, e))
        return false;
    return !json_is_string(expiration) ||
           clock_parse(json_string_value(expiration), &out->expires_ns, e) ||
           err_wrap(e, "Expiration");
}

static bool from_command(const struct credentials *c, struct keys *out, struct err *e)
{
    AUTO(arena) struct arena arena = {0};
    AUTO(wiped) struct buf text = {0};
    const int asked_s = c->options->credentials_timeout_s;
    const int limit_s = asked_s > 0 ? asked_s : COMMAND_LIMIT_S;
    char **argv = NULL;

    buf_reserve(&text, SOURCE_MAX + 1);
    return (command_split(c->command, &arena, &argv, e) &&
            child_capture_within(argv, SOURCE_MAX, limit_s, &text, e) &&
            from_json(buf_slice(&text), out, e)) ||
           err_wrap(e, "command for credentials");
}

/* All of it */

/* From whichever source has some; the command is noted, since it can be run again. */
static bool get_keys(struct credentials *c, struct store_secrets *secrets, struct keys *out,
                     struct err *e)
{
    const struct s3_options *o = c->options;
    bool is_found = false;

    if (o->credentials_command != NULL)
        c->command = mem_string(o->credentials_command);
    if (c->command != NULL)
        return from_command(c, out, e);
    if (uses_variables(o, secrets) && (!from_variables(secrets, out, &is_found, e) || is_found))
        return is_found;
    keys_auto(out);
    if (!from_file(o, out, &is_found, e) || is_found)
        return is_found;
    if (!from_config(o, "credential_process", &c->command, e))
        return false;
    if (c->command != NULL)
        return from_command(c, out, e);
    return err_set(e, ERR_USAGE,
                   "no keys for S3 are given: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                   "name a file or a command by -o s3.credentials-file or "
                   "-o s3.credentials-command");
}

/*
 * Signatures and tokens pass through the memory of libraries, which wipe nothing: core files of
 * this process, and of programs that it starts, have no memory in them from here on.  A process
 * that is not dumpable would do as well, but its children could not read its descriptors then.
 */
static void leave_no_core(void)
{
    AUTO(fd) int self = -1;
    AUTO(fd) int filter = -1;
    struct err ignored;

    if (dir_open("/proc/self", &self, &ignored) &&
        beneath_reopen(self, "coredump_filter", &filter, &ignored) &&
        fd_write(filter, slice_string("0"), &ignored))
        return;
    (void)prctl(PR_SET_DUMPABLE, 0); /* fails for a wrong argument only */
}

bool credentials_open(const struct s3_options *o, struct store_secrets *secrets,
                      struct credentials **out, struct err *e)
{
    AUTO(credentials) struct credentials *c = mem_new(sizeof(*c));

    c->options = o;
    leave_no_core();
    if (pthread_mutex_init(&c->lock, NULL) != 0)
        mem_exit("no lock can be made");
    if (!get_keys(c, secrets, &c->keys, e))
        return false;
    *out = TAKE(c);
    return true;
}

void credentials_close(struct credentials *c)
{
    if (c == NULL)
        return;
    keys_auto(&c->keys);
    mem_free(c->command);
    pthread_mutex_destroy(&c->lock);
    mem_free(c);
}

void credentials_auto(struct credentials **c)
{
    credentials_close(*c);
}

/* Run the command again when it is time.  The keys stay in use while they are good. */
static bool renew(struct credentials *c, struct err *e)
{
    AUTO(keys) struct keys fresh = {0};
    const int64_t now_ns = clock_now_ns();
    const bool is_due = c->keys.expires_ns != 0 && c->keys.expires_ns - now_ns < EARLY_NS;
    const bool is_good = !c->is_expired && c->keys.expires_ns > now_ns;

    if (c->command == NULL || (!is_due && !c->is_expired) || (is_good && now_ns < c->again_ns))
        return true;
    if (!from_command(c, &fresh, e)) {
        c->again_ns = now_ns + AGAIN_NS;
        return is_good;
    }
    keys_auto(&c->keys);
    c->keys = fresh;
    c->is_expired = false;
    fresh = (struct keys){0};
    return true;
}

bool credentials_lock(struct credentials *c, struct credentials_keys *out, struct err *e)
{
    pthread_mutex_lock(&c->lock);
    if (!renew(c, e)) {
        pthread_mutex_unlock(&c->lock);
        return false;
    }
    *out = (struct credentials_keys){c->keys.id, c->keys.secret, c->keys.token};
    return true;
}

void credentials_unlock(struct credentials *c)
{
    pthread_mutex_unlock(&c->lock);
}

bool credentials_expire(struct credentials *c)
{
    if (c->command == NULL)
        return false;
    pthread_mutex_lock(&c->lock);
    c->is_expired = true;
    pthread_mutex_unlock(&c->lock);
    return true;
}

bool credentials_are_in(struct credentials *c, const char *text)
{
    pthread_mutex_lock(&c->lock);

    const bool is_in = strstr(text, c->keys.id) != NULL || strstr(text, c->keys.secret) != NULL ||
                       (c->keys.token != NULL && strstr(text, c->keys.token) != NULL);

    pthread_mutex_unlock(&c->lock);
    return is_in;
}

bool credentials_region(const struct s3_options *o, char **out, struct err *e)
{
    const char *variable = plain_variable("AWS_REGION");

    if (variable == NULL)
        variable = plain_variable("AWS_DEFAULT_REGION");
    *out = NULL;
    if (variable == NULL)
        return from_config(o, "region", out, e);
    *out = mem_string(variable);
    return true;
}
