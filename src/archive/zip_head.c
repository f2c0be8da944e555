#include "archive/zip_head.h"

#define LOCAL_MARK   0x04034b50u
#define CENTRAL_MARK 0x02014b50u
#define END_MARK     0x06054b50u
#define BEHIND_MARK  0x08074b50u

bool zip_head_take_u16(struct slice *s, uint16_t *out)
{
    uint8_t low, high;

    if (s->size < 2 || !take_u8(s, &low) || !take_u8(s, &high))
        return false;
    *out = (uint16_t)(low | high << 8);
    return true;
}

static void put_u16(struct buf *b, uint16_t v)
{
    buf_put_u8(b, (uint8_t)v);
    buf_put_u8(b, (uint8_t)(v >> 8));
}

static bool take_mark(struct slice *s, uint32_t wanted)
{
    uint32_t mark;

    return take_u32(s, &mark) && mark == wanted;
}

/* What both heads of an entry have. */
static bool take_common(struct slice *s, struct zip_head *h)
{
    return zip_head_take_u16(s, &h->needed) && zip_head_take_u16(s, &h->flags) &&
           zip_head_take_u16(s, &h->method) && zip_head_take_u16(s, &h->time) &&
           zip_head_take_u16(s, &h->date) && take_u32(s, &h->crc) && take_u32(s, &h->packed) &&
           take_u32(s, &h->size) && zip_head_take_u16(s, &h->name_size) &&
           zip_head_take_u16(s, &h->extra_size);
}

bool zip_head_take_local(struct slice *s, struct zip_head *out)
{
    *out = (struct zip_head){0};
    return take_mark(s, LOCAL_MARK) && take_common(s, out);
}

bool zip_head_take_central(struct slice *s, struct zip_head *out)
{
    *out = (struct zip_head){0};
    return take_mark(s, CENTRAL_MARK) && zip_head_take_u16(s, &out->made) && take_common(s, out) &&
           zip_head_take_u16(s, &out->comment_size) && zip_head_take_u16(s, &out->disk) &&
           zip_head_take_u16(s, &out->inner) && take_u32(s, &out->attributes) &&
           take_u32(s, &out->offset);
}

bool zip_head_take_behind(struct slice *s, struct zip_head *out)
{
    *out = (struct zip_head){0};
    return take_mark(s, BEHIND_MARK) && take_u32(s, &out->crc) && take_u32(s, &out->packed) &&
           take_u32(s, &out->size);
}

bool zip_end_take(struct slice *s, struct zip_end *out)
{
    return take_mark(s, END_MARK) && zip_head_take_u16(s, &out->disk) &&
           zip_head_take_u16(s, &out->directory_disk) && zip_head_take_u16(s, &out->here) &&
           zip_head_take_u16(s, &out->total) && take_u32(s, &out->size) &&
           take_u32(s, &out->offset) && zip_head_take_u16(s, &out->comment_size);
}

static void put_common(const struct zip_head *h, struct buf *out)
{
    put_u16(out, h->needed);
    put_u16(out, h->flags);
    put_u16(out, h->method);
    put_u16(out, h->time);
    put_u16(out, h->date);
    buf_put_u32(out, h->crc);
    buf_put_u32(out, h->packed);
    buf_put_u32(out, h->size);
    put_u16(out, h->name_size);
    put_u16(out, h->extra_size);
}

void zip_head_put_local(const struct zip_head *h, struct buf *out)
{
    buf_put_u32(out, LOCAL_MARK);
    put_common(h, out);
}

void zip_head_put_central(const struct zip_head *h, struct buf *out)
{
    buf_put_u32(out, CENTRAL_MARK);
    put_u16(out, h->made);
    put_common(h, out);
    put_u16(out, h->comment_size);
    put_u16(out, h->disk);
    put_u16(out, h->inner);
    buf_put_u32(out, h->attributes);
    buf_put_u32(out, h->offset);
}

void zip_head_put_behind(const struct zip_head *h, struct buf *out)
{
    buf_put_u32(out, BEHIND_MARK);
    buf_put_u32(out, h->crc);
    buf_put_u32(out, h->packed);
    buf_put_u32(out, h->size);
}

void zip_end_put(const struct zip_end *end, struct buf *out)
{
    buf_put_u32(out, END_MARK);
    put_u16(out, end->disk);
    put_u16(out, end->directory_disk);
    put_u16(out, end->here);
    put_u16(out, end->total);
    buf_put_u32(out, end->size);
    buf_put_u32(out, end->offset);
    put_u16(out, end->comment_size);
}
