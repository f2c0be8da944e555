#include "repo/lock_record.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"

enum {
    ROW_SIZE = HASH_SIZE + 9,
    FILE_MAX = 256 << 20, /* six million objects */
};

#define FILE_NAME  "locks"
#define DRAFT_NAME "locks.tmp"

static const char magic[8] = {'H', 'F', 'L', 'O', 'C', 'K', 'S', '1'};

void lock_record_done(struct lock_record *r)
{
    mem_free(r->rows);
    *r = (struct lock_record){0};
}

void lock_record_note(struct lock_record *r, const struct hash *name,
                      const struct object_lock *lock)
{
    if (r->count == r->room) {
        r->room = r->room == 0 ? 64 : 2 * r->room;
        r->rows = mem_resize(r->rows, r->room, sizeof(*r->rows));
    }
    r->rows[r->count++] = (struct lock_row){*name, *lock};
}

/* By name, the lock that ends last first. */
static int row_order(const void *a, const void *b)
{
    const struct lock_row *left = a;
    const struct lock_row *right = b;
    const int order = memcmp(left->name.bytes, right->name.bytes, HASH_SIZE);

    if (order != 0 || left->lock.until_s == right->lock.until_s)
        return order;
    return left->lock.until_s > right->lock.until_s ? -1 : 1;
}

void lock_record_settle(struct lock_record *r, int64_t now_s)
{
    size_t kept = 0;

    if (r->count > 0)
        qsort(r->rows, r->count, sizeof(*r->rows), row_order);
    for (size_t i = 0; i < r->count; i++)
        if (r->rows[i].lock.until_s > now_s &&
            (kept == 0 || !hash_is_equal(&r->rows[kept - 1].name, &r->rows[i].name)))
            r->rows[kept++] = r->rows[i];
    r->count = kept;
    r->sorted = kept;
}

bool lock_record_find(const struct lock_record *r, const struct hash *name, struct object_lock *out)
{
    size_t low = 0;

    for (size_t high = r->sorted; low < high;) {
        const size_t middle = low + (high - low) / 2;

        if (memcmp(r->rows[middle].name.bytes, name->bytes, HASH_SIZE) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == r->sorted || !hash_is_equal(&r->rows[low].name, name))
        return false;
    *out = r->rows[low].lock;
    return true;
}

/* The rows of a file that is whole; false when it is not. */
static bool take_rows(struct slice file, struct lock_record *out)
{
    struct slice body = {0};
    struct hash sum;

    if (file.size < sizeof(magic) + HASH_SIZE || memcmp(file.data, magic, sizeof(magic)) != 0)
        return false;
    sha256(SLICE_OF(file.data, file.size - HASH_SIZE), &sum);
    if (memcmp(file.data + file.size - HASH_SIZE, sum.bytes, HASH_SIZE) != 0)
        return false;
    body = SLICE_OF(file.data + sizeof(magic), file.size - HASH_SIZE - sizeof(magic));
    while (body.size >= ROW_SIZE) {
        struct lock_row row;
        struct slice name = {0};
        uint64_t until = 0;
        uint8_t is_strict = 0;

        if (!take_slice(&body, HASH_SIZE, &name) || !take_u64(&body, &until) ||
            !take_u8(&body, &is_strict))
            return false;
        memcpy(row.name.bytes, name.data, HASH_SIZE);
        row.lock = (struct object_lock){(int64_t)until, is_strict != 0};
        lock_record_note(out, &row.name, &row.lock);
    }
    return body.size == 0;
}

void lock_record_read(const char *folder, struct lock_record *out)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf file = {0};
    struct err ignored;

    *out = (struct lock_record){0};
    buf_printf(&path, "%s/" FILE_NAME, folder);
    if (!file_read(buf_string(&path), FILE_MAX, &file, &ignored) ||
        !take_rows(buf_slice(&file), out))
        lock_record_done(out);
}

void lock_record_write(const char *folder, const struct lock_record *r)
{
    AUTO(buf) struct buf file = {0};
    AUTO(fd) int fd = -1;
    struct hash sum;
    bool is_suspect = false;
    struct err ignored;

    if (r->count > (FILE_MAX - sizeof(magic) - HASH_SIZE) / ROW_SIZE)
        return;
    buf_append(&file, magic, sizeof(magic));
    for (size_t i = 0; i < r->count; i++) {
        buf_append(&file, r->rows[i].name.bytes, HASH_SIZE);
        buf_put_u64(&file, (uint64_t)r->rows[i].lock.until_s);
        buf_put_u8(&file, r->rows[i].lock.is_strict ? 1 : 0);
    }
    sha256(buf_slice(&file), &sum);
    buf_append(&file, sum.bytes, HASH_SIZE);
    if (dir_make_all(folder, 0700, &ignored) && dir_open(folder, &fd, &ignored))
        (void)!file_publish_replace(fd, FILE_NAME, DRAFT_NAME, buf_slice(&file), &is_suspect,
                                    &ignored);
}
