#include <assert.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/deflate.h"
#include "archive/zip_head.h"
#include "base/clock.h"
#include "base/mem.h"

#define ENTRY_MAX ((uint64_t)UINT32_MAX - 1) /* without zip64 */

struct zip_writer {
    struct output to;
    const struct zip_rules *rules;
    uint64_t size;       /* written */
    uint64_t plain_size; /* of all members */
    struct zip_entry *entries;
    size_t count, room;
    struct buf directory;

    /* The member under way */
    struct zip_head head;
    struct deflater *deflater;
    uint64_t member_size;
};

struct zip_writer *zip_writer_new(const struct output *to, const struct zip_rules *rules)
{
    struct zip_writer *w = mem_new(sizeof(*w));

    w->to = *to;
    w->rules = rules;
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
    deflater_free(w->deflater);
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

    if (piece.size > w->rules->file_max - w->size)
        return err_set(e, ERR_USAGE, "the file would be larger than %llu bytes",
                       (unsigned long long)w->rules->file_max);
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

/* The sum and the sizes are known behind the bytes, and stand there or in front of them. */
static bool put_sizes(struct zip_writer *w, const struct zip_head *h, struct err *e)
{
    AUTO(buf) struct buf bytes = {0};

    if (w->rules->has_descriptors) {
        zip_head_put_behind(h, &bytes);
        return put(w, buf_slice(&bytes), e);
    }
    buf_put_u32(&bytes, h->crc);
    buf_put_u32(&bytes, h->packed);
    buf_put_u32(&bytes, h->size);
    return w->to.patch(w->to.arg, h->offset + ZIP_CRC_AT, buf_slice(&bytes), e);
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

static const char *name_now(const struct zip_writer *w)
{
    return w->entries[w->count - 1].name;
}

bool zip_writer_begin(struct zip_writer *w, const char *name, int64_t time_ns, struct err *e)
{
    const struct slice text = slice_string(name);
    AUTO(buf) struct buf head = {0};

    assert(w->deflater == NULL);
    if (!zip_name_check(w->rules, text, e))
        return usage(e);
    if (text.data[text.size - 1] == '/' || w->count == w->rules->count_max)
        return err_set(e, ERR_USAGE, "%s is a folder or one too many", name);
    w->head = (struct zip_head){.made = ZIP_HOST_UNIX << 8 | ZIP_VERSION,
                                .needed = ZIP_VERSION,
                                .method = ZIP_DEFLATED,
                                .name_size = (uint16_t)text.size,
                                .attributes = (uint32_t)(S_IFREG | 0644) << 16,
                                .offset = (uint32_t)w->size};
    if (w->rules->has_descriptors)
        w->head.flags |= ZIP_DESCRIPTOR;
    if (!zip_name_is_ascii(text))
        w->head.flags |= ZIP_UTF8;
    set_time(&w->head, time_ns);
    zip_head_put_local(&w->head, &head);
    buf_append_slice(&head, text);
    add_entry(w)->name = mem_string(name);
    w->deflater = deflater_new(DEFLATE_BARE, put, w);
    w->member_size = 0;
    return put(w, buf_slice(&head), e) || err_wrap(e, "%s", name);
}

bool zip_writer_bytes(struct zip_writer *w, struct slice bytes, struct err *e)
{
    if (bytes.size > w->rules->plain_max - w->plain_size || bytes.size > ENTRY_MAX - w->member_size)
        return err_set(e, ERR_USAGE, "%s is too large", name_now(w));
    w->plain_size += bytes.size;
    w->member_size += bytes.size;
    w->head.crc = deflate_crc(w->head.crc, bytes);
    return deflater_add(w->deflater, bytes, e) || err_wrap(e, "%s", name_now(w));
}

bool zip_writer_end(struct zip_writer *w, struct err *e)
{
    AUTO(deflater) struct deflater *d = TAKE(w->deflater);
    struct zip_head *h = &w->head;
    struct zip_entry *entry = &w->entries[w->count - 1];

    if (!deflater_finish(d, e))
        return err_wrap(e, "%s", entry->name);
    h->packed = (uint32_t)(w->size - h->offset - ZIP_LOCAL_SIZE - h->name_size);
    h->size = (uint32_t)w->member_size;
    entry->size = w->member_size;
    zip_head_put_central(h, &w->directory);
    buf_append_slice(&w->directory, slice_string(entry->name));
    return put_sizes(w, h, e) || err_wrap(e, "%s", entry->name);
}

bool zip_writer_add(struct zip_writer *w, const struct zip_member *m, struct err *e)
{
    uint8_t piece[1 << 14];

    if (!zip_writer_begin(w, m->name, m->time_ns, e))
        return false;
    if (m->data.size > w->rules->plain_max - w->plain_size)
        return err_set(e, ERR_USAGE, "%s is too large", m->name);
    for (uint64_t at = 0; at < m->data.size;) {
        const uint64_t left = m->data.size - at;
        const size_t n = left < sizeof(piece) ? (size_t)left : sizeof(piece);

        if (!input_read(&m->data, at, piece, n, e))
            return err_wrap(e, "%s", m->name);
        if (!zip_writer_bytes(w, SLICE_OF(piece, n), e))
            return false;
        at += n;
    }
    return zip_writer_end(w, e);
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
        !zip_sizes_check(w->rules, w->entries, w->count, w->size + w->directory.size + bytes.size,
                         e))
        return usage(e);
    return put(w, buf_slice(&w->directory), e) && put(w, buf_slice(&bytes), e);
}
