/* Products on @MODULE@ from C, from memory to memory: see @MODULE@_host.h. */
#include "@MODULE@_host.h"
#include "@MODULE@.h"

/* Bits of a code of each matrix, and of its place in a row. */
static const uint8_t code_bits[@UPPER@_MATRICES] = { @CODE_BITS@ };
static const uint8_t stored_bits[@UPPER@_MATRICES] = { @STORED_BITS@ };

/* Put `width` bits of the value at a place of a row, or get them. */
static void put_bits(uint8_t *row, size_t place, unsigned width, uint64_t value) {
    for (unsigned bit = 0; bit < width; bit++, place++) {
        unsigned mask = 1u << place % 8;
        row[place / 8] = (uint8_t)(value >> bit & 1 ? row[place / 8] | mask : row[place / 8] & ~mask);
    }
}

static uint64_t get_bits(const uint8_t *row, size_t place, unsigned width) {
    uint64_t value = 0;
    for (unsigned bit = 0; bit < width; bit++, place++) value |= (uint64_t)(row[place / 8] >> place % 8 & 1) << bit;
    return value;
}

size_t @MODULE@_row_bytes(int matrix, size_t columns) {
    size_t beat = @UPPER@_BEAT, bytes = (columns * stored_bits[matrix] + 7) / 8;
    return (bytes + beat - 1) / beat * beat;
}

void @MODULE@_put(int matrix, uint8_t *row, size_t column, uint64_t code) {
    put_bits(row, column * stored_bits[matrix], code_bits[matrix], code);
}

uint64_t @MODULE@_get(int matrix, const uint8_t *row, size_t column) {
    return get_bits(row, column * stored_bits[matrix], code_bits[matrix]);
}
@RECORDS@
int @MODULE@_run(const @MODULE@_bus *bus, const @MODULE@_product *p) {
    const uint32_t refused = @UPPER@_STATUS_ERROR_BUSY_MASK | @UPPER@_STATUS_ERROR_ZERO_MASK | @UPPER@_STATUS_ERROR_LARGE_MASK |
                             @UPPER@_STATUS_ERROR_ALIGNMENT_MASK;
    const uint32_t failed = @UPPER@_STATUS_ERROR_READ_MASK | @UPPER@_STATUS_ERROR_WRITE_MASK;
    uint32_t status;
    void *context = bus->context;
    bus->write(context, @UPPER@_STATUS_OFFSET, refused | failed | @UPPER@_STATUS_DONE_MASK);
    bus->write(context, @UPPER@_M_OFFSET, p->m);
    bus->write(context, @UPPER@_N_OFFSET, p->n);
    bus->write(context, @UPPER@_K_OFFSET, p->k);
@DESCRIPTORS@
@PARAMETERS@
    bus->write(context, @UPPER@_CONTROL_OFFSET, @UPPER@_CONTROL_START_MASK);
    if (bus->read(context, @UPPER@_STATUS_OFFSET) & refused) return @UPPER@_REFUSED;
    do status = bus->read(context, @UPPER@_STATUS_OFFSET);
    while (!(status & @UPPER@_STATUS_DONE_MASK));
    bus->write(context, @UPPER@_STATUS_OFFSET, status & (failed | @UPPER@_STATUS_DONE_MASK));
    return status & failed ? @UPPER@_FAILED : @UPPER@_OK;
}
