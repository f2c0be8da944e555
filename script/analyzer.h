/*
 * Read by clang-tidy ahead of every file but base/err.c.  The analyzer sees one file at a
 * time and so cannot know that these return false; without that it follows paths on which a
 * function failed and its caller goes on as if it had succeeded.
 */
#include "base/err.h"

#define err_set(...)  (err_set(__VA_ARGS__), false)
#define err_sys(...)  (err_sys(__VA_ARGS__), false)
#define err_wrap(...) (err_wrap(__VA_ARGS__), false)
