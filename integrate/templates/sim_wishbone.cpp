static uint32_t access_register(void *context, uint32_t offset, bool is_write, uint32_t value) {
    Bench &bench = *static_cast<Bench *>(context);
    V@MODULE@ &top = bench.top;
    top.wb_adr = offset / 4;
    top.wb_dat_w = value;
    top.wb_sel = 0xf;
    top.wb_we = is_write;
    top.wb_cyc = top.wb_stb = 1;
    while (!top.wb_ack && !top.wb_err) bench.cycle();
    uint32_t found = top.wb_dat_r;
    bench.cycle();
    top.wb_cyc = top.wb_stb = 0;
    bench.cycle();
    return found;
}

static void write_register(void *context, uint32_t offset, uint32_t value) { access_register(context, offset, true, value); }

static uint32_t read_register(void *context, uint32_t offset) { return access_register(context, offset, false, 0); }

