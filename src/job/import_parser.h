/*
 * The process that reads an archive, and what is said between it and us.  Private to src/job.
 *
 * It gets a request, and then one byte each time that it shall hand over all parts.  What it says
 * comes in frames: a byte, the size of what follows as four bytes, and that.
 *
 *     request   1 + the kind or 0, and the key files, as buf_put_varint() and buf_put_bytes()
 *     looking   found, part ..., end      or failed
 *     handing   begin, bytes ..., ready, for each part in the same order; end      or failed
 *
 * It runs in the sandbox of parsers: no files but the open archive, no sockets, 256 MiB, and as
 * much of the processor as the size of the archive explains.
 *
 * Another such process looks at one database (import_database.c).  Its request is 1 and the schema
 * that the database has to have, or 0; it answers with the manifest, bytes ..., end, or failed.
 */
#ifndef JOB_IMPORT_PARSER_H
#define JOB_IMPORT_PARSER_H

#include "base/process.h"
#include "job/import.h"

enum frame {
    FRAME_FOUND = 'F',  /* JSON, written by import_child.c; import_take_found() */
    FRAME_PART = 'P',   /* size (8 bytes), SHA-256, name */
    FRAME_BEGIN = 'B',  /* of the next part */
    FRAME_BYTES = 'D',  /* of it */
    FRAME_READY = 'Z',  /* with it */
    FRAME_END = 'E',    /* of the list, of the parts */
    FRAME_FAILED = 'X', /* code (1 byte), sentence */
    FRAME_TICK = 'T',   /* it goes on */
};
#define FRAME_MAX          ((size_t)128 << 10)
#define FRAME_HEAD         5
#define IMPORT_NAMES_MAX   ((size_t)64 << 20) /* bytes of the names of all parts */
#define IMPORT_PARTS_GO    'g'
#define IMPORT_REQUEST_MAX (FOREIGN_KEY_MAX * (IMPORT_KEYS_MAX + 1))

struct import_parser {
    struct child child;
    int feed_fd; /* our end of its standard input */
    struct buf in;
    size_t at; /* of what was not taken yet */
    struct buf errors;
};
#define IMPORT_PARSER_NONE ((struct import_parser){.child = CHILD_NONE, .feed_fd = -1})
void import_parser_auto(struct import_parser *p); /* ends it */

/* What these processes say (import_child.c): a frame; bytes, in as many as it takes; what went
 * wrong, which yields their exit status. */
MUST_CHECK bool import_say(enum frame type, struct slice payload, struct err *e);
MUST_CHECK bool import_say_bytes(struct slice bytes, struct err *e);
int import_say_failed(const struct err *e);
/* Hear a request of at most max bytes. */
MUST_CHECK bool import_hear_request(size_t max, struct buf *out, struct err *e);

/* Start the other process over a database. */
#define IMPORT_SCHEMA_MAX ((size_t)16 << 20)
MUST_CHECK bool import_parser_start_database(int fd, uint64_t size, struct slice request,
                                             struct import_parser *out, struct err *e);

/* Start it over an open regular file and tell it what to do; the options' path is not looked at. */
MUST_CHECK bool import_parser_start(int fd, uint64_t size, const struct import_options *o,
                                    struct import_parser *out, struct err *e);

/*
 * The next frame but ticks, valid until the next call.  FRAME_FAILED becomes its error: the code is
 * ERR_CORRUPT, ERR_USAGE or ERR_FATAL.  ERR_FATAL also when it has ended, says what it cannot say,
 * or is silent for long.
 */
MUST_CHECK bool import_parser_next(struct import_parser *p, enum frame *type, struct slice *payload,
                                   struct err *e);
/* Let it hand over all parts. */
MUST_CHECK bool import_parser_go(struct import_parser *p, struct err *e);

/* The kind that options name, or FOREIGN_KINDS; ERR_USAGE. */
MUST_CHECK bool import_kind_of(const char *as, enum foreign_kind *out, struct err *e);

#endif
