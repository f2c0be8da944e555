#include "job/child_job.h"

#include <limits.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "codec/json.h"

enum {
    FORMAT = 1,
    ATTEMPTS_MAX = 1000000, /* the fence of a job, which each taking of it raises */
    GRACE_DEFAULT_S = 30,
    SECONDS_MAX = 366 * 86400,
    NAME_MAX_SIZE = 255,
};

const char *child_verb_name(enum child_verb v)
{
    static const char *const names[CHILD_VERBS] = {
        [CHILD_CFMS_EXPORT] = "cfms export",
        [CHILD_CFMS_IMPORT] = "cfms import",
        [CHILD_BACKUP] = "backup",
        [CHILD_CHECK] = "check",
        [CHILD_COPY] = "copy",
        [CHILD_DRILL] = "drill",
        [CHILD_FORGET] = "forget",
        [CHILD_KEYS] = "keys",
        [CHILD_MEASURE] = "measure",
        [CHILD_PARITY] = "parity",
        [CHILD_PRUNE] = "prune",
        [CHILD_REENCRYPT] = "reencrypt",
        [CHILD_REPAIR] = "repair",
        [CHILD_RESTORE] = "restore",
        [CHILD_TAG] = "tag",
        [CHILD_TRY] = "try",
        [CHILD_UNDO] = "undo",
        [CHILD_DIFF] = "diff",
        [CHILD_DUMP] = "dump",
        [CHILD_FIND] = "find",
        [CHILD_LS] = "ls",
        [CHILD_SNAPSHOTS] = "snapshots",
        [CHILD_STATS] = "stats",
        [CHILD_UPLOAD] = "upload",
        [CHILD_EXPORT] = "export",
        [CHILD_IMPORT] = "import",
    };

    return names[v];
}

void child_job_done(struct child_job *j)
{
    mem_free(j->config);
    mem_free(j->set);
    json_decref(j->arguments);
    *j = (struct child_job){0};
}

void child_job_auto(struct child_job *j)
{
    child_job_done(j);
}

void child_job_copy(const struct child_job *from, struct child_job *out)
{
    *out = *from;
    out->config = mem_string(from->config);
    out->set = from->set == NULL ? NULL : mem_string(from->set);
    out->arguments = from->arguments == NULL ? json_object() : json_deep_copy(from->arguments);
}

static bool id_is_good(const char *id)
{
    const size_t size = strlen(id);

    return size > 0 && size <= CHILD_ID_MAX && id[0] != '-' &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") == size;
}

static bool seconds_are_good(int64_t s)
{
    return s >= 0 && s <= SECONDS_MAX;
}

bool child_job_check(const struct child_job *j, struct err *e)
{
    const struct child_limits *l = &j->limits;

    if (!id_is_good(j->id))
        return err_set(e, ERR_USAGE, "job: an id is 1 to %d letters, digits and -", CHILD_ID_MAX);
    if (j->attempt < 1 || j->attempt > ATTEMPTS_MAX)
        return err_set(e, ERR_USAGE, "job %s: attempt must be from 1 to %d", j->id, ATTEMPTS_MAX);
    if (j->config == NULL || j->config[0] != '/' || strlen(j->config) >= PATH_MAX)
        return err_set(e, ERR_USAGE, "job %s: the configuration must be an absolute path", j->id);
    if (j->set != NULL && (j->set[0] == '\0' || strlen(j->set) > NAME_MAX_SIZE))
        return err_set(e, ERR_USAGE, "job %s: a set's name has 1 to %d bytes", j->id,
                       NAME_MAX_SIZE);
    if (j->arguments != NULL && !json_is_object(j->arguments))
        return err_set(e, ERR_USAGE, "job %s: arguments must be an object", j->id);
    if (!seconds_are_good(l->time_s) || !seconds_are_good(l->stall_s) ||
        !seconds_are_good(l->grace_s) || !seconds_are_good(l->cpu_s))
        return err_set(e, ERR_USAGE, "job %s: limits are from 0 to %d seconds", j->id, SECONDS_MAX);
    return true;
}

void child_job_format(const struct child_job *j, struct buf *out)
{
    const struct child_limits *l = &j->limits;
    AUTO(json)
    json_t *o = json_pack(
        "{s:i, s:s, s:i, s:s, s:s, s:s*, s:O*, s:{s:I, s:I, s:I, s:I, s:I}, s:b}", "format", FORMAT,
        "id", j->id, "attempt", j->attempt, "verb", child_verb_name(j->verb), "config", j->config,
        "set", j->set, "arguments", j->arguments, "limits", "time_s", (json_int_t)l->time_s,
        "stall_s", (json_int_t)l->stall_s, "grace_s", (json_int_t)l->grace_s, "cpu_s",
        (json_int_t)l->cpu_s, "memory", (json_int_t)l->memory, "must_confine", j->must_confine);

    json_append(o, out);
    buf_printf(out, "\n");
}

bool child_verb_reads(enum child_verb v)
{
    return v >= CHILD_DIFF && v <= CHILD_STATS;
}

bool child_verb_is_reading(enum child_verb v)
{
    return child_verb_reads(v) || v == CHILD_UPLOAD;
}

bool child_verb_parse(const char *name, enum child_verb *out)
{
    for (int v = 0; v < CHILD_VERBS; v++)
        if (strcmp(child_verb_name((enum child_verb)v), name) == 0) {
            *out = (enum child_verb)v;
            return true;
        }
    return false;
}

static bool limits_take(json_t *from, struct child_limits *out, struct err *e)
{
    json_int_t time_s = 0;
    json_int_t stall_s = 0;
    json_int_t grace_s = GRACE_DEFAULT_S;
    json_int_t cpu_s = 0;
    json_int_t memory = 0;
    json_error_t why;

    if (from != NULL &&
        json_unpack_ex(from, &why, 0, "{s?I, s?I, s?I, s?I, s?I !}", "time_s", &time_s, "stall_s",
                       &stall_s, "grace_s", &grace_s, "cpu_s", &cpu_s, "memory", &memory) < 0)
        return err_set(e, ERR_CORRUPT, "job: limits: %s", why.text);
    if (memory < 0)
        return err_set(e, ERR_USAGE, "job: limits: memory is below 0");
    *out = (struct child_limits){time_s, stall_s, grace_s, cpu_s, (uint64_t)memory};
    return true;
}

bool child_job_parse(struct slice text, struct child_job *out, struct err *e)
{
    AUTO(child_job) struct child_job j = {.attempt = 1};
    AUTO(json) json_t *o = NULL;
    json_error_t why;
    json_t *limits = NULL;
    json_t *arguments = NULL;
    const char *id = NULL;
    const char *verb = NULL;
    const char *config = NULL;
    const char *set = NULL;
    int format = 0;
    int must_confine = 0;

    o = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &why);
    if (o == NULL || json_unpack_ex(o, &why, 0, "{s:i, s:s, s?i, s:s, s:s, s?s, s?o, s?o, s?b !}",
                                    "format", &format, "id", &id, "attempt", &j.attempt, "verb",
                                    &verb, "config", &config, "set", &set, "arguments", &arguments,
                                    "limits", &limits, "must_confine", &must_confine) < 0)
        return err_set(e, ERR_CORRUPT, "job: %s", why.text);
    if (format != FORMAT)
        return err_set(e, ERR_CORRUPT, "job: format %d instead of %d", format, FORMAT);
    if (!child_verb_parse(verb, &j.verb))
        return err_set(e, ERR_USAGE, "job: there is no verb \"%.20s\"", verb);
    if (strlen(id) > CHILD_ID_MAX)
        return err_set(e, ERR_USAGE, "job: the id is longer than %d bytes", CHILD_ID_MAX);
    if (!limits_take(limits, &j.limits, e))
        return false;
    memcpy(j.id, id, strlen(id) + 1);
    j.config = mem_string(config);
    j.set = set == NULL ? NULL : mem_string(set);
    j.arguments = arguments == NULL ? json_object() : json_incref(arguments);
    j.must_confine = must_confine != 0;
    if (!child_job_check(&j, e))
        return false;
    *out = j;
    j = (struct child_job){0};
    return true;
}
