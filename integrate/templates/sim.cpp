// A simulation of @MODULE@ by Verilator: @MODULE@_host.c runs the product of @MODULE@_example.h on it, with streams that stall at
// random. Every bit of C is compared with the golden model's.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <deque>
#include <vector>

#include "V@MODULE@.h"
#include "verilated.h"

#include "@MODULE@_example.h"
#include "@MODULE@.h"

static const uint64_t MOST_CYCLES = 10000000;

// A stream into the engine, or out of it, of any width: Verilator's ports hold their bits as bytes, the lowest first.
struct Stream {
    void *data;
    size_t size, beat;
    CData *valid, *ready, *last;
    std::deque<uint8_t> bytes;  // on their way in
    uint8_t *place = nullptr;   // of those on their way out
    size_t wanted = 0;
    bool offered = false, taken = false;
};

struct Bench {
    VerilatedContext context;
    V@MODULE@ top{&context};
    uint64_t cycles = 0;
    uint32_t chance = 1;
    bool is_short = false;
    Stream streams[@UPPER@_STREAMS] = {
@STREAMS@
    };

    // Three cycles of four, at random (Marsaglia's xorshift).
    bool now() {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        return chance & 3;
    }

    void cycle() {
        for (int number = 0; number < @UPPER@_C; number++) {
            Stream &each = streams[number];
            each.offered = each.offered || (each.bytes.size() >= each.beat && now());
            *each.valid = each.offered;
            if (each.offered) {
                memset(each.data, 0, each.size);
                for (size_t byte = 0; byte < each.beat; byte++) static_cast<uint8_t *>(each.data)[byte] = each.bytes[byte];
            }
        }
        Stream &out = streams[@UPPER@_C];
        *out.ready = out.wanted && now();
        top.clk = 0;
        top.eval();
        for (int number = 0; number < @UPPER@_C; number++) streams[number].taken = streams[number].offered && *streams[number].ready;
        if (*out.valid && *out.ready) {
            memcpy(out.place, out.data, out.beat);
            out.place += out.beat;
            out.wanted -= out.beat;
            is_short = is_short || (*out.last != (out.wanted == 0));
        }
        top.clk = 1;
        top.eval();
        for (int number = 0; number < @UPPER@_C; number++) {
            Stream &each = streams[number];
            if (!each.taken) continue;
            each.bytes.erase(each.bytes.begin(), each.bytes.begin() + each.beat);
            each.offered = each.taken = false;
        }
        cycles++;
    }
};

@BUS@
static void send(void *context, int stream, const uint8_t *bytes, size_t count) {
    Stream &each = static_cast<Bench *>(context)->streams[stream];
    each.bytes.insert(each.bytes.end(), bytes, bytes + count);
}

static void receive(void *context, int stream, uint8_t *bytes, size_t count) {
    Stream &each = static_cast<Bench *>(context)->streams[stream];
    each.place = bytes;
    each.wanted = count;
}

// Whether it takes too long, or the last beat of C is not where it must be.
static int wait_for_all(void *context) {
    Bench &bench = *static_cast<Bench *>(context);
    for (;;) {
        bool moving = bench.streams[@UPPER@_C].wanted > 0;
        for (int number = 0; number < @UPPER@_C; number++) moving = moving || !bench.streams[number].bytes.empty();
        if (!moving) return bench.is_short;
        if (bench.cycles > MOST_CYCLES) return 1;
        bench.cycle();
    }
}

int main() {
    Bench bench;
    const @MODULE@_bus bus = {&bench, write_register, read_register, send, receive, wait_for_all};
    bench.top.rst = 1;
    for (int cycle = 0; cycle < 4; cycle++) bench.cycle();
    bench.top.rst = 0;

    @MODULE@_product product = example_product();
    size_t outputs = static_cast<size_t>(product.m) * product.n;
    std::vector<@MODULE@_output> c(outputs);
    std::vector<uint8_t> memory[@UPPER@_STREAMS];
    uint8_t *buffers[@UPPER@_STREAMS];
    product.c = c.data();
    for (int stream = 0; stream < @UPPER@_STREAMS; stream++) {
        memory[stream].resize(@MODULE@_bytes(stream, &product));
        buffers[stream] = memory[stream].data();
        @MODULE@_pack(stream, &product, buffers[stream]);
    }
    for (int run = 0; run < @RUNS@; run++) {
        int status = @MODULE@_run(&bus, &product, buffers);
        if (status != @UPPER@_OK) {
            printf("@MODULE@_run returned %d\n", status);
            return 1;
        }
        @MODULE@_unpack(&product, buffers[@UPPER@_C]);
        for (size_t place = 0; place < outputs; place++)
            if (c[place] != example_answer[place]) {
                printf("C[%zu, %zu] is 0x%llx and must be 0x%llx\n", place / product.n, place % product.n,
                       (unsigned long long)c[place], (unsigned long long)example_answer[place]);
                return 1;
            }
    }
    @MODULE@_product refused = product;
    refused.k = 0;
    if (@MODULE@_run(&bus, &refused, buffers) != @UPPER@_REFUSED) {
        printf("a product without k must be refused\n");
        return 1;
    }
    printf("@MODULE@: %zu outputs equal the golden model's, %llu cycles\n", outputs, (unsigned long long)bench.cycles);
    return 0;
}
