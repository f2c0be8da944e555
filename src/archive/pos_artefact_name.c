#include "archive/pos_artefact_name.h"

#include <stdio.h>
#include <string.h>

#include "archive/school_document.h"
#include "base/mem.h"
#include "base/text.h"

#define KEY_DIGITS  (2 * (size_t)CIPHER_KEY_SIZE)
#define UUID_SIZE   (POS_UUID_TEXT - 1)
#define FILES_HEAD  "_files_backup_"
#define SEALED_TAIL ".enc"

static const char *const compression_names[] = {"gzip", "bzip2", "none"};
static const char *const database_tails[] = {"_database.sql.gz", "_database.sql.bz2",
                                             "_database.sql"};

const char *pos_compression_name(enum pos_compression c)
{
    return compression_names[c];
}

void pos_key_auto(struct pos_key *k)
{
    mem_wipe(k, sizeof(*k));
}

bool pos_key_parse(struct slice text, struct pos_key *out, struct err *e)
{
    AUTO(pos_key) struct pos_key k = {{0}};
    char digits[KEY_DIGITS + 1] = "";

    while (text.size > 0 && memchr(" \t\r\n", text.data[text.size - 1], 4) != NULL)
        text.size--;
    if (text.size == KEY_DIGITS / 2)
        return err_set(e, ERR_USAGE,
                       "the key has 32 characters: as hexadecimal digits these are 16 bytes, and "
                       "AES-256 needs 32 (64 digits)");
    if (text.size != KEY_DIGITS)
        return err_set(e, ERR_USAGE, "the key must be exactly 64 hexadecimal digits");
    memcpy(digits, text.data, KEY_DIGITS);

    const bool is_key = hex_decode(digits, k.bytes, sizeof(k.bytes));

    mem_wipe(digits, sizeof(digits));
    if (!is_key)
        return err_set(e, ERR_USAGE, "the key has characters that are no hexadecimal digits");
    *out = k;
    return true;
}

static bool config_name_check(const char *name, struct err *e)
{
    const size_t size = strnlen(name, POS_CONFIG_NAME_MAX + 1);

    if (size == 0 || size > POS_CONFIG_NAME_MAX || name[0] == '.' ||
        !utf8_is_valid(SLICE_OF((const uint8_t *)name, size)))
        return err_set(e, ERR_USAGE,
                       "a configuration's name in the name of a file is UTF-8 of 1 to %d bytes, "
                       "without a point in front",
                       POS_CONFIG_NAME_MAX);
    for (size_t i = 0; i < size; i++)
        if ((uint8_t)name[i] < 0x20 || name[i] == 0x7f || name[i] == '/')
            return err_set(e, ERR_USAGE,
                           "a configuration's name in the name of a file has no control characters "
                           "and no \"/\"");
    return true;
}

/* Node's form: 8-4-4-4-12 digits in lower case. */
static bool uuid_is(const char *text)
{
    for (size_t i = 0; i < UUID_SIZE; i++) {
        const bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (is_dash ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL || text[i] == 0)
            return false;
    }
    return text[UUID_SIZE] == '\0';
}

bool pos_name_format(const struct pos_name *n, char out[POS_FILE_NAME_MAX], struct err *e)
{
    const char *tail = n->is_sealed ? SEALED_TAIL : "";
    char stamp[SCHOOL_STAMP_MAX];

    if (!config_name_check(n->config, e))
        return false;
    school_stamp_dashed_format(n->time_ns, stamp);
    if (n->kind == POS_KIND_DATABASE)
        (void)snprintf(out, POS_FILE_NAME_MAX, "%s_%s%s%s", n->config, stamp,
                       database_tails[n->compression], tail);
    else
        (void)snprintf(out, POS_FILE_NAME_MAX, "%s_%s" FILES_HEAD "%s.zip%s", n->config, stamp,
                       n->uuid, tail);
    return true;
}

/* Take text off the end of the first *size bytes of name. */
static bool take_tail(const char *name, size_t *size, const char *text)
{
    const size_t n = strlen(text);

    if (*size < n || memcmp(name + *size - n, text, n) != 0)
        return false;
    *size -= n;
    return true;
}

static bool take_kind(const char *text, size_t *size, struct pos_name *out)
{
    const size_t head = strlen(FILES_HEAD);

    out->kind = POS_KIND_DATABASE;
    for (int c = POS_GZIP; c <= POS_NONE; c++)
        if (take_tail(text, size, database_tails[c])) {
            out->compression = (enum pos_compression)c;
            return true;
        }
    out->kind = POS_KIND_FILES;
    out->compression = POS_NONE;
    if (!take_tail(text, size, ".zip") || *size < head + UUID_SIZE)
        return false;
    memcpy(out->uuid, text + *size - UUID_SIZE, UUID_SIZE);
    out->uuid[UUID_SIZE] = '\0';
    *size -= UUID_SIZE;
    return uuid_is(out->uuid) && take_tail(text, size, FILES_HEAD);
}

bool pos_name_parse(const char *text, struct pos_name *out, struct err *e)
{
    struct pos_name n = {.compression = POS_NONE};
    size_t size = strlen(text);
    struct err why = {0};

    n.is_sealed = take_tail(text, &size, SEALED_TAIL);
    if (!take_kind(text, &size, &n) || size < SCHOOL_STAMP_SIZE + 2 ||
        text[size - SCHOOL_STAMP_SIZE - 1] != '_' ||
        size - SCHOOL_STAMP_SIZE - 1 > POS_CONFIG_NAME_MAX ||
        !school_stamp_dashed_parse(text + size - SCHOOL_STAMP_SIZE, &n.time_ns, &why))
        return err_set(e, ERR_USAGE, "it is no name of a backup of Vevurn POS");
    memcpy(n.config, text, size - SCHOOL_STAMP_SIZE - 1);
    if (!config_name_check(n.config, e))
        return false;
    *out = n;
    return true;
}
