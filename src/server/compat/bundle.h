/*
 * POST /backup: pushed bundles, as the published server of "Main Private Files" takes them, on a
 * listener of their own (docs/sources/bundle.md).
 */
#ifndef SERVER_COMPAT_BUNDLE_H
#define SERVER_COMPAT_BUNDLE_H

#include "server/route.h"

/* With a push token for the set; and for a listener on loopback that takes them from anybody. */
extern const struct route api_bundle_routes[], api_bundle_open_routes[];
extern const size_t api_bundle_route_count, api_bundle_open_route_count;

#endif
