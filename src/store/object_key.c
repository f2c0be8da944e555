/*
 * One rule for all drivers, so that an object that one of them takes can be copied to any
 * other.  It also keeps "..", empty components and absolute paths from the file system.
 */
#include "store/object_key.h"

#include <string.h>

#include "store/store.h"

static bool is_component_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

bool object_key_is_valid(const char *key)
{
    const char *p = key;

    if (strcmp(key, "tmp") == 0 || strncmp(key, "tmp/", 4) == 0)
        return false;
    for (;;) {
        if (*p == '.' || !is_component_byte(*p))
            return false;
        while (is_component_byte(*p))
            p++;
        if (*p != '/')
            return *p == '\0';
        p++;
    }
}

bool object_key_is_lasting(const char *key)
{
    static const char *const folders[] = {"packs/",   "index/", "snapshots/",
                                          "commits/", "keys/",  "epochs/"};

    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
        if (strncmp(key, folders[i], strlen(folders[i])) == 0)
            return true;
    return strcmp(key, "config") == 0;
}
