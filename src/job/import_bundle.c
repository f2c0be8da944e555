/*
 * Bundles that their own server has kept, as the bundles of a snapshot: each was looked at by a
 * process of its own, and is stored as it is.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "codec/civil.h"
#include "codec/json.h"
#include "job/import_private.h"

#define BUNDLES_MAX 10000
#define YEAR_MAX    2261 /* 64 bits of nanoseconds end in the next */

struct one {
    struct bundle_note note; /* its name is that in the snapshot */
    char *text;              /* the note as JSON */
};

struct files_feed {
    struct bundle_feed feed; /* first */
    const struct import *import;
    struct one *ones;
    struct bundle_item *items;
    size_t count;
};

/* Reading them again */

static bool feed_list(struct bundle_feed *feed, const struct bundle_item **items, size_t *count,
                      struct err *e)
{
    const struct files_feed *f = (const struct files_feed *)feed;

    (void)e; /* they were looked at before */
    *items = f->items;
    *count = f->count;
    return true;
}

static bool feed_read(struct bundle_feed *feed, size_t n, struct buf *out, struct err *e)
{
    const struct files_feed *f = (const struct files_feed *)feed;
    const struct bundle_note *note = &f->ones[n].note;
    AUTO(fd) int opened = -1;
    uint64_t size = note->size;
    size_t got = 0;
    struct hash sum;

    if (f->import->folder_fd >= 0 &&
        !import_open_file(f->import->folder_fd, note->name, O_NOFOLLOW, &opened, &size, e))
        return false;
    if (!fd_read_at(opened >= 0 ? opened : f->import->fd, 0,
                    buf_extend(out, (size_t)note->size + 1), (size_t)note->size + 1, &got, e))
        return err_wrap(e, "%s", note->name);
    out->size -= (size_t)note->size + 1 - got;
    sha256(buf_slice(out), &sum);
    return (got == note->size && hash_is_equal(&sum, &note->sha256)) ||
           err_set(e, ERR_TRANSIENT, "%s changed while it was read", note->name);
}

static void feed_free(struct bundle_feed *feed)
{
    struct files_feed *f = (struct files_feed *)feed;

    for (size_t i = 0; i < f->count; i++)
        mem_free(f->ones[i].text);
    mem_free(f->ones);
    mem_free(f->items);
    mem_free(f);
}

static const struct bundle_feed_ops feed_ops = {
    .list = feed_list,
    .read = feed_read,
    .free = feed_free,
};

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct one *)a)->note.name, ((const struct one *)b)->note.name);
}

/* Takes the array and what its items own. */
static void make_member(struct import *i, struct one *ones, size_t count)
{
    struct files_feed *f = mem_new(sizeof(*f));

    *f = (struct files_feed){.feed = {&feed_ops}, .import = i, .ones = ones, .count = count};
    if (count > 1)
        qsort(ones, count, sizeof(*ones), name_order);
    f->items = mem_array(count, sizeof(*f->items));
    for (size_t n = 0; n < count; n++) {
        AUTO(json) json_t *j = bundle_note_json(&ones[n].note);
        AUTO(buf) struct buf text = {0};

        json_append(j, &text);
        ones[n].text = mem_string(buf_string(&text));
        f->items[n] = (struct bundle_item){.name = ones[n].note.name,
                                           .size = ones[n].note.size,
                                           .mtime_ns = ones[n].note.received_ns,
                                           .note = ones[n].text};
    }
    i->member = bundle_member_new(&f->feed, (int)count);
    i->found.count = count;
    i->found.name = BUNDLE_MEMBER;
}

/* Looking */

/* The number that digits [from, from + size) of a stamp are. */
static int digits_of(const char *stamp, size_t from, size_t size)
{
    int n = 0;

    for (size_t k = from; k < from + size; k++)
        n = 10 * n + (stamp[k] - '0');
    return n;
}

/* The name says when, in a zone that nobody knows; read as UTC it keeps their order.  False: it is
 * no moment that we could write down. */
static bool time_of_stamp(const char *stamp, int64_t *time_ns)
{
    const struct civil day = {digits_of(stamp, 0, 4), digits_of(stamp, 4, 2),
                              digits_of(stamp, 6, 2)};
    const int hour = digits_of(stamp, 9, 2);
    const int minute = digits_of(stamp, 11, 2);
    const int second = digits_of(stamp, 13, 2);

    if (day.year < 1970 || day.year > YEAR_MAX || day.month < 1 || day.month > 12 || day.day < 1 ||
        day.day > civil_days_in_month(day.year, day.month) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    *time_ns =
        (civil_to_days(day) * CIVIL_DAY_S + hour * INT64_C(3600) + minute * INT64_C(60) + second) *
        NS_PER_S;
    return true;
}

static void name_bundle(struct bundle_note *n, const char *name, int64_t mtime_ns)
{
    char stamp[BUNDLE_STAMP_MAX];

    if (bundle_name_is(name, stamp) && time_of_stamp(stamp, &n->received_ns)) {
        (void)snprintf(n->name, sizeof(n->name), "%s", name); /* it fits: it is such a name */
        return;
    }

    char t[CLOCK_TEXT_MAX]; /* 2026-11-21T01:30:00... */

    clock_format(mtime_ns, t);
    n->received_ns = mtime_ns;
    (void)snprintf(n->name, sizeof(n->name), "backup_%.4s%.2s%.2s_%.2s%.2s%.2s.json", t, t + 5,
                   t + 8, t + 11, t + 14, t + 17);
}

static void fill_note(struct bundle_note *n, const struct foreign_facts *f)
{
    *n = f->bundle;
    n->uid = -1;
    n->peer[0] = n->token[0] = '\0';
}

bool import_bundle_file(struct import *i, const struct import_options *o, struct err *e)
{
    const char *slash = strrchr(o->path, '/');
    struct one *one;
    struct stat st;

    if (o->name != NULL)
        return err_set(e, ERR_USAGE, "a bundle keeps its name: no --name");
    if (i->found.facts.bundle.size != i->found.file_bytes ||
        !hash_is_equal(&i->found.facts.bundle.sha256, &i->sum))
        return err_set(e, ERR_TRANSIENT, "the bundle changed while it was read");
    if (fstat(i->fd, &st) < 0)
        return err_sys(e, "look at the file");
    one = mem_array(1, sizeof(*one));
    fill_note(&one->note, &i->found.facts);
    name_bundle(&one->note, slash == NULL ? o->path : slash + 1, clock_from_timespec(st.st_mtim));
    make_member(i, one, 1);
    return true;
}

/* One file of the folder. */
static bool look_at(struct import *i, const struct import_options *o, const char *name,
                    struct one *out, struct err *e)
{
    const struct import_options as_bundle = {.as = o->as};
    AUTO(import_parser) struct import_parser p = IMPORT_PARSER_NONE;
    AUTO(fd) int fd = -1;
    struct import_found found = {0};
    enum frame type;
    struct slice payload;
    struct hash sum;
    uint64_t size = 0;

    if (!import_open_file(i->folder_fd, name, O_NOFOLLOW, &fd, &size, e) ||
        !import_parser_start(fd, size, &as_bundle, &p, e) ||
        !import_parser_next(&p, &type, &payload, e) || !import_take_found(payload, &found, &sum, e))
        return err_wrap(e, "%s", name);
    if (found.kind != FOREIGN_BUNDLE)
        return err_set(e, ERR_CORRUPT, "%s is %s, and folders hold bundles only", name,
                       foreign_kind_name(found.kind));
    if (found.facts.bundle.size != size || !hash_is_equal(&found.facts.bundle.sha256, &sum))
        return err_set(e, ERR_TRANSIENT, "%s changed while it was read", name);
    fill_note(&out->note, &found.facts);
    name_bundle(&out->note, name, 0);
    if (i->found.file_bytes == 0)
        i->found.facts = found.facts;
    i->found.file_bytes += size;
    return true;
}

struct folder {
    DIR *stream;
    struct one *ones;
    size_t count;
};

static void folder_auto(struct folder *f)
{
    if (f->stream != NULL)
        (void)closedir(f->stream); /* it was only read */
    mem_free(f->ones);
}

/* Everything in the folder is a bundle, or nothing is brought in: what was left out without a word
 * would be missed later. */
static bool look_at_all(struct import *i, const struct import_options *o, struct folder *f,
                        struct err *e)
{
    const struct dirent *d;
    char stamp[BUNDLE_STAMP_MAX];
    int64_t ignored_ns;

    for (errno = 0; (d = readdir(f->stream)) != NULL; errno = 0) {
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (cancel_is_requested())
            return cancel_err(e);
        if (!bundle_name_is(d->d_name, stamp) || !time_of_stamp(stamp, &ignored_ns))
            return err_set(e, ERR_CORRUPT,
                           "it holds \"%.100s\", and a folder of bundles holds files "
                           "backup_YYYYMMDD_HHMMSS.json only",
                           d->d_name);
        if (f->count == BUNDLES_MAX)
            return err_set(e, ERR_CORRUPT, "it holds more than %d bundles", BUNDLES_MAX);
        f->ones = mem_resize(f->ones, f->count + 1, sizeof(*f->ones));
        f->ones[f->count] = (struct one){0};
        if (!look_at(i, o, d->d_name, &f->ones[f->count], e))
            return false;
        f->count++;
    }
    return errno == 0 || err_sys(e, "read the folder");
}

bool import_bundle_folder(struct import *i, const struct import_options *o, struct err *e)
{
    AUTO(folder) struct folder f = {0};
    AUTO(fd) int fd = open(o->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (o->name != NULL)
        return err_set(e, ERR_USAGE, "bundles keep their names: no --name");
    if (o->as != NULL && strcmp(o->as, foreign_kind_name(FOREIGN_BUNDLE)) != 0)
        return err_set(e, ERR_USAGE, "a folder can only be one of bundles");
    i->folder_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    f.stream = i->folder_fd < 0 ? NULL : fdopendir(fd);
    if (f.stream == NULL)
        return err_sys(e, "open the folder");
    fd = -1; /* the stream's */
    if (!look_at_all(i, o, &f, e))
        return false;
    if (f.count == 0)
        return err_set(e, ERR_CORRUPT, "it holds no bundle");
    i->found.kind = FOREIGN_BUNDLE;
    make_member(i, TAKE(f.ones), f.count);
    return true;
}
