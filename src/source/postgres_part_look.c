/*
 * What bringing parts of a backup into a database would bring, and what stands there.
 */
#include <string.h>

#include "source/postgres_part.h"

static const char find_table[] =
    "SELECT pg_table_size(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')";

void postgres_part_plan_auto(struct postgres_part_plan *p)
{
    arena_done(&p->arena);
}

static struct postgres_table_name keep(struct arena *a, const char *schema, const char *name)
{
    return (struct postgres_table_name){arena_string(a, slice_string(schema)),
                                        arena_string(a, slice_string(name))};
}

/* New ones were seen not to be there; rows go to one that has to be. */
static bool look_at(struct part *p, struct postgres_part_table *t, struct err *e)
{
    AUTO(postgres_result) PGresult *r = NULL;
    const struct postgres_query q = {
        .sql = find_table, .values = {t->to.schema, t->to.name}, .count = 2};

    if (p->what->way == POSTGRES_PART_NEW)
        return true;
    if (!postgres_link_query(&p->link, &q, &r, e))
        return false;
    if (PQntuples(r) == 0)
        return err_set(e, ERR_NOT_FOUND, "there is no table %s.%s", t->to.schema, t->to.name);
    t->is_there = true;
    t->present_bytes = postgres_result_u64(r, 0, 0);
    return true;
}

static bool add(struct part *p, const struct postgres_table *from, struct postgres_part_plan *out,
                struct err *e)
{
    const struct postgres_table_name *as = p->what->as;
    struct postgres_part_table *t = &out->tables[out->count];

    *t = (struct postgres_part_table){
        .stored = keep(&out->arena, from->schema, from->name),
        .to = as != NULL ? keep(&out->arena, as->schema, as->name)
                         : keep(&out->arena, from->schema, from->name),
        .rows = from->rows,
        .bytes = from->bytes,
    };
    if (!look_at(p, t, e))
        return false;
    out->count++;
    out->rows += t->rows;
    out->bytes += t->bytes;
    return true;
}

static bool look(struct part *p, struct postgres_part_plan *out, struct err *e)
{
    if (!part_find(p, e) || !postgres_link_run(&p->link, "BEGIN READ ONLY", e) ||
        (p->what->way == POSTGRES_PART_NEW && !part_prepare(p, e)))
        return false;
    out->tables = arena_take(&out->arena, p->tables.count * sizeof(*out->tables));
    for (size_t i = 0; i < p->tables.count; i++)
        if (!add(p, p->tables.items[i], out, e))
            return false;
    return true;
}

/* Of a database that is to be made. */
static bool check_is_new(struct part *p, struct err *e)
{
    struct postgres_present present = {0};

    p->is_empty = p->what->makes_database;
    if (!p->is_empty)
        return true;
    if (!postgres_present(p->target.o, p->target.o->database, &present, e))
        return false;
    return !present.is_there || err_set(e, ERR_EXISTS, "it is there already");
}

bool postgres_part_look(const struct postgres_restore_options *o,
                        const struct postgres_files *files, const struct postgres_part *part,
                        struct postgres_part_plan *out, struct err *e)
{
    AUTO(part) struct part p = PART_NONE(part, files);
    AUTO(postgres_part_plan) struct postgres_part_plan made = {0};

    if (!postgres_target_open(&p.target, o, e) ||
        !postgres_file_manifest(files, &p.target.manifest, e) || !check_is_new(&p, e) ||
        !look(&p, &made, e))
        return err_wrap(e, "database %s", o->database);
    *out = made;
    made = (struct postgres_part_plan){0};
    return true;
}
