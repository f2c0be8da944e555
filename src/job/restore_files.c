/*
 * File trees: each configured path is built anew in a folder of ours beside it (stage_tree.h) and
 * changes places with the present one.
 *
 * The note: {"paths": [{"folder": "...", "swaps": [{"place": "...", "staged": "...", "inode": 1,
 * "old_inode": 2}]}]}, paths as path text.
 */
#include <sys/stat.h>

#include "base/mem.h"
#include "base/text.h"
#include "job/open_set.h"
#include "job/restore_source.h"
#include "job/stage_tree.h"

static const struct config_files *files_of(const struct restore_source *p)
{
    return &p->source->files;
}

static void options_of(const struct restore_source *p, size_t path, struct stage_options *out)
{
    *out = (struct stage_options){.snapshot = p->snapshot,
                                  .safety = p->safety,
                                  .source = p->source->name,
                                  .path = files_of(p)->paths.items[path]};
}

/* A path that is not there was out of reach when it was backed up, or is new in the configuration:
 * that it was not there is nothing that a snapshot says. */
static bool is_in_snapshot(struct restore_source *p, const char *path, bool *is_in, struct err *e)
{
    AUTO(reader) struct reader *rd = reader_new(p->repo);
    AUTO(buf) struct buf place = {0};
    AUTO(buf) struct buf keep = {0};
    struct entry en;
    struct err why = {0};

    buf_printf(&place, "%s%s", p->place, path);
    *is_in = tree_find(rd, &p->snapshot->tree, buf_string(&place), &keep, &en, &why);
    if (*is_in || why.code == ERR_NOT_FOUND)
        return true;
    *e = why;
    return false;
}

static bool plan(struct restore_source *p, struct source_plan *out, struct err *e)
{
    AUTO(exclude) struct exclude *x = exclude_new();
    AUTO(buf) struct buf where = {0};
    struct stat st;

    if (!restore_places_check(p->options, p->source, e) || !config_excludes(files_of(p), x, e))
        return false;
    for (size_t i = 0; i < files_of(p)->paths.count; i++) {
        struct stage_counts counts = {0};
        struct stage_options o;
        bool is_stored = false;

        options_of(p, i, &o);
        if (!is_in_snapshot(p, o.path, &is_stored, e))
            return false;
        if (!is_stored) {
            buf_printf(&where, "%s%s (not in the snapshot: stays)", i > 0 ? ", " : "", o.path);
            continue;
        }
        o.exclude = x;
        if (!stage_plan(p->repo, &o, &counts, e))
            return false;
        out->added += counts.files_new;
        out->replaced += counts.files_replaced;
        out->removed += counts.files_removed;
        out->unchanged += counts.files_unchanged + counts.files_kept;
        out->bytes += counts.bytes;
        out->is_there = out->is_there || lstat(o.path, &st) == 0;
        buf_printf(&where, "%s%s", i > 0 ? ", " : "", o.path);
    }
    out->where = mem_string(buf_string(&where));
    return true;
}

static bool begin(struct restore_source *p, struct err *e)
{
    json_t *paths = json_array();

    (void)json_object_set_new(p->note, "paths", paths);
    for (size_t i = 0; i < files_of(p)->paths.count; i++) {
        const char *path = files_of(p)->paths.items[i];
        AUTO(mem) char *folder = NULL;
        AUTO(buf) struct buf text = {0};
        char id[RESTORE_PLACE_ID];

        restore_place_id(p, path, id);
        if (!stage_folder(path, id, &folder, e))
            return false;
        path_escape(slice_string(folder), &text);
        (void)json_array_append_new(paths, json_pack("{s:s}", "folder", buf_string(&text)));
    }
    return true;
}

static json_t *swaps_json(const struct swap_list *l)
{
    json_t *all = json_array();

    for (size_t i = 0; i < l->count; i++) {
        AUTO(buf) struct buf place = {0};
        AUTO(buf) struct buf staged = {0};

        path_escape(slice_string(l->items[i].place), &place);
        path_escape(slice_string(l->items[i].staged), &staged);
        (void)json_array_append_new(
            all, json_pack("{s:s, s:s, s:I, s:I}", "place", buf_string(&place), "staged",
                           buf_string(&staged), "inode", (json_int_t)l->items[i].inode, "old_inode",
                           (json_int_t)l->items[i].old_inode));
    }
    return all;
}

static void add_counts(struct stage_counts *sum, const struct stage_counts *one)
{
    sum->files_new += one->files_new;
    sum->files_replaced += one->files_replaced;
    sum->files_unchanged += one->files_unchanged;
    sum->files_removed += one->files_removed;
    sum->files_kept += one->files_kept;
}

static bool stage(struct restore_source *p, struct buf *what, struct err *e)
{
    struct stage_counts sum = {0};

    for (size_t i = 0; i < files_of(p)->paths.count; i++) {
        AUTO(stage_result) struct stage_result r = {0};
        char id[RESTORE_PLACE_ID];
        struct stage_options o;
        bool is_stored = false;

        options_of(p, i, &o);
        restore_place_id(p, o.path, id);
        o.id = id;
        if (!is_in_snapshot(p, o.path, &is_stored, e))
            return false;
        if (!is_stored)
            continue;
        if (!stage_tree(p->repo, &o, p->report, &r, e))
            return false;
        (void)json_object_set_new(json_array_get(json_object_get(p->note, "paths"), i), "swaps",
                                  swaps_json(&r.swaps));
        add_counts(&sum, &r.counts);
    }

    const uint64_t as_they_are = sum.files_unchanged + sum.files_kept;

    buf_printf(what, "%llu files new, %llu replaced, %llu removed, %llu as they are",
               (unsigned long long)sum.files_new, (unsigned long long)sum.files_replaced,
               (unsigned long long)sum.files_removed, (unsigned long long)as_they_are);
    return true;
}

/* Read the note */

static bool damaged(const struct restore_source *p, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the journal of restore %s is damaged", p->id);
}

static bool take_path(const json_t *from, const char *name, struct buf *out)
{
    const char *text = json_string_value(json_object_get(from, name));

    return text != NULL && path_unescape(text, out) && out->size > 0;
}

static bool take_swaps(const json_t *path, struct swap_list *out)
{
    const json_t *all = json_object_get(path, "swaps");

    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        AUTO(buf) struct buf place = {0};
        AUTO(buf) struct buf staged = {0};

        if (!take_path(one, "place", &place) || !take_path(one, "staged", &staged))
            return false;

        swap_list_add(out, buf_string(&place), buf_string(&staged),
                      (uint64_t)json_integer_value(json_object_get(one, "inode")),
                      (uint64_t)json_integer_value(json_object_get(one, "old_inode")));
    }
    return true;
}

/* All paths, in one list: so that the way back is the exact reverse. */
static bool read_swaps(const struct restore_source *p, struct swap_list *out, struct err *e)
{
    const json_t *paths = json_object_get(p->note, "paths");

    for (size_t i = 0; i < json_array_size(paths); i++)
        if (!take_swaps(json_array_get(paths, i), out))
            return damaged(p, e);
    return true;
}

static bool forward(struct restore_source *p, struct err *e)
{
    AUTO(swap_list) struct swap_list l = {0};

    return read_swaps(p, &l, e) && swap_forward(&l, e);
}

static bool check_back(struct restore_source *p, struct err *e)
{
    AUTO(swap_list) struct swap_list l = {0};

    return read_swaps(p, &l, e) && swap_check_back(&l, e);
}

static bool back(struct restore_source *p, struct err *e)
{
    AUTO(swap_list) struct swap_list l = {0};

    return read_swaps(p, &l, e) && swap_back(&l, e);
}

static bool discard(struct restore_source *p, struct err *e)
{
    const json_t *paths = json_object_get(p->note, "paths");

    for (size_t i = 0; i < json_array_size(paths); i++) {
        AUTO(buf) struct buf folder = {0};

        if (!take_path(json_array_get(paths, i), "folder", &folder))
            return damaged(p, e);
        if (!stage_remove(buf_string(&folder), e))
            return false;
    }
    return true;
}

const struct restore_source_ops restore_files_ops = {plan,       begin, stage,  forward,
                                                     check_back, back,  discard};
