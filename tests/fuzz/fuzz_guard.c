/* The head of a request as bytes: split, checked, its target decoded.  What passes has one meaning.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void look_at_path(struct slice target)
{
    char out[GUARD_TARGET_MAX + 1];
    const uint8_t *end = memchr(target.data, '?', target.size);
    const size_t size = end == NULL ? target.size : (size_t)(end - target.data);

    if (!guard_path(SLICE_OF(target.data, size), out))
        return;
    must(out[0] == '/' && strlen(out) <= size && utf8_is_valid(slice_string(out)));
    must(strstr(out, "//") == NULL && strstr(out, "/../") == NULL && strstr(out, "/./") == NULL);
    must(strlen(out) < 3 || strcmp(out + strlen(out) - 3, "/..") != 0);
    if (end != NULL && guard_query_part(SLICE_OF(end + 1, target.size - size - 1), out))
        must(utf8_is_valid(slice_string(out)));
}

static int count_of(const struct guard_head *h, const char *name)
{
    int n = 0;

    for (size_t i = 0; i < h->count; i++) {
        const struct guard_head one = {.fields = &h->fields[i], .count = 1};

        n += guard_field(&one, name).data != NULL;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct guard_field fields[GUARD_HEADERS_MAX + 1];
    struct guard_facts facts = {0};
    struct guard_head h;
    const char *why = NULL;

    if (!guard_split(SLICE_OF(data, size), fields, &h))
        return 0;
    must(h.count <= GUARD_HEADERS_MAX + 1);
    if (guard_check(&h, &facts, &why) != 0) {
        must(why != NULL);
        return 0;
    }
    must(count_of(&h, "host") == 1 && count_of(&h, "content-length") <= 1);
    must(count_of(&h, "content-length") + count_of(&h, "transfer-encoding") <= 1);
    must(facts.is_chunked == (count_of(&h, "transfer-encoding") == 1));
    must(memchr(data, '\0', size) == NULL);
    look_at_path(h.target);
    return 0;
}
