    if (bench.send(example_weights, sizeof example_weights, top.s_axis_weights_tdata, top.s_axis_weights_tvalid, top.s_axis_weights_tready))
        return 1;
