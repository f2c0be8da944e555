/* What all members of sets have in common. */
#include "source/member.h"

#include <string.h>

void member_free(struct member *m)
{
    if (m != NULL)
        m->ops->free(m);
}

void member_auto(struct member **m)
{
    member_free(*m);
}

bool member_check_name(const char *text, struct err *e)
{
    const size_t length = strlen(text);

    if (length == 0 || length > MEMBER_NAME_MAX || strchr(text, '/') != NULL ||
        strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return err_set(e, ERR_USAGE, "\"%.60s\" cannot be the name of a file", text);
    return true;
}
