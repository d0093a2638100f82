/* A clock that jumps: HOSTILE_CLOCK names a file whose first 8 bytes are seconds to add to the wall
 * clock. The kernel's monotonic clocks stay as they are, as they do when somebody sets the time. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const volatile int64_t *ahead;

__attribute__((constructor)) static void map_offset(void) {
  static const int64_t none = 0;
  const char *path = getenv("HOSTILE_CLOCK");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *page = file < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  ahead = page == MAP_FAILED ? &none : page;
}

int clock_gettime(clockid_t clock, struct timespec *result) {
  long code = syscall(SYS_clock_gettime, clock, result);
  if (code == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) && ahead) {
    result->tv_sec += *ahead;
  }
  return (int)code;
}

int gettimeofday(struct timeval *restrict result, void *restrict zone) {
  struct timespec now;
  (void)zone;
  clock_gettime(CLOCK_REALTIME, &now);
  result->tv_sec = now.tv_sec;
  result->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t *result) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (result) *result = now.tv_sec;
  return now.tv_sec;
}
