"""Use free memory once, so that no program that is measured has to wait for the host to give it."""

import mmap
import multiprocessing

MADV_POPULATE_WRITE = 23  # <linux/mman.h>, Linux 5.14
HEAP_BYTES = 1 << 30  # more than any program takes for itself


def touch_pages(size):
    with mmap.mmap(-1, size) as pages:
        pages.madvise(MADV_POPULATE_WRITE)


def touch(size=HEAP_BYTES):
    """Use free memory once, in a process that ends and so frees it."""
    child = multiprocessing.Process(target=touch_pages, args=(size,))
    child.start()
    child.join()
