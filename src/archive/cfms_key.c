#include <math.h>
#include <string.h>

#include "archive/cfms_record.h"
#include "archive/python_json.h"
#include "base/mem.h"
#include "base/text.h"

static const char algorithm[] = "AES-256-CBC";

void cfms_key_auto(struct cfms_key *k)
{
    mem_wipe(k, sizeof(*k));
}

void cfms_key_format(const struct cfms_key *k, struct buf *out)
{
    char digits[3][2 * HASH_SIZE + 1];

    hex_encode(SLICE_OF(k->key, sizeof(k->key)), digits[0]);

    AUTO(json)
    json_t *j = json_pack("{s:s, s:s, s:f, s:s}", "key", digits[0], "algorithm", algorithm,
                          "created_at", k->created_at, "backup_name", k->name);

    if (k->has_mac) {
        hex_encode(SLICE_OF(k->mac.bytes, HASH_SIZE), digits[1]);
        hex_encode(SLICE_OF(k->sha256.bytes, HASH_SIZE), digits[2]);
        (void)json_object_set_new(j, "hmac_sha256", json_string(digits[1]));
        (void)json_object_set_new(j, "archive_sha256", json_string(digits[2]));
        (void)json_object_set_new(j, "archive_size", json_integer((json_int_t)k->size));
    }
    buf_reserve(out, CFMS_KEY_TEXT_MAX); /* leaves no copy behind by growing */
    python_json_append(j, 0, out);
    mem_wipe(digits[0], sizeof(digits[0]));
}

static bool take_sum(const json_t *j, const char *member, uint8_t *out, struct err *e)
{
    const char *digits = json_string_value(json_object_get(j, member));

    return (digits != NULL && hex_decode(digits, out, HASH_SIZE)) ||
           err_set(e, ERR_CORRUPT, "the key file has no valid member \"%s\"", member);
}

static bool take_mac(const json_t *j, struct cfms_key *k, struct err *e)
{
    const json_t *size = json_object_get(j, "archive_size");

    k->has_mac = json_object_get(j, "hmac_sha256") != NULL ||
                 json_object_get(j, "archive_sha256") != NULL || size != NULL;
    if (!k->has_mac)
        return true;
    k->size = (uint64_t)json_integer_value(size);
    if (!json_is_integer(size) || json_integer_value(size) < 0)
        return err_set(e, ERR_CORRUPT, "the key file has no valid member \"archive_size\"");
    return take_sum(j, "hmac_sha256", k->mac.bytes, e) &&
           take_sum(j, "archive_sha256", k->sha256.bytes, e);
}

/* What the application does not look at either. */
static void take_notes(const json_t *j, struct cfms_key *k)
{
    const json_t *at = json_object_get(j, "created_at");
    const char *name = json_string_value(json_object_get(j, "backup_name"));

    if (json_is_number(at) && isfinite(json_number_value(at)))
        k->created_at = json_number_value(at);
    if (name != NULL)
        text_flatten(slice_string(name), k->name, sizeof(k->name));
}

bool cfms_key_parse(struct slice text, struct cfms_key *out, struct err *e)
{
    AUTO(cfms_key) struct cfms_key k = {0};
    const char *used, *digits;
    char name[32];

    /* Jansson's own sentence would show what stands where it stopped. */
    AUTO(json) json_t *j = NULL;

    if (text.size <= CFMS_KEY_TEXT_MAX)
        j = json_loadb((const char *)text.data, text.size, JSON_REJECT_DUPLICATES, NULL);
    used = json_string_value(json_object_get(j, "algorithm"));
    digits = json_string_value(json_object_get(j, "key"));
    if (used == NULL || digits == NULL)
        return err_set(e, ERR_CORRUPT, "Invalid key file format");
    if (strcmp(used, algorithm) != 0) {
        text_flatten(slice_string(used), name, sizeof(name));
        return err_set(e, ERR_CORRUPT, "Unsupported encryption algorithm: %s", name);
    }
    if (!hex_decode(digits, k.key, sizeof(k.key)))
        return err_set(e, ERR_CORRUPT, "Invalid encryption key: it is not 64 hexadecimal digits");
    if (!take_mac(j, &k, e))
        return false;
    take_notes(j, &k);
    *out = k;
    return true;
}
