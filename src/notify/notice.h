/*
 * Notices: something happened that somebody wants to hear of.  Part of notify.h.
 */
#ifndef NOTIFY_NOTICE_H
#define NOTIFY_NOTICE_H

#include "notify/message.h"
#include "notify/template.h"

enum notice_event {
    NOTICE_BACKUP,
    NOTICE_DRILL,
    NOTICE_CHECK,
    NOTICE_RESTORE,
    NOTICE_RETENTION,
    NOTICE_MISSED,   /* a schedule came and nothing ran */
    NOTICE_DEAD_MAN, /* no success for longer than expected; its success: there is one again */
    NOTICE_TEST,     /* somebody tries whether messages arrive */
};

enum notice_outcome {
    NOTICE_SUCCESS,
    NOTICE_INCOMPLETE, /* there is a result, and something is missing in it */
    NOTICE_FAILURE,
};

/* Borrows its texts, which may be any bytes: they become UTF-8 in one line, cut to
 * TEMPLATE_VALUE_MAX bytes.  NULL: there is none, except for id. */
struct notice {
    enum notice_event event;
    enum notice_outcome outcome;
    const char *id;   /* of the run; the same notice made twice has it twice */
    const char *set;  /* its name, as people know it */
    const char *type; /* "full", "database", "files", ... */
    const char *snapshot;
    const char *error; /* a sentence; secrets are not in it */
    const char *host;  /* where it happened */
    bool has_size, has_duration;
    uint64_t size;       /* bytes */
    int64_t duration_ms; /* >= 0 */
    int64_t time_ns;     /* since 1970, >= 0 */
};

struct message_list {
    struct message *items;
    size_t count;
};
void message_list_auto(struct message_list *l);

/*
 * One message for each channel, in their order.  A channel that is none gets no message and
 * stops no other: its place in the list is in *bad as a bit when it is among the first 64, so that
 * the caller can report it.
 */
void notice_messages(const struct notice *n, const char *const *channels, size_t count,
                     const struct template_set *t, struct message_list *out, uint64_t *bad);

/* The event's name as it stands in documents: "backup", ..., "dead_man", "test". */
const char *notice_event_name(enum notice_event event);

#endif
