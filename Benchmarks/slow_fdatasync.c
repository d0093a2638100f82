// fdatasync on a disk that takes two milliseconds longer. Loaded with LD_PRELOAD by log_cost.py.
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd) {
    struct timespec delay = {.tv_nsec = 2000000};
    int result = (int)syscall(SYS_fdatasync, fd);
    nanosleep(&delay, NULL);
    return result;
}
