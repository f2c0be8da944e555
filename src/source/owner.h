/*
 * Names of users and groups.  Asking the system takes a file or a network service, so that
 * answers are kept.  Private to src/source.
 */
#ifndef SOURCE_OWNER_H
#define SOURCE_OWNER_H

#include "base/buf.h"

enum owner_kind {
    OWNER_USER,
    OWNER_GROUP,
};

#define OWNER_SLOTS 64

struct owner_name {
    char *name; /* NULL: not asked yet; "": there is none */
    uint32_t id;
};

struct owner_id {
    char *name; /* NULL: not asked yet */
    uint32_t id;
    bool is_known;
};

/* One thread uses it at a time; {0} is valid. */
struct owners {
    struct owner_name names[2][OWNER_SLOTS]; /* by enum owner_kind */
    struct owner_id ids[2][OWNER_SLOTS];
};
void owners_done(struct owners *o);
void owners_auto(struct owners *o);

/* The name of a number, valid until the next call; empty when there is none. */
struct slice owner_name(struct owners *o, enum owner_kind kind, uint32_t id);

/* The number of a name; false when this system does not know it. */
bool owner_id(struct owners *o, enum owner_kind kind, struct slice name, uint32_t *id);

#endif
