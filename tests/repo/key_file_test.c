#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "repo/repo.h"
#include "support/test.h"

/* A folder with at most a file "key" in it, gone at the end of the scope. */
struct folder {
    char path[32];
};

static struct folder folder_new(void)
{
    struct folder f = {"/tmp/holdfast-keys-XXXXXX"};

    CHECK(mkdtemp(f.path) != NULL);
    return f;
}

static void folder_auto(struct folder *f)
{
    AUTO(buf) struct buf key = {0};

    buf_printf(&key, "%s/key", f->path);
    (void)unlink(buf_string(&key));
    CHECK(rmdir(f->path) == 0);
}

TEST(key_file_is_private_and_reads_back)
{
    AUTO(folder) struct folder folder = folder_new();
    AUTO(buf) struct buf path = {0};
    uint8_t made[32];
    uint8_t read[32];
    struct stat st;

    buf_printf(&path, "%s/key", folder.path);
    CHECK_OK(key_file_make(buf_string(&path), made, e));
    CHECK(stat(buf_string(&path), &st) == 0 && (st.st_mode & 0777) == 0600 && st.st_size == 65);
    CHECK_OK(key_file_read(buf_string(&path), read, e));
    CHECK(memcmp(made, read, sizeof(made)) == 0);
    CHECK_ERR(key_file_make(buf_string(&path), read, e), ERR_EXISTS);
    CHECK_OK(key_file_read(buf_string(&path), read, e));
    CHECK(memcmp(made, read, sizeof(made)) == 0);

    buf_printf(&path, "-absent/key");
    CHECK_ERR(key_file_read(buf_string(&path), read, e), ERR_NOT_FOUND);
    CHECK_ERR(key_file_make(buf_string(&path), made, e), ERR_NOT_FOUND);
    CHECK_ERR(key_file_make(folder.path, made, e), ERR_EXISTS);
    CHECK_ERR(key_file_make("/tmp/", made, e), ERR_USAGE);
}
END

#define HEX_64 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

TEST(file_that_is_no_key_file_is_corrupt)
{
    static const char *const bad[] = {
        "", "\n", HEX_64 "\n\n", HEX_64 "0", " " HEX_64, "x" HEX_64, HEX_64 " ", "abcd\n",
    };
    AUTO(folder) struct folder folder = folder_new();
    AUTO(fd) int dir = -1;
    AUTO(buf) struct buf path = {0};
    uint8_t read[32];
    bool is_suspect = false;

    CHECK_OK(dir_open(folder.path, &dir, e));
    buf_printf(&path, "%s/key", folder.path);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_OK(file_publish_replace(dir, "key", "tmp", slice_string(bad[i]), &is_suspect, e));
        CHECK_ERR(key_file_read(buf_string(&path), read, e), ERR_CORRUPT);
    }
    CHECK_OK(file_publish_replace(dir, "key", "tmp", slice_string(HEX_64), &is_suspect, e));
    CHECK_OK(key_file_read(buf_string(&path), read, e));
    CHECK(read[1] == 0x11 && read[31] == 0xff);
}
END

TESTS("key_file", key_file_is_private_and_reads_back, file_that_is_no_key_file_is_corrupt)
