/*
 * Pushed bundles in a restore of a set: what pushed them is not ours to change, so they stay where
 * they are, and "restore --into" brings them back as files.
 */
#include <assert.h>

#include "base/mem.h"
#include "job/restore_source.h"

static bool plan(struct restore_source *p, struct source_plan *out, struct err *e)
{
    (void)p, (void)e; /* there is nothing to look at */
    out->where = mem_string("");
    out->why = mem_string("bundles were pushed by an application; restore --into writes them to a "
                          "folder");
    return true;
}

/* What has a reason to stay as it is gets no further than its plan. */
static bool never(struct restore_source *p, struct err *e)
{
    (void)p, (void)e;
    assert(false);
    return false;
}

static bool never_stage(struct restore_source *p, struct buf *what, struct err *e)
{
    (void)what;
    return never(p, e);
}

const struct restore_source_ops restore_bundle_ops = {plan,  never, never_stage, never,
                                                      never, never, never};
