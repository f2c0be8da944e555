/*
 * config show and config validate.
 */
#include "cli/call.h"
#include "cli/commands.h"
#include "cli/config_path.h"
#include "cli/render.h"
#include "cli/yaml.h"
#include "job/job.h"

struct config_args {
    struct common common;
};

static const struct option config_options[] = {
    {0},
};

/* Read the file, and find the set that the first word names; NULL without a word. */
static bool load(struct call *call, struct config **out, const struct config_set **set,
                 struct err *e)
{
    const struct config_args *args = call->args;
    const struct strings *words = &args->common.words;

    return config_path_load(args->common.config, words->count > 0 ? words->items[0] : NULL, out,
                            set, e);
}

static bool run_config_show(struct call *call, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;

    if (!load(call, &c, &set, e))
        return false;
    if (call->out->json) {
        output_json(call->out, config_json(c, set));
        return true;
    }

    AUTO(json) json_t *all = config_json(c, set);
    AUTO(buf) struct buf text = {0};

    yaml_format(all, &text);
    output_raw(call->out, buf_slice(&text));
    return true;
}

static bool run_config_validate(struct call *call, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;

    if (!load(call, &c, &set, e))
        return false;
    if (call->out->json) {
        json_t *line = json_message("config_valid");
        json_t *names = json_array();

        for (size_t i = 0; i < c->set_count; i++)
            if (set == NULL || set == &c->sets[i])
                json_array_append_new(names, json_from_text(c->sets[i].name));
        json_set_text(line, "path", c->path);
        json_set(line, "sets", names);
        output_json(call->out, line);
    }
    if (set != NULL)
        output_note(call->out, "%s: set %s, all well", c->path, set->name);
    else
        output_note(call->out, "%s: %zu set%s, all well", c->path, c->set_count,
                    plural(c->set_count));
    return true;
}

const struct command command_config_show = {
    .name = "config show",
    .summary = "Show the configuration with all defaults",
    .details = "It is looked for in holdfast.yaml in the working directory, then in "
               "/etc/holdfast/holdfast.yaml.",
    .examples = "holdfast config show\n"
                "holdfast config show shop --json",
    .words = "[SET]",
    .words_max = 1,
    .options = config_options,
    .args_size = sizeof(struct config_args),
    .run = run_config_show,
};

const struct command command_config_validate = {
    .name = "config validate",
    .summary = "Check the configuration without doing anything",
    .examples = "holdfast config validate\n"
                "holdfast config validate -c /etc/holdfast/new.yaml",
    .words = "[SET]",
    .words_max = 1,
    .options = config_options,
    .args_size = sizeof(struct config_args),
    .run = run_config_validate,
};
