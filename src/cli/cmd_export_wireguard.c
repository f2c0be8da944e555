/*
 * export wireguard: a snapshot of a gateway as the zip file that its application takes.
 */
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/configured.h"
#include "cli/render.h"
#include "cli/session.h"

struct export_args {
    struct common common;
    struct filter_args filter;
    char *folder;
    bool to_stdout;
};

static const struct option export_options[] = {
    {"set", 0, OPTION_TEXT, offsetof(struct export_args, filter.set), "SET",
     "The set that the gateway is; needed", NULL, NULL, NULL},
    {"output-dir", 0, OPTION_TEXT, offsetof(struct export_args, folder), "DIR",
     "Write into the folder DIR; this or --stdout is needed", NULL, "output", NULL},
    {"stdout", 0, OPTION_FLAG, offsetof(struct export_args, to_stdout), NULL,
     "Write to standard output, with --json behind a line about it", NULL, "output", NULL},
    {0},
};

/* path: where it stands; NULL: it follows. */
static void tell_json(struct call *call, const struct snapshot *s, const char *path,
                      const struct gateway_export *x)
{
    json_t *line = json_message("export");

    if (path != NULL)
        json_set_path(line, "path", slice_string(path));
    else
        json_set_text(line, "name", x->name);
    json_set_u64(line, "bytes", x->bytes);
    json_set_hash(line, "sha256", &x->sum);
    json_set_hash(line, "snapshot_id", &s->id);
    json_set_u64(line, "databases", x->databases);
    json_set_u64(line, "configs", x->configs);
    json_set_u64(line, "rules", x->rules);
    json_set_u64(line, "incomplete", s->incomplete_count);
    json_set(line, "encrypted", json_false());
    output_json(call->out, line);
}

static void tell(struct call *call, const struct snapshot *s, const char *folder,
                 const struct gateway_export *x)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf shown = {0};
    char size[TEXT_SIZE_MAX];

    buf_printf(&path, "%s/%s", folder, x->name);
    if (call->out->json) {
        tell_json(call, s, buf_string(&path), x);
        return;
    }
    size_format(x->bytes, size);
    output_line(call->out, "%s: %zu database%s, %zu configuration%s, %s, %s",
                path_for_people(buf_string(&path), &shown), x->databases, plural(x->databases),
                x->configs, plural(x->configs),
                x->rules > 0 ? "rules of the firewall" : "no rules of the firewall", size);
    if (s->incomplete_count > 0)
        output_line(call->out, "The snapshot is incomplete, and so may this file be: %zu item%s.",
                    s->incomplete_count, plural(s->incomplete_count));
    output_line(call->out, "It is not encrypted and holds private keys and password hashes.");
}

static bool write_out(struct call *call, const struct snapshot *s, const struct gateway_export *x,
                      struct slice file, struct err *e)
{
    if (call->out->json)
        tell_json(call, s, NULL, x);
    return output_flush(call->out, e) && fd_write(STDOUT_FILENO, file, e);
}

static bool run_export(struct call *call, struct err *e)
{
    const struct export_args *args = call->args;
    AUTO(config) struct config *c = NULL;
    AUTO(session) struct session s = {0};
    AUTO(snapshot) struct snapshot *snapshot = NULL;
    AUTO(mem) char *sub = NULL;
    const struct config_set *set = NULL;
    AUTO(buf) struct buf file = {0};
    struct gateway_export made = {0};

    call->stage = STAGE_SECRET; /* what it was given may make no sense */
    if (args->filter.set == NULL || (args->folder == NULL) != args->to_stdout)
        return err_set(e, ERR_USAGE, "export wireguard needs --set, and --output-dir or --stdout");
    if (!config_path_load(args->common.config, args->filter.set, &c, &set, e) ||
        !set_choose_repository(call, set, e) || !session_open_indexed(call, &s, e) ||
        !session_resolve(call, &s, args->common.words.items[0], &args->filter, &snapshot, &sub, e))
        return false;
    if (sub != NULL)
        return err_set(e, ERR_USAGE, "a gateway is exported as a whole, not a part of a snapshot");
    if (!gateway_export_make(s.repo, snapshot, &file, &made, e) ||
        (args->folder != NULL && !gateway_export_publish(&made, args->folder, buf_slice(&file), e)))
        return err_wrap(e, "export; nothing was written");
    if (args->to_stdout)
        return write_out(call, snapshot, &made, buf_slice(&file), e);
    tell(call, snapshot, args->folder, &made);
    return true;
}

const struct command command_export_wireguard = {
    .name = "export wireguard",
    .summary = "Write a snapshot of a WireGuard Gateway as its application's zip file",
    .details = "The file is not encrypted. It is never written over another one.",
    .examples = "holdfast export wireguard latest --set wireguard --output-dir /root\n"
                "holdfast export wireguard latest --set wireguard --stdout > gateway.zip",
    .words = "SNAPSHOT",
    .words_min = 1,
    .words_max = 1,
    .options = export_options,
    .args_size = sizeof(struct export_args),
    .run = run_export,
};
