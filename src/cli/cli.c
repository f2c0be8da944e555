/*
 * From arguments to exit status.  This is the one place that turns a failure into lines on
 * standard error.
 */
#include "cli/cli.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/secret.h"

/* --json has to be known before the arguments are understood: errors in them are JSON too. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--json") == 0)
            return true;
    return false;
}

static bool run_command(struct call *call, const struct parsed *p, struct err *e)
{
    call->command = p->command;
    call->args = p->args;
    call->common = p->args;
    call->out->json = call->common->json;
    call->out->quiet = call->common->quiet;
    call->out->verbose = call->common->verbose;
    call->stage = STAGE_WORK;
    if (call->common->help && p->command != &command_help) {
        help_command(call->out, p->command);
        return true;
    }
    if (call->common->version)
        return command_version.run(call, e);
    return p->command->run(call, e);
}

/* A snapshot or path that is not there, or is not what the command can work on, or something that
 * is there already, once the repository is open: for programs that have to tell that from damage.
 */
static const char *cause_of(enum stage stage, enum err_code code)
{
    /* What it was given, an archive for one, and no failure of ours. */
    if (stage == STAGE_SECRET && (code == ERR_CORRUPT || code == ERR_USAGE))
        return "unfit";
    if (stage != STAGE_WORK)
        return NULL;
    return code == ERR_NOT_FOUND ? "not-found"
           : code == ERR_USAGE   ? "invalid"
           : code == ERR_EXISTS  ? "exists"
                                 : NULL;
}

/* Tell a failure; the exit status. */
static int fail(struct call *call, const struct err *e, const char *hint)
{
    const int status = exit_status(call->stage, e->code);

    output_failure(call->out, &(struct output_failure){.status = status,
                                                       .is_opening = call->stage == STAGE_STORE ||
                                                                     call->stage == STAGE_UNLOCK,
                                                       .cause = cause_of(call->stage, e->code),
                                                       .sentence = e->text,
                                                       .hint = hint});
    return status;
}

/* Run and report; the exit status. */
static int carry_out(struct call *call, const struct parsed *p)
{
    struct err e = {0};
    bool is_done = run_command(call, p, &e);

    output_bar(call->out, "");
    if (is_done && !output_flush(call->out, &e)) {
        call->stage = STAGE_WORK;
        is_done = false;
    }
    if (is_done)
        return call->status;
    return fail(call, &e, exit_hint(call->stage, e.code));
}

static int refuse(struct call *call, struct parsed *p, const struct err *e)
{
    AUTO(buf) struct buf hint = {0};

    if (p->hint.size > 0)
        buf_append_slice(&hint, buf_slice(&p->hint));
    else if (p->command != NULL)
        buf_printf(&hint, "\"holdfast help %s\" shows its options", p->command->name);
    return fail(call, e, hint.size > 0 ? buf_string(&hint) : exit_hint(call->stage, e->code));
}

int cli_run(int argc, char **argv)
{
    struct output out;
    struct parsed parsed = {0};
    AUTO(store_secrets) struct store_secrets secrets = {0};
    struct call call = {.out = &out, .secrets = &secrets, .stage = STAGE_COMMAND_LINE};
    struct err e = {0};

    (void)signal(SIGPIPE, SIG_IGN); /* cannot fail; a closed pipe is told as a failed write */
    cancel_install();
    (void)umask(077); /* cannot fail */
    output_init(&out);
    out.json = wants_json(argc, argv);
    call.password = secret_take_variable(SECRET_VARIABLE);
    call.from_password = secret_take_variable(SECRET_FROM_VARIABLE);

    const int status = options_parse(argc, argv, &parsed, &e) ? carry_out(&call, &parsed)
                                                              : refuse(&call, &parsed, &e);

    parsed_done(&parsed);
    arena_done(&call.arena);
    mem_secret_free(call.password);
    mem_secret_free(call.from_password);
    output_done(&out);
    return status;
}
