//! The augmentation plan as a terminal table, Markdown, or JSON.

use schemars::schema_for;

use super::beside::shown;
use super::json::{self, JsonStyle};
use super::markdown::{self, code, prose};
use super::number::{count, counted, percent};
use super::terminal::{Listing, Page, TerminalStyle, left, right};
use super::text::fit;
use super::words::join;
use crate::plan::{AugmentationPlan, Estimate, LeafPlan, Target};

/// Leaves listed in a terminal, and in Markdown; JSON has them all.
const TERMINAL_LEAVES: usize = 20;
const MARKDOWN_LEAVES: usize = 50;
/// Leaves named in one sentence, and columns of a name there.
const NAMED: usize = 3;
const QUOTED: usize = 60;

/// The plan as a summary for people, no line wider than the terminal.
#[must_use]
pub fn plan_terminal(plan: &AugmentationPlan, style: &TerminalStyle) -> String {
    let mut page = Page::new(style);
    page.emphasized(&headline(plan));
    for sentence in budget(plan) {
        page.item("", &sentence);
    }
    if !plan.leaves.is_empty() {
        page.section(&format!("Leaves ({})", plan.leaves.len()));
        // The seed gets what the other columns leave.
        let mut table =
            Listing::new(vec![right("#"), left("leaf"), right("texts"), right("add"), left("start from")], 4);
        for leaf in plan.leaves.iter().take(TERMINAL_LEAVES) {
            table.row(vec![
                leaf.leaf.to_string(),
                fit(&leaf_name(leaf), page.width() / 3),
                count(leaf.texts),
                format!("+{}", count(leaf.needed)),
                match start(leaf) {
                    (None, text) => text.to_owned(),
                    (Some(note), "") => note.to_owned(),
                    (Some(note), text) => format!("{note}: {text}"),
                },
            ]);
        }
        page.listing(table);
        page.rest(plan.leaves.len(), TERMINAL_LEAVES, "row");
    }
    if let Some(estimate) = plan.header.estimate.as_ref().filter(|estimate| estimate.requests > 0) {
        page.section("Generation requests (an estimate)");
        for sentence in estimate_words(estimate) {
            page.item("", &sentence);
        }
    }
    page.section("Next steps");
    next_steps(plan).iter().enumerate().for_each(|(i, step)| page.item(&format!("{}. ", i + 1), step));
    page.finish()
}

/// The plan as Markdown.
#[must_use]
pub fn plan_markdown(plan: &AugmentationPlan) -> String {
    let mut page = format!("## Augmentation plan\n\n**{}**\n\n", prose(&headline(plan)));
    for sentence in budget(plan) {
        page.push_str(&format!("- {}\n", prose(&sentence)));
    }
    page.push_str("\n### Next steps\n\n");
    for (i, step) in next_steps(plan).iter().enumerate() {
        page.push_str(&format!("{}. {}\n", i + 1, prose(step)));
    }
    if !plan.leaves.is_empty() {
        page.push_str(&format!("\n### Leaves ({})\n\n", plan.leaves.len()));
        markdown::table(
            &mut page,
            &["leaf", "name", "texts", "real", "target", "add", "", "start from"],
            "rlrrrrll",
            plan.leaves.iter().take(MARKDOWN_LEAVES).map(|leaf| {
                let (note, text) = start(leaf);
                vec![
                    leaf.leaf.to_string(),
                    code(&leaf_name(leaf)),
                    count(leaf.texts),
                    count(leaf.real_texts),
                    percent(leaf.target_share),
                    format!("+{}", count(leaf.needed)),
                    note.unwrap_or_default().to_owned(),
                    code(text),
                ]
            }),
        );
        markdown::rest(&mut page, plan.leaves.len(), MARKDOWN_LEAVES);
    }
    if let Some(estimate) = plan.header.estimate.as_ref().filter(|estimate| estimate.requests > 0) {
        page.push_str("\n### Generation requests (an estimate)\n\n");
        for sentence in estimate_words(estimate) {
            page.push_str(&format!("- {}\n", prose(&sentence)));
        }
    }
    page.push_str(&format!("\n<sub>plan {}</sub>\n", prose(&plan.header.digest)));
    page
}

/// The plan as JSON, fields in the order of the schema, ending in a line break.
#[must_use]
pub fn plan_json(plan: &AugmentationPlan, style: JsonStyle) -> String {
    json::line(match style {
        JsonStyle::Pretty => serde_json::to_string_pretty(plan),
        JsonStyle::Compact => serde_json::to_string(plan),
    })
}

/// The JSON schema of [`plan_json`], as kept in `schemas/plan.schema.json`. `plan.jsonl` holds the same: on its first
/// line every field but `leaves`, then a line for each of the leaves.
#[must_use]
pub fn plan_schema() -> String {
    json::line(serde_json::to_string_pretty(&schema_for!(AugmentationPlan)))
}

fn leaf_name(leaf: &LeafPlan) -> String {
    if leaf.name.trim().is_empty() { format!("leaf {}", leaf.leaf) } else { leaf.name.clone() }
}

/// What the examples of a leaf start from: a seed, or what real texts to search for, with a note on these.
fn start(leaf: &LeafPlan) -> (Option<&'static str>, &str) {
    let (note, texts) =
        if leaf.collect_real_data_first { (Some("real texts first"), &leaf.search_for) } else { (None, &leaf.seeds) };
    (note, texts.first().map_or("", shown))
}

fn total<'a>(leaves: impl Iterator<Item = &'a LeafPlan>) -> u64 {
    leaves.fold(0, |sum, leaf| sum.saturating_add(leaf.needed))
}

fn leaves(n: usize) -> String {
    if n == 1 { "1 leaf".to_owned() } else { format!("{} leaves", count(n as u64)) }
}

fn headline(plan: &AugmentationPlan) -> String {
    if plan.leaves.is_empty() {
        return "Nothing to add".to_owned();
    }
    let mut figures =
        vec![format!("{} to add to {}", counted(total(plan.leaves.iter()), "example"), leaves(plan.leaves.len()))];
    let collected = total(plan.collected());
    if collected > 0 {
        figures.push(format!("{} of them to collect as real texts", count(collected)));
    }
    figures.join(" · ")
}

/// What was asked for, what is given, and why.
fn budget(plan: &AugmentationPlan) -> Vec<String> {
    let header = &plan.header;
    let synthetic =
        if header.synthetic_texts == 1 { "1 is" } else { &format!("{} are", count(header.synthetic_texts)) };
    let corpus = format!("{}, of which {synthetic} synthetic", counted(header.texts, "distinct text"));
    let share = percent(header.synthetic_share);
    let capped = if header.budget < header.asked_budget {
        format!(
            "Budget: {} of the {} asked for. The corpus has {corpus}, and synthetic texts may be at most {share} of it \
             once the examples are in.",
            counted(header.budget, "example"),
            count(header.asked_budget),
        )
    } else {
        format!(
            "Budget: {}, as asked for. The corpus has {corpus}; synthetic texts stay at or below {share}.",
            counted(header.budget, "example"),
        )
    };
    let mut sentences =
        vec![capped, format!("Target: {}. Embedded by {}.", header.target, fit(&header.encoder.id, QUOTED))];
    if matches!(header.target, Target::Uniform | Target::Sqrt) {
        sentences.push(
            "A plan without a reference evens out what is there; it cannot know what is missing. With --reference it gains \
             far more."
                .to_owned(),
        );
    }
    sentences
}

fn estimate_words(estimate: &Estimate) -> Vec<String> {
    let mut sentences = vec![format!(
        "{} for {}: about {} tokens in and {} out, at 4 characters a token and answers as long as the seeds.",
        counted(estimate.requests, "request"),
        counted(estimate.examples, "example"),
        count(estimate.input_tokens),
        count(estimate.output_tokens),
    )];
    if let (Some(cost), Some(prices)) = (estimate.cost, estimate.prices) {
        sentences.push(format!(
            "Cost: {} USD at {} USD per million tokens in and {} out, the prices given.",
            money(cost),
            prices.input,
            prices.output,
        ));
    }
    sentences
}

/// An amount of money, to the cent; what is less than a cent shows.
fn money(amount: f64) -> String {
    if amount > 0.0 && amount < 0.005 { "less than 0.01".to_owned() } else { format!("about {amount:.2}") }
}

/// What to do next; never empty.
fn next_steps(plan: &AugmentationPlan) -> Vec<String> {
    let header = &plan.header;
    let mut steps = Vec::new();
    let (generated, collected): (Vec<_>, Vec<_>) = (plan.generated().collect(), plan.collected().collect());
    if !generated.is_empty() {
        steps.push(format!(
            "Generate {} for {} from their seeds: {}.",
            counted(total(generated.iter().copied()), "example"),
            leaves(generated.len()),
            named(&generated),
        ));
        steps.push(
            "Check what comes back before training on it, and mark it as synthetic: seeds are taken from real texts \
             alone, and the cap counts the others."
                .to_owned(),
        );
    }
    if !collected.is_empty() {
        let search = if collected.iter().any(|leaf| !leaf.search_for.is_empty()) {
            " Search with the texts under `search_for`."
        } else {
            ""
        };
        steps.push(format!(
            "Collect {} for {} with fewer than 10 real texts, too few to generate from: {}.{search}",
            counted(total(collected.iter().copied()), "real text"),
            leaves(collected.len()),
            named(&collected),
        ));
    }
    if header.budget < header.asked_budget {
        steps.push(format!(
            "To add the {} that the cap leaves out, collect real texts, or raise the cap (--synthetic-share).",
            counted(header.asked_budget - header.budget, "example"),
        ));
    }
    if steps.is_empty() {
        steps.push("Add nothing: the budget is 0.".to_owned());
    }
    steps
}

/// The first leaves, by name.
fn named(leaves: &[&LeafPlan]) -> String {
    let name = |leaf: &&LeafPlan| format!("“{}” (+{})", fit(&leaf_name(leaf), QUOTED), count(leaf.needed));
    let mut names: Vec<String> = leaves.iter().take(NAMED).map(name).collect();
    if leaves.len() > NAMED {
        names.push(format!("{} more", count((leaves.len() - NAMED) as u64)));
    }
    join(&names)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::text::width;
    use super::*;
    use crate::plan::{PLAN_SCHEMA_VERSION, Prices, PromptTemplate, fixture};

    fn estimated() -> AugmentationPlan {
        let prices = Prices { input: 0.5, output: 2.5 };
        let estimate = Estimate::of(&fixture::plan(), &PromptTemplate::default(), Some(prices)).unwrap();
        fixture::plan().with_estimate(estimate)
    }

    fn all() -> [AugmentationPlan; 4] {
        [estimated(), fixture::plan(), fixture::hostile(), fixture::empty()]
    }

    #[test]
    fn terminal_at_80_columns() {
        insta::assert_snapshot!(plan_terminal(&estimated(), &TerminalStyle::default()));
    }

    #[test]
    fn terminal_where_the_cap_is_reached() {
        insta::assert_snapshot!(plan_terminal(&fixture::empty(), &TerminalStyle::default()));
    }

    #[test]
    fn markdown_of_a_plan() {
        insta::assert_snapshot!(plan_markdown(&estimated()));
    }

    #[test]
    fn no_line_is_too_wide() {
        for plan in all() {
            for columns in [50, 60, 80, 120, 200] {
                for line in plan_terminal(&plan, &TerminalStyle { width: columns, color: false }).lines() {
                    assert!(width(line) <= columns, "{} > {columns}: {line}", width(line));
                }
            }
        }
    }

    #[test]
    fn hostile_text_cannot_act() {
        let plan = fixture::hostile();
        let acts = |c: char| {
            c != '\n'
                && (c.is_control()
                    || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2066}'..='\u{2069}'))
        };
        for page in [plan_terminal(&plan, &TerminalStyle::default()), plan_markdown(&plan)] {
            assert_eq!(page.chars().find(|&c| acts(c)), None);
        }
        markdown::tests::assert_harmless(&plan_markdown(&plan));
    }

    #[test]
    fn long_lists_are_cut_and_counted() {
        let mut plan = fixture::plan();
        plan.leaves = vec![plan.leaves[0].clone(); 70];
        let page = plan_terminal(&plan, &TerminalStyle::default());
        assert!(page.contains("… and 50 rows more"), "{page}");
        assert!(page.contains("and 67 more."), "{page}");
        assert!(plan_markdown(&plan).contains("… and 20 more"));
    }

    #[test]
    fn money_to_the_cent() {
        let shown = [0.0, 0.001, 0.006, 1234.567].map(money);
        assert_eq!(shown, ["about 0.00", "less than 0.01", "about 0.01", "about 1234.57"]);
    }

    #[test]
    fn json_reads_back() {
        for plan in all() {
            for style in [JsonStyle::Pretty, JsonStyle::Compact] {
                assert_eq!(serde_json::from_str::<AugmentationPlan>(&plan_json(&plan, style)).unwrap(), plan);
            }
        }
    }

    /// Compares with the schema in the tree; where they differ, leaves the new one beside it.
    #[test]
    fn schema_in_the_tree_is_current() {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/plan.schema.json");
        let new = kept.with_extension("json.new");
        if fs_err::read_to_string(&kept).is_ok_and(|text| text == plan_schema()) {
            return;
        }
        fs_err::write(&new, plan_schema()).unwrap();
        panic!(
            "the plan's types and schemas/plan.schema.json differ: raise PLAN_SCHEMA_VERSION (now \
             {PLAN_SCHEMA_VERSION}) if a field was removed or changed its meaning, then \
             `mv schemas/plan.schema.json.new schemas/plan.schema.json`"
        );
    }
}
