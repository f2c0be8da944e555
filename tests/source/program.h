/* Programs that the tests write, and commands made of them. */
#ifndef SOURCE_PROGRAM_H
#define SOURCE_PROGRAM_H

#include "source/recorder.h"

/* An argument vector; valid until the next 15 calls. */
const char *const *argv_of(const char *program, const char *first, const char *second);

/* Write an executable file of these lines, which are run by /bin/sh, and yield its path. */
const char *program_put(const struct scratch *s, const char *name, const char *lines);

/* "<scratch>/<name>"; valid until the next 15 calls. */
const char *path_in(const struct scratch *s, const char *name);

/* Announce and send a command as a set does; *failure is what the member says. */
bool command_back_up(const struct command_options *o, struct recorder *r, struct err *failure,
                     struct err *e);

/*
 * A stand-in for a firewall: programs that keep their rules in the file "rules" of a folder, as
 * iptables-save and iptables-restore keep theirs in the kernel.  Rules with "bad" in them do not
 * pass the check; those with "half" do, but are applied by half and then fail.  While there is a
 * file "broken" nothing is applied.
 */
struct firewall {
    struct scratch scratch;
    struct command_options options;
    struct command_confirm how; /* journals in <scratch>/journals, 300 ms, answers stay undecided */
};
void firewall_init(struct firewall *f, const char *rules);
void firewall_auto(struct firewall *f);
bool firewall_is(const struct firewall *f, const char *rules);
bool firewall_apply(struct firewall *f, const char *rules, struct err *e);
bool firewall_has_journal(const struct firewall *f);
bool firewall_recover(const struct firewall *f, size_t *count, struct err *e);

/* A text as a feed; the text moves on. */
struct command_feed feed_of(struct slice *text);

/* Call it in a process of its own, which may be asked to stop; its result. */
bool in_child(bool (*fn)(void *arg), void *arg);

/* The whole of a file; fails the test without it. */
void file_take(const char *path, struct buf *out);
bool file_is(const char *path, const char *content);

#endif
