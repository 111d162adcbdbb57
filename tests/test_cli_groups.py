"""Groups, units as commands, names of old, choices, completion: what the command line takes and what its help shows."""

import json
import re
import shlex
from pathlib import Path

import fewbit
import pytest
from fewbit.cli.app import run
from fewbit.cli.common.choices import known, refusal
from fewbit.cli.common.command import command_line
from fewbit.cli.common.engine_options import EngineOptions
from fewbit.cli.program import COMPLETION, program
from fewbit.cli.units.units import UNIT_OPTIONS
from fewbit.formats import catalog
from fewbit.hdl import BUILDS, UNITS
from fewbit.hdl.keywords import KEYWORDS
from fewbit.synth import targets

ROOT = Path(fewbit.__file__).parent

GROUPS = {
    "engine": ["cycles", "fit"],
    "study": ["run", "price", "recommend", "layers", "weights", "export", "report", "checkpoint"],
    "board": ["list", "build", "flash", "run", "prove", "selftest", "survey"],
    "verilog": [*UNITS, "network"],
    "simulate": [*UNITS, "network"],
    "synth": [*UNITS, "network"],
}
FLAT = ["list", "show", "verilog", "simulate", "synth", "price", "estimate", "verify", "doctor", "demo"]


def leaf(words: list[str]):
    """The context of the command that the words name, with its options read and checked, and the command not run."""
    command, context = program(), program().make_context("fewbit", [*words])
    while hasattr(command, "commands"):
        first = getattr(context, "_protected_args", None) or context.protected_args  # as of click 8.2, and before
        with context:
            name, command, rest = command.resolve_command(context, [*first, *context.args])
            context = command.make_context(name, rest, parent=context)
    return context


def words(capsys, command: str) -> str:
    """What the command prints, without the lines around tables and with single spaces."""
    assert run(command.split()) == 0
    return " ".join(re.sub("[│╭╮╰╯─]", " ", capsys.readouterr().out).split())


LEAVES = [
    *([name] for name in FLAT if name not in GROUPS),
    *([group, member] for group, members in GROUPS.items() for member in members),
]


def test_the_program_has_these_commands_and_no_others(capsys):
    assert list(program().commands) == [*FLAT, "engine", "study", "board"]
    for group, members in GROUPS.items():
        assert list(program().commands[group].commands) == members
    shown = words(capsys, "-h")
    assert shown == words(capsys, "--help") == words(capsys, "")
    for old in ("bitstream", "boards", "cycles", "recommend", "selftest"):
        assert f" {old} " not in shown


@pytest.mark.parametrize("command", LEAVES, ids=" ".join)
def test_every_command_has_help_and_every_option_a_text(command, capsys):
    assert run([*command, "-h"]) == 0
    shown = capsys.readouterr().out
    assert f"Usage: fewbit {' '.join(command)} " in shown and "{" + "names}" not in shown
    assert all(parameter.help for parameter in leaf_command(command).params)


def leaf_command(command: list[str]):
    found = program()
    for name in command:
        found = found.commands[name]
    return found


def test_an_option_that_several_commands_have_is_the_same_in_all():
    """Name, metavar and kind of value; help and defaults may differ where the commands do."""
    found: dict[str, set[tuple]] = {}
    for command in LEAVES:
        for each in leaf_command(command).params:
            if each.param_type_name == "option" and each.name not in ("lanes", "like"):
                found.setdefault(each.opts[0], set()).add((each.name, each.is_flag, tuple(each.secondary_opts)))
    unlike = {name: kinds for name, kinds in found.items() if len(kinds) > 1}
    assert not unlike


OLD = {
    "cycles --size 4x4x4": "engine cycles --size 4x4x4",
    "fit --target-mhz 50": "engine fit --mhz 50",
    "study --model vit": "study run --model vit",
    "recommend --model vit --max-luts 9": "study recommend --model vit --max-luts 9",
    "layers --budget 5": "study layers --budget 5",
    "export --weight int4": "study export --weight int4",
    "report --json": "study report --json",
    "boards": "board list",
    "bitstream --board upduino_v3 --seconds=9": "board build --board upduino_v3 --timeout=9",
    "flash made.bit": "board flash made.bit",
    "run A.npy W.npy -o C.npy": "board run A.npy W.npy -o C.npy",
    "prove --board upduino_v3 --sizes 1x1x1 --random-seed 3": "board prove --board upduino_v3 --size 1x1x1 --seed 3",
    "selftest --seconds 5 --timeout 3 --random-seed 4": "board selftest --seconds 5 --timeout 3 --seed 4",
    "survey --seconds 5": "board survey --timeout 5",
    "synth mac --target-mhz 100": "synth mac --mhz 100",
    "verilog requantize --seed 7": "verilog requantize --rounding-seed 7",
    "simulate --netlist ice40 --json mac --dsp none": "simulate mac --netlist ice40 --json --dsp none",
    "verilog --module=mac dot": "verilog dot --module=mac",
    "synth --against peers mac": "synth mac --against peers",
}


@pytest.mark.parametrize("old", OLD)
def test_names_of_old_are_taken_and_the_new_ones_recorded(old):
    before, now = leaf(old.split()), leaf(OLD[old].split())
    assert before.params == now.params and before.command is now.command
    assert command_line(before) == command_line(now) == f"fewbit {OLD[old]}"


def test_names_of_old_are_not_shown(capsys):
    for command in ("synth mac", "engine fit", "board build", "board prove", "verilog requantize", "board survey"):
        shown = words(capsys, f"{command} -h")
        for old in ("--target-mhz", "--sizes", "--random-seed", "--seed -", "--seconds"):
            assert old not in shown, command
    assert "--seconds SECONDS How long" in words(capsys, "board selftest -h")


def test_a_group_alone_shows_its_help(capsys):
    for group in ("engine", "study", "board"):
        assert words(capsys, group) == words(capsys, f"{group} -h")


def test_units_are_those_of_the_catalog_and_are_listed_with_what_they_are(capsys):
    assert list(UNIT_OPTIONS) == list(UNITS)
    assert UNIT_OPTIONS["matmul"] >= {*EngineOptions.__dataclass_fields__}
    shown = words(capsys, "verilog --help")
    for name, unit in UNITS.items():
        assert f"{name} {unit.summary}" in shown


@pytest.mark.parametrize("unit", UNITS)
def test_a_units_help_has_its_options_and_no_others(unit, capsys):
    for command in ("verilog", "simulate", "synth"):
        parameters = {each.name for each in leaf_command([command, unit]).params}
        of_others = {"against"} if command != "synth" else set()
        of_others |= {"size", "stalls"} if command != "simulate" else set()
        of_others |= {"tool"} if command != "verilog" else set()
        assert parameters & set().union(*UNIT_OPTIONS.values()) == UNIT_OPTIONS[unit] - of_others
        assert unit in words(capsys, f"{command} {unit} -h")


REFUSED = {
    "verilog mac --rows 2": "--rows must be left out for mac; it is an option of matmul",
    "simulate dot --size 1x1x1": "--size must be left out for dot; it is an option of matmul",
    "synth decode --activation int4": "--activation must be left out for decode; it is an option of multiply, mac",
    "verilog matmul --terms 9": "--terms must be left out for matmul; it is an option of mac, dot, block_dot, req",
    "verilog --rows 2": "unit must be given, one of decode, multiply,",
    "verilog mac dot": "arguments must be those of `fewbit verilog mac --help`, without dot",
    "engine cycels": "command must be one of cycles, fit, not 'cycels'; did you mean 'cycles'?",
    "board build": "--board must be given; `fewbit board build --help` says more",
    "show": "FORMAT must be given; `fewbit show --help` says more",
    "show e2m1 --jsn": "option must be one of `fewbit show --help`, not '--jsn'; did you mean '--json'?",
    "list int8 uint8": "arguments must be those of `fewbit list --help`, without uint8",
    "verilog mac --weight": "--weight must have a value",
    "--versoin": "option must be one of `fewbit --help`, not '--versoin'; did you mean '--version'?",
    "bitstrem": "not 'bitstrem'; did you mean 'board build'?",
    "selftst": "not 'selftst'; did you mean 'board selftest'?",
    "study vit": "command must be one of run, price, recommend, layers, weights, export, report, checkpoint, not 'vit'",
    "qqqq": "board, not 'qqqq'",
    "verilog mac --build boot": f"build must be one of {', '.join(BUILDS)}, not 'boot'; did you mean 'booth'?",
    "verilog matmul --dataflow output": "dataflow must be one of output_stationary, weight_stationary, not 'output'",
    "verilog matmul --control axi": "control must be one of axi_lite, wishbone, not 'axi'; did you mean 'axi_lite'?",
    "verilog requantize --rounding up": "rounding must be one of ties_to_even, toward_zero, stochastic, not 'up'",
    "verilog requantize --overflow clip": "overflow must be one of saturate, infinity, nan, wrap, not 'clip'",
    "verilog block_dot --accumulate float": "accumulate must be one of exact, float32, auto, not 'float'; did you mean",
    "study layers --budget 5 --cost lut": "cost must be one of luts, bits, not 'lut'; did you mean 'luts'?",
    "study run --scale-per row": "scale_per must be one of tensor, channel, block, not 'row'",
    "study export --scale-per block --block-size 16": "scale_per must be tensor or channel for QONNX, not 'block'",
    "study export --techniques none,bias": "techniques must be one set with + between for a file, not 'none,bias'",
    "board flash x --programmer ice": "programmer must be one of auto, openFPGALoader, iceprog, not 'ice'",
    "engine cycles --dsp both": "dsp must be one of none, auto, not 'both'",
    "engine cycles --family ice40,xc7": "family must be a single one, not 2",
    "simulate matmul --size 3x5000x7": "size must have a k of at most 1024, not 3x5000x7; --max-k 5000 makes an engine",
    "simulate matmul --size 1x1x1,2x2x2": "size must be a single one, as 256x256x256, not '1x1x1,2x2x2'",
    "verilog mac --module begin": "module must be no keyword of Verilog or SystemVerilog, not 'begin'",
    "verilog mac --module logic": "module must be no keyword of Verilog or SystemVerilog, not 'logic'",
}


@pytest.mark.parametrize("command", REFUSED)
def test_what_is_wrong_is_one_line(command, capsys, in_folder):
    assert run(command.split()) == 2
    captured = capsys.readouterr()
    assert REFUSED[command] in captured.err and captured.err.startswith("fewbit: ")
    assert captured.err.count("\n") == 1 and not captured.out and not list(in_folder.iterdir())


def test_keywords_are_all_of_the_standards():
    assert len(KEYWORDS) == 248 and {"reg", "wire", "always_ff", "endmodule", "soft"} < KEYWORDS
    assert not {"mac", "matmul", "clk", *UNITS} & KEYWORDS


def test_choices_are_shown(capsys):
    shown = words(capsys, "verilog matmul -h")
    for choices in ("none|auto|both", "tensor|channel", "axi_lite|wishbone", "exact|float32|auto"):
        assert choices in shown
    for target in targets():
        assert f"{target.name}," in shown
    assert str(refusal("x", "b", known("a")())) == "x must be a, not 'b'"


def complete(monkeypatch, capsys, line: str) -> list[str]:
    """What the shell is offered where the line ends."""
    typed = line.split(" ")
    monkeypatch.setenv(COMPLETION, "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(typed) - 1))
    assert run([]) == 0
    return capsys.readouterr().out.split()


@pytest.mark.parametrize(
    "line, some",
    [
        ("fewbit ver", {"verilog", "verify"}),
        ("fewbit bo", {"board"}),
        ("fewbit board s", {"selftest", "survey"}),
        ("fewbit verilog re", {"requantize"}),
        ("fewbit verilog matmul --data", {"--dataflow"}),
        ("fewbit verilog matmul --dataflow w", {"weight_stationary"}),
        ("fewbit verilog mac --build ", {*BUILDS}),
        ("fewbit synth mac --family ice40,ecp5", {f"ice40,{t.name}" for t in targets() if t.name.startswith("ecp5")}),
        ("fewbit board build --board ice", {"icebreaker", "ice40_hx8k_b_evn"}),
        ("fewbit show float8_e4", {f.name for f in catalog() if f.name.startswith("float8_e4")}),
        ("fewbit verilog mac --weight int8,bf", {"int8,bfloat16"}),
        ("fewbit fit --rec", {"--recipe"}),
        ("fewbit study run --evaluation ", {"float", "integer", "network", "both"}),
    ],
)
def test_the_shell_completes(line, some, monkeypatch, capsys):
    assert {*complete(monkeypatch, capsys, line)} == some


def test_completion_can_be_shown(capsys, monkeypatch):
    monkeypatch.setattr("typer.completion._get_shell_name", lambda: "bash", raising=False)
    assert run(["--show-completion"]) == 0
    assert f"{COMPLETION}=complete_bash" in capsys.readouterr().out


def documented() -> list[str]:
    """The commands in the blocks of code, and those in sentences that have options."""
    found = []
    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        text = page.read_text().replace("\\\n", "")
        blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
        found += re.findall(r"^(?:\$ |\.venv/bin/)?(fewbit .*)$", "\n".join(blocks), re.MULTILINE)
        found += re.findall(r"`(fewbit [^`]* -[^`]*)`", text)
    return sorted({*found})


def test_documented_commands_are_taken():
    commands = documented()
    assert len(commands) > 50
    for command in commands:
        if not any(word in command for word in ("...", "COMMAND", "UNIT", "--help")):
            assert leaf(shlex.split(command, comments=True)[1:]), command


CYCLES = [
    "--dsp auto",
    "--build booth --family xc7",
    "--pipeline 3 --weight e4m3 --dataflow weight_stationary",
    "--pipeline 1 --lanes 2 --output float32 --scale none",
]


@pytest.mark.slow
@pytest.mark.parametrize("options", CYCLES)
def test_cycles_are_those_that_a_simulation_counts(options, capsys, in_folder):
    """Options that change the latency of the products change both alike."""
    engine = ["--rows", "2", "--columns", "2", "--max-k", "16", *options.split(), "--size", "5x6x7", "--json"]
    assert run(["engine", "cycles", *engine]) == 0
    predicted = json.loads(capsys.readouterr().out)["rows"][0]["cycles"]
    assert run(["simulate", "matmul", *engine]) == 0
    assert json.loads(capsys.readouterr().out)["simulations"][0]["cycles"] == predicted


@pytest.mark.parametrize("options, cycles", [("", 131), ("--dsp auto", 128), ("--build booth --family xc7", 131)])
def test_cycles_follow_what_changes_the_latency(options, cycles, capsys):
    engine = ["--weight", "int8", "--rows", "2", "--columns", "2", "--max-k", "16", "--size", "5x6x7", "--json"]
    assert run(["cycles", *engine, *options.split()]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["rows"][0]["cycles"] == cycles
    assert found["command"].startswith("fewbit engine cycles --weight int8")
