/*
 * create: back up by a configuration, on this machine or by a service.
 */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cli/commands.h"
#include "cli/desk.h"
#include "cli/desk_tell.h"
#include "cli/render.h"
#include "codec/json.h"

#define NAME_MAX_BYTES 200

struct create_args {
    struct common common;
    struct desk_args desk;
    char *config, *name;
    int type; /* of type_words, 0: not given */
    bool dry_run;
};

#define AT(member) offsetof(struct create_args, member)

static const char *const type_words[] = {"any",         "full",         "database", "files",
                                         "incremental", "differential", NULL};

static const struct option create_options[] = {
    {"config", 'c', OPTION_TEXT, AT(config), "ID", "Back up by the configuration or set ID", NULL,
     NULL, NULL},
    {"type", 't', OPTION_CHOICE, AT(type), "TYPE",
     "Without --config: by the only one of TYPE; full (default), database, files", NULL, NULL,
     type_words},
    {"name", 'n', OPTION_TEXT, AT(name), "NAME", "Call the backup NAME: the tag name:NAME", NULL,
     NULL, NULL},
    {"dry-run", 0, OPTION_FLAG, AT(dry_run), NULL, "Store nothing, tell what would be stored", NULL,
     NULL, NULL},
    DESK_OPTIONS(create_args, desk),
    {0},
};

static void add_id(const json_t *config, struct buf *out)
{
    char text[120];

    desk_text(config, "id", text, sizeof(text));
    buf_printf(out, "%s%s", out->size > 0 ? ", " : "", text);
}

/* Of all that make backups of a type the only one, or the only one that is enabled. */
static bool choose(struct call *call, struct desk *d, const char *type, const char **out,
                   struct err *e)
{
    AUTO(json) json_t *configs = NULL;
    AUTO(buf) struct buf all = {0};
    const char *only[2] = {NULL, NULL};
    size_t count[2] = {0, 0};
    const json_t *one;
    size_t i;

    if (!desk_configs(d, &configs, e))
        return false;
    json_array_foreach(configs, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        const bool is_enabled = json_is_true(json_object_get(one, "enabled"));

        if (id == NULL || strcmp(desk_type_of(one), type) != 0)
            continue;
        only[0] = count[0]++ == 0 ? id : only[0];
        add_id(one, &all);
        if (is_enabled)
            only[1] = count[1]++ == 0 ? id : only[1];
    }
    if (count[0] == 0)
        return err_set(e, ERR_USAGE,
                       "no backup configuration is of type %s; name one with --config, or keep one "
                       "with \"holdfast schedule --file\"",
                       type);
    if (count[0] > 1 && count[1] != 1)
        return err_set(e, ERR_USAGE,
                       "several configurations are of type %s: name one of %s with "
                       "--config",
                       type, buf_string(&all));
    *out = arena_string(&call->arena, slice_string(count[0] == 1 ? only[0] : only[1]));
    return true;
}

/* Names become tags, which stand between commas on command lines of jobs. */
static bool check_name(const char *name, struct err *e)
{
    if (name == NULL)
        return true;
    if (strlen(name) > NAME_MAX_BYTES || strchr(name, ',') != NULL ||
        !utf8_is_valid(slice_string(name)))
        return err_set(e, ERR_USAGE, "--name takes at most %d bytes of UTF-8 without comma",
                       NAME_MAX_BYTES);
    for (const char *c = name; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            return err_set(e, ERR_USAGE, "--name takes no control characters");
    return true;
}

static void tell(struct call *call, json_t *record)
{
    char id[120];
    char size[TEXT_SIZE_MAX];
    const char *status = json_string_value(json_object_get(record, "status"));

    if (status != NULL && strcmp(status, "partial") == 0)
        call->status = EXIT_INCOMPLETE;
    if (call->out->json) {
        json_set_text(record, "message_type", "backup");
        output_json(call->out, json_incref(record));
        return;
    }
    desk_text(record, "id", id, sizeof(id));
    size_format(desk_size(record, "size"), size);
    output_note(call->out, "Backup ID: %s", id);
    output_note(call->out, "Size: %s", size);
    output_note(call->out, "Duration: %.1fs",
                json_number_value(json_object_get(record, "duration")));
    output_note(call->out, "Files: %zu", json_array_size(json_object_get(record, "files")));
    if (call->status == EXIT_INCOMPLETE)
        output_note(call->out,
                    "Incomplete: something could not be read, or not every place has it");
}

static bool run_create(struct call *call, struct err *e)
{
    const struct create_args *args = call->args;
    const char *type = args->type == 0 ? NULL : type_words[args->type];
    struct desk_wish w = {
        .config = args->config, .type = type, .name = args->name, .is_dry_run = args->dry_run};
    AUTO(desk) struct desk *d = NULL;
    AUTO(json) json_t *record = NULL;

    if (args->dry_run && args->desk.remote.server != NULL)
        return err_set(e, ERR_USAGE, "--dry-run is for this machine: a service has no such call");
    if (!check_name(args->name, e) || !desk_open(call, &args->desk, false, &d, e))
        return false;
    if (w.config == NULL) {
        const bool is_part =
            type != NULL && (strcmp(type, "database") == 0 || strcmp(type, "files") == 0);

        if (!choose(call, d, is_part ? type : "full", &w.config, e))
            return false;
    }
    if (!desk_create(d, &w, &record, e))
        return false;
    if (record != NULL)
        tell(call, record);
    return true;
}

const struct command command_create = {
    .name = "create",
    .summary = "Back up by a configuration",
    .details = "On this machine the same as \"holdfast backup --set ID\"; the catalog, when there "
               "is one, is told.\nWith --server the service does it.",
    .examples = "holdfast create --config shop\n"
                "holdfast create --type database\n"
                "holdfast create --config shop --name before-upgrade\n"
                "holdfast create --config daily-db-backup --server https://backup.example.org "
                "--token-file /etc/holdfast/token",
    .words = "",
    .options = create_options,
    .args_size = sizeof(struct create_args),
    .run = run_create,
};
