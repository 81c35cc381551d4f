//! The table.

/// Prints line by line as things are measured: a long run shows that it moves.
pub(crate) struct Report;

impl Report {
    #[expect(clippy::print_stdout, reason = "the answer of this program")]
    pub(crate) fn start(machine: &str) -> Report {
        println!("{machine}");
        Report
    }

    /// A heading; its rows follow.
    #[expect(clippy::print_stdout, reason = "the answer of this program")]
    pub(crate) fn section(&mut self, title: &str) {
        println!("\n{title}\n  {:<44} {:>12}  measured", "", "target");
    }

    /// What was measured where nothing is promised.
    pub(crate) fn note(&mut self, what: &str, measured: &str) {
        self.row(what, "", measured);
    }

    /// What was measured and whether that is as promised.
    pub(crate) fn target(&mut self, what: &str, target: &str, measured: &str, is_met: bool) {
        self.row(what, target, &format!("{measured}  {}", if is_met { "met" } else { "MISSED" }));
    }

    #[expect(clippy::print_stdout, reason = "the answer of this program")]
    fn row(&self, what: &str, target: &str, measured: &str) {
        println!("  {what:<44} {target:>12}  {measured}");
    }
}
