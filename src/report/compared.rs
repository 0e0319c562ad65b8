//! The comparison with the reference, put into the document.

use super::assemble::Assembly;
use super::beside::{Beside, NOVEL_ALPHA};
use super::comparison::{Coverage, Gap, Hole, NovelGroup, Novelty, ReferenceSummary, SourceCoverage};
use super::document::Example;
use super::reference::ReferenceTexts;
use super::shown::{SHOWN_CHARACTERS, ShownBeside};
use crate::cluster::{REGION_TEXTS, TermCounts};
use crate::coverage::LeafTest;

/// Leaves listed as holes.
const HOLES: usize = 50;

/// The document's fields about the reference.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) reference: Option<ReferenceSummary>,
    pub(super) coverage: Option<Coverage>,
    pub(super) gaps: Vec<Gap>,
    pub(super) holes: Vec<Hole>,
    pub(super) surplus: Vec<Gap>,
    pub(super) novelty: Option<Novelty>,
    pub(super) source_coverage: Vec<SourceCoverage>,
}

/// What a comparison is put in words with.
pub(super) struct Comparison<'a> {
    pub(super) assembly: &'a Assembly<'a>,
    pub(super) beside: &'a Beside,
    pub(super) shown: &'a ShownBeside,
    pub(super) texts: &'a ReferenceTexts<'a>,
    pub(super) leaf_names: &'a [String],
}

impl Comparison<'_> {
    pub(super) fn compared(&self) -> Compared {
        let Beside { gaps, surplus, covered, score, .. } = self.beside;
        let counted: u64 = self.beside.counted.iter().sum();
        let in_gaps: u64 = gaps.iter().filter(|gap| gap.significant).map(|gap| gap.rates.reference).sum();
        let coverage = score.map(|score| Coverage {
            score: score.score,
            interval: score.interval,
            covered: score.covered,
            expected: score.expected,
            gap_mass: in_gaps as f64 / (counted as f64).max(1.0),
        });
        let mut examples = self.shown.gaps.iter();
        let gap = |test: &LeafTest| {
            let shown = if test.significant { examples.next() } else { None };
            self.leaf(
                test,
                shown.into_iter().flatten().map(|&text| self.texts.example(text, SHOWN_CHARACTERS)).collect(),
            )
        };
        let gaps = gaps.iter().map(gap).collect();
        let mut examples = self.shown.surplus.iter();
        let more = |test: &LeafTest| {
            self.leaf(test, examples.next().into_iter().flatten().map(|&text| self.assembly.example(text)).collect())
        };
        Compared {
            reference: Some(self.texts.reference().summary(self.beside.frozen, covered.texts.len(), counted)),
            coverage,
            gaps,
            holes: self.holes(),
            surplus: surplus.iter().map(more).collect(),
            novelty: self.novelty(),
            source_coverage: self.sources(),
        }
    }

    fn leaf(&self, test: &LeafTest, examples: Vec<Example>) -> Gap {
        let rates = &test.rates;
        let (ratio_low, ratio_high) = test.ratio_interval();
        Gap {
            leaf: test.leaf,
            region: self.assembly.found.codebook.region_of_leaf[test.leaf as usize],
            name: self.leaf_names[test.leaf as usize].clone(),
            kind: test.kind,
            ratio: rates.ratio(),
            ratio_low,
            ratio_high,
            p_value: test.p_value,
            p_adjusted: test.p_adjusted,
            significant: test.significant,
            suspected: test.suspected,
            reference_texts: rates.reference,
            reference_share: rates.reference as f64 / rates.reference_total.max(1) as f64,
            corpus_texts: rates.corpus,
            corpus_share: rates.corpus as f64 / rates.corpus_total.max(1) as f64,
            examples,
        }
    }

    fn holes(&self) -> Vec<Hole> {
        let shown = self.beside.holes.iter().zip(&self.shown.holes).take(HOLES);
        shown
            .map(|((test, excess), examples)| Hole {
                leaf: test.leaf,
                name: self.leaf_names[test.leaf as usize].clone(),
                reference_texts: test.texts,
                uncovered: test.uncovered,
                p_value: test.p_value,
                p_adjusted: test.p_adjusted,
                excess: *excess,
                examples: examples.iter().map(|&text| self.texts.example(text, SHOWN_CHARACTERS)).collect(),
            })
            .collect()
    }

    fn novelty(&self) -> Option<Novelty> {
        let groups = self.beside.novel.as_ref()?;
        let mut terms = TermCounts::new(groups.len());
        for (group, texts) in groups.iter().enumerate() {
            for &text in texts.iter().take(REGION_TEXTS) {
                terms.add(group as u32, self.assembly.text(text));
            }
        }
        let texts: u64 = groups.iter().map(|group| group.len() as u64).sum();
        let named = groups.iter().zip(terms.names()).zip(&self.shown.novel);
        Some(Novelty {
            texts,
            share: texts as f64 / self.assembly.found.tally.rows.len().max(1) as f64,
            expected: f64::from(NOVEL_ALPHA),
            groups: named
                .map(|((group, name), examples)| NovelGroup {
                    name,
                    texts: group.len() as u64,
                    examples: examples.iter().map(|&text| self.assembly.example(text)).collect(),
                })
                .collect(),
        })
    }

    fn sources(&self) -> Vec<SourceCoverage> {
        let Beside { covered, source_bits, .. } = self.beside;
        // Of a compact profile nothing is known of single texts.
        if covered.texts.is_empty() {
            return Vec::new();
        }
        let texts = covered.texts.len() as f64;
        let share = |matches: &dyn Fn(u64) -> bool| {
            covered.sources.iter().filter(|&&sources| matches(sources)).count() as f64 / texts
        };
        let source = |(bit, (name, rows)): (usize, &(Option<String>, u64))| SourceCoverage {
            name: name.clone(),
            rows: *rows,
            covers: share(&|sources| sources & 1 << bit != 0),
            alone: share(&|sources| sources == 1 << bit),
        };
        source_bits.sources.iter().enumerate().map(source).collect()
    }
}
