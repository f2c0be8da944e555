/*
 * What the routes of sets, runs and jobs share.  Private to the server.
 */
#ifndef SERVER_API_PRIVATE_H
#define SERVER_API_PRIVATE_H

#include "server/api.h"
#include "server/auth.h"

/* Columns of a row: kinds, roles, scope. */
#define API_PEOPLE    AUTH_USER | AUTH_API
#define API_READ      API_PEOPLE, ROLES_FROM(ROLE_VIEWER), "backup:read"
#define API_RUN       API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "backup:run"
#define API_UPLOAD    API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "backup:upload"
#define API_RESTORE   API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "backup:restore"
#define API_REMOVE    API_PEOPLE, ROLES_FROM(ROLE_ADMIN), "backup:remove"

#define API_SNAPSHOT  "/api/v1/sets/{set}/snapshots/{snapshot}"

#define API_LIMIT     50 /* rows of a page when the request does not say */
#define API_LIMIT_MAX 1000

/*
 * limit and after of the query: after is what the page before gave as "next".  False after
 * answering with 400.
 */
MUST_CHECK bool api_page(struct request *r, struct catalog_page *out);

/* What a page gives as "next": null when it is the last, which count < limit tells. */
json_t *api_next(const struct catalog_page *p, size_t count, int64_t created_ns, const char *id);

/* The enum value of a word of the query, -1 when it is not there.  False after answering 400. */
MUST_CHECK bool api_query_word(struct request *r, const char *name, int (*find)(const char *word),
                               int *out);

/* A time of the query, 0 when it is not there.  False after answering 400. */
MUST_CHECK bool api_query_time(struct request *r, const char *name, int64_t *out);

/*
 * The set that the query names, or NULL for all.  A token for some sets has to name one of them:
 * false after answering 403.
 */
MUST_CHECK bool api_query_set(struct request *r, const char **out);

/* A document that was kept as text, or null. */
json_t *api_document(const char *text);

/* The zone that the schedule of a set is in, of the file or one of the configurations; null: the
 * machine's. */
json_t *api_time_zone(const struct service *s, const struct catalog_config_list *configs,
                      const char *set);

/* A run as clients see it; with what it told last and in full when is_whole. */
json_t *api_run_json(const struct catalog_run *run, bool is_whole);

/* A configuration that is saved or deleted. */
struct pos_config;
struct api_config_change {
    struct request *r; /* who asks for it */
    const char *id;
    const struct pos_config *config; /* of this id; NULL: it is deleted */
    int64_t wanted;                  /* version that it replaces, or CATALOG_VERSION_... */
    int64_t version;                 /* answer: of what was saved */
};
/* Do it and record it.  Fails as catalog_config_put() and catalog_config_delete() do. */
MUST_CHECK bool api_config_write(struct catalog_tx *t, struct api_config_change *g, struct err *e);

/* Whether somebody may give orders for a set of this name: one of the configuration file, or a
 * configuration of the API. */
MUST_CHECK bool api_set_is_known(const struct service *s, struct catalog_tx *t, const char *name,
                                 bool *out, struct err *e);

#endif
