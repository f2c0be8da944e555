#include "source/postgres_stored.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/process.h"

#define PIECE    ((size_t)10000)
#define DUMP_MAX ((size_t)256 << 20)

struct postgres_stream {
    struct stored *from;
    const char *name;
    struct slice rest;
};

static bool stored_open(void *arg, const char *name, struct postgres_stream **out, struct err *e)
{
    struct stored *s = arg;
    AUTO(buf) struct buf path = {0};
    struct postgres_stream *made = NULL;

    buf_printf(&path, "/postgres/db/%s", name);

    const struct record *found = recorder_find(&s->backup->recorder, buf_string(&path));

    if (found == NULL || !found->is_sent)
        return err_set(e, ERR_NOT_FOUND, "there is no such file");
    made = mem_new(sizeof(*made));
    *made = (struct postgres_stream){s, found->path, buf_slice(&found->content)};
    if (s->changed != NULL && strcmp(s->changed, name) == 0)
        made->rest = s->bytes;
    made->name += strlen("/postgres/db/");
    *out = made;
    return true;
}

static bool stored_read(struct postgres_stream *s, struct buf *out, struct err *e)
{
    const size_t size = s->rest.size < PIECE ? s->rest.size : PIECE;

    if (s->from->on_read != NULL)
        s->from->on_read(s->from->arg, s->name);
    if (s->from->unreadable != NULL && strcmp(s->from->unreadable, s->name) == 0 && size < PIECE)
        return err_set(e, ERR_CORRUPT, "chunk 1234 is damaged");
    buf_append(out, s->rest.data, size);
    s->rest = SLICE_OF(s->rest.data + size, s->rest.size - size);
    return true;
}

static void stored_close(struct postgres_stream *s)
{
    mem_free(s);
}

struct postgres_files stored_files(struct stored *s)
{
    return (struct postgres_files){stored_open, stored_read, stored_close, s};
}

struct postgres_restore_options restore_to(const char *database)
{
    return (struct postgres_restore_options){
        .dsn = dsn_of("postgres"), .database = database, .jobs = 3};
}

bool database_exists(const char *name)
{
    AUTO(connection) PGconn *c = connect_to("postgres");
    const char *const values[] = {name};
    PGresult *r = PQexecParams(c, "SELECT 1 FROM pg_database WHERE datname = $1", 1, NULL, values,
                               NULL, NULL, 0);
    const bool is_there = PQntuples(r) == 1;

    PQclear(r);
    return is_there;
}

/* Bytes of the first line of s, with its end: not by functions of strings, which AddressSanitizer
 * lets look at all that follows. */
static size_t line_size(struct slice s)
{
    const uint8_t *end = s.size == 0 ? NULL : memchr(s.data, '\n', s.size);

    return end == NULL ? s.size : (size_t)(end - s.data) + 1;
}

/* Newer versions put a random word into each dump, against being run by accident. */
static bool is_random(struct slice line)
{
    return (line.size > 10 && memcmp(line.data, "\\restrict ", 10) == 0) ||
           (line.size > 12 && memcmp(line.data, "\\unrestrict ", 12) == 0);
}

void dump_of(const char *database, struct buf *out)
{
    char program[] = "pg_dump";
    char target[400];
    char *const argv[] = {program, target, NULL};
    AUTO(buf) struct buf all = {0};

    (void)snprintf(target, sizeof(target), "--dbname=%s", dsn_of(database));
    CHECK_OK(child_capture(argv, DUMP_MAX, &all, e));
    for (size_t at = 0, size; at < all.size; at += size) {
        size = line_size(SLICE_OF(all.data + at, all.size - at));
        if (!is_random(SLICE_OF(all.data + at, size)))
            buf_append(out, all.data + at, size);
    }
}

void check_same_lines(struct slice wanted, struct slice found)
{
    while (wanted.size > 0 || found.size > 0) {
        const size_t size = line_size(wanted);

        if (size != line_size(found) || memcmp(wanted.data, found.data, size) != 0)
            ck_abort_msg("\"%.*s\" instead of \"%.*s\"", (int)line_size(found), found.data,
                         (int)size, wanted.data);
        wanted = SLICE_OF(wanted.data + size, wanted.size - size);
        found = SLICE_OF(found.data + size, found.size - size);
    }
}
