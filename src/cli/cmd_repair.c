#include "cli/commands.h"
#include "cli/render.h"
#include "cli/session.h"

struct repair_args {
    struct common common;
};

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    output_item_error(arg, "repair", key, why->text);
}

static bool run_repair_index(struct call *call, struct err *e)
{
    AUTO(session) struct session s = {0};
    struct repair_stats stats = {0};

    if (!session_open(call, &s, e) || !repair_index(s.repo, on_damaged, call->out, &stats, e))
        return false;
    if (call->out->json) {
        json_t *line = json_message("summary");

        json_set_u64(line, "packs", stats.packs);
        json_set_u64(line, "packs_damaged", stats.packs_damaged);
        json_set_u64(line, "indexes_before", stats.indexes_before);
        json_set_u64(line, "indexes_after", stats.indexes_after);
        output_json(call->out, line);
    }
    output_note(call->out,
                "The index was made again from %llu packs: %llu objects before, %llu now",
                (unsigned long long)stats.packs, (unsigned long long)stats.indexes_before,
                (unsigned long long)stats.indexes_after);
    if (stats.packs_damaged > 0)
        return err_set(e, ERR_CORRUPT, "repair index: left out %llu damaged pack%s",
                       (unsigned long long)stats.packs_damaged, plural(stats.packs_damaged));
    return true;
}

const struct command command_repair_index = {
    .name = "repair index",
    .summary = "Make the index again from the packs",
    .examples = "holdfast repair index",
    .words = "",
    .wants_store_itself = true,
    .args_size = sizeof(struct repair_args),
    .run = run_repair_index,
};
