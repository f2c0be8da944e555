/* Key files of CFMS: what is read is written and read again as the same. */
#include <assert.h>
#include <string.h>

#include "archive/cfms_conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The text keys of later servers share the input. */
static void check_text_key(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf text = {0};
    uint8_t key[CFMS_KEY_SIZE];
    struct err e = {0};

    buf_append(&text, data, size);
    assert(cfms_conf_key_parse(buf_string(&text), key, &e) || e.code == ERR_USAGE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    AUTO(buf) struct buf text = {0};
    AUTO(buf) struct buf same = {0};
    struct cfms_key k = {0}, again = {0};
    struct err e = {0};

    check_text_key(data, size);
    if (!cfms_key_parse((struct slice){data, size}, &k, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return 0;
    }
    cfms_key_format(&k, &text);
    assert(cfms_key_parse(buf_slice(&text), &again, &e));
    assert(memcmp(k.key, again.key, sizeof(k.key)) == 0 && k.created_at == again.created_at);
    assert(strcmp(k.name, again.name) == 0 && k.has_mac == again.has_mac && k.size == again.size);
    assert(hash_is_equal(&k.mac, &again.mac) && hash_is_equal(&k.sha256, &again.sha256));
    cfms_key_format(&again, &same);
    assert(slice_is_equal(buf_slice(&text), buf_slice(&same)));
    return 0;
}
