# Packs @MODULE@ as an IP of Vivado's catalog, into the folder ip_repo beside this file:
#
#     vivado -mode batch -source package_ip.tcl
#
# An argument after -tclargs is the part; any part of a family that has AXI will do.

set here [file dirname [file normalize [info script]]]
set part [expr {$argc > 0 ? [lindex $argv 0] : "@PART@"}]
set root [file join $here ip_repo @MODULE@]
file mkdir $root

create_project -force package_@MODULE@ [file join $here package_ip] -part $part
add_files -norecurse [file join $here @MODULE@.v]
set_property top @MODULE@ [current_fileset]
add_files -fileset constrs_1 -norecurse [file join $here @MODULE@_ooc.xdc]
set_property used_in {out_of_context synthesis implementation} [get_files @MODULE@_ooc.xdc]
update_compile_order -fileset sources_1

ipx::package_project -root_dir $root -vendor @VENDOR@ -library @LIBRARY@ -taxonomy /UserIP \
    -import_files -set_current true -force
set core [ipx::current_core]
set_property name @MODULE@ $core
set_property version @VERSION@ $core
set_property display_name {@MODULE@} $core
set_property description {@DESCRIPTION@} $core

# The attributes of the ports make the interfaces. An IP without one of them could not be connected.
foreach name {@INTERFACES@} {
    if {[llength [ipx::get_bus_interfaces $name -of_objects $core]] != 1} {
        error "interface $name must be found in @MODULE@.v"
    }
}
# A block design gives addresses to registers that have a memory map, and to a master that has an address space. Vivado
# makes them of such interfaces; where one is missing, it is made here.
set registers [ipx::get_bus_interfaces s_axi -of_objects $core]
if {[get_property slave_memory_map_ref $registers] eq ""} {
    ipx::add_address_block reg0 [ipx::add_memory_map s_axi $core]
    set_property slave_memory_map_ref s_axi $registers
}
foreach name {@MASTERS@} {
    set master [ipx::get_bus_interfaces $name -of_objects $core]
    if {[get_property master_address_space_ref $master] eq ""} {
        set space [ipx::add_address_space $name $core]
        set_property range @RANGE@ $space
        set_property width @WIDTH@ $space
        set_property master_address_space_ref $name $master
    }
}
# Block designs give no address to a range below 4 KiB everywhere; addresses past the registers are answered with an error.
foreach map [ipx::get_memory_maps -of_objects $core] {
    foreach block [ipx::get_address_blocks -of_objects $map] {
        set_property range 4096 $block
    }
}
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::check_integrity $core
ipx::save_core $core
close_project
puts "packed: add [file join $here ip_repo] to ip_repo_paths"
