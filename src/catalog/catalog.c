/* Opening the catalog, its key, its transactions. */
#include "catalog/catalog.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/cancel.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "catalog/schema.h"
#include "catalog/tx.h"
#include "codec/json.h"
#include "codec/random.h"

#define KEY_SIZE       32
#define TRIES          5
#define FIRST_PAUSE_MS 10

/* The key */

static void derive(const uint8_t *key, const char *purpose, uint8_t **out)
{
    *out = mem_secret_new(HASH_SIZE);
    hkdf(SLICE_OF(key, KEY_SIZE), (struct slice){0}, slice_string(purpose), *out, HASH_SIZE);
}

/* What the catalog remembers of its key: enough to know it again, nothing to find it by. */
static void key_name(const uint8_t *key, char out[2 * 8 + 1])
{
    uint8_t name[8];

    hkdf(SLICE_OF(key, KEY_SIZE), (struct slice){0}, slice_string("holdfast catalog key name"),
         name, sizeof(name));
    hex_encode(SLICE_OF(name, sizeof(name)), out);
}

static bool read_key(const char *path, uint8_t *key, struct err *e)
{
    AUTO(fd) int fd = -1;
    size_t got = 0;

    if (!file_open(path, &fd, e) || !fd_read(fd, key, KEY_SIZE, &got, e))
        return false;
    return got == KEY_SIZE || err_set(e, ERR_CORRUPT, "%s is shorter than a key", path);
}

/* Read the key of the state folder, or make it.  *is_new tells which. */
static bool get_key(const char *state, uint8_t *key, bool may_make, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(buf) struct buf draft = {0};
    bool is_suspect = false;

    buf_printf(&path, "%s/catalog.key", state);
    buf_printf(&draft, "%s/catalog.key.new", state);
    if (read_key(buf_string(&path), key, e))
        return true;
    if (e->code != ERR_NOT_FOUND)
        return false;
    if (!may_make)
        return err_set(e, ERR_DENIED,
                       "%s is not there, and the catalog was made with another host's: copy it "
                       "from there",
                       buf_string(&path));
    random_bytes(key, KEY_SIZE);
    if (!file_publish(AT_FDCWD, buf_string(&path), buf_string(&draft), SLICE_OF(key, KEY_SIZE),
                      &is_suspect, e) &&
        e->code != ERR_EXISTS)
        return false;
    return read_key(buf_string(&path), key, e); /* another process may have been faster */
}

/* Of two hosts that come first at the same moment one has to look again. */
static bool remember_key(struct catalog_tx *t, const char *name, struct err *e)
{
    AUTO(db_result) struct db_result r = {0};

    if (!db_run(t->db,
                "INSERT INTO settings (name, value, category, updated_ns)"
                " VALUES ('catalog.key', $1, 'catalog', $2) ON CONFLICT (name) DO NOTHING",
                DB_VALUES(db_text(name), db_number(t->db->now_ns)), &r, e))
        return false;
    if (r.changed == 1)
        return true;
    t->db->is_failed = t->db->may_repeat = true;
    return err_set(e, ERR_TRANSIENT, "another process makes the catalog");
}

/* Let the catalog and the key of this host know each other. */
static bool join_key(struct catalog_tx *t, void *arg, struct err *e)
{
    struct catalog *c = t->catalog;
    AUTO(db_result) struct db_result r = {0};
    AUTO(mem_secret) uint8_t *key = mem_secret_new(KEY_SIZE);
    char name[17];

    (void)arg;
    if (!db_run(t->db, "SELECT value FROM settings WHERE name = 'catalog.key'", DB_NO_VALUES, &r,
                e) ||
        !get_key(c->state, key, r.rows == 0, e))
        return false;
    key_name(key, name);
    if (r.rows == 1 && strcmp(db_get_text(&r, 0, 0), name) != 0)
        return err_set(e, ERR_DENIED,
                       "%s/catalog.key is not the key that the catalog was made with", c->state);
    if (r.rows == 0 && !remember_key(t, name, e))
        return false;
    mem_secret_free(c->audit_key);
    mem_secret_free(c->totp_key);
    derive(key, "holdfast audit log", &c->audit_key);
    mem_secret_free(c->link_key);
    derive(key, "holdfast second factors", &c->totp_key);
    derive(key, "holdfast signed links", &c->link_key);
    return true;
}

void catalog_link_sum(const struct catalog *c, struct slice text, struct hash *out)
{
    assert(c->has_key);

    AUTO(hmac_stream) struct hmac_stream *s = hmac_stream_new(c->link_key);

    hmac_stream_add(s, text);
    hmac_stream_finish(s, out);
}

/* Most often the two know each other, and nobody has to wait for those who write. */
static bool open_key(struct catalog *c, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;
    AUTO(db_result) struct db_result r = {0};

    if (!catalog_begin_read(c, &t, e) ||
        !db_run(t->db, "SELECT count(*) FROM settings WHERE name = 'catalog.key'", DB_NO_VALUES, &r,
                e))
        return false;
    c->has_key = true;
    if (db_get_number(&r, 0, 0) > 0)
        return join_key(t, NULL, e);
    catalog_tx_auto(&t);
    t = NULL;
    return catalog_write(c, join_key, NULL, e);
}

/* Opening */

/* path keeps the name of SQLite's file. */
static struct db_options place_of(const struct catalog_options *o, struct buf *path)
{
    const bool is_file = o->address == NULL || strcmp(o->address, "sqlite") == 0;

    buf_printf(path, "%s/catalog.db", o->state);
    return (struct db_options){
        .path = is_file ? buf_string(path) : NULL,
        .dsn = is_file ? NULL : o->address,
        .password = o->password,
        .connections = o->connections,
    };
}

bool catalog_is_there(const struct catalog_options *o, bool *is_there, struct err *e)
{
    AUTO(buf) struct buf path = {0};
    AUTO(db) struct db *db = NULL;
    const struct db_options place = place_of(o, &path);
    int version = 0;

    if (place.path != NULL) {
        AUTO(fd) int fd = -1; /* opening the database would make it */

        *is_there = file_open(place.path, &fd, e);
        return *is_there || e->code == ERR_NOT_FOUND || err_wrap(e, "look for the catalog");
    }
    if (!db_open(&place, &db, e) || !schema_version(db, &version, e))
        return err_wrap(e, "look for the catalog");
    *is_there = version > 0;
    return true;
}

bool catalog_open(const struct catalog_options *o, struct catalog **out, struct err *e)
{
    AUTO(catalog) struct catalog *c = mem_new(sizeof(*c));
    AUTO(buf) struct buf path = {0};
    const struct db_options options = place_of(o, &path);

    (void)pthread_mutex_init(&c->sink_lock, NULL);
    (void)pthread_mutex_init(&c->hash_lock, NULL);
    (void)pthread_cond_init(&c->hash_done, NULL);
    c->state = mem_string(o->state);
    if (!db_open(&options, &c->db, e) || !schema_update(c->db, schema_newest(), e) ||
        (!o->without_key && !open_key(c, e)))
        return err_wrap(e, "open the catalog");
    *out = TAKE(c);
    return true;
}

void catalog_close(struct catalog *c)
{
    if (c == NULL)
        return;
    db_close(c->db);
    mem_secret_free(c->audit_key);
    mem_secret_free(c->totp_key);
    mem_secret_free(c->link_key);
    (void)pthread_mutex_destroy(&c->sink_lock);
    (void)pthread_mutex_destroy(&c->hash_lock);
    (void)pthread_cond_destroy(&c->hash_done);
    mem_free(c->state);
    mem_free(c);
}

void catalog_auto(struct catalog **c)
{
    catalog_close(*c);
}

const char *catalog_kind(const struct catalog *c)
{
    return db_kind(c->db) == DB_SQLITE ? "SQLite" : "PostgreSQL";
}

bool catalog_is_shared(const struct catalog *c)
{
    return db_kind(c->db) == DB_POSTGRES;
}

/* Transactions */

static bool begin(struct catalog *c, enum db_mode mode, struct catalog_tx **out, struct err *e)
{
    struct db_tx *db = NULL;

    if (!db_begin(c->db, mode, &db, e))
        return false;
    *out = mem_new(sizeof(**out));
    **out = (struct catalog_tx){.catalog = c, .db = db};
    return true;
}

bool catalog_begin_read(struct catalog *c, struct catalog_tx **out, struct err *e)
{
    return begin(c, DB_READ, out, e);
}

bool catalog_begin(struct catalog *c, struct catalog_tx **out, struct err *e)
{
    return begin(c, DB_WRITE, out, e);
}

bool catalog_commit(struct catalog_tx **t, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *own = TAKE(*t);

    if (own->db->is_failed)
        return err_set(e, ERR_FATAL, "something failed in this transaction");
    if (!db_commit(&own->db, e))
        return false;
    catalog_audit_committed(own);
    return true;
}

void catalog_tx_auto(struct catalog_tx **t)
{
    if (*t == NULL)
        return;
    db_abort((*t)->db);
    catalog_audit_forget(*t);
    mem_free(*t);
}

int64_t catalog_tx_now(const struct catalog_tx *t)
{
    return t->db->now_ns;
}

static bool write_once(struct catalog *c, catalog_work_fn *fn, void *arg, bool *may_repeat,
                       struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    *may_repeat = false;
    if (!catalog_begin(c, &t, e))
        return false;
    if (!fn(t, arg, e)) {
        *may_repeat = t->db->may_repeat;
        return false;
    }
    if (catalog_commit(&t, e))
        return true;
    *may_repeat = e->code == ERR_TRANSIENT;
    return false;
}

/* Full jitter, so that those who met once do not meet again. */
static void pause_before(int try)
{
    uint16_t chance;

    random_bytes(&chance, sizeof(chance));
    (void)poll(NULL, 0, 1 + chance % (FIRST_PAUSE_MS << try));
}

bool catalog_write(struct catalog *c, catalog_work_fn *fn, void *arg, struct err *e)
{
    bool may_repeat = false;

    for (int try = 1; !write_once(c, fn, arg, &may_repeat, e); try++) {
        if (!may_repeat || try == TRIES || cancel_is_requested())
            return false;
        pause_before(try);
    }
    return true;
}

/* What the files of this folder share */

void catalog_id_new(char out[CATALOG_ID_SIZE])
{
    uint8_t bytes[(CATALOG_ID_SIZE - 1) / 2];

    random_bytes(bytes, sizeof(bytes));
    hex_encode(SLICE_OF(bytes, sizeof(bytes)), out);
}

bool catalog_check_text(const char *what, const char *text, size_t limit, struct err *e)
{
    const size_t size = strlen(text);

    if (size == 0)
        return err_set(e, ERR_USAGE, "%s is empty", what);
    if (size > limit)
        return err_set(e, ERR_USAGE, "%s is longer than %zu bytes", what, limit);
    for (const char *p = text; *p != '\0'; p++)
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return err_set(e, ERR_USAGE, "%s has a control character", what);
    return utf8_is_valid(slice_string(text)) || err_set(e, ERR_USAGE, "%s is not UTF-8", what);
}

bool catalog_check_document(const char *what, const char *text, struct err *e)
{
    if (text == NULL)
        return true;

    const size_t size = strlen(text);

    if (size > CATALOG_DOCUMENT_MAX)
        return err_set(e, ERR_USAGE, "%s is longer than %zu bytes", what, CATALOG_DOCUMENT_MAX);

    AUTO(json) json_t *j = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, NULL);

    return j != NULL || err_set(e, ERR_USAGE, "%s is no JSON document", what);
}

void catalog_secret_hash(const char *secret, char out[CATALOG_HASH_SIZE])
{
    struct hash h;

    sha256(slice_string(secret), &h);
    hex_encode(SLICE_OF(h.bytes, HASH_SIZE), out);
}

int catalog_name_number(const char *const *names, size_t count, const char *name)
{
    for (size_t i = 0; name != NULL && i < count; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    return -1;
}
