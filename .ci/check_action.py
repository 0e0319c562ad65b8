"""Runs action.yml, the examples for CI and the pre-commit hook in a scratch repository, as their hosts would.

The shell steps of the action run in order, with the variables that GitHub sets. Steps that use another action are
checked against what that action takes, and skipped.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as xml
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
BASH = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"]

# The actions in use: major version, inputs that it needs, further inputs that we set. From their own action.yml.
KNOWN = {
    "actions/checkout": ("v7", set(), set()),
    "actions/cache/restore": ("v6", {"path", "key"}, {"restore-keys"}),
    "actions/cache/save": ("v6", {"path", "key"}, set()),
    "actions/upload-artifact": ("v7", {"path"}, {"name", "if-no-files-found"}),
    "github/codeql-action/upload-sarif": ("v4", {"sarif_file"}, {"category"}),
}


def main():
    scratch = Path(tempfile.mkdtemp(prefix="check-action."))
    try:
        check(scratch)
    finally:
        shutil.rmtree(scratch)


def check(scratch):
    program = shutil.which(os.environ.get("SEMCOV", "semcov"))
    require(program, "semcov is not on the PATH: set SEMCOV")
    (scratch / "bin").mkdir()
    (scratch / "bin/semcov").symlink_to(Path(program).resolve())
    os.environ["PATH"] = f"{scratch}/bin:{os.environ['PATH']}"
    os.environ["SEMCOV_CACHE"] = f"{scratch}/cache"
    os.environ.pop("SEMCOV", None)

    repository = scratch / "repository"
    corpus, baseline = repository / "data/support.jsonl", repository / "train.semcov"
    corpus.parent.mkdir(parents=True)
    shutil.copy(ROOT / "examples/support.jsonl", corpus)
    (repository / "semcov.toml").write_text(block_of("toml"))
    run(BASH + [block_of("sh")], repository)
    whole = corpus.read_bytes()
    without_a_topic = b"".join(row for row in whole.splitlines(True) if not about_two_factor(json.loads(row)))
    sound = baseline.read_bytes()
    broken = sound[: len(sound) // 2]

    workflow = yaml.safe_load((ROOT / "examples/ci/github-workflow.yml").read_text())
    checkout, gate = workflow["jobs"]["gate"]["steps"]
    check_uses(checkout)
    inputs = gate["with"]

    step("the corpus of the baseline passes")
    job = Job(scratch, repository, inputs)
    written = {"verdict.json", "junit.xml", "summary.md", "report.html", "pending"}
    job.expect(code=0, summary="pass", files=written)
    require(job.verdict()["outcome"] == "pass", "the verdict is not a pass")
    require("::error" not in job.log, "an error on the log of a job that passed")

    step("without a topic it fails, and says so on the log, in the summary and in the files")
    corpus.write_bytes(without_a_topic)
    job = Job(scratch, repository, inputs | {"sarif": "true"})
    job.expect(code=1, summary="fail", files=written | {"semcov.sarif"})
    require((job.files / "pending/train.pending.semcov").is_file(), "no pending baseline")
    require(re.search(r"^::error [^:]*::.", job.log, re.M), "no annotation on the log")
    texts = [json.loads(row)["text"][:40] for row in whole.splitlines()]
    shown = [text for text in texts if len(text) == 40 and text in job.log + job.summary]
    require(not shown, f"the log or the summary shows texts of the corpus: {shown}")
    require(job.uploads == ["actions/cache/save", "github/codeql-action/upload-sarif", "actions/upload-artifact"],
            f"other uploads than expected: {job.uploads}")
    findings = xml.parse(job.files / "junit.xml").findall(".//failure")
    require(findings, "no failure in junit.xml")

    step("the same files come of the other inputs, and a page or an artifact only on request")
    extra = {"baseline": "", "config": "semcov.toml", "reference": "train.semcov", "evaluation": "data/*.jsonl",
             "args": "--show-text", "report": "false", "artifact": "", "semcov-path": "semcov"}
    job = Job(scratch, repository, inputs | extra)
    job.expect(code=1, summary="fail", files=written - {"report.html"})
    require(job.uploads == ["actions/cache/save"], f"other uploads than expected: {job.uploads}")

    step("the pending baseline of the artifact is accepted by a person, not in CI, and the corpus passes beside it")
    pending = repository / "train.pending.semcov"
    pending.unlink()
    shutil.copytree(job.files / "pending", repository, dirs_exist_ok=True)
    run(["semcov", "baseline", "accept"], repository, {"CI": "true"}, code=2)
    run(["semcov", "baseline", "accept"], repository, {"CI": ""})
    require(not pending.exists(), "the accepted baseline is still pending")
    Job(scratch, repository, inputs | {"report": "false"}).expect(code=0, summary="pass")
    baseline.write_bytes(sound)

    step("what cannot be judged is neither: a broken baseline, no corpus, a name that is a command")
    baseline.write_bytes(broken)
    Job(scratch, repository, inputs).expect(code=2, summary="no verdict", files={"pending"})
    baseline.write_bytes(sound)
    Job(scratch, repository, inputs | {"corpus": ""}).expect(code=2)
    Job(scratch, repository, inputs | {"corpus": "$(touch ran) `touch ran`; touch ran"}).expect(code=2)
    require(not (repository / "ran").exists(), "an input was run as a command")

    step("the examples for a plain shell and for GitLab")
    plain = [str(ROOT / "examples/ci/plain.sh"), str(ROOT)]
    gitlab = yaml.safe_load((ROOT / "examples/ci/gitlab-ci.yml").read_text())["semcov"]
    (repository / ".semcov").mkdir()
    (repository / ".semcov/source").symlink_to(ROOT)
    (repository / ".semcov/bin").symlink_to(scratch / "bin")
    in_gitlab = {"CI": "true", "GITLAB_CI": "true"} | gitlab["variables"]
    for rows, code in [(whole, 0), (without_a_topic, 1)]:
        corpus.write_bytes(rows)
        run(plain, repository, code=code)
        shutil.rmtree(repository / "semcov-gate")
        run(BASH + ["\n".join(gitlab["script"])], repository, in_gitlab, code)
        for path in gitlab["artifacts"]["reports"].values():
            require((repository / path).stat().st_size, f"GitLab gets no {path}")
    quality = json.loads((repository / gitlab["artifacts"]["reports"]["codequality"]).read_text())
    require(quality and all({"description", "fingerprint", "location"} <= finding.keys() for finding in quality),
            "the code quality report has no findings, or findings without their fields")

    step("the pre-commit hook")
    run(["git", "init", "--quiet"], repository)
    run(["git", "add", "semcov.toml", "train.semcov"], repository)
    hook = ["pre-commit", "try-repo", str(ROOT), "semcov-baseline", "--all-files"]
    run(hook, repository, {"PRE_COMMIT_HOME": f"{scratch}/pre-commit"})
    baseline.write_bytes(broken)
    run(hook, repository, {"PRE_COMMIT_HOME": f"{scratch}/pre-commit"}, code=1)
    print("the action, the examples and the hook do what they should")


class Job:
    """A run of the action in a job of its own."""

    def __init__(self, scratch, repository, inputs):
        unknown = inputs.keys() - ACTION["inputs"].keys()
        require(not unknown, f"the action has no input {unknown}")
        self.inputs = {name: inputs.get(name, spec.get("default", "")) for name, spec in ACTION["inputs"].items()}
        self.runner = Path(tempfile.mkdtemp(dir=scratch))
        self.repository = repository
        self.uploads, self.log, self.code = [], "", 0
        # The cache has a semcov, and no vectors.
        (self.runner / "semcov-tool").mkdir()
        (self.runner / "semcov-tool/bin").symlink_to(scratch / "bin")
        self.steps = {"tool": {"cache-hit": "true"}}
        for action_step in ACTION["runs"]["steps"]:
            self.take(action_step)
        outputs = {name: self.fill(spec["value"]) for name, spec in ACTION["outputs"].items()}
        require(outputs["exit-code"] == str(self.code), f"outputs {outputs} of a job that exited with {self.code}")
        self.files = Path(outputs["files"])
        summary = self.runner / "summary"
        self.summary = summary.read_text() if summary.exists() else ""

    def take(self, action_step):
        condition = action_step.get("if", "").removeprefix("${{").removesuffix("}}").strip() or "success()"
        if not re.search(r"\b(success|failure|cancelled|always)\(\)", condition):
            condition = f"success() && ({condition})"
        if not self.value(condition):
            return
        if "uses" in action_step:
            check_uses(action_step)
            arguments = {name: self.fill(value) for name, value in action_step["with"].items()}
            require(all(arguments.values()), f"an empty argument: {arguments}")
            if not action_step["uses"].startswith("actions/cache/restore"):
                self.uploads.append(action_step["uses"].partition("@")[0])
                path = Path(arguments.get("path") or arguments["sarif_file"])
                there = path.is_file() or any(path.iterdir()) or "if-no-files-found" in arguments
                require(there, f"{action_step['name']}: nothing at {path}")
            return
        require("${{" not in action_step["run"], f"{action_step['name']}: an expression inside a script")
        output = self.runner / "output"
        output.write_text("")
        github = {
            "CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_ACTION_PATH": str(ROOT), "RUNNER_TEMP": str(self.runner),
            "GITHUB_WORKSPACE": str(self.repository), "GITHUB_OUTPUT": str(output), "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64", "GITHUB_STEP_SUMMARY": str(self.runner / "summary"),
        }
        environment = {name: self.fill(value) for name, value in action_step.get("env", {}).items()}
        done = run(BASH + [action_step["run"]], self.repository, github | environment, code=None)
        self.log += done.stdout
        self.code = self.code or done.returncode
        pairs = [line.split("=", 1) for line in output.read_text().splitlines()]
        self.steps.setdefault(action_step.get("id"), {}).update(pairs)

    def fill(self, text):
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self.value(found[1])), text)

    def value(self, expression):
        """The value of a GitHub expression, as far as this action needs the language."""
        python = re.sub(r"'[^']*'|&&|\|\||!(?!=)|[a-z][\w.-]*", self.translate, expression)
        functions = {"success": lambda: self.code == 0, "cancelled": lambda: False, "format": str.format}
        return eval(python.strip(), {"__builtins__": {}, "value_of": self.value_of} | functions)  # our own action.yml

    @staticmethod
    def translate(token):
        word = token[0]
        operators = {"&&": " and ", "||": " or ", "!": " not "}
        plain = word.startswith("'") or word in ("success", "cancelled", "format")
        return operators.get(word) or (word if plain else f"value_of({word!r})")

    def value_of(self, name):
        scope, _, rest = name.partition(".")
        if scope == "inputs":
            return self.inputs[rest]
        require(scope == "steps", f"an expression names {name}")
        step_id, outputs, output = rest.split(".")
        require(outputs == "outputs" and any(s.get("id") == step_id for s in ACTION["runs"]["steps"]), f"no {name}")
        return self.steps.get(step_id, {}).get(output, "")

    def verdict(self):
        return json.loads((self.files / "verdict.json").read_text())

    def expect(self, code, summary=None, files=None):
        require(self.code == code, f"exit code {self.code}, expected {code}\n{self.log}")
        if summary:
            require(summary in self.summary.lower(), f"the summary lacks '{summary}':\n{self.summary}")
        if files is not None:
            found = {path.name for path in self.files.iterdir() if path.stat().st_size}
            require(found == files, f"files {found}, expected {files}\n{self.log}")


def check_uses(action_step):
    name, _, version = action_step["uses"].partition("@")
    require(name in KNOWN, f"unknown action {name}")
    major, needed, further = KNOWN[name]
    given = action_step.get("with", {}).keys()
    require(version == major and needed <= given <= needed | further, f"{name}@{version} with {set(given)}")


def about_two_factor(row):
    return row["label"] == "two-factor"


def block_of(language):
    """The first block in a language of the examples' page."""
    page = (ROOT / "examples/ci/README.md").read_text()
    return re.search(rf"^```{language}$\n(.*?)^```$", page, re.M | re.S)[1]


def run(command, folder, environment=(), code=0):
    """Runs a command; fails unless it exits with `code`, where one is given."""
    done = subprocess.run(command, cwd=folder, env=os.environ | dict(environment), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    require(code in (None, done.returncode), f"{command[-1]}: exit code {done.returncode}\n{done.stdout}")
    return done


def step(what):
    print(f"- {what}")


def require(condition, message):
    if not condition:
        sys.exit(f"check-action: {message}")


if __name__ == "__main__":
    main()
