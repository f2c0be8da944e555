/*
 * The roles of globals.sql, which pg_dumpall wrote: those that are missing are made with all that
 * the file says of them, those that exist stay as they are.
 *
 * What it says of tablespaces, which are places on a machine's disks, and of single databases is
 * left out.
 */
#include <string.h>

#include "source/postgres_restore_run.h"

#define GLOBALS_MAX ((size_t)256 << 20)
#define DUPLICATE   "42710"

struct making {
    struct postgres_target *target;
    struct postgres_link *link;
    struct buf kept; /* roles that exist: names as in the file, each with a NUL behind it */
};

static void making_auto(struct making *m)
{
    buf_done(&m->kept);
}

/* Statements */

static bool begins_with(struct slice s, const char *text)
{
    const size_t size = strlen(text);

    return s.size >= size && strncmp((const char *)s.data, text, size) == 0;
}

static struct slice after(struct slice s, size_t size)
{
    return SLICE_OF(s.data + size, s.size - size);
}

/* Bytes of a quoted text at the front, its quotes included; all when it does not end. */
static size_t quoted_size(struct slice s, bool has_escapes)
{
    const uint8_t quote = s.data[0];

    for (size_t i = 1; i < s.size; i++) {
        if (has_escapes && s.data[i] == '\\')
            i++;
        else if (s.data[i] == quote)
            return i + 1; /* a doubled quote begins what counts as a second text */
    }
    return s.size;
}

/* Bytes up to and with the first ';' outside quotes; 0 when there is none. */
static size_t statement_size(struct slice s)
{
    size_t i = 0;

    while (i < s.size && s.data[i] != ';') {
        const bool has_escapes = i > 0 && s.data[i] == '\'' && (s.data[i - 1] | 0x20) == 'e';

        if (s.data[i] == '\'' || s.data[i] == '"')
            i += quoted_size(after(s, i), has_escapes);
        else
            i++;
    }
    return i < s.size ? i + 1 : 0;
}

/* Blanks, comments and the commands of psql before a statement. */
static struct slice skip_blanks(struct slice s)
{
    for (;;) {
        while (s.size > 0 && s.data[0] <= ' ')
            s = after(s, 1);
        if (!begins_with(s, "--") && !begins_with(s, "\\"))
            return s;

        const uint8_t *end = memchr(s.data, '\n', s.size);

        s = end == NULL ? after(s, s.size) : after(s, (size_t)(end - s.data));
    }
}

/* The name at the front, quoted or not. */
static struct slice name_at(struct slice s)
{
    size_t size = 0;

    if (s.size > 0 && s.data[0] == '"')
        do
            size += quoted_size(after(s, size), false);
        while (size < s.size && s.data[size] == '"');
    else
        while (size < s.size && s.data[size] != ' ' && s.data[size] != ';')
            size++;
    return SLICE_OF(s.data, size);
}

/* Lists of names */

static void name_add(struct buf *list, struct slice name)
{
    buf_append_slice(list, name);
    buf_append(list, "", 1);
}

static bool is_listed(const struct buf *list, struct slice name)
{
    for (size_t at = 0; at < list->size; at += strlen((const char *)list->data + at) + 1)
        if (slice_is_equal(slice_string((const char *)list->data + at), name))
            return true;
    return false;
}

/* Making */

/* The role that a statement is about; no bytes: none. */
static struct slice role_of(struct slice s)
{
    static const char *const beginnings[] = {"CREATE ROLE ", "ALTER ROLE ", "COMMENT ON ROLE "};

    for (size_t i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (begins_with(s, beginnings[i]))
            return name_at(after(s, strlen(beginnings[i])));
    if (!begins_with(s, "GRANT "))
        return (struct slice){0};

    const struct slice group = name_at(after(s, strlen("GRANT ")));
    const struct slice rest = after(s, strlen("GRANT ") + group.size);

    return begins_with(rest, " TO ") ? name_at(after(rest, strlen(" TO "))) : (struct slice){0};
}

static bool is_left_out(const struct making *m, struct slice s)
{
    const struct slice role = role_of(s);
    const struct slice rest =
        role.size > 0 ? after(s, (size_t)(role.data - s.data) + role.size) : (struct slice){0};

    if (role.size > 0)
        return is_listed(&m->kept, role) || begins_with(rest, " IN DATABASE ");
    return begins_with(s, "CREATE TABLESPACE ") || begins_with(s, "ALTER TABLESPACE ") ||
           begins_with(s, "COMMENT ON TABLESPACE ") ||
           memmem(s.data, s.size, " ON TABLESPACE ", strlen(" ON TABLESPACE ")) != NULL;
}

static bool make(struct making *m, struct slice s, struct err *e)
{
    const bool is_creation = begins_with(s, "CREATE ROLE ");
    const struct slice role = role_of(s);
    AUTO(buf) struct buf sql = {0};

    if (is_left_out(m, s))
        return true;
    buf_append_slice(&sql, s);
    if (postgres_link_run(m->link, buf_string(&sql), e)) {
        if (is_creation)
            name_add(&m->target->roles, role);
        return true;
    }
    if (!is_creation || strcmp(m->link->sqlstate, DUPLICATE) != 0)
        return role.size == 0 ? false
                              : err_wrap(e, "role %.*s", (int)role.size, (const char *)role.data);
    name_add(&m->kept, role);
    return true;
}

static void link_auto(struct postgres_link *l)
{
    postgres_link_close(l);
}

/* By a connection of its own: the file changes settings. */
bool postgres_roles_make(struct postgres_target *t, struct err *e)
{
    AUTO(link) struct postgres_link l = {0};
    AUTO(making) struct making m = {.target = t, .link = &l};
    AUTO(buf) struct buf text = {0};

    if (!postgres_file_read(t->files, "globals.sql", GLOBALS_MAX, &text, e) ||
        !postgres_link_open(&l, &t->server, e))
        return false;
    for (struct slice rest = skip_blanks(buf_slice(&text)); rest.size > 0;) {
        const size_t size = statement_size(rest);

        if (size == 0)
            return err_set(e, ERR_CORRUPT, "globals.sql ends within a statement");
        if (!make(&m, SLICE_OF(rest.data, size), e))
            return false;
        rest = skip_blanks(after(rest, size));
    }
    return true;
}

bool postgres_roles_drop(const struct postgres_target *t, struct postgres_link *l, struct err *e)
{
    for (size_t at = 0; at < t->roles.size; at += strlen((const char *)t->roles.data + at) + 1) {
        AUTO(buf) struct buf sql = {0};

        buf_printf(&sql, "DROP ROLE IF EXISTS %s", (const char *)t->roles.data + at);
        if (!postgres_link_run(l, buf_string(&sql), e))
            return false;
    }
    return true;
}
