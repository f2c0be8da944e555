/*
 * Private to src/repo: the open repository and sealed documents.
 */
#ifndef REPO_OBJECT_H
#define REPO_OBJECT_H

#include <pthread.h>

#include "codec/json.h"
#include "codec/seal.h"
#include "repo/repo.h"

/* The master key of an epoch, and what seals its objects.  Lives in secret memory. */
struct epoch_keys {
    uint8_t master[SEAL_KEY_SIZE];
    uint8_t content[SEAL_KEY_SIZE];
    uint8_t meta[SEAL_KEY_SIZE];
    uint8_t index[SEAL_KEY_SIZE];
    uint8_t config[SEAL_KEY_SIZE];
};

/* What stays the same in all epochs.  Lives in secret memory. */
struct repo_keys {
    uint8_t chunk_id[SEAL_KEY_SIZE]; /* K_id */
    uint8_t cut[SEAL_KEY_SIZE];      /* K_chunk */
};

/* What is known of the switch of parity (parity_switch.c). */
struct parity_state {
    pthread_mutex_t lock; /* guards what follows */
    bool is_known, is_on;
    struct parity_rule rule;
};

struct repo {
    struct store *store; /* borrowed */
    uint8_t id[SEAL_ID_SIZE];
    uint32_t epoch; /* the newest, in which objects are written */
    enum seal_suite suite;
    uint8_t writer[SEAL_ID_SIZE]; /* this host's, see snapshot.c */
    int64_t created_ns;
    char slot[KEY_SLOT_ID_MAX]; /* that opened it */
    struct epoch_keys *epochs;  /* of 1 to epoch; NULL until a slot opened */
    struct repo_keys *keys;
    struct cutter *cutter;
    struct index *index;  /* NULL until loaded */
    struct aside loading; /* the index, while is_loading */
    bool is_loading;
    char *cache_folder;     /* NULL: nothing is kept on this machine */
    bool keeps_index;       /* in that folder (index_cache.h) */
    bool has_bad_condemned; /* a condemned list was damaged when the index was loaded */
    struct parity_state parity;
    struct shelf *shelf;        /* frames that were expanded */
    struct base_cache *bases;   /* of frames that are going to be read; or NULL */
    struct object_locks *locks; /* NULL: the store locks nothing (object_locks.h) */
    char *mended;               /* the key of what was read from its parity to open it, or NULL */
    bool *near;                 /* which of its packs nearby.c has looked after */
    uint8_t **headers;          /* of its packs; NULL: not known yet */
    size_t near_count;          /* of both */
};

/* Note that an object was read from its parity, for repo_mended(). */
void repo_note_mended(struct repo *r, const char *key);

#define DOCUMENT_MAX ((size_t)64 << 20)

/* The keys of the newest epoch. */
const struct epoch_keys *repo_newest(const struct repo *r);

/* Begin an object of the newest epoch: seal_begin(). */
void object_seal_begin(const struct repo *r, struct seal_box *box, enum object_class class,
                       uint8_t out[SEAL_HEADER_SIZE]);
/*
 * Begin to read an object of whatever epoch its header says: seal_open().  ERR_TRANSIENT, so that
 * nobody takes it for damage, when the keys were rotated since the repository was opened and it is
 * of such an epoch.  Any thread.
 */
MUST_CHECK bool object_seal_open(const struct repo *r, struct seal_box *box, struct slice header,
                                 enum object_class class, struct err *e);

/* The class of the document that a key names.  False for keys/ and packs/, which are no
 * documents, and for keys that FORMAT.md does not know. */
bool object_class_of(const char *key, enum object_class *out);

/* AUTO(secret_buf) is AUTO(buf) for bytes that are to be wiped.  Reserve their room at once: a
 * buffer that grows leaves copies behind. */
void secret_buf_auto(struct buf *b);

/*
 * Seal a document (compressed when that gains) and append the whole object to *out.
 */
void document_seal(struct repo *r, enum object_class class, struct slice plain, struct buf *out);

/* Open the bytes of a document object.  The error does not name the object. */
MUST_CHECK bool document_open(struct repo *r, enum object_class class, struct slice object,
                              struct buf *plain, struct err *e);

/* Read an object by key and open it; errors name the key.  For keys named by hash
 * (index/, snapshots/) the hash is compared first. */
MUST_CHECK bool document_get(struct repo *r, enum object_class class, const char *key,
                             struct buf *plain, struct err *e);

/* The same, and of which epoch the object is. */
MUST_CHECK bool document_get_epoch(struct repo *r, enum object_class class, const char *key,
                                   struct buf *plain, uint32_t *epoch, struct err *e);

/* Seal and put under "<folder>/<SHA-256 hex>"; *id is the hash.  ERR_USAGE for what is longer
 * than an object may be, here and below. */
MUST_CHECK bool document_put_hashed(struct repo *r, enum object_class class, const char *folder,
                                    struct slice plain, struct hash *id, struct err *e);

/* Seal and put under the given key; ERR_EXISTS when taken. */
MUST_CHECK bool document_put(struct repo *r, enum object_class class, const char *key,
                             struct slice plain, struct err *e);

/* JSON (json.c).
 * Text to object and back; strict (duplicates refused, depth bounded by jansson). */
MUST_CHECK bool document_parse(struct slice plain, json_t **out, struct err *e);

/* Members; ERR_CORRUPT naming the member when missing or of another kind. */
MUST_CHECK bool json_take_hex(const json_t *j, const char *name, uint8_t *out, size_t size,
                              struct err *e);
MUST_CHECK bool json_take_time(const json_t *j, const char *name, int64_t *out, struct err *e);
/* Owned copy; NULL member value yields NULL only when optional. */
MUST_CHECK bool json_take_text(const json_t *j, const char *name, bool optional, char **out,
                               struct err *e);
/* Owned copy of a value; false when it is no text of at most 64 KiB. */
MUST_CHECK bool json_text(const json_t *value, char **out);
MUST_CHECK bool json_take_u64(const json_t *j, const char *name, uint64_t *out, struct err *e);

/* Keys in a folder ("packs/"), as a list. */
struct key_list {
    char **items;
    uint64_t *sizes;
    int64_t *mtimes;
    size_t count, room;
};
void key_list_done(struct key_list *l);
void key_list_auto(struct key_list *l);
MUST_CHECK bool key_list_read(struct repo *r, const char *prefix, struct key_list *out,
                              struct err *e);

/* "packs/<xx>/<id>". */
#define PACK_KEY_MAX 80
void pack_key(const struct hash *id, char out[PACK_KEY_MAX]);
/* The id in such a key; false for any other. */
MUST_CHECK bool pack_key_parse(const char *key, struct hash *out);
/* "<folder>/<id>" for the other folders. */
#define OBJECT_KEY_MAX 96
void object_key(const char *folder, const struct hash *id, char out[OBJECT_KEY_MAX]);
/* The id at the end of a key: 64 hex digits behind the last '/'. */
MUST_CHECK bool key_hash(const char *key, struct hash *out);
MUST_CHECK bool object_exists(struct repo *r, const char *folder, const struct hash *id,
                              bool *exists, struct err *e);
/* For qsort() and bsearch() over struct hash. */
int hash_order(const void *a, const void *b);

/* Evidence of drills (evidence.c): the snapshot that a key "drills/..." is about; false for any
 * other. */
MUST_CHECK bool evidence_key_parse(const char *key, struct hash *snapshot);
/* Append the document under such a key; errors name the object. */
MUST_CHECK bool evidence_get(struct repo *r, const char *key, struct buf *json, int64_t *time_ns,
                             struct err *e);

/* Condemned lists (condemned.c): all packs that any published list names.  A list names at
 * most CONDEMNED_MAX. */
#define CONDEMNED_MAX ((size_t)500000)
struct condemned {
    struct hash *packs; /* sorted, unique */
    size_t count;
    struct hash *snapshots; /* forgotten ones that the lists name, in no order */
    size_t snapshot_count;
    char **lists; /* keys of the lists */
    size_t list_count;
};
void condemned_done(struct condemned *c);
void condemned_auto(struct condemned *c);
/* except: key of a list to leave out (the caller's own), or NULL. */
/* Whether all condemned lists could be read when the index was loaded, without asking the store
 * again when they could.  With a damaged one nothing can be committed: better told early. */
MUST_CHECK bool condemned_check(struct repo *r, struct err *e);
MUST_CHECK bool condemned_read(struct repo *r, const char *except, struct condemned *out,
                               struct err *e);
bool condemned_has(const struct condemned *c, const struct hash *pack);
bool condemned_has_snapshot(const struct condemned *c, const struct hash *snapshot);

#endif
