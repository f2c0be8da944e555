#include "server.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"

void server_start(struct server *s, const char *script, const char *directory, size_t ports)
{
    char program[] = "/usr/bin/python3";
    char *const argv[] = {program, (char *)(uintptr_t)path_in(NOTIFY_SERVERS, script),
                          (char *)(uintptr_t)directory, NULL};
    char digits[5 * SERVER_PORTS_MAX];
    size_t got = 0;

    CHECK_OK(child_start(argv, &s->child, e));
    CHECK_OK(fd_read(s->child.out_fd, digits, 5 * ports, &got, e));
    CHECK(got == 5 * ports);
    for (size_t i = 0; i < ports; i++) {
        char text[6] = "";
        uint64_t port = 0;

        memcpy(text, digits + 5 * i, 5);
        CHECK_OK(parse_u64(text, &port, e));
        s->ports[i] = (uint16_t)port;
    }
}

void server_stop(struct server *s)
{
    child_auto(&s->child);
}

/* One of 256 buffers. */
static char *next_text(size_t *room)
{
    static char texts[256][200];
    static size_t next;

    *room = sizeof(texts[0]);
    return texts[next++ % 256];
}

const char *server_place(const char *host, uint16_t port)
{
    size_t room = 0;
    char *text = next_text(&room);

    (void)snprintf(text, room, "%s:%u", host, (unsigned)port);
    return text;
}

const char *server_url(const char *scheme, const char *host, uint16_t port, const char *path)
{
    size_t room = 0;
    char *text = next_text(&room);

    (void)snprintf(text, room, "%s://%s:%u%s", scheme, host, (unsigned)port, path);
    return text;
}

json_t *server_notes(const char *directory, const char *name)
{
    const char *path = path_in(directory, name);
    json_t *notes = json_array();
    struct buf text = {0};

    if (access(path, F_OK) == 0)
        file_take(path, &text);
    for (char *at = (char *)(uintptr_t)buf_string(&text); *at != '\0';) {
        char *end = strchr(at, '\n');
        json_t *note = NULL;

        CHECK(end != NULL);
        note = json_loadb(at, (size_t)(end - at), 0, NULL);
        CHECK(note != NULL);
        json_array_append_new(notes, note);
        at = end + 1;
    }
    (void)unlink(path);
    buf_done(&text);
    return notes;
}
