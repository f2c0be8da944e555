/*
 * Proving file trees: every chunk of every file is read, and its id computed again.
 */
#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "job/drill_private.h"
#include "job/feed.h"

struct tree_proof {
    struct drill *drill;
    struct drill_member *member;
    uint64_t damaged;
};

/* Read a file to its end. */
static bool read_file(struct drill *d, const struct entry *en, uint64_t *bytes, struct err *e)
{
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf piece = {0};

    if (!feed_open(&f, d->reader, en, e))
        return false;
    do {
        buf_clear(&piece);
        if (!feed_next(&f, &piece, e))
            return false;
        *bytes += piece.size;
    } while (piece.size > 0);
    return true;
}

static bool prove_entry(void *arg, const char *path, const struct entry *en, bool *descend,
                        struct err *e)
{
    struct tree_proof *t = arg;
    struct err why = {0};

    (void)descend;
    if (en->type != ENTRY_FILE)
        return true;
    if (cancel_is_requested())
        return cancel_err(e);
    t->member->files++;
    if (read_file(t->drill, en, &t->member->bytes, &why))
        return true;
    if (!drill_judge(t->member, &why, e))
        return false;
    if (t->damaged++ == 0)
        return drill_failed(t->member, "%s: %s", path, why.text);
    return true;
}

bool prove_tree(struct drill *d, const char *path, const struct entry *en, struct drill_member *m,
                struct err *e)
{
    struct tree_proof t = {.drill = d, .member = m};
    struct err why = {0};

    (void)en;
    m->check = mem_string("every file read to its end, every chunk hashed");
    m->verdict = VERDICT_PROVEN;
    if (!browse_walk(d->repo, &d->options->snapshot->tree, path, prove_entry, &t, &why))
        return drill_judge(m, &why, e);
    if (t.damaged > 1)
        return drill_failed(m, "%llu files are damaged, the first: %s",
                            (unsigned long long)t.damaged, m->why);
    return true;
}
