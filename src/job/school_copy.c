/*
 * Copies of backups in a store: the file as it is, and its manifest.
 */
#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "job/object_file.h"
#include "job/school_manifest.h"

void school_object_name(const char *file, char out[SCHOOL_FILE_MAX])
{
    size_t i = 0;

    for (; file[i] != '\0' && i < SCHOOL_FILE_MAX - 1; i++)
        out[i] = (char)tolower((unsigned char)file[i]);
    out[i] = '\0';
}

/* What the manifest will be here, when the copies are there. */
static bool copy_manifest(int dirfd, const char *file, struct store *to, const char *object,
                          struct err *e)
{
    AUTO(buf) struct buf key = {0};
    AUTO(fd) int fd = -1;
    char name[SCHOOL_MANIFEST_ROOM];

    school_manifest_name(file, name);
    buf_printf(&key, "%s.manifest", object);
    return beneath_open(dirfd, name, &fd, e) && object_file_put(to, buf_string(&key), fd, e);
}

bool school_backup_copy(const struct school_place *p, const char *id, struct store *to,
                        const char *url, struct err *e)
{
    AUTO(fd) int dirfd = -1;
    AUTO(school_file) struct school_file f = {.fd = -1};
    AUTO(json) json_t *manifest = NULL;
    AUTO(buf) struct buf place = {0};
    char object[SCHOOL_FILE_MAX];

    if (!dir_open(p->folder, &dirfd, e) ||
        !school_file_open(dirfd, id, "Backup file not found on disk", &f, e) ||
        !school_manifest_check(dirfd, p, f.fd, &f.backup, &manifest, e))
        return false;
    if (manifest == NULL)
        return err_set(e, ERR_CORRUPT, "%s: %s", f.backup.file, f.backup.doubt);
    school_object_name(f.backup.file, object);
    buf_printf(&place, "%s/%s", url, object);
    return object_file_put(to, object, f.fd, e) &&
           copy_manifest(dirfd, f.backup.file, to, object, e) &&
           school_manifest_add_copy(dirfd, p, manifest, buf_string(&place), e);
}
