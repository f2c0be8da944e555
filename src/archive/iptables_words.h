/* Private to src/archive: which words may stand in a rule. */
#ifndef ARCHIVE_IPTABLES_WORDS_H
#define ARCHIVE_IPTABLES_WORDS_H

#include "archive/iptables_rules.h"

/* Chains that a table has of itself; ends with NULL. */
const char *const *iptables_chains_built_in(enum iptables_table table);
bool iptables_chain_is_built_in(enum iptables_table table, const char *name);
/* ERR_CORRUPT unless a user's chain may be called so. */
MUST_CHECK bool iptables_chain_check(const char *name, struct err *e);

/*
 * All words behind "-A CHAIN"; *jump is the user's chain that the rule goes to, or NULL.
 * ERR_CORRUPT.
 */
MUST_CHECK bool iptables_words_check(enum iptables_table table, const char *const *words,
                                     size_t count, const char **jump, struct err *e);

#endif
