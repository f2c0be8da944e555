/*
 * libarchive converts names from the locale's character set.  The program never leaves the C
 * locale, in which only ASCII converts.  In tar other names are marked as binary, entry by entry,
 * and are the bytes that the snapshot holds.  In zip they are these bytes too, and a bit says
 * whether they are UTF-8: libarchive sets it where the locale of the thread is of UTF-8, which it
 * is for as long as such a name is written.
 */
#include "archive/tree_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#define ZIP_NAME_MAX  UINT16_MAX
#define ZIP_HELD_MORE 200 /* bytes of an entry besides its name, at most */

struct tree_archive {
    struct archive *archive;
    enum tree_format format;
    locale_t utf8; /* of zip */
};

static bool archive_err(struct tree_archive *t, struct err *e)
{
    const char *text = archive_error_string(t->archive);

    return err_set(e, ERR_FATAL, "write archive: %s", text != NULL ? text : "unknown failure");
}

static bool set_format(struct tree_archive *t, struct err *e)
{
    if (t->format == TREE_TAR)
        return archive_write_set_format_pax(t->archive) == ARCHIVE_OK || archive_err(t, e);
    t->utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
    if (t->utf8 == (locale_t)0)
        return err_sys(e, "locale C.UTF-8");
    /* Nothing stands behind the end of a zip file, also in a pipe. */
    return (archive_write_set_format_zip(t->archive) == ARCHIVE_OK &&
            archive_write_set_bytes_in_last_block(t->archive, 1) == ARCHIVE_OK) ||
           archive_err(t, e);
}

bool tree_archive_open(int fd, enum tree_format format, struct tree_archive **out, struct err *e)
{
    AUTO(tree_archive) struct tree_archive *t = mem_new(sizeof(*t));

    t->format = format;
    t->archive = archive_write_new();
    if (t->archive == NULL)
        return err_set(e, ERR_FATAL, "write archive: out of memory");
    if (!set_format(t, e))
        return false;
    if (archive_write_open_fd(t->archive, fd) != ARCHIVE_OK)
        return archive_err(t, e);
    *out = TAKE(t);
    return true;
}

void tree_archive_close(struct tree_archive *t)
{
    if (t == NULL)
        return;
    if (t->archive != NULL)
        archive_write_free(t->archive);
    if (t->utf8 != (locale_t)0)
        freelocale(t->utf8);
    mem_free(t);
}

void tree_archive_auto(struct tree_archive **t)
{
    tree_archive_close(*t);
}

static mode_t type_bits(enum entry_type type)
{
    switch (type) {
    case ENTRY_FILE:
        return S_IFREG;
    case ENTRY_DIRECTORY:
        return S_IFDIR;
    case ENTRY_SYMLINK:
        return S_IFLNK;
    case ENTRY_FIFO:
        return S_IFIFO;
    case ENTRY_SOCKET:
        return S_IFSOCK;
    case ENTRY_CHARACTER_DEVICE:
        return S_IFCHR;
    case ENTRY_BLOCK_DEVICE:
        return S_IFBLK;
    }
    return 0;
}

static void set_xattrs(struct archive_entry *ae, const struct entry *en)
{
    struct slice rest = en->xattrs, name, value;

    while (rest.size > 0 && take_bytes(&rest, &name) && take_bytes(&rest, &value)) {
        AUTO(buf) struct buf text = {0};

        buf_append_slice(&text, name);
        archive_entry_xattr_add_entry(ae, buf_string(&text), value.data, value.size);
    }
}

static void set_owner(struct archive_entry *ae, const struct entry *en)
{
    AUTO(buf) struct buf user = {0};
    AUTO(buf) struct buf group = {0};

    buf_append_slice(&user, en->user);
    buf_append_slice(&group, en->group);
    archive_entry_set_uid(ae, en->uid);
    archive_entry_set_gid(ae, en->gid);
    archive_entry_set_uname(ae, buf_string(&user));
    archive_entry_set_gname(ae, buf_string(&group));
}

static void set_kind(struct archive_entry *ae, const struct entry *en)
{
    archive_entry_set_mode(ae, type_bits(en->type) | en->mode);
    if (en->type == ENTRY_FILE)
        archive_entry_set_size(ae, (int64_t)en->size);
    if (en->type == ENTRY_SYMLINK) {
        AUTO(buf) struct buf target = {0};

        buf_append_slice(&target, en->target);
        archive_entry_set_symlink(ae, buf_string(&target));
    }
    if (en->type == ENTRY_CHARACTER_DEVICE || en->type == ENTRY_BLOCK_DEVICE)
        archive_entry_set_rdev(ae, (dev_t)en->rdev);
}

static bool write_header(struct tree_archive *t, const char *path, struct archive_entry *ae,
                         struct err *e)
{
    const bool is_marked = t->format == TREE_ZIP && utf8_is_valid(slice_string(path));
    const locale_t before = is_marked ? uselocale(t->utf8) : (locale_t)0;
    const bool ok = archive_write_header(t->archive, ae) >= ARCHIVE_WARN;

    if (is_marked)
        uselocale(before);
    return ok || archive_err(t, e);
}

bool tree_archive_add(struct tree_archive *t, const char *path, const struct entry *en,
                      struct err *e)
{
    /* In zip the top has no name. */
    if (en->type == ENTRY_SOCKET || (t->format == TREE_ZIP && strcmp(path, ".") == 0))
        return true;

    struct archive_entry *ae = archive_entry_new();
    const struct timespec mtime = clock_to_timespec(en->mtime_ns);

    archive_entry_set_pathname(ae, path);
    archive_entry_set_mtime(ae, mtime.tv_sec, mtime.tv_nsec);
    set_owner(ae, en);
    set_kind(ae, en);
    set_xattrs(ae, en);

    const bool ok = write_header(t, path, ae, e);

    archive_entry_free(ae);
    return ok;
}

bool tree_archive_bytes(struct tree_archive *t, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const la_ssize_t n = archive_write_data(t->archive, bytes.data, bytes.size);

        if (n < 0)
            return archive_err(t, e);
        if (n == 0)
            return err_set(e, ERR_FATAL, "write archive: more bytes than announced");
        bytes = SLICE_OF(bytes.data + n, bytes.size - (size_t)n);
    }
    return true;
}

bool tree_archive_finish(struct tree_archive *t, struct err *e)
{
    return archive_write_close(t->archive) == ARCHIVE_OK || archive_err(t, e);
}

bool tree_zip_check(const char *path, const struct entry *en, uint64_t *held, struct err *e)
{
    const bool is_special = en->type == ENTRY_FIFO || en->type == ENTRY_CHARACTER_DEVICE ||
                            en->type == ENTRY_BLOCK_DEVICE;

    if (is_special)
        return err_set(e, ERR_USAGE, "%s: zip has no form for a device or a pipe; tar has", path);
    if (strlen(path) > ZIP_NAME_MAX)
        return err_set(e, ERR_USAGE, "%.100s...: the name is too long for zip; tar takes it", path);
    *held += strlen(path) + ZIP_HELD_MORE;
    return *held <= TREE_ZIP_HELD_MAX ||
           err_set(e, ERR_USAGE, "these are too many files for zip; tar takes them");
}
