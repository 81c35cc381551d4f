//! How far a backfill is, on stderr: a bar on a terminal, a line now and then elsewhere.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use workers::BackfillProgress;

const LINE_EVERY: Duration = Duration::from_secs(10);

/// Shows what it is told; it goes when this is dropped.
pub(crate) struct Shown {
    began: Instant,
    bar: ProgressBar,
    /// When the last line was written; `None` on a terminal.
    line_at: Option<Mutex<Instant>>,
}

impl Shown {
    pub(crate) fn start() -> Shown {
        let began = Instant::now();
        let style = ProgressStyle::with_template("{bar:30} {msg}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let line_at = (!std::io::stderr().is_terminal()).then(|| Mutex::new(began));
        Shown { began, bar, line_at }
    }

    pub(crate) fn tell(&self, progress: &BackfillProgress) {
        let Some(line_at) = &self.line_at else {
            self.bar.set_length(progress.days);
            self.bar.set_position(progress.days_done);
            self.bar.set_message(text(progress, self.began.elapsed()));
            return;
        };
        let mut line_at = line_at.lock().unwrap_or_else(PoisonError::into_inner);
        if line_at.elapsed() >= LINE_EVERY {
            *line_at = Instant::now();
            tracing::info!("backfill: {}", text(progress, self.began.elapsed()));
        }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn text(progress: &BackfillProgress, elapsed: Duration) -> String {
    let BackfillProgress { days, days_done, report, waiting, .. } = progress;
    let mut text = format!("{days_done} of {days} days, listed {}, queued {}", report.listed, report.published);
    if let Some(waiting) = waiting {
        text += &format!(", {waiting} wait for workers");
    }
    if let Some(left) = time_left(progress, elapsed) {
        text += &format!(", about {} left", HumanDuration(left));
    }
    text
}

/// If the days to come are like those that this run is through with.
fn time_left(progress: &BackfillProgress, elapsed: Duration) -> Option<Duration> {
    let done = progress.days_done.saturating_sub(progress.days_done_before);
    let left = progress.days.saturating_sub(progress.days_done);
    (done > 0 && left > 0).then(|| elapsed.mul_f64(left as f64 / done as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_estimated_from_the_days_of_this_run_alone() {
        let progress = BackfillProgress { days: 100, days_done: 60, days_done_before: 50, ..Default::default() };
        assert_eq!(time_left(&progress, Duration::from_secs(30)), Some(Duration::from_secs(120)));
        let text = text(&progress, Duration::from_secs(30));
        assert_eq!(text, "60 of 100 days, listed 0, queued 0, about 2 minutes left");
        let none_yet = BackfillProgress { days_done: 50, ..progress };
        assert_eq!(time_left(&none_yet, Duration::from_secs(30)), None);
    }
}
