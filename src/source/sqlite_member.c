/*
 * A database as a member of a set.  The copy is made and looked at before anything is sent, in a
 * file without a name.
 */
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "source/made.h"
#include "source/sqlite_copy.h"
#include "source/sqlite_db.h"

enum {
    LOCK_LIMIT_MS = 30000,
};

#define KIND "sqlite"

struct sqlite_member {
    struct member base; /* first */
    char *path, *scratch, *manifest_name;
    struct sqlite_patience patience;
    sqlite3 *db; /* NULL before prepare() */
    bool is_immutable;
};

static struct sqlite_member *sqlite_member_of(struct member *m)
{
    return (struct sqlite_member *)m;
}

static void member_release(struct member *base)
{
    struct sqlite_member *m = sqlite_member_of(base);

    sqlite_db_auto(&m->db);
    mem_free(m->path);
    mem_free(m->scratch);
    mem_free(m->manifest_name);
    mem_free(base->name);
    mem_free(m);
}

static bool member_prepare(struct member *base, struct err *e)
{
    struct sqlite_member *m = sqlite_member_of(base);

    return sqlite_db_open_live(m->path, &m->patience, &m->db, &m->is_immutable, e) ||
           err_wrap(e, "%s", m->path);
}

static void member_announce(struct member *base, struct listing *l)
{
    made_announce(l, base->name, ENTRY_FILE, base->now_ns);
    made_announce(l, sqlite_member_of(base)->manifest_name, ENTRY_FILE, base->now_ns);
}

/* The copy in fd, and what is in it as text. */
static bool make(struct sqlite_member *m, int fd, struct buf *manifest, struct err *damage,
                 struct err *e)
{
    AUTO(sqlite_manifest) struct sqlite_manifest found = {0};

    if (!sqlite_copy_make(m->db, fd, &found.was_wal, e))
        return err_wrap(e, "%s", m->path);
    found.was_immutable = m->is_immutable;
    if (!sqlite_manifest_look(fd, &found, e))
        return err_wrap(e, "the copy of %s", m->path);
    if (found.fault_count > 0)
        (void)err_set(damage, ERR_CORRUPT, "%s is damaged: %s", m->path, found.faults[0]);
    sqlite_manifest_format(&found, manifest);
    return true;
}

/* Where the entries go. */
struct way {
    struct sink *sink;
    struct sink_dir *dir;
    const struct listing *l;
    struct lane *lane;
};

static void way_auto(struct way *w)
{
    w->sink->ops->lane_close(w->lane);
}

static bool skip(const struct way *w, const char *name, const struct err *why, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "/" KIND "/%s", name);
    return w->sink->ops->skip(w->lane, w->dir, made_slot(w->l, name), buf_string(&path), why, e);
}

static bool note(const struct way *w, const char *name, const struct err *why, struct err *e)
{
    AUTO(buf) struct buf path = {0};

    buf_printf(&path, "/" KIND "/%s", name);
    return w->sink->ops->note(w->lane, buf_string(&path), why, e);
}

/* Send the file of the copy.  One that cannot be read to its end is left out: *failure says so. */
static bool send_copy(const struct way *w, const char *name, int fd, struct err *failure,
                      struct err *e)
{
    struct made_file f;

    if (!made_file_begin(&f, w->sink, w->lane, w->dir, w->l, made_slot(w->l, name), e) ||
        !made_file_add_fd(&f, fd, failure, e))
        return false;
    if (failure->code == ERR_NONE)
        return made_file_end(&f, e);
    (void)err_wrap(failure, "the copy of %s", name);
    return skip(w, name, failure, e);
}

static bool member_send(struct member *base, struct sink *k, struct sink_dir *dir,
                        const struct listing *l, struct err *failure, struct err *e)
{
    struct sqlite_member *m = sqlite_member_of(base);
    AUTO(fd) int fd = -1;
    AUTO(buf) struct buf manifest = {0};
    AUTO(way) struct way w = {.sink = k, .dir = dir, .l = l};
    struct err why = {0}, damage = {0};

    if (!k->ops->lane_open(k, &w.lane, e))
        return false;

    const bool is_made =
        file_unnamed(m->scratch, &fd, &why) && make(m, fd, &manifest, &damage, &why);

    /* The same file may be read as a file next, which must not be while SQLite has it open. */
    sqlite_db_auto(&m->db);
    m->db = NULL;
    if (!is_made) {
        if (why.code == ERR_CANCELLED)
            return cancel_err(e);
        *failure = why;
        return skip(&w, base->name, &why, e) && skip(&w, m->manifest_name, &why, e);
    }
    if (!send_copy(&w, base->name, fd, &why, e))
        return false;
    if (why.code != ERR_NONE) {
        *failure = why;
        return skip(&w, m->manifest_name, &why, e);
    }
    if (!made_send(k, w.lane, dir, l, m->manifest_name, buf_slice(&manifest), e))
        return false;
    if (damage.code == ERR_NONE)
        return true;
    *failure = damage;
    return note(&w, base->name, &damage, e);
}

static const struct member_ops ops = {
    .kind = KIND,
    .prepare = member_prepare,
    .announce = member_announce,
    .send = member_send,
    .free = member_release,
};

bool sqlite_member_new(const struct sqlite_options *o, struct member **out, struct err *e)
{
    if (!member_check_name(o->name, e))
        return false;
    if (o->path[0] != '/')
        return err_set(e, ERR_USAGE, "the path of an SQLite database must begin with \"/\": %s",
                       o->path);

    struct sqlite_member *m = mem_new(sizeof(*m));
    AUTO(buf) struct buf manifest_name = {0};

    buf_printf(&manifest_name, "%s" MEMBER_MANIFEST, o->name);
    *m = (struct sqlite_member){
        .base = {.ops = &ops, .name = mem_string(o->name)},
        .path = mem_string(o->path),
        .scratch = mem_string(o->scratch != NULL ? o->scratch : file_scratch_folder()),
        .manifest_name = mem_string(buf_string(&manifest_name)),
        .patience = {.limit_ms = o->lock_limit_ms > 0 ? o->lock_limit_ms : LOCK_LIMIT_MS},
    };
    *out = &m->base;
    return true;
}
