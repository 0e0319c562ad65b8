"""A year of monthly data, and what the gate and its peers say of it; see gate.sh.

History: CLINC150's queries in its scope, with their intent as label and the group of their domain as source. Two months
are the baseline, twelve follow. Every intent's share of a month is its average times a lognormal factor (sd 20 %) of
that month, the month's size is within 15 % of the average, and 1.5 % of its rows are repeats. A text comes once until
its intent has none left; then those of months after the baseline come again.

Two ways to use a gate: *drops*, every month's rows against the baseline; *growing*, all rows so far against all rows of
the month before. Events come in month 8, each in a copy of the history of its own, and stay. Whatever objects in a
history without events is a false alarm.
"""
import argparse
import collections
import datetime
import importlib.metadata as metadata
import itertools
import json
import os
import pathlib
import random
import re
import shutil
import statistics
import sys
import tempfile

os.environ.update({name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")})
import numpy as np

from measure import run
from peer_gate import TOOLS as PEERS, UNIQUE

parser = argparse.ArgumentParser()
parser.add_argument("--semcov", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--cache", default="target/benchsuite/cache")
parser.add_argument("--seeds", type=int, default=3, help="histories")
parser.add_argument("--first", type=int, default=0, help="seed of the first history")
parser.add_argument("--folder", help="keep all files there, and take from there what was found before")
parser.add_argument("--no-semcov", action="store_true", help="peers alone")
parser.add_argument("--untouched", type=int, default=0, help="further histories without events, semcov's drops alone")
parser.add_argument("--no-quality", action="store_true")
parser.add_argument("--speed", action="store_true", help="also time the gate on 100,000 rows")
parser.add_argument("--note", default="", help="what to say of this run")
args = parser.parse_args()
here, data = pathlib.Path(__file__).parent, pathlib.Path(args.data)

BASELINE, MONTHS, EVENT = 2, 12, 8
ROWS, SIZE_SPREAD, SHARE_SD, REPEATS = 1550, 0.15, 0.2, 0.015
INTENTS_LOST, SOURCES_REMOVED = 5, 2
SOURCES = {"banking": "app", "credit_cards": "app", "utility": "app", "auto_and_commute": "phone", "travel": "phone",
           "kitchen_and_dining": "web", "work": "web", "home": "partner", "small_talk": "partner", "meta": "partner"}
REPLACED, REPLACED_BY, REWRITTEN = "kitchen_and_dining", "BookRestaurant", "banking"
LETTERS = [
    "Dear Sir or Madam, I am writing to enquire about the following matter: {}. I look forward to your reply.",
    "To whom it may concern: kindly attend to the request set out below. {}. Yours faithfully, a valued client.",
    "With reference to my file, I should be grateful for your assistance in this regard: {}. Sincerely yours.",
    "Good day. Please find herewith my formal enquiry, namely, {}. Your prompt attention would be appreciated.",
]
EDITS = [
    lambda text, rng: f"please {text}", lambda text, rng: f"{text}, thanks", lambda text, rng: f"hi, {text}",
    lambda text, rng: f"{text} please", lambda text, rng: f"{text.rstrip('?.! ')}!!", lambda text, rng: f"ok {text}",
    lambda text, rng: typo(text, rng),
]
EVENTS = ["intent lost", "source removed", "domain replaced", "domain rewritten", "rows tripled"]
GATE = "semcov gate"
UNTOUCHED_FROM = 100  # so that these histories are none of the others


def typo(text, rng):
    """Two neighbouring letters of a word swapped."""
    places = [i for i in range(len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha() and text[i] != text[i + 1]]
    if not places:
        return f"{text}."
    i = rng.choice(places)
    return text[:i] + text[i + 1] + text[i] + text[i + 2:]


class Rows:
    """All rows of all histories; a history is a list of their numbers."""

    def __init__(self):
        domains = json.loads((data / "clinc150/domains.json").read_text())
        domain_of = {intent: domain for domain, intents in domains.items() for intent in intents}
        splits = json.loads((data / "clinc150/data_full.json").read_text())
        texts = {text.strip(): intent for split in ("train", "val", "test") for text, intent in splits[split]}
        self.rows, self.domains, self.made = [], [], {}
        for text, intent in texts.items():
            self.add(text, intent, domain_of[intent])
        self.originals = len(self.rows)
        lines = (data / "snips/snips.jsonl").read_text().splitlines()
        snips = [row["text"].strip() for row in map(json.loads, lines) if row["label"] == REPLACED_BY]
        self.snips = sorted(set(snips))

    def add(self, text, label, domain):
        self.rows.append({"text": text, "label": label, "source": SOURCES[domain]})
        self.domains.append(domain)
        return len(self.rows) - 1

    def edited(self, number, name, edit):
        """The number of a row with another text; the same whenever it is asked for."""
        key = number, name
        if key not in self.made:
            row = self.rows[number]
            text = edit(row["text"], random.Random(f"{name} {number}"))
            self.made[key] = self.add(text, row["label"], self.domains[number])
        return self.made[key]

    def tripled(self, numbers):
        edits = {number: random.Random(number).sample(range(len(EDITS)), 2) for number in set(numbers)}
        return [each for number in numbers
                for each in (number, *(self.edited(number, f"edit {i}", EDITS[i]) for i in edits[number]))]

    def rewritten(self, numbers):
        letter = lambda text, rng: rng.choice(LETTERS).format(text.rstrip("?.! "))
        return [self.edited(number, "letter", letter) if self.domains[number] == REWRITTEN else number
                for number in numbers]

    def replaced(self, numbers):
        of_domain = [number for number in range(self.originals) if self.domains[number] == REPLACED]
        text_of = dict(zip(of_domain, itertools.cycle(self.snips)))
        return [self.edited(number, "replaced", lambda *_: text_of[number]) if number in text_of else number
                for number in numbers]


def history(rows, seed, share_sd=SHARE_SD):
    """The months' rows: the first is the baseline of two months."""
    rng = np.random.default_rng([71, seed])
    by_intent = collections.defaultdict(list)
    for number, row in enumerate(rows.rows[:rows.originals]):
        by_intent[row["label"]].append(number)
    queues = {intent: list(rng.permutation(numbers)) for intent, numbers in sorted(by_intent.items())}
    past = {intent: [] for intent in queues}
    months = []
    for month in range(1 - BASELINE, MONTHS + 1):
        size = ROWS * rng.uniform(1 - SIZE_SPREAD, 1 + SIZE_SPREAD)
        shares = rng.lognormal(0, share_sd, len(queues))
        counts = rng.multinomial(round(size * (1 - REPEATS)), shares / shares.sum())
        drop = []
        for intent, count in zip(queues, counts):
            for _ in range(count):
                if not queues[intent]:
                    queues[intent] = list(rng.permutation(past[intent]))
                number = int(queues[intent].pop())
                drop.append(number)
                if month > 0 and number not in past[intent]:
                    past[intent].append(number)
        drop += [int(number) for number in rng.choice(drop, round(size * REPEATS), replace=False)]
        months.append([int(number) for number in rng.permutation(drop)])
    return [sum(months[:BASELINE], []), *months[BASELINE:]]


def events(rows, seed):
    """Kind, name, and what it makes of rows."""
    rng = np.random.default_rng([72, seed])
    intents = sorted({row["label"] for row in rows.rows})
    without = lambda column, value: lambda numbers: [number for number in numbers if rows.rows[number][column] != value]
    for intent in rng.choice(intents, INTENTS_LOST, replace=False):
        yield "intent lost", str(intent), without("label", str(intent))
    for source in rng.choice(sorted(set(SOURCES.values())), SOURCES_REMOVED, replace=False):
        yield "source removed", str(source), without("source", str(source))
    yield "domain replaced", REPLACED, rows.replaced
    yield "domain rewritten", REWRITTEN, rows.rewritten
    yield "rows tripled", "all", rows.tripled


def comparisons(rows, seed):
    """Everything that is gated in one history, in order."""
    baseline, *drops = history(rows, seed)
    usual = len(baseline) / BASELINE
    so_far = [baseline]
    for drop in drops:
        so_far.append(so_far[-1] + drop)
    planned = list(events(rows, seed))

    def comparison(way, event, name, month, reference, current):
        expected = [round(0.8 * usual), round(1.2 * usual)] if way == "drops" else [len(reference), None]
        return {"seed": seed, "way": way, "event": event, "name": name, "month": month, "rows": expected,
                "reference": reference, "current": current}

    for month in range(1, MONTHS + 1):
        yield comparison("drops", None, None, month, baseline, drops[month - 1])
    for event, name, change in planned:
        for month in range(EVENT, MONTHS + 1):
            yield comparison("drops", event, name, month, baseline, change(drops[month - 1]))
    for month in range(1, MONTHS + 1):
        yield comparison("growing", None, None, month, so_far[month - 1], so_far[month])
    for event, name, change in planned:
        yield comparison("growing", event, name, EVENT, so_far[EVENT - 1], change(so_far[EVENT]))


def write(path, rows, numbers):
    with open(path, "w", encoding="utf-8") as out:
        for place, number in enumerate(numbers):
            out.write(json.dumps({"id": f"{place}-{number}", **rows[number]}) + "\n")


def gated(rows, compared, folder):
    """What semcov's gate says: of drops against the profile of the baseline, of a growing corpus against the profile of
    the month before, which is taken on as soon as it is gated."""
    columns = ["--text", "text", "--label", "label", "--source", "source", "--cache", args.cache, "-q"]
    policy = folder / "semcov.toml"
    policy.write_text('[gate.rules.min-rows.source]\n"*" = 1\n[gate.rules.min-rows.label]\n"*" = 1\n')
    states, found = {}, []
    for comparison in compared:
        seed, month = comparison["seed"], comparison["month"]
        if (seed, 0) not in states:
            states[seed, 0] = folder / f"baseline-{seed}.semcov"
            write(folder / "baseline.jsonl", rows, comparison["reference"])
            run([args.semcov, "profile", "fit", folder / "baseline.jsonl", *columns, "-o", states[seed, 0]])
        grows, untouched = comparison["way"] == "growing", comparison["event"] is None
        pending = "none"
        if grows and untouched:
            pending = states[seed, month] = folder / f"state-{seed}-{month}.semcov"
        corpus, verdict = folder / "corpus.jsonl", folder / "verdict.json"
        write(corpus, rows, comparison["current"])
        verdict.unlink(missing_ok=True)
        seconds, _, peak, *_ = run_gate([
            "gate", corpus, *columns, "--config", policy, "--baseline", states[seed, month - 1 if grows else 0],
            "--pending", pending, "--json", verdict])
        verdict = json.loads(verdict.read_text())
        outcomes = {rule["id"]: rule["outcome"] for rule in verdict["rules"] if not rule["informational"]}
        informed = {rule["id"]: rule["outcome"] for rule in verdict["rules"] if rule["informational"]}
        of = lambda outcome: sorted(rule for rule, found in outcomes.items() if found == outcome)
        worst = [{"rule": rule["id"], **{key: finding[key] for key in ("subject", "value", "p_value", "outcome")}}
                 for rule in verdict["rules"] for finding in rule["findings"][:3]]
        values = {rule["id"]: rule["value"] for rule in verdict["rules"]}
        found.append({"failed": of("fail"), "warned": of("warn"), "inconclusive": of("inconclusive"),
                      "informed": informed, "worst": worst, "values": values, "seconds": seconds, "peak_mib": peak})
    return found


def run_gate(arguments):
    """Runs semcov, whose verdict may be no."""
    script = '"$@"; code=$?; [ $code -le 2 ] && exit 0; exit $code'
    return run(["bash", "-c", script, "gate", args.semcov, *arguments])


def of_peer(tool, folder):
    path = folder / f"{tool}.json"
    if not path.exists():
        run([sys.executable, here / "peer_gate.py", folder, tool, path])
    return json.loads(path.read_text())


def quality(folder):
    rows = Rows()
    compared = [comparison for seed in range(args.first, args.first + args.seeds)
                for comparison in comparisons(rows, seed)]
    used = {number for comparison in compared for side in ("reference", "current") for number in comparison[side]}
    write(folder / "rows.jsonl", rows.rows, range(len(rows.rows)))
    plan, planned = folder / "comparisons.json", json.dumps(compared)
    if not plan.exists() or plan.read_text() != planned:
        for tool in PEERS:
            (folder / f"{tool}.json").unlink(missing_ok=True)
        plan.write_text(planned)
    run([args.semcov, "embed", folder / "rows.jsonl", "--text", "text", "--cache", args.cache, "-q",
         "-o", folder / "rows.npy"])
    print(f"{len(compared)} comparisons, {len(used):,} rows", file=sys.stderr)
    results = {}
    if not args.no_semcov:
        results["semcov"] = gated(rows.rows, compared, folder)
        (folder / "semcov.json").write_text(json.dumps(results["semcov"]))
    for tool in PEERS:
        results[tool] = of_peer(tool, folder)
    report(compared, results)


def named(test):
    """A test without the figure that its name may end in."""
    return re.sub(r"(: \w+)? [\d.]+$", "", test)


def tools(results):
    """Name, and for each comparison what failed."""
    def failed(tool, but=(), of=("failed",)):
        return [[named(test) for word in of for test in found[word] if test not in but] for found in results[tool]]

    if "semcov" in results:
        yield GATE, failed("semcov", but=["min-rows"])
        yield f"{GATE}, warnings as well", failed("semcov", but=["min-rows"], of=("failed", "warned"))
        yield f"{GATE}, min-rows of sources and labels 1", failed("semcov")
    yield "Evidently, label and source", failed("evidently-columns")
    yield "Evidently, text and descriptors", failed("evidently-text")
    yield "Evidently, embeddings", failed("evidently-embeddings")
    yield "Great Expectations, without the set of labels", failed("great-expectations", but=["labels"])
    yield "Great Expectations, with it", failed("great-expectations")


def share(hits):
    hits = [bool(hit) for hit in hits]
    return f"{sum(hits)}/{len(hits)}"


def report(compared, results):
    places = {(c["seed"], c["way"], c["event"], c["name"], c["month"]): i for i, c in enumerate(compared)}
    seconds = {GATE: "semcov", "Evidently, label and source": "evidently-columns",
               "Evidently, text and descriptors": "evidently-text", "Evidently, embeddings": "evidently-embeddings",
               "Great Expectations, with it": "great-expectations"}
    for way, title in (("drops", "Drops: every month's rows against the baseline"),
                       ("growing", "Growing: all rows so far against those of the month before")):
        print(f"## {title}\n\n| | false alarms, months 1-{EVENT - 1} | months {EVENT}-{MONTHS} | "
              + " | ".join(EVENTS[:-1]) + " | rows tripled* | s a month |")
        print("|---" * (len(EVENTS) + 4) + "|")
        for name, failed in tools(results):
            def found(place):
                """What failed that does not fail in that month without the event."""
                seed, way, _, _, month = place
                return set(failed[places[place]]) - set(failed[places[seed, way, None, None, month]])

            untouched = [place for place in places if place[1] == way and place[2] is None]
            cells = [share(failed[places[place]] for place in untouched if (place[-1] < EVENT) == before)
                     for before in (True, False)]
            for event in EVENTS:
                of_event = [place for place in places if place[1] == way and place[2] == event]
                cell = share(found(place) for place in of_event if place[-1] == EVENT)
                if way == "drops":
                    runs = sorted({place[:-1] for place in of_event})
                    ever = share(any(found(place) for place in of_event if place[:-1] == each) for each in runs)
                    cell += f", {ever}"
                cells.append(cell)
            took = [one["seconds"] for one, comparison in zip(results.get(seconds.get(name), []), compared)
                    if comparison["way"] == way]
            print(f"| {name} | " + " | ".join(cells) + f" | {statistics.median(took):.2f} |" if took else
                  f"| {name} | " + " | ".join(cells) + " | |")
        print()
    print("An event is found where a test fails that does not fail in the same month without it: in month "
          f"{EVENT}; of the drops, also in any of months {EVENT} to {MONTHS}. (*) Nothing was lost: whatever objects, "
          "objects to the copies. Seconds: medians, semcov's of the whole command with cached vectors, peers' without "
          "imports, reading and embedding.\n")
    details(compared, results)
    if "semcov" in results:
        by_month(compared, results["semcov"])
        deleted(compared, results["semcov"])


def details(compared, results):
    """How often which rule or test objected."""
    print(f"## Which tests object\n\nOf the runs of a kind; events in month {EVENT} alone. A rule of semcov fails where "
          "nothing else is said.\n")
    for way in ("drops", "growing"):
        kinds = [None, *EVENTS]
        lines, totals = collections.defaultdict(collections.Counter), collections.Counter()
        of_way = [i for i, comparison in enumerate(compared) if comparison["way"] == way
                  and (comparison["event"] is None or comparison["month"] == EVENT)]
        totals.update(compared[i]["event"] for i in of_way)
        for tool, found in results.items():
            for i in of_way:
                tests = [named(test) for test in found[i]["failed"]]
                tests += [f"{test} ({word})" for word in ("warned", "inconclusive") for test in found[i].get(word, [])]
                tests += [f"{test} (informs)" for test, outcome in found[i].get("informed", {}).items()
                          if outcome != "pass"]
                for test in tests:
                    lines[f"{tool}: {test}"][compared[i]["event"]] += 1
        print(f"| {way} | " + " | ".join(kind or "no event" for kind in kinds) + " |")
        print("|---" * (len(kinds) + 1) + "|")
        for test, hits in lines.items():
            print(f"| {test} | " + " | ".join(f"{hits[kind]}/{totals[kind]}" for kind in kinds) + " |")
        print()


def by_month(compared, found):
    """What semcov fails over, month by month, and every false alarm."""
    print("## semcov, drops, month by month\n\nThe rules that fail or warn but for min-rows, and in how many runs.\n")
    print("| | " + " | ".join(f"month {month}" for month in range(EVENT, MONTHS + 1)) + " |\n"
          + "|---" * (MONTHS - EVENT + 2) + "|")
    for event in EVENTS:
        cells = []
        for month in range(EVENT, MONTHS + 1):
            runs = [one for one, comparison in zip(found, compared) if comparison["way"] == "drops"
                    and comparison["event"] == event and comparison["month"] == month]
            rules = collections.Counter(rule for one in runs for rule in one["failed"] if rule != "min-rows")
            rules.update(f"{rule} (warned)" for one in runs for rule in one["warned"])
            cells.append(", ".join(f"{rule} {hits}/{len(runs)}" for rule, hits in sorted(rules.items())) or "-")
        print(f"| {event} | " + " | ".join(cells) + " |")
    print("\nFalse alarms and, where it says so, warnings:\n")
    for one, comparison in zip(found, compared):
        if comparison["event"] is None:
            for finding in one["worst"]:
                if finding["outcome"] in ("fail", "warn") and finding["rule"] not in one["informed"]:
                    subject = finding["subject"]
                    figures = f"{finding['value']:.3f}" + (f", p {finding['p_value']:.4f}" if finding["p_value"] else "")
                    warned = " (warned)" if finding["outcome"] == "warn" else ""
                    print(f"- {comparison['way']}, history {comparison['seed']}, month {comparison['month']}: "
                          f"{finding['rule']}{warned}, {subject['kind']} \"{subject.get('name', '')}\", {figures}")
    print()


def deleted(compared, found):
    """What is left, by semcov's rules, where an intent was deleted from a growing corpus."""
    rules = "leaf-loss", "region-loss"
    print("## semcov, growing, the intents lost\n\nThe least that is left of a leaf or region, as a share of what was "
          "there, where the loss is significant at all.\n")
    print("| history | intent | rows | " + " | ".join(rules) + " |\n|---" + "|---" * (len(rules) + 2) + "|")
    for one, comparison in zip(found, compared):
        if comparison["way"] == "growing" and comparison["event"] == "intent lost":
            whole = next(c for c in compared if c["event"] is None and all(
                c[key] == comparison[key] for key in ("seed", "way", "month")))
            cells = [(f"{one['values'][rule]:.2f}" if one["values"].get(rule) is not None else "-")
                     + (", fails" if rule in one["failed"] else ", warns" if rule in one["warned"] else "")
                     for rule in rules]
            print(f"| {comparison['seed']} | {comparison['name']} | "
                  f"{len(whole['current']) - len(comparison['current'])} of {len(whole['current']):,} | "
                  + " | ".join(cells) + " |")
    print()


def untouched(folder):
    """How often semcov objects to months in which nothing happened, by how much the mix varies of itself."""
    rows = Rows()
    first = UNTOUCHED_FROM + args.first
    print(f"## Nothing happened\n\nMonths against the baseline, histories from seed {first} on: in how many some rule "
          "failed or only warned, and which.\n")
    print("| sd of an intent's share | months | failed | warned | rules |\n|---|---|---|---|---|")
    for share_sd in (0, SHARE_SD):
        plan = [{"seed": f"{share_sd}-{seed}", "way": "drops", "event": None, "name": None, "month": month,
                 "reference": months[0], "current": months[month]}
                for seed in range(first, first + args.untouched) for months in [history(rows, seed, share_sd)]
                for month in range(1, MONTHS + 1)]
        found = [(set(one["failed"]) - {"min-rows"}, one["warned"]) for one in gated(rows.rows, plan, folder)]
        rules = collections.Counter(rule for failed, _ in found for rule in failed)
        rules.update(f"{rule} (warned)" for _, warned in found for rule in warned)
        print(f"| {share_sd} | {len(plan)} | {sum(bool(failed) for failed, _ in found)} | "
              f"{sum(bool(warned) and not failed for failed, warned in found)} | "
              + (", ".join(f"{rule} {hits}" for rule, hits in sorted(rules.items())) or "-") + " |", flush=True)
    print()


def speed(folder, n=100_000, changed=0.01, runs=5):
    """The gate on rows of CLINC150 and SNIPS, each with two edits; some rows have given way to new ones."""
    rows = Rows()
    lines = (data / "snips/snips.jsonl").read_text().splitlines()
    for text in sorted({row["text"].strip() for row in map(json.loads, lines)}):
        rows.add(text, "snips", "meta")
    numbers = list(dict.fromkeys(rows.tripled(range(len(rows.rows)))))
    texts = {rows.rows[number]["text"]: number for number in numbers}
    numbers = [int(number) for number in np.random.default_rng(73).permutation(list(texts.values()))]
    new = round(changed * n)
    write(folder / "before.jsonl", rows.rows, numbers[:n])
    # So that they are in no cache yet.
    for number in numbers[n:n + new]:
        rows.rows[number]["text"] += f" {os.getpid()}"
    write(folder / "now.jsonl", rows.rows, numbers[new:n + new])
    columns = ["--text", "text", "--label", "label", "--source", "source", "--cache", args.cache, "-q"]
    baseline = folder / "before.semcov"
    first, cpu, peak, *_ = run([args.semcov, "profile", "fit", folder / "before.jsonl", *columns, "-o", baseline])
    gate = ["gate", folder / "now.jsonl", *columns, "--baseline", baseline]
    print(f"## Time and memory\n\n{n:,} rows of CLINC150 and SNIPS and two edits of each, all texts distinct; {new:,} of "
          f"them gave way to new ones. A run writes the pending baseline as well. Median (and range) of {runs} runs with a "
          f"warm cache; the load of the machine was {os.getloadavg()[0]:.1f} at the start.\n\n| | s | CPU s | peak MiB |\n"
          "|---|---|---|---|", flush=True)
    print(f"| semcov profile fit, and embedding what the cache lacks | {first:.1f} | {cpu:.1f} | {peak:,.0f} |")
    seconds, cpu, peak, *_ = run_gate(gate)
    print(f"| semcov gate, first run: {new:,} texts to embed | {seconds:.1f} | {cpu:.1f} | {peak:,.0f} |", flush=True)
    found = [run_gate(gate)[:3] for _ in range(runs)]
    seconds, cpu, peaks = zip(*found)
    print(f"| semcov gate, cached | {statistics.median(seconds):.1f} ({min(seconds):.1f}-{max(seconds):.1f}) | "
          f"{statistics.median(cpu):.1f} | {max(peaks):,.0f} |\n", flush=True)


def setup():
    print(f"""{args.seeds} histories of CLINC150 from seed {args.first}: {MONTHS} months of about {ROWS:,} rows (within \
{SIZE_SPREAD:.0%}) after a baseline of {BASELINE} months; intents' shares vary by a lognormal factor of sd {SHARE_SD} \
a month; {REPEATS:.1%} of a month's rows are exact repeats. Events, from month {EVENT} on: *intent lost*, {INTENTS_LOST} \
of 150 in each history, one at a time, all its rows (about 0.7 % of a month); *source removed*, {SOURCES_REMOVED} of 4; \
*domain replaced*, the texts of {REPLACED} give way to SNIPS' {REPLACED_BY}, labels and sources stay; *domain \
rewritten*, those of {REWRITTEN} become formal letters; *rows tripled*, each row with two edits (please, thanks, hi, ok, \
punctuation, a typo). In a growing corpus the event changes all rows so far.

What counts as a failure. semcov: a rule that fails and is not informational, by the defaults; a warning counts \
in the line that says so alone. \
Evidently: any failed test of `DataDriftPreset` with `include_tests=True`, on the columns label and source, or on the \
text, its length, word count and share of non-letters; or drift by `ModelDriftMethod()` on semcov's vectors. Great \
Expectations: any failed expectation: rows within 80-120 % of a month of the baseline (growing: no fewer than before), \
the sources those of the baseline, unique share of the texts at most {UNIQUE:.0%} below, no nulls, and, in a line of its own, \
the labels those of the baseline.
""", flush=True)


def machine():
    cpu = re.search("model name.*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    versions = [f"{name} {metadata.version(name)}" for name in
                ("evidently", "great_expectations", "scikit-learn", "scipy", "pandas", "numpy")]
    semcov_version = run([args.semcov, "--version"])[3].decode().split()[-1]
    return f"{os.cpu_count()} cores" + (f" of {cpu[1]}" if cpu else "") + f"; semcov {semcov_version}, {', '.join(versions)}"


def main():
    print(f"# The gate, {datetime.date.today()}\n\n{machine()}. {args.note}\n", flush=True)
    folder = pathlib.Path(args.folder or tempfile.mkdtemp())
    folder.mkdir(exist_ok=True)
    try:
        if not args.no_quality:
            setup()
            quality(folder)
        if args.untouched:
            untouched(folder)
        if args.speed:
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
                del os.environ[name]
            speed(folder)
    finally:
        if not args.folder:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
