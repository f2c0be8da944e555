/*
 * Certificates are made with OpenSSL and used through GnuTLS, which libmicrohttpd is built on; PEM
 * files are what both agree on.
 */
#include "server/tls.h"

#include <arpa/inet.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/thread.h"
#include "codec/hash.h"
#include "codec/random.h"
#include "server/private.h"
#include "server/tls_private.h"

#define CHAIN_MAX 8
#define FILE_MAX  ((size_t)256 << 10) /* of PEM; chains are a few KiB */
#define DAYS      825

/* One reading of the files.  Kept until the end: a handshake may be using it. */
struct loaded {
    struct loaded *older;
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned count;
    gnutls_privkey_t key;
};

struct tls {
    char *certificate, *key;
    pthread_mutex_t lock; /* guards newest */
    struct loaded *newest;
};

static void loaded_free(struct loaded *l)
{
    for (unsigned i = 0; i < l->count; i++)
        gnutls_pcert_deinit(&l->chain[i]);
    if (l->key != NULL)
        gnutls_privkey_deinit(l->key);
    mem_free(l);
}

static void loaded_auto(struct loaded **l)
{
    if (*l != NULL)
        loaded_free(*l);
}

static bool key_id(gnutls_pubkey_t key, uint8_t id[HASH_SIZE])
{
    size_t size = HASH_SIZE;

    return gnutls_pubkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, id, &size) == 0;
}

static bool is_pair(struct loaded *l)
{
    uint8_t a[HASH_SIZE];
    uint8_t b[HASH_SIZE];
    gnutls_pubkey_t key = NULL;
    bool is_same = false;

    if (gnutls_pubkey_init(&key) != 0)
        return false;
    if (gnutls_pubkey_import_privkey(key, l->key, 0, 0) == 0 && key_id(key, a) &&
        key_id(l->chain[0].pubkey, b))
        is_same = memcmp(a, b, HASH_SIZE) == 0;
    gnutls_pubkey_deinit(key);
    return is_same;
}

bool tls_reload(struct tls *t, struct err *e)
{
    AUTO(loaded) struct loaded *l = mem_new(sizeof(*l));
    AUTO(buf) struct buf certificate = {0};
    AUTO(buf) struct buf key = {0};
    unsigned count = CHAIN_MAX;

    if (!file_read(t->certificate, FILE_MAX, &certificate, e) ||
        !file_read(t->key, FILE_MAX, &key, e))
        return false;

    const gnutls_datum_t pem = {certificate.data, (unsigned)certificate.size};
    const gnutls_datum_t secret = {key.data, (unsigned)key.size};
    const bool is_chain =
        gnutls_pcert_list_import_x509_raw(l->chain, &count, &pem, GNUTLS_X509_FMT_PEM, 0) >= 0 &&
        count > 0;
    const bool is_key =
        gnutls_privkey_init(&l->key) == 0 &&
        gnutls_privkey_import_x509_raw(l->key, &secret, GNUTLS_X509_FMT_PEM, NULL, 0) == 0;

    l->count = is_chain ? count : 0;
    mem_wipe(key.data, key.size);
    if (!is_chain)
        return err_set(e, ERR_USAGE, "%s holds no certificate", t->certificate);
    if (!is_key)
        return err_set(e, ERR_USAGE, "%s holds no key without a password", t->key);
    if (!is_pair(l))
        return err_set(e, ERR_USAGE, "%s is not the key of %s", t->key, t->certificate);
    pthread_mutex_lock(&t->lock);
    l->older = t->newest;
    t->newest = TAKE(l);
    pthread_mutex_unlock(&t->lock);
    return true;
}

bool tls_open(const char *certificate, const char *key, struct tls **out, struct err *e)
{
    AUTO(tls) struct tls *t = mem_new(sizeof(*t));

    t->certificate = mem_string(certificate);
    t->key = mem_string(key);
    (void)pthread_mutex_init(&t->lock, NULL);
    if (!tls_reload(t, e))
        return err_wrap(e, "TLS");
    *out = TAKE(t);
    return true;
}

void tls_close(struct tls *t)
{
    if (t == NULL)
        return;
    while (t->newest != NULL) {
        struct loaded *l = t->newest;

        t->newest = l->older;
        loaded_free(l);
    }
    (void)pthread_mutex_destroy(&t->lock);
    mem_free(t->certificate);
    mem_free(t->key);
    mem_free(t);
}

void tls_auto(struct tls **t)
{
    tls_close(*t);
}

void tls_current(struct tls *t, gnutls_pcert_st **chain, unsigned *count, gnutls_privkey_t *key)
{
    pthread_mutex_lock(&t->lock);
    *chain = t->newest->chain;
    *count = t->newest->count;
    *key = t->newest->key;
    pthread_mutex_unlock(&t->lock);
}

/* libmicrohttpd keeps its connection as the pointer of the session. */
int tls_choose(gnutls_session_t session, const gnutls_datum_t *names, int name_count,
               const gnutls_pk_algorithm_t *algorithms, int algorithm_count,
               gnutls_pcert_st **chain, unsigned *count, gnutls_privkey_t *key)
{
    const union MHD_ConnectionInfo *i = MHD_get_connection_info(gnutls_session_get_ptr(session),
                                                                MHD_CONNECTION_INFO_SOCKET_CONTEXT);

    (void)names;
    (void)name_count;
    (void)algorithms;
    (void)algorithm_count;
    if (i == NULL || i->socket_context == NULL)
        return -1;

    const struct peer *p = i->socket_context;

    tls_current(p->listener->tls, chain, count, key);
    return 0;
}

void tls_fingerprint(struct tls *t, char out[TLS_FINGERPRINT_MAX])
{
    gnutls_pcert_st *chain;
    gnutls_privkey_t key;
    struct hash sum;
    unsigned count;

    tls_current(t, &chain, &count, &key);
    sha256(SLICE_OF(chain[0].cert.data, chain[0].cert.size), &sum);
    for (size_t i = 0; i < HASH_SIZE; i++) {
        static const char digits[] = "0123456789ABCDEF";

        out[3 * i] = digits[sum.bytes[i] >> 4];
        out[3 * i + 1] = digits[sum.bytes[i] & 15];
        out[3 * i + 2] = i + 1 < HASH_SIZE ? ':' : '\0';
    }
}

static void pkey_auto(EVP_PKEY **k)
{
    EVP_PKEY_free(*k);
}

static void x509_auto(X509 **x)
{
    X509_free(*x);
}

static void bio_auto(BIO **b)
{
    BIO_free_all(*b);
}

/* "DNS:localhost,IP:127.0.0.1" */
static void put_names(const char *const *names, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        struct in6_addr a;
        const bool is_address =
            inet_pton(AF_INET, names[i], &a) == 1 || inet_pton(AF_INET6, names[i], &a) == 1;

        buf_printf(out, "%s%s:%s", i == 0 ? "" : ",", is_address ? "IP" : "DNS", names[i]);
    }
}

static bool put_extension(X509 *x, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;
    bool is_added;

    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    is_added = ext != NULL && X509_add_ext(x, ext, -1) == 1;
    X509_EXTENSION_free(ext);
    return is_added;
}

static bool sign(X509 *x, EVP_PKEY *key, const char *names)
{
    uint64_t serial;
    X509_NAME *name = X509_get_subject_name(x);

    random_bytes(&serial, sizeof(serial));
    return X509_set_version(x, X509_VERSION_3) == 1 &&
           ASN1_INTEGER_set_uint64(X509_get_serialNumber(x), serial >> 1) == 1 &&
           X509_gmtime_adj(X509_getm_notBefore(x), -86400) != NULL &&
           X509_time_adj_ex(X509_getm_notAfter(x), DAYS - 1, 0, NULL) != NULL &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"holdfast", -1, -1,
                                      0) == 1 &&
           X509_set_issuer_name(x, name) == 1 && X509_set_pubkey(x, key) == 1 &&
           put_extension(x, NID_subject_alt_name, names) &&
           put_extension(x, NID_basic_constraints, "critical,CA:FALSE") &&
           put_extension(x, NID_ext_key_usage, "serverAuth") && X509_sign(x, key, EVP_sha256()) > 0;
}

static struct slice bio_slice(BIO *b)
{
    char *data;
    const long size = BIO_get_mem_data(b, &data);

    return SLICE_OF(data, (size_t)size);
}

bool tls_make(const char *folder, const char *const *names, size_t count, struct err *e)
{
    AUTO(fd) int dir = -1;
    AUTO(buf) struct buf all = {0};
    bool is_suspect = false;
    struct stat there;

    if (!dir_open(folder, &dir, e))
        return false;
    if (fstatat(dir, "tls.pem", &there, 0) == 0 && fstatat(dir, "tls.key", &there, 0) == 0)
        return true;
    put_names(names, count, &all);

    AUTO(pkey) EVP_PKEY *key = EVP_EC_gen("P-256");
    AUTO(x509) X509 *x = X509_new();
    AUTO(bio) BIO *key_pem = BIO_new(BIO_s_secmem());
    AUTO(bio) BIO *pem = BIO_new(BIO_s_mem());

    if (key == NULL || x == NULL || key_pem == NULL || pem == NULL ||
        !sign(x, key, buf_string(&all)) ||
        PEM_write_bio_PKCS8PrivateKey(key_pem, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        PEM_write_bio_X509(pem, x) != 1)
        return err_set(e, ERR_FATAL, "a certificate for %s cannot be made", buf_string(&all));
    return file_publish_replace(dir, "tls.key", ".tls.key.new", bio_slice(key_pem), &is_suspect,
                                e) &&
           file_publish_replace(dir, "tls.pem", ".tls.pem.new", bio_slice(pem), &is_suspect, e);
}
