/* @MODULE@ in a LiteX SoC, driven by the SoC's processor: registers by LiteX's accessors, streams by LiteX's DMAs.
 *
 *     @MODULE@_product product = {0};    ... sizes, matrices, parameters
 *     uint8_t *buffers[@UPPER@_STREAMS];  ... of @MODULE@_bytes(stream, &product) each, aligned to the bus
 *     for (int stream = 0; stream < @UPPER@_C; stream++) @MODULE@_pack(stream, &product, buffers[stream]);
 *     if (@MODULE@_run(&@MODULE@_litex, &product, buffers) == @UPPER@_OK) @MODULE@_unpack(&product, buffers[@UPPER@_C]);
 */
#ifndef @UPPER@_LITEX_H
#define @UPPER@_LITEX_H

#include <generated/csr.h>
#include <generated/mem.h>
#include <system.h>

#include "@MODULE@_host.h"

static void @MODULE@_litex_write(void *context, uint32_t offset, uint32_t value) {
    (void)context;
    csr_write_simple(value, FEWBIT_ENGINE_BASE + offset);
}

static uint32_t @MODULE@_litex_read(void *context, uint32_t offset) {
    (void)context;
    return (uint32_t)csr_read_simple(FEWBIT_ENGINE_BASE + offset);
}

static void @MODULE@_litex_send(void *context, int stream, const uint8_t *bytes, size_t count) {
    (void)context;
    flush_l2_cache(); /* so that the DMA reads what the processor has written */
    switch (stream) {
@SENDS@
    default: break;
    }
}

static void @MODULE@_litex_receive(void *context, int stream, uint8_t *bytes, size_t count) {
    (void)context;
    (void)stream;
    fewbit_engine_dma_c_enable_write(0);
    fewbit_engine_dma_c_base_write((uintptr_t)bytes);
    fewbit_engine_dma_c_length_write((uint32_t)count);
    fewbit_engine_dma_c_enable_write(1);
}

/* The last word of C is written when all inputs have been taken. */
static int @MODULE@_litex_wait(void *context) {
    (void)context;
    while (!fewbit_engine_dma_c_done_read()) {
    }
    flush_cpu_dcache(); /* so that the processor reads what the DMA has written */
    return 0;
}

static const @MODULE@_bus @MODULE@_litex = {
    0, @MODULE@_litex_write, @MODULE@_litex_read, @MODULE@_litex_send, @MODULE@_litex_receive, @MODULE@_litex_wait,
};

#endif /* @UPPER@_LITEX_H */
