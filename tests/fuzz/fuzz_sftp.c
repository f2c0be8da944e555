/*
 * What an SFTP server says, behind its length: the answer to INIT, and any other.
 */
#include <assert.h>
#include <string.h>

#include "store/sftp_packet.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_version(struct slice packet)
{
    struct sftp_abilities a;
    struct err e = {0};

    if (version_parse(packet, &a, &e))
        assert(a.read_size == SFTP_STEP && a.write_size == SFTP_STEP);
    else
        assert(e.code == ERR_FATAL && e.text[0] != '\0');
}

static void check_inside(struct slice part, struct slice packet)
{
    assert(part.size == 0 ||
           (part.data >= packet.data && part.data + part.size <= packet.data + packet.size));
}

static void check_names(struct sftp_reply *r, struct slice packet)
{
    struct sftp_entry entry;
    struct err e = {0};

    for (uint32_t i = 0; i < r->count; i++) {
        if (!reply_take_entry(r, &entry, &e)) {
            assert(e.code == ERR_FATAL && e.text[0] != '\0');
            return;
        }
        check_inside(entry.name, packet);
        assert(entry.name.size > 0 && entry.name.size <= SFTP_NAME_MAX);
        assert(memchr(entry.name.data, '/', entry.name.size) == NULL);
        assert(memchr(entry.name.data, '\0', entry.name.size) == NULL);
    }
}

static void check_reply(struct slice packet)
{
    struct sftp_abilities limits = {.read_size = SFTP_STEP, .write_size = SFTP_STEP};
    struct sftp_reply r;
    struct err e = {0};

    if (!reply_parse(packet, &r, &e)) {
        assert(e.code == ERR_FATAL && e.text[0] != '\0');
        return;
    }
    check_inside(r.text, packet);
    check_inside(r.handle, packet);
    check_inside(r.data, packet);
    check_names(&r, packet);
    limits_take(&r, &limits);
    assert(limits.read_size >= SFTP_STEP && limits.read_size < SFTP_PACKET_MAX);
    assert(limits.write_size >= SFTP_STEP && limits.write_size < SFTP_PACKET_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice packet = SLICE_OF(data, size);

    check_version(packet);
    check_reply(packet);
    return 0;
}
