#include <string.h>
#include <unistd.h>

#include "source/postgres_restore_run.h"
#include "source/postgres_tool.h"

#define OLDEST_SERVER 130000
#define PER_MAJOR     10000 /* 150020 is 15.20 */

bool postgres_target_open(struct postgres_target *t, const struct postgres_restore_options *o,
                          struct err *e)
{
    t->o = o;
    if (o->jobs < 0 || o->jobs > POSTGRES_JOBS_MAX)
        return err_set(e, ERR_USAGE, "%d is no number of jobs from 1 to %d", o->jobs,
                       POSTGRES_JOBS_MAX);
    if (o->database != NULL && (o->database[0] == '\0' || strlen(o->database) > POSTGRES_NAME_MAX))
        return err_set(e, ERR_USAGE, "the name of a database has 1 to %d bytes", POSTGRES_NAME_MAX);
    if (!postgres_address_init(&t->server, o->dsn, o->password, e) ||
        !postgres_address_init(&t->address, o->dsn, o->password, e) ||
        (o->password != NULL && !postgres_passfile_open(o->password, &t->password_fd, e)))
        return false;
    if (o->passfile != NULL) {
        postgres_address_set_passfile(&t->server, o->passfile);
        postgres_address_set_passfile(&t->address, o->passfile);
    }
    if (o->connect != NULL)
        postgres_address_set_database(&t->server, o->connect);
    if (!postgres_link_open(&t->link, &t->server, e))
        return false;
    if (PQserverVersion(t->link.conn) < OLDEST_SERVER)
        return err_set(e, ERR_USAGE, "the server is of version %d, needed is 13 or newer",
                       PQserverVersion(t->link.conn) / PER_MAJOR);
    postgres_address_pin(&t->server, &t->link);
    postgres_address_pin(&t->address, &t->link);
    if (o->database != NULL)
        postgres_address_set_database(&t->address, o->database);
    return true;
}

void postgres_target_auto(struct postgres_target *t)
{
    postgres_link_close(&t->link);
    postgres_address_done(&t->server);
    postgres_address_done(&t->address);
    postgres_manifest_done(&t->manifest);
    buf_done(&t->roles);
    buf_done(&t->comment);
    if (t->password_fd >= 0)
        (void)close(t->password_fd); /* nothing is written to it */
}

/* Stored files */

bool postgres_file_open(struct postgres_file *f, const struct postgres_files *files,
                        const char *name, struct err *e)
{
    f->files = files;
    return files->open(files->arg, name, &f->stream, e) || err_wrap(e, "%s", name);
}

void postgres_file_auto(struct postgres_file *f)
{
    if (f->stream != NULL)
        f->files->close(f->stream);
}

bool postgres_file_next(void *arg, struct buf *out, struct err *e)
{
    struct postgres_file *f = arg;

    return f->files->read(f->stream, out, e);
}

bool postgres_file_read(const struct postgres_files *files, const char *name, size_t limit,
                        struct buf *out, struct err *e)
{
    AUTO(postgres_file) struct postgres_file f = {0};
    size_t size = 0;

    if (!postgres_file_open(&f, files, name, e))
        return false;
    do {
        size = out->size;
        if (!postgres_file_next(&f, out, e))
            return err_wrap(e, "%s", name);
        if (out->size > limit)
            return err_set(e, ERR_CORRUPT, "%s is longer than %zu bytes", name, limit);
    } while (out->size > size);
    return true;
}

bool postgres_file_manifest(const struct postgres_files *files, struct postgres_manifest *out,
                            struct err *e)
{
    AUTO(buf) struct buf json = {0};

    return postgres_file_read(files, "manifest.json", POSTGRES_MANIFEST_MAX, &json, e) &&
           postgres_manifest_decode(buf_slice(&json), out, e);
}
