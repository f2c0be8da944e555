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

bool member_err(struct err *e)
{
    if (e->code == ERR_CORRUPT)
        e->code = ERR_FATAL;
    return false;
}

bool member_is_manifest(struct slice name)
{
    static const char suffix[] = MEMBER_MANIFEST;
    const size_t tail = sizeof(suffix) - 1;

    return name.size >= tail && memcmp(name.data + name.size - tail, suffix, tail) == 0;
}

bool member_check_name(const char *text, struct err *e)
{
    if (!made_check_name(text, MEMBER_NAME_MAX, e))
        return false;
    if (member_is_manifest(slice_string(text)))
        return err_set(e, ERR_USAGE, "\"%.60s\" ends as manifests do", text);
    return true;
}
