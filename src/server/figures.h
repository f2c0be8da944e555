/* Runs as statistics count them.  Private to the server. */
#ifndef SERVER_FIGURES_H
#define SERVER_FIGURES_H

#include "catalog/catalog.h"
#include "notify/notify.h"

enum figure_state figures_state(enum catalog_run_state state);
enum figure_kind figures_kind(enum catalog_run_kind kind);

#endif
