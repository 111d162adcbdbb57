
static void pack_p(const @MODULE@_product *p, uint8_t *buffer) {
    for (size_t top = 0; top < p->m; top += TILE_M)
        for (size_t column = 0; column < p->n; column++) {
            uint8_t *word = next(&buffer, @UPPER@_P);
@PUTS@
        }
}
