#include "job/stored_database.h"

#include "base/mem.h"
#include "job/feed.h"

struct postgres_stream {
    struct stored_database *database;
    struct reader *reader; /* of its own: streams are read by several threads */
    struct buf keep;
    struct entry entry;
    struct feed feed;
};

/* Remember that it was the repository that failed.  Returns false. */
static bool remember(struct stored_database *s, const struct err *why)
{
    pthread_mutex_lock(&s->lock);
    if (s->failure.code == ERR_NONE)
        s->failure = *why;
    pthread_mutex_unlock(&s->lock);
    return false;
}

static void stream_close(struct postgres_stream *s)
{
    feed_close(&s->feed);
    buf_done(&s->keep);
    reader_free(s->reader);
    mem_free(s);
}

static void stream_auto(struct postgres_stream **s)
{
    if (*s != NULL)
        stream_close(*s);
}

static bool stream_find(struct postgres_stream *s, const char *path, struct err *e)
{
    if (!tree_find(s->reader, s->database->tree, path, &s->keep, &s->entry, e))
        return false;
    if (s->entry.type != ENTRY_FILE)
        return err_set(e, ERR_CORRUPT, "it is no file");
    return feed_open(&s->feed, s->reader, &s->entry, e);
}

static bool stream_open(void *arg, const char *name, struct postgres_stream **out, struct err *e)
{
    struct stored_database *d = arg;
    AUTO(stream) struct postgres_stream *s = mem_new(sizeof(*s));
    AUTO(buf) struct buf path = {0};

    s->database = d;
    s->reader = reader_new(d->repo);
    buf_printf(&path, "%s/%s", d->path, name);
    if (!stream_find(s, buf_string(&path), e))
        return remember(d, e);
    pthread_mutex_lock(&d->lock);
    d->opened++;
    pthread_mutex_unlock(&d->lock);
    *out = TAKE(s);
    return true;
}

static bool stream_read(struct postgres_stream *s, struct buf *out, struct err *e)
{
    return feed_next(&s->feed, out, e) || remember(s->database, e);
}

void stored_database_init(struct stored_database *s, struct repo *r, const struct hash *tree,
                          const char *path)
{
    *s = (struct stored_database){
        .repo = r, .tree = tree, .path = path, .lock = PTHREAD_MUTEX_INITIALIZER};
    s->files = (struct postgres_files){stream_open, stream_read, stream_close, s};
}

void stored_database_done(struct stored_database *s)
{
    pthread_mutex_destroy(&s->lock);
}

void stored_database_auto(struct stored_database *s)
{
    stored_database_done(s);
}
