/*
 * A row is size (u64) | mtime (u64) | key with its NUL (bytes), some hundred bytes an
 * object, so that a listing of a million packs fits in memory.
 */
#include "store/object_list.h"

#include <assert.h>
#include <string.h>

void object_list_auto(struct object_list *l)
{
    buf_done(&l->rows);
}

bool object_list_add(void *arg, const struct object_info *info, struct err *e)
{
    struct object_list *l = arg;

    (void)e; /* the shape of an object_fn asks for it */
    buf_put_u64(&l->rows, info->size);
    buf_put_u64(&l->rows, (uint64_t)info->mtime);
    buf_put_bytes(&l->rows, SLICE_OF(info->key, strlen(info->key) + 1));
    return true;
}

bool object_list_tell(const struct object_list *l, object_fn *fn, void *arg, struct err *e)
{
    struct slice rest = buf_slice(&l->rows);

    while (rest.size > 0) {
        struct object_info info = {0};
        uint64_t mtime = 0;
        struct slice key = {0};
        const bool is_whole =
            take_u64(&rest, &info.size) && take_u64(&rest, &mtime) && take_bytes(&rest, &key);

        assert(is_whole);
        info.mtime = (int64_t)mtime;
        info.key = (const char *)key.data;
        if (!fn(arg, &info, e))
            return false;
    }
    return true;
}
