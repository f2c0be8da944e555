#include "job/restore_into.h"

#include <string.h>

#include "job/feed.h"

#define SQLITE_PLACE "sqlite/"

bool restore_into_run(struct repo *r, const struct restore_into_options *o, struct err *e)
{
    const struct hash *tree = &o->snapshot->tree;
    AUTO(reader) struct reader *rd = NULL;
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf keep = {0};
    AUTO(buf) struct buf name = {0};
    AUTO(buf) struct buf manifest = {0};
    struct entry en;

    if (o->snapshot->set == NULL ||
        strncmp(o->place, SQLITE_PLACE, sizeof(SQLITE_PLACE) - 1) != 0 ||
        member_is_manifest(slice_string(o->place)))
        return err_set(e, ERR_USAGE, "/%s is no SQLite database in a snapshot of a set", o->place);
    if (!repo_load_index(r, e))
        return false;
    rd = reader_new(r);
    buf_printf(&name, "%s" MEMBER_MANIFEST, o->place);
    if (!tree_find(rd, tree, o->place, &keep, &en, e) ||
        !feed_get(rd, tree, buf_string(&name), &manifest, e))
        return false;
    if (en.type != ENTRY_FILE)
        return err_set(e, ERR_USAGE, "/%s is no file", o->place);

    const struct sqlite_restore_options how = {
        .path = o->into, .manifest = buf_slice(&manifest), .force = o->force};

    return feed_open(&f, rd, &en, e) && sqlite_restore(&how, feed_next, &f, e);
}
