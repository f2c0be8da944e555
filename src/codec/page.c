/*
 * Pages of a directory.
 *
 *     page = version (u8, 1) | kind (u8) | zero (2 bytes) | count (u32) | items
 *
 * The items of kind 0 are entries, those of kind 1 are 32-byte ids of pages of kind 0.
 */
#include <assert.h>

#include "codec/entry.h"

enum {
    PAGE_VERSION = 1,
    AT_COUNT = 4,
    HEAD_SIZE = 8,
    ENTRY_SIZE_MIN = 30, /* 12 fields of one byte, a name of one and its length, two times */
};

void page_begin(struct buf *out, enum page_kind kind)
{
    buf_clear(out);
    buf_put_u8(out, PAGE_VERSION);
    buf_put_u8(out, (uint8_t)kind);
    buf_append(out, (const uint8_t[2]){0}, 2);
    buf_put_u32(out, 0);
}

void page_finish(struct buf *out, uint32_t count)
{
    assert(out->size >= HEAD_SIZE);
    for (size_t i = 0; i < sizeof(count); i++)
        out->data[AT_COUNT + i] = (uint8_t)(count >> (8 * i));
}

bool page_open(struct slice page, enum page_kind *kind, uint32_t *count, struct slice *body,
               struct err *e)
{
    uint8_t version = 0;
    uint8_t number = 0;
    uint8_t zero[2] = {0};
    uint32_t n = 0;

    if (!take_u8(&page, &version) || !take_u8(&page, &number) || !take_u8(&page, &zero[0]) ||
        !take_u8(&page, &zero[1]) || !take_u32(&page, &n))
        return err_set(e, ERR_CORRUPT, "the page of a directory is cut short");
    if (version != PAGE_VERSION || number > PAGE_PAGES || zero[0] != 0 || zero[1] != 0)
        return err_set(e, ERR_CORRUPT,
                       "the page of a directory has version %u and kind %u, which are not known",
                       version, number);

    /* A count that the bytes cannot hold never sizes anything. */
    const bool fits = number == PAGE_PAGES ? page.size == (uint64_t)n * HASH_SIZE
                                           : n <= page.size / ENTRY_SIZE_MIN;

    if (!fits)
        return err_set(e, ERR_CORRUPT, "the page of a directory counts %u items in %zu bytes", n,
                       page.size);
    *kind = (enum page_kind)number;
    *count = n;
    *body = page;
    return true;
}

/*
 * A page ends after a name whose hash has nine zero bits, one name in 512, so that pages
 * find the same ends again behind a name that came or went.  The size bounds a page as the
 * count does: an entry is at most about 2.2 MiB long, so a page of a little less than
 * PAGE_SIZE_MAX and one more entry is still below CHUNK_MAX.
 */
bool page_is_full(uint32_t count, size_t size, struct slice last_name)
{
    struct hash h;

    if (count >= PAGE_ENTRIES_MAX || size >= PAGE_SIZE_MAX)
        return true;
    if (count < PAGE_ENTRIES_MIN)
        return false;
    sha256(last_name, &h);
    return h.bytes[0] == 0 && (h.bytes[1] & 1) == 0;
}
