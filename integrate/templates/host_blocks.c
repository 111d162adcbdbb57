
static void pack_a_scales(const @MODULE@_product *p, uint8_t *buffer) {
    size_t blocks = groups(p->k, BLOCK), stride = p->a_scales_stride ? p->a_scales_stride : blocks;
    for (size_t top = 0; top < p->m; top += ROWS)
        for (size_t block = 0; block < blocks; block++) {
            uint8_t *word = next(&buffer, @UPPER@_A_SCALES);
            for (size_t row = top; row < least(top + ROWS, p->m); row++)
                put(word, (row - top) * A_SCALE_BITS, A_SCALE_BITS, p->a_scales[row * stride + block]);
        }
}

static void pack_w_scales(const @MODULE@_product *p, uint8_t *buffer) {
    size_t blocks = groups(p->k, BLOCK), stride = p->w_scales_stride ? p->w_scales_stride : p->n;
    for (size_t top = 0; top < p->m; top += TILE_M)
        for (size_t left = 0; left < p->n; left += COLUMNS)
            for (size_t block = 0; block < blocks; block++) {
                uint8_t *word = next(&buffer, @UPPER@_W_SCALES);
                for (size_t column = left; column < least(left + COLUMNS, p->n); column++)
                    put(word, (column - left) * W_SCALE_BITS, W_SCALE_BITS, p->w_scales[block * stride + column]);
            }
}
