/* Products on @MODULE@ from C: see @MODULE@_host.h. */
#include "@MODULE@_host.h"
#include "@MODULE@.h"

/* How the engine was made. */
enum {
@CONSTANTS@
};

/* Bits of a word of each stream, and the bytes that its beats take. */
static const uint32_t word_bytes[@UPPER@_STREAMS] = { @WORD_BYTES@ };

static size_t groups(size_t count, size_t each) { return (count + each - 1) / each; }

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* `width` bits of the value at a place of the word, whose bits there are 0. */
static void put(uint8_t *word, size_t place, unsigned width, uint64_t value) {
    while (width) {
        unsigned low = place % 8, some = 8 - low < width ? 8 - low : width;
        word[place / 8] |= (uint8_t)((value & ((1u << some) - 1)) << low);
        value >>= some;
        place += some;
        width -= some;
    }
}

static uint64_t get(const uint8_t *word, size_t place, unsigned width) {
    uint64_t value = 0;
    unsigned found = 0;
    while (found < width) {
        unsigned low = place % 8, some = 8 - low < width - found ? 8 - low : width - found;
        value |= (uint64_t)((word[place / 8] >> low) & ((1u << some) - 1)) << found;
        found += some;
        place += some;
    }
    return value;
}

/* The next word of a buffer, all bits 0. */
static uint8_t *next(uint8_t **buffer, int stream) {
    uint8_t *word = *buffer;
    for (uint32_t byte = 0; byte < word_bytes[stream]; byte++) word[byte] = 0;
    *buffer += word_bytes[stream];
    return word;
}

/* Words of A or of its scales: rows of the engine beside each other where it is output-stationary. */
static void pack_a(const @MODULE@_product *p, uint8_t *buffer) {
    size_t stride = p->a_stride ? p->a_stride : p->k;
    size_t panel = OUTPUT_STATIONARY ? ROWS : TILE_M;
    for (size_t top = 0; top < p->m; top += panel) {
        size_t rows = OUTPUT_STATIONARY ? 1 : least(panel, p->m - top);
        for (size_t k = 0; k < p->k; k += K_STEP) {
            for (size_t first = top; first < top + rows; first++) {
                uint8_t *word = next(&buffer, @UPPER@_A);
                for (size_t place = 0; place < ROWS * LANES; place++) {
                    size_t row = OUTPUT_STATIONARY ? first + place / LANES : first;
                    size_t column = k + (OUTPUT_STATIONARY ? place % LANES : place);
                    if (row < p->m && column < p->k)
                        put(word, place * A_BITS, A_BITS, p->a[row * stride + column]);
                }
            }
        }
    }
}

static void pack_w(const @MODULE@_product *p, uint8_t *buffer) {
    size_t stride = p->w_stride ? p->w_stride : p->n;
    size_t depth = OUTPUT_STATIONARY ? 1 : ROWS;
    for (size_t top = 0; top < p->m; top += TILE_M)
        for (size_t left = 0; left < p->n; left += COLUMNS)
            for (size_t k = 0; k < p->k; k += K_STEP)
                for (size_t slice = 0; slice < depth; slice++) {
                    uint8_t *word = next(&buffer, @UPPER@_W);
                    for (size_t place = 0; place < COLUMNS * LANES; place++) {
                        size_t row = k + slice * LANES + place % LANES, column = left + place / LANES;
                        if (row < p->k && column < p->n)
                            put(word, place * W_BITS, W_BITS, p->w[row * stride + column]);
                    }
                }
}
@MORE@
size_t @MODULE@_bytes(int stream, const @MODULE@_product *p) {
    size_t panels = groups(p->m, TILE_M), columns = groups(p->n, COLUMNS), steps = groups(p->k, K_STEP), words = 0;
    switch (stream) {
    case @UPPER@_A: words = (OUTPUT_STATIONARY ? groups(p->m, ROWS) : p->m) * steps; break;
    case @UPPER@_W: words = panels * columns * steps * (OUTPUT_STATIONARY ? 1 : ROWS); break;
@MORE_WORDS@
    case @UPPER@_C:
        words = p->m * (p->n / COLUMNS * (COLUMNS / OUTPUTS) + groups(p->n % COLUMNS, OUTPUTS));
        break;
    default: break;
    }
    return words * word_bytes[stream];
}

void @MODULE@_pack(int stream, const @MODULE@_product *p, uint8_t *buffer) {
    switch (stream) {
    case @UPPER@_A: pack_a(p, buffer); break;
    case @UPPER@_W: pack_w(p, buffer); break;
@MORE_PACKING@
    default: break;
    }
}

void @MODULE@_unpack(const @MODULE@_product *p, const uint8_t *buffer) {
    size_t stride = p->c_stride ? p->c_stride : p->n;
    for (size_t top = 0; top < p->m; top += TILE_M)
        for (size_t left = 0; left < p->n; left += COLUMNS)
            for (size_t row = top; row < least(top + TILE_M, p->m); row++)
                for (size_t column = left; column < least(left + COLUMNS, p->n); column += OUTPUTS) {
                    for (size_t place = 0; place < OUTPUTS && column + place < p->n; place++)
                        p->c[row * stride + column + place] =
                            (@MODULE@_output)get(buffer, place * C_BITS, C_BITS);
                    buffer += word_bytes[@UPPER@_C];
                }
}

int @MODULE@_run(const @MODULE@_bus *bus, const @MODULE@_product *p, uint8_t *const buffers[@UPPER@_STREAMS]) {
    const uint32_t refused = @UPPER@_STATUS_ERROR_BUSY_MASK | @UPPER@_STATUS_ERROR_ZERO_MASK | @UPPER@_STATUS_ERROR_LARGE_MASK;
    void *context = bus->context;
    bus->write(context, @UPPER@_STATUS_OFFSET, refused | @UPPER@_STATUS_DONE_MASK);
    bus->write(context, @UPPER@_M_OFFSET, p->m);
    bus->write(context, @UPPER@_N_OFFSET, p->n);
    bus->write(context, @UPPER@_K_OFFSET, p->k);
@PARAMETERS@
    bus->write(context, @UPPER@_CONTROL_OFFSET, @UPPER@_CONTROL_START_MASK);
    if (bus->read(context, @UPPER@_STATUS_OFFSET) & refused) return @UPPER@_REFUSED;
    bus->receive(context, @UPPER@_C, buffers[@UPPER@_C], @MODULE@_bytes(@UPPER@_C, p));
    for (int stream = 0; stream < @UPPER@_C; stream++)
        bus->send(context, stream, buffers[stream], @MODULE@_bytes(stream, p));
    if (bus->wait(context)) return @UPPER@_NOT_MOVED;
    while (!(bus->read(context, @UPPER@_STATUS_OFFSET) & @UPPER@_STATUS_DONE_MASK)) {
    }
    bus->write(context, @UPPER@_STATUS_OFFSET, @UPPER@_STATUS_DONE_MASK);
    return @UPPER@_OK;
}
