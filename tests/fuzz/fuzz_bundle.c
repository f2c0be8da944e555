/*
 * Pushed bundles.  What is read can be written as Python would, and that is read again as the same:
 * the written form is a fixed point, says the same of itself, and without its sessions nothing else
 * changes.
 */
#include <assert.h>
#include <string.h>

#include "archive/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_same(const struct bundle_facts *a, const struct bundle_facts *b)
{
    assert(a->kind == b->kind && strcmp(a->why, b->why) == 0);
    assert(strcmp(a->timestamp, b->timestamp) == 0 && strcmp(a->version, b->version) == 0);
    assert(a->has_users == b->has_users && a->users == b->users);
    assert(a->has_sessions == b->has_sessions && a->sessions == b->sessions);
    assert(a->indented_size == b->indented_size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice in = {data, size};
    AUTO(bundle) struct bundle b = {0};
    AUTO(bundle) struct bundle again = {0};
    AUTO(bundle) struct bundle without = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf same = {0};
    AUTO(buf) struct buf less = {0};
    struct err e = {0};

    if (!bundle_read(in, &b, &e)) {
        assert((e.code == ERR_CORRUPT || e.code == ERR_USAGE) && e.text[0] != '\0');
        return 0;
    }
    if (b.facts.indented_size > BUNDLE_SIZE_MAX)
        return 0;
    bundle_indent(&b, in, false, &text);
    assert(text.size == b.facts.indented_size);
    for (size_t i = 0; i < text.size; i++)
        assert(text.data[i] == '\n' || (text.data[i] >= ' ' && text.data[i] <= '~'));
    assert(bundle_read(buf_slice(&text), &again, &e) && again.json.count == 0);
    check_same(&b.facts, &again.facts);
    bundle_indent(&again, buf_slice(&text), false, &same);
    assert(slice_is_equal(buf_slice(&text), buf_slice(&same)));
    bundle_indent(&b, in, true, &less);
    assert(bundle_read(buf_slice(&less), &without, &e) && without.facts.sessions == 0);
    return 0;
}
