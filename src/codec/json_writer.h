/*
 * JSON text made piece by piece, without whitespace.  The caller takes away what stands in out
 * whenever it likes and clears it, so a document may be longer than memory.
 */
#ifndef CODEC_JSON_WRITER_H
#define CODEC_JSON_WRITER_H

#include "base/buf.h"

/* {0} is a writer in front of its first value. */
struct json_writer {
    struct buf out;
    bool needs_comma;
};
void json_writer_auto(struct json_writer *w);

/* bracket is '{' or '[', '}' or ']'.  What is opened is closed by the caller, in order. */
void json_writer_open(struct json_writer *w, char bracket);
void json_writer_close(struct json_writer *w, char bracket);

/* Text must be valid UTF-8. */
void json_writer_name(struct json_writer *w, struct slice text);
void json_writer_text(struct json_writer *w, struct slice text);

/* A value that is JSON already: a number, a literal, a whole document. */
void json_writer_raw(struct json_writer *w, struct slice json);

#endif
