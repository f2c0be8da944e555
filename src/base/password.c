#include "base/password.h"

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"

/* With "\r\n" behind it. */
#define TEXT_MAX ((size_t)PASSWORD_MAX + 2)

bool password_take(struct slice text, char **out, struct err *e)
{
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    if (text.size > 0 && text.data[text.size - 1] == '\r')
        text.size--;
    if (text.size == 0)
        return err_set(e, ERR_USAGE, "the password is empty");
    if (text.size > PASSWORD_MAX)
        return err_set(e, ERR_USAGE, "the password is longer than %d bytes", PASSWORD_MAX);
    if (memchr(text.data, '\n', text.size) != NULL)
        return err_set(e, ERR_USAGE, "the password has more than one line");
    if (memchr(text.data, '\0', text.size) != NULL)
        return err_set(e, ERR_USAGE, "the password has a NUL in it");
    *out = mem_secret_new(text.size + 1);
    memcpy(*out, text.data, text.size);
    return true;
}

/* One piece of memory, to be wiped. */
static void text_init(struct buf *text)
{
    buf_reserve(text, TEXT_MAX);
}

bool password_from_file(const char *path, char **out, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    text_init(&text);

    bool is_read = file_read(path, TEXT_MAX, &text, e);

    is_read = is_read &&
              (password_take(buf_slice(&text), out, e) || err_wrap(e, "password file %s", path));
    mem_wipe(text.data, text.room);
    return is_read;
}

bool password_from_command(char *const argv[], char **out, struct err *e)
{
    AUTO(buf) struct buf text = {0};

    text_init(&text);

    const bool is_read =
        child_capture(argv, TEXT_MAX, &text, e) && password_take(buf_slice(&text), out, e);

    mem_wipe(text.data, text.room);
    return is_read || err_wrap(e, "password command");
}
