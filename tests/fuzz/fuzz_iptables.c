/*
 * Rules of a firewall.  The first byte says what the rest is: 0 what iptables-save prints, 1 and 2
 * what -S prints of filter and of nat.  What is taken can be written, and what was written is taken
 * and written as the same.
 */
#include <assert.h>
#include <string.h>

#include "archive/iptables_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(iptables_rules) struct iptables_rules r = {0}, again = {0};
    AUTO(buf) struct buf once = {0};
    AUTO(buf) struct buf twice = {0};
    struct err e = {0};

    if (size == 0)
        return 0;

    const struct slice text = {data + 1, size - 1};
    const bool is_saved = data[0] % 3 == 0;
    const bool ok = is_saved ? iptables_rules_parse(text, &r, &e)
                             : iptables_listing_parse(
                                   text, data[0] % 3 == 1 ? IPTABLES_FILTER : IPTABLES_NAT, &r, &e);

    if (!ok) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return 0;
    }
    iptables_rules_write(&r, &once);
    assert(once.size == 0 || memchr(once.data, '\0', once.size) == NULL);
    if (!is_saved)
        return 0; /* a part goes to chains that it does not declare */
    assert(once.size <= text.size + sizeof("COMMIT\n") * IPTABLES_TABLES);
    assert(iptables_rules_parse(buf_slice(&once), &again, &e));
    iptables_rules_write(&again, &twice);
    assert(slice_is_equal(buf_slice(&once), buf_slice(&twice)));
    return 0;
}
