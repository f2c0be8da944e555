#include "agent/agent_record.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

static const uint8_t magic[8] = {'H', 'F', 'A', 'G', 'E', 'N', 'T', 1};

enum {
    OPERATION_AT = 8,
    REPOSITORY_AT = 16,
    SLOT_AT = 32,
    NAME_AT = 48,
    KEY_AT = 80,

    RESULT_AT = 8,
    COUNT_AT = 12,
    SEALED_AT = 16,

    LEFT_AT = 32,
    USES_AT = 40,
};

static_assert(KEY_AT + AGENT_SEALED_SIZE == AGENT_REQUEST_SIZE, "the key ends a request");
static_assert(SEALED_AT + AGENT_SEALED_SIZE == AGENT_ANSWER_SIZE, "the key ends an answer");

static void put_number(uint8_t *to, uint64_t n, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(n >> (8 * i));
}

static uint64_t get_number(const uint8_t *from, size_t size)
{
    uint64_t n = 0;

    for (size_t i = size; i-- > 0;)
        n = n << 8 | from[i];
    return n;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t all = 0;

    for (size_t i = 0; i < size; i++)
        all |= bytes[i];
    return all == 0;
}

void agent_request_encode(const struct agent_request *r, uint8_t out[AGENT_REQUEST_SIZE])
{
    memset(out, 0, AGENT_REQUEST_SIZE);
    memcpy(out, magic, sizeof(magic));
    out[OPERATION_AT] = (uint8_t)r->operation;
    memcpy(out + REPOSITORY_AT, r->key.repository, AGENT_ID_SIZE);
    memcpy(out + SLOT_AT, r->key.slot, AGENT_ID_SIZE);
    memcpy(out + NAME_AT, r->key.name, AGENT_NAME_SIZE);
    memcpy(out + KEY_AT, r->key.sealed, AGENT_SEALED_SIZE);
}

/* What an operation does not take is zero. */
static bool is_plain(const uint8_t *bytes, uint8_t operation)
{
    switch (operation) {
    case AGENT_PUT:
        return true;
    case AGENT_GET:
        return is_zero(bytes + REPOSITORY_AT, NAME_AT - REPOSITORY_AT) &&
               is_zero(bytes + KEY_AT, AGENT_SEALED_SIZE);
    case AGENT_LIST:
    case AGENT_FORGET:
    case AGENT_STOP:
        return is_zero(bytes + REPOSITORY_AT, AGENT_REQUEST_SIZE - REPOSITORY_AT);
    default:
        return false;
    }
}

bool agent_request_decode(const uint8_t bytes[AGENT_REQUEST_SIZE], struct agent_request *out,
                          struct err *e)
{
    if (memcmp(bytes, magic, sizeof(magic)) != 0 ||
        !is_zero(bytes + OPERATION_AT + 1, REPOSITORY_AT - OPERATION_AT - 1) ||
        !is_plain(bytes, bytes[OPERATION_AT]))
        return err_set(e, ERR_CORRUPT, "this is no request to a key agent");
    out->operation = (enum agent_operation)bytes[OPERATION_AT];
    memcpy(out->key.repository, bytes + REPOSITORY_AT, AGENT_ID_SIZE);
    memcpy(out->key.slot, bytes + SLOT_AT, AGENT_ID_SIZE);
    memcpy(out->key.name, bytes + NAME_AT, AGENT_NAME_SIZE);
    memcpy(out->key.sealed, bytes + KEY_AT, AGENT_SEALED_SIZE);
    return true;
}

static void row_encode(const struct agent_row *r, uint8_t *out)
{
    memset(out, 0, AGENT_ROW_SIZE);
    memcpy(out, r->repository, AGENT_ID_SIZE);
    memcpy(out + AGENT_ID_SIZE, r->slot, AGENT_ID_SIZE);
    put_number(out + LEFT_AT, r->left_s, 4);
    put_number(out + USES_AT, r->uses, 8);
}

size_t agent_answer_encode(const struct agent_answer *a, uint8_t out[AGENT_ANSWER_MAX])
{
    const uint32_t rows = a->has_rows ? a->count : 0;

    assert(rows <= AGENT_KEYS_MAX);
    memset(out, 0, AGENT_ANSWER_SIZE);
    memcpy(out, magic, sizeof(magic));
    out[RESULT_AT] = (uint8_t)a->result;
    put_number(out + COUNT_AT, a->count, 4);
    memcpy(out + SEALED_AT, a->sealed, AGENT_SEALED_SIZE);
    for (size_t i = 0; i < rows; i++)
        row_encode(&a->rows[i], out + AGENT_ANSWER_SIZE + i * AGENT_ROW_SIZE);
    return AGENT_ANSWER_SIZE + rows * AGENT_ROW_SIZE;
}

static bool row_decode(const uint8_t *bytes, struct agent_row *out)
{
    memcpy(out->repository, bytes, AGENT_ID_SIZE);
    memcpy(out->slot, bytes + AGENT_ID_SIZE, AGENT_ID_SIZE);
    out->left_s = (uint32_t)get_number(bytes + LEFT_AT, 4);
    out->uses = get_number(bytes + USES_AT, 8);
    return is_zero(bytes + LEFT_AT + 4, USES_AT - LEFT_AT - 4);
}

/* Its front, but for the key; rows are as many as size has room for. */
static bool answer_is_sound(const uint8_t *bytes, size_t rows, enum agent_operation operation)
{
    const uint8_t result = bytes[RESULT_AT];
    const uint64_t count = get_number(bytes + COUNT_AT, 4);
    const bool has_key = operation == AGENT_GET && result == AGENT_DONE;
    const bool may_count = result == AGENT_DONE && operation >= AGENT_LIST;

    if (result < AGENT_DONE || result > AGENT_REFUSED ||
        (result == AGENT_NONE && operation != AGENT_GET) || count > AGENT_KEYS_MAX ||
        (count > 0 && !may_count) || rows != (operation == AGENT_LIST ? count : 0))
        return false;
    return has_key || is_zero(bytes + SEALED_AT, AGENT_SEALED_SIZE);
}

bool agent_answer_decode(struct slice bytes, enum agent_operation operation,
                         struct agent_answer *out, struct err *e)
{
    const size_t more = bytes.size < AGENT_ANSWER_SIZE ? 1 : bytes.size - AGENT_ANSWER_SIZE;
    const size_t rows = more / AGENT_ROW_SIZE;
    struct agent_answer a = {.has_rows = operation == AGENT_LIST};
    bool is_sound = more % AGENT_ROW_SIZE == 0 && memcmp(bytes.data, magic, sizeof(magic)) == 0 &&
                    is_zero(bytes.data + RESULT_AT + 1, COUNT_AT - RESULT_AT - 1) &&
                    answer_is_sound(bytes.data, rows, operation);

    for (size_t i = 0; i < rows && is_sound; i++)
        is_sound = row_decode(bytes.data + AGENT_ANSWER_SIZE + i * AGENT_ROW_SIZE, &a.rows[i]);
    if (!is_sound)
        return err_set(e, ERR_CORRUPT, "this is no answer of a key agent");
    a.result = (enum agent_result)bytes.data[RESULT_AT];
    a.count = (uint32_t)get_number(bytes.data + COUNT_AT, 4);
    memcpy(a.sealed, bytes.data + SEALED_AT, AGENT_SEALED_SIZE);
    *out = a;
    return true;
}

bool agent_address(const char *path, struct sockaddr_un *out, struct err *e)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const size_t size = strlen(path);

    if (path[0] != '/' || path[size - 1] == '/')
        return err_set(e, ERR_USAGE, "the socket of a key agent has an absolute path, not %.200s",
                       path);
    if (size >= sizeof(a.sun_path))
        return err_set(e, ERR_USAGE,
                       "the path of a socket has at most %zu bytes, which %.200s has not",
                       sizeof(a.sun_path) - 1, path);
    memcpy(a.sun_path, path, size);
    *out = a;
    return true;
}

bool agent_path_check(const char *path, struct err *e)
{
    struct sockaddr_un ignored;

    return agent_address(path, &ignored, e);
}

bool agent_peer_check(int fd, struct err *e)
{
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return err_sys(e, "ask who is at the other end");
    return peer.uid == geteuid() ||
           err_set(e, ERR_DENIED, "it is a process of another user (%u)", (unsigned)peer.uid);
}
