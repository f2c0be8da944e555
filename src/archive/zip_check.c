/*
 * What names and sizes may be.
 */
#include <stdlib.h>
#include <string.h>

#include "archive/deflate.h"
#include "archive/zip_head.h"
#include "base/mem.h"
#include "base/text.h"

const struct zip_rules zip_rules_python = {.file_max = ZIP_FILE_MAX,
                                           .plain_max = ZIP_PLAIN_MAX,
                                           .count_max = ZIP_COUNT_MAX,
                                           .ratio_max = ZIP_RATIO_MAX};

static bool malicious(struct slice name, struct err *e)
{
    return err_set(e, ERR_CORRUPT, "Malicious path detected: %.*s", (int)name.size,
                   (const char *)name.data);
}

/* A component that is no name anywhere, or another one elsewhere: "", ".", "a.", "a ". */
static bool is_odd(struct slice part)
{
    return part.size == 0 || part.data[part.size - 1] == '.' || part.data[part.size - 1] == ' ';
}

/* The components of a name, of which the last may be empty: a folder. */
static bool check_parts(struct slice name, struct err *e)
{
    struct slice part = {name.data, 0};
    int depth = 1;

    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] != '/') {
            part.size++;
            continue;
        }
        if (is_odd(part) || ++depth > ZIP_DEPTH_MAX)
            return malicious(name, e);
        part = SLICE_OF(name.data + i + 1, 0);
    }
    return part.size == 0 || !is_odd(part) || malicious(name, e);
}

bool zip_name_is_ascii(struct slice name)
{
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] > '~')
            return false;
    return true;
}

static bool check_characters(const struct zip_rules *rules, struct slice name, struct err *e)
{
    bool is_printable = true;

    for (size_t i = 0; i < name.size; i++)
        is_printable = is_printable && name.data[i] >= ' ' && name.data[i] != 0x7f;
    if (rules->has_utf8)
        return (is_printable && utf8_is_valid(name)) ||
               err_set(e, ERR_CORRUPT, "a name is not UTF-8, or has control characters");
    return (is_printable && zip_name_is_ascii(name)) ||
           err_set(e, ERR_CORRUPT, "a name is not printable ASCII");
}

bool zip_name_check(const struct zip_rules *rules, struct slice name, struct err *e)
{
    if (name.size == 0 || name.size > ZIP_NAME_MAX)
        return err_set(e, ERR_CORRUPT, "a name has %zu bytes", name.size);
    if (!check_characters(rules, name, e))
        return false;
    for (size_t i = 0; i < name.size; i++)
        if (name.data[i] == '\\' || name.data[i] == ':' ||
            (i > 0 && name.data[i] == '.' && name.data[i - 1] == '.'))
            return malicious(name, e);
    return check_parts(name, e);
}

/* Names in the order of their letters in lower case, what is in a folder right behind it. */
static int rank(char byte)
{
    const unsigned char c = (unsigned char)byte;

    if (c == '/')
        return 1;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c;
}

static int compare(const void *a, const void *b)
{
    const char *x = *(const char *const *)a;
    const char *y = *(const char *const *)b;

    while (*x != '\0' && rank(*x) == rank(*y))
        x++, y++;
    return rank(*x) - rank(*y);
}

/* Whether name is a folder's, or would be if first were one. */
static bool is_below(const char *first, const char *name)
{
    const size_t size = strlen(first);

    for (size_t i = 0; i < size; i++)
        if (rank(first[i]) != rank(name[i]))
            return false;
    return first[size - 1] != '/' && name[size] == '/';
}

bool zip_names_check(const struct zip_entry *entries, size_t count, struct err *e)
{
    AUTO(mem) const char **names = mem_array(count, sizeof(names[0]));

    for (size_t i = 0; i < count; i++)
        names[i] = entries[i].name;
    qsort(names, count, sizeof(names[0]), compare);
    for (size_t i = 1; i < count; i++) {
        if (compare(&names[i - 1], &names[i]) == 0)
            return err_set(e, ERR_CORRUPT, "%s stands there twice", names[i]);
        if (is_below(names[i - 1], names[i]))
            return err_set(e, ERR_CORRUPT, "%s is a file and a folder", names[i - 1]);
    }
    return true;
}

bool zip_sizes_check(const struct zip_rules *rules, const struct zip_entry *entries, size_t count,
                     uint64_t file_size, struct err *e)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += entries[i].size; /* each below 4 GiB */
    if (sum > rules->plain_max)
        return err_set(e, ERR_CORRUPT, "Extracted size too large (max %llu)",
                       (unsigned long long)rules->plain_max);
    if (sum > INFLATE_RATIO_FROM && (sum - INFLATE_RATIO_FROM) / rules->ratio_max > file_size)
        return err_set(e, ERR_CORRUPT, "it expands to more than %u times its size",
                       rules->ratio_max);
    return true;
}
