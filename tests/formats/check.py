"""Reads what `semcov gate` writes for CI systems with the readers and schemas of others.

    tests/formats/check.py --schemas FOLDER FILE...

A file is told by its name: *junit*, *sarif*, *gitlab* or *verdict* (the JSON). Snapshots (.snap) are read without their
head. FOLDER holds junit-10.xsd (Jenkins) and a sarif-*.json (OASIS); tests/formats/check.sh fetches both.
"""

import argparse
import json
import pathlib
import sys
import tempfile

import jsonschema
import junitparser
import lxml.etree
import sarif.loader

SEVERITIES = {"info", "minor", "major", "critical", "blocker"}
ROOT = pathlib.Path(__file__).parents[2]


def body(path):
    """The text of a file; of a snapshot, what follows its head."""
    text = path.read_text(encoding="utf-8")
    return text.split("\n---\n", 1)[1] if path.suffix == ".snap" else text


def check_junit(text, schemas):
    """Returns the number of cases."""
    tree = lxml.etree.fromstring(text.encode())
    lxml.etree.XMLSchema(file=schemas / "junit-10.xsd").assertValid(tree)
    report = junitparser.JUnitXml.fromstring(text.encode())
    cases = [case for suite in report for case in suite]
    results = [result for case in cases for result in case.result]
    for kind, said in [
        (junitparser.Failure, report.failures),
        (junitparser.Error, report.errors),
        (junitparser.Skipped, report.skipped),
    ]:
        assert said == sum(isinstance(result, kind) for result in results), kind
    assert report.tests == len(cases), "tests"
    return len(cases)


def check_sarif(text, schemas):
    """Returns the number of results."""
    log = json.loads(text)
    schema = json.loads(next(schemas.glob("sarif-*.json")).read_text(encoding="utf-8"))
    validator = jsonschema.validators.validator_for(schema)
    # The schema is of draft 4, which knows the formats of later drafts by name only.
    formats = jsonschema.Draft7Validator.FORMAT_CHECKER
    assert "uri-reference" in formats.checkers, "rfc3986-validator is missing"
    validator(schema, format_checker=formats).validate(log)
    results = log["runs"][0]["results"]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "a.sarif")
        path.write_text(text, encoding="utf-8")
        read = sarif.loader.load_sarif_file(str(path))
        assert read.get_result_count() == len(results), "results"
        records = read.get_records()
    for record, result in zip(records, results):
        location = result["locations"][0]["physicalLocation"]
        assert record["Severity"] == result["level"], record
        assert int(record["Line"]) == location["region"]["startLine"], record
    return len(results)


def check_gitlab(text, _schemas):
    """Returns the number of issues."""
    issues = json.loads(text)
    for issue in issues:
        assert issue["description"] and issue["check_name"], issue
        assert issue["severity"] in SEVERITIES, issue
        assert not issue["location"]["path"].startswith(("./", "/")), issue
        assert issue["location"]["lines"]["begin"] >= 1, issue
    assert len({issue["fingerprint"] for issue in issues}) == len(issues), "fingerprints repeat"
    return len(issues)


def check_verdict(text, _schemas):
    """Returns the number of rules."""
    verdict = json.loads(text)
    schema = json.loads((ROOT / "schemas/verdict.schema.json").read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(schema)(schema).validate(verdict)
    return len(verdict["rules"])


CHECKS = {"junit": check_junit, "sarif": check_sarif, "gitlab": check_gitlab, "verdict": check_verdict}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--schemas", type=pathlib.Path, required=True)
    parser.add_argument("files", type=pathlib.Path, nargs="+")
    args = parser.parse_args()
    for path in args.files:
        kinds = [kind for kind in CHECKS if kind in path.name.replace("render__verdict__", "")]
        if not kinds:
            sys.exit(f"{path}: neither of {', '.join(CHECKS)}")
        print(f"{path.name}: {CHECKS[kinds[0]](body(path), args.schemas)} entries, as {kinds[0]}")


main()
