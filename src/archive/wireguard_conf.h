/*
 * Configurations of WireGuard interfaces, as wg-quick reads them: which commands they would run.
 *
 * wg-quick hands PreUp, PostUp, PreDown and PostDown to a shell as root, so a file from outside may
 * not be brought up before somebody looked at these lines.
 */
#ifndef ARCHIVE_WIREGUARD_CONF_H
#define ARCHIVE_WIREGUARD_CONF_H

#include "base/buf.h"

#define WIREGUARD_CONF_MAX   ((size_t)1 << 20)
#define WIREGUARD_LINE_MAX   4096 /* bytes */
#define WIREGUARD_HOOKS_MAX  100
#define WIREGUARD_KEY_SHOWN  16  /* with NUL */
#define WIREGUARD_HOOK_SHOWN 200 /* with NUL */

/* A line that runs a command, or whose key is not known and so could mean anything. */
struct wireguard_hook {
    uint32_t line;                      /* from 1 */
    bool is_command;                    /* false: the key is not known */
    char key[WIREGUARD_KEY_SHOWN];      /* as it is written; as much as fits, on one line */
    char command[WIREGUARD_HOOK_SHOWN]; /* the same */
};

struct wireguard_conf {
    uint32_t interfaces, peers; /* sections */
    struct wireguard_hook *hooks;
    size_t hook_count;
    struct buf held; /* the lines of these and of SaveConfig as they stand, each with its end */
};
void wireguard_conf_auto(struct wireguard_conf *c);

/*
 * ERR_CORRUPT when it is not UTF-8, holds control characters, is beyond the limits, has a line that
 * is neither a section, "key = value", a comment nor empty, or not exactly one [Interface] and at
 * least one [Peer].  Keys count in either case and in any section, as wg-quick could be told to
 * read them.  Values are not judged.
 */
MUST_CHECK bool wireguard_conf_parse(struct slice text, struct wireguard_conf *out, struct err *e);

#endif
