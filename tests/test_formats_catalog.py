"""Names: parsing, refusing and suggesting, patterns and lists."""

import pytest
from each_of import each_of
from fewbit.formats import Integer, Minifloat, SignMagnitude, catalog, parse, parse_list, study_formats


@each_of("format", catalog())
def test_a_name_reads_back_to_its_format(format) -> None:  # type: ignore[no-untyped-def]
    assert parse(format.name) == format


def test_names_beyond_the_catalog() -> None:
    for format in (
        Minifloat(4, 3, 11),
        Minifloat(4, 3, -3),
        Minifloat(5, 10),
        Minifloat(4, 4, has_sign=False),
        Minifloat(3, 2, 9, has_sign=False),
    ):
        assert format not in catalog()
        assert parse(format.name) == format


def test_the_catalog_names_everything_once() -> None:
    names = [format.name for format in catalog()]
    assert len(set(names)) == len(names)
    assert {"int4", "uint16", "int8s", "sm2", "e1m0", "e7m0", "float8_e8m0fnu", "float32"} <= set(names)


def test_names_of_other_tools_are_known_for_what_they_are() -> None:
    for name, meant in (("fp8", "'float8_e4m3fn' or 'float8_e5m2'"), ("NVFP4", "'e2m1' in blocks of 16 with scales")):
        with pytest.raises(ValueError, match=f"not '{name}'; did you mean {meant}"):
            parse(name)
    with pytest.raises(ValueError, match=r"not 'kmeans4'; that name is the study's, .* \(docs/study.md\)$"):
        parse("kmeans4")


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("E4M3", "e4m3"),
        ("itn4", "int4"),
        ("float8_e4m3", None),
        ("fp8_e4m3fn", "float8_e4m3fn"),
        ("bf16", "bfloat16"),
        ("e4m3fn", "float8_e4m3fn"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(name: str, nearest: str | None) -> None:
    if nearest is None:
        assert parse(name).name == name
        return
    with pytest.raises(ValueError) as error:
        parse(name)
    assert str(error.value) == (
        "format must be e{E}m{M} (as e4m3, e4m3b11), int{N}, int{N}s, uint{N}, sm{N}, apot{N}, bipolar, bitmod3, "
        "bitmod4, codebook:FILE, flint{N}, iq4nl, nf4, nupes{N}, pow2_{N}, pow2_{N}z, ternary, uflint{N} or a name of "
        f"ml_dtypes (as float8_e4m3fn), not {name!r}; did you mean {nearest!r}?"
    )


def test_any_text_is_refused_in_one_line() -> None:
    for name in ("", " ", "e4", "int", "int-4", "e4m3b", "4", "\N{SNOWMAN}", "x" * 500, "e4m3\n"):
        with pytest.raises(ValueError, match=r"^format must be [^\n]*$"):
            parse(name)


def test_what_is_like_no_name_suggests_none() -> None:
    for name in ("zzz", "levels.json", "codebook:"):
        with pytest.raises(ValueError, match=f", not '{name}'$"):
            parse(name)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("int17", "format 'int17': width of int17 must be 1 to 16 bits, not 17"),
        ("uint0", "format 'uint0': width of uint0 must be 1 to 16 bits, not 0"),
        ("int1s", "format 'int1s': width of int1s must be 2 to 16 bits, not 1"),
        ("sm1", "format 'sm1': width of sm1 must be 2 to 16 bits, not 1"),
        ("e0m3", "format 'e0m3': exponent bits must be 1 to 8, not 0; without an exponent it is sm4"),
        ("e9m3", "format 'e9m3': exponent bits must be 1 to 8, not 9"),
        ("e8m8", "format 'e8m8': width must be at most 16 bits, not 17"),
        ("e4m3b999", "format 'e4m3b999': bias must be -400 to 400, not 999"),
    ],
)
def test_a_name_of_what_cannot_be(name: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse(name)
    assert str(error.value) == message


def test_the_study_space() -> None:
    space = study_formats()
    assert len(space) == len(set(space)) == 33 and len(space) ** 2 == 1089
    expected = {f"int{n}" for n in range(3, 9)} | {f"e{e}m{n - 1 - e}" for n in range(3, 9) for e in range(1, n)}
    assert {format.name for format in space} == expected
    assert [format.name for format in study_formats(4)] == ["int4", "e1m2", "e2m1", "e3m0"]


def test_lists_and_patterns() -> None:
    assert parse_list("e2m1,int4") == [Minifloat(2, 1), Integer(4)]
    assert parse_list(" e2m1 , int4, e2m1") == [Minifloat(2, 1), Integer(4)]
    assert parse_list("4bit") == study_formats(4)
    assert parse_list("int4,4bit") == study_formats(4)
    assert parse_list("3bit,sm3") == [*study_formats(3), SignMagnitude(3)]
    assert [format.name for format in parse_list("float8_e4m3fn*")] == ["float8_e4m3fn", "float8_e4m3fnuz"]
    assert [format.name for format in parse_list("e?m3")] == ["e1m3", "e2m3", "e3m3", "e4m3"]
    assert [format.name for format in parse_list("sm[23]")] == ["sm2", "sm3"]
    assert len(parse_list("float8_*")) == 8


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("float9_*", r"pattern must match a format that `fewbit list` shows, not 'float9_\*'"),
        ("9bit", "a width as format must be 3bit to 8bit, not '9bit'"),
        ("e2m1,,int4", "format must be .*, not ''"),
        ("e2m1,nonsense", "format must be .*, not 'nonsense'"),
    ],
)
def test_bad_lists(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_list(text)
