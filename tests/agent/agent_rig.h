/*
 * A key agent in a process and a folder of its own, as a command would start it.
 */
#ifndef AGENT_AGENT_RIG_H
#define AGENT_AGENT_RIG_H

#include <sys/types.h>

#include "agent/agent.h"
#include "support/fixture.h"

#define RIG_LONG_NS (INT64_C(3600) * 1000000000)

struct agent_rig {
    struct scratch scratch;
    char folder[80], path[100];
    pid_t pid; /* 0: none */
};

/* Start one, and wait until it can be asked.  A folder that is not there yet is made by it. */
void agent_rig_init(struct agent_rig *r, int64_t idle_ns, int64_t life_ns);
/* The same in a folder that agent_rig_init() has been called for; false when it ended instead. */
bool agent_rig_start(struct agent_rig *r, int64_t idle_ns, int64_t life_ns);
/* Wait for its end; its exit status, or minus the signal that ended it. */
int agent_rig_wait(struct agent_rig *r);
void agent_rig_auto(struct agent_rig *r);

/* A key that is all of one byte. */
struct agent_key agent_rig_key(uint8_t fill);
/* Whether the agent has that key, bit for bit. */
bool agent_rig_has(const struct agent_rig *r, uint8_t fill);

/* A stream socket that is connected to a path, or with is_server listens there. */
int agent_rig_socket(const char *path, bool is_server);

#endif
