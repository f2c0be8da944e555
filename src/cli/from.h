/*
 * The other repository of a command with two: --from-repo and what unlocks it.
 */
#ifndef CLI_FROM_H
#define CLI_FROM_H

#include "cli/session.h"

struct from_args {
    char *repository, *repository_file;
    char *key_file, *password_file, *password_command;
};

/* As options of a command. */
/* clang-format off */
#define FROM_OPTION(type, member, name, part, value, help, variable, group)                        \
    {name, 0, OPTION_TEXT, offsetof(struct type, member.part), value, help, variable, group, NULL}
#define FROM_OPTIONS(type, member)                                                                 \
    FROM_OPTION(type, member, "from-repo", repository, "REPOSITORY",                               \
                "The other repository, to take from", "HOLDFAST_FROM_REPOSITORY",                  \
                "from-repository"),                                                                \
    FROM_OPTION(type, member, "from-repository-file", repository_file, "FILE",                     \
                "Read the other repository's place from FILE",                                     \
                "HOLDFAST_FROM_REPOSITORY_FILE", "from-repository"),                               \
    FROM_OPTION(type, member, "from-key-file", key_file, "FILE",                                   \
                "Unlock that one with the key file FILE", "HOLDFAST_FROM_KEY_FILE",    \
                "from-secret"),                                                                    \
    FROM_OPTION(type, member, "from-password-file", password_file, "FILE",                         \
                "Unlock that one with the password in FILE",                           \
                "HOLDFAST_FROM_PASSWORD_FILE", "from-secret"),                                     \
    FROM_OPTION(type, member, "from-password-command", password_command, "COMMAND",                \
                "Unlock that one with what COMMAND prints",               \
                "HOLDFAST_FROM_PASSWORD_COMMAND", "from-secret")
/* clang-format on */

/* Whether the options name another repository. */
bool from_is_given(const struct from_args *from);

/*
 * Open the other repository, whose password may also be in HOLDFAST_FROM_PASSWORD.  ERR_USAGE when
 * the options name none.  Its index is not loaded.
 */
MUST_CHECK bool from_open(struct call *call, const struct from_args *from, struct session *out,
                          struct err *e);

#endif
