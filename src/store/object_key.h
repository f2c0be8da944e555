/*
 * The names that objects may have: components of [a-z0-9._-] joined by single slashes,
 * none of them beginning with a dot, and nothing at or below "tmp", which is where
 * drivers keep what is not finished.
 */
#ifndef STORE_OBJECT_KEY_H
#define STORE_OBJECT_KEY_H

#include <stdbool.h>

bool object_key_is_valid(const char *key);

#endif
