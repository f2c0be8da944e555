/*
 * Secrets live in libsodium's guarded memory: pages of their own, locked, left out of core
 * dumps, with inaccessible pages around them, wiped by sodium_free().
 */
#include "base/mem.h"

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

void mem_exit(const char *sentence)
{
    static const char program[] = "holdfast: ";
    const struct iovec parts[] = {
        {(void *)(uintptr_t)program, sizeof(program) - 1},
        {(void *)(uintptr_t)sentence, strlen(sentence)},
        {(void *)(uintptr_t) "\n", 1},
    };

    /* The process ends either way; nobody is left to hear that this failed. */
    (void)!writev(STDERR_FILENO, parts, 3);
    _exit(1);
}

static void *mem_checked(void *p)
{
    if (p == NULL)
        mem_exit("out of memory");
    return p;
}

void *mem_new(size_t size)
{
    return mem_checked(calloc(1, size > 0 ? size : 1));
}

void *mem_array(size_t count, size_t size)
{
    size_t product = 0;

    if (__builtin_mul_overflow(count, size, &product))
        mem_exit("out of memory");
    return mem_new(product);
}

void *mem_resize(void *p, size_t count, size_t size)
{
    size_t product = 0;

    if (__builtin_mul_overflow(count, size, &product))
        mem_exit("out of memory");
    return mem_checked(realloc(p, product > 0 ? product : 1));
}

void mem_prefer_huge(void *p, size_t size)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t begin = ((uintptr_t)p + page - 1) / page * page;
    const uintptr_t end = ((uintptr_t)p + size) / page * page;

    /* Refused by kernels built without them: then the pages are small. */
    if (begin < end)
        (void)madvise((void *)begin, end - begin, MADV_HUGEPAGE);
}

void *mem_dup(const void *p, size_t size)
{
    size_t room = 0;

    if (__builtin_add_overflow(size, 1, &room))
        mem_exit("out of memory");

    uint8_t *copy = mem_checked(malloc(room));

    if (size > 0)
        memcpy(copy, p, size);
    copy[size] = 0;
    return copy;
}

char *mem_string(const char *s)
{
    return s == NULL ? NULL : mem_dup(s, strlen(s));
}

void mem_free(void *p)
{
    free(p);
}

void mem_auto(void *pp)
{
    void *p = NULL;

    /* Copied bytewise: *pp is a pointer of any type. */
    memcpy(&p, pp, sizeof(p));
    free(p);
}

void *mem_secret_new(size_t size)
{
    /* The end of the block touches the guard page, so only such sizes keep it aligned. */
    enum { ALIGNMENT = 16 };
    size_t room = 0;

    if (sodium_init() < 0)
        mem_exit("the cryptographic library does not start");
    if (__builtin_add_overflow(size, ALIGNMENT, &room))
        mem_exit("out of memory");
    room -= room % ALIGNMENT;

    void *p = mem_checked(sodium_malloc(room));

    memset(p, 0, room);
    return p;
}

void mem_secret_free(void *p)
{
    sodium_free(p);
}

void mem_secret_auto(void *pp)
{
    void *p = NULL;

    memcpy(&p, pp, sizeof(p));
    sodium_free(p);
}

void mem_wipe(void *p, size_t size)
{
    if (size > 0) /* p may be NULL otherwise */
        explicit_bzero(p, size);
}
