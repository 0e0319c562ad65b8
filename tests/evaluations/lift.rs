//! What a plan is worth: the accuracy that real examples, added where it says, give to a classifier.
//!
//! Half of CLINC150's train split (by draw) is the corpus, the other half a pool of examples to be had; 30 of 150 random
//! intents keep a tenth of their corpus queries. The reference is the validation split. A budget of 10 % of the corpus is
//! taken from the pool; accuracy is that of a ridge classifier on the vectors, over the test split, and lift what it gains
//! over the corpus alone.

use std::collections::BTreeMap;

use nalgebra::DMatrix;
use semcov::cluster::{CodebookParams, assign, fit_together};
use semcov::plan::{Budget, PlanParams, water_fill};
use semcov::progress::Silent;

use crate::data::{CLINC, Split};
use crate::figures::Shuffle;

/// Number of draws.
const DRAWS: u64 = 5;

/// A draw: what there is, and how to divide a budget.
struct Draw {
    corpus: Split,
    pool: Split,
    thin: Vec<String>,
    /// Leaves of pool rows, and texts of the corpus and the reference per leaf.
    pool_leaf: Vec<u32>,
    corpus_counts: Vec<u64>,
    reference_counts: Vec<u64>,
}

impl Draw {
    fn new(clinc: &BTreeMap<String, Split>, seed: u64) -> Self {
        let train = &clinc["train"];
        let mut draw = Shuffle::new(seed);
        let mut rows: Vec<usize> = (0..train.labels.len()).collect();
        draw.shuffle(&mut rows);
        let mut intents: Vec<&String> = train.labels.iter().collect();
        intents.sort_unstable();
        intents.dedup();
        draw.shuffle(&mut intents);
        let thin: Vec<String> = intents[..30].iter().map(|intent| (*intent).clone()).collect();
        let (corpus, pool) = rows.split_at(rows.len() / 2);
        let mut of_intent: BTreeMap<&str, usize> = BTreeMap::new();
        for &row in corpus {
            *of_intent.entry(&train.labels[row]).or_default() += 1;
        }
        let mut kept: BTreeMap<&str, usize> = BTreeMap::new();
        let corpus: Vec<usize> = corpus
            .iter()
            .copied()
            .filter(|&row| {
                let label = &train.labels[row];
                let kept = kept.entry(label).or_default();
                *kept += 1;
                !thin.contains(label) || *kept * 10 <= of_intent[label.as_str()]
            })
            .collect();
        let (corpus, pool) = (train.rows(&corpus), train.rows(pool));

        let matrices = [&corpus, &clinc["val"]].map(Split::matrix);
        let keys = [&corpus, &clinc["val"]].map(Split::keys);
        let both = [(&matrices[0], keys[0].as_slice()), (&matrices[1], keys[1].as_slice())];
        let params = CodebookParams { seed, ..CodebookParams::default() };
        let (codebook, of_corpus, of_reference) = fit_together(both, &params, &Silent).unwrap();
        let leaves = codebook.n_leaves();
        Self {
            pool_leaf: assign(&pool.matrix(), &codebook.leaves).nearest,
            corpus_counts: of_corpus.counts(leaves),
            reference_counts: of_reference.counts(leaves),
            corpus,
            pool,
            thin,
        }
    }

    /// The plan's own way: water-filled towards target shares. What the pool has no more of goes to the other leaves.
    fn water_filled(&self, budget: u64, target: &[f64]) -> Vec<usize> {
        let mut stock = vec![0_u64; target.len()];
        self.pool_leaf.iter().for_each(|&leaf| stock[leaf as usize] += 1);
        let plan = PlanParams { budget: Budget::Examples(budget), ..PlanParams::default() }.check().unwrap();
        let mut wanted = plan.allocate(&self.corpus_counts, target, 0).needed;
        let mut open = target.to_vec();
        loop {
            let mut over = 0;
            for (leaf, wanted) in wanted.iter_mut().enumerate() {
                if *wanted > stock[leaf] {
                    (over, open[leaf]) = (over + *wanted - stock[leaf], 0.0);
                    *wanted = stock[leaf];
                }
            }
            if over == 0 {
                return self.taken(&wanted);
            }
            let filled: Vec<u64> =
                self.corpus_counts.iter().zip(&wanted).map(|(count, wanted)| count + wanted).collect();
            let more = water_fill(&filled, &open, over);
            if more.iter().all(|&more| more == 0) {
                return self.taken(&wanted);
            }
            wanted.iter_mut().zip(more).for_each(|(wanted, more)| *wanted += more);
        }
    }

    /// The first rows of the pool, as many of each leaf as wanted.
    fn taken(&self, wanted: &[u64]) -> Vec<usize> {
        let mut left = wanted.to_vec();
        let mut rows = Vec::new();
        for (row, &leaf) in self.pool_leaf.iter().enumerate() {
            if left[leaf as usize] > 0 {
                left[leaf as usize] -= 1;
                rows.push(row);
            }
        }
        rows
    }

    fn oracle(&self, budget: u64) -> Vec<usize> {
        let of_each = budget.div_ceil(self.thin.len() as u64);
        let mut left: BTreeMap<&str, u64> = self.thin.iter().map(|intent| (intent.as_str(), of_each)).collect();
        let rows = (0..self.pool.labels.len()).filter(|&row| match left.get_mut(self.pool.labels[row].as_str()) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        });
        rows.take(budget as usize).collect()
    }

    /// Accuracy over `test`, in percent, of a ridge classifier on the corpus and some rows of the pool.
    fn accuracy(&self, added: &[usize], test: &Split) -> f64 {
        let added = self.pool.rows(added);
        let train = Split {
            dim: self.corpus.dim,
            vectors: [self.corpus.vectors.as_slice(), &added.vectors].concat(),
            labels: [self.corpus.labels.as_slice(), &added.labels].concat(),
        };
        ridge_accuracy(&train, test)
    }
}

/// scikit-learn's `RidgeClassifier(alpha=1)`: least squares on classes coded as 1 and -1, with an intercept.
fn ridge_accuracy(train: &Split, test: &Split) -> f64 {
    let mut names = train.labels.clone();
    names.sort_unstable();
    names.dedup();
    let (n, dim) = (train.labels.len(), train.dim);
    let mut x = DMatrix::from_iterator(dim, n, train.vectors.iter().map(|&x| f64::from(x)));
    let mean = x.column_mean();
    x.column_iter_mut().for_each(|mut row| row -= &mean);
    let mut targets = DMatrix::from_element(n, names.len(), -1.0);
    for (row, label) in train.labels.iter().enumerate() {
        targets[(row, names.binary_search(label).unwrap())] = 1.0;
    }
    let intercept = targets.row_mean();
    targets.row_iter_mut().for_each(|mut row| row -= &intercept);
    let gram = &x * x.transpose() + DMatrix::identity(dim, dim);
    let weights = gram.cholesky().unwrap().solve(&(&x * targets));
    let mut y = DMatrix::from_iterator(dim, test.labels.len(), test.vectors.iter().map(|&x| f64::from(x)));
    y.column_iter_mut().for_each(|mut row| row -= &mean);
    let scores = y.transpose() * weights;
    let right = scores.row_iter().zip(&test.labels).filter(|(scores, label)| {
        let best = (0..names.len()).max_by(|&a, &b| (scores[a] + intercept[a]).total_cmp(&(scores[b] + intercept[b])));
        names[best.unwrap()] == **label
    });
    100.0 * right.count() as f64 / test.labels.len() as f64
}

fn shares(counts: &[u64]) -> Vec<f64> {
    counts.iter().map(|&count| count as f64).collect()
}

/// Band 11.
#[test]
fn a_plan_beats_random_examples() {
    let Some(clinc) = &*CLINC else { return };
    let test = &clinc["test"];
    let (mut random, mut planned) = (0.0, 0.0);
    for seed in 0..DRAWS {
        let draw = Draw::new(clinc, seed);
        let budget = draw.corpus.labels.len() as u64 / 10;
        let base = draw.accuracy(&[], test);
        let any: Vec<usize> = (0..budget as usize).collect();
        random += (draw.accuracy(&any, test) - base) / DRAWS as f64;
        let filled = draw.water_filled(budget, &shares(&draw.reference_counts));
        planned += (draw.accuracy(&filled, test) - base) / DRAWS as f64;
    }
    eprintln!("lift of a 10 % budget: random {random:+.1} points, planned {planned:+.1}");
    assert!(planned - random >= 4.0, "{planned} {random}");
}

#[test]
#[ignore = "takes minutes: the table of METHODS.md"]
fn lift_table() {
    let Some(clinc) = &*CLINC else { return };
    let test = &clinc["test"];
    for percent in [5, 10, 20] {
        let names =
            ["random", "proportional", "even", "square root", "water-filled to even", "to sqrt", "planned", "oracle"];
        let mut lift = [0.0; 8];
        for seed in 0..DRAWS {
            let draw = Draw::new(clinc, seed);
            let n = draw.corpus.labels.len() as u64;
            let budget = n * percent / 100;
            let base = draw.accuracy(&[], test);
            let counts = shares(&draw.corpus_counts);
            let divided = |weights: Vec<f64>| {
                let sum: f64 = weights.iter().sum();
                let wanted = weights.iter().map(|weight| (budget as f64 * weight / sum).round() as u64);
                draw.taken(&wanted.collect::<Vec<_>>())
            };
            let roots: Vec<f64> = counts.iter().map(|count| count.sqrt()).collect();
            let reference = shares(&draw.reference_counts);
            let added = [
                (0..budget as usize).collect(),
                divided(counts.clone()),
                divided(vec![1.0; counts.len()]),
                divided(roots),
                draw.water_filled(budget, &vec![1.0; counts.len()]),
                draw.water_filled(budget, &reference.iter().map(|share| share.sqrt()).collect::<Vec<_>>()),
                draw.water_filled(budget, &reference),
                draw.oracle(budget),
            ];
            for (lift, added) in lift.iter_mut().zip(&added) {
                *lift += (draw.accuracy(added, test) - base) / DRAWS as f64;
            }
        }
        for (name, lift) in names.iter().zip(lift) {
            eprintln!("lift of a {percent} % budget, {name}: {lift:+.1}");
        }
    }
}
