/* The library of shim.c inside a test. */
#ifndef SUPPORT_SHIM_H
#define SUPPORT_SHIM_H

/* Read the variables again and count from 1. */
void shim_arm(void);

#endif
