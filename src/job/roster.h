/*
 * All sets of this host: those of holdfast.yaml, and those that backup configurations of the API in
 * the catalog become here (pos_place.h).  Part of job.h.
 *
 * A view is what was known at one look; it does not change and stays as long as somebody has it.
 * Jobs take the newest: one that was queued before a change runs as the configuration is when it
 * begins, and so does its second attempt.
 */
#ifndef JOB_ROSTER_H
#define JOB_ROSTER_H

#include "catalog/catalog.h"
#include "job/config.h"

struct roster;
struct roster_view;

struct roster_set {
    const struct config_set *set; /* NULL: the host cannot do what the configuration asks for */
    const struct config *config;  /* that the set is in */
    const char *name;
    int64_t version;     /* of the configuration; 0: a set of holdfast.yaml */
    const char *variant; /* "database", "files" or "full"; NULL for sets of holdfast.yaml */
    struct err why;      /* there is no set */
};

/* The first look.  Both are borrowed; a host without `serve: compat: pos` knows no configurations
 * of the API. */
MUST_CHECK bool roster_open(struct catalog *catalog, const struct config *config,
                            struct roster **out, struct err *e);
void roster_close(struct roster *r); /* accepts NULL */
void roster_auto(struct roster **r);

/* Look whether something has changed in the catalog, which costs little, and make a new view then.
 * Any thread may. */
MUST_CHECK bool roster_look(struct roster *r, bool *has_changed, struct err *e);

/* The newest view, to be given back.  Any thread may. */
struct roster_view *roster_take(struct roster *r);
void roster_view_drop(struct roster_view *v); /* accepts NULL */
void roster_view_auto(struct roster_view **v);

size_t roster_count(const struct roster_view *v);
const struct roster_set *roster_at(const struct roster_view *v, size_t i);
/* NULL: there is none of this name. */
const struct roster_set *roster_find(const struct roster_view *v, const char *name);

/*
 * The path of a configuration file that has the set, for a job: holdfast.yaml, or a file in
 * STATE/configs that is written now, durably and for this user alone.  ERR_USAGE when the host
 * cannot do it; *out is for mem_free().
 */
MUST_CHECK bool roster_publish(struct roster *r, const struct roster_set *s, char **out,
                               struct err *e);

/*
 * The same of a configuration that is tried and not kept: in the file of a job.  *made is for
 * config_free(), and has its set.  ERR_USAGE as pos_place_document().
 */
MUST_CHECK bool roster_publish_trial(struct roster *r, const char *document, const char *job,
                                     struct config **made, char **out, struct err *e);

/* Remove files of roster_publish() that belong to no configuration any more; keep says which are in
 * use all the same. */
typedef bool roster_keep_fn(void *arg, const char *path);
MUST_CHECK bool roster_sweep(struct roster *r, roster_keep_fn *keep, void *arg, struct err *e);

#endif
