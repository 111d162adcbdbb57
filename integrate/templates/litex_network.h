/* @MODULE@ in a LiteX SoC, driven by the SoC's processor: images and answers by LiteX's DMAs. */
#ifndef @UPPER@_LITEX_H
#define @UPPER@_LITEX_H

#include <stddef.h>
#include <stdint.h>

#include <generated/csr.h>
#include <generated/mem.h>
#include <system.h>

/* Bytes of an image, and from one to the next in memory; sums of an answer, each of the type that follows. */
enum { @UPPER@_IMAGE_BYTES = @IMAGE@, @UPPER@_IMAGE_STRIDE = @STRIDE@, @UPPER@_ANSWER_SUMS = @SUMS@ };
typedef int@BITS@_t @MODULE@_sum;
@LOAD@
/* Answer images: @UPPER@_IMAGE_STRIDE bytes each, then @UPPER@_ANSWER_SUMS sums each, both at addresses that are
 * multiples of 8. */
static void @MODULE@_litex_answer(const uint8_t *images, size_t count, @MODULE@_sum *sums) {
    flush_l2_cache(); /* so that the DMA reads what the processor has written */
    fewbit_engine_dma_answer_enable_write(0);
    fewbit_engine_dma_answer_base_write((uintptr_t)sums);
    fewbit_engine_dma_answer_length_write((uint32_t)(count * @UPPER@_ANSWER_SUMS * sizeof *sums));
    fewbit_engine_dma_answer_enable_write(1);
    fewbit_engine_dma_image_enable_write(0);
    fewbit_engine_dma_image_base_write((uintptr_t)images);
    fewbit_engine_dma_image_length_write((uint32_t)(count * @UPPER@_IMAGE_STRIDE));
    fewbit_engine_dma_image_enable_write(1);
    while (!fewbit_engine_dma_answer_done_read()) {
    }
    flush_cpu_dcache(); /* so that the processor reads what the DMA has written */
}

#endif /* @UPPER@_LITEX_H */
