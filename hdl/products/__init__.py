"""From two codes to their exact product, and from products to sums."""
