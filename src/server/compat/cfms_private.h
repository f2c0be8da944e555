/*
 * What the files of CFMS over WebSocket share.
 */
#ifndef SERVER_COMPAT_CFMS_PRIVATE_H
#define SERVER_COMPAT_CFMS_PRIVATE_H

#include <pthread.h>

#include "base/arena.h"
#include "codec/cfms_task.h"
#include "codec/hash.h"
#include "codec/json.h"
#include "server/compat/cfms.h"
#include "server/websocket.h"

#define CFMS_REQUEST_MAX ((size_t)64 << 10) /* bytes of a text message */
#define CFMS_TOKEN_S     3600
#define CFMS_LOGIN_S     43200 /* from a login its token can be made new */
#define CFMS_DELAY_MS    3000  /* before a login is refused */
#define CFMS_AWAITS_MS   60000 /* until somebody has shown who he is */
#define CFMS_BAD_MESSAGE 1007  /* RFC 6455 7.4.1 */
#define CFMS_NO_BINARY   1003
#define CFMS_POLICY      1008
#define CFMS_TOO_BIG     1009

#define CFMS_TASK_SIZE   (CFMS_TASK_DIGITS + 1)

/* An import, from its announcement on (cfms_tasks.c). */
struct cfms_task {
    char id[CFMS_TASK_SIZE];
    char uploads[2][CFMS_TASK_SIZE]; /* what the client says to upload archive and key: secrets */
    char user[CATALOG_USER_NAME_MAX + 1];
    char job[CATALOG_ID_SIZE]; /* "": it was not started */
    int64_t created_ns, started_ns;
    int64_t until_ns; /* it can be started */
    bool is_busy[2];  /* an upload is under way */
    bool is_ended;    /* its job, and nothing of the uploads is kept */
};

struct cfms {
    struct cfms_options options;
    uint8_t key[HASH_SIZE]; /* of tokens: as long as this process */
    char *folder;           /* of tasks */
    pthread_t thread;       /* that looks after imports, when is_running */
    bool is_running;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_stopping;
    size_t connections;
    struct cfms_conn *listeners; /* guarded by lock, too, with their next_listener */
    struct cfms_task *tasks;
    size_t task_count;
};

/* Messages (cfms_message.c) */

/* A request that is well-formed; borrows from its document. */
struct cfms_request {
    const char *action;           /* "" when there is none */
    const json_t *data;           /* any JSON, an object unless somebody errs */
    const char *username, *token; /* "" when absent */
    json_t *document;             /* owned */
};
void cfms_request_auto(struct cfms_request *q);
/* False: the published server would close the connection without a word. */
MUST_CHECK bool cfms_request_parse(struct slice text, struct cfms_request *out);

/* As Python's json.dumps() with ensure_ascii=False. */
void cfms_json_write(const json_t *j, struct buf *out);

/* Since 1970, as messages have times. */
double cfms_seconds(int64_t ns);

/* {"code", "data", "message", "timestamp"}, in this order and as Python's json.dumps() with
 * ensure_ascii=False writes it.  Takes over data; NULL: {}. */
void cfms_envelope(unsigned code, json_t *data, const char *message, int64_t now_ns,
                   struct buf *out);

/* Members of data, ends with a name of NULL. */
struct cfms_member {
    const char *name;
    bool is_required;
    bool is_number;    /* a whole one; else a text */
    int64_t low, high; /* of it; or code points of a text */
};
/*
 * Whether data is an object of these members and no others.  False: a sentence as jsonschema's, in
 * which the member's name stands for a value, and {"validator", "validator_value"} (owned).
 */
MUST_CHECK bool cfms_check(const json_t *data, const struct cfms_member *members,
                           struct buf *sentence, json_t **details);

/* Connections (cfms_conn.c) */

struct cfms_conn;
extern const struct websocket_protocol cfms_protocol;

struct cfms *cfms_conn_cfms(const struct cfms_conn *c);
const char *cfms_conn_address(const struct cfms_conn *c);
/* Send the answer to a request; data NULL: {}. */
void cfms_conn_answer(struct cfms_conn *c, unsigned code, json_t *data, const char *message);
/* Something went wrong inside: to the log, under a name that the client gets as well. */
void cfms_conn_fail(struct cfms_conn *c, const struct err *e);
/* Send a message as it is. */
void cfms_conn_say(struct cfms_conn *c, bool is_text, struct slice bytes);
/* The next message, for those who have more than one: appended.  False after so long, which ends
 * the connection, and when nobody is there any more. */
MUST_CHECK bool cfms_conn_take(struct cfms_conn *c, int64_t ms, bool *is_text, struct buf *out);
void cfms_conn_end(struct cfms_conn *c, uint16_t code);
/* Let it hear of imports; it may stay. */
void cfms_conn_listen(struct cfms_conn *c);
/* To all that listen, as a binary message. */
void cfms_broadcast(struct cfms *c, struct slice bytes);
/* Somebody has shown who he is: the connection may stay. */
void cfms_conn_know(struct cfms_conn *c);
/* Wait; false when nobody is there any more. */
MUST_CHECK bool cfms_conn_wait(struct cfms_conn *c, int64_t ms);

/* Actions (cfms_actions.c) */

/* Answer a request; on the connection's thread. */
void cfms_act(struct cfms_conn *c, const struct cfms_request *q);

/* Who asks, of actions that want to know. */
struct cfms_asker {
    struct catalog_user user;
    struct arena arena; /* of it */
};
typedef void cfms_action_fn(struct cfms_conn *c, const struct cfms_request *q,
                            const struct cfms_asker *who);
cfms_action_fn cfms_server_info, cfms_login, cfms_refresh, cfms_backup, cfms_upload, cfms_listen;
cfms_action_fn cfms_import_initiate, cfms_import_start, cfms_import_status;

/* Accounts (cfms_account.c) */

/* Whether the token is one of this user, as he is now.  *login_ns: when it began with a login.
 * ERR_DENIED: it is not. */
MUST_CHECK bool cfms_token_check(struct cfms *c, const struct cfms_request *q, struct arena *a,
                                 struct catalog_user *out, int64_t *login_ns, struct err *e);

/* Who may order backups and imports. */
bool cfms_may(const struct catalog_user *u);

/* Add a record of something that somebody asked for; takes over details, NULL: none. */
MUST_CHECK bool cfms_audit(struct catalog_tx *t, const struct cfms_conn *c,
                           const struct catalog_user *who, const char *action, const char *object,
                           json_t *details, struct err *e);

/* Jobs (cfms_backup.c) */

/* The present run of a job; texts stand in the arena. */
MUST_CHECK bool cfms_look(const struct cfms *c, const char *job, struct arena *a,
                          struct catalog_run *out, struct err *e);

/* How a run ended; waits for it.  False: nobody waits any more, or (with e->code set) it cannot be
 * found out.  Texts stand in the arena. */
MUST_CHECK bool cfms_await(struct cfms_conn *c, const char *job, struct arena *a,
                           struct catalog_run *out, struct err *e);

/* Tasks of imports (cfms_tasks.c); all take the lock. */

MUST_CHECK bool cfms_tasks_open(struct cfms *c, struct err *e);
/* ERR_TRANSIENT: there are too many. */
MUST_CHECK bool cfms_task_new(struct cfms *c, const char *user, int64_t seconds,
                              struct cfms_task *out, struct err *e);
bool cfms_task_get(struct cfms *c, const char *id, struct cfms_task *out);
/* Whether archive (0) or key (1) is there; without the lock. */
bool cfms_task_has(const struct cfms *c, const struct cfms_task *t, int which);
enum cfms_upload_answer {
    CFMS_UPLOAD_YES,   /* cfms_upload_end() follows */
    CFMS_UPLOAD_NONE,  /* there is no such task */
    CFMS_UPLOAD_WRONG, /* it was uploaded, is being uploaded, or the import was started */
    CFMS_UPLOAD_OVER,
};
enum cfms_upload_answer cfms_upload_begin(struct cfms *c, const char *secret, struct cfms_task *out,
                                          int *which);
void cfms_upload_end(struct cfms *c, const char *id, int which);
/* Note its job. */
MUST_CHECK bool cfms_task_start(struct cfms *c, const char *id, const char *job, struct err *e);
/* The job has ended: remove what was uploaded. */
void cfms_task_clear(struct cfms *c, const struct cfms_task *t);
/* Remove uploads of those that were never started, and tasks of yesterday. */
void cfms_tasks_sweep(struct cfms *c);
/* Copies of those whose job is under way; to be released. */
size_t cfms_tasks_running(struct cfms *c, struct cfms_task **out);

/* Imports (cfms_import.c) */

/* Tell of those that ended; on the thread that looks after them. */
void cfms_imports_look(struct cfms *c);

#endif
