/*
 * What the files of CFMS over WebSocket share.
 */
#ifndef SERVER_COMPAT_CFMS_PRIVATE_H
#define SERVER_COMPAT_CFMS_PRIVATE_H

#include <pthread.h>

#include "base/arena.h"
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

struct cfms {
    struct cfms_options options;
    uint8_t key[HASH_SIZE]; /* of tokens: as long as this process */
    pthread_mutex_t lock;   /* guards what follows */
    pthread_cond_t changed;
    size_t connections;
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
cfms_action_fn cfms_server_info, cfms_login, cfms_refresh, cfms_backup;

/* Accounts (cfms_account.c) */

/* Whether the token is one of this user, as he is now.  *login_ns: when it began with a login.
 * ERR_DENIED: it is not. */
MUST_CHECK bool cfms_token_check(struct cfms *c, const struct cfms_request *q, struct arena *a,
                                 struct catalog_user *out, int64_t *login_ns, struct err *e);

/* Who may order backups. */
bool cfms_may(const struct catalog_user *u);

/* Add a record of something that somebody asked for; takes over details, NULL: none. */
MUST_CHECK bool cfms_audit(struct catalog_tx *t, const struct cfms_conn *c,
                           const struct catalog_user *who, const char *action, const char *object,
                           json_t *details, struct err *e);

/* Jobs (cfms_backup.c) */

/* How a run ended; waits for it.  False: nobody waits any more, or (with e->code set) it cannot be
 * found out.  Texts stand in the arena. */
MUST_CHECK bool cfms_await(struct cfms_conn *c, const char *job, struct arena *a,
                           struct catalog_run *out, struct err *e);

#endif
