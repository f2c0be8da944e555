#include <string.h>
#include <sys/stat.h>

#include "archive/deflate.h"
#include "archive/zip_head.h"
#include "base/clock.h"
#include "base/mem.h"

struct zip_writer {
    struct output to;
    uint64_t size; /* written */
    struct zip_entry *entries;
    size_t count, room;
    struct buf directory;
};

struct zip_writer *zip_writer_new(const struct output *to)
{
    struct zip_writer *w = mem_new(sizeof(*w));

    w->to = *to;
    return w;
}

void zip_writer_free(struct zip_writer *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < w->count; i++)
        mem_free(w->entries[i].name);
    mem_free(w->entries);
    buf_done(&w->directory);
    mem_free(w);
}

void zip_writer_auto(struct zip_writer **w)
{
    zip_writer_free(*w);
}

/* What a reader would refuse is the caller's fault here. */
static bool usage(struct err *e)
{
    e->code = ERR_USAGE;
    return false;
}

static bool put(void *arg, struct slice piece, struct err *e)
{
    struct zip_writer *w = arg;

    if (piece.size > ZIP_FILE_MAX - w->size)
        return err_set(e, ERR_USAGE, "the file would be larger than %llu bytes",
                       (unsigned long long)ZIP_FILE_MAX);
    w->size += piece.size;
    return w->to.write(w->to.arg, piece, e);
}

static void set_time(struct zip_head *h, int64_t time_ns)
{
    struct calendar c;

    clock_calendar(time_ns, &c);
    if (c.year < 1980)
        c = (struct calendar){.year = 1980, .month = 1, .day = 1};
    if (c.year > 2107)
        c = (struct calendar){
            .year = 2107, .month = 12, .day = 31, .hour = 23, .minute = 59, .second = 59};
    h->time = (uint16_t)(c.hour << 11 | c.minute << 5 | c.second / 2);
    h->date = (uint16_t)((c.year - 1980) << 9 | c.month << 5 | c.day);
}

/* The deflated bytes of a member; its size and sum. */
static bool put_data(struct zip_writer *w, const struct input *data, uint32_t *crc, struct err *e)
{
    AUTO(deflater) struct deflater *d = deflater_new(DEFLATE_BARE, put, w);
    uint8_t piece[1 << 14];

    *crc = 0;
    for (uint64_t at = 0; at < data->size;) {
        const uint64_t left = data->size - at;
        const size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);

        if (!input_read(data, at, piece, n, e))
            return false;
        *crc = deflate_crc(*crc, SLICE_OF(piece, n));
        if (!deflater_add(d, SLICE_OF(piece, n), e))
            return false;
        at += n;
    }
    return deflater_finish(d, e);
}

/* The sum and the sizes are known behind the bytes, and stand in front of them. */
static bool patch_head(struct zip_writer *w, uint64_t offset, const struct zip_head *h,
                       struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    buf_put_u32(&bytes, h->crc);
    buf_put_u32(&bytes, h->packed);
    buf_put_u32(&bytes, h->size);
    return w->to.patch(w->to.arg, offset + ZIP_CRC_AT, buf_slice(&bytes), e);
}

static struct zip_entry *add_entry(struct zip_writer *w)
{
    if (w->count == w->room) {
        w->room = w->room > 0 ? 2 * w->room : 16;
        w->entries = mem_resize(w->entries, w->room, sizeof(w->entries[0]));
    }
    w->entries[w->count] = (struct zip_entry){0};
    return &w->entries[w->count++];
}

static bool put_member(struct zip_writer *w, const struct zip_member *m, struct err *e)
{
    const uint64_t offset = w->size;
    AUTO(buf) struct buf head = {0};
    struct zip_head h = {.made = ZIP_HOST_UNIX << 8 | ZIP_VERSION,
                         .needed = ZIP_VERSION,
                         .method = ZIP_DEFLATED,
                         .name_size = (uint16_t)strlen(m->name),
                         .attributes = (uint32_t)(S_IFREG | 0644) << 16,
                         .offset = (uint32_t)offset};

    set_time(&h, m->time_ns);
    zip_head_put_local(&h, &head);
    buf_append_slice(&head, slice_string(m->name));
    if (!put(w, buf_slice(&head), e) || !put_data(w, &m->data, &h.crc, e))
        return false;
    h.packed = (uint32_t)(w->size - offset - head.size);
    h.size = (uint32_t)m->data.size;
    zip_head_put_central(&h, &w->directory);
    buf_append_slice(&w->directory, slice_string(m->name));
    return patch_head(w, offset, &h, e);
}

bool zip_writer_add(struct zip_writer *w, const struct zip_member *m, struct err *e)
{
    const struct slice name = slice_string(m->name);

    if (!zip_name_check(name, e))
        return usage(e);
    if (name.data[name.size - 1] == '/' || w->count == ZIP_COUNT_MAX ||
        m->data.size > ZIP_PLAIN_MAX)
        return err_set(e, ERR_USAGE, "%s is a folder, too large or one too many", m->name);

    struct zip_entry *entry = add_entry(w);

    entry->name = mem_string(m->name);
    entry->size = m->data.size;
    return put_member(w, m, e) || err_wrap(e, "%s", m->name);
}

bool zip_writer_finish(struct zip_writer *w, struct err *e)
{
    const struct zip_end end = {.here = (uint16_t)w->count,
                                .total = (uint16_t)w->count,
                                .size = (uint32_t)w->directory.size,
                                .offset = (uint32_t)w->size};
    AUTO(buf) struct buf bytes = {0};

    zip_end_put(&end, &bytes);
    if (!zip_names_check(w->entries, w->count, e) ||
        !zip_sizes_check(w->entries, w->count, w->size + w->directory.size + bytes.size, e))
        return usage(e);
    return put(w, buf_slice(&w->directory), e) && put(w, buf_slice(&bytes), e);
}
