/*
 * The API of the POS backup service, /api/backup, for clients that were written for it.
 * docs/applications/vevurn-pos.md has its calls and every place where the published service did
 * something else.  Handlers find a struct service by request_app().
 */
#ifndef SERVER_COMPAT_POS_H
#define SERVER_COMPAT_POS_H

#include "server/route.h"
#include "server/service.h"

extern const struct route api_pos_routes[];
extern const size_t api_pos_route_count;

/*
 * What GET configs, history/CONFIG and stats answer, for the command line of the same host; of the
 * service only the catalog and the sets are used.
 */
MUST_CHECK bool pos_configs_read(const struct service *s, json_t **out, struct err *e);
MUST_CHECK bool pos_history_read(const struct service *s, const char *config, uint32_t page,
                                 size_t limit, json_t **out, struct err *e);
MUST_CHECK bool pos_stats_read(const struct service *s, json_t **out, struct err *e);

/* A backup that has ended; type: for runs that do not know theirs.  The caller owns it. */
json_t *pos_record_json(const struct service *s, const struct catalog_run *run, const char *type);

/* "database", "files" or "full": what a backup of this configuration holds. */
const char *pos_record_type(const char *document);

#endif
