/*
 * What a database has itself: its owner and the settings of its sessions.  pg_restore tells of them
 * in statements that name the old database.
 */
#include <string.h>

#include "base/mem.h"
#include "source/postgres_restore_run.h"
#include "source/postgres_script.h"
#include "source/postgres_tool.h"

#define SCRIPT_MAX ((size_t)16 << 20)

static bool script_add(void *arg, struct slice bytes, struct err *e)
{
    struct buf *script = arg;

    if (script->size + bytes.size > SCRIPT_MAX)
        return err_set(e, ERR_CORRUPT, "its settings are longer than any can be");
    buf_append_slice(script, bytes);
    return true;
}

/* Where the name of the old database begins in a statement that is wanted; NULL: it is not. */
static const uint8_t *find_name(const struct postgres_target *t, struct slice s)
{
    static const char role[] = "ALTER ROLE ";
    static const char in[] = " IN DATABASE ";
    static const char database[] = "ALTER DATABASE ";

    if (postgres_script_begins(s, database)) {
        const struct slice name =
            postgres_script_name(postgres_script_after(s, sizeof(database) - 1));
        const struct slice rest = postgres_script_after(s, sizeof(database) - 1 + name.size);

        return t->o->without_owners && postgres_script_begins(rest, " OWNER ") ? NULL : name.data;
    }
    if (!postgres_script_begins(s, role) || t->o->without_owners)
        return NULL;

    const struct slice name = postgres_script_name(postgres_script_after(s, sizeof(role) - 1));
    const struct slice rest = postgres_script_after(s, sizeof(role) - 1 + name.size);

    return postgres_script_begins(rest, in) ? rest.data + sizeof(in) - 1 : NULL;
}

/* The same statement for the new database. */
static bool apply(struct postgres_target *t, struct slice s, struct err *e)
{
    const uint8_t *at = find_name(t, s);
    AUTO(buf) struct buf sql = {0};

    if (at == NULL)
        return true;

    const size_t before = (size_t)(at - s.data);
    const struct slice name = postgres_script_name(postgres_script_after(s, before));

    buf_append(&sql, s.data, before);
    postgres_name_quote(t->o->database, &sql);
    buf_append_slice(&sql, postgres_script_after(s, before + name.size));
    return postgres_link_run(&t->link, buf_string(&sql), e);
}

bool postgres_settings_restore(struct postgres_target *t, const char *program, const char *path,
                               struct err *e)
{
    AUTO(buf) struct buf script = {0};
    /* With an empty list nothing else is left of the file. */
    const char *const argv[] = {
        program, "--create", "--use-list=/dev/null", "--no-tablespaces", "--file=-", path, NULL};
    const struct postgres_tool tool = {.argv = (char *const *)(uintptr_t)argv, .password_fd = -1};
    struct slice rest = {0};
    struct slice statement = {0};

    if (!postgres_tool_run(&tool, script_add, &script, e))
        return false;
    rest = buf_slice(&script);
    do
        if (!postgres_script_next(&rest, &statement, e) || !apply(t, statement, e))
            return false;
    while (statement.size > 0);
    return true;
}
