// Tells ThreadSanitizer what a contended Mutex orders. Preloaded by `make test-tsan`.
//
// Synchronization.Mutex is inlined as far as its fast path; where threads contend, lock and unlock
// are functions of libswiftSynchronization (Swift 6.3, stdlib/public/Synchronization/Mutex/
// LinuxImpl.swift), which is not built with ThreadSanitizer. It sees none of their atomic
// operations then, and reports the state that the mutex protects as raced for. These functions
// stand before the library's, call them, and add the ordering; nothing is suppressed.
//
// The names are mangled Swift. Should they change, the library's are called directly and the test
// `ThreadSanitizer sees what a contended mutex orders` fails under ThreadSanitizer.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context))

#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// Absent in processes that run without ThreadSanitizer: the test run's parents and children.
// The address is the one that the fast path's atomic operations are on.
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

SWIFT void lock_slow(uint32_t thread, SELF void *mutex) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF void *mutex) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF void *mutex) __asm__(UNLOCK);

static void *library(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    if (!function) abort();
    return function;
}

SWIFT void lock_slow(uint32_t thread, SELF void *mutex) {
    ((SWIFT void (*)(uint32_t, SELF void *))library(LOCK))(thread, mutex);
    if (__tsan_acquire) __tsan_acquire(mutex);
}

SWIFT bool try_lock_slow(SELF void *mutex) {
    bool locked = ((SWIFT bool (*)(SELF void *))library(TRY_LOCK))(mutex);
    if (locked && __tsan_acquire) __tsan_acquire(mutex);
    return locked;
}

SWIFT void unlock_slow(SELF void *mutex) {
    if (__tsan_release) __tsan_release(mutex);
    ((SWIFT void (*)(SELF void *))library(UNLOCK))(mutex);
}
