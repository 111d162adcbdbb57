"""This room moves matrices between memory and a matmul engine: addresses, bursts, and buffers that turn rows around."""
