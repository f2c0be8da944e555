#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/group.h"
#include "cli/render.h"
#include "cli/session.h"

struct snapshots_args {
    struct common common;
    struct filter_args filter;
    int latest, page;
    char *group_by, *after;
    bool all, forgotten;
};

#define AT(member) offsetof(struct snapshots_args, member)

static const struct option snapshots_options[] = {
    {"latest", 0, OPTION_COUNT, AT(latest), "N", "Show only the N newest of each host and paths",
     NULL, NULL},
    {"group-by", 'g', OPTION_ANY_TEXT, AT(group_by), "host,paths,tags",
     "Show snapshots in groups of the same host, paths or tags", NULL, "grouping"},
    {"all", 0, OPTION_FLAG, AT(all), NULL,
     "Show forgotten snapshots and unfinished ones too, with their state", NULL, "states"},
    {"forgotten", 0, OPTION_FLAG, AT(forgotten), NULL,
     "Show only those that \"forget --undo\" can bring back, and until when", NULL, "states"},
    {"page", 0, OPTION_COUNT, AT(page), "N",
     "With --json: an object with the N newest, and where the next page begins", NULL, "grouping"},
    {"after", 0, OPTION_TEXT, AT(after), "NEXT", "With --page: those behind a page that said NEXT",
     NULL, NULL},
    FILTER_OPTIONS_AND_SET(snapshots_args, filter),
    UPLOADS_OPTION(snapshots_args, filter),
    {0},
};

static const char *state_name(enum snapshot_state state)
{
    switch (state) {
    case SNAPSHOT_COMMITTED:
        return "committed";
    case SNAPSHOT_PREPARED:
        return "unfinished";
    case SNAPSHOT_FORGOTTEN:
        return "forgotten";
    }
    return "unknown";
}

/* What could not be read; the others are listed all the same. */
struct damage {
    struct output *out;
    unsigned count;
};

static void on_damaged(void *arg, const char *key, const struct err *why)
{
    struct damage *d = arg;

    d->count++;
    output_item_error(d->out, "read", key, why->text);
}

/* What can be read; the words choose among it by the beginnings of ids. */
static bool load(struct call *call, struct session *s, struct damage *damage,
                 struct snapshot_list *out, struct err *e)
{
    const struct snapshots_args *args = call->args;
    const unsigned other = 1U << SNAPSHOT_PREPARED | 1U << SNAPSHOT_FORGOTTEN;
    const unsigned mask = args->forgotten ? 1U << SNAPSHOT_FORGOTTEN
                                          : 1U << SNAPSHOT_COMMITTED | (args->all ? other : 0);
    AUTO(snapshot_list) struct snapshot_list all = {0};
    struct snapshot_filter filter = {0};
    size_t kept = 0;

    if (!filter_make(call, &args->filter, &filter, e) ||
        !snapshot_load_all(s->repo, mask, on_damaged, damage, &all, e))
        return false;
    for (size_t i = 0; i < all.count; i++) {
        char id[65];
        bool is_wanted = args->common.words.count == 0;

        snapshot_id_text(&all.items[i]->id, id);
        for (size_t n = 0; n < args->common.words.count; n++) {
            const char *word = args->common.words.items[n];

            is_wanted = is_wanted || strncmp(id, word, strlen(word)) == 0;
        }
        if (!is_wanted || !snapshot_matches(all.items[i], &filter)) {
            snapshot_free(all.items[i]);
            continue;
        }
        all.items[kept] = all.items[i];
        all.states[kept++] = all.states[i];
    }
    all.count = kept;
    *out = all;
    all = (struct snapshot_list){0};
    return true;
}

/* What is listed. */
struct listing {
    struct snapshot_list list;
    bool *is_shown;              /* of each */
    bool all;                    /* with the state of each */
    struct forgotten *forgotten; /* of each; or NULL */
};

static void listing_auto(struct listing *v)
{
    snapshot_list_done(&v->list);
    mem_free(v->is_shown);
    mem_free(v->forgotten);
}

/* Mark what --latest leaves: of each host and paths the newest. */
static void choose_latest(const struct listing *v, int latest)
{
    const struct snapshot_list *l = &v->list;
    const struct grouping same = {.by_host = true, .by_paths = true};

    for (size_t i = 0; i < l->count; i++) {
        int newer = 0;

        for (size_t j = i + 1; j < l->count && newer < latest; j++)
            newer += group_is_same(&same, l->items[i], l->items[j]) ? 1 : 0;
        v->is_shown[i] = latest <= 0 || newer < latest;
    }
}

/* Until when it can come back. */
static void add_forgotten(struct table *t, const struct forgotten *f)
{
    AUTO(buf) struct buf until = {0};
    char time[CLOCK_TEXT_MAX];

    clock_format_local(f->time_ns, time);
    table_add(t, time);
    if (f->locked_until_s > 0)
        clock_format_local(f->locked_until_s * NS_PER_S, time);
    buf_printf(&until, "%s",
               f->is_going              ? "too late: prune"
               : f->locked_until_s == 0 ? "the next prune"
                                        : time);
    table_add(t, buf_string(&until));
}

static void add_row(struct table *t, const struct listing *v, size_t row)
{
    const struct snapshot *s = v->list.items[row];
    AUTO(buf) struct buf text = {0};
    char id[SHORT_ID_MAX];
    char size[TEXT_SIZE_MAX];
    char time[CLOCK_TEXT_MAX];

    short_id(&s->id, id);
    clock_format_local(s->time_ns, time);
    size_format(s->counts.total_bytes, size);
    table_add(t, id);
    table_add(t, time);
    path_escape(slice_string(s->host), &text);
    table_add(t, buf_string(&text));
    buf_clear(&text);
    texts_join(s->tags, s->tag_count, &text);
    table_add(t, buf_string(&text));
    table_add(t, size);
    if (v->forgotten != NULL)
        add_forgotten(t, &v->forgotten[row]);
    else if (v->all)
        table_add(t, state_name(v->list.states[row]));
    buf_clear(&text);
    for (size_t i = 0; i < s->path_count; i++)
        buf_printf(&text, "%s%s", i == 0 ? "" : "\n", s->paths[i]);
    if (s->incomplete_count > 0)
        buf_printf(&text, "\n(incomplete: %zu item%s)", s->incomplete_count,
                   plural(s->incomplete_count));
    table_add(t, buf_string(&text));
}

/* is_shown: of each row; those of the listing or fewer. */
static void print_table(struct call *call, const struct listing *v, const bool *is_shown)
{
    static const char *const plain[] = {"ID", "Time", "Host", "Tags", "Size", "Paths", NULL};
    static const char *const states[] = {"ID",   "Time",  "Host",  "Tags",
                                         "Size", "State", "Paths", NULL};
    static const char *const ends[] = {"ID",        "Time",       "Host",  "Tags", "Size",
                                       "Forgotten", "Back until", "Paths", NULL};
    const char *const *heads = v->forgotten != NULL ? ends : v->all ? states : plain;
    AUTO(table) struct table t;
    AUTO(buf) struct buf text = {0};
    size_t columns = 0;
    size_t count = 0;

    while (heads[columns] != NULL)
        columns++;
    table_init(&t, columns);
    for (size_t i = 0; i < columns; i++)
        table_add(&t, heads[i]);
    for (size_t i = 0; i < v->list.count; i++)
        if (is_shown[i]) {
            add_row(&t, v, i);
            count++;
        }
    if (count > 0)
        table_print(&t, &text);
    output_raw(call->out, buf_slice(&text));
    output_line(call->out, "%zu snapshot%s", count, plural(count));
}

static json_t *row_json(const struct listing *v, size_t row)
{
    json_t *one = json_snapshot(v->list.items[row]);
    const struct forgotten *f;

    if (v->all || v->forgotten != NULL)
        json_set_text(one, "state", state_name(v->list.states[row]));
    if (v->forgotten == NULL)
        return one;
    f = &v->forgotten[row];
    json_set_time(one, "forgotten_at", f->time_ns);
    if (f->reason[0] != '\0')
        json_set_text(one, "reason", f->reason);
    json_set(one, "can_return", json_boolean(!f->is_going));
    if (f->locked_until_s > 0)
        json_set_time(one, "kept_until", f->locked_until_s * NS_PER_S);
    else
        json_set(one, "kept_until", json_null()); /* the next prune */
    return one;
}

static json_t *list_json(const struct listing *v, const bool *is_shown)
{
    json_t *list = json_array();

    for (size_t i = 0; i < v->list.count; i++)
        if (is_shown[i])
            json_array_append_new(list, row_json(v, i));
    return list;
}

/* The rows of the group that starts at first; they leave is_left. */
static void take_group(const struct grouping *g, const struct snapshot_list *l, size_t first,
                       bool *is_left, bool *is_taken)
{
    for (size_t i = 0; i < l->count; i++) {
        is_taken[i] = is_left[i] && group_is_same(g, l->items[first], l->items[i]);
        is_left[i] = is_left[i] && !is_taken[i];
    }
}

static void print_groups(struct call *call, const struct grouping *g, const struct listing *v)
{
    const struct snapshot_list *l = &v->list;
    bool *is_left = v->is_shown;
    AUTO(mem) bool *is_taken = mem_array(l->count, sizeof(*is_taken));
    json_t *groups = json_array();

    for (size_t i = 0; i < l->count; i++) {
        if (!is_left[i])
            continue;
        take_group(g, l, i, is_left, is_taken);
        if (call->out->json) {
            json_t *one = json_object();

            json_set(one, "group_key", group_json(g, l->items[i]));
            json_set(one, "snapshots", list_json(v, is_taken));
            json_array_append_new(groups, one);
            continue;
        }

        AUTO(buf) struct buf title = {0};

        group_format(g, l->items[i], &title);
        output_line(call->out, "snapshots of %s:", buf_string(&title));
        print_table(call, v, is_taken);
        output_line(call->out, "%s", "");
    }
    if (call->out->json)
        output_json(call->out, groups);
    else
        json_decref(groups);
}

/* Pages, newest first.  Those of one time stand in the order of their ids, so that the last of a
 * page says where the next one begins, whatever came or went meanwhile. */

struct paged {
    const struct snapshot *snapshot;
    size_t row;
};

static int compare_newest(const void *a, const void *b)
{
    const struct snapshot *x = ((const struct paged *)a)->snapshot;
    const struct snapshot *y = ((const struct paged *)b)->snapshot;

    if (x->time_ns != y->time_ns)
        return x->time_ns > y->time_ns ? -1 : 1;
    return memcmp(y->id.bytes, x->id.bytes, HASH_SIZE);
}

/* "1790000000000000000.4f0c...": time and id of the last one. */
static bool cursor_parse(const char *text, struct snapshot *out, struct err *e)
{
    const char *dot = strchr(text, '.');
    AUTO(mem) char *digits = mem_dup(text, dot == NULL ? 0 : (size_t)(dot - text));
    uint64_t ns = 0;
    struct err ignored;

    if (dot == NULL || !parse_u64(digits, &ns, &ignored) || ns > INT64_MAX ||
        strlen(dot + 1) != 2 * (size_t)HASH_SIZE || !hex_decode(dot + 1, out->id.bytes, HASH_SIZE))
        return err_set(e, ERR_USAGE, "--after: \"%.100s\" is not what a page gave as next", text);
    out->time_ns = (int64_t)ns;
    return true;
}

static void print_page(struct call *call, const struct listing *v, const struct snapshot *after)
{
    const struct snapshots_args *args = call->args;
    const struct paged last = {.snapshot = after};
    const size_t limit = (size_t)args->page;
    AUTO(mem) struct paged *left = mem_array(v->list.count, sizeof(*left));
    json_t *items = json_array();
    json_t *page = json_object();
    size_t count = 0;

    for (size_t i = 0; i < v->list.count; i++) {
        left[count] = (struct paged){v->list.items[i], i};
        if (after == NULL || compare_newest(&left[count], &last) > 0)
            count++;
    }
    qsort(left, count, sizeof(*left), compare_newest);
    for (size_t i = 0; i < count && i < limit; i++)
        json_array_append_new(items, row_json(v, left[i].row));
    json_set(page, "snapshots", items);
    if (count > limit) {
        AUTO(buf) struct buf next = {0};
        char id[65];

        snapshot_id_text(&left[limit - 1].snapshot->id, id);
        buf_printf(&next, "%lld.%s", (long long)left[limit - 1].snapshot->time_ns, id);
        json_set(page, "next", json_string(buf_string(&next)));
    } else {
        json_set(page, "next", json_null());
    }
    output_json(call->out, page);
}

static bool check_page(const struct call *call, struct snapshot *after, struct err *e)
{
    const struct snapshots_args *args = call->args;

    if (args->page != 0 && (args->page < 0 || !call->out->json || args->all))
        return err_set(e, ERR_USAGE, "--page needs --json, takes a number from 1 and no --all");
    if (args->after != NULL && args->page == 0)
        return err_set(e, ERR_USAGE, "--after needs --page");
    return args->after == NULL || cursor_parse(args->after, after, e);
}

static bool run_snapshots(struct call *call, struct err *e)
{
    const struct snapshots_args *args = call->args;
    AUTO(session) struct session s = {0};
    AUTO(listing) struct listing v = {.all = args->all};
    struct grouping g = {0};
    struct damage damage = {.out = call->out};
    const bool is_exact = args->common.words.count > 0 && !args->all && !args->forgotten;
    struct snapshot after = {0};

    if (args->group_by != NULL && !grouping_parse(args->group_by, &g, e))
        return false;
    if (!check_page(call, &after, e) || !session_open(call, &s, e))
        return false;
    if (is_exact ? !session_select(call, &s, &args->common.words, &args->filter, &v.list, e)
                 : !load(call, &s, &damage, &v.list, e))
        return false;
    if (args->forgotten) {
        v.forgotten = mem_array(v.list.count, sizeof(*v.forgotten));
        if (!forgotten_look(s.repo, &v.list, v.forgotten, e))
            return false;
    }
    v.is_shown = mem_array(v.list.count, sizeof(*v.is_shown));
    choose_latest(&v, args->latest);
    if (args->page > 0)
        print_page(call, &v, args->after == NULL ? NULL : &after);
    else if (args->group_by != NULL)
        print_groups(call, &g, &v);
    else if (call->out->json)
        output_json(call->out, list_json(&v, v.is_shown));
    else
        print_table(call, &v, v.is_shown);
    return damage.count == 0 ||
           err_set(e, ERR_CORRUPT, "%u damaged object%s: snapshots may be missing from the list",
                   damage.count, plural(damage.count));
}

const struct command command_snapshots = {
    .name = "snapshots",
    .summary = "List snapshots",
    .examples = "holdfast snapshots\n"
                "holdfast snapshots --host web1 --latest 3\n"
                "holdfast snapshots --forgotten\n"
                "holdfast snapshots --json | jq -r '.[].id'",
    .words = "[SNAPSHOT]...",
    .words_max = WORDS_ANY,
    .options = snapshots_options,
    .args_size = sizeof(struct snapshots_args),
    .run = run_snapshots,
};
