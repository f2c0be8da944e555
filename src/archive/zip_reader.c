#include <string.h>
#include <sys/stat.h>

#include "archive/deflate.h"
#include "archive/zip_head.h"
#include "base/mem.h"

#define FLAG_ENCRYPTED 0x0001
#define FLAGS_LEVEL    0x0006 /* how hard it was compressed */
#define FLAG_STRONG    0x0040
#define FLAG_MASKED    0x2000
#define EXTRA_MAX      64 /* of both fields of Info-ZIP: 28 + 15 */
#define EXTRA_TIMES    0x5455
#define EXTRA_OWNERS   0x7875
#define DOS_FOLDER     0x10

static bool invalid(struct err *e, const char *why)
{
    return err_set(e, ERR_CORRUPT, "Invalid ZIP file format: %s", why);
}

static bool odd(const char *name, const char *what, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "%s %s", name, what);
}

static bool check_extra(struct slice extra, const char *name, struct err *e)
{
    uint16_t id, size;
    struct slice field;

    while (extra.size > 0) {
        if (!zip_head_take_u16(&extra, &id) || !zip_head_take_u16(&extra, &size) ||
            !take_slice(&extra, size, &field))
            return odd(name, "has damaged extra fields", e);
        if (id != EXTRA_TIMES && id != EXTRA_OWNERS)
            return odd(name, "has extra fields that could mean something else (as zip64 has)", e);
    }
    return true;
}

static bool check_flags(const struct zip_rules *rules, const struct zip_head *h, const char *name,
                        struct err *e)
{
    if ((h->flags & (FLAG_ENCRYPTED | FLAG_STRONG | FLAG_MASKED)) != 0)
        return odd(name, "is encrypted", e);
    if ((h->flags & ZIP_DESCRIPTOR) != 0 &&
        (!rules->has_descriptors || (h->method == ZIP_STORED && h->size > 0)))
        return odd(name, "has its sizes behind it (a data descriptor)", e);
    if ((h->flags & ~(FLAGS_LEVEL | ZIP_UTF8 | ZIP_DESCRIPTOR)) != 0)
        return odd(name, "has flags that are not known", e);
    if (h->needed > ZIP_VERSION)
        return odd(name, "needs a newer version of the format (as zip64 does)", e);
    if (h->disk != 0)
        return odd(name, "stands in another part of a split file", e);
    return true;
}

/* What kind of file it was where it was packed. */
static bool check_kind(const struct zip_head *h, bool is_folder, const char *name, struct err *e)
{
    const unsigned host = h->made >> 8;
    const mode_t type = h->attributes >> 16 & S_IFMT;
    const bool says_folder = host == ZIP_HOST_DOS ? (h->attributes & DOS_FOLDER) != 0 : is_folder;

    if (host != ZIP_HOST_UNIX && host != ZIP_HOST_DOS)
        return odd(name, "comes from a system that is not known", e);
    if (type == S_IFLNK)
        return odd(name, "is a symbolic link", e);
    if (type != 0 && type != (is_folder ? S_IFDIR : S_IFREG))
        return odd(name, "is no regular file", e);
    if (says_folder != is_folder)
        return odd(name, "is a file or a folder, depending on where one looks", e);
    return true;
}

static bool check_form(const struct zip_head *h, bool is_folder, const char *name, struct err *e)
{
    if (h->method != ZIP_STORED && h->method != ZIP_DEFLATED)
        return odd(name, "is compressed in a way that is not known", e);
    if (h->method == ZIP_STORED && h->packed != h->size)
        return odd(name, "is stored with two sizes", e);
    if (is_folder && (h->method != ZIP_STORED || h->size != 0))
        return odd(name, "is a folder with content", e);
    if (h->comment_size != 0)
        return odd(name, "has a comment", e);
    return true;
}

/* Take one record of the directory. */
static bool take_entry(const struct zip_rules *rules, struct slice *directory, struct zip_head *h,
                       struct zip_entry *out, struct err *e)
{
    struct slice name, extra;

    if (!zip_head_take_central(directory, h) || !take_slice(directory, h->name_size, &name) ||
        !take_slice(directory, h->extra_size, &extra))
        return invalid(e, "its directory is damaged");
    if (!zip_name_check(rules, name, e))
        return false;
    if ((h->flags & ZIP_UTF8) == 0 && !zip_name_is_ascii(name))
        return err_set(e, ERR_CORRUPT, "a name does not say that it is UTF-8");
    out->name = mem_dup(name.data, name.size);
    out->is_folder = name.data[name.size - 1] == '/';
    out->is_deflated = h->method == ZIP_DEFLATED;
    out->crc = h->crc;
    out->size = h->size;
    out->packed_size = h->packed;
    out->offset = h->offset;
    return check_flags(rules, h, out->name, e) && check_kind(h, out->is_folder, out->name, e) &&
           check_form(h, out->is_folder, out->name, e) && check_extra(extra, out->name, e);
}

/* The head in front of an entry and its record in the directory tell of the same one. */
static bool is_same(const struct zip_head *l, const struct zip_head *h)
{
    const bool is_empty = l->crc == 0 && l->packed == 0 && l->size == 0;
    const bool is_full = l->crc == h->crc && l->packed == h->packed && l->size == h->size;

    return l->needed == h->needed && l->flags == h->flags && l->method == h->method &&
           l->time == h->time && l->date == h->date && l->name_size == h->name_size &&
           l->extra_size <= EXTRA_MAX &&
           (is_full || (is_empty && (h->flags & ZIP_DESCRIPTOR) != 0));
}

/* What stands behind an entry, if anything does: *end is where it ends. */
static bool check_behind(const struct input *from, const struct zip_head *h,
                         const struct zip_entry *entry, uint64_t *end, struct err *e)
{
    uint8_t bytes[ZIP_BEHIND_SIZE];
    struct slice rest = {bytes, sizeof(bytes)};
    struct zip_head b;

    *end = entry->data + entry->packed_size;
    if ((h->flags & ZIP_DESCRIPTOR) == 0)
        return true;
    if (!input_read(from, *end, bytes, sizeof(bytes), e))
        return false;
    if (!zip_head_take_behind(&rest, &b) || b.crc != h->crc || b.packed != h->packed ||
        b.size != h->size)
        return odd(entry->name, "has other sizes behind it than the directory says", e);
    *end += ZIP_BEHIND_SIZE;
    return true;
}

/*
 * An entry's own head says what the directory says, and stands where the entry before ends, at
 * *begin, which becomes the end of this one.  Nothing of it lies behind end.
 */
static bool check_local(const struct input *from, const struct zip_head *h, uint64_t *begin,
                        uint64_t end, struct zip_entry *out, struct err *e)
{
    uint8_t bytes[ZIP_LOCAL_SIZE + ZIP_NAME_MAX + EXTRA_MAX];
    struct slice rest = {bytes, ZIP_LOCAL_SIZE};
    struct zip_head l;

    if (out->offset != *begin)
        return odd(out->name, "overlaps what is before it, or leaves a gap", e);
    if (end - *begin < ZIP_LOCAL_SIZE)
        return odd(out->name, "overlaps the directory", e);
    if (!input_read(from, *begin, bytes, ZIP_LOCAL_SIZE, e))
        return false;
    if (!zip_head_take_local(&rest, &l))
        return odd(out->name, "does not stand where the directory says", e);
    if (!is_same(&l, h))
        return odd(out->name, "is another in the directory than in front of it", e);

    const size_t behind = (size_t)l.name_size + l.extra_size;
    const size_t tail = (h->flags & ZIP_DESCRIPTOR) != 0 ? ZIP_BEHIND_SIZE : 0;

    if (end - *begin - ZIP_LOCAL_SIZE < behind + out->packed_size + tail)
        return odd(out->name, "overlaps the directory", e);
    if (!input_read(from, *begin + ZIP_LOCAL_SIZE, bytes, behind, e))
        return false;
    if (memcmp(bytes, out->name, l.name_size) != 0)
        return odd(out->name, "has another name in front of it", e);
    out->data = *begin + ZIP_LOCAL_SIZE + behind;
    return check_extra(SLICE_OF(bytes + l.name_size, l.extra_size), out->name, e) &&
           check_behind(from, h, out, begin, e);
}

static bool read_end(const struct input *from, const struct zip_rules *rules, struct zip_end *out,
                     struct err *e)
{
    uint8_t bytes[ZIP_END_SIZE];
    struct slice rest = {bytes, sizeof(bytes)};

    if (from->size > rules->file_max)
        return err_set(e, ERR_CORRUPT, "Backup file too large (%llu bytes, max %llu)",
                       (unsigned long long)from->size, (unsigned long long)rules->file_max);
    if (from->size == 0)
        return err_set(e, ERR_CORRUPT, "Backup file is empty");
    if (from->size < ZIP_END_SIZE)
        return invalid(e, "it is too short");
    if (!input_read(from, from->size - ZIP_END_SIZE, bytes, sizeof(bytes), e))
        return false;
    if (!zip_end_take(&rest, out) || out->comment_size != 0)
        return invalid(e, "it does not end with its directory (a comment, or bytes behind it)");
    if (out->disk != 0 || out->directory_disk != 0 || out->here != out->total)
        return invalid(e, "it is one part of a split file");
    if (out->total > rules->count_max)
        return err_set(e, ERR_CORRUPT, "Invalid ZIP file format: it has more than %u entries",
                       rules->count_max);
    if ((uint64_t)out->offset + out->size != from->size - ZIP_END_SIZE)
        return invalid(e, "its directory does not stand where it says (or it is a zip64 file)");
    if (out->size > (uint64_t)out->total * (ZIP_CENTRAL_SIZE + ZIP_NAME_MAX + EXTRA_MAX))
        return invalid(e, "its directory is longer than its entries");
    return true;
}

/* All records of the directory, and then what they tell of. */
static bool read_entries(struct zip *z, const struct zip_end *end, struct err *e)
{
    AUTO(buf) struct buf directory = {0};
    AUTO(mem) struct zip_head *heads = mem_array(end->total, sizeof(heads[0]));
    uint64_t begin = 0;

    if (!input_read(&z->from, end->offset, buf_extend(&directory, end->size), end->size, e))
        return false;

    struct slice rest = buf_slice(&directory);

    for (size_t i = 0; i < end->total; i++) {
        z->count = i + 1;
        if (!take_entry(z->rules, &rest, &heads[i], &z->entries[i], e))
            return false;
    }
    if (rest.size > 0)
        return invalid(e, "its directory is longer than its entries");
    if (!zip_sizes_check(z->rules, z->entries, z->count, z->from.size, e))
        return false;
    for (size_t i = 0; i < end->total; i++)
        if (!check_local(&z->from, &heads[i], &begin, end->offset, &z->entries[i], e))
            return false;
    if (begin != end->offset)
        return invalid(e, "there are bytes that belong to no entry");
    return zip_names_check(z->entries, z->count, e);
}

bool zip_open(const struct input *from, const struct zip_rules *rules, struct zip *out,
              struct err *e)
{
    AUTO(zip) struct zip z = {.from = *from, .rules = rules};
    struct zip_end end;

    if (!read_end(from, rules, &end, e))
        return false;
    z.entries = mem_array(end.total, sizeof(z.entries[0]));
    if (!read_entries(&z, &end, e))
        return false;
    *out = z;
    z = (struct zip){0};
    return true;
}

void zip_auto(struct zip *z)
{
    for (size_t i = 0; i < z->count; i++)
        mem_free(z->entries[i].name);
    mem_free(z->entries);
}

const struct zip_entry *zip_find(const struct zip *z, const char *name)
{
    for (size_t i = 0; i < z->count; i++)
        if (strcmp(z->entries[i].name, name) == 0)
            return &z->entries[i];
    return NULL;
}

/* The packed bytes of an entry, as json_read_fn. */
struct packed {
    const struct input *from;
    uint64_t at, end;
};

static bool read_packed(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct packed *p = arg;
    const uint64_t left = p->end - p->at;
    const size_t n = left < room ? (size_t)left : room;

    if (!input_read(p->from, p->at, to, n, e))
        return false;
    p->at += n;
    *got = n;
    return true;
}

static bool read_entry(const struct zip *z, const struct zip_entry *entry, output_fn *put,
                       void *arg, struct err *e)
{
    struct packed packed = {&z->from, entry->data, entry->data + entry->packed_size};
    const struct inflate_limits limits = {entry->size, UINT32_MAX}; /* all sizes were looked at */
    AUTO(inflater)
    struct inflater *i =
        entry->is_deflated ? inflater_new(DEFLATE_BARE, &limits, read_packed, &packed) : NULL;
    uint8_t piece[1 << 14];
    uint64_t size = 0;
    uint32_t crc = 0;
    size_t got;

    for (;;) {
        if (!(i != NULL ? inflater_read(i, piece, sizeof(piece), &got, e)
                        : read_packed(&packed, piece, sizeof(piece), &got, e)))
            return false;
        if (got == 0)
            break;
        size += got;
        crc = deflate_crc(crc, SLICE_OF(piece, got));
        if (!put(arg, SLICE_OF(piece, got), e))
            return false;
    }
    if (size != entry->size)
        return err_set(e, ERR_CORRUPT, "it is shorter than it says");
    return crc == entry->crc || err_set(e, ERR_CORRUPT, "its sum is wrong");
}

bool zip_read(const struct zip *z, const struct zip_entry *entry, output_fn *put, void *arg,
              struct err *e)
{
    return read_entry(z, entry, put, arg, e) || err_wrap(e, "%s", entry->name);
}
