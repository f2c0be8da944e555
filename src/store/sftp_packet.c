#include "store/sftp_packet.h"

#include <assert.h>
#include <string.h>

enum {
    VERSION_SPOKEN = 3,
    /* Room for kind, id, handle, offset and lengths around the bytes of a read or write. */
    OVERHEAD = 1024,
    ID_OFFSET = SFTP_LENGTH_SIZE + 1,
    EXTENSIONS_MAX = 256, /* that a server may announce; OpenSSH has a dozen */
};

/* Which attributes follow. */
enum {
    ATTR_SIZE = 0x1,
    ATTR_OWNER = 0x2,
    ATTR_MODE = 0x4,
    ATTR_TIMES = 0x8,
    ATTR_EXTENDED = 0x80000000U,
    ATTR_KNOWN = ATTR_SIZE | ATTR_OWNER | ATTR_MODE | ATTR_TIMES,
};

static void write_u32(uint8_t *to, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(v >> (24 - 8 * i));
}

static uint32_t read_u32(const uint8_t *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

void packet_put_u32(struct buf *packet, uint32_t v)
{
    write_u32(buf_extend(packet, 4), v);
}

void packet_put_u64(struct buf *packet, uint64_t v)
{
    packet_put_u32(packet, (uint32_t)(v >> 32));
    packet_put_u32(packet, (uint32_t)v);
}

void packet_put_string(struct buf *packet, struct slice s)
{
    assert(s.size <= SFTP_PACKET_MAX);
    packet_put_u32(packet, (uint32_t)s.size);
    buf_append_slice(packet, s);
}

void packet_put_mode(struct buf *packet, uint32_t mode)
{
    packet_put_u32(packet, ATTR_MODE);
    packet_put_u32(packet, mode);
}

void packet_put_no_attributes(struct buf *packet)
{
    packet_put_u32(packet, 0);
}

void packet_begin(struct buf *packet, enum sftp_kind kind, uint32_t id)
{
    assert(packet->size == 0);
    packet_put_u32(packet, 0); /* see packet_end() */
    buf_put_u8(packet, (uint8_t)kind);
    packet_put_u32(packet, id);
}

void packet_end(struct buf *packet, size_t payload)
{
    const size_t length = packet->size - SFTP_LENGTH_SIZE + payload;

    assert(length <= SFTP_PACKET_MAX);
    write_u32(packet->data, (uint32_t)length);
}

void packet_set_id(struct buf *packet, uint32_t id)
{
    write_u32(packet->data + ID_OFFSET, id);
}

bool packet_length(const uint8_t in[SFTP_LENGTH_SIZE], size_t *out, struct err *e)
{
    const uint32_t length = read_u32(in);

    if (length == 0 || length > SFTP_PACKET_MAX)
        return err_set(e, ERR_FATAL, "the server announces a packet of %u bytes", length);
    *out = length;
    return true;
}

static bool take_be32(struct slice *s, uint32_t *out)
{
    struct slice bytes;

    if (!take_slice(s, 4, &bytes))
        return false;
    *out = read_u32(bytes.data);
    return true;
}

static bool take_be64(struct slice *s, uint64_t *out)
{
    uint32_t high = 0;
    uint32_t low = 0;

    if (s->size < 8 || !take_be32(s, &high) || !take_be32(s, &low))
        return false;
    *out = (uint64_t)high << 32 | low;
    return true;
}

static bool take_string(struct slice *s, struct slice *out)
{
    struct slice rest = *s;
    uint32_t length = 0;

    if (!take_be32(&rest, &length) || !take_slice(&rest, length, out))
        return false;
    *s = rest;
    return true;
}

static bool take_extended(struct slice *s)
{
    uint32_t count = 0;
    struct slice name;
    struct slice value;

    if (!take_be32(s, &count))
        return false;
    for (uint32_t i = 0; i < count; i++)
        if (!take_string(s, &name) || !take_string(s, &value))
            return false;
    return true;
}

static bool take_attributes(struct slice *s, struct sftp_attributes *out)
{
    uint32_t flags = 0;
    uint32_t mtime = 0;
    struct slice ignored;

    *out = (struct sftp_attributes){0};
    if (!take_be32(s, &flags) || (flags & ~(ATTR_KNOWN | ATTR_EXTENDED)) != 0)
        return false;
    out->has_size = (flags & ATTR_SIZE) != 0;
    out->has_mode = (flags & ATTR_MODE) != 0;
    out->has_mtime = (flags & ATTR_TIMES) != 0;
    if ((out->has_size && !take_be64(s, &out->size)) ||
        ((flags & ATTR_OWNER) != 0 && !take_slice(s, 8, &ignored)) ||
        (out->has_mode && !take_be32(s, &out->mode)) ||
        (out->has_mtime && (!take_slice(s, 4, &ignored) || !take_be32(s, &mtime))))
        return false;
    out->mtime = mtime;
    return (flags & ATTR_EXTENDED) == 0 || take_extended(s);
}

/* The fields of a reply of this kind, which end with the packet. */
static bool take_fields(struct slice *s, struct sftp_reply *r)
{
    struct slice language;

    switch ((int)r->kind) {
    case SFTP_STATUS:
        if (!take_be32(s, &r->status))
            return false;
        /* Servers before version 3 end here; some of today leave out the language. */
        return s->size == 0 || (take_string(s, &r->text) &&
                                (s->size == 0 || (take_string(s, &language) && s->size == 0)));
    case SFTP_HANDLE:
        return take_string(s, &r->handle) && r->handle.size > 0 &&
               r->handle.size <= SFTP_HANDLE_MAX && s->size == 0;
    case SFTP_DATA:
        return take_string(s, &r->data) && s->size == 0;
    case SFTP_ATTRS:
        return take_attributes(s, &r->attributes) && s->size == 0;
    case SFTP_NAME:
        r->entries = *s;
        return take_be32(&r->entries, &r->count) && r->count > 0;
    case SFTP_EXTENDED_REPLY:
        r->rest = *s;
        return true;
    default:
        return false;
    }
}

bool reply_parse(struct slice packet, struct sftp_reply *out, struct err *e)
{
    struct sftp_reply r = {0};
    struct slice s = packet;
    uint8_t kind = 0;

    if (!take_u8(&s, &kind) || !take_be32(&s, &r.id))
        return err_set(e, ERR_FATAL, "the server sends a packet of %zu bytes, which is no reply",
                       packet.size);
    r.kind = kind;
    if (!take_fields(&s, &r))
        return err_set(e, ERR_FATAL, "the server sends a packet of kind %d that is malformed",
                       kind);
    *out = r;
    return true;
}

static bool is_name(struct slice s)
{
    return s.size > 0 && s.size <= SFTP_NAME_MAX && memchr(s.data, '/', s.size) == NULL &&
           memchr(s.data, '\0', s.size) == NULL;
}

bool reply_take_entry(struct sftp_reply *r, struct sftp_entry *out, struct err *e)
{
    struct slice rest = r->entries;
    struct sftp_entry entry = {0};
    struct slice line; /* as of "ls -l" */

    if (!take_string(&rest, &entry.name) || !take_string(&rest, &line) ||
        !take_attributes(&rest, &entry.attributes))
        return err_set(e, ERR_FATAL, "the server sends a listing that is cut off");
    if (!is_name(entry.name))
        return err_set(e, ERR_FATAL, "the server sends a name that no file can have");
    r->entries = rest;
    *out = entry;
    return true;
}

static bool is_extension(struct slice name, struct slice version, const char *wanted)
{
    return slice_is_equal(name, slice_string(wanted)) && slice_is_equal(version, slice_string("1"));
}

bool version_parse(struct slice packet, struct sftp_abilities *out, struct err *e)
{
    struct sftp_abilities a = {.read_size = SFTP_STEP, .write_size = SFTP_STEP};
    struct slice s = packet;
    uint32_t version = 0;
    uint8_t kind = 0;

    if (!take_u8(&s, &kind) || kind != SFTP_VERSION || !take_be32(&s, &version))
        return err_set(e, ERR_FATAL, "the server does not begin as SFTP does");
    if (version != VERSION_SPOKEN)
        return err_set(e, ERR_FATAL, "the server speaks version %u of SFTP, and not 3", version);
    for (int i = 0; s.size > 0; i++) {
        struct slice name;
        struct slice value;

        if (i == EXTENSIONS_MAX || !take_string(&s, &name) || !take_string(&s, &value))
            return err_set(e, ERR_FATAL, "the server's list of extensions is malformed");
        a.can_link = a.can_link || is_extension(name, value, "hardlink@openssh.com");
        a.can_replace = a.can_replace || is_extension(name, value, "posix-rename@openssh.com");
        a.can_sync = a.can_sync || is_extension(name, value, "fsync@openssh.com");
        a.has_limits = a.has_limits || is_extension(name, value, "limits@openssh.com");
    }
    *out = a;
    return true;
}

/* 0 means that the server sets no limit, which ours is then. */
static uint32_t size_within(uint64_t limit)
{
    const uint64_t most = SFTP_PACKET_MAX - OVERHEAD;

    return (uint32_t)(limit == 0 || limit > most ? most : limit);
}

void limits_take(const struct sftp_reply *r, struct sftp_abilities *out)
{
    struct slice s = r->rest;
    uint64_t packet = 0;
    uint64_t read = 0;
    uint64_t write = 0;

    if (r->kind != SFTP_EXTENDED_REPLY || !take_be64(&s, &packet) || !take_be64(&s, &read) ||
        !take_be64(&s, &write))
        return;
    /* What a server says for nothing to go through is not what it does. */
    out->read_size = read == 0 || read >= SFTP_STEP ? size_within(read) : SFTP_STEP;
    out->write_size = write == 0 || write >= SFTP_STEP ? size_within(write) : SFTP_STEP;
}
