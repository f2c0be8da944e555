/*
 * Private to src/repo: expanded frames, kept for all readers of a repository.
 *
 * Readers that work side by side want the same frames: the threads of a backup read the bases of
 * neighbours, and pages of trees.  A frame is expanded by whoever asks first; who asks meanwhile
 * waits for it.  Any thread.
 */
#ifndef REPO_SHELF_H
#define REPO_SHELF_H

#include "base/buf.h"

struct shelf;
struct shelf *shelf_new(void);
void shelf_free(struct shelf *s); /* accepts NULL; no reader is left */

/* One reader more, and one fewer: 8 MiB are kept for each, with the last all goes. */
void shelf_join(struct shelf *s);
void shelf_leave(struct shelf *s);

/* The frames of this index are not those of the next. */
void shelf_forget(struct shelf *s);

/* The place of a frame; it stays as it is until shelf_drop().  A reader holds one, and another
 * while it fills that. */
struct shelved;

/*
 * The place of a frame of so many bytes; waits while another thread fills it.  *is_there: its bytes
 * are expanded.  Otherwise the caller fills them, tells shelf_filled() whether it could, and drops
 * the place when it could not: who waited then tries itself.  While a reader fills a place it may
 * take those of frames that rest on no others, or two readers could wait for each other.
 */
struct shelved *shelf_take(struct shelf *s, uint32_t frame, size_t size, bool *is_there);
void shelf_filled(struct shelf *s, struct shelved *place, bool is_good);
void shelf_drop(struct shelf *s, struct shelved *place); /* accepts NULL as place */

/* The plain bytes: written by who fills the place, read by who holds it. */
struct buf *shelved_bytes(struct shelved *place);

#endif
