/*
 * Entries.  u8 and i64 are little-endian, a varint is LEB128 in its shortest form, bytes are a
 * varint of the length and then the bytes.
 *
 *     entry = type (u8) | flags (varint) | name (bytes) | mode (varint) | uid (varint)
 *             | gid (varint) | user (bytes) | group (bytes) | mtime (i64) | ctime (i64)
 *             | device (varint) | inode (varint) | links (varint) | size (varint)
 *             | xattrs (bytes) | rest
 *     rest  = file:      holes (bytes) | cut (u8) | content (bytes)
 *             directory: id of its tree chunk (32)
 *             symlink:   target (bytes)
 *             devices:   device number (varint)
 *             others:    nothing
 *
 * An entry has one encoded form only.  What may stand in it is written once, in entry_check():
 * the decoder refuses anything else as damage, the encoder asserts it.
 */
#include "codec/entry.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

enum {
    FLAGS_KNOWN = ENTRY_FUZZY | ENTRY_INDIRECT | ENTRY_UNTRUSTED_TIME,
    MODE_BITS = 07777,
};

static bool corrupt(struct err *e, const char *what)
{
    return err_set(e, ERR_CORRUPT, "%s", what);
}

static bool has_nul(struct slice s)
{
    return s.size > 0 && memchr(s.data, 0, s.size) != NULL;
}

static bool name_check(struct slice name, struct err *e)
{
    if (name.size == 0 || name.size > ENTRY_NAME_MAX)
        return err_set(e, ERR_CORRUPT, "a name has %zu bytes", name.size);
    if (memchr(name.data, '/', name.size) != NULL || has_nul(name))
        return corrupt(e, "a name holds a slash or NUL");
    if (slice_is_equal(name, slice_string(".")) || slice_is_equal(name, slice_string("..")))
        return corrupt(e, "a name is \".\" or \"..\"");
    return true;
}

static bool xattrs_check(struct slice xattrs, struct err *e)
{
    if (xattrs.size > ENTRY_XATTR_MAX)
        return err_set(e, ERR_CORRUPT, "extended attributes take %zu bytes", xattrs.size);
    while (xattrs.size > 0) {
        struct slice name = {0};
        struct slice value = {0};

        if (!take_bytes(&xattrs, &name) || !take_bytes(&xattrs, &value))
            return corrupt(e, "an extended attribute is cut short");
        if (name.size == 0 || has_nul(name))
            return corrupt(e, "the name of an extended attribute is empty or holds NUL");
    }
    return true;
}

static bool holes_check(struct slice holes, uint64_t file_size, struct err *e)
{
    uint64_t previous_end = 0;
    bool is_first = true;

    if (holes.size > ENTRY_HOLES_MAX)
        return err_set(e, ERR_CORRUPT, "the list of holes takes %zu bytes", holes.size);
    while (holes.size > 0) {
        uint64_t offset = 0;
        uint64_t length = 0;
        uint64_t end = 0;

        if (!take_varint(&holes, &offset) || !take_varint(&holes, &length))
            return corrupt(e, "the list of holes is cut short");
        if (length == 0 || __builtin_add_overflow(offset, length, &end) || end > file_size)
            return corrupt(e, "a hole is empty or not inside the file");
        if (!is_first && offset <= previous_end)
            return corrupt(e, "holes overlap, touch or do not ascend");
        previous_end = end;
        is_first = false;
    }
    return true;
}

static bool file_check(const struct entry *en, struct err *e)
{
    const bool is_indirect = (en->flags & ENTRY_INDIRECT) != 0;
    const size_t ids = en->content.size / HASH_SIZE;

    if (en->cut > CUT_LINES)
        return err_set(e, ERR_CORRUPT, "the way of cutting %u is not known", (unsigned)en->cut);
    if (en->content.size % HASH_SIZE != 0)
        return err_set(e, ERR_CORRUPT, "the list of chunks takes %zu bytes, not a multiple of %d",
                       en->content.size, HASH_SIZE);
    if (ids > (is_indirect ? LIST_CHUNK_IDS : ENTRY_DIRECT_MAX))
        return err_set(e, ERR_CORRUPT, "the list of chunks has %zu ids", ids);
    return holes_check(en->holes, en->size, e);
}

static bool rest_check(const struct entry *en, struct err *e)
{
    switch (en->type) {
    case ENTRY_FILE:
        return file_check(en, e);
    case ENTRY_SYMLINK:
        if (en->target.size == 0 || en->target.size > ENTRY_TARGET_MAX || has_nul(en->target))
            return corrupt(e, "the target of a symbolic link is empty, too long or holds NUL");
        return true;
    case ENTRY_DIRECTORY:
    case ENTRY_FIFO:
    case ENTRY_SOCKET:
    case ENTRY_CHARACTER_DEVICE:
    case ENTRY_BLOCK_DEVICE:
        return true;
    }
    return err_set(e, ERR_CORRUPT, "type %u is not known", (unsigned)en->type);
}

/* Everything that docs/FORMAT.md demands of the fields; their names come first. */
static bool entry_check(const struct entry *en, struct err *e)
{
    if (!name_check(en->name, e))
        return false;
    if ((en->flags & ~(uint32_t)FLAGS_KNOWN) != 0)
        return err_set(e, ERR_CORRUPT, "flags %#x are not known",
                       en->flags & ~(uint32_t)FLAGS_KNOWN);
    if ((en->flags & ENTRY_INDIRECT) != 0 && en->type != ENTRY_FILE)
        return corrupt(e, "the flag for indirect content stands on what is no file");
    if (en->mode > MODE_BITS)
        return err_set(e, ERR_CORRUPT, "mode %#o has more than permission bits", en->mode);
    return xattrs_check(en->xattrs, e) && rest_check(en, e);
}

static void rest_encode(const struct entry *en, struct buf *out)
{
    switch (en->type) {
    case ENTRY_FILE:
        buf_put_bytes(out, en->holes);
        buf_put_u8(out, (uint8_t)en->cut);
        buf_put_bytes(out, en->content);
        break;
    case ENTRY_DIRECTORY:
        buf_append(out, en->subtree.bytes, HASH_SIZE);
        break;
    case ENTRY_SYMLINK:
        buf_put_bytes(out, en->target);
        break;
    case ENTRY_CHARACTER_DEVICE:
    case ENTRY_BLOCK_DEVICE:
        buf_put_varint(out, en->rdev);
        break;
    case ENTRY_FIFO:
    case ENTRY_SOCKET:
        break;
    }
}

void entry_encode(const struct entry *en, struct buf *out)
{
    struct err e;
    const bool ok = entry_check(en, &e);

    assert(ok);
    buf_put_u8(out, (uint8_t)en->type);
    buf_put_varint(out, en->flags);
    buf_put_bytes(out, en->name);
    buf_put_varint(out, en->mode);
    buf_put_varint(out, en->uid);
    buf_put_varint(out, en->gid);
    buf_put_bytes(out, en->user);
    buf_put_bytes(out, en->group);
    buf_put_u64(out, (uint64_t)en->mtime_ns);
    buf_put_u64(out, (uint64_t)en->ctime_ns);
    buf_put_varint(out, en->device);
    buf_put_varint(out, en->inode);
    buf_put_varint(out, en->links);
    buf_put_varint(out, en->size);
    buf_put_bytes(out, en->xattrs);
    rest_encode(en, out);
}

static bool take_varint_u32(struct slice *s, uint32_t *out)
{
    struct slice rest = *s;
    uint64_t v = 0;

    if (!take_varint(&rest, &v) || v > UINT32_MAX)
        return false;
    *out = (uint32_t)v;
    *s = rest;
    return true;
}

static bool take_i64(struct slice *s, int64_t *out)
{
    uint64_t v = 0;

    if (!take_u64(s, &v))
        return false;
    *out = (int64_t)v;
    return true;
}

static bool take_type(struct slice *s, enum entry_type *out)
{
    uint8_t v = 0;

    if (!take_u8(s, &v))
        return false;
    *out = (enum entry_type)v;
    return true;
}

static bool take_cut(struct slice *s, enum cut_kind *out)
{
    uint8_t v = 0;

    if (!take_u8(s, &v))
        return false;
    *out = (enum cut_kind)v;
    return true;
}

static bool take_subtree(struct slice *s, struct hash *out)
{
    struct slice id;

    if (!take_slice(s, HASH_SIZE, &id))
        return false;
    memcpy(out->bytes, id.data, HASH_SIZE);
    return true;
}

/* An unknown type has no rest here; entry_check() refuses it by its number. */
static bool take_rest(struct slice *s, struct entry *out)
{
    switch (out->type) {
    case ENTRY_FILE:
        return take_bytes(s, &out->holes) && take_cut(s, &out->cut) && take_bytes(s, &out->content);
    case ENTRY_DIRECTORY:
        return take_subtree(s, &out->subtree);
    case ENTRY_SYMLINK:
        return take_bytes(s, &out->target);
    case ENTRY_CHARACTER_DEVICE:
    case ENTRY_BLOCK_DEVICE:
        return take_varint(s, &out->rdev);
    case ENTRY_FIFO:
    case ENTRY_SOCKET:
        break;
    }
    return true;
}

static bool take_fields(struct slice *s, struct entry *out)
{
    return take_type(s, &out->type) && take_varint_u32(s, &out->flags) &&
           take_bytes(s, &out->name) && take_varint_u32(s, &out->mode) &&
           take_varint_u32(s, &out->uid) && take_varint_u32(s, &out->gid) &&
           take_bytes(s, &out->user) && take_bytes(s, &out->group) && take_i64(s, &out->mtime_ns) &&
           take_i64(s, &out->ctime_ns) && take_varint(s, &out->device) &&
           take_varint(s, &out->inode) && take_varint(s, &out->links) &&
           take_varint(s, &out->size) && take_bytes(s, &out->xattrs) && take_rest(s, out);
}

/* Say which entry the recorded failure is about, as far as its name could be read. */
static bool entry_err(const struct entry *en, struct err *e)
{
    AUTO(buf) struct buf name = {0};
    struct slice shown = en->name;

    if (shown.size > ENTRY_NAME_MAX)
        shown.size = ENTRY_NAME_MAX;
    path_escape(shown, &name);
    return err_wrap(e, "entry \"%s\"", buf_string(&name));
}

bool entry_decode(struct slice *s, struct entry *out, struct err *e)
{
    struct slice rest = *s;
    struct entry en = {0};

    if (!take_fields(&rest, &en)) {
        (void)corrupt(e, "it is cut short or holds a malformed number");
        return entry_err(&en, e);
    }
    if (!entry_check(&en, e))
        return entry_err(&en, e);
    *s = rest;
    *out = en;
    return true;
}

bool entry_is_unchanged(const struct entry *now, const struct entry *before)
{
    return now->type == ENTRY_FILE && before->type == ENTRY_FILE &&
           (before->flags & (ENTRY_FUZZY | ENTRY_UNTRUSTED_TIME)) == 0 &&
           now->size == before->size && now->mtime_ns == before->mtime_ns &&
           now->ctime_ns == before->ctime_ns && now->inode == before->inode &&
           now->mode == before->mode && now->uid == before->uid && now->gid == before->gid;
}
