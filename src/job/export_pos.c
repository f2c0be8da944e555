#include "job/export_pos.h"

#include <stdio.h>
#include <string.h>

#include "archive/pos_artefact.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "job/feed.h"
#include "job/stored_database.h"

#define DATABASES "/postgres"
#define UUID_SIZE 16

/* The file on its way. */
struct draft {
    int dirfd, fd;
    char name[64]; /* until it has its own; empty: none */
};

static void draft_auto(struct draft *d)
{
    struct err ignored;

    fd_auto(&d->fd);
    if (d->name[0] != '\0')
        (void)!file_remove(d->dirfd, d->name, &ignored); /* its name says what it is */
    fd_auto(&d->dirfd);
}

static bool draft_open(struct draft *d, const char *folder, struct err *e)
{
    uint8_t random[8];
    char digits[2 * sizeof(random) + 1];
    char name[sizeof(d->name)];

    random_bytes(random, sizeof(random));
    hex_encode(SLICE_OF(random, sizeof(random)), digits);
    (void)snprintf(name, sizeof(name), "holdfast-export-%s", digits); /* it fits */
    if (!dir_open(folder, &d->dirfd, e) || !beneath_create(d->dirfd, name, &d->fd, e))
        return false;
    memcpy(d->name, name, sizeof(name));
    return true;
}

/* Its own name, unless another file has it. */
static bool draft_publish(struct draft *d, const char *name, struct err *e)
{
    if (!fd_sync(d->fd, name, e))
        return false;
    if (!beneath_link(d->dirfd, d->name, d->dirfd, name, e))
        return e->code == ERR_EXISTS
                   ? err_set(e, ERR_EXISTS, "there is a file of that name, which stays")
                   : false;
    if (!file_remove(d->dirfd, d->name, e))
        return false;
    d->name[0] = '\0';
    return dir_sync(d->dirfd, name, e);
}

static bool write_fd(void *arg, struct slice bytes, struct err *e)
{
    const struct draft *d = arg;

    return fd_write(d->fd, bytes, e);
}

/* What is under way. */
struct exporting {
    struct repo *repo;
    const struct export_pos_options *o;
    struct reader *reader;
    struct pos_writer *writer;
    struct zip_writer *zip;
    struct export_pos_result *result;
    size_t skip; /* of the path of the folder under way: what is in front of its last part */
};

static void exporting_auto(struct exporting *x)
{
    reader_free(x->reader);
    pos_writer_close(x->writer);
    zip_writer_free(x->zip);
}

/* Databases */

struct databases {
    struct buf first;
    size_t count;
};

static void databases_auto(struct databases *d)
{
    buf_done(&d->first);
}

static bool note_database(void *arg, const char *path, const struct entry *en, bool *descend,
                          struct err *e)
{
    struct databases *d = arg;

    (void)e;
    if (strcmp(path, DATABASES) == 0)
        return true;
    *descend = false;
    if (en->type == ENTRY_DIRECTORY && d->count++ == 0)
        buf_append_slice(&d->first, slice_string(path));
    return true;
}

static bool find_database(struct exporting *x, struct buf *path, struct err *e)
{
    const struct hash *tree = &x->o->snapshot->tree;
    AUTO(databases) struct databases d = {0};

    if (x->o->place != NULL) {
        buf_printf(path, "/%s", x->o->place);
        return true;
    }
    if (!browse_walk(x->repo, tree, DATABASES, note_database, &d, e) && e->code != ERR_NOT_FOUND)
        return false;
    if (d.count == 0)
        return err_set(e, ERR_NOT_FOUND, "the snapshot has no PostgreSQL database");
    if (d.count > 1)
        return err_set(e, ERR_USAGE,
                       "the snapshot has %zu databases: say which, as SNAPSHOT:/postgres/NAME",
                       d.count);
    buf_append_slice(path, buf_slice(&d.first));
    return true;
}

static bool write_database(struct exporting *x, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(stored_database) struct stored_database stored;
    struct postgres_stored said = {0};
    const bool is_found = find_database(x, &path, e);

    stored_database_init(&stored, x->repo, &x->o->snapshot->tree, buf_string(&path));
    if (!is_found ||
        !postgres_script_write(&stored.files, NULL, pos_writer_add, x->writer, &said, e))
        return false;
    x->result->tables = said.tables;
    x->result->rows = said.rows;
    x->result->tables_without_rows = said.tables_without_rows;
    return true;
}

/* Files */

static bool write_file(struct exporting *x, const char *name, const struct entry *en, struct err *e)
{
    AUTO(feed) struct feed f = {0};
    AUTO(buf) struct buf piece = {0};

    if (!zip_writer_begin(x->zip, name, en->mtime_ns, e) || !feed_open(&f, x->reader, en, e))
        return false;
    do {
        buf_clear(&piece);
        if (!feed_next(&f, &piece, e) || !zip_writer_bytes(x->zip, buf_slice(&piece), e))
            return false;
    } while (piece.size > 0);
    x->result->files++;
    return zip_writer_end(x->zip, e);
}

static bool visit_file(void *arg, const char *path, const struct entry *en, bool *descend,
                       struct err *e)
{
    struct exporting *x = arg;

    (void)descend;
    if (en->type == ENTRY_DIRECTORY)
        return true;
    if (en->type != ENTRY_FILE) {
        x->result->left_out++;
        return true;
    }
    return write_file(x, path + x->skip, en, e) || err_wrap(e, "%s", path);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash == NULL ? path : slash + 1;
}

static bool write_config(struct exporting *x, const char *path, const struct entry *en,
                         struct err *e)
{
    static const char *const names[] = {".env.example", "package.json", "schema.prisma"};
    AUTO(buf) struct buf name = {0};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (en->type == ENTRY_FILE && strcmp(last_part(path), names[i]) == 0) {
            buf_printf(&name, "config/%s", names[i]);
            return write_file(x, buf_string(&name), en, e);
        }
    return err_set(e, ERR_USAGE, "it is no folder, and none of the files that go into config/");
}

static bool write_root(struct exporting *x, const char *path, struct err *e)
{
    const struct hash *tree = &x->o->snapshot->tree;
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    if (!tree_find(x->reader, tree, path, &keep, &en, e))
        return false;
    if (en.type != ENTRY_DIRECTORY)
        return write_config(x, path, &en, e);
    x->skip = (size_t)(last_part(path) - path);
    return browse_walk(x->repo, tree, path, visit_file, x, e);
}

/* The topmost folders with the names that the service gives them. */
static const char *const folder_names[] = {"uploads", "reports", "exports"};
#define FOLDERS (sizeof(folder_names) / sizeof(folder_names[0]))

struct folders {
    char *found[FOLDERS];
};

static void folders_auto(struct folders *f)
{
    for (size_t i = 0; i < FOLDERS; i++)
        mem_free(f->found[i]);
}

static bool note_folder(void *arg, const char *path, const struct entry *en, bool *descend,
                        struct err *e)
{
    struct folders *f = arg;

    for (size_t i = 0; i < FOLDERS; i++) {
        if (en->type != ENTRY_DIRECTORY || strcmp(last_part(path), folder_names[i]) != 0)
            continue;
        if (f->found[i] != NULL)
            return err_set(e, ERR_USAGE, "%s and %s have the same name: say which with --folder",
                           f->found[i], path);
        f->found[i] = mem_string(path);
        *descend = false;
    }
    return true;
}

static bool write_named(struct exporting *x, struct err *e)
{
    AUTO(folders) struct folders f = {{0}};

    if (!browse_walk(x->repo, &x->o->snapshot->tree, "/", note_folder, &f, e))
        return false;
    for (size_t i = 0; i < FOLDERS; i++)
        if (f.found[i] != NULL && !write_root(x, f.found[i], e))
            return false;
    return x->result->files > 0 ||
           err_set(e, ERR_NOT_FOUND,
                   "the snapshot has no files in folders called uploads, reports and exports: say "
                   "which with --folder");
}

static bool write_files(struct exporting *x, struct err *e)
{
    const struct output to = {.write = pos_writer_add, .arg = x->writer};

    x->zip = zip_writer_new(&to, &pos_zip_rules);
    for (size_t i = 0; i < x->o->folder_count; i++)
        if (!write_root(x, x->o->folders[i], e))
            return err_wrap(e, "%s", x->o->folders[i]);
    return (x->o->folder_count > 0 || write_named(x, e)) && zip_writer_finish(x->zip, e);
}

static void make_uuid(char out[POS_UUID_TEXT])
{
    uint8_t bytes[UUID_SIZE];
    char digits[2 * UUID_SIZE + 1];

    random_bytes(bytes, sizeof(bytes));
    bytes[6] = (uint8_t)(0x40 | (bytes[6] & 0x0f)); /* version 4 of RFC 9562 */
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
    hex_encode(SLICE_OF(bytes, sizeof(bytes)), digits);
    (void)snprintf(out, POS_UUID_TEXT, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8, digits + 12,
                   digits + 16, digits + 20);
}

static bool choose_name(const struct export_pos_options *o, char out[POS_FILE_NAME_MAX],
                        struct err *e)
{
    struct pos_name n = {.time_ns = o->snapshot->time_ns,
                         .kind = o->kind,
                         .compression = o->kind == POS_KIND_DATABASE ? o->compression : POS_NONE,
                         .is_sealed = o->key != NULL};

    if (strlen(o->name) > POS_CONFIG_NAME_MAX)
        return err_set(e, ERR_USAGE, "the name is longer than %d bytes", POS_CONFIG_NAME_MAX);
    memcpy(n.config, o->name, strlen(o->name) + 1);
    make_uuid(n.uuid);
    return pos_name_format(&n, out, e);
}

bool export_pos_run(struct repo *r, const struct export_pos_options *o,
                    struct export_pos_result *out, struct err *e)
{
    struct export_pos_result result = {0};
    AUTO(exporting) struct exporting x = {.repo = r, .o = o, .result = &result};
    AUTO(draft) struct draft d = {.dirfd = -1, .fd = -1};
    const bool is_database = o->kind == POS_KIND_DATABASE;
    const struct pos_writing how = {write_fd, &d, is_database ? o->compression : POS_NONE, o->key,
                                    o->snapshot->time_ns};

    if (!choose_name(o, result.name, e) || !repo_load_index(r, e) ||
        !draft_open(&d, o->folder, e) || !pos_writer_open(&how, &x.writer, e))
        return false;
    x.reader = reader_new(r);
    if (!(is_database ? write_database(&x, e) : write_files(&x, e)) ||
        !pos_writer_finish(x.writer, &result.written, e) || !draft_publish(&d, result.name, e))
        return err_wrap(e, "%s", result.name);
    *out = result;
    return true;
}
