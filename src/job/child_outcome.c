#include "job/child_outcome.h"

#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "job/child_lines.h"
#include "job/child_plan.h"

/* Exit statuses of docs/commands/README.md. */
enum {
    STATUS_INCOMPLETE = 3,
    STATUS_CONFLICT = 11,
    STATUS_DRILL_FAILED = 14,
    STATUS_REFUSED = 15,
};

enum {
    SNAPSHOT_DIGITS = 64,
    RESTORE_DIGITS_MIN = 8,
};

const char *child_state_name(enum child_state s)
{
    static const char *const names[] = {
        [CHILD_SUCCEEDED] = "succeeded", [CHILD_INCOMPLETE] = "incomplete",
        [CHILD_CONFLICT] = "conflict",   [CHILD_DRILL_FAILED] = "drill-failed",
        [CHILD_REFUSED] = "refused",     [CHILD_FAILED] = "failed",
        [CHILD_CANCELLED] = "cancelled", [CHILD_TIMED_OUT] = "timed-out",
        [CHILD_STALLED] = "stalled",     [CHILD_INTERRUPTED] = "interrupted",
    };

    return names[s];
}

void child_outcome_auto(struct child_outcome *o)
{
    json_decref(o->result);
    json_decref(o->gaps);
    mem_free(o->errors);
    mem_free(o->log);
    *o = (struct child_outcome){0};
}

static bool is_id(const json_t *value, const char *key)
{
    const char *text = json_string_value(value);
    const size_t size = text == NULL ? 0 : strlen(text);

    if (size == 0 || strspn(text, "0123456789abcdef") != size)
        return false;
    return strcmp(key, "restore_id") == 0 ? size >= RESTORE_DIGITS_MIN : size == SNAPSHOT_DIGITS;
}

/* Whether what it said bears its exit status out; sets why otherwise. */
static bool is_borne_out(const struct child_job *j, const struct child_end *end, int status,
                         struct err *why)
{
    const struct child_promise promise = child_plan_promise(j);
    const char *verdict;

    if (end->bad_line.code != ERR_NONE)
        return err_set(why, ERR_CORRUPT, "the job ended with status %d, but %s", status,
                       end->bad_line.text);
    if (promise.message != NULL && *promise.message == '\0')
        return true;
    if (end->result == NULL)
        return err_set(why, ERR_CORRUPT, "the job ended with status %d, but without %s", status,
                       promise.message == NULL ? "a result" : promise.message);
    if (promise.key != NULL && !is_id(json_object_get(end->result, promise.key), promise.key))
        return err_set(why, ERR_CORRUPT, "the job ended with status %d, but without %s", status,
                       promise.key);
    verdict = json_string_value(json_object_get(end->result, "verdict"));
    if (j->verb == CHILD_DRILL && status == 0 &&
        (verdict == NULL || strcmp(verdict, "proven") != 0))
        return err_set(why, ERR_CORRUPT, "the drill ended with status 0, but not proven");
    if (status == 0 && json_integer_value(json_object_get(end->result, "error_count")) > 0)
        return err_set(why, ERR_CORRUPT, "the job ended with status 0, but tells of errors");
    return true;
}

static enum child_state state_of(const struct child_job *j, const struct child_end *end, int status,
                                 struct err *why)
{
    switch (status) {
    case 0:
        return is_borne_out(j, end, status, why) ? CHILD_SUCCEEDED : CHILD_FAILED;
    case STATUS_INCOMPLETE:
        if (!is_borne_out(j, end, status, why))
            return CHILD_FAILED;
        (void)err_set(why, ERR_FATAL, "something could not be read or checked");
        return CHILD_INCOMPLETE;
    case STATUS_CONFLICT:
        return CHILD_CONFLICT;
    case STATUS_DRILL_FAILED:
        return CHILD_DRILL_FAILED;
    case STATUS_REFUSED:
        return CHILD_REFUSED;
    default:
        return CHILD_FAILED;
    }
}

/* The sentence of the last exit_error among the lines of standard error. */
static void take_sentence(const char *errors, struct child_outcome *out)
{
    const char *last = NULL;

    for (const char *at = errors; (at = strstr(at, "\"exit_error\"")) != NULL; at++)
        last = at;
    if (last == NULL)
        return;
    while (last > errors && last[-1] != '\n')
        last--;

    AUTO(json) json_t *line = NULL;
    struct err ignored;

    if (!child_line_parse(SLICE_OF(last, strcspn(last, "\n")), &line, &ignored))
        return;

    const char *text = json_string_value(json_object_get(line, "message"));
    const char *cause = json_string_value(json_object_get(line, "cause"));

    if (text == NULL)
        return;
    (void)err_set(&out->why, ERR_FATAL, "%s", text);
    out->is_opening = json_is_true(json_object_get(line, "opening"));
    out->is_missing = cause != NULL && strcmp(cause, "not-found") == 0;
    out->is_taken = cause != NULL && strcmp(cause, "exists") == 0;
    out->is_unfit = cause != NULL && strcmp(cause, "unfit") == 0;
    out->is_invalid = cause != NULL && strcmp(cause, "invalid") == 0;
}

/* States that the keeper brought about. */
static bool state_of_reason(const char *reason, enum child_state *out, struct err *why)
{
    static const struct {
        const char *reason;
        enum child_state state;
        const char *sentence;
    } all[] = {
        {"cancel", CHILD_CANCELLED, "it was cancelled"},
        {"time", CHILD_TIMED_OUT, "it took longer than it may"},
        {"stall", CHILD_STALLED, "nothing moved for too long"},
        {"output", CHILD_FAILED, "it said more than a job may say"},
        {"disk", CHILD_FAILED, "what it said could not be written down"},
    };

    for (size_t i = 0; reason != NULL && i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i].reason, reason) == 0) {
            *out = all[i].state;
            (void)err_set(why, ERR_FATAL, "%s", all[i].sentence);
            return true;
        }
    return false;
}

void child_outcome_judge(const struct child_job *j, const struct child_end *end,
                         struct child_outcome *out)
{
    const json_t *status = json_object_get(end->exit, "status");
    const json_t *signal = json_object_get(end->exit, "signal");
    const char *why = json_string_value(json_object_get(end->exit, "why"));
    const char *reason = json_string_value(json_object_get(end->exit, "reason"));

    *out = (struct child_outcome){.state = CHILD_FAILED,
                                  .status = -1,
                                  .result = json_incref(end->result),
                                  .errors = mem_string(end->errors == NULL ? "" : end->errors)};
    if (end->exit == NULL) {
        out->state = CHILD_INTERRUPTED;
        (void)err_set(&out->why, ERR_FATAL, "the job died with its keeper");
        return;
    }
    if (json_is_integer(status))
        out->status = (int)json_integer_value(status);
    /* Done before it noticed that it should stop. */
    if (out->status == 0 && state_of(j, end, 0, &out->why) == CHILD_SUCCEEDED) {
        out->state = CHILD_SUCCEEDED;
        return;
    }
    if (state_of_reason(reason, &out->state, &out->why))
        return;
    if (why != NULL) {
        (void)err_set(&out->why, ERR_FATAL, "it could not be started: %s", why);
        return;
    }
    if (json_is_integer(signal)) {
        out->signal = (int)json_integer_value(signal);
        (void)err_set(&out->why, ERR_FATAL, "it was ended by signal %d", out->signal);
        return;
    }
    out->state = state_of(j, end, out->status, &out->why);
    if (out->why.code == ERR_NONE)
        (void)err_set(&out->why, ERR_FATAL, "it ended with status %d", out->status);
    if (out->status > 0 && out->why.code != ERR_CORRUPT)
        take_sentence(out->errors, out);
}
