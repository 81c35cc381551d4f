//! What was measured, both sides beside each other, as Markdown.

use std::fmt::{self, Display, Formatter};

use crate::measure::spread::Spread;
use crate::side::Side;

/// Which way is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    More,
    Less,
}

/// What callvault is to reach.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// So many times the baseline's, at least or at most as the goal is.
    OfBaseline(f64),
    /// So many times the bare copy's.
    OfBare(f64),
    /// At most so much more than the bare copy's.
    AboveBare(f64),
    /// Itself.
    Itself(f64),
    /// Itself, and of the baseline's.
    ItselfAndOfBaseline(f64, f64),
}

/// One thing that was measured, a value a pair.
#[derive(Debug)]
pub(crate) struct Row {
    what: String,
    goal: Goal,
    digits: usize,
    callvault: Vec<f64>,
    baseline: Vec<f64>,
    bare: Vec<f64>,
    target: Option<Target>,
    /// Told of, and not compared: the servers' part, say.
    is_aside: bool,
}

impl Row {
    pub(crate) fn new(what: &str, goal: Goal, digits: usize) -> Row {
        let (callvault, baseline, bare) = (vec![], vec![], vec![]);
        Row { what: what.to_owned(), goal, digits, callvault, baseline, bare, target: None, is_aside: false }
    }

    pub(crate) fn target(self, target: Target) -> Row {
        Row { target: Some(target), ..self }
    }

    pub(crate) fn aside(self) -> Row {
        Row { is_aside: true, ..self }
    }

    /// Takes what each side had in each pair, and the bare copy.
    pub(crate) fn of<T>(mut self, runs: &Runs<T>, value: impl Fn(&T) -> f64) -> Row {
        self.callvault = runs.of(Side::Callvault).iter().map(&value).collect();
        self.baseline = runs.of(Side::Baseline).iter().map(&value).collect();
        self.bare = runs.bare.iter().map(&value).collect();
        self
    }

    /// callvault's value as a multiple of the baseline's, pair by pair.
    pub(crate) fn ratio(&self) -> Option<Spread> {
        if self.is_aside { None } else { ratio(&self.callvault, &self.baseline) }
    }

    /// How many times better callvault is.
    pub(crate) fn advantage(&self) -> Option<Spread> {
        match self.goal {
            _ if self.is_aside => None,
            Goal::More => ratio(&self.callvault, &self.baseline),
            Goal::Less => ratio(&self.baseline, &self.callvault),
        }
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// How many times better it has to be.
    pub(crate) fn advantage_wanted(&self) -> Option<f64> {
        match (self.target?, self.goal) {
            (Target::OfBaseline(ratio) | Target::ItselfAndOfBaseline(_, ratio), Goal::More) => Some(ratio),
            (Target::OfBaseline(ratio) | Target::ItselfAndOfBaseline(_, ratio), Goal::Less) => Some(1.0 / ratio),
            _ => None,
        }
    }

    fn verdict(&self) -> String {
        let (Some(target), Some(own)) = (self.target, spread(&self.callvault)) else { return String::new() };
        let sign = if self.goal == Goal::More { "≥" } else { "≤" };
        let reaches = |value: f64, wanted: f64| if self.goal == Goal::More { value >= wanted } else { value <= wanted };
        let of =
            |other: &[f64], wanted| ratio(&self.callvault, other).is_some_and(|ratio| reaches(ratio.median, wanted));
        let (text, is_met) = match target {
            Target::OfBaseline(wanted) => (format!("{sign} {wanted:.2} × baseline"), of(&self.baseline, wanted)),
            Target::OfBare(wanted) => (format!("{sign} {wanted:.2} × bare"), of(&self.bare, wanted)),
            Target::AboveBare(wanted) => {
                let above = spread(&self.bare).map(|bare| own.median - bare.median);
                (format!("bare + {wanted:.0}"), above.is_some_and(|above| above <= wanted))
            }
            Target::Itself(wanted) => (format!("{sign} {wanted:.0}"), reaches(own.median, wanted)),
            Target::ItselfAndOfBaseline(wanted, share) => (
                format!("{sign} {wanted:.0} and {sign} {share:.2} × baseline"),
                reaches(own.median, wanted) && of(&self.baseline, share),
            ),
        };
        format!("{text}: {}", if is_met { "met" } else { "**missed**" })
    }
}

impl Display for Row {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let shown = |values: &[f64]| spread(values).map(|it| format!("{it:.*}", self.digits)).unwrap_or_default();
        let ratio = self.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let [callvault, baseline, bare] = [&self.callvault, &self.baseline, &self.bare].map(|values| shown(values));
        write!(f, "| {} | {callvault} | {baseline} | {ratio} | {bare} | {} |", self.what, self.verdict())
    }
}

fn spread(values: &[f64]) -> Option<Spread> {
    (!values.is_empty()).then(|| Spread::of(values.iter().copied()))
}

fn ratio(values: &[f64], others: &[f64]) -> Option<Spread> {
    let ratios: Vec<f64> = values.iter().zip(others).map(|(value, other)| value / other).collect();
    spread(&ratios)
}

/// What each pair was, and the bare copy beside it.
#[derive(Debug)]
pub(crate) struct Runs<T> {
    sides: [Vec<T>; 2],
    pub(crate) bare: Vec<T>,
}

impl<T> Default for Runs<T> {
    fn default() -> Self {
        Runs { sides: [vec![], vec![]], bare: vec![] }
    }
}

impl<T> Runs<T> {
    pub(crate) fn push(&mut self, side: Side, run: T) {
        self.sides[side as usize].push(run);
    }

    fn of(&self, side: Side) -> &[T] {
        &self.sides[side as usize]
    }
}

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) rows: Vec<Row>,
}

impl Display for Section {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        writeln!(
            f,
            "| | callvault | baseline | callvault ÷ baseline | bare copy | target |\n|---|---|---|---|---|---|"
        )?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}
