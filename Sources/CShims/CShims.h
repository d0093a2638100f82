// What Glibc's Swift module leaves out. `static inline` only: there is nothing to link.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <malloc.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

// Declared here because glibc hides it without _GNU_SOURCE, and to define that would make this
// module's fd_set another type than that of Swift's Glibc module.
extern int accept4(int, struct sockaddr *, socklen_t *, int);

static inline int sluice_accept(int fd, struct sockaddr *address, socklen_t *length) {
    return accept4(fd, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

// Writes two pieces with one call; a peer that is gone is an error, not a SIGPIPE.
static inline ssize_t sluice_send_two(int fd, const void *first, size_t first_count,
                                      const void *second, size_t second_count) {
    struct iovec pieces[2] = {{(void *)first, first_count}, {(void *)second, second_count}};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    return sendmsg(fd, &message, MSG_NOSIGNAL);
}

// prctl is variadic, which does not reach Swift. Names the calling thread; 15 bytes and a NUL.
static inline int sluice_name_thread(const char *name) {
    return prctl(PR_SET_NAME, name, 0, 0, 0);
}

// Processors that the calling process may run on, or 0; glibc hides sched_getaffinity too.
static inline int sluice_processor_count(void) {
    unsigned long set[128] = {0};
    int count = 0;
    if (syscall(SYS_sched_getaffinity, 0, sizeof(set), set) < 0) return 0;
    for (int word = 0; word < 128; word++) count += __builtin_popcountl(set[word]);
    return count;
}

// O_DIRECT, which glibc hides without _GNU_SOURCE. To include fcntl.h here would make stat and
// timespec another type than those of Swift's Glibc module.
static inline int sluice_direct_flag(void) {
#if defined(__aarch64__)
    return 0200000;
#else
    return 040000;
#endif
}

// How much of the heap's free end is kept, from which size on a block is mapped by itself, and how
// many heaps there are; glibc's module lacks malloc.h.
static inline void sluice_tune_heap(int kept_bytes, int mapped_bytes, int heaps) {
    mallopt(M_TRIM_THRESHOLD, kept_bytes);
    mallopt(M_MMAP_THRESHOLD, mapped_bytes);
    mallopt(M_ARENA_MAX, heaps);
}

// Gives free pages of the heap back to the kernel; glibc's module lacks malloc.h.
static inline int sluice_trim_heap(void) { return malloc_trim(0); }

// epoll_event is packed on x86-64, which Swift can't import faithfully: only its parts cross.
static inline int sluice_epoll_control(int epoll, int operation, int fd, uint32_t events,
                                       uint64_t data) {
    struct epoll_event event = {.events = events, .data = {.u64 = data}};
    return epoll_ctl(epoll, operation, fd, &event);
}

static inline uint32_t sluice_epoll_event_mask(const struct epoll_event *events, size_t index) {
    return events[index].events;
}

static inline uint64_t sluice_epoll_event_data(const struct epoll_event *events, size_t index) {
    return events[index].data.u64;
}


// CRC-32C (Castagnoli) by the processor's instruction, which C alone can reach. `crc` and the
// result are the register's content, not inverted.
#if defined(__x86_64__)
#include <cpuid.h>

static inline int sluice_has_crc32c(void) {
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2) && (c & bit_PCLMUL);
}

// What `crc` becomes by zero bytes, as many as `power` says: reflected, x^(8 * count - 33) modulo
// the polynomial. The product of two reflected numbers is one bit short, hence 33 and not 32.
__attribute__((target("sse4.2,pclmul")))
static inline uint64_t sluice_crc32c_shifted(uint32_t crc, uint32_t power) {
    typedef long long pair __attribute__((vector_size(16)));
    return (uint64_t)__builtin_ia32_pclmulqdq128((pair){crc, 0}, (pair){power, 0}, 0)[0];
}

// Whole blocks of three lanes: the instruction takes three cycles, and one can begin in each. A
// lane is `words` of eight bytes; `one` and `two` are the powers of a lane and of two.
__attribute__((target("sse4.2,pclmul")))
static inline uint32_t sluice_crc32c_lanes(uint32_t crc, const uint8_t **bytes, size_t *count,
                                           size_t words, uint32_t one, uint32_t two) {
    const size_t lane = 8 * words;
    for (; *count >= 3 * lane; *bytes += 3 * lane, *count -= 3 * lane) {
        uint64_t a = crc, b = 0, c = 0, word;
        for (const uint8_t *at = *bytes, *end = at + lane; at < end; at += 8) {
            __builtin_memcpy(&word, at, 8);
            a = __builtin_ia32_crc32di(a, word);
            __builtin_memcpy(&word, at + lane, 8);
            b = __builtin_ia32_crc32di(b, word);
            __builtin_memcpy(&word, at + 2 * lane, 8);
            c = __builtin_ia32_crc32di(c, word);
        }
        word = sluice_crc32c_shifted((uint32_t)a, two) ^ sluice_crc32c_shifted((uint32_t)b, one);
        crc = (uint32_t)(__builtin_ia32_crc32di(0, word) ^ c);
    }
    return crc;
}

__attribute__((target("sse4.2,pclmul")))
static inline uint32_t sluice_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) {
    crc = sluice_crc32c_lanes(crc, &bytes, &count, 512, 0x82F89C77, 0x54A86326);
    crc = sluice_crc32c_lanes(crc, &bytes, &count, 32, 0xB9E02B86, 0xDD7E3B0C);
    uint64_t wide = crc;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        __builtin_memcpy(&word, bytes, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    crc = (uint32_t)wide;
    for (; count > 0; bytes++, count--) crc = __builtin_ia32_crc32qi(crc, *bytes);
    return crc;
}
#elif defined(__aarch64__)
// Every 64-bit ARM that Linux servers run on has it; the architecture demands it since 8.1.
static inline int sluice_has_crc32c(void) { return 1; }

__attribute__((target("crc")))
static inline uint32_t sluice_crc32c(uint32_t crc, const uint8_t *bytes, size_t count) {
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        __builtin_memcpy(&word, bytes, 8);
        crc = __builtin_arm_crc32cd(crc, word);
    }
    for (; count > 0; bytes++, count--) crc = __builtin_arm_crc32cb(crc, *bytes);
    return crc;
}
#endif
