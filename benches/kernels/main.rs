//! The kernels of the forward pass one by one, on every level that this processor has.
//!
//! `cargo bench --bench kernels` times the linear layers of all-MiniLM-L6-v2 in each precision, attention and layer
//! normalization, on one core and a block of 64 tokens. Levels take turns; a figure is the median of 7 rounds. Prints a
//! table in Markdown: G floating-point operations a second (of the definition: whatever else is done counts for nothing),
//! for layer normalization G numbers a second. The layer of 16 outputs does little but round its input. With the argument
//! `levels` it prints nothing but their names.
//!
//! The kernels are compiled in as sources. So this file is also the root of a crate that has nothing else
//! (`Cargo.toml` beside it), whose tests are those of the kernels: `.ci/check-neon` runs them on an emulated processor.
#![expect(clippy::print_stdout, reason = "prints what it measured")]

use std::fmt::Display;
use std::time::{Duration, Instant};

use kernel::{Activation, AttentionBuffers, Heads, LayerNorm, Level, Linear, Precision, Rounded, attend, padded};
use random::SplitMix64;

#[path = "../../src/embed/kernel/mod.rs"]
#[allow(dead_code, unreachable_pub, unused_imports, reason = "the library uses all of it, and shows some")]
mod kernel;
#[path = "../../src/cluster/random.rs"]
#[allow(dead_code, unused_imports, reason = "only tests draw whole words")]
mod random;

const TOKENS: usize = 64;
const HIDDEN: usize = 384;
const INNER: usize = 1536;
const HEADS: Heads = Heads { heads: 12, size: 32 };

const ROUNDS: usize = 7;
/// Time of a figure in a round, at least.
const SAMPLE: Duration = Duration::from_millis(4);

fn main() {
    let levels = Level::available();
    let names: Vec<String> = levels.iter().map(|level| format!("{level:?}")).collect();
    if std::env::args().any(|argument| argument == "levels") {
        println!("{}", names.join(" "));
        return;
    }
    println!("| kernel | {} |", names.join(" | "));
    println!("|---|{}", "---|".repeat(levels.len()));

    let shapes = [
        (HIDDEN, 3 * HIDDEN, Activation::None),
        (HIDDEN, HIDDEN, Activation::None),
        (HIDDEN, INNER, Activation::None),
        (HIDDEN, INNER, Activation::Gelu),
        (INNER, HIDDEN, Activation::None),
        (HIDDEN, 16, Activation::None),
    ];
    for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
        for (inputs, outputs, activation) in shapes {
            let with = if activation == Activation::Gelu { ", GELU" } else { "" };
            let name = format!("linear {inputs} to {outputs}{with}, {precision:?}");
            compare(&levels, &name, 2 * TOKENS * inputs * outputs, |level| {
                let layer = Linear::new(level, precision, &numbers(inputs * outputs), inputs, numbers(outputs));
                let (input, mut out) = (numbers(TOKENS * inputs), vec![0.0; TOKENS * outputs]);
                let mut rounded = Rounded::default();
                move || layer.forward(level, &input, &mut out, activation, &mut rounded)
            });
        }
    }
    for tokens in [16, 64, 256] {
        compare(&levels, format!("attention, {tokens} tokens"), 4 * tokens * tokens * HIDDEN, |level| {
            let (input, mut context) = (numbers(tokens * 3 * HIDDEN), vec![0.0; tokens * HIDDEN]);
            let mut buffers = AttentionBuffers::default();
            move || attend(level, HEADS, tokens, &input, &mut context, &mut buffers)
        });
    }
    compare(&levels, "layer normalization", TOKENS * padded(HIDDEN), |level| {
        let norm = LayerNorm::new(numbers(HIDDEN), numbers(HIDDEN), 1e-12);
        let (mut residual, added) = (numbers(TOKENS * HIDDEN), numbers(TOKENS * HIDDEN));
        move || norm.forward(level, &mut residual, &added)
    });
}

/// Prints a row: how many of `operations` a call makes in a nanosecond, for the kernel that `make` gives for each level.
fn compare<F: FnMut()>(levels: &[Level], name: impl Display, operations: usize, make: impl Fn(Level) -> F) {
    let mut runs: Vec<(F, Vec<f64>)> = levels.iter().map(|&level| (make(level), Vec::new())).collect();
    for _ in 0..ROUNDS {
        for (run, nanoseconds) in &mut runs {
            let (start, mut calls) = (Instant::now(), 0);
            while start.elapsed() < SAMPLE {
                run();
                calls += 1;
            }
            nanoseconds.push(start.elapsed().as_secs_f64() * 1e9 / f64::from(calls));
        }
    }
    let medians = runs.iter_mut().map(|(_, nanoseconds)| {
        nanoseconds.sort_by(f64::total_cmp);
        format!("{:.1}", operations as f64 / nanoseconds[ROUNDS / 2])
    });
    println!("| {name} | {} |", medians.collect::<Vec<_>>().join(" | "));
}

/// Numbers below 1/2 in size, the same at every call.
fn numbers(n: usize) -> Vec<f32> {
    let mut random = SplitMix64::new(1);
    (0..n).map(|_| random.next_f64() as f32 - 0.5).collect()
}

/// Where the tests of the kernels look for it.
#[cfg(test)]
mod cluster {
    pub(crate) use crate::random;
}
