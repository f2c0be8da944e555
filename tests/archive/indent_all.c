/*
 * Documents from standard input, each behind its size (u32), to standard output: 1 (u8), a size and
 * what the published server would store; or 0 and the sentence that says why not.
 */
#include <string.h>
#include <unistd.h>

#include "archive/bundle.h"
#include "base/file.h"

static bool answer(struct slice document, bool without_sessions, struct err *e)
{
    AUTO(bundle) struct bundle b = {0};
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf out = {0};
    struct err why = {0};
    const bool ok = bundle_read(document, &b, &why);

    if (ok)
        bundle_indent(&b, document, without_sessions, &text);
    else
        buf_printf(&text, "%s", why.text);
    if (ok && !without_sessions && text.size != b.facts.indented_size)
        return err_set(e, ERR_CORRUPT, "the size is another");
    buf_put_u8(&out, ok ? 1 : 0);
    buf_put_u32(&out, (uint32_t)text.size);
    buf_append_slice(&out, buf_slice(&text));
    return fd_write(STDOUT_FILENO, buf_slice(&out), e);
}

int main(int argc, char **argv)
{
    const bool without_sessions = argc > 1 && strcmp(argv[1], "--without-sessions") == 0;
    AUTO(buf) struct buf in = {0};
    struct err e = {0};

    for (;;) {
        uint8_t head[4];
        struct slice rest = {head, sizeof(head)};
        uint32_t size = 0;
        size_t got = 0;

        if (!fd_read(STDIN_FILENO, head, sizeof(head), &got, &e) || got == 0)
            return e.code == ERR_NONE ? 0 : 1;
        buf_clear(&in);
        if (got < sizeof(head) || !take_u32(&rest, &size) ||
            !fd_read(STDIN_FILENO, buf_extend(&in, size), size, &got, &e) || got != size ||
            !answer(buf_slice(&in), without_sessions, &e))
            return 1;
    }
}
