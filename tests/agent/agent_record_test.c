/* Requests and answers as bytes. */
#include "support/test.h"

#include "agent/agent_record.h"

static struct agent_request request_of(enum agent_operation operation)
{
    struct agent_request r = {.operation = operation};

    if (operation == AGENT_PUT)
        memset(&r.key, 7, sizeof(r.key));
    if (operation == AGENT_GET)
        memset(r.key.name, 7, sizeof(r.key.name));
    return r;
}

TEST(a_request_is_read_as_it_was_written)
{
    for (enum agent_operation o = AGENT_GET; o <= AGENT_STOP; o++) {
        const struct agent_request wanted = request_of(o);
        struct agent_request found = {0};
        uint8_t bytes[AGENT_REQUEST_SIZE];

        agent_request_encode(&wanted, bytes);
        CHECK_OK(agent_request_decode(bytes, &found, e));
        CHECK(found.operation == o);
        CHECK(memcmp(&found.key, &wanted.key, sizeof(found.key)) == 0);
    }
}
END

TEST(what_an_operation_does_not_take_is_refused)
{
    for (enum agent_operation o = AGENT_GET; o <= AGENT_STOP; o++) {
        const struct agent_request plain = request_of(o);
        uint8_t bytes[AGENT_REQUEST_SIZE];

        for (size_t at = 0; at < AGENT_REQUEST_SIZE; at++) {
            struct agent_request found = {0};
            const bool is_name = at >= 48 && at < 80;
            const bool is_taken = o == AGENT_PUT ? at >= 16 : o == AGENT_GET && is_name;

            if (at == 8 || is_taken)
                continue;
            agent_request_encode(&plain, bytes);
            bytes[at] ^= 1;
            CHECK_ERR(agent_request_decode(bytes, &found, e), ERR_CORRUPT);
        }
    }
}
END

TEST(an_operation_that_does_not_exist_is_refused)
{
    for (int o = 0; o < 256; o++) {
        struct agent_request found = {0};
        const struct agent_request none = {.operation = AGENT_STOP};
        uint8_t bytes[AGENT_REQUEST_SIZE];

        agent_request_encode(&none, bytes);
        bytes[8] = (uint8_t)o;
        if (o < AGENT_GET || o > AGENT_STOP)
            CHECK_ERR(agent_request_decode(bytes, &found, e), ERR_CORRUPT);
    }
}
END

static struct agent_answer listing(uint32_t count)
{
    struct agent_answer a = {.result = AGENT_DONE, .count = count, .has_rows = true};

    for (uint32_t i = 0; i < count; i++) {
        memset(a.rows[i].repository, (int)i, AGENT_ID_SIZE);
        memset(a.rows[i].slot, 100, AGENT_ID_SIZE);
        a.rows[i].left_s = UINT32_MAX - i;
        a.rows[i].uses = UINT64_MAX - i;
    }
    return a;
}

TEST(an_answer_is_read_as_it_was_written)
{
    for (uint32_t count = 0; count <= AGENT_KEYS_MAX; count++) {
        const struct agent_answer wanted = listing(count);
        struct agent_answer found = {0};
        uint8_t bytes[AGENT_ANSWER_MAX];
        const size_t size = agent_answer_encode(&wanted, bytes);

        CHECK_OK(agent_answer_decode(SLICE_OF(bytes, size), AGENT_LIST, &found, e));
        CHECK(found.count == count);
        CHECK(memcmp(found.rows, wanted.rows, sizeof(found.rows)) == 0);
        for (size_t n = 0; n < size; n++)
            CHECK_ERR(agent_answer_decode(SLICE_OF(bytes, n), AGENT_LIST, &found, e), ERR_CORRUPT);
    }
}
END

TEST(an_answer_to_another_request_is_refused)
{
    struct agent_answer found = {0};
    struct agent_answer a = {.result = AGENT_DONE, .sealed = {1}};
    uint8_t bytes[AGENT_ANSWER_MAX + 1] = {0};

    (void)agent_answer_encode(&a, bytes);
    CHECK_OK(agent_answer_decode(SLICE_OF(bytes, AGENT_ANSWER_SIZE), AGENT_GET, &found, e));
    CHECK_ERR(agent_answer_decode(SLICE_OF(bytes, AGENT_ANSWER_SIZE), AGENT_PUT, &found, e),
              ERR_CORRUPT);
    CHECK_ERR(agent_answer_decode(SLICE_OF(bytes, AGENT_ANSWER_SIZE + 1), AGENT_GET, &found, e),
              ERR_CORRUPT);
    a = (struct agent_answer){.result = AGENT_NONE};
    (void)agent_answer_encode(&a, bytes);
    CHECK_OK(agent_answer_decode(SLICE_OF(bytes, AGENT_ANSWER_SIZE), AGENT_GET, &found, e));
    CHECK_ERR(agent_answer_decode(SLICE_OF(bytes, AGENT_ANSWER_SIZE), AGENT_FORGET, &found, e),
              ERR_CORRUPT);
    a = (struct agent_answer){.result = AGENT_DONE, .count = AGENT_KEYS_MAX + 1};
    (void)agent_answer_encode(&a, bytes);
    CHECK_ERR(agent_answer_decode(SLICE_OF(bytes, AGENT_ANSWER_SIZE), AGENT_FORGET, &found, e),
              ERR_CORRUPT);
}
END

TEST(a_path_that_no_socket_can_have_is_refused)
{
    char longest[200] = "/";

    CHECK_OK(agent_path_check("/run/agent.sock", e));
    CHECK_ERR(agent_path_check("", e), ERR_USAGE);
    CHECK_ERR(agent_path_check("agent.sock", e), ERR_USAGE);
    CHECK_ERR(agent_path_check("/run/", e), ERR_USAGE);
    memset(longest + 1, 'x', 106);
    CHECK_OK(agent_path_check(longest, e));
    memset(longest + 1, 'x', 107);
    CHECK_ERR(agent_path_check(longest, e), ERR_USAGE);
}
END

TESTS("agent_record", a_request_is_read_as_it_was_written,
      what_an_operation_does_not_take_is_refused, an_operation_that_does_not_exist_is_refused,
      an_answer_is_read_as_it_was_written, an_answer_to_another_request_is_refused,
      a_path_that_no_socket_can_have_is_refused)
