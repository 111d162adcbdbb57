// A simulation of @MODULE@ by Verilator: the images of @MODULE@_example.h go in, with streams that stall at random, and every
// sum of their answers is compared with the golden model's.

#include <cstdint>
#include <cstdio>

#include "V@MODULE@.h"
#include "verilated.h"

#include "@MODULE@_example.h"

static const uint64_t MOST_CYCLES = 100000000;
static const size_t SUMS = sizeof example_answers / sizeof *example_answers;
static const size_t AN_IMAGE = SUMS / @IMAGES@;

struct Bench {
    VerilatedContext context;
    V@MODULE@ top{&context};
    uint64_t cycles = 0;
    uint32_t chance = 1;
    size_t sums = 0;

    // Three cycles of four, at random (Marsaglia's xorshift).
    bool now() {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        return chance & 3;
    }

    // Take sums while they come. Returns whether one was wrong; taken is set if that ready says so.
    bool cycle(const CData *ready = nullptr, bool *taken = nullptr) {
        top.m_axis_answer_tready = now();
        top.clk = 0;
        top.eval();
        if (taken) *taken = *ready;
        bool wrong = false;
        if (top.m_axis_answer_tvalid && top.m_axis_answer_tready) {
            int64_t sum = static_cast<@ANSWER@>(top.m_axis_answer_tdata);
            bool last = sums % AN_IMAGE == AN_IMAGE - 1;
            wrong = sums == SUMS || sum != example_answers[sums] || top.m_axis_answer_tlast != last;
            if (wrong) printf("sum %zu is %lld, which is wrong\n", sums, (long long)sum);
            sums++;
        }
        top.clk = 1;
        top.eval();
        cycles++;
        return wrong;
    }

    // Send bytes over a stream whose ports these are. Returns whether a sum was wrong.
    bool send(const uint8_t *bytes, size_t count, CData &data, CData &valid, CData &ready) {
        for (size_t place = 0; place < count && cycles < MOST_CYCLES;) {
            bool taken;
            valid = valid || now();
            data = bytes[place];
            if (cycle(&ready, &taken)) return true;
            if (valid && taken) {
                place++;
                valid = 0;
            }
        }
        return false;
    }
};

int main() {
    Bench bench;
    V@MODULE@ &top = bench.top;
    top.rst = 1;
    for (int cycle = 0; cycle < 4; cycle++) bench.cycle();
    top.rst = 0;
@LOAD@
    if (bench.send(example_images, sizeof example_images, top.s_axis_image_tdata, top.s_axis_image_tvalid, top.s_axis_image_tready))
        return 1;
    while (bench.sums < SUMS && bench.cycles < MOST_CYCLES)
        if (bench.cycle()) return 1;
    if (bench.sums < SUMS) {
        printf("%zu of %zu sums have come\n", bench.sums, SUMS);
        return 1;
    }
    printf("@MODULE@: %zu sums equal the golden model's, %llu cycles\n", SUMS, (unsigned long long)bench.cycles);
    return 0;
}
