// A simulation of @MODULE@ by Verilator: @MODULE@_host.c runs the product of @MODULE@_example.h on it, in a memory that stalls
// at random. Every bit of C is compared with the golden model's.

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

struct Bench {
    VerilatedContext context;
    V@MODULE@ top{&context};
    uint64_t cycles = 0;
    uint32_t chance = 1;
    std::vector<uint8_t> memory;
    std::deque<uint64_t> reads, writes;  // the addresses of beats
    std::deque<bool> lasts;              // of beats that are read: whether they end a burst
    unsigned answers = 0;
    bool offered = false, answered = false, is_wrong = false;

    // Three cycles of four, at random (Marsaglia's xorshift).
    bool now() {
        chance ^= chance << 13;
        chance ^= chance >> 17;
        chance ^= chance << 5;
        return chance & 3;
    }

    // Verilator's ports hold their bits as bytes, the lowest first.
    void cycle() {
        top.m_axi_arready = now();
        top.m_axi_awready = now();
        top.m_axi_wready = !writes.empty() && now();
        offered = offered || (!reads.empty() && now());
        answered = answered || (answers && now());
        if (offered) memcpy(&top.m_axi_rdata, &memory[reads.front()], @UPPER@_BEAT);
        top.m_axi_rlast = offered && lasts.front();
        top.m_axi_rvalid = offered;
        top.m_axi_bvalid = answered;
        top.clk = 0;
        top.eval();
        if (offered && top.m_axi_rready) {
            reads.pop_front();
            lasts.pop_front();
            offered = false;
        }
        if (answered && top.m_axi_bready) {
            answers--;
            answered = false;
        }
        if (top.m_axi_wvalid && top.m_axi_wready) {
            uint8_t beat[@UPPER@_BEAT];
            memcpy(beat, &top.m_axi_wdata, @UPPER@_BEAT);
            for (size_t byte = 0; byte < @UPPER@_BEAT; byte++)
                if (reinterpret_cast<uint8_t *>(&top.m_axi_wstrb)[byte / 8] >> byte % 8 & 1) memory[writes.front() + byte] = beat[byte];
            writes.pop_front();
            answers += top.m_axi_wlast;
        }
        if (top.m_axi_arvalid && top.m_axi_arready) ask(reads, top.m_axi_araddr, top.m_axi_arlen, true);
        if (top.m_axi_awvalid && top.m_axi_awready) ask(writes, top.m_axi_awaddr, top.m_axi_awlen, false);
        top.clk = 1;
        top.eval();
        cycles++;
    }

    void ask(std::deque<uint64_t> &beats, uint64_t address, unsigned length, bool is_read) {
        uint64_t end = address + (length + 1) * @UPPER@_BEAT;
        is_wrong = is_wrong || address / 4096 != (end - 1) / 4096 || end > memory.size();
        for (unsigned beat = 0; beat <= length && !is_wrong; beat++) {
            beats.push_back(address + beat * @UPPER@_BEAT);
            if (is_read) lasts.push_back(beat == length);
        }
    }
};

@BUS@
static uint32_t read_status(void *context, uint32_t offset) {
    Bench &bench = *static_cast<Bench *>(context);
    uint32_t value = read_register(context, offset);
    // Whoever waits for the end for too long gets it.
    return bench.cycles > MOST_CYCLES || bench.is_wrong ? value | @UPPER@_STATUS_DONE_MASK | @UPPER@_STATUS_ERROR_READ_MASK : value;
}

int main() {
    Bench bench;
    const @MODULE@_bus bus = {&bench, write_register, read_status};
    bench.top.rst = 1;
    for (int cycle = 0; cycle < 4; cycle++) bench.cycle();
    bench.top.rst = 0;

    @MODULE@_product product = example_product();
    uint8_t *places[@UPPER@_MATRICES];
    size_t used = 0;
    // All rows are as far apart as they have to be, and one beat more.
    for (int matrix = 0; matrix < @UPPER@_MATRICES; matrix++) {
        product.stride[matrix] = (int32_t)@MODULE@_row_bytes(matrix, example_columns[matrix]) + @UPPER@_BEAT;
        product.address[matrix] = used;
        used += example_rows[matrix] * (size_t)product.stride[matrix];
    }
    bench.memory.assign(used, 0x5a);
    for (int matrix = 0; matrix < @UPPER@_MATRICES; matrix++) places[matrix] = &bench.memory[product.address[matrix]];
    example_fill(&product, places);
    size_t outputs = static_cast<size_t>(product.m) * product.n;
    for (int run = 0; run < @RUNS@; run++) {
        int status = @MODULE@_run(&bus, &product);
        if (status != @UPPER@_OK) {
            printf("@MODULE@_run returned %d\n", status);
            return 1;
        }
        for (size_t place = 0; place < outputs; place++) {
            size_t row = place / product.n, column = place % product.n;
            uint8_t *at = places[@UPPER@_C] + row * (size_t)product.stride[@UPPER@_C];
            uint64_t code = @MODULE@_get(@UPPER@_C, at, column), answer = example_answer[place];
            if (code != answer) {
                printf("C[%zu, %zu] is 0x%llx and must be 0x%llx\n", row, column, (unsigned long long)code, (unsigned long long)answer);
                return 1;
            }
        }
    }
    @MODULE@_product refused = product;
    refused.address[@UPPER@_A] += 1;
    if (@MODULE@_run(&bus, &refused) != @UPPER@_REFUSED) {
        printf("an address within a beat must be refused\n");
        return 1;
    }
    printf("@MODULE@: %zu outputs equal the golden model's, %llu cycles\n", outputs, (unsigned long long)bench.cycles);
    return 0;
}
