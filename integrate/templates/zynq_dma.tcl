# An example: @MODULE@ in a Zynq 7000, fed by AXI DMAs from the processor's memory.
#
#     vivado -mode batch -source package_ip.tcl
#     vivado -mode batch -source zynq_dma.tcl
#
# An argument after -tclargs is the part. What is left to you are the pins and the memory of your board (its preset), and
# the bitstream: launch_runs impl_1 -to_step write_bitstream, then wait_on_run impl_1.

set here [file dirname [file normalize [info script]]]
set part [expr {$argc > 0 ? [lindex $argv 0] : "@PART@"}]

# Every stream of the engine, and the bytes of its beat.
set streams {
@STREAMS@
}
# Every DMA, the stream that it sends from memory, and the one that it puts into memory.
set dmas {
@DMAS@
}

create_project -force zynq_dma [file join $here zynq_dma] -part $part
set_property ip_repo_paths [file join $here ip_repo] [current_project]
update_ip_catalog
create_bd_design system

proc cell {name vlnv {settings {}}} {
    set made [create_bd_cell -type ip -vlnv $vlnv $name]
    if {[llength $settings]} { set_property -dict $settings $made }
}
proc wire {args} {
    set pins {}
    foreach name $args { lappend pins [get_bd_pins $name] }
    connect_bd_net {*}$pins
}
proc bus {from to} { connect_bd_intf_net [get_bd_intf_pins $from] [get_bd_intf_pins $to] }

# The processor: a clock of 100 MHz, a general port for registers, a fast one for memory, interrupts.
cell ps xilinx.com:ip:processing_system7:5.5 {
    CONFIG.PCW_FPGA0_PERIPHERAL_FREQMHZ 100
    CONFIG.PCW_USE_M_AXI_GP0 1
    CONFIG.PCW_USE_S_AXI_HP0 1
    CONFIG.PCW_USE_FABRIC_INTERRUPT 1
    CONFIG.PCW_IRQ_F2P_INTR 1
}
apply_bd_automation -rule xilinx.com:bd_rule:processing_system7 \
    -config {make_external "FIXED_IO, DDR" Master Disable Slave Disable} [get_bd_cells ps]
cell reset xilinx.com:ip:proc_sys_reset:5.0
wire ps/FCLK_RESET0_N reset/ext_reset_in

cell engine @VENDOR@:@LIBRARY@:@MODULE@:@VERSION@
set count [expr {[llength $dmas] / 3}]

# Registers: of the engine, and of each DMA.
cell control xilinx.com:ip:smartconnect:1.0 [list CONFIG.NUM_SI 1 CONFIG.NUM_MI [expr {$count + 1}]]
bus ps/M_AXI_GP0 control/S00_AXI
bus control/M00_AXI engine/s_axi

# Memory: every DMA reads it, and one writes it.
cell memory xilinx.com:ip:smartconnect:1.0 [list CONFIG.NUM_SI [expr {$count + 1}] CONFIG.NUM_MI 1]
bus memory/M00_AXI ps/S_AXI_HP0

# Interrupts: of the engine, and of each direction of each DMA.
cell interrupts xilinx.com:ip:xlconcat:2.1 [list CONFIG.NUM_PORTS [expr {$count + 2}]]
wire engine/irq interrupts/In0
wire interrupts/dout ps/IRQ_F2P

set clocks {
    engine/clk control/aclk memory/aclk reset/slowest_sync_clk ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK
}
set resets {control/aresetn memory/aresetn}
set bytes [expr {@BITS@ / 8}]

# A stream of the engine at a DMA, over a converter where their beats differ.
proc stream {from to name from_bytes to_bytes} {
    upvar clocks clocks resets resets
    if {$from_bytes == $to_bytes} {
        bus $from $to
        return
    }
    cell width_$name xilinx.com:ip:axis_dwidth_converter:1.1 \
        [list CONFIG.S_TDATA_NUM_BYTES $from_bytes CONFIG.M_TDATA_NUM_BYTES $to_bytes]
    bus $from width_$name/S_AXIS
    bus width_$name/M_AXIS $to
    lappend clocks width_$name/aclk
    lappend resets width_$name/aresetn
}

set slave 1
set port 0
foreach {name sent taken} $dmas {
    set settings {
        CONFIG.c_include_sg 0
        CONFIG.c_sg_length_width 26
        CONFIG.c_include_mm2s 1
        CONFIG.c_m_axi_mm2s_data_width @BITS@
        CONFIG.c_m_axis_mm2s_tdata_width @BITS@
    }
    if {$taken eq "-"} {
        lappend settings CONFIG.c_include_s2mm 0
    } else {
        lappend settings CONFIG.c_include_s2mm 1 CONFIG.c_m_axi_s2mm_data_width @BITS@
    }
    cell $name xilinx.com:ip:axi_dma:7.1 $settings
    bus [format control/M%02d_AXI $slave] $name/S_AXI_LITE
    bus $name/M_AXI_MM2S [format memory/S%02d_AXI $port]
    wire $name/mm2s_introut interrupts/In[expr {$port + 1}]
    stream $name/M_AXIS_MM2S engine/s_axis_$sent $sent $bytes [dict get $streams $sent]
    lappend clocks $name/s_axi_lite_aclk $name/m_axi_mm2s_aclk
    lappend resets $name/axi_resetn
    incr slave
    incr port
    if {$taken ne "-"} {
        bus $name/M_AXI_S2MM [format memory/S%02d_AXI $port]
        wire $name/s2mm_introut interrupts/In[expr {$port + 1}]
        stream engine/m_axis_$taken $name/S_AXIS_S2MM $taken [dict get $streams $taken] $bytes
        lappend clocks $name/m_axi_s2mm_aclk
        incr port
    }
}

wire ps/FCLK_CLK0 {*}$clocks
wire reset/peripheral_aresetn {*}$resets
wire reset/peripheral_reset engine/rst

assign_bd_address
validate_bd_design
save_bd_design
make_wrapper -files [get_files system.bd] -top -import
set_property top system_wrapper [current_fileset]
update_compile_order -fileset sources_1
