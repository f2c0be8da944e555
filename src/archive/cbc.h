/*
 * Files that are AES-256-CBC with nothing else: 16 bytes IV, then the encrypted bytes with PKCS#7
 * padding, as OpenSSL and Node make them.
 *
 * Nothing tells whether such a file was changed: who opens one believes nothing of it, or checks a
 * MAC of its own.  Who answers strangers tells them neither text nor time of what is wrong with one
 * apart: they could find out plain text by asking (a padding oracle).
 */
#ifndef ARCHIVE_CBC_H
#define ARCHIVE_CBC_H

#include "archive/in_out.h"
#include "codec/cipher.h"

/* The sentence for everything that a wrong key looks like.  Returns false. */
bool cbc_does_not_fit(struct err *e);

/*
 * The plain bytes of one, at any place.  CBC can be opened from any block on, so that nothing is
 * kept but the 64 KiB around where was read last.
 */
struct cbc_reader;
/* from and key stay the caller's; key is copied.  ERR_CORRUPT when the size is no whole number of
 * blocks or the padding at the end is none: the key does not fit, most likely. */
MUST_CHECK bool cbc_reader_open(const struct input *from, const uint8_t key[CIPHER_KEY_SIZE],
                                struct cbc_reader **out, struct err *e);
void cbc_reader_close(struct cbc_reader *r); /* wipes key and plain text */
void cbc_reader_auto(struct cbc_reader **r);
struct input cbc_reader_input(struct cbc_reader *r); /* as long as the reader is open */

/* What is written comes out of write(arg, ...) encrypted, with a random IV in front. */
struct cbc_writer;
MUST_CHECK bool cbc_writer_open(const uint8_t key[CIPHER_KEY_SIZE], output_fn *write, void *arg,
                                struct cbc_writer **out, struct err *e);
/* Fail as write does only; nothing can be added after a failure. */
MUST_CHECK bool cbc_writer_add(struct cbc_writer *w, struct slice bytes, struct err *e);
MUST_CHECK bool cbc_writer_finish(struct cbc_writer *w, struct err *e);
void cbc_writer_close(struct cbc_writer *w);
void cbc_writer_auto(struct cbc_writer **w);

#endif
