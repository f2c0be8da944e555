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

/* One reader more, and one fewer: memory is kept for each (SHELF_BYTES), with the last all goes. */
void shelf_join(struct shelf *s);
void shelf_leave(struct shelf *s);

/* The frames of this index are not those of the next. */
void shelf_forget(struct shelf *s);

/* The place of a frame; it stays as it is until shelf_drop().  A reader holds one, and another
 * while it fills that. */
struct shelved;

/*
 * *is_there: expanded.  Otherwise it is the caller's to be filled, with about so many bytes, which
 * shelf_filled() ends; that takes no other frame but those that need none.  The place of what could
 * not be read is nobody's when it is dropped.
 */
struct shelved *shelf_take(struct shelf *s, uint32_t frame, size_t size, bool *is_there);
void shelf_filled(struct shelf *s, struct shelved *place, bool is_good);
void shelf_drop(struct shelf *s, struct shelved *place); /* accepts NULL as place */

/* The plain bytes: written by who fills the place, read by who holds it. */
struct buf *shelved_bytes(struct shelved *place);

#endif
