static void write_register(void *context, uint32_t offset, uint32_t value) {
    Bench &bench = *static_cast<Bench *>(context);
    V@MODULE@ &top = bench.top;
    top.s_axi_awaddr = offset;
    top.s_axi_wdata = value;
    top.s_axi_wstrb = 0xf;
    top.s_axi_awvalid = top.s_axi_wvalid = 1;
    while (top.s_axi_awvalid || top.s_axi_wvalid) {
        bool address = top.s_axi_awready, data = top.s_axi_wready;  // registers, so they are those of this cycle
        bench.cycle();
        if (address) top.s_axi_awvalid = 0;
        if (data) top.s_axi_wvalid = 0;
    }
    top.s_axi_bready = 1;
    while (!top.s_axi_bvalid) bench.cycle();
    bench.cycle();
    top.s_axi_bready = 0;
}

static uint32_t read_register(void *context, uint32_t offset) {
    Bench &bench = *static_cast<Bench *>(context);
    V@MODULE@ &top = bench.top;
    top.s_axi_araddr = offset;
    top.s_axi_arvalid = 1;
    while (!top.s_axi_arready) bench.cycle();
    bench.cycle();
    top.s_axi_arvalid = 0;
    top.s_axi_rready = 1;
    while (!top.s_axi_rvalid) bench.cycle();
    uint32_t value = top.s_axi_rdata;
    bench.cycle();
    top.s_axi_rready = 0;
    return value;
}

