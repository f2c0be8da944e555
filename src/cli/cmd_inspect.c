#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "cli/commands.h"
#include "cli/render.h"
#include "cli/session.h"

struct inspect_args {
    struct common common;
};

/* Kinds of objects, as their keys begin. */
static const char *const kinds[] = {"config",    "keys",    "packs",     "index",
                                    "snapshots", "commits", "condemned", "trash"};

struct object_list {
    struct object_row {
        char *key;
        uint64_t size;
    } * rows;
    size_t count, room;
};

static void object_list_auto(struct object_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        mem_free(l->rows[i].key);
    mem_free(l->rows);
}

static bool add_object(void *arg, const struct object_info *info, struct err *e)
{
    struct object_list *l = arg;

    (void)e; /* nothing can fail */
    if (l->count == l->room) {
        l->room = l->room == 0 ? 64 : 2 * l->room;
        l->rows = mem_resize(l->rows, l->room, sizeof(*l->rows));
    }
    l->rows[l->count++] = (struct object_row){mem_string(info->key), info->size};
    return true;
}

static int compare_rows(const void *a, const void *b)
{
    const struct object_row *x = a;
    const struct object_row *y = b;

    return strcmp(x->key, y->key);
}

static bool prefix_of_kind(const char *kind, struct buf *out, struct err *e)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i], kind) == 0) {
            buf_printf(out, "%s%s", kind, i == 0 ? "" : "/");
            return true;
        }
    return err_set(e, ERR_USAGE,
                   "there are config, keys, packs, index, snapshots, commits, "
                   "condemned and trash, but no %.40s",
                   kind);
}

static bool list_objects(struct call *call, struct session *s, const char *prefix, struct err *e)
{
    AUTO(object_list) struct object_list l = {0};

    if (!store_list(s->store, prefix, add_object, &l, e))
        return false;
    if (l.count > 0)
        qsort(l.rows, l.count, sizeof(*l.rows), compare_rows);
    for (size_t i = 0; i < l.count; i++) {
        if (call->out->json) {
            json_t *line = json_message("object");

            json_set_text(line, "object", l.rows[i].key);
            json_set_u64(line, "size", l.rows[i].size);
            output_json(call->out, line);
        }
        output_line(call->out, "%12llu %s", (unsigned long long)l.rows[i].size, l.rows[i].key);
        if (!output_is_good(call->out, e))
            return false;
    }
    return true;
}

static bool run_inspect(struct call *call, struct err *e)
{
    const struct strings *words = &call->common->words;
    const bool is_list = strcmp(words->items[0], "list") == 0;
    AUTO(session) struct session s = {0};
    AUTO(buf) struct buf text = {0};

    if (!is_list && words->count > 1)
        return err_set(e, ERR_USAGE, "inspect takes one object; %.60s is too much",
                       words->items[1]);
    if (is_list && words->count > 1 && !prefix_of_kind(words->items[1], &text, e))
        return false;
    if (!session_open(call, &s, e))
        return false;
    if (is_list)
        return list_objects(call, &s, buf_string(&text), e);
    if (!repo_inspect(s.repo, words->items[0], &text, e))
        return err_wrap(e, "inspect %s", words->items[0]);
    if (text.size == 0 || text.data[text.size - 1] != '\n')
        buf_append(&text, "\n", 1);
    output_raw(call->out, buf_slice(&text));
    return true;
}

const struct command command_inspect = {
    .name = "inspect",
    .summary = "Show what an object of the repository holds, or list objects",
    .details = "Keys and secrets are not shown.",
    .examples = "holdfast inspect list packs\n"
                "holdfast inspect config\n"
                "holdfast inspect snapshots/4b0f...",
    .words = "OBJECT | list [KIND]",
    .words_min = 1,
    .words_max = 2,
    .args_size = sizeof(struct inspect_args),
    .run = run_inspect,
};
