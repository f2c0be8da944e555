#include "codec/json.h"

#include <malloc.h>

#include "base/mem.h"

/* The JSON of a repository's config holds keys, and Jansson leaves copies behind that it does not
 * show. */
static void json_release(void *p)
{
    if (p != NULL)
        mem_wipe(p, malloc_usable_size(p));
    mem_free(p);
}

/*
 * Before main(), so that nothing is released by another function than it came from.  mem_new()
 * does not fail, hence nor does Jansson, but for text that is not UTF-8.
 */
__attribute__((constructor)) static void json_set_memory(void)
{
    json_set_alloc_funcs(mem_new, json_release);
}

void json_auto(json_t **j)
{
    json_decref(*j);
}

static int text_append(const char *bytes, size_t size, void *arg)
{
    buf_append(arg, bytes, size);
    return 0;
}

void json_append(const json_t *j, struct buf *out)
{
    /* Does not fail: text_append() does not, and depth and text were checked when made. */
    (void)json_dump_callback(j, text_append, out, JSON_COMPACT);
}
