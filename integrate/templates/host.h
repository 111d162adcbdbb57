/* Products on @MODULE@ from C: matrices become the bytes of its streams and back, and its registers are driven.
 *
 * C99, and C++ too; it needs no other library. @MODULE@_host.c is the rest of it, @MODULE@.h has the registers. Whatever moves
 * bytes to the streams is yours: a DMA, a FIFO, a simulation.
 */
#ifndef @UPPER@_HOST_H
#define @UPPER@_HOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Codes, each in the lowest bits of its type. Bits above are not looked at, so two's complement may be sign-extended. */
@TYPES@

/* The streams of the engine, each with a buffer; the last one comes from the engine. */
enum { @STREAMS@, @UPPER@_STREAMS };

/* A product. Matrices are row-major: a_stride codes from a row of A to the next, and so on; a stride of 0 stands for rows
 * without a gap. */
typedef struct {
    uint32_t m, n, k;
@FIELDS@
} @MODULE@_product;

/* How the host reaches the engine. `send` and `receive` begin a transfer and return; `wait` returns when all of them have
 * ended, 0 if all went well. */
typedef struct {
    void *context;
    void (*write)(void *context, uint32_t offset, uint32_t value);
    uint32_t (*read)(void *context, uint32_t offset);
    void (*send)(void *context, int stream, const uint8_t *bytes, size_t count);
    void (*receive)(void *context, int stream, uint8_t *bytes, size_t count);
    int (*wait)(void *context);
} @MODULE@_bus;

/* What @MODULE@_run returns. */
enum { @UPPER@_OK = 0, @UPPER@_REFUSED = 1, @UPPER@_NOT_MOVED = 2 };

/* Bytes that the buffer of a stream needs for a product of these sizes. */
size_t @MODULE@_bytes(int stream, const @MODULE@_product *product);

/* Fill the buffer of a stream into the engine. Weights stay as they are from product to product: pack them once. */
void @MODULE@_pack(int stream, const @MODULE@_product *product, uint8_t *buffer);

/* C out of the buffer of the stream out of the engine. */
void @MODULE@_unpack(const @MODULE@_product *product, const uint8_t *buffer);

/* Run a product whose buffers are packed: registers, start, transfers, end. C is in the last buffer then.
 * @UPPER@_REFUSED: the engine was busy or does not take these sizes. @UPPER@_NOT_MOVED: `wait` said so. */
int @MODULE@_run(const @MODULE@_bus *bus, const @MODULE@_product *product, uint8_t *const buffers[@UPPER@_STREAMS]);

#ifdef __cplusplus
}
#endif

#endif /* @UPPER@_HOST_H */
