/*
 * Proving a SQLite database: its file in scratch space, compared with the manifest.
 */
#include "base/file.h"
#include "base/mem.h"
#include "job/drill_private.h"
#include "job/feed.h"

#define COPY_NAME "copy.db"

/* Write the file into the scratch folder. */
static bool copy_out(struct drill *d, const struct entry *en, struct drill_member *m,
                     struct err *why)
{
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf piece = {0};
    AUTO(fd) int dir = -1;
    AUTO(fd) int fd = -1;

    if (!feed_open(&f, d->reader, en, why) || !dir_open(d->scratch, &dir, why) ||
        !beneath_create(dir, COPY_NAME, &fd, why))
        return false;
    do {
        buf_clear(&piece);
        if (!feed_next(&f, &piece, why))
            return false;
        if (!fd_write(fd, buf_slice(&piece), why))
            return err_wrap(why, "%s", d->scratch);
        m->bytes += piece.size;
    } while (piece.size > 0);
    m->files++;
    return fd_close(&fd, COPY_NAME, why);
}

static bool remove_copy(struct drill *d, struct err *e)
{
    AUTO(fd) int dir = -1;

    return dir_open(d->scratch, &dir, e) && file_remove(dir, COPY_NAME, e);
}

/* The copy is there. */
static bool compare(struct drill *d, struct slice manifest, struct drill_member *m, struct err *e)
{
    AUTO(sqlite_report) struct sqlite_report r = {0};
    AUTO(buf) struct buf path = {0};
    struct err why = {0};

    buf_printf(&path, "%s/" COPY_NAME, d->scratch);
    if (!sqlite_check(buf_string(&path), manifest, &r, &why))
        return drill_judge(m, &why, e);
    m->tables = r.tables;
    m->rows = r.rows;
    return drill_compared(m, r.differences, &r.text);
}

bool prove_sqlite(struct drill *d, const char *path, const struct entry *en, struct drill_member *m,
                  struct err *e)
{
    AUTO(buf) struct buf manifest = {0};
    struct err why = {0};

    m->check = mem_string("restored, SQLite's integrity check, rows of all tables hashed");
    if (en->type != ENTRY_FILE)
        return drill_failed(m, "it is no file");
    if (!drill_read_manifest(d, path, &manifest, &why))
        return drill_judge(m, &why, e);

    const bool ok =
        copy_out(d, en, m, &why) ? compare(d, buf_slice(&manifest), m, e) : drill_judge(m, &why, e);

    return remove_copy(d, ok ? e : &why) && ok;
}
