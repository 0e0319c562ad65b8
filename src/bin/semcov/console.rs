//! Standard error: messages, and a progress bar where there is a terminal.

use std::fmt::Display;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use console::Style;
use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use semcov::embed::Counts;
use semcov::progress::{Progress, Stage};
use semcov::report::render::TerminalStyle;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// Where a command speaks to the person who started it; data goes to standard output instead.
pub(crate) struct Console {
    verbosity: Verbosity,
    animated: bool,
    bar: Mutex<Option<Running>>,
    tokens: AtomicU64,
}

struct Running {
    stage: Stage,
    bar: ProgressBar,
    start: Instant,
}

impl Console {
    pub(crate) fn new(verbosity: Verbosity) -> Self {
        let animated = verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        Self { verbosity, animated, bar: Mutex::new(None), tokens: AtomicU64::new(0) }
    }

    /// Whether somebody watches the progress bar.
    pub(crate) fn is_animated(&self) -> bool {
        self.animated
    }

    /// What a user wants to know of a run that goes well.
    pub(crate) fn note(&self, message: impl Display) {
        if self.verbosity >= Verbosity::Normal {
            self.print("", message);
        }
    }

    /// What a user wants to know when something looks odd (`-v`).
    pub(crate) fn detail(&self, message: impl Display) {
        if self.verbosity >= Verbosity::Verbose {
            self.print("", message);
        }
    }

    pub(crate) fn warn(&self, message: impl Display) {
        if self.verbosity >= Verbosity::Normal {
            self.print(paint("warning: ", Style::new().yellow().bold()), message);
        }
    }

    /// A condition to fail on that holds: said even to those who want to hear of errors only.
    pub(crate) fn failure(&self, message: impl Display) {
        self.print(paint("failed: ", Style::new().red().bold()), message);
    }

    /// Workflow commands, which a CI runner reads from either stream.
    pub(crate) fn annotate(&self, commands: &str) {
        self.finish();
        self.print("", commands.trim_end());
    }

    /// What was embedded, what was known already, and how fast it went.
    pub(crate) fn embedded(&self, counts: &Counts, elapsed: Duration) {
        let Counts { embedded, reused, .. } = *counts;
        let seconds = elapsed.as_secs_f64();
        let rate = HumanCount((embedded as f64 / seconds.max(1e-3)) as u64);
        self.note(match embedded {
            0 if reused == 0 => return,
            0 => format!("all {} texts were in the vector store", HumanCount(reused)),
            _ => format!(
                "embedded {} texts in {seconds:.1} s ({rate} texts/s); {} more were in the vector store",
                HumanCount(embedded),
                HumanCount(reused)
            ),
        });
    }

    /// A bar for a download, shown as soon as something comes.
    pub(crate) fn download(&self) -> Download {
        let target = if self.animated { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let style = ProgressStyle::with_template("{bar:24} {bytes}/{total_bytes} · {bytes_per_sec} · {eta} left");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Download(ProgressBar::with_draw_target(None, target).with_style(style).with_finish(ProgressFinish::AndClear))
    }

    /// The chain of causes, and the next step.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        self.finish();
        self.print(paint("error: ", Style::new().red().bold()), format!("{error:#}").trim_end());
        let help = error.chain().find_map(|cause| cause.downcast_ref::<semcov::Error>()?.help());
        if let Some(help) = help {
            self.print(paint("help: ", Style::new().cyan().bold()), help);
        }
    }

    #[expect(clippy::print_stderr, reason = "the one place that writes to standard error")]
    fn print(&self, label: impl Display, message: impl Display) {
        let message = printable(&message.to_string());
        match &*self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(running) if self.animated => running.bar.suspend(|| eprintln!("{label}{message}")),
            _ => eprintln!("{label}{message}"),
        }
    }
}

/// How a download goes.
pub(crate) struct Download(ProgressBar);

impl Download {
    pub(crate) fn set(&self, done: u64, total: u64) {
        self.0.set_length(total);
        self.0.set_position(done);
    }
}

impl Progress for Console {
    fn start(&self, stage: Stage, total: Option<u64>) {
        self.finish();
        self.tokens.store(0, Ordering::Relaxed);
        let target = if self.animated { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar =
            ProgressBar::with_draw_target(total, target).with_message(name(stage)).with_style(style(stage, total));
        bar.enable_steady_tick(Duration::from_millis(200));
        *self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some(Running { stage, bar, start: Instant::now() });
    }

    fn warn(&self, message: &str) {
        Console::warn(self, message);
    }

    fn advance(&self, rows: u64, tokens: u64) {
        let all = self.tokens.fetch_add(tokens, Ordering::Relaxed) + tokens;
        if let Some(running) = &*self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner) {
            running.bar.inc(rows);
            let seconds = running.start.elapsed().as_secs_f64().max(1e-3);
            let rate = |count: u64| HumanCount((count as f64 / seconds) as u64);
            let mut message = format!("{} · {} rows/s", name(running.stage), rate(running.bar.position()));
            if all > 0 {
                message += &format!(" · {} tokens/s", rate(all));
            }
            running.bar.set_message(message);
        }
    }

    fn finish(&self) {
        let running = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(running) = running {
            let rows = running.bar.position();
            running.bar.finish_and_clear();
            self.detail(format_args!(
                "{}: {} rows in {}",
                name(running.stage),
                HumanCount(rows),
                HumanDuration(running.start.elapsed())
            ));
        }
    }
}

/// How wide standard output is, and whether it shows colours (`NO_COLOR` is honoured).
pub(crate) fn stdout_style() -> TerminalStyle {
    let term = console::Term::stdout();
    let width = term.size_checked().map_or(80, |(_, columns)| usize::from(columns).min(120));
    TerminalStyle { width, color: term.is_term() && console::colors_enabled() }
}

fn name(stage: Stage) -> &'static str {
    match stage {
        Stage::Distill => "distilling",
        Stage::Embed => "embedding",
        Stage::Cluster => "clustering",
        Stage::Observe => "observing",
        Stage::Score => "scoring",
        Stage::Screen => "screening",
        Stage::Compare => "comparing",
        Stage::Map => "drawing the map",
        Stage::Collect => "collecting examples",
    }
}

fn style(stage: Stage, total: Option<u64>) -> ProgressStyle {
    let template = match (total, stage) {
        (Some(_), _) => "{bar:24} {human_pos}/{human_len} rows · {msg} · {eta} left",
        (None, _) => "{spinner} {human_pos} rows · {msg} · {elapsed}",
    };
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn paint(text: &str, style: Style) -> impl Display {
    style.for_stderr().apply_to(text)
}

/// Messages quote rows and file names, which are untrusted: control characters are shown, not obeyed.
fn printable(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    for c in message.chars() {
        if c.is_control() && c != '\n' { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}
