/* pg_dump and pg_dumpall for a backup: what they are told, and where their output goes. */
#include <string.h>

#include "base/mem.h"
#include "source/postgres_run.h"
#include "source/postgres_tool.h"

/* Arguments, each with a NUL behind it. */
struct arguments {
    struct buf text;
    size_t count;
};

static void arguments_auto(struct arguments *a)
{
    buf_done(&a->text);
}

static void argument(struct arguments *a, const char *option, const char *value)
{
    buf_printf(&a->text, "%s%s", option, value);
    buf_append(&a->text, "", 1);
    a->count++;
}

static void argument_address(struct arguments *a, const char *option,
                             const struct postgres_member *m)
{
    AUTO(buf) struct buf text = {0};

    postgres_address_format(&m->address, m->password_fd >= 0 ? POSTGRES_PASSFILE : NULL, &text);
    argument(a, option, buf_string(&text));
}

static bool output_add(void *arg, struct slice bytes, struct err *e)
{
    return postgres_sender_add(arg, bytes, e);
}

static bool tool_send(const struct postgres_member *m, struct arguments *a,
                      const atomic_bool *is_stopping, struct postgres_sender *to, struct err *e)
{
    AUTO(mem) char **argv = mem_array(a->count + 1, sizeof(*argv));
    char *at = (char *)a->text.data;

    for (size_t i = 0; i < a->count; i++) {
        argv[i] = at;
        at += strlen(at) + 1;
    }

    const struct postgres_tool t = {
        .argv = argv,
        .password_fd = m->password_fd,
        .secret = m->address.password,
        .is_stopping = is_stopping,
    };

    return postgres_tool_run(&t, output_add, to, e);
}

bool postgres_dump_definitions(const struct postgres_member *m, const char *snapshot,
                               const char *section, const atomic_bool *is_stopping,
                               struct postgres_sender *to, struct err *e)
{
    static const char *const options[POSTGRES_CHOICES] = {
        [POSTGRES_SCHEMAS] = "--schema=",
        [POSTGRES_EXCLUDE_SCHEMAS] = "--exclude-schema=",
        [POSTGRES_TABLES] = "--table=",
        [POSTGRES_EXCLUDE_TABLES] = "--exclude-table=",
        [POSTGRES_EXCLUDE_TABLE_DATA] = "--exclude-table-data=",
    };
    AUTO(arguments) struct arguments a = {0};

    argument(&a, m->pg_dump, "");
    argument(&a, "--format=custom", "");
    argument(&a, "--compress=0", "");
    argument(&a, "--no-password", "");
    argument(&a, "--no-blobs", ""); /* they have a file of their own */
    argument(&a, "--strict-names", "");
    argument(&a, "--lock-wait-timeout=", "30000");
    argument(&a, "--section=", section);
    argument(&a, "--snapshot=", snapshot);
    for (size_t c = 0; c < POSTGRES_CHOICES; c++)
        for (size_t i = 0; i < m->o.selection[c].count; i++)
            argument(&a, options[c], m->o.selection[c].items[i]);
    argument_address(&a, "--dbname=", m);
    return tool_send(m, &a, is_stopping, to, e);
}

bool postgres_dump_globals(const struct postgres_member *m, const atomic_bool *is_stopping,
                           struct postgres_sender *to, struct err *e)
{
    AUTO(arguments) struct arguments a = {0};

    argument(&a, m->pg_dumpall, "");
    argument(&a, "--globals-only", "");
    argument(&a, "--no-password", "");
    if (!m->o.with_role_passwords)
        argument(&a, "--no-role-passwords", "");
    argument_address(&a, "--database=", m);
    return tool_send(m, &a, is_stopping, to, e);
}
