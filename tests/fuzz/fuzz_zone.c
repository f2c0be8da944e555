/*
 * A file from anywhere is refused as damaged, or is a zone whose spans join without a gap and whose
 * answers agree with them.
 */
#include <assert.h>

#include "codec/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_around(const struct zone *z, int64_t moment)
{
    const struct zone_span span = zone_span_at(z, moment);
    const struct zone_answer a = zone_from_local(z, moment + span.offset_s);

    assert(span.begin <= moment && moment < span.end);
    assert(a.fit != ZONE_NEVER && a.first <= moment && moment <= a.last);
    assert(a.fit == ZONE_TWICE || a.first == a.last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(zone) struct zone *z = NULL;
    struct err e = {0};

    if (!zone_read(SLICE_OF(data, size), &z, &e)) {
        assert(e.code == ERR_CORRUPT);
        return 0;
    }
    for (int64_t moment = -2000000000; moment < 5000000000; moment += 10000019)
        check_around(z, moment);
    for (int64_t moment = zone_span_at(z, 1700000000).end, i = 0; i < 20; i++) {
        if (moment >= ZONE_MOMENT_MAX / 2 || moment <= -ZONE_MOMENT_MAX / 2)
            break;
        assert(zone_span_at(z, moment).begin == moment);
        check_around(z, moment);
        check_around(z, moment - 1);
        moment = zone_span_at(z, moment).end;
    }
    return 0;
}
