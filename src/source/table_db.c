#include "source/table_db.h"

/* What differs from other connections.  Partitions may be foreign tables, triggers may use views.
 */
static const char settings[] = "SET IntervalStyle = 'iso_8601'; SET lock_timeout = '60s';"
                               "SELECT set_config(name, reset_val, false) FROM pg_settings"
                               " WHERE name = 'restrict_nonsystem_relation_kind'";

void table_db_auto(struct table_db *d)
{
    postgres_link_close(&d->link);
    arena_done(&d->arena);
}

bool table_db_open(struct table_db *d, const struct table_json_database *where, struct err *e)
{
    AUTO(postgres_address) struct postgres_address a = {0};

    if (!postgres_address_init_secret(&a, where->dsn, where->password, e))
        return false;
    if (!postgres_link_open(&d->link, &a, e))
        return err_wrap(e, "connect to PostgreSQL");
    return postgres_link_run(&d->link, settings, e);
}
