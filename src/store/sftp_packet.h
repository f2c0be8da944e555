/*
 * The packets of SFTP version 3 (draft-ietf-secsh-filexfer-02) as OpenSSH speaks it.  On the
 * wire: length (u32, big-endian, of what follows) | kind (u8) | id (u32) | fields; a string is
 * its length (u32) and its bytes.  No length, count or name of a reply is believed.
 */
#ifndef STORE_SFTP_PACKET_H
#define STORE_SFTP_PACKET_H

#include "base/buf.h"

enum {
    SFTP_LENGTH_SIZE = 4,         /* in front of each packet */
    SFTP_PACKET_MAX = 256 * 1024, /* longest packet, its length not counted */
    SFTP_STEP = 32 * 1024,        /* bytes in a read or write that every server takes */
    SFTP_HANDLE_MAX = 256,
    SFTP_NAME_MAX = 255, /* bytes in a name of a directory's entry */
};

enum sftp_kind {
    SFTP_INIT = 1,
    SFTP_VERSION = 2,
    SFTP_OPEN = 3,
    SFTP_CLOSE = 4,
    SFTP_READ = 5,
    SFTP_WRITE = 6,
    SFTP_LSTAT = 7,
    SFTP_FSTAT = 8,
    SFTP_OPENDIR = 11,
    SFTP_READDIR = 12,
    SFTP_REMOVE = 13,
    SFTP_MKDIR = 14,
    SFTP_STAT = 17,
    SFTP_RENAME = 18,
    SFTP_STATUS = 101,
    SFTP_HANDLE = 102,
    SFTP_DATA = 103,
    SFTP_NAME = 104,
    SFTP_ATTRS = 105,
    SFTP_EXTENDED = 200,
    SFTP_EXTENDED_REPLY = 201,
};

enum sftp_status {
    SFTP_OK = 0,
    SFTP_EOF = 1,
    SFTP_NO_SUCH_FILE = 2,
    SFTP_PERMISSION_DENIED = 3,
    SFTP_FAILURE = 4,
    SFTP_BAD_MESSAGE = 5,
    SFTP_NO_CONNECTION = 6,
    SFTP_CONNECTION_LOST = 7,
    SFTP_OP_UNSUPPORTED = 8,
};

/* How an OPEN opens. */
enum sftp_open { SFTP_OPEN_READ = 0x01, SFTP_OPEN_NEW = 0x02 | 0x08 | 0x20 };

/* Requests.  packet_begin() starts one in an empty buffer; packet_end() sets its length when
 * payload more bytes follow that are not in the buffer. */
void packet_begin(struct buf *packet, enum sftp_kind kind, uint32_t id);
void packet_put_u32(struct buf *packet, uint32_t v);
void packet_put_u64(struct buf *packet, uint64_t v);
void packet_put_string(struct buf *packet, struct slice s);
void packet_put_mode(struct buf *packet, uint32_t mode); /* attributes that hold it alone */
void packet_put_no_attributes(struct buf *packet);
void packet_end(struct buf *packet, size_t payload);

/* Give a packet another id. */
void packet_set_id(struct buf *packet, uint32_t id);

/* The length that stands in front of a packet of a server: ERR_FATAL for one that none has. */
MUST_CHECK bool packet_length(const uint8_t in[SFTP_LENGTH_SIZE], size_t *out, struct err *e);

struct sftp_attributes {
    bool has_size, has_mode, has_mtime;
    uint64_t size;
    uint32_t mode; /* as st_mode */
    int64_t mtime; /* seconds since 1970 */
};

/* A reply.  The slices point into the packet. */
struct sftp_reply {
    enum sftp_kind kind;
    uint32_t id;
    uint32_t status;                   /* STATUS */
    struct slice text;                 /* STATUS: what the server says to it */
    struct slice handle;               /* HANDLE */
    struct slice data;                 /* DATA */
    struct sftp_attributes attributes; /* ATTRS */
    uint32_t count;                    /* NAME: at least 1 */
    struct slice entries;              /* NAME: for reply_take_entry() */
    struct slice rest;                 /* EXTENDED_REPLY: all fields */
};
/* Read a packet behind its length.  ERR_FATAL for what is no reply. */
MUST_CHECK bool reply_parse(struct slice packet, struct sftp_reply *out, struct err *e);

/* One entry of a NAME reply: a name that stands for an entry of a directory, perhaps "." or
 * "..".  ERR_FATAL for what cannot be one. */
struct sftp_entry {
    struct slice name; /* 1 to SFTP_NAME_MAX bytes without '/' and NUL */
    struct sftp_attributes attributes;
};
MUST_CHECK bool reply_take_entry(struct sftp_reply *r, struct sftp_entry *out, struct err *e);

/* What a server can do beyond version 3. */
struct sftp_abilities {
    bool can_link;    /* hardlink@openssh.com */
    bool can_replace; /* posix-rename@openssh.com */
    bool can_sync;    /* fsync@openssh.com */
    bool has_limits;  /* limits@openssh.com */
    uint32_t read_size, write_size;
};

/* Read the answer to INIT, a packet behind its length. */
MUST_CHECK bool version_parse(struct slice packet, struct sftp_abilities *out, struct err *e);

/* Take the sizes from the reply to limits@openssh.com: at least SFTP_STEP, or as given, and such
 * that packets stay below SFTP_PACKET_MAX. */
void limits_take(const struct sftp_reply *r, struct sftp_abilities *out);

#endif
