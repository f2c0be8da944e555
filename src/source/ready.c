#include "source/ready.h"

#include "base/mem.h"
#include "source/made.h"

struct ready_member {
    struct member member;  /* first */
    struct member_ops ops; /* with the kind */
    char *manifest_name;
    int fd;
    struct buf bytes, manifest;
};

static struct ready_member *ready_of(struct member *m)
{
    return (struct ready_member *)m;
}

static bool ready_prepare(struct member *m, struct err *e)
{
    (void)m;
    (void)e; /* it was looked at before it became a member */
    return true;
}

static void ready_announce(struct member *m, struct listing *l)
{
    made_announce(l, m->name, ENTRY_FILE, m->now_ns);
    made_announce(l, ready_of(m)->manifest_name, ENTRY_FILE, m->now_ns);
}

struct way {
    struct sink *sink;
    struct lane *lane;
};

static void way_auto(struct way *w)
{
    w->sink->ops->lane_close(w->lane);
}

/* What fails here ends the backup: half a member is none. */
static bool ready_send(struct member *m, struct sink *k, struct sink_dir *dir,
                       const struct listing *l, struct err *failure, struct err *e)
{
    const struct ready_member *r = ready_of(m);
    AUTO(way) struct way w = {.sink = k};
    struct made_file f;
    struct err why = {0};

    (void)failure;
    if (!k->ops->lane_open(k, &w.lane, e) ||
        !made_file_begin(&f, k, w.lane, dir, l, made_slot(l, m->name), e) ||
        !(r->fd < 0 ? made_file_add(&f, buf_slice(&r->bytes), e)
                    : made_file_add_fd(&f, r->fd, &why, e)))
        return false;
    if (why.code != ERR_NONE) {
        *e = why;
        return err_wrap(e, "%s", m->name);
    }
    return made_file_end(&f, e) &&
           made_send(k, w.lane, dir, l, r->manifest_name, buf_slice(&r->manifest), e);
}

static void ready_free(struct member *m)
{
    struct ready_member *r = ready_of(m);

    mem_free(r->manifest_name);
    buf_done(&r->bytes);
    buf_done(&r->manifest);
    mem_free(m->name);
    mem_free(r);
}

bool ready_member_new(const struct ready_options *o, struct member **out, struct err *e)
{
    AUTO(buf) struct buf manifest_name = {0};

    if (!member_check_name(o->name, e))
        return false;

    struct ready_member *r = mem_new(sizeof(*r));

    r->ops = (struct member_ops){.kind = o->kind,
                                 .prepare = ready_prepare,
                                 .announce = ready_announce,
                                 .send = ready_send,
                                 .free = ready_free};
    buf_printf(&manifest_name, "%s" MEMBER_MANIFEST, o->name);
    r->member = (struct member){.ops = &r->ops, .name = mem_string(o->name)};
    r->manifest_name = mem_string(buf_string(&manifest_name));
    r->fd = o->fd;
    buf_append_slice(&r->bytes, o->bytes);
    buf_append_slice(&r->manifest, o->manifest);
    *out = &r->member;
    return true;
}
