/* Modem lines for ptys. Loaded into QEMU (LD_PRELOAD), whose serial ports have ptys at their ends.
 *
 * For `-chardev serial` QEMU asks its tty for modem lines (TIOCMGET), sets them (TIOCMSET), and passes on the guest's
 * settings (tcsetattr) and breaks (tcsendbreak). A pty knows nothing of all that: here it is answered and told.
 *
 * MODEM_LINES="LOG INPUTS" in the environment: two descriptors.
 *   LOG     a pipe; gets one line for each event: "SECONDS PTS outputs DTR RTS", "… inputs 120" (what the guest's
 *           UART was shown, in hex, when that changed), "… settings 9600 7E1", "… break". PTS is n of /dev/pts/n,
 *           SECONDS are CLOCK_MONOTONIC's.
 *   INPUTS  a file with one unsigned int for each pts: the TIOCM_ bits of CTS, DSR, DCD and RI.
 *
 * cc -O2 -fPIC -shared -o modem_lines.so modem_lines.c -ldl
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#define PTYS 4096

static int log_fd = -1, inputs_fd = -1;
static unsigned outputs[PTYS], shown[PTYS];

/* QEMU holds its big lock whenever it comes here, so nothing here runs twice at a time. */

__attribute__((constructor)) static void start(void)
{
    const char *fds = getenv("MODEM_LINES");
    /* QEMU is not to outlive the tests, however they end. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!fds || sscanf(fds, "%d %d", &log_fd, &inputs_fd) != 2)
        log_fd = inputs_fd = -1;
}

/* n of /dev/pts/n, or -1. */
static int pts_of(int fd)
{
    struct stat st;
    if (inputs_fd < 0 || fstat(fd, &st) || !S_ISCHR(st.st_mode))
        return -1;
    /* Documentation/admin-guide/devices.txt: "136-143 char Unix98 PTY slaves" */
    unsigned n = (major(st.st_rdev) - 136) * 256 + minor(st.st_rdev);
    return major(st.st_rdev) >= 136 && n < PTYS ? (int)n : -1;
}

static void tell(int pts, const char *format, ...)
{
    char line[200];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int n = snprintf(line, sizeof line, "%ld.%06ld %d ", (long)now.tv_sec, now.tv_nsec / 1000, pts);
    va_list more;
    va_start(more, format);
    n += vsnprintf(line + n, sizeof line - n, format, more);
    va_end(more);
    line[n++] = '\n';
    if (write(log_fd, line, n) < 0)
        log_fd = -1;
}

static unsigned inputs(int pts)
{
    unsigned bits = 0;
    if (pread(inputs_fd, &bits, sizeof bits, pts * (off_t)sizeof bits) != sizeof bits)
        bits = 0;
    if (bits != shown[pts])
        tell(pts, "inputs %x", bits);
    shown[pts] = bits;
    return bits;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*real)(int, unsigned long, void *);
    if (!real)
        real = (int (*)(int, unsigned long, void *))dlsym(RTLD_NEXT, "ioctl");
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);

    int pts = request == TIOCMGET || request == TIOCMSET ? pts_of(fd) : -1;
    if (pts < 0)
        return real(fd, request, argument);
    if (request == TIOCMGET) {
        *(int *)argument = inputs(pts) | outputs[pts];
        return 0;
    }
    outputs[pts] = *(int *)argument & (TIOCM_DTR | TIOCM_RTS);
    tell(pts, "outputs%s%s", outputs[pts] & TIOCM_DTR ? " DTR" : "", outputs[pts] & TIOCM_RTS ? " RTS" : "");
    return 0;
}

static int baud(speed_t speed)
{
    static const struct { speed_t speed; int baud; } speeds[] = {
        { B300, 300 }, { B1200, 1200 }, { B2400, 2400 }, { B4800, 4800 }, { B9600, 9600 }, { B19200, 19200 },
        { B38400, 38400 }, { B57600, 57600 }, { B115200, 115200 }, { B230400, 230400 }, { B921600, 921600 },
        { B3000000, 3000000 },
    };
    for (unsigned i = 0; i < sizeof speeds / sizeof *speeds; i++)
        if (speeds[i].speed == speed)
            return speeds[i].baud;
    return -1;
}

int tcsetattr(int fd, int when, const struct termios *termios)
{
    static int (*real)(int, int, const struct termios *);
    if (!real)
        real = (int (*)(int, int, const struct termios *))dlsym(RTLD_NEXT, "tcsetattr");
    int pts = pts_of(fd);
    if (pts >= 0) {
        tcflag_t c = termios->c_cflag;
        int bits = (c & CSIZE) == CS5 ? 5 : (c & CSIZE) == CS6 ? 6 : (c & CSIZE) == CS7 ? 7 : 8;
        char parity = !(c & PARENB) ? 'N' : c & PARODD ? 'O' : 'E';
        tell(pts, "settings %d %d%c%d", baud(cfgetospeed(termios)), bits, parity, c & CSTOPB ? 2 : 1);
    }
    return real(fd, when, termios);
}

int tcsendbreak(int fd, int duration)
{
    static int (*real)(int, int);
    if (!real)
        real = (int (*)(int, int))dlsym(RTLD_NEXT, "tcsendbreak");
    int pts = pts_of(fd);
    if (pts < 0)
        return real(fd, duration);
    tell(pts, "break");
    return 0;
}
