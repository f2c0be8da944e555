#include "source/bundle.h"

#include <string.h>

#include "base/cancel.h"
#include "base/mem.h"
#include "source/made.h"

struct bundle_member {
    struct member member; /* first */
    struct bundle_feed *feed;
    int keep;
    const struct bundle_item *items; /* of the feed, since prepare() */
    size_t count;
};

static struct bundle_member *bundle_of(struct member *m)
{
    return (struct bundle_member *)m;
}

static bool bundle_prepare(struct member *m, struct err *e)
{
    struct bundle_member *b = bundle_of(m);

    b->count = 0;
    return b->feed->ops->list(b->feed, &b->items, &b->count, e) || err_wrap(e, "pushed bundles");
}

/* Bundles never change, so those of the previous snapshot are taken over without being read. */
static void bundle_announce(struct member *m, struct listing *l)
{
    const struct bundle_member *b = bundle_of(m);

    for (size_t i = 0; i < b->count; i++) {
        const struct bundle_item *item = &b->items[i];
        struct entry *en;

        if (item->why != NULL)
            continue;
        made_announce(l, item->name, ENTRY_FILE, item->mtime_ns);
        en = &l->entries[l->count - 1];
        en->flags = 0;
        en->size = item->size;
    }
    made_announce(l, BUNDLE_MANIFEST, ENTRY_FILE, m->now_ns);
}

/* One on its way into a lane. */
struct sending {
    struct bundle_member *member;
    struct sink *sink;
    struct lane *lane;
    struct sink_dir *dir;
    const struct listing *listing;
};

static void sending_auto(struct sending *s)
{
    s->sink->ops->lane_close(s->lane);
}

/* dir NULL: it never became an entry. */
static bool skip(const struct sending *s, struct sink_dir *dir, const char *name,
                 const struct err *why, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    const size_t slot = dir == NULL ? 0 : made_slot(s->listing, name);

    buf_printf(&path, "/bundle/%s", name);
    return s->sink->ops->skip(s->lane, dir, slot, buf_string(&path), why, e);
}

static bool send_one(const struct sending *s, size_t n, struct err *failure, struct err *e)
{
    const struct bundle_item *item = &s->member->items[n];
    AUTO(buf) struct buf bytes = {0};
    struct err why = {0};

    if (item->why != NULL) {
        (void)err_set(&why, ERR_CORRUPT, "%s", item->why);
        return skip(s, NULL, item->name, &why, e);
    }
    if (!s->listing->wanted[made_slot(s->listing, item->name)])
        return true;
    if (s->member->feed->ops->read(s->member->feed, n, &bytes, &why))
        return made_send(s->sink, s->lane, s->dir, s->listing, item->name, buf_slice(&bytes), e);
    if (failure->code == ERR_NONE)
        *failure = why;
    return skip(s, s->dir, item->name, &why, e);
}

static bool send_manifest(const struct sending *s, const struct err *failure, struct err *e)
{
    const struct bundle_member *b = s->member;
    AUTO(buf) struct buf text = {0};
    const char *comma = "";

    if (failure->code != ERR_NONE)
        return skip(s, s->dir, BUNDLE_MANIFEST, failure, e);
    buf_printf(&text, "{\"format\": 1, \"keep\": %d, \"bundles\": [", b->keep);
    for (size_t i = 0; i < b->count; i++) {
        if (b->items[i].why != NULL)
            continue;
        buf_printf(&text, "%s\n ", comma);
        buf_append_slice(&text, slice_string(b->items[i].note));
        comma = ",";
    }
    buf_printf(&text, "]}\n");
    return made_send(s->sink, s->lane, s->dir, s->listing, BUNDLE_MANIFEST, buf_slice(&text), e);
}

static bool bundle_send(struct member *m, struct sink *k, struct sink_dir *dir,
                        const struct listing *l, struct err *failure, struct err *e)
{
    AUTO(sending)
    struct sending s = {.member = bundle_of(m), .sink = k, .dir = dir, .listing = l};

    if (!k->ops->lane_open(k, &s.lane, e))
        return false;
    for (size_t i = 0; i < s.member->count; i++) {
        if (cancel_is_requested())
            return cancel_err(e);
        if (!send_one(&s, i, failure, e))
            return false;
    }
    return send_manifest(&s, failure, e);
}

static void bundle_free(struct member *m)
{
    struct bundle_member *b = bundle_of(m);

    b->feed->ops->free(b->feed);
    mem_free(m->name);
    mem_free(b);
}

static const struct member_ops bundle_ops = {
    .kind = "bundle",
    .prepare = bundle_prepare,
    .announce = bundle_announce,
    .send = bundle_send,
    .free = bundle_free,
};

struct member *bundle_member_new(struct bundle_feed *feed, int keep)
{
    struct bundle_member *b = mem_new(sizeof(*b));

    b->member.ops = &bundle_ops;
    b->member.name = mem_string(BUNDLE_MEMBER);
    b->feed = feed;
    b->keep = keep;
    return &b->member;
}

struct bundle_feed *bundle_member_feed(const struct member *m)
{
    return m->ops == &bundle_ops ? ((const struct bundle_member *)m)->feed : NULL;
}
