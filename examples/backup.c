/*
 * Make a backup, list what there is, check the new one and delete it.
 *
 *     cc -o backup backup.c $(pkg-config --cflags --libs holdfast)
 *     BACKUP_DIR=/srv/backups BACKUP_ENCRYPTION_KEY=... DATABASE_URL=... ./backup
 */
#include <holdfast.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static int show(void *arg, const struct hf_backup *b)
{
    (void)arg;
    printf("%s %" PRIu64 " bytes%s\n", b->file, b->size, b->is_readable ? "" : ", unreadable");
    return 0;
}

static int work(const struct hf_backups *b, struct hf_error *why)
{
    const struct hf_restoring check_only = {0};
    struct hf_created made;
    struct hf_restored checked;
    char problem[304];

    if (!hf_backup_create(b, NULL, 0, &made, why))
        return 0;
    printf("made %s: %" PRIu64 " records, %s\n", made.backup.id, made.records, made.checksum);
    if (made.problem[0] != '\0')
        printf("the database was not told: %s\n", made.problem);
    if (!hf_backup_list(b, show, NULL, why) ||
        !hf_backup_restore(b, made.backup.id, &check_only, &checked, why))
        return 0;
    printf("checked %" PRIu64 " records, wrote %" PRIu64 "\n", checked.records, checked.written);
    if (!hf_backup_delete(b, made.backup.id, problem, why))
        return 0;
    printf("deleted%s%s\n", problem[0] == '\0' ? "" : "; the database was not told: ", problem);
    return 1;
}

int main(void)
{
    const struct hf_place place = {.folder = getenv("BACKUP_DIR"),
                                   .key = getenv("BACKUP_ENCRYPTION_KEY"),
                                   .database = getenv("DATABASE_URL"),
                                   .user = getenv("BACKUP_USER")};
    struct hf_backups *b = NULL;
    struct hf_error why;
    int done = hf_open(&place, &b, &why) && work(b, &why);

    if (!done)
        fprintf(stderr, "error %d: %s\n", why.code, why.text);
    hf_close(b);
    return done ? 0 : 1;
}
