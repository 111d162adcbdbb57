// A board's top level behind a pseudo-terminal: bits on rx and tx at the very ratio of clock and baud rate.
//
//     simulated CLOCK_HZ BAUD SETTLE
//
// prints the terminal's name, then, for every line on stdin, a line of figures; ends with the end of stdin, and so with
// whoever started it. The simulated clock runs only while something is in flight: until nothing has moved on either line
// for SETTLE cycles.

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include <deque>
#include <vector>

#include "Vtop.h"
#include "verilated.h"

static const int CHUNK = 256;              // clock cycles between looks at the terminal
static const size_t MOST_QUEUED = 4096;    // bytes taken from the terminal ahead of the line, as a USB bridge would

static uint64_t clock_hz, baud, settle;

// Bytes to levels: a start bit, 8 data bits, the lowest first, a stop bit.
struct Transmitter {
    std::deque<uint8_t> queue;
    uint64_t bytes = 0, phase = 0;
    unsigned frame = 0, left = 0;

    bool busy() const { return left || !queue.empty(); }

    bool cycle() {
        if (!left) {
            if (queue.empty()) return true;
            frame = queue.front() << 1 | 1 << 9;
            queue.pop_front();
            bytes++;
            left = 10;
        }
        bool level = frame & 1;
        phase += baud;
        if (phase >= clock_hz) {
            phase -= clock_hz;  // what is left of the cycle belongs to the next bit, so the rate is right in the mean
            frame >>= 1;
            left--;
        }
        return level;
    }
};

// Levels to bytes, sampled in the middle of each bit; one without a stop bit is dropped.
struct Receiver {
    std::vector<uint8_t> received;
    uint64_t bytes = 0, framing_errors = 0, elapsed = 0;
    unsigned frame = 0, bit = 0;
    bool inside = false, was = true;

    void cycle(bool level) {
        if (!inside) {
            if (was && !level) {
                inside = true;
                elapsed = frame = bit = 0;
            }
            was = level;
            return;
        }
        elapsed++;
        if (elapsed * 2 * baud < (2 * bit + 1) * clock_hz) return;
        frame |= level << bit;
        if (++bit < 10) return;
        inside = false;
        was = level;
        if ((frame & 1) == 0 && (frame >> 9)) {
            received.push_back(frame >> 1 & 0xff);
            bytes++;
        } else {
            framing_errors++;
        }
    }
};

static int terminal() {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) exit(2);
    // Held open here too, or the terminal would hang up whenever a host leaves.
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct termios settings;
    if (slave < 0 || tcgetattr(slave, &settings)) exit(2);
    cfmakeraw(&settings);
    if (tcsetattr(slave, TCSANOW, &settings)) exit(2);
    fcntl(master, F_SETFL, O_NONBLOCK);
    printf("%s\n", ptsname(master));
    fflush(stdout);
    return master;
}

int main(int count, char** arguments) {
    if (count != 4) return 2;
    clock_hz = strtoull(arguments[1], nullptr, 10);
    baud = strtoull(arguments[2], nullptr, 10);
    settle = strtoull(arguments[3], nullptr, 10);
    signal(SIGINT, SIG_IGN);  // of the terminal's whole group: the one who started this ends it
    signal(SIGPIPE, SIG_IGN);
    int master = terminal();

    VerilatedContext context;
    Vtop top(&context);
    Transmitter to_board;
    Receiver from_board;
    uint64_t cycles = 0, idle = 0, slept = 0, active = 0;
    auto cycle = [&]() {
        top.rx = to_board.cycle();
        top.clk = 0;
        top.eval();
        top.clk = 1;
        top.eval();
        from_board.cycle(top.tx);
        cycles++;
    };
    top.rst = 1;
    for (int i = 0; i < 4; i++) cycle();
    top.rst = 0;

    uint8_t buffer[MOST_QUEUED];
    for (;;) {
        bool pending = !from_board.received.empty();
        bool asleep = !pending && idle >= settle;
        struct pollfd wanted[2] = {{0, POLLIN, 0}, {master, 0, 0}};
        if (to_board.queue.size() < MOST_QUEUED) wanted[1].events |= POLLIN;
        if (pending) wanted[1].events |= POLLOUT;
        // With bytes that nobody takes, the clock stands still as well: a bridge would have told its host to wait.
        if (poll(wanted, 2, asleep || pending ? -1 : 0) < 0) continue;
        if (wanted[0].revents) {
            char line[64];
            ssize_t got = read(0, line, sizeof line);
            if (got <= 0) break;
            printf("{\"asleep\": %d, \"cycles\": %llu, \"to_board\": %llu, \"from_board\": %llu, "
                   "\"framing_errors\": %llu}\n",
                   asleep, (unsigned long long)active, (unsigned long long)to_board.bytes,
                   (unsigned long long)from_board.bytes, (unsigned long long)from_board.framing_errors);
            fflush(stdout);
        }
        if (wanted[1].revents & POLLIN) {
            ssize_t got = read(master, buffer, MOST_QUEUED - to_board.queue.size());
            for (ssize_t i = 0; i < got; i++) to_board.queue.push_back(buffer[i]);
            if (got > 0 && asleep) asleep = false, slept += idle, idle = 0;
        }
        if (pending && (wanted[1].revents & POLLOUT)) {
            ssize_t put = write(master, from_board.received.data(), from_board.received.size());
            if (put > 0) from_board.received.erase(from_board.received.begin(), from_board.received.begin() + put);
        }
        if (asleep) continue;
        for (int i = 0; i < CHUNK; i++) {
            bool moving = to_board.busy() || from_board.inside || !top.tx;
            cycle();
            idle = moving ? 0 : idle + 1;
            // Those before a sleep are the host's time, not the board's.
            if (moving) active = cycles - slept;
        }
    }
    top.final();
    return 0;
}
