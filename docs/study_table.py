"""The table of docs/study.md, from results/study: ``python docs/study_table.py``."""

from pathlib import Path

from fewbit.formats import study_formats
from fewbit.study.findings import read_findings

RESULTS = Path(__file__).parent.parent / "results" / "study"


def main() -> None:
    findings = read_findings(RESULTS)
    points = {(p.network, p.weight, p.evaluation): p for p in findings.points if p.weight == p.activation}
    luts = {(p.weight, p.family, p.terms): p.luts for p in findings.prices if p.weight == p.activation}
    networks, families = findings.networks, list(dict.fromkeys(price.family for price in findings.prices))
    terms = {name: next(p.longest_dot for p in findings.points if p.network == name) for name in networks}
    heads = [f"{name} %" for name in networks] + [f"{family} LUTs" for family in families]
    print(f"| format | {' | '.join(heads)} |")
    print(f"|---|{'---|' * len(heads)}")
    for format in study_formats():
        cells = []
        for name in networks:
            exact = points.get((name, format.name, "integer"))
            point = exact or points[name, format.name, "float"]
            note = "" if exact else " *"
            cells.append(f"{100 * point.accuracy:.1f} ± {100 * point.standard_error:.1f}{note}")
        most = max(terms.values())
        cells += [str(luts.get((format.name, family, most), "")) for family in families]
        print(f"| {format} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
