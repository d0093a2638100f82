// The signal handler behind Platform's CrashMark: C, because Swift promises of no code that it may
// run in a signal handler. What it calls is async-signal-safe (signal-safety(7)), or a bare system
// call. Include it from one Swift file alone: each has its own copy of the handler's state.
#pragma once
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

// As in the file; CrashMark.swift draws it.
struct sluice_crash_slot {
    uint32_t state;
    int32_t signal;
    // 0 while no thread has the slot.
    int32_t thread;
    // Whether the file has it, too. Zero there.
    uint32_t is_written;
    uint64_t log;
    uint64_t epoch_high;
    uint64_t epoch_low;
    uint64_t first;
    uint64_t last;
    uint64_t reserved_too;
};

_Static_assert(sizeof(struct sluice_crash_slot) == 64, "a slot is a cache line");

enum { SLUICE_SLOT_IDLE = 0, SLUICE_SLOT_BUSY = 1, SLUICE_SLOT_CRASHED = 2 };

struct sluice_crash_table {
    struct sluice_crash_slot *slots;
    uint32_t slot_count;
    int file;
    uint32_t header_bytes;
};

static inline int32_t sluice_thread_id(void) { return (int32_t)syscall(SYS_gettid); }

// The handler sees a slot that is busy whole: it runs on the thread that wrote it.
static inline void sluice_slot_begin(struct sluice_crash_slot *slot, uint64_t log,
                                     uint64_t epoch_high, uint64_t epoch_low, uint64_t first,
                                     uint64_t last) {
    slot->log = log;
    slot->epoch_high = epoch_high;
    slot->epoch_low = epoch_low;
    slot->first = first;
    slot->last = last;
    __atomic_store_n(&slot->state, SLUICE_SLOT_BUSY, __ATOMIC_RELEASE);
}

// Puts the slot as it is now into the file, for a process that is ended without a handler. The file
// has room for it; where writing fails nothing is known later, which does no harm.
static inline void sluice_slot_write(struct sluice_crash_slot *slot, int file, int64_t offset) {
    struct sluice_crash_slot copy = *slot;
    copy.is_written = 0;
    slot->is_written = copy.state == SLUICE_SLOT_BUSY;
    ssize_t written = pwrite(file, &copy, sizeof(copy), (off_t)offset);
    (void)written;
}

static inline void sluice_slot_end(struct sluice_crash_slot *slot) {
    __atomic_store_n(&slot->state, SLUICE_SLOT_IDLE, __ATOMIC_RELEASE);
}

static inline void sluice_slot_give(struct sluice_crash_slot *slot, int32_t thread) {
    __atomic_store_n(&slot->thread, thread, __ATOMIC_RELEASE);
}

// Writes the calling thread's busy slot to the file, as crashed. Returns whether there was one.
static inline int sluice_crash_record(const struct sluice_crash_table *table, int32_t signal) {
    int32_t thread = sluice_thread_id();
    for (uint32_t index = 0; index < table->slot_count; index++) {
        struct sluice_crash_slot *slot = &table->slots[index];
        if (__atomic_load_n(&slot->thread, __ATOMIC_ACQUIRE) != thread) continue;
        if (__atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) != SLUICE_SLOT_BUSY) continue;
        struct sluice_crash_slot copy = *slot;
        copy.state = SLUICE_SLOT_CRASHED;
        copy.signal = signal;
        copy.is_written = 0;
        off_t offset = (off_t)table->header_bytes + (off_t)index * (off_t)sizeof(copy);
        return pwrite(table->file, &copy, sizeof(copy), offset) == (ssize_t)sizeof(copy);
    }
    return 0;
}

enum { SLUICE_CRASH_SIGNALS = 6 };

struct sluice_crash_state {
    struct sluice_crash_table table;
    struct sigaction previous[SLUICE_CRASH_SIGNALS];
};

static inline struct sluice_crash_state *sluice_crash_state(void) {
    static struct sluice_crash_state state;
    return &state;
}

static inline int sluice_crash_signal(int index) {
    static const int signals[SLUICE_CRASH_SIGNALS] = {SIGSEGV, SIGBUS,  SIGILL,
                                                      SIGTRAP, SIGFPE, SIGABRT};
    return signals[index];
}

static inline void sluice_handle_crash(int signal, siginfo_t *info, void *context) {
    (void)context;
    struct sluice_crash_state *state = sluice_crash_state();
    // Positive: by the kernel, for what this thread did. Else somebody sent it, as abort does to
    // its own process; what comes from outside is not the record's fault.
    int is_fault = info->si_code > 0;
    if (is_fault || info->si_pid == getpid()) sluice_crash_record(&state->table, signal);
    for (int index = 0; index < SLUICE_CRASH_SIGNALS; index++) {
        if (sluice_crash_signal(index) != signal) continue;
        struct sigaction *previous = &state->previous[index];
        if (previous->sa_handler == SIG_IGN) previous->sa_handler = SIG_DFL;
        sigaction(signal, previous, NULL);
    }
    // A fault comes again when the instruction does, with its own siginfo; a breakpoint and a
    // signal that was sent do not. It waits, blocked, until this handler has returned.
    if (!is_fault || signal == SIGTRAP) syscall(SYS_tgkill, getpid(), sluice_thread_id(), signal);
}

// Once a process. Returns -1 with errno on failure.
static inline int sluice_install_crash_handler(struct sluice_crash_table table) {
    struct sluice_crash_state *state = sluice_crash_state();
    state->table = table;
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_sigaction = sluice_handle_crash;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    sigemptyset(&action.sa_mask);
    for (int index = 0; index < SLUICE_CRASH_SIGNALS; index++) {
        if (sigaction(sluice_crash_signal(index), &action, &state->previous[index]) < 0) return -1;
    }
    return 0;
}

// A stack of the thread's own for the handler, which could not run on one that has overflowed.
// Returns NULL when the thread has one already, or there is no memory.
static inline void *sluice_make_signal_stack(size_t bytes) {
    stack_t current;
    if (sigaltstack(NULL, &current) < 0 || !(current.ss_flags & SS_DISABLE)) return NULL;
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return NULL;
    stack_t stack = {.ss_sp = memory, .ss_flags = 0, .ss_size = bytes};
    if (sigaltstack(&stack, NULL) == 0) return memory;
    munmap(memory, bytes);
    return NULL;
}

static inline void sluice_drop_signal_stack(void *memory, size_t bytes) {
    stack_t none = {.ss_sp = NULL, .ss_flags = SS_DISABLE, .ss_size = 0};
    sigaltstack(&none, NULL);
    munmap(memory, bytes);
}
