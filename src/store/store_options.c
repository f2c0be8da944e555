/*
 * The options of stores by name, for command lines (-o) and for the configuration.
 */
#include <limits.h>
#include <string.h>

#include "base/text.h"
#include "store/store.h"

enum setting_kind {
    SETTING_TEXT,   /* const char *, not empty */
    SETTING_NUMBER, /* int, above 0 */
    SETTING_SPEED,  /* uint64_t, bytes a second, from KiB a second */
    SETTING_FLAG,   /* bool: "true" or "false" */
    SETTING_DENIAL, /* the same, stored as its opposite */
    SETTING_CHOICE, /* int: which of the words */
};

struct setting {
    const char *name;
    enum setting_kind kind;
    unsigned offset; /* in struct store_options */
    const char *value, *help;
    const char *const *words; /* ends with NULL */
    int most;                 /* of a number */
};

enum { SPEED_MAX = 1 << 30 }; /* KiB a second */

#define AT(member) offsetof(struct store_options, member)

static const char *const style_words[] = {"auto", "path", "host", NULL}; /* as enum s3_style */

/* As enum s3_object_lock. */
static const char *const lock_words[] = {"off", "governance", "compliance", NULL};

static const struct setting settings[] = {
    {"s3.region", SETTING_TEXT, AT(s3.region), "REGION", "Sign requests for REGION", NULL, 0},
    {"s3.style", SETTING_CHOICE, AT(s3.style), "auto|path|host",
     "Put the bucket into the path or into the host's name", style_words, 0},
    {"s3.profile", SETTING_TEXT, AT(s3.profile), "NAME",
     "Take keys and region from this profile of ~/.aws", NULL, 0},
    {"s3.credentials-file", SETTING_TEXT, AT(s3.credentials_file), "FILE",
     "Take the keys from FILE instead of ~/.aws/credentials", NULL, 0},
    {"s3.credentials-command", SETTING_TEXT, AT(s3.credentials_command), "COMMAND",
     "Take the keys that COMMAND prints as JSON", NULL, 0},
    {"s3.credentials-timeout", SETTING_NUMBER, AT(s3.credentials_timeout_s), "SECONDS",
     "Give up COMMAND after SECONDS; 30", NULL, 3600},
    {"s3.ca-file", SETTING_TEXT, AT(s3.ca_file), "FILE",
     "Trust the certificates in FILE instead of the system's", NULL, 0},
    {"s3.proxy", SETTING_TEXT, AT(s3.proxy), "URL", "Reach the store through this proxy", NULL, 0},
    {"s3.connections", SETTING_NUMBER, AT(s3.connections), "N", "Use at most N connections; 8",
     NULL, 64},
    {"s3.patience", SETTING_NUMBER, AT(s3.patience_s), "SECONDS",
     "Repeat for SECONDS what fails for a moment; 60", NULL, 86400},
    {"s3.timeout", SETTING_NUMBER, AT(s3.timeout_s), "SECONDS",
     "Give up a transfer that stands still for SECONDS; 60", NULL, 3600},
    {"s3.conditional-put", SETTING_DENIAL, AT(s3.no_conditional_put), "true|false",
     "Let the store refuse to replace objects; true", NULL, 0},
    {"s3.object-lock", SETTING_CHOICE, AT(s3.object_lock), "off|governance|compliance",
     "Lock what snapshots need against being removed", lock_words, 0},
    {"s3.object-lock-days", SETTING_NUMBER, AT(s3.object_lock_days), "N",
     "Lock it for N days at least from each backup on", NULL, 36500},
    {"limit-upload", SETTING_SPEED, AT(upload_limit), "KIB", "Send at most KIB KiB a second", NULL,
     SPEED_MAX},
    {"limit-download", SETTING_SPEED, AT(download_limit), "KIB", "Get at most KIB KiB a second",
     NULL, SPEED_MAX},
    {"s3.insecure-no-verify-tls", SETTING_FLAG, AT(s3.insecure_no_verify_tls), "true|false",
     "Talk to whoever answers: verify no certificate", NULL, 0},
    {"sftp.command", SETTING_TEXT, AT(sftp.command), "COMMAND",
     "Reach the SFTP server by COMMAND instead of ssh", NULL, 0},
    {"sftp.args", SETTING_TEXT, AT(sftp.args), "ARGUMENTS", "Give ssh these arguments, too", NULL,
     0},
    {"sftp.connections", SETTING_NUMBER, AT(sftp.connections), "N", "Use at most N connections; 3",
     NULL, 16},
    {"sftp.timeout", SETTING_NUMBER, AT(sftp.timeout_s), "SECONDS",
     "Give up a server that says nothing for SECONDS; 60", NULL, 3600},
};

#define SETTING_COUNT (sizeof(settings) / sizeof(settings[0]))

bool store_option_text(size_t n, struct store_option_text *out)
{
    if (n >= SETTING_COUNT)
        return false;
    *out = (struct store_option_text){settings[n].name, settings[n].value, settings[n].help};
    return true;
}

static bool is_unknown(const char *name, size_t size, struct err *e)
{
    AUTO(buf) struct buf word = {0};
    const char *names[SETTING_COUNT];

    for (size_t i = 0; i < SETTING_COUNT; i++)
        names[i] = settings[i].name;
    buf_append(&word, name, size);

    const char *near = nearest_name(buf_string(&word), names, SETTING_COUNT);

    return err_set(e, ERR_USAGE, "stores have no option %.60s%s%s%s", buf_string(&word),
                   near == NULL ? "" : ", did you mean ", near == NULL ? "" : near,
                   near == NULL ? "" : "?");
}

static bool set_number(const struct setting *s, const char *text, int *out, struct err *e)
{
    uint64_t n = 0;

    if (!parse_u64(text, &n, e))
        return false;
    if (n == 0 || n > (uint64_t)s->most)
        return err_set(e, ERR_USAGE, "%.60s is not from 1 to %d", text, s->most);
    *out = (int)n;
    return true;
}

static bool set_flag(const char *text, bool is_denial, bool *out, struct err *e)
{
    const bool is_true = strcmp(text, "true") == 0;

    if (!is_true && strcmp(text, "false") != 0)
        return err_set(e, ERR_USAGE, "\"%.60s\" is neither true nor false", text);
    *out = is_true != is_denial;
    return true;
}

static bool set_choice(const struct setting *s, const char *text, int *out, struct err *e)
{
    for (int i = 0; s->words[i] != NULL; i++)
        if (strcmp(s->words[i], text) == 0) {
            *out = i;
            return true;
        }
    return err_set(e, ERR_USAGE, "\"%.60s\" is none of %s", text, s->value);
}

static bool set_value(const struct setting *s, struct store_options *o, const char *text,
                      struct err *e)
{
    void *at = (char *)o + s->offset;
    int n = 0;

    if (text[0] == '\0')
        return err_set(e, ERR_USAGE, "the value is empty");
    switch (s->kind) {
    case SETTING_TEXT:
        *(const char **)at = text;
        return true;
    case SETTING_NUMBER:
        return set_number(s, text, at, e);
    case SETTING_SPEED:
        if (!set_number(s, text, &n, e))
            return false;
        *(uint64_t *)at = (uint64_t)n << 10;
        return true;
    case SETTING_FLAG:
        return set_flag(text, false, at, e);
    case SETTING_DENIAL:
        return set_flag(text, true, at, e);
    case SETTING_CHOICE:
        return set_choice(s, text, at, e);
    }
    return true;
}

bool store_option_set(struct store_options *o, const char *setting, struct err *e)
{
    const size_t size = strcspn(setting, "=");

    if (setting[size] == '\0')
        return err_set(e, ERR_USAGE, "\"%.60s\" is not NAME=VALUE", setting);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &settings[i];

        if (strlen(s->name) == size && strncmp(s->name, setting, size) == 0)
            return set_value(s, o, setting + size + 1, e) || err_wrap(e, "%s", s->name);
    }
    return is_unknown(setting, size, e);
}
