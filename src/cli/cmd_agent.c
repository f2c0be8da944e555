/*
 * agent and its family: the key agent of this user.
 */
#include <stdlib.h>

#include "agent/agent.h"
#include "base/clock.h"
#include "base/supervisor.h"
#include "base/text.h"
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/paths.h"
#include "cli/render.h"

#define NS_PER_MS (NS_PER_S / 1000)

struct agent_args {
    struct common common;
    char *idle, *lifetime;
};

#define AT(member) offsetof(struct agent_args, member)
/* As what other agents keep: through an hour of work, not through a day. */
#define IDLE_DEFAULT "15m"
#define LIFE_DEFAULT "8h"

static const struct option agent_options[] = {
    {"idle", 0, OPTION_TEXT, AT(idle), "TIME",
     "Wipe a key when nobody asked for it for TIME, " IDLE_DEFAULT " unless given", NULL, NULL,
     NULL},
    {"lifetime", 0, OPTION_TEXT, AT(lifetime), "TIME",
     "Wipe a key TIME after its password was derived, " LIFE_DEFAULT " unless given", NULL, NULL,
     NULL},
    {0},
};

/* Where the agent is, or shall be: as it was said, or in the folder of this user's session. */
static bool find_place(struct call *call, const char **out, struct err *e)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    AUTO(buf) struct buf path = {0};

    call->stage = STAGE_FOREIGN;
    if (call->common->agent != NULL)
        buf_printf(&path, "%s", call->common->agent);
    else if (runtime != NULL && runtime[0] == '/')
        buf_printf(&path, "%s/holdfast/agent.sock", runtime);
    else if (state_folder(&path))
        buf_printf(&path, "/agent/agent.sock");
    else
        return err_set(e, ERR_USAGE,
                       "neither --agent, HOLDFAST_AGENT, XDG_RUNTIME_DIR nor HOME says where the "
                       "socket of the key agent is");
    *out = arena_string(&call->arena, buf_slice(&path));
    return agent_path_check(*out, e) || err_wrap(e, "--agent");
}

static bool read_time(const char *option, const char *text, int64_t *out_ns, struct err *e)
{
    int64_t ms = 0;

    if (!parse_timeout(text, &ms, e))
        return err_wrap(e, "--%s", option);
    *out_ns = ms * NS_PER_MS;
    return true;
}

/* What is told once the agent can be asked, and to whom. */
struct readiness {
    struct call *call;
    const char *path;
    struct supervisor *supervisor;
};

static bool tell_ready(void *arg, struct err *e)
{
    struct readiness *r = arg;
    json_t *line = NULL;

    if (r->call->out->json) {
        line = json_message("agent_started");
        json_set_text(line, "socket", r->path);
        output_json_now(r->call->out, line);
    } else {
        output_line(r->call->out, "HOLDFAST_AGENT=%s; export HOLDFAST_AGENT;", r->path);
    }
    return output_flush(r->call->out, e) && supervisor_ready(r->supervisor, e);
}

static bool run_agent(struct call *call, struct err *e)
{
    const struct agent_args *args = call->args;
    AUTO(supervisor) struct supervisor supervisor = SUPERVISOR_NONE;
    struct readiness ready = {.call = call, .supervisor = &supervisor};
    struct agent_settings settings = {0};

    if (!find_place(call, &ready.path, e) ||
        !read_time("idle", args->idle == NULL ? IDLE_DEFAULT : args->idle, &settings.idle_ns, e) ||
        !read_time("lifetime", args->lifetime == NULL ? LIFE_DEFAULT : args->lifetime,
                   &settings.life_ns, e) ||
        !supervisor_open(&supervisor, e))
        return false;
    settings.path = ready.path;
    return agent_serve(&settings, tell_ready, &ready, e);
}

static json_t *row_json(const struct agent_row *r)
{
    json_t *o = json_object();
    char id[2 * AGENT_ID_SIZE + 1];

    hex_encode(SLICE_OF(r->repository, AGENT_ID_SIZE), id);
    json_set_text(o, "repository_id", id);
    hex_encode(SLICE_OF(r->slot, AGENT_ID_SIZE), id);
    json_set_text(o, "key", id);
    json_set_u64(o, "seconds_left", r->left_s);
    json_set_u64(o, "uses", r->uses);
    return o;
}

static void print_row(struct call *call, const struct agent_row *r)
{
    char repository[2 * AGENT_ID_SIZE + 1];
    char slot[2 * AGENT_ID_SIZE + 1];
    char left[ELAPSED_TEXT_MAX];

    hex_encode(SLICE_OF(r->repository, AGENT_ID_SIZE), repository);
    hex_encode(SLICE_OF(r->slot, AGENT_ID_SIZE), slot);
    elapsed_format((int64_t)r->left_s * NS_PER_S, left);
    output_line(call->out, "repository %.8s  key %.8s  %s left  used %llu time%s", repository, slot,
                left, (unsigned long long)r->uses, plural(r->uses));
}

static bool run_status(struct call *call, struct err *e)
{
    const char *path = NULL;
    struct agent_rows rows;

    if (!find_place(call, &path, e) || !agent_list(path, &rows, e))
        return false;
    if (call->out->json) {
        json_t *line = json_message("agent_status");
        json_t *keys = json_array();

        for (size_t i = 0; i < rows.count; i++)
            json_array_append_new(keys, row_json(&rows.items[i]));
        json_set_text(line, "socket", path);
        json_set(line, "keys", keys);
        output_json(call->out, line);
    }
    output_note(call->out, "The key agent at %s keeps %u key%s.", path, rows.count,
                plural(rows.count));
    for (size_t i = 0; i < rows.count; i++)
        print_row(call, &rows.items[i]);
    return true;
}

static void tell_wiped(struct call *call, const char *what, const char *sentence, uint32_t count)
{
    if (call->out->json) {
        json_t *line = json_message(what);

        json_set_u64(line, "wiped", count);
        output_json(call->out, line);
    }
    output_note(call->out, "%s %u key%s wiped.", sentence, count, count == 1 ? " is" : "s are");
}

static bool run_forget(struct call *call, struct err *e)
{
    const char *path = NULL;
    uint32_t count = 0;

    if (!find_place(call, &path, e) || !agent_forget(path, &count, e))
        return false;
    tell_wiped(call, "agent_forgot", "The key agent goes on.", count);
    return true;
}

static bool run_stop(struct call *call, struct err *e)
{
    const char *path = NULL;
    uint32_t count = 0;

    if (!find_place(call, &path, e) || !agent_stop(path, &count, e))
        return false;
    tell_wiped(call, "agent_stopped", "The key agent ends.", count);
    return true;
}

const struct command command_agent = {
    .name = "agent",
    .summary = "Keep what is derived from passwords in memory for a time",
    .details = "It stays in the foreground, and is asked by commands that are told of it.  They "
               "still need\nthe password, but no half a second for it.  Nothing is written to a "
               "disk.",
    .examples = "holdfast agent &\n"
                "export HOLDFAST_AGENT=$XDG_RUNTIME_DIR/holdfast/agent.sock\n"
                "holdfast agent --idle 1h --lifetime 12h",
    .words = "",
    .options = agent_options,
    .args_size = sizeof(struct agent_args),
    .run = run_agent,
};

const struct command command_agent_status = {
    .name = "agent status",
    .summary = "Show what the key agent keeps",
    .examples = "holdfast agent status",
    .words = "",
    .args_size = sizeof(struct common),
    .run = run_status,
};

const struct command command_agent_forget = {
    .name = "agent forget",
    .summary = "Let the key agent wipe all that it keeps",
    .examples = "holdfast agent forget",
    .words = "",
    .args_size = sizeof(struct common),
    .run = run_forget,
};

const struct command command_agent_stop = {
    .name = "agent stop",
    .summary = "Let the key agent wipe all that it keeps, and end",
    .examples = "holdfast agent stop",
    .words = "",
    .args_size = sizeof(struct common),
    .run = run_stop,
};
