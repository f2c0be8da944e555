/* What all members of sets have in common. */
#include "source/member.h"

#include <string.h>

#include "source/made.h"

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
    static const char suffix[] = MEMBER_MANIFEST;
    const size_t length = strlen(text);
    const size_t tail = sizeof(suffix) - 1;

    if (!made_check_name(text, MEMBER_NAME_MAX, e))
        return false;
    if (length >= tail && strcmp(text + length - tail, suffix) == 0)
        return err_set(e, ERR_USAGE, "\"%.60s\" ends as manifests do", text);
    return true;
}
