/*
 * What a database has itself: its owner, the settings of its sessions, the rights on it and its
 * comment.  pg_restore tells of them in statements that name the old database.
 */
#include <inttypes.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "source/postgres_definitions.h"
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

/* Rights are given in the owner's name, whoever gave them: "SET SESSION AUTHORIZATION" is not
 * taken. In front of the name there are keywords only. */
static const uint8_t *find_name_of_right(struct slice s)
{
    static const char *const beginnings[] = {"GRANT ", "REVOKE ", "COMMENT "};
    static const char on[] = " ON DATABASE ";
    const uint8_t *at = memmem(s.data, s.size, on, sizeof(on) - 1);

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (at != NULL && postgres_script_begins(s, beginnings[i]))
            return at + sizeof(on) - 1;
    return NULL;
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
    if (!postgres_script_begins(s, role))
        return find_name_of_right(s);
    if (t->o->without_owners)
        return NULL;

    const struct slice name = postgres_script_name(postgres_script_after(s, sizeof(role) - 1));
    const struct slice rest = postgres_script_after(s, sizeof(role) - 1 + name.size);

    return postgres_script_begins(rest, in) ? rest.data + sizeof(in) - 1 : NULL;
}

/* The same statement for the new database.  A comment waits until the database is complete. */
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
    if (!postgres_script_begins(s, "COMMENT "))
        return postgres_link_run(&t->link, buf_string(&sql), e);
    buf_clear(&t->comment);
    buf_append_slice(&t->comment, buf_slice(&sql));
    return true;
}

/* The entries of rights on the database and of its comment, as pg_restore takes them. */
static void list_rights(const struct postgres_target *t, const struct postgres_archive *a,
                        struct buf *list)
{
    for (size_t i = 0; i < a->count; i++) {
        const struct postgres_archive_entry *entry = &a->entries[i];
        const bool is_right = postgres_archive_is(entry->kind, "ACL") && !t->o->without_owners;

        if (!t->o->without_rights && postgres_script_begins(entry->tag, "DATABASE ") &&
            (is_right || postgres_archive_is(entry->kind, "COMMENT")))
            buf_printf(list, "%" PRId64 ";\n", entry->id);
    }
}

bool postgres_settings_restore(struct postgres_target *t, const char *program,
                               const struct postgres_definitions *before, struct err *e)
{
    AUTO(buf) struct buf list = {0};
    AUTO(buf) struct buf option = {0};
    AUTO(buf) struct buf script = {0};
    AUTO(fd) int fd = -1;
    struct slice rest = {0};
    struct slice statement = {0};

    /* What the database has itself comes with --create, whatever the list says. */
    list_rights(t, &before->archive, &list);
    if (!postgres_definitions_list(t, buf_slice(&list), &fd, &option, e))
        return false;

    const char *const argv[] = {
        program,      "--create", buf_string(&option), "--no-tablespaces", "--file=-",
        before->path, NULL};
    const struct postgres_tool tool = {.argv = (char *const *)(uintptr_t)argv, .password_fd = -1};

    if (!postgres_tool_run(&tool, script_add, &script, e))
        return false;
    rest = buf_slice(&script);
    do
        if (!postgres_script_next(&rest, &statement, e) || !apply(t, statement, e))
            return false;
    while (statement.size > 0);
    return true;
}
