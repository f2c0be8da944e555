/*
 * Proving a PostgreSQL database: restored on a server that is made for it and reached by nobody
 * else, and then compared with its manifest.
 */
#include <string.h>
#include <unistd.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "job/drill_private.h"
#include "job/stored_database.h"

#define DATABASE "restored"

/* The server's user passes through the folder, and sees nothing in it. */
enum { PASSAGE_MODE = 0711 };

struct postgres_proof {
    struct drill *drill;
    struct drill_member *member;
    struct stored_database stored;
    struct postgres_cluster server;
};

/* Verdicts */

/* Roles that the backup does not have are not its fault.  The server speaks English. */
static bool lacks_role(const struct err *why)
{
    const char *role = strstr(why->text, "role \"");

    return role != NULL && strstr(role, "does not exist") != NULL;
}

/* Nor is what befalls the server that the drill made, or its folder; *why may get its last words.
 * A disk that takes half a page is full, too. */
static bool is_of_backup(struct postgres_proof *p, struct err *why)
{
    return why->code != ERR_TRANSIENT && !drill_lacks_room(why) &&
           strstr(why->text, "could not extend file") == NULL &&
           postgres_cluster_check(&p->server, why);
}

/* Something failed: whose fault it is decides the verdict. */
static bool judge(struct postgres_proof *p, struct err *why, bool is_fit, struct err *e)
{
    if (cancel_is_requested())
        return cancel_err(e);
    if (p->stored.failure.code == ERR_CORRUPT || p->stored.failure.code == ERR_NOT_FOUND)
        return drill_failed(p->member, "%s", why->text);
    if (p->stored.failure.code != ERR_NONE) {
        *e = p->stored.failure;
        return false;
    }
    return is_fit && is_of_backup(p, why) ? drill_failed(p->member, "%s", why->text)
                                          : drill_not_checked(p->member, "%s", why->text);
}

static bool compare(struct postgres_proof *p, const struct postgres_restore_options *o,
                    const struct postgres_files *files, struct err *e)
{
    AUTO(postgres_verify_report) struct postgres_verify_report r = {0};
    struct drill_member *m = p->member;
    struct err why = {0};

    if (!postgres_verify(o, files, &r, &why))
        return judge(p, &why, true, e);
    m->tables = r.tables;
    m->rows = r.rows;
    m->bytes = r.bytes;
    return drill_compared(m, r.differences, &r.text);
}

/* Restore on the server, and compare. */
static bool restore(struct postgres_proof *p, const struct postgres_stored *stored,
                    const struct postgres_files *files, struct err *e)
{
    const struct postgres_restore_options o = {
        .dsn = p->server.dsn,
        .database = DATABASE,
        .scratch = p->drill->scratch,
        .with_globals = stored->has_globals,
        .without_owners = !stored->has_globals,
    };
    struct postgres_restore_report r = {0};
    struct err why = {0};

    if (!postgres_restore(&o, files, &r, &why))
        return judge(p, &why, r.is_made && (stored->has_globals || !lacks_role(&why)), e);
    return compare(p, &o, files, e);
}

static bool open_passage(const struct drill *d, struct err *e)
{
    AUTO(fd) int folder = -1;

    return geteuid() != 0 ||
           (dir_open(d->scratch, &folder, e) && fd_set_mode(folder, PASSAGE_MODE, e));
}

/* There may be none. */
static bool remove_cluster(const struct drill *d, struct err *e)
{
    AUTO(fd) int folder = -1;

    return dir_open(d->scratch, &folder, e) && tree_remove(folder, POSTGRES_CLUSTER_FOLDER, e);
}

static bool prove(struct postgres_proof *p, const struct postgres_files *files, struct err *e)
{
    struct postgres_stored stored = {0};
    struct err why = {0};

    if (!postgres_stored_read(files, &stored, &why))
        return judge(p, &why, true, e);
    if (!open_passage(p->drill, e))
        return false;
    return postgres_cluster_start(&p->server, p->drill->scratch, stored.major, &why)
               ? restore(p, &stored, files, e)
               : judge(p, &why, false, e);
}

bool prove_postgres(struct drill *d, const char *path, const struct entry *en,
                    struct drill_member *m, struct err *e)
{
    struct postgres_proof p = {.drill = d, .member = m, .server = POSTGRES_CLUSTER_NONE};
    struct err later = {0};

    m->check = mem_string("restored on a server of its own, rows of all tables hashed");
    if (en->type != ENTRY_DIRECTORY)
        return drill_failed(m, "it is no directory");

    stored_database_init(&p.stored, d->repo, &d->options->snapshot->tree, path);

    const bool ok = prove(&p, &p.stored.files, e);

    postgres_cluster_stop(&p.server);
    m->files = p.stored.opened;
    stored_database_done(&p.stored);
    return remove_cluster(d, ok ? e : &later) && ok;
}
