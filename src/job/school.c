/*
 * The folder of backups: what is in it, opening and removing one.
 */
#include "job/school.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/json_writer.h"
#include "job/school_manifest.h"

/* More than deflate can do: whoever made a file that the key opens has the key. */
#define RATIO_MAX 1100

bool school_database_parse(const char *text, struct pos_database *out, struct err *e)
{
    static const char key[] = "schema=";
    const char *at = strchr(text, '?');

    if (strncmp(text, "postgres://", strlen("postgres://")) != 0 &&
        strncmp(text, "postgresql://", strlen("postgresql://")) != 0) {
        *out = (struct pos_database){.dsn = mem_string(text)};
        return true;
    }
    for (; at != NULL; at = strchr(at + 1, '&')) {
        const size_t size = strlen(key);

        if (strncmp(at + 1, key, size) != 0)
            continue;
        if (strcspn(at + 1 + size, "&") != strlen("public") ||
            strncmp(at + 1 + size, "public", strlen("public")) != 0)
            return err_set(e, ERR_USAGE, "DATABASE_URL names a schema other than public");
    }
    return pos_database_parse(text, out, e);
}

void school_backup_id(const struct school_backup *b, char out[SCHOOL_ID_MAX])
{
    hex_encode(SLICE_OF(b->name.id, sizeof(b->name.id)), out);
}

void school_changes(const struct school_backup *b, const char *action, struct buf *out)
{
    AUTO(json_writer) struct json_writer w = {0};
    AUTO(buf) struct buf size = {0};

    buf_printf(&size, "%llu", (unsigned long long)b->size);
    json_writer_open(&w, '{');
    json_writer_name(&w, slice_string("filename"));
    json_writer_text(&w, slice_string(b->file));
    json_writer_name(&w, slice_string("size"));
    json_writer_raw(&w, buf_slice(&size));
    json_writer_name(&w, slice_string("location"));
    json_writer_text(&w, slice_string("LOCAL"));
    if (action != NULL) {
        json_writer_name(&w, slice_string("action"));
        json_writer_text(&w, slice_string(action));
    }
    json_writer_close(&w, '}');
    buf_append_slice(out, buf_slice(&w.out));
}

struct table_json_pick school_pick(size_t i)
{
    return (struct table_json_pick){school_tables[i].table, school_tables[i].name};
}

/* Files */

void school_file_auto(struct school_file *f)
{
    fd_auto(&f->fd);
}

/* *is_there: it is a regular file, which is told about in *out. */
static bool look(int fd, const char *file, struct school_backup *out, bool *is_there, struct err *e)
{
    static const uint8_t unset[SCHOOL_TAG_SIZE];
    uint8_t head[SCHOOL_HEAD];
    struct stat st;
    size_t got;

    if (fstat(fd, &st) < 0)
        return err_sys(e, "look at %s", file);
    *is_there = S_ISREG(st.st_mode);
    if (!*is_there)
        return true;
    if (!fd_read_at(fd, 0, head, sizeof(head), &got, e))
        return err_wrap(e, "%s", file);
    memcpy(out->file, file, strlen(file) + 1);
    out->size = (uint64_t)st.st_size;
    out->is_readable =
        out->size > SCHOOL_HEAD && memcmp(head + SCHOOL_IV_SIZE, unset, sizeof(unset)) != 0;
    return true;
}

/* A link, and what opening could wait for, counts as not there. */
static bool open_at(int dirfd, const char *file, struct school_file *out, bool *is_there,
                    struct err *e)
{
    AUTO(school_file)
    struct school_file f = {
        .fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};

    *is_there = false;
    if (f.fd < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENXIO || err_sys(e, "open %s", file);
    if (!school_name_parse(file, &f.backup.name, e) || !look(f.fd, file, &f.backup, is_there, e))
        return false;
    if (*is_there) {
        *out = f;
        f.fd = -1;
    }
    return true;
}

static bool is_short_id(const char *id, uint8_t out[SCHOOL_ID_SIZE])
{
    return strnlen(id, SCHOOL_ID_MAX) == SCHOOL_ID_MAX - 1 && hex_decode(id, out, SCHOOL_ID_SIZE);
}

static bool list_at(const struct school_place *p, int dirfd, struct school_list *out,
                    struct err *e);

/* The name of the file whose short id this is; "" for none. */
static bool find_short(int dirfd, const uint8_t id[SCHOOL_ID_SIZE], char out[SCHOOL_FILE_MAX],
                       struct err *e)
{
    AUTO(school_list) struct school_list l = {0};

    out[0] = '\0';
    if (!list_at(NULL, dirfd, &l, e))
        return false;
    for (size_t i = 0; i < l.count && out[0] == '\0'; i++)
        if (memcmp(l.items[i].name.id, id, SCHOOL_ID_SIZE) == 0)
            memcpy(out, l.items[i].file, SCHOOL_FILE_MAX);
    return true;
}

bool school_file_open(int dirfd, const char *id, const char *missing, struct school_file *out,
                      struct err *e)
{
    char file[SCHOOL_FILE_MAX];
    uint8_t digits[SCHOOL_ID_SIZE];
    struct school_name name;
    bool is_there = false;

    if (is_short_id(id, digits)) {
        if (!find_short(dirfd, digits, file, e))
            return false;
    } else if (school_name_parse(id, &name, e)) {
        memcpy(file, id, SCHOOL_FILE_MAX);
    } else {
        return false;
    }
    if (file[0] != '\0' && !open_at(dirfd, file, out, &is_there, e))
        return false;
    return is_there || err_set(e, ERR_NOT_FOUND, "%s", missing);
}

bool school_reader_begin(const int *fd, const struct school_key *key, struct school_reader **out,
                         struct err *e)
{
    struct school_reading how = {.key = key, .limits = {.ratio_max = RATIO_MAX}};

    return input_of_fd(fd, &how.from, e) && school_reader_open(&how, out, e);
}

bool school_file_check(const int *fd, const struct school_key *key, struct school_facts *out,
                       struct err *e)
{
    static const struct school_rows none = {0};
    AUTO(school_reader) struct school_reader *r = NULL;

    return school_reader_begin(fd, key, &r, e) &&
           school_document_read(school_reader_read, r, &none, out, e);
}

/* Listing */

void school_list_auto(struct school_list *l)
{
    mem_free(l->items);
}

static int compare_newest(const void *a, const void *b)
{
    const struct school_backup *x = a;
    const struct school_backup *y = b;

    return x->name.time_ns != y->name.time_ns ? (x->name.time_ns < y->name.time_ns ? 1 : -1)
                                              : strcmp(y->file, x->file);
}

static void folder_auto(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d); /* nothing was written */
}

struct backup_listing {
    const struct school_place *place; /* NULL: nobody looks at manifests */
    struct school_list *list;
};

static bool add_file(void *arg, int dirfd, const char *file, struct err *e)
{
    const struct backup_listing *g = arg;
    struct school_list *l = g->list;
    AUTO(school_file) struct school_file f = {.fd = -1};
    struct school_name name;
    struct err why;
    bool is_there;

    if (!school_name_parse(file, &name, &why))
        return true;
    if (!open_at(dirfd, file, &f, &is_there, e))
        return false;
    if (!is_there)
        return true;
    if (l->count == SCHOOL_LIST_MAX)
        return err_set(e, ERR_FATAL, "the folder has more than %d backups", SCHOOL_LIST_MAX);
    if (l->count == l->room) {
        l->room = l->room * 2 + 16;
        l->items = mem_resize(l->items, l->room, sizeof(*l->items));
    }
    if (g->place != NULL && !school_manifest_check(dirfd, g->place, f.fd, &f.backup, NULL, e))
        return false;
    l->items[l->count++] = f.backup;
    return true;
}

bool school_folder_each(int dirfd, school_folder_fn *fn, void *arg, struct err *e)
{
    const int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(folder) DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (d == NULL)
        return err_sys(e, "read the folder of backups");
    for (;;) {
        const struct dirent *en;

        errno = 0;
        en = readdir(d);
        if (en == NULL)
            return errno == 0 || err_sys(e, "read the folder of backups");
        if (!fn(arg, dirfd, en->d_name, e))
            return false;
    }
}

/* p NULL: without looking at manifests. */
static bool list_at(const struct school_place *p, int dirfd, struct school_list *out, struct err *e)
{
    AUTO(school_list) struct school_list l = {0};
    struct backup_listing g = {p, &l};

    if (!school_folder_each(dirfd, add_file, &g, e))
        return false;
    if (l.count > 1)
        qsort(l.items, l.count, sizeof(*l.items), compare_newest);
    *out = l;
    l = (struct school_list){0};
    return true;
}

bool school_backup_list(const struct school_place *p, struct school_list *out, struct err *e)
{
    AUTO(fd) int dirfd = -1;

    return dir_open(p->folder, &dirfd, e) && list_at(p, dirfd, out, e);
}

/* Removing */

struct removal {
    int dirfd;
    const char *file;
};

static bool remove_file(void *arg, struct err *e)
{
    const struct removal *r = arg;
    char manifest[SCHOOL_MANIFEST_ROOM];

    school_manifest_name(r->file, manifest);
    return file_remove(r->dirfd, r->file, e) && file_remove(r->dirfd, manifest, e) &&
           dir_sync(r->dirfd, "the folder of backups", e);
}

bool school_backup_remove(const struct school_place *p, const char *id, struct school_logged *out,
                          struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(school_file) struct school_file f = {.fd = -1};
    AUTO(buf) struct buf changes = {0};
    char digits[SCHOOL_ID_MAX];
    struct school_logged logged = {0};

    if (!dir_open(p->folder, &dirfd, e) ||
        !school_file_open(dirfd, id, "File not found or could not be deleted", &f, e))
        return false;
    school_backup_id(&f.backup, digits);
    school_changes(&f.backup, NULL, &changes);

    const struct school_log_entry entry = {.action = "DELETE",
                                           .id = digits,
                                           .file = f.backup.file,
                                           .user = p->user,
                                           .changes = buf_string(&changes)};
    struct removal r = {dirfd, f.backup.file};

    if (!(p->database.dsn == NULL
              ? remove_file(&r, e)
              : school_log_write(&p->database, &entry, remove_file, &r, &logged, e)))
        return err_wrap(e, "delete %s", f.backup.file);
    *out = logged;
    return true;
}
