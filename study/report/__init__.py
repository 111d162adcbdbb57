"""What follows from points and prices, for a reader: the page, its charts, its files, and the paper's claims."""
