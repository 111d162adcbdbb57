
/* Bytes of all weights in memory: those of @MODULE@.weights.hex, each word's lowest byte first, filled up to @SIZE@. */
enum { @UPPER@_WEIGHT_BYTES = @SIZE@ };

/* Load the weights, once after a reset. */
static void @MODULE@_litex_load(const uint8_t *weights) {
    flush_l2_cache();
    fewbit_engine_dma_weights_enable_write(0);
    fewbit_engine_dma_weights_base_write((uintptr_t)weights);
    fewbit_engine_dma_weights_length_write(@UPPER@_WEIGHT_BYTES);
    fewbit_engine_dma_weights_enable_write(1);
    while (!fewbit_engine_dma_weights_done_read()) {
    }
}
