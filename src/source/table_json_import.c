#include "base/mem.h"
#include "source/table_stage.h"

void table_import_auto(struct table_import *m)
{
    for (size_t i = 0; i < m->count; i++) {
        mem_free(m->stages[i].name);
        mem_free(m->stages[i].columns);
    }
    mem_free(m->stages);
    json_reader_auto(&m->reader);
    table_db_auto(&m->db);
}

void table_json_counts_auto(struct table_json_counts *c)
{
    for (size_t i = 0; i < c->count; i++)
        mem_free(c->tables[i].name);
    mem_free(c->tables);
}

static void take_counts(struct table_import *m, struct table_json_counts *out)
{
    *out = (struct table_json_counts){.tables = mem_array(m->count, sizeof(out->tables[0])),
                                      .count = m->count};
    for (size_t i = 0; i < m->count; i++) {
        struct table_stage *s = &m->stages[i];

        out->tables[i] =
            (struct table_json_count){.name = TAKE(s->name),
                                      .rows = s->rows,
                                      .inserted = s->inserted,
                                      .updated = s->updated,
                                      .failed = s->failed,
                                      .unchanged = s->rows - s->inserted - s->updated - s->failed};
    }
}

bool table_json_import(const struct table_json_import_options *o, struct table_json_counts *out,
                       struct err *e)
{
    AUTO(table_import) struct table_import m = {.options = o};
    AUTO(table_json_counts) struct table_json_counts counts = {0};

    json_reader_init(&m.reader, o->read, o->arg, TABLE_JSON_ROW_MAX);
    /* What triggers call is found where it is for whoever else writes to the tables. */
    if (!table_db_open(&m.db, &o->database, e) ||
        !postgres_link_run(&m.db.link, "RESET search_path", e) || !table_db_load(&m.db, e) ||
        !postgres_link_run(&m.db.link, "BEGIN", e) ||
        !postgres_link_run(&m.db.link, "CREATE TEMPORARY SEQUENCE holdfast_row", e) ||
        !table_document_read(&m, e) || !table_apply(&m, e))
        return err_wrap(e, "import tables");
    take_counts(&m, &counts);
    if ((o->at_end != NULL && !o->is_dry_run && !o->at_end(o->call_arg, &m.db.link, &counts, e)) ||
        !postgres_link_run(&m.db.link, o->is_dry_run ? "ROLLBACK" : "COMMIT", e))
        return err_wrap(e, "import tables");
    *out = counts;
    counts = (struct table_json_counts){0};
    return true;
}
