/*
 * Key slots from anywhere are refused or understood.  The input is what stands behind the fixed
 * front of a slot or, when its first byte is odd, the whole slot.  Slots for passwords are
 * decoded and not tried: Argon2id is slow, and not ours.
 */
#include <assert.h>
#include <string.h>

#include "repo/slot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void slot_use(struct slice bytes)
{
    static const uint8_t secret[KEY_FILE_SIZE];
    const struct unlock with = {UNLOCK_KEY_FILE, {secret, sizeof(secret)}};
    uint8_t master[SEAL_KEY_SIZE];
    struct slot s;
    struct err e = {0};

    if (!slot_decode(bytes, &s, &e)) {
        assert((e.code == ERR_CORRUPT || e.code == ERR_USAGE) && e.text[0] != '\0');
        return;
    }
    assert(strlen(s.label) <= KEY_LABEL_MAX);
    if (s.kind == UNLOCK_PASSPHRASE) {
        assert(s.memory_kib <= 1048576 && s.passes <= 10);
        return;
    }
    /* Nobody guesses a commitment. */
    assert(!slot_open(&s, &with, master, &e) && e.code == ERR_DENIED);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char front[] = "HFKEYSLT\1\2\1";
    AUTO(buf) struct buf slot = {0};

    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        buf_append(&slot, front, sizeof(front)); /* with the zero behind */
    buf_append(&slot, data + 1, size - 1);
    slot_use(buf_slice(&slot));
    return 0;
}
