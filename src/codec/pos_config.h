/*
 * Backup configurations of the POS service in JSON, as its console and its files write them:
 *
 *     {
 *       "id": "daily-db-backup",            [A-Za-z0-9._-], not first '.' or '-', at most 100
 *       "name": "Daily Database Backup",    at most 200 bytes, no control characters
 *       "type": "database",                 full incremental differential database files
 *       "schedule": "0 2 * * *",            cron, local time ...
 *       "timezone": "Europe/Berlin",        ... of this zone, which is ours; of the host when
 * absent "retention": {"daily": 7, "weekly": 4, "monthly": 6},     0 to 10000, not all 0
 *       "compression": "gzip",              gzip bzip2 none; gzip when absent
 *       "encryption": true,                 true when absent
 *       "destinations": [                   1 to 16, all different
 *         {"type": "s3", "config": {"bucket": "b", "region": "r", "folder": "f"}},   "endpoint" too
 *         {"type": "local", "config": {"path": "/backup"}}
 *       ],
 *       "notifications": {"onSuccess": ["a@b.c"], "onFailure": []},
 *       "enabled": true,                    false when absent
 *       "sources": [                        ours; absent: what the host has for the type
 *         {"type": "postgres", "config": {"server": "main", "database": "shop"}},   a name of the
 *         {"type": "sqlite", "name": "app", "config": {"path": "/srv/app.db"}},     host's file
 *         {"type": "files", "config": {"paths": ["/srv/uploads"], "exclude": ["*.tmp"]}}
 *       ]
 *     }
 *
 * The text is kept as it came, so that it can be handed out unchanged.  There is no place for a
 * secret in it: unknown members are refused wherever they stand.
 */
#ifndef CODEC_POS_CONFIG_H
#define CODEC_POS_CONFIG_H

#include <jansson.h>

#include "base/buf.h"

#define POS_CONFIG_MAX       ((size_t)64 << 10) /* bytes of text */
#define POS_ID_MAX           100
#define POS_NAME_MAX         200
#define POS_KEEP_MAX         10000
#define POS_DESTINATIONS_MAX 16
#define POS_RECIPIENTS_MAX   100
#define POS_SOURCES_MAX      16

/* What jobs that try a configuration have for a set, which none is called. */
#define POS_TRIAL_SET ":trial"

/* In the order of pos_type_text(). */
enum pos_type { POS_FULL, POS_INCREMENTAL, POS_DIFFERENTIAL, POS_DATABASE, POS_FILES };

/* Texts are borrowed from the document. */
struct pos_destination {
    bool is_s3;
    const char *path;                     /* local: absolute, without ".." */
    const char *bucket, *region, *folder; /* s3 */
    const char *endpoint;                 /* s3: "https://HOST[:PORT]", or NULL */
};

enum pos_source_kind { POS_POSTGRES, POS_SQLITE, POS_TREES };

/* By kind; the rest is NULL. */
struct pos_source {
    enum pos_source_kind kind;
    const char *name;              /* in snapshots; NULL: the usual one */
    const char *server, *database; /* postgres: as the host calls it; NULL: the one it names */
    const char *path;              /* sqlite: absolute, without ".." */
    const char **paths, **exclude; /* files: at least one path, each as path */
    size_t path_count, exclude_count;
};

struct pos_config {
    char *text;       /* as it came */
    json_t *document; /* what it says */
    const char *id, *name, *schedule;
    const char *timezone; /* or NULL */
    enum pos_type type;
    int daily, weekly, monthly;
    const char *compression;
    bool encryption, enabled;
    struct pos_destination *destinations;
    size_t destination_count;
    struct pos_source *sources;
    size_t source_count;                   /* 0: what the host has for the type */
    const char **on_success, **on_failure; /* addresses of mail */
    size_t on_success_count, on_failure_count;
};

/* What a configuration is for decides what it must have. */
enum pos_purpose {
    POS_SAVE, /* id, name, type, schedule, retention, and then destinations */
    POS_TEST, /* name, type, destinations; id and schedule may be NULL */
};

/*
 * ERR_USAGE with a sentence that begins with the path of the fault, "destinations[1].config.path:
 * must be an absolute path", and never repeats a value that could be a secret.  As in the original:
 * "<field> is required" when one is absent, null, "", 0 or false, in the order above, before
 * anything else is looked at; and "Invalid cron schedule", only when it is enabled.
 */
MUST_CHECK bool pos_config_parse(struct slice text, enum pos_purpose purpose,
                                 struct pos_config **out, struct err *e);
void pos_config_free(struct pos_config *c); /* accepts NULL */
void pos_config_auto(struct pos_config **c);

const char *pos_type_text(enum pos_type t);

#endif
