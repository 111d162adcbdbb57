"""Which cases of large tests belong to the quick tier: with many cases of the same kind, every fourth.

The whole suite runs all of them.
"""

import pytest

__all__ = ["leave_to_the_whole_suite"]

EVERY = 4

LARGE = {
    "test_boards_channel.py": [
        "test_a_slow_board_is_not_flooded",
    ],
    "test_boards_network_link.py": [
        "test_without_its_weights_a_board_gives_no_answer",
    ],
    "test_boards_targets.py": [
        "test_fastest_is_the_highest_that_is_not_above",
    ],
    "test_cli_commands.py": [
        "test_shown_values_are_exact",
    ],
    "test_cli_integrate.py": [
        "test_folder_of_a_tool",
    ],
    "test_cli_study.py": [
        "test_wrong_arguments_of_layers_are_told_in_a_line",
    ],
    "test_formats_minifloat.py": [
        "test_every_code_has_the_value_that_its_bits_define",
    ],
    "test_formats_table.py": [
        "test_the_hardware_decodes_and_multiplies_by_the_table",
        "test_the_hardware_rounds_to_the_nearest_of_the_table",
    ],
    "test_hdl_block.py": [
        "test_dot_products_are_the_golden_ones",
        "test_sums_are_the_golden_ones",
    ],
    "test_hdl_chains.py": [
        "test_adders_that_take_in_a_bit_give_the_golden_sum",
        "test_chains_with_a_register_in_their_middle_give_the_golden_sum",
        "test_digits_that_carry_cells_apply_give_the_golden_sum",
        "test_what_auto_takes_for_lanes_is_the_golden_sum",
    ],
    "test_hdl_dequantize.py": [
        "test_codes_are_the_golden_ones",
        "test_policies_and_stalls",
    ],
    "test_hdl_design.py": [
        "test_described_ports_are_the_verilog_ports",
        "test_registers_of_sums_in_an_ice40s_dsps_are_kept",
        "test_wide_formats_are_generated_at_once",
    ],
    "test_hdl_element_kinds.py": [
        "test_lmul_adds_fields",
    ],
    "test_hdl_elements.py": [
        "test_a_matmul_of_other_elements_is_the_golden_product",
    ],
    "test_hdl_gearbox.py": [
        "test_upsizer_puts_words_together",
    ],
    "test_hdl_matmul.py": [
        "test_chains_may_have_a_register_in_their_middle",
    ],
    "test_hdl_mixed.py": [
        "test_mixed_elements_agree_with_those_in_logic",
    ],
    "test_hdl_packing.py": [
        "test_a_sum_and_its_borrow_are_exact_for_all_operands",
    ],
    "test_hdl_requantize.py": [
        "test_codes_are_the_golden_ones",
        "test_extreme_factors_are_the_golden_ones",
        "test_outputs_of_several_cycles_are_the_golden_ones",
    ],
    "test_hdl_units.py": [
        "test_dot_is_the_golden_sum",
        "test_every_build_of_a_recoded_weight_is_the_golden_sum",
        "test_every_build_of_mac_is_the_golden_sum",
        "test_multiply_is_the_golden_product_at_its_latency",
    ],
    "test_sim_arithmetic.py": [
        "test_multiply_every_pair_of_codes",
    ],
    "test_sim_blocks.py": [
        "test_matrix_products_against_fractions",
        "test_sums_that_cancel",
    ],
    "test_sim_cycles.py": [
        "test_random_engines_take_the_predicted_cycles",
        "test_the_cycles_of_a_register_in_the_middle_of_chains_are_told",
    ],
    "test_sim_encode.py": [
        "test_the_table_agrees_with_the_exact_path",
    ],
    "test_sim_network_cycles.py": [
        "test_simulation_takes_the_cycles_that_are_predicted",
    ],
    "test_study_engines.py": [
        "test_blocks_by_their_definition",
        "test_both_engines_agree_to_the_bit_where_float32_holds_the_sums",
        "test_engines_differ_by_float32_rounding_alone_where_sums_are_longer",
        "test_every_layer_is_what_fractions_give",
        "test_long_sums_agree_to_the_bit_too",
        "test_what_floats_hold_is_what_the_golden_model_computes",
    ],
    "test_study_qonnx.py": [
        "test_the_qonnx_package_gives_the_float_evaluation",
        "test_what_is_written_is_read_as_it_was",
    ],
    "test_synth_formal.py": [
        "test_a_broken_stage_fails",
        "test_gearboxes_keep_the_contract",
    ],
    "test_synth_proof.py": [
        "test_every_build_equals_the_truth_table",
        "test_multiplier_equals_its_truth_table",
    ],
    "test_synth_room.py": [
        "test_memories_are_those_of_the_hardware",
    ],
}
"""Tests of five cases or more that take a second of CPU time or more together, by file."""


def leave_to_the_whole_suite(items: list[pytest.Item]) -> None:
    """Mark as slow what the quick tier leaves out of large tests."""
    cases: dict[tuple[str, str], int] = {}
    for item in items:
        name = (item.path.name, getattr(item, "originalname", item.name))
        if name[1] in LARGE.get(name[0], ()):
            place = cases[name] = cases.get(name, -1) + 1
            if place % EVERY:
                item.add_marker(pytest.mark.slow)
