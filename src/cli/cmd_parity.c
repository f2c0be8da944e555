#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/render.h"
#include "cli/session.h"

enum {
    PERCENT_SHARDS = 4, /* of parity, when their share is given */
    AREA = 512 << 10,   /* bytes that a shard has at least, when the shards are given */
};

struct parity_args {
    struct common common;
    char *percent, *shards;
};

#define AT(member) offsetof(struct parity_args, member)

static const struct option enable_options[] = {
    {"percent", 0, OPTION_TEXT, AT(percent), "PERCENT",
     "4 shards of parity that are together PERCENT of a pack; 3.1 by default", NULL, "shards"},
    {"shards", 0, OPTION_TEXT, AT(shards), "DATA+PARITY",
     "Cut packs into at most DATA shards of at least 512 KiB, beside PARITY", NULL, "shards"},
    {0},
};

/* How packs are to be protected */

static bool parse_percent(const char *text, struct parity_rule *out, struct err *e)
{
    double percent = 0;

    if (!parse_decimal(text, &percent, e))
        return false;
    if (percent < 1.6 || percent > 50)
        return err_set(e, ERR_USAGE, "%s is not from 1.6 to 50", text);
    *out = (struct parity_rule){.data = (uint32_t)(PERCENT_SHARDS * 100 / percent + 0.5),
                                .parity = PERCENT_SHARDS};
    return true;
}

static bool parse_shards(struct call *call, const char *text, struct parity_rule *out,
                         struct err *e)
{
    const char *plus = strchr(text, '+');
    uint64_t data = 0;
    uint64_t parity = 0;

    if (plus == NULL)
        return err_set(e, ERR_USAGE, "%s is not like 128+4", text);
    if (!parse_u64(arena_string(&call->arena, SLICE_OF(text, (size_t)(plus - text))), &data, e) ||
        !parse_u64(plus + 1, &parity, e))
        return false;
    *out = (struct parity_rule){.data = (uint32_t)data, .parity = (uint32_t)parity, .area = AREA};
    return (data <= PARITY_SHARDS_MAX && parity <= PARITY_SHARDS_MAX &&
            parity_rule_is_valid(out)) ||
           err_set(
               e, ERR_USAGE,
               "%s: at most %d shards, 64 of them of parity, and at least twice as many of data "
               "as of parity",
               text, PARITY_SHARDS_MAX);
}

/* Without options what the repository has already, or the default. */
static bool choose_rule(struct call *call, struct session *s, struct parity_rule *out,
                        struct err *e)
{
    const struct parity_args *args = call->args;
    struct parity_figures now;

    if (args->percent != NULL)
        return parse_percent(args->percent, out, e) || err_wrap(e, "--percent");
    if (args->shards != NULL)
        return parse_shards(call, args->shards, out, e) || err_wrap(e, "--shards");
    if (!parity_measure(s->repo, &now, e))
        return false;
    *out = now.rule; /* the default where it is off */
    return true;
}

/* Telling */

static void tell_json(struct call *call, const struct parity_figures *f)
{
    json_t *line = json_message("summary");

    json_set(line, "enabled", json_boolean(f->is_on));
    if (f->is_on) {
        json_set_u64(line, "data_shards", f->rule.data);
        json_set_u64(line, "parity_shards", f->rule.parity);
        json_set_u64(line, "shard_bytes_min", f->rule.area);
    }
    json_set_u64(line, "objects", f->objects);
    json_set_u64(line, "bytes", f->bytes);
    json_set_u64(line, "unprotected", f->unprotected);
    json_set_u64(line, "parity_bytes", f->parity_bytes);
    json_set_u64(line, "made", f->made);
    json_set_u64(line, "removed", f->removed);
    json_set_u64(line, "damaged", f->damaged);
    output_json(call->out, line);
}

static void tell(struct call *call, const struct parity_figures *f)
{
    char objects[TEXT_SIZE_MAX];
    char parity[TEXT_SIZE_MAX];

    if (call->out->json) {
        tell_json(call, f);
        return;
    }
    size_format(f->bytes, objects);
    size_format(f->parity_bytes, parity);
    if (f->is_on)
        output_line(call->out, "Parity is on: %u + %u shards%s%s", f->rule.data, f->rule.parity,
                    f->rule.area > 0 ? " of at least 512 KiB" : "",
                    f->is_damaged ? "; its switch is damaged, enable it again" : "");
    else
        output_line(call->out, "Parity is off");
    output_line(call->out, "Objects:     %llu, %s", (unsigned long long)f->objects, objects);
    output_line(call->out, "Parity:      %s, %.1f %%", parity,
                f->bytes == 0 ? 0.0 : 100.0 * (double)f->parity_bytes / (double)f->bytes);
    output_line(call->out, "Unprotected: %llu", (unsigned long long)f->unprotected);
}

struct view {
    struct progress_view progress;
    struct output *out;
};

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    struct view *v = arg;

    output_item_error(v->out, "parity", key, why->text);
}

static void on_progress(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct view *v = arg;

    progress_step(&v->progress, step, done, total);
}

/* Commands */

static bool run_enable(struct call *call, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct view view = {.out = call->out};
    const struct parity_work work = {.damaged = on_damaged, .progress = on_progress, .arg = &view};
    struct parity_figures figures = {0};
    struct parity_rule rule;

    if (!progress_init(&view.progress, call->out, PROGRESS_BACKUP, e) ||
        !session_open(call, &s, e) || !choose_rule(call, &s, &rule, e) ||
        !parity_enable(s.repo, &rule, &work, &figures, e))
        return false;
    progress_end(&view.progress);
    tell(call, &figures);
    return figures.damaged == 0 ||
           err_set(e, ERR_CORRUPT, "parity: %llu damaged object%s got none; see holdfast check",
                   (unsigned long long)figures.damaged, plural(figures.damaged));
}

static bool run_disable(struct call *call, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct view view = {.out = call->out};
    const struct parity_work work = {.progress = on_progress, .arg = &view};
    struct parity_figures figures = {0};

    if (!progress_init(&view.progress, call->out, PROGRESS_BACKUP, e) ||
        !session_open(call, &s, e) || !parity_disable(s.repo, &work, &figures, e))
        return false;
    progress_end(&view.progress);
    tell(call, &figures);
    return true;
}

static bool run_status(struct call *call, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct parity_figures figures = {0};

    if (!session_open(call, &s, e) || !parity_measure(s.repo, &figures, e))
        return false;
    tell(call, &figures);
    return true;
}

const struct command command_parity_enable = {
    .name = "parity enable",
    .summary = "Store parity from which damaged parts are worked out again",
    .details = "What has none yet gets it.  With options packs get it anew where they have another "
               "kind.",
    .examples = "holdfast parity enable\n"
                "holdfast parity enable --percent 6\n"
                "holdfast parity enable --shards 128+4",
    .words = "",
    .options = enable_options,
    .wants_store_itself = true,
    .args_size = sizeof(struct parity_args),
    .run = run_enable,
};

const struct command command_parity_disable = {
    .name = "parity disable",
    .summary = "Remove parity and store no more of it",
    .examples = "holdfast parity disable",
    .words = "",
    .wants_store_itself = true,
    .args_size = sizeof(struct parity_args),
    .run = run_disable,
};

const struct command command_parity_status = {
    .name = "parity status",
    .summary = "Show whether there is parity, and how much",
    .examples = "holdfast parity status",
    .words = "",
    .wants_store_itself = true,
    .args_size = sizeof(struct parity_args),
    .run = run_status,
};
