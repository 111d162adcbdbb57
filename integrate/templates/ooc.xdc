# The clock of @MODULE@ where it is synthesized by itself, out of context: @MHZ@ MHz. In a design, the design's clock counts.
create_clock -name clk -period @PERIOD@ [get_ports clk]
