/*
 * libarchive converts names from the locale's character set.  The program never leaves the C
 * locale, in which only ASCII converts: other names are marked as binary, entry by entry, and
 * are the bytes that the snapshot holds.
 */
#include "archive/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/mem.h"

struct tar_writer {
    struct archive *archive;
};

static bool archive_err(struct tar_writer *t, struct err *e)
{
    const char *text = archive_error_string(t->archive);

    return err_set(e, ERR_FATAL, "write tar: %s", text != NULL ? text : "unknown failure");
}

bool tar_writer_open(int fd, struct tar_writer **out, struct err *e)
{
    AUTO(tar_writer) struct tar_writer *t = mem_new(sizeof(*t));

    t->archive = archive_write_new();
    if (t->archive == NULL)
        return err_set(e, ERR_FATAL, "write tar: out of memory");
    if (archive_write_set_format_pax(t->archive) != ARCHIVE_OK ||
        archive_write_open_fd(t->archive, fd) != ARCHIVE_OK)
        return archive_err(t, e);
    *out = TAKE(t);
    return true;
}

void tar_writer_close(struct tar_writer *t)
{
    if (t == NULL)
        return;
    if (t->archive != NULL)
        archive_write_free(t->archive);
    mem_free(t);
}

void tar_writer_auto(struct tar_writer **t)
{
    tar_writer_close(*t);
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

bool tar_writer_add(struct tar_writer *t, const char *path, const struct entry *en, struct err *e)
{
    if (en->type == ENTRY_SOCKET)
        return true;

    struct archive_entry *ae = archive_entry_new();
    const struct timespec mtime = clock_to_timespec(en->mtime_ns);

    archive_entry_set_pathname(ae, path);
    archive_entry_set_mtime(ae, mtime.tv_sec, mtime.tv_nsec);
    set_owner(ae, en);
    set_kind(ae, en);
    set_xattrs(ae, en);

    const bool ok = archive_write_header(t->archive, ae) >= ARCHIVE_WARN;

    archive_entry_free(ae);
    return ok || archive_err(t, e);
}

bool tar_writer_bytes(struct tar_writer *t, struct slice bytes, struct err *e)
{
    while (bytes.size > 0) {
        const la_ssize_t n = archive_write_data(t->archive, bytes.data, bytes.size);

        if (n < 0)
            return archive_err(t, e);
        if (n == 0)
            return err_set(e, ERR_FATAL, "write tar: more bytes than announced");
        bytes = SLICE_OF(bytes.data + n, bytes.size - (size_t)n);
    }
    return true;
}

bool tar_writer_finish(struct tar_writer *t, struct err *e)
{
    return archive_write_close(t->archive) == ARCHIVE_OK || archive_err(t, e);
}
