# An example: @MODULE@ in a Zynq 7000, at the processor's memory.
#
#     vivado -mode batch -source package_ip.tcl
#     vivado -mode batch -source zynq_memory.tcl
#
# An argument after -tclargs is the part. What is left to you are the pins and the memory of your board (its preset), and
# the bitstream: launch_runs impl_1 -to_step write_bitstream, then wait_on_run impl_1.

set here [file dirname [file normalize [info script]]]
set part [expr {$argc > 0 ? [lindex $argv 0] : "@PART@"}]

create_project -force zynq_memory [file join $here zynq_memory] -part $part
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

# Registers.
cell control xilinx.com:ip:smartconnect:1.0 {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1}
bus ps/M_AXI_GP0 control/S00_AXI
bus control/M00_AXI engine/s_axi

# Memory.
cell memory xilinx.com:ip:smartconnect:1.0 {CONFIG.NUM_SI 1 CONFIG.NUM_MI 1}
bus engine/m_axi memory/S00_AXI
bus memory/M00_AXI ps/S_AXI_HP0

wire engine/irq ps/IRQ_F2P
wire ps/FCLK_CLK0 engine/clk control/aclk memory/aclk reset/slowest_sync_clk ps/M_AXI_GP0_ACLK ps/S_AXI_HP0_ACLK
wire reset/peripheral_aresetn control/aresetn memory/aresetn
wire reset/peripheral_reset engine/rst

assign_bd_address
validate_bd_design
save_bd_design
make_wrapper -files [get_files system.bd] -top -import
set_property top system_wrapper [current_fileset]
update_compile_order -fileset sources_1
