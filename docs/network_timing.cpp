// Counts the cycles in which each record of a network is at hand: weights.bin and image.bin go in, and the counts come
// out, a line each, behind them the sums in the order in which they are given. Verilator writes __ in names as ___05F.

#include <stdio.h>

#include <vector>

#include "Vcore.h"
#include "verilated.h"

static Vcore core;

static void tick() {
    core.clk = 1;
    core.eval();
    core.clk = 0;
    core.eval();
}

template <typename Valid, typename Ready, typename Payload>
static void send(const char *name, Valid &valid, Ready &ready, Payload &payload) {
    FILE *file = fopen(name, "rb");
    valid = 1;
    for (int byte; (byte = fgetc(file)) != EOF;) {
        payload = byte;
        core.eval();
        while (!ready) tick();
        tick();
    }
    valid = 0;
    fclose(file);
}

int main() {
    std::vector<long> cycles(RECORDS);
    core.rst = 1;
    core.clk = 0;
    tick();
    core.rst = 0;
    send("weights.bin", core.weights___05Fvalid, core.weights___05Fready, core.weights___05Fpayload);
    send("image.bin", core.image___05Fvalid, core.image___05Fready, core.image___05Fpayload);
    core.answer___05Fready = 1;
    std::vector<long> sums;
    while (sums.size() < SUMS) {
        core.eval();
        if (core.busy) cycles[core.layer]++;
        if (core.answer___05Fvalid) sums.push_back((long)((unsigned long)core.answer___05Fpayload << (64 - SUM_BITS)) >> (64 - SUM_BITS));
        tick();
    }
    for (long count : cycles) printf("%ld\n", count);
    for (long sum : sums) printf("%ld\n", sum);
}
