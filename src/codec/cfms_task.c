#include "codec/cfms_task.h"

#include <string.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

bool cfms_task_is(const char *id)
{
    return strlen(id) == CFMS_TASK_DIGITS && strspn(id, "0123456789abcdef") == CFMS_TASK_DIGITS;
}

bool cfms_name_is(const char *name)
{
    const size_t size = strlen(name);

    return size > 0 && size <= CFMS_NAME_MAX && strchr(LETTERS, name[0]) != NULL &&
           strspn(name, LETTERS "._-") == size;
}
