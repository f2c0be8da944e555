#include "cli/restore_part.h"

#include <string.h>

bool part_args_are_given(const struct part_args *a)
{
    return a->tables.count + a->schemas.count > 0 || a->as != NULL || a->data_only;
}

/* Take a name off the front of *text: in quotes as in SQL, or up to a dot when one ends it. */
static bool take_name(const char **text, bool ends_at_dot, struct buf *out)
{
    const char *c = *text;

    if (*c != '"') {
        const size_t size = ends_at_dot ? strcspn(c, ".") : strlen(c);

        buf_append(out, c, size);
        *text = c + size;
        return true;
    }
    for (c++; *c != '\0' && (*c != '"' || c[1] == '"'); c++) {
        c += *c == '"';
        buf_append(out, c, 1);
    }
    *text = c + (*c == '"');
    return *c == '"';
}

static bool name_keep(const struct buf *name, const char *text, struct arena *arena,
                      const char **out, struct err *e)
{
    if (name->size == 0 || name->size > POSTGRES_NAME_MAX)
        return err_set(e, ERR_USAGE, "a name in \"%s\" does not have 1 to %d bytes", text,
                       POSTGRES_NAME_MAX);
    *out = arena_string(arena, buf_slice(name));
    return true;
}

static bool table_read(const char *text, struct arena *arena, struct postgres_table_name *out,
                       struct err *e)
{
    AUTO(buf) struct buf schema = {0};
    AUTO(buf) struct buf name = {0};
    const char *rest = text;

    if (!take_name(&rest, true, &schema) || *rest++ != '.' || !take_name(&rest, false, &name) ||
        *rest != '\0')
        return err_set(e, ERR_USAGE,
                       "\"%s\" is not SCHEMA.TABLE; names with dots stand in quotes as in SQL",
                       text);
    return name_keep(&schema, text, arena, &out->schema, e) &&
           name_keep(&name, text, arena, &out->name, e);
}

static bool schema_read(const char *text, struct arena *arena, const char **out, struct err *e)
{
    AUTO(buf) struct buf name = {0};
    const char *rest = text;

    if (!take_name(&rest, false, &name) || *rest != '\0')
        return err_set(e, ERR_USAGE, "\"%s\" is not the name of a schema", text);
    return name_keep(&name, text, arena, out, e);
}

static bool check(const struct part_args *a, bool in_place, struct err *e)
{
    if (a->data_only && in_place)
        return err_set(e, ERR_USAGE, "--data-only adds rows, and --in-place replaces them");
    if (a->as != NULL && (a->tables.count != 1 || a->data_only || in_place))
        return err_set(e, ERR_USAGE, "--as gives one new table a name");
    return true;
}

bool part_args_read(const struct part_args *a, bool in_place, struct arena *arena,
                    struct postgres_part *out, struct err *e)
{
    struct postgres_table_name *tables = arena_take(arena, a->tables.count * sizeof(*tables));
    struct postgres_table_name *as = arena_take(arena, sizeof(*as));
    const char **schemas = arena_take(arena, a->schemas.count * sizeof(*schemas));

    if (!check(a, in_place, e))
        return false;
    for (size_t i = 0; i < a->tables.count; i++)
        if (!table_read(a->tables.items[i], arena, &tables[i], e))
            return err_wrap(e, "--table");
    for (size_t i = 0; i < a->schemas.count; i++)
        if (!schema_read(a->schemas.items[i], arena, &schemas[i], e))
            return err_wrap(e, "--schema");
    if (a->as != NULL && !table_read(a->as, arena, as, e))
        return err_wrap(e, "--as");
    *out = (struct postgres_part){
        .way = in_place       ? POSTGRES_PART_REPLACE_ROWS
               : a->data_only ? POSTGRES_PART_ADD_ROWS
                              : POSTGRES_PART_NEW,
        .tables = tables,
        .table_count = a->tables.count,
        .schemas = {schemas, a->schemas.count},
        .as = a->as != NULL ? as : NULL,
    };
    return true;
}

void part_args_advise(const struct postgres_part *part, struct err *e)
{
    const struct err why = *e;

    if (why.code == ERR_EXISTS && part->table_count > 0 && part->as == NULL &&
        !part->makes_database)
        (void)err_set(e, why.code,
                      "%.380s; --in-place replaces its rows, --as gives what is restored another "
                      "name",
                      why.text);
}
