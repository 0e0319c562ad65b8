"""The peers of `semcov gate`: Evidently's drift presets and Great Expectations, on the same histories and vectors.

usage: peer_gate.py FOLDER TOOL OUT.json

FOLDER holds `rows.jsonl` (text, label, source), `rows.npy` (their vectors), and `comparisons.json`: a list of objects
with the numbers of the rows of `reference` and `current`, and `rows`, how many rows are expected at least and at most.
TOOL is one of TOOLS. Written are, for each comparison, the tests that failed and the seconds that took: the tool's own
work on a data frame that is there already, without imports. Evidently runs by its defaults, and its presets with
`include_tests=True`, as its documentation has it for pass and fail in a pipeline; Great Expectations has none.
"""
import json
import os
import pathlib
import sys
import time
import warnings

os.environ.update({"DO_NOT_TRACK": "1", "GX_ANALYTICS_ENABLED": "false", "TQDM_DISABLE": "1"})
warnings.filterwarnings("ignore")
import numpy as np
import pandas as pd

UNIQUE = 0.05  # of Great Expectations: by how much the unique share may fall


def failed_tests(report, current, reference):
    """The tests of an Evidently report that did not pass."""
    results = report.run(current, reference).tests_results
    return [result.name for result in results if result.status.value != "SUCCESS"]


def evidently_columns(reference, current, *_):
    """`DataDriftPreset` on label and source; a failure is any failed test."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset
    columns = ["label", "source"]
    sides = [Dataset.from_pandas(side[columns], data_definition=DataDefinition(categorical_columns=columns))
             for side in (current, reference)]
    return failed_tests(Report([DataDriftPreset()], include_tests=True), *sides)


def evidently_text(reference, current, *_):
    """`DataDriftPreset` on the text (its domain classifier) and on three descriptors of it."""
    from evidently import DataDefinition, Dataset, Report
    from evidently.descriptors import NonLetterCharacterPercentage, TextLength, WordCount
    from evidently.presets import DataDriftPreset
    sides = [Dataset.from_pandas(
        side[["text"]], data_definition=DataDefinition(text_columns=["text"]),
        descriptors=[TextLength("text"), WordCount("text"), NonLetterCharacterPercentage("text")])
        for side in (current, reference)]
    return failed_tests(Report([DataDriftPreset()], include_tests=True), *sides)


def evidently_embeddings(reference, current, vectors, _):
    """Drift of the embeddings by its default method: a domain classifier whose ROC AUC exceeds .55."""
    from evidently.metrics.embeddings import ModelDriftMethod
    sides = [pd.DataFrame(vectors[side.index]).rename(columns=str) for side in (current, reference)]
    auc, drift, _ = ModelDriftMethod()(*sides)
    return [f"embeddings drift {auc:.3f}"] if drift else []


def great_expectations(reference, current, _, rows):
    """Rows, sources, labels, unique share of the texts, no nulls; the label's set has a name of its own."""
    import great_expectations as gx
    from great_expectations import expectations as expect
    from great_expectations.data_context.types.base import ProgressBarsConfig
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    asset = context.data_sources.add_pandas("rows").add_dataframe_asset("rows")
    batch = asset.add_batch_definition_whole_dataframe("all")
    unique = reference["text"].nunique() / len(reference)
    suite = {
        "rows": expect.ExpectTableRowCountToBeBetween(min_value=rows[0], max_value=rows[1]),
        "sources": expect.ExpectColumnDistinctValuesToEqualSet(
            column="source", value_set=sorted(reference["source"].unique())),
        "labels": expect.ExpectColumnDistinctValuesToEqualSet(
            column="label", value_set=sorted(reference["label"].unique())),
        "unique share": expect.ExpectColumnProportionOfUniqueValuesToBeBetween(
            column="text", min_value=max(unique - UNIQUE, 0)),
        "no nulls": expect.ExpectColumnValuesToNotBeNull(column="text"),
    }
    found = context.suites.add(gx.ExpectationSuite(name="suite", expectations=list(suite.values())))
    validation = context.validation_definitions.add(gx.ValidationDefinition(name="all", data=batch, suite=found))
    results = validation.run(batch_parameters={"dataframe": current}).results
    names = {expectation.expectation_type: name for name, expectation in suite.items()}
    of_column = {"source": "sources", "label": "labels"}
    return [of_column.get(result.expectation_config.kwargs.get("column"), names[result.expectation_config.type])
            for result in results if not result.success]


TOOLS = {"evidently-columns": evidently_columns, "evidently-text": evidently_text,
         "evidently-embeddings": evidently_embeddings, "great-expectations": great_expectations}


def main():
    folder, tool, output = pathlib.Path(sys.argv[1]), TOOLS[sys.argv[2]], sys.argv[3]
    rows = pd.DataFrame([json.loads(line) for line in (folder / "rows.jsonl").open(encoding="utf-8")])
    vectors = np.load(folder / "rows.npy").astype(np.float32)
    found = []
    for i, comparison in enumerate(json.loads((folder / "comparisons.json").read_text())):
        reference, current = (rows.iloc[comparison[side]] for side in ("reference", "current"))
        given = reference, current, vectors, comparison["rows"]
        if i == 0:
            tool(*given)  # imports
        start = time.perf_counter()
        failed = tool(*given)
        found.append({"failed": failed, "seconds": time.perf_counter() - start})
    pathlib.Path(output).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
