#include "source/sqlite_world.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "source/made.h"
#include "support/test.h"

const char *in(const struct scratch *s, const char *name)
{
    static char paths[64][200];
    static unsigned next;
    char *path = paths[next++ % 64];

    snprintf(path, sizeof(paths[0]), "%s/%s", s->path, name);
    return path;
}

sqlite3 *db_open(const char *path)
{
    sqlite3 *db = NULL;

    ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 10000);
    return db;
}

void db_do(sqlite3 *db, const char *sql)
{
    char *why = NULL;
    const int result = sqlite3_exec(db, sql, NULL, NULL, &why);

    ck_assert_msg(result == SQLITE_OK, "%s: %s", sql, why == NULL ? "?" : why);
}

int64_t db_ask(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *s = NULL;

    ck_assert_msg(sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK, "%s", sqlite3_errmsg(db));
    ck_assert_msg(sqlite3_step(s) == SQLITE_ROW, "%s: %s", sql, sqlite3_errmsg(db));

    const int64_t v = sqlite3_column_int64(s, 0);

    sqlite3_finalize(s);
    return v;
}

void sql_do(const char *path, const char *sql)
{
    sqlite3 *db = db_open(path);

    db_do(db, sql);
    sqlite3_close(db);
}

int64_t sql_ask(const char *path, const char *sql)
{
    sqlite3 *db = db_open(path);
    const int64_t v = db_ask(db, sql);

    sqlite3_close(db);
    return v;
}

const char *sql_text(const char *path, const char *sql)
{
    static char text[200];
    sqlite3 *db = db_open(path);
    sqlite3_stmt *s = NULL;

    ck_assert_int_eq(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    ck_assert_int_eq(sqlite3_step(s), SQLITE_ROW);
    snprintf(text, sizeof(text), "%s", (const char *)sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
    return text;
}

/* Announce the member below a directory of its kind, and let it send. */
static bool send(struct recorder *r, struct member *m, struct err *failure, struct err *e)
{
    const struct sink_ops *ops = r->sink.ops;
    struct listing *root = listing_new();
    struct listing *l = listing_new();
    struct sink_dir *top = NULL, *dir = NULL;
    struct lane *lane = NULL;

    made_announce(root, m->ops->kind, ENTRY_DIRECTORY, m->now_ns);
    m->ops->announce(m, l);
    listing_sort(l);
    if (!ops->lane_open(&r->sink, &lane, e)) {
        listing_free(root);
        listing_free(l);
        return false;
    }

    bool ok = ops->enter(lane, NULL, 0, root, &top, e);

    if (!ok)
        listing_free(l);
    ok =
        ok && ops->enter(lane, top, 0, l, &dir, e) && m->ops->send(m, &r->sink, dir, l, failure, e);
    ops->lane_close(lane);
    return ok;
}

bool sqlite_backup(struct recorder *r, const char *path, struct err *failure, struct err *e)
{
    return sqlite_backup_in(r, path, "/tmp", failure, e);
}

bool sqlite_backup_in(struct recorder *r, const char *path, const char *scratch,
                      struct err *failure, struct err *e)
{
    AUTO(member) struct member *m = NULL;
    const struct sqlite_options o = {
        .name = "app.db", .path = path, .scratch = scratch, .lock_limit_ms = 20000};

    if (!sqlite_member_new(&o, &m, e) || !m->ops->prepare(m, e))
        return false;
    m->now_ns = 77;
    return send(r, m, failure, e);
}

void sqlite_backup_to(const struct scratch *s, const char *path, struct buf *manifest)
{
    AUTO(recorder) struct recorder r;
    struct err failure = {0};

    recorder_init(&r);
    CHECK_OK(sqlite_backup(&r, path, &failure, e));
    ck_assert_msg(failure.code == ERR_NONE, "%s", failure.text);
    CHECK(recorder_is_complete(&r) && r.remark_count == 0);

    const struct record *copy = recorder_find(&r, "/sqlite/app.db");
    const struct record *text = recorder_find(&r, "/sqlite/app.db.manifest.json");

    CHECK(copy->is_sent && copy->en.size == copy->content.size && copy->en.mtime_ns == 77);
    CHECK(text->is_sent);
    put_file(s->fd, "copy", copy->content.data, copy->content.size);
    buf_clear(manifest);
    buf_append_slice(manifest, buf_slice(&text->content));
}

const char *check_text(const char *path, const struct buf *manifest)
{
    static char text[2000];
    AUTO(sqlite_report) struct sqlite_report report = {0};

    CHECK_OK(sqlite_check(path, buf_slice(manifest), &report, e));
    snprintf(text, sizeof(text), "%s", buf_string(&report.text));
    CHECK((report.differences == 0) == (text[0] == '\0'));
    return text;
}

bool manifest_has(const struct buf *manifest, const char *text)
{
    return memmem(manifest->data, manifest->size, text, strlen(text)) != NULL;
}

void file_copy(const char *from, const char *to)
{
    AUTO(buf) struct buf bytes = {0};
    AUTO(fd) int fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    CHECK_OK(file_read(from, SIZE_MAX / 2, &bytes, e));
    CHECK_OK(fd_write(fd, buf_slice(&bytes), e));
}

bool is_there(const char *path)
{
    struct stat st = {0};

    return lstat(path, &st) == 0;
}
