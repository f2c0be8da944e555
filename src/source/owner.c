#include "source/owner.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>

#include "base/mem.h"

#define OWNER_ANSWER_MAX ((size_t)1 << 20)

void owners_done(struct owners *o)
{
    for (size_t i = 0; i < OWNER_SLOTS; i++) {
        for (int kind = OWNER_USER; kind <= OWNER_GROUP; kind++) {
            mem_free(o->names[kind][i].name);
            mem_free(o->ids[kind][i].name);
        }
    }
    *o = (struct owners){0};
}

void owners_auto(struct owners *o)
{
    owners_done(o);
}

/* What to ask: by name, or by id when name is NULL. */
struct question {
    enum owner_kind kind;
    const char *name;
    uint32_t id;
};

/* One attempt with this much room for the answer; 0, ERANGE or another reason. */
static int ask_once(const struct question *q, struct buf *room, const char **name, uint32_t *id)
{
    struct passwd user, *found_user = NULL;
    struct group group, *found_group = NULL;
    char *at = (char *)room->data;
    int result = 0;

    if (q->kind == OWNER_USER)
        result = q->name != NULL ? getpwnam_r(q->name, &user, at, room->room, &found_user)
                                 : getpwuid_r(q->id, &user, at, room->room, &found_user);
    else
        result = q->name != NULL ? getgrnam_r(q->name, &group, at, room->room, &found_group)
                                 : getgrgid_r(q->id, &group, at, room->room, &found_group);
    if (found_user != NULL) {
        *name = found_user->pw_name;
        *id = found_user->pw_uid;
    }
    if (found_group != NULL) {
        *name = found_group->gr_name;
        *id = found_group->gr_gid;
    }
    return result;
}

/* *name points into room; NULL when there is no answer, for whatever reason. */
static void ask(const struct question *q, struct buf *room, const char **name, uint32_t *id)
{
    *name = NULL;
    for (size_t size = 1024; size <= OWNER_ANSWER_MAX; size *= 4) {
        buf_reserve(room, size);
        if (ask_once(q, room, name, id) != ERANGE)
            return;
    }
}

struct slice owner_name(struct owners *o, enum owner_kind kind, uint32_t id)
{
    struct owner_name *slot = &o->names[kind][id % OWNER_SLOTS];

    if (slot->name == NULL || slot->id != id) {
        AUTO(buf) struct buf room = {0};
        const struct question q = {.kind = kind, .id = id};
        const char *name = NULL;
        uint32_t ignored = 0;

        ask(&q, &room, &name, &ignored);
        mem_free(slot->name);
        *slot = (struct owner_name){mem_string(name == NULL ? "" : name), id};
    }
    return slice_string(slot->name);
}

static size_t hash_name(const char *name)
{
    uint32_t h = 2166136261U;

    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 16777619U;
    return h % OWNER_SLOTS;
}

bool owner_id(struct owners *o, enum owner_kind kind, struct slice name, uint32_t *id)
{
    if (name.size == 0 || memchr(name.data, '\0', name.size) != NULL)
        return false;

    AUTO(mem) char *text = mem_dup(name.data, name.size);
    struct owner_id *slot = &o->ids[kind][hash_name(text)];

    if (slot->name == NULL || strcmp(slot->name, text) != 0) {
        AUTO(buf) struct buf room = {0};
        const struct question q = {.kind = kind, .name = text};
        const char *found = NULL;
        uint32_t number = 0;

        ask(&q, &room, &found, &number);
        mem_free(slot->name);
        *slot = (struct owner_id){TAKE(text), number, found != NULL};
    }
    *id = slot->id;
    return slot->is_known;
}
