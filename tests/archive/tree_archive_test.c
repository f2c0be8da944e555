#include "archive/tree_archive.h"

#include <string.h>

#include "base/mem.h"
#include "support/test.h"

static bool fits(enum entry_type type, const char *path, uint64_t *held, struct err *e)
{
    const struct entry en = {.type = type};

    return tree_zip_check(path, &en, held, e);
}

TEST(zip_takes_files_folders_and_links_and_passes_sockets_over)
{
    static const enum entry_type types[] = {ENTRY_FILE, ENTRY_DIRECTORY, ENTRY_SYMLINK,
                                            ENTRY_SOCKET};
    uint64_t held = 0;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        CHECK_OK(fits(types[i], "/srv/x", &held, e));
    CHECK(held > 4 * strlen("/srv/x") && held < 1000);
}
END

TEST(zip_refuses_devices_and_pipes_by_name)
{
    static const enum entry_type types[] = {ENTRY_FIFO, ENTRY_CHARACTER_DEVICE, ENTRY_BLOCK_DEVICE};
    uint64_t held = 0;
    struct err e = {0};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        CHECK(!fits(types[i], "/srv/odd", &held, &e) && e.code == ERR_USAGE);
        CHECK(strstr(e.text, "/srv/odd") != NULL);
    }
}
END

TEST(zip_refuses_names_that_its_length_cannot_say)
{
    AUTO(mem) char *name = mem_new(70000);
    uint64_t held = 0;

    memset(name, 'x', 65535);
    CHECK_OK(fits(ENTRY_FILE, name, &held, e));
    name[65535] = 'x';
    CHECK_ERR(fits(ENTRY_FILE, name, &held, e), ERR_USAGE);
}
END

TEST(zip_refuses_more_entries_than_its_directory_may_take)
{
    uint64_t held = 0;
    uint64_t count = 0;
    struct err e = {0};

    while (fits(ENTRY_FILE, "/srv/a/file/of/fifty/bytes/or/a/few/more/than/that", &held, &e))
        count++;
    CHECK(e.code == ERR_USAGE && count > 1000000 && count < 2000000);
}
END

TESTS("tree_archive", zip_takes_files_folders_and_links_and_passes_sockets_over,
      zip_refuses_devices_and_pipes_by_name, zip_refuses_names_that_its_length_cannot_say,
      zip_refuses_more_entries_than_its_directory_may_take)
