#include "repo/shelf.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/thread.h"
#include "support/test.h"

#define MIB ((size_t)1 << 20)

/* Fills the place of a frame with bytes of its number, unless it is filled. */
static struct shelved *put(struct shelf *s, uint32_t frame, size_t size)
{
    bool is_there;
    struct shelved *place = shelf_take(s, frame, size, &is_there);

    if (!is_there) {
        buf_clear(shelved_bytes(place));
        memset(buf_extend(shelved_bytes(place), size), (int)frame, size);
        shelf_filled(s, place, true);
    }
    return place;
}

static bool has(struct shelf *s, uint32_t frame)
{
    bool is_there;
    struct shelved *place = shelf_take(s, frame, 1, &is_there);

    if (!is_there)
        shelf_filled(s, place, false);
    shelf_drop(s, place);
    return is_there;
}

/* A reader that asks for a frame while another one is about to expand it. */
struct asking {
    struct shelf *shelf;
    pthread_t thread;
    atomic_bool has_asked, has_answer;
    bool is_there;
    uint8_t first;
};

static void *ask(void *arg)
{
    struct asking *a = arg;
    struct shelved *place;

    shelf_join(a->shelf);
    atomic_store(&a->has_asked, true);
    place = shelf_take(a->shelf, 7, 1, &a->is_there);
    atomic_store(&a->has_answer, true);
    if (a->is_there)
        a->first = shelved_bytes(place)->data[0];
    else
        shelf_filled(a->shelf, place, false);
    shelf_drop(a->shelf, place);
    shelf_leave(a->shelf);
    return NULL;
}

/* Another thread asks for the frame that this one fills; what it is told once it is filled, or is
 * not. */
static void ask_meanwhile(bool is_good, struct asking *a)
{
    struct shelf *s = shelf_new();
    struct shelved *place;
    bool is_there;

    *a = (struct asking){.shelf = s};
    shelf_join(s);
    place = shelf_take(s, 7, 1, &is_there);
    CHECK(!is_there);
    thread_start(&a->thread, ask, a, "ask");
    while (!atomic_load(&a->has_asked))
        continue;
    (void)usleep(20000);
    CHECK(!atomic_load(&a->has_answer));
    buf_clear(shelved_bytes(place));
    *buf_extend(shelved_bytes(place), 1) = 77;
    shelf_filled(s, place, is_good);
    shelf_drop(s, place);
    thread_join(a->thread);
    shelf_leave(s);
    shelf_free(s);
}

TEST(who_asks_for_a_frame_that_is_being_expanded_waits_for_it)
{
    struct asking a;

    ask_meanwhile(true, &a);
    CHECK(a.is_there && a.first == 77);
}
END

TEST(who_waited_for_a_frame_that_could_not_be_read_tries_itself)
{
    struct asking a;

    ask_meanwhile(false, &a);
    CHECK(!a.is_there);
}
END

TEST(the_frames_that_were_used_last_stay)
{
    struct shelf *s = shelf_new();

    shelf_join(s);
    for (uint32_t i = 0; i < 9; i++) {
        shelf_drop(s, put(s, i, MIB));
        CHECK(has(s, 0)); /* a use */
    }
    CHECK(has(s, 2) && has(s, 8) && !has(s, 1)); /* asking for one that is gone takes a place */
    shelf_leave(s);
    shelf_free(s);
}
END

TEST(each_reader_brings_room_for_as_much_again)
{
    struct shelf *s = shelf_new();

    shelf_join(s);
    shelf_join(s);
    for (uint32_t i = 0; i < 16; i++)
        shelf_drop(s, put(s, i, MIB));
    for (uint32_t i = 0; i < 16; i++)
        CHECK(has(s, i));
    shelf_drop(s, put(s, 16, MIB));
    CHECK(!has(s, 0));
    shelf_leave(s);
    shelf_leave(s);
    shelf_free(s);
}
END

TEST(what_a_reader_holds_stays_whatever_others_need)
{
    struct shelf *s = shelf_new();

    shelf_join(s);

    struct shelved *held = put(s, 1, 6 * MIB);

    for (uint32_t i = 10; i < 200; i++)
        shelf_drop(s, put(s, i, 3 * MIB));
    CHECK(shelved_bytes(held)->size == 6 * MIB && shelved_bytes(held)->data[6 * MIB - 1] == 1);
    CHECK(has(s, 1));
    shelf_drop(s, held);
    shelf_leave(s);
    shelf_free(s);
}
END

TEST(short_frames_stay_by_number_and_not_by_memory_alone)
{
    struct shelf *s = shelf_new();

    shelf_join(s);
    for (uint32_t i = 0; i < 200; i++)
        shelf_drop(s, put(s, i, 100));
    CHECK(has(s, 199) && has(s, 199 - 63) && !has(s, 100));
    shelf_leave(s);
    shelf_free(s);
}
END

TEST(nothing_is_kept_for_another_index_or_when_no_reader_is_left)
{
    struct shelf *s = shelf_new();

    shelf_join(s);
    shelf_drop(s, put(s, 1, 100));
    shelf_forget(s);
    CHECK(!has(s, 1));
    shelf_drop(s, put(s, 1, 100));
    shelf_leave(s);
    shelf_join(s);
    CHECK(!has(s, 1));
    shelf_leave(s);
    shelf_free(s);
}
END

TESTS("shelf", who_asks_for_a_frame_that_is_being_expanded_waits_for_it,
      who_waited_for_a_frame_that_could_not_be_read_tries_itself,
      the_frames_that_were_used_last_stay, each_reader_brings_room_for_as_much_again,
      what_a_reader_holds_stays_whatever_others_need,
      short_frames_stay_by_number_and_not_by_memory_alone,
      nothing_is_kept_for_another_index_or_when_no_reader_is_left)
