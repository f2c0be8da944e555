#include "job/cfms_export.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"

enum {
    FILE_NAME_MAX = CFMS_NAME_MAX + 16, /* with its ending and NUL */
    NAME_SECONDS_MAX = 60,              /* that a name may lie ahead */
};

/* An archive and its key on their way. */
struct parcel {
    int output_fd, key_fd; /* folders */
    char archive_name[FILE_NAME_MAX], key_name[FILE_NAME_MAX];
    struct file_draft archive, key;
};

static void parcel_auto(struct parcel *p)
{
    file_draft_auto(&p->archive);
    file_draft_auto(&p->key);
    fd_auto(&p->output_fd);
    fd_auto(&p->key_fd);
}

static bool check_free(int dirfd, const char *name, struct err *e)
{
    if (faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return err_set(e, ERR_EXISTS, "there is a %s already", name);
    return errno == ENOENT || err_sys(e, "look for %s", name);
}

static bool take_name(struct parcel *p, const char *name, struct err *e)
{
    (void)snprintf(p->archive_name, FILE_NAME_MAX, "%s.cfms.enc", name); /* both have room */
    (void)snprintf(p->key_name, FILE_NAME_MAX, "%s.key", name);
    return check_free(p->output_fd, p->archive_name, e) && check_free(p->key_fd, p->key_name, e);
}

/* The name that is asked for, or that of this second or the next free one. */
static bool choose_name(const struct cfms_export_options *o, struct parcel *p,
                        char out[CFMS_NAME_MAX + 1], struct err *e)
{
    const int64_t now_s = clock_now_ns() / NS_PER_S;

    if (o->name != NULL) {
        if (!cfms_name_is(o->name))
            return err_set(e, ERR_USAGE, "a backup's name is %s, at most %d", CFMS_NAME_CHARS,
                           CFMS_NAME_MAX);
        memcpy(out, o->name, strlen(o->name) + 1);
        return take_name(p, out, e);
    }
    for (int64_t s = now_s; s < now_s + NAME_SECONDS_MAX; s++) {
        (void)snprintf(out, CFMS_NAME_MAX + 1, "backup_%lld", (long long)s); /* has room */
        if (take_name(p, out, e))
            return true;
        if (e->code != ERR_EXISTS)
            return false;
    }
    return false;
}

static bool open_parcel(const struct cfms_export_options *o, struct cfms_export_result *r,
                        struct parcel *p, struct err *e)
{
    struct stat output, key;

    if (!dir_open(o->output_dir, &p->output_fd, e) || !dir_open(o->key_dir, &p->key_fd, e))
        return false;
    if (fstat(p->output_fd, &output) < 0 || fstat(p->key_fd, &key) < 0)
        return err_sys(e, "look at the folders");
    r->is_key_beside = output.st_dev == key.st_dev && output.st_ino == key.st_ino;
    return choose_name(o, p, r->name, e) &&
           file_draft_open(p->output_fd, ".holdfast-new-archive", &p->archive, e) &&
           file_draft_open(p->key_fd, ".holdfast-new-key", &p->key, e);
}

static bool write_archive(void *arg, struct slice bytes, struct err *e)
{
    const struct parcel *p = arg;

    return fd_write(p->archive.fd, bytes, e) || err_wrap(e, "write the archive");
}

static bool fill(struct cfms_app *app, const struct cfms_export_options *o, struct cfms_writer *w,
                 struct cfms_export_result *r, struct err *e)
{
    return cfms_writer_documents(w, cfms_app_documents, app, e) &&
           cfms_app_contents(app, w, o->missing, o->arg, &r->missing, e) &&
           cfms_writer_files(w, cfms_app_files, app, e) &&
           cfms_writer_folders(w, cfms_app_folders, app, e);
}

static bool write_key(struct parcel *p, const struct cfms_key *k, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    buf_reserve(&text, CFMS_KEY_TEXT_MAX); /* it does not move */
    cfms_key_format(k, &text);

    const bool is_written = fd_write(p->key.fd, buf_slice(&text), e);

    mem_wipe(text.data, text.size);
    return is_written || err_wrap(e, "write the key");
}

/* The key first: an archive that has a name has its key. */
static bool publish(struct parcel *p, struct err *e)
{
    struct err ignored;

    if (!fd_sync(p->archive.fd, p->archive_name, e) ||
        !file_draft_link(&p->key, p->key_fd, p->key_name, e))
        return false;
    if (dir_sync(p->key_fd, "the folder of keys", e) &&
        file_draft_link(&p->archive, p->output_fd, p->archive_name, e)) {
        if (dir_sync(p->output_fd, "the folder of archives", e))
            return true;
        (void)!file_remove(p->output_fd, p->archive_name, &ignored); /* e says more */
    }
    (void)!file_remove(p->key_fd, p->key_name, &ignored); /* as above */
    return false;
}

bool cfms_export(const struct cfms_export_options *o, struct cfms_export_result *out, struct err *e)
{
    struct cfms_export_result r = {.created_at = (double)clock_now_ns() / (double)NS_PER_S};
    AUTO(parcel)
    struct parcel p = {
        .output_fd = -1, .key_fd = -1, .archive = FILE_DRAFT_NONE, .key = FILE_DRAFT_NONE};
    AUTO(cfms_app) struct cfms_app *app = NULL;
    AUTO(cfms_writer) struct cfms_writer *w = NULL;
    AUTO(cfms_key) struct cfms_key key = {{0}};
    struct cfms_writer_options options = {
        .name = r.name, .created_at = r.created_at, .write = write_archive, .arg = &p};

    if (!open_parcel(o, &r, &p, e) || !cfms_app_open(&o->place, &app, e) ||
        !cfms_writer_open(&options, &w, e) || !fill(app, o, w, &r, e) ||
        !cfms_writer_finish(w, &key, e) || !write_key(&p, &key, e) || !publish(&p, e))
        return false;
    r.counts = cfms_writer_counts(w);
    *out = r;
    return true;
}
