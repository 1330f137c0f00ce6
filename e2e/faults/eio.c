/* Syncs that fail on command, for a program that is started with this library in LD_PRELOAD.
 *
 * EIO_CONTROL names a file that may come, change and go while the program runs:
 *     "3 once"   of the syncs from now on, the third fails with EIO
 *     "3 ever"   the third fails, and all after it
 * Only files and folders below one named accepted, events or spool count. Each of their syncs adds a line "ok PATH" or
 * "EIO PATH" to EIO_LOG. A failed sync drops what it should have made last, as Linux may: the file is cut back to its
 * length at its last good sync, and the next sync says yes.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 4096

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { dev_t dev; ino_t ino; off_t bytes; } synced[FILES_MAX];
static int files;
static char command[64];
static long seen;

static int watched(int fd, char *path, size_t room) {
    char link[64], within[4200];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, room - 1);
    if (n <= 0) return 0;
    path[n] = 0;
    snprintf(within, sizeof within, "%s/", path);
    return strstr(within, "/accepted/") || strstr(within, "/events/") || strstr(within, "/spool/");
}

/* Whether the sync that comes now must fail. */
static int must_fail(void) {
    const char *control = getenv("EIO_CONTROL");
    char text[sizeof command] = "";
    int fd = control ? open(control, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        if (read(fd, text, sizeof text - 1) < 0) text[0] = 0;
        close(fd);
    }
    if (strcmp(text, command) != 0) {
        strcpy(command, text);
        seen = 0;
    }
    long at = strtol(command, NULL, 10);
    if (at <= 0) return 0;
    seen++;
    return seen == at || (seen > at && strstr(command, "ever"));
}

static int entry(const struct stat *file) {
    for (int n = 0; n < files; n++)
        if (synced[n].dev == file->st_dev && synced[n].ino == file->st_ino) return n;
    if (files == FILES_MAX) abort();
    synced[files].dev = file->st_dev;
    synced[files].ino = file->st_ino;
    synced[files].bytes = 0;
    return files++;
}

static void note(const char *word, const char *path) {
    const char *log = getenv("EIO_LOG");
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    char line[4200];
    int n = snprintf(line, sizeof line, "%s %s\n", word, path);
    if (fd < 0 || write(fd, line, n) != n) abort();
    close(fd);
}

static int sync_by(const char *name, int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char path[4096];
    if (!watched(fd, path, sizeof path)) return real(fd);
    pthread_mutex_lock(&lock);
    struct stat file;
    int done = -1, why = EIO;
    if (fstat(fd, &file) != 0) abort();
    int known = entry(&file);
    if (must_fail()) {
        note("EIO", path);
        /* A folder or a file that is only read has nothing to drop. */
        if (S_ISREG(file.st_mode) && ftruncate(fd, synced[known].bytes) != 0 && errno != EINVAL) abort();
    } else {
        done = real(fd);
        why = errno;
        if (done == 0) synced[known].bytes = file.st_size;
        note(done == 0 ? "ok" : "failed", path);
    }
    pthread_mutex_unlock(&lock);
    errno = why;
    return done;
}

int fsync(int fd) { return sync_by("fsync", fd); }
int fdatasync(int fd) { return sync_by("fdatasync", fd); }
