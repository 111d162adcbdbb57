/* @MODULE@ in a LiteX SoC, driven by the SoC's processor: registers by LiteX's accessors, memory by the engine itself.
 *
 *     @MODULE@_product product = {0};    ... sizes, addresses, strides, parameters
 *     if (@MODULE@_litex_run(&product) == @UPPER@_OK) ...
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

static const @MODULE@_bus @MODULE@_litex = { 0, @MODULE@_litex_write, @MODULE@_litex_read };

/* Run a product; caches are taken care of. It returns what @MODULE@_run does. */
static int @MODULE@_litex_run(const @MODULE@_product *product) {
    flush_l2_cache(); /* so that the engine reads what the processor has written */
    int status = @MODULE@_run(&@MODULE@_litex, product);
    flush_cpu_dcache(); /* so that the processor reads what the engine has written */
    return status;
}

#endif /* @UPPER@_LITEX_H */
