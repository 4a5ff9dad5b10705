/* Preloaded into a Redis server: its time is what the file in VIRTUAL_CLOCK holds, in microseconds since the epoch. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile int64_t *clock_file;

static int64_t now(void) {
  if (!clock_file) {
    int file = open(getenv("VIRTUAL_CLOCK"), O_RDONLY);
    clock_file = mmap(NULL, sizeof *clock_file, PROT_READ, MAP_SHARED, file, 0);
    if (file < 0 || clock_file == MAP_FAILED) abort();
  }
  return *clock_file;
}

int gettimeofday(struct timeval *value, void *zone) {
  (void)zone;
  int64_t at = now();
  value->tv_sec = at / 1000000;
  value->tv_usec = at % 1000000;
  return 0;
}

int clock_gettime(clockid_t id, struct timespec *value) {
  (void)id;
  int64_t at = now();
  value->tv_sec = at / 1000000;
  value->tv_nsec = at % 1000000 * 1000;
  return 0;
}

time_t time(time_t *value) {
  time_t at = now() / 1000000;
  if (value) *value = at;
  return at;
}

/* Redis seeds its hash tables from here. With the same seed each time, HGETALL and HSCAN have the same order. */
static const char *certain(const char *path) { return strcmp(path, "/dev/urandom") ? path : "/dev/zero"; }

FILE *fopen(const char *path, const char *mode) {
  FILE *(*real)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen");
  return real(certain(path), mode);
}

FILE *fopen64(const char *path, const char *mode) {
  FILE *(*real)(const char *, const char *) = (FILE * (*)(const char *, const char *)) dlsym(RTLD_NEXT, "fopen64");
  return real(certain(path), mode);
}
