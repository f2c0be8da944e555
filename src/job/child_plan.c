/*
 * Command lines.  Every value stands behind the '=' of its option or behind "--", so that none can
 * be an option, whatever it is.
 */
#include "job/child_plan.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/cfms_task.h"
#include "job/arrival.h"
#include "job/import.h"
#include "repo/repo.h"

enum { TEXT_MAX = 4096 };

enum argument_kind {
    ARGUMENT_FLAG,
    ARGUMENT_TEXT,
    ARGUMENT_TEXTS,
    ARGUMENT_COUNT, /* a number from 0 */
    ARGUMENT_WORD,  /* a text behind "--" */
    ARGUMENT_WORDS,
    ARGUMENT_OURS, /* a text that says something to us, and no option */
};

struct argument {
    const char *name, *option;
    unsigned verbs; /* bits */
    enum argument_kind kind;
};

#define BIT(verb) (1U << CHILD_##verb)
/* Named by the argument "command", about one repository. */
#define COMMANDS (BIT(KEYS) | BIT(MEASURE) | BIT(PARITY) | BIT(REENCRYPT) | BIT(REPAIR) | BIT(TAG))
/* child_verb_reads() */
#define READS \
    (BIT(DIFF) | BIT(DUMP) | BIT(EXPORT) | BIT(FIND) | BIT(LS) | BIT(SNAPSHOTS) | BIT(STATS))
#define REPOSITORY                                                                     \
    (BIT(CHECK) | BIT(PRUNE) | BIT(FORGET) | BIT(DRILL) | BIT(RESTORE) | BIT(BACKUP) | \
     BIT(UPLOAD) | BIT(IMPORT) | COMMANDS | READS)

static const struct argument arguments[] = {
    {"repository", NULL, REPOSITORY, ARGUMENT_OURS},
    {"command", NULL, COMMANDS | BIT(TRY), ARGUMENT_OURS},
    {"percent", "percent", BIT(PARITY), ARGUMENT_TEXT},
    {"shards", "shards", BIT(PARITY), ARGUMENT_TEXT},
    {"add", "add", BIT(TAG), ARGUMENT_TEXTS},
    {"remove", "remove", BIT(TAG), ARGUMENT_TEXTS},
    {"dry_run", "dry-run",
     BIT(BACKUP) | BIT(PRUNE) | BIT(FORGET) | BIT(COPY) | BIT(REENCRYPT) | BIT(RESTORE) |
         BIT(IMPORT),
     ARGUMENT_FLAG},
    {"tags", "tag", BIT(BACKUP) | BIT(SNAPSHOTS), ARGUMENT_TEXTS},
    {"create", "create-repository", BIT(BACKUP), ARGUMENT_TEXTS},
    {"force", "force", BIT(BACKUP) | BIT(RESTORE), ARGUMENT_FLAG},
    {"skip_if_unchanged", "skip-if-unchanged", BIT(BACKUP), ARGUMENT_FLAG},
    {"read_data", "read-data", BIT(CHECK), ARGUMENT_FLAG},
    {"read_data_subset", "read-data-subset", BIT(CHECK), ARGUMENT_TEXT},
    {"repair", "repair", BIT(CHECK), ARGUMENT_FLAG},
    {"max_unused", "max-unused", BIT(PRUNE), ARGUMENT_TEXT},
    {"max_repack_size", "max-repack-size", BIT(PRUNE) | BIT(REENCRYPT), ARGUMENT_TEXT},
    {"empty_trash", "empty-trash", BIT(PRUNE), ARGUMENT_FLAG},
    {"prune", "prune", BIT(FORGET), ARGUMENT_FLAG},
    {"approve", "approve", BIT(FORGET), ARGUMENT_TEXT},
    {"failed_runs", "failed-runs", BIT(FORGET), ARGUMENT_COUNT},
    {"clock_seen", "clock-seen", BIT(FORGET), ARGUMENT_TEXT},
    {"verified", "verified", BIT(FORGET), ARGUMENT_TEXTS},
    {"keep_last", "keep-last", BIT(FORGET), ARGUMENT_COUNT},
    {"keep_hourly", "keep-hourly", BIT(FORGET), ARGUMENT_COUNT},
    {"keep_daily", "keep-daily", BIT(FORGET), ARGUMENT_COUNT},
    {"keep_weekly", "keep-weekly", BIT(FORGET), ARGUMENT_COUNT},
    {"keep_monthly", "keep-monthly", BIT(FORGET), ARGUMENT_COUNT},
    {"keep_yearly", "keep-yearly", BIT(FORGET), ARGUMENT_COUNT},
    {"keep_within", "keep-within", BIT(FORGET), ARGUMENT_TEXT},
    {"keep_tags", "keep-tag", BIT(FORGET), ARGUMENT_TEXTS},
    {"undo", "undo", BIT(FORGET), ARGUMENT_TEXTS},
    {"snapshots", NULL, BIT(FORGET) | BIT(COPY) | BIT(TAG), ARGUMENT_WORDS},
    {"target", "target", BIT(RESTORE), ARGUMENT_TEXT},
    {"include", "include", BIT(RESTORE), ARGUMENT_TEXTS},
    {"exclude", "exclude", BIT(RESTORE), ARGUMENT_TEXTS},
    {"overwrite", "overwrite", BIT(RESTORE), ARGUMENT_TEXT},
    {"delete", "delete", BIT(RESTORE), ARGUMENT_FLAG},
    {"verify", "verify", BIT(RESTORE), ARGUMENT_FLAG},
    {"numeric_ids", "numeric-ids", BIT(RESTORE), ARGUMENT_FLAG},
    {"no_owner", "no-owner", BIT(RESTORE), ARGUMENT_FLAG},
    {"in_place", "in-place", BIT(RESTORE), ARGUMENT_FLAG},
    {"plan", "plan", BIT(RESTORE), ARGUMENT_FLAG},
    {"apply", "apply", BIT(RESTORE), ARGUMENT_FLAG},
    {"confirm_within", "confirm-within", BIT(RESTORE), ARGUMENT_TEXT},
    {"confirm_by_checks", "confirm-by-checks", BIT(RESTORE), ARGUMENT_FLAG},
    {"into", "into", BIT(RESTORE), ARGUMENT_TEXT},
    {"dsn", "dsn", BIT(RESTORE), ARGUMENT_TEXT},
    {"dsn_password_file", "dsn-password-file", BIT(RESTORE), ARGUMENT_TEXT},
    {"tables", "table", BIT(RESTORE), ARGUMENT_TEXTS},
    {"schemas", "schema", BIT(RESTORE), ARGUMENT_TEXTS},
    {"as", "as", BIT(RESTORE) | BIT(IMPORT), ARGUMENT_TEXT},
    {"data_only", "data-only", BIT(RESTORE), ARGUMENT_FLAG},
    {"globals", "globals", BIT(RESTORE), ARGUMENT_FLAG},
    {"snapshot", NULL, BIT(RESTORE) | BIT(DRILL), ARGUMENT_WORD},
    {"restore", NULL, BIT(UNDO), ARGUMENT_WORD},
    {"discard", "discard", BIT(UNDO), ARGUMENT_FLAG},
    {"confirm", "confirm", BIT(UNDO), ARGUMENT_FLAG},
    {"page", "page", BIT(SNAPSHOTS), ARGUMENT_COUNT},
    {"after", "after", BIT(SNAPSHOTS), ARGUMENT_TEXT},
    {"forgotten", "forgotten", BIT(SNAPSHOTS), ARGUMENT_FLAG},
    {"recursive", "recursive", BIT(LS), ARGUMENT_FLAG},
    {"databases", "databases", BIT(LS), ARGUMENT_FLAG},
    {"head", "head", BIT(DUMP), ARGUMENT_FLAG},
    {"archive", "archive", BIT(DUMP), ARGUMENT_TEXT},
    {"as", "as", BIT(DUMP), ARGUMENT_TEXT},
    {"rows", "rows", BIT(DUMP), ARGUMENT_COUNT},
    {"table", "table", BIT(DUMP), ARGUMENT_TEXT},
    {"lines", "lines", BIT(FIND), ARGUMENT_FLAG},
    {"ignore_case", "ignore-case", BIT(FIND), ARGUMENT_FLAG},
    {"in", "snapshot", BIT(FIND), ARGUMENT_TEXTS},
    {"metadata", "metadata", BIT(DIFF), ARGUMENT_FLAG},
    {"mode", "mode", BIT(STATS), ARGUMENT_TEXT},
    {"words", NULL, READS, ARGUMENT_WORDS},
    {"uploads", "uploads", READS | BIT(RESTORE), ARGUMENT_FLAG},
    {"name", "stdin-filename", BIT(UPLOAD), ARGUMENT_TEXT},
    {"name", "name", BIT(IMPORT), ARGUMENT_TEXT},
    {"allow_unauthenticated", "allow-unauthenticated", BIT(IMPORT), ARGUMENT_FLAG},
    {"as_members", "as-members", BIT(IMPORT), ARGUMENT_FLAG},
    {"arrival", NULL, BIT(IMPORT), ARGUMENT_OURS},
    {"file", NULL, BIT(IMPORT), ARGUMENT_OURS},  /* in it */
    {"keys", NULL, BIT(IMPORT), ARGUMENT_COUNT}, /* that lie beside it */
    {"name", "name", BIT(CFMS_EXPORT), ARGUMENT_TEXT},
    {"task", NULL, BIT(CFMS_IMPORT), ARGUMENT_OURS},
};

/* Which verbs cannot do without what. */
#define NEEDS_SET                                                                              \
    (BIT(BACKUP) | BIT(COPY) | BIT(DRILL) | BIT(IMPORT) | BIT(RESTORE) | BIT(TAG) | BIT(TRY) | \
     BIT(UPLOAD) | READS)
#define NEEDS_REPOSITORY (BIT(CHECK) | BIT(PRUNE) | COMMANDS)
#define NEEDS_EITHER     BIT(FORGET)
#define CFMS             (BIT(CFMS_EXPORT) | BIT(CFMS_IMPORT)) /* need its server */
#define TAKES_SET        (NEEDS_SET | NEEDS_EITHER | BIT(UNDO))
#define TAKES_CONFIG     ((TAKES_SET & ~(BIT(TAG) | BIT(UPLOAD) | READS)) | BIT(EXPORT))

#define PROGRAM_PATH     "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* None of these holds a secret; those called _FILE and the like name a place that does. */
static const char *const variables[] = {
    "HOME",
    "TZ",
    "TMPDIR",
    "CREDENTIALS_DIRECTORY",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PGSYSCONFDIR",
    "PGSSLROOTCERT",
    "PGSSLCERT",
    "PGSSLKEY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "AWS_ACCESS_KEY_ID_FILE",
    "AWS_SECRET_ACCESS_KEY_FILE",
    "AWS_SESSION_TOKEN_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
};

static const struct {
    const char *words;
    enum child_verb verb;
} commands[] = {
    {"config test", CHILD_TRY},         {"key list", CHILD_KEYS},
    {"key reencrypt", CHILD_REENCRYPT}, {"parity disable", CHILD_PARITY},
    {"parity enable", CHILD_PARITY},    {"parity status", CHILD_PARITY},
    {"repair index", CHILD_REPAIR},     {"repair packs", CHILD_REPAIR},
    {"stats", CHILD_MEASURE},           {"tag", CHILD_TAG},
};

bool child_verb_of(const char *command, enum child_verb *out)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcmp(commands[i].words, command) == 0) {
            *out = commands[i].verb;
            return true;
        }
    return false;
}

void child_texts_add(struct child_texts *t, struct arena *a, const char *fmt, ...)
{
    AUTO(buf) struct buf text = {0};
    va_list args;
    char one[TEXT_MAX + 128]; /* a value and its option */
    int size;

    va_start(args, fmt);
    size = vsnprintf(one, sizeof(one), fmt, args);
    va_end(args);
    if (size >= (int)sizeof(one)) { /* a path or command of the configuration may be longer */
        uint8_t *room = buf_extend(&text, (size_t)size + 1);

        va_start(args, fmt);
        (void)vsnprintf((char *)room, (size_t)size + 1, fmt, args); /* has room */
        va_end(args);
    }

    char *kept = arena_string(a, slice_string(size >= (int)sizeof(one) ? (char *)text.data : one));

    buf_append(&t->items, &kept, sizeof(kept));
}

char **child_texts_end(struct child_texts *t, struct arena *a)
{
    char **out = arena_take(a, t->items.size + sizeof(char *));

    if (t->items.size > 0)
        memcpy(out, t->items.data, t->items.size);
    out[t->items.size / sizeof(char *)] = NULL;
    return out;
}

void child_texts_auto(struct child_texts *t)
{
    buf_done(&t->items);
}

void child_plan_auto(struct child_plan *p)
{
    arena_done(&p->arena);
}

bool child_flag(const struct child_job *j, const char *name)
{
    return json_is_true(json_object_get(j->arguments, name));
}

static bool child_has(const struct child_job *j, const char *name)
{
    return json_object_get(j->arguments, name) != NULL;
}

const char *child_text(const struct child_job *j, const char *name)
{
    return json_string_value(json_object_get(j->arguments, name));
}

bool child_restores_part(const struct child_job *j)
{
    return j->verb == CHILD_RESTORE && (child_has(j, "tables") || child_has(j, "schemas"));
}

/* Of a restore: whole sources of the set, back into their places. */
static bool restores_set(const struct child_job *j)
{
    return child_flag(j, "in_place") && child_text(j, "into") == NULL && !child_restores_part(j);
}

/* The one that the job names, or NULL. */
static bool find_repository(const struct child_job *j, const struct config *c,
                            const struct config_repository **out, struct err *e)
{
    const char *name = child_text(j, "repository");

    *out = NULL;
    if (name == NULL)
        return true;
    for (size_t i = 0; i < c->repository_count; i++)
        if (strcmp(c->repositories[i].name, name) == 0) {
            *out = &c->repositories[i];
            return true;
        }
    return err_set(e, ERR_USAGE, "job: there is no repository \"%.64s\"", name);
}

static const struct argument *argument_find(enum child_verb v, const char *name)
{
    for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++)
        if ((arguments[i].verbs & 1U << v) != 0 && strcmp(arguments[i].name, name) == 0)
            return &arguments[i];
    return NULL;
}

/* Texts go into argument vectors, which others see: no control characters, and not without end. */
static bool text_check(const char *name, const json_t *value, struct err *e)
{
    const char *text = json_string_value(value);
    const size_t size = json_string_length(value);

    if (text == NULL)
        return err_set(e, ERR_USAGE, "job: %s must be a text", name);
    if (size == 0 || size > TEXT_MAX || strlen(text) != size)
        return err_set(e, ERR_USAGE, "job: %s has 1 to %d bytes", name, TEXT_MAX);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return err_set(e, ERR_USAGE, "job: %s has a control character in it", name);
    /* Of a connection string, which takes one and would show it to everybody. */
    if (strcmp(name, "dsn") == 0 &&
        (strcasestr(text, "password") != NULL ||
         (strstr(text, "://") != NULL && strchr(text, '@') != NULL &&
          memchr(strstr(text, "://") + 3, ':', strcspn(strstr(text, "://") + 3, "@")) != NULL)))
        return err_set(e, ERR_USAGE, "job: dsn must not hold a password: use dsn_password_file");
    return true;
}

static bool texts_check(const char *name, const json_t *list, struct err *e)
{
    const json_t *one;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > CHILD_LIST_MAX)
        return err_set(e, ERR_USAGE, "job: %s must be a list of at most %d texts", name,
                       CHILD_LIST_MAX);
    json_array_foreach(list, i, one)
    {
        if (!text_check(name, one, e))
            return false;
    }
    return true;
}

static bool argument_check(const struct argument *a, const json_t *value, struct err *e)
{
    switch (a->kind) {
    case ARGUMENT_FLAG:
        return json_is_boolean(value) ||
               err_set(e, ERR_USAGE, "job: %s must be true or false", a->name);
    case ARGUMENT_COUNT:
        return (json_is_integer(value) && json_integer_value(value) >= 0 &&
                json_integer_value(value) <= INT32_MAX) ||
               err_set(e, ERR_USAGE, "job: %s must be a number from 0", a->name);
    case ARGUMENT_TEXTS:
    case ARGUMENT_WORDS:
        return texts_check(a->name, value, e);
    case ARGUMENT_TEXT:
    case ARGUMENT_WORD:
    case ARGUMENT_OURS:
        break;
    }
    return text_check(a->name, value, e);
}

/* Of the verbs that "command" names. */
static bool check_command(const struct child_job *j, struct err *e)
{
    const char *command = child_text(j, "command");
    enum child_verb named;

    if ((COMMANDS & 1U << j->verb) == 0)
        return true;
    if (command == NULL || !child_verb_of(command, &named) || named != j->verb)
        return err_set(e, ERR_USAGE, "job: %s is not named by \"command\"",
                       child_verb_name(j->verb));
    /* Without them it would be about all snapshots. */
    return j->verb != CHILD_TAG ||
           json_array_size(json_object_get(j->arguments, "snapshots")) > 0 ||
           err_set(e, ERR_USAGE, "job: tag needs snapshots");
}

/* Without a snapshot it would be the rules of the set that are applied. */
static bool check_undo(const struct child_job *j, struct err *e)
{
    const json_t *undo = json_object_get(j->arguments, "undo");
    const size_t others = child_text(j, "repository") != NULL;

    if (undo == NULL)
        return true;
    if (json_array_size(undo) == 0)
        return err_set(e, ERR_USAGE, "job: undo names no snapshot");
    return json_object_size(j->arguments) == 1 + others ||
           err_set(e, ERR_USAGE, "job: undo goes with the repository and nothing else");
}

/* Of an import: what it reads is a folder of ours, which an id names. */
static bool check_arrival(const struct child_job *j, struct err *e)
{
    const char *id = child_text(j, "arrival");
    const char *file = child_text(j, "file");

    if (j->verb != CHILD_IMPORT)
        return true;
    if (id == NULL || !arrival_id_is(id) || file == NULL || !arrival_name_is(file))
        return err_set(e, ERR_USAGE, "job: import needs the id and the name of what arrived");
    return json_integer_value(json_object_get(j->arguments, "keys")) <= IMPORT_KEYS_MAX ||
           err_set(e, ERR_USAGE, "job: at most %d keys", IMPORT_KEYS_MAX);
}

static bool check(const struct child_job *j, struct err *e)
{
    const unsigned bit = 1U << j->verb;
    const bool has_repository = child_text(j, "repository") != NULL;
    const char *name;
    json_t *value;

    json_object_foreach(j->arguments, name, value)
    {
        const struct argument *a = argument_find(j->verb, name);

        if (a == NULL)
            return err_set(e, ERR_USAGE, "job: %s has no argument \"%.40s\"",
                           child_verb_name(j->verb), name);
        if (!argument_check(a, value, e))
            return false;
    }
    if ((NEEDS_SET & bit) != 0 && j->set == NULL)
        return err_set(e, ERR_USAGE, "job: %s needs a set", child_verb_name(j->verb));
    if ((NEEDS_REPOSITORY & bit) != 0 && !has_repository)
        return err_set(e, ERR_USAGE, "job: %s needs a repository", child_verb_name(j->verb));
    if ((NEEDS_EITHER & bit) != 0 && j->set == NULL && !has_repository)
        return err_set(e, ERR_USAGE, "job: %s needs a set or a repository",
                       child_verb_name(j->verb));
    if ((TAKES_SET & bit) == 0 && j->set != NULL)
        return err_set(e, ERR_USAGE, "job: %s takes no set", child_verb_name(j->verb));
    if (j->verb == CHILD_RESTORE && child_text(j, "snapshot") == NULL)
        return err_set(e, ERR_USAGE, "job: restore needs a snapshot");
    if (j->verb == CHILD_UPLOAD && child_text(j, "name") == NULL)
        return err_set(e, ERR_USAGE, "job: upload needs a name");
    return check_undo(j, e) && check_arrival(j, e) && check_command(j, e);
}

/* One argument as command_split() reads it. */
static void quote(const char *text, struct buf *out)
{
    buf_printf(out, "%s", out->size > 0 ? " '" : "'");
    for (; *text != '\0'; text++)
        if (*text == '\'')
            buf_printf(out, "'\\''");
        else
            buf_append(out, text, 1);
    buf_printf(out, "'");
}

static void add_repository(struct child_plan *p, struct child_texts *t,
                           const struct config_repository *r)
{
    const struct config_secret *s = &r->secret;
    AUTO(buf) struct buf command = {0};

    child_texts_add(t, &p->arena, "--repo=%s", r->url);
    if (s->key_file != NULL)
        child_texts_add(t, &p->arena, "--key-file=%s", s->key_file);
    if (s->password_file != NULL)
        child_texts_add(t, &p->arena, "--password-file=%s", s->password_file);
    for (size_t i = 0; i < s->password_command.count; i++)
        quote(s->password_command.items[i], &command);
    if (command.size > 0)
        child_texts_add(t, &p->arena, "--password-command=%s", buf_string(&command));
    for (size_t i = 0; i < r->options.count; i++)
        child_texts_add(t, &p->arena, "--option=%s", r->options.items[i]);
}

static void add_option(struct child_plan *p, struct child_texts *t, const struct argument *a,
                       const json_t *value)
{
    const json_t *one;
    size_t i;

    if (a->kind == ARGUMENT_FLAG && json_is_true(value))
        child_texts_add(t, &p->arena, "--%s", a->option);
    if (a->kind == ARGUMENT_COUNT && a->option != NULL)
        child_texts_add(t, &p->arena, "--%s=%lld", a->option, (long long)json_integer_value(value));
    if (a->kind == ARGUMENT_TEXT)
        child_texts_add(t, &p->arena, "--%s=%s", a->option, json_string_value(value));
    if (a->kind == ARGUMENT_TEXTS)
        json_array_foreach(value, i, one)
        {
            child_texts_add(t, &p->arena, "--%s=%s", a->option, json_string_value(one));
        }
}

static void add_words(struct child_plan *p, struct child_texts *t, const struct child_job *j,
                      const struct config *c)
{
    const json_t *list =
        json_object_get(j->arguments, child_verb_reads(j->verb) ? "words" : "snapshots");
    const char *word = child_text(j, j->verb == CHILD_UNDO ? "restore" : "snapshot");
    const json_t *one;
    size_t i;

    child_texts_add(t, &p->arena, "--");
    if (j->verb == CHILD_CFMS_IMPORT)
        child_texts_add(t, &p->arena, "%s/" CFMS_TASK_FOLDER "/%s/" CFMS_TASK_ARCHIVE, c->state,
                        child_text(j, "task"));
    if (word != NULL)
        child_texts_add(t, &p->arena, "%s", word);
    else if (j->verb == CHILD_DRILL || j->verb == CHILD_TRY)
        child_texts_add(t, &p->arena, "%s", j->set);
    json_array_foreach(list, i, one)
    {
        child_texts_add(t, &p->arena, "%s", json_string_value(one));
    }
}

/* The archive and the keys that came with it. */
static void add_arrival(struct child_plan *p, struct child_texts *t, const struct child_job *j,
                        const struct config *c)
{
    const int keys = (int)json_integer_value(json_object_get(j->arguments, "keys"));
    AUTO(buf) struct buf path = {0};

    arrival_path(c->state, child_text(j, "arrival"), &path);
    for (int i = 0; i < keys; i++)
        child_texts_add(t, &p->arena, "--archive-key-file=%s/" ARRIVAL_KEY "%d", buf_string(&path),
                        i);
    child_texts_add(t, &p->arena, "--");
    child_texts_add(t, &p->arena, "%s/" ARRIVAL_FOLDER "/%s", buf_string(&path),
                    child_text(j, "file"));
}

/* The words of the command. */
static void add_command(struct child_plan *p, struct child_texts *t, const struct child_job *j)
{
    const char *words = j->verb == CHILD_TRY      ? "config test"
                        : j->verb == CHILD_UPLOAD ? "backup"
                        : j->verb == CHILD_EXPORT ? "export wireguard"
                                                  : child_text(j, "command");

    if (words == NULL)
        words = child_verb_name(j->verb);
    for (size_t size; *words != '\0'; words += size + (words[size] == ' ')) {
        size = strcspn(words, " ");
        child_texts_add(t, &p->arena, "%.*s", (int)size, words);
    }
}

/* What the server keeps, and where. */
static void add_cfms(struct child_plan *p, struct child_texts *t, const struct child_job *j,
                     const struct config *config)
{
    const struct config_cfms *c = &config->serve.cfms;

    child_texts_add(t, &p->arena, "--database=%s", c->dsn != NULL ? c->dsn : c->database);
    if (c->dsn_password_file != NULL)
        child_texts_add(t, &p->arena, "--dsn-password-file=%s", c->dsn_password_file);
    child_texts_add(t, &p->arena, "--content-dir=%s", c->content_dir);
    if (j->verb == CHILD_CFMS_EXPORT) {
        child_texts_add(t, &p->arena, "--output-dir=%s", c->output_dir);
        child_texts_add(t, &p->arena, "--key-dir=%s", c->key_dir);
        return;
    }
    child_texts_add(t, &p->arena, "--archive-key-file=%s/" CFMS_TASK_FOLDER "/%s/" CFMS_TASK_KEY,
                    config->state, child_text(j, "task"));
    if (c->remap)
        child_texts_add(t, &p->arena, "--remap");
    if (c->allow_unauthenticated)
        child_texts_add(t, &p->arena, "--allow-unauthenticated");
}

static void make_argv(struct child_plan *p, const struct child_job *j, const struct config *c,
                      const struct config_repository *repository)
{
    AUTO(child_texts) struct child_texts t = {0};
    const unsigned bit = 1U << j->verb;
    const bool is_named =
        j->verb == CHILD_TRY || (j->verb == CHILD_DRILL && child_text(j, "snapshot") == NULL);
    const char *name;
    json_t *value;

    child_texts_add(&t, &p->arena, "holdfast");
    child_texts_add(&t, &p->arena, CHILD_SANDBOX_OPTION "%s",
                    p->profile.may_exec ? "exec" : "no-exec");
    add_command(p, &t, j);
    child_texts_add(&t, &p->arena, "--json");
    child_texts_add(&t, &p->arena, "--cache-dir=%s/cache", c->state);
    if ((TAKES_CONFIG & bit) != 0)
        child_texts_add(&t, &p->arena, "--config=%s", j->config);
    if (j->verb == CHILD_UPLOAD) {
        child_texts_add(&t, &p->arena, "--stdin");
        child_texts_add(&t, &p->arena, "--stdin-socket");
        child_texts_add(&t, &p->arena, "--tag=" SNAPSHOT_UPLOAD "%s", j->set);
    } else if ((TAKES_SET & bit) != 0 && j->set != NULL && !is_named) {
        child_texts_add(&t, &p->arena, j->verb == CHILD_TAG ? "--of-set=%s" : "--set=%s", j->set);
    }
    if (j->verb == CHILD_EXPORT)
        child_texts_add(&t, &p->arena, "--stdout");
    if (repository != NULL)
        add_repository(p, &t, repository);
    if ((CFMS & bit) != 0)
        add_cfms(p, &t, j, c);
    if (j->verb == CHILD_RESTORE && restores_set(j))
        child_texts_add(&t, &p->arena, "--yes");
    if (j->verb == CHILD_BACKUP) {
        child_texts_add(&t, &p->arena, "--job=%s", j->id);
        if (j->attempt > 1)
            child_texts_add(&t, &p->arena, "--again");
    }
    json_object_foreach(j->arguments, name, value)
    {
        add_option(p, &t, argument_find(j->verb, name), value);
    }
    if (j->verb == CHILD_IMPORT)
        add_arrival(p, &t, j, c);
    else
        add_words(p, &t, j, c);
    p->argv = child_texts_end(&t, &p->arena);
}

/* Of the commands of a set, each names the variables that it gets. */
const char *const *child_plan_variables(struct child_plan *p, const struct child_job *j,
                                        const struct config *c)
{
    AUTO(child_texts) struct child_texts t = {0};
    const struct config_set *set = NULL;
    struct err ignored;

    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
        child_texts_add(&t, &p->arena, "%s", variables[i]);
    if (j->set != NULL && !child_verb_is_reading(j->verb) &&
        config_find_set(c, j->set, &set, &ignored))
        for (size_t i = 0; i < set->source_count; i++) {
            const struct config_source *s = &set->sources[i];

            for (size_t n = 0; s->kind == SOURCE_COMMAND && n < s->command.environment.count; n++)
                child_texts_add(&t, &p->arena, "%s", s->command.environment.items[n]);
        }
    return (const char *const *)child_texts_end(&t, &p->arena);
}

static void make_environment(struct child_plan *p, const struct child_job *j,
                             const struct config *c)
{
    AUTO(child_texts) struct child_texts t = {0};

    child_texts_add(&t, &p->arena, PROGRAM_PATH);
    child_texts_add(&t, &p->arena, "LC_ALL=C.UTF-8");
    child_texts_add(&t, &p->arena, "HOLDFAST_PROGRESS_FPS=1");
    for (const char *const *name = child_plan_variables(p, j, c); *name != NULL; name++) {
        const char *value = getenv(*name);

        if (value != NULL && strcmp(*name, "PATH") != 0)
            child_texts_add(&t, &p->arena, "%s=%s", *name, value);
    }
    p->environment = child_texts_end(&t, &p->arena);
}

bool child_forgets_by_set(const struct child_job *j)
{
    static const char *const others[] = {"repository",  "dry_run",    "prune",   "approve",
                                         "failed_runs", "clock_seen", "verified"};
    size_t count = json_object_size(j->arguments);

    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        count -= child_has(j, others[i]);
    return count == 0;
}

/* Restoring beside what stands, importing and forgetting by rules of the job are about one
 * repository, which the command line has to name: that of the job, or the only one of its set.
 * Readings take the first, where backups go first. */
static bool choose_repository(const struct child_job *j, const struct config_set *set,
                              const struct config_repository **r, struct err *e)
{
    const bool is_by_rules = j->verb == CHILD_FORGET && !child_forgets_by_set(j);
    const bool is_beside = j->verb == CHILD_RESTORE && child_text(j, "into") == NULL &&
                           !child_flag(j, "in_place") && !child_restores_part(j);

    const bool is_reading = child_verb_is_reading(j->verb);

    if (*r != NULL || set == NULL ||
        (!is_by_rules && !is_beside && !is_reading && j->verb != CHILD_IMPORT))
        return true;
    if (set->repository_count > 1 && !is_reading)
        return err_set(e, ERR_USAGE, "job: set %s has %zu repositories: name one", set->name,
                       set->repository_count);
    *r = set->repositories[0];
    return true;
}

bool child_plan_make(const struct child_job *j, const struct config *c, struct child_plan *out,
                     struct err *e)
{
    AUTO(child_plan) struct child_plan p = {0};
    const struct config_repository *repository = NULL;
    const struct config_set *set = NULL;

    if ((CFMS & 1U << j->verb) != 0 && !c->serve.has_cfms)
        return err_set(e, ERR_USAGE, "job: the configuration has no server of CFMS");
    if (j->verb == CHILD_CFMS_IMPORT &&
        (child_text(j, "task") == NULL || !cfms_task_is(child_text(j, "task"))))
        return err_set(e, ERR_USAGE, "job: cfms import needs a task");
    if (!child_job_check(j, e) || !check(j, e) ||
        (j->set != NULL && !config_find_set(c, j->set, &set, e)) ||
        !find_repository(j, c, &repository, e) || !choose_repository(j, set, &repository, e))
        return false;
    child_plan_places(j, c, repository, &p);
    make_argv(&p, j, c, repository);
    make_environment(&p, j, c);
    *out = p;
    p = (struct child_plan){0};
    return true;
}

bool child_plan_load(const struct child_job *j, struct child_plan *out, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    AUTO(child_plan) struct child_plan p = {0};

    if (!config_load(j->config, &c, e) || !child_plan_make(j, c, &p, e))
        return false;
    for (const char *const *folder = p.folders; *folder != NULL; folder++)
        if (!dir_make_all(*folder, 0700, e))
            return false;
    *out = p;
    p = (struct child_plan){0};
    return true;
}

bool child_verb_takes_set(enum child_verb v)
{
    return (TAKES_SET & 1U << v) != 0;
}

struct child_promise child_plan_promise(const struct child_job *j)
{
    switch (j->verb) {
    case CHILD_UPLOAD:
        return (struct child_promise){"summary", "snapshot_id"};
    case CHILD_IMPORT:
        return child_flag(j, "dry_run") ? (struct child_promise){"import", NULL}
                                        : (struct child_promise){"summary", "snapshot_id"};
    case CHILD_BACKUP:
        return (struct child_promise){
            "summary",
            child_flag(j, "dry_run") || child_flag(j, "skip_if_unchanged") ? NULL : "snapshot_id"};
    case CHILD_RESTORE:
        if (child_flag(j, "plan"))
            return (struct child_promise){"plan", NULL};
        return (struct child_promise){"summary", restores_set(j) ? "restore_id" : NULL};
    case CHILD_UNDO:
        return child_flag(j, "confirm") ? (struct child_promise){"", NULL}
                                        : (struct child_promise){"summary", "restore_id"};
    case CHILD_DRILL:
        return (struct child_promise){"drill", "snapshot"};
    case CHILD_FORGET:
        return (struct child_promise){child_has(j, "undo") ? "summary" : NULL, NULL};
    case CHILD_KEYS:
        return (struct child_promise){NULL, NULL};
    case CHILD_MEASURE:
        return (struct child_promise){"stats", NULL};
    case CHILD_CFMS_EXPORT:
        return (struct child_promise){"cfms_export", NULL};
    case CHILD_CFMS_IMPORT:
        return (struct child_promise){"cfms_import", NULL};
    case CHILD_DIFF:
    case CHILD_DUMP:
    case CHILD_EXPORT:
    case CHILD_FIND:
    case CHILD_LS:
    case CHILD_SNAPSHOTS:
    case CHILD_STATS:
        return (struct child_promise){"", NULL}; /* their output is for somebody else */
    case CHILD_CHECK:
    case CHILD_COPY:
    case CHILD_PARITY:
    case CHILD_PRUNE:
    case CHILD_REENCRYPT:
    case CHILD_REPAIR:
    case CHILD_TAG:
    case CHILD_TRY:
    case CHILD_VERBS:
        break;
    }
    return (struct child_promise){"summary", NULL};
}
