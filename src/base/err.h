/*
 * Errors and scope cleanup: the two idioms that every other file uses.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

/*
 * What a caller may do about a failure.  Short on purpose: a code is added only
 * when some caller would act differently because of it.
 */
enum err_code {
    ERR_NONE,      /* no failure */
    ERR_NOT_FOUND, /* the named thing is not there */
    ERR_EXISTS,    /* the named thing is there already */
    ERR_CORRUPT,   /* bytes disagree with their checksum or their format */
    ERR_DENIED,    /* wrong key, password or permission */
    ERR_TRANSIENT, /* the same request may succeed later */
    ERR_AWAY,      /* the storage stays in trouble: nothing is known of the thing */
    ERR_CANCELLED, /* the user or a deadline stopped the work */
    ERR_USAGE,     /* the request itself makes no sense */
    ERR_FATAL,     /* everything else */
};

/*
 * One failure.  Lives on the stack of the function that will act on it and is
 * filled in by whoever fails below, so it needs no memory and no freeing and can
 * never be left over from an earlier call.
 */
struct err {
    enum err_code code;
    char text[500]; /* outermost context first: "back up db1: read WAL: timed out" */
};

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define MUST_CHECK             __attribute__((warn_unused_result))

/* Record a failure.  Returns false, so that "return err_set(...)" reads as one step. */
bool err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Record the failure that errno describes, which stays as it is.  Returns false. */
bool err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Put "context: " before the text already recorded; the code stays.  Returns false. */
bool err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/*
 * AUTO(kind) in front of a local variable calls kind_auto(&variable) when the
 * variable goes out of scope, on every path.
 */
#define AUTO(kind) __attribute__((cleanup(kind##_auto)))

/* Hand an AUTO pointer to a new owner: yields it and leaves NULL behind. */
#define TAKE(ptr)                       \
    ({                                  \
        __typeof__(ptr) taken_ = (ptr); \
        (ptr) = (void *)0;              \
        taken_;                         \
    })

#endif
