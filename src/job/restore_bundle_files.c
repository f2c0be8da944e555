/*
 * Pushed bundles as files again, in the form in which the published server stores them.
 *
 * Sessions are credentials that whoever reads them can use, and those of an old bundle should not
 * come back to life: their list is written empty unless they were asked for.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/bundle.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/feed.h"
#include "job/restore_into.h"

/* Where the files go. */
struct into {
    const struct restore_into_options *options;
    struct restore_into_result *result;
    struct reader *reader;
    int dirfd;
};

static void into_auto(struct into *i)
{
    fd_auto(&i->dirfd);
    reader_free(i->reader);
}

static bool write_file(struct into *i, const char *from, const char *name, struct err *e)
{
    const struct restore_into_options *o = i->options;
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf bytes = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf tmp_name = {0};
    bool is_suspect = false;

    if (!feed_get(i->reader, &o->snapshot->tree, from, &bytes, e))
        return false;
    if (!bundle_read(buf_slice(&bytes), &b, e))
        return err_wrap(e, "%s", from);
    bundle_indent(&b, buf_slice(&bytes), !o->with_sessions, &text);
    buf_printf(&tmp_name, ".%.200s.new", name);
    if (!(o->force ? file_publish_replace(i->dirfd, name, buf_string(&tmp_name), buf_slice(&text),
                                          &is_suspect, e)
                   : file_publish(i->dirfd, name, buf_string(&tmp_name), buf_slice(&text),
                                  &is_suspect, e)))
        return false;
    i->result->files++;
    i->result->bytes += text.size;
    i->result->dropped += o->with_sessions ? 0 : b.facts.sessions;
    return true;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* One bundle to a file, or into a folder that is there. */
static bool write_one(struct into *i, struct err *e)
{
    const struct restore_into_options *o = i->options;
    const char *name = strrchr(o->place, '/') + 1;
    AUTO(buf) struct buf parent = {0};
    const char *slash = strrchr(o->into, '/');

    if (!bundle_name_is(name, NULL))
        return err_set(e, ERR_USAGE, "/%s is no bundle", o->place);
    if (is_folder(o->into))
        return dir_open(o->into, &i->dirfd, e) && write_file(i, o->place, name, e);
    buf_append(&parent, o->into, (size_t)(slash - o->into) + 1);
    return dir_open(buf_string(&parent), &i->dirfd, e) && write_file(i, o->place, slash + 1, e);
}

/* All of them into a folder, which is made. */
static bool write_all(struct into *i, const struct entry *en, struct err *e)
{
    AUTO(tree_cursor) struct tree_cursor *c = NULL;
    struct entry one;
    bool more = true;

    if (!dir_make_all(i->options->into, 0700, e) || !dir_open(i->options->into, &i->dirfd, e) ||
        !tree_open(i->reader, &en->subtree, &c, e))
        return false;
    while (tree_next(c, &one, &more, e)) {
        AUTO(buf) struct buf name = {0};
        AUTO(buf) struct buf from = {0};

        if (!more)
            return true;
        buf_append_slice(&name, one.name);
        buf_printf(&from, "bundle/%s", buf_string(&name));
        if (bundle_name_is(buf_string(&name), NULL) &&
            !write_file(i, buf_string(&from), buf_string(&name), e))
            return false;
    }
    return false;
}

bool restore_into_bundles(struct repo *r, const struct restore_into_options *o,
                          struct restore_into_result *out, struct err *e)
{
    AUTO(into) struct into i = {.options = o, .result = out, .dirfd = -1};
    AUTO(buf) struct buf keep = {0};
    struct entry en;

    if (o->server != NULL || o->in_place || o->part != NULL)
        return err_set(e, ERR_USAGE, "/%s holds bundles: they need no server", o->place);
    i.reader = reader_new(r);
    if (!tree_find(i.reader, &o->snapshot->tree, o->place, &keep, &en, e))
        return false;
    return en.type == ENTRY_DIRECTORY ? write_all(&i, &en, e) : write_one(&i, e);
}
