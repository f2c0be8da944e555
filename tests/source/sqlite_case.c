#include "source/sqlite_case.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/process.h"
#include "source/source.h"

void world_auto(struct world *w)
{
    scratch_auto(&w->s);
}

void world_init(struct world *w, const char *mode)
{
    AUTO(buf) struct buf manifest = {0};
    char sql[300];

    scratch_init(&w->s);
    snprintf(w->copy, sizeof(w->copy), "%s/copy", w->s.path);
    snprintf(w->manifest, sizeof(w->manifest), "%s/manifest", w->s.path);
    snprintf(w->target, sizeof(w->target), "%s/place/app.db", w->s.path);
    CHECK(mkdir(in(&w->s, "place"), 0755) == 0);
    snprintf(sql, sizeof(sql),
             "PRAGMA journal_mode = %s; CREATE TABLE t (a);"
             "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)"
             "INSERT INTO t SELECT i FROM n",
             mode);
    sql_do(in(&w->s, "db"), sql);
    sqlite_backup_to(&w->s, in(&w->s, "db"), &manifest);
    put_file(w->s.fd, "manifest", manifest.data, manifest.size);
}

int64_t sum_of(const char *path)
{
    ck_assert_str_eq(sql_text(path, "PRAGMA integrity_check"), "ok");
    return sql_ask(path, "SELECT sum(a) FROM t");
}

const char *names_in_place(const struct world *w)
{
    static struct buf names;
    struct dirent **list = NULL;
    const int count = scandir(in(&w->s, "place"), &list, NULL, alphasort);

    ck_assert_int_ge(count, 0);
    buf_clear(&names);
    for (int i = 0; i < count; i++) {
        if (list[i]->d_name[0] != '.')
            buf_printf(&names, "%s ", list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return buf_string(&names);
}

/* A file beside this program. */
static char *built(const char *name)
{
    static char paths[4][400];
    static unsigned next;
    char *path = paths[next++ % 4];
    const ssize_t n = readlink("/proc/self/exe", path, 300);

    ck_assert_int_gt(n, 0);
    path[n] = '\0';
    strcpy(strrchr(path, '/') + 1, name);
    return path;
}

const char *world_run(const struct world *w, const char *action, const char *staged)
{
    static char text[700];
    AUTO(buf) struct buf out = {0};
    const char *const words[] = {
        built("source_sqlite_restore_once"), w->copy, w->manifest, w->target, action, staged, NULL};
    char *argv[7];
    struct err e = {0};

    memcpy(argv, words, sizeof(argv));
    if (!child_capture(argv, sizeof(text) - 1, &out, &e))
        return "killed";
    snprintf(text, sizeof(text), "%s", buf_string(&out));
    return text;
}

void leave(const char *path, enum left kind)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", "-holdfast"};
    static const char *const sql[LEFT_KINDS] = {
        [LEFT_PLAIN] = "SELECT 1",
        [LEFT_LOG] =
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0;"
            "UPDATE t SET a = a - 1",
        [LEFT_JOURNAL] = "PRAGMA synchronous = OFF; PRAGMA cache_size = 1; BEGIN; UPDATE t SET b = "
                         "randomblob(2000);"
                         "UPDATE t SET b = randomblob(2000)",
        [LEFT_NOTHING] = "DROP TABLE t",
    };
    char name[200];

    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        snprintf(name, sizeof(name), "%s%s", path, suffixes[i]);
        unlink(name);
    }
    sql_do(path, kind == LEFT_LOG
                     ? "PRAGMA synchronous = OFF; CREATE TABLE t (a, b);"
                       "INSERT INTO t VALUES (2, 0), (3, 0), (4, 0)"
                     : "PRAGMA synchronous = OFF; CREATE TABLE t (a, b); WITH RECURSIVE n (i) AS "
                       "(SELECT 1 UNION ALL SELECT "
                       "i + 1 FROM n WHERE i < 100) INSERT INTO t SELECT CASE WHEN i < 4 THEN i "
                       "END, randomblob(2000) FROM n");

    const pid_t child = fork();

    if (child == 0) {
        db_do(db_open(path), sql[kind]);
        _exit(0);
    }
    CHECK(waitpid(child, NULL, 0) == child);
    if (kind == LEFT_NOTHING)
        unlink(path);
    snprintf(name, sizeof(name), "%s-wal", path);
    CHECK(is_there(name) == (kind == LEFT_LOG));
    snprintf(name, sizeof(name), "%s-journal", path);
    CHECK(is_there(name) == (kind == LEFT_JOURNAL));
}

void shim_set(const char *what, int n)
{
    char number[16];

    snprintf(number, sizeof(number), "%d", n);
    unsetenv("SHIM_KILL");
    unsetenv("SHIM_AT");
    unsetenv("LD_PRELOAD");
    if (n == 0)
        return;
    setenv(what, number, 1);
    setenv("LD_PRELOAD", built("../support/shim.so"), 1);
    setenv("ASAN_OPTIONS", "verify_asan_link_order=0", 1);
}
