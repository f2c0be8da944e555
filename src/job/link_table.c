/* Open addressing, doubled when half full. */
#include "job/link_table.h"

#include "base/mem.h"

void link_table_done(struct link_table *t)
{
    mem_free(t->names);
    *t = (struct link_table){0};
}

static struct link_name *find_name(struct link_table *t, uint64_t device, uint64_t inode)
{
    size_t i = (size_t)((inode * UINT64_C(0x9e3779b97f4a7c15)) ^ device) & (t->room - 1);

    while (t->names[i].path != NULL && (t->names[i].device != device || t->names[i].inode != inode))
        i = (i + 1) & (t->room - 1);
    return &t->names[i];
}

struct link_name *link_table_place(struct link_table *t, const struct entry *en)
{
    if (t->used + 1 > t->room / 2) {
        struct link_table old = *t;

        t->room = old.room == 0 ? 64 : old.room * 2;
        t->names = mem_array(t->room, sizeof(*t->names));
        for (size_t i = 0; i < old.room; i++)
            if (old.names[i].path != NULL)
                *find_name(t, old.names[i].device, old.names[i].inode) = old.names[i];
        mem_free(old.names);
    }
    return find_name(t, en->device, en->inode);
}

void link_table_name(struct link_table *t, struct link_name *n, const struct entry *en,
                     const char *path)
{
    *n = (struct link_name){.device = en->device, .inode = en->inode, .path = path};
    t->used++;
}
