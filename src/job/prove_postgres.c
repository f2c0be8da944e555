/*
 * Proving a PostgreSQL database: restored on a server that is made for it and reached by nobody
 * else, and then compared with its manifest.
 */
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/thread.h"
#include "job/drill_private.h"
#include "job/feed.h"

#define DATABASE "restored"

/* The server's user passes through the folder, and sees nothing in it. */
enum { PASSAGE_MODE = 0711 };

struct postgres_proof {
    struct drill *drill;
    struct drill_member *member; /* its number of files is guarded by lock */
    const char *path;            /* of the backup in the snapshot */
    pthread_mutex_t lock;
    struct err failure; /* of the repository, the first; guarded by lock */
};

/* Stored files */

struct postgres_stream {
    struct postgres_proof *proof;
    struct reader *reader; /* of its own: streams are read by several threads */
    struct buf keep;
    struct entry entry;
    struct feed feed;
};

/* Remember that it was the repository that failed.  Returns false. */
static bool proof_fail(struct postgres_proof *p, const struct err *why)
{
    pthread_mutex_lock(&p->lock);
    if (p->failure.code == ERR_NONE)
        p->failure = *why;
    pthread_mutex_unlock(&p->lock);
    return false;
}

static void proof_close(struct postgres_stream *s)
{
    feed_close(&s->feed);
    buf_done(&s->keep);
    reader_free(s->reader);
    mem_free(s);
}

static void stream_auto(struct postgres_stream **s)
{
    if (*s != NULL)
        proof_close(*s);
}

static bool stream_find(struct postgres_stream *s, const char *path, struct err *e)
{
    const struct hash *tree = &s->proof->drill->options->snapshot->tree;

    if (!tree_find(s->reader, tree, path, &s->keep, &s->entry, e))
        return false;
    if (s->entry.type != ENTRY_FILE)
        return err_set(e, ERR_CORRUPT, "it is no file");
    return feed_open(&s->feed, s->reader, &s->entry, e);
}

static bool proof_open(void *arg, const char *name, struct postgres_stream **out, struct err *e)
{
    struct postgres_proof *p = arg;
    AUTO(stream) struct postgres_stream *s = mem_new(sizeof(*s));
    AUTO(buf) struct buf path = {0};

    s->proof = p;
    s->reader = reader_new(p->drill->repo);
    buf_printf(&path, "%s/%s", p->path, name);
    if (!stream_find(s, buf_string(&path), e))
        return proof_fail(p, e);
    pthread_mutex_lock(&p->lock);
    p->member->files++;
    pthread_mutex_unlock(&p->lock);
    *out = TAKE(s);
    return true;
}

static bool proof_read(struct postgres_stream *s, struct buf *out, struct err *e)
{
    return feed_next(&s->feed, out, e) || proof_fail(s->proof, e);
}

/* Verdicts */

/* Roles that the backup does not have are not its fault.  The server speaks English. */
static bool lacks_role(const struct err *why)
{
    const char *role = strstr(why->text, "role \"");

    return role != NULL && strstr(role, "does not exist") != NULL;
}

/* Something failed: whose fault it is decides the verdict. */
static bool judge(struct postgres_proof *p, const struct err *why, bool is_fit, struct err *e)
{
    if (cancel_is_requested())
        return cancel_err(e);
    if (p->failure.code == ERR_CORRUPT || p->failure.code == ERR_NOT_FOUND)
        return drill_failed(p->member, "%s", why->text);
    if (p->failure.code != ERR_NONE) {
        *e = p->failure;
        return false;
    }
    return is_fit ? drill_failed(p->member, "%s", why->text)
                  : drill_not_checked(p->member, "%s", why->text);
}

static bool compare(struct postgres_proof *p, const struct postgres_restore_options *o,
                    const struct postgres_files *files, struct err *e)
{
    AUTO(postgres_verify_report) struct postgres_verify_report r = {0};
    struct drill_member *m = p->member;
    struct err why = {0};

    if (!postgres_verify(o, files, &r, &why))
        return judge(p, &why, true, e);
    m->tables = r.tables;
    m->rows = r.rows;
    m->bytes = r.bytes;
    m->verdict = VERDICT_PROVEN;
    if (r.differences == 0)
        return true;
    return drill_failed(m, "%llu difference%s to its manifest: %s",
                        (unsigned long long)r.differences, r.differences == 1 ? "" : "s",
                        buf_string(&r.text));
}

/* Restore on the server, and compare. */
static bool restore(struct postgres_proof *p, const char *dsn, const struct postgres_stored *stored,
                    const struct postgres_files *files, struct err *e)
{
    const struct postgres_restore_options o = {
        .dsn = dsn,
        .database = DATABASE,
        .scratch = p->drill->scratch,
        .with_globals = stored->has_globals,
        .without_owners = !stored->has_globals,
    };
    struct postgres_restore_report r = {0};
    struct err why = {0};

    if (!postgres_restore(&o, files, &r, &why))
        return judge(p, &why, r.is_made && (stored->has_globals || !lacks_role(&why)), e);
    return compare(p, &o, files, e);
}

static bool open_passage(const struct drill *d, struct err *e)
{
    AUTO(fd) int folder = -1;

    return geteuid() != 0 ||
           (dir_open(d->scratch, &folder, e) && fd_set_mode(folder, PASSAGE_MODE, e));
}

/* There is none when it never came to that. */
static bool remove_cluster(const struct drill *d, struct err *e)
{
    AUTO(fd) int folder = -1;

    return dir_open(d->scratch, &folder, e) &&
           (tree_remove(folder, POSTGRES_CLUSTER_FOLDER, e) || e->code == ERR_NOT_FOUND);
}

static bool prove(struct postgres_proof *p, const struct postgres_files *files, struct err *e)
{
    AUTO(postgres_cluster) struct postgres_cluster c = POSTGRES_CLUSTER_NONE;
    struct postgres_stored stored = {0};
    struct err why = {0};

    if (!postgres_stored_read(files, &stored, &why))
        return judge(p, &why, true, e);
    if (!open_passage(p->drill, e))
        return false;
    return postgres_cluster_start(&c, p->drill->scratch, stored.major, &why)
               ? restore(p, c.dsn, &stored, files, e)
               : judge(p, &why, false, e);
}

bool prove_postgres(struct drill *d, const char *path, const struct entry *en,
                    struct drill_member *m, struct err *e)
{
    struct postgres_proof p = {
        .drill = d, .member = m, .path = path, .lock = PTHREAD_MUTEX_INITIALIZER};
    const struct postgres_files files = {proof_open, proof_read, proof_close, &p};
    struct err later = {0};

    m->check = mem_string("restored on a server of its own, rows of all tables hashed");
    if (en->type != ENTRY_DIRECTORY)
        return drill_failed(m, "it is no directory");

    const bool ok = prove(&p, &files, e);

    return remove_cluster(d, ok ? e : &later) && ok;
}
