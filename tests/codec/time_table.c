/*
 * What cron and zones say, for a test that asks somebody else too.  Each line of standard input is
 * one question, each line of output its answer, "-" for none:
 *
 *     next|previous MOMENT ZONE EXPRESSION     a moment
 *     local MOMENT ZONE                        a local time
 *     utc LOCAL ZONE                           the first and the last moment
 *     parse 0 - EXPRESSION                     "yes"
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "codec/cron.h"

static void answer(const char *verb, int64_t moment, const char *name, const char *text)
{
    AUTO(zone) struct zone *z = NULL;
    struct err e = {0};
    struct cron c = {0};
    int64_t out = 0;
    const bool is_next = strcmp(verb, "next") == 0;

    if (name[0] != '-' && !zone_open(name, NULL, &z, &e)) {
        (void)printf("%s\n", e.text);
        return;
    }
    if (strcmp(verb, "local") == 0) {
        (void)printf("%" PRId64 "\n", zone_to_local(z, moment));
    } else if (strcmp(verb, "utc") == 0) {
        const struct zone_answer a = zone_from_local(z, moment);

        (void)printf("%" PRId64 " %" PRId64 "\n", a.first, a.last);
    } else if (!cron_parse(text, &c, &e)) {
        (void)printf("-\n");
    } else if (strcmp(verb, "parse") == 0) {
        (void)printf("yes\n");
    } else if (is_next ? cron_next(&c, z, moment, &out) : cron_previous(&c, z, moment, &out)) {
        (void)printf("%" PRId64 "\n", out);
    } else {
        (void)printf("-\n");
    }
}

int main(void)
{
    char line[1000];

    while (fgets(line, sizeof(line), stdin) != NULL) {
        char verb[20];
        char zone[100];
        int64_t moment = 0;
        int used = 0;

        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%19s %" SCNd64 " %99s %n", verb, &moment, zone, &used) < 3)
            return 1;
        answer(verb, moment, zone, line + used);
    }
    return 0;
}
