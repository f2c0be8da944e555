/*
 * Looking into the snapshots of a set.  What is answered is what a command prints that runs beside
 * the service (service.h): it is held back until some KiB have come or the command has ended, so
 * that a failure up to there is told as one.  Behind that the answer breaks off.  Private to the
 * server.
 */
#ifndef SERVER_LOOK_H
#define SERVER_LOOK_H

#include "codec/json.h"
#include "server/request.h"

#define LOOK_NDJSON "application/x-ndjson"
#define LOOK_ID_MAX 64

struct looking {
    struct request *r;
    const char *verb;
    const char *type;   /* media type of the answer; NULL: one document, that the handler reads */
    json_t *arguments;  /* owned */
    json_t *words;      /* of them */
    bool is_download;   /* begins with a line about what is written */
    const char *suffix; /* of a download that is made of what is stored: ".csv"; or NULL */
    bool is_zip;        /* a directory is, instead of a tar */
    const char *action; /* of look_record() */
    bool is_linked;     /* asked for by a link */
    /* How much of a download is wanted, as far as what is held tells; NULL: all.  Type is NULL. */
    size_t (*most)(const struct looking *l);
    json_t *head; /* that line */
    struct buf held;
    bool has_begun;   /* the head of the answer is on its way */
    bool is_answered; /* by a refusal */
    bool is_enough;   /* there is more, and nobody wants it */
};
void looking_auto(struct looking *l);
struct looking look_new(struct request *r, const char *verb, const char *type);

/* Answer 400 about a parameter of the query.  Returns false. */
bool look_refuse(struct request *r, const char *name, const char *what);
/* Without control characters: texts become arguments, which others see. */
bool look_is_plain(const char *text);

/* Arguments out of the query; each false after the request was answered. */
MUST_CHECK bool look_word(struct looking *l, const char *word);
MUST_CHECK bool look_id(struct looking *l, const char *name, const char *id);
MUST_CHECK bool look_snapshot(struct looking *l); /* that the path names */
MUST_CHECK bool look_text(struct looking *l, const char *name);
MUST_CHECK bool look_flag(struct looking *l, const char *name);
MUST_CHECK bool look_after(struct looking *l);
MUST_CHECK bool look_check_path(struct request *r, const char *path);
MUST_CHECK bool look_path(struct looking *l, const char *absent); /* absent: NULL when needed */

/* Run it; the document in l->held is whole when this returns true, or as much as l->most() wants.
 * False after the request was answered. */
MUST_CHECK bool look_read(struct looking *l);
/* Run it and answer with what it prints. */
void look_answer(struct looking *l);

/* Have the audit log say that content is read, as "restore.download".  False after answering. */
MUST_CHECK bool look_record(struct looking *l, const char *action);

#endif
