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
    bool origin;
};

static const struct option show_options[] = {
    {"origin", 0, OPTION_FLAG, offsetof(struct config_args, origin), NULL,
     "Show each value with the line it stands in, or that it is a default", NULL, NULL, NULL},
    {0},
};

static const struct option validate_options[] = {
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

/* Values with their origins */

struct origins {
    struct call *call;
    const char *path; /* of the file */
    struct table table;
};

static void show_json(const struct origins *o, const char *path, const json_t *value, size_t line)
{
    json_t *out = json_message("config_value");

    json_set_text(out, "path", path);
    json_set(out, "value", json_deep_copy(value));
    json_set(out, "file", line == 0 ? json_null() : json_from_text(o->path));
    json_set(out, "line", line == 0 ? json_null() : json_integer((json_int_t)line));
    output_json(o->call->out, out);
}

static void on_value(void *arg, const char *path, const json_t *value, size_t line)
{
    struct origins *o = arg;
    AUTO(buf) struct buf origin = {0};
    AUTO(buf) struct buf text = {0};

    if (o->call->out->json) {
        show_json(o, path, value, line);
        return;
    }
    if (line == 0)
        buf_printf(&origin, "default");
    else
        buf_printf(&origin, "%s:%zu", o->path, line);
    json_append(value, &text);
    table_add(&o->table, path);
    table_add(&o->table, buf_string(&text));
    table_add(&o->table, buf_string(&origin));
}

static void show_origins(struct call *call, const struct config *c, const struct config_set *set)
{
    static const char *const heads[] = {"Key", "Value", "Origin"};
    struct origins o = {.call = call, .path = c->path};
    AUTO(buf) struct buf text = {0};

    table_init(&o.table, 3);
    for (size_t i = 0; i < 3; i++)
        table_add(&o.table, heads[i]);
    config_origins(c, set, on_value, &o);
    if (!call->out->json) {
        table_print(&o.table, &text);
        output_raw(call->out, buf_slice(&text));
    }
    table_auto(&o.table);
}

/* What fills places of rules that do not say it: [{"set", "repository", "places"}], of one set or
 * of all. */
static json_t *places_json(const struct config *c, const struct config_set *only)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->set_count; i++) {
        const struct config_set *set = &c->sets[i];

        for (size_t k = 0; k < set->repository_count && (only == NULL || only == set); k++) {
            const char *places = config_set_places(set, set->repositories[k]);

            if (places != NULL)
                (void)json_array_append_new(
                    list, json_pack("{s:s, s:s, s:s}", "set", set->name, "repository",
                                    set->repositories[k]->name, "places", places));
        }
    }
    return list;
}

/* before: "# " where it stands in YAML. */
static void tell_places(struct call *call, const json_t *list, const char *before)
{
    const json_t *one;
    size_t i;

    json_array_foreach(list, i, one)
    {
        output_note(call->out, "%s%s in %s: %s", before,
                    json_string_value(json_object_get(one, "set")),
                    json_string_value(json_object_get(one, "repository")),
                    json_string_value(json_object_get(one, "places")));
    }
}

static bool run_config_show(struct call *call, struct err *e)
{
    const struct config_args *args = call->args;
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;

    if (!load(call, &c, &set, e))
        return false;
    if (args->origin) {
        show_origins(call, c, set);
        return true;
    }
    if (call->out->json) {
        output_json(call->out, config_json(c, set));
        return true;
    }

    AUTO(json) json_t *all = config_json(c, set);
    AUTO(json) json_t *places = places_json(c, set);
    AUTO(buf) struct buf text = {0};

    yaml_format(all, &text);
    output_raw(call->out, buf_slice(&text));
    tell_places(call, places, "# ");
    return true;
}

static bool run_config_validate(struct call *call, struct err *e)
{
    AUTO(config) struct config *c = NULL;
    const struct config_set *set = NULL;
    AUTO(json) json_t *places = NULL;

    if (!load(call, &c, &set, e))
        return false;
    places = places_json(c, set);
    if (call->out->json) {
        json_t *line = json_message("config_valid");
        json_t *names = json_array();

        for (size_t i = 0; i < c->set_count; i++)
            if (set == NULL || set == &c->sets[i])
                json_array_append_new(names, json_from_text(c->sets[i].name));
        json_set_text(line, "path", c->path);
        json_set(line, "sets", names);
        json_set(line, "places", json_incref(places));
        output_json(call->out, line);
    }
    if (set != NULL)
        output_note(call->out, "%s: set %s, all well", c->path, set->name);
    else
        output_note(call->out, "%s: %zu set%s, all well", c->path, c->set_count,
                    plural(c->set_count));
    tell_places(call, places, "");
    return true;
}

const struct command command_config_show = {
    .name = "config show",
    .summary = "Show the configuration with all defaults",
    .details = "It is looked for in holdfast.yaml in the working directory, then in "
               "/etc/holdfast/holdfast.yaml.",
    .examples = "holdfast config show\n"
                "holdfast config show shop --json\n"
                "holdfast config show shop --origin",
    .words = "[SET]",
    .words_max = 1,
    .options = show_options,
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
    .options = validate_options,
    .args_size = sizeof(struct config_args),
    .run = run_config_validate,
};
