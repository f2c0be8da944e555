#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>
#include "base/thread.h"
#include "job/world.h"
struct t { pthread_t th; const char *path; atomic_bool over; };
static void *toggle(void *arg)
{
    struct t *t = arg; int fd = open(t->path, O_RDWR); char b[65536] = {1};
    while (!atomic_load(&t->over)) {
        (void)!pwrite(fd, b, sizeof(b), 0); (void)!ftruncate(fd, 256 << 20); (void)!pwrite(fd, b, sizeof(b), 200 << 20);
        (void)!ftruncate(fd, 100);
    }
    close(fd); return NULL;
}
TEST(shrink)
{
    AUTO(world) struct world w; struct t t = {0};
    world_init(&w);
    t.path = path_in(w.dir.path, "f"); file_put_text(t.path, "x");
    thread_start(&t.th, toggle, &t, "toggle");
    for (int i = 0; i < 3000; i++) { const struct backup_options o = options_of(&w); CHECK_OK(run(&w, &o, e)); if (i % 100 == 0) { AUTO(repo) struct repo *r = fixture_open(w.store); } if (object_count(w.store, "snapshots/") > 200) { repo_close(w.repo); store_close(w.store); w.store = store_memory_new(); w.repo = fixture_repo(w.store);} }
    atomic_store(&t.over, true); thread_join(t.th);
}
END
TESTS("shrink", shrink)
