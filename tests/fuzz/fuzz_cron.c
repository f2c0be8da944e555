/*
 * A text from anywhere is refused with a sentence, or is an expression whose moments ascend, fit
 * and are found on the way back too.  The first byte chooses a zone.
 */
#include <assert.h>
#include <string.h>

#include "codec/cron.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const rules[] = {
    "UTC0",
    "CET-1CEST,M3.5.0,M10.5.0/3",
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
    "AAA0BBB,M2.5.0,M10.5.0",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(zone) struct zone *z = NULL;
    AUTO(buf) struct buf text = {0};
    struct cron c;
    struct err e = {0};
    int64_t at = 1790000000;

    if (size == 0)
        return 0;
    buf_append(&text, data + 1, size - 1);
    if (!cron_parse(buf_string(&text), &c, &e)) {
        assert(e.code == ERR_USAGE && e.text[0] != '\0');
        return 0;
    }

    const bool is_opened = zone_parse(rules[data[0] % 4], &z, &e);

    assert(is_opened);
    for (int i = 0; i < 10; i++) {
        int64_t later = 0;
        int64_t back = 0;

        if (!cron_next(&c, z, at, &later))
            break;
        assert(later > at && later % 60 == 0);

        const bool is_found = cron_previous(&c, z, later + 1, &back);

        assert(is_found && back == later);
        at = later;
    }
    return 0;
}
