#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "job/spool_private.h"
#include "repo/repo.h"

#define RECIPIENTS     "recipients"
#define RECIPIENTS_MAX ((size_t)64 << 10)

void spool_list_done(struct spool_list *l)
{
    mem_free(l->items);
    *l = (struct spool_list){0};
}

void spool_list_auto(struct spool_list *l)
{
    spool_list_done(l);
}

/* The name of a bundle out of that of its file. */
static bool name_of_file(const char *file, char out[BUNDLE_NAME_MAX])
{
    const size_t tail = sizeof(SPOOL_SUFFIX) - 1;
    const size_t size = strlen(file);

    if (size <= tail || size - tail >= BUNDLE_NAME_MAX ||
        strcmp(file + size - tail, SPOOL_SUFFIX) != 0)
        return false;
    memcpy(out, file, size - tail);
    out[size - tail] = '\0';
    return bundle_name_is(out, NULL);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct spool_item *)a)->name, ((const struct spool_item *)b)->name);
}

static void folder_auto(DIR **d)
{
    if (*d != NULL)
        (void)closedir(*d); /* it was only read */
}

/* A bundle that went while the folder was listed is left out. */
static bool add_item(int dirfd, const char *file, struct spool_list *l, size_t *room, struct err *e)
{
    struct spool_item item = {0};
    struct stat st;

    if (!name_of_file(file, item.name))
        return true;
    if (fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT || err_sys(e, "look at %s", file);
    if (!S_ISREG(st.st_mode))
        return true;
    item.size = (uint64_t)st.st_size;
    if (l->count == *room) {
        *room = *room * 2 + 16;
        l->items = mem_resize(l->items, *room, sizeof(*l->items));
    }
    l->items[l->count++] = item;
    l->bytes += item.size;
    return true;
}

bool spool_folder_list(int dirfd, struct spool_list *out, struct err *e)
{
    AUTO(spool_list) struct spool_list l = {0};
    const int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    AUTO(folder) DIR *d = fd < 0 ? NULL : fdopendir(fd);
    size_t room = 0;

    if (d == NULL)
        return err_sys(e, "read the spool");
    for (;;) {
        const struct dirent *en;

        errno = 0;
        en = readdir(d);
        if (en == NULL && errno != 0)
            return err_sys(e, "read the spool");
        if (en == NULL)
            break;
        if (!add_item(dirfd, en->d_name, &l, &room, e))
            return false;
    }
    if (l.count > 1)
        qsort(l.items, l.count, sizeof(*l.items), by_name);
    *out = l;
    l = (struct spool_list){0};
    return true;
}

/* *fd stays -1 when there is no such folder. */
static bool open_folder(const char *folder, int *fd, struct err *e)
{
    if (dir_open(folder, fd, e))
        return true;
    *fd = -1;
    return e->code == ERR_NOT_FOUND;
}

bool spool_list_read(const char *folder, struct spool_list *out, struct err *e)
{
    AUTO(fd) int fd = -1;
    AUTO(spool_list) struct spool_list l = {0};

    if (!open_folder(folder, &fd, e) || (fd >= 0 && !spool_folder_list(fd, &l, e)))
        return false;
    *out = l;
    l = (struct spool_list){0};
    return true;
}

/* Note and bytes out of what was in the envelope. */
static bool take_apart(struct slice plain, struct bundle_note *note, struct slice *bytes,
                       struct err *e)
{
    AUTO(json) json_t *j = NULL;
    struct slice text;
    uint32_t size = 0;
    json_error_t why;
    struct hash sum;

    if (!take_u32(&plain, &size) || !take_slice(&plain, size, &text))
        return err_set(e, ERR_CORRUPT, "it ends early");
    j = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, &why);
    if (j == NULL)
        return err_set(e, ERR_CORRUPT, "what is noted of it is no JSON: %s", why.text);
    if (!bundle_note_parse(j, note, e))
        return false;
    sha256(plain, &sum);
    if (note->size != plain.size || !hash_is_equal(&sum, &note->sha256))
        return err_set(e, ERR_CORRUPT, "its bytes are not those that are noted");
    *bytes = plain;
    return true;
}

bool spool_read(const char *folder, const char *name, const struct repo *r,
                struct bundle_note *note, struct buf *bytes, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf sealed = {0};
    AUTO(buf) struct buf plain = {0};
    struct bundle_note found;
    struct slice piece;

    buf_printf(&path, "%s/%s" SPOOL_SUFFIX, folder, name);
    if (!file_read(buf_string(&path), ENVELOPE_SIZE_MAX, &sealed, e))
        return false;
    if (!repo_open_envelope(r, buf_slice(&sealed), &plain, e) ||
        !take_apart(buf_slice(&plain), &found, &piece, e))
        return err_wrap(e, "bundle %s", name);
    (void)snprintf(found.name, sizeof(found.name), "%s", name); /* it was listed: it fits */
    *note = found;
    buf_append_slice(bytes, piece);
    return true;
}

bool spool_remove(const char *folder, const char *const *names, size_t count, struct err *e)
{
    AUTO(fd) int fd = -1;

    if (!open_folder(folder, &fd, e))
        return false;
    if (fd < 0 || count == 0)
        return true;
    for (size_t i = 0; i < count; i++) {
        AUTO(buf) struct buf file = {0};

        buf_printf(&file, "%s" SPOOL_SUFFIX, names[i]);
        if (!file_remove(fd, buf_string(&file), e))
            return err_wrap(e, "spool %s", folder);
    }
    return dir_sync(fd, folder, e);
}

/* Recipients */

void spool_recipients_auto(struct spool_recipients *l)
{
    mem_free(l->items);
}

/* "NAME ID KEY" */
static bool parse_line(char *line, struct spool_recipient *out)
{
    char *id = strchr(line, ' ');
    char *key = id == NULL ? NULL : strchr(id + 1, ' ');
    struct err ignored;

    if (key == NULL || (size_t)(id - line) >= sizeof(out->name))
        return false;
    *id++ = '\0';
    *key++ = '\0';
    memcpy(out->name, line, strlen(line) + 1);
    return hex_decode(id, out->to.id, sizeof(out->to.id)) &&
           hex_decode(key, out->to.key, sizeof(out->to.key)) && envelope_check(&out->to, &ignored);
}

static bool parse_lines(char *text, const char *path, struct spool_recipients *out, struct err *e)
{
    size_t n = 1;

    for (char *line = text, *end; *line != '\0'; line = end + 1, n++) {
        end = strchr(line, '\n');
        out->items = mem_resize(out->items, out->count + 1, sizeof(*out->items));
        out->items[out->count] = (struct spool_recipient){0};
        if (end == NULL || out->count == ENVELOPE_RECIPIENTS_MAX)
            return err_set(e, ERR_CORRUPT, "%s:%zu: it is cut off or too long", path, n);
        *end = '\0';
        if (!parse_line(line, &out->items[out->count]))
            return err_set(e, ERR_CORRUPT, "%s:%zu: it is no name, id and public key", path, n);
        out->count++;
    }
    return true;
}

bool spool_recipients_read(const char *folder, struct spool_recipients *out, struct err *e)
{
    AUTO(spool_recipients) struct spool_recipients l = {0};
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(mem) char *copy = NULL;
    struct err why = {0};

    buf_printf(&path, "%s/" RECIPIENTS, folder);
    if (!file_read(buf_string(&path), RECIPIENTS_MAX, &text, &why) && why.code != ERR_NOT_FOUND) {
        *e = why;
        return false;
    }
    copy = mem_dup(text.data, text.size);
    if (strlen(copy) != text.size)
        return err_set(e, ERR_CORRUPT, "%s: it is no text", buf_string(&path));
    if (!parse_lines(copy, buf_string(&path), &l, e))
        return false;
    *out = l;
    l = (struct spool_recipients){0};
    return true;
}

bool spool_recipients_write(const char *folder, const struct spool_recipient *items, size_t count,
                            struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf before = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(fd) int fd = -1;
    struct err ignored;
    bool is_suspect = false;

    for (size_t i = 0; i < count; i++) {
        char id[2 * ENVELOPE_ID_SIZE + 1];
        char key[2 * ENVELOPE_KEY_SIZE + 1];

        hex_encode(SLICE_OF(items[i].to.id, ENVELOPE_ID_SIZE), id);
        hex_encode(SLICE_OF(items[i].to.key, ENVELOPE_KEY_SIZE), key);
        buf_printf(&text, "%s %s %s\n", items[i].name, id, key);
    }
    buf_printf(&path, "%s/" RECIPIENTS, folder);
    if (file_read(buf_string(&path), RECIPIENTS_MAX, &before, &ignored) &&
        slice_is_equal(buf_slice(&before), buf_slice(&text)))
        return true;
    return dir_make_all(folder, 0700, e) && dir_open(folder, &fd, e) &&
           file_publish_replace(fd, RECIPIENTS, "." RECIPIENTS, buf_slice(&text), &is_suspect, e);
}
