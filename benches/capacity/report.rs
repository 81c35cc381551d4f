//! Markdown.

/// A table under a heading; all columns but the first are numbers.
pub(crate) struct Table {
    text: String,
}

impl Table {
    pub(crate) fn new(title: &str, columns: &[&str]) -> Table {
        let rule = "|---".to_owned() + &"|---:".repeat(columns.len() - 1);
        Table { text: format!("### {title}\n\n| {} |\n{rule}|\n", columns.join(" | ")) }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().collect();
        self.text += &format!("| {} |\n", cells.join(" | "));
    }

    #[expect(clippy::print_stdout, reason = "the answer of this program")]
    pub(crate) fn print(self) {
        println!("{}", self.text);
    }
}

/// With thousands set apart, and with as many digits as tell something.
pub(crate) fn number(value: f64) -> String {
    let digits = match value {
        value if value >= 99.5 || value == 0.0 => 0,
        value if value >= 9.95 => 1,
        value if value >= 0.005 => 2,
        _ => return "< 0.01".to_owned(),
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    let mut grouped = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

/// Numbers of one cell.
pub(crate) fn together(values: impl IntoIterator<Item = f64>) -> String {
    values.into_iter().map(number).collect::<Vec<_>>().join(" · ")
}

/// Two digits that count, as is fit for an estimate.
pub(crate) fn about(value: f64) -> String {
    if value < 10.0 {
        return number(value);
    }
    let unit = 10_f64.powf(value.log10().floor() - 1.0);
    number((value / unit).round() * unit)
}

/// A wait.
pub(crate) fn duration(secs: f64) -> String {
    match secs {
        secs if secs < 0.05 => "0 s".to_owned(),
        secs if secs < 120.0 => format!("{secs:.1} s"),
        secs if secs < 7200.0 => format!("{:.0} min", secs / 60.0),
        secs => format!("{:.1} h", secs / 3600.0),
    }
}

/// A time of the day; after midnight the hours go on.
pub(crate) fn clock(secs: f64) -> String {
    let minutes = (secs / 60.0).round() as u64;
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}
