/*
 * A database that somebody else has made, in a process of its own: SQLite's code over such a file
 * is not to run where a repository is open.  Both sides of it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sandbox.h"
#include "job/import_private.h"
#include "source/source.h"

#define MANIFEST_MAX ((size_t)4 << 20)

/* The process */

static bool look(struct err *e)
{
    AUTO(buf) struct buf request = {0};
    AUTO(buf) struct buf manifest = {0};
    bool has_schema;

    if (!import_hear_request(1 + IMPORT_SCHEMA_MAX, &request, e))
        return false;
    if (request.size == 0)
        return err_set(e, ERR_FATAL, "the request is damaged");
    has_schema = request.data[0] != 0;
    return sqlite_stranger_look(SANDBOX_EXTRA_FD, has_schema ? buf_string(&request) + 1 : NULL,
                                &manifest, e) &&
           import_say_bytes(buf_slice(&manifest), e) && import_say(FRAME_END, SLICE_OF(NULL, 0), e);
}

int import_database_child(void)
{
    struct err e = {0};

    return look(&e) ? 0 : import_say_failed(&e);
}

/* Who started it */

/* The same file for reading alone. */
static bool open_again(int fd, int *out, uint64_t *size, struct err *e)
{
    char name[40];
    struct stat st;

    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", fd); /* it fits */
    *out = open(name, O_RDONLY | O_CLOEXEC);
    if (*out < 0 || fstat(*out, &st) < 0)
        return err_sys(e, "open a database of the archive again");
    *size = (uint64_t)st.st_size;
    return true;
}

static bool hear_manifest(struct import_parser *p, struct buf *manifest, struct err *e)
{
    enum frame type;
    struct slice payload;

    for (;;) {
        if (!import_parser_next(p, &type, &payload, e))
            return false;
        if (type == FRAME_END)
            return true;
        if (type != FRAME_BYTES || payload.size > MANIFEST_MAX - manifest->size)
            return err_set(e, ERR_FATAL,
                           "the process that looks at the database said what it cannot say");
        buf_append_slice(manifest, payload);
    }
}

bool import_database_look(int fd, const char *schema, struct buf *manifest, struct err *e)
{
    AUTO(import_parser) struct import_parser p = IMPORT_PARSER_NONE;
    AUTO(buf) struct buf request = {0};
    AUTO(fd) int again = -1;
    uint64_t size = 0;

    buf_put_u8(&request, schema != NULL ? 1 : 0);
    if (schema != NULL)
        buf_append_slice(&request, slice_string(schema));
    if (request.size > 1 + IMPORT_SCHEMA_MAX)
        return err_set(e, ERR_USAGE, "the schema of the present database is too long to compare");
    return open_again(fd, &again, &size, e) &&
           import_parser_start_database(again, size, buf_slice(&request), &p, e) &&
           hear_manifest(&p, manifest, e);
}
