#include <string.h>

#include "archive/cfms_conf.h"
#include "base/mem.h"
#include "base/text.h"

enum {
    BASE64_SIZE = 43,
    HUMAN_SIZE = 52,
    BLANKS_MAX = 256, /* dashes and blanks around and within it */
};

static const char human[] = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";

/* A number in base 31, the largest digit first; false when it has more than 256 bits. */
static bool take_human(const char *text, uint8_t key[CFMS_KEY_SIZE])
{
    memset(key, 0, CFMS_KEY_SIZE);
    for (size_t i = 0; i < HUMAN_SIZE; i++) {
        const char *digit = strchr(human, text[i]);
        unsigned carry;

        if (digit == NULL)
            return false;
        carry = (unsigned)(digit - human);
        for (size_t k = CFMS_KEY_SIZE; k-- > 0;) {
            carry += key[k] * 31U;
            key[k] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry != 0)
            return false;
    }
    return true;
}

static bool take_base64(char *text, uint8_t key[CFMS_KEY_SIZE])
{
    AUTO(buf) struct buf out = {0};
    bool ok;

    for (char *c = text; *c != '\0'; c++) {
        if (*c == '+' || *c == '/')
            return false;
        *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
    }
    text[BASE64_SIZE] = '=';
    buf_reserve(&out, CFMS_KEY_SIZE + 1);
    ok = base64_decode(SLICE_OF(text, BASE64_SIZE + 1), &out) && out.size == CFMS_KEY_SIZE;
    if (ok)
        memcpy(key, out.data, CFMS_KEY_SIZE);
    mem_wipe(out.data, out.room);
    return ok;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

bool cfms_conf_key_parse(const char *text, uint8_t key[CFMS_KEY_SIZE], struct err *e)
{
    char plain[HUMAN_SIZE + 1] = {0}, packed[HUMAN_SIZE + 1] = {0};
    uint8_t made[CFMS_KEY_SIZE] = {0};
    size_t plain_size = 0, packed_size = 0;
    const size_t size = strnlen(text, BLANKS_MAX);
    size_t from = 0, to = size;
    bool ok = size < BLANKS_MAX;

    while (from < to && is_blank(text[from]))
        from++;
    while (from < to && is_blank(text[to - 1]))
        to--;
    for (size_t i = from; i < to; i++) {
        if (plain_size < HUMAN_SIZE)
            plain[plain_size] = text[i];
        plain_size++;
        if (text[i] == '-' || text[i] == ' ')
            continue;
        if (packed_size < HUMAN_SIZE)
            packed[packed_size] = text[i];
        packed_size++;
    }
    if (plain_size == BASE64_SIZE)
        ok = ok && take_base64(plain, made);
    else
        ok = ok && packed_size == HUMAN_SIZE && take_human(packed, made);
    if (ok)
        memcpy(key, made, CFMS_KEY_SIZE);
    mem_wipe(plain, sizeof(plain));
    mem_wipe(packed, sizeof(packed));
    mem_wipe(made, sizeof(made));
    return ok || err_set(e, ERR_USAGE,
                         "the key of the backup is neither 52 letters and digits in groups of four "
                         "nor 43 letters of base64url");
}
