#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "archive/python_json.h"
#include "archive/ustar.h"
#include "archive/ustar_block.h"

#define OCTAL_MAX ((uint64_t)1 << 33) /* 11 digits */

/* width - 1 octal digits and NUL. */
static void put_octal(uint8_t *to, int width, uint64_t value)
{
    char digits[24];

    (void)snprintf(digits, sizeof(digits), "%0*llo", width - 1, (unsigned long long)value);
    memcpy(to, digits, (size_t)width);
}

static void put_block(const char *name, char type, uint32_t mode, uint64_t size, uint64_t mtime,
                      struct buf *out)
{
    uint8_t *b = buf_extend(out, USTAR_BLOCK);

    assert(strlen(name) < USTAR_NAME_SIZE);
    memset(b, 0, USTAR_BLOCK);
    memcpy(b, name, strlen(name));
    put_octal(b + USTAR_MODE, 8, mode);
    put_octal(b + USTAR_UID, 8, 0);
    put_octal(b + USTAR_GID, 8, 0);
    put_octal(b + USTAR_SIZE, 12, size);
    put_octal(b + USTAR_MTIME, 12, mtime);
    b[USTAR_TYPE] = (uint8_t)type;
    memcpy(b + USTAR_MAGIC, ustar_magic, USTAR_MAGIC_SIZE);
    put_octal(b + USTAR_CHECKSUM, 7, ustar_checksum(b));
    b[USTAR_CHECKSUM + 7] = ' ';
}

/* "28 mtime=1795207798.0568895\n": the length counts itself. */
static void put_record(struct buf *out, const char *key, struct slice value)
{
    const size_t rest = strlen(key) + value.size + 3;
    size_t size = rest + 1;
    char digits[24];

    while (size != rest + (size_t)snprintf(digits, sizeof(digits), "%zu", size))
        size++;
    buf_printf(out, "%zu %s=", size, key);
    buf_append_slice(out, value);
    buf_put_u8(out, '\n');
}

void ustar_header(const char *name, uint32_t mode, uint64_t size, double mtime, struct buf *out)
{
    AUTO(buf) struct buf records = {0};
    AUTO(buf) struct buf number = {0};
    const bool fits = mtime >= 0 && mtime < (double)OCTAL_MAX;
    const size_t length = strlen(name);

    if (size >= OCTAL_MAX) {
        buf_printf(&number, "%llu", (unsigned long long)size);
        put_record(&records, "size", buf_slice(&number));
        buf_clear(&number);
    }
    python_json_real(mtime, &number);
    put_record(&records, "mtime", buf_slice(&number));
    put_block("././@PaxHeader", 'x', 0, records.size, 0, out);
    buf_append_slice(out, buf_slice(&records));
    ustar_fill(records.size, out);
    put_block(name, name[length - 1] == '/' ? '5' : '0', mode, size < OCTAL_MAX ? size : 0,
              fits ? (uint64_t)mtime : 0, out);
}

static void put_zeros(struct buf *out, size_t count)
{
    memset(buf_extend(out, count), 0, count);
}

void ustar_fill(uint64_t size, struct buf *out)
{
    put_zeros(out, (size_t)(-size % USTAR_BLOCK));
}

void ustar_end(uint64_t size, struct buf *out)
{
    const uint64_t end = (uint64_t)2 * USTAR_BLOCK;
    const uint64_t over = (size + end) % USTAR_RECORD;

    put_zeros(out, (size_t)(over == 0 ? end : end + USTAR_RECORD - over));
}
