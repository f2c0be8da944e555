#include "cli/nearby.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/text.h"
#include "codec/hash.h"

/* Bytes of the URL's hash that name its folder. */
#define NAME_BYTES 16

/* Where folders of all repositories are; false when nothing says so. */
static bool folder_root(const struct call *call, struct buf *out)
{
    const char *xdg = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");

    if (call->common->cache_dir != NULL)
        buf_printf(out, "%s", call->common->cache_dir);
    else if (xdg != NULL && xdg[0] == '/')
        buf_printf(out, "%s/holdfast", xdg);
    else if (home != NULL && home[0] == '/')
        buf_printf(out, "%s/.cache/holdfast", home);
    return out->size > 0;
}

bool nearby_folder(const struct call *call, const char *url, struct buf *out)
{
    char name[2 * NAME_BYTES + 1];
    struct hash sum;

    if (call->common->no_cache || !folder_root(call, out))
        return false;
    sha256(slice_string(url), &sum);
    hex_encode(SLICE_OF(sum.bytes, NAME_BYTES), name);
    buf_printf(out, "/%s", name);
    return true;
}

struct store *nearby_store(const struct call *call, const char *url, struct store *s)
{
    AUTO(buf) struct buf folder = {0};
    const struct store_options plain = {0};
    struct store *near = NULL;
    struct err ignored;

    if (store_parallel(s) < 2 || call->command->wants_store_itself ||
        !nearby_folder(call, url, &folder))
        return s;

    const char *path = buf_string(&folder);

    if (!dir_make_all(path, 0700, &ignored) || !store_open(path, &plain, &near, &ignored))
        return s;
    return store_cache_new(s, near);
}
