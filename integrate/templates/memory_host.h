/* Products on @MODULE@ from C, from memory to memory: rows are written and read, and its registers are driven.
 *
 * C99, and C++ too; it needs no other library. @MODULE@_host.c is the rest of it, @MODULE@.h has the registers.
 */
#ifndef @UPPER@_HOST_H
#define @UPPER@_HOST_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The matrices of a product: A is m by k, W is k by n, C is m by n; all are row-major.@MEANINGS@ */
enum { @MATRICES@, @UPPER@_MATRICES };

/* Bytes of a beat of memory. Addresses and strides are multiples of it. */
enum { @UPPER@_BEAT = @BEAT@ };

/* A product: where its matrices are as the engine sees them, and the bytes from a row to the next, which may be 0 or
 * negative. */
typedef struct {
    uint32_t m, n, k;
    uint64_t address[@UPPER@_MATRICES];
    int32_t stride[@UPPER@_MATRICES];
@FIELDS@
} @MODULE@_product;

/* How the host reaches the engine's registers. */
typedef struct {
    void *context;
    void (*write)(void *context, uint32_t offset, uint32_t value);
    uint32_t (*read)(void *context, uint32_t offset);
} @MODULE@_bus;

/* What @MODULE@_run returns. */
enum { @UPPER@_OK = 0, @UPPER@_REFUSED = 1, @UPPER@_FAILED = 2 };

/* Bytes that a row of so many columns takes, up to the next beat: the least stride of rows that do not overlap. */
size_t @MODULE@_row_bytes(int matrix, size_t columns);

/* Put a code into a row, or get it from there. Codes are in the lowest bits; others of the row stay as they are. */
void @MODULE@_put(int matrix, uint8_t *row, size_t column, uint64_t code);
uint64_t @MODULE@_get(int matrix, const uint8_t *row, size_t column);
@RECORDS@
/* Run a product, and wait for its end. Flush caches of A and W before, and invalidate those of C after it.
 * @UPPER@_REFUSED: the engine was busy, or does not take these sizes, addresses or strides. @UPPER@_FAILED: memory
 * answered with an error, and C means nothing. */
int @MODULE@_run(const @MODULE@_bus *bus, const @MODULE@_product *product);

#ifdef __cplusplus
}
#endif

#endif /* @UPPER@_HOST_H */
