/*
 * Private to src/agent: the keys, and when they end.  Times come from the caller, by a clock that
 * never goes back.
 */
#ifndef AGENT_AGENT_KEYS_H
#define AGENT_AGENT_KEYS_H

#include "agent/agent.h"

struct agent_kept {
    struct agent_key key;
    int64_t put_ns, used_ns;
    uint64_t uses;
};

/* Lives in secret memory; {0} but for the two limits is an empty one. */
struct agent_keys {
    struct agent_kept items[AGENT_KEYS_MAX]; /* behind count they are wiped */
    uint32_t count;
    int64_t idle_ns, life_ns;
};

/* False when there is none of that name, or its time is over. */
bool agent_keys_get(struct agent_keys *k, const uint8_t name[AGENT_NAME_SIZE], int64_t now_ns,
                    uint8_t sealed[AGENT_SEALED_SIZE]);
void agent_keys_put(struct agent_keys *k, const struct agent_key *key, int64_t now_ns);
/* Wipe those whose time is over. */
void agent_keys_expire(struct agent_keys *k, int64_t now_ns);
/* Wipe all; returns how many there were. */
uint32_t agent_keys_forget(struct agent_keys *k, int64_t now_ns);
uint32_t agent_keys_list(struct agent_keys *k, int64_t now_ns,
                         struct agent_row out[AGENT_KEYS_MAX]);

#endif
