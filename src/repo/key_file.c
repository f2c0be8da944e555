/*
 * Key files: 64 hex digits and a newline.
 */
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "codec/random.h"
#include "repo/slot.h"

enum { TEXT_SIZE = 2 * KEY_FILE_SIZE + 1 }; /* with the newline */

struct key_text {
    char bytes[TEXT_SIZE];
};

static void key_text_auto(struct key_text *t)
{
    mem_wipe(t, sizeof(*t));
}

bool key_file_read(const char *path, uint8_t out[32], struct err *e)
{
    AUTO(secret_buf) struct buf bytes = {0};
    AUTO(key_text) struct key_text text = {0};

    if (!file_read(path, TEXT_SIZE, &bytes, e))
        return e->code == ERR_CORRUPT
                   ? err_set(e, ERR_CORRUPT, "%s is too long to be a key file", path)
                   : false;
    if (bytes.size == TEXT_SIZE && bytes.data[TEXT_SIZE - 1] == '\n')
        bytes.size--;
    if (bytes.size == TEXT_SIZE - 1)
        memcpy(text.bytes, bytes.data, bytes.size);
    if (!hex_decode(text.bytes, out, KEY_FILE_SIZE))
        return err_set(e, ERR_CORRUPT, "%s is no key file: 64 hexadecimal digits", path);
    return true;
}

/* Publish under a path: its directory is opened first. */
static bool publish(const char *path, struct slice bytes, struct err *e)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    AUTO(mem) char *folder = mem_dup(path, (size_t)(name - path));
    AUTO(buf) struct buf tmp_name = {0};
    AUTO(fd) int dir = -1;
    bool is_suspect = false;

    if (*name == '\0')
        return err_set(e, ERR_USAGE, "\"%s\" does not name a file", path);
    if (!dir_open(slash == NULL ? "." : folder, &dir, e))
        return false;
    buf_printf(&tmp_name, ".%s.tmp", name);
    return file_publish(dir, name, buf_string(&tmp_name), bytes, &is_suspect, e);
}

bool key_file_make(const char *path, uint8_t out[32], struct err *e)
{
    AUTO(key_text) struct key_text text = {0};
    uint8_t secret[KEY_FILE_SIZE];

    random_bytes(secret, sizeof(secret));
    hex_encode(SLICE_OF(secret, sizeof(secret)), text.bytes);
    text.bytes[TEXT_SIZE - 1] = '\n';

    const bool is_made = publish(path, SLICE_OF(text.bytes, TEXT_SIZE), e);

    if (is_made)
        memcpy(out, secret, sizeof(secret));
    mem_wipe(secret, sizeof(secret));
    return is_made || err_wrap(e, "key file %s", path);
}
