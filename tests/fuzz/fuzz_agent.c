/*
 * What a key agent hears and what it says, from anywhere.  The first byte chooses: 0 a request, any
 * other an answer to the operation of that number.  What is understood is the same when it is
 * written again.
 */
#include <assert.h>
#include <string.h>

#include "agent/agent_record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void request_use(const uint8_t *data, size_t size)
{
    uint8_t bytes[AGENT_REQUEST_SIZE] = {0};
    uint8_t again[AGENT_REQUEST_SIZE];
    struct agent_request r;
    struct err e = {0};

    memcpy(bytes, data, size < sizeof(bytes) ? size : sizeof(bytes));
    if (!agent_request_decode(bytes, &r, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return;
    }
    assert(r.operation >= AGENT_GET && r.operation <= AGENT_STOP);
    agent_request_encode(&r, again);
    assert(memcmp(again, bytes, sizeof(bytes)) == 0);
}

static void answer_use(enum agent_operation operation, struct slice bytes)
{
    uint8_t again[AGENT_ANSWER_MAX];
    struct agent_answer a;
    struct err e = {0};

    if (!agent_answer_decode(bytes, operation, &a, &e)) {
        assert(e.code == ERR_CORRUPT && e.text[0] != '\0');
        return;
    }
    assert(a.count <= AGENT_KEYS_MAX);
    assert(agent_answer_encode(&a, again) == bytes.size);
    assert(memcmp(again, bytes.data, bytes.size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0)
        request_use(data + 1, size - 1);
    else
        answer_use(AGENT_GET + data[0] % AGENT_STOP, SLICE_OF(data + 1, size - 1));
    return 0;
}
