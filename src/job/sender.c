#include "job/sender.h"

#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "codec/random.h"

#define SENTENCE_MAX sizeof(((struct err *)NULL)->text)

/* Messages taken at a time; a lease is enough for all of them to run into their time limit. */
#define TAKEN_MAX 8
#define LEASE_MS  ((int)(TAKEN_MAX * OUTBOUND_TOTAL_MS + 30000))

bool sender_queue(struct catalog_tx *t, const char *run, const struct message_list *list,
                  struct err *e)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct message *m = &list->items[i];
        AUTO(buf) struct buf document = {0};
        bool is_new;

        message_encode(m, &document);
        if (!catalog_outbox_add(t,
                                &(struct catalog_message){.run = run,
                                                          .channel = channel_kind_name(m->kind),
                                                          .recipient = m->target,
                                                          .payload = buf_string(&document),
                                                          .dedup = m->id},
                                &is_new, e))
            return false;
    }
    return true;
}

bool sender_queue_some(struct catalog_tx *t, const char *run, const struct message_list *list,
                       size_t *lost, struct err *e)
{
    struct message_list some = *list;
    size_t room = 0;

    if (!catalog_outbox_room(t, &room, e))
        return false;
    if (some.count > room)
        some.count = room;
    if (!sender_queue(t, run, &some, e))
        return false;
    *lost += list->count - some.count;
    return true;
}

static void wait_or_give_up(const struct catalog_message *m, const struct message_result *r,
                            struct catalog_message_result *out)
{
    uint32_t random;
    int64_t wait_ms = 0;

    random_bytes(&random, sizeof(random));
    out->state = OUTBOX_FAILED;
    if (r->fate == MESSAGE_LATER &&
        message_next_try((int)m->attempts, r->retry_after_s, random, &wait_ms)) {
        out->state = OUTBOX_WAITING;
        out->next_ns = clock_now_ns() + wait_ms * 1000000;
    }
    out->error = outbound_outcome_sentence(r->outcome);
}

/* One try; false only when it does not count. */
static bool try_message(const struct catalog_message *m, const struct message_settings *s,
                        char sentence[SENTENCE_MAX], struct catalog_message_result *out,
                        struct err *e)
{
    AUTO(message) struct message message = {0};
    struct message_result r = {0};
    struct err why = {0};

    if (message_decode(slice_string(m->payload), &message, &why) &&
        message_send(&message, s, &r, &why)) {
        if (r.fate == MESSAGE_SENT)
            *out = (struct catalog_message_result){.state = OUTBOX_SENT};
        else
            wait_or_give_up(m, &r, out);
        return true;
    }
    if (why.code == ERR_CANCELLED) {
        *e = why;
        return false;
    }
    memcpy(sentence, why.text, SENTENCE_MAX);
    *out = (struct catalog_message_result){.state = OUTBOX_FAILED, .error = sentence};
    return true;
}

struct ending {
    const struct catalog_message *message;
    const struct catalog_message_result *result;
};

static bool write_ending(struct catalog_tx *t, void *arg, struct err *e)
{
    const struct ending *g = arg;

    return catalog_outbox_done(t, g->message, g->result, e);
}

bool sender_step(struct catalog *c, const struct message_settings *s, size_t *sent, struct err *e)
{
    AUTO(arena) struct arena a = {0};
    struct catalog_message_list list = {0};

    *sent = 0;
    if (!catalog_outbox_claim(c, TAKEN_MAX, LEASE_MS, &a, &list, e))
        return false;
    for (size_t i = 0; i < list.count; i++) {
        struct catalog_message_result r = {0};
        struct ending g = {&list.items[i], &r};
        char sentence[SENTENCE_MAX];

        if (!try_message(&list.items[i], s, sentence, &r, e))
            return false;
        /* Taken by somebody else after all: theirs is what counts. */
        if (!catalog_write(c, write_ending, &g, e) && e->code != ERR_DENIED)
            return false;
        *sent += r.state == OUTBOX_SENT;
    }
    return true;
}

bool sender_due(struct catalog *c, int limit_ms, int *out, struct err *e)
{
    AUTO(catalog_tx) struct catalog_tx *t = NULL;

    return catalog_begin_read(c, &t, e) && catalog_outbox_due(t, limit_ms, out, e);
}
