#include <string.h>

#include "archive/ustar.h"
#include "archive/ustar_block.h"
#include "base/mem.h"
#include "base/text.h"

#define PAX_MAX ((size_t)8 << 10) /* of an extended header */

struct ustar_reader {
    json_read_fn *read;
    void *arg;
    struct ustar_limits left;
    uint64_t rest; /* of the member */
    uint64_t fill; /* behind it, up to whole blocks */
    uint8_t block[USTAR_BLOCK];
    uint8_t pax[PAX_MAX];
};

/* What an extended header says of the member that follows. */
struct extra {
    bool is_there, has_size;
    struct slice path; /* data is NULL: none */
    uint64_t size;
    uint32_t seen; /* one bit for each record that was */
};

struct ustar_reader *ustar_reader_new(json_read_fn *read, void *arg, struct ustar_limits limits)
{
    struct ustar_reader *r = mem_new(sizeof(*r));

    r->read = read;
    r->arg = arg;
    r->left = limits;
    return r;
}

void ustar_reader_free(struct ustar_reader *r)
{
    if (r != NULL)
        mem_wipe(r, sizeof(*r));
    mem_free(r);
}

void ustar_reader_auto(struct ustar_reader **r)
{
    ustar_reader_free(*r);
}

static bool wrong(const char *why, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "the tar archive %s", why);
}

/* All of size bytes, or as many as there are. */
static bool read_some(struct ustar_reader *r, uint8_t *to, size_t size, size_t *got, struct err *e)
{
    size_t n = 1;

    for (*got = 0; *got < size && n > 0; *got += n)
        if (!r->read(r->arg, to + *got, size - *got, &n, e))
            return false;
    return true;
}

static bool read_all(struct ustar_reader *r, uint8_t *to, size_t size, struct err *e)
{
    size_t got;

    if (!read_some(r, to, size, &got, e))
        return false;
    return got == size || wrong("ends too early", e);
}

bool ustar_reader_read(void *arg, uint8_t *to, size_t room, size_t *got, struct err *e)
{
    struct ustar_reader *r = arg;
    const size_t wanted = r->rest < room ? (size_t)r->rest : room;

    if (wanted == 0) {
        *got = 0;
        return true;
    }
    if (!r->read(r->arg, to, wanted, got, e))
        return false;
    if (*got == 0)
        return wrong("ends within a member", e);
    r->rest -= *got;
    return true;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != 0)
            return false;
    return true;
}

static bool pass_member(struct ustar_reader *r, struct err *e)
{
    uint8_t filling[USTAR_BLOCK];
    size_t got;

    while (r->rest > 0)
        if (!ustar_reader_read(r, r->block, sizeof(r->block), &got, e))
            return false;
    if (!read_all(r, filling, (size_t)r->fill, e))
        return false;
    if (!is_zero(filling, (size_t)r->fill))
        return wrong("has bytes between its members", e);
    r->fill = 0;
    return true;
}

/* Octal digits, then blanks or NULs to the end of the field. */
static bool take_octal(const uint8_t *field, size_t width, uint64_t *out)
{
    uint64_t value = 0;
    size_t i = 0;

    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field[i] - '0'); /* at most 12 digits */
    if (i == 0)
        return false;
    for (; i < width; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return false;
    *out = value;
    return true;
}

/* Names */

static bool part_is_plain(struct slice part)
{
    for (size_t i = 0; i < part.size; i++)
        if (part.data[i] < 0x20 || part.data[i] == 0x7f || part.data[i] == '\\')
            return false;
    return part.size > 0 && !slice_is_equal(part, slice_string(".")) &&
           !slice_is_equal(part, slice_string(".."));
}

/* Set out->name from a name that may begin with "./" and, of a directory, end with '/'. */
static bool take_name(struct slice name, struct ustar_member *out, struct err *e)
{
    while (name.size >= 2 && name.data[0] == '.' && name.data[1] == '/')
        name = SLICE_OF(name.data + 2, name.size - 2);
    if (out->is_directory && name.size > 0 && name.data[name.size - 1] == '/')
        name.size--;
    if (out->is_directory && slice_is_equal(name, slice_string(".")))
        name.size = 0;
    if (name.size >= USTAR_NAME_MAX || !utf8_is_valid(name) ||
        (name.size == 0 && !out->is_directory))
        return wrong("has a name that is empty, too long or not UTF-8", e);
    for (size_t from = 0, to; from < name.size; from = to + 1) {
        for (to = from; to < name.size && name.data[to] != '/';)
            to++;
        if (!part_is_plain(SLICE_OF(name.data + from, to - from)) || to + 1 == name.size)
            return wrong("has a name that leaves its folder or has odd characters", e);
    }
    if (name.size > 0)
        memcpy(out->name, name.data, name.size);
    out->name[name.size] = '\0';
    return true;
}

/* The name in the block itself: a prefix, '/' and the rest. */
static void block_name(const uint8_t *block, struct buf *out)
{
    const char *prefix = (const char *)block + USTAR_PREFIX;
    const size_t size = strnlen(prefix, USTAR_PREFIX_SIZE);

    buf_append(out, prefix, size);
    if (size > 0)
        buf_put_u8(out, '/');
    buf_append(out, block, strnlen((const char *)block, USTAR_NAME_SIZE));
}

/* Extended headers */

static bool take_decimal(struct slice text, uint64_t *out)
{
    uint64_t value = 0;

    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] < '0' || text.data[i] > '9' ||
            __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.data[i] - '0'), &value))
            return false;
    *out = value;
    return text.size > 0;
}

static bool take_keyword(struct extra *x, struct slice key, struct slice value, struct err *e)
{
    static const char *const known[] = {"path", "size", "mtime", "atime", "ctime",
                                        "uid",  "gid",  "uname", "gname", "comment"};
    uint32_t bit = 1;
    size_t i = 0;

    while (i < sizeof(known) / sizeof(known[0]) && !slice_is_equal(key, slice_string(known[i])))
        i++;
    if (i == sizeof(known) / sizeof(known[0]))
        return wrong("has a record in an extended header that is not known", e);
    bit <<= i;
    if ((x->seen & bit) != 0)
        return wrong("tells a member the same thing twice", e);
    x->seen |= bit;
    if (i == 0)
        x->path = value;
    x->has_size = x->has_size || i == 1;
    if (i == 1 && !take_decimal(value, &x->size))
        return wrong("has a size that is no number", e);
    return true;
}

/* One "LENGTH KEY=VALUE\n". */
static bool take_record(struct slice *rest, struct extra *x, struct err *e)
{
    const uint8_t *blank = memchr(rest->data, ' ', rest->size);
    const uint8_t *equals;
    struct slice record, digits;
    uint64_t size = 0;

    digits = SLICE_OF(rest->data, blank == NULL ? 0 : (size_t)(blank - rest->data));
    if (!take_decimal(digits, &size) || size <= digits.size + 1 ||
        !take_slice(rest, size, &record) || record.data[record.size - 1] != '\n')
        return wrong("has an extended header of another form", e);
    record = SLICE_OF(blank + 1, record.size - digits.size - 2);
    equals = memchr(record.data, '=', record.size);
    if (equals == NULL || memchr(record.data, '\0', record.size) != NULL)
        return wrong("has an extended header of another form", e);
    return take_keyword(x, SLICE_OF(record.data, (size_t)(equals - record.data)),
                        SLICE_OF(equals + 1, record.size - (size_t)(equals - record.data) - 1), e);
}

static bool read_extra(struct ustar_reader *r, uint64_t size, struct extra *x, struct err *e)
{
    struct slice rest = SLICE_OF(r->pax, (size_t)size);

    if (x->is_there || size == 0 || size > PAX_MAX)
        return wrong("has an extended header that is too long, empty or the second", e);
    if (!read_all(r, r->pax, (size_t)size, e))
        return false;
    r->fill = -size % USTAR_BLOCK;
    if (!pass_member(r, e))
        return false;
    x->is_there = true;
    while (rest.size > 0)
        if (!take_record(&rest, x, e))
            return false;
    return true;
}

/* Members */

static bool type_is_taken(uint8_t type, struct err *e)
{
    switch (type) {
    case '0':
    case '\0':
    case '5':
    case 'x':
        return true;
    case '1':
        return wrong("has a hard link", e);
    case '2':
        return wrong("has a symbolic link", e);
    case '3':
    case '4':
    case '6':
        return wrong("has a device or a FIFO", e);
    default:
        return wrong("has a member that is neither file nor folder", e);
    }
}

static bool check_block(const uint8_t *b, uint64_t *size, struct err *e)
{
    uint64_t sum;

    if (memcmp(b + USTAR_MAGIC, ustar_magic, USTAR_MAGIC_SIZE) != 0)
        return wrong("is none, or not of the form \"ustar\"", e);
    if (!take_octal(b + USTAR_CHECKSUM, USTAR_CHECKSUM_SIZE, &sum) || sum != ustar_checksum(b))
        return wrong("has a damaged header", e);
    if (!type_is_taken(b[USTAR_TYPE], e))
        return false;
    if (b[USTAR_LINK] != '\0')
        return wrong("has a link", e);
    return take_octal(b + USTAR_SIZE, 12, size) || wrong("has a size that is no number", e);
}

static bool take_member(struct ustar_reader *r, const struct extra *x, uint64_t size,
                        struct ustar_member *out, struct err *e)
{
    AUTO(buf) struct buf name = {0};

    out->is_directory = r->block[USTAR_TYPE] == '5';
    if (x->has_size && size != 0 && size != x->size)
        return wrong("tells two sizes of a member", e);
    out->size = x->has_size ? x->size : size;
    if (out->is_directory && out->size != 0)
        return wrong("has a folder with content", e);
    if (out->size > r->left.bytes)
        return wrong("holds more bytes than are taken", e);
    r->left.bytes -= out->size;
    block_name(r->block, &name);
    if (!take_name(x->path.data != NULL ? x->path : buf_slice(&name), out, e))
        return false;
    r->rest = out->size;
    r->fill = -out->size % USTAR_BLOCK;
    return true;
}

/* Behind the first block of zeros. */
static bool pass_end(struct ustar_reader *r, struct err *e)
{
    size_t got;

    if (!read_all(r, r->block, sizeof(r->block), e))
        return false;
    if (!is_zero(r->block, sizeof(r->block)))
        return wrong("ends and goes on", e);
    for (uint64_t tail = 0; tail <= USTAR_TAIL_MAX; tail += got) {
        if (!read_some(r, r->block, sizeof(r->block), &got, e))
            return false;
        if (got == 0)
            return true;
        if (!is_zero(r->block, got))
            break;
    }
    return wrong("has bytes behind its end", e);
}

bool ustar_reader_next(struct ustar_reader *r, struct ustar_member *out, bool *more, struct err *e)
{
    struct extra x = {0};
    uint64_t size = 0;

    if (!pass_member(r, e))
        return false;
    for (;;) {
        if (!read_all(r, r->block, sizeof(r->block), e))
            return false;
        if (is_zero(r->block, sizeof(r->block))) {
            *more = false;
            return x.is_there ? wrong("ends behind an extended header", e) : pass_end(r, e);
        }
        if (!check_block(r->block, &size, e))
            return false;
        if (r->block[USTAR_TYPE] != 'x')
            break;
        if (!read_extra(r, size, &x, e))
            return false;
    }
    if (r->left.members == 0)
        return wrong("has more members than are taken", e);
    r->left.members--;
    *more = true;
    return take_member(r, &x, size, out, e);
}
