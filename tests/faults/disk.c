/* Preloaded under SQLite: writes down what happens to a database's files, lets one call fail, or
 * sets a process's wall clock wrong.
 *
 * Knows file names in one folder (FAULTS_FOLDER), nothing of SQLite.
 * FAULTS_LOG: every write, truncation and sync, in order with the lines of the truth log, as a row
 * of {op, file, length, offset} in the machine's own order, each followed by its bytes.
 * FAULTS_ORDER: a file "CALL ERRNO N": the N-th write ("w") or sync ("s") from now fails with that
 * error; 0 writes half of it and says so. The file is gone once that happened.
 * FAULTS_CLOCK: while there is such a file, the wall clock is wrong by that many seconds. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { WRITE = 1, TRUNCATE, SYNC, UNLINK, CREATE };
enum { NONE = 0, DATABASE, LOG, JOURNAL, MARKS, TRUTH, FOLDER };
#define FDS 4096

static unsigned char files[FDS];
static int record = -1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int file_of(const char *path)
{
    const char *folder = getenv("FAULTS_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    if (!length || strncmp(path, folder, length) != 0)
        return NONE;
    path += length;
    if (!*path) return FOLDER;
    if (!strcmp(path, "/outbox.db") || !strcmp(path, "/fleet.db")) return DATABASE;
    if (!strcmp(path, "/outbox.db-wal") || !strcmp(path, "/fleet.db-wal")) return LOG;
    if (!strcmp(path, "/outbox.db-journal")) return JOURNAL;
    if (!strcmp(path, "/outbox.db.marks")) return MARKS;
    if (!strcmp(path, "/truth")) return TRUTH;
    return NONE;
}

static void note(uint32_t op, uint32_t file, const void *bytes, uint64_t length, uint64_t offset)
{
    struct { uint32_t op, file; uint64_t length, offset; } head = {op, file, length, offset};
    struct iovec parts[2] = {{&head, sizeof head}, {(void *)bytes, bytes ? length : 0}};
    if (record < 0) {
        const char *path = getenv("FAULTS_LOG");
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
        record = path ? real(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    }
    if (record >= 0 && writev(record, parts, 2) < 0)
        abort();
}

static int opened(const char *path, int fd, int flags, int existed)
{
    if (fd >= 0 && fd < FDS) {
        files[fd] = file_of(path);
        if (files[fd] && files[fd] < TRUTH && (flags & O_CREAT) && !existed)
            note(CREATE, files[fd], NULL, 0, 0);
    }
    return fd;
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) \
    { \
        int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        va_list more; \
        va_start(more, flags); \
        int mode = va_arg(more, int), existed = access(path, F_OK) == 0; \
        va_end(more); \
        return opened(path, real(path, flags, mode), flags, existed); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int at, const char *path, int flags, ...) \
    { \
        int (*real)(int, const char *, int, ...) = dlsym(RTLD_NEXT, #name); \
        va_list more; \
        va_start(more, flags); \
        int mode = va_arg(more, int), existed = access(path, F_OK) == 0; \
        va_end(more); \
        return opened(path, real(at, path, flags, mode), flags, existed); \
    }
OPENAT(openat)
OPENAT(openat64)

int close(int fd)
{
    int (*real)(int) = dlsym(RTLD_NEXT, "close");
    if (fd >= 0 && fd < FDS)
        files[fd] = NONE;
    return real(fd);
}

/* Whether this call is the one that was ordered to fail; then errno says how. */
static int ordered(char call, int file)
{
    static int left = 0;
    const char *path = getenv("FAULTS_ORDER");
    if (!path || file >= TRUTH || access(path, F_OK) != 0)
        return 0;
    char what = 0, text[32] = {0};
    int error = 0, count = 0, fd = ((int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64"))(path, O_RDONLY);
    ssize_t (*get)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    ssize_t size = fd < 0 ? -1 : get(fd, text, sizeof text - 1);
    if (fd >= 0)
        ((int (*)(int))dlsym(RTLD_NEXT, "close"))(fd);
    if (size <= 0 || sscanf(text, "%c %d %d", &what, &error, &count) != 3 || what != call)
        return 0;
    left = left ? left - 1 : count - 1;
    if (left > 0)
        return 0;
    left = 0;
    ((int (*)(const char *))dlsym(RTLD_NEXT, "unlink"))(path);
    errno = error;
    return 1;
}

static int watched(int fd) { return fd >= 0 && fd < FDS ? files[fd] : NONE; }

#define WRITTEN(call, offset) \
    pthread_mutex_lock(&lock); \
    int fails = ordered('w', watched(fd)), half = fails && errno == 0; \
    if (half) \
        length = (length + 1) / 2; \
    ssize_t done = fails && !half ? -1 : call; \
    if (done > 0) \
        note(WRITE, watched(fd), bytes, (uint64_t)done, (uint64_t)(offset)); \
    pthread_mutex_unlock(&lock); \
    return done

ssize_t write(int fd, const void *bytes, size_t length)
{
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    if (!watched(fd))
        return real(fd, bytes, length);
    off_t at = lseek(fd, 0, SEEK_CUR);
    WRITTEN(real(fd, bytes, length), at);
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *bytes, size_t length, off_t offset) \
    { \
        ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, #name); \
        if (!watched(fd)) \
            return real(fd, bytes, length, offset); \
        WRITTEN(real(fd, bytes, length, offset), offset); \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define NOTED(name, op, type, value) \
    int name(int fd type) \
    { \
        int (*real)(int type) = dlsym(RTLD_NEXT, #name); \
        if (!watched(fd)) \
            return real(fd value); \
        pthread_mutex_lock(&lock); \
        int done = op == SYNC && ordered('s', watched(fd)) ? -1 : real(fd value); \
        if (done == 0) \
            note(op, watched(fd), NULL, 0, (uint64_t)(0 AT)); \
        pthread_mutex_unlock(&lock); \
        return done; \
    }
#define COMMA ,
#define AT
NOTED(fsync, SYNC, , )
NOTED(fdatasync, SYNC, , )
#undef AT
#define AT + size
NOTED(ftruncate, TRUNCATE, COMMA off_t size, COMMA size)
NOTED(ftruncate64, TRUNCATE, COMMA off_t size, COMMA size)

int unlink(const char *path)
{
    int (*real)(const char *) = dlsym(RTLD_NEXT, "unlink");
    int file = file_of(path), done = real(path);
    if (done == 0 && file && file < TRUTH)
        note(UNLINK, file, NULL, 0, 0);
    return done;
}

/* How wrong the wall clock is, in seconds. */
static long long wrong_by(void)
{
    const char *path = getenv("FAULTS_CLOCK");
    if (!path || access(path, F_OK) != 0)
        return 0;
    int (*get_fd)(const char *, int, ...) = dlsym(RTLD_NEXT, "open64");
    ssize_t (*get)(int, void *, size_t) = dlsym(RTLD_NEXT, "read");
    int (*end)(int) = dlsym(RTLD_NEXT, "close");
    char text[32] = {0};
    int fd = get_fd(path, O_RDONLY);
    if (fd < 0)
        return 0;
    ssize_t size = get(fd, text, sizeof text - 1);
    end(fd);
    return size > 0 ? atoll(text) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, now);
    if (done == 0 && clock == CLOCK_REALTIME)
        now->tv_sec += wrong_by();
    return done;
}

time_t time(time_t *where)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (where)
        *where = now.tv_sec;
    return now.tv_sec;
}
