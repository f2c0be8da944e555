/*
 * Making a backup: tables of one moment into a file without a name, which is read back, synced and
 * named, in this order.
 */
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "codec/random.h"
#include "job/school.h"
#include "job/school_manifest.h"

#define NS_PER_MS INT64_C(1000000)

/* The tables that were named, in the document's order; all of them without any. */
static bool choose(const struct school_making *how, struct table_json_pick picks[SCHOOL_TABLES],
                   size_t *count, struct err *e)
{
    bool chosen[SCHOOL_TABLES] = {false};

    for (size_t i = 0; i < how->table_count; i++) {
        size_t at = 0;

        while (at < SCHOOL_TABLES && strcmp(school_tables[at].name, how->tables[i]) != 0)
            at++;
        if (at == SCHOOL_TABLES)
            return err_set(e, ERR_USAGE, "%.100s is no table of School ERP's backups",
                           how->tables[i]);
        chosen[at] = true;
    }
    *count = 0;
    for (size_t i = 0; i < SCHOOL_TABLES; i++)
        if (how->table_count == 0 || chosen[i])
            picks[(*count)++] = school_pick(i);
    return true;
}

static bool write_document(const struct school_place *p, const struct school_making *how,
                           struct school_writer *w, struct err *e)
{
    struct table_json_pick picks[SCHOOL_TABLES];
    struct table_json_totals totals;
    struct table_json_export_options o = {.database = p->database,
                                          .form = TABLE_JSON_PLAIN,
                                          .picks = picks,
                                          .skips_missing = how->table_count == 0,
                                          .write = school_writer_add,
                                          .arg = w};

    if (!choose(how, picks, &o.pick_count, e) || !table_json_export(&o, &totals, e))
        return false;
    return totals.tables > 0 ||
           err_set(e, ERR_NOT_FOUND, "the database has none of School ERP's tables");
}

/* Into a file that has no name yet; *out is what was read back. */
static bool write_file(const struct school_place *p, const struct school_making *how, const int *fd,
                       struct school_made *out, struct err *e)
{
    const struct school_writing writing = {
        .to = output_of_fd(fd), .key = p->key, .allows_public_key = how->allows_public_key};
    AUTO(school_writer) struct school_writer *w = NULL;
    struct school_written written;

    if (!school_writer_open(&writing, &w, e) || !write_document(p, how, w, e) ||
        !school_writer_finish(w, &written, e))
        return false;
    if (!school_file_check(fd, p->key, &out->facts, e))
        return err_wrap(e, "read the backup back");
    if (!hash_is_equal(&out->facts.sha256, &written.sha256))
        return err_set(e, ERR_CORRUPT, "the backup is not what was written when it is read back");
    out->backup.size = written.size;
    out->backup.is_readable = true;
    return true;
}

static void name_backup(struct school_backup *b)
{
    const int64_t now_ns = clock_now_ns();

    b->name.time_ns = now_ns - now_ns % NS_PER_MS;
    random_bytes(b->name.id, sizeof(b->name.id));
    school_name_format(&b->name, b->file);
}

/* The file is there whether or not the database can be told of it. */
static void tell_database(const struct school_place *p, struct school_made *made)
{
    char id[SCHOOL_ID_MAX];
    char stamp[SCHOOL_STAMP_MAX];
    AUTO(buf) struct buf changes = {0};
    struct err why = {0};

    school_backup_id(&made->backup, id);
    school_stamp_format(made->backup.name.time_ns, stamp);
    school_changes(&made->backup, NULL, &changes);

    const struct school_log_entry entry = {.action = "CREATE",
                                           .id = id,
                                           .file = made->backup.file,
                                           .user = p->user,
                                           .created = stamp,
                                           .size = made->backup.size,
                                           .changes = buf_string(&changes)};

    if (school_log_write(&p->database, &entry, NULL, NULL, &made->logged, &why))
        return;

    const size_t size = strnlen(why.text, sizeof(made->logged.problem) - 1);

    memcpy(made->logged.problem, why.text, size);
    made->logged.problem[size] = '\0';
}

/* Before the file has its name: one that is listed has a manifest, whatever ends the program. */
static bool put_manifest(int dirfd, const struct school_place *p, int fd, struct school_made *made,
                         struct err *e)
{
    struct hash sum;
    uint64_t size = 0;

    if (p->signer == NULL)
        return true;
    if (!school_file_sum(fd, &sum, &size, e))
        return false;
    if (size != made->backup.size)
        return err_set(e, ERR_CORRUPT, "the backup has another length when it is read back");
    if (!school_manifest_put(dirfd, p, made, &sum, e))
        return false;
    made->backup.proof = SCHOOL_PROVEN;
    return true;
}

/* Of a file that did not come to be. */
static void drop_manifest(int dirfd, const struct school_place *p, const struct school_backup *b)
{
    char name[SCHOOL_MANIFEST_ROOM];
    struct err ignored;

    if (p->signer == NULL)
        return;
    school_manifest_name(b->file, name);
    (void)!file_remove(dirfd, name, &ignored); /* it is the first failure that counts */
}

bool school_backup_make(const struct school_place *p, const struct school_making *how,
                        struct school_made *out, struct err *e)
{
    struct school_made made = {0};
    AUTO(fd) int dirfd = -1;
    AUTO(file_draft) struct file_draft file = FILE_DRAFT_NONE;

    if (p->key == NULL || p->database.dsn == NULL)
        return err_set(e, ERR_USAGE, "a backup takes %s",
                       p->key == NULL ? "an encryption key" : "a database");
    if (!dir_make_all(p->folder, 0700, e) || !dir_open(p->folder, &dirfd, e) ||
        !file_draft_open(dirfd, ".holdfast-new", &file, e))
        return err_wrap(e, "create a backup");
    if (!write_file(p, how, &file.fd, &made, e))
        return err_wrap(e, "create a backup");
    name_backup(&made.backup);
    if (!put_manifest(dirfd, p, file.fd, &made, e))
        return err_wrap(e, "create a backup");
    if (!file_draft_link(&file, dirfd, made.backup.file, e)) {
        drop_manifest(dirfd, p, &made.backup);
        return err_wrap(e, "create a backup");
    }
    if (!dir_sync(dirfd, made.backup.file, e))
        return err_wrap(e, "create a backup");
    tell_database(p, &made);
    *out = made;
    return true;
}
