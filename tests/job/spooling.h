/* A spool with a repository that its bundles are sealed to. */
#ifndef TESTS_JOB_SPOOLING_H
#define TESTS_JOB_SPOOLING_H

#include "job/world.h"

/* What the published client sends, with a number that tells one from the other. */
static inline const char *bundle_text(int number)
{
    static char texts[8][400];
    static int next;
    char *to = texts[next++ % 8];

    (void)snprintf(to, sizeof(texts[0]),
                   "{\"timestamp\":\"2026-11-20T20:50:02.080Z\",\"version\":\"1.0.0\",\"data\":{"
                   "\"users\":[\"alice\",\"bob\"],\"sessions\":[\"session_%d\"],\"firewall_state\":"
                   "{\"active\": true},\"metadata\":{\"source\":\"main-private-files\"}}}",
                   number);
    return to;
}

static inline void spool_let_in(const char *folder, const struct repo *r)
{
    struct spool_recipient one = {.name = "main"};

    repo_recipient(r, &one.to);
    CHECK_OK(spool_recipients_write(folder, &one, 1, e));
}

static inline struct spool_options spool_options_of(const char *folder)
{
    return (struct spool_options){
        .folder = folder, .names = SPOOL_COUNTED, .bytes_max = 1 << 30, .count_max = 100000};
}

static const struct spool_sender nobody = {.uid = -1};

static inline bool put_text(struct spool *s, const char *text, struct spool_receipt *out,
                            struct err *e)
{
    return spool_put(s, slice_string(text), &nobody, out, e);
}

#endif
