/*
 * Parity of stored objects: Reed-Solomon shards beside an object, from which damaged parts of it
 * are worked out again.  docs/FORMAT.md, "Parity", and docs/decisions/0012.
 *
 * It protects bytes as they are stored and needs no key.  Its checksums say where damage is;
 * that the result is right is proved by the SHA-256 of the object and by nothing else.
 */
#ifndef CODEC_PARITY_H
#define CODEC_PARITY_H

#include "codec/hash.h"

/* Damage is found, and healed, in blocks of this many bytes. */
#define PARITY_BLOCK ((size_t)4096)

/* Data and parity shards together; what the field has room for. */
#define PARITY_SHARDS_MAX 255

/* No object, and no parity, is longer. */
#define PARITY_OBJECT_MAX ((size_t)64 << 20)

/* How objects are to be protected. */
struct parity_rule {
    uint32_t data;   /* shards that an object is cut into at the most */
    uint32_t parity; /* shards beside them */
    uint32_t area;   /* bytes that a shard has at least */
};

/* A copy, for objects of at most half of PARITY_OBJECT_MAX bytes. */
#define PARITY_COPY ((struct parity_rule){.data = 1, .parity = 1})

/* How one object is protected. */
struct parity_shape {
    uint32_t data, parity;
    uint32_t shard_size; /* whole blocks, but for a single shard */
};

/* False for PARITY_COPY, too. */
bool parity_rule_is_valid(const struct parity_rule *rule);

/*
 * The shape for an object of size bytes, 1 to PARITY_OBJECT_MAX: as many shards of parity as the
 * rule has, but no more than one for each data/parity blocks begun (docs/decisions/0084), and no
 * more than of data.  With as many of both the object can be worked out from parity alone.
 */
struct parity_shape parity_shape_of(const struct parity_rule *rule, size_t size);

/* Bytes of the parity of an object of size bytes. */
size_t parity_size(const struct parity_shape *shape, size_t size);

/* Append the parity of an object whose SHA-256 is name. */
void parity_encode(const struct parity_shape *shape, struct slice object, const struct hash *name,
                   struct buf *out);

/* Parity, taken apart; borrows the bytes. */
struct parity {
    struct parity_shape shape;
    uint64_t size; /* of the object */
    struct hash name;
    const uint8_t *table;  /* checksums of the blocks of data, then of parity */
    const uint8_t *shards; /* of parity */
};

/* ERR_CORRUPT for anything that FORMAT.md does not allow.  One of the two heads may be damaged, and
 * shards may. */
MUST_CHECK bool parity_open(struct slice bytes, struct parity *out, struct err *e);

/* Whether the bytes are the parity of this object, every one of them. */
bool parity_is_of(struct slice bytes, struct slice object, const struct hash *name);

/*
 * Work out an object from what is left of it, which may be nothing; appended to *out, which has
 * the SHA-256 p->name then.  *blocks, how many of its blocks were damaged, is also set on failure.
 * ERR_CORRUPT when there is too much damage.
 */
MUST_CHECK bool parity_heal(const struct parity *p, struct slice damaged, struct buf *out,
                            size_t *blocks, struct err *e);

#endif
